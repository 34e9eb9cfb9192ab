package celx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/sluice-gateway/sluice/internal/component"
)

// Names of the variables.
const (
	varToken           = "JWT"
	varNow             = "now"
	varMethod          = "req_method"
	varPath            = "req_path"
	varParams          = "req_params"
	varHeaders         = "req_headers"
	varQuery           = "req_querystring"
	varCompleted       = "resp_completed"
	varMetadataStatus  = "resp_metadata_status"
	varMetadataHeaders = "resp_metadata_headers"
	varData            = "resp_data"
)

// texts is the type of headers and of parameters.
var texts = cel.MapType(cel.StringType, cel.ListType(cel.StringType))

// variables are all of them, with their types.
var variables = []struct {
	name string
	of   *cel.Type
}{
	{varToken, cel.MapType(cel.StringType, cel.DynType)},
	{varNow, cel.StringType},
	{varMethod, cel.StringType},
	{varPath, cel.StringType},
	{varParams, cel.MapType(cel.StringType, cel.StringType)},
	{varHeaders, texts},
	{varQuery, texts},
	{varCompleted, cel.BoolType},
	{varMetadataStatus, cel.IntType},
	{varMetadataHeaders, texts},
	{varData, cel.MapType(cel.StringType, cel.DynType)},
}

// known reports whether a name is that of a variable.
func known(name string) bool {
	for _, v := range variables {
		if v.name == name {
			return true
		}
	}
	return false
}

// interruptEvery is how many rounds of a loop run between two looks at the
// deadline.
const interruptEvery = 100

// environments returns the environments of the expressions on data and of
// those on tokens. They differ in what a JSON number is: a text or a double.
var environments = sync.OnceValues(func() (*[2]*cel.Env, error) {
	options := []cel.EnvOption{cel.CustomTypeAdapter(adapter{numberAsText})}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.of))
	}
	data, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	token, err := data.Extend(cel.CustomTypeAdapter(adapter{numberAsDouble}))
	return &[2]*cel.Env{data, token}, err
})

// A Phase is when an expression is evaluated, which follows from its variables.
type Phase uint8

// The phases: before the answer, also for what looks at nothing of the exchange; once
// the token is verified; and after the answer.
const (
	OnRequest Phase = iota
	OnToken
	OnResponse
	Phases int = iota // how many there are
)

// DefaultCostLimit is what an expression may cost that says nothing: a loop over some
// hundred thousand elements, a fraction of a second.
const DefaultCostLimit = 1_000_000

// Bounds are what an expression may do.
type Bounds struct {
	CostLimit       int  // positive; see the package
	DynamicPatterns bool // patterns of matches() need not be written out
}

// An Expression is ready to be evaluated, by many exchanges at a time.
type Expression struct {
	program cel.Program
	phase   Phase
	watched bool // it may cost more than its limit, or long
	data    bool // whether it uses resp_data
	result  *cel.Type

	wrong, mistakes []error // see Doubts

	verdict   verdict
	variables bool     // it has any
	metadata  bool     // it uses the resp_metadata_ variables
	looks     []look   // texts that it looks up
	headers   []string // those of them that are names of request headers
	paths     pathTexts
}

// Phase returns when the expression is evaluated.
func (e *Expression) Phase() Phase { return e.phase }

// Data reports whether the expression looks at resp_data, for which the answer is
// decoded to a tree.
func (e *Expression) Data() bool { return e.data }

// Doubts returns what is wrong with an expression that can be evaluated and never does
// what it seems to do: wrong is what lets pass what it seems to forbid, and mistakes are
// the rest. Both are for people, of whom the first has to keep the gateway from starting.
func (e *Expression) Doubts() (wrong, mistakes []error) { return e.wrong, e.mistakes }

