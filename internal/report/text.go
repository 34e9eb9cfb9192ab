package report

import (
	"fmt"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Line returns a problem on one line: file:line:col: path: message, and how bad it is where
// it is no error.
func Line(p *config.Problem) string {
	if p.Severity == config.Error {
		return p.Error()
	}
	return fmt.Sprintf("%v (%v)", p, p.Severity)
}
