package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Shape is how a value is written.
type Shape uint8

// The shapes.
const (
	AnyShape      Shape = iota // anything; it is kept as it is
	BoolShape                  // true or false
	IntShape                   // a whole number
	FloatShape                 // a number
	TextShape                  // a text, perhaps one of Spec.Enum
	DurationShape              // [Duration]
	SecondsShape               // [Seconds]
	SizeShape                  // [Size]
	ListShape                  // a list of Spec.Item
	MapShape                   // an object whose values are Spec.Item
	ObjectShape                // an object with Spec.Fields
	CustomShape                // what the type's UnmarshalNode takes
)

// A Spec is what reflection says of a Go type: how its values are written. It
// is the one reading of options types; decoding, schemas and the manual share
// it. A Spec does not change and is safe for concurrent use.
type Spec struct {
	Type   reflect.Type // never a pointer
	Shape  Shape
	Enum   []string // TextShape: the values; nil allows every text
	Item   *Spec    // ListShape, MapShape
	Keys   *Spec    // MapShape: the keys
	Fields []Field  // ObjectShape, in the order of the type
	Rest   *Field   // ObjectShape: takes the members that no field names; may be nil
	Kinds  []Kind   // CustomShape: the kinds it takes; nil when the type does not say

	// Scope is what the type says of itself, in a method of that name, if it has an
	// extra_config: for which namespaces that is a place. Such objects are decoded as
	// the core objects are, see [DecodeLoose].
	Scope string

	fold      bool          // the type brings texts to the spelling of Enum
	validates bool          // the type has a Validate
	defaults  reflect.Value // the method Defaults of the type, if it has one
	defaulted bool          // setDefaults finds something to do
	embedded  []embedded
	self      [][]int        // fields that receive the node of the object
	byKey     map[string]int // Key to index in Fields
	byFold    map[string]int // the same, keys in lower case
}

// A Field is a key of an object.
type Field struct {
	Key     string       // JSON name; "*" for Spec.Rest
	Was     string       // a name that it had once and that is not read any more
	Example string       // of the value, as JSON; "" for none
	Guards  Guarding     // what depends on the key
	Secret  Secrecy      // whether its value may be shown
	Strict  Strictness   // which of two values lets less pass
	Name    string       // Go name
	Owner   reflect.Type // the struct that declares it
	Spec    *Spec
	Rules   Rules

	index []int
}

// A Guarding is the value of the tag guards of a key: how far the key is looked for where
// it is misspelt or stands in the wrong place, because without it less is protected or
// more is shown.
type Guarding string

// The guardings.
const (
	GuardsKey    Guarding = "key"    // anywhere, in any spelling
	GuardsList   Guarding = "list"   // the same, and a list under that name is always meant for it
	GuardsObject Guarding = "object" // the same of an object
	GuardsOption Guarding = "option" // by its name, in whatever place of any document

	// GuardsBeside is that the name, such as cache or key, tells little: the key is looked
	// for beside its namespace, and where that complains that it is missing.
	GuardsBeside Guarding = "beside"

	// GuardsAccess is that a list names those who may ask: an endpoint that has none
	// lets in whom others with one keep out.
	GuardsAccess Guarding = "access"
)

// A Secrecy is the value of the tag secret of a key, "" where nothing is said of it.
type Secrecy string

// The secrecies.
const (
	IsSecret  Secrecy = "true"    // its texts are masked wherever a configuration is shown, however they are written
	IsAddress Secrecy = "address" // addresses that may begin with a user and have no scheme: masked then
	NotSecret Secrecy = "false"   // its name sounds like that of a secret, and it is none
)

// A Strictness is the value of the tag stricter of a key, "" where nobody can say: which of
// two values of it lets less pass, or shows less, to whoever reviews a change.
type Strictness string

