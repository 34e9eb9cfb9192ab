package flexible

import (
	"sort"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A text is what a file holds, or what was rendered, with the means to tell where an offset
// stands, and back, without reading it from the start.
type text struct {
	name  string
	data  string
	marks []mark // of the bytes at each multiple of stride
}

// A mark is the line and the column of a byte, as in config.Pos.
type mark struct{ line, col int32 }

// stride is how many bytes lie between two marks, and so how many are read at most.
const stride = 64

func newText(name, data string) *text {
	t := &text{name: name, data: data, marks: make([]mark, 0, len(data)/stride+1)}
	m := mark{1, 1}
	for i := 0; i <= len(data); i++ {
		if i%stride == 0 {
			t.marks = append(t.marks, m)
		}
		if i < len(data) {
			m = m.behind(data[i])
		}
	}
	return t
}

// behind is the mark of the byte behind one: columns count characters.
func (m mark) behind(c byte) mark {
	switch {
	case c == '\n':
		return mark{m.line + 1, 1}
	case utf8.RuneStart(c):
		m.col++
	}
	return m
}

// at returns the place of an offset between 0 and the length of the text.
func (t *text) at(offset int) config.Pos {
	m := t.marks[offset/stride]
	for _, c := range []byte(t.data[offset-offset%stride : offset]) {
		m = m.behind(c)
	}
	return config.Pos{File: t.name, Line: m.line, Col: m.col}
}

// offset returns where a place is in the text: the first byte that is not before it.
func (t *text) offset(line, col int32) int {
	before := func(m mark) bool { return m.line < line || m.line == line && m.col < col }
	next := sort.Search(len(t.marks), func(i int) bool { return !before(t.marks[i]) })
	if next == 0 {
		return 0
	}
	m, i := t.marks[next-1], (next-1)*stride
	for i < len(t.data) && before(m) {
		m = m.behind(t.data[i])
		i++
	}
	for i < len(t.data) && !utf8.RuneStart(t.data[i]) {
		i++
	}
	return i
}
