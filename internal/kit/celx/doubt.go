package celx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A look is a text of an expression that is compared with what a request or an
// answer may hold: the name of a header or of a parameter, or a method.
type look struct {
	variable string
	text     string
	loop     bool // it is compared with each name
	begins   bool // with how that begins

	// opens is that the condition holds for more requests if nothing ever equals the
	// text: it forbids something that way.
	opens bool
}

// A sense is what a part of an expression that is true does to the whole.
type sense uint8

const (
	helps   sense = iota // it makes it true, if anything
	hinders              // it makes it false, if anything
	either
)

// turned returns the sense of what is negated.
func (s sense) turned() sense {
	switch s {
	case helps:
		return hinders
	case hinders:
		return helps
	}
	return either
}

// looks returns the texts that an expression looks up, in the order in which they
// are written.
func looks(n ast.Expr) []look {
	var l looker
	l.visit(n, helps)
	return l.found
}

type looker struct {
	found []look
	names []string // variables of loops over the names of headers
}

// add notes texts of which equality has the given sense.
func (l *looker) add(variable string, s sense, texts ...string) {
	for _, text := range texts {
		l.found = append(l.found, look{variable: variable, text: text, opens: s != helps})
	}
}

// visit looks into a part of an expression.
func (l *looker) visit(n ast.Expr, s sense) {
	switch n.Kind() {
	case ast.SelectKind:
		sel := n.AsSelect()
		if variable := mapOfTexts(sel.Operand()); variable != "" {
			if !sel.IsTestOnly() {
				s = helps // what is not there is an error, and an error never makes anything true
			}
			l.add(variable, s, sel.FieldName())
			return
		}
		l.visit(sel.Operand(), either)
	case ast.ListKind:
		for _, e := range n.AsList().Elements() {
			l.visit(e, either)
		}
	case ast.MapKind:
		for _, e := range n.AsMap().Entries() {
			l.visit(e.AsMapEntry().Key(), either)
			l.visit(e.AsMapEntry().Value(), either)
		}
	case ast.ComprehensionKind:
		c := n.AsComprehension()
		l.visit(c.IterRange(), either)
		l.visit(c.AccuInit(), either)
		outer := l.names
		l.names = slices.DeleteFunc(slices.Clone(outer), func(name string) bool { return name == c.IterVar() })
		if isVariable(c.IterRange(), varHeaders) {
			l.names = append(l.names, c.IterVar())
		}
		l.visit(c.LoopStep(), s) // of all and exists it is the result, joined by && and ||
		l.names = outer
		l.visit(c.Result(), either)
	case ast.CallKind:
		l.call(n.AsCall(), s)
	}
}

// call is visit for a call.
func (l *looker) call(c ast.CallExpr, s sense) {
	args := c.Args()
	switch name := c.FunctionName(); {
	case name == operators.LogicalNot:
		l.visit(args[0], s.turned())
		return
	case name == operators.LogicalAnd || name == operators.LogicalOr:
		for _, arg := range args {
			l.visit(arg, s)
		}
		return
	case name == operators.Conditional:
		l.visit(args[0], either)
		l.visit(args[1], s)
		l.visit(args[2], s)
		return
	case name == operators.Index && mapOfTexts(args[0]) != "":
		if text, ok := literal(args[1]); ok {
			l.add(mapOfTexts(args[0]), helps, text)
			return
		}
	case name == operators.In && mapOfTexts(args[1]) != "":
		if text, ok := literal(args[0]); ok {
			l.add(mapOfTexts(args[1]), s, text)
			return
		}
	case name == operators.In && isVariable(args[0], varMethod) && args[1].Kind() == ast.ListKind:
		for _, e := range args[1].AsList().Elements() {
			if text, ok := literal(e); ok {
				l.add(varMethod, s, text)
			}
		}
		return
	case name == operators.Equals || name == operators.NotEquals:
		if name == operators.NotEquals {
			s = s.turned()
		}
		for i, arg := range args {
			switch text, ok := literal(args[1-i]); {
			case ok && isVariable(arg, varMethod):
				l.add(varMethod, s, text)
				return
			case ok && l.isName(arg):
				l.add(varHeaders, s, text)
				l.found[len(l.found)-1].loop = true
				return
			}
		}
	case name == overloads.StartsWith && c.IsMemberFunction() && l.isName(c.Target()):
		if text, ok := literal(args[0]); ok {
			l.add(varHeaders, s, text)
			l.found[len(l.found)-1].begins, l.found[len(l.found)-1].loop = true, true
			return
		}
	}
	if c.IsMemberFunction() {
		l.visit(c.Target(), either)
	}
	for _, arg := range args {
		l.visit(arg, either)
	}
}

