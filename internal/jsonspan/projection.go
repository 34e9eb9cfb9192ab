package jsonspan

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is what a projection takes as its source and how it makes an object
// of it.
type Shape uint8

const (
	// ExpectObject takes an object, or null for an empty one.
	ExpectObject Shape = iota

	// ExpectCollection takes an array or null, and makes it the only member,
	// called "collection".
	ExpectCollection

	// ExpectAny takes an object as it is, an array as ExpectCollection does,
	// and anything else as the only member, called "content".
	ExpectAny
)

// Rules say which members of a source are wanted and how. Paths are those of
// [SplitPath]. They lead through objects only: array positions and wildcards do
// not exist.
type Rules struct {
	Shape Shape

	// Target is the path of the object to take in place of the whole. If there
	// is no object, the result is empty. "" takes the whole.
	Target string

	// Allow lists the paths to keep; the objects around them are kept unless
	// they would be empty. A path includes all below it. No paths, no filter.
	Allow []string

	// Deny lists the paths to leave out. The objects around them stay, even
	// empty. It is ignored when Allow has paths.
	Deny []string

	// Mapping renames members of the first level, old name to new name, all at
	// once: names may be swapped. A new name ends at its first dot. A renamed
	// member replaces one that had the new name; of two renamed to the same, the
	// one with the greater old name stays.
	Mapping map[string]string

	// Group, unless "", is the name of the only member under which the result is
	// put, even an empty one. A dot in it is nothing special.
	Group string
}

// A Projection is a compiled set of Rules. It is immutable and safe for
// concurrent use.
type Projection struct {
	shape   Shape
	target  []string // nil for the whole
	filter  *filter  // nil for everything
	renames []rename // by old name
	group   key
	grouped bool
}

type rename struct{ from, to key }

var (
	collectionKey = newKey("collection")
	contentKey    = newKey("content")
)

// Compile prepares r for use. R may be changed afterwards.
func Compile(r Rules) *Projection {
	p := &Projection{shape: r.Shape}
	if r.Target != "" {
		p.target = SplitPath(r.Target)
	}
	if len(r.Allow) > 0 {
		p.filter = newFilter(r.Allow, false)
	} else if len(r.Deny) > 0 {
		p.filter = newFilter(r.Deny, true)
	}
	olds := make([]string, 0, len(r.Mapping))
	for old := range r.Mapping {
		olds = append(olds, old)
	}
	slices.Sort(olds)
	for _, old := range olds {
		if name, _, _ := strings.Cut(r.Mapping[old], "."); name != old {
			p.renames = append(p.renames, rename{newKey(old), newKey(name)})
		}
	}
	if r.Group != "" {
		p.group, p.grouped = newKey(r.Group), true
	}
	return p
}

// Apply makes dst what the rules want of src.
//
// Only the first JSON value of src is read; a byte order mark and white space
// before it are skipped. All of the value is validated, wanted or not, as [Valid]
// does it. Of members with the same name the last counts, in the place of the first;
// objects that the rules do not look into are not searched for such.
//
// The error is a *SyntaxError, or wraps ErrShape if the value is of a kind that
// the shape does not take. Then dst is empty.
//
// What dst held before is gone. Its members point into src as far as src has
// their text, else into dst. Apply does not allocate once dst has grown.
func (p *Projection) Apply(dst *Object, src []byte) error {
	dst.Reset()
	if err := p.accept(src); err != nil {
		return err
	}
	end, f := p.read(dst, src)
	if f != none {
		dst.Reset()
		return f.at(end)
	}
	p.rename(dst)
	if p.grouped {
		value := dst.render(dst)
		dst.clear()
		dst.put(p.group.name, p.group.hash, value)
	}
	return nil
}

// accept returns an error if the value of src is of the wrong kind.
func (p *Projection) accept(src []byte) error {
	got := KindOf(src)
	want := KindObject
	switch p.shape {
	case ExpectAny:
		return nil
	case ExpectCollection:
		want = KindArray
	}
	if got == want || got == KindNull || got == KindInvalid { // the scanner refuses the last
		return nil
	}
	return fmt.Errorf("%w: want %v, got %v", ErrShape, want, got)
}

// read adds the members of b's value that target and filter want.
func (p *Projection) read(dst *Object, b []byte) (int, fault) {
	i := skipMark(b)
	wrap := contentKey
	switch kindAt(b, i) {
	case KindObject:
		return dst.descend(b, i, 0, p.target, p.filter)
	case KindArray:
		wrap = collectionKey
	case KindNull:
		if p.shape == ExpectObject {
			return scanValue(b, i, 0)
		}
		if p.shape == ExpectCollection {
			wrap = collectionKey
		}
	}
	end, f := scanValue(b, i, 0)
	if f != none || p.target != nil {
		return end, f
	}
	if verdict, _ := p.filter.look(wrap.name); p.filter.keeps(verdict) {
		dst.put(wrap.name, wrap.hash, b[i:end:end])
	}
	return end, none
}

