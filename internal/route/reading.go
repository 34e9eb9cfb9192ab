package route

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A server behind the gateway may read a path otherwise than the gateway does:
// decode it once more, cut a segment at its first semicolon, take a backslash
// for a slash, ignore letter case, repeated slashes, or dots and blanks at the
// end of a segment. What such a reading makes of a path must not be a route
// that the request has passed by.

// What stands for a slash in a reading, by how it was sent. Neither byte occurs
// in UTF-8.
const (
	hardSlash = 0xFF // plain
	softSlash = 0xFE // escaped once; one that was escaped more often is a plain byte
	badByte   = 0xFD // what was one of the two
)

// traits are what lets a path be read in more than one way.
type traits uint8

const (
	upper   traits = 1 << iota // letters in upper case
	loose                      // empty segments, or a dot or slash at the end of one
	special                    // anything that some readers give a meaning
)

// kindOf has the traits of bytes.
var kindOf = func() (kinds [256]traits) {
	for c := range kinds {
		switch b := byte(c); {
		case 'A' <= b && b <= 'Z':
			kinds[c] = upper
		case !alphanumeric(b) && strings.IndexByte("/._~!$&'()*+,=:@-", b) < 0:
			kinds[c] = special
		}
	}
	return kinds
}()

// traits returns those of the path.
func (p path) traits() traits {
	var all traits
	before := byte(0)
	for i := range len(p) {
		c := p[i]
		all |= kindOf[c]
		if c == '/' && (before == '/' || before == '.') {
			all |= loose
		}
		before = c
	}
	if before == '.' || before == '/' {
		all |= loose
	}
	return all
}

// maxDecodings is how often a path is decoded at most.
const maxDecodings = 8

// appendReading appends to dst, which is empty, what the most willing reader
// makes of the characters of p, which begins with a slash: decoded until nothing is
// left to decode, with slashes by the way they were sent, and with what else ends a
// segment or stands around it as one character in all its forms. Text that is plain,
// which means ASCII, is in lower case; other text is folded where it is compared,
// since that may take a multiple of its length.
func appendReading(dst []byte, p path) (text []byte, plain bool) {
	ascii, encoded := true, false
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '/':
			dst = append(dst, hardSlash)
			continue
		case c == '%':
			c = unhex(p[i+1])<<4 | unhex(p[i+2])
			i += 2
			if c == '/' {
				dst = append(dst, softSlash)
				continue
			}
		}
		ascii = ascii && c < utf8.RuneSelf
		encoded = encoded || c == '%'
		dst = append(dst, min(c, badByte))
	}
	for n := 1; n < maxDecodings && (encoded || !ascii); n++ {
		before := len(dst)
		dst = decodeAgain(dst)
		if len(dst) == before {
			break
		}
	}
	for _, c := range dst {
		if c >= utf8.RuneSelf && c < badByte {
			return appendMarks(make([]byte, 0, len(dst)+len(dst)/8), dst), false
		}
	}
	for i, c := range dst {
		if 'A' <= c && c <= 'Z' {
			dst[i] = c | 0x20
		}
	}
	return dst, true
}

// appendMarks appends b to dst, with the ASCII characters that readings look at in
// place of the characters that are compatible with them.
func appendMarks(dst, b []byte) []byte {
	return appendReplaced(dst, b, func(r rune, compatible []byte) []byte {
		if unicode.Is(marks, r) {
			return compatible
		}
		return nil
	})
}

