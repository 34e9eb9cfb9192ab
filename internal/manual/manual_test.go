package manual

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
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

// A proof is a file of tests that may show that a key works.
type proof struct {
	name  string
	words map[string]int // how often it names what may be a key or a namespace
	rank  int            // of its kind, 0 for the best
	of    string         // the folder of the components that it is about; "" for no one of them
}

// named finds what may be a key or a namespace: a word as JSON has it, or the key of a
// YAML or TOML line.
var named = regexp.MustCompile(`(?m)["\x60]([\w.$/-]+)["\x60]|^\s*-?\s*([\w.$/-]+)\s*[:=]`)

func wordsOf(text []byte) map[string]int {
	words := make(map[string]int)
	for _, m := range named.FindAllSubmatch(text, -1) {
		words[string(m[1])+string(m[2])]++ // one of them is empty
	}
	return words
}

const elsewhere = 9 // rank of what is about another component

// proofs finds the tests of keys by reading the tests: a key is proved by the file that
// configures it. A transcript of its own comes first, then one of the contract, then
// tests; of each kind the file that names the key most often. What is about another
// component comes last, so that one that is added changes no row of the others.
type proofs struct {
	all     []proof
	folders map[string]string // of namespaces
}

var readProofs = sync.OnceValues(func() (*proofs, error) {
	components, err := folders()
	if err != nil {
		return nil, err
	}
	p := &proofs{folders: make(map[string]string)}
	for folder, names := range components {
		for _, namespace := range names {
			p.folders[namespace] = folder
		}
	}
	patterns := [][]string{{"test/conformance/testdata/*.txtar"}, nil, {
		"test/*/*_test.go", "internal/runtime/*_test.go", "internal/check/*_test.go", "internal/compile/*_test.go", "internal/message/*_test.go", "internal/plan/*_test.go",
		"internal/model/*_test.go", "internal/config/*_test.go",
		"internal/kit/tlsx/*_test.go", "internal/engine/*/*_test.go", "internal/cli/*_test.go", "internal/cli/testdata/*",
	}}
	for _, folder := range sortedKeys(components) {
		patterns[1] = append(patterns[1], folder+"/*_test.go")
	}
	for kind, some := range patterns {
		for _, pattern := range some {
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
				one := proof{name: name, words: wordsOf(data), rank: kind + 1}
				switch kind {
				case 0:
					if one.of = p.transcribed(strings.TrimSuffix(path.Base(name), ".txtar")); one.of != "" {
						one.rank = 0
					}
				case 1:
					one.of = path.Dir(name)
				}
				p.all = append(p.all, one)
			}
		}
	}
	return p, nil
})

// transcribed returns the folder of the component that a transcript is called by, ""
// for one that covers a section of the contract.
func (p *proofs) transcribed(name string) string {
	best := ""
	for namespace := range p.folders {
		file := declared.FileName(namespace)
		if (name == file || strings.HasPrefix(name, file+"-")) && len(namespace) > len(best) {
			best = namespace
		}
	}
	return p.folders[best]
}

// of returns the file that configures the key of a namespace: one that names both.
func (p *proofs) of(namespace, key string) string {
	own := p.folders[namespace]
	var best proof
	most, rank := 0, 0
	for _, f := range p.all {
		if namespace != published.Core && (own == "" || f.of != own) && f.words[namespace] == 0 {
			continue
		}
		n := 1
		if key != "" && !strings.HasPrefix(key, "<") {
			n = f.words[key]
		}
		at := f.rank
		if f.of != "" && f.of != own {
			at = elsewhere
		}
		if n > 0 && (most == 0 || at < rank || at == rank && n > most) {
			best, most, rank = f, n, at
		}
	}
	return best.name
}

// TestProofs chooses files by what they are about, wherever their names stand.
func TestProofs(t *testing.T) {
	p := &proofs{folders: map[string]string{"a/b": "a/b", "a/b-c": "a/bc"}}
	for name, want := range map[string]string{"a-b": "a/b", "a-b-more": "a/b", "a-b-c": "a/bc", "a-b-c-more": "a/bc", "core-01": "", "a": ""} {
		if got := p.transcribed(name); got != want {
			t.Errorf("%s is about %q, want %q", name, got, want)
		}
	}
	words := wordsOf([]byte("{\"a/b\": {\"one\": \"two\"}}\n  - two:\nthree = `four` five\n"))
	if want := map[string]int{"a/b": 1, "one": 1, "two": 2, "three": 1, "four": 1}; !maps.Equal(words, want) {
		t.Errorf("words %v, want %v", words, want)
	}
	once, twice := map[string]int{"a/b": 1, "key": 1}, map[string]int{"a/b": 1, "key": 2}
	own := proof{"own", once, 0, "a/b"}
	section := proof{"section", twice, 1, ""}
	brief := proof{"brief", once, 1, ""}
	tests := proof{"tests", twice, 2, "a/b"}
	foreign := proof{"foreign", twice, 0, "a/bc"}
	for _, tt := range []struct {
		namespace, key string
		all            []proof
		want           string
	}{
		{"a/b", "key", []proof{foreign, brief, section, tests, own}, "own"},
		{"a/b", "key", []proof{foreign, brief, section, tests}, "section"},
		{"a/b", "", []proof{brief, section}, "brief"},
		{"a/b", "key", []proof{foreign, tests}, "tests"},
		{"a/b", "key", []proof{foreign}, "foreign"},
		{published.Core, "key", []proof{foreign, brief, own}, "brief"},
		{"a/d", "key", []proof{foreign, section, own}, ""},
		{"a_list", "key", []proof{section, brief}, ""},
	} {
		p.all = tt.all
		got := p.of(tt.namespace, tt.key)
		slices.Reverse(p.all)
		if back := p.of(tt.namespace, tt.key); got != tt.want || back != tt.want && tt.key != "" {
			t.Errorf("%s of %s: %q, and %q from behind; want %q", tt.key, tt.namespace, got, back, tt.want)
		}
	}
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

// TestCompatibilityOfPipes counts what was published for the pipes of a namespace when that
// namespace is built: pipes of another one are in no file that was written before.
func TestCompatibilityOfPipes(t *testing.T) {
	type nothing struct{}
	proxy := component.Pipe(component.Info{Namespace: "proxy"}, func(*component.PipeSite, struct {
		Sequential bool `json:"sequential"`
	}) error {
		return nil
	})
	for namespace, want := range map[string]State{"": NotYet, "test/flow": NotYet, "workflow": Works} {
		r := component.NewRegistry(proxy...)
		if namespace != "" {
			r = component.NewRegistry(append(proxy, component.Backend(component.Info{Namespace: namespace, Pipes: component.InWorkflow},
				func(*component.BackendSite, nothing) error { return nil }))...)
		}
		for _, row := range Rows(r, func(string, string) string { return "" }) {
			if row.Scope == "workflow" && row.Namespace == "proxy" && row.Key == "sequential" && row.State != want {
				t.Errorf("with %q: proxy in a workflow works: %v, want %v", namespace, row.State, want)
			}
		}
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
		if workflow != with || !agent || !endpoint {
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
