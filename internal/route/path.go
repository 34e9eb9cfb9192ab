package route

import "strings"

// A path is a request path as on the wire. It starts with a slash and its
// escapes are valid.
type path string

// segment returns the decoded segment that starts at pos, where it ends, and
// where the next one starts: beyond the end of the path when there is none.
// It allocates only for a segment with escapes.
func (p path) segment(pos int) (text string, end, next int) {
	escaped, end, next := p.bounds(pos)
	text = string(p[pos:end])
	if escaped {
		text = unescape(text)
	}
	return text, end, next
}

// bounds returns whether the segment that starts at pos has escapes, where it
// ends and where the next one starts.
func (p path) bounds(pos int) (escaped bool, end, next int) {
	for i := pos; i < len(p); i++ {
		switch p[i] {
		case '/':
			return escaped, i, i + 1
		case '%':
			if escapedSlash(string(p[i:])) {
				return escaped, i, i + 3
			}
			escaped = true
		}
	}
	return escaped, len(p), len(p) + 1
}

// unescape returns s with its escapes decoded; a percent sign that begins none stays.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && hexDigits(s, i+1, 2) {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String()
}

func escapedSlash(s string) bool {
	return len(s) > 2 && s[0] == '%' && s[1] == '2' && s[2]|0x20 == 'f'
}

// An order says how tidily a path is written; larger is worse.
type order uint8

const (
	tidy    order = iota
	slashes       // empty segments before the last one
	dots          // segments . or ..
)

// order returns the worst that the path contains.
func (p path) order() order {
	worst := tidy
	for pos := 1; pos <= len(p); {
		_, end, next := p.bounds(pos)
		switch n := end - pos; {
		case n == 0 && next <= len(p):
			worst = slashes
		case n > 0 && n <= len("%2e%2e"):
			if text, _, _ := p.segment(pos); dot(text) {
				return dots
			}
		}
		pos = next
	}
	return worst
}

// dot reports whether s is a dot segment, RFC 3986, section 3.3.
func dot(s string) bool { return s == "." || s == ".." }

// A piece is one segment of a path, on its way to another spelling.
type piece struct {
	raw  string // as on the wire, with the slash before it
	text string // decoded
}

// emptyRun is how many empty segments in a row are pieces of their own. More of
// them are part of the last: no pattern has as many, and a client may send a million.
const emptyRun = 64

// pieces splits the path; there is always at least one.
func (p path) pieces() []piece {
	n, empty := 0, 0
	for pos := 1; pos <= len(p); {
		_, end, next := p.bounds(pos)
		if empty = empty + 1; end > pos {
			empty = 0
		}
		if empty <= emptyRun || next > len(p) {
			n++
		}
		pos = next
	}
	out := make([]piece, 0, n)
	empty = 0
	start := 0 // of the separator
	for pos := 1; pos <= len(p); {
		text, end, next := p.segment(pos)
		if empty = empty + 1; end > pos {
			empty = 0
		}
		if empty <= emptyRun || next > len(p) {
			out = append(out, piece{string(p[start:end]), text})
		} else {
			last := &out[len(out)-1]
			last.raw = string(p[start-len(last.raw) : end])
		}
		start, pos = end, next
	}
	return out
}

// clean resolves dot segments as RFC 3986, section 5.2.4 does, and removes
// empty segments but for the last. Dots cannot climb above the root. The
// result has at least one piece.
func clean(pieces []piece) []piece {
	out := make([]piece, 0, min(len(pieces), emptyRun))
	for i, p := range pieces {
		switch p.text {
		case "..":
			out = out[:max(0, len(out)-1)]
		case "", ".":
		default:
			out = append(out, p)
			continue
		}
		if i == len(pieces)-1 {
			out = append(out, piece{raw: "/"})
		}
	}
	// What was an inner segment may begin the path now.
	if rest, ok := cutSlash(out[0].raw); ok {
		out[0].raw = "/" + rest
	}
	return out
}

// cutSlash removes a slash, escaped or not, from the start of s.
func cutSlash(s string) (rest string, found bool) {
	if escapedSlash(s) {
		return s[3:], true
	}
	return strings.CutPrefix(s, "/")
}

// join is the reverse of pieces.
func join(pieces []piece) path {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.raw)
	}
	return path(b.String())
}

// climbs reports whether the dots of pieces lead above their start.
func climbs(pieces []piece) bool {
	depth := 0
	for _, p := range pieces {
		switch p.text {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// collapse removes the slashes that follow another one, escaped or not.
func collapse(p path) path {
	if !strings.Contains(string(p), "//") && strings.IndexByte(string(p), '%') < 0 {
		return p
	}
	pieces := p.pieces()
	out := pieces[:0]
	for i, p := range pieces {
		if p.text != "" || i == len(pieces)-1 {
			out = append(out, p)
		}
	}
	if rest, ok := cutSlash(out[0].raw); ok {
		out[0].raw = "/" + rest
	}
	return join(out)
}

// appendSegment appends text to dst as one escaped path segment.
func appendSegment(dst []byte, text string) []byte {
	for i := range len(text) {
		dst = appendByte(dst, text[i])
	}
	return dst
}

// appendRaw appends raw, a path with valid escapes, to dst. Escapes and
// slashes stay; bytes that may not stand in a path are escaped.
func appendRaw(dst []byte, raw path) []byte {
	for i := range len(raw) {
		if c := raw[i]; c == '%' || c == '/' {
			dst = append(dst, c)
		} else {
			dst = appendByte(dst, c)
		}
	}
	return dst
}

// escaped returns the path with what may not stand in one escaped, which is the
// path itself as a rule.
func (p path) escaped() path {
	for i := range len(p) {
		if c := p[i]; c != '%' && c != '/' && !pchar(c) {
			return path(appendRaw(make([]byte, 0, len(p)+8), p))
		}
	}
	return p
}

// appendByte appends c, escaped unless it is a pchar of RFC 3986, section 3.3.
func appendByte(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	if pchar(c) {
		return append(dst, c)
	}
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// pchar reports whether c may stand in a segment as it is.
func pchar(c byte) bool {
	return alphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}
