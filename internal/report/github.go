package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// What separates the parts of a workflow command is escaped in them.
var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes a workflow command for each problem, which GitHub shows beside the line of a
// change when it stands in the log of a job.
//
// Source: docs.github.com, workflow commands for GitHub Actions.
func GitHub(w io.Writer, problems []*config.Problem) error {
	var b bytes.Buffer
	for _, p := range problems {
		level := p.Severity.String()
		if p.Severity == config.Note {
			level = "notice"
		}
		text := message(p)
		properties := ""
		switch {
		case strings.HasPrefix(p.At.File, "environment:"), p.At.File == "": // no file that one could open
			text = strings.TrimPrefix(p.At.File+": "+text, ": ")
		case p.At.Line == 0:
			properties = "file=" + commandProperty.Replace(p.At.File) + ","
		default:
			properties = fmt.Sprintf("file=%s,line=%d,col=%d,", commandProperty.Replace(p.At.File), p.At.Line, p.At.Col)
		}
		fmt.Fprintf(&b, "::%s %stitle=%s::%s\n", level, properties, commandProperty.Replace(p.Code), commandData.Replace(text))
	}
	_, err := b.WriteTo(w)
	return err
}
