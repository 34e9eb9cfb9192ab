package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

// A job is one thing that must hold for a component.
type job struct {
	name    string
	program string // "" for go
	args    []string
	note    string // behind the result
	none    string // the note if it has no subtest, "" where each is one

	failure string // why it cannot be run
	left    string // why it need not be run, "" if it must
	out     []byte
	err     error
	took    time.Duration
	done    chan struct{}
}

var errUnfinished = errors.New("not finished")

// check runs all that one component needs, and prints a line for each.
func check(root, namespace string) error {
	folder, err := find(root, namespace)
	if err != nil {
		return err
	}
	sample := declared.FileName(namespace)
	jobs := []*job{
		{name: "sample", args: []string{"test", "./test/misspell", "-run", "^TestSamples$"}},
		{name: "vet", args: []string{"vet", "./" + folder + "/..."}},
		{name: "format", program: "gofmt", args: []string{"-l", folder}},
		staticcheck(root, folder),
		{name: "tests", args: []string{"test", "./" + folder + "/..."}},
		{name: "race", args: []string{"test", "-race", "./" + folder + "/..."}},
		fuzz(root, folder),
		transcripts(root, namespace),
		{name: "effect", args: []string{"test", "-v", "./test/conformance", "-run", effect(namespace)}, none: "no key that guards and that an answer could show"},
		{name: "manual", args: []string{"test", "./internal/manual"}},
		{name: "rules", args: []string{"test", "-skip", "^TestWritten$", "./internal/archtest"}},
		{name: "misspelt", args: []string{"test", "./test/misspell", "-run", "^TestMistakes$", "-sample", sample}},
	}
	for _, j := range jobs {
		j.done = make(chan struct{})
	}
	go func() { // two at a time, or the compiler runs against itself
		turn := make(chan struct{}, 2)
		for _, j := range jobs {
			turn <- struct{}{}
			go func() {
				j.run(root)
				<-turn
				close(j.done)
			}()
		}
	}()
	failed := false
	for _, j := range jobs {
		<-j.done
		if !j.print() {
			failed = true
		}
	}
	places, err := unwritten(root, folder, namespace)
	if err != nil {
		return err
	}
	if len(places) > 0 {
		failed = true
		fmt.Printf("%-12s %d places\n\t%s\n", "to write", len(places), strings.Join(places, "\n\t"))
	}
	if failed {
		return fmt.Errorf("%s: %w", namespace, errUnfinished)
	}
	return nil
}

// find returns the folder of a namespace.
func find(root, namespace string) (string, error) {
	all, err := declared.Folders(root)
	if err != nil {
		return "", err
	}
	var known []string
	for _, folder := range sortedKeys(all) {
		if slices.Contains(all[folder], namespace) {
			return folder, nil
		}
		known = append(known, all[folder]...)
	}
	slices.Sort(known)
	if near, similar := config.Suggest(namespace, known); similar {
		return "", fmt.Errorf("no component is called %q; write C=%s", namespace, near)
	}
	return "", fmt.Errorf("no component is called %q; there are %s, and make new C=%s makes one", namespace, strings.Join(known, ", "), namespace)
}

// staticcheck runs the one that make check has built, if it has.
func staticcheck(root, folder string) *job {
	const program = "bin/staticcheck"
	j := &job{name: "staticcheck", program: "./" + program, args: []string{"./" + folder + "/..."}}
	if _, err := os.Stat(filepath.Join(root, program)); err != nil {
		j.left = "not built; after make bin/staticcheck it runs here"
	}
	return j
}

// fuzz says which targets there are; their seeds are among the tests.
func fuzz(root, folder string) *job {
	j := &job{name: "fuzz", left: "no target; whatever takes bytes of others apart has one, with seeds"}
	names, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		j.failure = err.Error()
		return j
	}
	n := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			j.failure = err.Error()
			return j
		}
		n += len(regexp.MustCompile(`(?m)^func Fuzz\w+\(f \*testing\.F\)`).FindAll(text, -1))
	}
	if n > 0 {
		j.left = fmt.Sprintf("%d, whose seeds are among the tests; make fuzz runs them for long", n)
	}
	return j
}

// transcripts runs those that name the namespace, on both engines.
func transcripts(root, namespace string) *job {
	j := &job{name: "transcripts"}
	names, err := filepath.Glob(filepath.Join(root, "test/conformance/testdata/*.txtar"))
	if err != nil {
		j.failure = err.Error()
		return j
	}
	uses := regexp.MustCompile(`[\s"{]` + regexp.QuoteMeta(namespace) + `"?\s*:`)
	var using []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			j.failure = err.Error()
			return j
		}
		if uses.Match(text) {
			using = append(using, strings.TrimSuffix(filepath.Base(name), ".txtar"))
		}
	}
	if len(using) == 0 {
		j.failure = "no file of test/conformance/testdata configures " + namespace + "; write one"
		return j
	}
	for i, name := range using {
		using[i] = regexp.QuoteMeta(name)
	}
	j.args = []string{"test", "./test/conformance", "-run", "^TestTranscripts$/./^(" + strings.Join(using, "|") + ")$"}
	j.note = fmt.Sprintf("%d, on both engines", len(using))
	return j
}

// effect chooses the tests of what the keys of a namespace change, which are called
// qos/pause.wait and the like.
func effect(namespace string) string {
	return "^TestKeysHaveEffect$/^" + strings.ReplaceAll(regexp.QuoteMeta(namespace), "/", "$/^") + `\.`
}

func (j *job) run(root string) {
	if j.failure != "" || j.left != "" {
		return
	}
	began := time.Now()
	cmd := exec.Command(cmp.Or(j.program, "go"), j.args...)
	cmd.Dir = root
	j.out, j.err = cmd.CombinedOutput()
	switch {
	case j.err != nil:
	case j.program == "gofmt" && len(j.out) > 0:
		j.err = errors.New("not as gofmt writes it")
	case j.none != "" && !bytes.Contains(j.out, []byte("    --- PASS: ")):
		j.note = j.none
	}
	j.took = time.Since(began)
}

// print prints the result in one line, and what go says if it is a failure. It reports
// whether it is none.
func (j *job) print() bool {
	switch {
	case j.failure != "":
		fmt.Printf("%-12s %s\n", j.name, j.failure)
		return false
	case j.left != "":
		fmt.Printf("%-12s %s\n", j.name, j.left)
		return true
	case j.err != nil:
		fmt.Printf("%-12s FAILED\n", j.name)
		for line := range bytes.Lines(bytes.TrimSpace(j.out)) {
			if text := strings.TrimRight(string(line), "\n"); text != "FAIL" {
				fmt.Printf("\t%s\n", text)
			}
		}
		return false
	}
	fmt.Printf("%-12s ok  %5.1fs  %s\n", j.name, j.took.Seconds(), j.note)
	return true
}

// unwritten returns the places of a component where its skeleton still stands.
func unwritten(root, folder, namespace string) ([]string, error) {
	var names []string
	for _, pattern := range []string{folder + "/*.go", folder + "/testdata/*", transcript(namespace)} {
		some, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		names = append(names, some...)
	}
	var places []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if _, what, found := strings.Cut(line, "SKELETON "); found {
				places = append(places, fmt.Sprintf("%s:%d: %s", filepath.ToSlash(name), n, strings.TrimRight(what, "\n\",")))
			}
		}
	}
	return places, nil
}
