package enginetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// streamCases are about answers of backends of HTTP/2, frame by frame.
var streamCases = cases{
	{"an answer over HTTP/2 ends before its request", streamsEndFirst},
	{"an answer over HTTP/2 that has no body may announce one", streamsWithout},
	{"trailers pass behind an empty body", streamsEmpty},
	{"a client that waits to be told to continue is told so in spite of hints", streamsContinue},
	{"an answer over HTTP/2 that is not well-formed is none", streamsMalformed},
	{"what a connection holds of answers that its client does not take is bounded", streamsBounded},
}

// An answering writes the frames of the answer on a stream.
type answering func(f *http2.Framer, id uint32)

// serve answers every request as soon as its header has come.
func (a answering) serve(conn io.ReadWriter) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.WriteSettings() // the next read tells if it fails
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				f.WritePing(true, frame.Data)
			}
		case *http2.HeadersFrame:
			a(f, frame.StreamID)
		}
	}
}

// doors runs f with a server in front of a backend that is called by ALPN, and of one that
// is called by prior knowledge.
func (a answering) doors(t *trial, f func(t *trial, d *door, b *backend)) {
	server, trusting := t.identity()
	open := func(t *trial, c engine.Client, scheme string, b *backend) *door {
		next := through(c, scheme, b.addr)
		return t.open(engine.Settings{H2C: true}, func(ctx context.Context, x *gateway.Exchange) error {
			if err := next(ctx, x); err != nil {
				return err
			}
			return x.Response.Body.Begin(!x.Response.Header.Has("Content-Type")) // as endpoints do
		})
	}
	t.named("HTTP/2", func(t *trial) {
		b := t.backend(func(w *wire) { a.serve(tls.Server(w.Conn, server)) })
		f(t, open(t, t.tlsClient(trusting), "https", b), b)
	})
	t.named("HTTP/2 by prior knowledge", func(t *trial) {
		b := t.backend(func(w *wire) { a.serve(w.Conn) })
		f(t, open(t, t.client(model.Transport{H2C: true}), "http", b), b)
	})
}

// block encodes fields, names and values in turn.
func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // into memory
	}
	return b.Bytes()
}

// header writes a header or trailers.
func header(f *http2.Framer, id uint32, last bool, fields ...string) {
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(fields...), EndHeaders: true, EndStream: last})
}

// An open request is one whose body has begun and does not go on.
type open struct {
	w  *wire
	f  *http2.Framer // nil in HTTP/1.1
	id uint32

	headed  func()              // called behind the header of the answer; may be nil
	interim func(status string) // called with interim answers; may be nil
}

// unfinished begins a request.
func (t *trial) unfinished(addr, version string) *open {
	t.Helper()
	w := t.dial(addr)
	if version == "HTTP/1.1" {
		w.lines("POST / HTTP/1.1", "Host: h", "TE: trailers", "Transfer-Encoding: chunked", "", "3", "one")
		return &open{w: w}
	}
	o := &open{w: w, f: t.framer(w), id: 1}
	o.ask("POST", false, "te", "trailers")
	t.must(o.f.WriteData(o.id, false, []byte("one")))
	return o
}

// ask sends the header of a request of HTTP/2.
func (o *open) ask(method string, last bool, fields ...string) {
	header(o.f, o.id, last, append([]string{":method", method, ":scheme", "http", ":authority", "h.test", ":path", "/"}, fields...)...)
}

// answer reads the answer to its end.
func (t *trial) answer(o *open) (p passed) {
	t.Helper()
	if o.f == nil {
		return o.w.passed("HTTP/1.1")
	}
	for {
		frame, err := o.f.ReadFrame()
		if err != nil {
			t.Fatalf("%+v, then %v", p, err)
		}
		if frame.Header().StreamID != o.id {
			continue
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			p.err = fmt.Errorf("reset: %v", frame.ErrCode)
			return p
		case *http2.MetaHeadersFrame:
			if status := frame.PseudoValue("status"); strings.HasPrefix(status, "1") {
				for _, field := range frame.RegularFields() {
					p.hints = append(p.hints, field.Value)
				}
				if o.interim != nil {
					o.interim(status)
				}
				break
			} else if status != "" {
				fmt.Sscan(status, &p.status) // or 0, which no case wants
				if o.headed != nil {
					o.headed()
				}
				break
			}
			for _, field := range frame.Fields {
				p.trailer = append(p.trailer, field.Name+": "+field.Value)
			}
		case *http2.DataFrame:
			p.text += string(frame.Data())
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return p
		}
	}
}

