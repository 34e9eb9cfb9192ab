package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A metric is a column of figures.
type metric struct {
	name   string
	format string // of its figures, for fmt
	aside  bool   // its ratios say nothing
}

// A row has the figures of one peer in one case: for each metric of the table
// one figure each round.
type row struct {
	name, peer string
	rounds     [][]float64
}

// add appends the figures of a round, one for each metric.
func (r *row) add(figures ...float64) {
	if r.rounds == nil {
		r.rounds = make([][]float64, len(figures))
	}
	for i, f := range figures {
		r.rounds[i] = append(r.rounds[i], f)
	}
}

// A pair is a row and the one that it is compared with.
type pair struct{ row, base *row }

// label names the base: by its peer or, if that is the same, by its case.
func (p pair) label() string {
	if p.row.peer == p.base.peer {
		return p.base.name
	}
	return p.base.peer
}

// A table is a set of figures.
type table struct {
	title   string
	metrics []metric
	rows    []*row
	pairs   []pair
}

// row adds an empty row.
func (t *table) row(name, peer string) *row {
	r := &row{name: name, peer: peer}
	t.rows = append(t.rows, r)
	return r
}

// find returns a row, nil if there is none.
func (t *table) find(name, peer string) *row {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.name == name && r.peer == peer })
	if i < 0 {
		return nil
	}
	return t.rows[i]
}

// compare has the ratios of two rows printed, if both are there.
func (t *table) compare(r, base *row) {
	if r != nil && base != nil && r != base {
		t.pairs = append(t.pairs, pair{r, base})
	}
}

// compareAll compares the rows of a case with the one of nginx or, where nginx
// is not measured, with the one of the plain peer; and that of the gateway with
// its earlier build.
func (t *table) compareAll(name string) {
	t.compare(t.find(name, "sluice"), t.find(name, beforeName))
	base := t.find(name, "nginx")
	if base == nil {
		base = t.find(name, "plain")
	}
	for _, r := range t.rows {
		if r.name == name {
			t.compare(r, base)
		}
	}
}

// median returns the middle of values, between the two middle ones if their
// number is even. There is at least one; values is left as it is.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// ratios divides the figures of each round: what disturbs a round disturbs both
// sides of it. Rounds of which one side has no figure, or 0, are left out.
func ratios(figures, base []float64) []float64 {
	var out []float64
	for i := range min(len(figures), len(base)) {
		if base[i] != 0 {
			out = append(out, figures[i]/base[i])
		}
	}
	return out
}

// writeRatios prints the pairs as a table of Markdown: the median over the
// rounds, and for the first metric the least and the greatest.
func (t *table) writeRatios(w io.Writer) {
	if len(t.pairs) == 0 {
		return
	}
	t.head(w, func(m metric) bool { return !m.aside }, "to")
	for _, p := range t.pairs {
		cells := []string{p.row.name, p.row.peer, p.label()}
		for i, m := range t.metrics {
			if m.aside {
				continue
			}
			cells = append(cells, ratioCell(ratios(p.row.rounds[i], p.base.rounds[i]), i == 0))
		}
		line(w, cells)
	}
}

// worse is how much dearer the gateway may be than its earlier build: a ratio
// that noise alone makes, on a machine that has neighbours.
const worse = 1.03

// writeVerdict prints the first metric of the gateway against its earlier build,
// case by case: the lower quartile of the ratios of the rounds, which is above
// the bound only if the gateway is dearer in most of them.
func writeVerdict(w io.Writer, tables []*table) {
	fmt.Fprintf(w, "\n## No worse than before\n\nAt most %.2f, in the lower quartile of the rounds.\n\n", worse)
	line(w, []string{"case", "figure", "lower quartile", "verdict"})
	line(w, []string{"---", "---", "---:", "---"})
	for _, t := range tables {
		for _, p := range t.pairs {
			if p.base.peer != beforeName {
				continue
			}
			r := ratios(p.row.rounds[0], p.base.rounds[0])
			if len(r) == 0 {
				continue
			}
			verdict := "holds"
			if quartile(r) > worse {
				verdict = "missed"
			}
			line(w, []string{p.row.name, t.metrics[0].name, fmt.Sprintf("%.3f", quartile(r)), verdict})
		}
	}
}

// quartile returns the lower quartile of values: the median of those below the
// median. There is at least one; values is left as it is.
func quartile(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return median(v[:(len(v)+1)/2])
}

func ratioCell(values []float64, spread bool) string {
	switch {
	case len(values) == 0:
		return "-"
	case spread && len(values) > 1:
		return fmt.Sprintf("%.2f (%.2f-%.2f)", median(values), slices.Min(values), slices.Max(values))
	}
	return fmt.Sprintf("%.2f", median(values))
}

// writeFigures prints the medians of all rows as a table of Markdown.
func (t *table) writeFigures(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	t.head(w, func(metric) bool { return true })
	for _, r := range t.rows {
		cells := []string{r.name, r.peer}
		for i, m := range t.metrics {
			cells = append(cells, fmt.Sprintf(m.format, median(r.rounds[i])))
		}
		line(w, cells)
	}
}

// head prints the title and the names of the columns: case, peer, some others,
// and the metrics that are wanted.
func (t *table) head(w io.Writer, wanted func(metric) bool, others ...string) {
	fmt.Fprintf(w, "\n## %s\n\n", t.title)
	cells := append([]string{"case", "peer"}, others...)
	rules := slices.Repeat([]string{"---"}, len(cells))
	for _, m := range t.metrics {
		if wanted(m) {
			cells = append(cells, m.name)
			rules = append(rules, "---:")
		}
	}
	line(w, cells)
	line(w, rules)
}

func line(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
