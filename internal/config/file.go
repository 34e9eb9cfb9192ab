package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// LargestFile is how many bytes a file may hold that a configuration names:
	// keys, certificates, values of references.
	LargestFile = 1 << 20

	// LargestDocument is how many bytes a configuration may hold.
	LargestDocument = 64 << 20
)

// ReadFile returns what a file holds that a configuration names. It must be a
// regular file, or a link to one, of at most [LargestFile]: a pipe without a writer
// would keep the gateway waiting, and a device may have no end. The error is an
// [*fs.PathError].
func ReadFile(name string) ([]byte, error) {
	f, err := OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return readAtMost(f, LargestFile)
}

// OpenFile opens a regular file, or what a link to one leads to, for reading. It does not
// wait, whatever else has that name. The caller closes the file.
func OpenFile(name string) (*os.File, error) {
	info, err := os.Stat(name) // opening a device may do something
	if err != nil {
		return nil, err
	}
	if err := regular(name, info); err != nil {
		return nil, err
	}
	return openRegular(name)
}

// openRegular opens a file that was regular when it was looked at. Something else may
// have come in its place.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(name, info)
	}
	if err != nil {
		f.Close() // nothing was read
		return nil, err
	}
	return f, nil
}

// regular returns what is wrong with a file that is no regular one.
func regular(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("is %s; name a regular file", kindOf(info.Mode()))}
}

// ReadDocument returns what the file of a configuration holds, which may also be a
// pipe that somebody writes to. Until that ends, or ctx, it waits. The error is an
// [*fs.PathError], or that of ctx.
func ReadDocument(ctx context.Context, name string) ([]byte, error) {
	f, err := openDocument(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	defer context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })()
	data, err := readAtMost(f, LargestDocument)
	if ended := ctx.Err(); ended != nil {
		return nil, ended
	}
	return data, err
}

// ReadInput returns what comes on the standard input until that ends, or ctx: a read that
// goes on then dies with the process, which is about to end. The error is an
// [*fs.PathError], or that of ctx.
func ReadInput(ctx context.Context) ([]byte, error) {
	var data []byte
	read := make(chan error, 1)
	go func() {
		var err error
		data, err = readAtMost(os.Stdin, LargestDocument)
		read <- err
	}()
	select {
	case err := <-read:
		return data, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// openDocument opens a file for reading. To open a pipe is to wait for a writer: when
// ctx ends before there is one, this process is that writer for a moment, as often as
// it takes, because nobody can see whether the other goroutine waits already.
func openDocument(ctx context.Context, name string) (*os.File, error) {
	if info, err := os.Stat(name); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return os.Open(name)
	}
	opened, woken := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for {
			if f, err := os.OpenFile(name, os.O_WRONLY|nonBlocking, 0); err == nil {
				f.Close() // nothing was written
			}
			select {
			case <-opened:
				return
			case <-again.C:
			}
		}
	})
	f, err := os.Open(name)
	close(opened)
	if !stop() {
		<-woken
	}
	return f, err
}

func readAtMost(f *os.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: fmt.Errorf("holds more than %d MiB; name a file that holds no more than what is meant", limit>>20)}
	}
	return data, err
}

// Names returns the names of what a folder holds, in their order.
func Names(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// kindOf says what a file is that is none.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

// ErrSkipped is the error of reading a file that only the machine of the gateway has,
// while such files are skipped.
var ErrSkipped = errors.New("the file is not read here")

// Judge returns the problems without those that depend on files that were skipped:
// problems of texts that refer to one, and of components that want one.
func (d *Document) Judge(ps []*Problem) []*Problem {
	return slices.DeleteFunc(ps, func(p *Problem) bool {
		return errors.Is(p.Err, ErrSkipped) || slices.ContainsFunc(d.unread, func(path string) bool { return within(p.Path, path) })
	})
}
