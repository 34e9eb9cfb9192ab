package place

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
)

// Endpoint returns the name of an endpoint: its method and path, such as
// "GET /users/{id}". One that is nested in another, and a consumer of a queue,
// has no address of its own; its place in the document makes the name unique.
func Endpoint(s *component.EndpointSite) string {
	e := s.Config()
	name := string(e.Method) + " " + e.Endpoint
	if at := e.Node.Path(); at != "" && (!strings.HasPrefix(at, "endpoints[") || strings.Contains(at, ".backend[")) {
		name += " at " + at
	}
	return name
}

// Backend returns the name of a backend: that of its endpoint and its position
// there, such as "GET /users/{id} backend 0".
func Backend(s *component.BackendSite) string {
	i := slices.Index(s.Endpoint().Config().Backend, s.Config())
	return Endpoint(s.Endpoint()) + " backend " + strconv.Itoa(i)
}
