package published

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
)

// Absent returns what is known of a namespace that was published for a scope, under this
// name or an older one, in case that it is not built; nil if it never was.
func Absent(scope component.Scope, namespace string) *component.Absent {
	if !Has(string(scope), namespace) {
		return nil
	}
	name := Current(namespace)
	family, _, _ := strings.Cut(name, "/")
	a := &component.Absent{Rewrites: family == "modifier" || family == "plugin", Native: family == "plugin"}
	switch scope {
	case component.InBackend:
		a.Calls = family == "backend" && name != "backend/conditional" ||
			slices.Contains([]string{"plugin/http-client", "workflow", "ai/llm"}, name)
	case component.InEndpoint:
		a.Calls = name == "websocket"
		a.Personal = family == "auth"
		a.Rewrites = a.Rewrites || family == "auth" // it may tell who asks by a header
		if family == "auth" && name != "auth/signer" || name == "security/policies" {
			a.Guard = component.Access
		}
	}
	switch {
	case name == "auth/revoker":
		a.Open = ": revoked tokens are accepted then"
	case family == "auth" && scope != component.InBackend && name != "auth/signer":
		a.Open = fmt.Sprintf(": the %s is open to everybody then", scope)
	case family == "security", family == "validation":
		a.Open = fmt.Sprintf(": the %s checks nothing of that then", scope)
	case family == "qos" && strings.Contains(name, "ratelimit"):
		a.Open = fmt.Sprintf(": nothing limits the %s then", scope)
	}
	return a
}
