package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode fills into from n and returns every problem, sorted by place. It is
// strict: a value must be of the type that it is decoded into, and a key that
// is no comment must be known. Unknown keys are warnings; see [Strict].
//
// Where *into is zero, decoding starts from the defaults of its type. What the
// document does not name keeps its value; lists and maps that it names are
// replaced, structs are filled key by key. A text that holds a reference may
// stand for a number or a boolean. A nil or null n is an empty object.
//
// With an Error among the problems *into must not be used. The nodes that
// *into keeps belong to the document.
//
// Decode panics when T cannot be read from a configuration; see [SpecOf].
func Decode[T any](n *Node, into *T) []*Problem { return decode(n, into, false) }

// DecodeLoose is Decode as the core objects need it: keys of any letter case
// are known, scalars are converted to the type that is expected, and a value
// where a list is expected becomes a list of one.
//
// Compatibility: existing files rely on all of this. A number where a duration
// is expected counts nanoseconds. An empty text stands for zero, and for an absent
// value of an enumeration. Each of these is a warning: the schema allows none.
func DecodeLoose[T any](n *Node, into *T) []*Problem { return decode(n, into, true) }

func decode[T any](n *Node, into *T, loose bool) []*Problem {
	d := decoder{loose: loose}
	s, v := SpecOf(reflect.TypeFor[T]()), reflect.ValueOf(into).Elem()
	if n == nil || n.Kind == Null {
		empty := &Node{Kind: Object}
		if n != nil {
			empty.Pos, empty.parent, empty.index = n.Pos, n.parent, n.index
		}
		n = empty
	}
	d.value(n, s, Rules{}, v)
	Sort(d.problems)
	return d.problems
}

// DecodeAs returns what n, which is not null, holds as a value of s.Type; what is wrong is
// left as the defaults have it, and reported.
func DecodeAs(s *Spec, n *Node) (reflect.Value, []*Problem) {
	v, d := reflect.New(s.Type).Elem(), new(decoder)
	d.value(n, s, Rules{}, v)
	return v, d.problems
}

type decoder struct {
	loose    bool
	example  string // of the key that is being decoded, as JSON; may be empty
	muted    bool   // conversions are told already
	problems []*Problem
	failed   bool // one of them is an Error
}

// report keeps problems, as long as they are not [Enough].
func (d *decoder) report(ps ...*Problem) {
	if d.failed && len(d.problems) >= Enough {
		return
	}
	d.problems = append(d.problems, ps...)
	d.failed = d.failed || HasErrors(ps)
}

// reject reports an error of n and returns false.
func (d *decoder) reject(n *Node, code string, err error) bool {
	d.report(n.Problem(Error, code, err))
	return false
}

// weak reports whether scalars are converted: in core objects, and where a text
// comes from outside the document and cannot be of another type.
func (d *decoder) weak(n *Node) bool {
	return d.loose || n.hides == byReference || n.outside && n.Kind != Bool
}

// converted warns of a value of another type, or of another spelling, that was
// taken for what it seems to mean. A reference is a text by necessity, and so is a
// variable of the environment.
func (d *decoder) converted(n *Node, code string, err error) {
	if n.hides != byReference && !n.outside && !d.muted {
		d.report(n.Problem(Warning, code, err))
	}
}

// convertedType is converted for a value of another type than s.
func (d *decoder) convertedType(n *Node, s *Spec) {
	d.converted(n, CodeWrongType, fmt.Errorf("must be %s, got %s; write %s", s.noun(), n.describe(), s.instead(n, d.example)))
}

