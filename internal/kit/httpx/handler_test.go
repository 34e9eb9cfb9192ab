package httpx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// TestHandler shows what becomes of the answers of a handler. A want that begins with an
// exclamation mark is the code of an error; one mark behind the body is that it breaks off.
func TestHandler(t *testing.T) {
	large := strings.Repeat("x", 3*room)
	tests := []struct {
		name   string
		method string
		answer func(w http.ResponseWriter, r *http.Request)
		want   string // status, size, header, body
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, "200 0 []"},
		{"small", "GET", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a", "b") }, "200 2 [] ab"},
		{"a status", "GET", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, "404 3 [{Content-Type text/plain; charset=utf-8} {X-Content-Type-Options nosniff}] no\n"},
		{"a second status", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, "201 0 []"},
		{"an informational status", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); fmt.Fprint(w, "a") }, "200 1 [] a"},
		{"fields behind the header", "GET", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a"); w.Header().Set("X-Late", "1") }, "200 1 [] a"},
		{"fields", "GET", func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h["Set-Cookie"], h["x-b"] = []string{"2", "1"}, []string{"3"}
			h.Set("Connection", "X-Hop")
			h.Set("X-Hop", "1")
			h.Set("Keep-Alive", "1")
			h["X Y"] = []string{"1"}
		}, "200 0 [{Set-Cookie 2} {Set-Cookie 1} {X-B 3}]"},
		{"large", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, large) }, "200 -1 [] " + large},
		{"large, in pieces", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range large {
				fmt.Fprintf(w, "%c", c)
			}
		}, "200 -1 [] " + large},
		{"large, of known size", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			io.WriteString(w, large)
		}, fmt.Sprintf("200 %d [] %s", len(large), large)},
		{"flushed", "GET", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "a")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "b")
		}, "200 -1 [] ab"},
		{"flushed empty", "GET", func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() }, "200 -1 []"},
		{"less than announced", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "abc")
		}, "!backend_aborted"},
		{"less than announced, flushed", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "abc")
			w.(http.Flusher).Flush()
		}, "200 9 [] abc!backend_aborted"},
		{"more than announced", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			if _, err := fmt.Fprint(w, "abc"); err != http.ErrContentLength {
				t.Errorf("more than announced: %v", err)
			}
			fmt.Fprint(w, "ab")
		}, "200 2 [] ab"},
		{"trailers", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Trailer"] = []string{"x-sum, X-None"}
			fmt.Fprint(w, "ab")
			w.Header().Set("X-Sum", "1")
			w.Header().Set("X-Late", "1")
			w.Header()[http.TrailerPrefix+"X-More"] = []string{"2", "3"}
		}, "200 -1 [] ab behind it [{X-More 2} {X-More 3} {X-Sum 1}]"},
		{"trailers of what streams", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[http.TrailerPrefix+"X-Early"] = []string{"1"}
			fmt.Fprint(w, "ab")
			w.(http.Flusher).Flush()
			w.Header()[http.TrailerPrefix+"X-Sum"] = []string{"2"}
		}, "200 -1 [] ab behind it [{X-Early 1} {X-Sum 2}]"},
		{"trailers of an answer that breaks off", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Header()[http.TrailerPrefix+"X-Sum"] = []string{"2"}
			panic("oops")
		}, "200 -1 []!internal"},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "abc") }, "200 3 []"},
		{"HEAD of what is large", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, large) }, "200 0 []"},
		{"HEAD of known size", "HEAD", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "7") }, "200 7 []"},
		{"HEAD, flushed", "HEAD", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); fmt.Fprint(w, "abc") }, "200 0 []"},
		{"204", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if _, err := fmt.Fprint(w, "abc"); err != http.ErrBodyNotAllowed {
				t.Errorf("204: %v", err)
			}
		}, "204 0 []"},
		{"a panic", "GET", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a"); panic("oops") }, "!internal"},
		{"a panic behind the header", "GET", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "a")
			w.(http.Flusher).Flush()
			panic("oops")
		}, "200 -1 [] a!internal"},
		{"an abort", "GET", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "!backend_aborted"},
		{"the end of the goroutine", "GET", func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, "!internal"},
		{"no status", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) }, "!internal"},
		{"another protocol", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }, "!internal"},
		{"hijacked", "GET", func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("hijack: %v", err)
			}
			if err := http.NewResponseController(w).SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("read deadline: %v", err)
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Errorf("full duplex: %v", err)
			}
		}, "200 0 []"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := testx.Request{Method: tt.method}.Exchange(t)
			x.Response.Header.Add("X-Before", "1")
			err := Handler(http.HandlerFunc(tt.answer)).Do(t.Context(), x)
			a := &x.Response
			got := ""
			if err == nil {
				got = strings.TrimSpace(fmt.Sprintf("%d %d %v", a.Status, a.Body.Size(), a.Header))
				if r := a.Body.Reader(); r != nil {
					b, broken := io.ReadAll(r)
					if len(b) > 0 {
						got += " " + string(b)
					}
					err = broken
					r.Close()
				} else if b, _ := a.Body.Bytes(0); len(b) > 0 {
					got += " " + string(b)
				}
			}
			if err != nil {
				got += "!" + gateway.AsError(err).Code
			}
			if a.Trailer != nil && len(*a.Trailer) > 0 {
				got += fmt.Sprint(" behind it ", *a.Trailer)
			}
			if got != tt.want {
				t.Errorf("got %.200q, %.300v, want %.200q", got, err, tt.want)
			}
		})
	}
}

