package manual

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

const root = "../.."

// current compares a generated file with what is in the repository. make generate
// writes it.
func current(t *testing.T, name string, text []byte) {
	t.Helper()
	testx.Golden(t, filepath.Join(root, name), string(text))
}

func TestSchemaIsCurrent(t *testing.T) {
	text, err := Schema(component.Default)
	if err != nil {
		t.Fatal(err)
	}
	current(t, "schema/sluice.schema.json", text)
}

// folders are those of components, each with its namespaces.
var folders = sync.OnceValues(func() (map[string][]string, error) { return declared.Folders(root) })

// sample reads the example of a namespace, which stands beside its component.
func sample(namespace string) (string, error) {
	all, err := folders()
	if err != nil {
		return "", err
	}
	for folder, names := range all {
		if slices.Contains(names, namespace) {
			name := declared.Sample(folder, namespace)
			text, err := os.ReadFile(filepath.Join(root, name))
			if errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("write an example of it as %s", name)
			}
			return string(text), err
		}
	}
	return "", errors.New("no folder declares it")
}

func TestPagesAreCurrent(t *testing.T) {
	pages, err := Pages(component.Default, sample)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range pages {
		names = append(names, p.Name)
		current(t, "docs/reference/"+p.Name, []byte(p.Text))
	}
	files, err := os.ReadDir(filepath.Join(root, "docs/reference"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(names, f.Name()) {
			t.Errorf("docs/reference/%s describes nothing that is built; remove it", f.Name())
		}
	}
}

// proofs finds the tests of keys by reading the tests: a key is proved by the
// file that configures it.
type proofs struct {
	files []string // in the order of preference
	text  map[string]string
}

var readProofs = sync.OnceValues(func() (*proofs, error) {
	p := &proofs{text: make(map[string]string)}
	components, err := folders()
	if err != nil {
		return nil, err
	}
	patterns := []string{"test/conformance/testdata/*.txtar"}
	for _, folder := range sortedKeys(components) {
		patterns = append(patterns, folder+"/*_test.go")
	}
	for _, pattern := range append(patterns,
		"test/*/*_test.go", "internal/runtime/*_test.go", "internal/check/*_test.go", "internal/compile/*_test.go", "internal/message/*_test.go", "internal/plan/*_test.go",
		"internal/model/*_test.go", "internal/config/*_test.go",
		"internal/kit/tlsx/*_test.go", "internal/engine/*/*_test.go", "internal/cli/*_test.go", "internal/cli/testdata/*",
	) {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				continue // a folder
			}
			name := strings.TrimPrefix(filepath.ToSlash(f), root+"/")
			p.files = append(p.files, name)
			p.text[name] = string(data)
		}
	}
	return p, nil
})

// of returns the file that configures the key of a namespace: one that names
// both, as JSON or as the key of a YAML or TOML line.
func (p *proofs) of(namespace, key string) string {
	names := regexp.MustCompile(`(?m)["\x60]` + regexp.QuoteMeta(key) + `["\x60]|^\s*-?\s*` + regexp.QuoteMeta(key) + `\s*[:=]`)
	folder := "internal/components/" + strings.ReplaceAll(namespace, "-", "") + "/"
	for _, f := range p.files {
		about := namespace == published.Core || strings.Contains(p.text[f], `"`+namespace+`"`) || strings.HasPrefix(f, folder)
		if about && (key == "" || strings.HasPrefix(key, "<") || names.MatchString(p.text[f])) {
			return f
		}
	}
	return ""
}

func rows(t *testing.T) []Row {
	t.Helper()
	p, err := readProofs()
	if err != nil {
		t.Fatal(err)
	}
	return Rows(component.Default, p.of)
}

func TestCompatibilityIsCurrent(t *testing.T) {
	current(t, "docs/compatibility.md", []byte(Compatibility(rows(t))))
}

// TestCompatibility has a row for every published key, and a test for every
// row that works.
func TestCompatibility(t *testing.T) {
	published := 0
	for _, r := range rows(t) {
		published++
		where := fmt.Sprintf("%s %s %s", r.Scope, r.Namespace, r.Key)
		switch {
		case r.State == Missing:
			t.Errorf("%s is published and unknown to the options of the namespace", where)
		case r.State == Works && r.Test == "":
			t.Errorf("%s works and no test configures it", where)
		}
	}
	if published < 2267 {
		t.Errorf("%d rows, there are 2267 published keys at least", published)
	}
}

// TestOldNames keeps the historical names that components declare and those that
// were published the same.
func TestOldNames(t *testing.T) {
	for _, d := range component.Default.All() {
		for _, name := range d.Names() {
			if got := published.Current(name); got != d.Namespace {
				t.Errorf("%s is %s now by the list of published names, and %s by its component", name, got, d.Namespace)
			}
		}
	}
}

// TestKnows shows how paths of keys are looked up.
func TestKnows(t *testing.T) {
	tests := []struct {
		key  string
		want bool
	}{
		{"port", true}, {"prot", false}, {"host[]", true}, {"host[].x", false},
		{"tls.keys[].public_key", true}, {"tls.keys[].public", false}, {"endpoints", true},
	}
	for _, tt := range tests {
		if got := knows(specOf(component.Default, "service", published.Core), tt.key); got != tt.want {
			t.Errorf("knows(%q) = %v, want %v", tt.key, got, tt.want)
		}
	}
}

