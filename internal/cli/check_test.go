package cli

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// minimal is right, and has nothing that is unnecessary.
const minimal = `{
  "version": 3,
  "endpoints": [
    { "endpoint": "/x", "backend": [{ "url_pattern": "/x", "host": ["http://x:8000"] }] }
  ]
}
`

// faulty is one mistake after the other, in the three formats: of core objects,
// of components, and of both where they are found together.
var faulty = map[string]string{
	"faulty.json": `{
  "version": 3,
  "port": 70000,
  "endpoints": [
    {
      "endpoint": "/v1/users/{id}",
      "timeout": "2",
      "concurrent_calls": [1],
      "backend": [
        { "url_pattern": "/users", "hots": ["http://users:8000"] }
      ]
    },
    { "endpoint": "v2", "method": "GOT", "backend": [] },
    { "backend": [{ "url_pattern": "/c", "host": "http://a b" }] }
  ]
}
`,
	"faulty.yaml": `version: 3
host: [http://a]
endpoints:
  - endpoint: /a/{id}
    extra_config:
      qos/ratelimit/router: {max_rate: ten}
      qos/ratelimit/ruter: {}
      auth/basic: {}
      qos/circuit-breaker: {interval: 1, timeout: 1, max_errors: 1}
    backend:
      - url_pattern: /{b}
  - endpoint: /a/{name}
    output_encodin: json
    backend:
      - {url_pattern: /d, extra_config: {proxy: {shadow: "no"}}}
  - endpoint: /no-op
    output_encoding: no-op
    backend: [{url_pattern: /1}, {url_pattern: /2}]
  - endpoint: /writes
    method: POST
    backend: [{url_pattern: /1}, {url_pattern: /2}]
`,
	"faulty.toml": `version = 3
dialekt = "sluice"

[extra_config.router]
trusted_proxies = ["10.0.0.0/8", "all"]
helth_path = "/up"

[extra_config."security/cors"]
allow_credentials = true
max_age = 60

[[endpoints]]
endpoint = "/a"
backend = [{ url_pattern = "/a", extra_config = { "validation/cel" = [{ check_expr = "resp_data.x ==" }] } }]
`,
}

// form is how every problem is written: place, path, what is wrong, and, behind
// a semicolon or by naming what is allowed, what to write instead.
var form = regexp.MustCompile(`^[\w.-]+:\d+:\d+: [\w.\[\]"/-]+: .+`)

// TestProblems reports every problem with its place, in every format.
func TestProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range faulty {
		write(t, name, text)
		got := invoke(t, "check", "-c", name)
		if got.code != 1 || got.stdout != "" {
			t.Errorf("%s: exit code %d, standard output %q", name, got.code, got.stdout)
		}
		for line := range strings.Lines(got.stderr) {
			if !form.MatchString(line) {
				t.Errorf("%s: %q is not file:line:col: path: message", name, line)
			}
		}
		testx.Golden(t, filepath.Join(testdata, name+".txt"), got.stderr)
	}
}

// TestDocuments reports files that cannot be read or are no documents.
func TestDocuments(t *testing.T) {
	t.Chdir(t.TempDir())
	tests := []struct{ name, text, want string }{
		{"broken.json", "{\n  \"version\": 3,\n}\n", "broken.json:3:1: "},
		{"broken.yaml", "version: 3\nendpoints: [\n", "broken.yaml:"},
		{"broken.toml", "version = 3\nport = \n", "broken.toml:2:"},
		{"gateway.hcl", "", "gateway.hcl: format not supported: .hcl; write JSON, YAML (.yaml, .yml) or TOML (.toml)"},
		{"list.json", "[]", "list.json:1:1: "},
		{"empty.json", "", "empty.json:1:1: "},
	}
	for _, tt := range tests {
		got := invoke(t, "check", "-c", write(t, tt.name, tt.text))
		if got.code != 1 || !strings.HasPrefix(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%s: %+v, want 1 and %q", tt.name, got, tt.want)
		}
	}
	want := "missing.json: cannot read the file: no such file or directory\n"
	if got := invoke(t, "check", "-c", "missing.json"); got != (result{1, "", want}) {
		t.Errorf("a file that is missing: %+v, want %q", got, want)
	}
	for _, command := range []string{"run", "explain"} {
		args := []string{command, "-c", "missing.json", "/x"}
		if command == "run" {
			args = args[:3]
		}
		if got := invoke(t, args...); got != (result{1, "", want}) {
			t.Errorf("%s with a file that is missing: %+v, want %q", command, got, want)
		}
	}
}

