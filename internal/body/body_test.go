package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

const text = `{"b":1.10,"a":{"x":[1,2]},"c":"\u00e9"}`

// A source is a stream that knows whether it was closed.
type source struct {
	io.Reader
	closed int
}

func (s *source) Close() error { s.closed++; return nil }

func stream(text string) *source { return &source{Reader: strings.NewReader(text)} }

// makers make one body in each form over the same object.
var makers = []struct {
	name string
	form Form
	size int64
	make func(t *testing.T) *Body
}{
	{"empty", Empty, 0, func(*testing.T) *Body { return new(Body) }},
	{"stream of known size", Stream, int64(len(text)), func(*testing.T) *Body { b := FromStream(stream(text), int64(len(text))); return &b }},
	{"stream of unknown size", Stream, -1, func(*testing.T) *Body { b := FromStream(stream(text), -1); return &b }},
	{"stream that has arrived", Stream, int64(len(text)), func(*testing.T) *Body { b := FromArrived(pageOf("", text, "")); return &b }},
	{"bytes", Raw, int64(len(text)), func(*testing.T) *Body { b := FromBytes([]byte(text)); return &b }},
	{"buffer", Raw, int64(len(text)), func(*testing.T) *Body { b := FromBuffer(bufferOf(text)); return &b }},
	{"spans", Spans, -1, func(t *testing.T) *Body {
		b := FromBuffer(bufferOf(text))
		if err := b.Project(whole, 0); err != nil {
			t.Fatal(err)
		}
		return &b
	}},
	{"tree", Tree, -1, func(t *testing.T) *Body {
		var b Body
		var tree map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		b.SetTree(tree)
		return &b
	}},
}

func bufferOf(text string) *Buffer {
	b := NewBuffer()
	b.B = append(b.B, text...)
	return b
}

// pageOf returns a page with text, which had other bytes around it.
func pageOf(before, text, after string) *Buffer {
	b := NewPage()
	b.B = append(b.B, before+text+after...)
	b.Cut(len(before), len(before)+len(text))
	return b
}

// sameJSON reports whether two texts are the same value.
func sameJSON(a, b []byte) bool {
	var va, vb any
	return json.Unmarshal(a, &va) == nil && json.Unmarshal(b, &vb) == nil && reflect.DeepEqual(va, vb)
}

// TestForms goes from every form to every other by every method.
func TestForms(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			b := m.make(t)
			if b.Form() != m.form || b.Size() != m.size {
				t.Errorf("form %v, size %d, want %v, %d", b.Form(), b.Size(), m.form, m.size)
			}
			object := m.form == Spans || m.form == Tree
			if want := 3; object && b.Len() != want || !object && b.Len() != 0 {
				t.Errorf("Len() = %d", b.Len())
			}
			b.Close()

			b = m.make(t)
			raw, err := b.Bytes(0)
			after := m.form
			if m.form == Stream {
				after = Raw
			}
			if err != nil || m.form == Empty && raw != nil || m.form != Empty && !sameJSON(raw, []byte(text)) || b.Form() != after {
				t.Errorf("Bytes: %q, %v, then %v", raw, err, b.Form())
			}
			if again, err := b.Bytes(1); err != nil || !bytes.Equal(again, raw) {
				t.Errorf("Bytes once more: %q, %v, want %q: what is in memory has no limit", again, err, raw)
			}
			b.Close()

			b = m.make(t)
			if r := b.Reader(); (r != nil) != (m.form == Stream) {
				t.Errorf("Reader() = %v", r)
			} else if r != nil {
				got, err := io.ReadAll(r)
				if string(got) != text || err != nil || b.Form() != Empty {
					t.Errorf("the reader has %q, %v, and leaves %v", got, err, b.Form())
				}
			} else if b.Form() != m.form {
				t.Errorf("Reader leaves %v, want %v", b.Form(), m.form)
			}
			b.Close()

			b = m.make(t)
			var out strings.Builder
			n, err := b.WriteTo(&out)
			if err != nil || n != int64(out.Len()) || m.form == Empty && n != 0 || m.form != Empty && !sameJSON([]byte(out.String()), []byte(text)) {
				t.Errorf("WriteTo: %d, %v, wrote %q", n, err, &out)
			}
			b.Close()

			b = m.make(t)
			o, err := b.Object()
			if (err == nil) != object || object && (b.Form() != Spans || len(o.Members) != 3) {
				t.Errorf("Object: %v, then %v", err, b.Form())
			}
			b.Close()

			b = m.make(t)
			tree, err := b.Tree(0)
			if (err == nil) != object || object && (b.Form() != Tree || tree["b"] != json.Number("1.10") || tree["c"] != "é") {
				t.Errorf("Tree: %v, %v, then %v", tree, err, b.Form())
			}
			b.Close()

			b = m.make(t)
			dst, err := b.AppendJSON([]byte("to "))
			if (err == nil) != object || !strings.HasPrefix(string(dst), "to ") || object && !sameJSON(dst[3:], []byte(text)) {
				t.Errorf("AppendJSON: %q, %v", dst, err)
			}
			b.Close()

			b = m.make(t)
			err = b.Project(whole, 0)
			if (err == nil) != (m.form != Empty) {
				t.Errorf("Project: %v", err)
			}
			if err == nil && b.Form() != Spans {
				t.Errorf("Project leaves %v", b.Form())
			}
			b.Close()

			b = m.make(t)
			b.Close()
			b.Close()
			if b.Form() != Empty || b.Size() != 0 || b.Len() != 0 {
				t.Errorf("Close leaves %v", b.Form())
			}
		})
	}
}

