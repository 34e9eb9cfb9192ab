package compile_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

type shadowOptions struct {
	Timeout config.Duration `json:"timeout"`
	Most    int             `json:"most"`
}

// arrangements are the components that say how calls follow each other.
var arrangements = component.NewRegistry(
	component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, o shadowOptions) error {
		return s.Shadow(component.Shadow{Timeout: time.Duration(o.Timeout), Most: cmp.Or(o.Most, 10)})
	}),
	component.Endpoint(component.Info{Namespace: "test/sequential"}, func(s *component.EndpointSite, _ struct{}) error {
		return s.Sequence(nil)
	}),
)

// arranged makes a generation of one endpoint at /x, POST, whose calls go to
// the given connector. Root and endpoint hold more members of the two.
func arranged(t *testing.T, root, endpoint string, backend gateway.ConnectorFunc) *compile.Generation {
	t.Helper()
	return arrangedIn(t, new(component.Keeper), slog.DiscardHandler, root, endpoint, backend)
}

// arrangedIn is arranged with what survives reloads, and with a log.
func arrangedIn(t *testing.T, keeper *component.Keeper, log slog.Handler, root, endpoint string, backend gateway.ConnectorFunc) *compile.Generation {
	t.Helper()
	text := `{"version":3,` + root + `"endpoints":[{"endpoint":"/x","method":"POST","timeout":"1s",` + endpoint + `}]}`
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{
		Registry: arrangements,
		Env: &component.Env{
			Product: "Sluice 0",
			Clock:   time.Now,
			Keeper:  keeper,
			Log:     component.NewLog(log),
			Dial:    func(model.Transport, *tls.Config) (gateway.Connector, error) { return backend, nil },
		},
	})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	return g
}

const (
	one        = `"backend":[{"url_pattern":"/1","host":["http://b"]}]`
	raw        = `"output_encoding":"no-op",` + one
	two        = `"backend":[{"url_pattern":"/1","host":["http://b"],"method":"GET"},{"url_pattern":"/2","host":["http://b"],"method":"GET"}]`
	inSequence = two + `,"extra_config":{"test/sequential":{}}`
	withShadow = `"backend":[{"url_pattern":"/1","host":["http://b"]},{"url_pattern":"/shadow","host":["http://b"],"extra_config":{"test/shadow":{}}}]`
)

// answer fills the response with a JSON text.
func answer(x *gateway.Exchange, text string) error {
	x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(text))
	return nil
}

// ask runs one request and returns the exchange, which the caller releases.
func ask(t *testing.T, g *compile.Generation, r testx.Request) (*gateway.Exchange, error) {
	t.Helper()
	r.Method, r.Path = "POST", "/x"
	x := gateway.Acquire(r.Inbound())
	return x, g.Do(t.Context(), x)
}

func text(t *testing.T, x *gateway.Exchange) string {
	t.Helper()
	var b strings.Builder
	if _, err := x.Response.Body.WriteTo(&b); err != nil {
		t.Errorf("the answer: %v", err)
	}
	return b.String()
}

