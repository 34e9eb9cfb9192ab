package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// readBody reads a body from text, in one of several ways: how bytes arrive,
// and how large the memory of the reader is.
func readBody(text string, length int64, chunked, slow bool, room int) (got, rest string, err error) {
	var from io.Reader = strings.NewReader(text)
	if slow {
		from = iotest.OneByteReader(from)
	}
	var r Reader
	var b Body
	r.Reset(from)
	b.Reset(&r, length, chunked)
	early := b.Begin(slow)
	var all strings.Builder
	p := make([]byte, room)
	for err == nil {
		var n int
		n, err = b.Read(p)
		all.Write(p[:n])
	}
	if _, again := b.Read(p); again != err {
		err = errors.New("the error did not stay")
	}
	if early != nil && (all.Len() > 0 || err != early) {
		err = errors.New("the body was said not to begin")
	}
	if err == io.EOF {
		err = nil
	}
	if (err == nil) != b.Over() {
		err = errors.New("the body is not over, or over without its end")
	}
	left, _ := io.ReadAll(&r)
	r.Free()
	return all.String(), string(left), err
}

func TestBody(t *testing.T) {
	long := strings.Repeat("0123456789", 2000)
	cut := io.ErrUnexpectedEOF
	var malformed error = &Error{Status: 400}
	tests := []struct {
		name    string
		text    string
		length  int64
		chunked bool
		want    string
		rest    string
		err     error // of this type
	}{
		{"none", "GET", 0, false, "", "GET", nil},
		{"of known length", "helloGET", 5, false, "hello", "GET", nil},
		{"long", long + "GET", 20000, false, long, "GET", nil},
		{"too short", "hel", 5, false, "hel", "", cut},
		{"to the end", "hello", -1, false, "hello", "", nil},
		{"no chunks", "0\r\n\r\nGET", -1, true, "", "GET", nil},
		{"chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET", -1, true, "hello", "GET", nil},
		{"a long chunk", "4e20\r\n" + long + "\r\n0\r\n\r\n", -1, true, long, "", nil},
		{"zeros in front, either case", "000A\r\n0123456789\r\n00a\r\n0123456789\r\n000\r\n\r\n", -1, true, "01234567890123456789", "", nil},
		{"extensions", "2;x=y\r\nhe\r\n3;q=\"q\";z\r\nllo\r\n0;last\r\n\r\n", -1, true, "hello", "", nil},
		{"trailers", "2\r\nhe\r\n0\r\nX-A: b\r\nx-c:\r\n\r\nGET", -1, true, "he", "GET", nil},
		{"a chunk that is cut off", "5\r\nhel", -1, true, "hel", "", cut},
		{"no last chunk", "3\r\nhel\r\n", -1, true, "hel", "", cut},
		{"no end of the last chunk", "3\r\nhel\r\n0\r\n", -1, true, "hel", "", cut},
		{"a trailer that is cut off", "0\r\nX-A: b", -1, true, "", "", cut},
		{"nothing", "", -1, true, "", "", cut},
		{"no size", "\r\n", -1, true, "", "", malformed},
		{"a size that is none", "zz\r\n", -1, true, "", "", malformed},
		{"a size with a prefix", "0x0\r\n\r\n", -1, true, "", "", malformed},
		{"a size with a sign", "+1\r\na\r\n", -1, true, "", "", malformed},
		{"a space before the size", " 1\r\na\r\n", -1, true, "", "", malformed},
		{"a space after the size", "0 \r\n\r\n", -1, true, "", "", malformed},
		{"a size of 17 digits", "00000000000000001\r\na\r\n", -1, true, "", "", malformed},
		{"a size of 2^63", "8000000000000000\r\n", -1, true, "", "", malformed},
		{"a size of 2^63-1", "7fffffffffffffff\r\nab", -1, true, "ab", "", cut},
		{"lines without returns", "1\na\n0\n\n", -1, true, "", "", malformed},
		{"a line feed in an extension", "0;a\nb\r\n\r\n", -1, true, "", "", malformed},
		{"a carriage return in an extension", "0;a\rb\r\n\r\n", -1, true, "", "", malformed},
		{"spaces around an extension", "2 ;\tx = y ;z\r\nhe\r\n0\t;x= \"y\"\r\n\r\nGET", -1, true, "he", "GET", nil},
		{"an extension in quotes", "2;x=\"a b;\\\"c\\\\\tz\";y\r\nhe\r\n0;x=\"\"\r\n\r\nGET", -1, true, "he", "GET", nil},
		{"a semicolon and no extension", "0;\r\n\r\n", -1, true, "", "", malformed},
		{"two semicolons", "0;;a\r\n\r\n", -1, true, "", "", malformed},
		{"a semicolon at the end", "0;a;\r\n\r\n", -1, true, "", "", malformed},
		{"an extension without a name", "0;=b\r\n\r\n", -1, true, "", "", malformed},
		{"an extension with an empty value", "0;a=\r\n\r\n", -1, true, "", "", malformed},
		{"an extension of two words", "0;a b\r\n\r\n", -1, true, "", "", malformed},
		{"an extension with two values", "0;a=b c\r\n\r\n", -1, true, "", "", malformed},
		{"an extension that is no token", "0;a(b\r\n\r\n", -1, true, "", "", malformed},
		{"a quote without an end", "0;a=\"b\r\n\r\n", -1, true, "", "", malformed},
		{"a quote that is escaped at the end", "0;a=\"b\\\"\r\n\r\n", -1, true, "", "", malformed},
		{"a name in quotes", "0;\"a\"\r\n\r\n", -1, true, "", "", malformed},
		{"something behind a quote", "0;a=\"b\"c\r\n\r\n", -1, true, "", "", malformed},
		{"a space behind an extension", "0;a \r\n\r\n", -1, true, "", "", malformed},
		{"a word behind a space", "0 a\r\n\r\n", -1, true, "", "", malformed},
		{"long extensions", strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\na\r\n", 3), -1, true, "aa", "", malformed},
		{"a line that does not end", strings.Repeat("0", 5000), -1, true, "", "", malformed},
		{"more than the chunk holds", "1\r\nabc\r\n0\r\n\r\n", -1, true, "a", "", malformed},
		{"a chunk that ends without a return", "1\r\na\n0\r\n\r\n", -1, true, "a", "", malformed},
		{"a trailer without a colon", "0\r\nXA\r\n\r\n", -1, true, "", "", malformed},
		{"a trailer with a space before the colon", "0\r\nX-A : b\r\n\r\n", -1, true, "", "", malformed},
		{"a folded trailer", "0\r\nX-A: b\r\n c\r\n\r\n", -1, true, "", "", malformed},
		{"a trailer that frames", "0\r\ncontent-length: 1\r\n\r\n", -1, true, "", "", malformed},
		{"a trailer that routes", "0\r\nhost: a\r\n\r\n", -1, true, "", "", malformed},
		{"a trailer that authorises", "0\r\nauthorization: a\r\n\r\n", -1, true, "", "", malformed},
		{"endless trailers", "0\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 20) + "\r\n", -1, true, "", "", malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, slow := range []bool{false, true} {
				for _, room := range []int{1, 7, 4 << 10, 64 << 10} {
					got, rest, err := readBody(tt.text, tt.length, tt.chunked, slow, room)
					if got != tt.want || tt.err == nil && (err != nil || rest != tt.rest) {
						t.Fatalf("slow %t, room %d: %.80q, %v, then %.80q; want %.80q, %v, then %.80q", slow, room, got, err, rest, tt.want, tt.err, tt.rest)
					}
					if _, bad := errors.AsType[*Error](err); tt.err != nil && err != tt.err && !(bad && tt.err == malformed) {
						t.Fatalf("slow %t, room %d: error %v, want %T", slow, room, err, tt.err)
					}
				}
			}
		})
	}
}

