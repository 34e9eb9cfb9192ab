package docs

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// file is how CONTRIBUTING.md names the file that a block is.
var file = regexp.MustCompile("^`([\\w/.-]+\\.(go|yaml|txtar))`:\\s*$")

// TestComponent does what CONTRIBUTING.md says: it creates the folder of a component and
// adds its import. Nothing is written to the repository, an overlay shows the files to
// the compiler. Then the tests of the component pass, so does its transcript, and a
// program that has it knows its options and finds its sample right.
func TestComponent(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles three programs")
	}
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
	var files []string
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			m := file.FindStringSubmatch(b.before)
			if b.language == "go" && (p.name != "CONTRIBUTING.md" || m == nil) {
				t.Errorf("%s:%d: which file is this? nobody compiles it", p.name, b.line)
			}
			if m == nil {
				continue
			}
			files = append(files, m[1])
			switch m[2] {
			case "go":
				if formatted, err := format.Source([]byte(b.text)); err != nil || string(formatted) != b.text {
					t.Errorf("%s:%d: not as gofmt writes it: %v", p.name, b.line, err)
				}
				add(pause+"/"+m[1], b.text)
			case "yaml":
				write(t, filepath.Join(folder, "sample.yaml"), []byte(b.text))
			case "txtar":
				if err := os.Mkdir(filepath.Join(folder, "testdata"), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(folder, "testdata", filepath.Base(m[1])), []byte(b.text))
			}
		}
	}
	wanted := []string{"options.go", "pause.go", "pause_test.go", "doc.go", "testdata/qos-pause.yaml", "test/conformance/testdata/qos-pause.txtar"}
	if !slices.Equal(files, wanted) {
		t.Errorf("the example has the files %q, want %q", files, wanted)
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
	run("test", "-c", "-vet=off", "-o", folder+"/", "./"+pause, "./test/conformance")
	for name, args := range map[string][]string{"pause.test": nil, "conformance.test": {"-test.run", "^TestTranscripts$"}} {
		cmd := exec.Command(filepath.Join(folder, name), args...)
		cmd.Dir = folder // in which there is one transcript
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s of the example: %v\n%s", name, err, text)
		}
	}
	extended := filepath.Join(folder, "extended")
	run("build", "-o", extended, "./cmd/sluice")

	cmd := exec.Command(extended, "check", "--lint", "-c", "sample.yaml")
	cmd.Dir = folder
	if got, _ := cmd.CombinedOutput(); string(got) != "sample.yaml: Syntax OK!\n" {
		t.Errorf("the sample of the example: %s", got)
	}
	write(t, filepath.Join(folder, "gateway.yaml"), []byte(`version: 3
endpoints:
  - endpoint: /x
    backend:
      - url_pattern: /x
        host: [http://x]
        extra_config:
          qos/pause: {wiat: 1s}
`))
	cmd = exec.Command(extended, "check", "-c", "gateway.yaml")
	cmd.Dir = folder
	got, _ := cmd.CombinedOutput()
	const at = `endpoints[0].backend[0].extra_config["qos/pause"].`
	want := "gateway.yaml:8:22: " + at + "wait: missing; \"wiat\" seems to be it, write \"wait\"\n" +
		"gateway.yaml:8:23: " + at + "wiat: unknown key \"wiat\"; did you mean \"wait\"?\n"
	if string(got) != want {
		t.Errorf("a misspelt option:\n%s\nwant\n%s", got, want)
	}
}
