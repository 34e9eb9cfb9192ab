package wire

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// parseRequest reads the head at the beginning of text as a server does.
func parseRequest(text string) (h RequestHead, rest string, err error) {
	end, _, err := ScanHead([]byte(text), 0, Limits{})
	if err != nil {
		return h, "", err
	}
	if end == 0 {
		return h, "", errIncomplete
	}
	return h, text[end:], h.Parse(text[:end])
}

var errIncomplete = errors.New("incomplete")

func TestRequestHead(t *testing.T) {
	var host gateway.Fields
	tests := []struct {
		name, text string
		want       RequestHead
	}{
		{"the least", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "GET", Target: "/", Path: "/", Authority: "h", Minor: 1, Fields: host, KeepAlive: true}},
		{"HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n",
			RequestHead{Method: "GET", Target: "/a", Path: "/a", Fields: host}},
		{"HTTP/1.0 that goes on", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
			RequestHead{Method: "GET", Target: "/", Path: "/", KeepAlive: true, Fields: gateway.Fields{{Name: "Connection", Value: "Keep-Alive"}}}},
		{"a last one", "GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n",
			RequestHead{Method: "GET", Target: "/", Path: "/", Authority: "h", Minor: 1, Fields: gateway.Fields{{Name: "Connection", Value: "x, CLOSE"}}}},
		{"a query", "get /a%2Fb//c?x=%zz?y HTTP/1.1\r\nHost: h:81\r\n\r\n",
			RequestHead{Method: "get", Target: "/a%2Fb//c?x=%zz?y", Path: "/a%2Fb//c", Query: "x=%zz?y", Authority: "h:81", Minor: 1, Fields: host, KeepAlive: true}},
		{"an absolute target", "GET HTTP://o.test:82/a?b HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "GET", Target: "HTTP://o.test:82/a?b", Path: "/a", Query: "b", Authority: "o.test:82", Minor: 1, Fields: host, KeepAlive: true}},
		{"bytes above ASCII", "GET /gr\xc3\xbc?\xffx=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "GET", Target: "/gr\xc3\xbc?\xffx=%zz", Path: "/gr%C3%BC", Query: "%FFx=%zz", Authority: "h", Minor: 1, Fields: host, KeepAlive: true}},
		{"the server itself", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "OPTIONS", Target: "*", Path: "*", Authority: "h", Minor: 1, Fields: host, KeepAlive: true}},
		{"the server itself, by an absolute target", "OPTIONS http://o.test:82 HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "OPTIONS", Target: "http://o.test:82", Path: "*", Authority: "o.test:82", Minor: 1, Fields: host, KeepAlive: true}},
		{"the root, by an absolute target with a slash", "OPTIONS http://o.test/ HTTP/1.1\r\nHost: h\r\n\r\n",
			RequestHead{Method: "OPTIONS", Target: "http://o.test/", Path: "/", Authority: "o.test", Minor: 1, Fields: host, KeepAlive: true}},
		{"an absolute target without a path", "GET https://[::1]?a=/b HTTP/1.1\r\nHost: [::1]\r\n\r\n",
			RequestHead{Method: "GET", Target: "https://[::1]?a=/b", Path: "/", Query: "a=/b", Authority: "[::1]", Minor: 1, Fields: host, KeepAlive: true}},
		{"a body", "POST / HTTP/1.1\r\nhost: h\r\nCONTENT-LENGTH: 012\r\nexpect: 100-Continue\r\n\r\n",
			RequestHead{Method: "POST", Target: "/", Path: "/", Authority: "h", Minor: 1, Length: 12, KeepAlive: true, Expect: true,
				Fields: gateway.Fields{{Name: "Content-Length", Value: "012"}, {Name: "Expect", Value: "100-Continue"}}}},
		{"chunks", "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: Chunked\r\n\r\n",
			RequestHead{Method: "POST", Target: "/", Path: "/", Authority: "h", Minor: 1, Length: -1, Chunked: true, Fields: host, KeepAlive: true}},
		{"nothing to wait for", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
			RequestHead{Method: "POST", Target: "/", Path: "/", Authority: "h", Minor: 1, KeepAlive: true,
				Fields: gateway.Fields{{Name: "Content-Length", Value: "0"}, {Name: "Expect", Value: "100-continue"}}}},
		{"expectations are news to HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\n",
			RequestHead{Method: "POST", Target: "/", Path: "/", Length: 1, Fields: gateway.Fields{{Name: "Content-Length", Value: "1"}}}},
		{"names and values", "GET / HTTP/1.1\r\nHost:h\r\nx-own_name: \t a \tb\xff \t\r\ncontent_length: 5\r\nETag:x\r\nX-B:\r\n\r\n",
			RequestHead{Method: "GET", Target: "/", Path: "/", Authority: "h", Minor: 1, KeepAlive: true,
				Fields: gateway.Fields{{Name: "X-Own_name", Value: "a \tb\xff"}, {Name: "Content_length", Value: "5"}, {Name: "Etag", Value: "x"}, {Name: "X-B"}}}},
		{"an offer to switch", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
			RequestHead{Method: "GET", Target: "/", Path: "/", Authority: "h", Minor: 1, KeepAlive: true, Upgrade: "websocket",
				Fields: gateway.Fields{{Name: "Connection", Value: "Upgrade"}, {Name: "Upgrade", Value: "websocket"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rest, err := parseRequest(tt.text)
			if err != nil || rest != "" || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q:\n got %+v, %v\nwant %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestMalformedRequests(t *testing.T) {
	const get, post, h, end = "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Host: h\r\n", "\r\n"
	tests := []struct {
		name, text string
		status     int
	}{
		{"length and chunked", post + h + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + end, 400},
		{"chunked and length", post + h + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" + end, 400},
		{"chunked twice", post + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + end, 400},
		{"a list of codings", post + h + "Transfer-Encoding: x, chunked\r\n" + end, 501},
		{"identity", post + h + "Transfer-Encoding: identity\r\n" + end, 501},
		{"no coding", post + h + "Transfer-Encoding:\r\n" + end, 501},
		{"a control character before the coding", post + h + "Transfer-Encoding: \vchunked\r\n" + end, 400},
		{"a character above ASCII before the coding", post + h + "Transfer-Encoding: \xa0chunked\r\n" + end, 501},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n" + end, 400},
		{"a trailer that frames", post + h + "Transfer-Encoding: chunked\r\nTrailer: X, content-length\r\n" + end, 400},
		{"two lengths", post + h + "Content-Length: 0\r\nContent-Length: 5\r\n" + end, 400},
		{"two equal lengths", post + h + "Content-Length: 5\r\nContent-Length: 5\r\n" + end, 400},
		{"a list of lengths", post + h + "Content-Length: 0, 0\r\n" + end, 400},
		{"a length with a sign", post + h + "Content-Length: +0\r\n" + end, 400},
		{"a negative length", post + h + "Content-Length: -1\r\n" + end, 400},
		{"a length with a separator", post + h + "Content-Length: 1_0\r\n" + end, 400},
		{"a hexadecimal length", post + h + "Content-Length: 0x5\r\n" + end, 400},
		{"no length", post + h + "Content-Length:\r\n" + end, 400},
		{"a length of 2^63", post + h + "Content-Length: 9223372036854775808\r\n" + end, 400},
		{"a length of 2^64", post + h + "Content-Length: 18446744073709551616\r\n" + end, 400},
		{"a space before the colon", get + h + "X-A : b\r\n" + end, 400},
		{"a length with a space before the colon", post + h + "Content-Length : 0\r\n" + end, 400},
		{"a folded line", get + h + "X-A: b\r\n c\r\n" + end, 400},
		{"a line folded by a tab", get + h + "X-A: b\r\n\tc\r\n" + end, 400},
		{"a field without a colon", get + h + "XA\r\n" + end, 400},
		{"a field without a name", get + h + ": x\r\n" + end, 400},
		{"a name that is no token", get + h + "X(A): b\r\n" + end, 400},
		{"a name above ASCII", get + h + "X\xc3\xa4: b\r\n" + end, 400},
		{"a null byte in a value", get + h + "X-A: a\x00b\r\n" + end, 400},
		{"DEL in a value", get + h + "X-A: a\x7fb\r\n" + end, 400},
		{"a carriage return in a value", get + h + "X-A: a\rX-B: c\r\n" + end, 400},
		{"two carriage returns", get + h + "X-A: a\r\r\n" + end, 400},
		{"lines without carriage returns", "GET / HTTP/1.1\nHost: h\n\n", 400},
		{"one line without a carriage return", get + h + "X-A: b\n" + end, 400},
		{"an end without a carriage return", get + h + "\n", 400},
		{"two hosts", get + "Host: a\r\nHost: b\r\n" + end, 400},
		{"two equal hosts", get + h + h + end, 400},
		{"no host", get + end, 400},
		{"a host with a space", get + "Host: a b/c\r\n" + end, 400},
		{"a host with a path", get + "Host: a/c\r\n" + end, 400},
		{"a host with a user", get + "Host: u@a\r\n" + end, 400},
		{"a list of hosts", get + "Host: a, b\r\n" + end, 400},
		{"a host with a bad escape", get + "Host: a%2\r\n" + end, 400},
		{"a host with a bad port", get + "Host: a:8x\r\n" + end, 400},
		{"a host with a large port", get + "Host: a:65536\r\n" + end, 400},
		{"a port without a host", get + "Host: :80\r\n" + end, 400},
		{"an address without its bracket", get + "Host: [::1\r\n" + end, 400},
		{"an address with a zone", get + "Host: [fe80::1%25a]\r\n" + end, 400},
		{"something after the address", get + "Host: [::1]a\r\n" + end, 400},
		{"a space in the target", "GET /a b HTTP/1.1\r\n" + h + end, 400},
		{"a tab in the target", "GET /a\tb HTTP/1.1\r\n" + h + end, 400},
		{"a control character in the target", "GET /\x01 HTTP/1.1\r\n" + h + end, 400},
		{"a character above ASCII in the host of a target", "GET http://\xc3\xa4/ HTTP/1.1\r\n" + h + end, 400},
		{"a fragment", "GET /a#b HTTP/1.1\r\n" + h + end, 400},
		{"an escape that is none", "GET /%zz HTTP/1.1\r\n" + h + end, 400},
		{"an escape that is cut off", "GET /%2 HTTP/1.1\r\n" + h + end, 400},
		{"no target", "GET  HTTP/1.1\r\n" + h + end, 400},
		{"two spaces before the target", "GET  / HTTP/1.1\r\n" + h + end, 400},
		{"two spaces after the target", "GET /  HTTP/1.1\r\n" + h + end, 400},
		{"a space at the end", "GET / HTTP/1.1 \r\n" + h + end, 400},
		{"an asterisk for GET", "GET * HTTP/1.1\r\n" + h + end, 400},
		{"an asterisk with more", "OPTIONS *a HTTP/1.1\r\n" + h + end, 400},
		{"an asterisk with a query", "OPTIONS *?a HTTP/1.1\r\n" + h + end, 400},
		{"CONNECT", "CONNECT h:443 HTTP/1.1\r\n" + h + end, 400},
		{"CONNECT of a path", "CONNECT / HTTP/1.1\r\n" + h + end, 400},
		{"another scheme", "GET ftp://h/ HTTP/1.1\r\n" + h + end, 400},
		{"an absolute target without a host", "GET http:///a HTTP/1.1\r\n" + h + end, 400},
		{"an absolute target with a user", "GET http://u@h/ HTTP/1.1\r\n" + h + end, 400},
		{"an absolute target and a bad host", "GET http://h/ HTTP/1.1\r\nHost: a b\r\n" + end, 400},
		{"a target without a slash", "GET a HTTP/1.1\r\n" + h + end, 400},
		{"no version", "GET /\r\n" + h + end, 400},
		{"a version without a dot", "GET / HTTP/11\r\n" + h + end, 400},
		{"a version in lower case", "GET / http/1.1\r\n" + h + end, 400},
		{"a version with a leading zero", "GET / HTTP/01.1\r\n" + h + end, 400},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + h + end, 505},
		{"HTTP/0.9", "GET / HTTP/0.9\r\n" + h + end, 505},
		{"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
		{"no method", " / HTTP/1.1\r\n" + h + end, 400},
		{"a method that is no token", "G(T / HTTP/1.1\r\n" + h + end, 400},
		{"a space before the first field", "GET / HTTP/1.1\r\n X-A: b\r\n" + h + end, 400},
		{"a space before the method", " GET / HTTP/1.1\r\n" + h + end, 400},
		{"an empty line first", "\r\nGET / HTTP/1.1\r\n" + h + end, 400},
		{"another expectation", get + h + "Expect: miracles\r\n" + end, 417},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseRequest(tt.text)
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != tt.status {
				t.Errorf("%q: error %v, want status %d", tt.text, err, tt.status)
			}
		})
	}
}

// stricter are the reasons for which we refuse requests that net/http reads.
// Each was looked at: what is refused leaves room for two readings, or is
// nothing that a gateway serves.
var stricter = []string{
	"Content-Length beside Transfer-Encoding",             // net/http drops the length
	"Content-Length is given twice",                       // net/http takes equal ones for one
	"CONNECT is not served",                               // no target with a path
	"Transfer-Encoding in HTTP/1.0",                       // net/http ignores the field
	"a Host that is none",                                 // net/http checks it later, in its server
	"a control character in a line",                       // the same
	"a control character in the head",                     // the same
	"a fragment in the target",                            // net/http takes it for part of the path
	"a line begins with white space",                      // net/http joins folded lines
	"a line ends without a carriage return",               // net/http accepts that
	"a target without a path",                             // an asterisk but for OPTIONS, opaque and other schemes
	"a trailer is announced that would frame the message", // net/http looks at it only where it keeps the coding
	"a version of HTTP other than 1.0 and 1.1",            // net/http checks it later, in its server
	"an expectation other than 100-continue",              // the same
	"Host is given twice",                                 // the same
	"no Host",                                             // the same
	"no host in the target, or one that is none",          // users, and characters that Host may not have either
	"a field without a colon right after its name",        // names with spaces, which net/http refuses in its server
	"a carriage return within a line",                     // at the end of a line net/http drops it
	"a transfer coding other than chunked",                // in HTTP/1.0 net/http does not look at it
	"Content-Length is not a number",                      // beside a transfer coding net/http does not look at it
	"Transfer-Encoding is given twice",                    // in HTTP/1.0, as above
}

// FuzzRequestHead compares with net/http: what that refuses is refused, what
// both accept is the same message, and what only we refuse is on the list.
func FuzzRequestHead(f *testing.F) {
	for _, text := range []string{
		"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nX-A: b\r\nX-A: c\r\n\r\nhello",
		"PUT http://[::1]:80/%41 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /gr\xc3\xbc\xc3\x9fe?\xff HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _, err := parseRequest(string(text))
		if err == errIncomplete {
			return
		}
		want, wantErr := http.ReadRequest(bufio.NewReader(strings.NewReader(string(text))))
		switch {
		case err != nil && wantErr == nil:
			if !slices.Contains(stricter, err.Error()) {
				t.Fatalf("%q: net/http accepts it; we refuse: %v", text, err)
			}
		case err == nil && wantErr != nil:
			t.Fatalf("%q: net/http refuses it: %v", text, wantErr)
		case err == nil:
			same(t, &got, want)
		}
	})
}

// same compares what both made of a request.
func same(t *testing.T, got *RequestHead, want *http.Request) {
	t.Helper()
	if got.Method != want.Method || got.Target != want.RequestURI || got.Authority != want.Host || got.Minor != want.ProtoMinor {
		t.Fatalf("%+v, net/http: %s %s %s %s", got, want.Method, want.RequestURI, want.Host, want.Proto)
	}
	if got.Length != want.ContentLength || got.Chunked != slices.Equal(want.TransferEncoding, []string{"chunked"}) || got.KeepAlive == want.Close {
		t.Fatalf("%+v, net/http: %d %v %t", got, want.ContentLength, want.TransferEncoding, want.Close)
	}
	fields := make(http.Header)
	for _, field := range got.Fields {
		fields[field.Name] = append(fields[field.Name], field.Value)
	}
	for _, h := range []http.Header{fields, want.Header} {
		h.Del("Trailer") // net/http keeps it elsewhere
		if h.Get("Pragma") == "no-cache" {
			h.Del("Cache-Control") // net/http adds it
		}
	}
	if fmt.Sprint(fields) != fmt.Sprint(want.Header) {
		t.Fatalf("fields %v, net/http: %v", fields, want.Header)
	}
}

// browser is the head of a request as browsers send it by way of a balancer
// that writes names in lower case.
const browser = "GET /api/items/42?expand=all HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n" +
	"accept: application/json, text/plain, */*\r\naccept-language: en-US,en;q=0.5\r\naccept-encoding: gzip, deflate, br\r\n" +
	"x-request-id: 5b9c2f0e-7f0a-4a53-9d5f-0a8f6ad1f3c1\r\nx-forwarded-for: 203.0.113.7\r\ncookie: session=abcdef0123456789\r\nconnection: keep-alive\r\n\r\n"

func TestRequestHeadAllocations(t *testing.T) {
	var h RequestHead
	if n := testing.AllocsPerRun(100, func() {
		if err := h.Parse(browser); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkRequestHead(b *testing.B) {
	var h RequestHead
	raw := []byte(browser)
	b.ReportAllocs()
	for b.Loop() {
		end, _, err := ScanHead(raw, 0, Limits{HeadBytes: 1 << 20, Fields: 1000})
		if err != nil || end != len(raw) {
			b.Fatal(end, err)
		}
		if err := h.Parse(browser); err != nil {
			b.Fatal(err)
		}
	}
}