// The strictnesses.
const (
	Limit  Strictness = "limit"  // the lower number, where 0 and an absent key are no limit
	Lower  Strictness = "lower"  // the lower number
	Higher Strictness = "higher" // the higher number, or the later of Enum
	On     Strictness = "true"
	Off    Strictness = "false"
	Fewer  Strictness = "fewer" // the list with fewer entries, be it none
	More   Strictness = "more"  // the list with more entries
	Only   Strictness = "only"  // the list with fewer entries, where none is no restriction
	There  Strictness = "there" // a value rather than none
	Gone   Strictness = "gone"  // none rather than a value
)

// Above is what a key stands for that is absent and counts as the key of that name in an
// object around, or in a namespace of one.
type Above struct{}

// StandsFor returns what a key of v, an object, means there when it is absent or zero, as the
// method StandsFor(key string) any of its type says: a value, several of which now the one
// and now the other counts, or [Above]. It is nil where the value is what it says.
func StandsFor(v reflect.Value, key string) any {
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return nil
	}
	if o, ok := v.Interface().(interface{ StandsFor(key string) any }); ok {
		return o.StandsFor(key)
	}
	return nil
}

// fits reports whether values of s can be compared like that.
func (st Strictness) fits(s *Spec) bool {
	number := s.Shape == IntShape || s.Shape == FloatShape || DurationShape <= s.Shape && s.Shape <= SizeShape
	switch st {
	case "", There, Gone:
		return true
	case Limit, Lower:
		return number
	case Higher:
		return number || s.Shape == TextShape && s.Enum != nil
	case On, Off:
		return s.Shape == BoolShape
	case Fewer, More, Only:
		return s.Shape == ListShape && s.Item.scalar()
	}
	return false
}

// embedded is a struct whose fields are flattened into those of another.
type embedded struct {
	index []int
	spec  *Spec
}

// In returns the value of the field in v, which is of the type whose Spec lists
// the field.
func (f Field) In(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

// SpecOf returns the Spec of t, or of what t points to. It panics when values
// of t cannot be read from a configuration; that is a mistake in the program.
func SpecOf(t reflect.Type) *Spec {
	specs.Lock()
	defer specs.Unlock()
	r := specReader{}
	s := r.read(t)
	for t, s := range r {
		specs.known[t] = s
	}
	return s
}

var specs = struct {
	sync.Mutex
	known map[reflect.Type]*Spec
}{known: make(map[reflect.Type]*Spec)}

// Known returns the keys of an object, in the order of the type.
func (s *Spec) Known() []string {
	keys := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		keys[i] = f.Key
	}
	return keys
}

// Settable tells [Document.ApplyEnv] which keys an object has, and which of
// them take a scalar or a list of scalars.
func (s *Spec) Settable(key string) (scalarOrList, ok bool) {
	i, ok := s.byFold[strings.ToLower(key)]
	if !ok {
		return false, false
	}
	f := s.Fields[i].Spec
	return f.scalar() || f.Shape == ListShape && f.Item.scalar(), true
}

// scalar reports whether values are neither lists nor objects.
func (s *Spec) scalar() bool { return BoolShape <= s.Shape && s.Shape <= SizeShape }

// HoldsTexts reports whether values are texts, or lists or maps of them.
func (s *Spec) HoldsTexts() bool {
	if s.Shape == ListShape || s.Shape == MapShape {
		s = s.Item
	}
	return s.Shape == TextShape && s.Enum == nil
}

// HasComments reports whether keys that begin with @, $, _ or # are comments in
// values of an object or a map. Where the values of a map are scalars or
// anything, a comment could not be told from data, and every key is data.
func (s *Spec) HasComments() bool {
	return s.Shape == ObjectShape || s.Shape == MapShape && !s.Item.scalar() && !s.Item.takesNull()
}

// takesNull reports whether null is a value and not the absence of one: where
// plain Go values are kept as they are.
func (s *Spec) takesNull() bool { return s.Shape == AnyShape && s.Type != nodeType }

// field returns the index of the field that a key names, or -1.
func (s *Spec) field(key string, fold bool) int {
	if i, ok := s.byKey[key]; ok {
		return i
	}
	if fold {
		if i, ok := s.byFold[strings.ToLower(key)]; ok {
			return i
		}
	}
	return -1
}

