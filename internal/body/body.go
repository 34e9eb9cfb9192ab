package body

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// Form is how the payload of a body is held: from nothing over bytes that nobody has read
// to a decoded tree.
type Form uint8

// The forms, from the least to the most decoded.
const (
	Empty Form = iota
	Stream
	Raw
	Spans
	Tree
)

// String returns the name of the form.
func (f Form) String() string {
	return [...]string{"empty", "stream", "raw", "spans", "tree"}[f]
}

// A Body is the payload of one message. The zero Body is empty. A Body is not
// safe for concurrent use and is not copied; Share makes a second one.
type Body struct {
	form   Form
	size   int64         // of a Stream; -1 when unknown
	stream io.ReadCloser // nil for a Stream that has arrived
	raw    []byte
	object *jsonspan.Object
	tree   map[string]any
	value  *any    // of a Raw body, decoded; nil while nobody has asked for it
	owned  *Buffer // behind raw and the spans, when it is ours
	json   *Buffer // Spans or Tree written out, as often as it was another text
}

// FromStream returns a body of unread bytes; size is their number, -1 when
// unknown. The body owns r and closes it.
func FromStream(r io.ReadCloser, size int64) Body {
	return Body{form: Stream, stream: r, size: size}
}

// Unsent is the stream of an answer to HEAD that announces a length: a body of that size
// of which no byte was sent. Servers announce the size in turn and expect no bytes.
var Unsent io.ReadCloser = unsent{}

type unsent struct{}

func (unsent) Read([]byte) (int, error) { return 0, io.EOF }
func (unsent) Close() error             { return nil }

// FromArrived returns a body in the form Stream whose bytes are all in b, and takes
// ownership of b. Reading it never waits.
func FromArrived(b *Buffer) Body {
	return Body{form: Stream, size: int64(len(b.B)), raw: b.B, owned: b}
}

// FromBytes returns a body over b, which stays the caller's and must not
// change while the body lives.
func FromBytes(b []byte) Body { return Body{form: Raw, raw: b} }

// FromBuffer returns a body over b and takes ownership of it.
func FromBuffer(b *Buffer) Body { return Body{form: Raw, raw: b.B, owned: b} }

// Form returns how far the body has been looked into.
func (b *Body) Form() Form { return b.form }

// Size returns the number of bytes of a Stream or Raw body, 0 for an Empty
// one, and -1 when it is unknown or depends on the encoding.
func (b *Body) Size() int64 {
	switch b.form {
	case Empty:
		return 0
	case Stream:
		return b.size
	case Raw:
		return int64(len(b.raw))
	}
	return -1
}

// Reader returns the unread bytes of a Stream, which the caller then owns, and
// leaves the body empty. For every other form it returns nil.
func (b *Body) Reader() io.ReadCloser {
	if b.form != Stream {
		return nil
	}
	r := b.stream
	if r == nil {
		r = &reader{rest: b.raw, body: *b}
	}
	*b = Body{}
	return r
}

// A reader reads a Stream that has arrived.
type reader struct {
	rest []byte
	body Body // empty once closed
}

