package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// newPrior returns a transport for HTTP/2 by prior knowledge.
func (c *client) newPrior(t model.Transport) *http.Transport {
	p := c.newTransport(t, nil)
	p.Protocols.SetHTTP1(false)
	p.Protocols.SetUnencryptedHTTP2(true)
	c.speakHTTP2(p)
	shared := &sharing{dial: p.DialContext, leads: make(map[string]*lead)}
	p.DialContext = shared.connect
	if c.proxy != nil {
		p.Proxy = func(r *http.Request) (*url.URL, error) {
			via, err := c.proxy(r.URL)
			if err == nil && via != nil {
				err = errors.New("HTTP/2 without TLS does not pass a forward proxy; remove use_h2c, or the proxy, or name the host in NO_PROXY")
			}
			return via, err
		}
	}
	return p
}

// prior reports whether the call is one by prior knowledge.
func (c *call) prior() bool { return c.transport == c.client.prior }

// A sharing keeps calls that begin at once from making a connection each, of which the
// transport would keep one: it dials for every call that finds no connection among its
// idle ones, and puts one there only after the call that it was made for has got it.
//
// Who comes second gets a connection that is not made yet. The transport asks for the
// first byte of it only if no other carries the call.
//
// A connection is made in the time that every connection has, and not in that of the call
// which was the first to want it: the others have more. Each call gives up by itself.
type sharing struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	leads map[string]*lead // by address
}

// A lead is the connection to an address that calls share, from when it is begun until it
// is closed.
type lead struct {
	over    chan struct{} // closed when the transport has the connection, or there is none
	settled sync.Once
	err     error // why there is none; set before
}

// longestLead is how long a call waits for the connection of another before it makes its
// own: an address that was dead a moment ago must not hold up who comes after. A packet
// may be lost once.
const longestLead = 3 * time.Second

// connect returns a connection to an address, or what becomes one when it is needed.
func (s *sharing) connect(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	first := s.leads[address]
	if first == nil {
		first = s.leadLocked(address)
		s.mu.Unlock()
		return opened(s.open(ctx, network, address, first))
	}
	s.mu.Unlock()
	own := func() (*shared, error) { return s.open(ctx, network, address, s.lead(address)) }
	latest, by := longestLead, dialBy(ctx)
	if !by.IsZero() {
		latest = min(latest, time.Until(by))
	}
	timer := time.NewTimer(latest)
	defer timer.Stop()
	select {
	case <-first.over:
		if first.err != nil {
			return nil, first.err
		}
		return &shared{later: own}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	}
	if latest < longestLead {
		return nil, tooLate(address) // and nobody waits for it
	}
	return opened(own())
}

func opened(c *shared, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// tooLate is the failure of a call for which no connection was made in time.
func tooLate(address string) error {
	return fmt.Errorf("%w: host %s was not heard in its share of the time: %w", gateway.ErrUnreached, address, os.ErrDeadlineExceeded)
}

// open makes the connection of l.
func (s *sharing) open(ctx context.Context, network, address string, l *lead) (*shared, error) {
	conn, err := s.dial(context.WithValue(ctx, callKey{}, nil), network, address)
	var ahead []byte
	if err == nil {
		ahead, err = greet(ctx, conn)
	}
	if err != nil {
		s.leave(address, l)
		l.settle(err)
		return nil, err
	}
	return &shared{
		Conn: conn, ahead: ahead, sent: len(http2.ClientPreface),
		known: func() { l.settle(nil) }, gone: func() { s.leave(address, l) },
	}, nil
}

// lead lets the next wait for a new connection.
func (s *sharing) lead(address string) *lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leadLocked(address)
}

func (s *sharing) leadLocked(address string) *lead {
	l := &lead{over: make(chan struct{})}
	s.leads[address] = l
	return l
}

// leave ends the waiting for l.
func (s *sharing) leave(address string, l *lead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leads[address] == l {
		delete(s.leads, address)
	}
}

func (l *lead) settle(err error) {
	l.settled.Do(func() {
		l.err = err
		close(l.over)
	})
}

// A shared connection is one on which greet has begun. The transport does not know that,
// and begins, too.
//
// One goroutine may read and one may write at a time.
type shared struct {
	net.Conn                         // nil before it was made
	later    func() (*shared, error) // makes it with the first byte; nil when it is made
	ahead    []byte                  // what the backend has sent, as far as nobody has read it
	sent     int                     // bytes of what the transport is about to write that were sent already
	known    func()                  // called when the transport has decided on it; nil before it was made
	gone     func()                  // called when it is closed; nil before it was made
}

