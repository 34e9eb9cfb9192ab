package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// backends returns n backends, of which those in shadows are shadows.
func backends(t testing.TB, n int, shadows ...int) []*model.Backend {
	list := make([]*model.Backend, n)
	for i := range list {
		list[i] = &model.Backend{Encoding: "json"}
		if slices.Contains(shadows, i) {
			list[i].ExtraConfig = map[string]*config.Node{"proxy": sitetest.Node(t, `{"shadow":true}`)}
		}
	}
	return list
}

// endpoint builds the component for an endpoint; options "" builds it without.
func endpoint(t testing.TB, r routing.Router, e *model.Endpoint, options string) *component.EndpointSite {
	t.Helper()
	g := sitetest.New(t)
	g.Config, g.Params = e, nil
	sitetest.Provide(t, g, routing.Key, r)
	return g.Endpoint(t, "proxy", options)
}

func TestArrangement(t *testing.T) {
	tests := []struct {
		options string
		want    component.Arrangement
	}{
		{`{}`, component.Arrangement{}},
		{`{"sequential":true}`, component.Arrangement{Sequential: true}},
		{`{"sequential":true,"sequential_propagated_params":["resp0_a.b","resp1"]}`,
			component.Arrangement{Sequential: true, Propagate: []string{"resp0_a.b", "resp1"}}},
		{`{"allow_multiple_writes":true}`, component.Arrangement{AllowMultipleWrites: true}},
		{`{"upgrade":["WebSocket","a/1.0","a/2","connect-udp"]}`, component.Arrangement{Upgrade: []string{"websocket", "a/1.0", "a/2", "connect-udp"}}},
	}
	for _, tt := range tests {
		s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, 3)}, tt.options)
		if got := s.Arrangement(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.options, got, tt.want)
		}
		if p := sitetest.Problems(s); p != nil {
			t.Errorf("%s: got %q, want no problem", tt.options, p)
		}
	}
}

