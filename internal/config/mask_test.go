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

// TestMasker hides values of references in texts of the log: those that stand where
// credentials do, words among them as whole words.
func TestMasker(t *testing.T) {
	const text = `{"host":["${env:H}"],"port":"${env:N}","endpoints":[{"backend":[{"url_pattern":"/${env:W}/${env:S}"}],"EXTRA_CONFIG":{"a":[{"b":"${env:K}"}]}}],"@c":"${env:C}"}`
	environ := []string{"H=http://orders:8000", "N=8080", "W=team", "S=v1", `K=a b/"c`, "C=comment-value"}
	d, problems := Parse("f.json", []byte(text))
	problems = append(problems, d.ExpandReferences(LoadOptions{Environ: environ})...)
	if len(problems) > 0 {
		t.Fatal(Format(problems))
	}
	mask := d.Masker()
	tests := []struct{ in, want string }{
		{"call http://orders:8000/team/v1", "call http://orders:8000/***/v1"},
		{"teams steam team1 team-b team", "teams steam team1 ***-b ***"},
		{"port 8080 of comment-value", "port 8080 of comment-value"},
		{`a b/"c`, "***"},
		{`key "a b/\"c"`, `key "***"`},
		{"a+b%2F%22c a%20b%2F%22c a%20b/%22c", "*** *** ***"},
		{"äteam teamä", "äteam teamä"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := mask(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
	plain, _ := Parse("f.json", []byte(`{"url_pattern":"/a","host":["${env:H}"]}`))
	if problems := plain.ExpandReferences(LoadOptions{Environ: environ}); len(problems) > 0 || plain.Masker() != nil {
		t.Errorf("a document without secrets has something to hide (%v)", problems)
	}
}