// TestOrder shows who keeps the order of members and the text of numbers.
func TestOrder(t *testing.T) {
	for _, m := range makers[1:] {
		want := text
		if m.form == Tree {
			want = `{"a":{"x":[1,2]},"b":1.10,"c":"é"}`
		}
		if raw, err := m.make(t).Bytes(0); string(raw) != want {
			t.Errorf("%s: %s, %v, want %s", m.name, raw, err, want)
		}
	}
}

// TestTreeIsOwned overwrites the memory that a tree was made from.
func TestTreeIsOwned(t *testing.T) {
	buf := bufferOf(text)
	b := FromBuffer(buf)
	if err := b.Project(whole, 0); err != nil {
		t.Fatal(err)
	}
	tree, err := b.Tree(0)
	if err != nil {
		t.Fatal(err)
	}
	poison(buf)
	if tree["b"] != json.Number("1.10") || tree["c"] != "é" || tree["a"] == nil {
		t.Errorf("the tree changed with the buffer: %v", tree)
	}
}

// poison overwrites all memory of a buffer.
func poison(b *Buffer) {
	all := b.B[:cap(b.B)]
	for i := range all {
		all[i] = '!'
	}
}

// TestProjectTwice cuts what was cut before: the second cut must not stand on
// memory that writing it out overwrites.
func TestProjectTwice(t *testing.T) {
	group := jsonspan.Compile(jsonspan.Rules{Group: "a-long-name-in-front"})
	rename := jsonspan.Compile(jsonspan.Rules{Mapping: map[string]string{"b": "a-long-name-in-front"}, Deny: []string{"a"}})
	for _, m := range makers {
		if m.form != Spans && m.form != Tree {
			continue
		}
		for name, p := range map[string]*jsonspan.Projection{
			`{"a-long-name-in-front":` + text + `}`:      group,
			`{"a-long-name-in-front":1.10,"c":"\u00e9"}`: rename,
		} {
			b := m.make(t)
			if err := b.Project(p, 0); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				raw, err := b.Bytes(0)
				if err != nil || !sameJSON(raw, []byte(name)) {
					t.Fatalf("%s: %s, %v, want %s", m.name, raw, err, name)
				}
			}
			b.Close()
		}
	}
}

