package jsonspan

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Tree decodes one JSON value into map[string]any, []any, string, bool, nil and
// json.Number, which keeps the number's text. Of members with the same name the
// last counts. Empty objects and arrays are not nil.
//
// The text is validated as [Valid] does it, with nothing but white space behind
// the value. The error is a *SyntaxError.
//
// The tree does not share value's memory. Its strings share one copy of the
// text, so keeping one of them keeps all.
func Tree(value []byte) (any, error) {
	end, f := scanWhole(value)
	if f != none {
		return nil, f.at(end)
	}
	d := treeDecoder{text: string(value[skipMark(value):])}
	return d.value(), nil
}

// TreeCost returns how many bytes of memory Tree takes for a value, about: a number
// of one digit takes twenty times its text, and an object of one member a hundred
// times. It looks for what separates values, so the text need not be valid.
func TreeCost(value []byte) int64 {
	cost := int64(costOfValue)
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			for i++; i < len(value) && value[i] != '"'; i++ {
				if value[i] == '\\' {
					i++
				}
			}
		case ',', ':':
			cost += costOfValue
		case '[':
			cost += costOfValue + costOfArray
		case '{':
			cost += costOfObject
			for i+1 < len(value) && value[i+1] <= ' ' {
				i++
			}
			if i+1 < len(value) && value[i+1] != '}' {
				cost += costOfMembers
			}
		}
	}
	return cost + int64(len(value))
}

// What a tree takes, measured on 64 bits: a value is an interface and what it points
// to, arrays and objects have headers, and a map with members has room for eight.
const (
	costOfValue   = 40
	costOfArray   = 24
	costOfObject  = 64
	costOfMembers = 288
)

// scanWhole reads b as one value with nothing but white space behind it.
func scanWhole(b []byte) (int, fault) {
	end, f := scanValue(b, skipMark(b), 0)
	if f != none {
		return end, f
	}
	if end = skipSpace(b, end); end < len(b) {
		return end, faultTrailing
	}
	return end, none
}

// TreeCost returns how many bytes of memory Tree takes, about.
func (o *Object) TreeCost() int64 {
	cost := int64(costOfObject + costOfMembers)
	for _, m := range o.Members {
		cost += int64(len(m.Name)) + costOfValue + TreeCost(m.Value)
	}
	return cost
}

// Tree decodes all members as the function Tree does. It returns an error only
// if a value was set that is not JSON.
func (o *Object) Tree() (map[string]any, error) {
	tree := make(map[string]any, len(o.Members))
	for _, m := range o.Members {
		v, err := Tree(m.Value)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Name, err)
		}
		tree[string(AppendUnescaped(nil, m.Name))] = v
	}
	return tree, nil
}

// A treeDecoder reads validated text, so it checks nothing.
type treeDecoder struct {
	text string
	i    int

	// What is decoded of the objects and arrays that are open: their size is
	// known when they close, and they are made once.
	names  []string
	values []any
}

// value reads the value at the current position and the white space behind it.
func (d *treeDecoder) value() any {
	var v any
	switch c := d.text[d.i]; c {
	case '{':
		v = d.object()
	case '[':
		v = d.array()
	case '"':
		v = d.string()
	case 't':
		v = true
		d.i += len("true")
	case 'f':
		v = false
		d.i += len("false")
	case 'n':
		d.i += len("null")
	default:
		start := d.i
		for d.i < len(d.text) && strings.IndexByte("+-.0123456789Ee", d.text[d.i]) >= 0 {
			d.i++
		}
		v = json.Number(d.text[start:d.i])
	}
	d.space()
	return v
}

func (d *treeDecoder) object() map[string]any {
	names, values := len(d.names), len(d.values)
	d.i++
	d.space()
	for d.text[d.i] != '}' {
		d.names = append(d.names, d.string())
		d.space()
		d.i++ // colon
		d.space()
		d.values = append(d.values, d.value())
		if d.text[d.i] == ',' {
			d.i++
			d.space()
		}
	}
	d.i++
	tree := make(map[string]any, len(d.names)-names)
	for i, name := range d.names[names:] {
		tree[name] = d.values[values+i]
	}
	d.names, d.values = d.names[:names], d.values[:values]
	return tree
}

func (d *treeDecoder) array() []any {
	values := len(d.values)
	d.i++
	d.space()
	for d.text[d.i] != ']' {
		d.values = append(d.values, d.value())
		if d.text[d.i] == ',' {
			d.i++
			d.space()
		}
	}
	d.i++
	tree := make([]any, len(d.values)-values)
	copy(tree, d.values[values:])
	d.values = d.values[:values]
	return tree
}

func (d *treeDecoder) string() string {
	d.i++
	start := d.i
	escaped := false
	for {
		switch d.text[d.i] {
		case '"':
			text := d.text[start:d.i]
			d.i++
			if !escaped {
				return text
			}
			return string(AppendUnescaped(make([]byte, 0, len(text)), []byte(text)))
		case '\\':
			escaped = true
			d.i++
		}
		d.i++
	}
}

