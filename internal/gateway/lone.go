package gateway

import "sync"

// A Lone is a header that a policy reads: one that a message may carry once. Of two
// lines the policy would judge one and a backend might believe the other, and a line
// whose name is [Alike] is the same one to many servers.
type Lone struct {
	name   string
	joined bool // the name has a sign that another spelling may have otherwise
}

// NewLone returns the header with the given name.
func NewLone(name string) Lone {
	l := Lone{name: Canonical(name)}
	for i := range len(name) {
		l.joined = l.joined || !wordly(name[i])
	}
	return l
}

// Name returns the canonical name of the header.
func (l *Lone) Name() string { return l.name }

// Value returns the value of the header in a client's message, "" if there is none.
// It reports false when there is more than one line, or one in another spelling, with
// a value or empty. It does not allocate for a message of usual size.
func (l *Lone) Value(in Inbound) (value string, once bool) {
	p := lonePool.Get().(*Fields)
	fields := (*p)[:0]
	if l.joined {
		fields = in.AppendHeaders(fields)
	} else {
		fields = in.AppendHeader(fields, l.name)
	}
	lines, spelt := 0, true
	for i := range fields {
		switch name := fields[i].Name; {
		case name == l.name:
			value = fields[i].Value
			lines++
		case Alike(name, l.name):
			spelt = false
		}
	}
	if len(fields) <= maxPooled {
		clear(fields)
		*p = fields[:0]
		lonePool.Put(p)
	}
	if lines > 1 || !spelt {
		return "", false
	}
	return value, true
}

// maxPooled is how many fields a buffer in the pool has room for.
const maxPooled = 64

var lonePool = sync.Pool{New: func() any { return new(Fields) }}
