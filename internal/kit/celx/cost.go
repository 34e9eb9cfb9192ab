package celx

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// sizes tells the estimator how large variables can be. What a client sends is no
// larger than the header of a request; answers may be of any size, their headers as
// well, and so may values of earlier answers among the parameters.
type sizes struct {
	header uint64 // bytes of a header
}

// EstimateCallCost leaves the cost of calls to the library.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// EstimateSize returns the bounds of a variable or of a part of it.
func (s sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 || path[0] == varData || path[0] == varMetadataHeaders {
		return nil
	}
	if path[0] == varParams && (len(path) < 2 || path[1][0] == '@' || strings.HasPrefix(path[1], "Resp")) {
		return nil
	}
	most := s.header
	switch n.Type().Kind() {
	case types.ListKind, types.MapKind:
		most /= 4 // no line and no parameter is shorter with what stands around it
	case types.DynKind:
		most = most / 4 * 3 // a claim, before base64
	}
	return &cost.SizeEstimate{Max: most}
}

// estimate looks at what an expression can cost. It reports whether the cost must be
// watched, which costs something itself: whether the limit may be passed at all. An
// expression that passes it in any case is an error.
func estimate(env *cel.Env, checked *cel.Ast, header, limit uint64) (watched bool, err error) {
	e, err := env.EstimateCost(checked, sizes{header})
	switch {
	case err != nil:
		return false, err
	case e.Min > limit:
		return false, fmt.Errorf("it costs %d at least and is limited to %d; make it simpler, or raise cost_limit", e.Min, limit)
	}
	return e.Max > limit, nil
}

// errDynamic is the trouble with a pattern that is not written out.
var errDynamic = errors.New("the pattern of matches() is not written out, and whoever chooses it chooses what it costs; " +
	`write a literal, as in matches('^[a-z]+$'), or set "dynamic_patterns": true`)
