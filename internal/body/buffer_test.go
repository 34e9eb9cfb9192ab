package body

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAll(t *testing.T) {
	long := strings.Repeat("0123456789", 2_000)
	broken := errors.New("broken")
	tests := []struct {
		name        string
		text        string
		size, limit int64
		end         error // in place of the end of the stream
		want        error
	}{
		{"nothing", "", -1, 0, nil, nil},
		{"nothing, announced", "", 0, 0, nil, nil},
		{"unknown size", long, -1, 0, nil, nil},
		{"announced size", long, int64(len(long)), 0, nil, nil},
		{"more than announced", long, 3, 0, nil, nil},
		{"less than announced", "abc", 30, 0, nil, nil},
		{"announced beyond belief", "abc", 1 << 50, 0, nil, nil},
		{"at the limit", "abc", -1, 3, nil, nil},
		{"at the limit, announced", "abc", 3, 3, nil, nil},
		{"beyond the limit", "abcd", -1, 3, nil, ErrTooLarge},
		{"announced beyond the limit", "", 4, 3, broken, ErrTooLarge},
		{"far beyond the limit", long, -1, 3, nil, ErrTooLarge},
		{"beyond the limit though announced otherwise", "abcd", 2, 3, nil, ErrTooLarge},
		{"breaks off", "abc", -1, 0, broken, broken},
		{"breaks off, announced", "abc", 9, 0, broken, broken},
		{"breaks off at once", "", -1, 3, broken, broken},
	}
	chop := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"by the byte":   iotest.OneByteReader,
		"by halves":     iotest.HalfReader,
		"end with data": iotest.DataErrReader,
	}
	for _, tt := range tests {
		for how, f := range chop {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				var r io.Reader = strings.NewReader(tt.text)
				if tt.end != nil {
					r = io.MultiReader(r, iotest.ErrReader(tt.end))
				}
				b := &Buffer{B: []byte("before ")}
				err := b.ReadAll(f(r), tt.size, tt.limit)
				if !errors.Is(err, tt.want) {
					t.Fatalf("ReadAll: %v, want %v", err, tt.want)
				}
				if want := "before " + tt.text; err == nil && tt.limit == 0 && string(b.B) != want {
					t.Errorf("%d bytes, want %d", len(b.B), len(want))
				}
				if c := cap(b.B); c > sizedLimit+4*(len(tt.text)+firstRead) {
					t.Errorf("%d bytes of memory for %d", c, len(tt.text))
				}
			})
		}
	}
}

// TestReadAllCost reads a body of known size into a buffer that has room.
func TestReadAllCost(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 20<<10)
	r := bytes.NewReader(text)
	b := new(Buffer)
	got := testing.AllocsPerRun(50, func() {
		b.B = b.B[:0]
		r.Reset(text)
		if err := b.ReadAll(r, int64(len(text)), 0); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func TestFree(t *testing.T) {
	large := &Buffer{B: make([]byte, keepLimit+1)}
	large.Free()
	if cap(large.B) != 0 {
		t.Errorf("a buffer of %d bytes is kept", cap(large.B))
	}
	small := &Buffer{B: make([]byte, 10, 64)}
	small.Free()
	if len(small.B) != 0 || cap(small.B) != 64 {
		t.Errorf("a freed buffer has %d bytes of %d, want none of 64", len(small.B), cap(small.B))
	}
}
