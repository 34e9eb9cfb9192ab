package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// TestRelocate moves a problem, and the place that its message names.
func TestRelocate(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"twice.json", "{\"a\": 1,\n\"a\": 2}", `t.tmpl:102:1: a: the key "a" occurs twice; the value at t.tmpl:101:7 is ignored, keep one of the two`},
		{"open.json", "[{\n{}]", `t.tmpl:102:1: expected a key in double quotes, got '{'; the object that begins at t.tmpl:101:2 is still open, close it with '}'`},
	}
	for _, tt := range tests {
		_, problems := config.Parse(tt.name, []byte(tt.text))
		if len(problems) != 1 {
			t.Fatalf("%s: %v", tt.name, problems)
		}
		problems[0].Relocate(func(at config.Pos) config.Pos { return config.Pos{File: "t.tmpl", Line: at.Line + 100, Col: at.Col} })
		if got := problems[0].Error(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestInsert masks what was put into a text, what became of it, and what stands beside a
// reference in the same text.
func TestInsert(t *testing.T) {
	d, _ := config.Parse("a.json", []byte(`{"url_pattern": "/x?k=c2VzYW1l", "both": "sesame-${env:A}", "plain": "sesame seeds"}`))
	d.Insert(d.Root.Get("url_pattern"), false, "sesame")
	d.Insert(d.Root.Get("both"), false, "sesame")
	d.ExpandReferences(config.LoadOptions{Environ: []string{"A=open"}})
	if got, want := string(d.Root.MaskedJSON()), `{"url_pattern":"***","both":"***${env:A}","plain":"sesame seeds"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p := d.Root.Get("both").Problem(config.Error, config.CodeInvalid, fmt.Errorf("no %q", "sesame-open"))
	d.Mask([]*config.Problem{p})
	if strings.Contains(p.Error(), "sesame") || strings.Contains(p.Error(), "open") {
		t.Errorf("the problem tells: %v", p)
	}
	if got := d.Masker()("GET /x?k=c2VzYW1l with \"sesame\""); strings.Contains(got, "c2V") || strings.Contains(got, "sesame") {
		t.Errorf("the log tells: %s", got)
	}
}

// TestAdopt puts a part of one document into another, with its secrets, and says where a
// template has put it.
func TestAdopt(t *testing.T) {
	outer, _ := config.Parse("outer.json", []byte(`{"a": [{"$ref": "inner.json#/b"}]}`))
	inner, _ := config.Parse("inner.json", []byte(`{"b": {"c": "sesame"}, "d": "other"}`))
	inner.Insert(inner.Root.Get("b").Get("c"), false, "sesame")
	inner.Place(inner.Root.Get("b").Get("c"), config.Pos{File: "s.json", Line: 1, Col: 2}, config.Pos{File: "t.tmpl", Line: 3, Col: 4})
	n := outer.Root.Get("a").Items[0]
	outer.Adopt(n, inner, inner.Root.Get("b"))
	if got, want := string(outer.Root.MaskedJSON()), `{"a":[{"c":"***"}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p := n.Get("c").Problem(config.Error, config.CodeInvalid, fmt.Errorf("%q is wrong", "sesame"))
	outer.Trace([]*config.Problem{p})
	outer.Mask([]*config.Problem{p})
	if got, want := p.Error(), `s.json:1:2: a[0].c: "***" is wrong (inserted at t.tmpl:3:4)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ps := []*config.Problem{{Path: "c"}, {Path: ""}, {Path: "[1]"}}
	n.Under(ps)
	if ps[0].Path != "a[0].c" || ps[1].Path != "a[0]" || ps[2].Path != "a[0][1]" {
		t.Errorf("paths: %v %v %v", ps[0].Path, ps[1].Path, ps[2].Path)
	}
}
