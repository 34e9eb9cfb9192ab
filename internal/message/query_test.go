package message

import (
	"fmt"
	"net/url"
	"regexp"
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
		{"without a value", "a&b=", []string{"*"}, "a&b="},
		{"without a name", "=1&a=2", []string{"*"}, "=1&a=2"},
		{"empty pairs", "&&a=1&", []string{"*"}, "a=1"},
		{"escaped name", "%61=1", []string{"a"}, "%61=1"},
		{"a name that is escaped twice is another", "%2561=1&a=2", []string{"a"}, "a=2"},
		{"values stay as they are written", "a=%7e%20+%2B/?:@!$'()*,", []string{"a"}, "a=%7e%20+%2B/?:@!$'()*,"},
		{"an equals sign in the value", "a=b=c", []string{"a"}, "a=b=c"},
		{"a semicolon is data", "a=1;b=2&c=3", []string{"*"}, "a=1%3Bb=2&c=3"},
		{"a semicolon hides no name", "a=1;b=2&c=3;a=4", []string{"b", "c"}, "c=3%3Ba=4"},
		{"a semicolon in a name", "a;b=1&a=2", []string{"a"}, "a=2"},
		{"a semicolon that is escaped", "a=1%3Bb=2", []string{"a"}, "a=1%3Bb=2"},
		{"a percent sign that begins no escape", "a=%zz&b=%&c=%2&d=%%41&e=100%", []string{"*"}, "a=%25zz&b=%25&c=%252&d=%25%41&e=100%25"},
		{"one in a name", "%zz=1&b=2&a%=3", []string{"*"}, "%25zz=1&a%25=3&b=2"},
		{"names with one are found", "a%=3&a%25=4&a=5", []string{"a%"}, "a%25=3&a%25=4"},
		{"brackets", "ids[]=1&ids%5B%5D=2", []string{"ids[]"}, "ids%5B%5D=1&ids%5B%5D=2"},
		{"what may not stand in a query", "a=\"<>\\^`{|}\xff\x01 #", []string{"a"}, "a=%22%3C%3E%5C%5E%60%7B%7C%7D%FF%01%20%23"},
		{"a line is data", "a=%0D%0Ax", []string{"a"}, "a=%0D%0Ax"},
		{"no UTF-8", "a=%ff", []string{"a"}, "a=%ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSelection(tt.list, false)
			r := new(gateway.Request)
			SelectQuery(r, tt.raw, &s)
			if got := string(appendQuery(nil, r)); got != tt.want {
				t.Errorf("%q with %q: %s, want %s", tt.raw, tt.list, got, tt.want)
			}
		})
	}
}

// TestManyParameters sorts more than fit into place, values of one name in order.
func TestManyParameters(t *testing.T) {
	var raw, want []string
	for i := range 100 {
		raw = append(raw, fmt.Sprintf("%c=%d", 'a'+i*7%26, i))
	}
	want = slices.Clone(raw)
	slices.SortStableFunc(want, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
	r := new(gateway.Request)
	SelectQuery(r, strings.Join(raw, "&"), &Selection{All: true})
	if got := string(appendQuery(nil, r)); got != strings.Join(want, "&") {
		t.Errorf("%s, want %s", got, strings.Join(want, "&"))
	}
	for i, f := range r.Query {
		if f.Name+"="+f.Value != r.Pairs[i] {
			t.Errorf("parameter %d is %v and %s", i, f, r.Pairs[i])
		}
	}
}

// TestQueryBehindTemplate appends the client's parameters to those of the
// template.
func TestQueryBehindTemplate(t *testing.T) {
	r := &gateway.Request{Query: gateway.Fields{{Name: "b", Value: "2"}, {Name: "a", Value: "& "}}}
	if got, want := string(appendQuery([]byte("z=0"), r)), "z=0&a=%26+&b=2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzQuery compares with the standard library once semicolons and percent signs
// that begin no escape are escaped, and shows that what is sent on means the same.
func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "a=1;b", "%zz=1&b=%", "a=%0d%0a", "=&&=", "+=%2B", "\xff=é"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		mended := strings.ReplaceAll(raw, ";", "%3B")
		mended = regexp.MustCompile("%([0-9a-fA-F]{2})?").ReplaceAllStringFunc(mended, func(e string) string {
			if e == "%" {
				return "%25"
			}
			return e
		})
		want, err := url.ParseQuery(mended)
		if err != nil {
			t.Fatal(err)
		}
		r := new(gateway.Request)
		SelectQuery(r, raw, &Selection{All: true})
		q := slices.Clone(r.Query)
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
		sent := string(appendQuery(nil, r))
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