// appendReplaced appends b to dst, with replacements in place of characters beyond ASCII,
// each of which is given with what it is compatible with. A character whose replacement is
// empty stays.
func appendReplaced(dst, b []byte, replacement func(r rune, compatible []byte) []byte) []byte {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			dst = append(dst, b[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if other := replacement(r, norm.NFKC.Properties(b[i:]).Decomposition()); len(other) > 0 {
			dst = append(dst, other...)
		} else {
			dst = append(dst, b[i:i+n]...)
		}
		i += n
	}
	return dst
}

// marks are the characters that make a difference to where segments end, or to what is
// stripped from them: what they are compatible with has a slash, a backslash, a
// semicolon, a question mark or a number sign, or begins or ends with a dot or a blank.
//
// Source: Unicode Standard Annex #15, form KC.
var marks = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00A0, 0x00A0, 1}, {0x00A8, 0x00A8, 1}, {0x00AF, 0x00AF, 1}, {0x00B4, 0x00B4, 1},
		{0x00B8, 0x00B8, 1}, {0x02D8, 0x02DD, 1}, {0x037A, 0x037A, 1}, {0x037E, 0x037E, 1},
		{0x0384, 0x0385, 1}, {0x1FBD, 0x1FBD, 1}, {0x1FBF, 0x1FC1, 1}, {0x1FCD, 0x1FCF, 1},
		{0x1FDD, 0x1FDF, 1}, {0x1FED, 0x1FEE, 1}, {0x1FFD, 0x1FFE, 1}, {0x2000, 0x200A, 1},
		{0x2017, 0x2017, 1}, {0x2024, 0x2026, 1}, {0x202F, 0x202F, 1}, {0x203E, 0x203E, 1},
		{0x2047, 0x2049, 1}, {0x205F, 0x205F, 1}, {0x2100, 0x2101, 1}, {0x2105, 0x2106, 1},
		{0x2488, 0x249B, 1}, {0x3000, 0x3000, 1}, {0x309B, 0x309C, 1}, {0x33C2, 0x33C2, 1},
		{0x33C7, 0x33C7, 1}, {0x33D8, 0x33D8, 1}, {0xFC5E, 0xFC63, 1}, {0xFE14, 0xFE14, 1},
		{0xFE16, 0xFE16, 1}, {0xFE19, 0xFE19, 1}, {0xFE30, 0xFE30, 1}, {0xFE49, 0xFE4C, 1},
		{0xFE52, 0xFE52, 1}, {0xFE54, 0xFE54, 1}, {0xFE56, 0xFE56, 1}, {0xFE5F, 0xFE5F, 1},
		{0xFE68, 0xFE68, 1}, {0xFE70, 0xFE70, 1}, {0xFE72, 0xFE72, 1}, {0xFE74, 0xFE74, 1},
		{0xFE76, 0xFE76, 1}, {0xFE78, 0xFE78, 1}, {0xFE7A, 0xFE7A, 1}, {0xFE7C, 0xFE7C, 1},
		{0xFE7E, 0xFE7E, 1}, {0xFF03, 0xFF03, 1}, {0xFF0E, 0xFF0F, 1}, {0xFF1B, 0xFF1B, 1},
		{0xFF1F, 0xFF1F, 1}, {0xFF3C, 0xFF3C, 1}, {0xFFE3, 0xFFE3, 1},
	},
	R32: []unicode.Range32{{0x1F100, 0x1F100, 1}},
}

// decodeAgain decodes escapes in place, those with u and four digits too, and
// the ASCII characters that are written in more bytes than UTF-8 allows.
func decodeAgain(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '%' && hexDigits(b, i+1, 2):
			out = append(out, min(unhex(b[i+1])<<4|unhex(b[i+2]), badByte))
			i += 2
		case c == '%' && i+1 < len(b) && b[i+1]|0x20 == 'u' && hexDigits(b, i+2, 4):
			r := rune(unhex(b[i+2]))<<12 | rune(unhex(b[i+3]))<<8 | rune(unhex(b[i+4]))<<4 | rune(unhex(b[i+5]))
			out = utf8.AppendRune(out, r)
			i += 5
		case c&0xFE == 0xC0 && continued(b, i+1, 1):
			out = append(out, c<<6|b[i+1]&0x3F)
			i++
		case c == 0xE0 && continued(b, i+1, 2) && b[i+1]&0xFE == 0x80:
			out = append(out, b[i+1]<<6|b[i+2]&0x3F)
			i += 2
		case c == 0xF0 && continued(b, i+1, 3) && b[i+1] == 0x80 && b[i+2]&0xFE == 0x80:
			out = append(out, b[i+2]<<6|b[i+3]&0x3F)
			i += 3
		default:
			out = append(out, c)
		}
	}
	return out
}