// TestCheck goes through the flags. A warning is told and does no harm unless
// findings are errors.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, ext := range []string{"json", "yaml", "toml"} {
		right, doubtful := "right."+ext, "doubtful."+ext
		text := map[string]string{
			"json": `{"version": 3%s, "endpoints": [{"endpoint": "/a", "backend": [{"host": ["a"], "url_pattern": "/a"}]}]}`,
			"yaml": "version: 3\n%s\nendpoints: [{endpoint: /a, backend: [{host: [a], url_pattern: /a}]}]\n",
			"toml": "version = 3\n%s\nendpoints = [{endpoint = \"/a\", backend = [{host = [\"a\"], url_pattern = \"/a\"}]}]\n",
		}[ext]
		unknown := map[string]string{"json": `, "nmae": "x"`, "yaml": "nmae: x", "toml": `nmae = "x"`}[ext]
		write(t, right, fmt.Sprintf(text, ""))
		write(t, doubtful, fmt.Sprintf(text, unknown))
		message := `unknown key "nmae"; did you mean "name"?`
		tests := []struct {
			args string
			code int
			want string // on standard error; "" is nothing
		}{
			{"check -c " + right, 0, ""},
			{"validate -c " + right, 0, ""},
			{"check --config " + right, 0, ""},
			{"check --config=" + right, 0, ""},
			{"check -tlc " + right, 0, ""},
			{"check -c " + right + " -n -t", 0, ""},
			{"check -tnc " + doubtful, 1, message + "\n"},
			{"check -c " + doubtful, 0, message + " (warning)\n"},
			{"check -tc " + doubtful, 0, message + " (warning)\n"},
			{"check --lint -c " + doubtful, 1, message + "\n"},
			{"check -tlc " + doubtful, 1, message + "\n"},
			{"check --lint-no-network -c " + doubtful, 1, message + "\n"},
			{"check --test-gin-routes --lint -c " + doubtful, 1, message + "\n"},
		}
		for _, tt := range tests {
			got := invoke(t, strings.Fields(tt.args)...)
			ok := ""
			if tt.code == 0 {
				ok = tt.args[strings.LastIndexAny(tt.args[:strings.LastIndex(tt.args, ext)], " =")+1:strings.LastIndex(tt.args, ext)] + ext + ": Syntax OK!\n"
			}
			if got.code != tt.code || !strings.HasSuffix(got.stderr, tt.want) || (got.stderr == "") != (tt.want == "") || got.stdout != ok {
				t.Errorf("sluice %s: %+v, want code %d, %q and %q", tt.args, got, tt.code, ok, tt.want)
			}
		}
	}
}

// TestOneStream writes everything to standard error for scripts that expect it
// there.
func TestOneStream(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "gateway.json", minimal)
	if got, want := invoke(t, "check", "-c", "gateway.json", "--compat-stderr"), (result{0, "", "gateway.json: Syntax OK!\n"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	type report struct {
		OK       bool
		Problems []struct {
			File, Path, Severity, Code, Message string
			Line, Column                        int
		}
	}
	read := func(name, text string, args ...string) (report, int) {
		got := invoke(t, append([]string{"check", "--format", "json", "-c", write(t, name, text)}, args...)...)
		var r report
		if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.stderr != "" {
			t.Fatalf("%v, standard error %q\n%s", err, got.stderr, got.stdout)
		}
		return r, got.code
	}
	if r, code := read("right.json", minimal); code != 0 || !r.OK || r.Problems == nil || len(r.Problems) > 0 {
		t.Errorf("right: %d, %+v", code, r)
	}
	unknown := strings.Replace(minimal, `"version"`, `"nmae": "x", "version"`, 1)
	if r, code := read("doubtful.json", unknown); code != 0 || !r.OK || len(r.Problems) != 1 || r.Problems[0].Severity != "warning" {
		t.Errorf("doubtful: %d, %+v", code, r)
	}
	if r, code := read("doubtful.json", unknown, "--lint"); code != 1 || r.OK || r.Problems[0].Severity != "error" {
		t.Errorf("doubtful, --lint: %d, %+v", code, r)
	}
	for name, text := range faulty {
		r, code := read(name, text)
		if code != 1 || r.OK {
			t.Errorf("%s: %d, ok %t", name, code, r.OK)
		}
		var b strings.Builder
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Path, p.Message)
			if p.Severity != "error" {
				fmt.Fprintf(&b, " (%s)", p.Severity)
			}
			b.WriteByte('\n')
			if !slices.ContainsFunc(config.Codes, func(c struct{ Code, Meaning string }) bool { return c.Code == p.Code }) {
				t.Errorf("%s: the code %q is not documented", name, p.Code)
			}
		}
		testx.Golden(t, filepath.Join(testdata, name+".txt"), b.String()) // the same problems as in the text
	}
	if r, _ := read("broken.json", "{"); len(r.Problems) != 1 || r.Problems[0].Code != config.CodeSyntax {
		t.Errorf("broken: %+v", r)
	}
}