// TestDeadlines shows the time that each kind of call has, and that an
// endpoint of backends that hang takes no longer.
func TestDeadlines(t *testing.T) {
	const sluice = `"dialect":"sluice",`
	const ms = time.Millisecond
	tests := []struct {
		name, root, endpoint string
		want                 time.Duration
	}{
		{"one backend", "", one, 1000 * ms},
		{"one backend, no-op", "", raw, 1000 * ms},
		{"several backends", "", two, 850 * ms},
		{"a sequence", "", inSequence, 850 * ms},
		{"concurrent calls", "", `"concurrent_calls":2,` + one, 750 * ms},
		{"concurrent calls, no-op", "", `"concurrent_calls":2,` + raw, 750 * ms},
		{"concurrent calls of several backends", "", `"concurrent_calls":2,` + two, 750 * ms},
		{"one backend, sluice", sluice, one, 1000 * ms},
		{"several backends, sluice", sluice, two, 1000 * ms},
		{"a sequence, sluice", sluice, inSequence, 1000 * ms},
		{"concurrent calls, sluice", sluice, `"concurrent_calls":2,` + one, 1000 * ms},
		{"several backends, said otherwise", `"behaviour":{"merge_deadline":50},`, two, 500 * ms},
		{"concurrent calls, said otherwise", `"behaviour":{"concurrent_deadline":10},`, `"concurrent_calls":2,` + one, 100 * ms},
		{"concurrent calls that have more time than all", `"behaviour":{"concurrent_deadline":90},`, `"concurrent_calls":2,` + two, 850 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				g := arranged(t, tt.root, tt.endpoint, func(ctx context.Context, _ *gateway.Exchange) error {
					if d, _ := ctx.Deadline(); d.Sub(begin) != tt.want {
						t.Errorf("the call has %v, want %v", d.Sub(begin), tt.want)
					}
					<-ctx.Done()
					return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
				})
				x, err := ask(t, g, testx.Request{})
				status := 500
				if strings.Contains(tt.root, "sluice") {
					status = 504
				}
				if took := time.Since(begin); took != tt.want || x.Response.Status != status || gateway.AsError(err).Code != gateway.CodeTimeout {
					t.Errorf("%d after %v with %v, want %d after %v", x.Response.Status, took, err, status, tt.want)
				}
				x.Release()
			})
		})
	}
}

// A tracked stream tells how often it was closed, and ends with its context.
type tracked struct {
	io.Reader
	ctx    context.Context
	closed atomic.Int32
}

func (s *tracked) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

func (s *tracked) Close() error { s.closed.Add(1); return nil }

// TestRace runs three calls, of which one wins: its stream can be read, the
// others are ended, and everything is closed with the exchange.
func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var streams []*tracked
		var contexts []context.Context
		g := arranged(t, "", `"concurrent_calls":4,`+raw, func(ctx context.Context, x *gateway.Exchange) error {
			mu.Lock()
			i := len(contexts)
			contexts = append(contexts, ctx)
			mu.Unlock()
			switch i {
			case 0: // fails first
				return &gateway.Error{Code: gateway.CodeBackendAborted}
			case 1: // wins
				time.Sleep(2 * time.Millisecond)
			case 2: // answers although it has lost
				time.Sleep(3 * time.Millisecond)
			case 3: // would never answer
				<-ctx.Done()
				return ctx.Err()
			}
			s := &tracked{Reader: strings.NewReader(fmt.Sprint("answer ", i)), ctx: ctx}
			mu.Lock()
			streams = append(streams, s)
			mu.Unlock()
			x.Response.Status, x.Response.Body = 200, body.FromStream(s, -1)
			x.Response.Header.Add("X-Who", fmt.Sprint(i))
			return nil
		})
		x, err := ask(t, g, testx.Request{})
		if err != nil || x.Response.Status != 200 || x.Response.Header.Get("X-Who") != "1" {
			t.Fatalf("%d of %s, %v, want the answer of call 1", x.Response.Status, x.Response.Header.Get("X-Who"), err)
		}
		for i, ctx := range contexts {
			if won := i == 1; won != (ctx.Err() == nil) && i != 0 {
				t.Errorf("the context of call %d: %v", i, ctx.Err())
			}
		}
		if got := text(t, x); got != "answer 1" {
			t.Errorf("the stream is %q", got)
		}
		x.Release()
		for i, s := range streams {
			if n := s.closed.Load(); n != 1 {
				t.Errorf("stream %d was closed %d times, want once", i, n)
			}
		}
		for i, ctx := range contexts {
			if ctx.Err() == nil {
				t.Errorf("the context of call %d holds after the release", i)
			}
		}
	})
}

