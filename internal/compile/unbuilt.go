package compile

import (
	"context"
	"fmt"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// codeUnsupported is the failure of a call for which nothing is built yet.
const codeUnsupported = "not_supported"

// unbuilt returns the namespace, of the backend or of its endpoint, that would make
// the call in another way than by HTTP and is not built yet; "" if there is none.
func (b *endpointBuilder) unbuilt(be *model.Backend) string {
	missing := func(scope component.Scope, extra map[string]*config.Node) (first string) {
		for name := range extra {
			if (first == "" || name < first) && b.env.Absent(scope, name).Calls {
				first = name
			}
		}
		return first
	}
	if name := missing(component.InBackend, be.ExtraConfig); name != "" {
		return name
	}
	return missing(b.site.Scope(), b.config.ExtraConfig)
}

// unbuilt is the connector of such a backend: every call fails.
type unbuilt string

// Do fails.
func (name unbuilt) Do(context.Context, *gateway.Exchange) error {
	return &gateway.Error{Code: codeUnsupported, Public: "the backend cannot be called", Err: fmt.Errorf("namespace %s is not supported yet", string(name))}
}