// TestSARIF checks the structure that review systems demand: sections 3.13,
// 3.14, 3.19, 3.27 and 3.28 to 3.30 of SARIF 2.1.0.
func TestSARIF(t *testing.T) {
	t.Chdir(t.TempDir())
	type log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version string
					Rules         []struct {
						ID               string
						ShortDescription struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID, Level string
				RuleIndex     *int
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	files := map[string]string{
		"right.json":  minimal,
		"broken.json": "{",
		// A name that is no URI as it stands.
		"mit Umlaut ä.json": `{"version": 3, "nmae": "x"}`,
	}
	for name, text := range faulty {
		files[name] = text
	}
	for name, text := range files {
		got := invoke(t, "check", "--format", "sarif", "-c", write(t, name, text))
		var l log
		if err := json.Unmarshal([]byte(got.stdout), &l); err != nil || got.stderr != "" {
			t.Fatalf("%s: %v, standard error %q\n%s", name, err, got.stderr, got.stdout)
		}
		if l.Version != "2.1.0" || !strings.HasSuffix(l.Schema, "sarif-2.1.0.json") || len(l.Runs) != 1 {
			t.Fatalf("%s: version %q, schema %q, %d runs", name, l.Version, l.Schema, len(l.Runs))
		}
		r := l.Runs[0]
		if r.Tool.Driver.Name != "sluice" || r.Tool.Driver.Version != Version || r.Results == nil || r.Tool.Driver.Rules == nil {
			t.Errorf("%s: driver %+v, results %v", name, r.Tool.Driver, r.Results)
		}
		problems := strings.Count(invoke(t, "check", "-c", name).stderr, "\n")
		if len(r.Results) != problems {
			t.Errorf("%s: %d results for %d problems", name, len(r.Results), problems)
		}
		for _, rule := range r.Tool.Driver.Rules {
			if rule.ID == "" || rule.ShortDescription.Text == "" {
				t.Errorf("%s: rule %+v", name, rule)
			}
		}
		for _, res := range r.Results {
			if res.RuleIndex == nil || r.Tool.Driver.Rules[*res.RuleIndex].ID != res.RuleID {
				t.Errorf("%s: the rule of %+v is another one", name, res)
			}
			if !slices.Contains([]string{"error", "warning", "note"}, res.Level) || res.Message.Text == "" || len(res.Locations) != 1 {
				t.Errorf("%s: result %+v", name, res)
			}
			at := res.Locations[0].PhysicalLocation
			uri := strings.NewReplacer(" ", "%20", "ä", "%C3%A4").Replace(name)
			if at.ArtifactLocation.URI != uri || at.Region.StartLine < 1 || at.Region.StartColumn < 1 {
				t.Errorf("%s: location %+v", name, at)
			}
		}
	}
}

func TestExplainDialect(t *testing.T) {
	got := invoke(t, "check", "--explain-dialect")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	testx.Golden(t, filepath.Join(testdata, "dialects.txt"), got.stdout)
}

// full is a configuration with something at every place that a dump shows, and
// secrets wherever one can be.
const full = `{
  "version": 3,
  "name": "${env:SECRET}",
  "host": ["http://users:8000", "http://${env:SECRET}"],
  "timeout": "3s",
  "tls": { "disabled": true },
  "extra_config": { "router": { "hide_version_header": true } },
  "endpoints": [
    {
      "endpoint": "/v1/users/{id}",
      "input_headers": ["X-Trace", "${env:SECRET}"],
      "input_query_strings": ["q"],
      "extra_config": { "validation/cel": [{ "check_expr": "req_params.Id != '${file:secret.txt}'" }] },
      "backend": [
        { "url_pattern": "/users/{id}?key=${env:SECRET}", "allow": ["name"], "deny": ["id"] },
        {
          "url_pattern": "/score/{id}",
          "Host": ["http://${file:secret.txt}:8000"],
          "Mapping": { "a": "b", "c": "${env:SECRET}" },
          "target": "data",
          "group": "score",
          "extra_config": { "backend/http/client": { "proxy_address": "http://user:${env:SECRET}@proxy:3128" } }
        }
      ]
    }
  ]
}
`

// TestDump prints what a configuration means in three depths, without secrets.
func TestDump(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SECRET", "hunter2")
	write(t, "secret.txt", "swordfish\n")
	write(t, "full.json", full)
	for _, depth := range []string{"-d", "-dd", "-ddd"} {
		got := invoke(t, "check", "-c", "full.json", depth, "-i", "  ")
		if got.code != 0 {
			t.Errorf("%s: %+v", depth, got)
		}
		testx.Golden(t, filepath.Join(testdata, "dump"+depth+".txt"), got.stdout)
	}
	for _, args := range []string{"check -ddd", "check -dd --format json", "check -dd --format sarif", "check", "explain /v1/users/7"} {
		got := invoke(t, append(strings.Fields(args), "-c", "full.json")...)
		for _, secret := range []string{"hunter2", "swordfish"} {
			if strings.Contains(got.stdout+got.stderr, secret) {
				t.Errorf("sluice %s tells a secret:\n%s%s", args, got.stdout, got.stderr)
			}
		}
	}
	// Nor does a problem of a secret.
	t.Setenv("SECRET", "hunter 2")
	got := invoke(t, "check", "-c", "full.json")
	if got.code != 1 || strings.Contains(got.stderr, "hunter") || !strings.Contains(got.stderr, "***") {
		t.Errorf("%+v", got)
	}
}

// TestSecrets tells nobody what is a secret by nature, though the file has it in clear.
func TestSecrets(t *testing.T) {
	t.Chdir(filepath.Join(testdata, "../../../internal/components/auth/jose/testdata"))
	for _, args := range []string{"check -d", "check -dd", "check -ddd", "check --format json", "explain POST /partners/7/orders"} {
		got := invoke(t, append(strings.Fields(args), "-c", "auth-validator-encrypted.yaml")...)
		if got.code != 0 || strings.Contains(args, "-ddd") && !strings.Contains(got.stdout, "***") {
			t.Errorf("sluice %s: %+v", args, got)
		}
		if strings.Contains(got.stdout+got.stderr, "AQEBAQ") || strings.Contains(got.stdout+got.stderr, "HXQRRTL") {
			t.Errorf("sluice %s tells a secret:\n%s%s", args, got.stdout, got.stderr)
		}
	}
}

// TestDumpAll shows every key of the samples that has an effect, at its place and with
// what it means, and nothing that the file does not say and that has no default.
func TestDumpAll(t *testing.T) {
	t.Setenv("USERS_KEY", "k") // of a sample
	t.Chdir(filepath.Join(testdata, "../../../test/misspell/testdata/samples"))
	var names []string
	for _, pattern := range []string{"*.json", "*.yaml", "*.toml"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, some...)
	}
	if len(names) < 25 {
		t.Fatalf("%d samples, want 25", len(names))
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, problems := config.Parse(name, text)
		if config.HasErrors(problems) {
			t.Fatal(config.Format(problems))
		}
		dumped := dumpOf(t, name)
		for _, d := range differences("", file.Root, dumped.Root, config.SpecOf(reflect.TypeFor[model.Service]()), false) {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestDumpAgents: agents are shown as endpoints are.
func TestDumpAgents(t *testing.T) {
	t.Chdir(t.TempDir())
	name := write(t, "agent.yaml", `
version: 3
async_agent:
  - name: orders
    consumer: {topic: "orders.*", workers: 4}
    backend: [{url_pattern: /orders, method: POST, host: ["http://a"]}]
    extra_config: {async/amqp: {host: "amqp://u:secret@queue/", exchange: shop, name: q, max_deliveries: 3}}
`)
	for depth, want := range map[string]string{
		"-d":  "Agents: 1\n\t- orders\n\t\tTimeout: 2s\n\t\tTopic: orders.*\n\t\tComponent: async/amqp\n\t\tBackends: 1\n\t\t\t- POST /orders\n",
		"-dd": "\t\tWorkers: 4\n\t\tMessages a second: 0\n\t\tComponent: async/amqp {",
	} {
		if got := invoke(t, "check", depth, "-c", name); !strings.Contains(got.stdout, want) || strings.Contains(got.stdout, "secret") {
			t.Errorf("%s shows %s %s, want %s", depth, got.stdout, got.stderr, want)
		}
	}
}

// dumpOf returns what check -ddd shows of a file.
func dumpOf(t *testing.T, name string) *config.Document {
	t.Helper()
	got := invoke(t, "check", "-ddd", "-c", name)
	shown, ok := strings.CutSuffix(got.stdout, name+": Syntax OK!\n")
	if got.code != 0 || !ok {
		t.Fatalf("%s: %+v", name, got)
	}
	d, problems := config.Parse("dump.json", []byte(shown))
	if len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	return d
}

// differences returns what a dump does not show of a value of a file, or shows in
// another way than it is meant.
func differences(at string, written, shown *config.Node, s *config.Spec, loose bool) []string {
	var all []string
	find := func(in *config.Spec, key string) *config.Field {
		i := slices.IndexFunc(in.Fields, func(f config.Field) bool { return f.Key == key || loose && strings.EqualFold(f.Key, key) })
		if i < 0 {
			return nil
		}
		return &in.Fields[i]
	}
	switch {
	case shown == nil:
		return []string{at + " is missing"}
	case s.Shape == config.ListShape && written.Kind == config.Array:
		if len(shown.Items) != len(written.Items) {
			return []string{fmt.Sprintf("%s has %d entries, want %d", at, len(shown.Items), len(written.Items))}
		}
		for i, item := range written.Items {
			all = append(all, differences(fmt.Sprintf("%s[%d]", at, i), item, shown.Items[i], s.Item, loose)...)
		}
	case s.Shape == config.ListShape:
		if len(shown.Items) != 1 {
			return []string{at + " is not shown as a list of one"}
		}
		all = differences(at+"[0]", written, shown.Items[0], s.Item, loose)
	case s.Shape == config.ObjectShape && written.Kind == config.Object:
		loose = loose || s.Scope != ""
		for _, m := range written.Members {
			f := find(s, m.Key)
			switch {
			case f == nil || f.Rules.Idle: // a comment, or a key that changes nothing
			case f.Secret == config.IsSecret:
				if got := string(shown.Get(f.Key).JSON()); got != `"***"` {
					all = append(all, at+"."+f.Key+" is a secret, and shown as "+got)
				}
			case f.Key == "extra_config" && s.Scope != "":
				for _, n := range m.Value.Members {
					if d := component.Default.Find(component.Scope(s.Scope), n.Key); d != nil {
						all = append(all, differences(at+"."+d.Namespace, n.Value, shown.Get("extra_config").Get(d.Namespace), config.SpecOf(d.Options), false)...)
					}
				}
			case m.Value.Kind != config.Null:
				all = append(all, differences(at+"."+f.Key, m.Value, shown.Get(f.Key), f.Spec, loose)...)
			}
		}
		for _, m := range shown.Members {
			if f := find(s, m.Key); (f == nil || f.Rules.Idle) && s.Rest == nil {
				all = append(all, at+"."+m.Key+" is shown, and has no effect")
			}
		}
	case s.Shape == config.BoolShape, s.Shape == config.IntShape, s.Shape == config.TextShape && s.Enum == nil && !strings.Contains(at, "host"):
		if shown.Text != written.Text && !strings.Contains(written.Text, "${") {
			all = append(all, fmt.Sprintf("%s is shown as %q, want %q", at, shown.Text, written.Text))
		}
	}
	return all
}

// TestDumpLeavesOut shows nothing of what has no effect.
func TestDumpLeavesOut(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "gateway.json", `{"version": 3, "$schema": "SAID", "@comment": "SAID", "sequential_start": true, "plugin": {"folder": "SAID", "pattern": "SAID"}, "naem": "SAID",
  "allow_insecure_connections": true, "name": null,
  "extra_config": {"plugin/http-server": {"name": ["SAID"]}, "router": {"max_multipart_memory": 5, "_comment": "SAID", "auto_options": true}},
  "endpoints": [{"endpoint": "/a", "backend": [{"url_pattern": "/b", "host": ["http://b"],
    "extra_config": {"backend/http/client": {"proxy_address": "http://user:SAID@b"}}}]}]}`)
	got := invoke(t, "check", "-ddd", "--allow-unsupported", "-c", "gateway.json")
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	for _, gone := range []string{"SAID", "sequential_start", "plugin", "max_multipart_memory", `"name"`, "null"} {
		if strings.Contains(got.stdout, gone) {
			t.Errorf("the dump shows %s:\n%s", gone, got.stdout)
		}
	}
	for _, there := range []string{`"client_tls"`, `"allow_insecure_connections": true`, `"auto_options": true`, `"http://***@b"`} {
		if strings.Count(got.stdout, there) != 1 {
			t.Errorf("the dump does not show %s once:\n%s", there, got.stdout)
		}
	}
}

// TestDumpHosts hides a secret host of the root that opens WebSockets, too.
func TestDumpHosts(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SECRET", "hunter2")
	write(t, "chat.json", `{"version": 3, "host": ["ws://${env:SECRET}"], "endpoints": [{"endpoint": "/chat", "output_encoding": "no-op",
		"extra_config": {"proxy": {"upgrade": ["websocket"]}}, "backend": [{"url_pattern": "/"}]}]}`)
	got := invoke(t, "check", "-ddd", "-c", "chat.json")
	if got.code != 0 || strings.Contains(got.stdout+got.stderr, "hunter2") || strings.Count(got.stdout, `"ws://${env:SECRET}"`) != 2 {
		t.Errorf("%+v", got)
	}
}

// TestAllowUnsupported does without what is not built yet where the operator says
// so, and says it at every start; what is unknown or misplaced stays an error.
func TestAllowUnsupported(t *testing.T) {
	t.Chdir(t.TempDir())
	backend := newBackend(t)
	text := func(namespace string) string {
		return strings.Replace(grouped(backend, "one"), `"group"`, fmt.Sprintf(`"extra_config": {%q: {}}, "group"`, namespace), 1)
	}
	const flag = "--allow-unsupported"
	file := write(t, "gateway.json", text("modifier/martian"))
	refused := `namespace modifier/martian not supported yet; start with --allow-unsupported to run without what it does`
	warned := `namespace modifier/martian not supported yet; the gateway runs without what it does (warning)`
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check", "-c", file}, 1, refused},
		{[]string{"check", "-c", file, flag}, 0, warned},
		{[]string{"check", "-c", file, flag, "--lint"}, 0, warned},
		{[]string{"check", "-c", file, flag, "--strict"}, 1, "the gateway runs without what it does"},
		{[]string{"explain", "-c", file, "/x"}, 1, refused},
		{[]string{"explain", "-c", file, flag, "/x"}, 0, ""},
		{[]string{"check", flag, "-c", write(t, "unknown.json", text("modifier/martin"))}, 1, "unknown namespace"},
		{[]string{"check", flag, "-c", write(t, "misplaced.json", text("modifier/lua-endpoint"))}, 1, "has no effect in the backend"},
	} {
		if got := invoke(t, tt.args...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%v: %+v, want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
	p := serveFile(t, file, flag)
	if status, _ := p.get(t, "/x"); status != 200 || !strings.Contains(p.log(), warned) {
		t.Errorf("run: status %d, want 200 and %q:\n%s", status, warned, p.log())
	}
}

// TestWithoutConnectors runs without what is not built yet: native plugins, drivers of agents,
// and connectors, in whose place nothing is called by HTTP.
func TestWithoutConnectors(t *testing.T) {
	t.Chdir(t.TempDir())
	var called atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called.Add(1)
		io.WriteString(w, `{"a":1}`)
	}))
	t.Cleanup(backend.Close)
	const endpoint = `{"endpoint": "/%d", "extra_config": {%s}, "backend": [{"url_pattern": "/", "host": [%q], "extra_config": {%s}}]}`
	var endpoints []string
	connectors := []string{"backend/lambda", "backend/amqp/consumer", "backend/amqp/producer", "backend/pubsub/publisher",
		"backend/pubsub/subscriber", "backend/grpc", "backend/soap", "backend/graphql", "backend/static-filesystem",
		"plugin/http-client", "workflow", "ai/llm", "github.com/devopsfaith/krakend-amqp/consume"}
	connectors = slices.DeleteFunc(connectors, func(name string) bool { return component.Default.Find(component.InBackend, name) != nil })
	for i, name := range connectors {
		endpoints = append(endpoints, fmt.Sprintf(endpoint, i, "", backend.URL, fmt.Sprintf("%q: {}", name)))
	}
	endpoints = append(endpoints, fmt.Sprintf(endpoint, len(connectors), `"websocket": {}`, "ws"+strings.TrimPrefix(backend.URL, "http"), ""))
	text := fmt.Sprintf(`{"version": 3, "dialect": "sluice", "listen_ip": "127.0.0.1", "plugin": {"folder": "/p", "pattern": ".so"},
		"async_agent": [{"name": "a", "consumer": {"topic": "t"}, "backend": [{"url_pattern": "/", "host": ["http://a"]}], "extra_config": {"async/kafka": {}}}], "extra_config": {"plugin/http-server": {}}, "endpoints": [%s]}`, strings.Join(endpoints, ","))
	file := write(t, "gateway.json", text)
	refused := invoke(t, "check", "-c", file)
	for _, want := range []string{"namespace async/kafka not supported yet", "plugin: native plugins are not loaded; start with --allow-unsupported", "namespace websocket not supported yet"} {
		if refused.code != 1 || !strings.Contains(refused.stderr, want) {
			t.Errorf("%+v, want 1 and %q", refused, want)
		}
	}
	if strings.Contains(refused.stderr, "ws://") {
		t.Errorf("a host of a WebSocket is refused: %s", refused.stderr)
	}
	if got := invoke(t, "check", "--lint", "--allow-unsupported", "-c", file); got.code != 0 || strings.Count(got.stderr, "(warning)") != len(connectors)+4 {
		t.Errorf("%+v, want 0 and %d warnings", got, len(connectors)+4)
	}
	p := serveFile(t, file, "--allow-unsupported")
	for i := range endpoints {
		if status, body := p.get(t, fmt.Sprintf("/%d", i)); status != 501 || !strings.Contains(body, `"code":"not_supported"`) {
			t.Errorf("%d: %d %s, want 501 not_supported", i, status, body)
		}
	}
	if n := called.Load(); n > 0 {
		t.Errorf("the backend was called %d times, want none", n)
	}
}

