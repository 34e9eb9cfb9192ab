package jsonspan

import (
	"hash/maphash"
	"slices"
)

// A Member is one name and value of an object, as JSON text.
type Member struct {
	Name  []byte // between the quotes, escapes as sent
	Value []byte // validated, without white space around it
}

// An Object is an ordered set of members. No two have the same name, whatever
// escapes the names are written with.
//
// The zero value is empty and ready for use. An object borrows: its members
// point into the texts they came from, or into memory of its own that Reset
// takes back. So it is valid until one of those texts changes or an object that
// was merged into it is reset. It must not be copied, and belongs to one
// goroutine at a time; reading Members, Get and AppendJSON may be shared.
//
// Once an object has grown to the size of its work, nothing here allocates.
type Object struct {
	// Members are in the order of their first appearance. They are for reading.
	Members []Member

	hashes []uint32 // of the names without escapes, one for each member
	slots  []uint32 // hash table: position in Members plus one, or 0; the length is a power of two
	arena  []byte   // names and values that are in no source; full blocks stay alive through their spans
	plain  []byte   // a name without its escapes, for a moment
	moves  []int    // positions of members to rename
	inner  *Object  // the level below, while it is filtered
}

const (
	minSlots = 128 // always a power of two

	// What Reset keeps for the next use at most. Beyond it the memory of a rare
	// large body would stay with a pooled object for ever.
	maxKeptBytes   = 1 << 20
	maxKeptMembers = 1 << 14
)

var nameSeed = maphash.MakeSeed()

// hashName hashes a name without escapes. The seed is secret, so a backend
// cannot choose names that collide.
func hashName(plain []byte) uint32 {
	return uint32(maphash.Bytes(nameSeed, plain))
}

// A key is a member name known in advance.
type key struct {
	name []byte // as it stands between the quotes
	hash uint32
}

func newKey(plain string) key {
	k := key{name: appendEscaped(nil, plain)}
	k.hash = hashName(AppendUnescaped(nil, k.name)) // plain itself may not be UTF-8
	return k
}

// Reset empties o for its next use. Spans that o handed out from its own memory
// become invalid.
func (o *Object) Reset() {
	o.clear()
	o.arena = o.arena[:0]
	if cap(o.arena)+cap(o.plain) > maxKeptBytes {
		o.arena, o.plain = nil, nil
	}
	if cap(o.Members) > maxKeptMembers {
		o.Members, o.hashes, o.slots = nil, nil, nil
	}
	if o.inner != nil {
		o.inner.Reset()
	}
}

// clear removes all members but keeps the arena, in which the text that is
// being read may lie.
func (o *Object) clear() {
	if len(o.Members) == 0 {
		return
	}
	clear(o.Members) // let go of the sources
	o.Members = o.Members[:0]
	o.hashes = o.hashes[:0]
	o.slots = o.slots[:minSlots]
	clear(o.slots)
}

// Set gives the member called name a value. Name is plain text; what is not
// UTF-8 in it becomes U+FFFD. Value is one validated JSON value and is borrowed.
// A member that o has already keeps its place.
func (o *Object) Set(name string, value []byte) {
	start := len(o.arena)
	o.arena = appendEscaped(o.arena, name)
	text := o.arena[start:len(o.arena):len(o.arena)]
	o.put(text, hashName(o.unescape(text)), value)
}

// Merge sets all members of from, in their order. Later values replace earlier
// ones whole; a replaced member keeps its place. The spans are borrowed: o is
// valid until from is reset.
func (o *Object) Merge(from *Object) {
	if len(o.Members) == 0 {
		o.Members = append(o.Members, from.Members...)
		o.hashes = append(o.hashes, from.hashes...)
		o.slots = append(o.slots[:0], from.slots...)
		return
	}
	for i, m := range from.Members {
		o.put(m.Name, from.hashes[i], m.Value)
	}
}