// TestUntyped leaves an answer without a type that the handler wants to have none.
func TestUntyped(t *testing.T) {
	x := testx.Request{}.Exchange(t)
	err := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
	})).Do(t.Context(), x)
	if err != nil || !x.Response.Untyped {
		t.Errorf("%v, untyped %t", err, x.Response.Untyped)
	}
}

// TestRequest shows a handler what the next hop would get, or, where nobody has made a
// request, what the client sends.
func TestRequest(t *testing.T) {
	tests := []struct {
		name string
		x    func(x *gateway.Exchange)
		want string
	}{
		{"of the exchange", func(x *gateway.Exchange) {
			q := &x.Request
			q.Method, q.Host, q.Path, q.RawQuery = "PUT", "b.test", "/a%2fb//c", "q=%zz"
			q.Header = gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "Te", Value: "x"}, {Name: "Host", Value: "x"}}
			q.Body = body.FromBytes([]byte("abc"))
		}, `PUT b.test /a%2fb//c?q=%zz "/a/b//c" "/a%2fb//c" 192.0.2.1:1024 map[X-A:[1 2]] 3 "abc"`},
		{"with a body that streams", func(x *gateway.Exchange) {
			x.Request.Body = body.FromStream(io.NopCloser(strings.NewReader("abc")), -1)
		}, `POST  /x?y=1 "/x" "" 192.0.2.1:1024 map[X-Sent:[1]] -1 "abc"`},
		{"with a tree", func(x *gateway.Exchange) { x.Request.Body.SetTree(map[string]any{"a": true}) }, `POST  /x?y=1 "/x" "" 192.0.2.1:1024 map[X-Sent:[1]] 10 "{\"a\":true}"`},
		{"of the client", func(x *gateway.Exchange) { x.Request = gateway.Request{} }, `POST a.test /x?y=1 "/x" "" 192.0.2.1:1024 map[X-Sent:[1]] 4 "sent"`},
		{"the server itself", func(x *gateway.Exchange) { x.Request.Method, x.Request.Path, x.Request.RawQuery = "OPTIONS", "*", "" }, `OPTIONS  * "*" "" 192.0.2.1:1024 map[X-Sent:[1]] 0 ""`},
		{"a path that is none", func(x *gateway.Exchange) { x.Request.Path = "/%zz" }, "!bad_request"},
	}
	for _, tt := range tests {
		x := testx.Request{Method: "POST", Path: "/x", Query: "y=1", Host: "a.test", Header: gateway.Fields{{Name: "X-Sent", Value: "1"}}, Body: "sent"}.Exchange(t)
		tt.x(x)
		got := ""
		err := Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body.Close()
			got = fmt.Sprintf("%s %s %s %q %q %s %v %d %q", r.Method, r.Host, r.RequestURI, r.URL.Path, r.URL.RawPath, r.RemoteAddr, r.Header, r.ContentLength, b)
		})).Do(t.Context(), x)
		if err != nil {
			got = "!" + gateway.AsError(err).Code
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestEnds shows a handler that its exchange is over, and the exchange that its handler
// takes too long.
func TestEnds(t *testing.T) {
	type seen struct{ ctx, write, read error }
	tests := []struct {
		name    string
		flushes bool
		leaves  bool   // the client, after a second
		code    string // of Do, or of the body
		write   error
	}{
		{"a client that leaves before the answer", false, true, gateway.CodeClientGone, nil},
		{"a client that leaves while it is read", true, true, gateway.CodeClientGone, nil},
		{"a deadline before the answer", false, false, gateway.CodeTimeout, nil},
		{"a deadline while it is read", true, false, gateway.CodeTimeout, nil},
		{"an answer that nobody wants", true, false, "", errOver},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				done := make(chan seen, 1)
				h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if tt.flushes {
						w.(http.Flusher).Flush()
					}
					<-r.Context().Done()
					time.Sleep(time.Second) // it does not hurry
					fmt.Fprint(w, "x")
					err := http.NewResponseController(w).Flush()
					_, read := r.Body.Read(make([]byte, 1))
					done <- seen{r.Context().Err(), err, read}
				}))
				x := testx.Request{Method: "POST"}.Exchange(t)
				x.Request.Body = body.FromStream(io.NopCloser(strings.NewReader("abc")), -1)
				if tt.leaves {
					time.AfterFunc(time.Second, cancel)
				}
				began := time.Now()
				err := h.Do(ctx, x)
				if err == nil && tt.code != "" {
					_, err = x.Response.Body.Bytes(0)
				}
				if took := time.Since(began); took > time.Minute || (err != nil) != (tt.code != "") || err != nil && gateway.AsError(err).Code != tt.code {
					t.Errorf("%v after %v, want the code %q at once", err, took, tt.code)
				}
				x.Response.Body.Close()
				if err := h.Close(t.Context()); err != nil || len(done) == 0 {
					t.Errorf("%v, and the handler is still there: %t", err, len(done) == 0)
				}
				if s := <-done; s.ctx == nil || s.write == nil || s.read == nil || tt.write != nil && s.write != tt.write {
					t.Errorf("the handler saw %+v, want three errors", s)
				}
			})
		})
	}
}

