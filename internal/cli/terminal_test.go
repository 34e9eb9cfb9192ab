package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestTerminal prints problems for people where they read them, as wide as their terminal
// is, with the line that each stands in.
func TestTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("CLICOLOR_FORCE", "1")
	t.Setenv("NO_COLOR", "1")
	for name, text := range faulty {
		write(t, name, text)
		for _, columns := range []string{"80", "200"} {
			t.Setenv("COLUMNS", columns)
			for _, args := range [][]string{{"check", "-c", name}, {"check", "--lint", "-c", name}} {
				got := invoke(t, args...)
				if got.code != 1 || got.stdout != "" {
					t.Errorf("%q: exit code %d, standard output %q", args, got.code, got.stdout)
				}
				if len(args) == 3 {
					testx.Golden(t, filepath.Join(testdata, name+"-"+columns+".txt"), got.stderr)
				}
			}
		}
	}
	t.Setenv("COLUMNS", "")
	for _, args := range [][]string{{"run", "-c", "faulty.toml"}, {"explain", "-c", "faulty.toml", "/a"}, {"explain", "--send", "-c", "faulty.toml", "/a"}} {
		if got := invoke(t, args...); got.code != 1 || !strings.Contains(got.stderr, "\n    | ^\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	t.Setenv("NO_COLOR", "")
	if got := invoke(t, "check", "-c", "faulty.toml"); !strings.Contains(got.stderr, "\x1b[1;31merror[") {
		t.Errorf("no colours: %q", got.stderr)
	}
	t.Setenv("CLICOLOR_FORCE", "0")
	if got := invoke(t, "check", "-c", "faulty.toml"); strings.Contains(got.stderr, "|") {
		t.Errorf("not for grep: %q", got.stderr)
	}
}

// TestTerminalUnseen shows no line that cannot be read again, and of one that can be no
// secret.
func TestTerminalUnseen(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("CLICOLOR_FORCE", "1")
	t.Setenv("NO_COLOR", "1")
	host := `"host": ["http://ada:hunter2@a b/"], "url_pattern": "/", "extra_config": {"qos/http-cache": {"shraed": 1}}`
	tests := []struct{ name, text string }{
		{"a.json", `{"version": 3, "endpoints": [{"endpoint": "/", "backend": [{` + host + `}]}]}`},
		{"b.json", `{"version": 3, "name": "http://ada:hunter2@b", "password": "hunter2" "port": 1}`},
		{"c.yaml", "version: 3\nclient_secret: hunter2\npassword: [hunter2}\nport: 70000\n"},
		{"d.yaml", "version: 3\nclient_secret: hunter2\nendpoints: []\nport: 70000 # password: hunter2\n"},
	}
	for _, tt := range tests {
		got := invoke(t, "check", "-c", write(t, tt.name, tt.text))
		if got.code != 1 || strings.Contains(got.stderr, "hunter") || !strings.Contains(got.stderr, " | ") || !strings.Contains(got.stderr, "***") {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	if err := os.Mkdir("settings", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "settings/queue.json", `{"what": {"is": ["hunter2"]}, "passphrase": "hunter3"}`)
	write(t, "e.json", `{"version": 3, "endpoints": [{"endpoint": "/", "backend": [{"url_pattern": "/", "host": ["http://q"]}],
  "extra_config": {"auth/validator": {"alg": "RS256", "jwk_local_path": "x", "cypher_key": {{ marshal .queue.what.is }}}}}]}`)
	if got := invoke(t, "check", "-c", "e.json", "--settings", "settings"); got.code != 1 || strings.Contains(got.stderr, "hunter") || !strings.Contains(got.stderr, "settings/queue.json:1:") {
		t.Errorf("a secret of settings: %+v", got)
	}
	for _, args := range []string{"check -c missing.json", "check -c ."} {
		if got := invoke(t, strings.Fields(args)...); got.code != 1 || strings.Contains(got.stderr, "|") || !strings.Contains(got.stderr, "error[unreadable]: cannot read the file") {
			t.Errorf("%s: %+v", args, got)
		}
	}
	t.Setenv("KRAKEND_PORT", "http")
	write(t, "gateway.json", minimal)
	if got := invoke(t, "check", "-c", "gateway.json"); got.code != 1 || strings.Contains(got.stderr, "|") || !strings.HasPrefix(got.stderr, "environment:KRAKEND_PORT: error[") {
		t.Errorf("a variable: %+v", got)
	}
}

// TestStream knows a terminal from a file, and takes nobody at their word who is none.
func TestStream(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if terminalOf(f, func(string) string { return "" }) != nil {
		t.Error("a file is a terminal")
	}
}