// TestAnswerBody: what servers of old put behind a size is forgiven, in answers
// only, and nothing else is.
func TestAnswerBody(t *testing.T) {
	for text, want := range map[string]bool{
		"5  \r\nhello\r\n0 \r\n\r\n":       true,
		"5\t\r\nhello\r\n0\r\n\r\n":        true,
		"5;a \r\nhello\r\n0 ;b=c \r\n\r\n": true,
		" 5\r\nhello\r\n0\r\n\r\n":         false,
		"5 5\r\nhello\r\n0\r\n\r\n":        false,
		"5;\r\nhello\r\n0\r\n\r\n":         false,
		"5; \r\nhello\r\n0\r\n\r\n":        false,
		"5\x0b\r\nhello\r\n0\r\n\r\n":      false,
		"5 \nhello\r\n0\r\n\r\n":           false,
	} {
		var r Reader
		var b Body
		r.Reset(strings.NewReader(text))
		b.ResetAnswer(&r, -1, true, nil)
		got, err := io.ReadAll(&b)
		if (err == nil && string(got) == "hello") != want {
			t.Errorf("%q: %q, %v, want it to be read: %t", text, got, err, want)
		}
	}
}

// TestAnswerTrailers: those that may come behind a body are kept, and nothing that is no
// field is taken for one.
func TestAnswerTrailers(t *testing.T) {
	const malformed = "malformed"
	long := strings.Repeat("b", 5000)
	for _, tt := range []struct{ text, want string }{
		{"\r\n", "[]"},
		{"x-a:b\r\nX-A:\r\nX-B : \t c \r\n\r\n", "[{X-A b} {X-A } {X-B c}]"},
		{"X-A: " + long + "\r\n\r\n", "[{X-A " + long + "}]"},
		{strings.Repeat("X-A: "+long+"\r\n", 4) + "\r\n", malformed},
		{"X-A: " + long + long + long + long, malformed}, // which does not end
		{strings.Repeat("A:\r\n", MaxFields) + "\r\n", "[" + strings.TrimSpace(strings.Repeat("{A } ", MaxFields)) + "]"},
		{strings.Repeat("A:\r\n", MaxFields+1) + "\r\n", malformed},
		{"content-length: 1\r\nHost: a\r\nTRAILER: x\r\nIf-None-Match: *\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"X-A\r\n\r\n", malformed},
		{" X-A: b\r\n\r\n", malformed},
		{"X-A: b\r\n c\r\n\t \r\n\td \r\nX-B:\r\n e\r\n\r\n", "[{X-A b c d} {X-B e}]"},
		{"X-A: b\r\nHost: a\r\n c\r\n\r\n", "[{X-A b}]"},
		{"X-A: b" + strings.Repeat("\r\n c", 3000) + "\r\n\r\n", "[{X-A b" + strings.Repeat(" c", 3000) + "}]"},
		{"X-A: b" + strings.Repeat("\r\n c", 5000) + "\r\n\r\n", malformed},
		{"X-A: b\n\r\n", malformed},
		{"X-A: b\rc\r\n\r\n", malformed},
		{"X-A: b\x00\r\n\r\n", malformed},
	} {
		for _, one := range []bool{false, true} {
			var r Reader
			var b Body
			var in io.Reader = strings.NewReader("5\r\nhello\r\n0\r\n" + tt.text)
			if one {
				in = iotest.OneByteReader(in)
			}
			fields := gateway.Fields{{Name: "X-Own", Value: "1"}}
			r.Reset(in)
			b.ResetAnswer(&r, -1, true, &fields)
			text, err := io.ReadAll(&b)
			got := fmt.Sprint(fields[1:])
			if _, bad := errors.AsType[*Error](err); bad {
				got = malformed
			} else if err != nil {
				got = err.Error()
			}
			if string(text) != "hello" || got != tt.want {
				t.Errorf("%.40q: %q, %.80s, want %.80s", tt.text, text, got, tt.want)
			}
		}
	}
}

// TestBodyComesAsItArrives shows that Read does not wait when it has bytes.
func TestBodyComesAsItArrives(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	var r Reader
	var b Body
	r.Reset(in)
	b.Reset(&r, -1, true)
	p := make([]byte, 100)
	for _, part := range []string{"one", "two"} {
		go io.WriteString(out, "3\r\n"+part+"\r\n")
		if n, err := b.Read(p); string(p[:n]) != part || err != nil {
			t.Fatalf("%q, %v, want %q", p[:n], err, part)
		}
	}
	go io.WriteString(out, "3\r\nsix\r\n0\r\n\r\n")
	if n, err := b.Read(p); string(p[:n]) != "six" || err != io.EOF {
		t.Fatalf("%q, %v, want the last part with the end", p[:n], err)
	}
}

// naive decodes chunks without extensions and trailers from text in memory.
func naive(text []byte) (body, rest []byte, ok bool) {
	for {
		line, after, found := bytes.Cut(text, []byte("\r\n"))
		if !found || len(line) == 0 || len(line) > 16 || len(bytes.TrimLeft(line, "0123456789abcdefABCDEF")) > 0 {
			return nil, nil, false
		}
		n, err := strconv.ParseInt(string(line), 16, 64)
		if err != nil || int64(len(after)) < n || len(after)-int(n) < 2 || string(after[n:n+2]) != "\r\n" {
			return nil, nil, false
		}
		body = append(body, after[:n]...)
		text = after[n+2:]
		if n == 0 {
			return body, text, true
		}
	}
}

// FuzzChunks compares with the naive decoder, on whatever has neither
// extensions nor trailers, for any way in which bytes arrive.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET"), 3)
	f.Add([]byte("1;x\r\na\r\n0\r\nA: b\r\n\r\n"), 100)
	f.Add([]byte("1\r\na\r\n0\r\nA : b\r\ncontent-length: 3\r\nc:\t\r\n\r\nGET"), 5)
	f.Add([]byte("0\r\nX: "+strings.Repeat("b", 5000)+"\r\n\r\n"), 5)
	f.Add([]byte("1 ; x = \"a\\\"b\" ;y\r\na\r\n0;z=1\r\n\r\n"), 7)
	f.Add([]byte("1;\r\na\r\n0\r\n\r\n"), 7)
	f.Add([]byte("0x0\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, room int) {
		room = max(1, room&0x1fff)
		got, rest, err := readBody(string(text), -1, true, false, room)
		slowGot, slowRest, slowErr := readBody(string(text), -1, true, true, room)
		if got != slowGot || (err == nil) != (slowErr == nil) || err == nil && rest != slowRest {
			t.Fatalf("%q: at once %q, %v, %q; byte by byte %q, %v, %q", text, got, err, rest, slowGot, slowErr, slowRest)
		}
		trailersOf(t, text, room)
		want, wantRest, ok := naive(text)
		if ok && (err != nil || got != string(want) || rest != string(wantRest)) {
			t.Fatalf("%q: %q, %v, %q, want %q, %q", text, got, err, rest, want, wantRest)
		}
		if !ok && err == nil && !bytes.ContainsAny(text, ";:") {
			t.Fatalf("%q: %q is accepted", text, got)
		}
	})
}