// TestRaceOutcomes shows which of several answers counts.
func TestRaceOutcomes(t *testing.T) {
	failure := func(code string) func(*gateway.Exchange) error {
		return func(*gateway.Exchange) error { return &gateway.Error{Code: code} }
	}
	says := func(s string) func(*gateway.Exchange) error {
		return func(x *gateway.Exchange) error { return answer(x, s) }
	}
	tests := []struct {
		name     string
		calls    []func(*gateway.Exchange) error // in the order in which they end
		want     string                          // body
		complete string
		code     string // of the error
	}{
		{"the first good one", []func(*gateway.Exchange) error{says(`{"a":1}`), says(`{"a":2}`)}, `{"a":1}`, "true", ""},
		{"a good one behind a failure", []func(*gateway.Exchange) error{failure("x"), says(`{"a":2}`)}, `{"a":2}`, "true", ""},
		{"a good one behind a panic", []func(*gateway.Exchange) error{func(*gateway.Exchange) error { panic("x") }, says(`{"a":2}`)}, `{"a":2}`, "true", ""},
		{"a good one behind one that is none", []func(*gateway.Exchange) error{says("null"), says(`{"a":2}`)}, `{"a":2}`, "true", ""},
		{"one that is none, before a failure", []func(*gateway.Exchange) error{says("null"), failure("x")}, `{}`, "false", ""},
		{"failures only", []func(*gateway.Exchange) error{failure("x"), failure("x")}, "", "false", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var next atomic.Int32
				g := arranged(t, "", fmt.Sprintf(`"concurrent_calls":%d,%s`, len(tt.calls), one), func(_ context.Context, x *gateway.Exchange) error {
					i := int(next.Add(1)) - 1
					time.Sleep(time.Duration(i) * time.Millisecond)
					return tt.calls[i](x)
				})
				x, err := ask(t, g, testx.Request{})
				if got := text(t, x); got != tt.want || x.Response.Header.Get("X-Krakend-Completed") != tt.complete {
					t.Errorf("%s, completed %s, want %s, %s", got, x.Response.Header.Get("X-Krakend-Completed"), tt.want, tt.complete)
				}
				if code := gateway.AsError(err); (code == nil) != (tt.code == "") || code != nil && code.Code != tt.code {
					t.Errorf("the error is %v, want %q", err, tt.code)
				}
				x.Release()
			})
		})
	}
}

// TestShadow shows that a shadow gets a copy, lives as long as it may, whatever
// the client does, and that its generation waits for it.
func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var seen string
		var ended time.Duration
		release := make(chan struct{})
		g := arranged(t, "", `"input_headers":["X-One"],"input_query_strings":["q"],`+strings.Replace(withShadow, `{"test/shadow":{}}`, `{"test/shadow":{"timeout":"5s"}}`, 1),
			func(ctx context.Context, x *gateway.Exchange) error {
				if x.Request.Path != "/shadow" {
					return answer(x, `{"a":1}`)
				}
				<-release
				raw, err := x.Request.Body.Bytes(0)
				seen = fmt.Sprint(x.Request.Method, " ", x.Request.RawQuery, " ", x.Request.Header.Get("X-One"), " ", string(raw), " ", err, " ", x.In.Path(), " ", x.Client)
				<-ctx.Done()
				ended = time.Since(begin)
				return ctx.Err()
			})
		in := testx.Request{Method: "POST", Path: "/x", Query: "q=1&p=2", Header: gateway.Fields{{Name: "X-One", Value: "1"}}, Body: "the body"}.Inbound()
		x := gateway.Acquire(in)
		ctx, cancel := context.WithCancel(t.Context())
		if err := g.Do(ctx, x); err != nil {
			t.Fatal(err)
		}
		if got := text(t, x); got != `{"a":1}` {
			t.Errorf("the answer is %s", got)
		}
		cancel()
		x.Release()
		for range 10 { // other requests come and take the memory
			y, err := ask(t, arranged(t, "", one, func(_ context.Context, x *gateway.Exchange) error { return answer(x, `{"b":2}`) }),
				testx.Request{Query: "!!!!!!!", Header: gateway.Fields{{Name: "X-One", Value: "!"}}, Body: "!!!!!!!!"})
			if err != nil {
				t.Fatal(err)
			}
			y.Release()
		}
		close(release)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if want := "POST q=1 1 the body <nil> /x 192.0.2.1"; seen != want {
			t.Errorf("the shadow saw %s, want %s", seen, want)
		}
		if ended != 5*time.Second {
			t.Errorf("the shadow ended after %v, want its own 5s", ended)
		}
	})
}