// value decodes n, which is not null, into v and applies rules. It reports
// whether v itself could be read; problems of keys within an object do not
// count.
func (d *decoder) value(n *Node, s *Spec, rules Rules, v reflect.Value) (ok bool) {
	before := len(d.problems)
	if v.Kind() == reflect.Pointer {
		if s.Type == nodeType {
			if rules.Object && n.Kind != Object {
				return d.reject(n, CodeWrongType, fmt.Errorf("must be an object, got %s; write %s", n.describe(), cmp.Or(d.example, `{"name": "value"}`)))
			}
			v.Set(reflect.ValueOf(n))
			return true
		}
		// What the pointer holds may be shared with other values.
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		}
		v.Set(fresh)
		return d.value(n, s, rules, fresh.Elem())
	}
	setDefaults(s, v)
	switch s.Shape {
	case AnyShape:
		ok = d.any(n, s, v)
	case BoolShape:
		ok = d.bool(n, s, v)
	case IntShape, SecondsShape:
		ok = d.int(n, s, v)
	case FloatShape:
		ok = d.float(n, s, v)
	case TextShape:
		ok = d.text(n, s, v)
	case DurationShape:
		ok = d.duration(n, s, v)
	case SizeShape:
		ok = d.size(n, s, v)
	case ListShape:
		ok = d.list(n, s, v)
	case MapShape:
		ok = d.mapping(n, s, v)
	case ObjectShape:
		ok = d.object(n, s, v)
	case CustomShape:
		err := v.Addr().Interface().(nodeUnmarshaler).UnmarshalNode(n)
		ps := n.Problems(Error, CodeInvalid, err)
		d.report(ps...)
		ok = !HasErrors(ps)
	}
	if ok {
		ok = d.check(n, s, rules, v)
	}
	if ok && s.validates {
		ok = d.validate(n, v, before)
	}
	return ok || s.Shape == ObjectShape && n.Kind == Object
}

// validate calls the Validate of v's type. Before v there were so many problems.
func (d *decoder) validate(n *Node, v reflect.Value, before int) (ok bool) {
	err := v.Addr().Interface().(validator).Validate()
	ps := n.Problems(Error, CodeInvalid, err)
	for _, p := range ps {
		// A method of an embedded struct may be called twice: for itself and
		// as a method of the outer struct.
		if !slices.ContainsFunc(d.problems[before:], func(q *Problem) bool {
			return q.Path == p.Path && q.At == p.At && q.Err.Error() == p.Err.Error()
		}) {
			d.report(p)
		}
	}
	return !HasErrors(ps)
}

func (d *decoder) any(n *Node, s *Spec, v reflect.Value) bool {
	if s.Type == nodeType {
		v.Set(reflect.ValueOf(n).Elem())
		return true
	}
	if value := n.Value(); value != nil {
		v.Set(reflect.ValueOf(value))
	}
	return true
}

func (d *decoder) bool(n *Node, s *Spec, v reflect.Value) bool {
	switch {
	case n.Kind == Bool:
		v.SetBool(n.Text == "true")
		return true
	case n.Kind == Number && d.weak(n):
		number, err := strconv.ParseFloat(n.Text, 64)
		v.SetBool(number != 0)
		if err != nil {
			return d.wrongType(n, s)
		}
		d.convertedBool(n, v.Bool())
		return true
	case n.Kind == String && d.weak(n):
		truth, err := strconv.ParseBool(n.Text)
		v.SetBool(truth)
		if err != nil { // an empty text too: what was meant to be set would be off
			return d.wrongType(n, s)
		}
		d.convertedBool(n, truth)
		return true
	}
	return d.wrongType(n, s)
}

func (d *decoder) convertedBool(n *Node, truth bool) {
	d.converted(n, CodeWrongType, fmt.Errorf("must be true or false, got %s; write %t", n.describe(), truth))
}

// number returns the literal of a number, converted from another scalar where
// that is allowed.
func (d *decoder) number(n *Node) (literal string, ok bool) {
	switch {
	case n.Kind == Number:
		return n.Text, true
	case !d.weak(n):
		return "", false
	case n.Kind == Bool && n.Text == "true":
		return "1", true
	case n.Kind == Bool:
		return "0", true
	case n.Kind == String:
		return jsonNumber(n.Text)
	}
	return "", false
}

func (d *decoder) int(n *Node, s *Spec, v reflect.Value) bool {
	ok := d.whole(n, s, v)
	if ok && n.Kind != Number {
		d.converted(n, CodeWrongType, fmt.Errorf("must be %s, got %s; write %v", s.noun(), n.describe(), v.Interface()))
	}
	return ok
}

