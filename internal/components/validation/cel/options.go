package cel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Options configures validation/cel: a list of conditions, all of which must
// hold.
type Options []Check

// Check is one condition.
type Check struct {
	// CheckExpr is an expression in the Common Expression Language that must
	// be true, such as 'X-Api-Key' in req_headers.
	CheckExpr string `json:"check_expr" check:"required"`
}

// Validate reports an empty list and empty expressions.
func (o Options) Validate() error {
	if len(o) == 0 {
		return errors.New(`an empty list checks nothing; write {"check_expr": "..."}, or remove the namespace`)
	}
	var errs []error
	for i, c := range o {
		if strings.TrimSpace(c.CheckExpr) == "" {
			errs = append(errs, config.At(path(i), errors.New("an empty expression checks nothing; write one, or remove the entry")))
		}
	}
	return errors.Join(errs...)
}

// path returns the place of the expression with the given index.
func path(i int) string { return fmt.Sprintf("[%d].check_expr", i) }
