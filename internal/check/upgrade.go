package check

import (
	"errors"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// checkUpgrade reports what keeps an endpoint from passing tunnels through, and
// whether there is nothing: a tunnel leads to one backend and is not merged.
func (b *Backends) checkUpgrade() bool {
	e, sound := b.config, true
	fail := func(key, text string) {
		sound = false
		b.failUpgrade(e.Node, key, text)
	}
	if e.Method != "GET" {
		fail("method", "an upgrade is asked for with GET; write GET")
	}
	if e.OutputEncoding != "no-op" {
		fail("output_encoding", "an upgrade needs an answer that is passed through; write no-op")
	}
	if e.ConcurrentCalls > 1 {
		fail("concurrent_calls", "a tunnel leads to one call; remove concurrent_calls")
	}
	if len(e.Backend) > 1 {
		fail("backend", "a tunnel leads to one backend, and nothing can shadow it; keep one")
	}
	return sound
}

// checkTunnelled reports what keeps a backend from being the end of a tunnel.
func (b *Backends) checkTunnelled(s *component.BackendSite) {
	be := s.Config()
	if method, _ := s.Method(); method != "GET" {
		b.failUpgrade(be.Node, "method", "an upgrade is asked for with GET; write GET")
	}
	if s.Call().Connector != nil {
		b.failUpgrade(be.Node, "extra_config", "only a backend that is called by HTTP can switch protocols; keep what calls it in another way out of this backend")
	}
	for _, p := range s.Placed() {
		if component.BackendPhase(p.Phase) == component.BackendCache {
			b.failUpgrade(be.Node, "extra_config", "a tunnel is nothing that "+p.Name+" could keep; remove that namespace")
		}
	}
}

func (b *Backends) failUpgrade(n *config.Node, key, text string) {
	b.report(n, key, config.Error, config.CodeInvalid, errors.New(text+", or remove "+b.Env.Registry.Option(component.InEndpoint, "upgrade")+" in the endpoint"))
}