// Write writes on, without the preface.
func (c *shared) Write(p []byte) (int, error) {
	if c.later != nil {
		made, err := c.later()
		if err != nil {
			return 0, err
		}
		*c = *made
	}
	if c.sent == 0 {
		return c.Conn.Write(p)
	}
	c.known()
	n := min(c.sent, len(p))
	c.sent -= n
	more, err := c.Conn.Write(p[n:])
	return n + more, err
}

// Read reads on.
func (c *shared) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}

// RemoteAddr is nil before the connection was made, which the transport asks in its traces.
func (c *shared) RemoteAddr() net.Addr {
	if c.Conn == nil {
		return nil
	}
	return c.Conn.RemoteAddr()
}

// Close closes the connection, which the transport may never have made use of: then
// another carries its calls.
func (c *shared) Close() error {
	if c.Conn == nil {
		return nil
	}
	c.known()
	c.gone()
	return c.Conn.Close()
}

// greet begins with a connection on which a backend has to show that it speaks HTTP/2
// without having been asked (RFC 9113, section 3.4). It returns what the backend has sent
// when that has shown it: so one that does not has got nothing of any request, and was not
// reached. It has as long as for the handshake of TLS, and until ctx ends. With an error the
// connection is closed.
func greet(ctx context.Context, conn net.Conn) (ahead []byte, err error) {
	conn.SetDeadline(time.Now().Add(engine.HandshakeTimeout)) // fails on a broken connection, as reading will
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	io.WriteString(conn, http2.ClientPreface+settings) // reading tells if it fails
	ahead, err = hear(conn)
	switch {
	case !stop():
		err = ctx.Err()
	case err != nil:
		err = judge(conn.RemoteAddr(), ahead, err)
	default:
		conn.SetDeadline(time.Time{})
		return ahead, nil
	}
	conn.Close()
	return nil, err
}

const (
	// settings is a frame of them that settles nothing, without which the preface is not
	// complete. Those of the transport follow.
	settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

	frameHead = len(settings) // of every frame

	// longestGreeting is more than any backend says before it acknowledges our settings.
	longestGreeting = 64 << 10
)

// hear reads frames until our settings are acknowledged, and returns those in front of
// that. The first of them are the settings of the other end. What was read is returned
// with an error, too.
func hear(r io.Reader) ([]byte, error) {
	var b []byte
	more := func(n int) error {
		b = append(b, make([]byte, n)...)
		got, err := io.ReadFull(r, b[len(b)-n:])
		b = b[:len(b)-n+got]
		return err
	}
	for at := 0; ; at = len(b) {
		if err := more(4); err != nil {
			return b, err
		}
		is := http2.FrameType(b[at+3]) == http2.FrameSettings
		if at == 0 && !is {
			return b, errStrange
		}
		if err := more(frameHead - 4); err != nil {
			return b, err
		}
		size := int(b[at])<<16 | int(b[at+1])<<8 | int(b[at+2])
		switch ack := is && http2.Flags(b[at+4]).Has(http2.FlagSettingsAck); {
		case ack && at > 0 && size == 0:
			return b[:at], nil
		case ack, len(b)+size > longestGreeting:
			return b, errStrange
		}
		if err := more(size); err != nil {
			return b, err
		}
	}
}

var errStrange = errors.New("the beginning is none of HTTP/2")

// judge returns why a connection to a host, from which b has come, is none of HTTP/2: or
// the end of it, or of the time for it, was too early to tell.
func judge(host net.Addr, b []byte, err error) error {
	const remedy = "remove use_h2c from the options of that backend, or let it speak HTTP/2 without TLS"
	switch {
	case err != errStrange && (len(b) == 0 || b[0] != tlsAlert):
		return fmt.Errorf("%w: host %s does not begin to speak HTTP/2; %s: %w", gateway.ErrUnreached, host, remedy, err)
	case strings.HasPrefix(string(b), "HTTP"):
		return fmt.Errorf("%w: host %s answers in HTTP/1 where HTTP/2 is spoken by prior knowledge; %s", gateway.ErrUnreached, host, remedy)
	case b[0] == tlsAlert:
		return fmt.Errorf("%w: host %s speaks TLS; write https:// in front of it, where HTTP/2 is negotiated, and remove use_h2c", gateway.ErrUnreached, host)
	}
	return fmt.Errorf("%w: host %s does not speak HTTP/2; %s", gateway.ErrUnreached, host, remedy)
}

// tlsAlert is how a server of TLS answers what is no handshake (RFC 8446, section 5.1).
const tlsAlert = 21
