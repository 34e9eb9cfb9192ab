package cli

import (
	"io"

	"github.com/sluice-gateway/sluice/internal/report"
)

// text is standard output for what has words of others in it: a configuration, an answer.
func (a *app) text() io.Writer { return visible{a.stdout} }

// complaints is standard error, likewise.
func (a *app) complaints() io.Writer { return visible{a.stderr} }

// A visible writer shows control characters instead of having them done, see
// [report.AppendVisible]. In JSON, where they stand in texts only, the escapes mean the
// same.
type visible struct{ w io.Writer }

// Write writes p, which holds whole characters.
func (v visible) Write(p []byte) (int, error) {
	if _, err := v.w.Write(report.AppendVisible(make([]byte, 0, len(p)), p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
