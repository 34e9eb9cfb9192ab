package nethttp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
)

// A tape is a connection from which a text is read, a few bytes at a time.
type tape struct {
	net.Conn
	text []byte
	size int
}

func (t *tape) Read(p []byte) (int, error) {
	if len(t.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), t.size)], t.text)
	t.text = t.text[n:]
	return n, nil
}

func (*tape) SetReadDeadline(time.Time) error { return nil }

// sift returns a sieve over a text.
func sift(text []byte, size int) (*sieve, *error) {
	refusal := new(error)
	v := &sieve{Conn: &tape{text: text, size: size}, limits: wire.Limits{HeadBytes: 8 << 10, Fields: 20}, lineEnds: wire.MaxLineEnds}
	v.refusing = func(err error) { *refusal = err }
	v.in.Reset(v.Conn)
	return v, refusal
}

func TestSieve(t *testing.T) {
	const get, h = "GET / HTTP/1.1\r\n", "Host:h\r\n\r\n"
	tests := []struct{ name, text, want string }{
		{"tidy", get + h, get + h},
		{"spaces", get + "hOST: h \r\nx-a:  b\t\r\n\r\n", get + "Host:h\r\nX-A:b\r\n\r\n"},
		{"line ends", "\r\n\n" + get + h + "\r\n" + get + h, get + h + get + h},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"},
		{"another host", "GET http://o/ HTTP/1.1\r\n" + h, "GET http://o/ HTTP/1.1\r\nHost:o\r\n\r\n"},
		{"a body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n" + h + "hello" + get + h, "POST / HTTP/1.1\r\nHost:h\r\nContent-Length:5\r\n\r\nhello" + get + h},
		{"line feeds", "GET / HTTP/1.1\nHost: h\n\n", "GET /#400 HTTP/1.1\r\nHost:\r\n\r\n"},
		{"a coding", get + "Transfer-Encoding: gzip\r\n" + h, "GET /#501 HTTP/1.1\r\nHost:\r\n\r\n"},
		{"many fields", get + strings.Repeat("A:b\r\n", 30) + h, "GET /#431 HTTP/1.1\r\nHost:\r\n\r\n"},
		{"behind a request", get + h + "GET /a b HTTP/1.1\r\n" + h + get + h, get + h + "GET /#400 HTTP/1.1\r\nHost:\r\n\r\n"},
		{"half a head", get + "Host: h", ""},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 7, 1 << 20} {
			v, _ := sift([]byte(tt.text), size)
			if got, err := io.ReadAll(v); string(got) != tt.want || err != nil {
				t.Errorf("%s, %d bytes at a time: %q, %v, want %q", tt.name, size, got, err, tt.want)
			}
		}
	}
}

// TestSieveHeld: what comes behind a request that asks for another protocol is
// not looked at until net/http goes on, but for its first byte.
func TestSieveHeld(t *testing.T) {
	const ask, asked = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET / HTTP/1.1\r\nHost:h\r\nConnection:upgrade\r\nUpgrade:x\r\n\r\n"
	const refused = "GET /#400 HTTP/1.1\r\nHost:\r\n\r\n"
	tests := []struct{ later, unseen, seen string }{
		{"POST /a HTTP/1.1\r\nHost: h\r\n\r\n", "POST /a HTTP/1.1\r\nHost:h\r\n\r\n", "POST /a HTTP/1.1\r\nHost:h\r\n\r\n"},
		{"POST /a b HTTP/1.1\r\nHost: h\r\n\r\n", refused, "P /#400 HTTP/1.1\r\nHost:\r\n\r\n"},
		{"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost:h\r\n\r\n", "\r"}, // which net/http has, and nothing can follow
		{"\x81\x05hello", refused, "\x81"},
	}
	begin := func(later string) *sieve {
		v, _ := sift([]byte(ask+later), 1<<20)
		head := make([]byte, len(asked))
		if _, err := io.ReadFull(v, head); err != nil || string(head) != asked {
			t.Fatalf("%q, %v, want %q", head, err, asked)
		}
		return v
	}
	look := func(v *sieve) string {
		first := make([]byte, 1)
		if n, err := v.Read(first); n != 1 || err != nil {
			t.Fatalf("nothing is seen: %d, %v", n, err)
		}
		return string(first)
	}
	for _, tt := range tests {
		if got, err := io.ReadAll(begin(tt.later)); err != nil || string(got) != tt.unseen {
			t.Errorf("%q, unseen: %q, %v, want %q", tt.later, got, err, tt.unseen)
		}
		v := begin(tt.later)
		first := look(v)
		if rest, err := io.ReadAll(v); err != nil || first+string(rest) != tt.seen {
			t.Errorf("%q, seen: %q and %q, %v, want %q", tt.later, first, rest, err, tt.seen)
		}
		v = begin(tt.later)
		first = look(v)
		if conn, early := release(v); conn != v.Conn || first+string(early) != tt.later {
			t.Errorf("%q: released with %q behind %q", tt.later, early, first)
		}
	}
}