func TestProjectErrors(t *testing.T) {
	list := jsonspan.Compile(jsonspan.Rules{Shape: jsonspan.ExpectCollection})
	tests := []struct {
		name string
		body Body
		p    *jsonspan.Projection
		want error
	}{
		{"broken text", FromBytes([]byte(`{"a":`)), whole, nil},
		{"no text", FromBytes(nil), whole, nil},
		{"another shape", FromBytes([]byte(`{}`)), list, jsonspan.ErrShape},
		{"too large in memory", FromBytes([]byte(text)), whole, ErrTooLarge},
		{"too large", FromStream(stream(text), -1), whole, ErrTooLarge},
		{"a stream that breaks off", FromStream(&source{Reader: iotest.ErrReader(io.ErrUnexpectedEOF)}, -1), whole, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.body
			err := b.Project(tt.p, 5)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Project: %v, want %v", err, tt.want)
			}
			if b.Form() == Spans || b.Len() != 0 {
				t.Errorf("after the error the body is %v with %d members", b.Form(), b.Len())
			}
			b.Close()
		})
	}
}

func TestUnwritableTree(t *testing.T) {
	b := new(Body)
	b.SetTree(map[string]any{"f": func() {}})
	if _, err := b.Bytes(0); err == nil {
		t.Error("Bytes wrote a function")
	}
	if _, err := b.Object(); err == nil {
		t.Error("Object cut a function")
	}
	if _, err := b.Share(0); err == nil {
		t.Error("Share shared a function")
	}
	if _, err := b.WriteTo(io.Discard); err == nil {
		t.Error("WriteTo wrote a function")
	}
	if tree, err := b.Tree(0); err != nil || len(tree) != 1 {
		t.Errorf("the tree is lost: %v, %v", tree, err)
	}
	b.Close()
}

// TestObjectKeepsMembers puts members into a body and reads them back.
func TestNewObject(t *testing.T) {
	b, o := NewObject()
	if raw, err := b.Bytes(0); string(raw) != "{}" || err != nil {
		t.Errorf("an empty object is %q, %v", raw, err)
	}
	o.Set("a", []byte("1"))
	if raw, err := b.Bytes(0); string(raw) != `{"a":1}` || err != nil || b.Len() != 1 {
		t.Errorf("an object of one member is %q, %v", raw, err)
	}
	b.Close()
	fresh, o := NewObject()
	if len(o.Members) != 0 || fresh.Len() != 0 {
		t.Errorf("a new object begins with %v", o.Members)
	}
	fresh.Close()
}

func TestStreamIsClosedOnce(t *testing.T) {
	tests := []struct {
		name string
		use  func(*Body)
	}{
		{"Close", func(b *Body) { b.Close() }},
		{"Bytes", func(b *Body) { b.Bytes(0) }},
		{"Bytes beyond the limit", func(b *Body) { b.Bytes(1) }},
		{"Project", func(b *Body) { b.Project(whole, 0) }},
		{"Share", func(b *Body) { b.Share(0) }},
		{"WriteTo", func(b *Body) { b.WriteTo(io.Discard) }},
		{"SetTree", func(b *Body) { b.SetTree(nil) }},
		{"Reader", func(b *Body) { b.Reader().Close() }},
	}
	for _, tt := range tests {
		s := stream(text)
		b := FromStream(s, -1)
		tt.use(&b)
		b.Close()
		if s.closed != 1 {
			t.Errorf("%s: the stream was closed %d times, want once", tt.name, s.closed)
		}
	}
}

func TestShare(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			b := m.make(t)
			defer b.Close()
			one, err := b.Share(0)
			if err != nil {
				t.Fatal(err)
			}
			two, err := b.Share(0)
			if err != nil {
				t.Fatal(err)
			}
			if m.form == Empty {
				if one.Form() != Empty || two.Form() != Empty {
					t.Errorf("shares of nothing: %v, %v", one.Form(), two.Form())
				}
				return
			}
			one.Close() // owns nothing, so nothing is taken from the others
			raw, err := two.Bytes(0)
			if err != nil || !sameJSON(raw, []byte(text)) {
				t.Errorf("the other share is %q, %v", raw, err)
			}
			if own, err := b.Bytes(0); err != nil || !sameJSON(own, []byte(text)) {
				t.Errorf("the shared body is %q, %v", own, err)
			}
		})
	}
}

