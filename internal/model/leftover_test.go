package model

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// content are options of which some are kept as they are.
type content struct {
	Data    *config.Node       `json:"data"`
	Name    string             `json:"name"`
	Names   []string           `json:"names"`
	Objects []content          `json:"objects"`
	ByName  map[string]content `json:"by_name"`
}

func TestLeftovers(t *testing.T) {
	tests := []struct {
		text string
		want string // in the message; "" for none
	}{
		{`"{{ .port }}"`, "{{ .port }}"},
		{`"a {{env}} b"`, "{{env}}"},
		{`"{{ not closed"`, ""},
		{`"${PORT}"`, "write ${env:PORT} "},
		{`"a${PORT:-8080}b"`, "write ${env:PORT} "},
		{`"${lower_case}"`, "write ${env:lower_case} "},
		{`"${ENV:PORT}"`, "the text holds ${ENV:PORT}"},
		{`"${}"`, ""},
		{`"${not closed"`, ""},
		{`"${a b}"`, ""},
		{`"$PORT"`, "write ${env:PORT} "},
		{`"$PORT/x"`, ""},
		{`"$id"`, ""},
		{`"$5"`, ""},
		{`"$"`, ""},
		{`"$${PORT}"`, ""},
		{`"$${PORT} ${HOST}"`, "write ${env:HOST} "},
		{`"${env:SET}"`, ""},
		{`"${env:SET}${PORT}"`, "write ${env:PORT} "},
		{`"$${env:PORT}"`, ""},
		{`{"query": "${PORT}", "schema": {"a": "$PORT"}}`, ""},
		{`{"extra_config": {"modifier/lua-proxy": {"pre": "x = '${PORT}'"}}}`, ""},
		{`{"extra_config": {"validation/json-schema": {"pattern": "${PORT}"}}}`, ""},
		{`{"extra_config": {"proxy": {"a": "${PORT}"}}}`, "write ${env:PORT} "},
		{`{"extra_config": {"Known": {"data": {"a": "${PORT} {{x}}", "b": ["$USD"]}, "Data": "$USD"}}}`, ""},
		{`{"extra_config": {"known": {"name": "$USD"}}}`, "write ${env:USD} "},
		{`{"extra_config": {"known": {"names": ["$USD"]}}}`, "write ${env:USD} "},
		{`{"extra_config": {"known": {"names": "$USD"}}}`, "write ${env:USD} "},
		{`{"extra_config": {"known": {"objects": [{"data": "$USD"}, {"data": {"a": "{{x}}"}, "name": "{{y}}"}]}}}`, "{{y}}"},
		{`{"extra_config": {"known": {"objects": {"data": "$USD"}}}}`, ""},
		{`{"extra_config": {"known": {"by_name": {"a": {"data": "$USD"}, "b": {"data": "$USD", "name": "{{y}}"}}}}}`, "{{y}}"},
		{`{"extra_config": {"known": {"more": {"data": "$USD"}}}}`, "write ${env:USD} "},
		{`{"extra_config": {"unknown": {"data": "$USD"}}}`, "write ${env:USD} "},
		{`{"endpoints": [{"extra_config": {"known": {"data": "$USD"}}}]}`, "write ${env:USD} "},
		{`{"endpoints": [{"backend": [{"extra_config": {"known": {"data": "$USD"}}}]}]}`, ""},
		{`{"data": "$USD"}`, "write ${env:USD} "},
		{`{"@note": "${PORT}"}`, ""},
		{`["a", "$PORT"]`, "write ${env:PORT} "},
		{`{"extra_config": {"$ref": "extra.json"}}`, "the file extra.json is not read"},
		{`{"endpoints": [{"$ref": "endpoints.json#/0", "@comment": "x"}]}`, "the file endpoints.json#/0 is not read"},
		{`{"extra_config": {"proxy": {"@c": {"$ref": "c.json"}}}}`, ""},
		{`{"extra_config": {"proxy": {"a": {"$ref": "#/b"}}}}`, "the reference #/b within the document"},
		{`{"extra_config": {"$ref": "#/$defs/auth"}}`, "the reference #/$defs/auth within the document"},
		{`{"extra_config": {"$ref": "https://example.com/b"}}`, "a reference to another machine"},
		{`{"extra_config": {"$ref": ["a.json", "b.json"]}}`, "a reference is a text, the name of a file"},
		{`{"extra_config": {"$ref": {"a": 1}}}`, "a reference is a text, the name of a file"},
		{`{"extra_config": {"$ref": null}}`, "a reference is a text, the name of a file"},
		{`{"extra_config": {"$ref": ""}}`, "the reference names no file"},
		{`{"extra_config": {"$Ref": "extra.json"}}`, `the key "$Ref" is no reference; write $ref`},
		{`{"endpoints": [{"$REF": 1}]}`, `the key "$REF" is no reference; write $ref`},
		{`{"extra_config": {"known": {"$ref": "#/b"}}}`, "the reference #/b within the document"},
		{`{"extra_config": {"known": {"data": {"$ref": "#/b"}}}}`, ""},
		{`{"extra_config": {"proxy": {"schema": {"$ref": "#/b"}}}}`, ""},
		{`{"extra_config": {"validation/json-schema": {"$ref": "schema.json"}}}`, ""},
		{`5`, ""},
	}
	for _, tt := range tests {
		d, problems := config.Parse("a.json", []byte(tt.text))
		problems = append(problems, d.ExpandReferences(config.LoadOptions{Environ: []string{"SET=${INNER} {{ x }}"}})...)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", tt.text, problems)
		}
		got := d.Leftovers(Root(), func(scope, namespace string) *config.Spec {
			if !strings.EqualFold(namespace, "known") || scope == "endpoint" {
				return nil
			}
			return config.SpecOf(reflect.TypeFor[content]())
		})
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%s: %v, want nothing", tt.text, got)
		case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].Error(), tt.want) || got[0].Code != config.CodeMistake):
			t.Errorf("%s: %v, want one that says %q", tt.text, got, tt.want)
		}
	}
}
