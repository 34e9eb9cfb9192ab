package budget

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A testCase is a request or an answer that is cheap to make, of about a given
// size.
type testCase struct {
	name    string
	path    string                // and query; /json if it is empty
	target  func(size int) string // instead of path
	method  string                // GET if it is empty
	fields  func(size int) string // of the header, with their line ends
	body    func(size int) string // with the field that frames it in front of an empty line
	answer  func(size int) string // of the backend, whole
	allowed []int                 // statuses; 200 if there are none
	perByte int64                 // statements that a byte may take, if not the usual number
}

// configuration has an endpoint for each way that a message may take.
const configuration = `{"version":3,"dialect":"sluice","engine":"$ENGINE","port":$PORT,"listen_ip":"127.0.0.1","host":["$BACKEND"],"timeout":"60s",
	"extra_config":{"router":{"disable_access_log":true},"telemetry/logging":{"level":"ERROR"},
		"security/cors":{"allow_origins":["https://*.example.com"],"allow_headers":["X-A"]}},
	"endpoints":[
	{"endpoint":"/json","input_headers":["*"],"input_query_strings":["*"],"backend":[{"url_pattern":"/"}]},
	{"endpoint":"/json","method":"POST","input_headers":["*"],"input_query_strings":["a","b"],"backend":[{"url_pattern":"/"}]},
	{"endpoint":"/named","input_headers":["X-A","Cookie"],"input_query_strings":["a","b"],"backend":[{"url_pattern":"/"}]},
	{"endpoint":"/raw","output_encoding":"no-op","input_headers":["*"],"input_query_strings":["*"],"backend":[{"url_pattern":"/"}]},
	{"endpoint":"/raw","method":"POST","output_encoding":"no-op","input_headers":["*"],"backend":[{"url_pattern":"/"}]},
	{"endpoint":"/negotiate","output_encoding":"negotiate","backend":[{"url_pattern":"/"}]},
	{"endpoint":"/u/{id}","backend":[{"url_pattern":"/{id}?q={id}"}]},
	{"endpoint":"/w/*","output_encoding":"no-op","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/w/*","method":"POST","output_encoding":"no-op","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/w/*","method":"PUT","output_encoding":"no-op","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/w/*","method":"PATCH","output_encoding":"no-op","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/w/*","method":"DELETE","output_encoding":"no-op","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/w/admin/secret","backend":[{"url_pattern":"/w"}]},
	{"endpoint":"/cut","backend":[{"url_pattern":"/","allow":["k1.a","k2.b.c","z"],"mapping":{"k1":"x"},"group":"g"}]},
	{"endpoint":"/deny","backend":[{"url_pattern":"/","deny":["k1.a","k2.b.c","z"],"target":""}]},
	{"endpoint":"/merge","backend":[{"url_pattern":"/"},{"url_pattern":"/"}]},
	{"endpoint":"/collection","output_encoding":"json-collection","backend":[{"url_pattern":"/","is_collection":true}]},
	{"endpoint":"/xml","backend":[{"url_pattern":"/","encoding":"xml"}]},
	{"endpoint":"/to-xml","output_encoding":"xml","backend":[{"url_pattern":"/"}]},
	{"endpoint":"/to-yaml","output_encoding":"yaml","backend":[{"url_pattern":"/"}]},
	{"endpoint":"/string","output_encoding":"string","backend":[{"url_pattern":"/","encoding":"string"}]},
	{"endpoint":"/cached","input_headers":["*"],"backend":[{"url_pattern":"/","extra_config":{"qos/http-cache":{"max_items":10,"max_size":10000000}}}]},
	{"endpoint":"/limited","backend":[{"url_pattern":"/"}],"extra_config":{"qos/ratelimit/router":{"client_max_rate":1000,"client_capacity":1000,"strategy":"header","key":"X-A"}}},
	{"endpoint":"/address","backend":[{"url_pattern":"/"}],"extra_config":{"qos/ratelimit/router":{"client_max_rate":1000,"client_capacity":1000,"strategy":"ip"}}},
	{"endpoint":"/token","backend":[{"url_pattern":"/"}],"extra_config":{"auth/validator":{"alg":"HS256","jwk_local_path":"keys.json","disable_jwk_security":true}}},
	{"endpoint":"/cel","input_headers":["*"],"backend":[{"url_pattern":"/"}],"extra_config":{"validation/cel":[{"check_expr":"req_headers['X-A'].size() > 0 && req_path.startsWith('/cel')"}]}}]}`

