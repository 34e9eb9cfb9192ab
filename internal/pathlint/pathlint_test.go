package pathlint

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

func TestDoubt(t *testing.T) {
	tests := []struct {
		path    string
		why     string // a part of it
		instead []string
		inside  string
		literal string
	}{
		{"", "empty", nil, "", ""},
		{" ", "blank", nil, "", `\ `},
		{" secret", "blank", []string{"secret"}, "", `\ secret`},
		{"secret\u00a0", "blank", []string{"secret"}, "", "secret\\\u00a0"},
		{"\u200bsecret", "blank", []string{"secret"}, "", "\\\u200bsecret"},
		{"user. password", "blank", []string{"user.password"}, "", `user.\ password`},
		{"got,headers", "several", []string{"got", "headers"}, "", `got\,headers`},
		{"got, headers,", "several", []string{"got", "headers"}, "", `got\, headers\,`},
		{"secret,", "several", []string{"secret"}, "", `secret\,`},
		{"$.got,$.headers", "several", []string{"got", "headers"}, "", ""},
		{"a;b", "several", []string{"a", "b"}, "", `a\;b`},
		{"a|b", "several", []string{"a", "b"}, "", `a\|b`},
		{"a\tb", "several", []string{"a", "b"}, "", "a\\\tb"},
		{"items.#.x", "lists", nil, "items.*.x", `items.\#.x`},
		{"a\nb", "several", []string{"a", "b"}, "", "a\\\nb"},
		{`["secret"]`, "list in one text", []string{"secret"}, "", ""},
		{`["a.b", "c"]`, "list in one text", []string{"a.b", "c"}, "", ""},
		{`["a,b"]`, "list in one text", []string{"a,b"}, "", ""},
		{"[secret, other]", "list in one text", []string{"secret", "other"}, "", ""},
		{"['secret']", "list in one text", []string{"secret"}, "", ""},
		{`{"secret": true}`, "list in one text", nil, "", ""},
		{"{secret}", "list in one text", []string{"secret"}, "", ""},
		{"[]", "list in one text", nil, "", ""},
		{`"secret"`, "quotation marks", []string{"secret"}, "", ""},
		{"'secret'", "quotation marks", []string{"secret"}, "", ""},
		{"`secret`", "quotation marks", []string{"secret"}, "", ""},
		{"$", "JSONPath", nil, "", `\$`},
		{"$.x", "JSONPath", []string{"x"}, "", `\$.x`},
		{"$.user.password", "JSONPath", []string{"user.password"}, "", `\$.user.password`},
		{"$['user']['pass.word']", "JSONPath", []string{`user.pass\.word`}, "", `\$\[\'user\'\]\[\'pass.word\'\]`},
		{"$..password", "JSONPath", []string{"password"}, "", ""},
		{"$.items[*].x", "lists", nil, "items.*.x", `\$.items\[\*\].x`},
		{".x", "dot", []string{"x"}, "", ""},
		{".user.password", "dot", []string{"user.password"}, "", ""},
		{"..password", "dot", []string{"password"}, "", ""},
		{".", "dot", nil, "", ""},
		{"x.", "empty", []string{"x"}, "", ""},
		{"a..b", "empty", []string{"a.b"}, "", ""},
		{"/x", "JSON Pointer", []string{"x"}, "", `\/x`},
		{"/user/pass.word", "JSON Pointer", []string{`user.pass\.word`}, "", `\/user\/pass.word`},
		{"#/a~1b/c~0d", "JSON Pointer", []string{"a/b.c~d"}, "", `\#\/a~1b\/c~0d`},
		{"/", "JSON Pointer", nil, "", `\/`},
		{"*", "stands for nothing else", nil, "*", `\*`},
		{"a.*", "stands for nothing else", nil, "a.*", `a.\*`},
		{"*.secret", "stands for nothing else", nil, "*.secret", `\*.secret`},
		{"*_token", "stands for nothing else", nil, "", `\*_token`},
		{"items[].x", "lists", nil, "items.*.x", `items\[\].x`},
		{"items[0].x", "lists", nil, "items.0.x", `items\[0\].x`},
		{"items[*].x", "lists", nil, "items.*.x", `items\[\*\].x`},
		{"items[-1]", "lists", nil, "items.*", `items\[-1\]`},
		{"items[0,1].x", "lists", nil, "items.*.x", `items\[0\,1\].x`},
		{"items[?(@.a)].x", "lists", nil, "items.*.x", ""},
		{`user["password"]`, "brackets", []string{"user.password"}, "", `user\[\"password\"\]`},
		{"user['pass.word'].x", "brackets", []string{`user.pass\.word.x`}, "", `user\[\'pass.word\'\].x`},
		{"^secret$", "regular expression", nil, "", `\^secret\$`},
	}
	for _, tt := range tests {
		d := Doubt(tt.path)
		if d == nil {
			t.Errorf("Doubt(%q): none", tt.path)
			continue
		}
		if !strings.Contains(d.Why, tt.why) || !slices.Equal(d.Instead, tt.instead) || d.Inside != tt.inside {
			t.Errorf("Doubt(%q) = %q, instead %q, inside %q; want %q, %q, %q", tt.path, d.Why, d.Instead, d.Inside, tt.why, tt.instead, tt.inside)
		}
		if tt.literal != "" && d.Literal != tt.literal {
			t.Errorf("Doubt(%q): literal %q, want %q", tt.path, d.Literal, tt.literal)
		}
		for _, p := range append(slices.Clone(d.Instead), d.Literal) {
			if d := Doubt(p); p != "" && d != nil && p != "a,b" {
				t.Errorf("Doubt(%q) says to write %q, which is doubtful: %s", tt.path, p, d.Why)
			}
		}
	}
}