func (d *decoder) whole(n *Node, s *Spec, v reflect.Value) bool {
	literal, ok := d.number(n)
	if !ok {
		return d.wrongType(n, s)
	}
	if !isInteger(literal) {
		// 1e3 and 3.0 are whole numbers in another spelling. Beyond 2^53 a
		// float no longer tells them exactly.
		f, err := strconv.ParseFloat(literal, 64)
		switch whole := math.Trunc(f); {
		case err != nil || math.Abs(f) > 1<<53:
			return d.reject(n, CodeOutOfRange, fmt.Errorf("is out of range, got %s; write it with digits only", n.describe()))
		case whole != f && !d.loose:
			return d.reject(n, CodeWrongType, fmt.Errorf("must be a whole number, got %s; write %.0f", n.describe(), whole))
		case whole != f:
			d.report(n.Problem(Warning, CodeWrongType, fmt.Errorf("must be a whole number, got %s, read as %.0f; write that", n.describe(), whole)))
		}
		literal = strconv.FormatFloat(math.Trunc(f), 'f', 0, 64)
	}
	bits := v.Type().Bits()
	if v.CanUint() {
		u, err := strconv.ParseUint(literal, 10, bits)
		v.SetUint(u)
		if err != nil {
			return d.reject(n, CodeOutOfRange, fmt.Errorf("must be between 0 and %d, got %s", uint64(math.MaxUint64)>>(64-bits), n.describe()))
		}
		return true
	}
	i, err := strconv.ParseInt(literal, 10, bits)
	v.SetInt(i)
	switch {
	case err != nil:
		limit := int64(math.MaxInt64) >> (64 - bits)
		return d.reject(n, CodeOutOfRange, fmt.Errorf("must be between %d and %d, got %s", -limit-1, limit, n.describe()))
	case s.Shape != IntShape && i < 0:
		return d.reject(n, CodeOutOfRange, fmt.Errorf("must not be negative, got %s", n.describe()))
	}
	return true
}

func isInteger(literal string) bool { return !strings.ContainsAny(literal, ".eE") }

func (d *decoder) float(n *Node, s *Spec, v reflect.Value) bool {
	literal, ok := d.number(n)
	if !ok {
		return d.wrongType(n, s)
	}
	f, err := strconv.ParseFloat(literal, v.Type().Bits())
	v.SetFloat(f)
	if err != nil {
		return d.reject(n, CodeOutOfRange, fmt.Errorf("is out of range, got %s", n.describe()))
	}
	if n.Kind != Number {
		d.converted(n, CodeWrongType, fmt.Errorf("must be %s, got %s; write %v", s.noun(), n.describe(), v.Interface()))
	}
	return true
}

func (d *decoder) text(n *Node, s *Spec, v reflect.Value) bool {
	text := n.Text
	switch {
	case n.Kind == String:
	case n.Kind == Number && d.weak(n):
	case n.Kind == Bool && d.weak(n):
		// Compatibility: booleans become the numbers that stand for them.
		text = "0"
		if n.Text == "true" {
			text = "1"
		}
	default:
		return d.wrongType(n, s)
	}
	written := text
	if s.fold {
		text = v.Addr().Interface().(folder).Fold(text)
	}
	v.SetString(text)
	switch known := slices.Contains(s.Enum, text); {
	case s.Enum == nil || known && n.Kind != String && !slices.Contains(s.Enum, written):
		if n.Kind != String {
			d.convertedType(n, s)
		}
		return true
	case known:
		if n.Kind != String {
			d.converted(n, CodeWrongType, fmt.Errorf("must be a text, got %s; write %q", n.describe(), text))
		} else if text != written {
			d.converted(n, CodeLetterCase, fmt.Errorf("must be one of %s, got %s; write %q", enumerate(s.Enum), n.describe(), text))
		}
		return true
	case text == "" && d.loose:
		d.converted(n, CodeUnknownValue, fmt.Errorf("an empty text stands for an absent value; write one of %s, or remove the key", enumerate(s.Enum)))
		return true
	}
	message := "must be one of " + enumerate(s.Enum) + ", got " + n.describe()
	near, found := Suggest(n.Text, s.Enum)
	if !found {
		near, found = abbreviated(n.Text, s.Enum)
	}
	hint := ""
	if h, ok := v.Addr().Interface().(hinter); ok {
		hint = h.Hint(written)
	}
	switch {
	case n.Secret():
	case hint != "":
		message += "; " + hint
	case found:
		message += "; did you mean " + strconv.Quote(near) + "?"
	}
	return d.reject(n, CodeUnknownValue, errors.New(message))
}

