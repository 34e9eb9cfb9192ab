package config

import (
	"errors"
	"testing"
)

// TestMask has the property that no problem tells what a reference stands for.
func TestMask(t *testing.T) {
	tests := []struct{ name, environ, text, want string }{
		{"a part of the text", "K=hunter2", "POST /hunter2/a is wrong", "POST /***/a is wrong"},
		{"one in another", "K=hunter2-production", "hunter2-production and hunter2", "*** and ***"},
		{"quoted", `K=a"b\c1`, `value "a\"b\\c1" and a"b\c1`, `value "***" and ***`},
		{"a word", "K=http", "write http://host", "write http://host"},
		{"short", "K=7", "7 of 77", "7 of 77"},
		{"a number", "K=8080", "port 8080", "port ***"},
	}
	for _, tt := range tests {
		d, problems := Parse("f.json", []byte(`{"a":"${env:K}","b":"${env:L}"}`))
		problems = append(problems, d.ExpandReferences(LoadOptions{Environ: []string{tt.environ, "L=hunter2"}})...)
		if len(problems) > 0 {
			t.Fatal(Format(problems))
		}
		p := &Problem{Err: errors.New(tt.text)}
		d.Mask([]*Problem{p})
		if got := p.Err.Error(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