// TestClose waits for a handler as long as it may.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Do(ctx, testx.Request{}.Exchange(t)); err == nil || gateway.AsError(err).Code != gateway.CodeTimeout {
			t.Errorf("the exchange ends with %v", err)
		}
		if err := h.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without time the end is %v", err)
		}
		began := time.Now()
		if err := h.Close(t.Context()); err != nil || time.Since(began) != time.Minute-time.Second {
			t.Errorf("the handler has returned after %v, %v", time.Since(began), err)
		}
	})
}

// TestLastWriteDeadline ends the write of what is left when the handler has returned.
func TestLastWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			c.Flush()
			c.SetWriteDeadline(time.Now().Add(time.Second))
			fmt.Fprint(w, "x")
		}))
		x := testx.Request{}.Exchange(t)
		if err := h.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		h.Close(t.Context()) // which hangs, or not
		if _, err := x.Response.Body.Bytes(0); err == nil || gateway.AsError(err).Code != gateway.CodeTimeout {
			t.Errorf("the answer ends with %v", err)
		}
	})
}

// TestWriteDeadline ends a write that nobody takes.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrote := make(chan error, 1)
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			c.SetWriteDeadline(time.Now().Add(time.Second))
			c.SetWriteDeadline(time.Time{})
			c.Flush()
			time.Sleep(2 * time.Second)
			c.SetWriteDeadline(time.Now().Add(time.Second))
			fmt.Fprint(w, "x")
			wrote <- c.Flush()
		}))
		x := testx.Request{}.Exchange(t)
		if err := h.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the handler saw %v", err)
		}
		if _, err := x.Response.Body.Bytes(0); err == nil || gateway.AsError(err).Code != gateway.CodeTimeout {
			t.Errorf("the answer ends with %v", err)
		}
	})
}

// A door lets a server answer with a connector, as a port does.
type door struct{ gateway.Connector }

