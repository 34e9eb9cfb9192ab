package watch

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long the folders must be still before a change counts.
const quiet = 100 * time.Millisecond

// Files calls changed whenever the contents of one of the files have changed,
// until ctx is done. Files returns the files to watch; it is asked again after
// each change, since a new configuration may name others. Calls of changed do
// not overlap.
//
// The error says that a folder cannot be watched; the files are then not.
func Files(ctx context.Context, files func() []string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	names := files()
	if err := watchFolders(w, names); err != nil {
		return err
	}
	last := digest(names)
	var timer <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			timer = time.After(quiet)
		case err := <-w.Errors:
			return err
		case <-timer:
			timer = nil
			now := digest(names)
			if slices.Equal(now, last) {
				continue
			}
			changed()
			names = files()
			if err := watchFolders(w, names); err != nil {
				return err
			}
			last = digest(names)
		}
	}
}

// watchFolders watches the folders of the files, and those that links lead to.
func watchFolders(w *fsnotify.Watcher, files []string) error {
	for _, name := range files {
		folders := []string{filepath.Dir(name)}
		if real, err := filepath.EvalSymlinks(name); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
		for _, folder := range folders {
			if err := w.Add(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// digest returns a digest of each file; an unreadable one has none.
func digest(files []string) []string {
	sums := make([]string, len(files))
	for i, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			sum := sha256.Sum256(data)
			sums[i] = string(sum[:])
		}
	}
	return sums
}