// isName reports whether n is the name of a header in a loop over them.
func (l *looker) isName(n ast.Expr) bool {
	return n.Kind() == ast.IdentKind && slices.Contains(l.names, n.AsIdent())
}

// mapOfTexts returns the name of the variable that n is, if that is one with texts by
// name, and "" otherwise.
func mapOfTexts(n ast.Expr) string {
	for _, name := range [...]string{varHeaders, varQuery, varParams, varMetadataHeaders} {
		if isVariable(n, name) {
			return name
		}
	}
	return ""
}

func isVariable(n ast.Expr, name string) bool {
	return n.Kind() == ast.IdentKind && n.AsIdent() == name
}

// literal returns the text that n is, if it is one.
func literal(n ast.Expr) (string, bool) {
	if n.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := n.AsLiteral().(types.String)
	return string(text), ok
}

// A verdict is what an expression is whatever the request, the token and the answer.
type verdict uint8

const (
	depends verdict = iota
	always
	never
)

// judge returns the verdict on an expression. metadata tells whether
// resp_metadata_status and resp_metadata_headers have values.
func judge(env *cel.Env, checked *cel.Ast, metadata bool, limit uint64) verdict {
	unknown := []*cel.AttributePatternType{cel.AttributePattern(varMetadataStatus), cel.AttributePattern(varMetadataHeaders)}
	known := map[string]any{}
	if !metadata {
		unknown = unknown[:0]
		known = map[string]any{varMetadataStatus: 0, varMetadataHeaders: map[string][]string{}}
	}
	for _, v := range variables {
		if v.name != varMetadataStatus && v.name != varMetadataHeaders {
			unknown = append(unknown, cel.AttributePattern(v.name))
		}
	}
	vars, err := cel.PartialVars(known, unknown...)
	if err != nil {
		return depends
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(limit))
	if err != nil {
		return depends // compile will say why
	}
	switch v, _, err := program.Eval(vars); {
	case err != nil:
		return depends // at run, it counts as false and says why
	case v == types.True:
		return always
	case v == types.False:
		return never
	}
	return depends
}

// doubts is Doubts of an expression, and makes req_params hold what it looks up.
func (s *Scope) doubts(e *Expression) (errs, mistakes []error) {
	if !e.result.IsExactType(types.BoolType) && !e.result.IsExactType(types.DynType) {
		mistakes = append(mistakes, fmt.Errorf("the result is of type %s and never true, so everything is refused; compare it with something", e.result))
	}
	switch why := s.constancy(e); {
	case e.verdict == always && e.variables:
		errs = append(errs, fmt.Errorf("it is always true, so nothing is refused%s", why))
	case e.verdict == always:
		mistakes = append(mistakes, fmt.Errorf("it is always true, so nothing is refused%s", why))
	case e.verdict == never:
		mistakes = append(mistakes, fmt.Errorf("it is never true, so everything is refused%s", why))
	}
	for _, l := range e.looks {
		var err error
		spelt := true // what is wrong is the text itself
		switch l.variable {
		case varMethod:
			err = methodDoubt(l.text)
		case varMetadataHeaders:
			if s.noop {
				err = headerDoubt(l.variable, l.text, nil)
			}
		case varHeaders:
			if l.begins {
				err = prefixDoubt(l.text)
				break
			}
			if err = headerDoubt(l.variable, l.text, s.headers); err == nil {
				err = s.reservedDoubt(l.text)
			}
			if err == nil {
				err, spelt = s.unseenHeader(l.text), false
			}
		case varParams:
			err, spelt = s.look(l.text), false
		case varQuery:
			err, spelt = s.unseenQuery(l.text), false
		}
		switch {
		case err == nil:
		case l.opens && spelt:
			errs = append(errs, err)
		default:
			mistakes = append(mistakes, err)
		}
	}
	return errs, mistakes
}

