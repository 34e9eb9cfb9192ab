package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-gateway/sluice"

// A pkg is what go list says of a package of ours.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string

	TestGoFiles []string
}

// name is the path below internal, or below the module for what is not.
func (p *pkg) name() string { return short(p.ImportPath) }

func short(path string) string {
	path = strings.TrimPrefix(path, module+"/")
	return strings.TrimPrefix(path, "internal/")
}

func ours(path string) bool { return strings.HasPrefix(path, module+"/") }

// standard reports whether a path is of the standard library.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func packages(t *testing.T) []*pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestGoFiles", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []*pkg
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		p := new(pkg)
		if err := d.Decode(p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// layers lists what each package of the core may import of ours. Packages that
// are not listed are components, kit and tools, which have rules of their own.
var layers = map[string][]string{
	"jsonspan":  {},
	"body":      {"jsonspan"},
	"gateway":   {"body"},
	"config":    {"yamlx"},
	"telemetry": {"gateway"},
	"component": {"body", "config", "gateway", "model", "telemetry", "template"},
	"codec":     {"jsonspan", "yamlx"},
	"flatmap":   {},
	"pathlint":  {"jsonspan"},
	"route":     {},
	"template":  {"body", "gateway", "jsonspan", "route"},
	"balance":   {"kit/change"},
	"schema":    {"config"},
	"flexible":  {"config"},
	"published": {"component"},
	"yamlx":     {},
	"engine":    {"gateway", "model"},
	"model":     {"config"},
	"plan":      {"component", "config", "gateway", "kit/change"},
	"message":   {"body", "codec", "gateway", "jsonspan", "kit/routing", "model", "template"},
	"httpcall":  {"balance", "body", "component", "gateway", "message", "plan", "template"},
	"fanout":    {"body", "component", "gateway", "jsonspan", "kit/change", "message", "plan", "template"},
	"check":     {"component", "config", "gateway", "jsonspan", "message", "model", "pathlint", "route", "template"},
	"compile":   {"balance", "body", "check", "component", "config", "fanout", "gateway", "httpcall", "jsonspan", "kit/routing", "message", "model", "plan", "route", "telemetry", "template"},
	"runtime":   {"compile", "component", "config", "engine", "gateway", "kit/change", "kit/tlsx", "kit/watch", "model", "telemetry"},
	"demo":      {"body", "engine", "gateway"},
	"e2e":       {"config", "kit/jsonschema"},
	"migrate":   {"config", "e2e", "manual", "model", "published", "report"},
	"audit":     {"config", "model", "published", "report"},
	"diff":      {"component", "config", "model", "report"},
	"report":    {"config"},
	"cli":       {"audit", "compile", "component", "config", "demo", "diff", "e2e", "engine", "engine/fast/wire", "flexible", "gateway", "kit/jsonschema", "kit/spool", "kit/watch", "manual", "migrate", "model", "published", "report", "route", "runtime"},
}

// ofComponents lists what components, and their helpers in kit, may import of ours,
// beside kit.
var ofComponents = []string{"body", "codec", "component", "config", "flatmap", "gateway", "jsonspan", "model", "pathlint", "route", "telemetry", "template"}

// TestPage holds the page for people against the layers.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Who may import whom\n\n```\n")
	diagram, _, found := strings.Cut(rest, "\n```\n")
	if !found {
		t.Fatal("the page has no diagram")
	}
	said := make(map[string][]string)
	for line := range strings.SplitSeq(strings.ReplaceAll(diagram, ",\n", ","), "\n") {
		from, to, _ := strings.Cut(line, "->")
		var imports []string
		for name := range strings.SplitSeq(to, ",") {
			if name = strings.TrimSpace(name); name != "nothing of ours" {
				imports = append(imports, name)
			}
		}
		slices.Sort(imports)
		for name := range strings.SplitSeq(from, ",") {
			said[strings.TrimSpace(name)] = imports
		}
	}
	delete(said, "cmd") // joins what there is
	want := maps.Clone(layers)
	want["components"] = append([]string{"kit/*", "libraries"}, ofComponents...)
	want["kit/*"] = want["components"]
	for name, imports := range want {
		imports = slices.Sorted(slices.Values(imports))
		if got, ok := said[name]; !ok || !slices.Equal(got, imports) {
			t.Errorf("the page says that %s imports %v; it may import %v", name, got, imports)
		}
		delete(said, name)
	}
	for name := range said {
		t.Errorf("the page has %s, for which there is no rule", name)
	}
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		allowed, core := layers[p.name()]
		if !core {
			continue
		}
		for _, path := range p.Imports {
			if ours(path) && !slices.Contains(allowed, short(path)) {
				t.Errorf("%s imports %s; it may import %v", p.name(), short(path), allowed)
			}
		}
	}
}

