package cel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A fixture is where expressions are attached: the endpoint
// GET /users/{id_user}/{b}, or its backend.
type fixture struct {
	backend   bool
	earlier   int // calls of a sequence before that of the backend
	validator bool
	noop      bool
	now       time.Time

	errorStatus model.ErrorStatus

	headers, query []string // that are let through; nil is all
	own            []string // headers that the backend lets through
	extra          string   // a namespace of the endpoint
}

// list returns options with the given expressions.
func list(exprs ...string) string {
	o := make(Options, len(exprs))
	for i, e := range exprs {
		o[i].CheckExpr = e
	}
	var b strings.Builder
	b.WriteString("[")
	for i, e := range exprs {
		if i > 0 {
			b.WriteString(",")
		}
		quoted, _ := json.Marshal(e)
		fmt.Fprintf(&b, `{"check_expr":%s}`, quoted)
	}
	return b.String() + "]"
}

// A plan is what the component placed, with the forms of the bodies it needs.
type plan struct {
	placed   []component.Placed
	problems []*config.Problem
	response body.Form
}

// registry has a component that verifies tokens, and one that rewrites.
var registry = component.NewRegistry(
	component.Endpoint(component.Info{Namespace: "test/script", Rewrites: true}, func(*component.EndpointSite, *config.Node) error { return nil }),
	component.Endpoint(component.Info{Namespace: "test/token", Identifies: true}, func(*component.EndpointSite, *config.Node) error { return nil }),
)

func (f fixture) build(t testing.TB, options string) plan {
	t.Helper()
	if f.now.IsZero() {
		f.now = time.Date(2026, 11, 22, 13, 4, 5, 67e6, time.UTC) // a Sunday
	}
	g := sitetest.New(t)
	g.Env.Registry, g.Env.Service.Behaviour.ErrorStatus = registry, f.errorStatus
	g.Env.Missing = func(_ component.Scope, name string) *component.Absent {
		return &component.Absent{Rewrites: name == "test/absent"}
	}
	g.Env.Clock = func() time.Time { return f.now }
	e := &model.Endpoint{Method: "GET", Endpoint: "/users/{id_user}/{b}", OutputEncoding: "json", Backend: []*model.Backend{{Encoding: "json"}}}
	all := []string{"*"}
	e.InputHeaders, e.InputQueryStrings = all, all
	if f.headers != nil {
		e.InputHeaders = f.headers
	}
	if f.query != nil {
		e.InputQueryStrings = f.query
	}
	e.Backend[0].InputHeaders = f.own
	for range f.earlier {
		e.Backend = append(e.Backend, &model.Backend{Encoding: "json"})
	}
	slices.Reverse(e.Backend) // that of the expressions is the last
	if f.validator {
		e.ExtraConfig = map[string]*config.Node{"test/token": {}}
	}
	if f.extra != "" {
		e.ExtraConfig = map[string]*config.Node{f.extra: {}}
	}
	if f.noop {
		e.OutputEncoding, e.Backend[f.earlier].Encoding = "no-op", "no-op"
	}
	g.Config, g.Params = e, []string{"id_user", "b"}
	var site *component.Site
	if f.backend {
		endpoint := g.EndpointSite()
		if f.earlier > 0 {
			endpoint.Sequence(nil)
		}
		site = &g.BackendOf(t, endpoint, f.earlier, "validation/cel", options).Site
	} else {
		site = &g.Endpoint(t, "validation/cel", options).Site
	}
	var response body.Form
	for _, n := range site.Stated() {
		if n.Request != body.Empty {
			t.Errorf("needs the request as %s, want none of it", n.Request)
		}
		response = max(response, n.Response)
	}
	return plan{site.Placed(), site.Problems(), response}
}

// run takes an exchange through the stages and returns what became of it.
func (p plan) run(ctx context.Context, x *gateway.Exchange) error {
	entered := 0
	var err error
	for _, s := range p.placed {
		if err = s.Stage.Enter(ctx, x); err != nil {
			break
		}
		entered++
	}
	for entered--; entered >= 0; entered-- {
		if l, ok := p.placed[entered].Stage.(gateway.Leaver); ok {
			err = l.Leave(ctx, x, err)
		}
	}
	return err
}

// message is the request of all tests.
var message = testx.Request{
	Method: "GET", Path: "/users/7/a%2Fb", Query: "q=1&q=2&empty=",
	Header: gateway.Fields{
		{Name: "X-Role", Value: "admin"}, {Name: "X-Many", Value: "1"}, {Name: "X-Many", Value: "2"}, {Name: "User-Agent", Value: "test"},
	},
}

const answer = `{"id":7,"big":9007199254740993,"price":1.5,"text":"7","word":"seven","flag":true,"none":null,
	"g":{"id":8},"list":[1,"two",3],"names":["a","b"]}`

