package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/demo"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestHelp prints help to standard output, however it is asked for.
func TestHelp(t *testing.T) {
	tests := []struct {
		golden string
		ways   [][]string
	}{
		{"help.txt", [][]string{{}, {"help"}, {"--help"}, {"-h"}}},
		{"help-run.txt", [][]string{{"help", "run"}, {"run", "--help"}, {"run", "-h"}}},
		{"help-check.txt", [][]string{{"help", "check"}, {"check", "--help"}, {"validate", "-h"}}},
		{"help-audit.txt", [][]string{{"help", "audit"}, {"audit", "-h"}}},
		{"help-explain.txt", [][]string{{"help", "explain"}, {"explain", "-h"}}},
		{"help-migrate.txt", [][]string{{"help", "migrate"}, {"migrate", "-h"}}},
		{"help-init.txt", [][]string{{"help", "init"}, {"init", "-h"}}},
		{"help-schema.txt", [][]string{{"help", "schema"}, {"schema", "-h"}}},
		{"help-demo.txt", [][]string{{"help", "demo"}, {"demo", "-h"}}},
		{"help-completion.txt", [][]string{{"help", "completion"}, {"completion", "-h"}}},
		{"help-man.txt", [][]string{{"help", "man"}, {"man", "-h"}}},
		{"help-help.txt", [][]string{{"help", "help"}, {"help", "-h"}}},
		{"help-e2e.txt", [][]string{{"help", "e2e"}, {"e2e", "-h"}}},
	}
	for _, tt := range tests {
		for _, args := range tt.ways {
			got := invoke(t, args...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("%q: exit code %d, standard error %q", args, got.code, got.stderr)
			}
			testx.Golden(t, filepath.Join(testdata, tt.golden), got.stdout)
		}
	}
}

// TestUsage refuses wrong command lines with code 2, and says what to write.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "gateway.json", minimal)
	write(t, "there.yaml", "")
	tests := []struct {
		args string
		want string // on standard error
	}{
		{"chek", `unknown command "chek"; did you mean "check"?`},
		{"chek -c gateway.json --lint", `unknown command "chek"; did you mean "check"?`},
		{"Run -c gateway.json", `unknown command "Run"; did you mean "run"?`},
		{"gateway.json", `unknown command "gateway.json"; to serve what this file says write sluice run -c gateway.json`},
		{"serve", `unknown command "serve"`},
		{"help chek", `unknown command or code "chek"; did you mean "check"?`},
		{"help check twice", `unexpected argument "twice"; write one COMMAND or CODE`},
		{"check --lnit", "unknown flag: --lnit; did you mean --lint?"},
		{"run --confg x", "unknown flag: --confg; did you mean --config?"},
		{"--nothing", "unknown flag: --nothing"},
		{"check --nothing", "unknown flag: --nothing"},
		{"run -x", "unknown shorthand flag: 'x'"},
		{"run", "no configuration file: there is none of sluice.yaml, sluice.yml, sluice.json, sluice.toml, krakend.json,"},
		{"check", "krakend.toml in this folder; write -c FILE, or 'sluice init' for one to begin with"},
		{"check --lint", "no configuration file: "},
		{"explain /x", "no configuration file: "},
		{"check gateway.json", `unexpected argument "gateway.json"; a configuration is named by -c FILE`},
		{"run gateway.json", `unexpected argument "gateway.json"`},
		{"check -c", "flag needs an argument: 'c' in -c"},
		{"check -c gateway.json --format xml", `unknown format "xml"; write one of text, json, sarif, github, junit`},
		{"run -c gateway.json -p 99999", `must be a number from 0 to 65535`},
		{"run -c gateway.json -p http", `must be a number from 0 to 65535`},
		{"demo -p -1", `must be a number from 0 to 65535`},
		{"demo now", `unexpected argument "now"`},
		{"explain -c gateway.json", "no path; write the one to explain, such as /v1/products"},
		{"explain -c gateway.json x", `"x" is no path; a path begins with a slash`},
		{"explain -c gateway.json --send async/queue", `"async/queue" is no path, and the request of a client alone can be sent;`},
		{"explain -c gateway.json /x --format yaml", `unknown format "yaml"; write text or json`},
		{"explain -c gateway.json ftp://x/x", `"ftp://x/x" is no URL that a gateway is asked for, a target without a path; write http://name/path`},
		{"explain -c gateway.json v1/x", `no source has this name; write "/v1/x"`},
		{"explain -c gateway.json localhost:8080/v1/x", `no source has this name; write "http://localhost:8080/v1/x"`},
		{"explain -c gateway.json GET /x /y", `unexpected argument "/y"; write [METHOD] PATH`},
		{"init a b", `unexpected argument "b"; write one FILE`},
		{"init gateway.json", "gateway.json would not be read as YAML, which is what has comments; name the file .yaml or .yml"},
		{"init there.yaml", "there.yaml exists; name another file, or remove it first"},
		{"diff gateway.json", "two files are compared; write OLD and NEW"},
		{"diff a b c", `unexpected argument "c"; write OLD and NEW`},
		{"diff - -", "standard input is one configuration; write a file for the other"},
		{"diff --format xml gateway.json gateway.json", `unknown format "xml"; write text, markdown or json`},
		{"diff --fail-on all gateway.json gateway.json", "--fail-on all is unknown; write any, changed, weakened or never"},
		{"schema now", `unexpected argument "now"`},
		{"completion", "no such shell; write one of bash, zsh, fish"},
		{"completion powershell", "no such shell; write one of bash, zsh, fish"},
		{"version now", `unexpected argument "now"`},
	}
	for _, tt := range tests {
		got := invoke(t, strings.Fields(tt.args)...)
		if got.code != 2 || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("sluice %s: exit code %d, standard output %q, standard error %q; want 2 and %q", tt.args, got.code, got.stdout, got.stderr, tt.want)
		}
	}
}