// TestVocabulary keeps the nouns on the standard library.
func TestVocabulary(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains([]string{"gateway", "body", "jsonspan", "telemetry", "component"}, p.name()) {
			continue
		}
		for _, path := range p.Imports {
			if !standard(path) && !ours(path) {
				t.Errorf("%s imports %s; it may use the standard library only", p.name(), path)
			}
		}
	}
}

// TestComponents keeps components apart: they share through kit or a key, and
// only the import list knows them all.
func TestComponents(t *testing.T) {
	for _, p := range packages(t) {
		isComponent := strings.HasPrefix(p.name(), "components/") && p.name() != "components/all"
		for _, path := range p.Imports {
			if !ours(path) {
				continue
			}
			target := short(path)
			switch {
			case strings.HasPrefix(target, "components/") && p.name() != "components/all" && target != "components/all":
				t.Errorf("%s imports %s; only components/all imports components", p.name(), target)
			case isComponent && !slices.Contains(ofComponents, target) && !strings.HasPrefix(target, "kit/"):
				t.Errorf("%s imports %s; a component may import %v and kit", p.name(), target, ofComponents)
			}
		}
	}
}

// aids are the packages that are made for tests.
var aids = []string{"kit/testx", "kit/amqp/amqptest", "kit/azuresb/azuresbtest", "kit/gcppubsub/gcppubsubtest", "kit/kafka/kafkatest", "kit/nats/natstest", "kit/queue/queuetest", "sitetest", "engine/enginetest", "test/gatewaytest"}

// TestKit keeps the helpers above the vocabulary of components and below components. What is
// made for tests may use more of its kind.
func TestKit(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.name(), "kit/") {
			continue
		}
		for _, path := range p.Imports {
			target := short(path)
			if slices.Contains(aids, p.name()) && slices.Contains(aids, target) {
				continue
			}
			if ours(path) && !slices.Contains(ofComponents, target) && !strings.HasPrefix(target, "kit/") {
				t.Errorf("%s imports %s; kit serves components, knows none of them, and may import %v", p.name(), target, ofComponents)
			}
		}
	}
}

// TestForTests keeps what is made for tests out of the program, and components' tests
// from putting together by hand what a site needs.
func TestForTests(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			if slices.Contains(aids, short(path)) && !slices.Contains(aids, p.name()) && !strings.HasPrefix(p.name(), "test/") {
				t.Errorf("%s imports %s, which is for tests", p.name(), short(path))
			}
		}
		if !strings.HasPrefix(p.name(), "components/") {
			continue
		}
		for _, name := range p.TestGoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("component.Env{")) {
				t.Errorf("%s/%s makes a component.Env; sitetest does", p.name(), name)
			}
		}
	}
}

// TestHTTP keeps the types of HTTP libraries inside the engines, and inside kit/httpx, by
// which libraries use the gateway's connectors. Tests talk to the gateway from outside and
// may use them, those of the command e2e too.
func TestHTTP(t *testing.T) {
	libraries := []string{"net/http", "golang.org/x/net/http2", "github.com/valyala/fasthttp"}
	for _, p := range packages(t) {
		if strings.HasPrefix(p.name(), "engine/") || strings.HasPrefix(p.name(), "test/") || p.name() == "kit/httpx" || p.name() == "e2e" {
			continue
		}
		for _, path := range p.Imports {
			for _, library := range libraries {
				if path == library || strings.HasPrefix(path, library+"/") {
					t.Errorf("%s imports %s; only engine/*, kit/httpx and e2e may", p.name(), path)
				}
			}
		}
	}
}

// TestDocumented wants a doc.go in every package.
func TestDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.name() != "cmd/sluice" && !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go", p.name())
		}
	}
}

