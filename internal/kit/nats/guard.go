package nats

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// What a server may make the gateway hold.
const (
	longest     = 64 << 20 // bytes of a message with its headers, as many as max_payload can be
	longestLine = 1 << 20  // bytes of a line, such as that of INFO with the addresses of a cluster
	ahead       = 4 << 20  // bytes that wait to be written, at which a publisher waits
)

// A guard is a connection between the library and a server that is not trusted. It hands on
// what is read unless the library would be ended by it, and with it the process; and it takes
// what is written without waiting for the server, since the library holds a lock meanwhile
// that everybody needs.
type guard struct {
	net.Conn          // after TLS
	cluster  []string // host:port of other servers
	first    []byte   // what was read before the library came
	scan     scanner

	writes sync.WaitGroup

	mu       sync.Mutex
	out      []byte        // what is not written yet
	held     int           // bytes of it, and of what is being written
	reserved int           // bytes that publishers are about to write
	ready    chan struct{} // of size 1: there is something to be written; closed at the end
	freed    chan struct{} // closed when there is room again, or never will be
	err      error         // why nothing is written any more
}

// newGuard reads what the server says first, and makes the connection secure if one of both
// wants that: nothing behind that line is read before.
func newGuard(ctx context.Context, c net.Conn, secure *tls.Config, wanted bool) (*guard, error) {
	g := &guard{Conn: c, ready: make(chan struct{}, 1), freed: make(chan struct{})}
	for letter := make([]byte, 1); ; {
		if _, err := io.ReadFull(c, letter); err != nil {
			return nil, err
		}
		if g.first = append(g.first, letter[0]); letter[0] == '\n' {
			break
		}
		if len(g.first) > longestLine {
			return nil, errLine
		}
	}
	var info struct {
		Required  bool `json:"tls_required"`
		Available bool `json:"tls_available"`

		Cluster []string `json:"connect_urls"`
	}
	if text, found := bytes.CutPrefix(g.first, []byte("INFO ")); !found || json.Unmarshal(text, &info) != nil {
		return nil, errors.New("it is no NATS server")
	}
	g.cluster = info.Cluster
	if info.Required || wanted && info.Available { // and if it is wanted in vain, the library ends it
		s := tls.Client(c, secure)
		if err := s.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		g.Conn = s
	}
	g.writes.Go(g.write)
	return g, nil
}

// Read reads what the library can bear.
func (g *guard) Read(b []byte) (int, error) {
	if len(g.first) > 0 {
		n := copy(b, g.first)
		g.first = g.first[n:]
		return n, nil
	}
	n, err := g.Conn.Read(b)
	if bad := g.scan.feed(b[:n]); bad != nil {
		return 0, bad
	}
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.err != nil && g.err != net.ErrClosed { // which is why
			err = g.err
		}
	}
	return n, err
}

// Write takes b. The error is that of a write before it.
func (g *guard) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil && g.held+len(b) > ahead+longest {
		g.end(errors.New("the server reads nothing"))
	}
	if g.err != nil {
		return 0, g.err
	}
	g.out, g.held = append(g.out, b...), g.held+len(b)
	select {
	case g.ready <- struct{}{}:
	default:
	}
	return len(b), nil
}

// write writes what was taken, until the connection ends.
func (g *guard) write() {
	var spare []byte
	for range g.ready {
		g.mu.Lock()
		batch := g.out
		g.out = spare[:0]
		over := g.err != nil
		g.mu.Unlock()
		if over {
			return
		}
		_, err := g.Conn.Write(batch)
		g.mu.Lock()
		if g.held -= len(batch); err != nil {
			g.end(err)
		}
		g.free()
		g.mu.Unlock()
		if spare = batch; cap(spare) > 256<<10 {
			spare = nil
		}
	}
}

// Close ends the connection, and returns when nothing is written any more.
func (g *guard) Close() error {
	g.mu.Lock()
	g.end(net.ErrClosed)
	g.mu.Unlock()
	g.writes.Wait()
	return nil
}