// FuzzSieve: what passes a sieve is what package wire reads, and net/http reads
// the same.
func FuzzSieve(f *testing.F) {
	for _, text := range []string{
		"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n",
		"\r\nPOST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nX-A: b\r\n\r\nhello\r\nGET / HTTP/1.0\r\n\r\n",
		"PUT http://[::1]:80/%41 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = \"b\"\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, problem := sift(bytes.Clone(text), 1<<20)
		got, err := io.ReadAll(v)
		slow, _ := sift(bytes.Clone(text), 1)
		again, slowErr := io.ReadAll(slow)
		if *problem == nil && !bytes.Contains(text, []byte("chunked")) && (!bytes.Equal(got, again) || (err == nil) != (slowErr == nil)) {
			t.Fatalf("%q: at once %q, %v; byte by byte %q, %v", text, got, err, again, slowErr)
		}
		r := bufio.NewReader(bytes.NewReader(got))
		var in wire.Reader
		in.Reset(bytes.NewReader(text))
		defer in.Reset(nil)
		for {
			in.SkipLineEnds(wire.MaxLineEnds)
			want, ok := readWire(&in)
			if !ok {
				return
			}
			r, err := http.ReadRequest(r)
			if err != nil {
				t.Fatalf("%q: net/http does not read %q: %v", text, got, err)
			}
			if r.Method != want.Method || r.RequestURI != want.Target || r.Host != want.Authority || r.ContentLength != want.Length {
				t.Fatalf("%q: %s %s %s %d, want %+v", text, r.Method, r.RequestURI, r.Host, r.ContentLength, want)
			}
			var names []string
			for _, field := range want.Fields {
				if !slices.Contains(names, field.Name) && field.Name != "Trailer" {
					names = append(names, field.Name)
				}
			}
			for _, name := range names {
				if _, there := r.Header[name]; !there {
					t.Fatalf("%q: %s is lost", text, name)
				}
			}
			sent, sentErr := io.ReadAll(r.Body)
			var body wire.Body
			body.Reset(&in, want.Length, want.Chunked)
			same, sameErr := io.ReadAll(&body)
			if !bytes.Equal(sent, same) || (sentErr == nil) != (sameErr == nil) {
				t.Fatalf("%q: body %q, %v, want %q, %v", text, sent, sentErr, same, sameErr)
			}
			if sentErr != nil {
				return
			}
		}
	})
}

// readWire reads a head, and reports whether there is one.
func readWire(in *wire.Reader) (h wire.RequestHead, ok bool) {
	for {
		text, err := in.Head(wire.Limits{HeadBytes: 8 << 10, Fields: 20})
		if err != nil {
			return h, false
		}
		if text != "" {
			return h, h.Parse(text) == nil
		}
		if err := in.Fill(); errors.Is(err, io.EOF) {
			return h, false
		}
	}
}
