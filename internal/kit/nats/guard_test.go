package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A fake is a server that says what it likes: the INFO, and more behind the first PONG. Then
// goes on with the connection.
type fake struct {
	net.Listener
	gone    sync.WaitGroup
	refuses bool // whoever comes
}

func newFake(t *testing.T, info, more string, then func(net.Conn, *bufio.Reader)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{Listener: l}
	f.gone.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.gone.Go(func() {
				defer c.Close()
				fmt.Fprint(c, `INFO {"server_id":"a","version":"2.10.0","max_payload":1048576,"headers":true,"proto":1`+info+"}\r\n")
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "PING") && f.refuses {
						fmt.Fprint(c, "-ERR 'Authorization Violation'\r\n")
						return
					} else if strings.HasPrefix(line, "PING") {
						break
					}
				}
				fmt.Fprint(c, "PONG\r\n"+more)
				then(c, r)
			})
		}
	})
	t.Cleanup(func() { l.Close() })
	return f
}

func (f *fake) url() string { return "nats://" + f.Addr().String() }

// TestHostile: what a server says ends no more than its connection, in which the library would
// end the process.
func TestHostile(t *testing.T) {
	hidden := "MSG a 1 9223372036854775807\r\n"
	tests := []struct{ says, why string }{
		{"MSG a 1 9223372036854775807\r\nabc", "more than 67108864 bytes"},
		{"MSG a 1 99999999999999999999\r\nabc", "more than 67108864 bytes"},
		{"MSG a 1 1000000000000\r\nabc", "more than 67108864 bytes"},
		{"msg a 1 reply 67108865\r\nabc", "more than 67108864 bytes"},
		{"HMSG a 1 9223372036854775807 9223372036854775807\r\nabc", "more than 67108864 bytes"},
		{"HMSG a 1 13 12\r\n", "Bad or Missing Header Size"},
		{"HMSG a 1 12\r\n", "broken the protocol"},
		{"MSG a 1 -1\r\n", "broken the protocol"},
		{"MSG a 1 5\n", "broken the protocol"},
		{"MSG a 1 5\rx\n", "broken the protocol"},
		{"MSG a 1\r\n", "broken the protocol"},
		{"MSG a 1 1 1 1\r\n", "broken the protocol"},
		{"MSG a 1 1\r\nabc", "broken the protocol"},
		{"MSG a 1 1\r\na\n" + hidden, "broken the protocol"},
		{fmt.Sprintf("INFO \nMSG a 1 %d\r\n%s\r\n", len(hidden), hidden), "broken the protocol"},
		{fmt.Sprintf("-ERR \nMSG a 1 %d\r\n%s\r\n", len(hidden), hidden), "broken the protocol"},
		{"\n", "broken the protocol"},
		{"-ERR '" + strings.Repeat("x", 1<<20) + "'\r\n", "a line of more than 1048576 bytes"},
		{"MSG " + strings.Repeat("x", 1<<20) + " 1 1\r\n", "a line of more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.30q", tt.says), func(t *testing.T) {
			s := newFake(t, "", tt.says, func(_ net.Conn, r *bufio.Reader) { r.ReadString(0) })
			e := newEnds(t, s.url())
			p := e.publisher(t, "orders")
			testx.Await(t, func() error {
				if log := e.Log.String(); !strings.Contains(log, tt.why) {
					return fmt.Errorf("%.500s", log)
				}
				return nil
			})
			if _, ok := p.Health(); ok {
				t.Error("it is ready")
			}
		})
	}
}

// TestTold: what a server says is told in part, however much it is.
func TestTold(t *testing.T) {
	long := strings.Repeat("x", 500_000)
	s := newFake(t, "", "", func(c net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(line, "PUB orders"):
				fmt.Fprint(c, "-ERR 'Permissions Violation for Publish to \"orders\" "+long+"'\r\n")
			case strings.HasPrefix(line, "PUB"):
				fmt.Fprint(c, "-ERR '"+long+"'\r\n")
				return
			case strings.HasPrefix(line, "PING"):
				fmt.Fprint(c, "PONG\r\n")
			}
		}
	})
	e := newEnds(t, s.url())
	p, ends := e.publisher(t, "orders"), e.publisher(t, "ends")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendStatus || len(err.Error()) > 1000 {
		t.Errorf("%.80s, of %d bytes", err, len(err.Error()))
	}
	ends.Publish(queuetest.Within(t, time.Minute), new(queue.Message))
	testx.Await(t, func() error {
		if !strings.Contains(e.Log.String(), "peer is away") {
			return errors.New("nothing is said")
		}
		return nil
	})
	if log := e.Log.String(); len(log) > 10_000 || !strings.Contains(log, "xxx") {
		t.Errorf("%d bytes in the log: %.200s", len(log), log)
	}
}

