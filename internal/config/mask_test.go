package config

import (
	"errors"
	"fmt"
	"strings"
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
		{"two that overlap", "K=abcd1-hunter", "abcd1-hunter2", "***"},
		{"two in a row", "K=abcd1", "hunter2abcd1hunter", "******hunter"},
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

// TestShortSecrets leaves messages readable, and tells nothing, whatever a reference
// stands for: the values are all of the text, a part of it, an item or a member.
func TestShortSecrets(t *testing.T) {
	const message = `a value of "KEY" must be a number, got 'KEY' in /KEY/x?k=KEY&l=1; write a blank, - or 17`
	tests := []struct{ value, want string }{
		{"a", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{" ", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{"-", `a value of "***" must be a number, got '***' in /-/x?k=-&l=1; write a blank, - or 17`},
		{"17", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{"be", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{"a/1", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{"\t", `a value of "***" must be a number, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
		{"number", `a value of "***" must be a ***, got '***' in /***/x?k=***&l=1; write a blank, - or 17`},
	}
	for _, tt := range tests {
		d, problems := Parse("f.json", []byte(`{"a":"${env:K}","b":["x","${env:K}"],"c":"x/${env:K}"}`))
		problems = append(problems, d.ExpandReferences(LoadOptions{Environ: []string{"K=" + tt.value}})...)
		if len(problems) > 0 {
			t.Fatal(Format(problems))
		}
		// As the parts of the text are spelt: quoted as Go does, and escaped in URLs.
		text := strings.NewReplacer(`"KEY"`, fmt.Sprintf("%q", tt.value), `'KEY'`, "'"+tt.value+"'", "/KEY/", "/"+escape(tt.value)+"/", "=KEY&", "="+escape(tt.value)+"&").Replace(message)
		for _, path := range []string{"a", "b", "b[1]", "c"} {
			p := d.Root.ProblemAt(path, Error, CodeInvalid, errors.New(text))
			d.Mask([]*Problem{p})
			if got := p.Err.Error(); got != tt.want {
				t.Errorf("%q, %s:\ngot  %s\nwant %s", tt.value, path, got, tt.want)
			}
		}
		p := d.Root.ProblemAt("", Error, CodeInvalid, errors.New("must be a number between 0 and 17"))
		if d.Mask([]*Problem{p}); p.Err.Error() != "must be a number between 0 and 17" && tt.value != "number" {
			t.Errorf("%q: a message that says nothing of it: %v", tt.value, p.Err)
		}
	}
}

// TestMaskUser hides passwords that are not escaped, too, and in texts that are no URLs.
func TestMaskUser(t *testing.T) {
	tests := []struct{ in, right, wrong string }{
		{"https://idp/token", "https://idp/token", "https://idp/token"},
		{"https://user:pw@idp/token", "https://***@idp/token", "https://***@idp/token"},
		{"https://user:p/w@idp/token", "https://***@idp/token", "https://***@idp/token"},
		{"https://user:p?w#@idp", "https://***@idp", "https://***@idp"},
		{"https://user:1/w@idp", "https://***@idp", "https://***@idp"},
		{"https://a@b:p/w@idp", "https://***@idp", "https://***@idp"},
		{"https:///user:pw@idp", "https:///***@idp", "https:///***@idp"},
		{"htps:/user:pw@idp/token", "htps:/***@idp/token", "htps:/***@idp/token"},
		{"https:user:pw@idp", "***@idp", "***@idp"},
		{"user:p/w@idp:80", "***@idp:80", "***@idp:80"},
		{"token@idp", "***@idp", "***@idp"},
		{"https://idp/users/@me", "https://idp/users/@me", "https://***@me"},
		{"https://[::1]/@me", "https://[::1]/@me", "https://***@me"},
		{"idp/@me", "idp/@me", "***@me"},
		{"a, https://u:pw@b, https://v:pw@c", "a, https://***@c", "a, https://***@c"},
		{"@", "@", "@"},
		{"", "", ""},
		{"amqp://h:5672/?password=s3cret&heartbeat=1", "amqp://h:5672/?password=***&heartbeat=1", "amqp://h:5672/?password=***&heartbeat=***"},
		{"amqp://u:s3c?ret@h/?x=s3cret#f", "amqp://***@h/?x=s3cret#f", "amqp://***@h/?x=***#f"},
		{"https://h/keys?api_key=s3cret&Sig=s3cret&tenant=a", "https://h/keys?api_key=***&Sig=***&tenant=a", "https://h/keys?api_key=***&Sig=***&tenant=***"},
	}
	for _, tt := range tests {
		if right, wrong := MaskUser(tt.in), MaskWrong(tt.in); right != tt.right || wrong != tt.wrong {
			t.Errorf("%q: %q, and %q of what is wrong; want %q and %q", tt.in, right, wrong, tt.right, tt.wrong)
		}
	}
}

// TestProblemsOfURLs has the property that no problem tells a password that stands in a
// URL, right or wrong, whatever is wrong with it and whoever reports it.
func TestProblemsOfURLs(t *testing.T) {
	type options struct {
		URL  string   `json:"url" check:"url"`
		List []string `json:"list"`
		Size int      `json:"size"`
		Kind colour   `json:"kind"`
		Net  string   `json:"net" check:"cidr"`
	}
	for _, url := range []string{
		"htps:/user:hunter2/a@idp/token", "https://user:hunter2/a@idp/token", "https:user:hunter2/a@idp", "user:hunter2/a@idp:80",
		"https://" + strings.Repeat("user", 10) + ":hunter2/a@idp/token",
		`https://user:hunter2\"/a@idp`,
	} {
		n, problems := Parse("f.json", fmt.Appendf(nil, `{"url":"%[1]s","list":"%[1]s","size":"%[1]s","kind":"%[1]s","net":"%[1]s","free":["%[1]s"]}`, url))
		if len(problems) > 0 {
			t.Fatal(Format(problems))
		}
		var o options
		ps := Decode(n.Root, &o)
		whole := n.Root.Get("url").Text
		password := whole[strings.Index(whole, "hunter2"):strings.LastIndex(whole, "@")]
		for _, text := range []string{whole, password, fmt.Sprintf("%q", whole), fmt.Sprintf("parse %q: invalid port %q", whole, ":"+password)} {
			ps = append(ps, n.Root.ProblemAt("url", Error, CodeInvalid, errors.New(text)), n.Root.ProblemAt("free", Error, CodeInvalid, errors.New(text)))
		}
		if len(ps) < 12 {
			t.Errorf("%s: %d problems", url, len(ps))
		}
		for _, p := range ps {
			if strings.Contains(p.Err.Error(), "hunter2") {
				t.Errorf("%s: %v", p.Path, p.Err)
			}
		}
		if text := string(n.Root.MaskedJSON()); strings.Contains(text, "hunter2") && schemeEnd(whole) > 0 {
			t.Errorf("shown as %s", text)
		}
	}
}

type colour string

func (colour) Enum() []string { return []string{"red", "green"} }

// escape is the segment of a path.
func escape(s string) string {
	return strings.NewReplacer(" ", "%20", "/", "%2F", "\t", "%09").Replace(s)
}

// TestMasker hides values of references in texts of the log: those that stand where
// credentials do, words among them as whole words.
func TestMasker(t *testing.T) {
	const text = `{"host":["${env:H}"],"port":"${env:N}","endpoints":[{"backend":[{"url_pattern":"/${env:W}/${env:S}"}],"EXTRA_CONFIG":{"a":[{"b":"${env:K}","c":"${env:R}"}]}}],"@c":"${env:C}"}`
	environ := []string{"H=http://orders:8000", "N=8080", "W=team", "S=v1", `K=a b/"c`, "C=comment-value", "R=10"}
	d, problems := Parse("f.json", []byte(text))
	problems = append(problems, d.ExpandReferences(LoadOptions{Environ: environ})...)
	if len(problems) > 0 {
		t.Fatal(Format(problems))
	}
	mask := d.Masker()
	tests := []struct{ in, want string }{
		{"call http://orders:8000/team/v1", "call http://orders:8000/***/***"},
		{"/v1?v=v1&w=v1.2 v1 of HTTP/1.1", "/***?v=***&w=v1.2 v1 of HTTP/1.1"},
		{`10 of /items/10 "10"`, `10 of /items/10 "***"`},
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

// BenchmarkMasker measures what a text of a line about a call costs.
func BenchmarkMasker(b *testing.B) {
	const path = "/v1/customers/8f14e45f-ceea-467f-a8b1-c9a1f0b4d1ce/orders?page=2&limit=50&sort=-created"
	for _, n := range []int{1, 10, 100} {
		var text, environ []string
		for i := range n {
			text = append(text, fmt.Sprintf(`"k%d":"${env:K%d}"`, i, i))
			environ = append(environ, fmt.Sprintf("K%d=%x/secret", i, i*7919+1<<20))
		}
		d, _ := Parse("f.json", []byte(`{"extra_config":{`+strings.Join(text, ",")+`}}`))
		if problems := d.ExpandReferences(LoadOptions{Environ: environ}); len(problems) > 0 {
			b.Fatal(Format(problems))
		}
		mask := d.Masker()
		b.Run(fmt.Sprintf("%d/without", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mask(path)
			}
		})
		b.Run(fmt.Sprintf("%d/with", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mask(path + "&key=100000/secret")
			}
		})
	}
}

func TestMaskText(t *testing.T) {
	for text, want := range map[string]string{
		`["pa\"ss\\word"]`: `["***"]`, `pa"ss\word`: `***`, `abcdefGHIJKL abcdef`: `*** ***`, `pa%22ss%5Cword`: `***`, `plain`: `plain`,
	} {
		if got := MaskText(text, []string{"abcdef", `pa"ss\word`, "abcdefGHIJKL", ""}); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