func TestShareErrors(t *testing.T) {
	b := FromStream(stream(text), -1)
	if s, err := b.Share(3); !errors.Is(err, ErrTooLarge) || s.Form() != Empty {
		t.Errorf("Share beyond the limit: %v, %v", s.Form(), err)
	}
	b = FromStream(&source{Reader: iotest.ErrReader(io.ErrUnexpectedEOF)}, -1)
	if s, err := b.Share(0); !errors.Is(err, io.ErrUnexpectedEOF) || s.Form() != Empty {
		t.Errorf("Share of a stream that breaks off: %v, %v", s.Form(), err)
	}
}

// TestShareSurvivesChange changes a tree after it was shared.
func TestShareSurvivesChange(t *testing.T) {
	b := new(Body)
	b.SetTree(map[string]any{"a": "before"})
	s, err := b.Share(0)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := b.Tree(0)
	if err != nil {
		t.Fatal(err)
	}
	tree["a"] = "after!"
	if raw, err := b.Bytes(0); string(raw) != `{"a":"after!"}` || err != nil {
		t.Errorf("the changed body is %s, %v", raw, err)
	}
	if raw, err := s.Bytes(0); string(raw) != `{"a":"before"}` || err != nil {
		t.Errorf("the share is %s, %v, want what it was", raw, err)
	}
	b.Close()
}

func TestWriteToError(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, m := range makers[1:] {
		r, w := io.Pipe()
		r.CloseWithError(broken)
		if _, err := m.make(t).WriteTo(w); !errors.Is(err, broken) {
			t.Errorf("%s: WriteTo: %v, want %v", m.name, err, broken)
		}
	}
	b := FromStream(&source{Reader: iotest.TimeoutReader(strings.NewReader(text))}, -1)
	if n, err := b.WriteTo(io.Discard); !errors.Is(err, iotest.ErrTimeout) || n != int64(len(text)) {
		t.Errorf("WriteTo of a stream that breaks off: %d, %v", n, err)
	}
}

func TestFormNames(t *testing.T) {
	for form, want := range map[Form]string{Empty: "empty", Stream: "stream", Raw: "raw", Spans: "spans", Tree: "tree"} {
		if got := form.String(); got != want {
			t.Errorf("String() of %d = %q, want %q", form, got, want)
		}
	}
}

// TestArrived bounds what has arrived as it would bound what is still to come,
// and lets a header in front of it.
func TestArrived(t *testing.T) {
	b := FromArrived(pageOf("HTTP/1.1 200 OK\r\n\r\n", text, ""))
	if !b.Arrived() || b.Size() != int64(len(text)) {
		t.Errorf("arrived %t, %d bytes", b.Arrived(), b.Size())
	}
	if got := string(b.Prepend([]byte("head "))); got != "head "+text {
		t.Errorf("with a header: %q", got)
	}
	if raw, err := b.Bytes(int64(len(text))); string(raw) != text || err != nil {
		t.Errorf("Bytes: %q, %v", raw, err)
	}
	if got := string(b.Prepend([]byte("another "))); got != "another "+text {
		t.Errorf("with another header: %q", got)
	}
	if got := b.Prepend(make([]byte, 1<<20)); got != nil {
		t.Errorf("there is room for a header of a megabyte: %d bytes", len(got))
	}
	b.Close()
	b = FromArrived(pageOf("", text, ""))
	if raw, err := b.Bytes(int64(len(text)) - 1); raw != nil || !errors.Is(err, ErrTooLarge) || b.Form() != Empty {
		t.Errorf("Bytes over the limit: %q, %v, then %v", raw, err, b.Form())
	}
	b = FromArrived(pageOf("", text, ""))
	r := b.Reader()
	if err := iotest.TestReader(r, []byte(text)); err != nil {
		t.Error(err)
	}
	r.Close()
	r.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("Read after Close: %d, %v", n, err)
	}
	for _, b := range []Body{{}, FromBytes([]byte(text)), FromBuffer(bufferOf(text)), FromStream(stream(text), -1)} {
		if got := b.Prepend([]byte("head ")); got != nil {
			t.Errorf("a %v body without room in front takes a header: %q", b.Form(), got)
		}
		b.Close()
	}
}

