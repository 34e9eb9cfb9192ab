package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 100}, 3.5},
	}
	for _, tt := range tests {
		before := slices.Clone(tt.values)
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", before, got, tt.want)
		}
		if !slices.Equal(tt.values, before) {
			t.Errorf("median changed %v to %v", before, tt.values)
		}
	}
}

func TestQuartile(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{2, 1}, 1},
		{[]float64{4, 1, 3, 2}, 1.5},
		{[]float64{5, 1, 3, 2, 4}, 2},
	}
	for _, tt := range tests {
		if got := quartile(tt.values); got != tt.want {
			t.Errorf("quartile(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestWriteVerdict has a case that is dearer in most rounds, and one that is in a
// few.
func TestWriteVerdict(t *testing.T) {
	b := table{metrics: []metric{{name: "CPU"}, {name: "p50"}}}
	add := func(name string, cpu ...float64) {
		now, before := b.row(name, "sluice"), b.row(name, beforeName)
		for _, f := range cpu {
			now.add(f, 9)
			before.add(1, 1)
		}
		b.compareAll(name)
	}
	add("dearer", 1.1, 1.2, 1.3, 1.1)
	add("noisy", 0.9, 1.5, 1, 1.6)
	const want = `
## No worse than before

At most 1.03, in the lower quartile of the rounds.

| case | figure | lower quartile | verdict |
| --- | --- | ---: | --- |
| dearer | CPU | 1.100 | missed |
| noisy | CPU | 0.950 | holds |
`
	var out strings.Builder
	writeVerdict(&out, []*table{&b})
	if out.String() != want {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

func TestRatios(t *testing.T) {
	tests := []struct {
		name          string
		figures, base []float64
		want          []float64
	}{
		{"by round", []float64{2, 9}, []float64{1, 3}, []float64{2, 3}},
		{"nothing to divide by", []float64{2, 9}, []float64{0, 3}, []float64{3}},
		{"a round is missing", []float64{2, 9}, []float64{4}, []float64{0.5}},
		{"nothing", nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ratios(tt.figures, tt.base); !slices.Equal(got, tt.want) {
				t.Errorf("ratios(%v, %v) = %v, want %v", tt.figures, tt.base, got, tt.want)
			}
		})
	}
}

// sampleTable has two peers, a metric whose ratios say nothing, and two cases of
// one peer.
func sampleTable() *table {
	t := &table{
		title: "Sample",
		metrics: []metric{
			{name: "CPU", format: "%.1f µs"},
			{name: "generator", format: "%.0f µs", aside: true},
			{name: "p99", format: "%.0f µs"},
		},
	}
	few, base, many := t.row("few", "ours"), t.row("few", "theirs"), t.row("many", "ours")
	for _, f := range []float64{1, 2, 4} {
		few.add(10*f, 7, 100)
		base.add(20, 7, 50)
		many.add(30*f, 7, 0)
	}
	t.compare(few, base)
	t.compare(many, few)
	t.compare(few, few)
	t.compare(t.find("many", "theirs"), base)
	return t
}

func TestWriteRatios(t *testing.T) {
	const want = `
## Sample

| case | peer | to | CPU | p99 |
| --- | --- | --- | ---: | ---: |
| few | ours | theirs | 1.00 (0.50-2.00) | 2.00 |
| many | ours | few | 3.00 (3.00-3.00) | 0.00 |
`
	var b strings.Builder
	sampleTable().writeRatios(&b)
	if b.String() != want {
		t.Errorf("got %s\nwant %s", b.String(), want)
	}
}

func TestWriteFigures(t *testing.T) {
	const want = `
## Sample

| case | peer | CPU | generator | p99 |
| --- | --- | ---: | ---: | ---: |
| few | ours | 20.0 µs | 7 µs | 100 µs |
| few | theirs | 20.0 µs | 7 µs | 50 µs |
| many | ours | 60.0 µs | 7 µs | 0 µs |
`
	var b strings.Builder
	sampleTable().writeFigures(&b)
	if b.String() != want {
		t.Errorf("got %s\nwant %s", b.String(), want)
	}
}

func TestCompareAll(t *testing.T) {
	var b table
	for _, peer := range []string{"sluice", "nginx", "plain"} {
		b.row("noop", peer)
	}
	b.row("merge", "sluice")
	b.row("merge", "plain")
	b.row("alone", "sluice")
	for _, name := range []string{"noop", "merge", "alone"} {
		b.compareAll(name)
	}
	var got []string
	for _, p := range b.pairs {
		got = append(got, p.row.name+" "+p.row.peer+" to "+p.label())
	}
	want := []string{"noop sluice to nginx", "noop plain to nginx", "merge sluice to plain"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNothingToCompare(t *testing.T) {
	var b strings.Builder
	new(table).writeRatios(&b)
	new(table).writeFigures(&b)
	if b.Len() > 0 {
		t.Errorf("an empty table writes %q", b.String())
	}
	if got := ratioCell(nil, true); got != "-" {
		t.Errorf("no ratios are written as %q", got)
	}
}

func TestTurn(t *testing.T) {
	list := []int{1, 2, 3}
	for round, want := range [][]int{{1, 2, 3}, {3, 2, 1}, {1, 2, 3}} {
		if got := turn(round, list); !slices.Equal(got, want) {
			t.Errorf("turn(%d) = %v, want %v", round, got, want)
		}
	}
}
