//go:build !slim

package sqs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// added are the attributes that the gateway adds itself.
var added = []string{"User-Agent", "X-Forwarded-For", "X-Forwarded-Host"}

// judgeSNS reports what of a backend makes messages that AWS refuses.
func judgeSNS(s *component.BackendSite, _ *queue.Address) {
	if e := s.Endpoint(); e.Outer() == nil && e.Config().Method == "GET" {
		s.Warn("", errors.New("AWS takes no message without a body, and a request with GET has none, so that it is answered with 400; write another method in the endpoint"))
	}
	for _, name := range passing(s) {
		if !attribute(name) && name != "*" {
			s.Warn("", fmt.Errorf("no attribute of a message has the name %q, which input_headers lets through, so that it is left out; remove it there", name))
		}
	}
}

// judgeSQS is judgeSNS, where there may be only so many attributes.
func judgeSQS(s *component.BackendSite, a *queue.Address) {
	judgeSNS(s, a)
	const most = mostAttributes - 3 // of added
	list := passing(s)
	if n := len(list); n > most || slices.Contains(list, "*") {
		s.Warn("", fmt.Errorf("a message of SQS has ten attributes at most, of which the gateway adds %d, so that a request with more than %d of what input_headers lets through is answered with 400; name %[2]d there at most", len(added), most))
	}
}

// passing returns the headers of clients that become attributes, as they are canonical.
func passing(s *component.BackendSite) []string {
	return slices.DeleteFunc(queue.Passing(s), func(name string) bool { return slices.Contains(added, name) })
}
