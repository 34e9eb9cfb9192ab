package gateway

import (
	"slices"
	"strings"
	"sync"
)

// A Lone is a header that a policy reads: one that a message may carry once. Of two
// lines the policy would judge one and a backend might believe the other, and a line
// with underscores where the name has hyphens, or the reverse, is the same one to many
// servers.
type Lone struct {
	name      string
	spellings []string // that a server behind us might take for the name
}

// maxJoints bounds how many hyphens and underscores of a name are tried as the other.
const maxJoints = 6

// NewLone returns the header with the given name.
func NewLone(name string) Lone {
	l := Lone{name: Canonical(name)}
	var joints []int
	for i := range len(name) {
		if name[i] == '-' || name[i] == '_' {
			joints = append(joints, i)
		}
	}
	tried := joints[:min(len(joints), maxJoints)]
	for set := 1; set < 1<<len(tried); set++ {
		other := []byte(name)
		for bit, at := range tried {
			if set&(1<<bit) != 0 {
				other[at] ^= '-' ^ '_'
			}
		}
		l.spellings = append(l.spellings, Canonical(string(other)))
	}
	if len(joints) > maxJoints {
		for _, joint := range []string{"-", "_"} {
			other := Canonical(strings.NewReplacer("-", joint, "_", joint).Replace(name))
			if other != l.name && !slices.Contains(l.spellings, other) {
				l.spellings = append(l.spellings, other)
			}
		}
	}
	return l
}

// Name returns the canonical name of the header.
func (l *Lone) Name() string { return l.name }

// Value returns the value of the header in a client's message, "" if there is none.
// It reports false when there is more than one line, or one in another spelling, with
// a value or empty. It does not allocate.
func (l *Lone) Value(in Inbound) (value string, once bool) {
	p := lonePool.Get().(*Fields)
	lines := in.AppendHeader((*p)[:0], l.name)
	if len(lines) > 0 {
		value = lines[0].Value
	}
	named := len(lines)
	for _, name := range l.spellings {
		lines = in.AppendHeader(lines, name)
	}
	all := len(lines)
	if all <= maxPooled {
		clear(lines)
		*p = lines[:0]
		lonePool.Put(p)
	}
	if all > 1 || all > named {
		return "", false
	}
	return value, true
}

// Lines returns how many fields are lines of the header in any spelling, as [Alike] has
// it, with a value or empty.
func (l *Lone) Lines(h Fields) (n int) {
	for i := range h {
		if Alike(h[i].Name, l.name) {
			n++
		}
	}
	return n
}

// maxPooled is how many lines a buffer in the pool has room for.
const maxPooled = 16

var lonePool = sync.Pool{New: func() any { return new(Fields) }}
