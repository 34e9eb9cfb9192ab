package misspell

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/runtime"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

const folder = "testdata/samples"

// up is the root of the repository.
const up = "../../"

// A sample is a configuration that is right.
type sample struct {
	name, text string
	root       *config.Node
}

// samples returns all samples. From then on relative names, also those in the
// samples, start in a folder with all that stands beside a sample.
func samples(t *testing.T) []sample {
	t.Helper()
	components, err := declared.Folders(up)
	if err != nil {
		t.Fatal(err)
	}
	beside := t.TempDir()
	gather(t, beside, folder)
	patterns := []string{folder + "/*.json", folder + "/*.yaml", folder + "/*.toml"}
	for _, folder := range slices.Sorted(maps.Keys(components)) {
		pattern := up + declared.Sample(folder, "*") // for their pages of the manual
		patterns = append(patterns, pattern)
		gather(t, beside, filepath.Dir(pattern))
	}
	var all []sample
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d, problems := config.Parse(filepath.Base(name), text)
			if config.HasErrors(problems) {
				t.Fatal(config.Format(problems))
			}
			all = append(all, sample{filepath.Base(name), string(text), d.Root})
		}
	}
	t.Chdir(beside)
	return all
}

// gather links what stands in the folder of samples from another folder.
func gather(t *testing.T, into, from string) {
	t.Helper()
	from, err := filepath.Abs(from)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a component without a sample
		}
		if err != nil {
			return err
		}
		as := filepath.Join(into, strings.TrimPrefix(name, from))
		switch {
		case !entry.IsDir():
			return os.Symlink(name, as)
		case entry.Name() == "fuzz":
			return filepath.SkipDir
		}
		return os.MkdirAll(as, 0o700)
	})
	if err != nil {
		t.Fatalf("files that samples of different folders may need have different names: %v", err)
	}
}

// reference finds the variables that a text refers to.
var reference = regexp.MustCompile(`\$\{env:(\w+)\}`)

// variables gives the variables that a text refers to a value each, which is long enough for a
// secret; that of mutants is a number which version may be, too.
func variables(text string) []string {
	var environ []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		environ = append(environ, m[1]+"=0123456789abcdef0123456789abcdef")
	}
	return append(environ, "MUTANT=3")
}

// check returns what sluice check --lint reports of a text.
func check(ctx context.Context, name, text string) []*config.Problem {
	return compile(ctx, name, text, config.Lint)
}

// run returns what sluice run reports of a text, in the dialect that the
// environment says if it says one: it starts where none is an error.
func run(ctx context.Context, name, text string, environ ...string) []*config.Problem {
	return compile(ctx, name, text, nil, environ...)
}

func compile(ctx context.Context, name, text string, raise func([]*config.Problem) []*config.Problem, environ ...string) []*config.Problem {
	g := runtime.New(runtime.Options{
		Load: func(ctx context.Context, _ func(string)) (*config.Document, []*config.Problem) {
			d, problems := config.Load(ctx, name, config.LoadOptions{Environ: variables(text), ReadFile: func(file string) ([]byte, error) {
				if file == name {
					return []byte(text), nil
				}
				return os.ReadFile(file)
			}})
			if d != nil {
				problems = append(problems, d.ApplyEnv(environ, root)...)
			}
			return d, problems
		},
		Registry: component.Default,
		Engines:  []engine.Engine{fast.Engine, nethttp.Engine},
		Product:  "Sluice 0",
		Missing:  published.Absent,
		Raise:    raise,

		Published: published.Namespaces,
	})
	_, problems := g.Compile(ctx)
	return problems
}

// A key is a key of a sample that means something to the gateway. Comments and
// the keys of users, such as those of mapping, are none.
type key struct {
	name  string
	at    config.Pos
	value *config.Node
	spec  *config.Spec // of the value
	loose bool         // it belongs to a core object, where scalars are converted
	guard bool         // it protects or filters, or belongs to something that does

	// taken reports whether another name has a meaning in the same place, outer
	// whether one has in the object around that; without such an object it is nil.
	taken, outer func(name string) bool
}

