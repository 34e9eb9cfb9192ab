package wire

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

const (
	sizeDigits    = 16      // of the size of a chunk
	maxExtensions = 4 << 10 // bytes of extensions of all chunks of a body
	maxLine       = 4 << 10 // bytes of the size of a chunk with its extensions, or of a trailer of a request

	// MaxTrailer is how many bytes all trailers of a body may have.
	MaxTrailer = 16 << 10
)

// A Body reads the body of a message from a [Reader]: of known length, chunked
// (RFC 9112, section 7.1), or up to the end of the connection.
//
// Bytes come as they arrive: Read waits only if it has none to return. The end
// is io.EOF, which comes with the last bytes where they are known to be the
// last. A connection that ends before the body is io.ErrUnexpectedEOF, a body
// that is not chunked as it should be an [*Error]. An error stays.
//
// Extensions of chunks mean nothing to us and are dropped (section 7.1.1); they have
// the form that they must have. Trailers are fields. Those of answers are kept for
// whoever wants them, but for what may not come behind a body; those of requests are
// dropped, and none of them may frame, route or authorise a message. Both are bounded.
type Body struct {
	from   *Reader
	state  state
	answer bool            // of a backend
	left   int64           // of the body or of the chunk; without meaning up to the end
	extra  int             // bytes of extensions or trailers so far
	fields int             // trailers so far
	keep   *gateway.Fields // the trailers of an answer; nil for nobody who wants them
	kept   bool            // the last trailer was
	folded []byte          // its value, where it stands on several lines; empty where not
	err    error
}

type state uint8

const (
	finite    state = iota // within a body of known length
	toEnd                  // within a body that the connection ends
	size                   // before the size of a chunk
	data                   // within a chunk
	afterData              // after a chunk, before the end of its line
	trailer                // after the last chunk
	over                   // behind the body
)

// Reset begins a body: length bytes, or unknown if that is negative, where
// chunked tells how the end is found.
func (b *Body) Reset(from *Reader, length int64, chunked bool) {
	*b = Body{from: from, left: length}
	switch {
	case chunked:
		b.state = size
	case length < 0:
		b.state = toEnd
	case length == 0:
		b.state, b.err = over, io.EOF
	}
}

// ResetAnswer does as Reset, for a body that a backend sends. White space behind
// the size of a chunk is forgiven there, with which servers of old pad it. What trailers
// it has are appended to those before its end is read, unless that is nil.
func (b *Body) ResetAnswer(from *Reader, length int64, chunked bool, trailers *gateway.Fields) {
	b.Reset(from, length, chunked)
	b.answer, b.keep = true, trailers
}

// Over reports whether the body was read to its end, so that the next message
// comes next.
func (b *Body) Over() bool { return b.state == over }

// Broken reports whether reading ended in an error before the end of the body.
func (b *Body) Broken() bool { return b.err != nil && b.err != io.EOF }

// Left returns how many bytes of the body were not read yet, -1 when that is
// unknown.
func (b *Body) Left() int64 {
	switch b.state {
	case over:
		return 0
	case finite:
		return b.left
	}
	return -1
}

// Read reads on.
func (b *Body) Read(p []byte) (n int, err error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	switch b.state {
	case finite:
		n, err = b.readFinite(p)
	case toEnd:
		n, err = b.from.Read(p)
		if err == io.EOF {
			b.state = over
		}
	default:
		n, err = b.readChunked(p)
	}
	b.err = err
	return n, err
}