func streamsEndFirst(t *trial) {
	trailer := []string{"grpc-status: 0"}
	end := func(f *http2.Framer, id uint32) { header(f, id, true, "grpc-status", "0") }
	for _, tt := range []struct {
		name   string
		answer answering
		passed
	}{
		{"a body", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, true, []byte("hello"))
		}, passed{status: 200, text: "hello"}},
		{"a body of known size", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200", "content-length", "5")
			f.WriteData(id, true, []byte("hello"))
		}, passed{status: 200, text: "hello"}},
		{"trailers", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200", "content-type", "application/grpc")
			f.WriteData(id, false, []byte("hello"))
			end(f, id)
		}, passed{status: 200, text: "hello", trailer: trailer}},
		{"trailers, and no more of the request", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200", "content-type", "application/grpc")
			f.WriteData(id, false, []byte("hello"))
			end(f, id)
			f.WriteRSTStream(id, http2.ErrCodeNo)
		}, passed{status: 200, text: "hello", trailer: trailer}},
		{"trailers alone", func(f *http2.Framer, id uint32) {
			header(f, id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "0")
		}, passed{status: 200}},
		{"a refusal", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "413")
			f.WriteData(id, true, []byte("hello"))
			f.WriteRSTStream(id, http2.ErrCodeNo)
		}, passed{status: 413, text: "hello"}},
		{"a refusal without a body", func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "413", "content-length", "0")
			f.WriteData(id, true, nil)
			f.WriteRSTStream(id, http2.ErrCodeNo)
		}, passed{status: 413}},
	} {
		t.named(tt.name, func(t *trial) {
			tt.answer.doors(t, func(t *trial, d *door, b *backend) {
				for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
					for range 2 { // over one connection to the backend
						o := t.unfinished(d.addr, version)
						got := t.answer(o)
						if got.status != tt.status || got.text != tt.text || got.err != nil || !slices.Equal(lower(got.trailer), tt.trailer) {
							t.Errorf("%s: %+v, want %+v", version, got, tt.passed)
						}
						if end := await(t, "the end of the exchange", d.done); end.err != nil || end.status != tt.status {
							t.Errorf("%s: the exchange ended with %+v", version, end)
						}
						o.w.Close()
					}
				}
				if n := b.accepted.Load(); n > 2 { // one may be needed to find out what is spoken
					t.Errorf("%d connections for four requests", n)
				}
			})
		})
	}
}

// streamsWithout: RFC 9113, section 8.1.1, and RFC 9110, section 8.6.
func streamsWithout(t *trial) {
	empty := func(f *http2.Framer, id uint32) { f.WriteData(id, true, nil) }
	for _, tt := range []struct {
		method, status string
		length         string // that clients are told
	}{{"GET", "304", ""}, {"HEAD", "304", "100"}, {"GET", "204", ""}, {"HEAD", "200", "100"}, {"HEAD", "404", "100"}} {
		for name, end := range map[string]func(f *http2.Framer, id uint32){
			"the header":   nil,
			"empty data":   empty,
			"trailers":     func(f *http2.Framer, id uint32) { header(f, id, true, "x-sum", "1") },
			"more of that": func(f *http2.Framer, id uint32) { f.WriteData(id, false, nil); empty(f, id) },
		} {
			answer := answering(func(f *http2.Framer, id uint32) {
				header(f, id, end == nil, ":status", tt.status, "etag", `"1"`, "content-length", "100")
				if end != nil {
					end(f, id)
				}
			})
			answer.doors(t, func(t *trial, d *door, _ *backend) {
				for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
					w := t.dial(d.addr)
					w.lines(tt.method+" / "+version, "Host: h", "Connection: close", "")
					h := w.head()
					if !strings.HasPrefix(h.start, version+" "+tt.status) || h.get("Etag") != `"1"` || tt.status != "304" && h.get("Content-Length") != tt.length {
						t.Errorf("%s of %s %s, ended by %s: %q with %q", version, tt.method, tt.status, name, h.start, h.fields)
					}
					w.closed()
				}
				w := t.dial(d.addr)
				o := &open{w: w, f: t.framer(w), id: 1}
				o.ask(tt.method, true)
				if got := t.answer(o); fmt.Sprint(got.status) != tt.status || got.text != "" || got.err != nil {
					t.Errorf("HTTP/2 of %s %s, ended by %s: %+v", tt.method, tt.status, name, got)
				}
			})
		}
	}
}