// TestHostSecrets: what a host says before its @ is shown by nobody.
func TestHostSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	file := write(t, "gateway.json", `{"version": 3, "dialect": "sluice", "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/", "host": ["amqp://user:topsecret@queue.internal/v"],
		"extra_config": {"backend/amqp/consumer": {"name": "q", "exchange": "e", "routing_key": ["#"]}}}]}]}`)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "-dd"}, "amqp://***@queue.internal/v"},
		{[]string{"check", "-ddd"}, "amqp://***@queue.internal/v"},
		{[]string{"explain", "/x"}, "amqp://queue.internal:5672/v"},
	} {
		got := invoke(t, append(tt.args, "-c", file)...)
		if out := got.stdout + got.stderr; strings.Contains(out, "topsecret") || strings.Contains(out, "user") || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %s", tt.args, out)
		}
	}
}

// TestSkipFiles checks a configuration whose files are on another machine: nothing
// that must be there stops the check, everything else does.
func TestSkipFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = `{
  "version": 3,
  "dialect": "sluice",
  "port": "${file:/run/port}",
  "timeout": "${file:/run/timeout}",
  "tls": { "keys": [{ "public_key": "/run/a.pem", "private_key": "/run/a.key" }], "ca_certs": ["/run/ca.pem"], "disable_system_ca_pool": true, "enable_mtls": true },
  "client_tls": { "ca_certs": ["/run/ca.pem"], "client_certs": [{ "certificate": "/run/b.pem", "private_key": "/run/b.key" }], "min_version": "TLS12" },
  "endpoints": [
    {
      "endpoint": "/a",
      "extra_config": {
        "auth/validator": { "alg": "RS256", "jwk_local_path": "/run/keys.json", "jwk_local_ca": "/run/ca.pem", "cookie_key": "", "require_exp": true },
        "qos/ratelimit/router": { "max_rate": "${file:/run/rate}" },
        "validation/cel": [{ "check_expr": "${file:/run/condition}" }]
      },
      "backend": [{ "host": ["http://${file:/run/host}:8000"], "url_pattern": "/a",
        "extra_config": { "backend/http/client": { "client_tls": { "ca_certs": ["/run/ca.pem"], "min_version": "TLS12" } } } }]
    }%s
  ]
}`
	right := write(t, "right.json", fmt.Sprintf(text, ""))
	for _, args := range [][]string{{"check", "--skip-files", "-c", right}, {"check", "--skip-files", "--lint", "-c", right}} {
		if got := invoke(t, args...); got.code != 0 || got.stdout != "right.json: Syntax OK!\n" || got.stderr != "" {
			t.Errorf("%v: %+v, want nothing wrong", args, got)
		}
	}
	all := invoke(t, "check", "-c", right)
	for _, name := range []string{"port", "timeout", "a.pem", "a.key", "ca.pem", "b.pem", "b.key", "keys.json", "rate", "condition", "host"} {
		if all.code != 1 || !strings.Contains(all.stderr, "/run/"+name) {
			t.Errorf("without the flag nothing is said of %s: %+v", name, all)
		}
	}
	wrong := write(t, "wrong.json", strings.NewReplacer(`"alg": "RS256"`, `"alg": "RS255"`, `"private_key": "/run/a.key"`, `"private_key": ""`, `"enable_mtls": true`, `"enable_mtls": true, "min_version": "TLS9"`).Replace(
		fmt.Sprintf(text, `, { "endpoint": "/b/{x}", "backend": [{ "host": ["http://b"], "url_pattern": "/${file:/run/path}/{y}" }, { "host": ["http://b"], "url_pattern": "/{z}" }] }`)))
	got := invoke(t, "check", "--skip-files", "-c", wrong)
	for _, want := range []string{`auth/validator"].alg: `, "tls.keys[0].private_key: private key not defined", "tls.min_version: ", "output param 'z'"} {
		if got.code != 1 || !strings.Contains(got.stderr, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	if strings.Contains(got.stderr, "/run/") {
		t.Errorf("files are read: %s", got.stderr)
	}
}

// TestSkipFilesMachine gives one verdict on every machine: a host that is this one
// is a mistake where the gateway is to run, and unknown elsewhere.
func TestSkipFilesMachine(t *testing.T) {
	t.Chdir(t.TempDir())
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	write(t, "own.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "port": 8080, "endpoints": [{"endpoint": "/a", "backend": [{"host": ["http://%s:8080"], "url_pattern": "/"}]}]}`, own))
	if got := invoke(t, "check", "-c", "own.json"); got.code != 1 || !strings.Contains(got.stderr, "is the address of the gateway itself") {
		t.Errorf("%+v", got)
	}
	local := own == "localhost" || strings.HasSuffix(own, ".localhost") // on every machine
	if got := invoke(t, "check", "--skip-files", "-c", "own.json"); (got.code == 0) == local {
		t.Errorf("with --skip-files: %+v", got)
	}
	write(t, "loopback.json", `{"version": 3, "dialect": "sluice", "port": 8080, "endpoints": [{"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:8080"], "url_pattern": "/"}]}]}`)
	if got := invoke(t, "check", "--skip-files", "-c", "loopback.json"); got.code != 1 || !strings.Contains(got.stderr, "is the address of the gateway itself") {
		t.Errorf("loopback, with --skip-files: %+v", got)
	}
}

// TestUnusedPlugin starts although there is a folder of plugins that nobody uses.
func TestUnusedPlugin(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dialect := range []string{"krakend", "sluice"} {
		file := write(t, "gateway.json", strings.Replace(grouped("http://a", "one"), `"version": 3,`, `"version": 3, "dialect": "`+dialect+`", "plugin": {"folder": "/p", "pattern": ".so"},`, 1))
		for _, flags := range [][]string{nil, {"--lint"}} {
			got := invoke(t, append([]string{"check", "-c", file}, flags...)...)
			if want := "plugin: native plugins are not loaded, and no namespace asks for one; remove the key (warning)"; got.code != 0 || !strings.Contains(got.stderr, want) {
				t.Errorf("%s %v: %+v, want 0 and %q", dialect, flags, got, want)
			}
		}
	}
}

// TestEnvironment lets variables override the file, and refuses those that
// cannot be meant.
func TestEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "gateway.json", `{"version": 3, "port": 1, "endpoints": []}`)
	tests := []struct {
		name    string
		environ []string
		code    int
		want    string // on either stream
	}{
		{"nothing", nil, 0, "Port: 1\n"},
		{"old prefix", []string{"KRAKEND_PORT=2"}, 0, "Port: 2\n"},
		{"our prefix", []string{"SLUICE_PORT=3"}, 0, "Port: 3\n"},
		{"ours wins", []string{"KRAKEND_PORT=2", "SLUICE_PORT=3"}, 0, "Port: 3\n"},
		{"a key that the file has not", []string{"KRAKEND_NAME=Shop"}, 0, "Name: Shop\n"},
		{"nested", []string{"SLUICE_SET__extra_config__router__auto_options=true"}, 0, `Component: router {"auto_options":true}`},
		{"service link", []string{"KRAKEND_PORT=tcp://10.0.0.1:80"}, 0, "environment:KRAKEND_PORT: port: this looks like a service link"},
		{"wrong value", []string{"KRAKEND_PORT=abc"}, 1, `environment:KRAKEND_PORT: port: must be a whole number, got "abc"`},
		{"no scalar", []string{"KRAKEND_ENDPOINTS=x"}, 1, "environment:KRAKEND_ENDPOINTS: endpoints: "},
		{"unknown", []string{"KRAKEND_NOTHING=x"}, 0, "Port: 1\n"},
		{"templates", []string{"FC_ENABLE=1"}, 0, "Port: 1\n"},
		{"templates off", []string{"FC_ENABLE=0"}, 0, "Port: 1\n"},
		{"templates off, which is new", []string{"FC_ENABLE=False"}, 0, "environment:FC_ENABLE: False is taken for no, and the file for a configuration without templates; unset FC_ENABLE to say so everywhere (warning)"},
		{"templates empty", []string{"FC_ENABLE="}, 0, "Port: 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, variable := range tt.environ {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			got := invoke(t, "check", "-dd", "-c", "gateway.json")
			if got.code != tt.code || !strings.Contains(got.stdout+got.stderr, tt.want) {
				t.Errorf("%+v, want %d and %q", got, tt.code, tt.want)
			}
		})
	}
}

