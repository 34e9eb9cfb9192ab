package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// templated is a configuration of templates in the usual folders.
var templated = map[string]string{
	"krakend.tmpl": `{
  "version": 3,
  "port": {{ .service.port }},
  "timeout": "{{ .service.timeout }}",
  "cache_ttl": "300s",
  "host": {{ marshal .service.hosts }},
  "endpoints": [
    {{ range $i, $e := .endpoints.list }}{{ if $i }},{{ end }}
    {{ template "endpoint.tmpl" $e }}
    {{ end }}
  ],
  "extra_config": { {{ include "router.json" }} }
}
`,
	"settings/service.json": `{
  "port": 8080,
  "timeout": "3s",
  "hosts": [
    "http://one.example.com",
    "http://two.example.com"
  ]
}
`,
	"settings/endpoints.json": `{
  "list": [
    {
      "path": "/products",
      "method": "GET",
      "url": "/v1/products",
      "encoding": "json",
      "timeout": "2s",
      "calls": 1,
      "deny": ["internal"],
      "rate": 10
    },
    {
      "path": "/orders/{id}",
      "method": "POST",
      "url": "/v1/orders/{id}",
      "encoding": "json",
      "timeout": "1s",
      "calls": 1,
      "deny": ["internal", "secret"],
      "rate": 5
    }
  ]
}
`,
	"templates/endpoint.tmpl": `{
  "endpoint": "{{ .path }}",
  "method": "{{ .method }}",
  "timeout": "{{ .timeout }}",
  "concurrent_calls": {{ .calls }},
  "output_encoding": "json",
  "input_headers": ["Accept"],
  "backend": [
    {
      "url_pattern": "{{ .url }}",
      "encoding": "{{ .encoding }}",
      "sd": "static",
      "deny": {{ marshal .deny }}
    }
  ],
  "extra_config": {
    "qos/ratelimit/router": {
      "max_rate": {{ .rate }},
      "client_max_rate": 100,
      "strategy": "ip",
      "every": "1s"
    }
  }
}
`,
	"partials/router.json": `"router": {
  "return_error_msg": true,
  "disable_access_log": false,
  "max_payload": 0,
  "auto_options": true,
  "health_path": "/__health",
  "error_body": { "404": { "message": "not here" } }
}
`,
}

var templateArguments = []string{"--settings", "settings", "--partials", "partials", "--templates", "templates"}

