package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluice-gateway/sluice/internal/config"
)

const (
	quiet    = 100 * time.Millisecond // how long the folders must be still before a change counts
	patience = time.Second            // how long folders that are never still are waited for
)

// Files are the names of files that something was made from, each with a sum of its
// content, or of its beginning if it is larger than any that is read. That of a folder is the
// names in it. The sum is zero for what could not be read or is neither.
type Files map[string][sha256.Size]byte

// Note adds a file with what it holds now. Whoever notes a file before reading it
// will hear of every change of what was read.
func (f Files) Note(name string) { f[name] = sum(name) }

// A Watcher knows files and what they held.
type Watcher struct {
	notify *fsnotify.Watcher
	others chan struct{} // a word that there may be other files
	held   Files
}

// New returns a watcher of no files. The caller closes it.
func New() (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &Watcher{notify: notify, others: make(chan struct{}, 1)}, nil
}

// Run calls changed whenever one of the files holds something else than it did,
// until ctx is done. Files returns the files to watch: it is asked at the start,
// after each change, and after each Renew, since a new configuration may name
// others. A file that was not watched before has changed if it holds something
// else than its sum says. Calls of changed do not overlap. A file that changes
// meanwhile is a change of its own.
//
// The error says that a folder cannot be watched; the files are then not.
func (w *Watcher) Run(ctx context.Context, files func() Files, changed func()) error {
	var timer <-chan time.Time
	var first time.Time // event since the files were looked at
	touched := func() {
		if timer == nil {
			first = time.Now()
		}
		timer = time.After(min(quiet, patience-time.Since(first)))
	}
	follow := func() error {
		touched() // files that are new here may have changed since they were noted
		return w.Follow(files())
	}
	if err := follow(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.others:
			if err := follow(); err != nil {
				return err
			}
		case <-w.notify.Events:
			touched()
		case err := <-w.notify.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			touched() // events were lost, and the files tell
		case <-timer:
			timer = nil
			if !w.look() {
				continue
			}
			changed()
			if err := follow(); err != nil {
				return err
			}
		}
	}
}

// Renew lets Run ask for its files again. It does not wait, and is safe for
// concurrent use.
func (w *Watcher) Renew() {
	select {
	case w.others <- struct{}{}:
	default: // it is about to
	}
}

// Close stops watching. It must not be called before Run has returned.
func (w *Watcher) Close() error { return w.notify.Close() }

// look reads the files again and reports whether one of them has changed.
func (w *Watcher) look() bool {
	before := maps.Clone(w.held)
	for name := range w.held {
		w.held[name] = sum(name)
	}
	return !maps.Equal(before, w.held)
}

// Follow watches the folders of files, and those that links lead to, and forgets
// other files. What is known of a file stays known. A file that is not there is
// waited for, if its folder is. The error says that a folder cannot be watched.
// Follow must not be called while Run runs.
func (w *Watcher) Follow(files Files) error {
	held := make(Files, len(files))
	for name, noted := range files {
		if err := w.notify.Add(filepath.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := config.Names(name); err == nil {
			if err := w.notify.Add(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		// Where a link leads to may be gone before it is watched. The link has
		// changed then, which is seen in its own folder.
		if real, err := filepath.EvalSymlinks(name); err == nil {
			if err := w.notify.Add(filepath.Dir(real)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if known, watched := w.held[name]; watched {
			noted = known
		}
		held[name] = noted
	}
	w.held = held
	return nil
}

// most is how much of a file is looked at: more than anybody reads of one that something
// is made from.
const most = 64<<20 + 1

// sum reads regular files only: what a pipe holds is gone when it was read.
func sum(name string) (sum [sha256.Size]byte) {
	if names, err := config.Names(name); err == nil {
		return sha256.Sum256([]byte(strings.Join(names, "\n")))
	}
	f, err := config.OpenFile(name)
	if err != nil {
		return sum
	}
	defer f.Close() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, most)); err == nil {
		h.Sum(sum[:0])
	}
	return sum
}
