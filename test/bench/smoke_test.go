package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test the plain peer when a rig starts it as one.
func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(plainVariable); ok {
		fmt.Fprintln(os.Stderr, servePlain(text))
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// TestRig runs what make bench runs, in an instant and with the peers that are
// here.
func TestRig(t *testing.T) {
	for _, name := range []string{"gcc", "taskset"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	sluice := filepath.Join(t.TempDir(), "sluice")
	build := exec.Command("go", "build", "-o", sluice, "github.com/sluice-gateway/sluice/cmd/sluice")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the gateway: %v\n%s", err, text)
	}
	executables := make(map[string]string)
	var here []kind
	for _, k := range kinds {
		if k.executable != "" {
			file, ok := find(k.executable)
			if !ok {
				t.Logf("%s is not installed, so it is not measured", k.executable)
				continue
			}
			executables[k.name] = file
		}
		here = append(here, k)
	}
	r, err := newRig(options{sluice: sluice, before: sluice, rounds: 1, window: 20 * time.Millisecond, progress: t.Output()}, executables)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	t.Run("report", func(t *testing.T) { testReport(t, r, here) })
	t.Run("answers", func(t *testing.T) { testAnswers(t, r) })
	t.Run("wrong answer", func(t *testing.T) { testWrongAnswer(t, r) })
}

// testReport measures a case of each kind.
func testReport(t *testing.T, r *rig, ks []kind) {
	chosen, err := choose("noop/300B,filter/2x2KB")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := r.measure(t.Context(), ks, chosen)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	r.report(&b, ks, tables)
	for _, want := range []string{"# Ratios", "| noop/300B | plain |", "| filter/2x2KB | sluice | plain |", "| filter/2x2KB | sluice | before |", "## No worse than before", "# Figures of this machine"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, b.String())
		}
	}
}

// testAnswers looks at the answers of the gateway and the plain peer to every
// case.
func testAnswers(t *testing.T, r *rig) {
	for _, k := range kinds {
		if k.executable != "" {
			continue
		}
		g, err := r.serve(t.Context(), k, endpoints(testCases, r.host), testCases[0].path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range testCases {
			if _, err := r.check(t.Context(), g, c); err != nil {
				t.Error(err)
			}
		}
		g.stop()
	}
}

// testWrongAnswer sees that neither the check nor the generator takes an answer
// that is not the one of the backend.
func testWrongAnswer(t *testing.T, r *rig) {
	c := noop("2KB", 0)
	config := endpoints([]testCase{c}, r.host)
	config.Endpoints[0].Backends[0].Path = noop("300B", 0).path
	g, err := r.serve(t.Context(), kinds[0], config, c.path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	if _, err := r.check(t.Context(), g, c); err == nil || !strings.Contains(err.Error(), "sluice answers noop/2KB wrong") {
		t.Errorf("the check says %v", err)
	}
	l, err := r.open(target{port: g.port, connections: 1, length: len(r.pages["a2KB"]), paths: []string{c.path}})
	if err == nil {
		l.stop()
		t.Fatal("the generator takes an answer of another length")
	}
	if !strings.Contains(err.Error(), "an answer of another length") {
		t.Errorf("the generator says %v", err)
	}
}

func TestRefused(t *testing.T) {
	good := options{cases: "noop", peers: "plain", rounds: 1, window: time.Second, progress: t.Output()}
	tests := []struct {
		name, want string
		change     func(*options)
	}{
		{"case", `unknown case "nop"`, func(o *options) { o.cases = "nop" }},
		{"peer", `unknown peer "apache"`, func(o *options) { o.peers = "plain,apache" }},
		{"rounds", "rounds must be 1 to 20", func(o *options) { o.rounds = 21 }},
		{"window", "secs 0.1 to 10", func(o *options) { o.window = time.Minute }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			if err := bench(t.Context(), o, t.Output()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