// TestStuck: of a server that reads nothing every publisher hears at the deadline, however much
// the others have sent; and who stops does not wait for it.
func TestStuck(t *testing.T) {
	release := make(chan struct{})
	s := newFake(t, "", "", func(net.Conn, *bufio.Reader) { <-release })
	defer close(release)
	e := newEnds(t, s.url())
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if err := p.Publish(queuetest.Within(t, 300*time.Millisecond), &queue.Message{Body: make([]byte, 900_000)}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := p.Publish(queuetest.Within(t, 10*time.Millisecond), &queue.Message{Body: []byte("a")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind them: %v", err)
	}
	if err := errors.Join(e.Env.Close(queuetest.Within(t, 10*time.Millisecond)), e.Env.Release()); err != nil {
		t.Error(err)
	}
}

// TestRefusedOnce: a refusal is one of the messages before it.
func TestRefusedOnce(t *testing.T) {
	s := newFake(t, "", "", func(c net.Conn, r *bufio.Reader) {
		for n := 0; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(line, "PUB") && n == 0:
				fmt.Fprint(c, "-ERR 'Permissions Violation for Publish to \"orders\"'\r\n")
				n++
			case strings.HasPrefix(line, "PING"):
				fmt.Fprint(c, "PONG\r\n")
			}
		}
	})
	e := newEnds(t, s.url())
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	for _, want := range []string{gateway.CodeBackendStatus, "", ""} {
		if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestCluster: when a server goes for good another of its cluster is found, of which no address
// tells.
func TestCluster(t *testing.T) {
	serve := func(c net.Conn, r *bufio.Reader) {
		for line := ""; line != "PUB orders 1\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
	}
	told := make(chan bool, 100)
	two := newFake(t, "", "", func(c net.Conn, r *bufio.Reader) { told <- true; serve(c, r) })
	one := newFake(t, `,"connect_urls":["`+two.Addr().String()+`"]`, "", serve)
	e := newEnds(t, one.url())
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	one.Close() // for others that come
	p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")})
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Errorf("nobody comes; log:\n%s", e.Log.String())
	}
}

// TestDenied: a subscription that is no longer allowed is one that is away, and is made again.
func TestDenied(t *testing.T) {
	deny := make(chan struct{})
	var first sync.Once
	s := newFake(t, "", "", func(c net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "PING"):
				fmt.Fprint(c, "PONG\r\n")
				first.Do(func() {
					go func() {
						<-deny
						fmt.Fprint(c, "-ERR 'Permissions Violation for Subscription to \"orders\"'\r\n")
					}()
				})
			}
		}
	})
	e := newEnds(t, s.url())
	e.subscriber(t, "orders")
	close(deny)
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") || !strings.Contains(log, "Permissions Violation for Subscription") || !strings.Contains(log, "peer is back") {
			return errors.New(log)
		}
		return nil
	})
}

// TestStrangers: nobody gets the password but a server of the address, or one that such a server
// tells of which has let the gateway in; and not in plain text where TLS is configured.
func TestStrangers(t *testing.T) {
	came := make(chan string, 100)
	stranger := newFake(t, "", "", func(net.Conn, *bufio.Reader) { came <- "a stranger" })
	refuses := newFake(t, `,"connect_urls":["`+stranger.Addr().String()+`"]`, "", nil)
	refuses.refuses = true
	plain := newFake(t, `,"tls_required":false`, "", func(net.Conn, *bufio.Reader) { came <- "a connection without TLS" })
	secure := func(a *queue.Address) { a.ClientTLS = new(model.ClientTLS) }
	for _, tt := range []struct {
		server, why string
		more        []func(*queue.Address)
	}{
		{refuses.url(), "Authorization Violation", nil},
		{plain.url(), "secure connection not available", []func(*queue.Address){secure}},
		{strings.Replace(plain.url(), "nats", "TLS", 1), "secure connection not available", nil},
	} {
		e := newEnds(t, strings.Replace(tt.server, "//", "//u:secret@", 1))
		e.publisher(t, "orders", tt.more...)
		testx.Await(t, func() error {
			if log := strings.ToLower(e.Log.String()); strings.Count(log, strings.ToLower(tt.why)) == 0 {
				return errors.New(log)
			}
			return nil
		})
	}
	select {
	case who := <-came:
		t.Error(who)
	default:
	}
}

// TestMessages: messages of every length come whole, in whatever pieces.
func TestMessages(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	sub := e.subscriber(t, "orders")
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	for _, size := range []int{0, 1, 2, 32<<10 - 1, 32 << 10, 1<<20 - 100} {
		for _, attributes := range []int{0, 3} {
			m := &queue.Message{Body: []byte(strings.Repeat("x", size))}
			for i := range attributes {
				m.Attributes.Add(fmt.Sprint("X-", i), "\tv")
			}
			if err := p.Publish(queuetest.Within(t, time.Minute), m); err != nil {
				t.Fatal(err)
			}
			d, err := sub.Receive(queuetest.Within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Message(); len(got.Body) != size || len(got.Attributes) != attributes {
				t.Errorf("%d bytes, %d attributes: got %d, %d", size, attributes, len(got.Body), len(got.Attributes))
			}
		}
	}
}
