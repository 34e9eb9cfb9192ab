package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestValidValue(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "a b\tc": true, "gr\xfc\xdfe": true, `!"#~`: true,
		"a\r": false, "a\nb": false, "\x00": false, "a\x1f": false, "\x7f": false,
	} {
		if got := ValidValue(value); got != want {
			t.Errorf("ValidValue(%q) = %t, want %t", value, got, want)
		}
	}
}

// TestTrailers leaves nothing in an answer that must not be sent behind it, and asks again
// with the same result.
func TestTrailers(t *testing.T) {
	in := testx.Request{Header: gateway.Fields{{Name: "Te", Value: "trailers"}}}.Exchange(t).In
	r := new(gateway.Response)
	for _, f := range []gateway.Field{{Name: "Set-Cookie", Value: "a=b"}, {Name: "X-Sum", Value: "1"}, {Name: "X-Bad", Value: "\n"}} {
		r.AddTrailer(f.Name, f.Value)
	}
	want := gateway.Fields{{Name: "X-Sum", Value: "1"}}
	for range 2 {
		if got := Trailers(in, r); !slices.Equal(got, want) || !slices.Equal(*r.Trailer, want) {
			t.Errorf("got %q, and the answer keeps %q, want %q", got, *r.Trailer, want)
		}
	}
}

func TestValidRequest(t *testing.T) {
	header := func(name, value string) gateway.Fields {
		return gateway.Fields{{Name: "A", Value: "b"}, {Name: name, Value: value}}
	}
	tests := []struct {
		name string
		r    gateway.Request
		want bool
	}{
		{"a path", gateway.Request{Method: "GET", Path: "/"}, true},
		{"everything", gateway.Request{Method: "M-SEARCH", Path: "//a%2F\xff", RawQuery: "a=?&/", Header: header("X-A", "")}, true},
		{"no method", gateway.Request{Path: "/"}, false},
		{"a method with a space", gateway.Request{Method: "GET ", Path: "/"}, false},
		{"no path", gateway.Request{Method: "GET"}, false},
		{"a path in the air", gateway.Request{Method: "GET", Path: "a"}, false},
		{"a path with a space", gateway.Request{Method: "GET", Path: "/ "}, false},
		{"a query with a control character", gateway.Request{Method: "GET", Path: "/", RawQuery: "\x7f"}, false},
		{"a field without a name", gateway.Request{Method: "GET", Path: "/", Header: header("", "b")}, false},
		{"a field with a line", gateway.Request{Method: "GET", Path: "/", Header: header("X-A", "a\r\nb: c")}, false},
	}
	for _, tt := range tests {
		if got := ValidRequest(&tt.r); got != tt.want {
			t.Errorf("%s: ValidRequest = %t, want %t", tt.name, got, tt.want)
		}
	}
}

// FuzzValidRequest: a request that is valid keeps its shape on the wire. It has
// one request line of three words and one line for each field.
func FuzzValidRequest(f *testing.F) {
	f.Add("GET", "/a", "b=c", "X-A", "d")
	f.Add("GET", "/a\r\n", "b c", "X-A: x\r\nX-B", "d\n")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		r := gateway.Request{Method: method, Path: path, RawQuery: query, Header: gateway.Fields{{Name: name, Value: value}}}
		if !ValidRequest(&r) {
			return
		}
		text := method + " " + path + "?" + query + " HTTP/1.1\r\n" + name + ": " + value
		lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\r' || c == '\n' })
		if len(lines) != 2 || len(strings.Split(lines[0], " ")) != 3 || strings.Index(lines[1], ":") != len(name) {
			t.Errorf("%q", text)
		}
	})
}

// TestValidValueByByte compares with what is said byte by byte, wherever in a
// value a byte stands.
func TestValidValueByByte(t *testing.T) {
	for c := range 256 {
		want := c >= ' ' && c != 0x7f || c == '\t'
		for size := range 20 {
			for at := range size {
				value := bytes.Repeat([]byte("\x80"), size)
				value[at] = byte(c)
				if got := ValidValue(string(value)); got != want {
					t.Fatalf("ValidValue(%q) = %t, want %t", value, got, want)
				}
			}
		}
	}
}
