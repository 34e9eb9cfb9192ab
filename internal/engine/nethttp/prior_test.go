package nethttp

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
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
		dials  int
	}{
		{name: "it is used", first: func(g net.Conn) { g.Write([]byte("preface")) }, dials: 1},
		{name: "it is not needed", first: func(g net.Conn) { g.Close() }, dials: 2},
		{name: "it is refused", err: refused, dials: 2},
		{name: "it hangs", waited: longestLead, dials: 2},
		{name: "it hangs longer than the call may", limit: time.Second, waited: time.Second, dials: 2},
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
					return sink{}, nil
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					g, err := s.connect(t.Context(), "tcp", "a:80")
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
				if waited := time.Since(began); err != nil || waited != tt.waited {
					t.Fatalf("%v after %v, want a connection after %v", err, waited, tt.waited)
				}
				if tt.name == "it is not needed" {
					g.Write([]byte("preface")) // and neither is what took its place any more
				}
				g.Close()
				synctest.Wait()
				if dials != tt.dials {
					t.Errorf("%d connections, want %d", dials, tt.dials)
				}
			})
		})
	}
}

// A sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error)     { return len(p), nil }
func (sink) SetReadDeadline(time.Time) error { return nil }
func (sink) Close() error                    { return nil }