// TestNoDoubt is about names that services have.
func TestNoDoubt(t *testing.T) {
	for path, names := range map[string][]string{
		"name": {"name"}, "a.b.c": {"a", "b", "c"}, "list.0.x": {"list", "0", "x"},
		"_id": {"_id"}, "-type": {"-type"}, "@id": {"@id"}, "#text": {"#text"}, "$ref": {"$ref"}, "$id": {"$id"}, "x.$ref": {"x", "$ref"}, "a.$.b": {"a", "$", "b"},
		"First Name": {"First Name"}, "application/json": {"application/json"}, "paths./users": {"paths", "/users"},
		"application/json; charset=utf-8": {"application/json; charset=utf-8"}, "a:b": {"a:b"}, "filter[name]": {"filter[name]"}, "name?": {"name?"}, "^GSPC": {"^GSPC"},
		"naïve": {"naïve"}, "a\\b": {"a\\b"}, "it's": {"it's"}, "-": {"-"}, "C#": {"C#"}, "#": {"#"}, `a.\#`: {"a", "#"}, "50%": {"50%"}, "(a)": {"(a)"}, "a & b": {"a & b"},
		// With backslashes.
		`v1\.0.x`: {"v1.0", "x"}, `\$.x`: {"$", "x"}, `\*`: {"*"}, `a.\*`: {"a", "*"}, `\/x`: {"/x"}, `a\,b`: {"a,b"}, `\ a`: {" a"}, `a\ `: {"a "},
		`items\[].x`: {"items[]", "x"}, `\["a"]`: {`["a"]`}, `\"a"`: {`"a"`}, `\$SECRET`: {"$SECRET"}, `\^a\$`: {"^a$"}, `a\;b\|c`: {"a;b|c"}, "a\\\u00a0": {"a\u00a0"},
		`\.a`: {".a"}, `\#/a`: {"#/a"}, `\{a}`: {"{a}"},
	} {
		if d := Doubt(path); d != nil {
			t.Errorf("Doubt(%q) = %s", path, d.Why)
		}
		if got := jsonspan.SplitPath(path); !slices.Equal(got, names) {
			t.Errorf("jsonspan.SplitPath(%q) = %q, want %q", path, got, names)
		}
	}
}

// FuzzDoubt holds that what is to be written instead is beyond doubt, as far as it is
// about the notation, and that the literal path leads to a member of just this name.
func FuzzDoubt(f *testing.F) {
	for _, seed := range []string{"", "a", " a", "a,b", `["a"]`, "$.a[0].b", "/a/b", "a..b", "*", `\*`, `a\`, "${A}", "a[", "a]b[c", "[?(@.a)]", "'a", "^$", "\u200b", "#/", "{a:b}", `\\.a`, "a|b;c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if strings.ContainsFunc(path, func(r rune) bool { return r >= masked || r == '\uFFFD' }) {
			return
		}
		d := Doubt(path)
		if d == nil || d.Literal == "" || strings.Contains(path, `\`) {
			return
		}
		if again := Doubt(d.Literal); again != nil {
			t.Fatalf("Doubt(%q) says to write %q, which is doubtful: %s", path, d.Literal, again.Why)
		}
		bare := path
		if got := jsonspan.SplitPath(d.Literal); !slices.Equal(got, strings.Split(bare, ".")) && !slices.Equal(got, strings.Split(trim(bare), ".")) {
			t.Fatalf("Doubt(%q): %q leads to %q", path, d.Literal, got)
		}
	})
}
