package nethttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// A limited recorder notes the deadlines that are set for reading.
type limitedRecorder struct {
	http.ResponseWriter
	limits []time.Time
}

func (l *limitedRecorder) SetReadDeadline(t time.Time) error {
	l.limits = append(l.limits, t)
	return nil
}

type failingBody struct{ err error }

func (f failingBody) Read([]byte) (int, error) { return 0, f.err }

// TestEmptyStream: whether a stream that announces no body has none is waited for,
// but not for ever.
func TestEmptyStream(t *testing.T) {
	for _, tt := range []struct {
		name string
		body io.Reader
		ok   bool
	}{
		{"the end", strings.NewReader(""), true},
		{"a body", strings.NewReader("a"), false},
		{"a reset", failingBody{io.ErrUnexpectedEOF}, false},
		{"nothing", failingBody{os.ErrDeadlineExceeded}, false},
	} {
		w := &limitedRecorder{ResponseWriter: httptest.NewRecorder()}
		r := &http.Request{Method: "POST", RequestURI: "/", ProtoMajor: 2, Host: "h", Header: http.Header{"Content-Length": {"0"}}, Body: io.NopCloser(tt.body)}
		if _, err := check(w, r); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want it to be taken: %t", tt.name, err, tt.ok)
		}
		if len(w.limits) != 2 || w.limits[0].IsZero() || !w.limits[1].IsZero() {
			t.Errorf("%s: the deadlines are %v, want one that is lifted", tt.name, w.limits)
		}
	}
}
