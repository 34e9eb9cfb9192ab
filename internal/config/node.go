package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the kind of a value: the six of JSON.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String returns the name that JSON Schema uses.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[k]
}

// hiding is why a value must not be shown.
type hiding uint8

const (
	shown       hiding = iota // it may be
	byKey                     // it stands at a key that is a secret
	byReference               // one stood in it, so that it cannot be of another type than a text
)

// A Node is one value of a document. It does not change once the document is
// loaded and overridden and its secrets are hidden, and is then safe for concurrent
// use. A nil node is an absent value; every method works on it.
type Node struct {
	Kind    Kind
	hides   hiding
	reused  bool  // an alias puts it into other places, too
	outside bool  // it comes from the environment, where everything is text
	index   int32 // among the Items or Members of parent

	Pos     Pos      // of the value
	Text    string   // String: the text; Number: a JSON literal; Bool: "true" or "false"
	Items   []*Node  // Array
	Members []Member // Object, in document order, every key once

	parent  *Node    // nil for the root
	written *written // of a text that a reference stands in, else nil
}

// A Member is a key of an object with its value.
type Member struct {
	Key    string
	KeyPos Pos
	Value  *Node
}

// Get returns the value of a key of an object, and nil when n is no object or
// has no such key. Letter case counts.
func (n *Node) Get(key string) *Node {
	if n != nil {
		for i := range n.Members {
			if n.Members[i].Key == key {
				return n.Members[i].Value
			}
		}
	}
	return nil
}

// Masked returns the texts that were read from the value of a key, whatever its
// letter case, as people may see them: see [Node.Shown]. The texts are one, or as many as
// the list at the key has items.
func (n *Node) Masked(key string, texts ...string) []string {
	v := n.GetFold(key)
	shown := slices.Clone(texts)
	for i := range shown {
		switch {
		case v.Secret():
			shown[i] = v.Shown(shown[i])
		case v != nil && i < len(v.Items):
			shown[i] = v.Items[i].Shown(shown[i])
		}
	}
	return shown
}

// GetFold is Get for a key of any letter case, as core objects have them; the
// exact key goes first.
func (n *Node) GetFold(key string) *Node {
	if v := n.Get(key); v != nil || n == nil {
		return v
	}
	for i := range n.Members {
		if strings.EqualFold(n.Members[i].Key, key) {
			return n.Members[i].Value
		}
	}
	return nil
}

// ItemPath returns the path, relative to n, of an item of the list at key; the
// only item may be written without its list.
func (n *Node) ItemPath(key string, index int) string {
	if list := n.GetFold(key); list != nil && list.Kind != Array {
		return key
	}
	return key + "[" + strconv.Itoa(index) + "]"
}

// Owner returns the object or list that n stands in, and its key if that is an
// object. The owner of the root is nil.
func (n *Node) Owner() (owner *Node, key string) {
	if n == nil || n.parent == nil {
		return nil, ""
	}
	if n.parent.Kind == Object {
		key = n.parent.Members[n.index].Key
	}
	return n.parent, key
}

// Reused reports whether an alias of YAML stands for n in other places of the document.
func (n *Node) Reused() bool { return n != nil && n.reused }

// Written reports whether there is a value: n is neither nil nor null.
func (n *Node) Written() bool { return n != nil && n.Kind != Null }

// Secret reports whether n must not be shown: its text comes, in whole or in part, from a
// ${env:...} or ${file:...} reference, or it stands at a key that is a secret.
func (n *Node) Secret() bool { return n != nil && n.hides != shown }

// Path returns the place of n in its document. Keys that are identifiers are
// written plainly, others quoted in brackets:
//
//	endpoints[3].backend[0].extra_config["qos/circuit-breaker"].max_errors
//
// The path of the document itself is "".
func (n *Node) Path() string {
	if n == nil {
		return ""
	}
	var steps []step
	for ; n.parent != nil; n = n.parent {
		if n.parent.Kind == Array {
			steps = append(steps, step{index: int(n.index)})
		} else {
			steps = append(steps, step{key: n.parent.Members[n.index].Key, index: -1})
		}
	}
	slices.Reverse(steps)
	return string(appendPath(nil, steps))
}

// A step leads from a value to one within it.
type step struct {
	key   string
	index int // of an item; -1 when the step is a key
}

func appendPath(dst []byte, steps []step) []byte {
	for _, s := range steps {
		switch {
		case s.index >= 0:
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(s.index), 10)
			dst = append(dst, ']')
		case isIdentifier(s.key):
			if len(dst) > 0 {
				dst = append(dst, '.')
			}
			dst = append(dst, s.key...)
		default:
			dst = append(dst, '[')
			dst = strconv.AppendQuote(dst, s.key)
			dst = append(dst, ']')
		}
	}
	return dst
}

