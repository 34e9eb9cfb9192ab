package model

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/sluice-gateway/sluice/internal/config"
)

// MaskedJSON returns a resolved service as a document in compact JSON, in the order of
// its type: every key that has an effect, with its value, and no other. Keys that are
// not written and whose default is nothing have none, nor have comments, and those
// that are accepted for what they once did. Texts that hold references or stand at keys that
// are secrets are masked, and so is the user information of URLs.
//
// options gives the options of a namespace of a scope, nil if it does nothing.
func (s *Service) MaskedJSON(options config.Options) []byte {
	r := resolved{service: s, options: options}
	return r.append(nil, Root(), reflect.ValueOf(s), s.Node)
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

// resolved writes what values mean that were decoded.
type resolved struct {
	service *Service
	options config.Options
}

// append appends a value of s that was read from n, which is nil for a default.
func (r resolved) append(dst []byte, s *config.Spec, v reflect.Value, n *config.Node) []byte {
	if v.Kind() == reflect.Pointer && s.Type != reflect.TypeFor[config.Node]() {
		v = v.Elem()
	}
	switch s.Shape {
	case config.ObjectShape:
		return r.object(dst, s, v, n)
	case config.ListShape:
		return r.list(dst, s, v, n)
	case config.MapShape:
		return r.mapping(dst, s, v, n)
	case config.TextShape:
		return n.AppendShown(dst, v.String())
	case config.AnyShape, config.CustomShape:
		if node, ok := v.Interface().(*config.Node); ok {
			n = node
		}
		if n.Written() {
			return append(dst, n.MaskedJSON()...)
		}
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return append(dst, "null"...) // a default that is no data
	}
	return append(dst, text...)
}

func (r resolved) object(dst []byte, s *config.Spec, v reflect.Value, n *config.Node) []byte {
	members := newMembers(dst)
	for _, f := range s.Fields {
		value, at := f.In(v), n.GetFold(f.Key)
		if f.Rules.Idle || nothing(value) && !at.Written() {
			continue
		}
		switch {
		case s.Extra(f.Key):
			if names := r.effective(s.Scope, value.Interface().(map[string]*config.Node)); names != nil {
				members.key(f.Key)
				members.dst = r.namespaces(members.dst, s.Scope, names, value.Interface().(map[string]*config.Node))
			}
			continue
		case f.Key == "host" && s.Type == backendType: // which may be those of the root
			at = v.Addr().Interface().(*Backend).HostsFrom(r.service).GetFold(f.Key)
		}
		members.key(f.Key)
		members.dst = r.append(members.dst, f.Spec, value, at)
	}
	if s.Rest != nil {
		rest := s.Rest.In(v)
		for _, name := range sortedKeys(rest) {
			members.key(name)
			members.dst = r.append(members.dst, s.Rest.Spec.Item, rest.MapIndex(reflect.ValueOf(name).Convert(rest.Type().Key())), n.Get(name))
		}
	}
	return members.end()
}

// effective returns the namespaces that do something, sorted.
func (r resolved) effective(scope string, extra map[string]*config.Node) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if r.options(scope, name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// namespaces appends an extra_config with the options that its components have.
func (r resolved) namespaces(dst []byte, scope string, names []string, extra map[string]*config.Node) []byte {
	members := newMembers(dst)
	for _, name := range names {
		s, n := r.options(scope, name), extra[name]
		v := config.DefaultsOf(s)
		if n.Written() {
			v, _ = config.DecodeAs(s, n) // as it was before, without errors
		}
		members.key(name)
		members.dst = r.append(members.dst, s, v, n)
	}
	return members.end()
}

func (r resolved) list(dst []byte, s *config.Spec, v reflect.Value, n *config.Node) []byte {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		at := n // a value that stands for a list of itself
		if n != nil && n.Kind == config.Array {
			if at = nil; i < len(n.Items) {
				at = n.Items[i]
			}
		}
		dst = r.append(dst, s.Item, v.Index(i), at)
	}
	return append(dst, ']')
}

func (r resolved) mapping(dst []byte, s *config.Spec, v reflect.Value, n *config.Node) []byte {
	members := newMembers(dst)
	for _, name := range sortedKeys(v) {
		members.key(name)
		members.dst = r.append(members.dst, s.Item, v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key())), n.Get(name))
	}
	return members.end()
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
