package proxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// beneath are protocols that take the place of HTTP/1.1 or go beneath it. A
// client that switched to one could send requests through the tunnel, which the
// backend would serve and the gateway never see.
var beneath = []string{"h2", "h2c", "h3", "http", "https", "quic", "spdy", "ssl", "tls"}

// checkUpgrade reports names that are no protocols or none to be switched to.
func checkUpgrade(protocols []string) []error {
	var errs []error
	fail := func(i int, format string, args ...any) {
		errs = append(errs, config.At(fmt.Sprintf("upgrade[%d]", i), fmt.Errorf(format, args...)))
	}
	names := lower(protocols)
	for i, p := range protocols {
		name, version, versioned := strings.Cut(names[i], "/")
		switch {
		case !gateway.Token(name) || versioned && !gateway.Token(version):
			fail(i, "%q names no protocol; write one such as websocket", p)
		case slices.Contains(beneath, family(name)):
			fail(i, "%s cannot be switched to: requests within it would reach the backend past all policies of the gateway (request smuggling); remove it", p)
		case slices.Index(names, names[i]) < i:
			fail(i, "%s is listed twice, letter case ignored; keep one", p)
		}
	}
	return errs
}

// family returns a name without what tells drafts apart, as in h2c-14.
func family(name string) string {
	name, _, _ = strings.Cut(name, "-")
	return name
}

// lower returns the names in lower case: letter case does not tell protocols
// apart (RFC 9110, section 7.8).
func lower(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.ToLower(name))
	}
	return out
}
