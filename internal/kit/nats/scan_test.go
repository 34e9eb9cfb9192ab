package nats

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
)

// A tape is a connection that says the same to everybody.
type tape struct {
	net.Conn
	io.Reader
}

func (t tape) Read(b []byte) (int, error)     { return t.Reader.Read(b) }
func (tape) Write(b []byte) (int, error)      { return len(b), nil }
func (tape) Close() error                     { return nil }
func (tape) SetDeadline(time.Time) error      { return nil }
func (tape) SetReadDeadline(time.Time) error  { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }
func (t tape) Dial(_, _ string) (net.Conn, error) {
	return newGuard(context.Background(), t, nil, false)
}

// FuzzGuard: what comes is judged in the same way in whatever pieces, and what is let through
// does not end the library, nor is a message in it that is no message for the scanner.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{
		"MSG a 1 3\r\nabc\r\nPING\r\n", "HMSG a 1 b 12 13\r\nNATS/1.0\r\n\r\nx\r\n", "MSG a 1 0\r\n\r\n+OK\r\n", "-ERR 'x'\r\nPONG\r\n",
		"MSG a 1 9223372036854775807\r\nabc", "INFO \nMSG a 1 30\r\nMSG a 1 99999999999999999999\r\n\r\n", "msg\ta\t1\t00003\r\nabc\r\nINFO {\"connect_urls\":[\"%\"]}\r\n",
		"HMSG a 1 9 9\r\nNATS/1.0\n\r\n", "MSG a 1 5\rx\n", "INFO {}\r\n-ERR \r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var whole, pieces scanner
		want := whole.feed(text)
		var got error
		for rest := text; len(rest) > 0 && got == nil; {
			n := min(len(rest), max(size, 1))
			got = pieces.feed(rest[:n])
			rest = rest[n:]
		}
		if (want == nil) != (got == nil) || want == nil && whole != pieces {
			t.Fatalf("at once %v %+v, in pieces %v %+v", want, whole, got, pieces)
		}
		over := make(chan error, 1)
		c := tape{Reader: io.MultiReader(bytes.NewReader([]byte("INFO {\"max_payload\":1000,\"headers\":true}\r\nPONG\r\n")), bytes.NewReader(text))}
		o := client.Options{Servers: []string{"nats://a"}, CustomDialer: c, SkipHostLookup: true, Timeout: time.Minute, ClosedCB: func(c *client.Conn) { over <- c.LastError() }}
		if _, err := o.Connect(); err != nil {
			return
		}
		<-over
	})
}
