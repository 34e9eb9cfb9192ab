package nethttp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine/enginetest"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, enginetest.Engine{NewServer: NewServer, NewClient: NewClient, Hasty: true})
}

// zeros is a stream without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestRequestStream(t *testing.T) {
	part := func(r io.Reader) string {
		p := make([]byte, 3)
		n, err := io.ReadFull(r, p)
		if err != nil {
			return err.Error()
		}
		return string(p[:n])
	}
	t.Run("bytes can be sent again", func(t *testing.T) {
		s := &requestStream{raw: []byte("hello")}
		for range 2 {
			if got := part(s); got != "hel" {
				t.Errorf("beginning %q, want hel", got)
			}
			if _, err := s.again(); err != nil {
				t.Errorf("again: %v", err)
			}
		}
	})
	t.Run("a stream can be sent again until it is read", func(t *testing.T) {
		s := &requestStream{stream: strings.NewReader("hello"), left: 5}
		if _, err := s.again(); err != nil {
			t.Errorf("before the first read: %v", err)
		}
		if got := part(s); got != "hel" {
			t.Errorf("beginning %q, want hel", got)
		}
		defer s.end()
		if _, err := s.again(); !errors.Is(err, errSpent) {
			t.Errorf("after the first read: %v, want %v", err, errSpent)
		}
	})
	t.Run("a short stream that is kept can be sent again", func(t *testing.T) {
		for size, again := range map[int]bool{0: true, 5: true, 4096: true, 4097: true, keepLimit: true, keepLimit + 1: false, 3 * keepLimit: false} {
			text := strings.Repeat("0123456789abcdef-", size/17+1)[:size]
			s := &requestStream{stream: strings.NewReader(text), left: -1}
			s.keep()
			for i := range 3 {
				if i == 1 {
					io.CopyN(io.Discard, s, int64(size/2)) // an attempt that ends in between
				} else if got, err := io.ReadAll(iotest.OneByteReader(s)); string(got) != text || err != nil {
					t.Errorf("attempt %d: %d bytes, %v, want %d as they were", i, len(got), err, size)
				}
				if _, err := s.again(); (err == nil) != again {
					t.Errorf("%d bytes, after attempt %d: %v, want another: %t", size, i, err, again)
				}
				if !again {
					break
				}
			}
			s.end()
			if s.kept != nil || s.little != nil || s.much != nil {
				t.Errorf("%d bytes: memory is kept after the end", size)
			}
		}
	})
	t.Run("a stream is not kept once it has been asked, nor when nobody will ask again", func(t *testing.T) {
		late := &requestStream{stream: strings.NewReader("hello"), left: 5}
		part(late)
		late.keep()
		settled := &requestStream{stream: strings.NewReader("hello"), left: 5}
		settled.keep()
		part(settled)
		settled.settle()
		for _, s := range []*requestStream{late, settled} {
			if _, err := s.again(); !errors.Is(err, errSpent) {
				t.Errorf("again: %v, want %v", err, errSpent)
			}
			if got, err := io.ReadAll(s); string(got) != "lo" || err != nil {
				t.Errorf("the rest is %q, %v", got, err)
			}
		}
	})
	t.Run("nothing is read after the end", func(t *testing.T) {
		for _, s := range []*requestStream{
			{raw: []byte("hello world")},
			{stream: strings.NewReader("hello world"), left: -1},
		} {
			part(s)
			s.end()
			if got := part(s); got != errEnded.Error() {
				t.Errorf("read %q after the end of the call", got)
			}
		}
	})
	t.Run("a long stream costs no more memory than a short one", func(t *testing.T) {
		p := make([]byte, pieceSize)
		allocs := testing.AllocsPerRun(10, func() {
			s := &requestStream{stream: io.LimitReader(zeros{}, 1<<20), left: 1 << 20}
			n := 0
			for {
				m, err := s.Read(p)
				if n += m; err != nil {
					break
				}
			}
			if s.end(); n != 1<<20 {
				t.Errorf("%d bytes, want %d", n, 1<<20)
			}
		})
		if allocs > 40 { // of 64 pieces; under the race detector the pool forgets some
			t.Errorf("%v allocations", allocs)
		}
	})
	t.Run("nobody reads on once the call is over", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		s := &requestStream{stream: zeros{}, left: -1}
		part(s)
		s.end()
	})
	t.Run("a stream that is too short failed", func(t *testing.T) {
		s := &requestStream{stream: strings.NewReader("hel"), left: 5}
		if _, err := io.ReadAll(s); !errors.Is(err, io.ErrUnexpectedEOF) || s.failure() != err {
			t.Errorf("read: %v, failure %v, want %v", err, s.failure(), io.ErrUnexpectedEOF)
		}
	})
}
