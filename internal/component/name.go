package component

import (
	"slices"
	"strconv"
	"strings"
)

// Name returns the name of the endpoint for whatever outlives a reload, such as
// counters, and for logs: its method and path, such as "GET /users/{id}". One that is
// nested in another, and a consumer of a queue, has no address of its own; its place in
// the document makes the name unique.
func (s *PipeSite) Name() string {
	e := s.config
	name := string(e.Method) + " " + e.Endpoint
	if at := e.Node.Path(); at != "" && (!strings.HasPrefix(at, "endpoints[") || strings.Contains(at, ".backend[")) {
		name += " at " + at
	}
	return name
}

// Name returns the name of the backend: that of its endpoint and its position there,
// such as "GET /users/{id} backend 0". An endpoint that is inserted above changes
// neither.
func (s *BackendSite) Name() string {
	return s.endpoint.Name() + " backend " + strconv.Itoa(slices.Index(s.endpoint.config.Backend, s.config))
}