// exchange returns an exchange with the message and the answer.
func exchange(t testing.TB, backend bool) *gateway.Exchange {
	t.Helper()
	x := message.Exchange(t)
	x.Params = append(x.Params, "7", "a/b")
	x.Identity = &gateway.Identity{Claims: map[string]any{
		"sub": "u1", "n": json.Number("5"), "o": map[string]any{"a": "x", "n": json.Number("2")},
		"aud": []any{"one", json.Number("2")}, "request_id": "a", "ok": true,
	}}
	if backend {
		x.Request.Method, x.Request.Path = "POST", "/internal/7%20"
	}
	x.Response.Status, x.Response.Complete = 201, true
	x.Response.Header = gateway.Fields{{Name: "X-Back", Value: "one"}, {Name: "X-Back", Value: "two"}}
	x.Response.Body = body.FromBytes([]byte(answer))
	if err := x.Response.Body.Project(jsonspan.Compile(jsonspan.Rules{}), 0); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestExpressions(t *testing.T) {
	endpoint := fixture{validator: true}
	tests := []struct {
		expr  string
		where fixture
		want  bool
	}{
		// Requests.
		{"req_method == 'GET'", endpoint, true},
		{"req_method == 'POST'", fixture{backend: true}, true},
		{"req_path == '/users/7/a/b'", endpoint, true},
		{"req_path == '/internal/7 '", fixture{backend: true}, true},
		{"req_params.Id_user == '7'", endpoint, true},
		{"req_params.B == 'a/b'", fixture{backend: true}, true},
		{"int(req_params.Id_user) < 10", endpoint, true},
		{"has(req_params.Id_user) && size(req_params) == 2", endpoint, true},
		{"req_headers['X-Role'][0] == 'admin'", endpoint, true},
		{"'admin' in req_headers['X-Role']", endpoint, true},
		{"req_headers['X-Many'] == ['1', '2']", endpoint, true},
		{"'X-Role' in req_headers", endpoint, true},
		{"'x-role' in req_headers", endpoint, false},
		{"req_headers['X-None'][0] == ''", endpoint, false},
		{"!('X-None' in req_headers)", endpoint, true},
		{"has(req_headers.Accept) || 'User-Agent' in req_headers", endpoint, true},
		{"req_querystring.q == ['1', '2'] && req_querystring.empty[0] == ''", endpoint, true},
		{"has(req_querystring.q) && !has(req_querystring.p)", endpoint, true},
		{"req_querystring.p[0] == '1'", endpoint, false},
		{"req_headers.exists(h, h.startsWith('X-'))", endpoint, true},
		{"req_headers['X-Many'].all(v, int(v) > 1)", endpoint, false},
		{"size(req_headers) == 3 && req_querystring == {'q': ['1', '2'], 'empty': ['']}", endpoint, true},
		{"{'q': ['1', '2'], 'empty': ['']} == req_querystring && type(req_headers) == map", endpoint, true},
		{"req_headers.map(h, req_headers[h][0]).exists(v, v == 'admin')", endpoint, true},

		// Neither request nor answer.
		{"timestamp(now).getDayOfWeek() == 0", endpoint, true},
		{"timestamp(now).getDayOfWeek() in [1, 2, 3, 4, 5]", endpoint, false},
		{"now == '2026-11-22T13:04:05.067Z'", endpoint, true},
		{"true", endpoint, true},
		{"false", endpoint, false},
		{"false", fixture{backend: true}, false},
		{"1 + 1 == 2", endpoint, true},

		// Answers.
		{"resp_completed", endpoint, true},
		{"resp_completed && req_method == 'GET'", endpoint, true},
		{"resp_data.id == '7'", endpoint, true},
		{"'7' == resp_data.id", endpoint, true},
		{"int(resp_data.id) == 7", endpoint, true},
		{"double(resp_data.price) == 1.5", endpoint, true},
		{"resp_data.id == 7", endpoint, true},
		{"7 == resp_data.id", endpoint, true},
		{"resp_data.id != 7", endpoint, false},
		{"7 != resp_data.id", endpoint, false},
		{"resp_data.id != 8 && resp_data.id != '8'", endpoint, true},
		{"resp_data.id > 5 && 5 < resp_data.id && resp_data.id >= 7 && resp_data.id <= 7 && resp_data.id < 10", endpoint, true},
		{"resp_data.id > 7", endpoint, false},
		{"resp_data.price > 1.4 && resp_data.price < 2", endpoint, true},
		{"resp_data.big == 9007199254740993", endpoint, true},
		{"resp_data.big == 9007199254740992", endpoint, false},
		{"resp_data.word == 7", endpoint, false},
		{"resp_data.word != 7", endpoint, true},
		{"resp_data.word > 5", endpoint, false},
		{"resp_data.flag > 5", endpoint, false},
		{"resp_data.g > 5", endpoint, false},
		{"resp_data.word > 'a' && resp_data.word == 'seven'", endpoint, true},
		{"resp_data.id.startsWith('7') && 'a' + resp_data.id == 'a7' && resp_data.id.matches('^[0-9]$')", endpoint, true},
		{"resp_data.id in ['6', '7']", endpoint, true},
		{"resp_data.g.id == '8' && resp_data['g']['id'] == 8", fixture{backend: true}, true},
		{"resp_data.none == null && resp_data.flag == true && resp_data.flag", endpoint, true},
		{"resp_data.list[0] == 1 && resp_data.list[1] == 'two' && size(resp_data.list) == 3", endpoint, true},
		{"resp_data.list.exists(v, v == 3)", endpoint, true},
		{"resp_data.names == ['a', 'b']", endpoint, true},
		{"has(resp_data.g.id) && !has(resp_data.g.x) && 'id' in resp_data", endpoint, true},
		{"resp_data.missing == 1", endpoint, false},
		{"resp_data.id", endpoint, false},
		{"resp_metadata_status == 0 && size(resp_metadata_headers) == 0 && resp_completed", endpoint, true},
		{"resp_metadata_status == 0 && resp_completed", fixture{backend: true}, true},
		{"resp_metadata_status == 201", fixture{noop: true}, true},
		{"resp_metadata_headers['X-Back'] == ['one', 'two']", fixture{noop: true}, true},
		{"resp_metadata_status == 201 && 'X-Back' in resp_metadata_headers", fixture{noop: true, backend: true}, true},
		{"resp_data.all(k, k != 'secret')", endpoint, true},

		// Tokens.
		{"JWT.sub == 'u1'", endpoint, true},
		{".JWT.sub == 'u2'", endpoint, false},
		{"JWT.n == 5 && int(JWT.n) == 5 && JWT.n > 4.5", endpoint, true},
		{"JWT.n == '5'", endpoint, false},
		{"JWT.o.a == 'x' && JWT.o.n == 2 && JWT['o']['n'] == 2.0", endpoint, true},
		{"'one' in JWT.aud && 2 in JWT.aud && JWT.aud[1] == 2", endpoint, true},
		{"JWT.aud.exists(a, a == 2)", endpoint, true},
		{"JWT.request_id == 'a'", endpoint, true},
		{"has(JWT.sub) && !has(JWT.email)", endpoint, true},
		{"JWT.email == 'x'", endpoint, false},
		{"JWT.ok", endpoint, true},
		{"JWT.sub", endpoint, false},
		{"JWT.sub == 'u1' && timestamp(now).getFullYear() == 2026", endpoint, true},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			p := tt.where.build(t, list(tt.expr))
			if config.HasErrors(p.problems) {
				t.Fatalf("problems: %v", p.problems)
			}
			err := p.run(t.Context(), exchange(t, tt.where.backend))
			if (err == nil) != tt.want {
				t.Errorf("holds = %v (%v), want %v", err == nil, err, tt.want)
			}
			e := gateway.AsError(err)
			if err == nil {
				return
			}
			token := strings.Contains(tt.expr, "JWT")
			wantStatus, wantPublic := 0, "request aborted by evaluator #0"
			if token {
				wantStatus, wantPublic = 401, ""
			}
			if e.Code != "cel_rejected" || e.Status != wantStatus || e.Public != wantPublic {
				t.Errorf("refusal %d %s %q, want %d cel_rejected %q", e.Status, e.Code, e.Public, wantStatus, wantPublic)
			}
		})
	}
}

