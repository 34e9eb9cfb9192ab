package nethttp

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine/enginetest"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, enginetest.Engine{NewServer: NewServer, NewClient: NewClient, Hasty: true})
}

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
		if _, err := s.again(); !errors.Is(err, errSpent) {
			t.Errorf("after the first read: %v, want %v", err, errSpent)
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
	t.Run("a stream that is too short failed", func(t *testing.T) {
		s := &requestStream{stream: strings.NewReader("hel"), left: 5}
		if _, err := io.ReadAll(s); !errors.Is(err, io.ErrUnexpectedEOF) || s.failure() != err {
			t.Errorf("read: %v, failure %v, want %v", err, s.failure(), io.ErrUnexpectedEOF)
		}
	})
}
