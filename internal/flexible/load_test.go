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
	parts, problems := flexible.FromEnviron(t.Context(), environ, o.Reads)
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
