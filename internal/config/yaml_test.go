package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestYAML(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"scalars", "[1, -2, 1.5, 1e3, true, ~, null, text, \"q\", 'r', yes]", `[1,-2,1.5,1e3,true,null,null,"text","q","r","yes"]`},
		{"numbers of other forms", "[0x10, 0o17, 0b11, 1_000, +5, .5, -.5, 1., 1.e2]", `[16,15,3,1000,5,0.5,-0.5,1.0,1.0e2]`},
		{"long number", "a: 123456789012345678901234567890", `{"a":123456789012345678901234567890}`},
		{"date is a text", "a: 2001-01-01", `{"a":"2001-01-01"}`},
		{"explicit tags", "[!!str 5, !!int \"3\", !!float 3, !!bool \"true\", !!null \"\"]", `["5",3,3,true,null]`},
		{"block text", "a: |\n  one\n  two\nb: >\n  one\n  two\n", `{"a":"one\ntwo\n","b":"one two\n"}`},
		{"keys that are no texts", "404: a\ntrue: b\n1.5: c", `{"404":"a","true":"b","1.5":"c"}`},
		{"alias", "a: &x {b: [1]}\nc: *x", `{"a":{"b":[1]},"c":{"b":[1]}}`},
		{"alias as key", "a: &k name\n*k : 1", `{"a":"name","name":1}`},
		{"merge", "base: &b {x: 1, y: 2}\na:\n  y: 3\n  <<: *b", `{"base":{"x":1,"y":2},"a":{"y":3,"x":1}}`},
		{"merge of a list", "p: &p {x: 1}\nq: &q {x: 2, y: 2}\na:\n  <<: [*p, *q]", `{"p":{"x":1},"q":{"x":2,"y":2},"a":{"x":1,"y":2}}`},
		{"merge of a merge", "p: &p {x: 1}\nq: &q {<<: *p, y: 2}\na: {<<: *q}", `{"p":{"x":1},"q":{"y":2,"x":1},"a":{"y":2,"x":1}}`},
		{"quoted merge key", "a: {\"<<\": 1}", `{"a":{"<<":1}}`},
		{"empty value", "a:\nb: 1", `{"a":null,"b":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ps := config.Parse("f.yaml", []byte(tt.in))
			if d == nil || len(ps) > 0 {
				t.Fatal(ps)
			}
			if got := string(d.Root.JSON()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestYAMLProblems(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	bomb := "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
	for c := 'b'; c < 'j'; c++ {
		last := "*" + string(c-1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat(last+", ", 9) + last + "]\n"
	}
	mergeBomb := "m0: &m0 {}\n"
	for i := range 60 {
		mergeBomb += fmt.Sprintf("m%d: &m%[1]d {<<: [*m%[2]d, *m%[2]d]}\n", i+1, i)
	}
	tests := []struct{ name, in, want string }{
		{"empty", "# nothing\n", "error: f.yml:1:1: the file is empty; write an object: key: value\n"},
		{"syntax", "a: b: c", "error: f.yml:1:5: a second colon on the line makes another key of its value; put the value in quotes, or begin a line for the key\n"},
		{"a tab", "a:\n\tb: 1\n", "error: f.yml:2:1: the line begins with a tab, which YAML does not take for indentation; write blanks\n"},
		{"comments without an end", "a: 1\n" + strings.Repeat("#\n", 1_000_000) + "  b: 1: 1", "error: f.yml:1000002:3: the line is indented like none of those above; indent it as the lines beside which it belongs\n"},
		{"open list", "a:\n  [1\n", "error: f.yml:2:3: the list that begins here is not closed; write \"]\" where it ends\n"},
		{"unknown anchor", "a:\n b: *x", "error: f.yml:2:5: the alias *x stands for nothing; write &x in front of the value that it is to stand for, or put a text that begins with * in quotes\n"},
		{"not UTF-8", "a: 1\nb: \xff", "error: f.yml:2:4: the byte 0xff is not UTF-8; save the file as UTF-8\n"},
		{"two documents", "a: 1\n---\nb: 2", "error: f.yml:2:1: the file holds several documents; write one\n"},
		{"second document broken", "a: 1\n---\nb: [", "error: f.yml:3:4: the list that begins here is not closed; write \"]\" where it ends\n"},
		{"cycle", "a: &x\n  b: [*x]", "error: f.yml:2:7: the alias *x stands within the value that it names; write the value out\n"},
		{"merge cycle", "a: &x\n  <<: *x", "error: f.yml:2:7: the alias *x stands within the value that it names; write the value out\n"},
		{"merge of a text", "a:\n  <<: text", "error: f.yml:2:7: a merge key takes an object or a list of objects; write <<: *name\n"},
		{"key that is a list", "? [a]\n: b", "error: f.yml:1:3: a key must be a text; write it in quotes\n"},
		{"infinity", "a: .inf", "error: f.yml:1:4: a: .inf has no meaning here; write a finite number\n"},
		{"binary", "a: !!binary aGk=", "error: f.yml:1:4: the tag !!binary is not supported; remove it\n"},
		{"own tag", "a: !env X", "error: f.yml:1:4: the tag !env is not supported; remove it\n"},
		{"own tag on object", "a: !env {}", "error: f.yml:1:4: the tag !env is not supported; remove it\n"},
		{"wrong boolean", "a: !!bool maybe", "error: f.yml:1:4: \"maybe\" is neither true nor false\n"},
		{"duplicate key", "a: 1\nb: 2\na: 3", "warning: f.yml:3:1: a: the key \"a\" occurs twice; the value at f.yml:1:4 is ignored, keep one of the two\n"},
		{"duplicate key behind an alias", "x: &x {a: 1, a: 2}\ny: *x\nz: {<<: *x}", "warning: f.yml:1:14: x.a: the key \"a\" occurs twice; the value at f.yml:1:11 is ignored, keep one of the two\n"},
		{"too many aliases", bomb, "error: f.yml:5:36: the aliases of the file expand to more than 100828 values; write fewer\n"},
		{"too many merges", mergeBomb, "the aliases of the file expand to more than 103426 values; write fewer\n"},
		{"too deep", deep, "error: f.yml:1:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ps := config.Parse("f.yml", []byte(tt.in))
			if got := config.Format(ps); !strings.Contains(got, tt.want) || len(ps) != 1 {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

// FuzzYAML states that the parser never panics and that what it accepts is a
// JSON value with a place for every part.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: &x [1, .5, 0x1f, ~]\nb: *x\nc: {<<: {d: 1}}\n", "- &a\n- *a", "? [a]\n: b", "a: !!int x", "---\n...\n---", "a: |\n b\n",
		"{a: 1, a: 2}", "!!map {}", "&a [*a]", "a: 1.e\nb: !!float .", "%YAML 1.1\n---\na", "<<: 1", "<<: [[*a]]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkTree(t, "f.yaml", in)
	})
}

// checkTree parses in and checks what holds of every document.
func checkTree(t *testing.T, name string, in []byte) {
	d, ps := config.Parse(name, in)
	if (d == nil) != config.HasErrors(ps) {
		t.Fatalf("document %v, problems %v", d, ps)
	}
	if d == nil {
		return
	}
	if text := d.Root.JSON(); !json.Valid(text) {
		t.Fatalf("%q gives %q, which is not JSON", in, text)
	}
	// An empty value at the end stands on the line after the last.
	lines := 2 + strings.Count(string(in), "\n") + strings.Count(string(in), "\r") + strings.Count(string(in), "\u0085") +
		strings.Count(string(in), "\u2028") + strings.Count(string(in), "\u2029")
	var walk func(n *config.Node)
	walk = func(n *config.Node) {
		if n.Pos.File != name || n.Pos.Line < 1 || int(n.Pos.Line) > lines || n.Pos.Col < 1 {
			t.Fatalf("%q: %s is at %s", in, n.Path(), n.Pos)
		}
		for _, item := range n.Items {
			walk(item)
		}
		for _, m := range n.Members {
			if n.Get(m.Key) != m.Value {
				t.Fatalf("%q: the key %q occurs twice", in, m.Key)
			}
			walk(m.Value)
		}
	}
	walk(d.Root)
}
