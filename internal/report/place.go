package report

import (
	"cmp"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Place is where in a document something stands, for programs.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path"`           // "" is the document
	Name   string `json:"name,omitempty"` // what people call it, such as GET /users
}

// At returns the place of a node; name may be "".
func At(n *config.Node, name string) Place {
	return Place{File: n.Pos.File, Line: int(n.Pos.Line), Column: int(n.Pos.Col), Path: n.Path(), Name: name}
}

// String returns the place as compilers write it.
func (p Place) String() string {
	s := config.Pos{File: p.File, Line: int32(p.Line), Col: int32(p.Column)}.String()
	if p.Path != "" {
		s += ": " + p.Path
	}
	if p.Name != "" {
		s += " (" + p.Name + ")"
	}
	return s
}

// InOrder compares places by where they stand.
func InOrder(a, b Place) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
}
