package runtime_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// A subscribing gateway has backends of a component that notes what it starts, is waited for
// and ends, by the name in its options.
type subscribing struct {
	*runtime.Gateway
	did []string
}

func newSubscribing(text string, listens bool) *subscribing {
	g := new(subscribing)
	build := func(s *component.BackendSite, o struct {
		Name string `json:"name"`
	}) error {
		did := func(what string) component.Hook {
			return func(context.Context) error {
				g.did = append(g.did, what+" "+o.Name)
				return nil
			}
		}
		s.OnStart(did("start"))
		s.OnClose(did("end"))
		s.Await(did("await"))
		return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			g.did = append(g.did, "call "+o.Name)
			x.Response.Status, x.Response.Complete = 200, true
			return nil
		}))
	}
	g.Gateway = runtime.New(runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse("gateway.yaml", []byte(text))
		},
		Registry: component.NewRegistry(component.Backend(component.Info{Namespace: "test/subscriber", Hosts: component.Verbatim}, build)),
		Listens:  listens,
	})
	return g
}

const subscriptions = `version: 3
dialect: sluice
endpoints:
  - {endpoint: /a, backend: [{url_pattern: /, host: [a], extra_config: {test/subscriber: {name: a}}}]}
  - {endpoint: /b, backend: [{url_pattern: /, host: [b], extra_config: {test/subscriber: {name: b}}}]}
`

// TestTryStarts starts nothing for one request but what its endpoint needs: whoever subscribes
// for the others would take their messages.
func TestTryStarts(t *testing.T) {
	for path, want := range map[string][]string{
		"/a":       {"start a", "await a", "call a", "end a"},
		"/b":       {"start b", "await b", "call b", "end b"},
		"/nowhere": nil,
	} {
		g := newSubscribing(subscriptions, false)
		problems, err := g.Try(t.Context(), gateway.Message{Method: "GET", Path: path}.Inbound(),
			func(*gateway.Exchange) {}, func(*compile.Generation, *gateway.Exchange, error) {})
		if err != nil {
			t.Fatal(problems, err)
		}
		if !slices.Equal(g.did, want) {
			t.Errorf("%s: %q, want %q", path, g.did, want)
		}
	}
}

// TestListenFirst starts nothing of a gateway whose port is taken.
func TestListenFirst(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	g := newSubscribing(fmt.Sprintf("%slisten_ip: 127.0.0.1\nport: %s\n", subscriptions, port), true)
	if _, err := g.Load(t.Context()); err == nil || len(g.did) > 0 {
		t.Errorf("the port is taken: %v, and %q was done; want an error and nothing", err, g.did)
	}
	g.Close()

	g = newSubscribing(subscriptions+"listen_ip: 127.0.0.1\nport: 0\n", true)
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatal(problems, err)
	}
	if len(g.did) != 2 {
		t.Errorf("%q was done, want two starts", g.did)
	}
	l, err := g.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if conn, err := net.Dial("tcp", l.Addr().String()); err != nil {
		t.Errorf("the listener is the caller's, and does not accept: %v", err)
	} else {
		conn.Close()
	}
	l.Close()
}
