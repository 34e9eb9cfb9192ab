package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

//go:embed gateway.json
var configuration string

// Tries are requests that show what the gateway does, with what they show.
var Tries = []struct{ Path, Shows string }{
	{"/v1/products", "two services merged, three product hosts balanced"},
	{"/v1/products/7", "one product, cut down and renamed"},
	{"/v1/users/3", "a user and then the orders of that user, in sequence"},
	{"/v1/offers.xml", "JSON from the service, XML to the client"},
	{"/v1/raw/products", "passed through untouched"},
}

const (
	slow      = 300 * time.Millisecond // what the slow product host takes
	failEvery = 4                      // of the calls to the failing host, one
)

// A Shop is the set of running services.
type Shop struct {
	hosts   map[string]string // by the name that stands in the configuration
	servers []engine.Server
	running sync.WaitGroup
}

// Open starts the services on free ports of the loopback interface.
func Open(newServer func(engine.Settings) engine.Server) (*Shop, error) {
	s := &Shop{hosts: make(map[string]string)}
	for name, answer := range map[string]service{
		"products-01": products("products-01", 0, 0),
		"products-02": products("products-02", slow, 0),
		"products-03": products("products-03", 0, failEvery),
		"marketing":   {"/offers": offers},
		"users":       {"/users/": user, "/orders": orders},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		server := newServer(engine.Settings{ReadHeaderTimeout: time.Second})
		s.hosts[name] = "http://" + l.Addr().String()
		s.servers = append(s.servers, server)
		s.running.Go(func() { server.Serve(l, answer) }) // ends with Close
	}
	return s, nil
}

// Configuration returns the configuration of a gateway in front of the shop,
// in JSON.
func (s *Shop) Configuration() []byte {
	text := configuration
	for name, host := range s.hosts {
		text = strings.ReplaceAll(text, "http://"+name+"\"", host+"\"")
	}
	return []byte(text)
}

// Close stops the services.
func (s *Shop) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(ctx))
	}
	s.running.Wait()
	return errors.Join(errs...)
}

// A service answers paths; one that ends in a slash answers everything below.
type service map[string]func(ctx context.Context, path string) (status int, text string)

// Do answers one request.
func (s service) Do(ctx context.Context, x *gateway.Exchange) error {
	path := x.In.Path()
	status, text := 404, `{"error":"no such thing"}`
	for prefix, answer := range s {
		if path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			status, text = answer(ctx, strings.TrimPrefix(path, prefix))
		}
	}
	x.Response.Status = status
	x.Response.Header.Set("Content-Type", "application/json")
	x.Response.Body = body.FromBytes([]byte(text))
	return nil
}

// Done ends an exchange.
func (service) Done(x *gateway.Exchange, _ engine.Sent, _ error) { x.Release() }

// products answers lists and single products: after a delay, and every so many
// calls not at all.
func products(host string, delay time.Duration, failEvery int64) service {
	var calls atomic.Int64
	wait := func(ctx context.Context) bool {
		if n := calls.Add(1); failEvery > 0 && n%failEvery == 0 {
			return false
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		return true
	}
	return service{
		"/products": func(ctx context.Context, _ string) (int, string) {
			if !wait(ctx) {
				return 500, `{"error":"out of order"}`
			}
			return 200, fmt.Sprintf(`{"served_by":%q,"products":[{"id":7,"name":"Kettle","price":24.90},{"id":8,"name":"Teapot","price":31.50}]}`, host)
		},
		"/products/": func(ctx context.Context, id string) (int, string) {
			if !wait(ctx) {
				return 500, `{"error":"out of order"}`
			}
			return 200, fmt.Sprintf(`{"product":{"id":%q,"name":"Kettle","price":24.90,"stock":{"berlin":3,"paris":0},"supplier":{"name":"Fontaine","margin":0.41}}}`, id)
		},
	}
}

func offers(context.Context, string) (int, string) {
	return 200, `{"offers":[{"product":7,"price":19.90,"until":"2030-01-01"}]}`
}

func user(_ context.Context, id string) (int, string) {
	return 200, fmt.Sprintf(`{"id":%q,"name":"Ada","email":"ada@example.com","account":"A-%s"}`, id, id)
}

func orders(context.Context, string) (int, string) {
	return 200, `[{"id":"O-1","product":7,"pieces":1},{"id":"O-2","product":8,"pieces":2}]`
}
