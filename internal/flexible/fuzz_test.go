package flexible_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flexible"
)

// slow are functions that take seconds, and those whose results nobody can foretell.
var slow = regexp.MustCompile(`gen|bcrypt|htpasswd|derive|getHostByName|regex`)

// FuzzLoad renders templates: nothing panics, every problem and every value has a place in a
// file that there is, and no secret is shown.
func FuzzLoad(f *testing.F) {
	f.Add(`{"version": 3, "port": {{ .a.port }}, "host": {{ marshal .a.hosts }}, "x": [{{ template "t.tmpl" .a }}], {{ include "p" }}}`, `{"port": 1, "hosts": ["a", "b"]}`, `"{{ .port }}"`)
	f.Add(`{{ range $i, $e := .a.l }}{{ if $i }},{{ end }}{{ $e.x | quote }}{{ else }}{{ end }}`, `{"l": [{"x": "y"}, {"x": "z"}]}`, ``)
	f.Add("a: {{ env \"TOKEN\" }}\nb: |\n  {{ env \"TOKEN\" }}\n  {{ env \"TOKEN\" | b64enc }}\n", `{}`, `{{ define "x" }}{{ . }}{{ end }}`)
	f.Add(`{"a": "{{ $t := printf "B %s" (env "TOKEN") }}{{ $t }}", "{{ .a.k }}": {{ dict "x" (env "TOKEN") | toJson }}}`, `{"k": "\u0000\""}`, ``)
	f.Add(`{{ with .a }}{{ .b.c.d }}{{ end }}{{ template "t.tmpl" }}`, `{"b": null}`, `{{ template "t.tmpl" }}{{ template "t.tmpl" }}`)
	f.Add(`{"a": {"$ref": "base.tmpl"}, "b": {"$ref": "p#/x"}, "a": 2}`, `{}`, ``)
	f.Add(`{{- /* é */ -}} {"é": "é{{ .a.é }}é", "n": {{ .a.n }}, "m": "{{ .a.m }}" }`, `{"é": "ü", "n": 12345678, "m": {"x": 1}}`, ``)
	f.Add(`{"a": [{{ range $i, $n := .a.l }}{{ if $i }},{{ end }}{{ $n }}{{ range $.a.l }}{{ break }}{{ end }}{{ end }}], "b": {{ range .a.m }}{{ . }}{{ end }}{{ __done }}}`, `{"l": [1, true, 1e300], "m": {"x": 1}}`, ``)
	f.Add(`{{ __mark 7 . }}{{ __learn . }}`, `{}`, ``)
	const token = "open sesame 17"
	f.Fuzz(func(t *testing.T, base, settings, template string) {
		if slow.MatchString(base + template) {
			return
		}
		t.Chdir(t.TempDir())
		for name, text := range map[string]string{
			"base.tmpl": base, "s/a.json": settings, "t/t.tmpl": template, "p": `"p": 1`,
			"c.json": `{"settings": {"paths": ["s"]}, "templates": {"paths": ["t"]}, "out": "out.yaml"}`,
		} {
			put(t, name, text)
		}
		environ := []string{"FC_CONFIG=c.json", "TOKEN=" + token}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // of what is slow and not wrong
		defer cancel()
		reads := func(string) {}
		parts, problems := flexible.FromEnviron(ctx, environ, nil, reads)
		if parts == nil {
			t.Fatal(config.Format(problems))
		}
		var rendered string
		d, problems := parts.Load(ctx, "base.tmpl", flexible.Options{Environ: environ, Reads: reads, Rendered: func(text string) { rendered = text }})
		if strings.Contains(rendered, token) {
			t.Errorf("the rendering shows the secret: %.200q", rendered)
		}
		place := func(what string, at config.Pos) {
			if _, err := os.Stat(at.File); err != nil {
				t.Errorf("%s is at %v, which is no file", what, at)
			}
		}
		for _, p := range problems {
			place(p.Error(), p.At)
			if strings.Contains(p.Error(), token) {
				t.Errorf("a problem shows the secret: %v", p)
			}
		}
		if d == nil {
			return
		}
		var walk func(n *config.Node)
		walk = func(n *config.Node) {
			place(fmt.Sprintf("%.80s", n.MaskedJSON()), n.Pos)
			for _, item := range n.Items {
				walk(item)
			}
			for _, m := range n.Members {
				place("key", m.KeyPos)
				walk(m.Value)
			}
		}
		walk(d.Root)
	})
}
