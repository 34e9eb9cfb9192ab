package body

import (
	"errors"
	"io"
	"sync"
)

// ErrTooLarge is returned when a body is larger than the limit given.
var ErrTooLarge = errors.New("body too large")

const (
	firstRead  = 4 << 10 // room for a body of unknown length
	keepLimit  = 1 << 20 // larger buffers are left to the collector
	sizedLimit = 1 << 20 // an announced length is believed only up to here
)

const (
	// PageSize is the capacity of a page: what a backend sends at once is rarely
	// more.
	PageSize = 32 << 10

	pageFront = 1 << 10 // in front of it, for a header
)

// A Buffer is pooled memory with one owner.
type Buffer struct {
	B     []byte
	page  *[pageFront + PageSize]byte // B is a part of it; nil in a buffer that grows
	front int                         // where in the page B begins
	next  *Buffer                     // of the same owner
}

var (
	buffers = sync.Pool{New: func() any { return new(Buffer) }}
	pages   = sync.Pool{New: func() any { return &Buffer{page: new([pageFront + PageSize]byte)} }}
)

// NewBuffer returns an empty buffer. Its owner calls Free once.
func NewBuffer() *Buffer { return buffers.Get().(*Buffer) }

// NewPage returns an empty buffer with room for [PageSize] bytes, which it
// should not outgrow, and for a header in front of them. Its owner calls Free
// once.
func NewPage() *Buffer {
	b := pages.Get().(*Buffer)
	b.front = pageFront
	b.B = b.page[b.front:b.front]
	return b
}

// Cut reduces a page to the bytes of B from begin to end.
func (b *Buffer) Cut(begin, end int) {
	b.B = b.B[begin:end]
	b.front += begin
}

// Prepend returns head and B in one piece, which is a part of the memory of the
// buffer, and nil if there is no room for that. B stays as it is.
func (b *Buffer) Prepend(head []byte) []byte {
	begin := b.front - len(head)
	if b.page == nil || begin < 0 {
		return nil
	}
	copy(b.page[begin:], head)
	return b.page[begin : b.front+len(b.B)]
}

// Free gives the memory back. The caller keeps no slice of it.
func (b *Buffer) Free() {
	if b.page != nil {
		pages.Put(b)
		return
	}
	if cap(b.B) > keepLimit {
		b.B = nil
	}
	b.B = b.B[:0]
	buffers.Put(b)
}

// ReadAll appends everything r has, up to limit bytes; limit <= 0 means no
// limit. size is the announced length, -1 if unknown: a body of known length
// is read without growing. The error is that of r, or [ErrTooLarge].
func (b *Buffer) ReadAll(r io.Reader, size, limit int64) error {
	if limit > 0 && size > limit {
		return ErrTooLarge
	}
	before := len(b.B)
	room := int64(firstRead)
	if size >= 0 {
		room = min(size+1, sizedLimit) // the spare byte lets the last read meet the end
	}
	if free := cap(b.B) - len(b.B); int64(free) < room {
		grown := make([]byte, len(b.B), len(b.B)+int(room))
		copy(grown, b.B)
		b.B = grown
	}
	for {
		if len(b.B) == cap(b.B) {
			b.B = append(b.B, 0)[:len(b.B)]
		}
		n, err := r.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		if limit > 0 && int64(len(b.B)-before) > limit {
			return ErrTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
