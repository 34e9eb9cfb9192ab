package model

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/sluice-gateway/sluice/internal/config"
)

// MaskedJSON returns a resolved service as a document in compact JSON: what [Service.Effect]
// returns. Texts that hold references or stand at keys that are secrets are shown as
// [config.Node.Shown] has it, and the user information of URLs is masked.
func (s *Service) MaskedJSON(options config.Options) []byte { return s.Effect(options).appendJSON(nil) }

// An Effect is a value of a resolved service, as it counts.
type Effect struct {
	Spec *config.Spec  // how it is written
	Go   reflect.Value // as it was decoded, no pointer
	Node *config.Node  // where it was read, nil for a default

	// Foreign is that it was read at another object, as the hosts of the root are for a
	// backend that names none.
	Foreign bool

	Members []EffectMember // of an object, in the order of its type, or a map, sorted
	Items   []*Effect      // of a list

	// Unknown are the members that were written and of which nobody says what they do:
	// unknown keys, and namespaces of components that are not there.
	Unknown []config.Member
}

// An EffectMember is a key with its value.
type EffectMember struct {
	Key   string
	Field *config.Field // nil in a map, and for a namespace
	Value *Effect

	Nothing bool // it is written and says what the absence of the key says, as far as it could be decoded
}

// Effect returns what a resolved service says, in the order of its type: every key that has
// an effect, with its value, and no other. Keys that are not written and whose default is
// nothing have none, nor have comments, and those that are accepted for what they once did.
//
// options gives the options of a namespace of a scope, nil if it does nothing.
func (s *Service) Effect(options config.Options) *Effect {
	r := resolved{service: s, options: options}
	return r.value(Root(), reflect.ValueOf(s), s.Node)
}

var backendType = reflect.TypeFor[Backend]()

// Root returns what is known of the root of a configuration.
func Root() *config.Spec { return config.SpecOf(reflect.TypeFor[Service]()) }

// Scope returns the scope of the root.
func (Service) Scope() string { return "service" }

// Scope returns the scope of endpoints.
func (Endpoint) Scope() string { return "endpoint" }

// Scope returns the scope of backends, wherever they stand.
func (Backend) Scope() string { return "backend" }

// ShownHosts returns the hosts of the backend, which may be those of the root, for output that
// people see: secrets and user information are masked.
func (b *Backend) ShownHosts(s *Service) []string {
	shown := b.HostsFrom(s).Masked("host", b.Host...)
	for i := range shown {
		shown[i] = config.MaskUser(shown[i])
	}
	return shown
}

// Scope returns the scope of agents.
func (Agent) Scope() string { return "async_agent" }

// MaskedJSON returns the value in compact JSON, as people may see it.
func (e *Effect) MaskedJSON() []byte { return e.appendJSON(nil) }

// resolved reads what values mean that were decoded.
type resolved struct {
	service *Service
	options config.Options
}

// value returns a value of s that was read from n, which is nil for a default.
func (r resolved) value(s *config.Spec, v reflect.Value, n *config.Node) *Effect {
	if v.Kind() == reflect.Pointer && s.Type != reflect.TypeFor[config.Node]() {
		if v = v.Elem(); !v.IsValid() {
			v = config.DefaultsOf(s) // in the place of what could not be read
		}
	}
	e := &Effect{Spec: s, Go: v, Node: n}
	switch s.Shape {
	case config.ObjectShape:
		r.object(e)
	case config.ListShape:
		for i := range v.Len() {
			at := n // a value that stands for a list of itself
			if n != nil && n.Kind == config.Array {
				if at = nil; i < len(n.Items) {
					at = n.Items[i]
				}
			}
			e.Items = append(e.Items, r.value(s.Item, v.Index(i), at))
		}
	case config.MapShape:
		r.mapping(e, s.Item, v)
	case config.AnyShape, config.CustomShape:
		if node, ok := v.Interface().(*config.Node); ok {
			e.Node = node
		}
	}
	return e
}

