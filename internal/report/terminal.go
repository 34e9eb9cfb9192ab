package report

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Terminal is where people read problems.
type Terminal struct {
	Width  int  // in columns
	Colour bool // it understands the sequences for colours

	// Source returns what may be seen of a file, nil if nothing.
	Source func(file string) *config.Shown
}

// Problems returns the text of problems, one for each and a closing one that counts them:
// place, severity, code and what is wrong, the source line with a caret, and what to write.
// Problems that say the same of the same file are told once, with the lines of the others.
func (t Terminal) Problems(ps []*config.Problem) iter.Seq[string] {
	t.Width = max(t.Width, 40)
	return func(yield func(string) bool) {
		if len(ps) == 0 {
			return
		}
		var sources sources
		for _, alike := range fold(ps) {
			if !yield(t.problem(alike, sources.of(alike[0].At.File, t.Source))) {
				return
			}
		}
		yield(t.count(ps))
	}
}

// fold returns the problems in groups that say the same of the same file, in the order of
// the first of each.
func fold(ps []*config.Problem) [][]*config.Problem {
	type said struct {
		file, code, text string
		severity         config.Severity
	}
	return Groups(ps, func(p *config.Problem) said {
		return said{p.At.File, p.Code, p.Err.Error(), p.Severity}
	})
}

// sources keeps the file that was asked for last.
type sources struct {
	file  string
	shown *config.Shown
}

func (s *sources) of(file string, read func(string) *config.Shown) *config.Shown {
	if s.file != file {
		s.file, s.shown = file, read(file)
	}
	return s.shown
}

// A colour is what a part of the text is for.
type colour string

const (
	plain   colour = ""
	place   colour = "1"    // bold
	wrong   colour = "1;31" // bold red
	doubt   colour = "1;33" // bold yellow
	hint    colour = "1;36" // bold cyan
	caret   colour = "1;32" // bold green
	margins colour = "2"    // faint
)

