package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

const root = "../.."

// TestImportsAreCurrent compares the import list with the folders that there are.
func TestImportsAreCurrent(t *testing.T) {
	want, err := imports(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, importList))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date, make generate writes it:\n%s", importList, want)
	}
}

func TestNames(t *testing.T) {
	one := t.TempDir() // where one component is there, so that no other is in the way
	const there = "internal/components/qos/circuitbreaker"
	if err := os.CopyFS(filepath.Join(one, there), os.DirFS(filepath.Join(root, there))); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		namespace string
		scopes    []string
		folder    string
		says      string // a part of the error, or of what is noted
	}{
		{"qos/pause", []string{"backend"}, "internal/components/qos/pause", "is a new namespace"},
		{"rate-less/two-words", []string{"endpoint", "service"}, "internal/components/rateless/twowords", "is a new namespace"},
		{"pause", []string{"service"}, "internal/components/pause", "is a new namespace"},
		{"trial/func", []string{"service"}, "internal/components/trial/functrial", "is a new namespace"},
		{"trial-and/error-or/go", []string{"service"}, "internal/components/trialand/erroror/gotrialanderroror", "is a new namespace"},
		{"backend/amqp/consumer", []string{"connector"}, "internal/components/backend/amqp/consumer", "is published for: backend"},
		{"backend/pubsub/publisher", []string{"connector"}, "internal/components/backend/pubsub/publisher", "is published for: backend"},
		{"qos/ratelimit/tiered", []string{"endpoint"}, "internal/components/qos/ratelimit/tiered", "is published for: service, endpoint"},
		{"workflow", []string{"pipe"}, "internal/components/workflow", "is published for: backend"},
		{"auth/basic", []string{"endpoint", "backend"}, "internal/components/auth/basic", "not published for the backend"},
		{"telemetry/metric", []string{"service"}, "internal/components/telemetry/metric", "telemetry/metrics is published"},
		{"qos/circuit-breaker", []string{"backend"}, "", "is there already, in internal/components/qos/circuitbreaker"},
		{"qos/circuit-breaker", []string{"port"}, "", "\tcomponent.Service(info, forService), and func forService(s *component.ServiceSite, o Options) error\n"},
		{"qos/Pause", []string{"backend"}, "", "is no name of a namespace"},
		{"qos/pause/", []string{"backend"}, "", "is no name of a namespace"},
		{"../pause", []string{"backend"}, "", "is no name of a namespace"},
		{"qos/pause", []string{"bakend"}, "", "write one or more of service, endpoint, backend for stages there, or one of connector ("},
		{"qos/pause", []string{"endpoint", "source"}, "", "write SCOPE=source"},
		{"qos/pause", []string{"connector", "backend"}, "", "write SCOPE=connector"},
		{"func", []string{"backend"}, "", "write family/func"},
		{"qos/internal", []string{"backend"}, "", `"internal" cannot be a part of the name`},
		{"all/pause", []string{"backend"}, "", `"all" cannot be a part of the name`},
		{"qos/doc", []string{"backend"}, "", `"doc" cannot be a part of the name`},
	}
	for _, tt := range tests {
		s, err := newSkeleton(one, tt.namespace, tt.scopes)
		switch {
		case tt.folder == "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s %v: error %v, want one with %q", tt.namespace, tt.scopes, err, tt.says)
		case tt.folder == "":
		case err != nil:
			t.Errorf("%s %v: %v", tt.namespace, tt.scopes, err)
		case s.Folder != tt.folder || !strings.Contains(strings.Join(s.notes, "\n"), tt.says):
			t.Errorf("%s %v: folder %s, notes %q", tt.namespace, tt.scopes, s.Folder, s.notes)
		}
	}
}

