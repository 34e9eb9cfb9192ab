package wire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// A wireSource is a connection whose bytes arrive in pieces. Between two of
// them, who does not wait finds none.
type wireSource struct {
	rest   []byte
	random *rand.Rand
}

func (s *wireSource) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(len(s.rest), 1+s.random.IntN(1<<s.random.IntN(18)))])
	s.rest = s.rest[n:]
	return n, nil
}

func (s *wireSource) now(p []byte) (int, error) {
	if s.random.IntN(2) == 0 {
		return 0, nil
	}
	return s.Read(p)
}

// TestNextMessage reads bodies of many sizes into memory of many sizes: each
// comes whole, and what follows it is there for the next message.
func TestNextMessage(t *testing.T) {
	const next = "the next message"
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		payload := make([]byte, random.IntN(1<<random.IntN(19)))
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		source := &wireSource{append(bytes.Clone(payload), next...), random}
		var r Reader
		if r.Reset(source); seed%2 == 0 {
			r.ResetPaged(source, source.now)
		}
		if random.IntN(2) == 0 {
			if err := r.Fill(); err != nil {
				t.Fatal(err)
			}
		}
		var b Body
		b.Reset(&r, int64(len(payload)), false)
		var got []byte
		p := make([]byte, 1+random.IntN(1<<random.IntN(20)))
		for {
			n, err := b.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("seed %d: %v after %d of %d bytes", seed, err, len(got), len(payload))
			}
		}
		if !bytes.Equal(got, payload) {
			t.Fatalf("seed %d: the body of %d bytes came as %d others", seed, len(payload), len(got))
		}
		rest, err := io.ReadAll(&r)
		if string(rest) != next || err != nil {
			t.Fatalf("seed %d: %q, %v come after a body of %d bytes, want %q", seed, rest, err, len(payload), next)
		}
		r.Reset(nil)
	}
}