func (r resolved) object(e *Effect) {
	s, n := e.Spec, e.Node
	for i := range s.Fields {
		f := &s.Fields[i]
		value, at := f.In(e.Go), n.GetFold(f.Key)
		if f.Rules.Idle || nothing(value) && !at.Written() {
			continue
		}
		switch {
		case s.Extra(f.Key):
			if extra := r.namespaces(s.Scope, value.Interface().(map[string]*config.Node), at); extra != nil {
				e.Members = append(e.Members, EffectMember{Key: f.Key, Field: f, Value: extra})
			}
			continue
		case f.Key == "host" && s.Type == backendType:
			b := e.Go.Addr().Interface().(*Backend)
			from := b.HostsFrom(r.service)
			hosts := r.value(f.Spec, value, from.GetFold(f.Key))
			hosts.Foreign = from != b.Node
			e.Members = append(e.Members, EffectMember{Key: f.Key, Field: f, Value: hosts, Nothing: nothing(value)})
			continue
		}
		e.Members = append(e.Members, EffectMember{Key: f.Key, Field: f, Value: r.value(f.Spec, value, at), Nothing: nothing(value)})
	}
	if s.Rest != nil {
		r.mapping(e, s.Rest.Spec.Item, s.Rest.In(e.Go))
		return
	}
	if n != nil {
		for _, m := range n.Members {
			if _, known := s.Settable(m.Key); !known && !m.Comment() {
				e.Unknown = append(e.Unknown, m)
			}
		}
	}
}

// mapping adds the values of a map, which are of s.
func (r resolved) mapping(e *Effect, s *config.Spec, v reflect.Value) {
	for _, name := range sortedKeys(v) {
		value := v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
		e.Members = append(e.Members, EffectMember{Key: name, Value: r.value(s, value, e.Node.Get(name))})
	}
}

// namespaces returns an extra_config with the options that its components have, nil if
// there is nothing in it.
func (r resolved) namespaces(scope string, extra map[string]*config.Node, n *config.Node) *Effect {
	e := &Effect{Spec: extraSpec, Go: reflect.ValueOf(extra), Node: n}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		s, n := r.options(scope, name), extra[name]
		if s == nil {
			e.Unknown = append(e.Unknown, config.Member{Key: name, Value: n})
			continue
		}
		v := config.DefaultsOf(s)
		if n.Written() {
			v, _ = config.DecodeAs(s, n) // as it was before, without errors
		}
		e.Members = append(e.Members, EffectMember{Key: name, Value: r.value(s, v, n)})
	}
	if e.Members == nil && e.Unknown == nil {
		return nil
	}
	return e
}

var extraSpec = config.SpecOf(reflect.TypeFor[map[string]*config.Node]())

// appendJSON appends what is in effect, as people may see it.
func (e *Effect) appendJSON(dst []byte) []byte {
	switch e.Spec.Shape {
	case config.ObjectShape, config.MapShape:
		members := newMembers(dst)
		for _, m := range e.Members {
			if m.Value.Spec == extraSpec && m.Value.Members == nil {
				continue // nothing of it does anything
			}
			members.key(m.Key)
			members.dst = m.Value.appendJSON(members.dst)
		}
		return members.end()
	case config.ListShape:
		dst = append(dst, '[')
		for i, item := range e.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst)
		}
		return append(dst, ']')
	case config.TextShape:
		return e.Node.AppendShown(dst, e.Go.String())
	case config.AnyShape, config.CustomShape:
		if e.Node.Written() {
			return append(dst, e.Node.MaskedJSON()...)
		}
	}
	text, err := json.Marshal(e.Go.Interface())
	if err != nil {
		return append(dst, "null"...) // a default that is no data
	}
	return append(dst, text...)
}

// sortedKeys returns the keys of a map, which are texts.
func sortedKeys(v reflect.Value) []string {
	var names []string
	for _, key := range v.MapKeys() {
		names = append(names, key.String())
	}
	slices.Sort(names)
	return names
}

// nothing reports whether a value is the one of a key that nobody wrote.
func nothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

// members writes the members of an object.
type members struct {
	dst   []byte
	begun bool
}

func newMembers(dst []byte) *members { return &members{dst: append(dst, '{')} }

// key begins a member.
func (m *members) key(name string) {
	if m.begun {
		m.dst = append(m.dst, ',')
	}
	m.begun = true
	m.dst = append(config.AppendQuoted(m.dst, name), ':')
}

func (m *members) end() []byte { return append(m.dst, '}') }
