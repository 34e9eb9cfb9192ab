package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
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

// Tries are requests that show what the gateway does, with what they show, in an order
// that makes sense. One with a body is a POST.
var Tries = []struct{ Path, Body, Shows string }{
	{"/v1/products", "", "two services merged, three product hosts balanced"},
	{"/v1/products/7", "", "one product, cut down and renamed"},
	{"/v1/users/3", "", "a user and then the orders of that user, in sequence"},
	{"/v1/offers.xml", "", "JSON from the service, XML to the client"},
	{"/v1/raw/products", "", "passed through untouched"},
	{"/v1/orders", `{"product":7,"pieces":2}`, "an order, published to a queue"},
	{"/v1/orders/next", "", "the next order of the queue; 204 if none comes within a second"},
}

const (
	slow      = 300 * time.Millisecond // what the slow product host takes
	failEvery = 4                      // of the calls to the failing host, one
)

// names are the services, as the configuration names their hosts.
var names = []string{"products-01", "products-02", "products-03", "marketing", "users", queue}

// queue is the broker among them.
const queue = "queue"

// A Service is where a service of the shop listens: its host, with the scheme.
type Service struct{ Name, Host string }

// Services returns where the services of a gateway on a port listen, so that the
// configuration of a demo is the same whoever prints it: at the ports above that of
// the gateway, or below where there are none.
func Services(port int) []Service {
	base := port + 1
	if base+len(names) > 65_536 {
		base = port - len(names)
	}
	services := make([]Service, len(names))
	for i, name := range names {
		services[i] = Service{name, schemeOf(name) + "127.0.0.1:" + strconv.Itoa(base+i)}
	}
	return services
}

func schemeOf(name string) string {
	if name == queue {
		return "nats://"
	}
	return "http://"
}

// Configuration returns the configuration of a gateway on a port in front of
// services, in JSON.
func Configuration(port int, services []Service) []byte {
	text := strings.Replace(configuration, `"port": 8080`, `"port": `+strconv.Itoa(port), 1)
	for _, s := range services {
		text = strings.ReplaceAll(text, schemeOf(s.Name)+s.Name+"\"", s.Host+"\"")
	}
	return []byte(text)
}

// A Shop is the set of running services.
type Shop struct {
	services []Service
	servers  []engine.Server
	queue    *broker
	running  sync.WaitGroup
}

// Open starts the services for a gateway on a port, where [Services] has them. One
// whose port is taken gets another one, and so do all with port 0.
func Open(newServer func(engine.Settings) engine.Server, port int) (*Shop, error) {
	answers := map[string]service{
		"products-01": products("products-01", 0, 0),
		"products-02": products("products-02", slow, 0),
		"products-03": products("products-03", 0, failEvery),
		"marketing":   {"/offers": offers},
		"users":       {"/users/": user, "/orders": orders},
	}
	s := new(Shop)
	for _, wanted := range Services(port) {
		scheme := schemeOf(wanted.Name)
		l, err := listen(strings.TrimPrefix(wanted.Host, scheme), port == 0)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.services = append(s.services, Service{wanted.Name, scheme + l.Addr().String()})
		if wanted.Name == queue {
			s.queue = openBroker(l)
			continue
		}
		server := newServer(engine.Settings{ReadHeaderTimeout: time.Second})
		s.servers = append(s.servers, server)
		s.running.Go(func() { server.Serve(l, answers[wanted.Name]) }) // ends with Close
	}
	return s, nil
}

// listen listens at an address, or at any port of the loopback interface where that
// is wanted or the address is taken.
func listen(address string, anyPort bool) (net.Listener, error) {
	if !anyPort {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// Services returns where the services listen.
func (s *Shop) Services() []Service { return s.services }

// Close stops the services.
func (s *Shop) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(ctx))
	}
	if s.queue != nil {
		errs = append(errs, s.queue.close())
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
func (service) Done(x *gateway.Exchange, _ gateway.Sent, _ error) { x.Release() }

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
