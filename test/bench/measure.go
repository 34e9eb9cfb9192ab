package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	connections = 64   // of the generator, in most measurements
	crowd       = 1000 // in the measurement of memory
	warmUp      = 200 * time.Millisecond
	settle      = 300 * time.Millisecond // before memory is looked at
)

// sample runs a window and returns what the generator says and the processor
// time of g for each answer, in µs.
func sample(g *gateway, l *load, d time.Duration, rate int) (w window, cpu float64, err error) {
	before, err := g.cpu()
	if err != nil {
		return w, 0, err
	}
	if w, err = l.run(d, rate); err != nil {
		return w, 0, g.failed(err)
	}
	after, err := g.cpu()
	return w, float64(after-before) / float64(time.Microsecond) / float64(w.Answers), err
}

// turn is the order of a round: forwards, then backwards.
func turn[T any](round int, list []T) []T {
	list = slices.Clone(list)
	if round%2 == 1 {
		slices.Reverse(list)
	}
	return list
}

// requests measures the cases: each peer runs from the first to the last, so
// that it is as warm as in production.
func (r *rig) requests(ctx context.Context, ks []kind, cases []testCase) (*table, error) {
	t := &table{
		title: "Requests",
		metrics: []metric{
			{name: "CPU per request", format: "%.1f µs"},
			{name: "requests per second", format: "%.0f"},
			{name: "p50", format: "%.0f µs"},
			{name: "p99", format: "%.0f µs"},
			{name: "CPU of the generator", format: "%.1f µs", aside: true},
		},
	}
	var gateways []*gateway
	defer func() {
		for _, g := range gateways {
			g.stop()
		}
	}()
	c := endpoints(cases, r.host)
	for _, k := range ks {
		i := slices.IndexFunc(cases, func(c testCase) bool { return c.isNoop() || !k.noopOnly })
		if i < 0 {
			continue // none of the cases is for it
		}
		g, err := r.serve(ctx, k, c, cases[i].path)
		if err != nil {
			return nil, err
		}
		gateways = append(gateways, g)
	}
	for _, c := range cases {
		if err := r.measureCase(ctx, t, gateways, c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// measureCase adds a case to t: a row for each of the gateways that can do it.
func (r *rig) measureCase(ctx context.Context, t *table, gateways []*gateway, c testCase) error {
	type runner struct {
		*gateway
		*row
		length int
	}
	var runners []runner
	for _, g := range gateways {
		if g.noopOnly && !c.isNoop() {
			continue
		}
		length, err := r.check(ctx, g, c)
		if err != nil {
			return err
		}
		runners = append(runners, runner{g, t.row(c.name, g.kind.name), length})
	}
	for round := range r.rounds {
		for _, u := range turn(round, runners) {
			if err := ctx.Err(); err != nil {
				return err
			}
			figures, err := r.measureOnce(u.gateway, c, u.length)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			u.row.add(figures...)
		}
	}
	t.compareAll(c.name)
	fmt.Fprintf(r.progress, "%s: %d rounds of %d peers\n", c.name, r.rounds, len(runners))
	return nil
}

// measureOnce measures a gateway once, in the order of the metrics: saturated,
// then at the rate of the case.
func (r *rig) measureOnce(g *gateway, c testCase, length int) ([]float64, error) {
	l, err := r.open(target{port: g.port, connections: connections, length: length, paths: []string{c.path}})
	if err != nil {
		return nil, g.failed(err)
	}
	defer l.stop()
	if _, err := l.run(min(warmUp, r.window), 0); err != nil {
		return nil, g.failed(err)
	}
	full, cpu, err := sample(g, l, r.window, 0)
	if err != nil {
		return nil, err
	}
	steady, err := l.run(r.window, c.rate)
	if err != nil {
		return nil, g.failed(err)
	}
	answers := float64(full.Answers)
	return []float64{cpu, answers / full.Seconds, steady.P50, steady.P99, full.CPU / answers}, nil
}

// memory measures fresh processes: after one request, with many idle
// connections, and with as many busy ones.
func (r *rig) memory(ctx context.Context, ks []kind) (*table, error) {
	const megabytes = "%.1f MB"
	t := &table{
		title: "Resident memory",
		metrics: []metric{
			{name: "idle", format: megabytes},
			{name: fmt.Sprintf("%d idle connections", crowd), format: megabytes},
			{name: fmt.Sprintf("%d busy connections", crowd), format: megabytes},
		},
	}
	c := noop("2KB", 0)
	for _, k := range ks {
		t.row(c.name, k.name)
	}
	for round := range min(r.rounds, 3) {
		for _, k := range turn(round, ks) {
			figures, err := r.measureMemory(ctx, k, c)
			if err != nil {
				return nil, fmt.Errorf("memory: %w", err)
			}
			t.find(c.name, k.name).add(figures...)
		}
	}
	t.compareAll(c.name)
	fmt.Fprintln(r.progress, "memory: done")
	return t, nil
}

func (r *rig) measureMemory(ctx context.Context, k kind, c testCase) ([]float64, error) {
	g, err := r.serve(ctx, k, endpoints([]testCase{c}, r.host), c.path)
	if err != nil {
		return nil, err
	}
	defer g.stop()
	length, err := r.check(ctx, g, c)
	if err != nil {
		return nil, err
	}
	var figures []float64
	look := func(after time.Duration) error {
		if err := pause(ctx, after); err != nil {
			return err
		}
		n, err := g.resident()
		figures = append(figures, float64(n)/1e6)
		return err
	}
	if err := look(settle); err != nil {
		return nil, err
	}
	l, err := r.open(target{port: g.port, connections: crowd, length: length, paths: []string{c.path}})
	if err != nil {
		return nil, g.failed(err)
	}
	defer l.stop()
	if err := look(settle); err != nil {
		return nil, err
	}
	if err := l.begin(r.window, 0); err != nil {
		return nil, err
	}
	if err := look(r.window * 3 / 4); err != nil {
		return nil, err
	}
	if _, err := l.end(r.window); err != nil {
		return nil, g.failed(err)
	}
	return figures, nil
}

// startup measures fresh processes with few and with many endpoints.
func (r *rig) startup(ctx context.Context, ks []kind) (*table, error) {
	t := &table{
		title: "Start-up",
		metrics: []metric{
			{name: "ready after", format: "%.0f ms"},
			{name: "resident memory", format: "%.1f MB"},
			{name: "CPU per request", format: "%.1f µs"},
		},
	}
	ks = slices.DeleteFunc(slices.Clone(ks), func(k kind) bool { return k.noopOnly && !k.locations })
	sizes := []int{10, 10_000}
	name := func(n int) string { return fmt.Sprintf("%d endpoints", n) }
	for _, n := range sizes {
		for _, k := range ks {
			t.row(name(n), k.name)
		}
	}
	for round := range min(r.rounds, 3) {
		for _, n := range sizes {
			for _, k := range turn(round, ks) {
				figures, err := r.measureStartup(ctx, k, n)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name(n), err)
				}
				t.find(name(n), k.name).add(figures...)
			}
		}
	}
	for _, n := range sizes {
		t.compareAll(name(n))
	}
	for _, k := range ks {
		t.compare(t.find(name(sizes[1]), k.name), t.find(name(sizes[0]), k.name))
	}
	fmt.Fprintln(r.progress, "startup: done")
	return t, nil
}

func (r *rig) measureStartup(ctx context.Context, k kind, n int) ([]float64, error) {
	c, paths := many(n, r.host)
	g, err := r.serve(ctx, k, c, paths[n-1])
	if err != nil {
		return nil, err
	}
	defer g.stop()
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	resident, err := g.resident()
	if err != nil {
		return nil, err
	}
	l, err := r.open(target{port: g.port, connections: connections, length: len(r.pages["a300B"]), paths: paths})
	if err != nil {
		return nil, g.failed(err)
	}
	defer l.stop()
	if _, err := l.run(min(warmUp, r.window), 0); err != nil {
		return nil, g.failed(err)
	}
	_, cpu, err := sample(g, l, r.window, 0)
	return []float64{float64(g.ready) / float64(time.Millisecond), float64(resident) / 1e6, cpu}, err
}
