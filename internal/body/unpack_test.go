package body

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestUnpack reads streams to their end or to what is wrong with them, each with a reader
// that another stream may have left behind.
func TestUnpack(t *testing.T) {
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, text)
		z.Close()
		return b.String()
	}
	tests := []struct{ name, packed, want, err string }{
		{"a text", pack("abc"), "abc", ""},
		{"an empty text", pack(""), "", ""},
		{"two in a row", pack("abc") + pack("def"), "abcdef", ""},
		{"cut in its header", pack("abc")[:5], "", "failed: unexpected EOF"},
		{"cut in its content", pack("abc")[:12], "a", "failed: unexpected EOF"},
		{"no gzip", "abc, which is long enough", "", "failed: gzip: invalid header"},
		{"nothing", "", "", "failed: EOF"},
	}
	failed := func(err error) error { return errors.New("failed: " + err.Error()) }
	for range 2 {
		for _, tt := range tests {
			u := Unpack(io.NopCloser(strings.NewReader(tt.packed)), failed)
			got, err := io.ReadAll(u)
			if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("%s: %q, %v; want %q, %q", tt.name, got, err, tt.want, tt.err)
			}
			if _, again := u.Read(make([]byte, 1)); again == nil || err != nil && again != err {
				t.Errorf("%s: read behind the end: %v", tt.name, again)
			}
			u.Close()
		}
	}
}

// TestUnpackBegin asks for what is wrong before the first byte, which waits for the
// header only if it is told to.
func TestUnpackBegin(t *testing.T) {
	u := Unpack(io.NopCloser(strings.NewReader("abc, which is long enough")), func(err error) error { return err })
	b := FromStream(u, -1)
	if err := b.Begin(false); err != nil {
		t.Errorf("without waiting: %v, want nothing", err)
	}
	if err := b.Begin(true); !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("waiting: %v, want %v", err, gzip.ErrHeader)
	}
}

func TestIsGzip(t *testing.T) {
	for coding, want := range map[string]bool{"gzip": true, "X-GZIP": true, "": false, "br": false, "gzip, br": false} {
		if got := IsGzip(coding); got != want {
			t.Errorf("IsGzip(%q) = %t, want %t", coding, got, want)
		}
	}
}
