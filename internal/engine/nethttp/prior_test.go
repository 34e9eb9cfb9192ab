package nethttp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestSharing shows how long a call waits for the connection of another, and that a
// connection which another replaces is never made.
func TestSharing(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct {
		name   string
		first  func(g net.Conn) // what becomes of the first connection; nil if it hangs
		err    error            // of the first
		limit  time.Duration    // of the second call
		waited time.Duration
		want   error // of the second
		dials  int
	}{
		{name: "it is used", first: func(g net.Conn) { g.Write([]byte(http2.ClientPreface)) }, dials: 1},
		{name: "it is not needed", first: func(g net.Conn) { g.Close() }, dials: 2},
		{name: "it is refused", err: refused, want: refused, dials: 1},
		{name: "it hangs", waited: longestLead, dials: 2},
		{name: "it hangs longer than the call may", limit: time.Second, waited: time.Second, want: gateway.ErrUnreached, dials: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dials, dialed := 0, make(chan struct{})
				s := &sharing{leads: make(map[string]*lead)}
				s.dial = func(context.Context, string, string) (net.Conn, error) {
					if dials++; dials == 1 {
						<-dialed
						if tt.err != nil {
							return nil, tt.err
						}
					}
					return &sink{Reader: strings.NewReader(settings + acknowledged)}, nil
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					g, err := s.connect(context.WithoutCancel(t.Context()), "tcp", "a:80")
					if err != tt.err {
						t.Errorf("error %v", err)
					}
					if err == nil && tt.first != nil {
						tt.first(g)
					}
				}()
				synctest.Wait() // for the first to be on its way
				if tt.first != nil || tt.err != nil {
					go close(dialed)
				} else {
					defer close(dialed)
				}
				ctx, began := t.Context(), time.Now()
				if tt.limit > 0 {
					ctx = context.WithValue(ctx, callKey{}, &call{dialBy: began.Add(tt.limit)})
				}
				g, err := s.connect(ctx, "tcp", "a:80")
				if waited := time.Since(began); !errors.Is(err, tt.want) || waited != tt.waited {
					t.Fatalf("%v after %v, want %v after %v", err, waited, tt.want, tt.waited)
				}
				if tt.name == "it is not needed" {
					g.Write([]byte(http2.ClientPreface)) // and neither is what took its place any more
				}
				if err == nil {
					g.Close()
				}
				synctest.Wait()
				if dials != tt.dials {
					t.Errorf("%d connections, want %d", dials, tt.dials)
				}
			})
		})
	}
}

// acknowledged is a frame that acknowledges settings.
const acknowledged = "\x00\x00\x00\x04\x01\x00\x00\x00\x00"

// A sink is a connection that takes everything.
type sink struct {
	net.Conn
	*strings.Reader
}

func (s *sink) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (*sink) Write(p []byte) (int, error)  { return len(p), nil }
func (*sink) SetDeadline(time.Time) error  { return nil }
func (*sink) Close() error                 { return nil }

// FuzzHear: what hear has read is what the backend has sent, but for the acknowledgement,
// and it has read no further.
func FuzzHear(f *testing.F) {
	window := "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x01\x00\x00"
	for _, text := range []string{
		settings + acknowledged, settings + window + acknowledged + window, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64" + acknowledged,
		acknowledged, settings, "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x46", settings + "\xff\xff\xff\x00\x00\x00\x00\x00\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		ahead, err := hear(r)
		read := in[:len(in)-r.Len()]
		if len(read) > longestGreeting {
			t.Fatalf("%d bytes were read", len(read))
		}
		if !bytes.HasPrefix(read, ahead) {
			t.Fatalf("%q of %q", ahead, read)
		}
		rest := read[len(ahead):]
		if err != nil && len(rest) > 0 || err == nil && (len(rest) != frameHead || !strings.HasPrefix(string(rest), acknowledged[:4]) || rest[4]&1 == 0 || ahead[3] != acknowledged[3]) {
			t.Errorf("%q of %q, %v", ahead, read, err)
		}
	})
}