// TestTreeLimit makes no tree that takes far more memory than the text.
func TestTreeLimit(t *testing.T) {
	zeros := func(n int) *Body {
		b := FromBytes([]byte(`{"a":[` + strings.Repeat("0,", n) + "0]}"))
		if err := b.Project(jsonspan.Compile(jsonspan.Rules{}), 0); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	const many = 4_000_000 // 8 MB
	for limit, fits := range map[int64]bool{1000: false, 32 << 20: false, 64 << 20: true, 0: true} {
		b := zeros(many)
		tree, err := b.Tree(limit)
		if fits != (err == nil) || !fits && (err != ErrTooLarge || tree != nil || b.Form() != Spans) {
			t.Errorf("within %d bytes: error %v, form %s", limit, err, b.Form())
		}
		b.Close()
	}
	if _, err := zeros(1000).Tree(10); err != nil {
		t.Errorf("a small answer: %v", err)
	}
}

// TestValue decodes a body for whoever looks at it, and lets the message go on as it is.
func TestValue(t *testing.T) {
	tests := []struct {
		name  string
		body  func() Body
		limit int64
		want  string // of the value, "" for an error
		form  Form
	}{
		{"an object", func() Body { return FromBytes([]byte(`{"b": 1.50, "a":[]}`)) }, 0, `{"a":[],"b":1.50}`, Raw},
		{"a list", func() Body { return FromStream(io.NopCloser(strings.NewReader("[1, null]")), -1) }, 9, `[1,null]`, Raw},
		{"a text", func() Body { return FromBytes([]byte(`"x"`)) }, 0, `"x"`, Raw},
		{"null", func() Body { return FromBytes([]byte(`null`)) }, 0, `null`, Raw},
		{"data", func() Body { var b Body; b.SetTree(map[string]any{"a": true}); return b }, 0, `{"a":true}`, Tree},
		{"no JSON", func() Body { return FromBytes([]byte(`{`)) }, 0, "", Raw},
		{"nothing", func() Body { return Body{} }, 0, "", Empty},
		{"too large", func() Body { return FromStream(io.NopCloser(strings.NewReader("[1, null]")), -1) }, 8, "", Empty},
		{"too large in memory", func() Body { return FromBytes([]byte("[" + strings.Repeat("1,", 4<<20) + "1]")) }, 16 << 20, "", Raw},
	}
	for _, tt := range tests {
		b := tt.body()
		for range 2 {
			v, err := b.Value(tt.limit)
			var got []byte
			if err == nil {
				if got, err = json.Marshal(v); err != nil {
					t.Fatal(err)
				}
			}
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
			}
		}
		if b.Form() != tt.form {
			t.Errorf("%s: the form is %s, want %s", tt.name, b.Form(), tt.form)
		}
		b.Close()
	}
	b := FromBytes([]byte(`{"a":1}`))
	first, _ := b.Value(0)
	b.SetTree(map[string]any{"a": 2})
	if second, err := b.Value(0); err != nil || reflect.DeepEqual(first, second) {
		t.Errorf("after a change: %v, then %v, %v", first, second, err)
	}
}

// TestNoTree shows that a tree of nothing is an object without members, however it is
// written.
func TestNoTree(t *testing.T) {
	var b Body
	b.SetTree(nil)
	tree, err := b.Tree(0)
	if text, failed := b.Bytes(0); string(text) != "{}" || tree == nil || err != nil || failed != nil {
		t.Errorf("%s, %v, %v, %v", text, tree, err, failed)
	}
}