// trailersOf checks that what is kept of a body that a backend sends are fields which may
// be sent on, no more than there may be, and the same however they come.
func trailersOf(t *testing.T, text []byte, room int) {
	var kept [2]gateway.Fields
	var errs [2]error
	for i, in := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
		var r Reader
		var b Body
		r.Reset(in)
		b.ResetAnswer(&r, -1, true, &kept[i])
		p := make([]byte, room)
		for errs[i] == nil {
			_, errs[i] = b.Read(p)
		}
		size := 0
		for _, f := range kept[i] {
			size += len(f.Name) + len(f.Value)
			if !gateway.Token(f.Name) || !gateway.MayTrail(f.Name) || f.Name != gateway.Canonical(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00") {
				t.Fatalf("%q: trailer %q", text, f)
			}
		}
		if size > MaxTrailer || len(kept[i]) > MaxFields {
			t.Fatalf("%d trailers of %d bytes", len(kept[i]), size)
		}
	}
	if (errs[0] == io.EOF) != (errs[1] == io.EOF) || errs[0] == io.EOF && !slices.Equal(kept[0], kept[1]) {
		t.Fatalf("%q: %v %v, byte by byte %v %v", text, kept[0], errs[0], kept[1], errs[1])
	}
}

func TestChunks(t *testing.T) {
	var text []byte
	for _, n := range []int{1, 15, 16, 4096, 32 << 10} {
		line := AppendChunkHeader(nil, n)
		if len(line) > ChunkHeaderRoom {
			t.Errorf("%q is longer than its room", line)
		}
		text = append(append(append(text, line...), strings.Repeat("x", n)...), "\r\n"...)
	}
	text = append(text, LastChunk...)
	got, rest, err := readBody(string(text), -1, true, false, 1000)
	if len(got) != 1+15+16+4096+32<<10 || rest != "" || err != nil {
		t.Errorf("%d bytes, %q, %v", len(got), rest, err)
	}
}

func TestReaderMemory(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: h\r\nX-A: " + strings.Repeat("a", 10000) + "\r\n\r\n"
	var r Reader
	r.Reset(strings.NewReader(head + head + "rest"))
	for range 2 {
		for {
			got, err := r.Head(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got == head {
				break
			}
			if err := r.Fill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if rest, err := io.ReadAll(&r); string(rest) != "rest" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if r.Free(); r.buf != nil || r.pooled != nil {
		t.Error("a reader without bytes holds memory")
	}
}