// writeFiles puts files into a new folder, which the test works in.
func writeFiles(t testing.TB, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTemplates switches templates on by variables and by flags, for each command.
func TestTemplates(t *testing.T) {
	writeFiles(t, templated)
	variables := map[string]string{"FC_ENABLE": "1", "FC_SETTINGS": "settings", "FC_PARTIALS": "partials", "FC_TEMPLATES": "templates"}
	check := append([]string{"check", "--lint", "-c", "krakend.tmpl"}, templateArguments...)
	if got := invoke(t, check...); got.code != 0 || got.stdout != "krakend.tmpl: Syntax OK!\n" || got.stderr != "" {
		t.Fatalf("by flags: %+v", got)
	}
	if got := invoke(t, append([]string{"explain", "-c", "krakend.tmpl", "/products"}, templateArguments...)...); got.code != 0 ||
		!strings.Contains(got.stdout, "Endpoint plan, templates/endpoint.tmpl:1:1") {
		t.Errorf("explain: %+v", got)
	}
	if got := invoke(t, "check", "-c", "krakend.tmpl"); got.code != 1 || !strings.Contains(got.stderr, "this looks like a template: set FC_ENABLE=1") {
		t.Errorf("not switched on: %+v", got)
	}
	if got := invoke(t, "check", "--rendered", "-c", "settings/service.json"); got.code == 0 || got.stdout != "" {
		t.Errorf("nothing rendered: %+v", got)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	if got := invoke(t, "check", "--lint", "-c", "krakend.tmpl"); got.code != 0 {
		t.Errorf("by variables: %+v", got)
	}
	if got := invoke(t, "check", "-c", "krakend.tmpl", "--settings", "nowhere"); got.code != 1 ||
		!strings.Contains(got.stderr, "--settings: the folder of settings nowhere cannot be read: no such file or directory") {
		t.Errorf("a flag wins: %+v", got)
	}
	if got := invoke(t, "check", "--rendered", "-c", "krakend.tmpl"); got.code != 0 || !json.Valid([]byte(got.stdout)) || !strings.Contains(got.stdout, `"endpoint": "/orders/{id}"`) {
		t.Errorf("rendered: %+v", got)
	}
	write(t, "out.json", "what was there, which others may read")
	if got := invoke(t, "check", "--rendered-to", "out.json", "-c", "krakend.tmpl"); got.code != 0 {
		t.Errorf("kept: %+v", got)
	}
	if info, err := os.Stat("out.json"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("out.json: %v, %v", info.Mode(), err)
	}
	t.Setenv("FC_ENABLE", "no")
	if got := invoke(t, "check", "-c", "krakend.tmpl"); got.code != 1 || !strings.Contains(got.stderr, "environment:FC_ENABLE: no is taken for no") {
		t.Errorf("off: %+v", got)
	}
}

// TestTemplateFailures holds each mistake against what is said of it: one error, at its place.
func TestTemplateFailures(t *testing.T) {
	tests := []struct{ name, file, old, new, want string }{
		{"a setting that is missing", "krakend.tmpl", ".service.port", ".service.prt", "krakend.tmpl:3:14: .service.prt is not defined; did you mean port?\n"},
		{"one without a near name", "krakend.tmpl", ".service.port", ".service.zzzz", `krakend.tmpl:3:14: .service.zzzz is not defined; write it into the settings, or say what stands for it: {{ default "..." .service.zzzz }}` + "\n"},
		{"a file of settings that is missing", "krakend.tmpl", ".service.port", ".servce.port", "krakend.tmpl:3:14: servce of .servce.port is not defined; did you mean service?\n"},
		{"a function", "krakend.tmpl", "marshal", "marshall", "krakend.tmpl:6:14: the function marshall does not exist; did you mean marshal?\n"},
		{"a template", "krakend.tmpl", `"endpoint.tmpl"`, `"endpoints.tmpl"`, "krakend.tmpl:9:17: the template endpoints.tmpl does not exist; did you mean endpoint.tmpl?\n"},
		{"a partial", "krakend.tmpl", `"router.json"`, `"rooter.json"`, "krakend.tmpl:12:24: include: the file rooter.json is not in partials; did you mean router.json?\n"},
		{"an action that is not closed", "krakend.tmpl", ".service.port }}", ".service.port }", "krakend.tmpl:3:28: unexpected \"}\" in operand; close the action with }}\n"},
		{"a block that is not closed", "krakend.tmpl", "{{ if $i }},{{ end }}", "{{ if $i }},", "krakend.tmpl:14:1: the file ends within a block; close it with {{ end }}\n"},
		{"a variable", "krakend.tmpl", "{{ if $i }}", "{{ if $j }}", "krakend.tmpl:8:48: the variable $j is not defined here; write {{ $j := ... }} in front, in the same block\n"},
		{"a cycle", "templates/endpoint.tmpl", `"{{ .path }}"`, `{{ template "endpoint.tmpl" . }}`, "templates/endpoint.tmpl:2:27: the templates call each other more than 1000 deep; let one of them stop\n"},
		{"an empty text", "krakend.tmpl", "{", "{{/*", "krakend.tmpl:1:1: unclosed comment\n"},
		{"bad settings", "settings/service.json", `8080,`, `8080`, "settings/service.json:3:3: expected ',' or '}' after the value of \"port\", got '\"'\n"},
		{"settings that are a list", "settings/service.json", "{", `[{}], {`, "settings/service.json:1:5: expected the end of the file, got ','; write one value only\n"},
		{"a failure of its own", "krakend.tmpl", "{{ .service.port }}", `{{ fail "no port" }}`, "krakend.tmpl:3:14: fail: no port\n"},
		{"too much", "krakend.tmpl", "{{ .service.port }}", `{{ repeat 2000000 "x" }}`, "krakend.tmpl:3:14: repeat: 2000000 is too much; write a number up to 1000000\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			writeFiles(t, templated)
			text := strings.Replace(templated[tt.file], tt.old, tt.new, 1)
			if text == templated[tt.file] {
				t.Fatalf("%q is not in %s", tt.old, tt.file)
			}
			write(t, tt.file, text)
			got := invoke(t, append([]string{"check", "-c", "krakend.tmpl"}, templateArguments...)...)
			if got.code != 1 || !strings.HasPrefix(got.stderr, tt.want) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("got %d\n%swant\n%s", got.code, got.stderr, tt.want)
			}
		})
	}
}