// paint returns a text in a colour.
func (t Terminal) paint(c colour, text string) string {
	if !t.Colour || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// of returns the colour of a severity.
func of(s config.Severity) colour {
	switch s {
	case config.Error:
		return wrong
	case config.Warning:
		return doubt
	}
	return hint
}

// problem returns the text of the first of some problems that are alike, which stands in
// source, and of where the others are.
func (t Terminal) problem(alike []*config.Problem, source *config.Shown) string {
	p := alike[0]
	var b strings.Builder
	at := ""
	if p.At != (config.Pos{}) {
		at = clean(p.At.String()) + ": "
	}
	kind := p.Severity.String() + "[" + p.Code + "]"
	what, remedy := divide(clean(oneLine(p.Err.Error())))
	b.WriteString(t.paint(place, at))
	b.WriteString(t.paint(of(p.Severity), kind))
	b.WriteString(": ")
	t.wrap(&b, cellsOf(at+kind)+2, "    ", plain, what)
	number := strconv.Itoa(int(p.At.Line))
	margin := strings.Repeat(" ", len(number)+3)
	if source != nil {
		t.excerpt(&b, p, source, number)
	}
	for _, line := range []string{p.Path, remedy, others(alike, t.Width-len(margin)-2)} {
		if line != "" {
			b.WriteString(margin + t.paint(margins, "="))
			b.WriteByte(' ')
			t.wrap(&b, len(margin)+2, margin+"  ", plain, clean(line))
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// clean returns a text of others as one may print it.
func clean(text string) string { return string(AppendVisible(nil, []byte(text))) }

// oneLine joins the lines of a text.
func oneLine(text string) string { return strings.Join(strings.FieldsFunc(text, lineEnd), "; ") }

func lineEnd(r rune) bool { return r == '\n' || r == '\r' }

// divide parts a message into what is wrong and what to write instead, at the first
// semicolon that is not within quotes.
func divide(message string) (what, remedy string) {
	quote := byte(0)
	for i := 0; i < len(message); i++ {
		switch c := message[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '`'):
			quote = c
		case quote == 0 && strings.HasPrefix(message[i:], "; "):
			return message[:i], message[i+2:]
		}
	}
	return message, ""
}

// wrap writes a text and a line feed, in lines of the width of the terminal. The first goes
// on at a column, the others begin with an indent.
func (t Terminal) wrap(b *strings.Builder, col int, indent string, c colour, text string) {
	for i, word := range strings.Split(text, " ") {
		n := cellsOf(word)
		switch {
		case i == 0:
		case col+1+n > t.Width:
			b.WriteString("\n" + indent)
			col = len(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(t.paint(c, word))
		col += n
	}
	b.WriteByte('\n')
}

// others says where the problems are that were folded, in as many columns.
func others(alike []*config.Problem, room int) string {
	if len(alike) == 1 {
		return ""
	}
	text := fmt.Sprintf("and %d more like it", len(alike)-1)
	var lines []int32
	for _, p := range alike[1:] {
		if p.At != alike[0].At {
			lines = append(lines, p.At.Line)
		}
	}
	if len(lines) == 0 { // such as what a template writes again and again
		return text + ", in the same place"
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	text += map[bool]string{true: ": line", false: ": lines"}[len(lines) == 1]
	for i, line := range lines {
		next := " " + strconv.Itoa(int(line))
		if i+1 < len(lines) {
			next += ","
		}
		if len(text)+len(next)+len(" ...") > room && i > 0 {
			return text + " ..."
		}
		text += next
	}
	return text
}

// count says how many problems there are, and how to learn more.
func (t Terminal) count(ps []*config.Problem) string {
	var parts []string
	for _, s := range []config.Severity{config.Error, config.Warning, config.Note} {
		n := 0
		for _, p := range ps {
			if p.Severity == s {
				n++
			}
		}
		if n > 0 {
			text := strconv.Itoa(n) + " " + s.String()
			if n > 1 {
				text += "s"
			}
			parts = append(parts, t.paint(of(s), text))
		}
	}
	worst := slices.MinFunc(ps, func(a, b *config.Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	return strings.Join(parts, ", ") + "; sluice help CODE explains a code, such as sluice help " + worst.Code + "\n"
}

// excerpt writes the line that a problem stands in and a caret under its column.
func (t Terminal) excerpt(b *strings.Builder, p *config.Problem, source *config.Shown, number string) {
	room := t.Width - len(number) - 5 // "  12 | "
	before, behind, cutBefore, cutBehind, found := source.Around(p.At, t.Width)
	if !found {
		return
	}
	if p.OfSecret() { // what a template inserts may stand at a key that does not sound like one
		behind, cutBehind = "***", false
	}
	left := drawn(before, 0)
	right := drawn(behind, sum(left))
	if cutBefore || cutBehind || sum(left)+max(sum(right), 1) > room { // the caret takes one, too
		left, right = fit(left, right, cutBefore, cutBehind, room)
	}
	gutter := t.paint(margins, "  "+number+" |")
	line := strings.TrimRight(text(left)+text(right), " ")
	fmt.Fprintf(b, "%s %s\n", gutter, line)
	gutter = t.paint(margins, strings.Repeat(" ", len(number)+2)+" |")
	fmt.Fprintf(b, "%s %s%s\n", gutter, strings.Repeat(" ", sum(left)), t.paint(caret, "^"))
}

// A glyph is what is drawn of a character.
type glyph struct {
	text  string
	cells int
}

// drawn returns what is drawn of a text that begins at a column, which tabs ask for.
func drawn(text string, col int) []glyph {
	const tab = 4
	var gs []glyph
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		g := glyph{text: visible(r, text[:n])}
		switch {
		case r == '\t':
			g.cells = tab - col%tab
			g.text = strings.Repeat(" ", g.cells)
		default:
			g.cells = cellsOf(g.text)
		}
		gs = append(gs, g)
		col += g.cells
		text = text[n:]
	}
	return gs
}

func sum(gs []glyph) int {
	n := 0
	for _, g := range gs {
		n += g.cells
	}
	return n
}

func text(gs []glyph) string {
	var b strings.Builder
	for _, g := range gs {
		b.WriteString(g.text)
	}
	return b.String()
}

// ellipsis stands for what a line has no room for.
var ellipsis = glyph{"...", 3}

// fit cuts both parts of a line, so that they take as many columns as there are. What is in
// front of the caret keeps half of them at least, if it needs them.
func fit(left, right []glyph, cutLeft, cutRight bool, room int) (l, r []glyph) {
	forRight := max(1, min(sum(right), room/2))
	if cutRight {
		forRight = room / 2
	}
	forLeft := room - forRight
	if cutLeft || sum(left) > forLeft {
		for sum(left) > forLeft-ellipsis.cells {
			left = left[1:]
		}
		for len(left) > 0 && left[0].cells == 0 { // it would combine with something else
			left = left[1:]
		}
		left = append([]glyph{ellipsis}, left...)
	}
	forRight = room - sum(left)
	if cutRight || sum(right) > forRight {
		for sum(right) > forRight-ellipsis.cells {
			right = right[:len(right)-1]
		}
		right = append(slices.Clone(right), ellipsis)
	}
	return left, right
}
