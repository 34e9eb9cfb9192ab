package plan

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestQuerySelection(t *testing.T) {
	tests := []struct {
		name, raw string
		list      []string
		want      string // as it is sent on
	}{
		{"nothing asked for", "a=1", nil, ""},
		{"nothing sent", "", []string{"a"}, ""},
		{"one", "a=1&b=2", []string{"b"}, "b=2"},
		{"all, sorted by name", "b=2&a=1", []string{"*"}, "a=1&b=2"},
		{"an asterisk anywhere", "b=2&a=1", []string{"x", "*"}, "a=1&b=2"},
		{"repeated, in order", "a=2&b=0&a=1", []string{"a"}, "a=2&a=1"},
		{"letter case counts", "A=1&a=2", []string{"a"}, "a=2"},
		{"without a value", "a&b=", []string{"*"}, "a=&b="},
		{"without a name", "=1&a=2", []string{"*"}, "=1&a=2"},
		{"empty pairs", "&&a=1&", []string{"*"}, "a=1"},
		{"escaped name", "%61=1", []string{"a"}, "a=1"},
		{"values are written again", "a=%7e%20+", []string{"a"}, "a=~++"},
		{"an equals sign in the value", "a=b=c", []string{"a"}, "a=b%3Dc"},
		{"a semicolon drops the pair", "a=1;b=2&c=3", []string{"*"}, "c=3"},
		{"a semicolon that is escaped is data", "a=1%3Bb=2", []string{"a"}, "a=1%3Bb%3D2"},
		{"a broken escape drops the pair", "a=%zz&b=%&c=%2&d=4", []string{"*"}, "d=4"},
		{"a broken escape in a name", "%zz=1&b=2", []string{"*"}, "b=2"},
		{"brackets", "ids[]=1&ids%5B%5D=2", []string{"ids[]"}, "ids%5B%5D=1&ids%5B%5D=2"},
		{"a line is data", "a=%0D%0Ax", []string{"a"}, "a=%0D%0Ax"},
		{"no UTF-8", "a=%ff", []string{"a"}, "a=%FF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSelection(tt.list, false)
			q := appendQuery(nil, tt.raw, s.pass)
			if got := string(appendSorted(nil, q)); got != tt.want {
				t.Errorf("%q with %q: %s, want %s", tt.raw, tt.list, got, tt.want)
			}
		})
	}
}

// TestQueryBehindTemplate appends the client's parameters to those of the
// template.
func TestQueryBehindTemplate(t *testing.T) {
	q := gateway.Fields{{Name: "b", Value: "2"}, {Name: "a", Value: "&"}}
	if got, want := string(appendSorted([]byte("z=0"), q)), "z=0&a=%26&b=2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzQuery compares with the standard library, which drops what we drop, and
// shows that what is sent on means the same.
func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "a=1;b", "%zz=1&b=%", "a=%0d%0a", "=&&=", "+=%2B", "\xff=é"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		want, _ := url.ParseQuery(raw) // the error is that of a dropped pair
		q := appendQuery(nil, raw, func(string) bool { return true })
		n := 0
		for name, values := range want {
			n += len(values)
			if got := q.AppendValues(nil, name); !slices.Equal(got, values) {
				t.Fatalf("%q: %q is %q, want %q", raw, name, got, values)
			}
		}
		if n != len(q) {
			t.Fatalf("%q: %v, want %v", raw, q, want)
		}
		sent := string(appendSorted(nil, q))
		again, err := url.ParseQuery(sent)
		if err != nil || len(again) != len(want) || strings.ContainsFunc(sent, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' || r == ';' }) {
			t.Fatalf("%q is sent on as %q, %v", raw, sent, err)
		}
		for name, values := range want {
			if !slices.Equal(again[name], values) {
				t.Fatalf("%q is sent on as %q: %q is %q, want %q", raw, sent, name, again[name], values)
			}
		}
	})
}