// TestGitHub annotates lines of a change: the parts of a command are escaped, so that no
// text of a file ends it or begins another.
func TestGitHub(t *testing.T) {
	t.Chdir(t.TempDir())
	name := write(t, "100%,a:b.json", strings.TrimSuffix(strings.TrimSpace(minimal), "}")+",\n \"nmae\": 1, \"port\": \"%\\r\\n::set-output::x\"}")
	got := invoke(t, "check", "--format", "github", "-c", name)
	want := `::warning file=100%25%2Ca%3Ab.json,line=7,col=2,title=unknown-field::nmae: unknown key "nmae"; did you mean "name"?
::error file=100%25%2Ca%3Ab.json,line=7,col=21,title=wrong-type::port: must be a whole number, got "%25\r\n::set-output::x"; write 8080
`
	if got != (result{1, want, ""}) {
		t.Errorf("got %+v, want %q", got, want)
	}
	if got := invoke(t, "check", "--format", "github", "-c", write(t, "right.json", minimal)); got != (result{}) {
		t.Errorf("nothing to tell: %+v", got)
	}
	if got, want := invoke(t, "check", "--format", "github", "-c", "missing.json"), "::error file=missing.json,title=unreadable::cannot read the file: no such file or directory\n"; got != (result{1, want, ""}) {
		t.Errorf("got %+v, want %q", got, want)
	}
	t.Setenv("KRAKEND_PORT", "x")
	if got, want := invoke(t, "check", "--format", "github", "-c", "right.json"), "::error title=wrong-type::environment:KRAKEND_PORT: port: "; got.code != 1 || !strings.HasPrefix(got.stdout, want) {
		t.Errorf("got %+v, want %q", got, want)
	}
}

