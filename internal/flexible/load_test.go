package flexible_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flexible"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// write puts files into a new folder, which the test works in, from a text in which each
// begins with a line "-- name --".
func write(t testing.TB, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for part := range strings.SplitSeq(text, "\n-- ") {
		name, content, found := strings.Cut(strings.TrimPrefix(part, "-- "), " --\n")
		if !found {
			t.Fatalf("no name in %.40q", part)
		}
		put(t, name, content)
	}
}

func put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load makes a document of base.tmpl with variables.
func load(t testing.TB, o flexible.Options, environ ...string) (*config.Document, []*config.Problem) {
	t.Helper()
	if o.Reads == nil {
		o.Reads = func(string) {}
	}
	o.Environ = environ
	parts, problems := flexible.FromEnviron(t.Context(), environ, nil, o.Reads)
	if parts == nil {
		return nil, problems
	}
	d, more := parts.Load(t.Context(), "base.tmpl", o)
	return d, append(problems, more...)
}

// folders are the variables of files in the usual folders.
func folders(more ...string) []string {
	return append([]string{"FC_ENABLE=1", "FC_SETTINGS=settings", "FC_PARTIALS=partials", "FC_TEMPLATES=templates"}, more...)
}

// TestPlaces shows for each value of a document where it was written.
func TestPlaces(t *testing.T) {
	golden, err := filepath.Abs("testdata/places.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/places.in")
	if err != nil {
		t.Fatal(err)
	}
	write(t, string(text))
	var rendered string
	d, problems := load(t, flexible.Options{Rendered: func(text string) { rendered = text }}, folders("HOST=http://10.0.0.7", "TOKEN=open sesame")...)
	if len(problems) > 0 || d == nil {
		t.Fatal(config.Format(problems))
	}
	var b bytes.Buffer
	var walk func(n *config.Node)
	walk = func(n *config.Node) {
		p := n.Problem(config.Note, "", fmt.Errorf("%s", n.MaskedJSON()))
		d.Trace([]*config.Problem{p})
		if n.Kind == config.Object || n.Kind == config.Array {
			text := p.Err.Error()
			_, through, moved := strings.Cut(text, " (inserted")
			if p.Err = fmt.Errorf("%s", n.Kind); moved {
				p.Err = fmt.Errorf("%s (inserted%s", n.Kind, through)
			}
		}
		fmt.Fprintln(&b, p)
		for _, item := range n.Items {
			walk(item)
		}
		for _, m := range n.Members {
			fmt.Fprintf(&b, "%v: key %s\n", m.KeyPos, m.Key)
			walk(m.Value)
		}
	}
	walk(d.Root)
	fmt.Fprintf(&b, "\n%s", rendered)
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if strings.Contains(b.String(), "sesame") {
		t.Error("the secret is shown")
	}
}

// result is what became of the files: the document as JSON, and the problems.
func result(t *testing.T, o flexible.Options, environ ...string) string {
	t.Helper()
	d, problems := load(t, o, environ...)
	text := config.Format(problems)
	if d != nil && !config.HasErrors(problems) {
		text = string(d.Root.MaskedJSON()) + "\n" + text
	}
	return text
}