// TestShadowDeadline gives a shadow without one the timeout of its endpoint.
func TestShadowDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := arranged(t, "", withShadow, func(ctx context.Context, x *gateway.Exchange) error {
			if d, _ := ctx.Deadline(); time.Until(d) != time.Second {
				t.Errorf("%s has %v, want 1s", x.Request.Path, time.Until(d))
			}
			return answer(x, "{}")
		})
		x, err := ask(t, g, testx.Request{})
		if err != nil {
			t.Error(err)
		}
		x.Release()
		g.Close(t.Context())
	})
}

// TestShadowRecord tells whoever looks at a request of its shadows, too, as a whole and in
// steps, when they have ended by their own time, however early the exchange does.
func TestShadowRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := arranged(t, "", strings.Replace(withShadow, `{"test/shadow":{}}`, `{"test/shadow":{"timeout":"5s"}}`, 1), func(ctx context.Context, x *gateway.Exchange) error {
			if x.Request.Path == "/shadow" {
				<-ctx.Done()
				return ctx.Err()
			}
			return answer(x, "{}")
		})
		x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x"}.Inbound())
		x.Record = gateway.NewRecord()
		r := x.Record
		if err := g.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		x.Release()
		g.Settle()
		var told []string
		for _, s := range r.Spans() {
			if s.Plan == "backend 1 /shadow" && s.Phase == "" {
				told = append(told, fmt.Sprint(s.Step, " ", s.Took, " ", s.Err != nil))
			}
		}
		if want := []string{"call 5s true", "shadow 5s true"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// TestCut ends the shadows of a generation, whose end waits for them.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		g := arranged(t, "", strings.Replace(withShadow, `{"test/shadow":{}}`, `{"test/shadow":{"timeout":"10s"}}`, 1), func(ctx context.Context, x *gateway.Exchange) error {
			if x.Request.Path != "/shadow" {
				return answer(x, "{}")
			}
			<-ctx.Done()
			ended = true
			return ctx.Err()
		})
		x, err := ask(t, g, testx.Request{Body: "x"})
		if err != nil {
			t.Error(err)
		}
		x.Release()
		began := time.Now()
		time.AfterFunc(time.Second, g.Cut)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Second || !ended {
			t.Errorf("closed after %v, the shadow has ended: %t", took, ended)
		}
	})
}