// TestJUnit has a test for each problem, which errors fail, and one that passes if nothing is wrong.
func TestJUnit(t *testing.T) {
	t.Chdir(t.TempDir())
	type suites struct {
		Suite []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Cases    []struct {
				Name    string `xml:"name,attr"`
				File    string `xml:"file,attr"`
				Line    int    `xml:"line,attr"`
				Failure *struct {
					Type string `xml:"type,attr"`
					Text string `xml:",chardata"`
				} `xml:"failure"`
				Output string `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	files := map[string]string{"right.json": minimal, "broken.json": "{", "doubtful.json": `{"version": 3, "nmae": "<\u0001&]]>"}`}
	for name, text := range faulty {
		files[name] = text
	}
	for name, text := range files {
		text := invoke(t, "check", "-c", write(t, name, text))
		got := invoke(t, "check", "--format", "junit", "-c", name)
		var s suites
		if err := xml.Unmarshal([]byte(got.stdout), &s); err != nil || got.stderr != "" || got.code != text.code || len(s.Suite) != 1 {
			t.Fatalf("%s: %v, %+v", name, err, got)
		}
		said, failures := "", 0
		for _, c := range s.Suite[0].Cases {
			if c.Name == "" || c.File != name {
				t.Errorf("%s: %+v", name, c)
			}
			if said += c.Output; c.Output != "" {
				said += "\n"
			}
			if c.Failure != nil {
				said += c.Failure.Text + "\n"
				failures++
			}
		}
		if said != text.stderr || failures != s.Suite[0].Failures || len(s.Suite[0].Cases) != s.Suite[0].Tests || s.Suite[0].Tests == 0 || (failures > 0) != (got.code == 1) {
			t.Errorf("%s: %+v says %q, want %q", name, s, said, text.stderr)
		}
	}
}

// TestLintSchema judges by a schema of somebody's own, in any format, with the place of what
// breaks it.
func TestLintSchema(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SECRET_PORT", "8080")
	write(t, "own.json", `{"required": ["name"], "properties": {"port": {"type": "integer"}, "timeout": {"const": "3s"},
  "endpoints": {"items": {"properties": {"endpoint": {"pattern": "^/v1/"}}}}}}`)
	write(t, "own.yaml", "required: [name]\nproperties: {timeout: {const: 3s}}\n")
	write(t, "gateway.json", `{"version": 3, "port": "${env:SECRET_PORT}", "timeout": "2s",
  "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/x", "host": ["http://x:8000"]}]}]}`)
	for _, tt := range []struct{ args, want string }{
		{"-s own.json", "gateway.json:1:1: missing property 'name'; own.json wants it otherwise\n" +
			"gateway.json:1:57: timeout: value must be '3s'; own.json wants it otherwise\n" +
			"gateway.json:2:30: endpoints[0].endpoint: '/x' does not match pattern '^/v1/'; own.json wants it otherwise\n"},
		{"--lint-schema own.yaml", "gateway.json:1:1: missing property 'name'; own.yaml wants it otherwise\n" +
			"gateway.json:1:57: timeout: value must be '3s'; own.yaml wants it otherwise\n"},
	} {
		args := append([]string{"check", "-c", "gateway.json"}, strings.Fields(tt.args)...)
		if got := invoke(t, args...); got != (result{1, "", tt.want}) {
			t.Errorf("%s: %+v, want %q", tt.args, got, tt.want)
		}
	}
	write(t, "kept.json", `{"properties": {"timeout": {"const": "2s"}}}`)
	if got := invoke(t, "check", "-c", "gateway.json", "-s", "kept.json"); got != (result{0, "gateway.json: Syntax OK!\n", ""}) {
		t.Errorf("a schema that is kept: %+v", got)
	}
	write(t, "broken.json", `{"type": "strnig"}`)
	write(t, "remote.json", `{"$ref": "https://example.com/schema.json"}`)
	for args, want := range map[string]string{
		"-s https://ada:hunter2@example.com/schema.json": "--lint-schema: https://***@example.com/schema.json is a URL, and nothing is downloaded, so that",
		"-s missing.json":   "--lint-schema: missing.json: no such file or directory\n",
		"-s broken.json":    "--lint-schema: broken.json is no JSON Schema: ",
		"-s remote.json":    "and no schema is fetched; put it below $defs",
		"-l -n":             "--lint and --lint-no-network exclude each other; write one of them\n",
		"-ns own.json":      "--lint-no-network and --lint-schema exclude each other; write one of them\n",
		"-l -n -s own.json": "--lint and --lint-no-network and --lint-schema exclude each other; write one of them\n",
	} {
		got := invoke(t, append([]string{"check", "-c", "gateway.json"}, strings.Fields(args)...)...)
		if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want 2 and %q", args, got, want)
		}
	}
}