// Begin looks at what is in front of the first byte of the body, if that has arrived;
// with wait, it waits until that byte has arrived, or the end. The error is that of
// the next Read, if it is not io.EOF.
func (b *Body) Begin(wait bool) error {
	for b.err == nil {
		switch b.state {
		case finite, toEnd, data:
			if !wait || len(b.from.Buffered()) > 0 {
				return nil
			}
			switch err := b.from.Fill(); {
			case err == io.EOF && b.state == toEnd:
				b.state, b.err = over, err
			case err != nil:
				b.err = early(err)
			}
		default:
			moved, err := b.advance()
			switch {
			case err != nil:
				b.err = err
			case b.state == over:
				b.err = io.EOF
			case moved:
			case !wait:
				return nil
			default:
				if err := b.from.Fill(); err != nil {
					b.err = early(err)
				}
			}
		}
	}
	if b.err == io.EOF {
		return nil
	}
	return b.err
}

func (b *Body) readFinite(p []byte) (int, error) {
	n, err := b.from.readBefore(p, b.left)
	if b.left -= int64(n); b.left == 0 {
		b.state = over
		return n, io.EOF
	}
	return n, early(err)
}

// early turns the end of a connection into that of a body that was not
// complete.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readChunked decodes until p is full, or until that would mean waiting.
func (b *Body) readChunked(p []byte) (n int, err error) {
	for {
		if b.state == data {
			room := p[n:]
			if len(room) == 0 || n > 0 && len(b.from.Buffered()) == 0 {
				return n, nil
			}
			got, err := b.from.Read(room[:min(int64(len(room)), b.left)])
			n += got
			if b.left -= int64(got); b.left == 0 {
				b.state = afterData
			}
			if err != nil {
				return n, early(err)
			}
			continue
		}
		moved, err := b.advance()
		switch {
		case err != nil:
			return n, err
		case b.state == over:
			return n, io.EOF
		case moved:
		case n > 0:
			return n, nil
		default:
			if err := b.from.Fill(); err != nil {
				return 0, early(err)
			}
		}
	}
}

// advance takes one step between two chunks, if all bytes of it have arrived.
func (b *Body) advance() (moved bool, err error) {
	switch b.state {
	case size:
		text, ok, err := b.from.line(maxLine)
		if !ok {
			return false, err
		}
		return true, b.begin(text)
	case afterData:
		next := b.from.Buffered()
		if len(next) < 2 {
			return false, nil
		}
		if next[0] != '\r' || next[1] != '\n' {
			return false, bad("a chunk is longer than its size")
		}
		b.from.r += 2
		b.state = size
		return true, nil
	}
	limit := maxLine
	if b.answer {
		limit = MaxTrailer
	}
	text, ok, err := b.from.line(limit)
	if !ok {
		return false, err
	}
	if len(text) == 0 {
		b.unfold()
		b.state = over
		return true, nil
	}
	return true, b.trail(string(text) + "\r\n")
}

// begin reads the line with the size of a chunk.
func (b *Body) begin(text []byte) error {
	n := 0
	for b.left = 0; n < len(text) && classes[text[n]]&hexDigit != 0; n++ {
		if n == sizeDigits || b.left > 1<<59-1 {
			return bad("a chunk is too large")
		}
		b.left = b.left<<4 | int64(nibble(text[n]))
	}
	if n == 0 {
		return bad("a chunk without a size")
	}
	if rest := text[n:]; len(rest) > 0 {
		if b.answer {
			rest = bytes.TrimRight(rest, " \t")
		}
		if b.extra += len(text) - n; b.extra > maxExtensions {
			return bad("too many extensions of chunks")
		}
		if !validExtensions(rest) {
			return bad("something other than an extension after the size of a chunk")
		}
	}
	b.state = data
	if b.left == 0 {
		b.state, b.extra = trailer, 0
	}
	return nil
}

// validExtensions reports whether p consists of extensions of a chunk (RFC 9112,
// section 7.1.1), none among them.
func validExtensions(p []byte) bool {
	for len(p) > 0 {
		p = skipBlanks(p)
		if len(p) == 0 || p[0] != ';' {
			return false
		}
		var name int
		if p, name = skipToken(skipBlanks(p[1:])); name == 0 {
			return false
		}
		after := skipBlanks(p)
		if len(after) == 0 || after[0] != '=' {
			continue
		}
		p = skipBlanks(after[1:])
		value := 0
		if len(p) > 0 && p[0] == '"' {
			p, value = skipQuoted(p)
		} else {
			p, value = skipToken(p)
		}
		if value == 0 {
			return false
		}
	}
	return true
}