func (door) Done(x *gateway.Exchange, _ gateway.Sent, _ error) { x.Release() }

// serve lets h answer at a real server of an engine.
func serve(t *testing.T, e engine.Engine, h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := e.NewServer(engine.Settings{})
	served := make(chan error)
	native := Handler(h)
	go func() { served <- s.Serve(l, door{native}) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := native.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestReverseProxy puts a native proxy between a real client and a real server: our
// server is in front of it, and our client behind it.
func TestReverseProxy(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done() // until the reader leaves
			return
		}
		w.Header().Set("X-Query", r.URL.RawQuery)
		w.Header()[http.TrailerPrefix+"X-Sum"] = []string{"7"}
		sent, _ := io.ReadAll(r.Body) // net/http drops what is unread when the answer begins
		w.WriteHeader(201)
		w.Write(sent)
	}, func(t *testing.T, c *http.Client, at string) {
		to, err := url.Parse(at + "/base")
		if err != nil {
			t.Fatal(err)
		}
		e := engines[0]
		if strings.HasSuffix(t.Name(), engines[1].Name) {
			e = engines[1]
		}
		front := serve(t, e, &httputil.ReverseProxy{Transport: c.Transport, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
		client := &http.Client{Transport: new(http.Transport)}
		defer client.CloseIdleConnections()
		for _, size := range []int{0, 1, room, 1 << 20} {
			sent := strings.Repeat("x", size)
			r, err := http.NewRequestWithContext(t.Context(), "POST", front+"/a?b=c", strings.NewReader(sent))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Te", "trailers")
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, res.Body); res.StatusCode != 201 || got != sent || res.Header.Get("X-Query") != "b=c" {
				t.Errorf("%d bytes sent, %d came back, status %d, %v", size, len(got), res.StatusCode, res.Header)
			}
			if size > room && res.Trailer.Get("X-Sum") != "7" { // net/http announces the length of what is small, and drops them
				t.Errorf("%d bytes: the trailers are %v", size, res.Trailer)
			}
			res.Body.Close()
		}
		res, err := client.Get(front + "/events")
		if err != nil {
			t.Fatal(err)
		}
		events := bufio.NewReader(res.Body)
		for i := range 3 {
			if line, err := events.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
				t.Errorf("event %d is %q, %v", i, line, err)
			}
			events.ReadString('\n')
		}
		res.Body.Close() // the server behind learns of it, or does not end
	})
}

// TestServed shows clients of both engines answers that end well and badly.
func TestServed(t *testing.T) {
	for _, e := range engines {
		t.Run(e.Name, func(t *testing.T) {
			at := serve(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "a")
				if r.URL.Path == "/breaks" {
					w.(http.Flusher).Flush()
					panic("oops")
				}
			}))
			client := &http.Client{Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			for path, fails := range map[string]bool{"/": false, "/breaks": true} {
				res, err := client.Get(at + path)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if string(got) != "a" || (err != nil) != fails || !fails && res.ContentLength != 1 {
					t.Errorf("%s: %q, %v, announced %d", path, got, err, res.ContentLength)
				}
			}
		})
	}
}

// TestNative makes a native handler the connector of a backend: what it answers is
// decoded and shaped as any answer.
func TestNative(t *testing.T) {
	type options struct {
		// Greeting is what the handler says.
		Greeting string `json:"greeting"`
	}
	g := sitetest.New(t)
	g.Registry = component.NewRegistry(component.Backend(component.Info{Namespace: "test/native"}, func(s *component.BackendSite, o options) error {
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"greeting":%q,"path":%q,"secret":1}`, o.Greeting, r.URL.Path)
		}))
		s.OnClose(h.Close)
		return s.Connector(h)
	}))
	gen := g.Compile(t, `{"version": 3, "host": ["http://b.test"], "endpoints": [{"endpoint": "/hello/{name}",
		"backend": [{"url_pattern": "/to/{name}", "deny": ["secret"], "extra_config": {"test/native": {"greeting": "hi"}}}]}]}`)
	a := sitetest.Ask(t, gen, testx.Request{Path: "/hello/ann"})
	if want := `{"greeting":"hi","path":"/to/ann"}`; a.Text != want {
		t.Errorf("got %+v, want %s", a, want)
	}
}