// descend reads the object at i, with depth levels open around it, and adds the
// members that the filter wants of the object at the path target.
func (o *Object) descend(b []byte, i, depth int, target []string, by *filter) (int, fault) {
	if len(target) == 0 {
		return o.read(b, i, depth, by)
	}
	if depth >= maxDepth {
		return i, faultDepth
	}
	i, more, f := scanOpen(b, i)
	for more && f == none {
		var name []byte
		var escaped bool
		if name, escaped, i, f = scanName(b, i); f != none {
			break
		}
		if escaped {
			name = o.unescape(name)
		}
		if string(name) != target[0] {
			i, f = scanValue(b, i, depth+1)
		} else {
			o.clear() // the last member of this name counts
			if i < len(b) && b[i] == '{' {
				i, f = o.descend(b, i, depth+1, target[1:], by)
			} else {
				i, f = scanValue(b, i, depth+1)
			}
		}
		if f != none {
			break
		}
		i, more, f = scanNext(b, i)
	}
	return i, f
}

// read reads the object at i, with depth levels open around it, and adds the
// members that the filter wants.
func (o *Object) read(b []byte, i, depth int, by *filter) (int, fault) {
	if depth >= maxDepth {
		return i, faultDepth
	}
	holes := false
	i, more, f := scanOpen(b, i)
	for more && f == none {
		var name []byte
		var escaped bool
		if name, escaped, i, f = scanName(b, i); f != none {
			break
		}
		plain := name
		if escaped {
			plain = o.unescape(name)
		}
		verdict, rest := by.look(plain)
		if verdict == drop {
			if i, f = scanValue(b, i, depth+1); f != none {
				break
			}
			i, more, f = scanNext(b, i)
			continue
		}
		hash := hashName(plain)
		var value []byte
		if verdict == enter && i < len(b) && b[i] == '{' {
			in := o.below()
			if i, f = in.read(b, i, depth+1, rest); f != none {
				break
			}
			if len(in.Members) > 0 || by.deny {
				value = o.render(in)
			}
		} else {
			start := i
			if i, f = scanValue(b, i, depth+1); f != none {
				break
			}
			if by.keeps(verdict) {
				value = b[start:i:i]
			}
		}
		if value != nil {
			o.put(name, hash, value)
		} else if at := o.find(name, hash); at >= 0 {
			o.Members[at].Value = nil // a member of this name was wanted, but the last one counts
			holes = true
		}
		i, more, f = scanNext(b, i)
	}
	if holes {
		o.sweep()
	}
	return i, f
}

// below returns an empty object for the level below o's. It is valid until the
// next call.
func (o *Object) below() *Object {
	if o.inner == nil {
		o.inner = new(Object)
	}
	o.inner.Reset()
	return o.inner
}

// render returns from as text in the arena of o.
func (o *Object) render(from *Object) []byte {
	start := len(o.arena)
	o.arena = from.AppendJSON(o.arena)
	return o.arena[start:len(o.arena):len(o.arena)]
}

// rename gives members their new names.
func (p *Projection) rename(o *Object) {
	o.moves = o.moves[:0]
	found := false
	for i := range p.renames {
		at := o.find(p.renames[i].from.name, p.renames[i].from.hash)
		o.moves = append(o.moves, at)
		found = found || at >= 0
	}
	if !found {
		return
	}
	// All have been found under their old names. Now names are taken anew, first
	// by the renamed members, from the last rule to the first, then by the
	// others; who comes too late is removed.
	for i, at := range o.moves {
		if at >= 0 {
			o.Members[at].Name, o.hashes[at] = p.renames[i].to.name, p.renames[i].to.hash
		}
	}
	clear(o.slots)
	holes := false
	for _, at := range slices.Backward(o.moves) {
		if at >= 0 && !o.claim(at) {
			holes = true
		}
	}
	for at := range o.Members {
		if !o.claim(at) {
			holes = true
		}
	}
	if holes {
		o.sweep()
	}
}

// claim enters the member at a position into the table, or makes it a hole if
// its name is taken by another. It reports whether the member is in the table.
func (o *Object) claim(at int) bool {
	if o.Members[at].Value == nil {
		return false
	}
	slot := o.slot(o.Members[at].Name, o.hashes[at])
	if o.slots[slot] == 0 {
		o.slots[slot] = uint32(at + 1)
	}
	if o.slots[slot] != uint32(at+1) {
		o.Members[at].Value = nil
		return false
	}
	return true
}