// streamsEmpty: what is announced has come with the header; the answer has not ended.
func streamsEmpty(t *trial) {
	for _, kind := range []string{"application/grpc", "text/plain"} {
		for _, tt := range []struct {
			name string
			end  func(f *http2.Framer, id uint32)
			want string
		}{
			{"trailers", func(f *http2.Framer, id uint32) { header(f, id, true, "grpc-status", "7") }, "[grpc-status: 7] <nil>"},
			{"the end", func(f *http2.Framer, id uint32) { f.WriteData(id, true, nil) }, "[] <nil>"},
			{"a reset", func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) }, "[] reset"},
			{"more than announced", func(f *http2.Framer, id uint32) { f.WriteData(id, true, []byte("hello")) }, "[] reset"},
		} {
			for _, late := range []bool{false, true} {
				got := make(chan struct{}, 2)
				answer := answering(func(f *http2.Framer, id uint32) {
					header(f, id, false, ":status", "200", "content-type", kind, "content-length", "0")
					if late {
						<-got
					}
					tt.end(f, id)
				})
				answer.doors(t, func(t *trial, d *door, _ *backend) {
					w := t.dial(d.addr)
					o := &open{w: w, f: t.framer(w), id: 1}
					o.ask("GET", true, "te", "trailers")
					if late {
						o.headed = func() { got <- struct{}{} }
					}
					p := t.answer(o)
					if text := fmt.Sprint(p.trailer, " ", p.err); p.status != 200 || p.text != "" || !strings.HasPrefix(text, tt.want) {
						t.Errorf("%s of %s, late %t: %+v, want %s", tt.name, kind, late, p, tt.want)
					}
					if late {
						got <- struct{}{} // HTTP/1.1 has nothing to wait for
					}
					if p := t.old(d.addr, "HTTP/1.1", "TE: trailers"); p.status != 200 || p.text != "" || p.trailer != nil {
						t.Errorf("HTTP/1.1, %s of %s, late %t: %+v", tt.name, kind, late, p)
					}
				})
			}
		}
	}
}

func streamsContinue(t *trial) {
	d := t.open(engine.Settings{H2C: true}, func(_ context.Context, x *gateway.Exchange) error {
		in := x.In.(gateway.Hinter)
		in.Hint(gateway.Fields{{Name: "Link", Value: "a"}})
		in.Hint(gateway.Fields{{Name: "Connection", Value: "close"}, {Name: "X-Krakend-Completed", Value: "true"}}) // of which nothing is left
		in.Hint(gateway.Fields{{Name: "Link", Value: "b"}})
		text, err := io.ReadAll(x.In.Body())
		answer(x, 200, string(text))
		return err
	})
	w := t.dial(d.addr)
	f := t.framer(w)
	for i, fields := range [][]string{{"expect", "100-continue", "content-length", "3"}, {"expect", "100-continue"}, {"content-length", "3"}, nil} {
		o := &open{w: w, f: f, id: uint32(2*i + 1)}
		o.ask("POST", false, fields...)
		if len(fields) == 0 || fields[0] != "expect" {
			t.must(f.WriteData(o.id, true, []byte("one")))
		}
		o.interim = func(status string) {
			if len(fields) > 0 && fields[0] == "expect" && status == "100" {
				f.WriteData(o.id, true, []byte("one")) // the answer tells if it fails
				fields = nil                           // once
			}
		}
		if p := t.answer(o); p.status != 200 || p.text != "one" || !slices.Equal(p.hints, []string{"a", "b"}) {
			t.Errorf("request %d: %+v", i, p)
		}
	}
	w = t.dial(d.addr)
	w.lines("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 3", "")
	if h := w.head(); h.start != "HTTP/1.1 100 Continue" {
		t.Errorf("%q, want 100", h.start)
	}
	w.send("one")
	w.want(200, "one")
}

