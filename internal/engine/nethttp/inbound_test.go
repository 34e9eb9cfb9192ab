package nethttp

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBodyReadBehindItsEnd has a body that was read to its end and is being read
// once more when the answer begins: the connection stays of use.
func TestBodyReadBehindItsEnd(t *testing.T) {
	b := requestBody{w: httptest.NewRecorder(), r: strings.NewReader("text")}
	if _, err := io.ReadAll(&b); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock() // as Read does
	defer b.mu.Unlock()
	for _, complete := range []bool{false, true} {
		if got := b.settle(complete); got != finished {
			t.Errorf("settle(%t) = %v, want finished (%v)", complete, got, finished)
		}
	}
}
