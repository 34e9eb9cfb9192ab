package cli

import (
	"io"
	"os"
	"reflect"
	"strconv"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/report"
)

// terminalOf returns how problems are printed on a terminal, nil if a stream is none: then
// they are for grep. NO_COLOR and TERM=dumb keep it without colours; CLICOLOR_FORCE is for
// whoever shows a stream to people, such as the log of a build, in as many COLUMNS.
//
// Source: no-color.org; bixense.com/clicolors.
func terminalOf(stream io.Writer, getenv func(string) string) *report.Terminal {
	const usual = 80
	width, isTerminal := 0, false
	if f, ok := stream.(*os.File); ok {
		width, isTerminal = columns(f)
	}
	force := getenv("CLICOLOR_FORCE")
	forced := force != "" && force != "0"
	if !isTerminal && !forced {
		return nil
	}
	if !isTerminal {
		width, _ = strconv.Atoi(getenv("COLUMNS"))
	}
	if width <= 0 {
		width = usual
	}
	return &report.Terminal{
		Width:  width,
		Colour: getenv("NO_COLOR") == "" && (forced || getenv("TERM") != "dumb"),
		Source: shown,
	}
}

// shown returns what may be seen of a file that a problem stands in, nil if that cannot be
// read a second time.
func shown(file string) *config.Shown {
	f, err := config.OpenFile(file)
	if err != nil {
		return nil
	}
	defer f.Close() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, config.LargestDocument))
	if err != nil {
		return nil
	}
	return config.Show(file, data, config.SpecOf(reflect.TypeFor[model.Service]()), component.Default.Options)
}

// printProblems writes problems to standard error: on a terminal for people, elsewhere one
// in a line.
func (a *app) printProblems(problems []*config.Problem) {
	const many = 1000 // that may wait for their reader
	n := 0
	told := func() {
		if n++; n%many == 0 {
			a.flush()
		}
	}
	if a.terminal != nil {
		for text := range a.terminal.Problems(problems) {
			io.WriteString(a.stderr, text)
			told()
		}
		return
	}
	for _, p := range problems {
		io.WriteString(a.complaints(), report.Line(p)+"\n")
		told()
	}
}
