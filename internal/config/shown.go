package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Shown is the text of a file of a configuration as people may see it, with *** in place
// of secrets. Where the text is a document, its values say what is one; elsewhere the words
// do, and more is hidden than need be. It is not safe for concurrent use.
type Shown struct {
	text   string
	starts []int // of lines
	hidden []span
	parsed bool
	cursor struct{ line, col, offset int } // the last place that was asked for
}

// A span is a part of a text, in bytes.
type span struct{ from, to int }

// Show returns what may be seen of a file, which is a value of root or a part of one;
// options gives the options of a namespace.
func Show(name string, data []byte, root *Spec, options Options) *Shown {
	s := &Shown{text: strings.TrimPrefix(string(data), "\ufeff"), starts: []int{0}}
	for i := range len(s.text) {
		if s.text[i] == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	if d, _ := Parse(name, data); d != nil {
		s.parsed = true
		d.Hide(root, options)
		s.byValue(d, root, options)
	} else {
		s.byWord()
	}
	return s
}

// Around returns what stands in front of a place in its line, and what stands there and
// behind it, each as far as so many characters. cut is that there is more on that side. It is not found if the
// file has no such line, or if the line is not as long.
func (s *Shown) Around(at Pos, room int) (before, behind string, cutBefore, cutBehind, found bool) {
	line, col := int(at.Line), int(at.Col)
	if line < 1 || line > len(s.starts) || col < 1 {
		return "", "", false, false, false
	}
	start := s.starts[line-1]
	end := len(s.text)
	if line < len(s.starts) {
		end = s.starts[line] - 1
	}
	end = start + len(strings.TrimSuffix(s.text[start:end], "\r"))
	c := &s.cursor
	if c.line != line || c.col > col {
		c.line, c.col, c.offset = line, 1, start
	}
	for ; c.col < col && c.offset < end; c.col++ {
		_, n := utf8.DecodeRuneInString(s.text[c.offset:end])
		c.offset += n
	}
	if c.col < col {
		return "", "", false, false, false
	}
	from, to := c.offset, c.offset
	for range room {
		_, n := utf8.DecodeLastRuneInString(s.text[start:from])
		from -= n
		_, n = utf8.DecodeRuneInString(s.text[to:end])
		to += n
	}
	before, behind = s.masked(from, c.offset, to, start, end)
	return before, behind, from > start, to < end, true
}

// Text returns all of the file.
func (s *Shown) Text() string {
	_, text := s.masked(0, 0, len(s.text), 0, len(s.text))
	return text
}

// masked returns a part of a line, divided at an offset, without the secrets in it. One
// that the offset stands in is behind it.
func (s *Shown) masked(from, at, to, start, end int) (before, behind string) {
	first, _ := slices.BinarySearchFunc(s.hidden, from, func(h span, from int) int { return cmp.Compare(h.to, from+1) })
	spans := []span{}
	for _, h := range s.hidden[first:] {
		if h.from >= to {
			break
		}
		spans = append(spans, h)
	}
	// A little more of the line tells what the part alone would not.
	const more = 1000
	wide := s.text[max(start, from-more):min(end, to+more)]
	offset := max(start, from-more)
	for _, m := range userAt.FindAllStringSubmatchIndex(wide, -1) {
		spans = append(spans, span{offset + m[2], offset + m[3]})
	}
	for _, m := range parameter.FindAllStringSubmatchIndex(wide, -1) {
		if soundsSecret(wide[m[2]:m[3]]) {
			spans = append(spans, span{offset + m[4], offset + m[5]})
		}
	}
	if s.parsed {
		if i := strings.IndexAny(wide, "#"); i >= 0 {
			if j := spoken(wide[i:]); j >= 0 {
				spans = append(spans, span{offset + i + j, end})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	divided := -1
	for i := from; i < to; {
		for len(spans) > 0 && spans[0].to <= i {
			spans = spans[1:]
		}
		next := to
		if len(spans) > 0 && spans[0].from <= i {
			next = min(spans[0].to, to)
			if divided < 0 && at < next {
				divided = b.Len()
			}
			b.WriteString(hidden)
		} else {
			if len(spans) > 0 {
				next = min(spans[0].from, to)
			}
			if divided < 0 && at <= next {
				divided = b.Len() + at - i
			}
			b.WriteString(s.text[i:next])
		}
		i = next
	}
	if divided < 0 {
		divided = b.Len()
	}
	return b.String()[:divided], b.String()[divided:]
}

var (
	userAt    = regexp.MustCompile(`:/+([^"'\n]*)@`)
	parameter = regexp.MustCompile(`[?&]([^=&?"'\s]+)=([^&#"'\s]*)`)
)

// byValue finds the secrets of a document: each reaches to the next key or value.
func (s *Shown) byValue(d *Document, root *Spec, options Options) {
	type mark struct {
		at     Pos
		secret bool
	}
	var marks []mark
	var all func(n *Node, secret bool)
	all = func(n *Node, secret bool) {
		marks = append(marks, mark{n.Pos, secret || n.Secret() && n.hides == byKey || n.Kind == String && len(credentials(nil, n.Text)) > 0})
		for _, item := range n.Items {
			all(item, secret)
		}
		for _, m := range n.Members {
			marks = append(marks, mark{m.KeyPos, false})
			all(m.Value, secret || telltale.MatchString(m.Key))
		}
	}
	var walk func(n *Node, spec *Spec)
	walk = func(n *Node, spec *Spec) {
		if spec = spec.of(n); spec == nil {
			all(n, false)
			return
		}
		if len(n.Items)+len(n.Members) == 0 {
			all(n, false)
			return
		}
		marks = append(marks, mark{n.Pos, false})
		for _, item := range n.Items {
			walk(item, spec.Item)
		}
		for _, m := range n.Members {
			marks = append(marks, mark{m.KeyPos, false})
			switch {
			case spec.Extra(m.Key):
				marks = append(marks, mark{m.Value.Pos, false})
				for _, inner := range m.Value.Members {
					marks = append(marks, mark{inner.KeyPos, false})
					walk(inner.Value, options(spec.Scope, inner.Key))
				}
			case spec.fieldOf(m.Key) == nil:
				all(m.Value, telltale.MatchString(m.Key))
			default:
				walk(m.Value, spec.member(m.Key))
			}
		}
	}
	walk(d.Root, root)
	for _, p := range slices.Concat(d.found, d.aliased) {
		if r := p.Repeated(); r != nil {
			all(r.Dropped, telltale.MatchString(r.Key) || r.Kept.holdsSecret())
		}
	}
	marks = slices.DeleteFunc(marks, func(m mark) bool { return m.at.File != d.File || m.at.Line == 0 })
	slices.SortFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Col, b.at.Col))
	})
	offsets := make([]int, len(marks)+1)
	for i, m := range marks {
		from := s.starts[min(int(m.at.Line), len(s.starts))-1]
		col := int32(1)
		if i > 0 && marks[i-1].at.Line == m.at.Line {
			from, col = offsets[i-1], marks[i-1].at.Col
		}
		for ; col < m.at.Col && from < len(s.text); col++ {
			_, n := utf8.DecodeRuneInString(s.text[from:])
			from += n
		}
		offsets[i] = from
	}
	offsets[len(marks)] = len(s.text)
	for i, m := range marks {
		from, to := offsets[i], offsets[i+1]
		if !m.secret {
			continue
		}
		for j := i + 1; from == to && j < len(offsets); j++ {
			to = offsets[j]
		}
		to = from + len(strings.TrimRight(s.text[from:to], " \t\r\n,]}"))
		s.hide(from, to)
	}
}

