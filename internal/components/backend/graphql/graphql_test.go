package graphql

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// made returns what becomes of a request with the parameter id, behind options.
func made(t testing.TB, options, id, payload string) (query, sent string, err error) {
	s := sitetest.Backend(t, "backend/graphql", options)
	x := testx.Request{}.Exchange(t)
	if payload != "" {
		x.Request.Body = body.FromBytes([]byte(payload))
	}
	x.Params = append(x.Params[:0], id)
	if err = sitetest.Stage[*call](t, s).Enter(t.Context(), x); err != nil {
		return "", "", err
	}
	raw, err := x.Request.Body.Bytes(0)
	return x.Request.RawQuery, string(raw), err
}

// TestRequest: what is sent, for what no transcript shows. A want that begins with an
// exclamation mark is the status of a failure.
func TestRequest(t *testing.T) {
	const head = `{"query":"{ a }","variables":`
	tests := []struct {
		name, options, id, body, want string
	}{
		{"numbers keep their text", `"type":"query","variables":{"n":1e400,"m":9007199254740993,"o":-0.10}`, "", "", `{"n":1e400,"m":9007199254740993,"o":-0.10}}`},
		{"so do those of clients", `"type":"mutation"`, "", `{"n":1e400,"m":[9007199254740993]}`, `{"n":1e400,"m":[9007199254740993]}}`},
		{"values are data", `"type":"query","variables":{"id":"{id}"}`, `","x":"\u0000` + "\x00\xff", "", `{"id":"\",\"x\":\"\\u0000\u0000` + "\ufffd" + `"}}`},
		{"names are quoted", `"type":"query","variables":{"a\"b":"{id}"}`, "1", "", `{"a\"b":"1"}}`},
		{"braces that name nothing nameable", `"type":"query","variables":{"a":"{\"x\":1}","b":"{}","c":"{ x }"}`, "1", "", `{"a":"{\"x\":1}","b":"{}","c":"{ x }"}}`},
		{"deep, an integer", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "-7", "", `-7`},
		{"deep, no integer", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "1.5", "", `"1.5"`},
		{"deep, an integer with a zero in front", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "007", "", `"007"`},
		{"deep, an integer with a blank", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "7 ", "", `"7 "`},
		{"deep, two values", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "1,2", "", `"1,2"`},
		{"deep, nothing", `"type":"query","interpolate":"deep","query":"query($n:Int){a(n:$n)}","variables":{"n":"{id}"}`, "", "", `""`},
		{"deep, a float", `"type":"query","interpolate":"deep","query":"query($n:Float!){a(n:$n)}","variables":{"n":"{id}"}`, "1e400", "", `1e400`},
		{"deep, a boolean", `"type":"query","interpolate":"deep","query":"query($n:Boolean=true){a(n:$n)}","variables":{"n":"{id}"}`, "true", "", `true`},
		{"deep, no boolean", `"type":"query","interpolate":"deep","query":"query($n:Boolean){a(n:$n)}","variables":{"n":"{id}"}`, "null", "", `"null"`},
		{"deep, a text that looks like a number", `"type":"query","interpolate":"deep","query":"query($n:String){a(n:$n)}","variables":{"n":"{id}"}`, "1234e3", "", `"1234e3"`},
		{"deep, an identifier", `"type":"query","interpolate":"deep","query":"query($n:ID){a(n:$n)}","variables":{"n":"{id}"}`, "7", "", `"7"`},
		{"deep, a list", `"type":"query","interpolate":"deep","query":"query($n:[Int]){a(n:$n)}","variables":{"n":"{id}"}`, "7", "", `"7"`},
		{"a body of blanks", `"type":"mutation"`, "", " ", "!400"},
		{"a body that breaks off", `"type":"mutation"`, "", `{"a":`, "!400"},
		{"a body that is too deep", `"type":"mutation"`, "", `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", "!400"},
		{"too much for GET", `"type":"mutation","method":"GET"`, "", `{"a":"` + strings.Repeat("x", longest) + `"}`, "!413"},
		{"too much for GET once it is escaped", `"type":"mutation","method":"GET"`, "", `{"a":"` + strings.Repeat("%", longest/2) + `"}`, "!413"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := tt.options
			if !strings.Contains(options, `"query":`) {
				options += `,"query":"{ a }"`
			}
			_, got, err := made(t, "{"+options+"}", tt.id, tt.body)
			if status, fails := strings.CutPrefix(tt.want, "!"); fails {
				if e := gateway.AsError(err); e == nil || fmt.Sprint(e.Status) != status {
					t.Errorf("%.200s, %v, want a failure of %s", got, err, status)
				}
				return
			}
			want := head + tt.want
			if strings.Contains(tt.options, "deep") {
				want = got[:strings.LastIndex(got, `{"n":`)] + `{"n":` + tt.want + "}}"
			}
			if err != nil || got != want {
				t.Errorf("%s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// TestAllocations: a request costs no memory of its own beyond the text of a query.
func TestAllocations(t *testing.T) {
	tests := []struct {
		options string
		most    float64
	}{
		{`{"type":"query","query":"{ a }"}`, 0},
		{`{"type":"query","query":"{ a }","method":"GET"}`, 0},
		{`{"type":"query","query":"query($id:ID){ a(id:$id) }","variables":{"id":"{id}","x":1}}`, 0},
		{`{"type":"query","query":"query($id:ID){ a(id:$id) }","variables":{"id":"{id}"},"method":"GET"}`, 2},
	}
	for _, tt := range tests {
		s := sitetest.Stage[*call](t, sitetest.Backend(t, "backend/graphql", tt.options))
		x := testx.Request{Path: "/users/7"}.Exchange(t)
		x.Params = append(x.Params[:0], "7")
		got := testing.AllocsPerRun(100, func() {
			x.Request.RawQuery = ""
			if err := s.Enter(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			x.Request.Body.Close()
		})
		if got > tt.most && !testx.Race {
			t.Errorf("%s: %v allocations, want %v at most", tt.options, got, tt.most)
		}
	}
}

// FuzzRequest: whatever the values and the body of a client are, they stay data. What is sent
// has the document, the configured name, and the variables that a plain reading gives.
func FuzzRequest(f *testing.F) {
	for _, v := range []string{"", "7", "a\"b", "a&query=x", "{id}", "\xff", "-1e5", "true"} {
		f.Add(v, []byte(`{"a":1}`))
	}
	for _, b := range []string{"", " ", "null", "[]", "{}", `{"id":1,"id":2}`, `{"i\u0064":1e400}`, `{"x":{"a":1,"a":2}} `, `{"x":1}x`, "\xef\xbb\xbf{}", `{"n":`} {
		f.Add("7", []byte(b))
	}
	const query = `query Q($id: ID, $n: Int) { a(id: $id, n: $n) }`
	const text = `{"type":%q,"method":%q,"interpolate":"deep","operationName":"Q","query":%q,"variables":{"id":"<{id}>","n":"{id}"}}`
	f.Fuzz(func(t *testing.T, id string, payload []byte) {
		for _, from := range []Type{ofURL, ofBody} {
			client := make(map[string]any)
			valid := true
			if from == ofBody && len(payload) > 0 {
				tree, err := jsonspan.Tree(payload)
				if client, valid = tree.(map[string]any); err != nil {
					valid = false
				}
			}
			for _, method := range []string{"GET", "POST"} {
				sentQuery, sent, err := made(t, fmt.Sprintf(text, from, method, query), id, string(payload))
				if !valid {
					if e := gateway.AsError(err); e == nil || e.Status != 400 {
						t.Fatalf("%s %s: %v, want 400", from, method, err)
					}
					continue
				}
				if e := gateway.AsError(err); e != nil && e.Status == 413 && method == "GET" {
					continue
				}
				if err != nil {
					t.Fatalf("%s %s: %v", from, method, err)
				}
				var got struct {
					Query, OperationName string
					Variables            map[string]any
				}
				if method == "GET" {
					values, err := url.ParseQuery(sentQuery)
					if err != nil || len(values) != 3 || sent != "" {
						t.Fatalf("%s: %v, body %q", sentQuery, err, sent)
					}
					sent = fmt.Sprintf(`{"query":%s,"operationName":%s,"variables":%s}`, inQuotes(values.Get("query")), inQuotes(values.Get("operationName")), values.Get("variables"))
				}
				tree, err := jsonspan.Tree([]byte(sent))
				if err != nil {
					t.Fatalf("%s: %v", sent, err)
				}
				whole := tree.(map[string]any)
				got.Query, _ = whole["query"].(string)
				got.OperationName, _ = whole["operationName"].(string)
				got.Variables, _ = whole["variables"].(map[string]any)
				want := map[string]any{"id": utf8Of("<" + id + ">"), "n": utf8Of(id)}
				var n json.Number
				if json.Unmarshal([]byte(id), &n) == nil && string(n) == id && !strings.ContainsAny(id, ".eE") {
					want["n"] = n
				}
				for name, v := range client {
					want[name] = v
				}
				a, _ := jsonspan.AppendTree(nil, got.Variables)
				b, _ := jsonspan.AppendTree(nil, want)
				if got.Query != query || got.OperationName != "Q" || len(whole) != 3 || string(a) != string(b) {
					t.Fatalf("%s %s: sent %s\nvariables %s\nwant      %s", from, method, sent, a, b)
				}
			}
		}
	})
}

func inQuotes(s string) []byte { return jsonspan.AppendString(nil, s) }

// utf8Of returns what of a text JSON can hold.
func utf8Of(s string) string {
	q := inQuotes(s)
	return string(jsonspan.AppendUnquoted(nil, q))
}

// TestWrites: an operation writes by what it is.
func TestWrites(t *testing.T) {
	tests := []struct {
		options, method string
		writes          bool
	}{
		{`{"type":"query","query":"{ a }"}`, "POST", false},
		{`{"type":"mutation","query":"{ a }"}`, "POST", false},
		{`{"type":"query","query":"mutation { a }"}`, "POST", true},
		{`{"type":"mutation","query":"mutation {"}`, "POST", true},
		{`{"type":"query","query":"{ a }","method":"GET"}`, "GET", false},
	}
	for _, tt := range tests {
		s := sitetest.Backend(t, "backend/graphql", tt.options)
		if method, writes := s.Method(); method != tt.method || writes != tt.writes {
			t.Errorf("%s: %s, writes %t, want %s, %t", tt.options, method, writes, tt.method, tt.writes)
		}
	}
}

// TestJudged: what is sent as it is written and cannot be meant so, and what changes something
// that nobody expects to.
func TestJudged(t *testing.T) {
	const text = `{"version": 3, "host": ["http://a"], "endpoints": [{"endpoint": "/users/{id}", "method": %q, "backend": [{"url_pattern": "/graphql",
		"extra_config": {"backend/graphql": %s}}]}]}`
	const asked = `"query": "query($id: ID) { user(id: $id) { name } }"`
	tests := []struct{ method, options, want string }{
		{"GET", `{"type": "query", ` + asked + `, "variables": {"id": "{id}"}}`, ""},
		{"GET", `{"type": "query", ` + asked + `, "variables": {"id": "$id"}}`, `variables.id: the text "$id" is sent as it is written; write {id} for a value of the URL`},
		{"GET", `{"type": "query", ` + asked + `, "variables": {"id": "$5"}}`, ""},
		{"GET", `{"type": "query", "query": "{ user(id: \"{id}\") { name } }"}`, `query: "{id}" stays in the document as it is written; declare a variable`},
		{"GET", `{"type": "query", "query": "{ user(id: \"{x}\") {id} }"}`, ""},
		{"GET", `{"type": "mutation", "query": "mutation { a }"}`, `type: the operation is a mutation, which anybody starts who follows a link`},
		{"POST", `{"type": "mutation", "query": "mutation { a }"}`, ""},
	}
	for _, tt := range tests {
		generation, problems := sitetest.New(t).Check(t, fmt.Sprintf(text, tt.method, tt.options))
		if generation == nil {
			t.Fatal(problems)
		}
		if err := generation.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := config.Format(problems); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %s\nwant %s", tt.options, got, tt.want)
		}
	}
}
