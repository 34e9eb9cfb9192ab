package celx

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Scope is where expressions stand: it knows which variables have values there, and
// where they come from. Expressions of one scope may be evaluated together. It is safe
// for concurrent use once they are compiled.
type Scope struct {
	known    *component.Registry // for messages
	clock    component.Clock
	header   uint64 // bytes of the header of a message
	verified bool   // there is a token
	early    bool   // what the client sends counts, because nothing is selected yet
	backend  bool
	earlier  int // calls of the sequence before that of the backend
	noop     bool
	limit    int64    // of an answer, in bytes; 0 is none
	params   []string // as req_params names them, by index of the path parameter
	results  []result // of earlier calls, that some expression looks up

	headers, query []string // names that are let through
	open, anyQuery bool     // all are
}

func newScope(s *component.Site, params []string) *Scope {
	sc := &Scope{known: s.Registry(), clock: s.Clock(), header: uint64(cmp.Or(s.Service().MaxHeaderBytes, model.DefaultMaxHeaderBytes))}
	for _, p := range params {
		sc.params = append(sc.params, strings.ToUpper(p[:1])+p[1:])
	}
	return sc
}

// Service returns the scope of a service: what the client sends, before an endpoint is
// found.
func Service(s *component.ServiceSite) *Scope {
	sc := newScope(&s.Site, nil)
	sc.early, sc.open, sc.anyQuery = true, true, true
	return sc
}

// Early returns the scope of an endpoint in front of [component.EndpointSelect]: what the
// client sends.
func Early(s *component.EndpointSite) *Scope {
	sc := newScope(&s.Site, s.Params())
	sc.early, sc.open, sc.anyQuery = true, true, true
	sc.verified = s.Identified()
	return sc
}

// Pipe returns the scope of a pipe: what an endpoint lets through of what the client
// sends, and the answer. Where a component verifies tokens, they are there from
// [component.EndpointAuthenticate] on.
func Pipe(s *component.PipeSite) *Scope {
	sc := newScope(&s.Site, s.Params())
	sc.verified = s.Identified()
	sc.noop = s.Config().OutputEncoding == "no-op"
	sc.lets(s)
	sc.limit = s.Config().MaxResponseBytes.Held()
	sc.open = sc.open || len(s.Arrangement().Upgrade) > 0 // what a handshake needs passes as well
	return sc
}

// Backend returns the scope of a backend: the call, and its answer. There is no token.
func Backend(s *component.BackendSite) *Scope {
	sc := newScope(&s.Site, s.Params())
	sc.backend = true
	if s.Endpoint().Arrangement().Sequential {
		sc.earlier = max(slices.Index(s.Endpoint().Config().Backend, s.Config()), 0) // shadows count too, which is never too few
	}
	sc.noop = s.Config().Encoding == "no-op"
	sc.lets(s.Endpoint())
	sc.narrow(s)
	sc.limit = s.Config().MaxResponseBytes.Held()
	sc.open = sc.open || len(s.Endpoint().Arrangement().Upgrade) > 0 // what a handshake needs passes as well
	return sc
}

// A result is a name in req_params that stands for a value of an earlier
// answer.
type result struct {
	name string
	call int      // index among the calls of the sequence
	path []string // of the value in its answer
}

var resultName = regexp.MustCompile(`^Resp(0|[1-9][0-9]{0,3})_(.+)$`)

// look makes req_params hold name. It returns an error when nothing can be
// behind it.
func (s *Scope) look(name string) error {
	if slices.Contains(s.params, name) {
		return nil
	}
	m := resultName.FindStringSubmatch(name)
	if m == nil || !s.backend {
		return s.unknown(name)
	}
	call, _ := strconv.Atoi(m[1])
	switch {
	case s.earlier == 0:
		return fmt.Errorf(`req_params.%s never has a value, because no call of a sequence comes before this one; write %s on the endpoint, and the expression in a later backend`, name, s.known.Write(component.InEndpoint, "sequential", "true"))
	case call >= s.earlier:
		return fmt.Errorf("req_params.%s never has a value, because backend %d is not called before this one; earlier ones are Resp0_… to Resp%d_…", name, call, s.earlier-1)
	}
	s.results = append(s.results, result{name, call, jsonspan.SplitPath(m[2])})
	return nil
}

// unknown says that req_params never holds name, and what was meant.
func (s *Scope) unknown(name string) error {
	for _, p := range s.params {
		if strings.EqualFold(p, name) {
			return fmt.Errorf("req_params.%s never has a value, because letter case counts and names begin with a capital letter there; write req_params.%s", name, p)
		}
	}
	switch {
	case resultName.MatchString(name):
		return fmt.Errorf("req_params.%s never has a value in an endpoint; write the expression in a backend behind the one that answers it", name)
	case s.backend && resultName.MatchString(strings.ToUpper(name[:min(1, len(name))])+name[min(1, len(name)):]):
		return fmt.Errorf("req_params.%s never has a value, because letter case counts and names begin with a capital letter there; write req_params.%s", name, "R"+name[1:])
	case len(s.params) == 0:
		return fmt.Errorf("req_params.%s never has a value; the path of the endpoint has no parameters", name)
	}
	return fmt.Errorf("req_params.%s never has a value; the parameters here are %q", name, s.params)
}

// lets notes what an endpoint lets through, and what the gateway adds to that.
func (s *Scope) lets(site *component.PipeSite) {
	e := site.Config()
	list := e.InputHeaders
	if len(list) == 0 {
		list = []string{"Content-Type"}
	}
	s.open, s.anyQuery = slices.Contains(list, "*"), slices.Contains(e.InputQueryStrings, "*")
	s.headers = append(canonical(list), added...)
	s.query = e.InputQueryStrings
	if site.Rewritten() {
		s.open, s.anyQuery = true, true
	}
}

// narrow notes what a backend lets through of that.
func (s *Scope) narrow(site *component.BackendSite) {
	b := site.Config()
	if own := b.InputHeaders; len(own) > 0 && !slices.Contains(own, "*") {
		names := canonical(own)
		if !s.open {
			names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(s.headers, name) })
		}
		s.open, s.headers = false, append(names, added...)
	}
	if own := b.InputQueryStrings; len(own) > 0 && !slices.Contains(own, "*") {
		if !s.anyQuery {
			own = slices.DeleteFunc(slices.Clone(own), func(name string) bool { return !slices.Contains(s.query, name) })
		}
		s.anyQuery, s.query = false, own
	}
	if site.Rewritten() {
		s.open, s.anyQuery = true, true
	}
}

// added are the headers that the gateway writes itself.
var added = []string{
	"User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Via", "Sluice-Hops", "Accept-Encoding", "Traceparent", "Tracestate",
}

// canonical returns the names of headers in a list.
func canonical(list []string) (names []string) {
	for _, name := range list {
		if gateway.Token(name) && name != "*" {
			names = append(names, gateway.Canonical(name))
		}
	}
	return names
}