func TestEndpointProblems(t *testing.T) {
	const one, two = 1, 2
	tests := []struct {
		name     string
		backends int
		output   model.OutputEncoding
		options  string
		want     []string // beginnings
	}{
		{"sequence of one", one, "json", `{"sequential":true}`, []string{"note sequential: "}},
		{"parameter without a sequence", two, "json", `{"sequential_propagated_params":["resp0_a"]}`, []string{"warning sequential_propagated_params: "}},
		{"parameter of the last answer", two, "json", `{"sequential":true,"sequential_propagated_params":["resp0_a","resp1_a"]}`,
			[]string{"warning sequential_propagated_params[1]: "}},
		{"parameter that is none", two, "json", `{"sequential":true,"sequential_propagated_params":["resp0_a","Resp0_a","resp","resp0_a b"]}`,
			[]string{"error sequential_propagated_params[1]: ", "error sequential_propagated_params[2]: ", "error sequential_propagated_params[3]: "}},
		{"parameter that is no text", two, "json", `{"sequential_propagated_params":[1]}`, []string{"error sequential_propagated_params[0]: "}},
		{"sequential as text", two, "json", `{"sequential":"true"}`, []string{"error sequential: "}},
		{"no protocol", one, "no-op", `{"upgrade":[]}`, []string{"warning upgrade: has no effect without a protocol"}},
		{"names that are none", one, "no-op", `{"upgrade":["websocket","","a b","a/","/1","a,b","a/1/2","\u00e4"]}`,
			[]string{"error upgrade[1]: ", "error upgrade[2]: ", "error upgrade[3]: ", "error upgrade[4]: ", "error upgrade[5]: ", "error upgrade[6]: ", "error upgrade[7]: "}},
		{"the same protocol twice", one, "no-op", `{"upgrade":["websocket","WebSocket"]}`, []string{"error upgrade[1]: WebSocket is listed twice"}},
		{"HTTP and TLS", one, "no-op", `{"upgrade":["h2c","H2","h2c-14","HTTP/2.0","http","TLS/1.0","h3"]}`,
			[]string{"error upgrade[0]: h2c cannot be switched to: requests within it would reach the backend past all policies", "error upgrade[1]: H2 ",
				"error upgrade[2]: h2c-14 ", "error upgrade[3]: HTTP/2.0 ", "error upgrade[4]: ", "error upgrade[5]: TLS/1.0 ", "error upgrade[6]: "}},
		{"a protocol that is no text", one, "no-op", `{"upgrade":[1]}`, []string{"error upgrade[0]: "}},
		{"protocols that are no list", one, "no-op", `{"upgrade":{}}`, []string{"error upgrade: "}},
		{"unknown combiner", two, "json", `{"combiner":"mine"}`, []string{`warning combiner: "mine" is not known`}},
		{"default combiner", two, "json", `{"combiner":"default"}`, nil},
		{"combiner that is no text", two, "json", `{"combiner":1}`, []string{"error combiner: "}},
		{"flatmap with one backend", one, "json", `{"flatmap_filter":[{"type":"move","args":["a","b"]}]}`, []string{"warning flatmap_filter: has no effect with one"}},
		{"flatmap with no-op", one, "no-op", `{"flatmap_filter":[{"type":"move","args":["a","b"]}]}`, []string{"warning flatmap_filter: has no effect with no-op"}},
		{"deletion with one backend", one, "json", `{"flatmap_filter":[{"type":"del","args":["a"]}]}`, []string{"warning flatmap_filter: has no effect with one backend; move it into proxy of the backend"}},
		{"deletion with no-op", one, "no-op", `{"flatmap_filter":[{"type":"del","args":["a"]}]}`, []string{"warning flatmap_filter: has no effect with no-op"}},
		{"move with one path", two, "json", `{"flatmap_filter":[{"type":"del","args":["a"]},{"type":"move","args":["a"]}]}`,
			[]string{"error flatmap_filter[1].args: move needs two paths"}},
		{"unknown operation", two, "json", `{"flatmap_filter":[{"type":"copy","args":["a","b"]}]}`, []string{"error flatmap_filter[0].type: "}},
		{"static without data", one, "json", `{"static":{"strategy":"always"}}`, []string{"warning static: has no effect without data"}},
		{"static with other data", one, "json", `{"static":{"strategy":"always","data":[]}}`, []string{"error static.data: "}},
		{"static with no-op", one, "no-op", `{"static":{"strategy":"always","data":{}}}`, []string{"warning static: has no effect with no-op"}},
		{"unknown strategy", one, "json", `{"static":{"strategy":"sometimes","data":{}}}`, []string{"error static.strategy: "}},
		{"copies are made anyway", one, "json", `{"force_sandboxed_request":true}`, []string{"note force_sandboxed_request: "}},
		{"unpacking without limit", one, "json", `{"decompress_gzip":true}`, []string{"warning decompress_gzip: "}},
		{"negative payload", one, "json", `{"max_payload":-1}`, []string{"error max_payload: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &model.Endpoint{Backend: backends(t, tt.backends), OutputEncoding: tt.output}
			s := endpoint(t, routing.Router{}, e, tt.options)
			if got := sitetest.Problems(s); !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
			}
		})
	}
}

func TestShadowsDoNotCount(t *testing.T) {
	const options = `{"flatmap_filter":[{"type":"del","args":["a"]}]}`
	s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, 2, 1)}, options)
	if got := sitetest.Problems(s); len(got) != 1 || len(s.Placed()) != 0 {
		t.Errorf("one backend and a shadow: got problems %q and %d stages, want a warning alone", got, len(s.Placed()))
	}
}

func TestPlainEndpointHasNoStage(t *testing.T) {
	for _, options := range []string{"", `{}`, `{"sequential":true}`, `{"max_payload":0}`} {
		s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, 2)}, options)
		if n := len(s.Placed()); n != 0 {
			t.Errorf("options %q: got %d stages, want none", options, n)
		}
	}
}