// TestDoubts are expressions that never do what they seem to do: an error where they
// let pass what they seem to forbid, else a mistake.
func TestDoubts(t *testing.T) {
	open, token := fixture{}, fixture{validator: true}
	listed := fixture{headers: []string{"x-admin", "X_Old"}, query: []string{"Page"}}
	tests := []struct {
		expr  string
		where fixture
		want  []string // of the problems, in order; none for a good expression
	}{
		// Names of headers.
		{"'X-Admin' in req_headers", open, nil},
		{"'x-admin' in req_headers", open, []string{"warning: req_headers['x-admin'] never has a value, because names are compared letter by letter, each word with one capital and hyphens between them; write 'X-Admin'"}},
		{"!('x-admin' in req_headers)", open, []string{"error: req_headers['x-admin'] never has a value"}},
		{"!(req_method == 'GET' && 'x-admin' in req_headers)", open, []string{"error: req_headers['x-admin']"}},
		{"!!('x-admin' in req_headers)", open, []string{"warning: req_headers['x-admin']"}},
		{"('x-admin' in req_headers) == false", open, []string{"error: req_headers['x-admin']"}},
		{"'x-admin' in req_headers ? JWT2 : true", fixture{}, []string{"error: the expression cannot be used"}},
		{"'x-admin' in req_headers ? req_method == 'GET' : req_path == '/'", open, []string{"error: req_headers['x-admin']"}},
		{"req_headers['x_admin'][0] == '1'", open, []string{"warning: req_headers['x_admin'] never has a value", "write 'X-Admin'"}},
		{"req_headers['x_admin'][0] != '1'", open, []string{"warning: req_headers['x_admin']"}},
		{"req_headers.x_admin[0] == '1'", open, []string{"warning: req_headers['x_admin'] never has a value", "write 'X-Admin'"}},
		{"!has(req_headers.x_admin)", open, []string{"error: req_headers['x_admin']"}},
		{"has(req_headers.Accept) && req_headers.Accept[0] == 'a'", open, nil},
		{"'X-ADMIN' in req_headers || 'xAdmin' in req_headers", open, []string{"write 'X-Admin'", "write 'Xadmin'"}},
		{"'X Admin' in req_headers", open, []string{"warning: req_headers['X Admin'] never has a value, because it is no name of a header"}},
		{"req_headers['X-Role'].exists(r, r == 'a' && 'x-admin' in req_headers)", open, []string{"warning: req_headers['x-admin']"}},
		{"req_headers.all(h, h != 'x-admin')", open, []string{"error: req_headers['x-admin'] never has a value"}},
		{"req_headers.exists(h, 'x-admin' == h)", open, []string{"warning: req_headers['x-admin']"}},
		{"!req_headers.exists(h, h.startsWith('x-internal-'))", open, []string{"error: no name in req_headers begins with 'x-internal-', because each word of them begins with a capital; write 'X-Internal-'"}},
		{"req_headers.all(h, h != 'X-Admin' && !h.startsWith('X-Internal-') && !h.startsWith('X-In') && !h.startsWith(''))", open, nil},
		{"req_headers.all(h, ['x-admin', req_path].all(h, h == 'x-admin'))", open, nil}, // another h
		{"['x-admin', req_path].all(h, h == 'x-admin')", open, nil},
		{"req_headers.all(h, h.startsWith('X Y') || h.startsWith('X_a'))", open, nil},
		{"req_headers['X-Role'].all(r, r != 'x-admin')", open, nil},
		{"'Host' in req_headers", open, []string{"warning: req_headers['Host'] never has a value", "write 'X-Forwarded-Host'"}},
		{"!('Content-Length' in req_headers) || int(req_headers['Content-Length'][0]) < 1000", open, []string{"error: req_headers['Content-Length'] never has a value", "write max_body_bytes"}},
		{"!('Transfer-Encoding' in req_headers)", fixture{headers: []string{"Transfer-Encoding"}}, []string{"error: req_headers['Transfer-Encoding']"}},
		{"!('Connection' in req_headers)", fixture{backend: true}, []string{"error: req_headers['Connection']"}},

		// Names that are let through.
		{"'X-Admin' in req_headers && 'User-Agent' in req_headers && req_headers['X-Forwarded-For'][0] == '192.0.2.1'", listed, nil},
		{"'X_admin' in req_headers", listed, []string{"warning: req_headers['X_admin'] never has a value", "write 'X-Admin'"}},
		{"!('X-Old' in req_headers)", listed, []string{"error: req_headers['X-Old'] never has a value", "write 'X_old'"}},
		{"'X_old' in req_headers", listed, nil},
		{"'X-Other' in req_headers", listed, []string{"warning: req_headers['X-Other'] never has a value, because input_headers does not let the header through; add it there"}},
		{"!('X-Other' in req_headers)", listed, []string{"warning: req_headers['X-Other']"}},
		{"'X-Other' in req_headers && 'p' in req_querystring", fixture{headers: listed.headers, query: listed.query, extra: "test/script"}, nil},
		{"'X-Other' in req_headers", fixture{headers: listed.headers, extra: "test/absent"}, nil},
		{"'X-Other' in req_headers", fixture{headers: listed.headers, extra: "test/token"}, []string{"warning: req_headers['X-Other']"}},
		{"'Content-Type' in req_headers", fixture{headers: []string{}}, nil},
		{"'Content-Type' in req_headers", listed, []string{"warning: req_headers['Content-Type']"}},
		{"'X-Admin' in req_headers && 'Accept-Encoding' in req_headers", fixture{headers: listed.headers, backend: true}, nil},
		{"'X-Admin' in req_headers", fixture{backend: true, own: []string{"X-Other"}}, []string{"warning: req_headers['X-Admin']"}},
		{"'X-Other' in req_headers", fixture{backend: true, own: []string{"X-Other"}}, nil},
		{"'X-Other' in req_headers", fixture{headers: listed.headers, backend: true, own: []string{"X-Other"}}, []string{"warning: req_headers['X-Other']"}},
		{"req_querystring.Page[0] == '1'", listed, nil},
		{"req_querystring.page[0] == '1'", listed, []string{"warning: req_querystring['page'] never has a value, because input_query_strings lets 'Page' through, and each letter counts; write that"}},
		{"!has(req_querystring.debug)", listed, []string{"warning: req_querystring['debug'] never has a value, because input_query_strings does not let the parameter through; add it there"}},

		// Methods.
		{"req_method == 'GET' || 'POST' == req_method || req_method in ['PUT', 'DELETE'] || req_method == 'PURGE'", open, nil},
		{"req_method == 'get'", open, []string{"warning: req_method is never \"get\", because methods are in capitals; write \"GET\""}},
		{"req_method != 'delete'", open, []string{"error: req_method is never \"delete\""}},
		{"!(req_method in ['put', 'DELETE'])", open, []string{"error: req_method is never \"put\""}},
		{"req_method in ['GET', 'post']", open, []string{"warning: req_method is never \"post\""}},
		{"'Get' == req_method", open, []string{"warning: req_method is never \"Get\""}},
		{"req_method == 'GET /'", open, []string{"warning: req_method is never \"GET /\", which is no method"}},

		// Answers.
		{"'X-Back' in resp_metadata_headers && resp_metadata_status == 200", fixture{noop: true}, nil},
		{"!('x-back' in resp_metadata_headers)", fixture{noop: true}, []string{"error: resp_metadata_headers['x-back'] never has a value"}},
		{"resp_metadata_status == 200", open, []string{"warning: it is never true, so everything is refused; resp_metadata_status and resp_metadata_headers have values with the encoding no-op only"}},
		{"resp_metadata_status != 500", open, []string{"error: it is always true, so nothing is refused; resp_metadata_status"}},
		{"!('X-Back' in resp_metadata_headers)", fixture{backend: true}, []string{"error: it is always true"}},

		// Constants.
		{"true", open, []string{"warning: it is always true, so nothing is refused; write what depends on the request, the token or the answer, or remove the expression"}},
		{"1 == 1", open, []string{"warning: it is always true"}},
		{"[1, 2].exists(i, i == 2)", open, []string{"warning: it is always true"}},
		{"false", open, []string{"warning: it is never true, so everything is refused"}},
		{"'a' == 'b'", fixture{backend: true}, []string{"warning: it is never true"}},
		{"true || JWT.sub == 'a'", token, []string{"error: it is always true"}},
		{"JWT.sub == 'a' || 'a' == 'a'", token, []string{"error: it is always true"}},
		{"req_method == 'GET' && false", open, []string{"warning: it is never true"}},
		{"req_method == 'GET' || req_method != 'GET'", open, nil}, // nobody writes that
		{"now > '2026'", open, nil},
		{"timestamp(now).getHours() < 12 && true", open, nil},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			p := tt.where.build(t, list(tt.expr))
			all := config.Format(p.problems)
			if tt.want == nil && all != "" {
				t.Errorf("problems %s, want none", all)
			}
			for _, want := range tt.want {
				severity, text, found := strings.Cut(want, ": ")
				if found && (severity == "error" || severity == "warning") {
					ok := slices.ContainsFunc(p.problems, func(p *config.Problem) bool {
						return p.Severity.String() == severity && p.Path == "[0].check_expr" && strings.HasPrefix(p.Err.Error(), text)
					})
					if !ok {
						t.Errorf("problems %s, want %q", all, want)
					}
				} else if !strings.Contains(all, want) {
					t.Errorf("problems %s, want %q", all, want)
				}
			}
		})
	}
}

