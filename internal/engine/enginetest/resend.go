package enginetest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// resendCases are about streams that a backend of HTTP/2 has not processed, and says
// so: those above the last one of its GOAWAY, and those that it refuses (RFC 9113,
// sections 6.8 and 8.7).
var resendCases = cases{
	{"a stream that a backend of HTTP/2 has not processed is sent again", unprocessedStreams},
	{"a stream that a backend of HTTP/2 may have processed is not sent again", processedStreams},
}

// A refuser is a backend of HTTP/2. It answers a stream for /first as it should; of
// the others it ends the first one, when as much of its body has come as it waits
// for, and answers those that come later with their method and their bodies.
type refuser struct {
	server  *tls.Config // nil for none
	waits   int         // bytes
	end     func(f *http2.Framer, id uint32) error
	streams atomic.Int64
}

func (r *refuser) serve(w *wire) {
	conn := w.Conn
	if r.server != nil {
		conn = tls.Server(w.Conn, r.server)
	}
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings() != nil {
		return
	}
	type stream struct {
		method string
		body   []byte
		first  bool
		ended  bool
	}
	streams := make(map[uint32]*stream)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		id := frame.Header().StreamID
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck() // the next read tells if it fails
			}
		case *http2.MetaHeadersFrame:
			s := &stream{method: frame.PseudoValue("method")}
			if frame.PseudoValue("path") != "/first" {
				s.first = r.streams.Add(1) == 1
			}
			streams[id] = s
		case *http2.PingFrame:
			f.WritePing(true, frame.Data)
		case *http2.DataFrame:
			n := uint32(len(frame.Data()))
			if n > 0 {
				f.WriteWindowUpdate(0, n)
			}
			s := streams[id]
			if s == nil {
				continue
			}
			s.body = append(s.body, frame.Data()...)
			if n > 0 && !s.first {
				f.WriteWindowUpdate(id, n)
			}
		}
		s := streams[id]
		if s == nil {
			continue
		}
		s.ended = s.ended || frame.Header().Flags.Has(http2.FlagDataEndStream)
		switch {
		case s.first && len(s.body) >= r.waits:
			delete(streams, id)
			if r.end(f, id) != nil {
				return
			}
		case s.ended && !s.first:
			delete(streams, id)
			var block bytes.Buffer
			hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"}) // into memory
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
			f.WriteData(id, true, fmt.Appendf(nil, "%s %d %t", s.method, len(s.body), bytes.Equal(s.body, numbered(len(s.body)))))
		}
	}
}

// numbered is a body of n bytes, none of which is where another could be.
func numbered(n int) []byte {
	return slices.Concat(bytes.Repeat([]byte("0123456789abcdef-"), n/17), []byte("0123456789abcdef-")[:n%17])
}

func reset(code http2.ErrCode) func(*http2.Framer, uint32) error {
	return func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, code) }
}

// goAway ends the connection. What comes before the stream was processed, and the
// stream itself if processed says so.
func goAway(processed bool) func(*http2.Framer, uint32) error {
	return func(f *http2.Framer, id uint32) error {
		if processed {
			if err := f.WriteGoAway(id, http2.ErrCodeNo, nil); err != nil {
				return err
			}
			return io.EOF
		}
		return f.WriteGoAway(id-2, http2.ErrCodeNo, nil)
	}
}

// An unanswered is a request whose stream a refuser ends.
type unanswered struct {
	scheme string
	method string
	size   int
	stream bool // the body is none in memory
	known  bool // the size of the stream is known
}

func (u unanswered) String() string {
	kind := "bytes in memory"
	if u.stream {
		kind = fmt.Sprintf("bytes of a stream, known %t", u.known)
	}
	return fmt.Sprintf("%s %s of %d %s", u.scheme, u.method, u.size, kind)
}

