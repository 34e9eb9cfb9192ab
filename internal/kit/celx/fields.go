package celx

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A fieldMap is fields as a CEL map from names to lists of texts. Looking a
// name up, which is what nearly every expression does, reads the fields where
// they are; anything else makes a map of them first, and so does looking up among
// many: a loop that looks up would read them all in each round.
type fieldMap struct {
	fields gateway.Fields
	joined bool          // X_Admin counts as X-Admin, too
	index  traits.Mapper // the fields as an ordinary map, once it was made
}

// many is how many fields are too many to be read at each look.
const many = 32

// full returns the fields as an ordinary map.
func (m *fieldMap) full() traits.Mapper {
	if m.index == nil {
		m.index = m.gather()
	}
	return m.index
}

func (m *fieldMap) gather() traits.Mapper {
	values := make(map[string]any, len(m.fields))
	for _, f := range m.fields {
		list, _ := values[f.Name].([]string)
		values[f.Name] = append(list, f.Value)
		if m.joined && !gateway.Plain(f.Name) {
			name := gateway.Hyphens(f.Name)
			list, _ := values[name].([]string)
			values[name] = append(list, f.Value)
		}
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, values)
}

// is reports whether a field counts under a name.
func (m *fieldMap) is(f *gateway.Field, name string) bool {
	return f.Name == name ||
		m.joined && len(f.Name) == len(name) && !gateway.Plain(f.Name) && gateway.Plain(name) && gateway.Alike(f.Name, name)
}

// Find returns the values of a name, in order, and whether there are any.
func (m *fieldMap) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if len(m.fields) > many {
		return m.full().Find(key)
	}
	var values []string
	for i := range m.fields {
		if f := &m.fields[i]; m.is(f, string(name)) {
			values = append(values, f.Value)
		}
	}
	if values == nil {
		return nil, false
	}
	return types.NewStringList(types.DefaultTypeAdapter, values), true
}

// Get is Find for a name that must be there.
func (m *fieldMap) Get(key ref.Val) ref.Val {
	if v, ok := m.Find(key); ok {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

// Contains reports whether there is a field of a name.
func (m *fieldMap) Contains(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if ok && len(m.fields) > many {
		return m.full().Contains(key)
	}
	if ok {
		for i := range m.fields {
			if m.is(&m.fields[i], string(name)) {
				return types.True
			}
		}
	}
	return types.False
}

// The rest of a map.

func (m *fieldMap) Size() ref.Val                    { return m.full().Size() }
func (m *fieldMap) Iterator() traits.Iterator        { return m.full().Iterator() }
func (m *fieldMap) Equal(other ref.Val) ref.Val      { return m.full().Equal(other) }
func (m *fieldMap) ConvertToType(t ref.Type) ref.Val { return m.full().ConvertToType(t) }
func (m *fieldMap) Type() ref.Type                   { return types.MapType }
func (m *fieldMap) Value() any                       { return m.full().Value() }
func (m *fieldMap) ConvertToNative(t reflect.Type) (any, error) {
	return m.full().ConvertToNative(t)
}
