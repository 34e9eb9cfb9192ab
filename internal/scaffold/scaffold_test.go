package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
		{"auth/basic", []string{"endpoint", "backend"}, "internal/components/auth/basic", "not published for the backend"},
		{"telemetry/metric", []string{"service"}, "internal/components/telemetry/metric", "telemetry/metrics is published"},
		{"qos/circuit-breaker", []string{"backend"}, "", "is there already, in internal/components/qos/circuitbreaker"},
		{"qos/Pause", []string{"backend"}, "", "is no name of a namespace"},
		{"qos/pause/", []string{"backend"}, "", "is no name of a namespace"},
		{"../pause", []string{"backend"}, "", "is no name of a namespace"},
		{"qos/pause", []string{"bakend"}, "", "write one or more of service, endpoint, backend"},
	}
	for _, tt := range tests {
		s, err := newSkeleton(root, tt.namespace, tt.scopes)
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

// TestSkeletons compiles and tests what make new writes for each scope and for all.
// Nothing is written to the repository; an overlay shows the files to the compiler.
func TestSkeletons(t *testing.T) {
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	replace := make(map[string]string)
	programs := filepath.Join(folder, "programs") + "/"
	args := []string{"test", "-c", "-vet=off", "-overlay", filepath.Join(folder, "overlay.json"), "-o", programs}
	for name, in := range map[string][]string{"one": scopes[:1], "two": scopes[1:2], "three": scopes[2:], "all": scopes} {
		s, err := newSkeleton(root, "trial/"+name, in)
		if err != nil {
			t.Fatal(err)
		}
		files, err := s.files()
		if err != nil {
			t.Fatal(err)
		}
		for to, text := range files {
			file := filepath.Join(folder, strings.ReplaceAll(to, "/", "-"))
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			replace[filepath.Join(repository, to)] = file
			if !strings.Contains(text, "SKELETON ") {
				t.Errorf("%s is taken for something that somebody wrote", to)
			}
		}
		args = append(args, "./"+s.Folder)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = repository
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	for _, name := range []string{"one", "two", "three", "all"} {
		if text, err := exec.Command(programs + name + ".test").CombinedOutput(); err != nil {
			t.Errorf("trial/%s: %v\n%s", name, err, text)
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
	if err := os.MkdirAll(filepath.Join(folder, components, "all"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.write(io.Discard, folder); err != nil {
		t.Fatal(err)
	}
	places, err := unwritten(folder, s.Folder, s.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"doc.go:1: write in one literal", "one.go:19: write one sentence", "trial-one.yaml:1: write", "trial-one.txtar:1: write"} {
		if !slices.ContainsFunc(places, func(p string) bool { return strings.Contains(p, want) }) {
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
