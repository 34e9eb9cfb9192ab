package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// http2Cases are about requests of HTTP/2 whose fields nobody in between has made
// well-formed. Backends get them as HTTP/1, so the rules of that apply.
var http2Cases = cases{
	{"a request of HTTP/2 is seen as it was sent", streamsAsSent},
	{"a malformed request of HTTP/2 never reaches the handler", malformedStreams},
	{"a stream of which the client takes nothing ends", stalledStreams},
	{"a header of HTTP/2 is as large as what it unpacks to", packedHeaders},
	{"a body of HTTP/2 that is not as long as announced ends in an error", brokenStreams},
}

// A stream is a request of HTTP/2: its pseudo fields where they are not the usual
// ones, its other fields, and the frames of its body. Without any the stream ends
// with its header.
type stream struct {
	pseudo []string // names and values in turn
	fields []string
	data   []string // the last one ends the stream
}

// framer speaks HTTP/2 on a connection.
func (t *trial) framer(w *wire) *http2.Framer {
	t.Helper()
	w.send(http2.ClientPreface)
	f := http2.NewFramer(w.Conn, w.r)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	t.must(f.WriteSettings())
	return f
}

// stalledStreams asks for answers and lets nothing of them come: by the window of the
// streams, or of the connection, whose bytes the client goes on reading.
func stalledStreams(t *trial) {
	large := make([]byte, 1<<20)
	for name, window := range map[string]uint32{"streams": 0, "connection": 1 << 20} {
		for _, form := range []func() body.Body{
			func() body.Body { return body.FromBytes(large) },
			func() body.Body { return body.FromStream(io.NopCloser(endless{}), -1) },
		} {
			d := t.open(engine.Settings{StallTimeout: 50 * time.Millisecond, H2C: true}, func(_ context.Context, x *gateway.Exchange) error {
				x.Response.Status, x.Response.Body = 200, form()
				return nil
			})
			w := t.dial(d.addr)
			w.send(http2.ClientPreface)
			f := http2.NewFramer(w.Conn, w.r)
			t.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
			const streams = 10
			for id := range uint32(streams) {
				var block bytes.Buffer
				e := hpack.NewEncoder(&block)
				for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "h.test"}, {":path", "/"}} {
					e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // into memory
				}
				t.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*id + 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
			}
			read := make(chan int, 1)
			go func() {
				resets := 0
				for frame, err := f.ReadFrame(); err == nil && resets < streams; frame, err = f.ReadFrame() {
					if _, ok := frame.(*http2.RSTStreamFrame); ok {
						resets++
					}
				}
				read <- resets
			}()
			for range streams {
				o := await(t, "the end of an exchange", d.done)
				if e, ok := errors.AsType[*gateway.Error](o.err); !ok || e.Code != gateway.CodeTimeout {
					t.Errorf("%s: %v, want %s", name, o.err, gateway.CodeTimeout)
				}
			}
			w.Close()
			await(t, "the frames", read)
			d.close(t)
		}
	}
}

// ask sends a stream and returns the status of the answer, 0 for a stream that
// was reset, and its body.
func (t *trial) ask(f *http2.Framer, id uint32, s stream) (status, text string) {
	t.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	write := func(name, value string) { e.WriteField(hpack.HeaderField{Name: name, Value: value}) } // into memory
	usual := []string{":method", cmp.Or(method(s), "GET"), ":scheme", "http", ":authority", "h.test", ":path", "/"}
	for i := 0; i < len(usual); i += 2 {
		value, given := usual[i+1], false
		for j := 0; j < len(s.pseudo); j += 2 {
			if s.pseudo[j] == usual[i] {
				value, given = s.pseudo[j+1], true
			}
		}
		if !given || value != "-" {
			write(usual[i], value)
		}
	}
	for i := 0; i < len(s.fields); i += 2 {
		write(s.fields[i], s.fields[i+1])
	}
	t.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: len(s.data) == 0}))
	for i, data := range s.data {
		if f.WriteData(id, i == len(s.data)-1, []byte(data)) != nil {
			break // the answer says why
		}
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("%v: the connection ends: %v", s, err)
		}
		if frame.Header().StreamID != id {
			continue
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			return cmp.Or(status, "reset"), text
		case *http2.MetaHeadersFrame:
			status = frame.PseudoValue("status")
		case *http2.DataFrame:
			text += string(frame.Data())
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return status, text
		}
	}
}

func method(s stream) string {
	if len(s.data) > 0 {
		return "POST"
	}
	return ""
}

