package flexible_test

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/flexible"
)

// TestUndefined refuses what would print nothing in place of a value that is not defined, in
// whatever way it is printed, and lets templates ask for one.
func TestUndefined(t *testing.T) {
	const said = "base.tmpl:1:"
	tests := []struct{ base, want string }{
		{`{{ .servce.deny }}`, "servce of .servce.deny is not defined; did you mean service?"},
		{`{{ marshal .servce.deny }}`, "servce of .servce.deny is not defined; did you mean service?"},
		{`{{ toJson .service.dney }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ .service.dney | toPrettyJson }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ quote .service.dney }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ marshal .service.nothing.deny }}`, ".service.nothing.deny is not defined"},
		{`[{{ join "," .service.dney }}]`, ".service.dney is not defined; did you mean deny?"},
		{`[{{ .service.dney | join "," | upper }}]`, ".service.dney is not defined; did you mean deny?"},
		{`{{ get .service "dney" }}`, `(get .service "dney") is not defined; did you mean deny?`},
		{`{{ index .service "dney" | marshal }}`, `(index .service "dney") is not defined; did you mean deny?`},
		{`{{ index .service .dney }}`, "since .dney is not;"},
		{`[{{ range .service.dney }}1{{ end }}]`, ".service.dney is not defined; did you mean deny?"},
		{`[{{ range $i, $v := .servce.deny }}1{{ end }}]`, "servce of .servce.deny is not defined; did you mean service?"},
		{`[{{ range .service.deny.x }}1{{ end }}]`, ""},
		{`[{{ range sortAlpha .service.dney }}1{{ end }}]`, ".service.dney is not defined; did you mean deny?"},
		{`{{ $v := .service.dney }}{{ marshal $v }}`, "$v is not defined, since .service.dney is not; did you mean deny?"},
		{`{{ $v := .service }}{{ if true }}{{ $v = .service.dney }}{{ end }}{{ marshal $v.x }}`, "$v.x is not defined, since .service.dney is not; did you mean deny?"},
		{`{{ $v := get .service "dney" }}{{ marshal $v }}`, `$v is not defined, since (get .service "dney") is not; did you mean deny?`},
		{`{{ $v := join "," .service.dney }}{{ marshal $v }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ define "x" }}{{ marshal . }}{{ end }}{{ template "x" .service.dney }}`, ". is not defined, since .service.dney is not; did you mean deny?"},
		{`{{ define "x" }}{{ marshal .roles }}{{ end }}{{ template "x" .servce }}`, ".roles is not defined, since .servce is not; did you mean service?"},
		{`{{ define "x" }}{{ range $.roles }}1{{ end }}{{ end }}{{ template "x" .servce }}`, "$.roles is not defined, since .servce is not; did you mean service?"},
		{`{{ define "x" }}{{ marshal .roles }}{{ end }}{{ template "x" dict "roles" .service.dney }}`, ".roles is not defined"},
		{`{{ marshal (dict "deny" .service.dney) }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ marshal (list .service.dney) }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ coalesce .service.dney .service.dny | marshal }}`, "is not defined; did you mean deny?"},
		{`{{ coalesce .service.dney .service.dny }}`, "not defined"},
		{`{{ ternary .service.dney 1 true | toJson }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ default (quote .service.dney) "x" }}`, ".service.dney is not defined; did you mean deny?"},
		{`{{ if true }}{{ with .service }}{{ marshal .dney }}{{ end }}{{ end }}`, ".dney is not defined; did you mean deny?"},

		{`{{ marshal .service.nothing }}`, ""}, // null is a value
		{`{{ marshal .service.deny }}{{ get .service "deny" }}`, ""},
		{`1{{ if .service.dney }}2{{ end }}{{ if eq .servce.x "a" }}2{{ end }}{{ with .servce.dney }}2{{ end }}`, ""},
		{`{{ if not (join "," .service.dney) }}1{{ end }}`, ""},
		{`{{ default 1 .service.dney }}{{ .servce.x.y | default 1 | quote }}{{ default list .service.dney | marshal }}`, ""},
		{`{{ coalesce .service.dney .service.name | marshal }}{{ coalesce .service.dney 1 }}{{ or .service.dney 1 | quote }}`, ""},
		{`{{ empty .service.dney }}{{ hasKey .service "dney" }}{{ ternary 1 2 (empty .servce.x) }}{{ dig "dney" 1 .service }}`, ""},
		{`[{{ range .service.dney }}1{{ else }}2{{ end }}{{ range default list .service.dney }}1{{ end }}]`, ""},
		{`1{{ $v := .service.dney }}{{ if $v }}{{ marshal $v }}{{ end }}{{ $v = "" }}{{ marshal $v }}`, ""},
		{`1{{ $v := .service.dney }}{{ range $v := list "" 1 }}{{ quote $v }}{{ end }}{{ with $v := "" }}{{ else }}{{ default 1 $v }}{{ end }}`, ""},
		{`1{{ define "x" }}{{ if . }}{{ marshal . }}{{ end }}{{ with .roles }}2{{ end }}{{ end }}{{ template "x" .servce }}{{ template "x" .service }}`, ""},
		{`1{{ define "x" }}{{ if .roles }}{{ marshal .roles }}{{ end }}{{ end }}{{ template "x" dict "roles" .service.dney }}`, ""},
		{`1{{ define "x" }}{{ marshal . }}{{ end }}{{ template "x" .service.nothing }}{{ range .service.nulls }}{{ marshal . }}{{ end }}`, ""},
	}
	for _, tt := range tests {
		write(t, "-- base.tmpl --\n"+tt.base+"\n-- s/service.json --\n"+`{"deny": ["password"], "name": "shop", "nothing": null, "nulls": [null]}`)
		_, problems := load(t, flexible.Options{}, "FC_ENABLE=1", "FC_SETTINGS=s")
		var got string
		for _, p := range problems {
			if strings.Contains(p.Err.Error(), "not defined") {
				got = p.Error()
			}
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || got != "" && !strings.HasPrefix(got, said) {
			t.Errorf("%s: got %q, want %q at its place (%v)", tt.base, got, tt.want, problems)
		}
	}
}

// TestKeyless says what a value is that keys are asked of, and has none.
func TestKeyless(t *testing.T) {
	for base, want := range map[string]string{
		`{{ .service.name.x }}`:                                    "x of .service.name.x is asked of a text, which has no keys",
		`{{ range .service.list }}{{ .url }}{{ end }}`:             "url of .url is asked of a text, which has no keys",
		`{{ default 1 .service.list.x }}`:                          "x of .service.list.x is asked of a list, which has no keys",
		`{{ range .service.list }}{{ if .url }}{{ end }}{{ end }}`: "url is asked of a value that has no keys: a text, a number, a list, true or false",
		`{{ if eq .service.port 1 }}{{ end }}`:                     "eq compares values of different types; a number of the settings has decimals: write 8080.0, or (int .port)",
		`{{ marc .service }}`:                                      "the function marc does not exist; those of Sprig, and marshal, include and file, do",
		`{{ __mark 99 }}`:                                          "the action calls a function that begins with __, and there are none for templates; write another name",
		`{{ .service.some-key }}`:                                  `a key with a dash is written {{ index .shop "some-key" }}`,
	} {
		if _, problems := render(t, base); len(problems) != 1 || problems[0].Err.Error() != want {
			t.Errorf("%s: got %v, want %s", base, problems, want)
		}
	}
}

// TestBare says of a text that is printed without quotes that these are missing.
func TestBare(t *testing.T) {
	for value, text := range map[string]string{"/a": "{{ .s.p }}", "word": "{{ .s.p }}", "/b": "{{ print .s.p }}"} {
		write(t, "-- base.tmpl --\n{\"name\": "+text+"}\n-- s/s.json --\n{\"p\": \""+value+"\"}")
		_, problems := load(t, flexible.Options{}, "FC_ENABLE=1", "FC_SETTINGS=s")
		if want := "base.tmpl:1:13: a text is printed without quotes; write them around the action, or print it by marshal"; len(problems) != 1 || problems[0].Error() != want {
			t.Errorf("%s: got %v, want %s", value, problems, want)
		}
	}
}
