//go:build unix

package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipeInstead: a pipe that takes the place of a file after a first look at it
// is refused when it is opened, and nothing waits for a writer.
func TestPipeInstead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readRegular(pipe) // hangs if opening waits
	if err == nil || !strings.Contains(err.Error(), "is a named pipe; name a regular file") {
		t.Errorf("error %v, want that it is a pipe", err)
	}
}