func streamsAsSent(t *trial) {
	tests := []struct {
		stream
		want string
	}{
		{stream{}, "GET /| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{pseudo: []string{":authority", "h.test:81", ":path", "/a%2Fb//c?x=%20&y"}}, "GET /a%2Fb//c|x=%20&y HTTP/2.0 host=h.test:81 secure=false length=0"},
		{stream{pseudo: []string{":path", "/gr\xc3\xbc?\xff"}}, "GET /gr%C3%BC|%FF HTTP/2.0 host=h.test secure=false length=0"},
		{stream{pseudo: []string{":method", "OPTIONS", ":path", "*"}}, "OPTIONS *| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{pseudo: []string{":authority", "[2001:db8::1]:8080"}}, "GET /| HTTP/2.0 host=[2001:db8::1]:8080 secure=false length=0"},
		{stream{pseudo: []string{":authority", "-"}, fields: []string{"host", "h.test"}}, "GET /| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{fields: []string{"host", "H.Test"}}, "GET /| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{fields: []string{"content-length", "0"}}, "GET /| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{data: []string{"hel", "lo"}}, `POST /| HTTP/2.0 host=h.test secure=false length=-1 body="hello" err=<nil>`},
		{stream{data: []string{"hel", "lo"}, fields: []string{"content-length", "5"}}, `POST /| HTTP/2.0 host=h.test secure=false length=5 body="hello" err=<nil>`},
		{stream{data: []string{"hello"}, fields: []string{"content-length", "005"}}, `POST /| HTTP/2.0 host=h.test secure=false length=5 body="hello" err=<nil>`},
		{stream{data: []string{"", ""}, fields: []string{"content-length", "0"}}, "POST /| HTTP/2.0 host=h.test secure=false length=0"},
		{stream{data: []string{"hello"}, fields: []string{"expect", "100-continue", "content-length", "5"}}, `POST /| HTTP/2.0 host=h.test secure=false length=5 body="hello" err=<nil>`},
	}
	d := t.open(engine.Settings{H2C: true}, describe)
	f := t.framer(t.dial(d.addr))
	for i, tt := range tests {
		if status, text := t.ask(f, uint32(2*i+1), tt.stream); status != "200" || text != tt.want {
			t.Errorf("%v: %s %s\nwant %s", tt.stream, status, text, tt.want)
		}
	}
}

func malformedStreams(t *trial) {
	length := func(value string, data ...string) stream {
		return stream{fields: []string{"content-length", value}, data: data}
	}
	authority := func(value string) stream { return stream{pseudo: []string{":authority", value}} }
	path := func(value string) stream { return stream{pseudo: []string{":path", value}} }
	tests := map[string]stream{
		"a list of lengths":                   length("3, 3", "abc"),
		"a list with one length":              length("3,", "abc"),
		"a length with a plus sign":           length("+3", "abc"),
		"a negative length":                   length("-3", "abc"),
		"no negative length":                  length("-0"),
		"an empty length":                     length("", "abc"),
		"an empty length and no body":         length(""),
		"a length that is no number":          length("abc", "abc"),
		"a hexadecimal length":                length("0x3", "abc"),
		"a length with a fraction":            length("3.0", "abc"),
		"a length of 2^64+3":                  length("18446744073709551619", "abc"),
		"a length of 2^63":                    length("9223372036854775808", "abc"),
		"a length and no body":                length("30"),
		"a list of lengths and no body":       length("0, 0"),
		"a length of 0 and a body":            length("0", "abc"),
		"a length of 0 and a late body":       length("0", "", "abc"),
		"two lengths":                         {fields: []string{"content-length", "3", "content-length", "0"}, data: []string{"abc"}},
		"two lengths, 0 first":                {fields: []string{"content-length", "0", "content-length", "3"}, data: []string{"abc"}},
		"two equal lengths":                   {fields: []string{"content-length", "3", "content-length", "3"}, data: []string{"abc"}},
		"an empty authority":                  authority(""),
		"no authority and no Host":            authority("-"),
		"an empty Host":                       {pseudo: []string{":authority", "-"}, fields: []string{"host", ""}},
		"an authority with a space":           authority("a b"),
		"an authority with a slash":           authority("a/b"),
		"an authority with a backslash":       authority(`a\b`),
		"an authority with a question":        authority("a?b"),
		"an authority with a fragment":        authority("a#b"),
		"two authorities":                     authority("a, b"),
		"an authority with a user":            authority("u@a"),
		"an authority with a user and a port": authority("u:p@a:80"),
		"an authority with two ports":         authority("a:1:2"),
		"an authority with no port":           authority("a:b"),
		"an authority with a large port":      authority("a:65536"),
		"a port without a host":               authority(":80"),
		"an authority with a bracket":         authority("[::1"),
		"an authority above ASCII":            authority("\xc3\xa4"),
		"an authority with a bad escape":      authority("a%2"),
		"another Host":                        {fields: []string{"host", "other.test"}},
		"a Host with a port":                  {fields: []string{"host", "h.test:80"}},
		"two Hosts":                           {fields: []string{"host", "h.test", "host", "h.test"}},
		"a Host that is none":                 {pseudo: []string{":authority", "-"}, fields: []string{"host", "a b"}},
		"two Hosts and no authority":          {pseudo: []string{":authority", "-"}, fields: []string{"host", "a", "host", "b"}},
		"an empty path":                       path(""),
		"no path":                             path("-"),
		"a path without a slash":              path("a"),
		"a path that is a query":              path("?a=b"),
		"an absolute path":                    path("http://h.test/a"),
		"a path with a space":                 path("/a b"),
		"a path with a tab":                   path("/a\tb"),
		"a path with a line":                  path("/a HTTP/1.1\r\nX-Evil: 1"),
		"a path with a null byte":             path("/a\x00"),
		"a path with a fragment":              path("/a#b"),
		"a query with a fragment":             path("/a?b#c"),
		"a query with a space":                path("/a?b c"),
		"a path with a bad escape":            path("/%zz"),
		"an asterisk for GET":                 path("*"),
		"CONNECT":                             {pseudo: []string{":method", "CONNECT", ":scheme", "-", ":path", "-"}},
		"another expectation":                 {fields: []string{"expect", "miracles"}},
		"a value with a space before it":      {fields: []string{"x-a", " admin"}},
		"a value with a space behind it":      {fields: []string{"x-a", "admin "}},
		"a value with a tab before it":        {fields: []string{"x-a", "\tadmin"}},
		"a value with a tab behind it":        {fields: []string{"x-a", "admin\t"}},
		"a value of nothing but a space":      {fields: []string{"x-a", " "}},
		"a second value with a space":         {fields: []string{"x-a", "admin", "x-a", "user "}},
	}
	d := t.open(engine.Settings{H2C: true}, describe)
	for name, s := range tests {
		f := t.framer(t.dial(d.addr))
		status, text := t.ask(f, 1, s)
		if status != "reset" && !strings.HasPrefix(status, "4") {
			t.Errorf("%s: %s %q, want a refusal", name, status, text)
		}
		if slices.Contains(s.fields, "content-length") && status != "reset" {
			t.Errorf("%s: %s %q, want an error of the stream", name, status, text)
		}
		if n := d.asked.Swap(0); n != 0 {
			t.Errorf("%s: the handler was asked %d times, want never", name, n)
		}
		if status, _ := t.ask(f, 3, stream{}); status != "200" {
			t.Errorf("%s: the next stream gets %s", name, status)
		}
		d.asked.Store(0)
	}
}

// packedHeaders repeats a large field, for which HPACK takes a byte: the backend gets all
// of it, so that is what the limit is for.
func packedHeaders(t *trial) {
	d := t.open(engine.Settings{H2C: true, MaxHeaderBytes: 10_000}, reply(200, ""))
	f := t.framer(t.dial(d.addr))
	for i, tt := range []struct {
		times int
		want  string
	}{{1, "200"}, {2, "200"}, {3, "431"}, {200, "431"}, {2, "200"}} {
		var s stream
		for range tt.times {
			s.fields = append(s.fields, "x-a", strings.Repeat("y", 4000))
		}
		before := d.asked.Load()
		if status, text := t.ask(f, uint32(2*i+1), s); status != tt.want {
			t.Errorf("4 kB %d times: %s %q, want %s", tt.times, status, text, tt.want)
		}
		if asked := d.asked.Load() > before; asked != (tt.want == "200") {
			t.Errorf("4 kB %d times: the handler was asked: %t", tt.times, asked)
		}
	}
}

func brokenStreams(t *trial) {
	d := t.open(engine.Settings{H2C: true}, describe)
	for _, data := range [][]string{{"he"}, {"he", ""}, {"hello, all"}, {"hel", "lo, all"}} {
		f := t.framer(t.dial(d.addr))
		status, text := t.ask(f, 1, stream{fields: []string{"content-length", "5"}, data: data})
		if status == "200" && strings.Contains(text, "err=<nil>") {
			t.Errorf("%q: %s, want a body that breaks off", fmt.Sprint(data), text)
		}
	}
}
