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
	{"a stream that is not processed is sent again though its client stalls", unprocessedStalls},
	{"a call whose backend gives up does not wait for a client that stalls", abortedStalls},
}

// A refuser is a backend of HTTP/2. It answers a stream for /first as it should; of
// the others it ends the first one, when as much of its body has come as it waits
// for, and answers those that come later with their method and their bodies.
type refuser struct {
	server  *tls.Config // nil for none
	waits   int         // bytes
	end     func(f *http2.Framer, id uint32) error
	streams atomic.Int64
	second  chan struct{} // gets one when a second stream begins; nil for nobody who waits
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
				if !s.first && r.second != nil {
					r.second <- struct{}{}
				}
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

// refusing starts a backend, and returns a client with a connection to it and a call.
func (t *trial) refusing(r *refuser, scheme string) (c engine.Client, x *gateway.Exchange) {
	t.Helper()
	if scheme == "http" {
		c = t.client(model.Transport{H2C: true})
	} else {
		server, client := t.identity()
		r.server, c = server, t.tlsClient(client)
	}
	b := t.backend(r.serve)
	x = t.call(b.addr)
	x.Request.Scheme, x.Request.Path = scheme, "/first"
	if got := t.get(c, x); got != "GET 0 true" {
		t.Fatalf("the first answer is %q", got)
	}
	x = t.call(b.addr)
	x.Request.Scheme = scheme
	return c, x
}

// refused calls a backend that ends the first stream, and returns the answer and how
// many streams there were.
func (t *trial) refused(u unanswered, end func(*http2.Framer, uint32) error) (answer string, streams int64, err error) {
	t.Helper()
	r := &refuser{waits: min(u.size, 1<<16-1), end: end} // as much as everybody may send
	c, x := t.refusing(r, u.scheme)
	x.Request.Method = u.method
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

// stalling gives x a body that begins with these bytes, which are read before anything
// else happens, and does not go on before the end of the case or more is written.
func (t *trial) stalling(x *gateway.Exchange, size int64, begin []byte) *io.PipeWriter {
	from, to := io.Pipe()
	x.Request.Body = body.FromStream(from, size)
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		to.Write(begin) // what the backend waits for tells if it fails
	}()
	t.Cleanup(func() {
		to.Close()
		from.Close()
		<-begun
	})
	return to
}

func unprocessedStalls(t *trial) {
	for name, end := range map[string]func(*http2.Framer, uint32) error{
		"REFUSED_STREAM": reset(http2.ErrCodeRefusedStream),
		"GOAWAY":         goAway(false),
	} {
		for _, scheme := range []string{"https", "http"} {
			for _, size := range []int64{-1, 40_000} {
				r := &refuser{waits: 5000, end: end, second: make(chan struct{}, 1)}
				c, x := t.refusing(r, scheme)
				x.Request.Method = "POST"
				all := numbered(40_000)
				more := t.stalling(x, size, all[:5000])
				go func() {
					select {
					case <-r.second:
						more.Write(all[5000:])
						more.Close()
					case <-t.Context().Done():
					}
				}()
				if got := t.get(c, x); got != "POST 40000 true" || r.streams.Load() != 2 {
					t.Errorf("%s, %s, size %d: %q after %d streams", name, scheme, size, got, r.streams.Load())
				}
			}
		}
	}
}

func abortedStalls(t *trial) {
	for name, end := range map[string]func(*http2.Framer, uint32) error{
		"INTERNAL_ERROR":              reset(http2.ErrCodeInternal),
		"CANCEL":                      reset(http2.ErrCodeCancel),
		"PROTOCOL_ERROR":              reset(http2.ErrCodeProtocol),
		"a stream that GOAWAY counts": goAway(true),
	} {
		for _, scheme := range []string{"https", "http"} {
			c, x := t.refusing(&refuser{waits: 5, end: end}, scheme)
			x.Request.Method = "POST"
			t.stalling(x, -1, numbered(5))
			t.named(name+" over "+scheme, func(t *trial) {
				t.wantFailure(c.Do(t.context(), x), gateway.CodeBackendAborted, false)
			})
		}
	}
	server, trusting := t.identity()
	server.NextProtos = nil
	for name, end := range map[string]func(w *wire){
		"the end":           func(w *wire) { w.Conn.Close() },
		"a reset":           (*wire).reset,
		"what is no answer": func(w *wire) { w.send("no answer\r\n\r\n") },
	} {
		for _, size := range []int64{-1, 10} {
			take := func(w *wire) {
				w.head()
				if size < 0 {
					w.line()
				}
				w.exactly(5)
			}
			for scheme, b := range map[string]*backend{
				"http": t.backend(func(w *wire) { take(w); end(w) }),
				"https": t.backend(func(w *wire) {
					take(newWire(w.t, tls.Server(w.Conn, server), w.exit))
					end(w)
				}),
			} {
				t.named(fmt.Sprintf("%s over HTTP/1.1, %s, size %d", name, scheme, size), func(t *trial) {
					x := t.call(b.addr)
					x.Request.Scheme, x.Request.Method = scheme, "POST"
					t.stalling(x, size, numbered(5))
					err := t.tlsClient(trusting).Do(t.context(), x)
					t.wantFailure(err, gateway.CodeBackendAborted, false)
				})
			}
		}
	}
}