// Get returns the value of the member called name, plain text, and whether
// there is one. The value shares o's memory.
func (o *Object) Get(name string) ([]byte, bool) {
	if len(o.Members) == 0 {
		return nil, false
	}
	var buf, plain [64]byte
	text := appendEscaped(buf[:0], name)
	at := o.find(text, hashName(AppendUnescaped(plain[:0], text)))
	if at < 0 {
		return nil, false
	}
	return o.Members[at].Value, true
}

// AppendJSON appends o as a JSON object to dst and returns it. The members are
// in order and as they were sent, without white space around them.
func (o *Object) AppendJSON(dst []byte) []byte {
	size := len("{}")
	for _, m := range o.Members {
		size += len(m.Name) + len(m.Value) + len(`"":,`)
	}
	dst = slices.Grow(dst, size)
	dst = append(dst, '{')
	for i, m := range o.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, m.Name...)
		dst = append(dst, '"', ':')
		dst = append(dst, m.Value...)
	}
	return append(dst, '}')
}

// Clone returns a copy of o that borrows from nothing.
func (o *Object) Clone() *Object {
	size := 0
	for _, m := range o.Members {
		size += len(m.Name) + len(m.Value)
	}
	c := &Object{
		Members: make([]Member, 0, len(o.Members)),
		hashes:  slices.Clone(o.hashes),
		slots:   slices.Clone(o.slots),
		arena:   make([]byte, 0, size),
	}
	for _, m := range o.Members {
		c.Members = append(c.Members, Member{c.keep(m.Name), c.keep(m.Value)})
	}
	return c
}

// keep copies b into the arena.
func (o *Object) keep(b []byte) []byte {
	start := len(o.arena)
	o.arena = append(o.arena, b...)
	return o.arena[start:len(o.arena):len(o.arena)]
}

// unescape returns name without its escapes. The result is valid until the next
// call.
func (o *Object) unescape(name []byte) []byte {
	o.plain = AppendUnescaped(o.plain[:0], name)
	return o.plain
}

// put sets a member. Name may contain escapes; hash is that of the name without
// them.
func (o *Object) put(name []byte, hash uint32, value []byte) {
	if 2*len(o.Members) >= len(o.slots) {
		o.grow()
	}
	slot := o.slot(name, hash)
	if at := o.slots[slot]; at != 0 {
		o.Members[at-1].Value = value
		return
	}
	o.Members = append(o.Members, Member{name, value})
	o.hashes = append(o.hashes, hash)
	o.slots[slot] = uint32(len(o.Members))
}

// find returns the position of the member with a name, or -1.
func (o *Object) find(name []byte, hash uint32) int {
	if len(o.Members) == 0 {
		return -1
	}
	return int(o.slots[o.slot(name, hash)]) - 1
}

// slot returns where in the table the member with a name is, or else the free
// slot where it belongs. The table is at most half full, so there is one.
func (o *Object) slot(name []byte, hash uint32) uint32 {
	mask := uint32(len(o.slots) - 1)
	for slot := hash & mask; ; slot = (slot + 1) & mask {
		at := o.slots[slot]
		if at == 0 || o.hashes[at-1] == hash && sameText(o.Members[at-1].Name, name) {
			return slot
		}
	}
}

// grow doubles the table.
func (o *Object) grow() {
	size := max(2*len(o.slots), minSlots)
	o.slots = slices.Grow(o.slots[:0], size)[:size]
	clear(o.slots)
	for i, m := range o.Members {
		o.slots[o.slot(m.Name, o.hashes[i])] = uint32(i + 1)
	}
}

// A member whose Value is nil is a hole: it keeps its place until sweep.

// sweep removes the holes.
func (o *Object) sweep() {
	n := 0
	for i, m := range o.Members {
		if m.Value != nil {
			o.Members[n], o.hashes[n] = m, o.hashes[i]
			n++
		}
	}
	clear(o.Members[n:])
	o.Members, o.hashes = o.Members[:n], o.hashes[:n]
	clear(o.slots)
	for i, m := range o.Members {
		o.slots[o.slot(m.Name, o.hashes[i])] = uint32(i + 1)
	}
}
