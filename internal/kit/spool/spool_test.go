package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stream is an io.Writer whose behaviour can change. It is stuck until it is
// released.
type stream struct {
	mu     sync.Mutex
	stuck  chan struct{} // nil for a stream that takes everything at once
	fails  error
	short  int // bytes that it takes before it fails
	text   bytes.Buffer
	writes int
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fails != nil {
		n := min(s.short, len(p))
		s.text.Write(p[:n])
		return n, s.fails
	}
	return s.text.Write(p)
}

func (s *stream) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// lost is the line about lines that are missing, for any time.
var lost = regexp.MustCompile(`(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d WARNING lines of this log were lost, nobody read them in time lines=(\d+)$`)

// plain is the text of a stream without times.
func (s *stream) plain() string { return lost.ReplaceAllString(s.String(), "lost $1") }

func TestOrder(t *testing.T) {
	var out stream
	s := New(&out, Options{})
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := io.WriteString(s, line); n != len(line) || err != nil {
			t.Fatalf("got %d and %v", n, err)
		}
	}
	s.Flush(t.Context())
	if out.String() != want.String() {
		t.Error("what was flushed is not what was written")
	}
	io.WriteString(s, "last\n")
	s.Close(t.Context())
	if got := out.String(); got != want.String()+"last\n" {
		t.Errorf("after the end the stream has %d bytes, want %d", len(got), want.Len()+5)
	}
	io.WriteString(s, "late\n")
	s.Tell(slog.Record{})
	if got := out.String(); strings.Contains(got, "late") {
		t.Error("a line was taken after the end")
	}
}

// TestStuck loses what does not fit while the stream is stuck, and says how much
// once it flows.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := stream{stuck: make(chan struct{})}
		s := New(&out, Options{Limit: 20})
		write := func(line string) {
			io.WriteString(s, line+"\n")
			synctest.Wait() // the goroutine has taken it, if it can
		}
		write("on its way")
		write("one")
		write("two")
		write("does not fit any more")
		write("nor this, nor\nthat one")
		write("fits")
		write("three")
		// Nobody waits for a stream that is stuck longer than they say.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Flush(ctx)
		if ctx.Err() == nil {
			t.Error("flushed although the stream is stuck")
		}
		close(out.stuck)
		s.Flush(t.Context())
		if got, want := out.plain(), "on its way\none\ntwo\nfits\nthree\nlost 3\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		write("four")
		if got, want := out.plain(), "on its way\none\ntwo\nfits\nthree\nlost 3\nfour\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s.Close(t.Context())
	})
}

// TestGone tells the end of a stream once, counts its lines, and begins a new line
// when it is back.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := stream{fails: errors.New("full"), short: 2}
		var told []error
		s := New(&out, Options{Gone: func(err error) { told = append(told, err) }})
		s.Format(func(dst []byte, r slog.Record) []byte {
			return fmt.Appendf(dst, "%v %s\n", r.Level, r.Message[:5])
		})
		write := func(line string) {
			io.WriteString(s, line+"\n")
			synctest.Wait()
		}
		write("torn")
		out.set(func() { out.short = 0 })
		write("two")
		write("three")
		if len(told) != 1 || told[0] != out.fails {
			t.Errorf("told %v, want the failure once", told)
		}
		out.set(func() { out.fails = nil })
		write("back")
		if got, want := out.String(), "to\nback\nWARN lines\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		out.set(func() { out.fails = io.ErrClosedPipe })
		write("gone again")
		if len(told) != 2 {
			t.Errorf("told %v, want the second failure too", told)
		}
		s.Close(t.Context())
		if len(told) != 2 {
			t.Errorf("told %v at the end", told)
		}
	})
}

// TestCount counts every line once, however often its failure fails.
func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := stream{fails: errors.New("full")}
		s := New(&out, Options{})
		for i := range 5 {
			fmt.Fprintf(s, "%d\n%d\n", i, i)
			synctest.Wait()
		}
		out.set(func() { out.fails = nil })
		io.WriteString(s, "ok\n")
		synctest.Wait()
		out.set(func() { out.fails = errors.New("full") })
		io.WriteString(s, "lost\n")
		synctest.Wait()
		out.set(func() { out.fails = nil })
		io.WriteString(s, "ok\n")
		s.Close(t.Context())
		if got, want := out.plain(), "ok\nlost 10\nok\nlost 1\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestPieces writes whole lines of at most what a pipe takes in one piece.
func TestPieces(t *testing.T) {
	out := stream{stuck: make(chan struct{})}
	s := New(&out, Options{})
	long := strings.Repeat("x", atomic+1) + "\n"
	var want strings.Builder
	for i := range 100 {
		line := strings.Repeat("y", 99) + "\n"
		if i == 50 {
			line = long
		}
		want.WriteString(line)
	}
	io.WriteString(s, want.String())
	close(out.stuck)
	s.Close(t.Context())
	if out.String() != want.String() {
		t.Error("what arrived is not what was written")
	}
	if out.writes != 5 {
		t.Errorf("%d writes, want two for the lines before the long one, one for that, two for the others", out.writes)
	}
}

// TestClose leaves a write that hangs behind.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := stream{stuck: make(chan struct{})}
		s := New(&out, Options{})
		io.WriteString(s, "one\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Close(ctx)
		if ctx.Err() == nil {
			t.Error("closed although a write hangs")
		}
		close(out.stuck)
		<-s.done
	})
}

func TestTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		name string
		w    io.Writer
		want bool
	}{{"pipe", w, false}, {"device", null, true}, {"memory", new(bytes.Buffer), false}} {
		s := New(tt.w, Options{})
		if got := s.Terminal(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		s.Close(t.Context())
	}
}

// TestConcurrently loses no line among many writers.
func TestConcurrently(t *testing.T) {
	var out stream
	s := New(&out, Options{Limit: 1 << 20})
	const writers, lines = 8, 1000
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range lines {
				fmt.Fprintf(s, "%d %d\n", i, j)
			}
		})
	}
	all.Wait()
	s.Close(t.Context())
	next := make([]int, writers)
	for line := range strings.Lines(out.String()) {
		var i, j int
		if _, err := fmt.Sscanf(line, "%d %d\n", &i, &j); err != nil || next[i] != j {
			t.Fatalf("got line %q (%v), want %d of that writer", line, err, next[i])
		}
		next[i]++
	}
	for i, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines, want %d", i, n, lines)
		}
	}
}

func TestBudget(t *testing.T) {
	s := New(io.Discard, Options{})
	defer s.Close(t.Context())
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 1000 {
		s.Write(line)
	}
	if got := testing.AllocsPerRun(1000, func() { s.Write(line) }); got > 0 {
		t.Errorf("got %v allocations for a line, want 0", got)
	}
}

func BenchmarkWrite(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	line := []byte(strings.Repeat("x", 99) + "\n")
	b.Run("file", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			null.Write(line)
		}
	})
	b.Run("spool", func(b *testing.B) {
		s := New(null, Options{})
		b.ReportAllocs()
		for b.Loop() {
			s.Write(line)
		}
		s.Close(b.Context())
	})
}
