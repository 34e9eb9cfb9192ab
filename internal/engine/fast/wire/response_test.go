package wire

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// parseResponse reads the head at the beginning of text as a client does, with as
// many bytes at a time.
func parseResponse(text, method string, size int) (h ResponseHead, err error) {
	var r Reader
	r.Reset(pieces{strings.NewReader(text), size})
	defer func() { r.Reset(nil) }()
	for {
		head, err := r.AnswerHead(Limits{})
		if err != nil {
			return h, err
		}
		if head != "" {
			return h, h.Parse(head, method)
		}
		if r.Fill() != nil {
			return h, errIncomplete
		}
	}
}

// pieces read no more than size bytes at a time.
type pieces struct {
	from io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.size)]) }

func TestResponseHead(t *testing.T) {
	var none gateway.Fields
	five := gateway.Fields{{Name: "Content-Length", Value: "5"}}
	chunked := gateway.Fields{{Name: "Transfer-Encoding", Value: "chunked"}}
	const length, coding = "Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, text, method string
		want               ResponseHead
	}{
		{"a length", "HTTP/1.1 200 OK\r\n" + length, "GET",
			ResponseHead{Minor: 1, Status: 200, Fields: five, Announced: 5, Length: 5, KeepAlive: true}},
		{"chunks", "HTTP/1.1 404 Not Found\r\n" + coding, "GET",
			ResponseHead{Minor: 1, Status: 404, Fields: chunked, Announced: -1, Length: -1, Chunked: true, KeepAlive: true}},
		{"the end of the connection", "HTTP/1.1 200 OK\r\n\r\n", "GET",
			ResponseHead{Minor: 1, Status: 200, Fields: none, Announced: -1, Length: -1}},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n" + length, "GET",
			ResponseHead{Status: 200, Fields: five, Announced: 5, Length: 5}},
		{"no reason, with its space", "HTTP/1.1 999 \r\n" + length, "GET",
			ResponseHead{Minor: 1, Status: 999, Fields: five, Announced: 5, Length: 5, KeepAlive: true}},
		{"no reason, without its space", "HTTP/1.1 599\r\n" + length, "GET",
			ResponseHead{Minor: 1, Status: 599, Fields: five, Announced: 5, Length: 5, KeepAlive: true}},
		{"HEAD", "HTTP/1.1 200 OK\r\n" + length, "HEAD",
			ResponseHead{Minor: 1, Status: 200, Fields: five, Announced: 5, KeepAlive: true}},
		{"HEAD of chunks", "HTTP/1.1 200 OK\r\n" + coding, "HEAD",
			ResponseHead{Minor: 1, Status: 200, Fields: chunked, Announced: -1, KeepAlive: true}},
		{"an interim answer", "HTTP/1.1 103 Early Hints\r\n\r\n", "GET",
			ResponseHead{Minor: 1, Status: 103, Fields: none, Announced: -1, KeepAlive: true}},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET",
			ResponseHead{Minor: 1, Status: 204, Fields: none, Announced: -1, KeepAlive: true}},
		{"304 with a length", "HTTP/1.1 304 Not Modified\r\n" + length, "GET",
			ResponseHead{Minor: 1, Status: 304, Fields: five, Announced: 5, KeepAlive: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseResponse(tt.text, tt.method, 1<<20); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q:\n got %+v, %v\nwant %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestMalformedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, text := range map[string]string{
		"no status":                  "HTTP/1.1\r\n\r\n",
		"a status of two digits":     "HTTP/1.1 20 OK\r\n\r\n",
		"a status of four digits":    "HTTP/1.1 2000 OK\r\n\r\n",
		"a status below 100":         "HTTP/1.1 099 OK\r\n\r\n",
		"a status with a letter":     "HTTP/1.1 2x0 OK\r\n\r\n",
		"two spaces":                 "HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/2":                     "HTTP/2.0 200 OK\r\n\r\n",
		"another protocol":           "ICY 200 OK\r\n\r\n",
		"two lengths":                ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"two spellings of a length":  ok + "Content-Length: 1\r\nContent-Length: 01\r\n\r\n",
		"a list of lengths":          ok + "Content-Length: 1, 1\r\n\r\n",
		"length and chunked":         ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"another coding":             ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"chunked in HTTP/1.0":        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a space in a name":          ok + "X A: b\r\n\r\n",
		"a folded status line":       "HTTP/1.1 200\r\n OK\r\n\r\n",
		"a folded length":            ok + "Content-Length:\r\n 1\r\n\r\n",
		"a folded coding":            ok + "Transfer-Encoding :\r\n\tchunked\r\n\r\n",
		"a fold of nothing":          ok + "X-A: b\r\n \r\nX-B: c\r\n\r\n",
		"a return within a line":     "HTTP/1.1 200 OK\nX-A: b\rc\n\n",
		"two returns":                "HTTP/1.1 200 OK\nX-A: b\r\r\n\n",
		"a null byte after a feed":   "HTTP/1.1 200 OK\nX-A: b\x00\n\n",
		"an empty line first":        "\nHTTP/1.1 200 OK\n\n",
		"two lengths after feeds":    "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\n",
		"a null byte in the reason":  "HTTP/1.1 200 O\x00K\r\n\r\n",
		"a field without a colon":    ok + "XA\r\n\r\n",
		"a bad length, even to HEAD": ok + "Content-Length: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			method := "HEAD"
			if strings.Contains(name, "chunked") {
				method = "GET"
			}
			if h, err := parseResponse(text, method, 1<<20); err == nil {
				t.Errorf("%q: %+v, want an error", text, h)
			}
		})
	}
}

