package jsonschema

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	library "github.com/santhosh-tekuri/jsonschema/v6"
)

func schema(t *testing.T, text string) any {
	t.Helper()
	v, err := library.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name, schema, value string
		want                []Violation
	}{
		{"right", `{"type": "object", "required": ["a"]}`, `{"a": 1}`, nil},
		{"types and what is missing", `{"required": ["id", "tags"], "properties": {"id": {"type": "integer"}, "list": {"items": {"type": "string"}}}}`,
			`{"id": "7", "list": ["a", 2]}`, []Violation{
				{"", "missing property 'tags'"},
				{"id", "got string, want integer"},
				{"list[1]", "got number, want string"},
			}},
		{"keys that are no names", `{"properties": {"a b": {"maximum": 3}}}`, `{"a b": 4}`, []Violation{{`["a b"]`, "maximum: got 4, want 3"}}},
		{"nothing", `{"properties": {"a": false}}`, `{"a": 1}`, []Violation{{"a", "nothing is allowed here"}}},
		{"numbers keep their digits", `{"const": 9007199254740993}`, `9007199254740992`, []Violation{{"", "value must be 9007199254740993"}}},
		{"formats of draft 7", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "ipv4"}`, `"x"`, []Violation{{"", "'x' is not valid ipv4: expected four decimals"}}},
		{"formats of later drafts", `{"format": "ipv4"}`, `"x"`, nil},
		{"one of several", `{"oneOf": [{"type": "string"}, {"type": "number"}]}`, `true`, []Violation{{"", "fits none of these: got boolean, want string, or got boolean, want number"}}},
		{"numbers without an end", `{"items": {"minimum": 3}}`, `[1e1000, -1e-1000, {"a": 1e1001}]`, []Violation{{"[2].a", "a number of more than 1000 digits, which is not judged"}}},
		{"digits without an end", `{"type": "number"}`, strings.Repeat("1", 1001), []Violation{{"", "a number of more than 1000 digits, which is not judged"}}},
		{"draft 4", `{"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": true}`, `3`,
			[]Violation{{"", "exclusiveMinimum: got 3, want 3"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Compile(schema(t, tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Judge([]byte(tt.value))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %q, %v, want %q", tt.value, got, err, tt.want)
			}
		})
	}
}

// TestDeep judges an answer that is nested more deeply than twice the work for each level
// would let it.
func TestDeep(t *testing.T) {
	s, err := Compile(schema(t, `{"anyOf": [{"type": "string"}, {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const deep = 60
	got, err := s.Judge([]byte(strings.Repeat(`{"a":`, deep) + "{}" + strings.Repeat("}", deep)))
	if err != nil || len(got) != MaxViolations {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestMany tells no more than there is room for.
func TestMany(t *testing.T) {
	s, err := Compile(schema(t, `{"items": {"type": "string"}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Judge([]byte("[" + string(bytes.Repeat([]byte("1,"), 999)) + "1]"))
	if err != nil || len(got) != MaxViolations {
		t.Errorf("got %d violations, %v, want %d", len(got), err, MaxViolations)
	}
}

func TestCompile(t *testing.T) {
	tests := []struct{ schema, want string }{
		{`{"type": "objekt"}`, "type: fits none of these: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string', or got string, want array"},
		{`{"pattern": "("}`, `pattern: '(' is not valid regex`},
		{`{"$ref": "http://example.com/s.json"}`, "refers to http://example.com/s.json, and no schema is fetched; put it below $defs"},
		{`{"$ref": "file:///etc/passwd"}`, "refers to file:///etc/passwd, and no schema is fetched"},
		{`{"$schema": "http://example.com/draft"}`, "refers to http://example.com/draft, and no schema is fetched"},
		{`{"minimum": 1e99999999999999999999}`, "minimum: a number of more than 1000 digits"},
		{`{"$ref": "#/$defs/a"}`, `json-pointer in "#/$defs/a" not found`},
	}
	for _, tt := range tests {
		_, err := Compile(schema(t, tt.schema))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), base) {
			t.Errorf("%s: got %q, want %q", tt.schema, err, tt.want)
		}
	}
}

// FuzzJudge never panics.
func FuzzJudge(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"pattern": "^b"}}}`, `{"a": "c"}`)
	f.Add(`{"anyOf": [{"type": "string"}, {"$ref": "#"}]}`, `1`)
	f.Fuzz(func(t *testing.T, text, value string) {
		v, err := library.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return
		}
		s, err := Compile(v)
		if err != nil {
			return
		}
		if got, err := s.Judge([]byte(value)); err == nil && len(got) > MaxViolations {
			t.Errorf("%d violations", len(got))
		}
	})
}
