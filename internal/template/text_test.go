package template

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/route"
)

// parseURL compiles the path and the query of a url_pattern.
func parseURL(pattern string, params ...string) (path, query Text, err error) {
	before, after, _ := strings.Cut(pattern, "?")
	if path, err = Parse(before, InPath, params); err == nil {
		query, err = Parse(after, InQuery, params)
	}
	return path, query, err
}

// asked returns an exchange that has a value for every kind of placeholder.
func asked(t testing.TB, params ...string) *gateway.Exchange {
	x := gateway.Acquire(testx.Request{
		Query:  "page=2&page=3&name=a+b%26c&broken=%zz&empty=&spelt=a%2cb,c;d%3be+f/g%2Fh%7e%20",
		Header: gateway.Fields{{Name: "X-Tenant", Value: "acme/1"}, {Name: "X-Empty", Value: ""}, {Name: "X-Two", Value: "a"}, {Name: "X-Two", Value: "b"}, {Name: "X-Spelt", Value: "a"}, {Name: "X_Spelt", Value: "a"}, {Name: "X.other", Value: "a"}, {Name: "X-Semicolon", Value: "a;b,c"}, {Name: "X-Dots", Value: `..\x`}},
	}.Inbound())
	t.Cleanup(x.Release)
	x.Params = append(x.Params, params...)
	x.Identity = &gateway.Identity{Claims: map[string]any{
		"sub": "user 1", "n": json.Number("1.10"), "ok": true, "none": nil, "line": "a\r\nb", "mark": "a?b", "hash": "a#b",
		"roles": []any{"a", json.Number("2"), false}, "org": map[string]any{"id": "o1", "units": []any{"u0", "u1"}}, "a.b": "dotted", "empty": "", "semicolon": "a;b", "dots": "a/%2e%2e/b",
	}}
	first := body.FromBytes([]byte(`{"id":7,"name":"é/ü","null":null,"list":[1,"a",null],"deep":{"x":{"y":"z"}},"obj":{"a":1},"empty":"","semicolon":"a;b","dots":"..;"}`))
	if err := first.Project(jsonspan.Compile(jsonspan.Rules{}), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Close)
	x.Results = []gateway.Result{{Body: &first}, {}}
	return x
}

