package fast

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

const (
	pieceSize = 32 << 10

	// lastPiece is how long the end of a call waits for the last piece of its
	// request, which the backend has most likely read before it answered.
	lastPiece = 50 * time.Millisecond
)

// An upload sends the body of a request while its call waits for the answer,
// on a goroutine of its own: reading from a client and writing to a backend may
// both wait for as long as they like, and the answer may come first.
//
// The goroutine ends with the body, with the link, or, if it is reading then,
// when that read returns.
type upload struct {
	link  *link
	from  io.Reader
	left  int64         // bytes to be sent; negative for chunks
	limit time.Duration // from the end of the upload to the answer; 0 is none
	last  atomic.Bool   // the last piece is being sent
	done  chan struct{} // closed at the end

	mu       sync.Mutex
	answered bool  // the head of the answer was read
	sent     bool  // everything was
	err      error // why from broke off
}

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// run sends the body.
func (u *upload) run() {
	defer close(u.done)
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	sent, err := u.send(piece[:])
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent, u.err = sent, err
	switch {
	case err != nil:
		u.link.abort() // or the backend would take the beginning for all of it
	case sent && !u.answered && u.limit > 0:
		u.link.stream.SetReadDeadline(time.Now().Add(u.limit))
	}
}

// send sends what is read, which a stage may have made.
func (u *upload) send(p []byte) (sent bool, err error) {
	defer gateway.Recover("", &err)
	if u.left < 0 {
		return u.chunked(p)
	}
	return u.sized(p)
}

// sized sends a body of known size. It reports whether all of it was written;
// the error is that of reading.
func (u *upload) sized(p []byte) (sent bool, err error) {
	for u.left > 0 {
		n, err := u.from.Read(p[:min(int64(len(p)), u.left)])
		u.left -= int64(n)
		u.last.Store(u.left == 0)
		if n > 0 && !u.write(p[:n]) {
			return false, nil
		}
		if err != nil && u.left > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return false, err
		}
	}
	return true, nil
}

// chunked sends a body of unknown size, each chunk in one piece with its frame
// (RFC 9112, section 7.1).
func (u *upload) chunked(p []byte) (sent bool, err error) {
	const begin = wire.ChunkHeaderRoom
	for {
		n, err := u.from.Read(p[begin : len(p)-wire.ChunkTailRoom])
		if err == io.EOF {
			u.last.Store(true)
		}
		from, to := wire.FrameChunk(p, begin, begin+n, err == io.EOF)
		if to > from && !u.write(p[from:to]) {
			return false, nil
		}
		switch err {
		case nil:
		case io.EOF:
			return true, nil
		default:
			return false, err
		}
	}
}

// write reports whether p was sent. If not, the backend has gone, maybe after
// an answer: the call will find out.
func (u *upload) write(p []byte) bool {
	_, err := u.link.stream.Write(p)
	return err == nil
}

// broken returns why the body broke off, nil if it did not.
func (u *upload) broken() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// meetAnswer says that the answer has begun.
func (u *upload) meetAnswer() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answered = true
}

// settle reports whether the body was sent to its end, so that the link may
// carry another request.
func (u *upload) settle() bool {
	select {
	case <-u.done:
	default:
		if !u.last.Load() {
			return false
		}
		patience := time.NewTimer(lastPiece)
		defer patience.Stop()
		select {
		case <-u.done:
		case <-patience.C:
			return false
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent
}

// A memory is a body in memory that belongs to the exchange, as the stream of
// an upload that may outlive it.
type memory struct {
	mu   sync.Mutex
	rest []byte
	gone bool
}

var errEnded = errors.New("the call is over")

// Read reads on.
func (m *memory) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return 0, errEnded
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// detach lets go of the memory of the exchange: what is left is copied.
func (m *memory) detach() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest = bytes.Clone(m.rest)
}

// drop lets go of the memory of the exchange: the call is over.
func (m *memory) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest, m.gone = nil, true
}
