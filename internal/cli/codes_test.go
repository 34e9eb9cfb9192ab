package cli

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// TestExamples checks what is said of each code: the wrong example has problems of that code
// alone, the right one none.
func TestExamples(t *testing.T) {
	for _, c := range config.Codes {
		t.Run(c.Code, func(t *testing.T) {
			e, known := manual.Explain(c.Code)
			if !known || e.Why == "" || e.Cure == "" {
				t.Fatalf("nothing explains it: %+v", e)
			}
			if got := codesOf(t, e.Wrong); !slices.Equal(got, []string{c.Code}) {
				t.Errorf("the wrong example has problems of %q", got)
			}
			if got := codesOf(t, e.Right); got != nil {
				t.Errorf("the right example has problems of %q", got)
			}
		})
	}
}

// codesOf returns the codes of the problems of an example, each once.
func codesOf(t *testing.T, e manual.Example) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	if name, value, found := strings.Cut(e.Env, "="); found {
		t.Setenv(name, value)
		defer os.Unsetenv(name) // the other example is without it
	}
	if e.Text != "" {
		write(t, e.Name(), e.Text)
	}
	var codes []string
	if e.Next != "" {
		o := (&app{engines: []engine.Engine{fast.Engine}}).options(source{file: e.Name()})
		o.Log = slog.DiscardHandler
		g := runtime.New(o)
		defer g.Close()
		if _, err := g.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, e.Name(), e.Next)
		problems, err := g.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			codes = append(codes, p.Code)
		}
	} else {
		var r struct{ Problems []struct{ Code string } }
		got := invoke(t, "check", "--format", "json", "-c", e.Name())
		if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
			t.Fatal(err, got)
		}
		for _, p := range r.Problems {
			codes = append(codes, p.Code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// TestHelpCode explains codes, and knows which one was meant.
func TestHelpCode(t *testing.T) {
	list := invoke(t, "help", "codes")
	for _, c := range config.Codes {
		got := invoke(t, "help", c.Code)
		if got.code != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, c.Code+": "+c.Meaning) || !strings.Contains(list.stdout, c.Meaning) {
			t.Errorf("%s: %+v", c.Code, got)
		}
		for line := range strings.Lines(got.stdout) {
			if len(line) > 121 || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: the line %q", c.Code, line)
			}
		}
	}
	testx.Golden(t, filepath.Join(testdata, "help-code.txt"), invoke(t, "help", config.CodeUnknownField).stdout)
	for topic, want := range map[string]string{
		"unknown-feild": `sluice: unknown command or code "unknown-feild"; did you mean "unknown-field"?`,
		"Unknown_Field": `did you mean "unknown-field"?`,
		"chekc":         `did you mean "check"?`,
		"nothing":       `sluice: unknown command or code "nothing"; sluice help codes lists the codes`,
	} {
		if got := invoke(t, "help", topic); got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("help %s: %+v, want %q", topic, got, want)
		}
	}
}