// TestURL builds paths and queries. A want that begins with an exclamation
// mark is the code of an error.
func TestURL(t *testing.T) {
	tests := []struct {
		name, pattern string
		params        []string // values of {a} and {b}
		want          string
	}{
		{"fixed", "/x/y?z=1", nil, "/x/y?z=1"},
		{"fixed, with what must be escaped", "/x y/{/\"<>?z= \x7f", nil, "/x%20y/%7B/%22%3C%3E?z=%20%7F"},
		{"fixed, escaped already", "/x%20y/%2F?z=%26", nil, "/x%20y/%2F?z=%26"},
		{"a parameter", "/x/{a}", []string{"1"}, "/x/1"},
		{"two parameters", "/{b}/x/{a}", []string{"1", "2"}, "/2/x/1"},
		{"one parameter twice", "/{a}/{a}", []string{"1"}, "/1/1"},
		{"parts of a segment", "/v{a}.{b}", []string{"1", "2"}, "/v1.2"},
		{"a slash is data", "/x/{a}", []string{"a/b"}, "/x/a%2Fb"},
		{"so is a question mark", "/x/{a}", []string{"a?b=c#d"}, "/x/a%3Fb=c%23d"},
		{"so is an escape", "/x/{a}", []string{"%2f%2e"}, "!bad_request"},
		{"so is an escape that means nothing", "/x/{a}", []string{"%41%"}, "/x/%2541%25"},
		{"so are lines", "/x/{a}", []string{"a\r\nHost: b"}, "/x/a%0D%0AHost:%20b"},
		{"so is what is no UTF-8", "/x/{a}", []string{"\xff\x00é"}, "/x/%FF%00%C3%A9"},
		{"what a segment may hold stays", "/x/{a}", []string{"a-._~!$&'()*+,;=:@"}, "/x/a-._~!$&'()*+,;=:@"},
		{"a dot", "/x/{a}", []string{"."}, "!bad_request"},
		{"two dots", "/x/{a}/y", []string{".."}, "!bad_request"},
		{"three dots are a name", "/x/{a}", []string{"..."}, "/x/..."},
		{"dots and a parameter", "/x/{a}", []string{"..;x"}, "!bad_request"},
		{"dots that are escaped once more", "/x/{a}", []string{"%2e%2E"}, "!bad_request"},
		{"dots behind a slash", "/x/{a}", []string{"a/.."}, "!bad_request"},
		{"dots behind a backslash", "/x/{a}", []string{`a\..\b`}, "!bad_request"},
		{"dots behind a slash that is escaped", "/x/{a}", []string{"a%2f..%2fb"}, "!bad_request"},
		{"dots that a value cuts off", "/x/..{a}", []string{";y"}, "!bad_request"},
		{"dots that a literal cuts off", "/x/{a};y", []string{".."}, "!bad_request"},
		{"dots with an escape of two values", "/x/{a}{b}", []string{".%2", "e"}, "!bad_request"},
		{"dots from two values", "/x/{a}{b}/y", []string{".", "."}, "!bad_request"},
		{"dots that a literal completes", "/x/.{a}", []string{""}, "!bad_request"},
		{"dots that a literal completes behind", "/x/{a}./y", []string{"."}, "!bad_request"},
		{"dots within a name", "/x/{a}..", []string{"y"}, "/x/y.."},
		{"dots of a literal are the operator's", "/x/../{a}", []string{"1"}, "/x/../1"},
		{"an empty value", "/x/{a}/y", []string{""}, "!bad_request"},
		{"an empty value at the end", "/x/{a}", []string{""}, "!bad_request"},
		{"two empty values", "/x/{a}{b}/y", []string{"", ""}, "!bad_request"},
		{"an empty value beside another", "/x/{a}{b}/y", []string{"", "1"}, "/x/1/y"},
		{"an empty value beside a literal", "/x/v{a}/y", []string{""}, "/x/v/y"},
		{"an empty value in the query", "/x?a={a}", []string{""}, "/x?a="},
		{"an empty segment of the operator", "/x//{a}", []string{"1"}, "/x//1"},
		{"an empty claim", "/x/{JWT.empty}/y", nil, "!bad_request"},
		{"an empty value of an earlier answer", "/x/{resp0_empty}/y", nil, "!bad_request"},
		{"an empty query parameter", "/x/{input_query_strings.empty}/y", nil, "!bad_request"},
		{"an empty query parameter beside a literal", "/x/v{input_query_strings.empty}", nil, "/x/v"},
		{"in the query", "/x?a={a}&b={b}", []string{"1 2", "x&y=z"}, "/x?a=1+2&b=x%26y%3Dz"},
		{"dots in the query", "/x?a={a}", []string{".."}, "/x?a=.."},
		{"a line in the query", "/x?a={a}", []string{"\r\n"}, "/x?a=%0D%0A"},
		{"a header", "/x/{input_headers.x-tenant}", nil, "/x/acme%2F1"},
		{"a header that is empty", "/x/{input_headers.X-Empty}", nil, "!bad_request"},
		{"a header that is there twice", "/x/{input_headers.X-Two}", nil, "!bad_request"},
		{"a header that is there in another spelling", "/x/{input_headers.X-Spelt}", nil, "!bad_request"},
		{"a header that is there in another spelling only", "/x/{input_headers.X-Other}", nil, "!bad_request"},
		{"a header that is missing", "/x/{input_headers.X-None}", nil, "!bad_request"},
		{"a query parameter", "/x/{input_query_strings.page}?n={input_query_strings.name}", nil, "/x/2?n=a+b%26c"},
		{"a query parameter that is missing", "/x/{input_query_strings.none}", nil, "!bad_request"},
		{"a query parameter that is broken", "/x/{input_query_strings.broken}", nil, "/x/%25zz"},
		{"a query parameter that came escaped", "/x/{input_query_strings.spelt}?n={input_query_strings.spelt}", nil, "/x/a%2Cb,c%3Bd%3Be%20f%2Fg%2Fh~%20?n=a%2Cb%2Cc%3Bd%3Be+f%2Fg%2Fh~+"},
		{"a header with a semicolon", "/x/{input_headers.X-Semicolon}", nil, "/x/a%3Bb,c"},
		{"a claim with a semicolon", "/x/{JWT.semicolon}", nil, "/x/a%3Bb"},
		{"a text of an earlier answer with a semicolon", "/x/{resp0_semicolon}", nil, "/x/a%3Bb"},
		{"a claim of dots", "/x/{JWT.dots}", nil, "!bad_request"},
		{"dots of an earlier answer", "/x/{resp0_dots}", nil, "!bad_request"},
		{"a header of dots", "/x/{input_headers.X-Dots}", nil, "!bad_request"},
		{"a claim", "/x/{JWT.sub}", nil, "/x/user%201"},
		{"a claim that is a number", "/x/{JWT.n}", nil, "/x/1.10"},
		{"a claim that is a boolean", "/x/{JWT.ok}", nil, "/x/true"},
		{"a claim that is a list", "/x/{JWT.roles}", nil, "/x/a,2,false"},
		{"a claim that is an object", "/x?o={JWT.org}", nil, "/x?o=%7B%22id%22%3A%22o1%22%2C%22units%22%3A%5B%22u0%22%2C%22u1%22%5D%7D"},
		{"a claim within another", "/x/{JWT.org.id}", nil, "/x/o1"},
		{"an item of a claim", "/x/{JWT.org.units.1}", nil, "/x/u1"},
		{"an item that is not there", "/x/{JWT.org.units.2}", nil, "!missing_value"},
		{"no item", "/x/{JWT.org.units.x}", nil, "!missing_value"},
		{"within what is no object", "/x/{JWT.sub.x}", nil, "!missing_value"},
		{"a claim with a dot in its name", "/x/{JWT.a.b}", nil, "/x/dotted"},
		{"a claim that is null", "/x/{JWT.none}", nil, "!missing_value"},
		{"a claim that is missing", "/x/{JWT.other}", nil, "!missing_value"},
		{"a claim with a line", "/x/{JWT.line}", nil, "!bad_request"},
		{"a claim with a question mark", "/x/{JWT.mark}", nil, "!bad_request"},
		{"a claim with a hash", "/x?a={JWT.hash}", nil, "!bad_request"},
		{"an earlier answer", "/x/{resp0_id}", nil, "/x/7"},
		{"a text of an earlier answer", "/x/{resp0_name}", nil, "/x/%C3%A9%2F%C3%BC"},
		{"a deep value of an earlier answer", "/x/{resp0_deep.x.y}", nil, "/x/z"},
		{"a list of an earlier answer", "/x/{resp0_list}", nil, "/x/1,a,%3Cnil%3E"},
		{"an object of an earlier answer", "/x?a={resp0_obj}", nil, "/x?a=%7B%22a%22%3A1%7D"},
		{"null of an earlier answer", "/x/{resp0_null}", nil, "/x/%3Cnil%3E"},
		{"an earlier answer without the value", "/x/{resp0_none}", nil, "!missing_value"},
		{"an earlier answer that did not come", "/x/{resp1_id}", nil, "!missing_value"},
		{"an answer that is not earlier", "/x/{resp2_id}", nil, "!missing_value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pathText, queryText, err := parseURL(tt.pattern, "a", "b")
			if err != nil {
				t.Fatal(err)
			}
			x := asked(t, append(tt.params, "", "")[:2]...)
			path, err := pathText.Append(nil, x)
			var query []byte
			if err == nil {
				query, err = queryText.Append(nil, x)
			}
			if code, failing := strings.CutPrefix(tt.want, "!"); failing {
				if e := gateway.AsError(err); e == nil || e.Code != code || e.Code == gateway.CodeBadRequest && e.Status != 400 {
					t.Errorf("%s?%s, %v, want an error with the code %s", path, query, err, code)
				}
				return
			}
			got := string(path)
			if len(query) > 0 {
				got += "?" + string(query)
			}
			if err != nil || got != tt.want {
				t.Errorf("%s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// TestRaw shows that values of the client's path keep what was escaped.
func TestRaw(t *testing.T) {
	pathText, queryText, err := parseURL("/x/{a}/y{b}?q={a}", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ a, b, want string }{
		{"a%3bb;c", "1", "/x/a%3Bb;c/y1?q=a%3Bb%3Bc"},
		{"%41%7e%2D%5f", "%c3%a9", "/x/A~-_/y%C3%A9?q=A~-_"},
		{"%2C,%20", "%27'", "/x/%2C,%20/y%27'?q=%2C%2C+"},
	}
	for _, tt := range tests {
		x := gateway.Acquire(testx.Request{}.Inbound())
		for _, raw := range []string{tt.a, tt.b} {
			v, err := url.PathUnescape(raw)
			if err != nil {
				t.Fatal(err)
			}
			x.Params, x.Raw = append(x.Params, v), append(x.Raw, raw)
		}
		path, err := pathText.Append(nil, x)
		query, err2 := queryText.Append(nil, x)
		if got := string(path) + "?" + string(query); got != tt.want || err != nil || err2 != nil {
			t.Errorf("%s, %s: %s, %v, %v, want %s", tt.a, tt.b, got, err, err2, tt.want)
		}
		x.Release()
	}
}

func TestNoToken(t *testing.T) {
	text, err := Parse("/{JWT.sub}", InPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := gateway.Acquire(testx.Request{}.Inbound())
	defer x.Release()
	if path, err := text.Append(nil, x); gateway.AsError(err) == nil || gateway.AsError(err).Code != gateway.CodeMissingValue {
		t.Errorf("%s, %v, want an error: there is no token", path, err)
	}
}

func TestUndefined(t *testing.T) {
	for _, pattern := range []string{"/{c}", "/{}", "/{A}", "/{JWT.}", "/{JWT}", "/{input_headers.}", "/{resp_x}", "/{resp0}", "/{resp0_}", "/{resp-1_x}", "/{respx_y}", "/x?y={c}", "/{a}/{b}/{c}"} {
		if _, _, err := parseURL(pattern, "a", "b"); !errors.As(err, new(Undefined)) {
			t.Errorf("%s: %v, want that a placeholder is undefined", pattern, err)
		}
	}
}

func TestHost(t *testing.T) {
	for value, want := range map[string]string{
		".": "", "..": "", "a.": "", ".a": "", "a..b": "", "a;b": "", "a\\b": "", "-": "http://-.test:80", "EU": "http://EU.test:80",
		"eu": "http://eu.test:80", "eu-1.west": "http://eu-1.west.test:80",
		"": "", "a b": "", "a/b": "", "a:1": "", "a@b": "", "a\r\n": "", "é": "", "a?": "", "[::1]": "", "a%20": "",
	} {
		text, err := Parse("http://{a}.test:80", InHost, []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := text.Append(nil, asked(t, value))
		if (err == nil) != (want != "") || err == nil && string(got) != want {
			t.Errorf("%q: %s, %v, want %q", value, got, err, want)
		}
	}
}

// FuzzText puts any values into a path and a query. They never become
// structure: the path has the segments of the pattern, none of them is dots,
// the query has its parameters, and decoding gives the values back.
func FuzzText(f *testing.F) {
	for _, v := range []string{"", "a", ".", "..", "a/../b", "%2e%2e", "?x#y", "a b\r\n", "\xff", "&=;", "{a}"} {
		f.Add(v, "b")
		f.Add("a", v)
		f.Add(v, v)
	}
	const pattern = "/x/{a}/y{b}/{a}{b}/.{b}/z?p={a}&q=1{b}"
	pathText, queryText, err := parseURL(pattern, "a", "b")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x := gateway.Acquire(nil)
		defer x.Release()
		x.Params = append(x.Params, a, b)
		raw, err := pathText.Append(nil, x)
		if err != nil {
			dots := route.DotSegment
			if a != "" && !dots(a) && !dots(b) && !dots(a+b) && !dots("."+b) && !dots("y"+b) {
				t.Fatalf("%q, %q: %v", a, b, err)
			}
			if e := gateway.AsError(err); e.Status != 400 || strings.Contains(e.Public, "%") {
				t.Fatalf("%q, %q: %+v", a, b, e)
			}
			return
		}
		path := string(raw)
		segments := strings.Split(path, "/")
		if len(segments) != 7 {
			t.Fatalf("%q, %q: %d segments in %s", a, b, len(segments), path)
		}
		if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`?#"<>\^{|}`+"`", r) }) {
			t.Fatalf("%q, %q: %s", a, b, path)
		}
		for i, want := range []string{"", "x", a, "y" + b, a + b, "." + b, "z"} {
			got, err := url.PathUnescape(segments[i])
			if err != nil || got != want || got == "." || got == ".." {
				t.Fatalf("%q, %q: segment %d is %q, %v, want %q", a, b, i, got, err, want)
			}
		}
		query, err := queryText.Append(nil, x)
		if err != nil {
			t.Fatal(err)
		}
		got, err := url.ParseQuery(string(query))
		if err != nil || len(got) != 2 || got.Get("p") != a || got.Get("q") != "1"+b {
			t.Fatalf("%q, %q: query %s", a, b, query)
		}
	})
}
