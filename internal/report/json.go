package report

import "github.com/sluice-gateway/sluice/internal/config"

// A jsonProblem is a problem for programs.
type jsonProblem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Path     string `json:"path"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// JSON returns the report for programs. ok is that the configuration can be used.
func JSON(problems []*config.Problem, ok bool) any {
	list := make([]jsonProblem, len(problems))
	for i, p := range problems {
		list[i] = jsonProblem{p.At.File, int(p.At.Line), int(p.At.Col), p.Path, p.Severity.String(), p.Code, p.Err.Error()}
	}
	return struct {
		OK       bool          `json:"ok"`
		Problems []jsonProblem `json:"problems"`
	}{ok, list}
}