func (d *decoder) duration(n *Node, s *Spec, v reflect.Value) bool {
	switch {
	case n.Kind == String:
		length, err := parseDuration(n.Text)
		if err != nil && n.Secret() {
			err = Coded(CodeBadDuration, `a secret text is no duration; store one such as "1m30s"`)
		}
		v.SetInt(int64(length))
		d.report(n.Problems(Error, CodeBadDuration, err)...)
		return err == nil
	case n.Kind == Number && d.loose:
		// Compatibility: a bare number counts nanoseconds.
		f, err := strconv.ParseFloat(n.Text, 64)
		switch {
		case err != nil || f < 0 || f >= math.MaxInt64:
			return d.reject(n, CodeBadDuration, fmt.Errorf(`is no duration, got %s; write one such as "1m30s"`, n.Text))
		case f > 0 && f < float64(time.Millisecond):
			d.report(n.Problem(Warning, CodeBadDuration,
				fmt.Errorf("a number counts nanoseconds, so %s is less than a millisecond; write %s", n.Text, meantDuration(f))))
		default:
			d.converted(n, CodeWrongType, fmt.Errorf("must be a duration, got %s, which counts nanoseconds; write %q", n.Text, Duration(f)))
		}
		v.SetInt(int64(f))
		return true
	case n.Kind == Number:
		f, err := strconv.ParseFloat(n.Text, 64)
		if err != nil {
			f = -1
		}
		return d.reject(n, CodeBadDuration, fmt.Errorf("must be a duration, got %s; write %s", n.Text, meantDuration(f)))
	}
	return d.wrongType(n, s)
}

func (d *decoder) size(n *Node, s *Spec, v reflect.Value) bool {
	if n.Kind != String {
		return d.int(n, s, v)
	}
	size, err := parseSize(n.Text)
	if err != nil && n.Secret() {
		err = Coded(CodeWrongType, `a secret text is no size; store one such as "1MB"`)
	}
	v.SetInt(int64(size))
	d.report(n.Problems(Error, CodeWrongType, err)...)
	return err == nil
}

func (d *decoder) list(n *Node, s *Spec, v reflect.Value) bool {
	items := n.Items
	if n.Kind != Array {
		// Compatibility: the reference wraps scalars, and objects where it
		// expects objects.
		structured := s.Item.Shape == ObjectShape || s.Item.Shape == MapShape || s.Item.Shape == AnyShape
		if !d.weak(n) || (n.Kind == Object) != structured {
			return d.wrongType(n, s)
		}
		items = []*Node{n}
		if !n.outside {
			d.report(n.Problem(Warning, CodeWrongType, fmt.Errorf("must be %s, got %s; write %s", s.noun(), n.describe(), inList(n, s.Item))))
		}
		if n.Kind != Object && !d.muted {
			d.muted = true
			defer func() { d.muted = false }()
		}
	}
	outer := d.example // is that of the list
	d.example = ""
	defer func() { d.example = outer }()
	ok := true
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if item.Kind == Null && !s.Item.takesNull() {
			ok = d.reject(item, CodeWrongType, fmt.Errorf("entry %d of the list is null; write %s, or remove it", i, s.Item.noun()))
			continue
		}
		ok = d.value(item, s.Item, Rules{}, list.Index(i)) && ok
	}
	v.Set(list)
	return ok
}

// inList returns what to write where a value stands for a list of itself.
func inList(n *Node, item *Spec) string {
	switch {
	case n.Kind == Object || n.Secret():
		return "it in brackets: [...]"
	case item.Shape == TextShape && n.Kind != String:
		return "[" + strconv.Quote(n.Text) + "]"
	case item.Shape == TextShape:
		return textsIn(n)
	}
	return "[" + n.describe() + "]"
}