// TestSpellings refuses a header that many servers take for the one that an expression
// looks at, and shows loops both of its names.
func TestSpellings(t *testing.T) {
	tests := []struct {
		expr string
		sent []string // names
		want bool
	}{
		{"'X-Admin' in req_headers", []string{"X-Admin"}, true},
		{"'X-Admin' in req_headers", []string{"X_admin"}, false},
		{"'X-Admin' in req_headers", []string{"X-Admin", "X_admin"}, false},
		{"!('X-Admin' in req_headers)", []string{"X-Other"}, true},
		{"!('X-Admin' in req_headers)", []string{"X_admin"}, false},
		{"!('X-Admin-Key' in req_headers)", []string{"X_admin-Key"}, false},
		{"!('X-Admin-Key' in req_headers)", []string{"X-Admin_key"}, false},
		{"!('X-Admin' in req_headers)", []string{"X.admin"}, false},
		{"!('X-Admin' in req_headers)", []string{"X~admin"}, false},
		{"req_headers.all(h, h != 'X-Admin')", []string{"X.admin"}, false},
		{"!['X-Admin'].exists(h, h in req_headers)", []string{"X!admin"}, false},
		{"!('X_admin' in req_headers)", []string{"X-Admin"}, false},
		{"!has(req_headers.Admin)", []string{"X_admin"}, true},
		{"!(has(req_headers.Accept) || 'X-Admin' in req_headers)", []string{"X_admin"}, false},
		{"req_headers.all(h, h != 'X-Admin')", []string{"X_admin"}, false},
		{"!req_headers.exists(h, h.startsWith('X-Adm'))", []string{"X_admin"}, false},
		{"!['X-Admin'].exists(h, h in req_headers)", []string{"X_admin"}, false},
		{"['X-Admin'].all(h, req_headers[h].size() == 2)", []string{"X_admin", "X-Admin"}, true},
		{"req_headers.exists(h, h == 'X_admin')", []string{"X_admin"}, true},
		{"req_method == 'GET'", []string{"X_admin"}, true},
	}
	for _, tt := range tests {
		for _, more := range []int{0, 32} { // many are read from a map
			p := fixture{}.build(t, list(tt.expr))
			if len(p.problems) > 0 {
				t.Fatalf("%s: %s", tt.expr, config.Format(p.problems))
			}
			x := message.Exchange(t)
			x.Request.Header = nil
			for _, name := range tt.sent {
				x.Request.Header.Add(name, "1")
			}
			for i := range more {
				x.Request.Header.Add(fmt.Sprintf("Other-%d", i), "1")
			}
			if err := p.run(t.Context(), x); (err == nil) != tt.want {
				t.Errorf("%s, sent %q and %d more: %v, want it to hold: %t", tt.expr, tt.sent, more, err, tt.want)
			}
		}
	}
}

