package codec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// AppendYAML appends v to dst as one YAML document, which ends with a line
// feed, and returns the extended slice; the package comment has the rules.
//
// A value of a type that trees do not have is an error; what is returned then
// is dst as it was.
func AppendYAML(dst []byte, v any) ([]byte, error) {
	root, err := node(v, 0)
	if err != nil {
		return dst, fmt.Errorf("yaml: %w", err)
	}
	text, err := yaml.Dump(root, yamlLayout)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

// yamlLayout is shared by all answers. No width at all would be -1, to which the
// library writes when it is used.
var yamlLayout = yaml.Options(
	yaml.WithIndent(2),
	yaml.WithLineWidth(math.MaxInt32),
	yaml.WithQuotePreference(yaml.QuoteDouble),
)

// flowDepth is the level from which flow style is used. Block style costs a
// line and two spaces for each level above, which is quadratic in the depth.
const flowDepth = 100

// node returns v, which stands on the given level, as the library wants it.
func node(v any, depth int) (*yaml.Node, error) {
	switch v := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}, nil
	case string:
		return stringNode(v), nil
	case json.Number:
		if isNumber(v.String()) {
			return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}, nil
		}
		return stringNode(v.String()), nil
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Style: collectionStyle(depth), Content: make([]*yaml.Node, 0, 2*len(v))}
		for _, key := range sortedKeys(v) {
			member, err := node(v[key], depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, stringNode(key), member)
		}
		return n, nil
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: collectionStyle(depth), Content: make([]*yaml.Node, len(v))}
		for i, item := range v {
			var err error
			if n.Content[i], err = node(item, depth+1); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	return nil, fmt.Errorf("value of type %T in a tree", v)
}

func collectionStyle(depth int) yaml.Style {
	if depth >= flowDepth {
		return yaml.FlowStyle
	}
	return 0
}

// stringNode returns a node that every reader takes for the string s. The
// library quotes what YAML 1.2 demands, the rest is decided here.
func stringNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(s, "\uFFFD")}
	if isAmbiguous(s) || strings.ContainsFunc(s, isUnprintable) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }

// isAmbiguous reports whether a reader could take the plain s for a boolean,
// a number, a date or a merge key: YAML 1.1 had more forms than 1.2.
//
// Source: the type repository of YAML 1.1.
func isAmbiguous(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "=", "<<":
		return true
	}
	digits := strings.TrimLeft(s, "+-.")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9'
}