// answer fills the response of x as a merge does. A text that is "" stands for
// no answer.
func answer(t testing.TB, x *gateway.Exchange, text string, complete bool) {
	t.Helper()
	if text == "" {
		return
	}
	b := body.FromBytes([]byte(text))
	if err := b.Project(jsonspan.Compile(jsonspan.Rules{}), 0); err != nil {
		t.Fatal(err)
	}
	x.Response.Body, x.Response.Complete = b, complete
}

func sameJSON(t testing.TB, got []byte, want string) bool {
	t.Helper()
	decode := func(b []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return v
	}
	return reflect.DeepEqual(decode(got), decode([]byte(want)))
}

func TestFlatmap(t *testing.T) {
	const options = `{"flatmap_filter":[{"type":"move","args":["a.x","y"]},{"type":"del","args":["b"]}]}`
	s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, 2)}, options)
	if n := s.Stated(); len(n) != 1 || n[0].Response != body.Tree {
		t.Errorf("needs: got %v, want a tree", n)
	}
	stage := s.Placed()[0]
	if p := component.PipePhase(stage.Phase); p != component.PipeFlatmap {
		t.Errorf("phase: got %s, want flatmap", p)
	}
	for _, complete := range []bool{true, false} {
		x := testx.Request{}.Exchange(t)
		answer(t, x, `{"a":{"x":1.0},"b":2,"c":3}`, complete)
		if err := stage.Stage.(gateway.Leaver).Leave(t.Context(), x, nil); err != nil {
			t.Fatal(err)
		}
		got, err := x.Response.Body.Bytes(0)
		if err != nil || !sameJSON(t, got, `{"a":{},"c":3,"y":1.0}`) {
			t.Errorf("complete %v: got %s, %v", complete, got, err)
		}
	}
	x := testx.Request{}.Exchange(t)
	failure := errors.New("no answer")
	if err := stage.Stage.(gateway.Leaver).Leave(t.Context(), x, failure); err != failure {
		t.Errorf("after a failure: got %v, want it unchanged", err)
	}
}

