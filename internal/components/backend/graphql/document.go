package graphql

import (
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/sluice-gateway/sluice/internal/config"
)

// An operation is what is executed of a document.
type operation struct {
	*ast.OperationDefinition
	found    bool // it is known; if not the definition is empty
	declared map[string]*ast.VariableDefinition
}

// parse finds the operation in a document, by its name, or the only one for "". The errors
// are what every server refuses: whatever it says of its types, which nobody knows here, is
// left to it.
//
// Source: the GraphQL specification, October 2021 and September 2025, sections 2 and 5.
func parse(text, name string) (op operation, faults []fault) {
	op.OperationDefinition = new(ast.OperationDefinition)
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if e, ok := errors.AsType[*gqlerror.Error](err); ok {
		where := ""
		if len(e.Locations) > 0 {
			where = fmt.Sprintf(" at line %d, column %d", e.Locations[0].Line, e.Locations[0].Column)
		}
		return op, faultf("the document is no GraphQL%s: %s; write it as servers read it", where, e.Message)
	}
	if err != nil {
		return op, faultf("the document is no GraphQL: %v; write it as servers read it", err)
	}
	found, faults := choose(doc, name)
	if found == nil {
		return op, faults
	}
	op = operation{found, true, make(map[string]*ast.VariableDefinition, len(found.VariableDefinitions))}
	for _, v := range found.VariableDefinitions {
		op.declared[v.Variable] = v
	}
	return op, op.judge(doc)
}

// A fault is something that servers refuse, at a key of the options, "" for the document.
type fault struct {
	key string
	err error
}

func faultf(format string, args ...any) []fault { return []fault{{err: fmt.Errorf(format, args...)}} }

// choose returns the operation that is executed.
func choose(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, []fault) {
	var names []string
	for _, op := range doc.Operations {
		if op.Name == name && name != "" || name == "" && len(doc.Operations) == 1 {
			return op, nil
		}
		if op.Name != "" {
			names = append(names, op.Name)
		}
	}
	if len(doc.Operations) == 0 {
		return nil, faultf("the document holds no operation; write one such as query User($id: ID!) { user(id: $id) { name } }")
	}
	near, similar := config.Suggest(name, names)
	var err error
	switch {
	case name == "" && len(names) == 0:
		err = fmt.Errorf("the document holds %d operations without names, of which servers execute none; name them, and write one of the names here", len(doc.Operations))
	case name == "":
		err = fmt.Errorf("the document holds %d operations, and servers execute one that is named; write one of %q", len(doc.Operations), names)
	case similar:
		err = fmt.Errorf("the document holds no operation %q; did you mean %q?", name, near)
	case len(names) > 0:
		err = fmt.Errorf("the document holds no operation %q; write one of %q", name, names)
	default:
		err = fmt.Errorf("the document holds no operation %q; name it there, or remove the key", name)
	}
	return nil, []fault{{"operationName", err}}
}

// judge holds the use of variables and fragments against what is declared.
func (op *operation) judge(doc *ast.QueryDocument) []fault {
	u := use{doc: doc, fragments: make(map[string]bool), variables: make(map[string]bool)}
	for _, v := range op.VariableDefinitions {
		u.directives(v.Directives)
	}
	u.directives(op.Directives)
	u.selections(op.SelectionSet)
	for _, at := range u.order {
		if op.declared[at.Raw] == nil {
			u.faults = append(u.faults, faultf("$%s, at line %d, column %d, is not declared by the operation; declare it with its type", at.Raw, at.Position.Line, at.Position.Column)...)
		}
	}
	for _, v := range op.VariableDefinitions {
		if !u.variables[v.Variable] {
			u.faults = append(u.faults, faultf("$%s, at line %d, column %d, is declared and not used, which servers refuse; use it, or remove it", v.Variable, v.Position.Line, v.Position.Column)...)
		}
	}
	return u.faults
}

// A use is what of the variables and fragments an operation uses.
type use struct {
	doc       *ast.QueryDocument
	fragments map[string]bool
	variables map[string]bool
	order     []*ast.Value // the first use of each variable
	faults    []fault
}

func (u *use) selections(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			for _, a := range s.Arguments {
				u.value(a.Value)
			}
			u.directives(s.Directives)
			u.selections(s.SelectionSet)
		case *ast.InlineFragment:
			u.directives(s.Directives)
			u.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			u.directives(s.Directives)
			u.spread(s)
		}
	}
}

// spread follows a fragment, once.
func (u *use) spread(s *ast.FragmentSpread) {
	if u.fragments[s.Name] {
		return
	}
	u.fragments[s.Name] = true
	f := u.doc.Fragments.ForName(s.Name)
	if f == nil {
		u.faults = append(u.faults, faultf("the fragment %s, at line %d, column %d, is not in the document; write it there", s.Name, s.Position.Line, s.Position.Column)...)
		return
	}
	u.directives(f.Directives)
	u.selections(f.SelectionSet)
}

func (u *use) directives(list ast.DirectiveList) {
	for _, d := range list {
		for _, a := range d.Arguments {
			u.value(a.Value)
		}
	}
}

func (u *use) value(v *ast.Value) {
	if v == nil {
		return
	}
	if v.Kind == ast.Variable && !u.variables[v.Raw] {
		u.variables[v.Raw] = true
		u.order = append(u.order, v)
	}
	for _, c := range v.Children {
		u.value(c.Value)
	}
}
