package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sluice-gateway/sluice/internal/report"
)

// Count returns how many changes have a verdict.
func Count(changes []Change, v Verdict) (n int) {
	for _, c := range changes {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Summary says how many changes there are, by verdict.
func Summary(changes []Change) string {
	if len(changes) == 0 {
		return "no difference"
	}
	var parts []string
	for _, v := range Verdicts() {
		if n := Count(changes, v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}

// Text prints changes for a terminal, by subject, the worst first.
func Text(w io.Writer, from, to string, changes []Change) error {
	if _, err := fmt.Fprintf(w, "%s -> %s: %s\n", from, to, Summary(changes)); err != nil {
		return err
	}
	for _, group := range bySubject(worstFirst(changes)) {
		fmt.Fprintf(w, "\n%s\n", group[0].Subject)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, c := range group {
			line := c.sentence()
			if c.Why != "" {
				line += " (" + c.Why + ")"
			}
			fmt.Fprintf(t, "  %s\t%v\t%s\n", c.Verdict, c.At, line)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// sentence says what is different.
func (c *Change) sentence() string {
	what := c.Path
	if what != "" {
		what += ": "
	}
	switch {
	case c.Kind == "added" && (c.Path == "" || strings.HasPrefix(c.After, "{")), c.Kind == "removed" && (c.Path == "" || strings.HasPrefix(c.Before, "{")):
		return what + c.Kind
	case c.Kind == "added":
		return what + "added " + c.After
	case c.Kind == "removed":
		return what + "removed " + c.Before
	}
	return what + c.Before + " -> " + c.After
}

// worstFirst returns changes with the worst in front, otherwise in their order.
func worstFirst(changes []Change) []Change {
	return slices.SortedStableFunc(slices.Values(changes), func(a, b Change) int {
		return slices.Index(Verdicts(), a.Verdict) - slices.Index(Verdicts(), b.Verdict)
	})
}

// bySubject groups changes, in their order.
func bySubject(changes []Change) [][]Change {
	return report.Groups(changes, func(c Change) string { return c.Subject })
}

// Markdown prints changes as a table, for the comment of a review.
func Markdown(w io.Writer, from, to string, changes []Change) error {
	fmt.Fprintf(w, "**%s**, from %s to %s\n", Summary(changes), span(from), span(to))
	if len(changes) > 0 {
		fmt.Fprint(w, "\n| | Where | Before | After | | Place |\n|---|---|---|---|---|---|\n")
	}
	for _, c := range worstFirst(changes) {
		where, verdict := span(c.Subject), string(c.Verdict)
		if c.Path != "" {
			where += " " + span(c.Path)
		}
		if c.Verdict == Weakened {
			verdict = "**" + verdict + "**"
		}
		place := ""
		if c.At.Line > 0 {
			place = fmt.Sprintf("%s:%d", c.At.File, c.At.Line)
		}
		if _, err := fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", verdict, where, span(c.Before), span(c.After), plain.Replace(c.Why), span(place)); err != nil {
			return err
		}
	}
	return nil
}

// plain writes a text into a table so that nothing of it is taken for markup.
var plain = strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "\\", "&#92;", "<", "&lt;", "\n", " ", "[", `\[`, "@", "&#64;")

// cells keeps a text within its cell: a backslash in front of another would end what the second
// escapes.
var cells = strings.NewReplacer("\n", " ", `\|`, `\ \|`, "|", `\|`)

// span writes a text as code into a table, "" as it is.
func span(text string) string {
	if text == "" {
		return ""
	}
	text = cells.Replace(text)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// JSON prints changes for programs.
func JSON(w io.Writer, changes []Change) error {
	type placed struct {
		Change
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	}
	all := make([]placed, len(changes))
	for i, c := range changes {
		all[i] = placed{c, c.At.File, int(c.At.Line), int(c.At.Col)}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Same         bool     `json:"same"`
		Weakened     int      `json:"weakened"`
		Changed      int      `json:"changed"`
		Strengthened int      `json:"strengthened"`
		Changes      []placed `json:"changes"`
	}{len(changes) == 0, Count(changes, Weakened), Count(changes, Changed), Count(changes, Strengthened), all})
}

// Worse reports whether there is a change with a verdict, or a worse one.
func Worse(changes []Change, v Verdict) bool {
	limit := slices.Index(Verdicts(), v)
	return slices.ContainsFunc(changes, func(c Change) bool { return slices.Index(Verdicts(), c.Verdict) <= limit })
}
