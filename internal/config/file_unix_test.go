//go:build unix

package config

import (
	"context"
	"io"
	"os"
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
	_, err := openRegular(pipe) // hangs if opening waits
	if err == nil || !strings.Contains(err.Error(), "is a named pipe; name a regular file") {
		t.Errorf("error %v, want that it is a pipe", err)
	}
}

// TestPipeWithoutWriter: whoever reads a configuration from a pipe waits for its text,
// but not longer than its context lasts.
func TestPipeWithoutWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, writer := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		outcome := make(chan error, 1)
		go func() {
			_, err := ReadDocument(ctx, pipe)
			outcome <- err
		}()
		hold := io.NopCloser(nil)
		if writer {
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			hold = f
		}
		cancel()
		if err := <-outcome; err != context.Canceled { // hangs if nobody wakes the reader
			t.Errorf("with a writer: %t: error %v, want that of the context", writer, err)
		}
		hold.Close()
	}
	go func() {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		f.WriteString("one")
		f.WriteString(" two")
		f.Close()
	}()
	if data, err := ReadDocument(t.Context(), pipe); string(data) != "one two" || err != nil {
		t.Errorf("got %q and %v", data, err)
	}
}