func hexDigits[T string | []byte](b T, i, n int) bool {
	if i+n > len(b) {
		return false
	}
	for _, c := range []byte(b[i : i+n]) {
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

// continued reports whether the n bytes at i continue a character.
func continued(b []byte, i, n int) bool {
	if i+n > len(b) {
		return false
	}
	for _, c := range b[i : i+n] {
		if c&0xC0 != 0x80 {
			return false
		}
	}
	return true
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// foldRunes returns b in the form in which texts are equal that differ in letter
// case or in the width and the composition of characters. Bytes that are no
// character stay.
//
// Source: Unicode Standard Annex #15, form KC.
func foldRunes(b []byte) []byte {
	composed := norm.NFKC.Append(nil, bytes.Clone(b)...) // a copy, so that b need not be on the heap
	out := make([]byte, 0, len(composed))
	for len(composed) > 0 {
		r, n := utf8.DecodeRune(composed)
		if r == utf8.RuneError && n == 1 {
			out = append(out, composed[0])
		} else {
			out = utf8.AppendRune(out, unicode.ToLower(unicode.ToUpper(r)))
		}
		composed = composed[n:]
	}
	return out
}

// fold returns the form in which texts are equal that differ in letter case.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return string(foldRunes([]byte(s)))
		}
	}
	return strings.ToLower(s)
}

// A reading is one way to cut a path into segments. The text of segments is
// always read as willingly as can be.
type reading struct {
	text  []byte // of appendReading
	plain bool   // as it says
	end   int    // of the path in it
	soft  bool   // escaped slashes separate
	inner bool   // so do those that were escaped more than once
	back  bool   // and backslashes
	strip bool   // segments end before a semicolon, and blanks and dots at their end go
}

// separates reports whether c stands between segments.
func (r *reading) separates(c byte) bool {
	switch c {
	case hardSlash:
		return true
	case softSlash:
		return r.soft
	case '/':
		return r.inner
	case '\\':
		return r.back
	}
	return false
}

// segment returns the next segment from pos on that is not empty, as it stands
// and as it is compared with literal texts, and where the one after it starts.
// It reports false when none is left.
func (r *reading) segment(pos int) (full, bare []byte, next int, ok bool) {
	for pos < r.end {
		end := pos
		for end < r.end && !r.separates(r.text[end]) {
			end++
		}
		full = r.text[pos:end]
		bare = full
		if r.strip {
			bare = strip(full)
		}
		pos = end + 1
		if len(bare) > 0 {
			return full, bare, pos, true
		}
	}
	return nil, nil, pos, false
}

// strip cuts a segment at its first semicolon and takes blanks and control
// characters from its ends, and dots from the last.
func strip(segment []byte) []byte {
	for i, c := range segment {
		if c == ';' {
			segment = segment[:i]
			break
		}
	}
	return trim(segment)
}

// trim takes blanks and control characters from the ends of a segment, and dots from the
// last.
func trim(segment []byte) []byte {
	for len(segment) > 0 && blank(segment[0]) {
		segment = segment[1:]
	}
	for n := len(segment); n > 0 && (blank(segment[n-1]) || segment[n-1] == '.'); n-- {
		segment = segment[:n-1]
	}
	return segment
}

func blank(c byte) bool { return c <= ' ' || c == 0x7F }

// dotted reports whether a piece of text, of appendReading, may be taken for a
// dot segment: pieces lie between slashes and backslashes of every kind, and end
// before characters that some readers cut at.
func dotted(text []byte) bool {
	count, cut := 0, false // count is -1 in a piece that is none
	is := func() bool { return count == 1 || count == 2 }
	for _, c := range text {
		switch {
		case c == '/' || c == '\\' || c == hardSlash || c == softSlash:
			if is() {
				return true
			}
			count, cut = 0, false
		case cut || blank(c) && c != 0:
		case c == ';' || c == 0 || c == '?' || c == '#':
			cut = true
		case c == '.' && count >= 0:
			count++
		default:
			count = -1
		}
	}
	return is()
}