// TestExtended runs the cases of testdata/extended: files, and behind a line "-- want --" what
// becomes of them.
func TestExtended(t *testing.T) {
	cases, err := filepath.Glob("testdata/extended/*.txt")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			name, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want, _ := strings.Cut(string(text), "-- want --\n")
			write(t, files)
			got := result(t, flexible.Options{}, "FC_CONFIG=config.json", "TOKEN=open sesame")
			if *update {
				if err := os.WriteFile(name, []byte(files+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestMissingPartial makes nothing of a partial that is not there, where that is asked for.
func TestMissingPartial(t *testing.T) {
	write(t, "-- base.tmpl --\n{\"name\": \"a{{ include \"p.txt\" }}b\"}\n-- partials/q --\n")
	for undefined, want := range map[string]string{
		"error": "error: base.tmpl:1:15: include: the file p.txt is not in partials; write its path within the folder of partials, which FC_PARTIALS or --partials names\n",
		"zero":  "{\"name\":\"ab\"}\nwarning: base.tmpl:1:15: the file p.txt is not in partials; write its path within the folder of partials, which FC_PARTIALS or --partials names; nothing stands in its place\n",
	} {
		if got := result(t, flexible.Options{}, "FC_ENABLE=1", "FC_PARTIALS=partials", "FC_UNDEFINED="+undefined); got != want {
			t.Errorf("%s: got %s", undefined, got)
		}
	}
}

// TestUsual finds the file in the extended form that nobody names, unless templates are off.
func TestUsual(t *testing.T) {
	write(t, "-- flexible_config.json --\n{\"settings\": {\"paths\": [\"s\"]}}\n-- s/a.yaml --\nname: shop\n-- base.tmpl --\n{\"name\": \"{{ .a.name }}\"}")
	if got, want := result(t, flexible.Options{}), "{\"name\":\"shop\"}\n"; got != want {
		t.Errorf("got %s", got)
	}
	if d, problems := load(t, flexible.Options{}, "FC_ENABLE=0"); d != nil || len(problems) != 1 || problems[0].Severity != config.Warning {
		t.Errorf("got %v, %v", d, problems)
	}
}

// TestSecrets prints a secret in every way that templates have, and finds it nowhere that
// people look: not in the rendering, not in the document, not in a problem.
func TestSecrets(t *testing.T) {
	const secret, encoded, upper = "open-sesame-17", "b3Blbi1zZXNhbWUtMTc=", "OPEN-SESAME-17"
	tests := []struct{ name, base string }{
		{"plain", `{"a": "{{ env "TOKEN" }}"}`},
		{"within a text", `{"a": "Bearer {{ env "TOKEN" }}!"}`},
		{"made into another", `{"a": "{{ env "TOKEN" | b64enc }}", "b": "{{ upper (env "TOKEN") }}"}`},
		{"expanded", `{"a": "{{ expandenv "x ${TOKEN} y" }}"}`},
		{"of a file", `{"a": "{{ file "token.txt" }}", "b": "{{ file "token.txt" | b64enc }}"}`},
		{"by a variable", `{"a": "{{ $t := env "TOKEN" }}{{ $t }}", "b": "{{ $t | b64enc }}"}`},
		{"by a variable of what was made", `{"a": "{{ $t := env "TOKEN" | b64enc }}{{ $t }}", "b": "{{ printf "x%s" $t }}"}`},
		{"by a variable that is set later", `{"a": "{{ $t := "" }}{{ if true }}{{ $t = env "TOKEN" | upper }}{{ end }}{{ $t }}"}`},
		{"by with", `{"a": "{{ with env "TOKEN" }}{{ . }}{{ end }}", "b": "{{ with env "TOKEN" | b64enc }}{{ . }}{{ end }}"}`},
		{"by range", `{"a": [{{ range $i, $t := list (env "TOKEN" | b64enc) (env "TOKEN") }}{{ if $i }},{{ end }}"{{ $t }}"{{ end }}]}`},
		{"by a template", `{{ define "x" }}"{{ .t }}"{{ end }}{"a": {{ template "x" (dict "t" (env "TOKEN" | b64enc)) }}, "b": {{ template "x" (dict "t" (env "TOKEN")) }}}`},
		{"by the settings", `{{ $_ := set .service "t" (env "TOKEN" | upper) }}{"a": "{{ .service.t }}", "b": {{ marshal .service }}}`},
		{"in an object", `{"a": {{ dict "x" (list (env "TOKEN")) "y" 1 | toJson }}}`},
		{"in an object by a variable", `{"a": {{ $d := dict "x" (env "TOKEN" | b64enc) }}{{ $d | toJson }}}`},
		{"in pieces", `{"a": "{{ range splitList "-" (env "TOKEN" | upper) }}{{ . }}-{{ end }}"}`},
		{"a number", `{"a": {{ env "TOKEN" | len }}, "b": {{ env "NUMBER" }}}`},
		{"a wrong syntax", `{"a": {{ env "TOKEN" }}}`},
		{"a wrong syntax behind it", `{"a": "{{ env "TOKEN" }}" "b"}`},
		{"a failure", `{"a": "{{ fail (env "TOKEN") }}"}`},
		{"a failure with it", `{"a": "{{ printf "%s" (env "TOKEN") | atoi | index .service }}"}`},
		{"twice", `{"a": "{{ env "TOKEN" }}", "a": "{{ env "TOKEN" }}"}`},
		{"in a file that is included", `{"a": {"$ref": "inner.json"}}`},
		{"beside a reference", `{"a": "${env:OTHER}{{ env "TOKEN" }}"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, "-- c.json --\n{\"settings\": {\"paths\": [\"s\"]}}\n-- s/service.json --\n{\"x\": 1}\n-- token.txt --\n"+secret+
				"\n-- inner.json --\n{\"b\": [\"{{ env \"TOKEN\" }}\", \"{{ env \"TOKEN\" | b64enc }}\"]}\n-- base.tmpl --\n"+tt.base)
			var rendered string
			d, problems := load(t, flexible.Options{Rendered: func(text string) { rendered = text }}, "FC_CONFIG=c.json", "TOKEN="+secret, "NUMBER=918273", "OTHER=another secret")
			shown := rendered + config.Format(problems)
			if d != nil {
				shown += string(d.Root.MaskedJSON())
				p := &config.Problem{Err: fmt.Errorf("%s, %s and %s", secret, encoded, upper)}
				if strings.Contains(string(d.Root.JSON()), encoded) && tt.name != "of a file" {
					d.Mask([]*config.Problem{p})
					if strings.Contains(p.Error(), encoded) {
						t.Errorf("a problem shows %v", p)
					}
				}
			} else if !config.HasErrors(problems) {
				t.Fatal("no document")
			}
			for _, s := range []string{secret, encoded, upper, "SESAME", "918273", "another"} {
				if strings.Contains(shown, s) {
					t.Errorf("%s is shown: %s", s, shown)
				}
			}
		})
	}
}

// TestYAML has places and secrets in the other formats, in texts of several lines and behind
// aliases, too.
func TestYAML(t *testing.T) {
	write(t, "-- settings/s.json --\n{\"a\": {\"name\": \"shop\",\n \"ttl\": \"30s\"}}\n-- base.yaml.tmpl --\n"+
		"version: 3\nname: {{ .s.a.name }}\nlist: [{{ .s.a.name }}, {{ .s.a.ttl }}]\nbase: &base {ttl: {{ .s.a.ttl }}}\nother: *base\nmerged:\n  <<: *base\nscript: |\n  first\n  {{ env \"TOKEN\" }}\nlast: 'x {{ .s.a.ttl }}'\n")
	if err := os.Rename("base.yaml.tmpl", "gateway.yaml.tmpl"); err != nil {
		t.Fatal(err)
	}
	parts, _ := flexible.FromEnviron(t.Context(), []string{"FC_ENABLE=1", "FC_SETTINGS=settings"}, nil, func(string) {})
	d, problems := parts.Load(t.Context(), "gateway.yaml.tmpl", flexible.Options{Environ: []string{"TOKEN=sesame"}, Reads: func(string) {}})
	if d == nil || config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	for path, want := range map[string]string{
		"name": "settings/s.json:1:16", "list[0]": "settings/s.json:1:16", "list[1]": "settings/s.json:2:9",
		"base.ttl": "settings/s.json:2:9", "merged": "gateway.yaml.tmpl:7:3", "script": "gateway.yaml.tmpl:8:9", "last": "settings/s.json:2:9",
	} {
		n, rest := d.Root.Locate(config.SplitPath(path))
		if len(rest) > 0 || n.Pos.String() != want {
			t.Errorf("%s is at %v, want %s", path, n.Pos, want)
		}
	}
	if shown := string(d.Root.MaskedJSON()); strings.Contains(shown, "sesame") || !strings.Contains(shown, `"script":"***"`) {
		t.Errorf("shown: %s", shown)
	}
}

// TestByteOrderMark leaves out what some editors write in front of a file.
func TestByteOrderMark(t *testing.T) {
	write(t, "-- base.tmpl --\n\ufeff{\"name\": {{ include \"p\" }}, \"port\": {{ .s.port }}}\n-- p/p --\n\ufeff\"shop\"\n-- s/s.json --\n\ufeff{\"port\": 1}\n")
	d, problems := load(t, flexible.Options{}, "FC_ENABLE=1", "FC_SETTINGS=s", "FC_PARTIALS=p")
	if d == nil || len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	if got := d.Root.Get("name").Pos.String(); got != "p/p:1:1" {
		t.Errorf("name is at %s", got)
	}
	if got := d.Root.Get("port").Pos.String(); got != "s/s.json:1:10" {
		t.Errorf("port is at %s", got)
	}
}

// TestSkipFiles reads no file of a secret where those are on another machine.
func TestSkipFiles(t *testing.T) {
	write(t, "-- base.tmpl --\n{\"name\": \"{{ file \"nowhere\" }}\"}")
	d, problems := load(t, flexible.Options{SkipFiles: true}, "FC_ENABLE=1")
	if d == nil || len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	if ps := d.Judge([]*config.Problem{{Path: "name"}, {Path: "names"}}); len(ps) != 1 {
		t.Errorf("what is not known is judged: %v", ps)
	}
	if got, want := result(t, flexible.Options{}, "FC_ENABLE=1"), "error: base.tmpl:1:14: file: the file nowhere cannot be read: no such file or directory\n"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestLimit stops what prints without an end.
func TestLimit(t *testing.T) {
	write(t, "-- base.tmpl --\n{{ range until 1000 }}{{ repeat 100000 \"x\" }}{{ end }}")
	if got, want := result(t, flexible.Options{}, "FC_ENABLE=1"), "error: base.tmpl:1:26: the templates print more than 64 MiB; render less, or several files\n"; got != want {
		t.Errorf("got %s", got)
	}
}
