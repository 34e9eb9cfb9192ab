package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Pos is a place in a file. Line and Col count from 1, Col in characters.
// Line is 0 when only the source is known, as for "environment:KRAKEND_PORT".
type Pos struct {
	File      string
	Line, Col int32
}

// String returns file:line:col, or the file alone when there is no line.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(int(p.Line)) + ":" + strconv.Itoa(int(p.Col))
}

// Severity is how bad a problem is.
type Severity uint8

// The severities. An Error keeps a configuration from being used.
const (
	Error Severity = iota
	Warning
	Note
)

// String returns "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

// Codes of the problems that reading a document finds. All codes are stable.
const (
	CodeUnreadable   = "unreadable"
	CodeFormat       = "unsupported-format"
	CodeSyntax       = "syntax"
	CodeEncoding     = "encoding"
	CodeDuplicateKey = "duplicate-key"
	CodeReference    = "unresolved-reference"
	CodeTemplate     = "template"
	CodeIgnored      = "ignored-variable"
	CodeUnknownField = "unknown-field"
	CodeWrongType    = "wrong-type"
	CodeRequired     = "required"
	CodeOutOfRange   = "out-of-range"
	CodeUnknownValue = "unknown-value"
	CodeBadDuration  = "bad-duration"
	CodeLetterCase   = "letter-case"
	CodeNull         = "null-value"
	CodeDeprecated   = "deprecated"
	CodeInvalid      = "invalid"
)

// Codes of the problems that resolving, compiling and reloading find.
const (
	CodeNoBackend          = "no-backend"
	CodeInvalidHost        = "invalid-host"
	CodeInvalidPath        = "invalid-path"
	CodeDuplicateEndpoint  = "duplicate-endpoint"
	CodeUndefinedVariable  = "undefined-variable"
	CodeNoOpMerge          = "no-op-merge"
	CodeSeveralWrites      = "several-writes"
	CodeUnknownNamespace   = "unknown-namespace"
	CodeDuplicateNamespace = "duplicate-namespace"
	CodeOldName            = "old-name"
	CodeUnsupported        = "unsupported"
	CodeDefaultUsed        = "default-used"
	CodeSuspicious         = "suspicious"
	CodeMistake            = "mistake"
	CodeNeedsRestart       = "needs-restart"
	CodeNote               = "note"
)

// Codes lists the codes with their meaning, for the manual.
var Codes = []struct{ Code, Meaning string }{
	{CodeUnreadable, "The file cannot be read."},
	{CodeFormat, "The format of the file is not supported."},
	{CodeSyntax, "The text is not valid JSON, YAML or TOML."},
	{CodeEncoding, "The text holds bytes that are not UTF-8."},
	{CodeDuplicateKey, "A key occurs twice in one object; the last one counts."},
	{CodeReference, "A ${env:...} or ${file:...} reference has no value."},
	{CodeTemplate, "A template cannot be read, or prints something that is not defined."},
	{CodeIgnored, "A variable of the environment looks like an override and is not used."},
	{CodeUnknownField, "The key has no meaning here."},
	{CodeWrongType, "The value is of the wrong type."},
	{CodeRequired, "A required key is missing."},
	{CodeOutOfRange, "The value is too small, too large, too short or too long."},
	{CodeUnknownValue, "The value is not one of those allowed."},
	{CodeBadDuration, "The value is not a duration, or probably not the one meant."},
	{CodeLetterCase, "A key or a value is written in another letter case."},
	{CodeNull, "The value is null, which is the same as none."},
	{CodeDeprecated, "The key works and should no longer be used."},
	{CodeInvalid, "The value breaks a rule that the message names."},
	{CodeNoBackend, "An endpoint has no backend that answers."},
	{CodeInvalidHost, "A host is none for what calls it: by HTTP, [scheme://]name[:port][/base]."},
	{CodeInvalidPath, "The path of an endpoint cannot be served."},
	{CodeDuplicateEndpoint, "Two endpoints have the same method and path."},
	{CodeUndefinedVariable, "A placeholder names nothing."},
	{CodeNoOpMerge, "An endpoint that passes bytes through has several backends."},
	{CodeSeveralWrites, "An endpoint writes more than once, or not at its end."},
	{CodeUnknownNamespace, "A namespace of extra_config is unknown or misplaced."},
	{CodeDuplicateNamespace, "A namespace stands twice, under its new and its old name."},
	{CodeOldName, "A namespace is written by its old name."},
	{CodeUnsupported, "A key or a namespace is known and not supported."},
	{CodeDefaultUsed, "A missing value was replaced by its default."},
	{CodeSuspicious, "Something is allowed and probably not meant."},
	{CodeMistake, "Something cannot be meant: it never has the effect that it seems to have."},
	{CodeNeedsRestart, "A reload cannot change this."},
	{CodeNote, "Something worth knowing."},
}

