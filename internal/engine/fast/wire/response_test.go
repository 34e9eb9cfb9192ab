package wire

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

func parseResponse(text, method string) (h ResponseHead, err error) {
	end, _, err := ScanHead([]byte(text), 0, Limits{})
	if err != nil {
		return h, err
	}
	if end == 0 {
		return h, errIncomplete
	}
	return h, h.Parse(text[:end], method)
}

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
			if got, err := parseResponse(tt.text, tt.method); err != nil || !reflect.DeepEqual(got, tt.want) {
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
		"two equal lengths":          ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"length and chunked":         ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"another coding":             ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"chunked in HTTP/1.0":        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a space before the colon":   ok + "X-A : b\r\n\r\n",
		"a folded line":              ok + "X-A: b\r\n c\r\n\r\n",
		"lines without returns":      "HTTP/1.1 200 OK\n\n",
		"a null byte in the reason":  "HTTP/1.1 200 O\x00K\r\n\r\n",
		"a field without a colon":    ok + "XA\r\n\r\n",
		"a bad length, even to HEAD": ok + "Content-Length: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := parseResponse(text, "HEAD"); err == nil {
				t.Errorf("%q: %+v, want an error", text, h)
			}
		})
	}
}

// FuzzResponseHead compares with net/http: what that refuses is refused, and
// what both accept has the same status, the same fields in the same number, and
// the same framing.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false)
	f.Add([]byte("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.0 304 x\r\nA: b\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		got, err := parseResponse(string(text), method)
		if err != nil {
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
