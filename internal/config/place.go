package config

import (
	"errors"
	"fmt"
	"strings"
)

// Relocate gives a problem, and the place that its message names beside its own, what origin
// returns for them: for a document that was made of other files.
func (p *Problem) Relocate(origin func(Pos) Pos) {
	p.At = origin(p.At)
	if m, ok := errors.AsType[*mention](p.Err); ok {
		m.at = origin(m.at)
	}
}

// A mention is an error whose text names a place.
type mention struct {
	at   Pos
	text func(Pos) string
}

func (m *mention) Error() string { return m.text(m.at) }

// Place says where a value was written. If a template has put it elsewhere, that is through;
// problems of the value name both then, see [Document.Trace]. It comes before anything is
// said of the value.
func (d *Document) Place(n *Node, at, through Pos) {
	d.templated = true
	n.Pos = at
	if at == through || through.File == "" {
		return
	}
	if d.through == nil {
		d.through = make(map[*Node]Pos)
	}
	d.through[n] = through
}

// Templated reports whether templates have made the document.
func (d *Document) Templated() bool { return d.templated }

// Trace lets each problem of a value that a template has put elsewhere say where that is.
func (d *Document) Trace(ps []*Problem) {
	if len(d.through) == 0 {
		return
	}
	for _, p := range ps {
		n, rest := d.Root.Locate(SplitPath(p.Path))
		if through, moved := d.through[n]; moved && len(rest) == 0 && p.At == n.Pos {
			p.Err = Inserted(p.Err, through)
		}
	}
}

// Inserted returns an error that says, too, where the value that it is about was put.
func Inserted(err error, through Pos) error {
	return fmt.Errorf("%w (inserted at %v)", err, through)
}

// Insert marks n as holding values that must not be shown, in the way of a reference, whatever
// has become of them: both what was inserted and how it reads now are masked. skipped is that
// the value is not known, because files are not read.
func (d *Document) Insert(n *Node, skipped bool, values ...string) {
	n.hides = byReference
	path := n.Path()
	if skipped {
		d.unread = append(d.unread, path)
	}
	var url, extra bool
	for owner, key := n.Owner(); owner != nil; owner, key = owner.Owner() {
		url = url || strings.EqualFold(key, "url_pattern")
		extra = extra || strings.EqualFold(key, "extra_config")
	}
	url = url && !extra
	for _, value := range append(values, n.Text) {
		if value != "" {
			d.inserted = append(d.inserted, insertion{path, value, url || extra, url})
		}
	}
}

// InsertKey says that a key holds values that must not be shown.
func (d *Document) InsertKey(key string, values ...string) {
	d.keyed = append(d.keyed, append(values, key)...)
}

// MaskError returns err with *** in place of values that must not be shown.
func MaskError(err error, values []string) error {
	var secrets []secret
	for _, value := range values {
		if value != "" {
			secrets = append(secrets, secret{value, placeOf(value)})
		}
	}
	return maskError(err, secrets)
}

// Telling reports whether a value that must not be shown is recognised wherever it stands in
// a text. Others may be there by chance.
func Telling(value string) bool { return telling(value) }

// Adopt puts a value of another document in place of n. The other document ends with that.
func (d *Document) Adopt(n *Node, other *Document, value *Node) {
	outer, inner := n.Path(), value.Path()
	within := func(path, outer string) bool { return outer == "" || within(path, outer) }
	d.keyed = append(d.keyed, other.keyed...)
	for _, i := range other.inserted {
		if within(i.path, inner) {
			i.path = joinPath(outer, strings.TrimPrefix(i.path[len(inner):], "."))
			d.inserted = append(d.inserted, i)
		}
	}
	for _, path := range other.unread {
		if within(path, inner) {
			d.unread = append(d.unread, joinPath(outer, strings.TrimPrefix(path[len(inner):], ".")))
		}
	}
	n.Kind, n.hides, n.Pos, n.Text, n.Items, n.Members = value.Kind, value.hides, value.Pos, value.Text, value.Items, value.Members
	for _, item := range n.Items {
		item.parent = n
	}
	for _, m := range n.Members {
		m.Value.parent = n
	}
	for moved, through := range other.through {
		if moved == value {
			moved = n
		}
		d.Place(moved, moved.Pos, through)
	}
}

// Under gives problems of a value that n has adopted the path that it has there.
func (n *Node) Under(ps []*Problem) {
	for _, p := range ps {
		p.Path = joinPath(n.Path(), p.Path)
	}
}