// visitor walks through a sample.
type visitor struct {
	visit func(config.Field, key)
	guard bool                   // everything here protects or filters
	outer func(name string) bool // of the object around the one that is visited
}

// walk calls visit for each key of a value that is decoded by s.
func walk(n *config.Node, s *config.Spec, visit func(config.Field, key)) {
	visitor{visit: visit}.walk(n, s, false)
}

// guarded are the keys of core objects and of proxy that protect or filter.
var guarded = []string{
	"extra_config", "tls", "client_tls", "allow", "deny", "input_headers", "input_query_strings", "flatmap_filter", "plugin", "async_agent",
	"max_payload", "max_body_bytes", "max_response_bytes",
}

func (v visitor) walk(n *config.Node, s *config.Spec, loose bool) {
	switch {
	case s.Shape == config.ListShape && n.Kind == config.Array:
		for _, item := range n.Items {
			v.walk(item, s.Item, loose)
		}
	case s.Shape == config.ListShape:
		v.walk(n, s.Item, loose) // one value stands for a list of it
	case s.Shape == config.ObjectShape:
		loose = loose || s.Scope != ""
		taken := func(name string) bool {
			return slices.ContainsFunc(s.Fields, func(f config.Field) bool { return strings.EqualFold(f.Key, name) })
		}
		for _, m := range n.Members {
			i := slices.IndexFunc(s.Fields, func(f config.Field) bool { return strings.EqualFold(f.Key, m.Key) })
			if i < 0 {
				continue
			}
			f := s.Fields[i]
			guard := v.guard || slices.Contains(guarded, f.Key)
			v.visit(f, key{m.Key, m.KeyPos, m.Value, f.Spec, loose, guard, taken, v.outer})
			within := visitor{v.visit, guard && f.Key != "extra_config" && f.Key != "async_agent", taken}
			if f.Key == "extra_config" && s.Scope != "" {
				within.namespaces(m.Value, component.Scope(s.Scope))
				continue
			}
			within.walk(m.Value, f.Spec, loose)
		}
	}
}

// namespaces calls visit for each namespace and each of its keys.
func (v visitor) namespaces(n *config.Node, scope component.Scope) {
	taken := func(name string) bool { return component.Default.Find(scope, name) != nil }
	for _, m := range n.Members {
		d := component.Default.Find(scope, m.Key)
		if d == nil {
			continue
		}
		s := config.SpecOf(d.Options)
		v.visit(config.Field{Key: m.Key, Owner: d.Options}, key{m.Key, m.KeyPos, m.Value, s, false, true, taken, v.outer})
		visitor{v.visit, d.Protects(), taken}.walk(m.Value, s, false)
	}
}

// root is how a whole configuration is decoded.
var root = config.SpecOf(reflect.TypeFor[model.Service]())

// TestSamples lets every sample pass, and every key that works be used by one.
func TestSamples(t *testing.T) {
	type field struct {
		owner reflect.Type
		key   string
	}
	used := make(map[field]bool)
	all := samples(t)
	if len(all) < 30 {
		t.Errorf("%d samples, want 30", len(all))
	}
	for _, s := range all {
		if problems := check(t.Context(), s.name, s.text); config.HasErrors(problems) {
			t.Errorf("%s is not right:\n%s", s.name, config.Format(problems))
		}
		walk(s.root, root, func(f config.Field, k key) { used[field{f.Owner, f.Key}] = true })
	}
	refused := []string{"plugin"} // by name, whatever they hold
	seen := make(map[*config.Spec]bool)
	var demand func(s *config.Spec)
	demand = func(s *config.Spec) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		demand(s.Item)
		for _, f := range s.Fields {
			if slices.Contains(refused, f.Key) {
				continue
			}
			if !used[field{f.Owner, f.Key}] {
				t.Errorf("no sample uses %s of %v", f.Key, f.Owner)
			}
			demand(f.Spec)
		}
	}
	demand(root)
	for _, d := range component.Default.All() {
		s := config.SpecOf(d.Options)
		if len(s.Fields) > 0 && !used[field{d.Options, d.Namespace}] { // without options nothing can be misspelt
			t.Errorf("no sample uses %s in the %s", d.Namespace, d.Scope)
		}
		demand(s)
	}
}