// TestEmptyTemplate refuses a template that prints nothing.
func TestEmptyTemplate(t *testing.T) {
	writeFiles(t, map[string]string{"base.tmpl": "{{ if .service }}{}{{ end }}\n"})
	got := invoke(t, "check", "--undefined", "error", "-c", "base.tmpl")
	if want := "base.tmpl: the template prints nothing; write a configuration\n"; got.code != 1 || got.stderr != want {
		t.Errorf("%+v, want %q", got, want)
	}
}

// TestUndefined makes of what is not defined what the operator asks for.
func TestUndefined(t *testing.T) {
	writeFiles(t, map[string]string{"base.tmpl": `{"version": 3, "name": "a{{ .name }}b{{ if .x }}c{{ end }}{{ default "d" .y }}", "endpoints": []}`})
	for undefined, want := range map[string]string{"zero": `"abd"`, "invalid": `"a<no value>bd"`, "error": "base.tmpl:1:29: .name is not defined", "nil": `--undefined: "nil" is unknown; write one of error, zero, invalid`} {
		got := invoke(t, "check", "--rendered", "--undefined", undefined, "-c", "base.tmpl")
		if !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("%s: %+v, want %s", undefined, got, want)
		}
	}
}

// TestMutations plants mistakes in each kind of source, one after the other, and looks
// whether one is reported at its file and line.
func TestMutations(t *testing.T) {
	files := map[string]string{
		"config.json":          `{"settings": {"paths": ["settings"]}, "partials": {"paths": ["partials"]}, "templates": {"paths": ["templates"]}}`,
		"included/router.json": "{" + templated["partials/router.json"] + "}",
		"included/endpoint.json": `{
  "endpoint": "/included/{id}",
  "method": "GET",
  "timeout": "5s",
  "output_encoding": "json",
  "concurrent_calls": 1,
  "cache_ttl": "10s",
  "input_query_strings": ["page"],
  "backend": [
    {
      "host": ["http://three.example.com"],
      "url_pattern": "/v2/{id}",
      "encoding": "json",
      "method": "GET",
      "group": "three",
      "is_collection": false,
      "deny": ["internal"]
    }
  ]
}
`,
	}
	for name, text := range templated {
		files[name] = text
	}
	// A base of its own: more than templates in it.
	files["krakend.tmpl"] = strings.Replace(strings.Replace(templated["krakend.tmpl"], "    {{ end }}\n  ]", `    {{ end }},
    {"$ref": "included/endpoint.json"}
  ]`, 1), `"cache_ttl": "300s",`, `"cache_ttl": "300s",
  "name": "shop",
  "output_encoding": "json",
  "read_timeout": "10s",
  "write_timeout": "10s",
  "idle_timeout": "60s",
  "max_idle_connections_per_host": 100,
  "dialer_timeout": "5s",
  "debug_endpoint": false,
  "disable_rest": false,`, 1)
	writeFiles(t, files)
	check := []string{"check", "--format", "json", "--strict", "--flexible", "config.json", "-c", "krakend.tmpl"}
	if got := invoke(t, "check", "--lint", "--flexible", "config.json", "-c", "krakend.tmpl"); got.code != 0 {
		t.Fatalf("without a mistake: %+v", got)
	}
	member := regexp.MustCompile(`^(\s*"?)(\w[\w/]*)("?: )(.*?)(,?)$`)
	kinds := map[string][]string{
		"base": {"krakend.tmpl"}, "template": {"templates/endpoint.tmpl"}, "partial": {"partials/router.json"},
		"settings": {"settings/service.json", "settings/endpoints.json"}, "$ref": {"included/endpoint.json"},
	}
	for kind, names := range kinds {
		planted, found := 0, 0
		for _, name := range names {
			lines := strings.Split(files[name], "\n")
			for i, line := range lines {
				m := member.FindStringSubmatch(line)
				if m == nil || strings.HasSuffix(m[4], "{") || strings.HasSuffix(m[4], "[") {
					continue
				}
				mutants := []string{
					m[1] + m[2] + m[3] + `{"some": "thing"}` + m[5], // another type
					m[1] + m[2] + m[3] + "~" + m[4] + m[5],          // no value
				}
				if kind != "settings" { // which may have any key
					mutants = append(mutants, m[1]+m[2]+"zz"+m[3]+m[4]+m[5])
				}
				if kind == "base" || kind == "template" || kind == "$ref" {
					mutants = append(mutants, m[1]+m[2]+m[3]+"{{ .service.nothing }}"+m[5])
				}
				if strings.HasPrefix(m[4], `"`) && !strings.Contains(m[4], "{{") && m[2] != "path" && m[2] != "name" && m[2] != "group" && m[2] != "sd" && m[2] != "health_path" {
					mutants = append(mutants, m[1]+m[2]+m[3]+`"\u0000 {"`+m[5])
				}
				for _, mutant := range mutants {
					changed := append([]string(nil), lines...)
					changed[i] = mutant
					write(t, name, strings.Join(changed, "\n"))
					got := invoke(t, check...)
					planted++
					if at(t, got.stdout, name, i+1) {
						found++
					} else {
						t.Logf("%s:%d: %s\n%s", name, i+1, mutant, got.stdout)
					}
				}
			}
			write(t, name, files[name])
		}
		if planted < 30 && kind != "partial" || planted < 15 || found*100 < planted*99 {
			t.Errorf("%s: %d mistakes planted, %d found", kind, planted, found)
		}
	}
}