// DotSegment reports whether a server may take a piece of value, the text of one
// path segment, for a dot segment. It looks at the value as it is and decoded
// once more, cut at the first semicolon, and split at slashes and backslashes.
func DotSegment(value string) bool {
	if dot(value) {
		return true
	}
	// Without a dot there must be an escape, or a character that stands for one.
	if !suspicious(value) || !strings.ContainsAny(value, "%"+dotLike) && strings.IndexByte(value, 0xC0) < 0 && strings.IndexByte(value, 0xE0) < 0 && strings.IndexByte(value, 0xF0) < 0 {
		return false
	}
	var room [128]byte
	b := append(room[:0], value...)
	for range maxDecodings {
		if dotted(b) {
			return true
		}
		before := len(b)
		if b = decodeAgain(b); len(b) == before {
			break
		}
	}
	return bytes.ContainsFunc(b, beyondASCII) && bytes.ContainsAny(b, dotLike) && dotted(appendMarks(nil, b))
}

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// suspicious reports whether a text has a dot, an escape, or a character beyond ASCII.
func suspicious(text string) bool {
	for i := range len(text) {
		if suspects[text[i]] {
			return true
		}
	}
	return false
}

var suspects = func() (is [256]bool) {
	for c := range is {
		is[c] = c == '.' || c == '%' || c >= utf8.RuneSelf
	}
	return is
}()

// dotLike are the characters that are dots once they are compatible: those of Unicode
// Standard Annex #15, form KC.
const dotLike = ".\u2024\u2025\ufe52\uff0e"

// A study is what readers may make of a path. It serves all trees.
type study struct {
	path  path
	kinds traits

	text  []byte // of appendReading; nil until it is asked for
	plain bool   // as it says
	dots  bool   // a piece may be taken for a dot segment, other than a plain one
}

// of returns the study of p, which s may be already.
func (s study) of(p path) study {
	if s.path == p {
		return s
	}
	return study{path: p, kinds: p.traits()}
}

// read returns the study with its text, for which there is room.
func (s study) read(room []byte) study {
	switch {
	case s.text != nil:
	case s.kinds&special != 0:
		s.text, s.plain = appendReading(room, s.path)
		s.dots = dotted(s.text)
	default:
		s.text, s.plain = append(room, s.path...), true
		for i, c := range s.text {
			switch {
			case c == '/':
				s.text[i] = hardSlash
			case 'A' <= c && c <= 'Z':
				s.text[i] = c | 0x20
			}
		}
	}
	return s
}

// fixed reports whether the route is what it says, however it is read: it has no
// variables.
func (r *route) fixed() bool { return !r.wild && len(r.names) == 0 }

// reads reports whether what readers make of the path of s may lead elsewhere than to
// the route with variables that serves it.
func (t *tree) reads(s study) bool { return s.kinds != 0 || t.odd }

// ambiguous reports whether a reading of the path, which r serves, leads to another
// route of the tree. Routes that fit the path as it is written are none of them: they
// have lost to r by the rules.
func (t *tree) ambiguous(r *route, s study, l *literals) bool {
	d := detour{reading: reading{text: s.text, plain: s.plain, end: len(s.text)}, tree: t, literals: l, serves: r, path: s.path}
	if s.kinds&(special|loose) == 0 {
		return d.walk(t.root, 1)
	}
	return d.readings()
}

// readings walks along each way to read the text until one leads to another route.
// Ways that make no difference to text are left out.
func (d *detour) readings() bool {
	levels, backs, strips := 1, 1, 1
	ends := [...]int{len(d.text), -1, -1} // where readers think that the path ends
	for i, c := range d.text {
		switch {
		case c == '/':
			levels = 3
		case c == softSlash:
			levels = max(levels, 2)
		case c == '\\':
			backs = 2
		case c == ';':
			strips = 2
			if ends[1] < 0 {
				ends[1] = i
			}
		case c == 0 || c == '?' || c == '#':
			strips = 2
			if ends[2] < 0 {
				ends[2] = i
			}
		case c == '.' || blank(c):
			strips = 2
		}
	}
	for _, end := range ends {
		if end < 0 {
			continue
		}
		for level := range levels {
			for back := range backs {
				for strip := range strips {
					d.end, d.soft, d.inner, d.back, d.strip = end, level > 0, level > 1, back > 0, strip > 0
					if d.walk(d.root, 1) {
						return true
					}
				}
			}
		}
	}
	return false
}