func TestPhases(t *testing.T) {
	type at = []component.EndpointPhase
	tests := []struct {
		name     string
		exprs    []string
		want     at
		response body.Form
	}{
		{"token", []string{"JWT.sub == 'req_method'"}, at{component.EndpointAuthenticate}, body.Empty},
		{"a claim called like a variable", []string{"JWT.req_method == 'x' && JWT['resp_data'] == 'x'"}, at{component.EndpointAuthenticate}, body.Empty},
		{"request", []string{"req_path == 'resp_data JWT'"}, at{component.EndpointPhase(component.PipeCheck)}, body.Empty},
		{"now", []string{"now != ''"}, at{component.EndpointPhase(component.PipeCheck)}, body.Empty},
		{"answer without its data", []string{"resp_completed"}, at{component.EndpointPhase(component.PipeCheck)}, body.Empty},
		{"answer with its data", []string{"resp_data.id == 1"}, at{component.EndpointPhase(component.PipeCheck)}, body.Tree},
		{"all three", []string{"resp_completed", "req_method == 'GET'", "JWT.sub == 'a'"},
			at{component.EndpointAuthenticate, component.EndpointPhase(component.PipeCheck), component.EndpointPhase(component.PipeCheck)}, body.Empty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fixture{validator: true}.build(t, list(tt.exprs...))
			if len(p.problems) > 0 || len(p.placed) != len(tt.want) {
				t.Fatalf("placed %d stages, problems %v, want %d stages and no problem", len(p.placed), p.problems, len(tt.want))
			}
			for i, s := range p.placed {
				if got := component.EndpointPhase(s.Phase); got != tt.want[i] {
					t.Errorf("stage %d in phase %s, want %s", i, got, tt.want[i])
				}
			}
			if p.response != tt.response {
				t.Errorf("needs the answer as %s, want %s", p.response, tt.response)
			}
		})
	}
}