// at reports whether a report has a problem at a line.
func at(t *testing.T, text, file string, line int) bool {
	t.Helper()
	var report struct {
		Problems []struct {
			File string
			Line int
		}
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v in %.200q", err, text)
	}
	for _, p := range report.Problems {
		if p.File == file && p.Line == line {
			return true
		}
	}
	return false
}

// TestWatchTemplates reloads when something changes that a configuration is made of: settings,
// templates, partials, and which of them there are.
func TestWatchTemplates(t *testing.T) {
	backend := newBackend(t)
	files := map[string]string{
		"base.tmpl":             `{"version": 3, "timeout": "1m", "listen_ip": "127.0.0.1", "endpoints": [{{ template "x.tmpl" . }}]}`,
		"templates/x.tmpl":      fmt.Sprintf(`{"endpoint": "/x", "backend": [{"host": [%q], {{ include "url" }}, "group": "{{ with .later }}{{ .group }}{{ else }}{{ .service.group }}{{ end }}"}]}`, backend),
		"partials/url":          `"url_pattern": "/"`,
		"settings/service.json": `{"group": "one"}`,
	}
	writeFiles(t, files)
	p := serveFile(t, "base.tmpl", append([]string{"--watch"}, templateArguments...)...)
	reloads := 0
	change := func(name, text, want string) {
		t.Helper()
		reloads++
		write(t, name, text)
		eventually(t, "reload for "+name, func() bool { return strings.Count(p.log(), "reloaded") >= reloads })
		if _, body := p.get(t, "/x"); body != want {
			t.Errorf("after a change of %s the answer is %s, want %s", name, body, want)
		}
	}
	change("settings/service.json", `{"group": "two"}`, `{"two":{"a":1}}`)
	change("partials/url", `"url_pattern": "/", "mapping": {"a": "b"}`, `{"two":{"b":1}}`)
	change("templates/x.tmpl", strings.Replace(files["templates/x.tmpl"], `"/x"`, `"/x", "timeout": "50s"`, 1), `{"two":{"b":1}}`)
	change("settings/later.json", `{"group": "three"}`, `{"three":{"b":1}}`)
	write(t, "settings/service.json", `{`)
	eventually(t, "failed reload", func() bool {
		return strings.Contains(p.log(), "settings/service.json:1:2: ") && strings.Contains(p.log(), "reload failed")
	})
}

