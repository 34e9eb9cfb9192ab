package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/audit"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// audited has something to find, in namespaces that are built and in others, under new
// names and old.
const audited = `version: 3
timeout: 40s
extra_config:
  auth/basic: {htpasswd_path: users}
  github_com/devopsfaith/krakend-opencensus: {exporters: {zipkin: {collector_url: "http://z"}}}
endpoints:
  - endpoint: /users
    input_headers: ["*"]
    backend: [{url_pattern: /u, host: ["http://u:8000"], extra_config: {qos/circuit-breaker: {interval: 1, timeout: 1, max_errors: 1}}}]
  - endpoint: /orders/*
    backend: [{url_pattern: /o, host: ["http://o:8000"]}]
    extra_config: {auth/validator: {alg: RS256, jwk_url: "https://id/keys"}, "@qos/ratelimit/router": {max_rate: 1}}
`

// clean has nothing to find among the critical ones.
const clean = `{"version": 3, "endpoints": [{"endpoint": "/a", "backend": [{"host": ["a"], "url_pattern": "/a"}]}]}`

// ruleLine is what scripts look for.
var ruleLine = regexp.MustCompile(`^\d\.\d\.\d\t\[(CRITICAL|HIGH|MEDIUM|LOW)\] +\t\S`)

func TestAudit(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "audited.yaml", audited)
	got := invoke(t, "audit", "-c", "audited.yaml")
	if got.code != 1 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	testx.Golden(t, filepath.Join(testdata, "audit.txt"), got.stdout)
	rules := 0
	for line := range strings.Lines(got.stdout) {
		if ruleLine.MatchString(line) {
			rules++
		} else if line[0] != '\t' && !strings.HasPrefix(line, "coverage:") && !strings.HasPrefix(line, "audited.yaml: ") {
			t.Errorf("a line that is none of a rule begins like one: %q", line)
		}
	}
	inJSON := invoke(t, "audit", "-c", "audited.yaml", "--format", "json")
	var r audit.Report
	if err := json.Unmarshal([]byte(inJSON.stdout), &r); err != nil || inJSON.code != 1 || len(r.Recommendations) != rules || rules == 0 {
		t.Errorf("json: %d findings, the text has %d: %v\n%s", len(r.Recommendations), rules, err, inJSON.stdout)
	}
	testx.Golden(t, filepath.Join(testdata, "audit.sarif.json"), invoke(t, "audit", "-c", "audited.yaml", "-f", "sarif").stdout)

	testx.Golden(t, filepath.Join(testdata, "audit-github.txt"), invoke(t, "audit", "-c", "audited.yaml", "-f", "github", "-s", "HIGH").stdout)

	// Colours touch nothing but the severity.
	t.Setenv("CLICOLOR_FORCE", "1")
	coloured := invoke(t, "audit", "-c", "audited.yaml").stdout
	if plain := regexp.MustCompile(`\x1b\[[\d;]*m`).ReplaceAllString(coloured, ""); plain != got.stdout || !strings.Contains(coloured, "[\x1b[31mHIGH\x1b[0m]     \t") {
		t.Errorf("with colours: %q", coloured)
	}
	t.Setenv("CLICOLOR_FORCE", "")

	// The program as the incumbent has it: everything on standard error.
	if moved := invoke(t, "audit", "-c", "audited.yaml", "--compat-stderr"); moved != (result{1, "", got.stdout}) {
		t.Errorf("--compat-stderr: %+v", moved)
	}
}

func TestAuditFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "audited.yaml", audited)
	write(t, "clean.json", clean)
	write(t, "ignore.txt", "# reviewed in May\n1.1.1 # an old client\n\n3.3.3\n")
	write(t, "typo.txt", "1.1.1\n1.1.11\n")
	write(t, "broken.json", `{"version": 3,}`)
	write(t, "shape.yaml", "version: 3\ntimeout: soon\n")
	rules := func(text string) (all []string) {
		for line := range strings.Lines(text) {
			if ruleLine.MatchString(line) {
				all = append(all, line[:5])
			}
		}
		return all
	}
	const each = "{{range .Recommendations}}{{.Rule}} {{end}}"
	tests := []struct {
		args   []string
		code   int
		stdout string // "" is not looked at
		rules  []string
	}{
		{[]string{"-c", "clean.json", "-s", "CRITICAL"}, 0, "clean.json: no findings\n", nil},
		{[]string{"-c", "clean.json", "-s", "critical"}, 0, "clean.json: no findings\n", nil},
		{[]string{"-c", "clean.json", "--severity", "MEDIUM", "-i", "4.1.1,4.1.2", "--ignore", "4.2.1", "-f", each}, 1, "2.2.1 4.3.1 ", nil},
		{[]string{"-c", "clean.json", "-s", "LOW,MEDIUM", "--fail-on", "HIGH", "-f", each}, 0, "2.2.1 3.1.1 4.1.1 4.1.2 4.2.1 4.3.1 5.2.2 ", nil},
		{[]string{"-c", "clean.json", "--fail-on", "high", "-f", "{{ range .Recommendations }}{{ end }}"}, 1, "", nil},
		{[]string{"-c", "audited.yaml", "-I", "ignore.txt", "-s", "HIGH", "-i", "3.1.2"}, 1, "", []string{"2.1.2", "2.1.7", "2.2.2", "2.2.3", "7.2.3"}},
		{[]string{"-c", "audited.yaml", "-f", "{{ (index .Recommendations 0).Places }}", "-s", "HIGH"}, 1, `[audited.yaml:4:15: extra_config["auth/basic"]]`, nil},
		{[]string{"-c", "audited.yaml", "--allow-unsupported", "--skip-files", "-s", "CRITICAL"}, 0, "audited.yaml: no findings\n", nil},
	}
	for _, tt := range tests {
		got := invoke(t, append([]string{"audit"}, tt.args...)...)
		if got.code != tt.code || got.stderr != "" || tt.stdout != "" && got.stdout != tt.stdout || tt.rules != nil && !slices.Equal(rules(got.stdout), tt.rules) {
			t.Errorf("audit %q: %+v, want %d, %q, %q", tt.args, got, tt.code, tt.stdout, tt.rules)
		}
	}
	wrong := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-c", "clean.json", "-s", ""}, 2, `sluice: no severity behind --severity, so that nothing would be judged; write CRITICAL, HIGH, MEDIUM, LOW`},
		{[]string{"-c", "clean.json", "-s", "SEVERE"}, 2, `sluice: unknown severity "SEVERE"; write CRITICAL, HIGH, MEDIUM, LOW`},
		{[]string{"-c", "clean.json", "--fail-on", "never"}, 2, `sluice: unknown severity "NEVER" behind --fail-on; write one of CRITICAL, HIGH, MEDIUM, LOW`},
		{[]string{"-c", "clean.json", "-i", "1.1.9"}, 2, `sluice: there is no rule "1.1.9"; did you mean 1.1.1?`},
		{[]string{"-c", "clean.json", "-I", "typo.txt"}, 2, `sluice: typo.txt:2: there is no rule "1.1.11"; did you mean 1.1.1?`},
		{[]string{"-c", "clean.json", "-I", "missing.txt"}, 2, "sluice: stat missing.txt: no such file or directory"},
		{[]string{"-c", "clean.json", "-f", "xml"}, 2, `sluice: unknown format "xml"; write text, json, sarif, github or a template such as '{{ marshal . }}'`},
		{[]string{"-c", "clean.json", "-f", "{{ .Recommendations"}, 2, "sluice: line 1 of the template: unclosed action"},
		{[]string{"-c", "clean.json", "-f", "{{ range .Recommendations }}{{ .Cure }}{{ end }}"}, 2, "sluice: line 1, byte 31 of the template: <.Cure>: can't evaluate field Cure in type Finding"},
		{[]string{"-c", "broken.json"}, 1, "broken.json:1:15: "},
		{[]string{"-c", "shape.yaml", "-f", "json"}, 1, "shape.yaml:2:10: timeout: "},
		{[]string{"-c", "missing.json"}, 1, "missing.json: cannot read the file: no such file or directory"},
		{[]string{"clean.json"}, 2, `sluice: unexpected argument "clean.json"; a configuration is named by -c FILE`},
	}
	for _, tt := range wrong {
		got := invoke(t, append([]string{"audit"}, tt.args...)...)
		if got.code != tt.code || !strings.HasPrefix(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("audit %q: %+v, want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
}

// TestAuditSources judges what the environment says and what files of this folder say, and
// names the place.
func TestAuditSources(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "krakend.json", clean)
	t.Setenv("KRAKEND_TIMEOUT", "90s")
	got := invoke(t, "audit", "-s", "CRITICAL")
	want := "3.3.4\t[CRITICAL] \ta timeout is above a minute\n\tenvironment:KRAKEND_TIMEOUT: timeout\n"
	if got.code != 1 || !strings.HasPrefix(got.stdout, want) {
		t.Errorf("%+v, want %q", got, want)
	}
	// What stands in the settings of a template is found there.
	t.Setenv("KRAKEND_TIMEOUT", "")
	if err := os.Mkdir("settings", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "gateway.tmpl", `{"version": 3, "timeout": "{{ .shop.timeout }}"}`)
	write(t, "settings/shop.json", "{\n  \"timeout\": \"2m\"\n}\n")
	got = invoke(t, "audit", "-c", "gateway.tmpl", "--settings", "settings", "-s", "CRITICAL")
	if want := "\n\tsettings/shop.json:2:14: timeout\n"; got.code != 1 || !strings.Contains(got.stdout, want) {
		t.Errorf("%+v, want %q", got, want)
	}
	// A name that a terminal would obey is shown instead.
	name := "a\x1b]0;x\x07.yaml"
	if err := os.WriteFile(name, []byte("version: 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"text", "json", "sarif", "github", "{{ range .Recommendations }}{{ .Places }}{{ end }}"} {
		if got := invoke(t, "audit", "-c", name, "-f", form); got.code != 1 || strings.ContainsAny(got.stdout, "\x1b\x07") {
			t.Errorf("%s: %d %q", form, got.code, got.stdout)
		}
	}
}

// TestPlugins answers scripts that call the commands about native plugins.
func TestPlugins(t *testing.T) {
	for _, args := range []string{"check-plugin", "check-plugin -g 1.22.1 -l MUSL-1.2 -s go.sum -f", "test-plugin -s a.so", "test-plugin -cm a.so b.so", "test-plugin -d a.so"} {
		if got := invoke(t, strings.Fields(args)...); got.code != 1 || got.stdout != withoutPlugins+"\n" || got.stderr != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	for args, want := range map[string]string{
		"test-plugin":      "no plugin; write the FILE of one at least",
		"test-plugin a.so": "no kind of plugin; write -s, -c, -m or -d",
	} {
		if got := invoke(t, strings.Fields(args)...); got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want %q", args, got, want)
		}
	}
}