// textsIn returns the list that a text was meant to be: it may hold one of JSON, or
// several texts with commas between them.
func textsIn(n *Node) string {
	var texts []string
	switch {
	case json.Unmarshal([]byte(n.Text), &texts) == nil && len(texts) > 0:
	case strings.Contains(n.Text, ",") && !strings.Contains(n.Text, `\,`):
		for text := range strings.SplitSeq(n.Text, ",") {
			if text = strings.TrimSpace(text); text != "" {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) == 0 {
		return "[" + n.describe() + "]"
	}
	return quoteList(texts)
}

// quoteList writes texts as a list of JSON, the first of them if they are many.
func quoteList(texts []string) string {
	const many = 8
	var quoted []string
	for i, text := range texts {
		if i == many {
			quoted = append(quoted, "...")
			break
		}
		quoted = append(quoted, (&Node{Kind: String, Text: text}).describe())
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// namesIn returns the texts that an object in the place of a list of texts, or of a
// text, was meant to say: the names of members that are true, of {"a": true}, with
// dots between those of objects within objects, or the texts, of {"name": "a"}.
func namesIn(n *Node) []string {
	var texts, names []string
	for _, m := range n.Members {
		switch v := m.Value; {
		case IsComment(m.Key) || v.Secret():
		case v.Kind == String:
			texts = append(texts, v.Text)
		case v.Kind == Object && len(v.Members) > 0:
			for _, inner := range namesIn(v) {
				names = append(names, m.Key+"."+inner)
			}
		case v.Kind == Array:
			for _, item := range v.Items {
				if item.Kind == String && !item.Secret() {
					names = append(names, m.Key+"."+item.Text)
				}
			}
		case v.Kind == Bool && v.Text == "true" || v.Kind == Number && v.Text != "0":
			names = append(names, m.Key)
		}
	}
	if len(names) > 0 {
		return names
	}
	return texts
}

// flat returns the texts within lists within n.
func flat(n *Node) []string {
	var texts []string
	for _, item := range n.Items {
		switch {
		case item.Secret():
		case item.Kind == Array:
			texts = append(texts, flat(item)...)
		case item.Kind == Object:
			texts = append(texts, namesIn(item)...)
		case item.Kind != Null:
			texts = append(texts, item.Text)
		}
	}
	return texts
}

func (d *decoder) mapping(n *Node, s *Spec, v reflect.Value) bool {
	if n.Kind != Object {
		return d.wrongType(n, s)
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Members)))
	outer := d.example // is that of the map
	d.example = ""
	defer func() { d.example = outer }()
	ok := true
	for _, m := range n.Members {
		if !s.HasComments() || !m.Comment() {
			ok = d.entry(m, s, v) && ok
		}
	}
	return ok
}

// null warns of a null where a value of s is expected.
func (d *decoder) null(n *Node, s *Spec) {
	d.converted(n, CodeNull, fmt.Errorf("null is no value; write %s", s.noun()))
}

// entry decodes one member into the map v. A null value is none, unless the
// map takes anything.
func (d *decoder) entry(m Member, s *Spec, v reflect.Value) bool {
	if m.Value.Kind == Null && !s.Item.takesNull() {
		if s.Item.Type != nodeType { // whoever takes nodes looks at them
			d.null(m.Value, s.Item)
		}
		return true
	}
	key := reflect.New(v.Type().Key()).Elem()
	name := &Node{Kind: String, Text: m.Key, Pos: m.KeyPos, parent: m.Value.parent, index: m.Value.index}
	ok := d.value(name, s.Keys, Rules{}, key)
	value := reflect.New(v.Type().Elem()).Elem()
	ok = d.value(m.Value, s.Item, Rules{}, value) && ok
	v.SetMapIndex(key, value)
	return ok
}

func (d *decoder) object(n *Node, s *Spec, v reflect.Value) bool {
	before := len(d.problems)
	if n.Kind != Object {
		return d.wrongType(n, s)
	}
	if s.Scope != "" && !d.loose {
		d.loose = true
		defer func() { d.loose = false }()
	}
	for _, index := range s.self {
		v.FieldByIndex(index).Set(reflect.ValueOf(n))
	}
	var room [32]*Node // most objects have fewer fields, and it need not be allocated
	written := slices.Grow(room[:0], len(s.Fields))[:len(s.Fields)]
	var rest []Member
	for _, m := range n.Members {
		i := s.field(m.Key, d.loose && !m.Comment())
		switch {
		case i >= 0:
			if other := written[i]; other != nil {
				p := m.Value.Problem(Warning, CodeDuplicateKey, fmt.Errorf("the key occurs twice in different letter case; the value at %s is ignored, keep one of the two", other.Pos))
				p.At = m.KeyPos
				p.repeated = &Repeated{Key: m.Key, Kept: m.Value, Dropped: other}
				d.report(p)
			}
			written[i] = m.Value
			if key := s.Fields[i].Key; key != m.Key && !m.Value.outside {
				p := m.Value.Problem(Warning, CodeLetterCase, fmt.Errorf("the key is written in another letter case; write %q", key))
				p.At = m.KeyPos
				d.report(p)
			}
		case m.Comment():
		case s.Rest != nil:
			rest = append(rest, m)
		default:
			p := m.Value.Problem(Warning, CodeUnknownField, unknownKey(m.Key, s))
			p.At = m.KeyPos
			p.unknown = &Unknown{m.Key, m.Value, s}
			d.report(p)
		}
	}
	ok := d.fields(n, s, v, written)
	if s.Rest != nil {
		ok = d.rest(rest, s.Rest, v) && ok
	}
	for _, e := range s.embedded {
		if ok && e.spec.validates {
			ok = d.validate(n, v.FieldByIndex(e.index), before)
		}
	}
	return ok
}

// fields decodes the members that are known; written holds their values by
// index of the field.
func (d *decoder) fields(n *Node, s *Spec, v reflect.Value, written []*Node) bool {
	ok := true
	for i, f := range s.Fields {
		value := written[i]
		switch {
		case value != nil && value.Kind != Null:
			outer := d.example
			d.example = f.Example
			ok = d.value(value, f.Spec, f.Rules, f.In(v)) && ok
			d.example = outer
		case f.Rules.Required:
			err := fmt.Errorf("missing; add for instance %q: %s", f.Key, cmp.Or(f.Example, f.Spec.example()))
			if i := slices.IndexFunc(n.Members, func(m Member) bool { return !m.Comment() && s.field(m.Key, false) < 0 && Near(m.Key, f.Key) }); i >= 0 {
				err = fmt.Errorf("missing; %q seems to be it, write %q", n.Members[i].Key, f.Key)
			}
			p := n.Problem(Error, CodeRequired, err)
			p.Path = joinPath(p.Path, string(appendPath(nil, []step{{key: f.Key, index: -1}})))
			d.report(p)
			ok = false
		case value != nil && (f.Spec.Type != nodeType || f.Rules.Object):
			d.null(value, f.Spec)
		}
	}
	return ok
}

// rest decodes the members that no field names.
func (d *decoder) rest(members []Member, f *Field, v reflect.Value) bool {
	m := f.In(v)
	m.Set(reflect.MakeMapWithSize(m.Type(), len(members)))
	ok := true
	for _, member := range members {
		ok = d.entry(member, f.Spec, m) && ok
	}
	return ok
}

// unknownKey says that an object has no such key, and which it may have.
func unknownKey(key string, s *Spec) error {
	const few = 24 // more than a line holds
	known := s.Known()
	near, found := Suggest(key, known)
	if i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Was != "" && f.Was == key }); i >= 0 {
		return fmt.Errorf("unknown key %q; it is called %q now", key, s.Fields[i].Key)
	}
	switch {
	case found:
		return fmt.Errorf("unknown key %q; did you mean %q?", key, near)
	case len(known) == 0:
		return fmt.Errorf("unknown key %q; the object has no keys", key)
	case len(known) <= few:
		return fmt.Errorf("unknown key %q; the keys are %s", key, enumerate(known))
	}
	return fmt.Errorf("unknown key %q; remove it, or write it with @ in front as a comment", key)
}

