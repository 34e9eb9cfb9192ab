package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/report"
)

// lines are what a hostile or careless hand writes; the caret belongs under the X.
var lines = []string{
	`  "a": "X"`,
	"\t\t\"a\":\t\"X\"",
	`  "名前": "Ｗide 日本語 X"`,
	"  \"e\u0301te\u0301\": \"X\"",
	"  \"\U0001F468\u200d\U0001F469\u200d\U0001F467\": \"X\"",
	"  \"\x1b[2J\x1b]0;owned\x07\": \"X \u202egnp.exe\"",
	"  \"\xff\xfe\": \"X\"\r",
	strings.Repeat("界", 300) + "X" + strings.Repeat("界", 300),
	strings.Repeat("a\u0301", 300) + "X" + strings.Repeat("\x01", 300),
	"X" + strings.Repeat("b", 300),
	strings.Repeat("b", 300) + "X",
	strings.Repeat("b", 100) + "X" + strings.Repeat(" c", 40),
}

func shown(name, text string) *config.Shown {
	return config.Show(name, []byte(text), nil, func(string, string) *config.Spec { return nil })
}

func at(text string, line int) config.Pos {
	before, _, _ := strings.Cut(strings.Split(text, "\n")[line], "X")
	return config.Pos{File: "a.json", Line: int32(line + 1), Col: int32(len([]rune(before)) + 1)}
}

func TestTerminal(t *testing.T) {
	text := strings.Join(lines, "\n")
	var ps []*config.Problem
	for i := range lines {
		ps = append(ps, &config.Problem{Path: fmt.Sprintf("a[%d]", i), At: at(text, i), Code: config.CodeInvalid,
			Err: fmt.Errorf("number %d is wrong\x1b[2J, which takes as many words to say as this; \"here; there\" is right, and so is `this; that`, so write one of the two", i)})
	}
	ps = append(ps, nil, &config.Problem{At: config.Pos{File: "environment:FC\x1b[2J"}, Severity: config.Warning, Code: config.CodeIgnored, Err: errors.New("of no use\nat all")})
	ps[len(lines)] = &config.Problem{At: config.Pos{File: "a.json", Line: 100, Col: 1}, Severity: config.Note, Code: config.CodeNote, Err: errors.New("no such line")}
	for i := range 38 {
		ps = append(ps, &config.Problem{At: config.Pos{File: "b.json", Line: int32(i + 1), Col: 1}, Code: config.CodeRequired, Err: errors.New("missing; add it")})
	}
	for range 3 {
		ps = append(ps, &config.Problem{At: config.Pos{File: "c.json"}, Code: config.CodeUnreadable, Err: errors.New("cannot be read")})
	}
	for _, width := range []int{40, 80, 200} {
		terminal := report.Terminal{Width: width, Source: func(file string) *config.Shown {
			if file != "a.json" {
				return nil
			}
			return shown(file, text)
		}}
		got := strings.Join(slices.Collect(terminal.Problems(ps)), "")
		for line := range strings.Lines(got) {
			if strings.ContainsAny(line, "\x1b\x07\x01\t\r\u202e") {
				t.Errorf("a control character got through: %q", line)
			}
		}
		testx.Golden(t, fmt.Sprintf("testdata/terminal-%d.txt", width), got)
	}
	if got := slices.Collect(report.Terminal{}.Problems(nil)); got != nil {
		t.Errorf("no problems: %q", got)
	}
}

// TestColour puts nothing but colours around what is said without.
func TestColour(t *testing.T) {
	ps := []*config.Problem{
		{At: config.Pos{File: "a.json", Line: 1, Col: 1}, Code: config.CodeInvalid, Err: errors.New("bad; good")},
		{At: config.Pos{File: "a.json", Line: 1, Col: 2}, Severity: config.Warning, Code: config.CodeInvalid, Err: errors.New("bad; good")},
	}
	source := func(file string) *config.Shown { return shown(file, `{}`) }
	plain := strings.Join(slices.Collect(report.Terminal{Width: 80, Source: source}.Problems(ps)), "")
	colourful := strings.Join(slices.Collect(report.Terminal{Width: 80, Source: source, Colour: true}.Problems(ps)), "")
	testx.Golden(t, "testdata/colour.txt", strings.ReplaceAll(colourful, "\x1b", "ESC"))
	for _, code := range []string{"1", "2", "1;31", "1;32", "1;33", "0"} {
		colourful = strings.ReplaceAll(colourful, "\x1b["+code+"m", "")
	}
	if colourful != plain {
		t.Errorf("got %q without its colours, want %q", colourful, plain)
	}
}

// FuzzTerminal draws any line within its width, without anything that a terminal obeys.
func FuzzTerminal(f *testing.F) {
	for _, line := range lines {
		f.Add(line, 3, 80)
	}
	f.Fuzz(func(t *testing.T, line string, col, width int) {
		if width %= 300; len(line) > 10_000 {
			return
		}
		terminal := report.Terminal{Width: width, Source: func(file string) *config.Shown { return shown(file, line) }}
		p := &config.Problem{At: config.Pos{File: "a.json", Line: 1, Col: int32(col)}, Code: config.CodeInvalid, Err: errors.New("x")}
		for text := range terminal.Problems([]*config.Problem{p}) {
			for _, r := range text {
				if r != '\n' && (r < ' ' || r == 0x7f) {
					t.Fatalf("%q has %q", text, r)
				}
			}
			for part := range strings.Lines(text) {
				if strings.Contains(part, " | ") && report.Cells(strings.TrimSuffix(part, "\n")) > max(width, 40) {
					t.Fatalf("%q is wider than %d", part, width)
				}
			}
		}
	})
}