// holdsSecret reports whether a value is a secret, or one within it.
func (n *Node) holdsSecret() bool {
	return n.Secret() || slices.ContainsFunc(n.Items, (*Node).holdsSecret) ||
		slices.ContainsFunc(n.Members, func(m Member) bool { return m.Value.holdsSecret() })
}

// hide hides a part of the text, which does not end in front of the one before it.
func (s *Shown) hide(from, to int) {
	if n := len(s.hidden); n > 0 && from <= s.hidden[n-1].to {
		s.hidden[n-1].to = max(s.hidden[n-1].to, to)
	} else if from < to {
		s.hidden = append(s.hidden, span{from, to})
	}
}

var (
	// telltale is a word that may announce a secret.
	telltale = regexp.MustCompile(`(?i)pass|phrase|pwd|secret|token|credential|signature|bearer|private|salt|key|\b(?:pw|pin)\b|\b(?:sig|auth)\b["']?\s*(?:[:=]|$)`)

	// named is how a line begins that has a key of its own.
	named = regexp.MustCompile(`^\s*(?:-\s+)*["']?[\w.$/@-]+["']?\s*[:=]`)

	// random is what looks like a key or a token.
	random = regexp.MustCompile(`[A-Za-z0-9+/_=-]{40,}`)
)

// spoken returns where a line goes on behind a word that may announce a secret, and what
// joins it to that; -1 if there is none.
func spoken(line string) int {
	at := telltale.FindStringIndex(line)
	if at == nil {
		return -1
	}
	rest := line[at[1]:]
	rest = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
	rest = strings.TrimLeft(rest, "\"' \t:=")
	return len(line) - len(rest)
}

// byWord hides, in a text that is no document, what stands behind a word that may announce
// a secret, up to the next line with a key of its own, and what looks random.
func (s *Shown) byWord() {
	within := false
	for i, start := range s.starts {
		end := len(s.text)
		if i+1 < len(s.starts) {
			end = s.starts[i+1] - 1
		}
		line := strings.TrimRight(s.text[start:end], " \t\r")
		if within = within && !named.MatchString(line); within {
			s.hide(end-len(strings.TrimLeft(s.text[start:end], " \t")), start+len(line))
			continue
		}
		if j := spoken(line); j >= 0 {
			within = true
			s.hide(start+j, start+len(line))
			line = line[:j]
		}
		for _, m := range random.FindAllStringIndex(line, -1) {
			if word := line[m[0]:m[1]]; strings.ContainsAny(word, "0123456789") && strings.ToLower(word) != word && strings.ToUpper(word) != word {
				s.hide(start+m[0], start+m[1])
			}
		}
	}
}
