package celx

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/route"
)

// A condition on req_path has to hold for what the service gets, and services read more
// into a path than is written: they decode it twice, cut parameters at a semicolon, take a
// backslash for a slash, ignore letter case and a slash at the end. So it has to hold for
// what the most willing of them make of it, too.

// pathTexts are the texts of an expression that it compares the path with.
type pathTexts struct {
	uses  bool       // the expression looks at the path
	small []string   // texts in lower case
	texts []string   // whole ones, and words of patterns; the longest last
	known route.Text // what is among them, so that the author has thought of it
	slash bool       // one ends with a slash, so that one at the end counts
}

// pathTextsOf returns those of an expression.
func pathTextsOf(n ast.Expr) (p pathTexts) {
	p.gather(n)
	slices.SortStableFunc(p.texts, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	p.texts = slices.DeleteFunc(p.texts, func(text string) bool { return text == "" })
	for _, text := range p.texts {
		p.small = append(p.small, gateway.Lower(text))
	}
	return p
}

func (p *pathTexts) gather(n ast.Expr) {
	if n.Kind() == ast.CallKind {
		switch n.AsCall().FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
			for _, arg := range n.AsCall().Args() {
				p.gather(arg)
			}
			return
		}
	}
	uses := false
	ast.PostOrderVisit(n, ast.NewExprVisitor(func(n ast.Expr) { uses = uses || isVariable(n, varPath) }))
	if !uses {
		return
	}
	p.uses = true
	patterns := make(map[int64]bool)
	ast.PostOrderVisit(n, ast.NewExprVisitor(func(n ast.Expr) {
		if n.Kind() == ast.CallKind && n.AsCall().FunctionName() == "matches" {
			for _, arg := range n.AsCall().Args() {
				patterns[arg.ID()] = true
			}
		}
	}))
	ast.PostOrderVisit(n, ast.NewExprVisitor(func(n ast.Expr) {
		if text, ok := literal(n); ok {
			p.add(text, patterns[n.ID()])
		}
	}))
}

func (p *pathTexts) add(text string, pattern bool) {
	p.known.Parameters = p.known.Parameters || strings.Contains(text, ";")
	p.known.Ends = p.known.Ends || strings.Contains(text, " ") || !pattern && strings.HasSuffix(text, ".")
	for _, r := range text {
		if r >= utf8.RuneSelf {
			p.known.Letters += string(r)
		}
	}
	if !pattern {
		p.slash = p.slash || strings.HasSuffix(text, "/")
		p.texts = append(p.texts, text)
		return
	}
	p.slash = p.slash || strings.HasSuffix(strings.TrimRight(text, "$?*+.)"), "/")
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r < 0x80 && !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9')
	}) {
		if len(word) > 1 { // not the ends of a range, or the name of a class
			p.texts = append(p.texts, word)
		}
	}
}

// willing returns what the most willing reader makes of a path: in the letter case of the
// texts, and without a slash at its end.
func (p *pathTexts) willing(path string) string {
	if !p.slash && len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	lower := gateway.Lower(path)
	var b []byte // the path respelt
	for t, text := range p.texts {
		small := p.small[t]
		for at := 0; ; at += len(text) {
			next := strings.Index(lower[at:], small)
			if next < 0 {
				break
			}
			at += next
			if b == nil && path[at:at+len(text)] == text {
				continue
			}
			if b == nil {
				b = []byte(path)
			}
			copy(b[at:], text)
		}
	}
	if b == nil {
		return path
	}
	return string(b)
}

// holdsElsewhere reports whether a condition that holds for the path of an exchange holds
// for what services may read instead, too.
func (e *Expression) holdsElsewhere(ctx context.Context, a *activation) (bool, error) {
	if !e.paths.uses {
		return true, nil
	}
	plain, readings := plainPath(a.escapedPath()), route.Readings(a.escapedPath(), e.paths.known)
	if readings == nil && e.paths.willing(plain) == plain {
		return true, nil // as usual
	}
	tried := append(make([]string, 0, 4), plain)
	defer func() { a.path = "" }()
	try := func(path string) (bool, error) {
		if path = e.paths.willing(path); slices.Contains(tried, path) {
			return true, nil
		}
		tried = append(tried, path)
		a.path = path
		return e.holds(ctx, a)
	}
	if holds, err := try(plain); !holds || err != nil {
		return false, err
	}
	for _, reading := range readings {
		if holds, err := try(reading); !holds || err != nil {
			return false, err
		}
	}
	return true, nil
}