// TestWatchExtended reloads when the file changes that names the others, one that is included,
// and what folders of folders hold.
func TestWatchExtended(t *testing.T) {
	backend := newBackend(t)
	writeFiles(t, map[string]string{
		"config.json":                `{"settings": {"paths": ["settings"]}}`,
		"base.json":                  `{"version": 3, "timeout": "1m", "listen_ip": "127.0.0.1", "endpoints": [{"$ref": "parts/x.json"}]}`,
		"parts/x.json":               fmt.Sprintf(`{"endpoint": "/x", "backend": [{"host": [%q], "url_pattern": "/", "group": "{{ .deep.service.group }}"}]}`, backend),
		"settings/deep/service.yaml": "group: one\n",
		"other/deep/service.yaml":    "group: four\n",
	})
	p := serveFile(t, "base.json", "--watch", "--flexible", "config.json")
	reloads := 0
	change := func(name, text, want string) {
		t.Helper()
		reloads++
		replace(t, name, text)
		eventually(t, "reload for "+name, func() bool { return strings.Count(p.log(), "reloaded") >= reloads })
		if _, body := p.get(t, "/x"); body != want {
			t.Errorf("after a change of %s the answer is %s, want %s", name, body, want)
		}
	}
	change("settings/deep/service.yaml", "group: two\n", `{"two":{"a":1}}`)
	change("parts/x.json", fmt.Sprintf(`{"endpoint": "/x", "backend": [{"host": [%q], "url_pattern": "/", "group": "three"}]}`, backend), `{"three":{"a":1}}`)
	change("parts/x.json", fmt.Sprintf(`{"endpoint": "/x", "backend": [{"host": [%q], "url_pattern": "/", "group": "{{ .deep.service.group }}"}]}`, backend), `{"two":{"a":1}}`)
	change("config.json", `{"settings": {"paths": ["other"]}}`, `{"four":{"a":1}}`)
}

// BenchmarkTemplates compares what it takes to render a configuration, and to make a document
// of it, with what it takes to check what was rendered.
func BenchmarkTemplates(b *testing.B) {
	for _, endpoints := range []int{1000, 10_000} {
		files := maps.Clone(templated)
		var list []string
		for i := range endpoints {
			list = append(list, fmt.Sprintf(`{"path": "/products/%d", "method": "GET", "url": "/v1/products/%d", "encoding": "json", "timeout": "2s", "calls": 1, "deny": ["internal"], "rate": 10}`, i, i))
		}
		files["settings/endpoints.json"] = `{"list": [` + strings.Join(list, ",\n") + `]}`
		flags := templateFlags{settings: "settings", partials: "partials", templates: "templates", out: "out.json"}
		a := &app{engines: []engine.Engine{fast.Engine}, stdout: io.Discard, stderr: io.Discard}
		compile := func(b *testing.B, s source) {
			o := a.options(s)
			o.Log = slog.DiscardHandler
			if gen, problems := runtime.New(o).Compile(b.Context()); gen == nil {
				b.Fatal(config.Format(problems))
			}
		}
		b.Run(fmt.Sprintf("check/%d", endpoints), func(b *testing.B) {
			writeFiles(b, files)
			compile(b, source{file: "krakend.tmpl", templates: flags})
			for b.Loop() {
				compile(b, source{file: "out.json"})
			}
		})
		b.Run(fmt.Sprintf("load/%d", endpoints), func(b *testing.B) {
			writeFiles(b, files)
			load := a.loader(source{file: "krakend.tmpl", templates: flags})
			for b.Loop() {
				if d, problems := load(b.Context(), func(string) {}); d == nil {
					b.Fatal(config.Format(problems))
				}
			}
		})
	}
}