// TestShadowLimit keeps the calls of a shadow whose backend hangs from piling up: as
// many as its limit run at once, over reloads too; others are left out, their
// request is served all the same, and the log says so once.
func TestShadowLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 4
		var running, most, made atomic.Int64
		var mu sync.Mutex
		var log strings.Builder
		keeper, handler := new(component.Keeper), slog.NewTextHandler(lineFunc(func(line []byte) {
			mu.Lock()
			defer mu.Unlock()
			log.Write(line)
		}), nil)
		told := func() string {
			mu.Lock()
			defer mu.Unlock()
			defer log.Reset()
			return log.String()
		}
		load := func() *compile.Generation {
			return arrangedIn(t, keeper, handler, "", strings.Replace(withShadow, `{"test/shadow":{}}`, `{"test/shadow":{"most":4,"timeout":"10s"}}`, 1),
				func(ctx context.Context, x *gateway.Exchange) error {
					if x.Request.Path != "/shadow" {
						return answer(x, "{}")
					}
					made.Add(1)
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					<-ctx.Done()
					return ctx.Err()
				})
		}
		send := func(g *compile.Generation, n int) {
			t.Helper()
			for range n {
				x, err := ask(t, g, testx.Request{Body: "x"})
				if err != nil || text(t, x) != "{}" {
					t.Errorf("a request beside too many shadows: %v", err)
				}
				x.Release()
			}
			synctest.Wait()
		}
		first := load()
		send(first, 20)
		second := load() // a reload brings no room
		send(second, 20)
		if made.Load() != limit || most.Load() != limit {
			t.Errorf("made %d calls, %d at once, want %d", made.Load(), most.Load(), limit)
		}
		if got := told(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `shadow calls are left out`) || !strings.Contains(got, `place="POST /x backend 1" running=4`) {
			t.Errorf("the log has, want one line:\n%s", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		send(second, 3)
		if made.Load() != limit+3 {
			t.Errorf("made %d calls, want 3 more once the others have ended", made.Load())
		}
		fails, again, _ := strings.Cut(told(), "\n")
		if !strings.Contains(fails, "shadow calls fail") || !strings.Contains(again, `shadow calls are made again`) || !strings.Contains(again, `left_out=36`) || strings.Count(again, "\n") != 1 {
			t.Errorf("the log goes on with\n%s\n%s", fails, again)
		}
		first.Close(t.Context())
		second.Close(t.Context())
	})
}

// A lineFunc gets the lines of a log.
type lineFunc func([]byte)

func (f lineFunc) Write(line []byte) (int, error) {
	f(line)
	return len(line), nil
}

// panicking is a stream of somebody who has made a mistake.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("trouble") }
func (panicking) Close() error             { return nil }

// TestShadowTrouble shows that whatever a shadow does is nobody's trouble.
func TestShadowTrouble(t *testing.T) {
	for name, trouble := range map[string]func(x *gateway.Exchange) error{
		"fails":  func(*gateway.Exchange) error { return errors.New("trouble") },
		"panics": func(*gateway.Exchange) error { panic("trouble") },
		"panics at the reading": func(x *gateway.Exchange) error {
			x.Response.Body = body.FromStream(panicking{}, -1)
			x.Response.Status = 200
			return nil
		},
		"panics at the end": func(x *gateway.Exchange) error {
			x.OnRelease(func() { panic("trouble") })
			return answer(x, `{}`)
		},
		"breaks off": func(x *gateway.Exchange) error {
			x.Response.Body = body.FromStream(io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1)
			x.Response.Status = 200
			return nil
		},
		"is refused":    func(x *gateway.Exchange) error { x.Response.Status = 503; return nil },
		"is not JSON":   func(x *gateway.Exchange) error { return answer(x, "<xml/>") },
		"says nothing":  func(*gateway.Exchange) error { return nil },
		"finds nothing": func(x *gateway.Exchange) error { x.Response.Status = 404; return nil },
		"is asked what it cannot answer": func(*gateway.Exchange) error {
			return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest}
		},
		"breaks off, passed through": func(x *gateway.Exchange) error {
			x.Response.Body = body.FromStream(io.NopCloser(io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))), -1)
			x.Response.Status = 200
			return nil
		},
		"is refused, passed through": func(x *gateway.Exchange) error { x.Response.Status = 503; return nil },
		"is long, passed through": func(x *gateway.Exchange) error {
			x.Response.Body = body.FromStream(io.NopCloser(strings.NewReader(strings.Repeat("x", 2<<20))), -1)
			x.Response.Status = 200
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			calls := 0
			endpoint := withShadow
			if strings.HasSuffix(name, "passed through") {
				endpoint = `"output_encoding":"no-op",` + withShadow
			}
			g := arrangedIn(t, new(component.Keeper), slog.NewTextHandler(&log, nil), "", endpoint, func(_ context.Context, x *gateway.Exchange) error {
				if x.Request.Path != "/shadow" {
					return answer(x, `{"a":1}`)
				}
				if calls++; calls == 3 {
					return answer(x, `{}`)
				}
				return trouble(x)
			})
			for range 3 {
				x, err := ask(t, g, testx.Request{})
				if got := text(t, x); err != nil || got != `{"a":1}` || endpoint == withShadow && x.Response.Header.Get("X-Krakend-Completed") != "true" {
					t.Errorf("%s, %v", got, err)
				}
				x.Release()
				g.Settle()
			}
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
			level := "WARN"
			if name == "fails" || name == "breaks off, passed through" || strings.HasPrefix(name, "panics") { // a fault of ours
				level = "ERROR"
			}
			lines := []string{level + ` msg="shadow calls fail" place="POST /x backend 1" error=`, `INFO msg="shadow calls are answered again" place="POST /x backend 1"`}
			if name == "finds nothing" || name == "is long, passed through" || strings.HasPrefix(name, "is asked") {
				lines = nil
			}
			told := slices.Collect(strings.Lines(log.String()))
			if len(told) != len(lines) || len(lines) > 0 && (!strings.Contains(told[0], lines[0]) || !strings.Contains(told[1], lines[1])) {
				t.Errorf("the log has %q, want %q", told, lines)
			}
		})
	}
}

