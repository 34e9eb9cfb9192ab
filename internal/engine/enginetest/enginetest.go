package enginetest

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// patience is how long a case waits for something that must happen. Machines may be
// busy with other things, and nothing waits for it to pass.
const patience = time.Minute

// An Engine is what the suite tests.
type Engine struct {
	NewServer func(engine.Settings) engine.Server
	NewClient engine.NewClient

	// Hasty says that the client may take what is on its way behind an answer, when the
	// next call is made, for the answer to that: the transport of net/http lets no
	// connection rest.
	Hasty bool
}

// A trial is one case with its engine.
type trial struct {
	*testing.T
	Engine
}

// cases are named after what they show.
type cases []struct {
	name string
	run  func(*trial)
}

// Run tests the engine. Every case must end without goroutines left behind.
func Run(t *testing.T, e Engine) {
	for _, group := range []struct {
		name  string
		cases cases
	}{
		{"server", serverCases},
		{"client", clientCases},
		{"both", bothCases},
		{"tls", tlsCases},
		{"http2", http2Cases},
		{"resend", resendCases},
		{"prior", priorCases},
		{"timing", timingCases},
		{"session", sessionCases},
		{"tunnel", tunnelCases},
		{"passing", passingCases},
		{"streams", streamCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					before := goleak.IgnoreCurrent()
					t.Cleanup(func() { leftovers(t, before) })
					c.run(&trial{t, e})
				})
			}
		})
	}
}

// leftovers waits until no goroutine of the case is left.
func leftovers(t *testing.T, before goleak.Option) {
	t.Helper()
	err := goleak.Find(before)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
		err = goleak.Find(before)
	}
	if err != nil {
		t.Error(err)
	}
}

// named runs a part of a case.
func (t *trial) named(name string, run func(t *trial)) {
	t.Run(name, func(sub *testing.T) { run(&trial{sub, t.Engine}) })
}

// context returns a context that ends with the patience of the case.
func (t *trial) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// must fails the case if err is not nil.
func (t *trial) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until something was sent on c.
func await[T any](t *trial, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// An outcome is how an exchange ended.
type outcome struct {
	status  int // that was sent
	written int64
	err     error
}

// A door is a running server.
type door struct {
	server  engine.Server
	addr    string
	done    chan outcome // of each exchange
	asked   atomic.Int64 // calls of do
	do      func(context.Context, *gateway.Exchange) error
	stopped chan error // what Serve returned
	once    sync.Once
}

// open serves do until the end of the case.
func (t *trial) open(s engine.Settings, do func(context.Context, *gateway.Exchange) error) *door {
	t.Helper()
	l, err := net.Listen("tcp", testx.UnusedAddress(t))
	t.must(err)
	d := &door{
		server:  t.NewServer(s),
		addr:    l.Addr().String(),
		done:    make(chan outcome, 1000),
		do:      do,
		stopped: make(chan error, 1),
	}
	go func() { d.stopped <- d.server.Serve(l, d) }()
	t.Cleanup(func() { d.close(t) })
	return d
}

// close stops the server at once.
func (d *door) close(t *trial) {
	d.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.server.Shutdown(ctx) // cut connections are what is wanted here
		if err := <-d.stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// Do answers an exchange.
func (d *door) Do(ctx context.Context, x *gateway.Exchange) error {
	d.asked.Add(1)
	return d.do(ctx, x)
}

// Done notes how an exchange ended.
func (d *door) Done(x *gateway.Exchange, sent gateway.Sent, err error) {
	x.Release()
	d.done <- outcome{sent.Status, sent.Bytes, err}
}

// reply returns a handler that gives the same answer to everyone.
func reply(status int, text string, fields ...string) func(context.Context, *gateway.Exchange) error {
	return func(_ context.Context, x *gateway.Exchange) error {
		answer(x, status, text, fields...)
		return nil
	}
}

// answer fills the response; fields are names and values in turn.
func answer(x *gateway.Exchange, status int, text string, fields ...string) {
	x.Response.Status = status
	for i := 0; i < len(fields); i += 2 {
		x.Response.Header.Add(fields[i], fields[i+1])
	}
	if text != "" {
		x.Response.Body = body.FromBytes([]byte(text))
	}
}

// streaming returns a handler whose answer has the stream as its body.
func streaming(r io.ReadCloser, size int64, fields ...string) func(context.Context, *gateway.Exchange) error {
	return func(_ context.Context, x *gateway.Exchange) error {
		answer(x, 200, "", fields...)
		x.Response.Body = body.FromStream(r, size)
		return nil
	}
}

// forward returns a handler that passes everything on to a backend: 502 stands
// for a failure, 504 for a deadline.
func forward(c engine.Client, addr string, limit time.Duration) func(context.Context, *gateway.Exchange) error {
	return func(ctx context.Context, x *gateway.Exchange) error {
		inner := ctx
		if limit > 0 {
			var cancel context.CancelFunc
			inner, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		q := &x.Request
		q.Method, q.Scheme, q.Host = x.In.Method(), "http", addr
		q.Path, q.RawQuery = x.In.Path(), x.In.RawQuery()
		q.Header = x.In.AppendHeaders(q.Header)
		if in := x.In.Body(); in != nil {
			q.Body = body.FromStream(io.NopCloser(in), x.In.Length())
		}
		err := c.Do(inner, x)
		if err == nil || ctx.Err() != nil {
			return err
		}
		x.Response.Status = 502
		if gateway.AsError(err).Code == gateway.CodeTimeout {
			x.Response.Status = 504
		}
		return nil
	}
}

// client returns a client that is closed at the end of the case.
func (t *trial) client(settings model.Transport) engine.Client {
	c := t.NewClient(settings, nil)
	t.Cleanup(c.Close)
	return c
}

// call makes an exchange for a call of a client: GET of / unless it is changed.
func (t *trial) call(addr string) *gateway.Exchange {
	x := gateway.Acquire(nil)
	t.Cleanup(x.Release)
	x.Request.Method, x.Request.Scheme, x.Request.Host, x.Request.Path = "GET", "http", addr, "/"
	return x
}

// get calls and reads the whole answer.
func (t *trial) get(c engine.Client, x *gateway.Exchange) string {
	t.Helper()
	t.must(c.Do(t.context(), x))
	text, err := x.Response.Body.Bytes(0)
	t.must(err)
	return string(text)
}

// wantFailure checks the error of a call: its code, whether it says that
// nobody was reached, and that its public text names no host.
func (t *trial) wantFailure(err error, code string, unreached bool) {
	t.Helper()
	e, ok := err.(*gateway.Error)
	if !ok {
		t.Fatalf("error %v of type %T, want *gateway.Error", err, err)
	}
	if e.Code != code {
		t.Errorf("error %v, want the code %s", err, code)
	}
	if got := errors.Is(err, gateway.ErrUnreached); got != unreached {
		t.Errorf("error %v: reached nobody %t, want %t", err, got, unreached)
	}
	if strings.Contains(e.Public, "127.0.0.1") || strings.Contains(e.Public, "dial") {
		t.Errorf("public text %q names internals", e.Public)
	}
}

// A watched stream knows whether it was read and closed.
type watched struct {
	io.Reader
	read, closed atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.read.Store(true)
	return w.Reader.Read(p)
}

func (w *watched) Close() error {
	w.closed.Store(true)
	return nil
}

// breaking is a stream that ends in an error.
func breaking(text string, err error) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), failing{err}))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

var errBroken = errors.New("the source broke off")
