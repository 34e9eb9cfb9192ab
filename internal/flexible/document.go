package flexible

import (
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Parse reads the rendering as a configuration in the format that an extension stands for.
// Each value, and each problem, has the place where it was written: in a template, a partial
// or the settings.
func (r *Rendering) Parse(extension string) (*config.Document, []*config.Problem) {
	r.text.name = "(" + r.name() + ")" + extension // which is that of no file
	d, problems := config.Parse(r.text.name, []byte(r.text.data))
	p := placer{r: r, d: d}
	if d != nil {
		p.value(d.Root, nil)
		p.hide()
	}
	var secrets []string
	for _, i := range r.inserted {
		secrets = append(secrets, i.values...)
	}
	for _, problem := range problems {
		p.problem(problem, secrets)
	}
	if d != nil {
		for _, problem := range d.Aliased() {
			p.problem(problem, secrets)
		}
		d.File = r.name()
	}
	config.Sort(problems)
	return d, problems
}

// name is that of the base template.
func (r *Rendering) name() string { return r.pieces[0].from.name }

// A placer says of each value where it was written.
type placer struct {
	r       *Rendering
	d       *config.Document
	scalars []scalar // by their offset; only where something must not be shown
}

type scalar struct {
	offset int
	node   *config.Node
	key    string // of a member, whose node is nil
}

// problem places a problem of reading the rendering.
func (p *placer) problem(problem *config.Problem, secrets []string) {
	if repeated := problem.Repeated(); repeated != nil && !repeated.Merged {
		p.value(repeated.Dropped, nil)
	}
	var through config.Pos
	bare := false
	problem.Relocate(func(at config.Pos) config.Pos {
		if at.File != p.r.text.name {
			return at
		}
		if at.Line == 0 {
			return config.Pos{File: p.r.name()}
		}
		offset := p.r.text.offset(at.Line, at.Col)
		own := p.r.pieceAt(offset)
		bare = bare || !own.linear && strings.HasPrefix(problem.Err.Error(), "expected a value, got")
		if v := own.value; v != nil && v.Kind == config.String && strings.ContainsFunc(v.Text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
			through = p.r.at(own, offset)
			return v.Pos // a text with such characters needs quotes that fit: {{ marshal .x }}
		}
		return p.r.at(own, offset)
	})
	if bare {
		problem.Err = errors.New("a text is printed without quotes; write them around the action, or print it by marshal")
	}
	if through.File != "" && problem.At.File != through.File {
		problem.Err = config.Inserted(problem.Err, through)
	}
	problem.Err = config.MaskError(problem.Err, secrets)
}

// pieceAt returns the piece that the byte at an offset belongs to.
func (r *Rendering) pieceAt(offset int) *piece { return &r.pieces[r.indexAt(offset)] }

func (r *Rendering) indexAt(offset int) int {
	return max(0, sort.Search(len(r.pieces), func(i int) bool { return int(r.pieces[i].start) > offset })-1)
}

// at returns where an offset of a piece was written.
func (r *Rendering) at(own *piece, offset int) config.Pos {
	if own.linear {
		return own.from.at(min(int(own.offset)+offset-int(own.start), len(own.from.data)))
	}
	return own.from.at(int(own.offset))
}

// value places a value and what is in it. The value of the settings is what all of it was
// made from by one action, if there is one.
func (p *placer) value(n, settings *config.Node) {
	if n == nil || n.Pos.File != p.r.text.name {
		return // it was placed already, because an alias stands for it, too
	}
	offset := p.r.text.offset(n.Pos.Line, n.Pos.Col)
	first := p.r.indexAt(offset)
	own := &p.r.pieces[first]
	at := p.r.at(own, offset)
	through := at
	switch n.Kind {
	case config.Object, config.Array:
		if settings == nil && own.value != nil && int(own.start) == offset && own.value.Kind == n.Kind {
			settings = own.value
		}
		if settings != nil {
			at = settings.Pos
		}
	default:
		if settings == nil {
			settings, through = p.r.only(first, offset, p.r.text.scalarEnd(offset))
		}
		if settings != nil {
			at = settings.Pos
		}
		if len(p.r.inserted) > 0 {
			p.scalars = append(p.scalars, scalar{offset: offset, node: n})
		}
	}
	p.d.Place(n, at, through)
	for i, item := range n.Items {
		var inner *config.Node
		if settings != nil && i < len(settings.Items) {
			inner = settings.Items[i]
		}
		p.value(item, inner)
	}
	members := membersOf(settings)
	for i := range n.Members {
		m := &n.Members[i]
		if written, found := members(m.Key); found {
			m.KeyPos = written.KeyPos
			p.value(m.Value, written.Value)
			continue
		}
		if m.KeyPos.File == p.r.text.name {
			offset := p.r.text.offset(m.KeyPos.Line, m.KeyPos.Col)
			m.KeyPos = p.r.at(p.r.pieceAt(offset), offset)
			if len(p.r.inserted) > 0 {
				p.scalars = append(p.scalars, scalar{offset: offset, key: m.Key})
			}
		}
		p.value(m.Value, nil)
	}
}

// membersOf returns a function that finds the members of an object, be there many.
func membersOf(n *config.Node) func(key string) (config.Member, bool) {
	const few = 16
	if n == nil || len(n.Members) <= few {
		return func(key string) (config.Member, bool) {
			if n != nil {
				for _, m := range n.Members {
					if m.Key == key {
						return m, true
					}
				}
			}
			return config.Member{}, false
		}
	}
	all := make(map[string]config.Member, len(n.Members))
	for _, m := range n.Members {
		all[m.Key] = m
	}
	return func(key string) (config.Member, bool) { m, found := all[key]; return m, found }
}

// only returns the value of the settings that was put between two offsets, and where, if it
// is the only one.
func (r *Rendering) only(first, from, to int) (*config.Node, config.Pos) {
	var found *piece
	for i := first; i < len(r.pieces) && (int(r.pieces[i].start) < to || i == first); i++ {
		if p := &r.pieces[i]; p.value != nil {
			if found != nil {
				return nil, config.Pos{}
			}
			found = p
		}
	}
	if found == nil {
		return nil, config.Pos{}
	}
	return found.value, r.at(found, from)
}

// scalarEnd returns where a text, a number or the like ends that begins at an offset.
func (t *text) scalarEnd(offset int) int {
	if offset == len(t.data) {
		return offset
	}
	quote := t.data[offset]
	if quote != '"' && quote != '\'' {
		if end := strings.IndexAny(t.data[offset:], "\n,]}"); end >= 0 {
			return offset + end
		}
		return len(t.data)
	}
	for i := offset + 1; i < len(t.data); i++ {
		switch t.data[i] {
		case '\\':
			if quote == '"' {
				i++
			}
		case quote:
			return i
		}
	}
	return len(t.data)
}

// hide marks the values in which something stands that must not be shown: those that begin
// within such a piece, and the last one in front of it.
func (p *placer) hide() {
	slices.SortStableFunc(p.scalars, func(a, b scalar) int { return a.offset - b.offset })
	for i, secret := range p.r.inserted {
		from, to := int(p.r.pieces[i].start), p.r.end(i)
		k := sort.Search(len(p.scalars), func(k int) bool { return p.scalars[k].offset > from })
		for k = max(0, k-1); k < len(p.scalars) && p.scalars[k].offset < to; k++ {
			if s := p.scalars[k]; s.node != nil {
				p.d.Insert(s.node, secret.skipped, secret.values...)
			} else {
				p.d.InsertKey(s.key, slices.Clone(secret.values)...)
			}
		}
	}
}
