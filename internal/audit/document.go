package audit

import (
	"slices"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/report"
)

// deepest is how many pipes within each other are looked at.
const deepest = 32

// A document is a configuration as rules see it.
type document struct {
	*model.Service
	root      *object
	endpoints []*object // those with a door
	agents    []*object
	pipes     []*object // of both, and all pipes within backends and services
	backends  []*object // of all pipes
	objects   []*object // all of these, outer ones first
}

// An object has an extra_config.
type object struct {
	node     *config.Node
	name     string          // what people call it, masked
	pipe     *model.Endpoint // of a pipe, resolved
	backend  *model.Backend  // of a backend, resolved
	backends []*object       // of a pipe
	outer    *object         // the pipe of a backend, the backend or root that a pipe stands in
	inner    []*object       // pipes within a backend
	agent    bool
}

func newDocument(s *model.Service) *document {
	d := &document{Service: s}
	d.root = &object{node: s.Node}
	d.objects = append(d.objects, d.root)
	for _, e := range s.Endpoints {
		if e == nil || e.Node == nil {
			continue
		}
		name := string(e.Method) + " " + e.Node.Masked("endpoint", e.Endpoint)[0]
		d.endpoints = append(d.endpoints, d.addPipe(nil, e, name, 0))
	}
	for _, a := range s.AsyncAgent {
		if a == nil || a.Node == nil {
			continue
		}
		e := a.Pipe()
		model.ResolvePipe(s, e)
		p := d.addPipe(nil, e, a.Node.Masked("name", a.Name)[0], 0)
		p.agent = true
		d.agents = append(d.agents, p)
	}
	for _, n := range d.root.all("grpc") {
		for _, service := range list(n.Get("server").Get("services")) {
			for _, method := range list(service.Get("methods")) {
				d.inner(d.root, method, text(service.Get("name"))+"/"+text(method.Get("name")), 1)
			}
		}
	}
	return d
}

// addPipe adds a pipe that is resolved, with its backends and what is within those.
func (d *document) addPipe(outer *object, e *model.Endpoint, name string, depth int) *object {
	p := &object{node: e.Node, name: name, pipe: e, outer: outer}
	d.pipes, d.objects = append(d.pipes, p), append(d.objects, p)
	for _, b := range e.Backend {
		if b == nil || b.Node == nil {
			continue
		}
		o := &object{node: b.Node, name: name, backend: b, outer: p}
		p.backends = append(p.backends, o)
		d.backends, d.objects = append(d.backends, o), append(d.objects, o)
		for _, n := range o.all("workflow") {
			if inner := d.inner(o, n, "workflow of "+name, depth+1); inner != nil {
				o.inner = append(o.inner, inner)
			}
		}
	}
	return p
}

// inner adds a pipe that stands within the options of a namespace. What is wrong with it
// is for others to tell.
func (d *document) inner(outer *object, n *config.Node, name string, depth int) *object {
	var e model.Endpoint
	if depth > deepest || n == nil || n.Kind != config.Object {
		return nil
	}
	config.DecodeLoose(n, &e)
	if e.Node == nil {
		return nil
	}
	written := e.Timeout
	model.ResolvePipe(d.Service, &e)
	e.Timeout = written
	return d.addPipe(outer, &e, name, depth)
}

// all returns the options of namespaces, whatever these are called in the document, in
// its order. Comments and null are none.
func (o *object) all(namespaces ...string) []*config.Node {
	var found []*config.Node
	extra := o.node.GetFold("extra_config")
	if extra == nil {
		return nil
	}
	for _, m := range extra.Members {
		if m.Value.Written() && !m.Comment() && slices.Contains(namespaces, published.Current(m.Key)) {
			found = append(found, m.Value)
		}
	}
	return found
}

// has reports whether one of the namespaces has an effect on the object.
func (o *object) has(namespaces ...string) bool {
	for _, name := range namespaces {
		if slices.ContainsFunc(o.all(name), func(n *config.Node) bool { return effective(name, n) }) {
			return true
		}
	}
	return false
}

// shadow reports whether nobody waits for the backend.
func (o *object) shadow() bool {
	return slices.ContainsFunc(o.all("proxy"), func(n *config.Node) bool { return yes(n.Get("shadow")) })
}

// extra returns the place where namespaces of the service stand, or the root.
func (d *document) extra() report.Place {
	if n := d.Node.GetFold("extra_config"); n.Written() {
		return report.At(n, "")
	}
	return report.At(d.Node, "")
}

// key returns the place of the first of some keys that is written in the object, or the
// object.
func (o *object) key(keys ...string) report.Place {
	for _, key := range keys {
		if n := o.node.GetFold(key); n.Written() {
			return report.At(n, o.name)
		}
	}
	return report.At(o.node, o.name)
}

// places returns those of namespaces wherever they stand in some objects.
func places(objects []*object, namespaces ...string) []report.Place {
	var found []report.Place
	for _, o := range objects {
		for _, n := range o.all(namespaces...) {
			found = append(found, report.At(n, o.name))
		}
	}
	return found
}

// placesOf returns the places of objects.
func placesOf(objects []*object) []report.Place {
	all := make([]report.Place, len(objects))
	for i, o := range objects {
		all[i] = report.At(o.node, o.name)
	}
	return all
}

// lacking returns the places of objects, and of those for which has does not hold.
func lacking(objects []*object, has func(*object) bool) (all, without []report.Place) {
	return placesOf(objects), placesOf(slices.DeleteFunc(slices.Clone(objects), has))
}