func skipBlanks(p []byte) []byte { return bytes.TrimLeft(p, " \t") }

// skipToken returns what is behind a token, and the length of that.
func skipToken(p []byte) (rest []byte, n int) {
	for n < len(p) && classes[p[n]]&token != 0 {
		n++
	}
	return p[n:], n
}

// skipQuoted returns what is behind a text in quotes (RFC 9110, section 5.6.4),
// and the length of that: 0 for one without an end. Control characters but tabs
// are none of its line.
func skipQuoted(p []byte) (rest []byte, n int) {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return p[i+1:], i + 1
		}
	}
	return p, 0
}

// nibble returns the value of a hexadecimal digit.
func nibble(c byte) byte {
	if classes[c]&digit != 0 {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

// trail checks a trailer (RFC 9110, section 6.5.1), and keeps it if it is wanted.
func (b *Body) trail(text string) error {
	b.extra += len(text)
	if b.fields++; b.extra > MaxTrailer || b.fields > MaxFields {
		return bad("the trailers are too large")
	}
	if b.answer && b.fields > 1 && (text[0] == ' ' || text[0] == '\t') {
		b.fold(trim(strings.TrimSuffix(text, "\r\n")))
		return nil
	}
	l, err := cutField(text, b.answer)
	if err != nil {
		return err
	}
	if b.answer {
		b.unfold()
		if b.kept = b.keep != nil && gateway.MayTrail(l.name); b.kept {
			b.keep.Add(l.name, l.value)
		}
		return nil
	}
	if gateway.Steers(l.name) {
		return bad("a trailer that belongs into the header")
	}
	return nil
}

// fold goes on with the last trailer (RFC 9112, section 5.2).
func (b *Body) fold(more string) {
	b.fields--
	if !b.kept || more == "" {
		return
	}
	if len(b.folded) == 0 {
		b.folded = append(b.folded, (*b.keep)[len(*b.keep)-1].Value...)
	}
	if len(b.folded) > 0 {
		b.folded = append(b.folded, ' ')
	}
	b.folded = append(b.folded, more...)
}

// unfold ends the value of the last trailer.
func (b *Body) unfold() {
	if len(b.folded) > 0 {
		(*b.keep)[len(*b.keep)-1].Value = string(b.folded)
		b.folded = nil
	}
}

// LastChunk ends a chunked body that has no trailers.
const LastChunk = "0\r\n\r\n"

// ChunkHeaderRoom is the most that AppendChunkHeader appends.
const ChunkHeaderRoom = 18

// ChunkTailRoom is what FrameChunk writes behind the bytes of a chunk at most.
const ChunkTailRoom = len("\r\n" + LastChunk)

// AppendChunkHeader appends the line that begins a chunk of n bytes, which is
// positive. The chunk ends with CR LF.
func AppendChunkHeader(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, '\r', '\n')
}

// FrameChunk puts the frame of a chunk around the bytes p[from:to], and the end of
// the body behind them if it has ended. No bytes make no chunk. In front there are
// ChunkHeaderRoom bytes of room, behind ChunkTailRoom. It returns where the result
// is in p, which is empty if there is nothing to send.
func FrameChunk(p []byte, from, to int, ended bool) (begin, end int) {
	begin, end = from, to
	if n := to - from; n > 0 {
		var room [ChunkHeaderRoom]byte
		header := AppendChunkHeader(room[:0], n)
		begin -= copy(p[from-len(header):], header)
		end += copy(p[end:], "\r\n")
	}
	if ended {
		end += copy(p[end:], LastChunk)
	}
	return begin, end
}
