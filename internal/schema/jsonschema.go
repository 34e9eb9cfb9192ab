package schema

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Draft is the dialect of the schemas, for the $schema of a document that is
// composed of them.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// commentKeys matches the keys that may be comments everywhere.
const commentKeys = "^([@$_#]|//)"

const (
	durationPattern = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	sizePattern     = `^[0-9]+ *([bB]|[kKmMgG][iI]?[bB])?$`

	referencePattern = `(^|[^$])\$\{(env|file):[^}]+\}`
)

// Reference is the name of the definition that describes a text with a reference,
// such as ${env:X}, which may stand for any scalar. Schemas refer to it; whoever
// puts them into a document adds [Definitions].
const Reference = "reference"

// Namespaces is the name of the definition of the extra_config of objects of a scope.
// Objects of a scope that stand within others are a definition of the name of the scope.
func Namespaces(scope string) string { return scope + ".extra_config" }

// Definitions returns those definitions that schemas refer to which know no component,
// for $defs.
func Definitions() map[string]any {
	return map[string]any{
		Reference: map[string]any{
			"type":        "string",
			"pattern":     referencePattern,
			"description": "A reference to a variable of the environment, ${env:NAME}, or to a file, ${file:PATH}. It stands for any scalar.",
		},
	}
}

// JSONSchema returns the JSON Schema of the options type t; source is the text
// of the file that declares it. The caller owns the result. encoding/json
// writes it in the same way every time.
//
// The schema says what to write, and sluice check --lint refuses what it does not
// allow, and more: the bounds of durations and of sizes with a unit, for which JSON
// Schema has no words, and what options say of themselves in Validate. Decoding takes
// more than the schema, with a warning: null for an absent key, and for core objects
// keys of any letter case and values of other types.
//
// Source: JSON Schema, draft 2020-12.
func JSONSchema(t reflect.Type, source string) (map[string]any, error) {
	root, err := Root(t, source)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	return root.JSONSchema(), nil
}

// JSONSchema returns the JSON Schema of what f describes.
func (f Field) JSONSchema() map[string]any {
	s := f.typeSchema()
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	if f.Default != nil {
		s["default"] = f.Default
	}
	if f.Deprecated {
		s["deprecated"] = true
	}
	if f.Example != "" {
		s["examples"] = []any{json.RawMessage(f.Example)}
	}
	return s
}

// orReference returns the schema of a scalar for which a reference may stand.
func orReference(s map[string]any) map[string]any {
	if len(s) == 1 && s["type"] == "string" {
		return s // every text
	}
	return map[string]any{"anyOf": []any{s, map[string]any{"$ref": "#/$defs/" + Reference}}}
}

func (f Field) typeSchema() map[string]any {
	switch f.Shape {
	case config.BoolShape:
		return orReference(map[string]any{"type": "boolean"})
	case config.IntShape, config.SecondsShape:
		s := map[string]any{"type": "integer"}
		if f.Unsigned || f.Shape == config.SecondsShape {
			s["minimum"] = 0
		}
		switch {
		case f.Bits >= 64: // every number that anybody writes
		case f.Unsigned:
			s["maximum"] = uint64(1)<<f.Bits - 1
		default:
			s["minimum"], s["maximum"] = -int64(1)<<(f.Bits-1), int64(1)<<(f.Bits-1)-1
		}
		return orReference(f.bound(s, "minimum", "maximum"))
	case config.FloatShape:
		return orReference(f.bound(map[string]any{"type": "number"}, "minimum", "maximum"))
	case config.SizeShape:
		return orReference(f.bound(map[string]any{"type": []string{"integer", "string"}, "minimum": 0, "pattern": sizePattern}, "minimum", "maximum"))
	case config.DurationShape:
		return orReference(map[string]any{"type": "string", "pattern": durationPattern})
	case config.TextShape:
		s := f.bound(map[string]any{"type": "string"}, "minLength", "maxLength")
		if f.Enum != nil {
			s["enum"] = f.Enum
		}
		return orReference(withFormat(s, f.Format))
	case config.ListShape:
		item := *f.Item
		item.Format = f.Format
		s := f.bound(map[string]any{"type": "array", "items": item.JSONSchema()}, "minItems", "maxItems")
		if f.Unique {
			s["uniqueItems"] = true
		}
		return s
	case config.MapShape:
		s := f.bound(map[string]any{"type": "object", "additionalProperties": f.Item.JSONSchema()}, "minProperties", "maxProperties")
		if f.Keys != nil {
			s["propertyNames"] = map[string]any{"enum": f.Keys}
		}
		if f.Comments {
			s["patternProperties"] = config.CommentPatterns()
			if f.Keys != nil {
				s["propertyNames"] = map[string]any{"anyOf": []any{s["propertyNames"], map[string]any{"pattern": commentKeys}}}
			}
		}
		return s
	case config.ObjectShape:
		return f.objectSchema()
	case config.AnyShape:
		if f.Object {
			return map[string]any{"type": "object"}
		}
	case config.CustomShape:
		if f.Custom != nil {
			return orReference(f.Custom)
		}
		if len(f.Kinds) > 0 {
			kinds := make([]string, len(f.Kinds))
			for i, k := range f.Kinds {
				kinds[i] = k.String()
			}
			return map[string]any{"type": kinds}
		}
	}
	return map[string]any{}
}

func (f Field) objectSchema() map[string]any {
	if f.Recursive {
		return map[string]any{"type": "object"}
	}
	if f.Scope != "" && f.Fields == nil {
		return map[string]any{"$ref": "#/$defs/" + f.Scope}
	}
	properties, required := make(map[string]any, len(f.Fields)), []string{}
	s := map[string]any{
		"type":                 "object",
		"properties":           properties,
		"patternProperties":    config.CommentPatterns(),
		"additionalProperties": false,
	}
	for _, field := range f.Fields {
		if field.Name == "*" {
			s["additionalProperties"] = field.Item.JSONSchema()
			continue
		}
		if properties[field.Name] = field.JSONSchema(); f.Scope != "" && field.Name == "extra_config" {
			properties[field.Name] = map[string]any{"$ref": "#/$defs/" + Namespaces(f.Scope)}
		}
		if field.Required || field.Wanted {
			required = append(required, field.Name)
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// bound adds the bounds of f under their names for the type.
func (f Field) bound(s map[string]any, lower, upper string) map[string]any {
	if f.NonEmpty || f.Wanted && (f.Shape == config.TextShape || f.Shape == config.ListShape) {
		s[lower] = 1
	}
	if f.Min != nil {
		s[lower] = *f.Min
	}
	if f.Max != nil {
		s[upper] = *f.Max
	}
	return s
}

// withFormat adds what a check tag says of the form of a text.
func withFormat(s map[string]any, format string) map[string]any {
	switch format {
	case "url":
		s["format"], s["pattern"] = "uri", "^[hH][tT][tT][pP][sS]?://"
	case "ip":
		s["anyOf"] = []any{map[string]any{"format": "ipv4"}, map[string]any{"format": "ipv6"}}
	case "regexp":
		s["format"] = "regex"
	case "token":
		s["pattern"] = config.TokenPattern
	}
	return s
}
