package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// patience is how long the client may wait for anything.
const patience = time.Minute

// connected returns a connection of the library to the queue of a shop.
func connected(t *testing.T, url string) *nats.Conn {
	t.Helper()
	c, err := nats.Connect(url, nats.NoReconnect(), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// listening returns a subscription that the broker knows of.
func listening(t *testing.T, c *nats.Conn, subject, group string) *nats.Subscription {
	t.Helper()
	s, err := c.QueueSubscribeSync(subject, group)
	if err == nil {
		err = c.FlushTimeout(patience)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBroker has a client library of NATS talk with the queue as it does with a server.
func TestBroker(t *testing.T) {
	url := open(t)["/orders"][0]
	p, c, d := connected(t, url), connected(t, url), connected(t, url)
	alone := listening(t, c, "orders", "")
	listening(t, c, "others", "")
	shared := []*nats.Subscription{listening(t, c, "orders", "g"), listening(t, d, "orders", "g")}
	gone := listening(t, c, "orders", "")
	if err := errors.Join(gone.Unsubscribe(), c.FlushTimeout(patience)); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*nats.Msg{
		{Subject: "orders", Data: []byte("one\r\nPUB orders 0\r\n")},
		{Subject: "orders", Data: []byte("two"), Header: nats.Header{"X-A": {"b"}}},
		{Subject: "orders"},
	} {
		if err := p.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		got, err := alone.NextMsg(patience)
		if err != nil || !bytes.Equal(got.Data, m.Data) || got.Header.Get("X-A") != m.Header.Get("X-A") {
			t.Errorf("%q %v: got %v, %v", m.Data, m.Header, got, err)
		}
	}
	if err := errors.Join(p.FlushTimeout(patience), c.FlushTimeout(patience), d.FlushTimeout(patience)); err != nil { // behind all messages
		t.Fatal(err)
	}
	first, _, _ := shared[0].Pending()
	second, _, _ := shared[1].Pending()
	if first+second != 3 {
		t.Errorf("two of a group got %d and %d, want 3 together", first, second)
	}
	if got, want := c.Stats().InMsgs, uint64(3+first); got != want {
		t.Errorf("%d messages came, want %d: none to another subject, and none to who has left", got, want)
	}
}

// TestBrokerRefuses: what this server cannot do it says, and ends the connection.
func TestBrokerRefuses(t *testing.T) {
	address := strings.TrimPrefix(open(t)["/orders"][0], "nats://")
	var many strings.Builder
	for i := range mostSubscribed + 1 {
		fmt.Fprintf(&many, "SUB s%d %d\r\n", i, i)
	}
	for sent, want := range map[string]string{
		"SUB orders.* 1\r\n":                             "wildcards",
		"SUB orders\r\n":                                 "Unknown Protocol Operation",
		"GET / HTTP/1.1\r\n":                             "Unknown Protocol Operation",
		"PUB orders -1\r\n":                              "Unknown Protocol Operation",
		"HPUB orders 3 2\r\nxx\r\n":                      "Unknown Protocol Operation",
		"PUB orders 2\r\nxxx\r\n":                        "Unknown Protocol Operation",
		"PUB orders 1048577\r\n":                         "Maximum Payload Violation",
		"SUB " + strings.Repeat("x", longestLine) + " 1": "Maximum Control Line Exceeded",
		many.String():                                    "Maximum Subscriptions Exceeded",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Error(err)
		}
		got, _ := io.ReadAll(conn) // which may end with a reset
		conn.Close()
		if !strings.Contains(string(got), "-ERR '") || !strings.Contains(string(got), want) {
			t.Errorf("%.40q: answered %q, want %s", sent, got, want)
		}
	}
}

// discarded is a connection that takes everything.
type discarded struct{ bytes.Buffer }

func (*discarded) Close() error { return nil }

// FuzzBroker: whatever a client says the conversation ends with it, and leaves nothing behind.
func FuzzBroker(f *testing.F) {
	f.Add("CONNECT {}\r\nPING\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nUNSUB 1\r\n")
	f.Add("SUB a g 1\r\nSUB a g 2\r\nHPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := &broker{clients: []*client{}, heard: make(map[string][]subscription)}
		b.serve(strings.NewReader(text), new(discarded))
		if len(b.clients) != 0 || len(b.heard) != 0 {
			t.Errorf("%d clients and %d subjects are left", len(b.clients), len(b.heard))
		}
	})
}