// TestWritten finds what the skeleton of a component leaves to be written.
func TestWritten(t *testing.T) {
	const mark = "SKELETON" + " "
	for _, folder := range []string{"../components", "../../test/conformance/testdata", "../../docs/reference"} {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			n := 0
			for line := range strings.Lines(string(text)) {
				n++
				if _, what, found := strings.Cut(line, mark); found {
					t.Errorf("%s:%d: %s", name, n, strings.TrimSpace(what))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// forbidden are the calls that a component may not make: the site gives what
// it needs of the world. A folder that it works in, and nobody watches, it opens as
// an [os.Root], which nothing it is told leads out of.
var forbidden = map[string][]string{
	"os": {"Getenv", "Environ", "LookupEnv", "UserHomeDir", "Exit", "Open", "OpenFile", "ReadFile", "ReadDir", "DirFS",
		"Create", "WriteFile", "Mkdir", "MkdirAll", "Remove", "RemoveAll", "Rename", "Truncate", "Link", "Symlink"}, // but os.OpenRoot
	"time":     {"Now", "Since", "Until", "Sleep"},
	"log":      {"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic"},
	"log/slog": {"Default", "Debug", "Info", "Warn", "Error", "SetDefault"},

	module + "/internal/config": {"ReadFile"},
}

// worldly are the calls that a helper may make nevertheless, and why.
var worldly = map[string][]string{
	"kit/amqp":      {"time.Now"},                             // limits of writes are of the clock that sockets have
	"kit/awsx":      {"os.Getenv"},                            // the SDK reads the variable, whatever the site says
	"kit/bucket":    {"time.Now"},                             // a beginning, from which it counts
	"kit/gcppubsub": {"time.Until"},                           // deadlines of contexts
	"kit/httpx":     {"time.Now", "time.Until"},               // deadlines of contexts and libraries
	"kit/kafka":     {"time.Now", "time.Since"},               // how long a member may say nothing, and what lies between trials
	"kit/live":      {"time.Now", "time.Since"},               // how long a connection lasts, by the clock of its timers
	"kit/nats":      {"time.Until"},                           // deadlines of contexts
	"kit/queue":     {"time.Now", "time.Since", "time.Until"}, // deadlines of contexts, and what lies between timers
	"kit/spool":     {"time.Now"},                             // a line of the log about the log
	"kit/tlsx":      {"config.ReadFile"},                      // whoever calls it notes the files
	"kit/watch":     {"time.Now", "time.Since"},               // how long nothing has changed, beside timers
}

// TestWorld keeps components, and their helpers in kit but for what is written down, from
// reading the environment, files nobody watches, the wall clock and global loggers, and init
// from doing anything but Register.
func TestWorld(t *testing.T) {
	unused := make(map[string]bool)
	for kit, calls := range worldly {
		for _, call := range calls {
			unused[kit+" "+call] = true
		}
	}
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.name(), "components/") && !strings.HasPrefix(p.name(), "kit/") || slices.Contains(aids, p.name()) {
			continue
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			checkWorld(t, p.name()+"/"+name, file, func(call string) bool {
				delete(unused, p.name()+" "+call)
				return slices.Contains(worldly[p.name()], call)
			})
		}
	}
	for call := range unused {
		t.Errorf("%s is allowed and not used; remove it from the list", call)
	}
}

// checkWorld judges a file, which may make the calls for which may is true.
func checkWorld(t *testing.T, name string, file *ast.File, may func(call string) bool) {
	t.Helper()
	imported := make(map[string]string) // local name to path
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		local := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		imported[local] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(forbidden[imported[x.Name]], n.Sel.Name) && !may(x.Name+"."+n.Sel.Name) {
				t.Errorf("%s uses %s.%s; the site gives it, and os.OpenRoot a folder to work in", name, x.Name, n.Sel.Name)
			}
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil && !onlyRegisters(n.Body) {
				t.Errorf("%s: init may do nothing but component.Register", name)
			}
		}
		return true
	})
}

func onlyRegisters(body *ast.BlockStmt) bool {
	for _, stmt := range body.List {
		expr, ok := stmt.(*ast.ExprStmt)
		if !ok {
			return false
		}
		call, ok := expr.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Register" {
			return false
		}
	}
	return true
}