// A Problem is one finding in a configuration.
//
// Err says what is wrong and what to write instead, separated by a semicolon.
type Problem struct {
	Path     string // endpoints[3].backend[0].url_pattern; "" is the document
	At       Pos
	Severity Severity
	Code     string // stable; see Codes
	Err      error

	unknown  *Unknown
	repeated *Repeated
	secret   bool // it is about a value at a key that is a secret
}

// OfSecret reports whether what is written at the place of the problem is a secret: the value
// of a key that is one, wherever a template may have it from.
func (p *Problem) OfSecret() bool { return p.secret }

// Unknown is a key that its object does not have.
type Unknown struct {
	Key    string
	Value  *Node
	Object *Spec
}

// Unknown returns the key that an unknown-field problem is about, nil for any
// other.
func (p *Problem) Unknown() *Unknown { return p.unknown }

// Repeated is a key that occurs twice in one object. The value that is dropped
// is not a part of the document any more, if the two keys are equal.
type Repeated struct {
	Key           string
	Kept, Dropped *Node
	Merged        bool // the one dropped is of a merged object (<<), which the other hides
}

// Repeated returns the key that a duplicate-key problem is about, nil for any
// other.
func (p *Problem) Repeated() *Repeated { return p.repeated }

// Error returns file:line:col: path: message, without the parts that are
// unknown.
func (p *Problem) Error() string {
	var b strings.Builder
	for _, part := range []string{p.At.String(), p.Path} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	b.WriteString(oneLine(p.Err.Error()))
	return b.String()
}

// oneLine joins the lines of a text: a problem has one.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\r\n") {
		return text
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }

// Sort sorts problems by file, line, column and path. Problems of one place
// keep their order.
func Sort(ps []*Problem) {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(
			cmp.Compare(a.At.File, b.At.File),
			cmp.Compare(a.At.Line, b.At.Line),
			cmp.Compare(a.At.Col, b.At.Col),
			cmp.Compare(a.Path, b.Path),
		)
	})
}

// HasErrors reports whether one of the problems is an Error.
func HasErrors(ps []*Problem) bool {
	return slices.ContainsFunc(ps, func(p *Problem) bool { return p.Severity == Error })
}

// Enough is how many problems are kept, and looked for, where one is an Error: nobody
// reads so many, and whatever else there is, the configuration is not used.
const Enough = 10_000

// Foremost returns at most [Enough] of the problems, if one is an Error: errors before
// others, and the first of them, in their order. ps is changed.
func Foremost(ps []*Problem) []*Problem {
	errs := 0
	for _, p := range ps {
		if p.Severity == Error {
			errs++
		}
	}
	if errs == 0 || len(ps) <= Enough {
		return ps
	}
	errs = min(errs, Enough)
	others := Enough - errs
	return slices.DeleteFunc(ps, func(p *Problem) bool {
		left := &others
		if p.Severity == Error {
			left = &errs
		}
		*left--
		return *left < 0
	})
}

// Strict returns the problems with warnings raised to errors: those of the
// given codes, or all of them when no code is given. ps is not changed.
func Strict(ps []*Problem, codes ...string) []*Problem {
	strict := slices.Clone(ps)
	for i, p := range strict {
		if p.Severity == Warning && (len(codes) == 0 || slices.Contains(codes, p.Code)) {
			raised := *p
			raised.Severity = Error
			strict[i] = &raised
		}
	}
	return strict
}

