package wire

import (
	"io"
	"sync"

	"github.com/sluice-gateway/sluice/internal/body"
)

// bufferSize is the room that a Reader begins with. Heads rarely need more,
// and bodies that are longer are read past the buffer.
const bufferSize = 4 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A Reader is the receiving half of a connection: what has arrived and was not
// asked for yet. It holds memory only from Room to the next Free, so that a
// connection that waits costs none.
//
// The zero Reader is not usable before Reset. A Reader is not safe for
// concurrent use.
type Reader struct {
	from    io.Reader
	paged   bool
	page    *body.Buffer      // behind buf, or
	pooled  *[bufferSize]byte // behind buf, unless that has grown
	buf     []byte            // unread bytes are buf[r:w]
	r, w    int
	scanned int  // how much of the unread bytes was scanned for a head
	begun   int  // where the line begins that is scanned, if loose
	loose   bool // the head is one to be repaired
	full    bool // the last read took as much as it had room for

	now func(p []byte) (int, error) // reads without waiting; nil where nothing can
	err error                       // of now
}

// Reset makes the Reader read from r and forget what it held.
func (r *Reader) Reset(from io.Reader) {
	r.r, r.w = 0, 0
	r.Free()
	*r = Reader{from: from}
}

// ResetPaged does as Reset. The Reader then uses pages, so that most messages
// arrive in one piece, which can be taken. If now is not nil it reads as from
// does, but returns 0 and no error instead of waiting.
func (r *Reader) ResetPaged(from io.Reader, now func(p []byte) (int, error)) {
	r.Reset(from)
	r.paged, r.now = true, now
}

// Buffered returns the bytes that have arrived and were not read. They are
// valid until the next call of another method.
func (r *Reader) Buffered() []byte { return r.buf[r.r:r.w] }

// Head takes a head off the bytes that have arrived and returns it, with its
// empty line, as a string of its own. It is "" as long as the end of the head
// has not arrived: the caller calls Fill and tries again. The error is that of
// [ScanHead].
func (r *Reader) Head(l Limits) (string, error) {
	end, scanned, err := ScanHead(r.Buffered(), r.scanned, l)
	if err != nil || end == 0 {
		r.scanned = scanned
		return "", err
	}
	head := string(r.buf[r.r : r.r+end])
	r.r += end
	r.scanned = 0
	return head, nil
}

// MaxLineEnds is how many line ends may come before a request line.
const MaxLineEnds = 8

// SkipLineEnds drops line ends at the beginning of what has arrived, at most n of
// them, and returns how many are left to be dropped. Clients of old send one
// behind a body, and it means nothing before a request line (RFC 9112, section
// 2.2).
func (r *Reader) SkipLineEnds(n int) (left int) {
	for ; n > 0; n-- {
		switch b := r.Buffered(); {
		case len(b) > 0 && b[0] == '\n':
			r.r++
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			r.r += 2
		default:
			return n
		}
	}
	return 0
}

// Room returns memory to read into, at least one byte. Filled says how much of
// it was used.
func (r *Reader) Room() []byte {
	switch {
	case r.buf == nil && r.paged:
		r.page = body.NewPage()
		r.page.B = r.page.B[:body.PageSize]
		r.buf = r.page.B
	case r.buf == nil:
		r.pooled = buffers.Get().(*[bufferSize]byte)
		r.buf = r.pooled[:]
	case r.r == r.w:
		r.r, r.w = 0, 0
	case r.w == len(r.buf) && r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	case r.w == len(r.buf):
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf)
		r.free()
		r.buf = grown
	}
	return r.buf[r.w:]
}

// Filled adds the first n bytes of what Room returned to those that have
// arrived.
func (r *Reader) Filled(n int) {
	r.w += n
	r.full = r.w == len(r.buf)
}

// Full reports whether the last read from the connection filled the room that there was,
// so that more may have arrived. TLS hands out a record at a time, so there may be more
// in any case.
func (r *Reader) Full() bool { return r.full }

// Free gives the memory back if no bytes are left in it.
func (r *Reader) Free() {
	if r.r == r.w {
		r.r, r.w = 0, 0
		r.free()
	}
}

func (r *Reader) free() {
	if r.pooled != nil {
		buffers.Put(r.pooled)
	}
	if r.page != nil {
		r.page.Free()
	}
	r.pooled, r.page, r.buf = nil, nil, nil
}

// Paged reports whether the bytes that have arrived are in a page.
func (r *Reader) Paged() bool { return r.page != nil }

// Take takes the bytes that have arrived, with the page that they are in, and
// gives them to the caller.
func (r *Reader) Take() *body.Buffer {
	p := r.page
	p.Cut(r.r, r.w)
	r.page, r.buf, r.r, r.w = nil, nil, 0, 0
	return p
}

// Fill reads once from the connection into the buffer. The error is that of
// the connection, and only comes when nothing was read.
func (r *Reader) Fill() error {
	if r.err != nil {
		return r.err
	}
	n, err := r.from.Read(r.Room())
	r.Filled(n)
	if n > 0 {
		return nil
	}
	return err
}

// Read reads what has arrived, or else once from the connection: directly into
// p if that has as much room as the buffer. An error that comes behind bytes is
// that of the next call.
func (r *Reader) Read(p []byte) (int, error) {
	if r.r == r.w {
		if len(p) >= bufferSize {
			return r.past(p)
		}
		if err := r.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	if rest := p[n:]; len(rest) >= bufferSize && r.now != nil && r.err == nil {
		var more int
		more, r.err = r.now(rest)
		r.full = more == len(rest)
		n += more
	}
	return n, nil
}

// past reads from the connection past the buffer, which is empty.
func (r *Reader) past(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	r.Free()
	n, err := r.from.Read(p)
	r.full = n == len(p)
	return n, err
}

// readBefore reads as Read does, but at most left bytes. Where p has room for
// more, it finds out at no cost whether more has arrived: a byte of that goes
// into the buffer.
func (r *Reader) readBefore(p []byte, left int64) (int, error) {
	buffered := int64(r.w - r.r)
	if int64(len(p)) <= left || buffered >= left || left-buffered < bufferSize {
		return r.Read(p[:min(int64(len(p)), left)])
	}
	n, err := r.Read(p[:left+1])
	if int64(n) > left {
		n--
		r.Room()[0] = p[left]
		r.Filled(1)
	}
	return n, err
}

// line takes a line off the bytes that have arrived and returns it without its
// end; ok is false as long as the end has not arrived. The line has at most
// limit bytes, and no control characters but tabs. It is valid until the next
// call of another method.
func (r *Reader) line(limit int) (text []byte, ok bool, err error) {
	b := r.Buffered()
	end := control(b, 0)
	for end < len(b) && b[end] == '\t' {
		end = control(b, end+1)
	}
	switch {
	case end > limit:
		return nil, false, bad("a line is too long")
	case end == len(b) || end+1 == len(b) && b[end] == '\r':
		return nil, false, nil
	case b[end] != '\r' || b[end+1] != '\n':
		return nil, false, bad("a control character in a line")
	}
	r.r += end + 2
	return b[:end], true, nil
}
