package migrate

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/report"
)

// some is how many places a text tells of one difference; JSON has them all.
const some = 3

// Text writes the report for people, without what holds for every file if it is to be brief.
// shown makes texts of the configuration fit for a terminal.
func (r *Report) Text(w io.Writer, file string, brief bool, shown func(string) string) error {
	var b bytes.Buffer
	verdict := "starts"
	if !r.Starts {
		verdict = "does not start yet"
	}
	fmt.Fprintf(&b, "%s: %s; %d to change first, %d not supported yet, %d done differently, %d with a warning\n",
		shown(file), verdict, len(r.Change), len(r.Unsupported), len(r.Differs), len(r.Warned))
	problems := func(title string, ps []Problem) {
		if len(ps) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", title)
		}
		for _, alike := range report.Groups(ps, func(p Problem) string { return p.Message }) {
			p := alike[0]
			fmt.Fprintf(&b, "  %s: %s\n", shown(p.Place.String()), shown(strings.Join(strings.Fields(p.Message), " ")))
			switch more := alike[1:]; {
			case len(more) > some:
				fmt.Fprintf(&b, "    and %d more like it; --format json lists all\n", len(more))
			default:
				for _, q := range more {
					fmt.Fprintf(&b, "    and %s\n", shown(q.Place.String()))
				}
			}
			if p.Row != "" {
				fmt.Fprintf(&b, "    %s\n", p.Row)
			}
		}
	}
	problems("To change first: the gateway does not start with it", r.Change)
	problems("Not supported yet: --allow-unsupported runs without what it does", r.Unsupported)
	if len(r.Differs) > 0 {
		b.WriteString("\nDone differently, of what the file uses:\n")
	}
	for _, d := range r.Differs {
		fmt.Fprintf(&b, "  %s\n    KrakenD: %s\n    Sluice:  %s\n", d.Where, d.Theirs, d.Ours)
		for _, p := range d.Places[:min(len(d.Places), some)] {
			fmt.Fprintf(&b, "    %s\n", shown(p.String()))
		}
		if more := len(d.Places) - some; more > 0 {
			fmt.Fprintf(&b, "    and %d more; --format json lists all\n", more)
		}
		fmt.Fprintf(&b, "    %s\n", d.Row)
	}
	problems("Taken with a warning", r.Warned)
	fmt.Fprintf(&b, "\nWorks as before, but for the above: %s, %s, %s\n",
		count(r.Endpoints, "endpoint"), count(r.Backends, "backend"), count(r.Agents, "agent"))
	for _, u := range r.Works {
		fmt.Fprintf(&b, "  %s (%d)\n", shown(u.Namespace), u.Count)
	}
	if !brief {
		fmt.Fprintf(&b, "\nDone differently for every file (%s has the reasons):\n", manual.CompatibilityPage)
		for _, d := range r.Everywhere {
			fmt.Fprintf(&b, "  %s: %s\n", d.Where, d.Ours)
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// count returns a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Whole returns the report with empty lists in place of none, for JSON.
func (r *Report) Whole() *Report {
	whole := *r
	for _, list := range []*[]Problem{&whole.Change, &whole.Unsupported, &whole.Warned} {
		*list = slices.Concat([]Problem{}, *list)
	}
	for _, list := range []*[]Difference{&whole.Differs, &whole.Everywhere} {
		*list = slices.Concat([]Difference{}, *list)
	}
	whole.Works = slices.Concat([]Use{}, whole.Works)
	return &whole
}
