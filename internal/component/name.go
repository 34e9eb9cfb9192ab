package component

import (
	"slices"
	"strconv"
	"strings"
)

// Name returns the name of the endpoint for whatever outlives a reload, such as
// counters, and for logs: its method and path, such as "GET /users/{id}". One that is
// nested in another, and the pipe of a source, has no address of its own; its place in
// the document is in the name. That of an agent is called by its name.
func (s *PipeSite) Name() string {
	if s.agent != nil {
		return "agent " + s.agent.Name
	}
	if at := s.standsAt(); at != "" {
		return s.address() + " at " + at
	}
	return s.address()
}

// Name returns the name of the backend: that of its endpoint and its position there,
// such as "GET /users/{id} backend 0". An endpoint that is inserted above changes
// neither. In a pipe without an address the place of the backend in the document is in the
// name, which no other backend has, however many pipes stand in the same options.
func (s *BackendSite) Name() string {
	e := s.endpoint
	if e.agent != nil {
		return e.Name() + " backend " + strconv.Itoa(slices.Index(e.config.Backend, s.config))
	}
	if at := s.config.Node.Path(); at != "" && e.standsAt() != "" {
		return e.address() + " at " + at
	}
	return e.Name() + " backend " + strconv.Itoa(slices.Index(e.config.Backend, s.config))
}

func (s *PipeSite) address() string { return string(s.config.Method) + " " + s.config.Endpoint }

// standsAt returns where in the document that is written which has no address of its own, "" for
// the endpoints of the service.
func (s *PipeSite) standsAt() string {
	at := s.config.Node.Path()
	if strings.HasPrefix(at, "endpoints[") && !strings.Contains(at, ".backend[") {
		return ""
	}
	return at
}
