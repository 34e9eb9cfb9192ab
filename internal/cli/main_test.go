package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
)

var (
	program  string // the real one
	testdata string // as an absolute path: tests change their folder
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withProgram(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// withProgram builds the real program and runs the tests.
func withProgram(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "sluice")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program = filepath.Join(folder, "sluice")
	build := exec.Command("go", "build", "-o", program, "github.com/sluice-gateway/sluice/cmd/sluice")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1, fmt.Errorf("building the program: %w", err)
	}
	if testdata, err = filepath.Abs("testdata"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// A result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// invoke runs a command in this process.
func invoke(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, []engine.Engine{fast.Engine, nethttp.Engine}, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// write makes a file and returns its name.
func write(t *testing.T, name, text string) string {
	t.Helper()
	if _, err := os.Stat("main_test.go"); err == nil && !filepath.IsAbs(name) {
		t.Fatal("the file would stay in the repository; call t.Chdir(t.TempDir()) first")
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