// streamsMalformed: RFC 9113, sections 8.1.1, 8.2 and 8.3. A length that is none the transport
// drops before anybody sees it: streams end by themselves.
func streamsMalformed(t *trial) {
	head := func(last bool, fields ...string) answering {
		return func(f *http2.Framer, id uint32) { header(f, id, last, fields...) }
	}
	body := func(text string, fields ...string) answering {
		return func(f *http2.Framer, id uint32) {
			header(f, id, false, fields...)
			f.WriteData(id, true, []byte(text))
		}
	}
	many := []string{":status", "200"}
	for range 2000 {
		many = append(many, "a", "b")
	}
	for name, tt := range map[string]struct {
		answer answering
		want   string // "" for none
	}{
		"no status":                    {head(true, "x-a", "b"), ""},
		"a status that is no number":   {head(true, ":status", "2x0"), ""},
		"a status of two digits":       {head(true, ":status", "20"), ""},
		"a status of four digits":      {head(true, ":status", "2000"), ""},
		"a status with a sign":         {head(true, ":status", "+20"), ""},
		"a status below 100":           {head(true, ":status", "099"), ""},
		"two statuses":                 {head(true, ":status", "200", ":status", "404"), ""},
		"a status behind a field":      {head(true, "x-a", "b", ":status", "200"), ""},
		"a pseudo-field of requests":   {head(true, ":status", "200", ":path", "/"), ""},
		"a name with a capital":        {head(true, ":status", "200", "X-A", "b"), ""},
		"a name with a colon":          {head(true, ":status", "200", "x:a", "b"), ""},
		"a name with a space":          {head(true, ":status", "200", "x-a ", "b"), ""},
		"a value with a line end":      {head(true, ":status", "200", "x-a", "b\r\nx-b: c"), ""},
		"a value with a null byte":     {head(true, ":status", "200", "x-a", "b\x00"), ""},
		"too many fields":              {head(true, many...), ""},
		"a large field":                {head(true, ":status", "200", "x-a", strings.Repeat("b", 2<<20)), ""},
		"a switch of protocols":        {head(true, ":status", "101"), ""},
		"a hint that ends the answer":  {head(true, ":status", "103", "link", "a"), ""},
		"a length that is no number":   {body("hello", ":status", "200", "content-length", "5x"), "200 hello []"},
		"a length with a sign":         {body("hello", ":status", "200", "content-length", "+5"), "200 hello []"},
		"a length twice":               {body("hello", ":status", "200", "content-length", "5", "content-length", "5"), "200 hello []"},
		"two lengths":                  {body("hello", ":status", "200", "content-length", "5", "content-length", "6"), "200 hello []"},
		"more than announced":          {body("hello", ":status", "200", "content-length", "4"), ""},
		"less than announced":          {body("hello", ":status", "200", "content-length", "6"), ""},
		"a coding that HTTP/2 has not": {body("hello", ":status", "200", "transfer-encoding", "chunked"), "200 hello []"},
		"fields of the connection":     {body("hello", ":status", "200", "connection", "x-a", "keep-alive", "1", "x-a", "b"), "200 hello [{X-A b}]"},
		"a status in the trailers": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
			header(f, id, true, ":status", "404")
		}, ""},
		"trailers that do not end it": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
			header(f, id, false, "x-a", "b")
		}, ""},
		"data in front of the header": {func(f *http2.Framer, id uint32) {
			f.WriteData(id, false, []byte("hello"))
			header(f, id, true, ":status", "200")
		}, ""},
		"half, and no error": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
			f.WriteRSTStream(id, http2.ErrCodeNo)
		}, ""},
		"half, and the end of it all": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
			f.WriteGoAway(0, http2.ErrCodeInternal, nil)
		}, ""},
		"half, and a window of nothing": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteData(id, false, []byte("hello"))
			f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4))
		}, ""},
		"a promise that nobody asked for": {func(f *http2.Framer, id uint32) {
			f.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: block(":method", "GET", ":path", "/"), EndHeaders: true})
			header(f, id, true, ":status", "200")
		}, ""},
		"padding longer than its frame": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded|http2.FlagDataEndStream, id, []byte{200, 'a'})
		}, ""},
		"padding": {func(f *http2.Framer, id uint32) {
			header(f, id, false, ":status", "200")
			f.WriteDataPadded(id, true, []byte("hello"), make([]byte, 100))
		}, "200 hello []"},
		"a going away, and the answer": {func(f *http2.Framer, id uint32) {
			f.WriteGoAway(id, http2.ErrCodeNo, nil)
			header(f, id, false, ":status", "200")
			f.WriteData(id, true, []byte("hello"))
		}, "200 hello []"},
		"a header in pieces": {func(f *http2.Framer, id uint32) {
			b := block(":status", "200", "x-a", "b")
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:1], EndStream: true})
			for i := range b[1:] {
				f.WriteContinuation(id, i == len(b)-2, b[i+1:i+2])
			}
		}, "200  [{X-A b}]"},
		"another frame within a header": {func(f *http2.Framer, id uint32) {
			b := block(":status", "200")
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b})
			f.WriteData(id, true, nil)
		}, ""},
	} {
		b := t.backend(func(w *wire) { tt.answer.serve(w.Conn) })
		c := t.client(model.Transport{H2C: true})
		x, got := t.call(b.addr), ""
		if err := c.Do(t.context(), x); err == nil {
			if text, err := x.Response.Body.Bytes(0); err == nil {
				got = fmt.Sprintf("%d %s %.100v", x.Response.Status, text, x.Response.Header)
			} else if code := gateway.AsError(err).Code; code == gateway.CodeTimeout {
				t.Errorf("%s: the answer does not end", name)
			}
		} else if code := gateway.AsError(err).Code; code != gateway.CodeBackendAborted && code != gateway.CodeBackendInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A sender is a backend of HTTP/2 that sends as much of endless answers as it may.
type sender struct {
	streams int   // that are expected
	most    int64 // bytes that it does not expect to send
	sent    int64 // bytes so far
	spent   int   // streams that have sent as much as everybody may send at first
	mu      sync.Mutex
	over    chan struct{} // closed when all are spent, or too much was sent
}

func (s *sender) serve(conn io.ReadWriter) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.WriteSettings() // the next read tells if it fails
	const frame = 16 << 10
	piece := make([]byte, frame)
	initial, all := int64(65535), int64(65535)
	type stream struct{ window, sent int64 }
	streams := make(map[uint32]*stream)
	for {
		got, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch got := got.(type) {
		case *http2.SettingsFrame:
			if got.IsAck() {
				break
			}
			if v, ok := got.Value(http2.SettingInitialWindowSize); ok {
				for _, st := range streams {
					st.window += int64(v) - initial
				}
				initial = int64(v)
			}
			f.WriteSettingsAck()
		case *http2.PingFrame:
			f.WritePing(true, got.Data)
		case *http2.HeadersFrame:
			header(f, got.StreamID, false, ":status", "200", "content-type", "text/plain")
			streams[got.StreamID] = &stream{window: initial}
		case *http2.WindowUpdateFrame:
			if st := streams[got.StreamID]; st != nil {
				st.window += int64(got.Increment)
			} else if got.StreamID == 0 {
				all += int64(got.Increment)
			}
		}
		for id, st := range streams {
			for n := min(st.window, all, frame); n > 0 && s.count(st.sent < initial && st.sent+n >= initial, n); n = min(st.window, all, frame) {
				f.WriteData(id, false, piece[:n])
				st.window, all, st.sent = st.window-n, all-n, st.sent+n
			}
		}
	}
}

