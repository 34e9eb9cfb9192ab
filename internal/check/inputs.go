package check

import (
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
)

// checkHeaders reports entries of input_headers that let nothing through. An empty one
// is how to say that nothing shall pass.
func (c *Checker) checkHeaders(n *config.Node, list []string) {
	for i, name := range list {
		var err error
		trimmed := strings.TrimSpace(name)
		switch {
		case name == "" || name == "*":
		case gateway.Canonical(trimmed) == message.Httpoxy:
			err = fmt.Errorf("%s never passes, because services that make variables of headers take it for the address of a proxy; remove it", message.Httpoxy)
		case gateway.Token(name) && strings.Contains(name, "*"):
			err = fmt.Errorf("%q is a name and no pattern, so nothing passes; write the names one by one, or \"*\" alone for all", name)
		case gateway.Token(name):
		case gateway.Token(trimmed):
			err = fmt.Errorf("%q holds blanks, so nothing passes; write %q", name, trimmed)
		case strings.ContainsAny(name, ",;"):
			err = fmt.Errorf("%q is no name of a header, so nothing passes; write each name as an entry of its own", name)
		default:
			err = fmt.Errorf("%q is no name of a header, so nothing passes; write one such as Accept-Language", name)
		}
		if err != nil {
			c.notName(n, "input_headers", i, err)
		}
	}
}

// checkQueries reports entries of input_query_strings that are no names as clients write
// them. Names may hold any sign; these say something else.
func (c *Checker) checkQueries(n *config.Node, list []string) {
	for i, name := range list {
		var err error
		trimmed := strings.TrimSpace(name)
		switch {
		case trimmed != name:
			err = fmt.Errorf("%q begins or ends with a blank, so the parameter does not pass; write %q", name, trimmed)
		case name != "*" && strings.HasSuffix(name, "*"):
			err = fmt.Errorf("%q is a name and no pattern, so nothing passes; write the names one by one, or \"*\" alone for all", name)
		case strings.Contains(name, ",") && !strings.ContainsAny(name, "[({"):
			err = fmt.Errorf("%q is one name, so nothing passes; write each name as an entry of its own", name)
		}
		if err != nil {
			c.notName(n, "input_query_strings", i, err)
		}
	}
}

// notName reports an entry of a list that is no name; err says why, and repeats it.
func (c *Checker) notName(n *config.Node, key string, i int, err error) {
	at, item := listed(n, key, i)
	if item.Secret() {
		err = fmt.Errorf("%s is no name that a request can have, so nothing passes; give the reference another value", hidden)
	}
	c.mistake(n, at, err)
}

// Inputs reports entries of the lists of headers and parameters of a backend that let
// nothing through, and parameters that stay behind for those of its url_pattern.
func (b *Backends) Inputs(be *model.Backend, fixed *message.FixedNames) {
	b.noteFixed(be, fixed)
	b.checkHeaders(be.Node, be.InputHeaders)
	b.checkQueries(be.Node, be.InputQueryStrings)
}

// noteFixed says which parameters of the client stay behind for those that url_pattern
// makes of a token, and for those of a component.
func (b *Backends) noteFixed(be *model.Backend, fixed *message.FixedNames) {
	note := func(n *config.Node, list []string) {
		for i, name := range list {
			if name != "" && name != "*" && fixed.Takes(name) {
				b.report(n, n.ItemPath("input_query_strings", i), config.Note, config.CodeNote, fmt.Errorf(
					"the parameter %q of the client stays behind, because url_pattern makes one of the token, or a namespace of the backend has one of its own", name))
			}
		}
	}
	note(be.Node, be.InputQueryStrings)
	if len(b.config.Backend) == 1 {
		note(b.config.Node, b.config.InputQueryStrings)
	}
}