func (d *treeDecoder) space() {
	for d.i < len(d.text) && d.text[d.i] <= ' ' {
		d.i++
	}
}

// AppendTree appends v as JSON to dst and returns it. V is nil, a bool, string,
// json.Number, a number of any size, or a map[string]any or []any of such, up to
// 10,000 deep. Members are sorted by name. A json.Number is written as it is; a
// nil map or slice is null. Strings are written as AppendString does it.
//
// The error names the place in v of a value of another type, of a number that
// JSON does not have, or of too great a depth. Then dst is returned as it was.
func AppendTree(dst []byte, v any) ([]byte, error) {
	e := treeEncoder{text: dst}
	if err := e.value(v, 0); err != nil {
		return dst, err
	}
	return e.text, nil
}

type treeEncoder struct {
	text  []byte
	names []string // of the objects that are open, each sorted
}

// value appends v, with depth objects and arrays open around it.
func (e *treeEncoder) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		e.text = append(e.text, "null"...)
	case bool:
		e.text = strconv.AppendBool(e.text, v)
	case string:
		e.text = AppendString(e.text, v)
	case json.Number:
		return e.number(v)
	case map[string]any:
		return e.object(v, depth)
	case []any:
		return e.array(v, depth)
	case float64:
		return e.float(v, 64)
	case float32:
		return e.float(float64(v), 32)
	case int:
		e.text = strconv.AppendInt(e.text, int64(v), 10)
	case int8:
		e.text = strconv.AppendInt(e.text, int64(v), 10)
	case int16:
		e.text = strconv.AppendInt(e.text, int64(v), 10)
	case int32:
		e.text = strconv.AppendInt(e.text, int64(v), 10)
	case int64:
		e.text = strconv.AppendInt(e.text, v, 10)
	case uint:
		e.text = strconv.AppendUint(e.text, uint64(v), 10)
	case uint8:
		e.text = strconv.AppendUint(e.text, uint64(v), 10)
	case uint16:
		e.text = strconv.AppendUint(e.text, uint64(v), 10)
	case uint32:
		e.text = strconv.AppendUint(e.text, uint64(v), 10)
	case uint64:
		e.text = strconv.AppendUint(e.text, v, 10)
	default:
		return fmt.Errorf("json has no form for %T", v)
	}
	return nil
}

var errTreeDepth = errors.New("json tree nested too deep")

func (e *treeEncoder) object(v map[string]any, depth int) error {
	if v == nil {
		e.text = append(e.text, "null"...)
		return nil
	}
	if depth >= maxDepth {
		return errTreeDepth
	}
	start := len(e.names)
	for name := range v {
		e.names = append(e.names, name)
	}
	slices.Sort(e.names[start:])
	e.text = append(e.text, '{')
	for i := start; i < start+len(v); i++ {
		if i > start {
			e.text = append(e.text, ',')
		}
		name := e.names[i]
		e.text = AppendString(e.text, name)
		e.text = append(e.text, ':')
		if err := e.value(v[name], depth+1); err != nil {
			return within(name, err)
		}
	}
	e.names = e.names[:start]
	e.text = append(e.text, '}')
	return nil
}

func (e *treeEncoder) array(v []any, depth int) error {
	if v == nil {
		e.text = append(e.text, "null"...)
		return nil
	}
	if depth >= maxDepth {
		return errTreeDepth
	}
	e.text = append(e.text, '[')
	for i, element := range v {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		if err := e.value(element, depth+1); err != nil {
			return within(strconv.Itoa(i), err)
		}
	}
	e.text = append(e.text, ']')
	return nil
}

// within adds a member name or position to an error, but not to that of a tree
// too deep, where the place would be longer than any log line.
func within(place string, err error) error {
	if err == errTreeDepth {
		return err
	}
	return fmt.Errorf("%s: %w", place, err)
}

func (e *treeEncoder) number(v json.Number) error {
	start := len(e.text)
	e.text = append(e.text, v...)
	if start < len(e.text) {
		if end, f := scanNumber(e.text, start); f == none && end == len(e.text) {
			return nil
		}
	}
	return fmt.Errorf("json has no number %q", string(v))
}

// float appends v as encoding/json does.
//
// Source: ECMA-262, Number::toString, with the exponent of at least one digit.
func (e *treeEncoder) float(v float64, size int) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("json has no number %v", v)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 {
		tiny, huge := abs < 1e-6, abs >= 1e21
		if size == 32 {
			tiny, huge = float32(abs) < 1e-6, float32(abs) >= 1e21
		}
		if tiny || huge {
			format = 'e'
		}
	}
	e.text = strconv.AppendFloat(e.text, v, format, -1, size)
	if n := len(e.text); format == 'e' && e.text[n-4] == 'e' && e.text[n-3] == '-' && e.text[n-2] == '0' {
		e.text = append(e.text[:n-2], e.text[n-1]) // e-09 to e-9
	}
	return nil
}