// Structural reports whether a code is about the form of a document: what its JSON
// Schema says, too, as far as a schema can.
func Structural(code string) bool {
	switch code {
	case CodeEncoding, CodeDuplicateKey, CodeUnknownField, CodeWrongType, CodeRequired, CodeOutOfRange, CodeUnknownValue,
		CodeBadDuration, CodeLetterCase, CodeNull, CodeDefaultUsed, CodeUnknownNamespace, CodeDuplicateNamespace:
		return true
	}
	return false
}

// Lint returns the problems with those warnings raised to errors for which a JSON Schema
// of the configuration refuses a document. Other warnings stay: they are advice about
// what is allowed, and only whoever wrote it knows whether it is meant.
func Lint(ps []*Problem) []*Problem {
	var codes []string
	for _, c := range Codes {
		switch c.Code {
		case CodeSuspicious, CodeOldName, CodeIgnored, CodeNeedsRestart, CodeUnsupported:
		default:
			codes = append(codes, c.Code)
		}
	}
	return Strict(ps, codes...)
}

// Format returns one line for each problem: severity and [Problem.Error].
func Format(ps []*Problem) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, "%s: %v\n", p.Severity, p)
	}
	return b.String()
}

// Join returns the problems as one error that keeps their places, for
// UnmarshalNode methods that decode parts of their node. It is nil when there
// are none.
func Join(ps []*Problem) error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// At returns err as an error about the value at path, relative to the options
// or value whose Validate returns it: "max_size", "keys[2].name". The loader
// adds the rest of the path and the place in the file. Several errors are
// joined with [errors.Join]. At returns nil when err is nil.
func At(path string, err error) error {
	if err == nil {
		return nil
	}
	return &pathError{path, err}
}

type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// codedError gives an error a code of its own.
type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// Coded returns an error whose problem has a code of its own, as the error of a
// Validate may need it.
func Coded(code, format string, args ...any) error {
	return &codedError{code, fmt.Errorf(format, args...)}
}

// Problem returns a problem of the value n. A nil n gives one without a place.
// Secret texts of n and of its entries are masked where the error repeats them.
func (n *Node) Problem(sev Severity, code string, err error) *Problem {
	p := &Problem{Path: n.Path(), Severity: sev, Code: code, Err: n.masked(err)}
	if n != nil {
		atSecretKey := func(n *Node) bool { return n.hides == byKey }
		p.At, p.secret = n.Pos, atSecretKey(n) || slices.ContainsFunc(n.Items, atSecretKey)
	}
	return p
}

// ProblemAt returns a problem of the value at path, relative to n; "" is n.
// Where path leads to nothing, the place is that of the innermost value there
// is. Keys that differ only in letter case are found.
func (n *Node) ProblemAt(path string, sev Severity, code string, err error) *Problem {
	inner, rest := n.Locate(SplitPath(path))
	p := inner.Problem(sev, code, err)
	p.Path = string(appendPath([]byte(p.Path), rest))
	return p
}

// Problems returns the problems that err stands for: joined errors one by one, errors of
// [At] at their place relative to n, and problems as they are. Errors that bring no
// severity or code of their own get the given ones.
func (n *Node) Problems(sev Severity, code string, err error) []*Problem {
	var ps []*Problem
	var add func(path string, err error)
	add = func(path string, err error) {
		switch e := err.(type) {
		case nil:
		case *pathError:
			add(joinPath(path, e.path), e.err)
		case *Problem:
			ps = append(ps, e)
		case *codedError:
			ps = append(ps, n.ProblemAt(path, sev, e.code, e.err))
		default:
			if parts := joined(err); parts != nil {
				for _, part := range parts {
					add(path, part)
				}
				return
			}
			ps = append(ps, n.ProblemAt(path, sev, code, err))
		}
	}
	add("", err)
	return ps
}

// joined returns the parts of an error of errors.Join, and nil for any other.
// An error of fmt.Errorf that wraps several is not one: its text says more
// than its parts.
func joined(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	parts := j.Unwrap()
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.Error()
	}
	if strings.Join(texts, "\n") != err.Error() {
		return nil
	}
	return parts
}

func joinPath(outer, inner string) string {
	if outer == "" || inner == "" || inner[0] == '[' {
		return outer + inner
	}
	return outer + "." + inner
}