// end ends the connection for a reason. The caller holds the lock.
func (g *guard) end(cause error) {
	if g.err != nil {
		return
	}
	g.err = cause
	if s, ok := g.Conn.(*tls.Conn); ok {
		s.NetConn().Close() // a farewell might wait
	} else {
		g.Conn.Close()
	}
	close(g.ready)
	close(g.freed)
}

// free wakes who waits for room. The caller holds the lock.
func (g *guard) free() {
	if g.err == nil {
		close(g.freed)
		g.freed = make(chan struct{})
	}
}

// reserve waits for room for a message of n bytes, which done gives back when they are with the
// library, that hands them on to Write. The error is that of ctx.
func (g *guard) reserve(ctx context.Context, n int) (done func(), err error) {
	for {
		g.mu.Lock()
		if g.err != nil || g.held+g.reserved < ahead {
			g.reserved += n
			g.mu.Unlock()
			return func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.reserved -= n
				g.free()
			}, nil
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

var (
	errLine    = fmt.Errorf("the server has sent a line of more than %d bytes", longestLine)
	errMessage = errors.New("the server has broken the protocol in front of a message, or behind it")
)

// A scanner follows what a server sends, in whatever pieces. It is stricter than the library,
// so that both are of one mind where a line ends and where a message does.
//
// Source: the NATS client protocol, MSG, HMSG, INFO, PING, PONG, +OK and -ERR.
type scanner struct {
	at     int  // of the states
	op     byte // M of MSG, H of HMSG, 0 of others
	length int  // of the line
	words  int
	number int  // the word as a number, -1 if it is none
	word   bool // within a word
	left   int  // bytes of the message that are to come
	before byte // the byte before
}

const (
	start   = iota // of a line
	line           // within one without a message
	head           // within one with a message
	headEnd        // behind its CR
	payload
	payloadCR // in front of the CR behind it
	payloadLF
)

// feed takes the next bytes. The error is that they must not come to the library.
func (s *scanner) feed(b []byte) error {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch s.at {
		case start:
			*s = scanner{at: line}
			switch c {
			case 'M', 'm':
				s.at, s.op = head, 'M'
			case 'H', 'h':
				s.at, s.op = head, 'H'
			case '\n':
				return errMessage
			}
			if s.at == head {
				s.words, s.word, s.number = 1, true, -1
			}
			s.length, s.before = 1, c
		case line:
			if s.length++; s.length > longestLine {
				return errLine
			}
			if c == '\n' {
				if s.before != '\r' {
					return errMessage
				}
				s.at = start
			}
			s.before = c
		case head:
			if s.length++; s.length > longestLine {
				return errLine
			}
			if err := s.letter(c); err != nil {
				return err
			}
		case headEnd:
			want := 4
			if s.op == 'H' {
				want = 5
			}
			switch {
			case c != '\n', s.words != want && s.words != want+1, s.number < 0:
				return errMessage
			case s.number > longest:
				return fmt.Errorf("the server has announced a message of more than %d bytes", longest)
			}
			s.left, s.at = s.number, payload
			if s.left == 0 {
				s.at = payloadCR
			}
		case payload:
			n := min(s.left, len(b)-i)
			i += n - 1
			if s.left -= n; s.left == 0 {
				s.at = payloadCR
			}
		case payloadCR:
			if c != '\r' {
				return errMessage
			}
			s.at = payloadLF
		case payloadLF:
			if c != '\n' {
				return errMessage
			}
			s.at = start
		}
	}
	return nil
}

// letter takes one of the line in front of a message.
func (s *scanner) letter(c byte) error {
	switch {
	case c == '\r':
		s.at = headEnd
	case c == ' ' || c == '\t':
		s.word = false
	case c < ' ' || c == 0x7f:
		return errMessage
	default:
		if !s.word {
			s.word, s.number = true, 0
			s.words++
		}
		switch {
		case c < '0' || c > '9':
			s.number = -1
		case s.number >= 0:
			s.number = min(10*s.number+int(c-'0'), longest+1)
		}
	}
	return nil
}