// A cut message has a body that breaks off.
type cut struct {
	gateway.Inbound
	body io.Reader
}

func (c *cut) Body() io.Reader { return c.body }
func (c *cut) Length() int64   { return -1 }

// TestBrokenBody shows that a client body that breaks off never arrives at a
// backend as a whole one, whatever the arrangement.
func TestBrokenBody(t *testing.T) {
	for name, endpoint := range map[string]string{
		"one backend":             one,
		"no-op":                   raw,
		"several backends":        two,
		"a sequence":              inSequence,
		"concurrent calls":        `"concurrent_calls":2,` + one,
		"with a shadow":           withShadow,
		"with a shadow and no-op": `"output_encoding":"no-op",` + withShadow,
	} {
		for kind, broken := range map[string]struct {
			rest   io.Reader
			status int
			limit  string
		}{
			"breaks off": {iotest.ErrReader(io.ErrUnexpectedEOF), 400, ""},
			"too large":  {strings.NewReader("0123456789"), 413, `"max_body_bytes":9,`},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				var whole atomic.Int32
				g := arranged(t, broken.limit, endpoint, func(_ context.Context, x *gateway.Exchange) error {
					if _, err := x.Request.Body.Bytes(0); err != nil {
						return err
					}
					whole.Add(1)
					return answer(x, "{}")
				})
				in := &cut{testx.Request{Method: "POST", Path: "/x"}.Inbound(), io.MultiReader(strings.NewReader("half"), broken.rest)}
				x := gateway.Acquire(in)
				err := g.Do(t.Context(), x)
				if x.Response.Status != broken.status || err == nil {
					t.Errorf("%d, %v, want %d", x.Response.Status, err, broken.status)
				}
				x.Release()
				g.Close(t.Context())
				if n := whole.Load(); n != 0 {
					t.Errorf("%d backends took the body for a whole one", n)
				}
			})
		}
	}
}