func isIdentifier(key string) bool {
	for i := range len(key) {
		c := key[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

// SplitPath reads what Path writes. It is lenient: what is no bracket and no
// dot is part of a key.
func SplitPath(path string) []step {
	var steps []step
	for path != "" {
		if quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(path, "[")); path[0] == '[' && err == nil {
			key, _ := strconv.Unquote(quoted)
			steps = append(steps, step{key: key, index: -1})
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
			continue
		}
		if path[0] == '[' {
			inner, rest, _ := strings.Cut(path[1:], "]")
			s := step{key: inner, index: -1}
			if i, err := strconv.ParseUint(inner, 10, 31); err == nil {
				s = step{index: int(i)}
			}
			steps = append(steps, s)
			path = rest
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end > 0 {
			steps = append(steps, step{key: path[:end], index: -1})
		}
		path = path[end:]
	}
	return steps
}

// Locate follows steps from n as far as they lead. It returns the value where
// they end, and those that lead nowhere.
func (n *Node) Locate(steps []step) (inner *Node, rest []step) {
	for i, s := range steps {
		var next *Node
		switch {
		case s.index < 0:
			next = n.GetFold(s.key)
		case n != nil && s.index < len(n.Items):
			next = n.Items[s.index]
		}
		if next == nil {
			return n, steps[i:]
		}
		n = next
	}
	return n, nil
}

// Value returns the value as plain Go values: map[string]any, []any, string,
// bool, [json.Number] and nil. The caller owns it.
func (n *Node) Value() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		return json.Number(n.Text)
	case String:
		return n.Text
	case Array:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Value()
		}
		return list
	case Object:
		object := make(map[string]any, len(n.Members))
		for i := range n.Members {
			object[n.Members[i].Key] = n.Members[i].Value.Value()
		}
		return object
	}
	return nil
}

// JSON returns the value as compact JSON: members in document order, numbers
// as they were written. Secrets are in clear; see [Node.MaskedJSON].
func (n *Node) JSON() []byte { return n.appendJSON(nil, false) }

// MaskedJSON is JSON with every text as people may see it: see [Node.Shown]. User
// information of URLs is masked as well.
func (n *Node) MaskedJSON() []byte { return n.appendJSON(nil, true) }

func (n *Node) appendJSON(dst []byte, mask bool) []byte {
	if n == nil {
		return append(dst, "null"...)
	}
	switch n.Kind {
	case Bool, Number:
		if mask && n.Secret() {
			return n.AppendShown(dst, n.Text)
		}
		return append(dst, n.Text...)
	case String:
		if mask {
			return n.AppendShown(dst, n.Text)
		}
		return AppendQuoted(dst, n.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst, mask)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i := range n.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendQuoted(dst, n.Members[i].Key)
			dst = append(dst, ':')
			dst = n.Members[i].Value.appendJSON(dst, mask)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// AppendQuoted appends s as a JSON string. Only what RFC 8259, section 7,
// demands is escaped; bytes that are not UTF-8 become U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// adopt makes child the next item of the list n.
func (n *Node) adopt(child *Node) {
	child.parent, child.index = n, int32(len(n.Items))
	n.Items = append(n.Items, child)
}

// adoptMember makes child the value of a new last member of the object n.
func (n *Node) adoptMember(key string, at Pos, child *Node) {
	child.parent, child.index = n, int32(len(n.Members))
	n.Members = append(n.Members, Member{key, at, child})
}

// replace puts a new value where old is. old is not the root.
func (old *Node) replace(child *Node) {
	p := old.parent
	child.parent, child.index = p, old.index
	if p.Kind == Array {
		p.Items[old.index] = child
	} else {
		p.Members[old.index].Value = child
	}
}

// dropDuplicates removes members that a later one of the same key overrides,
// and returns a warning for each.
func (n *Node) dropDuplicates() []*Problem {
	if !hasDuplicates(n.Members) {
		return nil
	}
	last := make(map[string]int, len(n.Members))
	for i, m := range n.Members {
		last[m.Key] = i
	}
	var ps []*Problem
	kept := make([]Member, 0, len(last))
	for i, m := range n.Members {
		if winner := n.Members[last[m.Key]]; last[m.Key] != i {
			severity := Warning
			if m.Comment() && winner.Comment() {
				severity = Note
			}
			p := winner.Value.Problem(severity, CodeDuplicateKey, &mention{m.Value.Pos, func(at Pos) string {
				return fmt.Sprintf("the key %q occurs twice; the value at %s is ignored, keep one of the two", m.Key, at)
			}})
			p.At = winner.KeyPos
			p.repeated = &Repeated{Key: m.Key, Kept: winner.Value, Dropped: m.Value}
			ps = append(ps, p)
			continue
		}
		kept = append(kept, m)
	}
	n.Members = kept
	for i, m := range kept {
		m.Value.index = int32(i)
	}
	return ps
}

// hasDuplicates reports whether a key occurs twice. Most objects are small, and
// comparing a few keys costs less than a set of them.
func hasDuplicates(ms []Member) bool {
	const few = 16
	if len(ms) > few {
		seen := make(map[string]bool, len(ms))
		for i := range ms {
			if seen[ms[i].Key] {
				return true
			}
			seen[ms[i].Key] = true
		}
		return false
	}
	for i := range ms {
		for j := range i {
			if ms[i].Key == ms[j].Key {
				return true
			}
		}
	}
	return false
}
