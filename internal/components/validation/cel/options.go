package cel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/celx"
)

// Options configures validation/cel: a list of conditions, all of which must
// hold.
type Options []Check

// Check is one condition.
type Check struct {
	// CheckExpr is an expression in the Common Expression Language that must
	// be true, such as 'X-Api-Key' in req_headers.
	CheckExpr string `json:"check_expr" check:"required" example:"\"'X-Api-Key' in req_headers\"" guards:"option"`

	// Status is the status of the answer when the condition does not hold.
	// Absent, it is in the dialect sluice 403 for conditions on requests and
	// tokens and 502 for those on answers; in krakend 401 for those on tokens
	// and 500. behaviour.error_status chooses.
	Status int `json:"status" check:"min=400,max=599"`

	// CostLimit is what evaluating the condition may cost: about one for each
	// step, for each round of a loop, and for each ten bytes of a text that is
	// searched. A condition that costs more does not hold; one that cannot cost
	// less is refused at the start. A million is a fraction of a second.
	CostLimit int `json:"cost_limit" check:"min=1"`

	// DynamicPatterns allows patterns of matches() that are not written out in
	// the expression but come from the request, the token or the answer. They
	// are bounded in size; one that is too large, or no pattern, makes the
	// condition false.
	DynamicPatterns bool `json:"dynamic_patterns"`
}

// Defaults are the values of the keys that are absent.
func (Check) Defaults() Check { return Check{CostLimit: celx.DefaultCostLimit} }

// Validate reports an empty list and empty expressions.
func (o Options) Validate() error {
	if len(o) == 0 {
		return errors.New(`an empty list checks nothing; write {"check_expr": "..."}`)
	}
	var errs []error
	for i, c := range o {
		if strings.TrimSpace(c.CheckExpr) == "" {
			errs = append(errs, config.At(path(i), errors.New("an empty expression checks nothing; write one that must be true")))
		}
	}
	return errors.Join(errs...)
}

// path returns the place of the expression with the given index.
func path(i int) string { return fmt.Sprintf("[%d].check_expr", i) }