// TestStalledBody shows that a client that stalls in its body holds its request
// no longer than the endpoint may take, wherever the body is read as a whole.
func TestStalledBody(t *testing.T) {
	for name, endpoint := range map[string]string{
		"several backends":        two,
		"a sequence":              inSequence,
		"concurrent calls":        `"concurrent_calls":2,` + one,
		"with a shadow":           withShadow,
		"with a shadow and no-op": `"output_encoding":"no-op",` + withShadow,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := arranged(t, "", endpoint, func(context.Context, *gateway.Exchange) error {
					t.Error("a backend is called")
					return nil
				})
				stalled, client := io.Pipe()
				go io.WriteString(client, "half")
				begin := time.Now()
				x := gateway.Acquire(&cut{testx.Request{Method: "POST", Path: "/x"}.Inbound(), stalled})
				err := g.Do(t.Context(), x)
				if took := time.Since(begin); took != time.Second || x.Response.Status != 408 || gateway.AsError(err).Code != gateway.CodeTimeout {
					t.Errorf("%d after %v, %v, want 408 after 1s", x.Response.Status, took, err)
				}
				x.Release()
				client.Close() // as an engine does
				g.Close(t.Context())
			})
		})
	}
}

// TestBodies shows that every backend gets the whole body, and that only one
// backend alone gets it as a stream.
func TestBodies(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint string
		form     body.Form
		calls    int32
	}{
		"one backend":      {one, body.Stream, 1},
		"no-op":            {raw, body.Stream, 1},
		"several backends": {two, body.Raw, 2},
		"a sequence":       {inSequence, body.Raw, 2},
		"concurrent calls": {`"concurrent_calls":3,` + one, body.Raw, 3},
		"with a shadow":    {withShadow, body.Raw, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			all := make(chan struct{})
			g := arranged(t, "", tt.endpoint, func(_ context.Context, x *gateway.Exchange) error {
				if form := x.Request.Body.Form(); form != tt.form {
					t.Errorf("the body comes as a %v, want a %v", form, tt.form)
				}
				raw, err := x.Request.Body.Bytes(0)
				if err != nil || string(raw) != "the body" {
					t.Errorf("the body is %q, %v", raw, err)
				}
				if calls.Add(1) == tt.calls {
					close(all)
				}
				if strings.Contains(name, "concurrent") {
					<-all // a winner would end the others before they began
				}
				return answer(x, "{}")
			})
			x, err := ask(t, g, testx.Request{Body: "the body"})
			if err != nil {
				t.Error(err)
			}
			x.Release()
			g.Close(t.Context())
			if n := calls.Load(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

// TestPanicInOne shows that one backend that panics is one that failed.
func TestPanicInOne(t *testing.T) {
	g := arranged(t, "", two, func(_ context.Context, x *gateway.Exchange) error {
		if x.Request.Path == "/1" {
			panic("trouble")
		}
		return answer(x, `{"b":2}`)
	})
	x, err := ask(t, g, testx.Request{})
	defer x.Release()
	if got := text(t, x); err != nil || got != `{"b":2}` || x.Response.Header.Get("X-Krakend-Completed") != "false" {
		t.Errorf("%s, %v, completed %s", got, err, x.Response.Header.Get("X-Krakend-Completed"))
	}
}

// TestFailures shows that the error for operators names the step, once, and
// that all causes are kept.
func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint string
		want     []string
	}{
		"one backend":      {one, []string{"call (test.json:1:", "backend_aborted: trouble /1"}},
		"no-op":            {raw, []string{"call (test.json:1:", "trouble /1"}},
		"several backends": {two, []string{"call (test.json:1:", "trouble /1", "trouble /2"}},
		"a sequence":       {inSequence, []string{"call (test.json:1:", "trouble /1"}},
		"concurrent calls": {`"concurrent_calls":2,` + one, []string{"call (test.json:1:", "trouble /1"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := arranged(t, "", tt.endpoint, func(_ context.Context, x *gateway.Exchange) error {
				return &gateway.Error{Code: gateway.CodeBackendAborted, Public: "connection broken", Err: errors.New("trouble " + x.Request.Path)}
			})
			x, err := ask(t, g, testx.Request{})
			defer x.Release()
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, want %q in it", err, want)
				}
			}
			if got := text(t, x); got != "" {
				t.Errorf("the client reads %q", got)
			}
		})
	}
}