// constancy says what to do about an expression that is always the same.
func (s *Scope) constancy(e *Expression) string {
	if e.metadata && !s.noop {
		return "; resp_metadata_status and resp_metadata_headers have values with the encoding no-op only, look at resp_data or resp_completed"
	}
	return "; write what depends on the request, the token or the answer, or remove the expression"
}

// methodDoubt says that a text is never the method of a request; nil if it may be.
func methodDoubt(text string) error {
	upper := strings.ToUpper(strings.TrimSpace(text))
	switch {
	case upper == text && gateway.Token(text):
		return nil
	case gateway.Token(upper):
		return fmt.Errorf("req_method is never %q, because methods are in capitals; write %q", text, upper)
	}
	return fmt.Errorf("req_method is never %q, which is no method; write one such as GET or POST", text)
}

// headerDoubt says that a header never has the name that an expression looks up; nil
// if one may. passing are the headers that are let through.
func headerDoubt(variable, name string, passing []string) error {
	if slices.Contains(passing, name) {
		return nil
	}
	meant := gateway.Canonical(strings.TrimSpace(name))
	if i := slices.IndexFunc(passing, func(other string) bool { return gateway.Alike(other, meant) }); i >= 0 {
		meant = passing[i]
	} else if strings.Contains(name, "_") && name != meant {
		meant = gateway.Canonical(strings.ReplaceAll(meant, "_", "-"))
	}
	switch {
	case !gateway.Token(meant):
		return fmt.Errorf("%s['%s'] never has a value, because it is no name of a header; write one such as X-Api-Key", variable, name)
	case name != meant:
		return fmt.Errorf("%s['%s'] never has a value, because names are compared letter by letter, each word with one capital and hyphens between them; write '%s'", variable, name, meant)
	}
	return nil
}

// prefixDoubt says that no name of a header begins with a text; nil if one may.
func prefixDoubt(text string) error {
	if meant := gateway.Hyphens(text); text != meant && text != gateway.Canonical(text) {
		return fmt.Errorf("no name in req_headers begins with '%s', because each word of them begins with a capital; write '%s'", text, meant)
	}
	return nil
}

// reservedDoubt says that no header of this name ever passes; nil if one may. The engine
// writes it anew, or it is about the connection of the client.
func (s *Scope) reservedDoubt(name string) error {
	if s.early {
		if name == "Host" {
			return errors.New("req_headers['Host'] never has a value here; look at another header")
		}
		return nil
	}
	const never = "req_headers['%s'] never has a value, because the header does not pass; "
	switch name {
	case "Host":
		return fmt.Errorf(never+"write 'X-Forwarded-Host', which is the host that the client asks for", name)
	case "Content-Length", "Transfer-Encoding":
		return fmt.Errorf(never+"write max_body_bytes to bound what clients send", name)
	case "Expect": // passes where calls wait for 100 Continue
		return nil
	}
	if gateway.Withheld(name) {
		return fmt.Errorf(never+"look at one that is for the backend", name)
	}
	return nil
}

// unseenHeader says that a header is not let through to where the expression is; nil if
// it may be.
func (s *Scope) unseenHeader(name string) error {
	if s.open || slices.Contains(s.headers, name) {
		return nil
	}
	return fmt.Errorf("req_headers['%s'] never has a value, because input_headers does not let the header through; add it there", name)
}

// unseenQuery is unseenHeader for a parameter of the query string.
func (s *Scope) unseenQuery(name string) error {
	if s.anyQuery || slices.Contains(s.query, name) {
		return nil
	}
	for _, other := range s.query {
		if config.SameName(other, name) {
			return fmt.Errorf("req_querystring['%s'] never has a value, because input_query_strings lets '%s' through, and each letter counts; write that", name, other)
		}
	}
	return fmt.Errorf("req_querystring['%s'] never has a value, because input_query_strings does not let the parameter through; add it there", name)
}
