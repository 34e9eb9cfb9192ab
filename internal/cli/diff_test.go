package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestDiff compares files and ends as whoever waits for it has asked.
func TestDiff(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "old.json", minimal)
	write(t, "same.toml", "version = 3\nport = 8080\n[[endpoints]]\nendpoint = \"/x\"\nmethod = \"GET\"\n[[endpoints.backend]]\nurl_pattern = \"/x\"\nhost = [\"http://x:8000\"]\n")
	write(t, "stricter.json", strings.Replace(minimal, `"version": 3,`, `"version": 3, "timeout": "1s",`, 1))
	write(t, "other.json", strings.Replace(minimal, "http://x:8000", "http://y:8000", 1))
	write(t, "weaker", strings.Replace(minimal, `"version": 3,`, `"version": 3, "timeout": "${env:UNSET}", "debug_endpoint": true,`, 1))
	write(t, "a.json.tmpl", minimal)
	write(t, "faulty.json", `{"version": 3, "timeout": "soon"}`)
	tests := []struct {
		args string
		code int
		want string // on standard output
	}{
		{"old.json same.toml", 0, "old.json -> same.toml: no difference\n"},
		{"old.json stricter.json", 1, "1 strengthened"},
		{"--fail-on changed old.json stricter.json", 0, "1 strengthened"},
		{"--fail-on changed old.json other.json", 1, "1 changed"},
		{"--fail-on weakened old.json other.json", 0, "1 changed"},
		{"--fail-on weakened old.json weaker", 1, "1 weakened, 1 changed"},
		{"--fail-on never old.json weaker", 0, "1 weakened, 1 changed"},
		{"--format json old.json same.toml", 0, `"same": true`},
		{"--format markdown old.json other.json", 1, "**1 changed**, from `old.json` to `other.json`\n\n| "},
	}
	for _, tt := range tests {
		if got := invoke(t, append([]string{"diff"}, strings.Fields(tt.args)...)...); got.code != tt.code || !strings.Contains(got.stdout, tt.want) || got.stderr != "" {
			t.Errorf("diff %s: %+v; want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
	for args, want := range map[string]string{
		"old.json faulty.json":    `faulty.json:1:27: timeout: invalid duration "soon"`,
		"missing.json old.json":   "missing.json: ",
		"a.json.tmpl b.json.tmpl": "a.json.tmpl is a template; set FC_ENABLE=1",
	} {
		if got := invoke(t, append([]string{"diff"}, strings.Fields(args)...)...); got.code == 0 || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("diff %s: %+v, want %q", args, got, want)
		}
	}
}

// TestDiffPipe reads one of the two from standard input, in the format of the other.
func TestDiffPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "version: 3\nendpoints: [{endpoint: /x, backend: [{url_pattern: /x, host: [\"http://x\"]}]}]\n"
	write(t, "new.yaml", strings.Replace(text, "version: 3", "version: 3\nname: shop", 1))
	old, err := os.Open(write(t, "old.txt", text))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	cmd := exec.Command(program, "diff", "-", "new.yaml")
	cmd.Stdin = old
	out, err := cmd.Output()
	if want := "- -> new.yaml: 1 changed\n\nservice\n  changed  new.yaml:2:7  name: added shop\n"; string(out) != want || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d, %v\n%s\nwant 1 and\n%s", cmd.ProcessState.ExitCode(), err, out, want)
	}
}

// TestDiffTemplates renders both sides with the same settings.
func TestDiffTemplates(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("settings", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "settings/service.json", `{"timeout": "3s"}`)
	write(t, "old.json", strings.Replace(minimal, `"version": 3,`, `"version": 3, "name": "${env:UNSET}", "timeout": "3s",`, 1))
	write(t, "new.json", strings.Replace(minimal, `"version": 3,`, `"version": 3, "name": "${env:UNSET}", "timeout": "{{ .service.timeout }}",`, 1))
	if got, want := invoke(t, "diff", "--settings", "settings", "old.json", "new.json"), "old.json -> new.json: no difference\n"; got != (result{0, want, ""}) {
		t.Errorf("%+v, want %q", got, want)
	}
	write(t, "new.json", strings.Replace(minimal, `"version": 3,`, `"version": 3, "name": "${env:UNSET}", "timeout": {{ marshal .service.timeout }}, "port": {{ .service.prot }},`, 1))
	if got := invoke(t, "diff", "--settings", "settings", "old.json", "new.json"); got.code != exitConfig || !strings.HasPrefix(got.stderr, "new.json:2:") || got.stdout != "" {
		t.Errorf("%+v", got)
	}
	if got := invoke(t, "diff", "--settings", "settings", "-", "new.json"); got.code != exitUsage || !strings.Contains(got.stderr, "a template is read from a file") {
		t.Errorf("%+v", got)
	}
}

// TestDiffHelp shows how a branch is compared.
func TestDiffHelp(t *testing.T) {
	got := invoke(t, "help", "diff")
	testx.Golden(t, filepath.Join(testdata, "help-diff.txt"), got.stdout)
}
