package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// needs skips a test whose program is not installed.
func needs(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed; make deps installs it", name)
	}
}

// onPath puts the program where shells find it.
func onPath(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestCompletionWords has the values of every flag that has a few, and nothing for those that
// are gone.
func TestCompletionWords(t *testing.T) {
	known, used := words(), map[string]bool{}
	for _, cmd := range new(app).root().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			key := cmd.Name() + " " + f.Name
			if known[key] == nil {
				key = f.Name
			}
			used[key] = true
			if name == "FORM" && !slices.Contains(formsOf(usage), "text") || name == "SEVERITY" && known[key] == nil {
				t.Errorf("nothing completes --%s of %s", f.Name, cmd.Name())
			}
		})
	}
	for key := range known {
		if !used[key] {
			t.Errorf("there is no flag %q", key)
		}
	}
}

// TestBash completes in bash what one types, up to the place of the cursor.
func TestBash(t *testing.T) {
	needs(t, "bash")
	onPath(t)
	folder := t.TempDir()
	t.Chdir(folder)
	write(t, "a gateway.json", minimal)
	write(t, "gateway.yaml", strings.ReplaceAll(quiet, "\t", " "))
	write(t, "notes.txt", "")
	if err := os.Mkdir("settings", 0o755); err != nil {
		t.Fatal(err)
	}
	script := write(t, filepath.Join(t.TempDir(), "script"), invoke(t, "completion", "bash").stdout)
	tests := []struct {
		words []string // as bash parts them
		want  []string
	}{
		{[]string{"vers"}, []string{"version"}},
		{[]string{"ru"}, []string{"run"}},
		{[]string{"check", "--form"}, []string{"--format"}},
		{[]string{"check", "--format", "j"}, []string{"json", "junit"}},
		{[]string{"check", "--format", "=", "j"}, []string{"json", "junit"}},
		{[]string{"check", "--format", "="}, formats},
		{[]string{"check", "-c", ""}, []string{"a gateway.json", "gateway.yaml", "settings"}},
		{[]string{"run", "--settings", ""}, []string{"settings"}},
		{[]string{"check", "-s", "n"}, []string{"notes.txt"}},
		{[]string{"help", "unknown-f"}, []string{"unknown-field"}},
		{[]string{"help", "che"}, []string{"check"}},
		{[]string{"explain", "-c", "a gateway.json", "/"}, []string{"/x"}},
		{[]string{"explain", "-c", "a gateway.json", "GET", "/"}, []string{"/x"}},
		{[]string{"audit", "--fail-on", "H"}, []string{"HIGH"}},
		{[]string{"audit", "-f", ""}, []string{"text", "json", "sarif", "github"}},
		{[]string{"diff", "gateway.yaml", "g"}, []string{"gateway.yaml"}},
		{[]string{"run", "-p", ""}, nil},
		{[]string{"version", ""}, nil},
		{[]string{"completion", ""}, shells},
	}
	for _, tt := range tests {
		args := append([]string{"-c", `. "$1"; shift; COMP_WORDS=(sluice "$@"); COMP_CWORD=$#; _sluice; printf '%s\n' "${COMPREPLY[@]}"`, "bash", script}, tt.words...)
		cmd := exec.Command("bash", args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		got := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
		slices.Sort(got)
		want := slices.Sorted(slices.Values(tt.want))
		if err != nil || stderr.Len() > 0 || !slices.Equal(got, want) {
			t.Errorf("sluice %q: %q, %v, %s; want %q", tt.words, got, err, &stderr, want)
		}
	}
}

// TestFish asks fish itself what it would offer.
func TestFish(t *testing.T) {
	needs(t, "fish")
	onPath(t)
	t.Setenv("HOME", t.TempDir())
	t.Chdir(t.TempDir())
	write(t, "gateway.json", minimal)
	script := write(t, filepath.Join(t.TempDir(), "sluice.fish"), invoke(t, "completion", "fish").stdout)
	for line, want := range map[string]string{
		"sluice vers":                      "version\tPrint the version of the gateway and of Go\n",
		"sluice check --format js":         "json\n",
		"sluice help unknown-fi":           "unknown-field\tThe key has no meaning here.\n",
		"sluice explain -c gateway.json /": "/x\tGET\n",
	} {
		out, err := exec.Command("fish", "-c", fmt.Sprintf("source '%s'; complete -C '%s'", script, line)).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", line, out, err, want)
		}
	}
}

// TestMan writes a page for every command, without a warning of those that format it.
func TestMan(t *testing.T) {
	t.Chdir(t.TempDir())
	got := invoke(t, "man", "man1")
	if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, "try: man man1/sluice.1\n") {
		t.Fatalf("%+v", got)
	}
	for _, cmd := range append(new(app).root().Commands(), &cobra.Command{Use: ""}) {
		page := strings.TrimSuffix("man1/sluice-"+cmd.Name(), "-") + ".1"
		text, err := os.ReadFile(page)
		if cmd.Hidden {
			if err == nil {
				t.Errorf("%s is there", page)
			}
			continue
		}
		if err != nil || !bytes.Contains(text, []byte(".SH SYNOPSIS")) {
			t.Errorf("%s: %v", page, err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if len(line) > 0 && line[0] == '\'' || strings.HasSuffix(line, " ") {
				t.Errorf("%s:%d: %q", page, i+1, line)
			}
		}
	}
	pages, err := filepath.Glob("man1/*.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("mandoc", func(t *testing.T) {
		needs(t, "mandoc")
		out, _ := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.HasSuffix(line, "missing date, using \"\": TH\n") { // a page is as old as its program
				t.Error(line)
			}
		}
		if text, err := exec.Command("mandoc", "-T", "html", "man1/sluice-check.1").CombinedOutput(); err != nil || !bytes.Contains(text, []byte("--skip-files")) || !bytes.Contains(text, []byte("FC_SETTINGS")) {
			t.Errorf("%v\n%s", err, text)
		}
	})
	t.Run("groff", func(t *testing.T) {
		needs(t, "groff")
		for _, page := range pages {
			if out, err := exec.Command("groff", "-man", "-ww", "-Tutf8", "-z", page).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v\n%s", page, err, out)
			}
		}
	})
	write(t, "file", "")
	if got := invoke(t, "man", "file/below"); got.code != 3 {
		t.Errorf("a folder below a file: %+v", got)
	}
	if got := invoke(t, "man"); got.code != 2 || !strings.Contains(got.stderr, "write the DIR") {
		t.Errorf("no folder: %+v", got)
	}
}
