package fast

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A canned connection has an answer ready and takes everything.
type canned struct {
	net.Conn
	answer *bytes.Reader
	most   int // bytes that arrive at once
}

func (c *canned) Read(p []byte) (int, error)      { return c.answer.Read(p[:min(len(p), c.most)]) }
func (*canned) Write(p []byte) (int, error)       { return len(p), nil }
func (*canned) Close() error                      { return nil }
func (*canned) SetReadDeadline(_ time.Time) error { return nil }

// standard reads an answer as net/http does.
func standard(method string, answer []byte) (status int, text []byte, trailer http.Header, err error) {
	r := bufio.NewReaderSize(bytes.NewReader(answer), 64<<10) // trailers must fit into it
	for {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return 0, nil, nil, err
		}
		if res.StatusCode >= 200 {
			text, err := io.ReadAll(res.Body)
			return res.StatusCode, text, res.Trailer, err
		}
	}
}

// FuzzAnswer: what the client makes of an answer, net/http makes of it too,
// and what net/http refuses, the client refuses. How the bytes are cut up on
// their way makes no difference.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		hello, empty, hello + hello,
		okHead + "\r\nhello",
		okHead + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
		okHead + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		okHead + "Connection: close, X-A\r\nX-A: b\r\nb: c\r\nA: d\r\n\r\nhello",
		okHead + "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\nX-T : 2\r\nContent-Length: 3\r\nGrpc-Status:0\r\n\r\n",
		okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: a\x00b\r\n\r\n",
		okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nX T: 1\r\n: 2\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + hello,
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\n" + hello,
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200\nContent-Length: 5\n\nhello",
	} {
		f.Add([]byte(seed), uint8(0), uint8(255))
		f.Add([]byte(seed), uint8(1), uint8(1))
	}
	c := NewClient(model.Transport{}, nil).(*Client)
	h := newHost(c, origin{"http", "backend.test"})
	f.Fuzz(func(t *testing.T, answer []byte, method, most uint8) {
		x := newCall(t, []string{"GET", "HEAD", "POST"}[method%3], "backend.test", body.Body{})
		k := &call{ctx: t.Context(), host: h, x: x}
		if err := k.prepare(); err != nil {
			t.Fatal(err)
		}
		conn := &canned{answer: bytes.NewReader(answer), most: int(most) + 1}
		h.start(k, newLink(conn, conn))
		k.send()
		err := k.Finish()
		var text []byte
		if err == nil {
			fields := x.Response.Header
			for i := range fields {
				if name := fields[i].Name; i > 0 && name < fields[i-1].Name || strings.EqualFold(name, "Connection") {
					t.Errorf("field %q is out of place", name)
				}
			}
			text, err = x.Response.Body.Bytes(0)
		}
		h.leave() // whatever was kept
		h.gone = false
		if err != nil {
			return
		}
		status, want, trailer, err := standard(x.Request.Method, answer)
		if err != nil || status != x.Response.Status || !bytes.Equal(text, want) {
			t.Errorf("%s: %d %q, net/http: %d %q, %v", x.Request.Method, x.Response.Status, text, status, want, err)
		}
		if x.Response.Trailer == nil {
			return
		}
		for _, f := range *x.Response.Trailer {
			if !engine.Sendable(f) || !gateway.MayTrail(f.Name) {
				t.Errorf("trailer %q", f)
			}
			if !slices.Contains(trailer[f.Name], f.Value) && !bytes.Contains(answer, []byte(" :")) && !bytes.Contains(answer, []byte("\t:")) {
				t.Errorf("trailer %q, net/http: %q", f, trailer)
			}
		}
	})
}