// wrongType reports that n is not what s expects, and what to write. It
// returns false.
func (d *decoder) wrongType(n *Node, s *Spec) bool {
	return d.reject(n, CodeWrongType, fmt.Errorf("must be %s, got %s; write %s", s.noun(), n.describe(), s.instead(n, d.example)))
}

// instead returns what to write in place of n: n itself in the right form
// where that is clear, otherwise an example, that of the key if it has one.
func (s *Spec) instead(n *Node, example string) string {
	switch {
	case n.Secret() && n.Kind == Number && s.Shape == TextShape:
		return "it in quotes"
	case n.Secret():
	case n.Kind == Array && s.Shape == TextShape && s.Enum != nil && len(n.Items) > 1:
		return "one of them, and repeat the object for each of the others"
	case n.Kind == String:
		number, isNumber := jsonNumber(n.Text)
		switch {
		case s.Shape == BoolShape && (n.Text == "true" || n.Text == "false"),
			s.Shape == FloatShape && isNumber,
			(s.Shape == IntShape || s.Shape == SecondsShape) && isNumber && isInteger(number):
			return n.Text + " without quotes"
		case s.Shape == SecondsShape:
			if d, err := parseDuration(n.Text); err == nil && d > 0 {
				whole := (int64(d) + int64(time.Second) - 1) / int64(time.Second)
				return strconv.FormatInt(whole, 10)
			}
		case s.Shape == ListShape && s.Item.Shape == TextShape:
			if texts := textsIn(n); s.Item.Enum == nil || strings.Contains(texts, ", ") {
				return texts
			}
		}
	case n.Kind == Number || n.Kind == Bool:
		switch {
		case s.Shape == TextShape && s.Enum == nil:
			return strconv.Quote(n.Text)
		case s.Shape == ListShape && s.Item.Shape == IntShape && n.Kind == Number && isInteger(n.Text):
			return "[" + n.Text + "]"
		case s.Shape == ListShape && s.Item.Shape == TextShape && s.Item.Enum == nil && n.Kind == Number:
			return "[" + strconv.Quote(n.Text) + "]"
		}
	case s.Shape == ListShape && s.Item.Shape == TextShape && s.Item.Enum == nil && n.Kind == Object:
		if names := namesIn(n); len(names) > 0 {
			return quoteList(names)
		}
	case s.Shape == TextShape && s.Enum == nil && example == "" && (n.Kind == Object || n.Kind == Array):
		texts := flat(n)
		if n.Kind == Object {
			texts = namesIn(n)
		}
		if len(texts) > 0 {
			return strings.Trim(quoteList(texts), "[]")
		}
	}
	return cmp.Or(example, s.example())
}