// TestNumbering checks that expressions are counted from 0 within their phase.
func TestNumbering(t *testing.T) {
	tests := []struct {
		name  string
		exprs []string
		want  string
	}{
		{"the second of two", []string{"true", "false"}, "request aborted by evaluator #1"},
		{"the first that fails counts", []string{"false", "false"}, "request aborted by evaluator #0"},
		{"answers count on their own", []string{"req_method == 'GET'", "resp_completed", "!resp_completed"}, "request aborted by evaluator #1"},
		{"an error counts as false", []string{"true", "req_headers['X-None'][0] == 'a'"}, "request aborted by evaluator #1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fixture{}.build(t, list(tt.exprs...))
			err := p.run(t.Context(), exchange(t, false))
			if got := gateway.AsError(err); err == nil || got.Public != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name    string
		where   fixture
		options string
		path    string
		text    string
	}{
		{"syntax", fixture{}, list("now != ''", "req_method =="), "[1].check_expr", "column 14"},
		{"a key that is no field", fixture{}, list("has(req_querystring['foo[]'])"), "[0].check_expr", "column 20: invalid argument to has() macro; it takes a field, as in has(JWT.sub): write 'key' in req_headers for any other key"},
		{"unknown variable", fixture{}, list("req_metod == 'GET'"), "[0].check_expr", "column 1: undeclared reference to 'req_metod'"},
		{"unknown function", fixture{}, list("shout(req_method)"), "[0].check_expr", "shout"},
		{"types", fixture{}, list("req_method > 5"), "[0].check_expr", "column 12"},
		{"second line", fixture{}, list("true &&\n nope"), "[0].check_expr", "line 2, column 2"},
		{"a broken regular expression", fixture{}, list("req_method.matches('(')"), "[0].check_expr", "regexp"},
		{"syntax in a JWT expression", fixture{validator: true}, list("JWT.sub =="), "[0].check_expr", "column"},
		{"JWT without validator", fixture{}, list("JWT.sub == 'a'"), "[0].check_expr", "configure test/token on the endpoint"},
		{"JWT on a backend", fixture{backend: true, validator: true}, list("JWT.sub == 'a'"), "[0].check_expr", "configure test/token on the endpoint"},
		{"JWT with req", fixture{validator: true}, list("JWT.sub == req_method"), "[0].check_expr", "two expressions"},
		{"JWT with resp", fixture{validator: true}, list("JWT.sub == 'a' && resp_completed"), "[0].check_expr", "two expressions"},
		{"resp_data with no-op", fixture{noop: true}, list("resp_data.id == 1"), "[0].check_expr", "no-op"},
		{"an empty expression", fixture{}, list("now != ''", " "), "[1].check_expr", "empty"},
		{"no expression", fixture{}, `[{}]`, "[0].check_expr", ""},
		{"an empty list", fixture{}, `[]`, "", "checks nothing"},
		{"an object", fixture{}, `{"check_expr":"true"}`, "", "list"},
		{"a number", fixture{}, `[{"check_expr":1}]`, "[0].check_expr", "text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.where.build(t, tt.options)
			if len(p.placed) > 0 || !config.HasErrors(p.problems) {
				t.Fatalf("options %s: placed %d stages, problems %v, want none and an error", tt.options, len(p.placed), p.problems)
			}
			if got := p.problems[0]; got.Path != tt.path || !strings.Contains(got.Err.Error(), tt.text) {
				t.Errorf("options %s: %q: %v, want %q at %q", tt.options, got.Path, got.Err, tt.text, tt.path)
			}
		})
	}
}

