package gateway

import (
	"net/textproto"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFields(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Fields)
		want   Fields
	}{
		{"nothing", func(*Fields) {}, Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}, {"C", ""}}},
		{"Add keeps what is there", func(f *Fields) { f.Add("A", "4") }, Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}, {"C", ""}, {"A", "4"}}},
		{"Set replaces all in the place of the first", func(f *Fields) { f.Set("A", "4") }, Fields{{"A", "4"}, {"B", "2"}, {"C", ""}}},
		{"Set of one", func(f *Fields) { f.Set("B", "4") }, Fields{{"A", "1"}, {"B", "4"}, {"A", "3"}, {"C", ""}}},
		{"Set appends what is new", func(f *Fields) { f.Set("D", "4") }, Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}, {"C", ""}, {"D", "4"}}},
		{"Del removes all", func(f *Fields) { f.Del("A") }, Fields{{"B", "2"}, {"C", ""}}},
		{"Del of the last", func(f *Fields) { f.Del("C") }, Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}}},
		{"Del of none", func(f *Fields) { f.Del("a") }, Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}, {"C", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Fields{{"A", "1"}, {"B", "2"}, {"A", "3"}, {"C", ""}}
			tt.change(&f)
			if !slices.Equal(f, tt.want) {
				t.Errorf("fields %v, want %v", f, tt.want)
			}
			for i, left := range f[len(f):cap(f)] {
				if left != (Field{}) && i < 4-len(f) {
					t.Errorf("the removed field %v is still in memory", left)
				}
			}
		})
	}
}

// TestEndToEnd keeps what is for both ends of a way, sorted.
func TestEndToEnd(t *testing.T) {
	f := Fields{{"X-B", "2"}, {"Connection", "close, x-hop"}, {"X-A", "1"}, {"X-Hop", "1"}, {"X-B", "1"}, {"Keep-Alive", "1"}, {"Connection", "X-Other"}, {"X-Other", ""}}
	if got, want := f.EndToEnd(), (Fields{{"X-A", "1"}, {"X-B", "2"}, {"X-B", "1"}}); !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	if got := Fields(nil).EndToEnd(); len(got) > 0 {
		t.Errorf("no fields become %v", got)
	}
}

// A model is a list of fields that is replaced at each change.
type model []Field

func (m model) without(name string) model {
	return slices.DeleteFunc(slices.Clone(m), func(f Field) bool { return f.Name == name })
}

func (m model) values(name string) (values []string) {
	for _, f := range m {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

// TestFieldsModel compares any sequence of changes with the model.
func TestFieldsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"A", "B", "a", "X-Long", ""})
		value := rapid.SampledFrom([]string{"", "1", "2"})
		var f Fields
		var m model
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n, v := name.Draw(t, "name"), value.Draw(t, "value")
				f.Add(n, v)
				m = append(slices.Clone(m), Field{n, v})
			},
			"set": func(t *rapid.T) {
				n, v := name.Draw(t, "name"), value.Draw(t, "value")
				f.Set(n, v)
				at := slices.IndexFunc(m, func(f Field) bool { return f.Name == n })
				if m = m.without(n); at < 0 {
					at = len(m)
				}
				m = slices.Insert(m, at, Field{n, v})
			},
			"del": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f.Del(n)
				m = m.without(n)
			},
			"": func(t *rapid.T) {
				if !slices.Equal([]Field(f), []Field(m)) {
					t.Fatalf("fields %v, want %v", f, m)
				}
				n := name.Draw(t, "asked")
				want := m.values(n)
				if got := f.AppendValues(nil, n); !slices.Equal(got, want) {
					t.Fatalf("values of %q in %v: %q, want %q", n, f, got, want)
				}
				if f.Has(n) != (len(want) > 0) || len(want) > 0 && f.Get(n) != want[0] || len(want) == 0 && f.Get(n) != "" {
					t.Fatalf("%q in %v: Has %t, Get %q, want %q", n, f, f.Has(n), f.Get(n), want)
				}
			},
		})
	})
}

var headerNames = []string{
	"", "a", "A", "accept", "ACCEPT-encoding", "Accept-Encoding", "x-a--b-", "-", "--x", "www-authenticate",
	"x_y-z", "X.y", "123-abc", "a b", "a:b", "ä", "a\x00", "x-\r\n", "a\x7f", "x~y|z`", "set-COOKIE",
}

func TestCanonical(t *testing.T) {
	for _, name := range headerNames {
		if got, want := Canonical(name), textproto.CanonicalMIMEHeaderKey(name); got != want {
			t.Errorf("Canonical(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzCanonical compares with the standard library, and canonical names stay
// as they are without a cost.
func FuzzCanonical(f *testing.F) {
	for _, name := range headerNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, want := Canonical(name), textproto.CanonicalMIMEHeaderKey(name)
		if got != want {
			t.Fatalf("Canonical(%q) = %q, want %q", name, got, want)
		}
		if again := Canonical(got); again != got {
			t.Fatalf("Canonical(%q) = %q, want it unchanged", got, again)
		}
	})
}

func TestCanonicalCost(t *testing.T) {
	for _, name := range []string{"Content-Type", "X-Forwarded-For", "Not a name"} {
		if got := testing.AllocsPerRun(100, func() { Canonical(name) }); got != 0 {
			t.Errorf("Canonical(%q) allocates %v times, want none", name, got)
		}
	}
}

func TestToken(t *testing.T) {
	for s, want := range map[string]bool{
		"GET": true, "x-y": true, "!#$%&'*+-.^_`|~09azAZ": true,
		"": false, "a b": false, "a\t": false, "a:": false, "(": false, "a/b": false, `"`: false, "é": false, "\x00": false,
	} {
		if got := Token(s); got != want {
			t.Errorf("Token(%q) = %t, want %t", s, got, want)
		}
	}
}
