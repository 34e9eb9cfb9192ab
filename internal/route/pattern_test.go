package route

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckPattern(t *testing.T) {
	tests := []struct {
		name        string
		pattern     string
		disableRest bool
		want        string // part of the error, empty for none
	}{
		{"root", "/", false, ""},
		{"literals", "/a/b.json", false, ""},
		{"slash at the end", "/a/", false, ""},
		{"variable", "/a/{id}/b", false, ""},
		{"names", "/a/{x-Y_9}", false, ""},
		{"colon", "/c/:id", false, ""},
		{"question mark, escape, blank, ampersand, umlaut", "/q?b=1/%20/ /&/ä", false, ""},
		{"wildcard", "/v1/*", false, ""},
		{"variables before a wildcard", "/v1/{svc}/{x}/*", false, ""},
		{"looks reserved", "/__healthy/__stats", false, ""},
		{"braces inside a word are text", "/a/x{id}", false, ""},
		{"word", "/file.{ext}", true, ""},
		{"word in the middle", "/v{ver}/x/{id}", true, ""},

		{"no slash", "a/b", false, `write "/a/b"`},
		{"empty", "", false, `write "/"`},
		{"star before an extension", "/a/*.jpg", false, `write "/a/*"`},
		{"star in the middle", "/a/*/b", false, `write "/a/*"`},
		{"named star", "/a/*rest", false, `write "/a/*"`},
		{"star after text", "/a/x*", false, `write "/a/*"`},
		{"star alone", "/*", false, `such as "/v1/*"`},
		{"reserved", "/__health", false, `"__health" belongs to the gateway`},
		{"reserved below", "/foo/__debug", false, `"__debug"`},
		{"reserved above", "/foo/__echo/bar", false, `"__echo"`},
		{"reserved wildcard", "/__debug/*", false, `"__debug"`},
		{"text after a variable", "/a/{id}.json", false, `write "{id}", which takes the whole segment`},
		{"text after a variable with disable_rest", "/a/{id}.json", true, `write "{id}"`},
		{"the key of OData with disable_rest", "/Users('{id}')", true, `write "Users/{id}" for clients and this one as url_pattern, where variables may be anywhere, or "{users}"`},
		{"text after the variable of a word", "/a/x{id}.json", true, `write "x/{id}" for clients and this one as url_pattern`},
		{"two variables", "/a/{x}{y}", true, "one variable per segment"},
		{"two variables without disable_rest", "/a/{x}.{y}", false, "one variable per segment"},
		{"empty name", "/a/{}", false, "letters, digits"},
		{"dot in a name", "/a/{user.id}", false, `got "user.id"`},
		{"open brace", "/a/{id", false, `write "{id}"`},
		{"open brace of a word", "/a/x{id", true, `write "x{id}"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := CheckPattern(tt.pattern, tt.disableRest)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("CheckPattern(%q, %v) = %v, want none", tt.pattern, tt.disableRest, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("CheckPattern(%q, %v) = %v, want %q in it", tt.pattern, tt.disableRest, err, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		pattern string
		want    []string
	}{
		{"/a", nil},
		{"/{b}/x{a}/{b}/*", []string{"b", "a", "b"}},
		{"/pair/{id}/{Id}", []string{"id", "Id"}},
	}
	for _, tt := range tests {
		if got, err := CheckPattern(tt.pattern, true); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("CheckPattern(%q) = %q, %v, want %q", tt.pattern, got, err, tt.want)
		}
	}
}