// A detour looks for a route other than the one that serves a path.
type detour struct {
	reading
	*tree
	literals *literals
	serves   *route
	path     path // as it is written
}

// walk reports whether what is left from pos on leads from n to another route.
// Slashes at the end, and empty segments of patterns, make no difference.
func (d *detour) walk(n *node, pos int) bool {
	if d.other(n.wild) {
		return true
	}
	ends := d.other(n.exact)
	if !ends && n.literals == nil && n.words == nil && n.variable == nil {
		return false
	}
	empty := n.literals[""]
	if empty != nil && d.walk(empty, pos) {
		return true
	}
	full, bare, next, ok := d.segment(pos)
	if !ok {
		return ends
	}
	if n.literals != nil && (d.literal(n, full, next) || len(bare) < len(full) && d.literal(n, bare, next)) {
		return true
	}
	if n.words != nil && (d.word(n, full, next) || len(bare) < len(full) && d.word(n, bare, next)) {
		return true
	}
	return n.variable != nil && d.walk(n.variable, next)
}

// literal goes on under the literals that text stands for.
func (d *detour) literal(n *node, text []byte, next int) bool {
	if !d.plain {
		if !d.literals.mayBe(len(text)) {
			return false
		}
		text = foldRunes(text)
	}
	if c := n.literals[string(text)]; c != nil && d.walk(c, next) {
		return true
	}
	for _, other := range d.literals.others[string(text)] {
		if c := n.literals[other]; c != nil && d.walk(c, next) {
			return true
		}
	}
	return false
}

// word goes on under the words that text begins with, and that leave something of it.
func (d *detour) word(n *node, text []byte, next int) bool {
	if !d.plain {
		text = foldRunes(text[:min(len(text), d.literals.most()+composition)])
	}
	for _, c := range n.words {
		if len(text) > len(c.folded) && string(text[:len(c.folded)]) == c.folded && d.walk(c, next) {
			return true
		}
	}
	return false
}

// literals tell which texts of a table, whole segments and what stands before
// variables, are equal when they are folded: the folded form itself, if it is one, and
// others.
type literals struct {
	others  map[string][]string // by their folded form
	longest int                 // of the folded forms
}

// add notes a text, and reports whether it is not its folded form.
func (l *literals) add(text string) (other bool) {
	folded := fold(text)
	l.longest = max(l.longest, len(folded))
	if folded == text {
		return false
	}
	if s := l.others[folded]; !slices.Contains(s, text) {
		if l.others == nil {
			l.others = map[string][]string{}
		}
		l.others[folded] = append(s, text)
	}
	return true
}

const (
	// shrinkage is how many times shorter folding makes a text at most, with room to
	// spare: mathematical letters have four bytes, and what is composed has half.
	shrinkage = 8

	// composition is how many bytes at the end of a text may be folded in another way
	// if the text is cut there: normal forms have 30 marks on a character at most.
	composition = 256
)

// most returns the number of bytes beyond which a text is no literal once it is folded.
func (l *literals) most() int { return shrinkage * l.longest }

// mayBe reports whether a text of n bytes may be a literal once it is folded. Folding
// is not for what is longer: the text of one character becomes up to eleven times as
// long, and clients could ask for a megabyte of it.
func (l *literals) mayBe(n int) bool { return n <= l.most() }

// other reports whether r is a route that the path reaches by another reading
// only.
func (d *detour) other(r *route) bool {
	return r != nil && r != d.serves && !r.twin(d.serves) && !r.fits(d.path)
}

// twin reports whether the two differ in nothing but a slash at the end.
func (r *route) twin(other *route) bool {
	if r.wild || other.wild {
		return false
	}
	a, b := r.parts, other.parts
	if len(a) < len(b) {
		a, b = b, a
	}
	if last := len(a) - 1; len(b) != last || a[last].kind != literal || a[last].text != "" {
		return false
	}
	for i := range b {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
