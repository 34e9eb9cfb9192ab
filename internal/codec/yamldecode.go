package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/sluice-gateway/sluice/internal/yamlx"
)

// DecodeYAML returns the first YAML document in b as an object; the package
// comment has the rules. With collection the document must be an array, which
// stands under "collection"; otherwise it must be an object. Null is an empty
// object, or {"collection": null}.
//
// A document whose object takes more than limit bytes of memory, about, if that is not
// 0, is [ErrTooLarge]. A stream without a document, malformed YAML, another type, nesting that is
// too deep, and anchors that grow beyond their bound are errors.
func DecodeYAML(b []byte, collection bool, limit int64) (map[string]any, error) {
	v, err := readYAML(b, newBudget(limit))
	if err != nil {
		return nil, fmt.Errorf("yaml: %w", err)
	}
	switch v := v.(type) {
	case nil:
		if collection {
			return map[string]any{collectionKey: nil}, nil
		}
		return map[string]any{}, nil
	case map[string]any:
		if !collection {
			return v, nil
		}
	case []any:
		if collection {
			return map[string]any{collectionKey: v}, nil
		}
	}
	want := "an object"
	if collection {
		want = "an array"
	}
	return nil, fmt.Errorf("yaml: %w %s", ErrShape, want)
}

// ErrShape is the error of a document that is an object where a list is wanted, or
// the reverse.
var ErrShape = errors.New("document is not")

func readYAML(b []byte, left budget) (any, error) {
	// The library makes all nodes before it can be asked for any. There are no more of
	// them than there are characters that end one.
	nodes := 1
	for _, c := range b {
		switch c {
		case ',', ':', '[', '{', '\n', '\r', '?', '-', '*':
			if nodes++; nodes&0xFFF == 0 && left.spend(0x1000*costOfYAML) != nil {
				return nil, ErrTooLarge
			}
		}
	}

	if !bytes.HasPrefix(b, bomUTF16BE) && !bytes.HasPrefix(b, bomUTF16LE) {
		if _, err := checked(b); err != nil {
			return nil, err
		}
	}
	l, err := yaml.NewLoader(bytes.NewReader(yamlx.Readable(b)), yaml.WithSingleDocument())
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	switch err := l.Load(&doc); {
	case err == io.EOF:
		return nil, errors.New("no document")
	case err != nil:
		return nil, err
	}
	d := yamlDecoder{left: left, budget: copyFactor*len(b) + copyFloor}
	return d.value(&doc)
}

// Anchors may be copied up to copyFactor times the size of the document, or
// copyFloor bytes in a small one.
const (
	copyFactor = 10
	copyFloor  = 64 << 10
)

// A yamlDecoder turns the nodes of one document into a tree.
type yamlDecoder struct {
	depth   int // of containers and aliases being converted
	aliases int // aliases being converted
	left    budget
	budget  int // what aliases may still add, in bytes
}

func (d *yamlDecoder) value(n *yaml.Node) (any, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, fmt.Errorf("line %d: more than %d levels", n.Line, maxDepth)
	}
	defer func() { d.depth-- }()
	if err := d.charge(n); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return d.value(n.Content[0])
	case yaml.AliasNode:
		d.aliases++
		defer func() { d.aliases-- }()
		return d.value(n.Alias)
	case yaml.MappingNode:
		return d.object(n)
	case yaml.SequenceNode:
		array := make([]any, len(n.Content))
		for i, item := range n.Content {
			var err error
			if array[i], err = d.value(item); err != nil {
				return nil, err
			}
		}
		return array, nil
	}
	return scalar(n), nil
}

// charge takes what n costs from the budget if n is part of a copy.
func (d *yamlDecoder) charge(n *yaml.Node) error {
	if d.aliases == 0 {
		return nil // it is paid for
	}
	cost := costOfNode
	if n.Kind == yaml.MappingNode {
		cost += costOfObject + costOfMember*len(n.Content)/2
	}
	if err := d.left.spend(cost); err != nil {
		return err
	}
	if d.budget -= len(n.Value) + 1; d.budget < 0 {
		return fmt.Errorf("line %d: anchors are used too often", n.Line)
	}
	return nil
}

func (d *yamlDecoder) object(n *yaml.Node) (map[string]any, error) {
	object := make(map[string]any, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be a scalar", key.Line)
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if err := d.charge(key); err != nil {
			return nil, err
		}
		v, err := d.value(value)
		if err != nil {
			return nil, err
		}
		object[key.Value] = v
	}
	for _, m := range merged {
		if err := d.merge(object, m); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// merge adds those members of n, an object or an array of objects, that are
// not in object yet.
//
// Source: the merge key language-independent type for YAML 1.1.
func (d *yamlDecoder) merge(object map[string]any, n *yaml.Node) error {
	v, err := d.value(n)
	if err != nil {
		return err
	}
	sources, ok := v.([]any)
	if !ok {
		sources = []any{v}
	}
	for _, source := range sources {
		members, ok := source.(map[string]any)
		if !ok {
			return fmt.Errorf("line %d: only objects can be merged", n.Line)
		}
		for key, v := range members {
			if _, present := object[key]; !present {
				object[key] = v
			}
		}
	}
	return nil
}

// scalar returns the value of a scalar node: nil, a bool, a number or, for all
// that is none of these, its text.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		switch n.Value {
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
	case "!!int", "!!float":
		return number(n.Value)
	case "!!str":
		// A number too large for the library's types is a string to it.
		if n.Style == 0 && isNumber(n.Value) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// number returns the YAML number in text as a JSON number, or text itself if
// JSON has no such number.
func number(text string) any {
	if isNumber(text) {
		return json.Number(text)
	}
	digits := strings.ReplaceAll(text, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return json.Number(strconv.FormatInt(i, 10))
	}
	if u, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 0, 64); err == nil {
		return json.Number(strconv.FormatUint(u, 10))
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return text
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// isNumber reports whether s is a number as JSON writes it.
//
// Source: RFC 8259, section 6.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	integer := s
	s = afterDigits(s)
	integer = integer[:len(integer)-len(s)]
	if integer == "" || integer[0] == '0' && len(integer) > 1 {
		return false
	}
	if fraction, ok := strings.CutPrefix(s, "."); ok {
		if s = afterDigits(fraction); len(s) == len(fraction) {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		exponent := s[1:]
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if s = afterDigits(exponent); len(s) == len(exponent) {
			return false
		}
	}
	return s == ""
}

// afterDigits returns s without the decimal digits it begins with.
func afterDigits(s string) string {
	return strings.TrimLeft(s, "0123456789")
}