func TestVersion(t *testing.T) {
	got := invoke(t, "version")
	if want := "sluice " + Version + "\ngo "; got.code != 0 || !strings.HasPrefix(got.stdout, want) {
		t.Errorf("version: %+v, want %q", got, want)
	}
	for _, flag := range []string{"--version", "-v"} {
		if got := invoke(t, flag); got.code != 0 || got.stdout != "sluice "+Version+"\n" {
			t.Errorf("%s: %+v", flag, got)
		}
	}
	got = invoke(t, "version", "--json")
	var parts map[string]string
	if err := json.Unmarshal([]byte(got.stdout), &parts); err != nil || parts["version"] != Version || !strings.HasPrefix(parts["go"], "go1.") {
		t.Errorf("version --json: %+v, %v", got, err)
	}
}

// TestSchema prints the schema that is published.
func TestSchema(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(testdata, "../../../schema/sluice.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got := invoke(t, "schema"); got != (result{0, string(want), ""}) {
		t.Errorf("exit code %d, %.300s; want schema/sluice.schema.json", got.code, got.stderr+got.stdout)
	}
}

// TestInit writes a configuration that is right, and never over another file.
func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := invoke(t, "init"); got != (result{0, begun, ""}) {
		t.Errorf("init: %+v, want %q", got, begun)
	}
	if got := invoke(t, "check", "--strict"); got != (result{0, "sluice.yaml: Syntax OK!\n", ""}) {
		t.Errorf("the starter is not right: %+v", got)
	}
	write(t, "sluice.yaml", "mine")
	if got := invoke(t, "init"); got.code != 2 {
		t.Errorf("init over a file: %+v", got)
	}
	if text, err := os.ReadFile("sluice.yaml"); err != nil || string(text) != "mine" {
		t.Errorf("init wrote over a file: %q, %v", text, err)
	}
	got := invoke(t, "init", "my-gateway.yaml")
	text, err := os.ReadFile("my-gateway.yaml")
	if err != nil || got.code != 0 {
		t.Fatalf("init of another name: %+v, %v", got, err)
	}
	for _, shown := range []string{got.stdout, string(text)} {
		if strings.Contains(shown, "sluice.yaml") || !strings.Contains(shown, "\n  sluice run --watch -c my-gateway.yaml\n") && !strings.Contains(shown, "#   sluice run --watch -c my-gateway.yaml\n") {
			t.Errorf("init of another name does not name it:\n%s", shown)
		}
	}
	if got := invoke(t, "init", "-"); got != (result{0, starter, ""}) {
		t.Errorf("init -: %+v", got)
	}
	if got := invoke(t, "init", "none/gateway.yaml"); got.code != 3 || !strings.Contains(got.stderr, "no such file or directory") {
		t.Errorf("init into a folder that is missing: %+v", got)
	}
}

// TestDemoShow prints a configuration that is right.
func TestDemoShow(t *testing.T) {
	t.Chdir(t.TempDir())
	got := invoke(t, "demo", "--show")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("demo --show: %+v", got)
	}
	write(t, "demo.json", got.stdout)
	if got := invoke(t, "check", "--lint", "-c", "demo.json"); got.code != 0 {
		t.Errorf("the demo is not right: %+v", got)
	}
	for _, try := range demo.Tries {
		method := map[bool]string{true: "GET", false: "POST"}[try.Body == ""]
		if got := invoke(t, "explain", "-c", "demo.json", method, try.Path); got.code != 0 {
			t.Errorf("nothing answers %s: %+v", try.Path, got)
		}
	}
}

// TestPortTaken fails at run time, not with success.
func TestPortTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := net.Listen("tcp", testx.UnusedAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	write(t, "gateway.json", `{"version": 3, "listen_ip": "127.0.0.1", "endpoints": []}`)
	for _, args := range [][]string{{"run", "-c", "gateway.json", "-p", port}, {"demo", "-p", port}} {
		if args[0] == "demo" {
			// The demo listens everywhere.
			l.Close()
			if l, err = net.Listen("tcp", ":"+port); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
		got := invoke(t, args...)
		want := "address already in use; stop what uses it, or choose another port with -p\n"
		if got.code != 3 || !strings.HasSuffix(got.stderr, want) || got.stdout != "" {
			t.Errorf("%q: %+v, want 3 and %q", args, got, want)
		}
	}
}