// fieldOf returns the field that a key of any letter case names, nil for none.
func (s *Spec) fieldOf(key string) *Field {
	if i := s.field(key, true); i >= 0 {
		return &s.Fields[i]
	}
	return nil
}

var (
	nodeType        = reflect.TypeFor[Node]()
	durationType    = reflect.TypeFor[Duration]()
	secondsType     = reflect.TypeFor[Seconds]()
	sizeType        = reflect.TypeFor[Size]()
	unmarshalerType = reflect.TypeFor[nodeUnmarshaler]()
	validatorType   = reflect.TypeFor[validator]()
)

type (
	nodeUnmarshaler interface{ UnmarshalNode(*Node) error }
	validator       interface{ Validate() error }
	enumerator      interface{ Enum() []string }
	folder          interface{ Fold(string) string }
	hinter          interface{ Hint(string) string } // what to write instead of a value that is none; "" for nothing better than what is near
	kinder          interface{ NodeKinds() []Kind }
	scoped          interface{ Scope() string }
)

// specReader holds what one reading has found. It is separate from what is
// known, so that a reading that panics leaves nothing half done behind.
type specReader map[reflect.Type]*Spec

func (r specReader) read(t reflect.Type) *Spec {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s := specs.known[t]; s != nil {
		return s
	}
	if s := r[t]; s != nil {
		return s
	}
	s := &Spec{Type: t}
	r[t] = s // before the fields: a type may contain itself
	s.validates = reflect.PointerTo(t).Implements(validatorType)
	// A Defaults that an embedded struct lends returns another type.
	if m, ok := t.MethodByName("Defaults"); ok && m.Type.NumIn() == 1 && m.Type.NumOut() == 1 && m.Type.Out(0) == t {
		s.defaults, s.defaulted = m.Func, true
	}
	switch zero := reflect.New(t).Interface(); {
	case t == nodeType:
		s.Shape = AnyShape
	case t == durationType:
		s.Shape = DurationShape
	case t == secondsType:
		s.Shape = SecondsShape
	case t == sizeType:
		s.Shape = SizeShape
	case reflect.PointerTo(t).Implements(unmarshalerType):
		s.Shape = CustomShape
		if k, ok := zero.(kinder); ok {
			s.Kinds = k.NodeKinds()
		}
	default:
		r.readKind(s, zero)
	}
	return s
}

func (r specReader) readKind(s *Spec, zero any) {
	switch t := s.Type; t.Kind() {
	case reflect.Bool:
		s.Shape = BoolShape
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.Shape = IntShape
		if t.PkgPath() == "time" {
			panic(fmt.Sprintf("config: %s has no unit; use config.Duration or config.Seconds", t))
		}
	case reflect.Float32, reflect.Float64:
		s.Shape = FloatShape
	case reflect.String:
		s.Shape = TextShape
		if e, ok := zero.(enumerator); ok {
			s.Enum = e.Enum()
		}
		_, s.fold = zero.(folder)
	case reflect.Slice:
		s.Shape, s.Item = ListShape, r.read(t.Elem())
	case reflect.Map:
		s.Shape, s.Item, s.Keys = MapShape, r.read(t.Elem()), r.read(t.Key())
		if s.Keys.Shape != TextShape {
			panic(fmt.Sprintf("config: the keys of %s are not texts", t))
		}
	case reflect.Struct:
		s.Shape = ObjectShape
		if o, ok := zero.(scoped); ok {
			s.Scope = o.Scope()
		}
		r.readStruct(s)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			panic(fmt.Sprintf("config: %s cannot be read from a configuration", t))
		}
		s.Shape = AnyShape
	default:
		panic(fmt.Sprintf("config: %s cannot be read from a configuration", t))
	}
}

func (r specReader) readStruct(s *Spec) {
	s.byKey, s.byFold = make(map[string]int), make(map[string]int)
	r.readFields(s, s.Type, nil)
	for i, f := range s.Fields {
		if _, taken := s.byKey[f.Key]; taken {
			panic(fmt.Sprintf("config: %s has two fields with the key %q", s.Type, f.Key))
		}
		s.byKey[f.Key] = i
		s.byFold[strings.ToLower(f.Key)] = i
	}
}

