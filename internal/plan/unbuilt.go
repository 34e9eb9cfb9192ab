package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// codeUnsupported is the failure of a call for which nothing is built yet.
const codeUnsupported = "not_supported"

// unbuilt returns the namespace, of the backend or of its endpoint, that would make
// the call in another way than by HTTP and is not built yet; "" if there is none.
func (b *endpointBuilder) unbuilt(be *config.Backend) string {
	missing := func(scope component.Scope, extra map[string]*config.Node, calls func(string) bool) (first string) {
		for name := range extra {
			if (first == "" || name < first) && b.Registry.Find(scope, name) == nil && calls(b.current(name)) && b.Missing != nil && b.Missing(string(scope), name) {
				first = name
			}
		}
		return first
	}
	if name := missing(component.InBackend, be.ExtraConfig, callsInBackend); name != "" {
		return name
	}
	return missing(component.InEndpoint, b.config.ExtraConfig, callsInEndpoint)
}

// callsInBackend reports whether a namespace of a backend says how it is called.
func callsInBackend(name string) bool {
	switch name {
	case "backend/http", "backend/http/client", "backend/conditional":
		return false
	case "plugin/http-client", "workflow", "ai/llm":
		return true
	}
	return strings.HasPrefix(name, "backend/")
}

// callsInEndpoint is callsInBackend for the endpoint that a backend belongs to.
func callsInEndpoint(name string) bool { return name == "websocket" }

// unbuilt is the connector of such a backend: every call fails.
type unbuilt string

// Do fails.
func (name unbuilt) Do(context.Context, *gateway.Exchange) error {
	return &gateway.Error{Code: codeUnsupported, Public: "the backend cannot be called", Err: fmt.Errorf("namespace %s is not supported yet", string(name))}
}