// refused calls a backend that ends the first stream, and returns the answer and how
// many streams there were.
func (t *trial) refused(u unanswered, end func(*http2.Framer, uint32) error) (answer string, streams int64, err error) {
	t.Helper()
	r := &refuser{waits: min(u.size, 1<<16-1), end: end} // as much as everybody may send
	var c engine.Client
	if u.scheme == "http" {
		c = t.client(model.Transport{H2C: true})
	} else {
		server, client := t.identity()
		r.server, c = server, t.tlsClient(client)
	}
	b := t.backend(r.serve)
	x := t.call(b.addr)
	x.Request.Scheme, x.Request.Path = u.scheme, "/first"
	if got := t.get(c, x); got != "GET 0 true" {
		t.Fatalf("the first answer is %q", got)
	}
	x = t.call(b.addr)
	x.Request.Scheme, x.Request.Method = u.scheme, u.method
	switch {
	case u.stream:
		size := int64(-1)
		if u.known {
			size = int64(u.size)
		}
		x.Request.Body = body.FromStream(io.NopCloser(bytes.NewReader(numbered(u.size))), size)
	case u.size > 0:
		x.Request.Body = body.FromBytes(numbered(u.size))
	}
	if err := c.Do(t.context(), x); err != nil {
		return "", r.streams.Load(), err
	}
	text, err := x.Response.Body.Bytes(0)
	return string(text), r.streams.Load(), err
}

func unprocessedStreams(t *trial) {
	for name, end := range map[string]func(*http2.Framer, uint32) error{
		"REFUSED_STREAM": reset(http2.ErrCodeRefusedStream),
		"GOAWAY":         goAway(false),
	} {
		for _, u := range []unanswered{
			{method: "GET"}, {method: "POST"}, {method: "DELETE"},
			{method: "POST", size: 5}, {method: "POST", size: 200_000},
			{method: "POST", size: 5, stream: true}, {method: "PUT", size: 5, stream: true, known: true},
			{method: "POST", size: 60_000, stream: true}, {method: "PATCH", size: 60_000, stream: true, known: true},
		} {
			for _, u.scheme = range []string{"https", "http"} {
				answer, streams, err := t.refused(u, end)
				if want := fmt.Sprintf("%s %d true", u.method, u.size); err != nil || answer != want || streams != 2 {
					t.Errorf("%s, %v: %q, %v after %d streams, want %q after 2", name, u, answer, err, streams, want)
				}
			}
		}
	}
}

func processedStreams(t *trial) {
	tests := []struct {
		name string
		unanswered
		end func(*http2.Framer, uint32) error
	}{
		{"a stream that GOAWAY counts", unanswered{method: "POST", size: 5, stream: true}, goAway(true)},
		{"a stream that GOAWAY counts", unanswered{method: "POST", size: 5}, goAway(true)},
		{"a stream that GOAWAY counts", unanswered{method: "POST"}, goAway(true)},
		{"INTERNAL_ERROR", unanswered{method: "POST", size: 5, stream: true}, reset(http2.ErrCodeInternal)},
		{"CANCEL", unanswered{method: "POST", size: 5}, reset(http2.ErrCodeCancel)},
		{"PROTOCOL_ERROR", unanswered{method: "POST", size: 5, stream: true, known: true}, reset(http2.ErrCodeProtocol)},
		{"PROTOCOL_ERROR", unanswered{method: "POST", size: 5}, reset(http2.ErrCodeProtocol)},
		{"PROTOCOL_ERROR", unanswered{method: "POST"}, reset(http2.ErrCodeProtocol)},
		{"PROTOCOL_ERROR", unanswered{method: "DELETE"}, reset(http2.ErrCodeProtocol)},
		{"more than is kept", unanswered{method: "POST", size: 200_000, stream: true}, reset(http2.ErrCodeRefusedStream)},
	}
	for _, tt := range tests {
		for _, tt.scheme = range []string{"https", "http"} {
			answer, streams, err := t.refused(tt.unanswered, tt.end)
			if err == nil {
				t.Errorf("%s, %v: %q, want an error", tt.name, tt.unanswered, answer)
				continue
			}
			t.wantFailure(err, gateway.CodeBackendAborted, false)
			if streams != 1 || strings.Contains(err.Error(), "canceled") {
				t.Errorf("%s, %v: %d streams, %v, want one and why", tt.name, tt.unanswered, streams, err)
			}
		}
	}
}