// count counts n bytes, the last of the first for a stream if spent says so. It reports
// whether they are to be sent.
func (s *sender) count(spent bool, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.spent >= s.streams || s.sent > s.most
	s.sent += n
	if spent {
		s.spent++
	}
	if !over && (s.spent >= s.streams || s.sent > s.most) {
		close(s.over)
	}
	return s.sent <= s.most
}

// streamsBounded asks on one connection for as many answers as a client may, and takes
// nothing of them. The sum is that of the windows that backends get, and of what was copied
// already.
func streamsBounded(t *trial) {
	server, trusting := t.identity()
	for _, scheme := range []string{"https", "http"} {
		const streams = engine.MaxStreams
		s := &sender{streams: streams, most: streams * (engine.StreamWindow + 64<<10), over: make(chan struct{})}
		b := t.backend(func(w *wire) {
			if scheme == "http" {
				s.serve(w.Conn)
				return
			}
			s.serve(tls.Server(w.Conn, server))
		})
		c := t.client(model.Transport{H2C: true})
		if scheme == "https" {
			c = t.tlsClient(trusting)
		}
		d := t.open(engine.Settings{H2C: true}, through(c, scheme, b.addr))
		w := t.dial(d.addr)
		f := t.framer(w)
		for id := range uint32(streams) {
			o := &open{w: w, f: f, id: 2*id + 1}
			o.ask("GET", true)
		}
		await(t, "the windows to be spent", s.over)
		s.mu.Lock()
		if s.sent > s.most || s.most > 100<<20 {
			t.Errorf("%s: more than %d bytes of %d answers", scheme, s.most, streams)
		}
		s.mu.Unlock()
		d.close(t)
		b.close()
	}
}

// lower returns fields with their names as HTTP/2 has them.
func lower(fields []string) []string {
	var all []string
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		all = append(all, strings.ToLower(name)+":"+value)
	}
	return all
}