// TestBodilessResponses: answers that have no body end with their header, whatever it says
// (RFC 9112, section 6.3).
func TestBodilessResponses(t *testing.T) {
	for _, fields := range []string{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\nContent-Length: 5\r\n\r\n"} {
		for _, tt := range []struct{ method, start string }{
			{"HEAD", "HTTP/1.1 200 OK"}, {"GET", "HTTP/1.1 103 Early Hints"}, {"GET", "HTTP/1.1 204 No Content"}, {"GET", "HTTP/1.0 304 Not Modified"},
		} {
			h, err := parseResponse(tt.start+"\r\n"+fields, tt.method, 1<<20)
			if err != nil || h.Length != 0 || h.Chunked || h.Announced != -1 {
				t.Errorf("%s %s with %q: %+v, %v", tt.method, tt.start, fields, h, err)
			}
		}
	}
}

// TestUntidyResponses: what has one meaning only is repaired, however the bytes
// arrive.
func TestUntidyResponses(t *testing.T) {
	plain := "HTTP/1.1 200 OK\r\nX-A: b c\r\nContent-Length: 5\r\nX-B: d\r\n\r\n"
	want, err := parseResponse(plain, "GET", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tidy":                     plain,
		"line feeds":               strings.ReplaceAll(plain, "\r\n", "\n"),
		"a line feed":              strings.Replace(plain, "c\r\n", "c\n", 1),
		"a line feed at the end":   strings.Replace(plain, "d\r\n\r\n", "d\r\n\n", 1),
		"a line feed at the start": strings.Replace(plain, "OK\r\n", "OK\n", 1),
		"a fold":                   strings.Replace(plain, "b c", "b\r\n c", 1),
		"a fold by tabs":           strings.Replace(plain, "b c", "b \r\n\t\t c \t", 1),
		"a fold behind the colon":  strings.Replace(plain, "b c", "\r\n b c", 1),
		"folds and feeds":          strings.Replace(strings.ReplaceAll(plain, "\r\n", "\n"), "b c", "\n b\n c", 1),
		"spaces before colons":     strings.ReplaceAll(plain, ": ", " \t: "),
		"a length twice":           strings.Replace(plain, "X-B", "content-length:5\r\nX-B", 1),
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			got, err := parseResponse(text, "GET", size)
			got.Fields = slices.CompactFunc(got.Fields, func(a, b gateway.Field) bool { return a == b && a.Name == "Content-Length" })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %d bytes at a time:\n got %+v, %v\nwant %+v", name, size, got, err, want)
			}
		}
	}
	limits := Limits{HeadBytes: 1000, Fields: 5}
	for name, text := range map[string]string{
		"too large":       "HTTP/1.1 200 OK\nX-A: " + strings.Repeat("b", 2000) + "\n\n",
		"without an end":  "HTTP/1.1 200 OK\nX-A: " + strings.Repeat("b", 2000),
		"too many fields": "HTTP/1.1 200 OK\n" + strings.Repeat("A: b\n", 6) + "\n",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			var r Reader
			r.Reset(pieces{strings.NewReader(text), size})
			head, err := r.AnswerHead(limits)
			for head == "" && err == nil && r.Fill() == nil {
				head, err = r.AnswerHead(limits)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 431 {
				t.Errorf("%s, %d bytes at a time: %q, %v, want 431", name, size, head, err)
			}
			r.Reset(nil)
		}
	}
}

// FuzzResponseHead compares with net/http: what that refuses is refused, and
// what both accept has the same status, the same fields in the same number, and
// the same framing. White space before a colon is the exception, which net/http
// takes for a part of the name.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false)
	f.Add([]byte("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.0 304 x\r\nA: b\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 1\nContent-Length: 1\n\nx"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		got, err := parseResponse(string(text), method, 1<<20)
		if piecewise, pieceErr := parseResponse(string(text), method, 1); (err == nil) != (pieceErr == nil) || err == nil && !reflect.DeepEqual(got, piecewise) {
			t.Fatalf("%q: at once %+v, %v; byte by byte %+v, %v", text, got, err, piecewise, pieceErr)
		}
		if err != nil || spacedName.Match(text) {
			return
		}
		want, wantErr := http.ReadResponse(bufio.NewReader(strings.NewReader(string(text))), &http.Request{Method: method})
		if wantErr != nil {
			t.Fatalf("%q: net/http refuses it: %v", text, wantErr)
		}
		if got.Status != want.StatusCode || got.Minor != want.ProtoMinor {
			t.Fatalf("%+v, net/http: %+v", got, want)
		}
		if hasBody := want.Body != http.NoBody; hasBody != (got.Length != 0) || hasBody && got.Length != want.ContentLength {
			t.Fatalf("%+v, net/http: length %d", got, want.ContentLength)
		}
	})
}

var spacedName = regexp.MustCompile(`\n[^:\n]*[ \t]:`)

func TestResponseHeadAllocations(t *testing.T) {
	var h ResponseHead
	const text = "HTTP/1.1 200 OK\r\nserver: nginx\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-type: application/json\r\n" +
		"content-length: 2048\r\nconnection: keep-alive\r\netag: \"abc\"\r\nX-Own: 1\r\n\r\n"
	if n := testing.AllocsPerRun(100, func() {
		if err := h.Parse(text, "GET"); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
