package schema_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/schema"
)

func TestJSONSchema(t *testing.T) {
	for name, typ := range map[string]reflect.Type{"sample": reflect.TypeFor[sample](), "list": reflect.TypeFor[*list]()} {
		s, err := schema.JSONSchema(typ, sampleSource)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		testx.Golden(t, filepath.Join("testdata", name+".schema.json"), string(text)+"\n")
	}
}

func TestManual(t *testing.T) {
	for name, typ := range map[string]reflect.Type{"sample": reflect.TypeFor[sample](), "list": reflect.TypeFor[list]()} {
		text, err := schema.Manual(typ, sampleSource)
		if err != nil {
			t.Fatal(err)
		}
		testx.Golden(t, filepath.Join("testdata", name+".md"), text)
	}
	if text, err := schema.Manual(reflect.TypeFor[free](), sampleSource); text != "" || err != nil {
		t.Errorf("a type without keys has the manual %q, %v", text, err)
	}
}

// TestSameKeys states that the description has the keys that decoding knows.
func TestSameKeys(t *testing.T) {
	root, err := schema.Root(reflect.TypeFor[sample](), sampleSource)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range root.Fields {
		if f.Name != "*" {
			got = append(got, f.Name)
		}
	}
	if want := config.SpecOf(reflect.TypeFor[sample]()).Known(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRoot(t *testing.T) {
	root, err := schema.Root(reflect.TypeFor[sample](), sampleSource)
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]schema.Field)
	for _, f := range root.Fields {
		byName[f.Name] = f
	}
	docs := map[string]string{
		"interval":   "interval is the window in which errors are counted. The count restarts when the window ends.",
		"timeout":    "timeout, at most an hour, is how long to wait.\n\nAfter it:\n  - nothing happens\n  - a | b",
		"max_errors": "How many errors are too many.",
		"label":      "label is what to show.",
		"*":          "Others holds the options of plugins, by name.",
	}
	for name, want := range docs {
		if got := byName[name].Doc; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	defaults := map[string]any{
		"interval": nil, "timeout": config.Duration(90e9), "max_errors": 5, "label": "none", "colour": colour("red"), "inner": nil,
		"peers": []string{"::1"},
	}
	for name, want := range defaults {
		if got := byName[name].Default; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: default %v, want %v", name, got, want)
		}
	}
	if leaves := byName["leaves"]; !leaves.Item.Recursive || leaves.Item.Fields != nil {
		t.Errorf("leaves: %+v", leaves)
	}
}

func TestRootErrors(t *testing.T) {
	tests := []struct {
		name, source, want string
	}{
		{"no comment", sampleSource, "the field schema_test.bare.Untold has no comment in the source"},
		{"not the source", "package p", "the field schema_test.bare.Told has no comment in the source\nthe field schema_test.bare.Untold has no comment in the source"},
		{"no Go", "nonsense", "source of schema_test.bare: 1:1: expected 'package', found nonsense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := schema.Root(reflect.TypeFor[bare](), tt.source)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := schema.JSONSchema(reflect.TypeFor[bare](), sampleSource); err == nil {
		t.Error("JSONSchema accepts a field without a comment")
	}
	if _, err := schema.Manual(reflect.TypeFor[bare](), sampleSource); err == nil {
		t.Error("Manual accepts a field without a comment")
	}
}

// foreign is declared elsewhere, as far as its source tells.
type foreign struct {
	Told   int           `json:"told"`
	Object config.Member `json:"-"`
}

func (foreign) OptionsSource() string {
	return "package other\n\ntype foreign struct {\n\t// Told is told elsewhere.\n\tTold int\n}\n"
}

func TestForeignTypes(t *testing.T) {
	root, err := schema.Root(reflect.TypeFor[foreign](), sampleSource)
	if err != nil || len(root.Fields) != 1 || root.Fields[0].Doc != "told is told elsewhere." {
		t.Errorf("got %+v, %v", root, err)
	}
}
