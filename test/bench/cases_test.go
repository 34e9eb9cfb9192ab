package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	tests := []struct {
		list, cases     string
		memory, startup bool
	}{
		{"noop", "noop/300B noop/2KB noop/20KB noop/200KB", false, false},
		{"filter/2x2KB,merge/2x2KB,filter", "merge/2x2KB filter/2x2KB filter/4x20KB", false, false},
		{"memory,decode", "decode/1x2KB", true, false},
		{"startup", "", false, true},
		{"all", strings.Join(allCases(), " "), true, true},
	}
	for _, tt := range tests {
		s, err := choose(tt.list)
		if err != nil {
			t.Errorf("choose(%q): %v", tt.list, err)
			continue
		}
		var names []string
		for _, c := range s.cases {
			names = append(names, c.name)
		}
		if got := strings.Join(names, " "); got != tt.cases || s.memory != tt.memory || s.startup != tt.startup {
			t.Errorf("choose(%q) = %s, memory %t, startup %t", tt.list, got, s.memory, s.startup)
		}
	}
	for _, list := range []string{"", "no", "noop/", "noop/1KB", "noop,,merge"} {
		if _, err := choose(list); err == nil || !strings.Contains(err.Error(), "write all, or some of noop, noop/300B") {
			t.Errorf("choose(%q): error %v", list, err)
		}
	}
}

func allCases() (names []string) {
	for _, c := range testCases {
		names = append(names, c.name)
	}
	return names
}

// TestPages holds the pages to what the names of the cases say.
func TestPages(t *testing.T) {
	p := makePages()
	for name, size := range map[string]int{"a300B": 300, "b2KB": 2 << 10, "c20KB": 20 << 10, "d200KB": 200 << 10, "list20KB": 20 << 10} {
		if got := len(p[name]); got < size || got > size+16 {
			t.Errorf("page %s has %d bytes, want %d, or a few more", name, got, size)
		}
	}
	again := makePages()
	if !maps.EqualFunc(p, again, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Error("the pages differ from run to run")
	}
	seen := make(map[string]string)
	for _, page := range []string{"a20KB", "b20KB", "c20KB", "d20KB"} {
		for name := range p.object(page) {
			if other := seen[name]; other != "" {
				t.Errorf("%s and %s have a member %q", other, page, name)
			}
			seen[name] = page
		}
	}
	if n := len(p.value("list20KB").([]any)); n < 100 {
		t.Errorf("the list has %d items", n)
	}
}

// TestWant looks at what the checks of answers hang on.
func TestWant(t *testing.T) {
	p := makePages()
	want := func(name string) map[string]any {
		i := slices.IndexFunc(testCases, func(c testCase) bool { return c.name == name })
		return testCases[i].want(p).(map[string]any)
	}
	if got := len(want("merge/4x20KB")); got != 4*len(p.object("a20KB")) {
		t.Errorf("a merge of four has %d members", got)
	}
	filtered := want("filter/2x2KB")
	names := slices.Sorted(maps.Keys(filtered["b"].(map[string]any)))
	if len(filtered) != 2 || !slices.Equal(names, []string{"b_01", "b_07", "title"}) {
		t.Errorf("the filter leaves %v in b", names)
	}
	denied, all := want("deny/20KB"), p.object("a20KB")
	_, items := denied["a_01"].(map[string]any)["items"]
	if len(denied) != len(all)-2 || items {
		t.Errorf("deny leaves %d of %d members, items %t", len(denied), len(all), items)
	}
}

func TestSame(t *testing.T) {
	object := map[string]any{"a": []any{true, nil}}
	tests := []struct {
		got  string
		want any
		same bool
	}{
		{"abc", []byte("abc"), true},
		{"abc ", []byte("abc"), false},
		{` {"a": [true,null]} `, object, true},
		{`{"a":[true]}`, object, false},
		{`{"a":[true,null]}{}`, object, false},
		{`{"a":`, object, false},
	}
	for _, tt := range tests {
		if err := same([]byte(tt.got), tt.want); (err == nil) != tt.same {
			t.Errorf("same(%s, %v) = %v", tt.got, tt.want, err)
		}
	}
}
