package runtime

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Limits of what is served beside the service: operators and machines ask there. How long
// an answer may take is said by its plan.
const (
	portHeaderTimeout = 10 * time.Second
	portReadTimeout   = time.Minute // whole request
	portStallTimeout  = 30 * time.Second
	portWriteTimeout  = 2 * time.Minute // whole answer
	portIdleTimeout   = time.Minute
	portStop          = 5 * time.Second // for exchanges in flight
)

// A port is an address on which the gateway listens beside that of the service. The
// live generation says who answers there.
type port struct {
	g       *Gateway
	address string
	l       net.Listener
	server  engine.Server // nil as long as nobody is served
	failed  atomic.Bool   // nobody is served any more
}

// open opens the ports of a generation that are not open yet, or not any more. On an
// error none of them is.
func (g *Gateway) open(ctx context.Context, next *compilation) (opened []*port, err error) {
	for _, p := range next.Ports() {
		if was := g.ports[p.Address]; was != nil && !was.failed.Load() {
			continue
		}
		l, err := g.listenAt(ctx, &p)
		if err != nil {
			for _, o := range opened {
				o.l.Close()
			}
			return nil, fmt.Errorf("%s: %s: %w", p.At, p.Name, err)
		}
		opened = append(opened, &port{g: g, address: p.Address, l: l})
	}
	return opened, nil
}

// listenAt opens the listener of p. Some systems would open it beside one for all addresses
// of the machine, so it is the gateway that looks for its own.
func (g *Gateway) listenAt(ctx context.Context, p *component.Port) (net.Listener, error) {
	if own := g.meets(p); own != "" {
		return nil, fmt.Errorf("%s is in use by the gateway itself, which listens at %s; restart it to change that", p.Address, own)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", p.Address)
}

// meets returns at which address the gateway listens that p would have to share, "" if
// it is at none.
func (g *Gateway) meets(p *component.Port) string {
	if g.listens != nil && p.Meets(g.listens.String()) {
		return g.listens.String()
	}
	for address, open := range g.ports {
		if !open.failed.Load() && p.Meets(address) {
			return address
		}
	}
	return ""
}

// serve lets what was opened answer, and closes what no generation needs any more.
func (g *Gateway) serve(gen *generation, opened []*port) {
	for _, p := range opened {
		if g.ports == nil {
			g.ports = make(map[string]*port)
		}
		if was := g.ports[p.address]; was != nil {
			g.drained.Go(was.stop)
		}
		g.ports[p.address] = p
		p.server = g.engine(gen.Service).NewServer(engine.Settings{
			ReadHeaderTimeout: portHeaderTimeout, ReadTimeout: portReadTimeout, StallTimeout: portStallTimeout,
			WriteTimeout: portWriteTimeout, IdleTimeout: portIdleTimeout,
			ErrorLog: func(msg string, err error) { g.Logger().Debug(msg, "address", p.address, "error", err) },
		})
		g.retiring.Go(func() {
			if err := p.server.Serve(&listener{Listener: p.l, g: g}, p); err != nil {
				p.l.Close()
				p.failed.Store(true)
				g.Logger().Error("a port is closed, until the next reload opens it", "address", p.address, "error", err)
			}
		})
	}
	for address, p := range g.ports {
		if gen.port(address) == nil {
			delete(g.ports, address)
			g.drained.Go(p.stop)
		}
	}
}

// stop ends the port.
func (p *port) stop() {
	ctx, cancel := context.WithTimeout(p.g.stopping.cut, portStop)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.g.Logger().Warn("requests at a port were cut", "address", p.address, "error", err)
	}
}

// port returns who answers at an address, nil if nobody does.
func (gen *generation) port(address string) gateway.Connector {
	for _, p := range gen.Ports() {
		if p.Address == address {
			return p.By
		}
	}
	return nil
}

// Do answers an exchange in the live generation.
func (p *port) Do(ctx context.Context, x *gateway.Exchange) error {
	gen := p.g.pin()
	gen.begin(x)
	x.Endpoint = p.address
	by := gen.port(p.address)
	if by == nil { // a generation without it has just gone live
		by = nobody
	}
	err := gen.Answer(ctx, x, by)
	if gateway.Cut(err) {
		return err
	}
	return nil
}

// nobody answers where no port is.
var nobody = gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error {
	return &gateway.Error{Status: 404, Code: gateway.CodeNotFound}
})

// Done ends an exchange.
func (p *port) Done(x *gateway.Exchange, sent gateway.Sent, err error) {
	x.Pin.(*generation).tell(x, status(sent, err), err)
	x.Release()
}
