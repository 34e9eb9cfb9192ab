package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A broker is as much of a NATS server as it takes to publish to a subject and to hear it.
// There are no wildcards and no passwords, and as in a real one without JetStream
// nothing is stored: a message goes to those who listen, of a group to one.
//
// Source: docs.nats.io, client protocol.
type broker struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	clients []*client // the server is closed when this is nil
	heard   map[string][]subscription
}

// What a client may send, and how long it may take to be told something.
const (
	longestLine     = 4 << 10
	largestMessage  = 1 << 20
	mostSubscribed  = 100 // by a client
	clientsPatience = time.Second
)

// A refusal is what the server tells a client before it ends the connection.
type refusal string

func (r refusal) Error() string { return string(r) }

const unknown refusal = "Unknown Protocol Operation"

// A subscription is that of a client to one subject.
type subscription struct {
	by        *client
	id, group string
}

// A client is a connection.
type client struct {
	in  *bufio.Reader
	out io.WriteCloser // a write that a deadline ends

	mu sync.Mutex // held while it is written to
}

// openBroker serves clients that come to l until it is closed.
func openBroker(l net.Listener) *broker {
	b := &broker{listener: l, clients: []*client{}, heard: make(map[string][]subscription)}
	b.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			b.running.Go(func() { b.serve(conn, patient{conn}) })
		}
	})
	return b
}

// patient is a connection whose writes end.
type patient struct{ net.Conn }

func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(clientsPatience)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// close ends all connections and waits for what serves them.
func (b *broker) close() error {
	err := b.listener.Close()
	b.mu.Lock()
	for _, c := range b.clients {
		c.out.Close()
	}
	b.clients = nil
	b.mu.Unlock()
	b.running.Wait()
	return err
}

// serve talks with a client until one of the two has enough.
func (b *broker) serve(in io.Reader, out io.WriteCloser) {
	defer out.Close()
	c := &client{in: bufio.NewReaderSize(in, longestLine), out: out}
	b.mu.Lock()
	if b.clients == nil {
		b.mu.Unlock()
		return
	}
	b.clients = append(b.clients, c)
	b.mu.Unlock()
	defer b.forget(c)
	c.write(fmt.Appendf(nil, "INFO {\"server_id\":\"demo\",\"version\":\"2.0.0\",\"proto\":1,\"headers\":true,\"max_payload\":%d}\r\n", largestMessage))
	for {
		err := b.obey(c)
		if r, ok := errors.AsType[refusal](err); ok {
			c.write(fmt.Appendf(nil, "-ERR '%s'\r\n", r))
		}
		if err != nil {
			return
		}
	}
}

// forget drops what a client has subscribed to.
func (b *broker) forget(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients = slices.DeleteFunc(b.clients, func(other *client) bool { return other == c })
	for subject := range b.heard {
		b.unsubscribe(c, subject, "")
	}
}

// unsubscribe drops a subscription of a client to a subject, all with the id "". The caller
// holds the lock.
func (b *broker) unsubscribe(c *client, subject, id string) {
	rest := slices.DeleteFunc(b.heard[subject], func(s subscription) bool { return s.by == c && (id == "" || s.id == id) })
	if b.heard[subject] = rest; len(rest) == 0 {
		delete(b.heard, subject)
	}
}

// obey does what a line of a client says.
func (b *broker) obey(c *client) error {
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return refusal("Maximum Control Line Exceeded")
	case err != nil:
		return err
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return nil
	}
	switch n := len(words); strings.ToUpper(words[0]) {
	case "CONNECT", "PONG":
	case "PING":
		c.write([]byte("PONG\r\n"))
	case "SUB":
		if n == 3 || n == 4 {
			group := ""
			if n == 4 {
				group = words[2]
			}
			return b.subscribe(c, words[1], words[n-1], group)
		}
		return unknown
	case "UNSUB":
		if n != 2 {
			return unknown
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for subject := range b.heard {
			b.unsubscribe(c, subject, words[1])
		}
	case "PUB":
		if n == 3 || n == 4 {
			return b.publish(c, words[1], "", words[n-1])
		}
		return unknown
	case "HPUB":
		if n == 4 || n == 5 {
			return b.publish(c, words[1], words[n-2], words[n-1])
		}
		return unknown
	default:
		return unknown
	}
	return nil
}

func (b *broker) subscribe(c *client, subject, id, group string) error {
	if strings.ContainsAny(subject, "*>") {
		return refusal("Invalid Subject, this server knows no wildcards")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, all := range b.heard {
		for _, s := range all {
			if s.by == c {
				n++
			}
		}
	}
	if n == mostSubscribed {
		return refusal("Maximum Subscriptions Exceeded")
	}
	b.heard[subject] = append(b.heard[subject], subscription{c, id, group})
	return nil
}

// publish reads a message, whose header has as many bytes as that text says, "" for none, and
// which has size bytes with it, and hands it to those who listen.
func (b *broker) publish(c *client, subject, header, size string) error {
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 {
		return unknown
	}
	if n > largestMessage {
		return refusal("Maximum Payload Violation")
	}
	if h, err := strconv.Atoi(header); header != "" && (err != nil || h < 0 || h > n) {
		return unknown
	}
	message := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(c.in, message); err != nil {
		return err
	}
	if !strings.HasSuffix(string(message[n:]), "\r\n") {
		return unknown
	}
	b.mu.Lock()
	to := make([]subscription, 0, len(b.heard[subject]))
	for _, s := range b.heard[subject] {
		if s.group == "" || !slices.ContainsFunc(to, func(other subscription) bool { return other.group == s.group }) {
			to = append(to, s)
		}
	}
	b.mu.Unlock()
	for _, s := range to {
		line := fmt.Appendf(nil, "MSG %s %s %s\r\n", subject, s.id, size)
		if header != "" {
			line = fmt.Appendf(nil, "HMSG %s %s %s %s\r\n", subject, s.id, header, size)
		}
		s.by.write(append(line, message...))
	}
	return nil
}

// write tells a client something. One that does not take it is gone.
func (c *client) write(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.out.Write(text); err != nil {
		c.out.Close() // which ends its reading
	}
}
