package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A Server is a NATS server behind a proxy.
type Server struct {
	*testx.Proxy
	URL    string // through the proxy
	direct string
}

// Options are those of a server.
type Options = server.Options

// Start runs a server until the test ends. What is not set in its options is as for a server
// of its own on a free port.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	own, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	own.Start()
	t.Cleanup(func() {
		own.Shutdown()
		own.WaitForShutdown()
	})
	if !own.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	s := &Server{direct: own.Addr().String()}
	s.Proxy = testx.NewProxy(t, s.direct)
	s.URL = "nats://" + s.Address
	return s
}

// Direct returns the address of the server itself.
func (s *Server) Direct() string { return "nats://" + s.direct }

// Client returns a connection to the server that does not go through the proxy.
func (s *Server) Client(t testing.TB, o ...client.Option) *client.Conn {
	t.Helper()
	c, err := client.Connect(s.Direct(), o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Listen returns a subscription that does not go through the proxy, and is known to the
// server.
func (s *Server) Listen(t testing.TB, subject string) *client.Subscription {
	t.Helper()
	c := s.Client(t)
	sub, err := c.SubscribeSync(subject)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}