func TestEveryProblemIsReported(t *testing.T) {
	p := fixture{}.build(t, list("nope", "now != ''", "JWT.a == 'b'"))
	if len(p.problems) != 2 || p.problems[0].Path != "[0].check_expr" || p.problems[1].Path != "[2].check_expr" {
		t.Errorf("problems = %v, want one at [0] and one at [2]", p.problems)
	}
}

func TestModExprIsUnknown(t *testing.T) {
	p := fixture{}.build(t, `[{"check_expr":"true","mod_expr":"x"}]`)
	if len(p.problems) != 1 || p.problems[0].Code != config.CodeUnknownField {
		t.Errorf("problems = %v, want an unknown field", p.problems)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name  string
		where fixture
		expr  string
		text  string
	}{
		{"a result that is no boolean", fixture{}, "req_method", "never true"},
		{"a parameter in lower case", fixture{}, "has(req_params.id_user)", "write req_params.Id_user"},
		{"a parameter in capitals", fixture{}, "req_params.ID_USER == '7'", "write req_params.Id_user"},
		{"an answer that is not earlier", fixture{backend: true, earlier: 2}, "req_params.Resp2_id == '7'", "earlier ones are Resp0_… to Resp1_…"},
		{"an answer without a sequence", fixture{backend: true}, "req_params.Resp0_id == '7'", "no call of a sequence"},
		{"an earlier answer in lower case", fixture{backend: true}, "req_params.resp0_id == '7'", "write req_params.Resp0_id"},
		{"a parameter that is not there", fixture{}, "req_params.User == '7'", `"Id_user" "B"`},
		{"a parameter by index", fixture{}, "req_params['X'] == 'a'", "never has a value"},
		{"a parameter by membership", fixture{}, "'X' in req_params", "never has a value"},
		{"an earlier answer at the endpoint", fixture{}, "req_params.Resp0_id == 'a'", "never has a value"},
		{"a whole earlier answer", fixture{backend: true}, "req_params.Resp0 == 'a'", "never has a value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.where.build(t, list(tt.expr))
			if len(p.problems) != 1 || p.problems[0].Code != config.CodeMistake || !strings.Contains(p.problems[0].Err.Error(), tt.text) {
				t.Fatalf("problems = %v, want a warning with %q", p.problems, tt.text)
			}
			if err := p.run(t.Context(), exchange(t, false)); err == nil {
				t.Errorf("%s holds, want it refused", tt.expr)
			}
		})
	}
}

// TestEarlierAnswers looks values of earlier calls up, whatever form their
// bodies have.
func TestEarlierAnswers(t *testing.T) {
	tests := []struct {
		expr string
		want bool
	}{
		{"req_params.Resp0_word == 'seven' && req_params.Resp0_id == '7'", true},
		{"req_params['Resp0_g.id'] == '8'", true},
		{"req_params.Resp0_flag == 'true' && req_params.Resp0_none == '<nil>'", true},
		{"req_params.Resp0_list == '1,two,3'", true},
		{"req_params.Resp0_g == '{\"id\":8}'", true},
		{"has(req_params.Resp0_missing)", false},
		{"'Resp0_g.id.x' in req_params", false},
		{"'Resp1_id' in req_params", false},
		{"'Resp2_id' in req_params", false},
	}
	for _, form := range []body.Form{body.Spans, body.Tree} {
		for _, tt := range tests {
			t.Run(form.String()+" "+tt.expr, func(t *testing.T) {
				p := fixture{backend: true, earlier: 3}.build(t, list(tt.expr))
				if len(p.problems) > 0 {
					t.Fatal(p.problems)
				}
				x := exchange(t, true)
				earlier := &exchange(t, true).Response.Body
				if form == body.Tree {
					if _, err := earlier.Tree(0); err != nil {
						t.Fatal(err)
					}
				}
				x.Results = []gateway.Result{{Body: earlier}, {}}
				if err := p.run(t.Context(), x); (err == nil) != tt.want {
					t.Errorf("holds = %v (%v), want %v", err == nil, err, tt.want)
				}
				if earlier.Form() != form {
					t.Errorf("the earlier answer became %s, want it left %s", earlier.Form(), form)
				}
			})
		}
	}
}