// Read reads on.
func (r *reader) Read(p []byte) (int, error) {
	if r.body.form == Empty {
		return 0, os.ErrClosed
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close gives the memory back.
func (r *reader) Close() error {
	r.body.Close()
	r.rest = nil
	return nil
}

// Arrived reports whether the bytes of the body are in memory.
func (b *Body) Arrived() bool { return b.form != Stream || b.stream == nil }

// Begin returns the error with which a Stream breaks off before its first byte, nil if
// there is none or none is known. With wait it waits for that byte, or for the end;
// without, it looks at what has arrived. It asks the stream, if that has a method
//
//	Begin(wait bool) error
func (b *Body) Begin(wait bool) error {
	if b.form == Stream && b.stream != nil {
		if s, ok := b.stream.(interface{ Begin(wait bool) error }); ok {
			return s.Begin(wait)
		}
	}
	return nil
}

// Prepend returns head and the message in one piece, if the message is in
// memory with room for that in front, and nil otherwise. The result is valid
// until Close.
func (b *Body) Prepend(head []byte) []byte {
	if b.form > Raw || b.owned == nil {
		return nil
	}
	return b.owned.Prepend(head)
}

// Bytes returns the body as bytes: those of the message for a Stream or Raw
// body, compact JSON for the others. A Stream is read to its end, at most
// limit bytes of it (limit <= 0: all), and becomes Raw.
//
// The result is valid until Close, whatever becomes of the body before. After an
// error of reading the body is empty; a tree that is no JSON stays.
func (b *Body) Bytes(limit int64) ([]byte, error) {
	switch b.form {
	case Empty:
		return nil, nil
	case Stream:
		if b.stream == nil {
			if limit > 0 && b.size > limit {
				b.Close()
				return nil, ErrTooLarge
			}
			b.form = Raw
			return b.raw, nil
		}
		buf := NewBuffer()
		err := buf.ReadAll(b.stream, b.size, limit)
		b.Close()
		if err != nil {
			buf.Free()
			return nil, err
		}
		*b = FromBuffer(buf)
	case Spans, Tree:
		return b.write()
	}
	return b.raw, nil
}

// write writes the members out. What was written before may be in use, so it
// stays, and serves again if it is the same.
func (b *Body) write() ([]byte, error) {
	buf := NewBuffer()
	var err error
	if buf.B, err = b.AppendJSON(buf.B); err != nil {
		buf.Free()
		return nil, err
	}
	if b.json != nil && bytes.Equal(b.json.B, buf.B) {
		buf.Free()
		return b.json.B, nil
	}
	buf.next, b.json = b.json, buf
	return buf.B, nil
}

// Project turns the message into an object by p and leaves the body in the
// form Spans. The error is that of reading, [ErrTooLarge] for more than limit bytes in
// whatever form (limit <= 0: all), or one of package jsonspan.
func (b *Body) Project(p *jsonspan.Projection, limit int64) error {
	raw, err := b.Bytes(limit)
	if err != nil {
		return err
	}
	if limit > 0 && int64(len(raw)) > limit {
		return ErrTooLarge
	}
	o := objects.Get().(*jsonspan.Object)
	if err := p.Apply(o, raw); err != nil {
		free(o)
		return err
	}
	b.object, b.form, b.tree, b.value = o, Spans, nil, nil
	return nil
}

var objects = sync.Pool{New: func() any { return new(jsonspan.Object) }}

func free(o *jsonspan.Object) {
	o.Reset()
	objects.Put(o)
}

// NewObject returns a body that holds an empty object, and the object. The
// members that the caller puts into it must stay valid as long as the body.
func NewObject() (Body, *jsonspan.Object) {
	o := objects.Get().(*jsonspan.Object)
	return Body{form: Spans, object: o}, o
}

// Object returns the members of a body in the form Spans or Tree. A tree is
// written out first, members sorted by name. Any other form is an error: which
// projection applies is for the caller to say.
func (b *Body) Object() (*jsonspan.Object, error) {
	switch b.form {
	case Spans:
		return b.object, nil
	case Tree:
		if err := b.Project(whole, 0); err != nil {
			return nil, err
		}
		return b.object, nil
	}
	return nil, fmt.Errorf("a %s body has no members", b.form)
}

// whole keeps an object as it is.
var whole = jsonspan.Compile(jsonspan.Rules{})

// Tree returns the object as plain Go values; the body has the form Tree from
// then on. Changes to the map are changes to the body. Limit is that of the text in
// bytes, 0 for none: the tree may take four times as much, and 128 MiB in any case.
func (b *Body) Tree(limit int64) (map[string]any, error) {
	switch b.form {
	case Tree:
		return b.tree, nil
	case Spans:
		if limit > 0 && b.object.TreeCost() > TreeLimit(limit) {
			return nil, ErrTooLarge
		}
		tree, err := b.object.Tree()
		if err != nil {
			return nil, err
		}
		b.tree, b.form = tree, Tree
		return tree, nil
	}
	return nil, fmt.Errorf("a %s body has no tree", b.form)
}

// Value returns the body as a plain Go value: nil, bool, string, json.Number, []any or
// map[string]any. A Stream is read first, at most limit bytes, and becomes Raw; it stays
// that, so the message goes on byte for byte. The value is decoded once for all who ask;
// it is read-only and lives until the body changes. Limit counts as for [Body.Tree]. An
// Empty body is an error, and so is one that is no JSON.
func (b *Body) Value(limit int64) (any, error) {
	switch b.form {
	case Spans, Tree:
		return b.Tree(limit)
	}
	if b.value != nil {
		return *b.value, nil
	}
	raw, err := b.Bytes(limit)
	if err != nil {
		return nil, err
	}
	if limit > 0 && jsonspan.TreeCost(raw) > TreeLimit(limit) {
		return nil, ErrTooLarge
	}
	value, err := jsonspan.Tree(raw)
	if err != nil {
		return nil, err
	}
	b.value = &value
	return value, nil
}

// TreeLimit returns the memory, in bytes, that a decoded value may take whose text may
// have limit bytes; 0 stands for no limit in both.
func TreeLimit(limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return 4 * max(limit, 32<<20)
}

// SetTree replaces the body by a tree; nil is an object without members.
func (b *Body) SetTree(tree map[string]any) {
	b.Close()
	if tree == nil {
		tree = make(map[string]any)
	}
	*b = Body{form: Tree, tree: tree}
}

// AppendJSON appends a body in the form Spans or Tree as compact JSON.
func (b *Body) AppendJSON(dst []byte) ([]byte, error) {
	switch b.form {
	case Spans:
		return b.object.AppendJSON(dst), nil
	case Tree:
		return jsonspan.AppendTree(dst, b.tree)
	}
	return dst, fmt.Errorf("a %s body is not an object", b.form)
}

// Len returns the number of top-level members of a body in the form Spans or
// Tree, and 0 for any other.
func (b *Body) Len() int {
	switch b.form {
	case Spans:
		return len(b.object.Members)
	case Tree:
		return len(b.tree)
	}
	return 0
}

// Share returns a second body over the same bytes. A Stream is read first, at
// most limit bytes. The result owns nothing and is valid until b is closed.
func (b *Body) Share(limit int64) (Body, error) {
	raw, err := b.Bytes(limit)
	if err != nil || b.form == Empty {
		return Body{}, err
	}
	return FromBytes(raw), nil
}

// Close closes an unread stream, gives pooled memory back and leaves the body
// empty. It may be called more than once.
func (b *Body) Close() {
	if s := b.stream; s != nil {
		b.stream = nil // closed once, even if it panics
		s.Close()      // nothing is lost: the bytes were not wanted
	}
	if b.object != nil {
		free(b.object)
	}
	if b.owned != nil {
		b.owned.Free()
	}
	for buf := b.json; buf != nil; {
		next := buf.next
		buf.next = nil
		buf.Free()
		buf = next
	}
	*b = Body{}
}

// WriteTo writes the body to w, from any form, and returns the number of bytes
// written. A Stream is used up.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if !b.Arrived() {
		return io.Copy(w, b.stream)
	}
	raw, err := b.Bytes(0)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(raw)
	return int64(n), err
}