// readFields adds the fields of t, which is s.Type or a struct embedded in it
// at index.
func (r specReader) readFields(s *Spec, t reflect.Type, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		tag, tagged := f.Tag.Lookup("json")
		key, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			if !f.IsExported() {
				panic(fmt.Sprintf("config: the struct %s embedded in %s must be exported", f.Name, t))
			}
			of := r.read(f.Type)
			s.embedded = append(s.embedded, embedded{at, of})
			s.defaulted = s.defaulted || of.defaulted
			r.readFields(s, f.Type, at)
		case !f.IsExported():
		case tag == "-":
			if f.Type == reflect.PointerTo(nodeType) {
				s.self = append(s.self, at)
			}
		case key == "":
			panic(fmt.Sprintf("config: the field %s.%s needs a json tag", t, f.Name))
		default:
			field := Field{
				Key: key, Was: f.Tag.Get("was"), Example: f.Tag.Get("example"), Guards: Guarding(f.Tag.Get("guards")),
				Secret: Secrecy(f.Tag.Get("secret")), Strict: Strictness(f.Tag.Get("stricter")), Name: f.Name, Owner: t, Spec: r.read(f.Type), index: at,
			}
			switch field.Guards {
			case "", GuardsKey, GuardsList, GuardsObject, GuardsOption, GuardsBeside, GuardsAccess:
			default:
				panic(fmt.Sprintf("config: the guards tag of %s.%s: %q is no guarding", t, f.Name, field.Guards))
			}
			switch {
			case field.Secret != "" && field.Secret != IsSecret && field.Secret != IsAddress && field.Secret != NotSecret:
				panic(fmt.Sprintf("config: the secret tag of %s.%s: %q is none of true, address and false", t, f.Name, field.Secret))
			case field.Secret == IsSecret && !field.Spec.HoldsTexts():
				panic(fmt.Sprintf("config: the secret tag of %s.%s: only texts, and lists and maps of them, are secrets", t, f.Name))
			}
			if !field.Strict.fits(field.Spec) {
				panic(fmt.Sprintf("config: the stricter tag of %s.%s: %q says nothing of a %s", t, f.Name, field.Strict, field.Spec))
			}
			field.Rules = readRules(t, f, field.Spec)
			s.defaulted = s.defaulted || f.Type.Kind() == reflect.Struct && field.Spec.defaulted
			if key != "*" {
				s.Fields = append(s.Fields, field)
				continue
			}
			if field.Spec.Shape != MapShape {
				panic(fmt.Sprintf("config: the field %s.%s takes all other keys and must be a map", t, f.Name))
			}
			s.Rest = &field
		}
	}
}

// Defaults returns the value that decoding of a T starts from.
func Defaults[T any]() T {
	var v T
	setDefaults(SpecOf(reflect.TypeFor[T]()), reflect.ValueOf(&v).Elem())
	return v
}

// DefaultsOf is Defaults for a type that is known by reflection only. The
// value is of the type s.Type.
func DefaultsOf(s *Spec) reflect.Value {
	v := reflect.New(s.Type).Elem()
	setDefaults(s, v)
	return v
}

// setDefaults fills v, when it is zero, with the defaults of its type, and the
// structs within it with theirs. Pointers stay as they are.
func setDefaults(s *Spec, v reflect.Value) {
	if !s.defaulted || v.Kind() == reflect.Pointer {
		return
	}
	s.setOwnDefaults(v)
	for _, e := range s.embedded {
		e.spec.setOwnDefaults(v.FieldByIndex(e.index))
	}
	for _, f := range s.Fields {
		if f.Spec.Shape == ObjectShape {
			setDefaults(f.Spec, f.In(v))
		}
	}
}

func (s *Spec) setOwnDefaults(v reflect.Value) {
	if s.defaults.IsValid() && v.IsZero() {
		v.Set(s.defaults.Call([]reflect.Value{v})[0])
	}
}