func TestLeave(t *testing.T) {
	failed := &gateway.Error{Code: gateway.CodeTimeout}
	t.Run("a failure passes unchanged", func(t *testing.T) {
		p := fixture{}.build(t, list("resp_data.id == 1"))
		x := exchange(t, false)
		if err := p.placed[0].Stage.(gateway.Leaver).Leave(t.Context(), x, failed); err != failed {
			t.Errorf("error %v, want %v", err, failed)
		}
	})
	t.Run("an incomplete answer is checked", func(t *testing.T) {
		p := fixture{}.build(t, list("resp_completed"))
		x := exchange(t, false)
		x.Response.Complete = false
		if err := p.run(t.Context(), x); err == nil {
			t.Error("an incomplete answer passes resp_completed")
		}
	})
	t.Run("an answer without a body is empty", func(t *testing.T) {
		p := fixture{}.build(t, list("size(resp_data) == 0"))
		x := exchange(t, false)
		x.Response.Body.Close()
		if err := p.run(t.Context(), x); err != nil {
			t.Errorf("error %v, want none", err)
		}
	})
	t.Run("a body that is not decoded is refused", func(t *testing.T) {
		p := fixture{}.build(t, list("!has(resp_data.id)"))
		x := exchange(t, false)
		x.Response.Body = body.FromBytes([]byte(answer))
		if err := p.run(t.Context(), x); err == nil {
			t.Error("a condition on data that is unknown holds")
		}
	})
}

func TestNoIdentity(t *testing.T) {
	p := fixture{validator: true}.build(t, list("!has(JWT.sub)"))
	x := exchange(t, false)
	x.Identity = nil
	if e := gateway.AsError(p.run(t.Context(), x)); e == nil || e.Status != 401 {
		t.Errorf("error %v, want a 401", e)
	}
}

// TestLoopsEnd checks that an expression over a large answer ends with its
// budget, and with the deadline.
func TestLoopsEnd(t *testing.T) {
	const expr = "resp_data.l.all(a, resp_data.l.all(b, resp_data.l.all(c, a + b + c != 'x')))"
	p := fixture{}.build(t, list(expr))
	if len(p.problems) > 0 {
		t.Fatal(p.problems)
	}
	numbers := make([]any, 10000)
	for i := range numbers {
		numbers[i] = json.Number("1")
	}
	run := func(ctx context.Context) error {
		x := testx.Request{}.Exchange(t)
		x.Response.Body.SetTree(map[string]any{"l": numbers})
		return p.run(ctx, x)
	}
	t.Run("budget", func(t *testing.T) {
		if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "cost limit") {
			t.Errorf("error %v, want the cost limit", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestAlias(t *testing.T) {
	for _, scope := range []component.Scope{component.InEndpoint, component.InBackend} {
		if component.Default.Find(scope, "github.com/devopsfaith/krakend-cel") == nil {
			t.Errorf("the historical name is unknown at the scope %s", scope)
		}
	}
	p := fixture{}.build(t, list("true"))
	if len(p.placed) != 1 {
		t.Errorf("placed %d stages, want 1", len(p.placed))
	}
}

// TestConcurrent evaluates on many exchanges at once, for the race detector.
func TestConcurrent(t *testing.T) {
	p := fixture{validator: true}.build(t, list("JWT.n == 5", "req_headers['X-Role'][0] == 'admin'", "resp_data.list.exists(v, v == 3)"))
	xs := make([]*gateway.Exchange, 8)
	for i := range xs {
		xs[i] = exchange(t, false)
	}
	ctx := t.Context()
	var wg sync.WaitGroup
	for _, x := range xs {
		wg.Go(func() {
			for range 50 {
				if err := p.run(ctx, x); err != nil {
					t.Errorf("error %v, want none", err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkHold(b *testing.B) {
	for _, expr := range []string{
		"req_method == 'GET'",
		"'X-Role' in req_headers && req_headers['X-Role'][0] == 'admin'",
		"JWT.n == 5 && JWT.o.a == 'x'",
		"resp_data.id > 5",
		"resp_data.list.exists(v, v == 3)",
	} {
		b.Run(expr, func(b *testing.B) {
			p := fixture{validator: true}.build(b, list(expr))
			x := exchange(b, false)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := p.run(ctx, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	tests := []struct {
		expr   string
		budget float64
	}{
		{"req_method == 'GET'", 3},
		{"'X-Role' in req_headers && req_headers['X-Role'][0] == 'admin'", 4},
		{"JWT.sub == 'u1'", 3},
		{"resp_data.id > 5", 3},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			p := fixture{validator: true}.build(t, list(tt.expr))
			x := exchange(t, false)
			ctx := t.Context()
			if n := testing.AllocsPerRun(100, func() { _ = p.run(ctx, x) }); n > tt.budget {
				t.Errorf("%v allocations per request, want at most %v", n, tt.budget)
			}
		})
	}
}
