package message

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/template"
)

func TestFixedNames(t *testing.T) {
	tests := []struct {
		pattern string   // query of a url_pattern
		taken   []string // names of the client, as it writes them, that do not join it
		free    []string
	}{
		{"user={JWT.sub}",
			[]string{"user", "user%20[]", "+user+[+x]", "%75ser", "USER", "User", "user%20", "%20user", "+user", "user%09", "user%00x", "user[]", "user%5B%5D", "user[0]", "user%5bx%5d[y]", "user[", "user]", "%2575ser", "u%C5%BFer", "user%C2%A0", "%EF%BB%BFuser"},
			[]string{"users", "us", "user_id", "user-id", "user.id", "xuser", "", "a;user", "us%20er", "%252575ser"}},
		{"user_id={id}-{JWT.sub}", []string{"user_id", "user.id", "user%20id", "user+id", "user[id]", "USER.ID[]", "user_id[x]"}, []string{"user", "user-id", "userid"}},
		{"filter[user]={JWT.sub}",
			[]string{"filter[user]", "filter%5Buser%5D", "filter[user][]", "filter[user][x]", "filter", "filter[]", "filter.user", "filter_user", "Filter[USER]"},
			[]string{"filter[page]", "filter[users]", "user", "page[user]"}},
		{"ids[]={JWT.sub}&ids[]=2", []string{"ids", "ids[]", "ids[3]"}, []string{"id"}},
		{"a={JWT.a};b=2&&c={JWT.c}", []string{"a", "c"}, []string{"a;b", "", "b", "2"}},
		{"%61={JWT.a}&x+y={JWT.b}&z={id}", []string{"a", "x_y", "x%20y"}, []string{"x", "z"}},
		{"={JWT.a}", []string{"", "%20"}, []string{"a"}},
		{"K={JWT.a}", []string{"k", "%E2%84%AA"}, nil},
	}
	for _, tt := range tests {
		query, err := template.Parse(tt.pattern, template.InQuery, []string{"id"})
		if err != nil {
			t.Fatal(err)
		}
		f := namesOf(query)
		if f.later != nil || f.none() {
			t.Errorf("%s: %+v, want its names", tt.pattern, f)
		}
		for _, taken := range []bool{true, false} {
			names := tt.free
			if taken {
				names = tt.taken
			}
			for _, name := range names {
				if got := f.Takes(template.UnescapeQuery(name)); got != taken {
					t.Errorf("%s: takes %q: %t, want %t", tt.pattern, name, got, taken)
				}
			}
		}
	}
}

// TestFixedNamesOfValues leaves names that values are a part of to the request.
func TestFixedNamesOfValues(t *testing.T) {
	query, err := template.Parse("a=1&{id}&f.{id}={JWT.sub}&{JWT.sub}", template.InQuery, []string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	f := namesOf(query)
	if f.later == nil || f.none() {
		t.Errorf("got %+v, want names that are known later", f)
	}
	f = *f.written("a=1&&f.x=ann&ann")
	for name, want := range map[string]bool{"a": false, "f.x": true, "F_X[]": true, "f.y": false, "ann": true, "": false} {
		if got := f.Takes(name); got != want {
			t.Errorf("takes %q: %t, want %t", name, got, want)
		}
	}
	for _, pattern := range []string{"", "a=1&b={id}&c={input_headers.X}&{id}=1;d={resp0_x}"} {
		query, err := template.Parse(pattern, template.InQuery, []string{"id"})
		if err != nil {
			t.Fatal(err)
		}
		if f := namesOf(query); !f.none() {
			t.Errorf("%q: got %+v, want none", pattern, f)
		}
	}
}

// TestFixedNamesCost compares a name of many brackets in one pass.
func TestFixedNamesCost(t *testing.T) {
	query, err := template.Parse("a={JWT.sub}", template.InQuery, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := namesOf(query)
	name := "b" + strings.Repeat("[x]", 100000)
	if n := testing.AllocsPerRun(1, func() { f.Takes(name) }); n > 8 {
		t.Errorf("%v allocations for one long name, want a few", n)
	}
	if n := testing.AllocsPerRun(10, func() { f.Takes("page") }); n > 0 {
		t.Errorf("%v allocations for a plain name, want none", n)
	}
}

// FuzzFixedNames finds a name again however it is written, and never in another that
// is longer by plain letters.
func FuzzFixedNames(f *testing.F) {
	for _, name := range []string{"user", "a[b]", "a.b", " a", "%61", "\x00", "é", "\xff", "[", "a b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var fixed FixedNames
		fixed.add(string(template.AppendQueryValue(nil, name)))
		if name == "" {
			return // an empty pair may be none
		}
		for _, spelt := range []string{name, strings.ToUpper(name), " " + name, name + "[]", name + " "} {
			if strings.ContainsRune(name, 0) && spelt == name+"[]" {
				continue
			}
			if key := nameKey(name); strings.ToLower(strings.ToUpper(key)) != key || !utf8.ValidString(name) && spelt == strings.ToUpper(name) {
				continue // letters without a partner of one sign, and bytes that are none and that ToUpper replaces
			}
			if !fixed.Takes(spelt) {
				t.Errorf("%q is fixed, %q passes: keys %q and %q", name, spelt, nameKey(name), nameKey(spelt))
			}
		}
	})
}

// TestOwnNames: names of a component are taken, beside those of a token, whether these are
// known before the request or not.
func TestOwnNames(t *testing.T) {
	for _, pattern := range []string{"", "a=1", "b={JWT.sub}", "{id}={JWT.sub}"} {
		query, err := template.Parse(pattern, template.InQuery, []string{"id"})
		if err != nil {
			t.Fatal(err)
		}
		f := namesOf(query)
		f.Own([]string{"query", "operationName"})
		if f.none() {
			t.Errorf("%s: no names", pattern)
		}
		for _, names := range []*FixedNames{&f, f.written(strings.ReplaceAll(pattern, "{id}", "b"))} {
			for name, want := range map[string]bool{"query": true, "Query[]": true, " operationname": true, "queries": false, "a": false} {
				if got := names.Takes(name); got != want {
					t.Errorf("%s: takes %q: %t, want %t", pattern, name, got, want)
				}
			}
		}
		if known := f.written(strings.ReplaceAll(pattern, "{id}", "b")); strings.Contains(pattern, "JWT") && !known.Takes("b") {
			t.Errorf("%s: the name of the token is lost", pattern)
		}
	}
}