// keys is the key set of the endpoint that wants tokens.
const keys = `{"keys":[{"kty":"oct","kid":"k","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}`

// lines repeats a line of a header with a number in it until they have the
// size.
func lines(format string) func(size int) string {
	return func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format+"\r\n", i)
		}
		return b.String()
	}
}

// list is one field whose value repeats a text with a number in it.
func list(name, format string) func(size int) string {
	return func(size int) string {
		return name + ": " + repeat(format, size) + "\r\n"
	}
}

// always is a line of a header.
func always(line string) func(int) string { return func(int) string { return line + "\r\n" } }

func repeat(format string, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		if strings.Contains(format, "d") && strings.Contains(format, "%") && !strings.Contains(format, "%%") {
			fmt.Fprintf(&b, format, i)
		} else {
			b.WriteString(strings.ReplaceAll(format, "%%", "%"))
		}
	}
	return b.String()
}

func target(before, format string) func(size int) string {
	return func(size int) string { return before + repeat(format, size) }
}

// say is an answer with this body.
func say(body func(size int) string, fields ...string) func(size int) string {
	return func(size int) string {
		text := body(size)
		return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + strings.Join(append(fields, ""), "\r\n") +
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text)
	}
}

func around(before, format, after string) func(size int) string {
	return func(size int) string { return before + repeat(format, size) + after }
}

// sized is a body of known length.
func sized(body func(size int) string) func(size int) string {
	return func(size int) string {
		text := body(size)
		return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text)
	}
}

// connection names fields in Connection, line by line, and sends them.
func connection(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "Connection: x-%d, x-a%d\r\nX-%d: 1\r\n", i, i, i)
	}
	return b.String()
}

func token(payload func(size int) string) func(size int) string {
	return func(size int) string {
		encode := base64.RawURLEncoding.EncodeToString
		return "Authorization: Bearer " + encode([]byte(`{"alg":"HS256","kid":"k"}`)) + "." + encode([]byte(payload(size*3/4))) + "." + encode(make([]byte, 32)) + "\r\n"
	}
}

// beyondASCII is what a byte may take that is written as three for the backend, and
// read in every way that somebody may read it.
const beyondASCII = 140

// many are the statuses where there may be more fields than are taken.
var many = []int{200, 431}

var declined = []int{200, 400, 401, 404, 413, 414, 431, 500, 502}

