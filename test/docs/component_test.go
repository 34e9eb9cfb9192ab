package docs

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// file is how CONTRIBUTING.md names the file that a block is.
var file = regexp.MustCompile("^`(\\w+\\.go)`: ")

// TestComponent does what CONTRIBUTING.md says: it creates the folder of a
// component and adds its import. Nothing is written to the repository, an
// overlay shows the files to the compiler. Then the tests of the component
// pass, and a program that has it knows its options.
func TestComponent(t *testing.T) {
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	replace := make(map[string]string) // name in the repository: name in folder
	add := func(path, text string) {
		name := filepath.Join(folder, strings.ReplaceAll(path, "/", "-"))
		write(t, name, []byte(text))
		replace[filepath.Join(repository, path)] = name
	}
	const pause = "internal/components/qos/pause"
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "go" {
				continue
			}
			m := file.FindStringSubmatch(b.before)
			if p.name != "CONTRIBUTING.md" || m == nil {
				t.Errorf("%s:%d: which file is this? nobody compiles it", p.name, b.line)
				continue
			}
			if formatted, err := format.Source([]byte(b.text)); err != nil || string(formatted) != b.text {
				t.Errorf("%s:%d: not as gofmt writes it: %v", p.name, b.line, err)
			}
			add(pause+"/"+m[1], b.text)
		}
	}
	if len(replace) != 4 {
		t.Errorf("the example has %d files, and the text says four", len(replace))
	}
	const all = "internal/components/all/all.go"
	imports, err := os.ReadFile(filepath.Join(repository, all))
	if err != nil {
		t.Fatal(err)
	}
	add(all, strings.Replace(string(imports), "import (\n", "import (\n\t_ \"github.com/sluice-gateway/sluice/"+pause+"\"\n", 1))

	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "overlay.json"), overlay)
	run := func(args ...string) {
		t.Helper()
		args = append(args[:1:1], append([]string{"-overlay", filepath.Join(folder, "overlay.json")}, args[1:]...)...)
		cmd := exec.Command("go", args...)
		cmd.Dir = repository
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
		}
	}
	tests := filepath.Join(folder, "pause.test")
	run("test", "-c", "-vet=off", "-o", tests, "./"+pause)
	if text, err := exec.Command(tests).CombinedOutput(); err != nil {
		t.Errorf("the tests of the example: %v\n%s", err, text)
	}
	extended := filepath.Join(folder, "extended")
	run("build", "-o", extended, "./cmd/sluice")

	write(t, filepath.Join(folder, "gateway.yaml"), []byte(`version: 3
endpoints:
  - endpoint: /x
    backend:
      - url_pattern: /x
        host: [http://x]
        extra_config:
          qos/pause: {wiat: 1s}
`))
	cmd := exec.Command(extended, "check", "-c", "gateway.yaml")
	cmd.Dir = folder
	got, _ := cmd.CombinedOutput()
	const at = `endpoints[0].backend[0].extra_config["qos/pause"].`
	want := "gateway.yaml:8:22: " + at + "wait: missing; \"wiat\" seems to be it, write \"wait\"\n" +
		"gateway.yaml:8:23: " + at + "wiat: unknown key \"wiat\"; did you mean \"wait\"?\n"
	if string(got) != want {
		t.Errorf("a misspelt option:\n%s\nwant\n%s", got, want)
	}
}