func TestFind(t *testing.T) {
	if got, err := find(root, "backend/http/client"); err != nil || got != "internal/components/backend/httpbackend" {
		t.Errorf("backend/http/client is in %q, %v", got, err)
	}
	for name, want := range map[string]string{"qos/htp-cache": "write C=qos/http-cache", "nothing/like/it": "make new C=nothing/like/it"} {
		if _, err := find(root, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestEffect(t *testing.T) {
	for namespace, want := range map[string]string{
		"proxy":               `^TestKeysHaveEffect$/^proxy\.`,
		"qos/http-cache":      `^TestKeysHaveEffect$/^qos$/^http-cache\.`,
		"qos/ratelimit/proxy": `^TestKeysHaveEffect$/^qos$/^ratelimit$/^proxy\.`,
	} {
		if got := effect(namespace); got != want {
			t.Errorf("%s: %s, want %s", namespace, got, want)
		}
	}
}

// TestSkeletons does what make component does for all that make new writes: for stages at
// each scope and at all of them, and for each kind. Tests and transcripts pass, and the
// samples are right. Nothing is written to the repository; an overlay shows the files to
// the compiler.
func TestSkeletons(t *testing.T) {
	if testing.Short() || testx.Race {
		t.Skip("compiles a dozen programs, none of which has the race detector")
	}
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	programs := filepath.Join(folder, "programs") + "/"
	write := func(name, text string) string {
		name = filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(dir, program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, text)
		}
		return string(text)
	}
	list, err := imports(root)
	if err != nil {
		t.Fatal(err)
	}
	trials := map[string][]string{"trial/one": scopes[:1], "trial/two": scopes[1:2], "trial/three": scopes[2:], "trial/every": scopes}
	for _, k := range kinds {
		trials["trial/deep/"+k.name] = []string{k.name}
	}
	replace := make(map[string]string)
	var packages, samples []string
	for namespace, in := range trials {
		s, err := newSkeleton(root, namespace, in)
		if err != nil {
			t.Fatal(err)
		}
		files, err := s.files()
		if err != nil {
			t.Fatal(err)
		}
		for to, text := range files {
			if !strings.Contains(text, "SKELETON ") {
				t.Errorf("%s is taken for something that somebody wrote", to)
			}
			switch path.Ext(to) {
			case ".go":
				replace[filepath.Join(repository, to)] = write(strings.ReplaceAll(to, "/", "-"), text)
			case ".txtar":
				write("testdata/"+path.Base(to), text)
			case ".yaml":
				samples = append(samples, write(path.Base(to), text))
			}
		}
		packages = append(packages, "./"+s.Folder)
		list = strings.Replace(list, "import (\n", "import (\n\t_ \""+module+"/"+s.Folder+"\"\n", 1)
	}
	replace[filepath.Join(repository, importList)] = write("all.go", list)
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	with := "-overlay=" + write("overlay.json", string(overlay))
	run(repository, "go", append([]string{"test", "-c", "-vet=off", with, "-o", programs, "./test/conformance"}, packages...)...)
	run(repository, "go", "build", with, "-o", programs, "./cmd/sluice")
	if t.Failed() {
		return
	}
	for _, p := range packages {
		run(folder, programs+path.Base(p)+".test")
	}
	run(folder, programs+"conformance.test", "-test.run", "^TestTranscripts$") // which plays what is in testdata
	for _, name := range samples {
		if got, want := run(folder, programs+"sluice", "check", "--lint", "-c", name), name+": Syntax OK!\n"; got != want {
			t.Errorf("a sample: %s", got)
		}
	}
}

// TestUnwritten finds the places in the files of a skeleton.
func TestUnwritten(t *testing.T) {
	folder := t.TempDir()
	s, err := newSkeleton(root, "trial/one", scopes)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, declared.Folder, "all"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.write(io.Discard, folder); err != nil {
		t.Fatal(err)
	}
	places, err := unwritten(folder, s.Folder, s.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"doc.go: write in one literal", "one.go: write one sentence", "trial-one.yaml: write", "trial-one.txtar: write"} {
		file, what, _ := strings.Cut(want, ": ")
		if !slices.ContainsFunc(places, func(p string) bool { return strings.Contains(p, file) && strings.Contains(p, what) }) {
			t.Errorf("no place is %q:\n%s", want, strings.Join(places, "\n"))
		}
	}
	if err := s.write(io.Discard, folder); err == nil {
		t.Error("a skeleton overwrites what is there")
	}
	text, err := os.ReadFile(filepath.Join(folder, importList))
	if err != nil || !strings.Contains(string(text), `_ "`+module+`/internal/components/trial/one"`) {
		t.Errorf("the import list is %s, %v", text, err)
	}
}