func TestStatic(t *testing.T) {
	failure := &gateway.Error{Status: 404, Code: gateway.CodeBackendStatus}
	type situation struct {
		name     string
		backends int
		answer   string
		complete bool
		err      error
		failed   bool // a backend is missing from the answer
	}
	situations := []situation{
		{"fine", 1, `{"a":1}`, true, nil, false},
		{"empty", 1, `{}`, true, nil, false},
		{"failed", 1, "", false, failure, false},
		{"details", 1, `{"error_x":{}}`, false, nil, false},
		{"merged", 2, `{"a":1}`, true, nil, false},
		{"partial", 2, `{"a":1}`, false, nil, true},
		{"all failed", 2, "", false, failure, false},
		{"details and data", 2, `{"a":1,"error_x":{}}`, false, nil, false},
	}
	applied := map[Strategy][]string{
		Always:     {"fine", "empty", "failed", "details", "merged", "partial", "all failed", "details and data"},
		"":         {"fine", "empty", "failed", "details", "merged", "partial", "all failed", "details and data"},
		Success:    {"fine", "empty", "details", "merged", "details and data"},
		Complete:   {"fine", "empty", "merged"},
		Errored:    {"failed", "partial", "all failed"},
		Incomplete: {"failed", "details", "partial", "all failed", "details and data"},
	}
	for strategy, names := range applied {
		for _, tt := range situations {
			t.Run(string(strategy)+"/"+tt.name, func(t *testing.T) {
				options := `{"static":{"data":{"a":1.50,"s":{"n":12345678901234567890}}`
				if strategy != "" {
					options += `,"strategy":"` + string(strategy) + `"`
				}
				s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, tt.backends)}, options+`}}`)
				if p := sitetest.Problems(s); p != nil {
					t.Fatalf("problems: %q", p)
				}
				x := testx.Request{}.Exchange(t)
				answer(t, x, tt.answer, tt.complete)
				x.Response.Failed = tt.failed
				if tt.err != nil {
					x.Response.Header.Set("Content-Type", "text/plain")
				}
				err := s.Placed()[0].Stage.(gateway.Leaver).Leave(t.Context(), x, tt.err)
				if !slices.Contains(names, tt.name) {
					got, _ := x.Response.Body.Bytes(0)
					if err != tt.err || string(got) != tt.answer {
						t.Errorf("got %s, %v, want no change", got, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				want := []byte(`{"a":1.50,"s":{"n":12345678901234567890}}`)
				if strings.Contains(tt.answer, "error_x") {
					want = []byte(strings.Replace(string(want), "{", `{"error_x":{},`, 1))
				}
				got, err := x.Response.Body.Bytes(0)
				if err != nil || !sameJSON(t, got, string(want)) {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
				if x.Response.Complete != tt.complete {
					t.Errorf("complete: got %v, want %v", x.Response.Complete, tt.complete)
				}
				if tt.err != nil && (x.Response.Status != 200 || len(x.Response.Header) != 0) {
					t.Errorf("after a failure: got status %d and header %v, want 200 and none", x.Response.Status, x.Response.Header)
				}
			})
		}
	}
}

func packedText(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIntake(t *testing.T) {
	zeros := strings.Repeat("0", 1000)
	header := func(name, value string) gateway.Fields { return gateway.Fields{{Name: name, Value: value}} }
	packed := header("Content-Encoding", "gzip")
	tests := []struct {
		name    string
		router  routing.Router
		options string
		request testx.Request
		chunked bool   // the length of the body is not announced
		want    string // body that backends get
		status  int    // of the refusal; 0 for none
		header  bool   // Content-Encoding reaches backends
	}{
		{"within the limit", routing.Router{}, `{"max_payload":5}`, testx.Request{Body: "12345"}, false, "12345", 0, false},
		{"announced too large", routing.Router{}, `{"max_payload":5}`, testx.Request{Body: "123456"}, false, "", 413, false},
		{"too large and not announced", routing.Router{}, `{"max_payload":5}`, testx.Request{Body: "123456"}, true, "12345", 413, false},
		{"just small enough and not announced", routing.Router{}, `{"max_payload":5}`, testx.Request{Body: "12345"}, true, "12345", 0, false},
		{"no body", routing.Router{}, `{"max_payload":5}`, testx.Request{}, false, "", 0, false},
		{"limit of the router", routing.Router{MaxPayload: 3}, "", testx.Request{Body: "1234"}, false, "", 413, false},
		{"limit of the endpoint wins", routing.Router{MaxPayload: 3}, `{"max_payload":5}`, testx.Request{Body: "12345"}, false, "12345", 0, false},
		{"no limit of the endpoint wins", routing.Router{MaxPayload: 3}, `{"max_payload":0}`, testx.Request{Body: "12345"}, false, "12345", 0, false},
		{"unpacked", routing.Router{}, `{"decompress_gzip":true}`, testx.Request{Body: packedText(t, "hello"), Header: packed}, false, "hello", 0, false},
		{"unpacked by the router", routing.Router{DecompressGzip: true}, "", testx.Request{Body: packedText(t, "hello"), Header: packed}, false, "hello", 0, false},
		{"the endpoint does not unpack", routing.Router{DecompressGzip: true, MaxPayload: 90}, `{"decompress_gzip":false}`,
			testx.Request{Body: packedText(t, "hello"), Header: packed}, false, packedText(t, "hello"), 0, true},
		{"old name of the coding", routing.Router{}, `{"decompress_gzip":true}`,
			testx.Request{Body: packedText(t, "hello"), Header: header("Content-Encoding", " X-GZIP ")}, false, "hello", 0, false},
		{"another coding", routing.Router{}, `{"decompress_gzip":true}`,
			testx.Request{Body: "hello", Header: header("Content-Encoding", "br")}, false, "hello", 0, true},
		{"two codings", routing.Router{}, `{"decompress_gzip":true}`,
			testx.Request{Body: "hello", Header: header("Content-Encoding", "gzip, br")}, false, "hello", 0, true},
		{"not packed", routing.Router{}, `{"decompress_gzip":true}`, testx.Request{Body: "hello"}, false, "hello", 0, false},
		{"unpacks beyond the limit", routing.Router{}, `{"decompress_gzip":true,"max_payload":500}`,
			testx.Request{Body: packedText(t, zeros), Header: packed}, false, zeros[:500], 413, false},
		{"unpacks to the limit", routing.Router{}, `{"decompress_gzip":true,"max_payload":1000}`,
			testx.Request{Body: packedText(t, zeros), Header: packed}, false, zeros, 0, false},
		{"not gzip at all", routing.Router{}, `{"decompress_gzip":true}`, testx.Request{Body: "hello", Header: packed}, false, "", 400, false},
		{"gzip that breaks off", routing.Router{}, `{"decompress_gzip":true}`,
			testx.Request{Body: packedText(t, zeros)[:20], Header: packed}, false, zeros, 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := endpoint(t, tt.router, &model.Endpoint{Backend: backends(t, 1)}, tt.options)
			x := tt.request.Exchange(t)
			if in := x.In.Body(); in != nil {
				size := x.In.Length()
				if tt.chunked {
					size = -1
				}
				x.Request.Body = body.FromStream(io.NopCloser(in), size)
			}
			var got []byte
			var err error
			for _, p := range s.Placed() {
				err = errors.Join(err, p.Stage.Enter(t.Context(), x))
			}
			if r := x.Request.Body.Reader(); r != nil && err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			if tt.status != 0 {
				if e := gateway.AsError(err); e == nil || e.Status != tt.status {
					t.Fatalf("got %q, %v, want a refusal with %d", got, err, tt.status)
				}
				if !strings.HasPrefix(tt.want, string(got)) {
					t.Errorf("passed on: got %q, want the beginning of %q at most", got, tt.want)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if has := x.Request.Header.Has("Content-Encoding"); has != tt.header {
				t.Errorf("Content-Encoding passed on: got %v, want %v", has, tt.header)
			}
		})
	}
}

func TestIntakeOfBytes(t *testing.T) {
	s := endpoint(t, routing.Router{}, &model.Endpoint{Backend: backends(t, 1)}, `{"decompress_gzip":true,"max_payload":100}`)
	x := testx.Request{Header: gateway.Fields{{Name: "Content-Encoding", Value: "gzip"}}}.Exchange(t)
	x.Request.Body = body.FromBytes([]byte(packedText(t, "hello")))
	if err := s.Placed()[0].Stage.Enter(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if got, err := x.Request.Body.Bytes(0); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v, want hello", got, err)
	}
}

func TestBackend(t *testing.T) {
	tests := []struct {
		name     string
		backend  model.Backend
		options  string
		shadow   *component.Shadow
		reshape  bool
		problems []string
	}{
		{"nothing", model.Backend{}, `{}`, nil, false, nil},
		{"shadow", model.Backend{}, `{"shadow":true}`, &component.Shadow{Most: 250}, false, nil},
		{"no shadow", model.Backend{}, `{"shadow":false}`, nil, false, nil},
		{"shadow with a time", model.Backend{}, `{"shadow":true,"shadow_timeout":"3s"}`, &component.Shadow{Timeout: 3 * time.Second, Most: 250}, false, nil},
		{"shadow with a limit", model.Backend{}, `{"shadow":true,"shadow_limit":7}`, &component.Shadow{Most: 7}, false, nil},
		{"limit without shadow", model.Backend{}, `{"shadow_limit":7}`, nil, false, []string{"warning shadow_limit: "}},
		{"the usual limit without shadow", model.Backend{}, `{"shadow_limit":250}`, nil, false, []string{"warning shadow_limit: "}},
		{"no time without shadow", model.Backend{}, `{"shadow_timeout":"0s"}`, nil, false, []string{"warning shadow_timeout: "}},
		{"time without shadow", model.Backend{}, `{"shadow_timeout":"3s"}`, nil, false, []string{"warning shadow_timeout: "}},
		{"flatmap", model.Backend{}, `{"flatmap_filter":[{"type":"del","args":["a"]}]}`, nil, true, nil},
		{"empty flatmap", model.Backend{Allow: []string{"a"}}, `{"flatmap_filter":[]}`, nil, false, nil},
		{"flatmap and allow", model.Backend{Allow: []string{"a"}}, `{"flatmap_filter":[{"type":"del","args":["a"]}]}`, nil, true,
			[]string{"warning flatmap_filter: takes the place"}},
		{"flatmap and no-op", model.Backend{Encoding: "no-op"}, `{"flatmap_filter":[{"type":"del","args":["a"]}]}`, nil, false,
			[]string{"warning flatmap_filter: has no effect with encoding no-op; choose an encoding that decodes"}},
		{"wrong flatmap", model.Backend{}, `{"flatmap_filter":[{"type":"append","args":["a"]},{"type":"del","args":[]}]}`, nil, false,
			[]string{"error flatmap_filter[0].args: ", "error flatmap_filter[1].args: "}},
		{"deleted in other notations", model.Backend{}, `{"flatmap_filter":[{"type":"del","args":["a.*.0.b","$.x","/x","items[].x","a, b"," a","a\\.b"]},{"type":"move","args":["$.a","b"]}]}`, nil, false,
			[]string{`error flatmap_filter[0].args[1]: "$.x" removes nothing: it is JSONPath; write "x"`, `error flatmap_filter[0].args[2]: "/x" removes nothing`,
				`error flatmap_filter[0].args[3]: "items[].x" removes nothing: positions and * stand between dots; write "items.*.x"`,
				`error flatmap_filter[0].args[4]: "a, b" removes nothing: it is several names in one text; write ["a", "b"]`,
				`error flatmap_filter[0].args[5]: " a" removes nothing`, `error flatmap_filter[0].args[6]: "a\\.b" removes nothing: a backslash`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sitetest.New(t)
			g.Config.Backend[0] = &tt.backend
			s := g.Backend(t, "proxy", tt.options)
			if got := sitetest.Problems(s); !slices.EqualFunc(got, tt.problems, strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", tt.options, got, tt.problems)
			}
			call := s.Call()
			if !reflect.DeepEqual(call.Shadow, tt.shadow) {
				t.Errorf("%s: shadow: got %v, want %v", tt.options, call.Shadow, tt.shadow)
			}
			if (call.Reshape != nil) != tt.reshape {
				t.Fatalf("%s: reshape: got %v, want %v", tt.options, call.Reshape != nil, tt.reshape)
			}
			if tt.reshape {
				got := call.Reshape(map[string]any{"a": "x", "b": "y"})
				if want := map[string]any{"b": "y"}; !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %v, want %v", tt.options, got, want)
				}
			}
		})
	}
}

func TestStaticBudget(t *testing.T) {
	n := sitetest.Node(t, `{"a":1,"b":{"c":2}}`)
	s := newStatic(&Static{Data: n, Strategy: Always})
	x := testx.Request{}.Exchange(t)
	answer(t, x, `{"z":1}`, true)
	ctx := context.Background()
	if got := testing.AllocsPerRun(100, func() { s.Leave(ctx, x, nil) }); got > 0 && !testx.Race {
		t.Errorf("allocations: got %v, want 0", got)
	}
}