var cases = []testCase{
	{name: "plain", fields: list("X-A", "a")},
	{name: "plain, raw", path: "/raw", fields: list("X-A", "a")},
	{name: "fields named in Connection", fields: connection, allowed: many},
	{name: "fields named in Connection, raw", path: "/raw", fields: connection, allowed: many},
	{name: "a long list in Connection", fields: list("Connection", "x-%d, ")},
	{name: "commas in Connection", fields: list("Connection", ",")},
	{name: "many fields", fields: lines("X-B-%d: 1"), allowed: many},
	{name: "many fields, raw", path: "/raw", fields: lines("X-B-%d: 1"), allowed: many},
	{name: "many fields, few let through", path: "/named", fields: lines("X-B-%d: 1"), allowed: many},
	{name: "one field many times", fields: lines("X-A: %d"), allowed: many},
	{name: "one field many times, for CEL", path: "/cel", fields: lines("X-A: %d"), allowed: many},
	{name: "many fields for CEL", path: "/cel", fields: func(size int) string { return "X-A: 1\r\n" + lines("X-B-%d: 1")(size) }, allowed: many},
	{name: "many cookies", path: "/named", fields: list("Cookie", "c%d=1; ")},
	{name: "many lines of cookies", path: "/named", fields: lines("Cookie: c%d=1"), allowed: many},
	{name: "a long chain of addresses", path: "/address", fields: list("X-Forwarded-For", "10.0.0.1, ")},
	{name: "many chains of addresses", path: "/address", fields: lines("X-Forwarded-For: 10.%d.0.1"), allowed: many},
	{name: "a long key of a limit", path: "/limited", fields: list("X-A", "a")},
	{name: "many media types", path: "/negotiate", fields: list("Accept", "a/b%d;q=0.1, ")},
	{name: "semicolons of a media type", path: "/negotiate", fields: list("Accept", ";")},
	{name: "a long Origin", fields: list("Origin", "https://a.example.com")},
	{name: "many directives", path: "/cached", fields: list("Cache-Control", "max-stale=%d, ")},
	{name: "many codings", path: "/raw", fields: list("Accept-Encoding", "gzip;q=0, ")},
	{name: "a long token", path: "/token", fields: list("Authorization", "a.b.c."), allowed: declined},
	{name: "a token of many claims", path: "/token", fields: token(around(`{"a":1`, `,"c%d":1`, "}")), allowed: declined},
	{name: "a token whose header has many values", path: "/token", fields: func(size int) string {
		header := `{"alg":"HS256","kid":"k","x":[0` + strings.Repeat(",0", size*3/8) + "]}"
		return "Authorization: Bearer " + base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.AA\r\n"
	}, allowed: declined},
	{name: "a token of many levels", path: "/token", fields: token(func(size int) string {
		return `{"a":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2) + "}"
	}), allowed: declined},

	{name: "many parameters", target: target("/json?a=1", "&p%d=1")},
	{name: "one parameter many times", target: target("/json?a=1", "&a=%d")},
	{name: "many parameters, few let through", target: target("/named?a=1", "&p%d=1")},
	{name: "empty parameters", target: target("/json?", "&")},
	{name: "semicolons in the query", target: target("/json?a=1", ";b=%d")},
	{name: "broken escapes in the query", target: target("/json?a=1", "%%")},
	{name: "escapes in the query", target: target("/json?a=", "%%41")},
	{name: "a long segment", target: target("/u/", "a")},
	{name: "an escaped segment", target: target("/u/", "%%41")},
	{name: "an escaped segment, twice", target: target("/u/", "%%2541"), allowed: declined},
	{name: "semicolons in a segment", target: target("/u/", ";a"), allowed: declined},
	{name: "backslashes in a segment", target: target("/u/", `\a`), allowed: declined},
	{name: "a long path", target: target("/w", "/a%d")},
	{name: "slashes", target: target("/w/a", "/"), allowed: append([]int{301, 307}, declined...)},
	{name: "dots", target: target("/w/a", "/."), allowed: append([]int{301, 307}, declined...)},
	{name: "levels up", target: target("/w/a", "/a/.."), allowed: append([]int{301, 307}, declined...)},
	{name: "escaped levels up", target: target("/w/a", "/a/%%2e%%2E"), allowed: append([]int{301, 307}, declined...)},
	{name: "escaped slashes", target: target("/w/a", "%%2f"), allowed: append([]int{301, 307}, declined...)},
	{name: "letters that stand for eighteen", target: target("/w/", "\uFDFA"), perByte: beyondASCII},
	{name: "letters that stand for eighteen, in a value", target: target("/u/", "\uFDFA"), perByte: beyondASCII},
	{name: "escaped letters that stand for eighteen, behind a dot", target: target("/u/\uFF0E", "%%EF%%B7%%BA"), perByte: beyondASCII},
	{name: "letters that stand for eighteen, in segments", target: target("/w", "/\uFDFA"), perByte: beyondASCII},
	{name: "letters that stand for eighteen, for no method", method: "FOO", target: target("/w/", "\uFDFA"), allowed: []int{405}, perByte: 2 * beyondASCII},
	{name: "letters that stand for eighteen, for OPTIONS", method: "OPTIONS", target: target("/w/", "\uFDFA"), allowed: []int{405}, perByte: 2 * beyondASCII},
	{name: "letters that stand for eighteen, for nobody", target: target("/w/admin/secret/../\u00C5", "\uFDFA"), allowed: declined, perByte: beyondASCII},
	{name: "spaces of every kind", target: target("/w/", "\u2003"), perByte: beyondASCII},
	{name: "accents", target: target("/w/a", "\u0301\u0316"), allowed: declined, perByte: beyondASCII},
	{name: "marks that others cut at", target: target("/w/a", "\uFF1B\uFF3C\u2047\uFF0Fa"), allowed: declined, perByte: beyondASCII},
	{name: "slashes of nobody", target: target("/nobody", "/"), allowed: []int{404}},
	{name: "a path of nobody", target: target("/nobody", "/a"), allowed: []int{404}},

	{name: "a body", method: "POST", body: sized(around("", "a", ""))},
	{name: "a body, raw", method: "POST", path: "/raw", body: sized(around("", "a", ""))},
	{name: "small chunks", method: "POST", path: "/raw", body: func(size int) string {
		return "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", size/6) + "0\r\n\r\n"
	}},
	{name: "small chunks, for a decoding endpoint", method: "POST", body: func(size int) string {
		return "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", size/6) + "0\r\n\r\n"
	}},
	{name: "many trailers", method: "POST", path: "/raw", body: func(size int) string {
		return "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + lines("X-T-%d: 1")(size) + "\r\n"
	}, allowed: declined},

	{name: "an answer of many members", answer: say(around(`{"a":1`, `,"m%d":1`, "}"))},
	{name: "an answer of many members, cut", path: "/cut", answer: say(around(`{"k1":{"a":1}`, `,"m%d":1`, "}"))},
	{name: "an answer of many members, denied", path: "/deny", answer: say(around(`{"k1":{"a":1}`, `,"m%d":1`, "}"))},
	{name: "answers of many members, merged", path: "/merge", answer: say(around(`{"a":1`, `,"m%d":1`, "}"))},
	{name: "an answer of one member, many times", answer: say(around(`{"a":1`, `,"a":%d`, "}"))},
	{name: "an answer of one member, many times, cut", path: "/cut", answer: say(around(`{"k1":{"a":1}`, `,"k1":{"a":%d}`, "}"))},
	{name: "answers of one member, many times, merged", path: "/merge", answer: say(around(`{"a":1`, `,"a":%d`, "}"))},
	{name: "an answer of escaped names", path: "/cut", answer: say(around(`{"k1":{"a":1}`, `,"\u006b%d":1`, "}"))},
	{name: "a collection", path: "/collection", answer: say(around(`[1`, `,%d`, "]"))},
	{name: "a long text", answer: say(around(`{"a":"`, `\u0041`, `"}`))},
	{name: "a long number", answer: say(around(`{"a":`, `1`, `}`))},
	{name: "many levels", answer: say(func(size int) string {
		return `{"a":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2) + "}"
	}), allowed: declined},
	{name: "many levels without an end", answer: say(around(`{"a":`, `{"a":`, "")), allowed: declined},
	{name: "many members, to XML", path: "/to-xml", answer: say(around(`{"a":1`, `,"m%d":1`, "}"))},
	{name: "many members, to YAML", path: "/to-yaml", answer: say(around(`{"a":1`, `,"m%d":1`, "}"))},
	{name: "zeros, to YAML", path: "/to-yaml", answer: say(around(`{"a":[0`, `,0`, "]}"))},
	{name: "zeros, to XML", path: "/to-xml", answer: say(around(`{"a":[0`, `,0`, "]}"))},
	{name: "zeros, negotiated", path: "/negotiate", fields: always("Accept: text/plain"), answer: say(around(`{"a":[0`, `,0`, "]}"))},
	{name: "records, to YAML", path: "/to-yaml", answer: say(around(`{"a":[0`, `,{"id":%[1]d,"mail":"user%[1]d@example.com","tags":["a","b"]}`, "]}"))},
	{name: "records, to XML", path: "/to-xml", answer: say(around(`{"a":[0`, `,{"id":%[1]d,"mail":"user%[1]d@example.com","tags":["a","b"]}`, "]}"))},
	{name: "records, negotiated", path: "/negotiate", fields: always("Accept: application/xml;q=0.1, text/plain"), answer: say(around(`{"a":[0`, `,{"id":%[1]d}`, "]}"))},
	{name: "empty objects, to YAML", path: "/to-yaml", answer: say(around(`{"a":[0`, `,{}`, "]}"))},
	{name: "texts to quote, to YAML", path: "/to-yaml", answer: say(around(`{"a":"`, `\u0001`, `"}`))},
	{name: "zeros on many levels, to YAML", path: "/to-yaml", answer: say(around(`{"a":`+strings.Repeat("[", 90)+"0", ",0", strings.Repeat("]", 90)+"}"))},
	{name: "objects on many levels, to YAML", path: "/to-yaml", answer: say(around(`{"a":`+strings.Repeat(`{"a":`, 90)+"[0", `,{"a":0}`, "]"+strings.Repeat("}", 90)+"}"))},
	{name: "a long name many times, to XML", path: "/to-xml", answer: say(func(size int) string {
		return `{"` + strings.Repeat("a", size/2) + `":[0` + strings.Repeat(",0", size/4) + "]}"
	}), allowed: declined},
	{name: "names that are none, to XML", path: "/to-xml", answer: say(around(`{"a":1`, `,"-m %d":1`, "}"))},
	{name: "a text", path: "/string", answer: say(around("", "\x01<", ""))},
	{name: "XML of many elements", path: "/xml", answer: say(around("<a>", "<b>%d</b>", "</a>"))},
	{name: "XML of many names", path: "/xml", answer: say(around("<a>", "<b%[1]d>1</b%[1]d>", "</a>"))},
	{name: "XML of many attributes", path: "/xml", answer: say(around("<a", " b%d='1'", "/>"))},
	{name: "XML of many texts", path: "/xml", answer: say(around("<a>", "t<b/>", "</a>"))},
	{name: "XML of many levels", path: "/xml", answer: say(around("", "<a>", "")), allowed: declined},
	{name: "an answer of many fields", answer: say(around("", `{"a":1}`, ""), "X-A: 1"), path: "/string"},
	{name: "many fields of an answer", path: "/raw", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\n" + lines("X-B-%d: 1")(size) + "Content-Length: 1\r\n\r\na"
	}, allowed: declined},
	{name: "fields of an answer named in Connection", path: "/raw", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\n" + connection(size) + "Content-Length: 1\r\n\r\na"
	}, allowed: declined},
	{name: "small chunks of an answer", path: "/raw", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", size/6) + "0\r\n\r\n"
	}},
	{name: "small chunks of an object", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"a\":\"\r\n" + strings.Repeat("1\r\na\r\n", size/6) + "2\r\n\"}\r\n0\r\n\r\n"
	}},
	{name: "an answer that varies by many", path: "/cached", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: " + repeat("x%d,", size) + "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
	}},
	{name: "an answer of many directives", path: "/cached", answer: func(size int) string {
		return "HTTP/1.1 200 OK\r\nCache-Control: max-age=60, " + repeat("x%d,", size) + "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
	}},
}

// rounds is how often a case is sent, each time on a connection of its own.
const rounds = 2

// send sends the request of a case and reads the answers.
func (c *testCase) send(t *testing.T, address string, size int) {
	t.Helper()
	where, method := c.path, c.method
	if c.target != nil {
		where = c.target(size)
	}
	if where == "" {
		where = "/json"
	}
	if method == "" {
		method = http.MethodGet
	}
	text := method + " " + where + " HTTP/1.1\r\nHost: gateway.test\r\n"
	if c.fields != nil {
		text += c.fields(size)
	}
	if c.body != nil {
		text += c.body(size)
	} else {
		text += "\r\n"
	}
	allowed := c.allowed
	if allowed == nil {
		allowed = []int{200}
	}
	for range rounds {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		sent := make(chan struct{})
		go func() { io.WriteString(conn, text); close(sent) }() // the answer tells what became of it
		res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err == nil {
			if !slices.Contains(allowed, res.StatusCode) {
				t.Errorf("status %d, want one of %v", res.StatusCode, allowed)
			}
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if refusable := len(allowed) > 1; err != nil && !(refusable && errors.Is(err, syscall.ECONNRESET)) {
			t.Errorf("no whole answer: %v", err) // a refusal may be overtaken by the end of the connection
		}
		conn.Close()
		<-sent
	}
}
