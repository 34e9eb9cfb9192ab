package flexible_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/sprig/v3"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flexible"
)

// TestFunctions calls every function, those of Sprig and ours, by a line of
// testdata/functions.txt: what is executed, and what that prints; ~ stands for something else
// each time, and a warning says so.
func TestFunctions(t *testing.T) {
	text, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	called := make(map[string]bool)
	word := regexp.MustCompile(`\w+`)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		source, want, found := strings.Cut(line, " => ")
		if !found {
			t.Fatalf("no => in %q", line)
		}
		for _, name := range word.FindAllString(source, -1) {
			called[name] = true
		}
		got, problems := render(t, "{{ "+source+" }}")
		changes := slices.ContainsFunc(problems, func(p *config.Problem) bool {
			return p.Severity == config.Warning && strings.Contains(p.Err.Error(), "at each reload")
		})
		switch {
		case config.HasErrors(problems):
			t.Errorf("%s: %s", source, config.Format(problems))
		case want == "~" && (got == "" || !changes):
			t.Errorf("%s prints %q, with %s", source, got, config.Format(problems))
		case want != "~" && (got != want || len(problems) > 0):
			t.Errorf("%s prints %q, want %q; %s", source, got, want, config.Format(problems))
		}
	}
	for name := range sprig.TxtFuncMap() {
		if !called[name] && name != "getHostByName" && name != "fail" {
			t.Errorf("%s is not called", name)
		}
	}
}

// render executes one template.
func render(t *testing.T, base string) (string, []*config.Problem) {
	t.Helper()
	d, _ := config.Parse("settings.json", []byte(`{"service": {"port": 8080, "name": "shop", "list": ["b", "a", "b"], "map": {"x": 1}}}`))
	r, problems := flexible.NewRenderer(flexible.Sources{
		Settings: d.Root,
		Environ:  []string{"NAME=value"},
		Partial: func(name string) (flexible.File, error) {
			return flexible.File{Name: name, Data: []byte("a partial")}, nil
		},
		ReadFile: func(name string) ([]byte, error) { return []byte("what " + name + " holds\n"), nil },
	})
	if r == nil {
		return "", problems
	}
	rendering, more := r.Render(t.Context(), flexible.File{Name: "base.tmpl", Data: []byte(base)})
	if problems = append(problems, more...); rendering == nil {
		return "", problems
	}
	return rendering.Text(), problems
}

// TestNetwork says that a function asks the network.
func TestNetwork(t *testing.T) {
	got, problems := render(t, `{{ getHostByName "127.0.0.1" }}`)
	if len(problems) != 1 || problems[0].Severity != config.Warning || !strings.Contains(problems[0].Err.Error(), "asks the network") {
		t.Errorf("%q, %v", got, problems)
	}
}

// BenchmarkRender renders 10,000 endpoints, and nothing else; BenchmarkTemplates in the
// package cli compares the whole way to a document with checking that.
func BenchmarkRender(b *testing.B) {
	const item = `{"path": "/products/%d", "method": "GET", "url": "/v1/products/%d", "timeout": "2s", "calls": 1, "deny": ["internal"], "rate": 10}`
	settings := `{"list": [` + strings.TrimSuffix(strings.Repeat(item+",", 10_000), ",") + `]}`
	d, _ := config.Parse("settings.json", []byte(`{"s": `+settings+`}`))
	base := flexible.File{Name: "base.tmpl", Data: []byte(`{"version": 3, "endpoints": [{{ range $i, $e := .s.list }}{{ if $i }},{{ end }}
  {"endpoint": "{{ .path }}", "method": "{{ .method }}", "timeout": "{{ .timeout }}", "concurrent_calls": {{ .calls }},
   "backend": [{"url_pattern": "{{ .url }}", "deny": {{ marshal .deny }}}], "extra_config": {"qos/ratelimit/router": {"max_rate": {{ .rate }}}}}{{ end }}]}`)}
	r, _ := flexible.NewRenderer(flexible.Sources{Settings: d.Root})
	for b.Loop() {
		if rendering, problems := r.Render(b.Context(), base); rendering == nil {
			b.Fatal(config.Format(problems))
		}
	}
}

// TestOrder has the keys and the values of an object in the same order each time.
func TestOrder(t *testing.T) {
	for range 20 {
		const want = "a b c d e f 1 2 3 4 5 6"
		got, problems := render(t, `{{ $d := dict "c" 3 "a" 1 "f" 6 "b" 2 "e" 5 "d" 4 }}{{ keys $d | join " " }} {{ values $d | join " " }}`)
		if got != want || len(problems) > 0 {
			t.Fatalf("got %s, want %s; %v", got, want, problems)
		}
	}
}
