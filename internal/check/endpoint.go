package check

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/route"
)

// Endpoint reports what the path of an endpoint, with variables of these names, and its
// lists of headers and parameters say and cannot mean.
func (c *Checker) Endpoint(e *model.Endpoint, names []string) {
	for _, doubt := range endpointDoubts(e, c.Env.Service.DisableRest) {
		if c.guarded(e) && c.served(e) {
			c.report(e.Node, "endpoint", config.Error, config.CodeInvalidPath, doubt)
		} else {
			c.mistake(e.Node, "endpoint", doubt)
		}
	}
	c.checkNames(e, names)
	c.checkHeaders(e.Node, e.InputHeaders)
	c.checkQueries(e.Node, e.InputQueryStrings)
	if strings.Contains(e.Endpoint, "/:") {
		c.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious,
			fmt.Errorf("the colon in %s is taken literally; write {name} for a variable", e.Endpoint))
	}
	if e.Endpoint == "/__catchall" {
		c.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious,
			errors.New("the path is an ordinary one here: requests for unknown paths are answered with 404; write wildcards for what should be served"))
	}
}

// endpointDoubts returns what the path of an endpoint says and cannot mean.
func endpointDoubts(e *model.Endpoint, disableRest bool) []error {
	written := e.Node.GetFold("endpoint")
	if written == nil || written.Secret() {
		return route.Doubts(e.Endpoint, disableRest)
	}
	url, _, rest := wholeURL(written.Text)
	if url == "" {
		return route.Doubts(e.Endpoint, disableRest)
	}
	if rest, _, _ = strings.Cut(rest, "?"); rest == "" {
		rest = "/"
	}
	return []error{fmt.Errorf("%s is a whole URL, and clients ask for a path; write %q, and the host in the host of a backend", config.MaskUser(url), rest)}
}

// guarded reports whether a namespace of an endpoint protects.
func (c *Checker) guarded(e *model.Endpoint) bool {
	for name := range e.ExtraConfig {
		if d := c.Env.Registry.Find(component.InEndpoint, name); d != nil && d.Protects() {
			return true
		}
	}
	return false
}

// served reports whether a route beside an endpoint may serve what its path seems to
// be: no less often than one does.
func (c *Checker) served(e *model.Endpoint) bool {
	meant, open := beginning(e.Endpoint)
	if strings.Contains(meant, "/.") {
		return true // what is left of it is resolved
	}
	if c.paths == nil {
		c.paths = newPaths(c.Env.Service.Endpoints)
	}
	return c.paths.beside(meant, open)
}

// paths are the beginnings of those of all endpoints.
type paths struct {
	sorted []string
	open   map[string]bool // more follows on one of them
}

func newPaths(endpoints []*model.Endpoint) *paths {
	p := &paths{open: make(map[string]bool)}
	for _, e := range endpoints {
		if e == nil {
			continue
		}
		begin, more := beginning(e.Endpoint)
		p.sorted = append(p.sorted, begin)
		p.open[begin] = p.open[begin] || more
	}
	slices.Sort(p.sorted)
	return p
}

// beside reports whether the path of another endpoint than the one that begins with meant,
// and goes on if it is open, may be taken for it.
func (p *paths) beside(meant string, open bool) bool {
	for i := range meant {
		if p.open[meant[:i]] {
			return true
		}
	}
	at, _ := slices.BinarySearch(p.sorted, meant) // its own
	if at++; at >= len(p.sorted) {
		return false
	}
	next := p.sorted[at]
	return next == meant || open && strings.HasPrefix(next, meant)
}

// beginning returns a path, as clients ask for it who read it, as far as it is the same
// for all of them, and whether more follows.
func beginning(path string) (begin string, open bool) {
	if end := strings.IndexAny(path, "{*"); end >= 0 {
		path, open = path[:end], true
	}
	for range 3 { // what is escaped twice may be read twice
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
	}
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path, open = path[:end], false
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, path)), open
}

// checkNames reports variables of an endpoint of which one takes the name of another.
func (c *Checker) checkNames(e *model.Endpoint, names []string) {
	for i, name := range names {
		if first := slices.Index(names, name); first == i {
			continue
		}
		free := name + "2"
		for n := 3; slices.Contains(names, free); n++ {
			free = name + strconv.Itoa(n)
		}
		c.mistake(e.Node, "endpoint", fmt.Errorf("two variables are called {%s}, and the value of the first alone has the name; write {%s} for the second", name, free))
	}
}

// Taken reports an endpoint that announces for how long answers may be kept although that of
// a backend is for its request alone.
func (c *Checker) Taken(e *model.Endpoint) {
	if e.OutputEncoding != "no-op" && e.Node.GetFold("cache_ttl") != nil {
		c.mistake(e.Node, "cache_ttl", errors.New("announces nothing, because what a backend answers is for its request alone, such as a message of a queue; remove it"))
	}
}

// CalledOnce reports concurrent_calls around a backend that is called once all the same,
// because each call takes away what it is answered with.
func (c *Checker) CalledOnce(e *model.Endpoint, backend int) {
	c.report(e.Node, "concurrent_calls", config.Warning, config.CodeSuspicious,
		fmt.Errorf("backend[%d] is called once all the same, since each call takes away what it is answered with, such as a message of a queue; remove the key, or call that backend in another endpoint", backend))
}

// ThrownAway reports a shadow that takes away what nobody is answered with. The namespace is
// that which makes the call.
func (c *Checker) ThrownAway(be *model.Backend, namespace string) {
	n := be.ExtraConfig[namespace]
	if n == nil {
		n = be.Node
	}
	c.Report(n.Problem(config.Error, config.CodeInvalid, errors.New(
		"each call takes a message away, which is lost in a shadow, whose answer nobody gets; remove shadow from the backend, or call it in another endpoint")))
}

// Cache reports answers of an endpoint that every cache may keep for others, unless the file
// says that this is meant. Those that are personal are for one client alone.
func (c *Checker) Cache(e *model.Endpoint, personal bool) {
	behaviour := &c.Env.Service.Behaviour
	if e.CacheTTL <= 0 || e.OutputEncoding == "no-op" || behaviour.PersonalCache != "public" ||
		c.Env.Service.Node.GetFold("behaviour").Get("personal_cache") != nil {
		return
	}
	why := "the endpoint authenticates, or calls what a header or a claim names"
	if !personal {
		at := slices.IndexFunc(e.InputHeaders, func(name string) bool { return name == "*" || message.Credential(name) })
		if at < 0 {
			return
		}
		if why = "backends see the header " + e.InputHeaders[at]; e.InputHeaders[at] == "*" {
			why = "backends see Authorization and Cookie"
		}
	}
	c.report(e.Node, "cache_ttl", config.Warning, config.CodeSuspicious, fmt.Errorf(
		`lets every cache keep answers that may be for one client only, because %s; write "behaviour": {"personal_cache": "private"} in the root, or "public" there if they are for all`, why))
}