// TestCodes has a meaning for every code that a problem can carry.
func TestCodes(t *testing.T) {
	for _, c := range config.Codes {
		if c.Code == "" || c.Meaning == "" {
			t.Errorf("code %q has the meaning %q", c.Code, c.Meaning)
		}
	}
}

// TestProse makes the beginning of a page of a package comment.
func TestProse(t *testing.T) {
	for _, tt := range []struct{ name, source, want, wrong string }{
		{"a page", "// Package p is the namespace a/b: it is kept\n// by max_items and x.max_size.\n//\n// # More\n//\n// None: really.\npackage p\n",
			"It is kept by `max_items` and `x.max_size`.\n\n## More\n\nNone: really.\n", ""},
		{"code stays", "// Package p is the namespace a/b: as in\n//\n//\ta_b\npackage p\n", "As in\n\n\ta_b\n", ""},
		{"code in words", "// Package p is the namespace a/b: (!f(a_b['c d']), g(a_b['c'], 1); \"a_b\"). Go <on>.\npackage p\n",
			"(`!f(a_b['c` d']), `g(a_b['c']`, 1); \"`a_b`\"). Go \\<on>.\n", ""},
		{"keys", "// Package p is the namespace a/b: word\n//\n// word is one; a word is none.\n//\n//   - word too\n//   - ward not\npackage p\n",
			"Word\n\n`word` is one; a word is none.\n\n  - `word` too\n  - ward not\n", ""},
		{"sections of namespaces", "// Package p is the namespaces a/b and c/d: both\n//\n// # a/b\n//\n// One.\n//\n// # c/d\n//\n// Two.\n//\n// # Both\n//\n// Three.\npackage p\n",
			"Both\n\nOne.\n\n## Both\n\nThree.\n", ""},
		{"nothing embedded", "", "", "embed doc.go"},
		{"no comment", "package p\n", "", "Package p is the namespace a/b"},
		{"a sentence before the colon", "// Package p is good. It is: fine.\npackage p\n", "", "Package p is the namespace"},
		{"the name alone", "// Package p is the namespace a/b:\npackage p\n", "", "Package p is the namespace"},
		{"no Go", "package", "", "expected"},
	} {
		type options struct {
			Word string `json:"word"`
		}
		d := &component.Declaration{Info: component.Info{Namespace: "a/b", Doc: tt.source}, Options: reflect.TypeFor[options]()}
		got, err := prose([]*component.Declaration{d})
		if got != tt.want || (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: got %q, %v; want %q and an error with %q", tt.name, got, err, tt.want, tt.wrong)
		}
	}
}

// A flow is a component whose options hold a pipe.
type flow struct {
	// Backend lists the calls.
	Backend []*model.Backend `json:"backend"`

	// ExtraConfig holds what is done around them.
	ExtraConfig map[string]*config.Node `json:"extra_config"`
}

func (flow) Scope() string { return string(component.InWorkflow) }

// TestPipes shows what the schema and the pages say of namespaces of pipes: nothing
// before there are pipes, then all there is.
func TestPipes(t *testing.T) {
	const source = "package manual\n\ntype flow struct {\n// Backend lists the calls.\nBackend any\n// ExtraConfig holds what is done around them.\nExtraConfig any\n}\ntype nothing struct{}\n"
	type nothing struct{}
	inner := component.Pipe(component.Info{Namespace: "test/inner", Summary: "Is there.", Source: source, Doc: "// Package inner is test/inner: nothing.\npackage inner\n"},
		func(*component.PipeSite, nothing) error { return nil })
	outer := component.Backend(component.Info{Namespace: "test/flow", Summary: "Flows.", Source: source, Doc: "// Package flow is test/flow: a pipe.\npackage flow\n", Pipes: component.InWorkflow},
		func(*component.BackendSite, flow) error { return nil })
	for _, with := range []bool{false, true} {
		r := component.NewRegistry(inner...)
		if with {
			r = component.NewRegistry(append(inner, outer)...)
		}
		text, err := Schema(r)
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Defs map[string]struct {
				Properties map[string]map[string]any `json:"properties"`
			} `json:"$defs"`
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		_, workflow := schema.Defs["workflow.extra_config"].Properties["test/inner"]
		_, agent := schema.Defs["async_agent.extra_config"]
		_, endpoint := schema.Defs["endpoint.extra_config"].Properties["test/inner"]
		if workflow != with || agent || !endpoint {
			t.Errorf("with pipes %t: the schema has it in workflows %t, in agents %t, in endpoints %t", with, workflow, agent, endpoint)
		}
		options := schema.Defs["backend.test.flow"].Properties
		if with && (fmt.Sprint(options["extra_config"]["$ref"]) != "#/$defs/workflow.extra_config" || !strings.Contains(fmt.Sprint(options["backend"]), "#/$defs/backend")) {
			t.Errorf("the schema says of the options: %v", options)
		}
		pages, err := Pages(r, func(string) (string, error) { return "version: 3\n", nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			switch {
			case p.Name == "test-inner.md" && strings.Contains(p.Text, "## In the workflow") != with:
				t.Errorf("with pipes %t: the page says\n%s", with, p.Text)
			case p.Name == "test-flow.md" && !strings.Contains(p.Text, "| `backend` | list of objects, see [backends](core.md#backends) |"):
				t.Errorf("the page says\n%s", p.Text)
			}
		}
	}
}
