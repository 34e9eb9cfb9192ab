package httpcache

import (
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// targetedField is what a backend says to this kind of cache alone. It takes the
// place of Cache-Control and Expires.
//
// Source: RFC 9213, section 3.
const targetedField = "Cdn-Cache-Control"

// readTargeted reads the targeted field of an answer and reports whether it says
// anything. One that is empty, or no dictionary to the letter, says nothing. A
// directive whose value is of another type than it should be counts as the
// stricter of what it may mean: a time as 0, any other as set.
//
// Source: RFC 9213, section 2.1; RFC 9651, section 4.2.2.
func readTargeted(h gateway.Fields) (directives, bool) {
	d := noDirectives
	if !h.Has(targetedField) {
		return d, false
	}
	p := sfParser{rest: strings.Trim(joined(h, targetedField), " ")}
	for first := true; p.rest != ""; first = false {
		if !first && !p.comma() {
			return noDirectives, false
		}
		name, ok := p.key()
		if !ok {
			return noDirectives, false
		}
		value := sfItem{kind: sfBoolean, text: "1"}
		if p.skip('=') {
			if value, ok = p.item(); !ok {
				return noDirectives, false
			}
		}
		if !p.parameters() {
			return noDirectives, false
		}
		d.target(name, value)
	}
	return d, p.keys > 0
}

// target sets a directive of a targeted field. Of a repeated one the last counts.
func (d *directives) target(name string, v sfItem) {
	set := v.kind != sfBoolean || v.text == "1"
	switch name {
	case "no-store":
		d.noStore = set
	case "no-cache":
		d.noCache = set
	case "private":
		d.private = set
	case "public":
		d.public = v.kind == sfBoolean && set
	case "must-revalidate", "proxy-revalidate":
		d.mustRevalidate = set
	case "max-age":
		d.maxAge = v.seconds()
	case "s-maxage":
		d.sMaxAge = v.seconds()
	case "stale-if-error":
		d.staleIfError = v.seconds()
	}
}

// Types of bare items that matter here.
type sfKind uint8

const (
	sfOther sfKind = iota
	sfInteger
	sfBoolean
)

// An sfItem is a bare item of a structured field, or an inner list.
type sfItem struct {
	kind sfKind
	text string // of an integer, with its sign; 1 or 0 of a boolean
}

// An sfParser reads a structured field from its front.
//
// Source: RFC 9651, section 4.2.
type sfParser struct {
	rest string
	keys int // names of a dictionary read so far
}

func (p *sfParser) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// span takes what consists of bytes that are in.
func (p *sfParser) span(in func(byte) bool) string {
	i := 0
	for i < len(p.rest) && in(p.rest[i]) {
		i++
	}
	taken := p.rest[:i]
	p.rest = p.rest[i:]
	return taken
}

// comma takes what is between two members; something must follow.
func (p *sfParser) comma() bool {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if !p.skip(',') {
		return false
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	return p.rest != ""
}

// key takes the name of a member or of a parameter.
func (p *sfParser) key() (string, bool) {
	if p.rest == "" || !lower(p.rest[0]) && p.rest[0] != '*' {
		return "", false
	}
	p.keys++
	return p.span(func(c byte) bool { return lower(c) || digit(c) || strings.IndexByte("_-.*", c) >= 0 }), true
}

// parameters takes the parameters of a member, which mean nothing here.
func (p *sfParser) parameters() bool {
	for p.skip(';') {
		p.rest = strings.TrimLeft(p.rest, " ")
		if _, ok := p.key(); !ok {
			return false
		}
		if p.skip('=') {
			if _, ok := p.bare(); !ok {
				return false
			}
		}
	}
	return true
}

// item takes an item or an inner list, without the parameters behind it.
func (p *sfParser) item() (sfItem, bool) {
	if !p.skip('(') {
		return p.bare()
	}
	for first := true; ; first = false {
		blanks := len(p.rest)
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.skip(')') {
			return sfItem{}, true
		}
		if !first && len(p.rest) == blanks {
			return sfItem{}, false
		}
		if _, ok := p.bare(); !ok || !p.parameters() {
			return sfItem{}, false
		}
	}
}

// bare takes a bare item.
func (p *sfParser) bare() (sfItem, bool) {
	if p.rest == "" {
		return sfItem{}, false
	}
	switch c := p.rest[0]; {
	case c == '-' || digit(c):
		return p.number()
	case c == '"':
		p.rest = p.rest[1:]
		return sfItem{}, p.quoted(true)
	case c == '*' || lower(c) || upper(c):
		p.span(func(c byte) bool { return gateway.Token(string(c)) || c == ':' || c == '/' })
		return sfItem{}, true
	case c == ':':
		p.rest = p.rest[1:]
		p.span(func(c byte) bool { return lower(c) || upper(c) || digit(c) || strings.IndexByte("+/=", c) >= 0 })
		return sfItem{}, p.skip(':')
	case c == '?':
		p.rest = p.rest[1:]
		is := p.skip('1')
		if is {
			return sfItem{sfBoolean, "1"}, true
		}
		return sfItem{sfBoolean, "0"}, p.skip('0')
	case c == '@':
		p.rest = p.rest[1:]
		n, ok := p.number()
		return sfItem{}, ok && n.kind == sfInteger
	case strings.HasPrefix(p.rest, `%"`):
		p.rest = p.rest[2:]
		return sfItem{}, p.quoted(false)
	}
	return sfItem{}, false
}

// number takes an integer of at most 15 digits, or a decimal of at most 12 and 3.
func (p *sfParser) number() (sfItem, bool) {
	sign := ""
	if p.skip('-') {
		sign = "-"
	}
	whole := p.span(digit)
	if whole == "" {
		return sfItem{}, false
	}
	if !p.skip('.') {
		return sfItem{sfInteger, sign + whole}, len(whole) <= 15
	}
	fraction := p.span(digit)
	return sfItem{}, len(whole) <= 12 && fraction != "" && len(fraction) <= 3
}

// quoted takes a text up to its closing quote. In a string a backslash stands
// before a quote or another backslash; a display string has %xx instead.
func (p *sfParser) quoted(escapes bool) bool {
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return true
		case c < ' ' || c > '~':
			return false
		case c == '\\' && escapes:
			if i++; i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				return false
			}
		case c == '%' && !escapes:
			if i+2 >= len(p.rest) || !hex(p.rest[i+1]) || !hex(p.rest[i+2]) {
				return false
			}
			i += 2
		}
	}
	return false
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func upper(c byte) bool { return 'A' <= c && c <= 'Z' }
func hex(c byte) bool   { return digit(c) || 'a' <= c && c <= 'f' }

// seconds reads the item as a time. What is no number of seconds is 0.
func (v sfItem) seconds() time.Duration {
	if v.kind != sfInteger {
		return 0
	}
	return seconds(v.text)
}