// String names the type: "text", "list of objects".
func (s *Spec) String() string {
	if s.Shape == BoolShape {
		return "boolean"
	}
	words := strings.Fields(s.noun())
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "a" || w == "an" }), " ")
}

// noun names the type with its article, for messages of the form "must be ...".
func (s *Spec) noun() string {
	switch s.Shape {
	case BoolShape:
		return "true or false"
	case IntShape:
		return "a whole number"
	case FloatShape:
		return "a number"
	case TextShape:
		return "a text"
	case DurationShape:
		return "a duration"
	case SecondsShape:
		return "a whole number of seconds"
	case SizeShape:
		return "a number of bytes"
	case ListShape:
		return "a list of " + s.Item.plural()
	case MapShape:
		return "an object of " + s.Item.plural()
	case ObjectShape:
		return "an object"
	case CustomShape:
		names := make([]string, len(s.Kinds))
		for i, k := range s.Kinds {
			names[i] = [...]string{"null", "a boolean", "a number", "a text", "a list", "an object"}[k]
		}
		return cmp.Or(strings.Join(names, " or "), "a value")
	}
	return "a value"
}

func (s *Spec) plural() string {
	switch s.Shape {
	case SecondsShape:
		return "whole numbers of seconds"
	case SizeShape:
		return "numbers of bytes"
	case ListShape:
		return "lists of " + s.Item.plural()
	case MapShape:
		return "objects of " + s.Item.plural()
	}
	return s.String() + "s"
}

// example returns a value of the type as JSON, short enough for a message.
func (s *Spec) example() string {
	switch s.Shape {
	case BoolShape:
		return "true"
	case IntShape:
		return "10"
	case FloatShape:
		return "0.5"
	case TextShape:
		if len(s.Enum) > 0 {
			return strconv.Quote(s.Enum[0])
		}
		return `"text"`
	case DurationShape:
		return `"1m30s"`
	case SecondsShape:
		return "60"
	case SizeShape:
		return `1048576 or "1MiB"`
	case ListShape:
		if s.Item.Shape == TextShape && s.Item.Enum == nil {
			return `["a", "b"]`
		}
		return "[" + s.Item.example() + "]"
	case MapShape:
		return `{"name": ` + s.Item.example() + "}"
	case ObjectShape:
		return "{...}"
	}
	return "..."
}
