package nats

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
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

// TestFound: who is told of gets the user and the name of the one that has told, and those of no
// other server.
func TestFound(t *testing.T) {
	urls := []string{"nats://admin:secret@a.internal:4222", "tls://u:other@b.partner.example:4222", "nats://10.0.0.1:4222"}
	for by, want := range map[string][2]string{
		urls[0]:                      {"nats://admin:secret@10.9.9.9:4222", "a.internal"},
		urls[1]:                      {"tls://u:other@10.9.9.9:4222", "b.partner.example"},
		urls[2]:                      {"nats://10.9.9.9:4222", "a.internal"},
		"tls://u:other@c.found:4222": {"tls://u:other@10.9.9.9:4222", "c.found"},
	} {
		s := &server{urls: urls, tls: new(tls.Config)}
		s.find([]string{"10.9.9.9:4222"}, by)
		if all := s.all(); len(all) != 4 || all[3] != want[0] {
			t.Errorf("told by %s: %q, want %s", by, all, want[0])
		}
		if got := s.settings("10.9.9.9:4222").ServerName; got != want[1] {
			t.Errorf("told by %s: the certificate is that of %s, want %s", by, got, want[1])
		}
		s.find([]string{"10.9.9.9:4222"}, "")
		if all := s.all(); len(all) != 3 {
			t.Errorf("told by nobody: %q", all)
		}
	}
}

// TestShare: of servers that say nothing each takes its part of the time, and what one leaves is
// for those behind it.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		began := time.Now()
		for i, want := range []int{3, 3, 9} { // the second one refuses at once
			part, cancel := share(ctx, 3-i)
			if i != 1 {
				<-part.Done()
			}
			cancel()
			if took := time.Since(began); took != time.Duration(want)*time.Second {
				t.Errorf("server %d: over after %v, want %d s", i, took, want)
			}
		}
		if free, cancel := share(t.Context(), 3); free.Err() != nil {
			t.Error("without a deadline there is none")
		} else {
			cancel()
		}
	})
}
