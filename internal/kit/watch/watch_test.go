package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watching runs a watcher until the test ends. Each change sends what the first
// file holds at that time.
func watching(t *testing.T, files ...string) <-chan string {
	t.Helper()
	w, noted := newWatcher(t, files...)
	changes := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- w.Run(ctx, func() Files { return noted }, func() {
			data, err := os.ReadFile(files[0])
			if err != nil {
				data = []byte(err.Error())
			}
			changes <- string(data)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return changes
}

// TestFolder sees what comes into a folder and goes, and not what is in its files.
func TestFolder(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "a")
	write(t, file, "one")
	_, noted := newWatcher(t, folder)
	was := noted[folder]
	write(t, file, "two")
	if noted.Note(folder); noted[folder] != was {
		t.Error("the content of a file changes the folder")
	}
	changes := watching(t, file, folder)
	write(t, filepath.Join(folder, "b"), "new")
	if got := <-changes; got != "two" {
		t.Errorf("got %q", got)
	}
}

// newWatcher returns a watcher that is closed when the test ends, and what the
// files hold now.
func newWatcher(t *testing.T, files ...string) (*Watcher, Files) {
	t.Helper()
	noted := make(Files)
	for _, name := range files {
		noted.Note(name)
	}
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, noted
}

// await returns the next change.
func await(t *testing.T, changes <-chan string) string {
	t.Helper()
	select {
	case text := <-changes:
		return text
	case <-time.After(10 * time.Second):
		t.Fatal("no change was told")
		return ""
	}
}

// still reports a change that nobody made. It waits as long as the watcher
// waits for quiet, three times over.
func still(t *testing.T, changes <-chan string) {
	t.Helper()
	select {
	case text := <-changes:
		t.Errorf("another change was told: %q", text)
	case <-time.After(3 * quiet):
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, file string)
	}{
		{"written in place", func(t *testing.T, file string) { write(t, file, "new") }},
		{"replaced, as editors do", func(t *testing.T, file string) {
			write(t, file+".swp", "new")
			rename(t, file+".swp", file)
		}},
		{"moved away and written anew", func(t *testing.T, file string) {
			rename(t, file, file+"~")
			write(t, file, "new")
		}},
		{"several quick writes", func(t *testing.T, file string) {
			for i := range 20 {
				write(t, file, fmt.Sprint(i))
			}
			write(t, file, "new")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "gateway.json")
			write(t, file, "old")
			changes := watching(t, file)
			tt.change(t, file)
			if got := await(t, changes); got != "new" {
				t.Errorf("the change is told while the file holds %q, want new", got)
			}
			still(t, changes)
		})
	}
}

// TestConfigMap swaps the folder behind a link, as orchestrators do, and then
// once more: the watcher follows the links.
func TestConfigMap(t *testing.T) {
	folder := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, name, "gateway.json"), text)
	}
	version("..1", "old")
	link(t, "..1", filepath.Join(folder, "..data"))
	file := filepath.Join(folder, "gateway.json")
	link(t, filepath.Join("..data", "gateway.json"), file)
	changes := watching(t, file)
	for i, text := range []string{"new", "newer"} {
		name := fmt.Sprintf("..%d", i+2)
		version(name, text)
		link(t, name, filepath.Join(folder, "..data_tmp"))
		rename(t, filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data"))
		if err := os.RemoveAll(filepath.Join(folder, fmt.Sprintf("..%d", i+1))); err != nil {
			t.Fatal(err)
		}
		if got := await(t, changes); got != text {
			t.Errorf("swap %d is told while the file holds %q, want %q", i, got, text)
		}
	}
	still(t, changes)
}

// TestMissing waits for a file that is not there, and does not mind a folder that
// is not.
func TestMissing(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "keys.json")
	changes := watching(t, file, filepath.Join(folder, "nowhere", "cert.pem"))
	write(t, file+"~", "new")
	rename(t, file+"~", file)
	if got := await(t, changes); got != "new" {
		t.Errorf("the change is told while the file holds %q, want new", got)
	}
	still(t, changes)
}

// TestNoChange tells nothing where nothing a gateway reads has changed.
func TestNoChange(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.json")
	write(t, file, "old")
	changes := watching(t, file)
	write(t, file, "old")
	write(t, filepath.Join(folder, "access.log"), "GET /")
	still(t, changes)
}

// TestBusyFolder tells a change in a folder that is never still.
func TestBusyFolder(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.json")
	write(t, file, "old")
	changes := watching(t, file)
	write(t, file, "new")
	log := filepath.Join(folder, "access.log")
	ticker := time.NewTicker(quiet / 10)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for i := 0; ; i++ {
		select {
		case text := <-changes:
			if text != "new" {
				t.Errorf("the file holds %q, want new", text)
			}
			return
		case <-ticker.C:
			write(t, log, fmt.Sprint(i))
		case <-deadline:
			t.Fatal("the change is not told while other files are written")
		}
	}
}

// TestChangeMeanwhile changes files while a change is handled and before Run:
// neither is lost.
func TestChangeMeanwhile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.json")
	write(t, file, "old")
	w, noted := newWatcher(t, file)
	write(t, file, "between")
	ctx, cancel := context.WithCancel(t.Context())
	var seen []string
	err := w.Run(ctx, func() Files { return noted }, func() {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, string(data))
		switch string(data) {
		case "between":
			write(t, file, "meanwhile")
		case "meanwhile":
			cancel()
		}
	})
	if want := []string{"between", "meanwhile"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("changes %q, error %v; want %q", seen, err, want)
	}
}

// TestOtherFiles asks after a change which files count now. One of them has changed
// since it was noted.
func TestOtherFiles(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	file, cert := filepath.Join(folder, "gateway.json"), filepath.Join(elsewhere, "cert.pem")
	write(t, file, "old")
	write(t, cert, "old")
	w, noted := newWatcher(t, file)
	changes := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	changed := func() {
		if _, known := noted[cert]; !known {
			noted.Note(cert)
			write(t, cert, "new")
		}
		changes <- ""
	}
	go func() { done <- w.Run(ctx, func() Files { return noted }, changed) }()
	write(t, file, "new")
	await(t, changes)
	await(t, changes)
	still(t, changes)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestErrors(t *testing.T) {
	impossible := filepath.Join(t.TempDir(), strings.Repeat("long", 100), "gateway.json")
	file := filepath.Join(t.TempDir(), "gateway.json") // may come later
	w, noted := newWatcher(t, file)
	if err := w.Follow(noted); err != nil {
		t.Error(err)
	}
	noted.Note(impossible)
	if err := w.Follow(noted); err == nil {
		t.Error("Follow: no error for a folder that cannot be")
	}
	if err := w.Run(t.Context(), func() Files { return noted }, func() {}); err == nil {
		t.Error("Run: no error for a folder that cannot be")
	}
}

// TestLargeFile notes a file of any size without having it in memory.
func TestLargeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 256<<20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	noted := make(Files)
	noted.Note(name)
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<20 {
		t.Errorf("%d bytes of memory were taken", made)
	}
	if noted[name] == (Files{})[""] {
		t.Error("the file has no sum")
	}
}
