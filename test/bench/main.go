package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/test/bench/peer"
)

// Options are what the command line says.
type options struct {
	sluice   string        // the file of the gateway
	before   string        // that of an earlier one, to compare with; "" for none
	engine   string        // the root key of that name; "" leaves it out
	peers    string        // names of kinds, separated by commas
	cases    string        // for choose
	rounds   int           // 1 to 20
	window   time.Duration // of one measurement; at most 10 s
	progress io.Writer
}

// plainVariable makes this program the plain peer: address and configuration,
// separated by a space.
const plainVariable = "SLUICE_BENCH_PLAIN"

func main() {
	if text, ok := os.LookupEnv(plainVariable); ok {
		fmt.Fprintln(os.Stderr, servePlain(text))
		os.Exit(1)
	}
	o := options{progress: os.Stderr}
	var seconds float64
	flag.StringVar(&o.sluice, "sluice", "bin/sluice", "`file` of the gateway")
	flag.StringVar(&o.before, "before", "", "`file` of an earlier gateway to compare with, instead of peers unless -peers names some")
	flag.StringVar(&o.engine, "engine", "", "HTTP `engine` of the gateway; empty leaves the choice to it")
	flag.StringVar(&o.cases, "cases", "all", "what to measure: `names` separated by commas, of "+strings.Join(caseNames(), ", "))
	flag.StringVar(&o.peers, "peers", "nginx,haproxy,plain", "what to measure against: `names` separated by commas")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds, 1 to 20; 0 is 20 with -before and 5 otherwise")
	flag.Float64Var(&seconds, "secs", 1, "length of a measurement in seconds, 0.1 to 10")
	flag.Parse()
	o.complete(func(name string) (given bool) {
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		return given
	})
	o.window = time.Duration(seconds * float64(time.Second))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// complete fills in what follows from other options.
func (o *options) complete(given func(name string) bool) {
	if o.rounds == 0 {
		o.rounds = 5
		if o.before != "" {
			o.rounds = 20
		}
	}
	if o.before != "" && !given("peers") {
		o.peers = ""
	}
}

// servePlain is the plain peer, for ever.
func servePlain(text string) error {
	address, file, _ := strings.Cut(text, " ")
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var c peer.Config
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return http.ListenAndServe(address, peer.Handler(c))
}

// bench measures what o says and writes the tables.
func bench(ctx context.Context, o options, out io.Writer) (err error) {
	if o.rounds < 1 || o.rounds > 20 || o.window < 100*time.Millisecond || o.window > 10*time.Second {
		return errors.New("rounds must be 1 to 20, and secs 0.1 to 10")
	}
	chosen, err := choose(o.cases)
	if err != nil {
		return err
	}
	ks, executables, err := peersOf(ctx, o)
	if err != nil {
		return err
	}
	r, err := newRig(o, executables)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	tables, err := r.measure(ctx, ks, chosen)
	if err != nil {
		return err
	}
	r.report(out, ks, tables)
	return nil
}

// peersOf finds the programs that o names; those that are missing and cannot be
// installed are left out.
func peersOf(ctx context.Context, o options) (ks []kind, executables map[string]string, err error) {
	executables = make(map[string]string)
	names := strings.Split(o.peers, ",")
	for _, name := range names {
		if name != "" && !slices.ContainsFunc(kinds[1:], func(k kind) bool { return k.name == name && name != beforeName }) {
			return nil, nil, fmt.Errorf("unknown peer %q; write some of nginx, haproxy, plain", name)
		}
	}
	for i, k := range kinds {
		switch {
		case k.name == beforeName && o.before == "":
			continue
		case i > 0 && k.name != beforeName && !slices.Contains(names, k.name):
			continue
		}
		if k.executable != "" {
			if executables[k.name], err = install(ctx, k.executable, o.progress); err != nil {
				fmt.Fprintf(o.progress, "without %s: %v\n", k.name, err)
				continue
			}
		}
		ks = append(ks, k)
	}
	return ks, executables, nil
}

// measure makes the tables of what was chosen.
func (r *rig) measure(ctx context.Context, ks []kind, s selection) ([]*table, error) {
	var tables []*table
	add := func(t *table, err error) error {
		tables = append(tables, t)
		return err
	}
	if len(s.cases) > 0 {
		if err := add(r.requests(ctx, ks, s.cases)); err != nil {
			return nil, err
		}
	}
	if s.memory {
		if err := add(r.memory(ctx, ks)); err != nil {
			return nil, err
		}
	}
	if s.startup {
		if err := add(r.startup(ctx, ks)); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// report writes the ratios, then the figures of this machine.
func (r *rig) report(w io.Writer, ks []kind, tables []*table) {
	fmt.Fprintf(w, "# Ratios\n\nRounds: %d, each of %v", r.rounds, r.window)
	if r.core != "" {
		fmt.Fprintf(w, ", gateways on core %s, backend and generator on core %s", r.core, r.otherCore)
	} else {
		fmt.Fprint(w, ", everything on all cores, as there are no two to keep apart")
	}
	fmt.Fprint(w, "; memory and start-up in at most 3 of them.\n\n")
	if r.engine != "" {
		fmt.Fprintf(w, "- sluice with the engine %s\n", r.engine)
	}
	for _, k := range ks {
		if k.executable != "" {
			fmt.Fprintf(w, "- %s\n", version(r.executables[k.name]))
		}
	}
	for _, t := range tables {
		t.writeRatios(w)
	}
	if r.before != "" {
		writeVerdict(w, tables)
	}
	fmt.Fprint(w, "\n# Figures of this machine\n")
	for _, t := range tables {
		t.writeFigures(w)
	}
}
