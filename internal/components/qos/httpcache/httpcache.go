package httpcache

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

// codeNotCached is the failure of a client that wants an answer of the cache alone.
const codeNotCached = "not_cached"

var info = component.Info{
	Namespace: "qos/http-cache",
	Aliases:   []string{"github.com/devopsfaith/krakend-httpcache"},
	Summary:   "Keeps answers of a backend in memory while they are fresh.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Trust,
	Failures: []gateway.Failure{
		{Code: codeNotCached, Class: gateway.Unavailable, Status: 504, Detail: "Only an answer from the cache was asked for, and there is none."},
	},
}

func init() { component.Register(component.Backend(info, build)) }

func build(s *component.BackendSite, o Options) error {
	b := s.Config()
	switch {
	case o.MaxItems == 0 && o.MaxSize == 0:
		s.Note("", errors.New("the store holds 256 MiB at most; set max_items and max_size"))
	case o.MaxItems == 0:
		s.Note("max_size", errors.New("the number of stored answers has no limit; set max_items as well"))
	case o.MaxSize == 0:
		s.Note("max_items", errors.New("the memory of stored answers has no limit but 256 MiB; set max_size as well"))
	}
	id := fmt.Sprintf("%d\x00%d", o.MaxItems, o.MaxSize)
	origin := string(b.SD) + " " + string(b.SDScheme) + " " + strings.Join(b.Host, " ")
	if !o.Shared {
		id += fmt.Sprintf("\x00%s\x00%s %s\x00%s", s.Name(), b.Method, b.URLPattern, origin)
	}
	st, err := component.Keep(&s.Site, id, func() (*store, func(), error) {
		return newStore(o.MaxItems, int64(cmp.Or(o.MaxSize, defaultSize))), nil, nil
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(b.Host, func(h string) bool { return strings.Contains(h, "{") }) {
		origin = "" // each request has its own
	}
	s.Finally(func() error {
		if method, _ := s.Method(); !safe(method) && !o.Shared {
			s.Warn("", fmt.Errorf("keeps nothing, because the backend is called by %s and answers to GET alone are kept; remove it, or call the backend by GET", method))
		}
		return nil
	})
	behaviour, passes := &s.Service().Behaviour, b.Encoding == "no-op"
	s.Prompt(component.BackendCache, &cache{
		store:  st,
		origin: origin,
		clock:  s.Clock(),
		reads:  func(status int) bool { return passes || behaviour.Answered(status) },
		calls:  component.NewSlot[*call](&s.Site),
	})
	return nil
}
