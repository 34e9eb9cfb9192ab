package gateway

import (
	"encoding/binary"
	"math/rand/v2"
)

// An ID names a request in logs, in answers and towards backends: 32 hexadecimal
// digits, the trace id of W3C Trace Context. It is never all zeros once it was given.
type ID [32]byte

// A trace is what an exchange knows of the trace that it belongs to.
type trace struct {
	id      ID
	flags   [2]byte // hexadecimal, of the client
	joined  bool    // the client's trace goes on; it is a new one otherwise
	present bool    // Identify was called
}

// Identify gives the exchange of a client its ID: that of a valid traceparent (W3C
// Trace Context, section 3.2), a random one otherwise. It is called once, before
// anybody asks for the ID, and does not allocate unless the client sends a
// traceparent.
func (x *Exchange) Identify() {
	t := &x.trace
	t.present = true
	if text := x.In.Header("Traceparent"); text != "" && t.join(text) {
		if lines := x.In.AppendHeader(nil, "Traceparent"); len(lines) == 1 {
			t.joined = true
			return
		}
	}
	t.flags = [2]byte{'0', '0'}
	for nothing := true; nothing; {
		high, low := rand.Uint64(), rand.Uint64()
		nothing = high|low == 0
		putHex(t.id[:16], high)
		putHex(t.id[16:], low)
	}
}

// join reads a traceparent and reports whether it is valid.
func (t *trace) join(text string) bool {
	const version0 = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(text) < version0 || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return false
	}
	version, id, parent, flags := text[:2], text[3:35], text[36:52], text[53:55]
	switch {
	case !lowerHex(version) || !lowerHex(id) || !lowerHex(parent) || !lowerHex(flags):
		return false
	case version == "ff" || zeros(id) || zeros(parent):
		return false
	case len(text) > version0 && (version == "00" || text[version0] != '-'):
		return false
	}
	copy(t.id[:], id)
	copy(t.flags[:], flags)
	return true
}

// client returns the exchange of the client, which x is or belongs to.
func (x *Exchange) client() *Exchange {
	for x.Parent != nil {
		x = x.Parent
	}
	return x
}

// ID returns the ID of the client's request, "" if there is none. It is a text of its
// own; [Exchange.AppendID] does without.
func (x *Exchange) ID() string {
	var room [32]byte
	return string(x.AppendID(room[:0]))
}

// AppendID appends the ID of the client's request, nothing if there is none.
func (x *Exchange) AppendID(dst []byte) []byte {
	t := &x.client().trace
	if !t.present {
		return dst
	}
	return append(dst, t.id[:]...)
}

// AppendTraceparent appends the traceparent for a call to a backend: the trace of
// the client's request with a parent of its own. It reports whether that trace is
// one that the client has begun.
func (x *Exchange) AppendTraceparent(dst []byte) (text []byte, joined bool) {
	t := &x.client().trace
	parent := rand.Uint64()
	for parent == 0 {
		parent = rand.Uint64()
	}
	var digits [16]byte
	putHex(digits[:], parent)
	dst = append(append(dst, "00-"...), t.id[:]...)
	dst = append(append(dst, '-'), digits[:]...)
	return append(append(dst, '-'), t.flags[:]...), t.joined
}

// putHex writes a number with 16 digits.
func putHex(dst []byte, n uint64) {
	binary.BigEndian.PutUint64(dst, eightDigits(uint32(n>>32)))
	binary.BigEndian.PutUint64(dst[8:], eightDigits(uint32(n)))
}

// eightDigits returns the hexadecimal digits of a number, the first one on top.
func eightDigits(n uint32) uint64 {
	const each = 0x0101010101010101
	d := uint64(n)
	d = (d<<16 | d) & 0x0000ffff0000ffff
	d = (d<<8 | d) & 0x00ff00ff00ff00ff
	d = (d<<4 | d) & 0x0f0f0f0f0f0f0f0f
	letters := (d + 6*each) >> 4 & each // 1 for each digit above 9
	return d + '0'*each + letters*('a'-'9'-1)
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