// Compile returns the expression of a text, to be evaluated in the scope. The error names
// every problem with its column, and what to write instead. The expressions of a scope
// are compiled before any of them is evaluated.
func (s *Scope) Compile(text string, b Bounds) (*Expression, error) {
	e, err := s.compile(text, b)
	switch {
	case err != nil:
		return nil, err
	case e.phase == OnToken && !s.verified:
		return nil, fmt.Errorf("JWT needs a verified token; configure %s on the endpoint, and write the expression there", s.known.Who(component.InEndpoint, component.Identifying))
	case e.data && s.noop:
		return nil, errors.New("resp_data is not decoded with the encoding no-op; use another encoding, or resp_metadata_status and resp_metadata_headers")
	}
	e.wrong, e.mistakes = s.doubts(e)
	return e, nil
}

func (s *Scope) compile(text string, b Bounds) (*Expression, error) {
	envs, err := environments()
	if err != nil {
		return nil, err
	}
	checked, issues := envs[0].Compile(text)
	if issues.Err() != nil {
		return nil, describe(issues)
	}
	e := &Expression{result: checked.OutputType()}
	var token, request, response, loops bool
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		switch n.Kind() {
		case ast.ComprehensionKind:
			loops = true
		case ast.IdentKind:
			name := n.AsIdent()
			token = token || name == varToken
			request = request || strings.HasPrefix(name, "req_")
			response = response || strings.HasPrefix(name, "resp_")
			e.data = e.data || name == varData
			e.metadata = e.metadata || name == varMetadataStatus || name == varMetadataHeaders
			e.variables = e.variables || known(name)
		}
	}))
	e.paths = pathTextsOf(checked.NativeRep().Expr())
	e.looks = looks(checked.NativeRep().Expr())
	for _, l := range e.looks {
		if l.variable == varHeaders && !l.loop && !slices.Contains(e.headers, l.text) {
			e.headers = append(e.headers, l.text)
		}
	}
	env := envs[0]
	switch {
	case token && (request || response):
		return nil, errors.New("JWT is known when the token is verified, req_ and resp_ variables are known later; write two expressions")
	case token:
		e.phase, env = OnToken, envs[1]
	case response:
		e.phase = OnResponse
	}
	if pattern := findDynamic(checked); pattern != nil && !b.DynamicPatterns {
		at := checked.NativeRep().SourceInfo().GetStartLocation(pattern.ID())
		return nil, fmt.Errorf("%s: %w", place(at), errDynamic)
	}
	limit := uint64(b.CostLimit)
	if e.watched, err = estimate(env, checked, s.header, limit); err != nil {
		return nil, err
	}
	e.watched = e.watched || loops
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if e.data {
		options = append(options, cel.CustomDecoratorV2(compareNumbers))
	}
	if b.DynamicPatterns {
		options = append(options, cel.CustomDecoratorV2(boundPatterns))
	}
	if e.watched {
		options = append(options, cel.CostLimit(limit), cel.InterruptCheckFrequency(interruptEvery))
	}
	if e.program, err = env.Program(checked, options...); err != nil {
		return nil, err
	}
	if e.result.IsExactType(types.BoolType) {
		e.verdict = judge(env, checked, s.noop, limit)
	}
	return e, nil
}

// place names a place in an expression, for people.
func place(at common.Location) string {
	if at.Line() > 1 {
		return fmt.Sprintf("line %d, column %d", at.Line(), at.Column()+1)
	}
	return fmt.Sprintf("column %d", at.Column()+1)
}

// describe returns what is wrong with an expression, for people.
func describe(issues *cel.Issues) error {
	var errs []error
	for _, e := range issues.Errors() {
		message := strings.TrimSuffix(e.Message, " (in container '')")
		if strings.Contains(message, "has() macro") {
			message += "; it takes a field, as in has(JWT.sub): write 'key' in req_headers for any other key"
		}
		errs = append(errs, fmt.Errorf("%s: %s", place(e.Location), message))
	}
	return errors.Join(errs...)
}
