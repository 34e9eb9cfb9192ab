package runtime

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Limits of what is served beside the service: operators and machines ask there.
const (
	portHeaderTimeout = 10 * time.Second
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
}

// open opens the ports of a generation that are not open yet. On an error none of
// them is.
func (g *Gateway) open(ctx context.Context, next *compilation) (opened []*port, err error) {
	for _, p := range next.Ports() {
		if g.ports[p.Address] != nil {
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", p.Address)
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

// serve lets what was opened answer, and closes what no generation needs any more.
func (g *Gateway) serve(gen *generation, opened []*port) {
	for _, p := range opened {
		if g.ports == nil {
			g.ports = make(map[string]*port)
		}
		g.ports[p.address] = p
		p.server = g.engine(gen.Service).NewServer(engine.Settings{
			ReadHeaderTimeout: portHeaderTimeout, IdleTimeout: portIdleTimeout,
			ErrorLog: func(msg string, err error) { g.Logger().Debug(msg, "address", p.address, "error", err) },
		})
		g.retiring.Go(func() {
			if err := p.server.Serve(p.l, p); err != nil {
				g.Logger().Error("a port is closed", "address", p.address, "error", err)
			}
		})
	}
	for address, p := range g.ports {
		if gen.port(address) == nil {
			delete(g.ports, address)
			g.retiring.Go(p.stop)
		}
	}
}

// stop ends the port.
func (p *port) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), portStop)
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
func (p *port) Done(x *gateway.Exchange, _ engine.Sent, _ error) { x.Release() }
