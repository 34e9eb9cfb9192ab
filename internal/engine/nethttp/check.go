package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
)

// check cuts up the target of a request that net/http has read, and refuses what
// net/http reads laxer than package wire does. The error is a [*wire.Error].
//
// Requests of HTTP/2 have the same rules, for they go on as HTTP/1: what is no
// path, no host or no length in one is none in the other (RFC 9113, sections
// 8.1.1 and 8.3.1).
func check(r *http.Request) (t wire.Target, err error) {
	if r.ProtoMajor == 1 && r.ProtoMinor > 1 {
		return t, &wire.Error{Status: http.StatusHTTPVersionNotSupported, Reason: "a version of HTTP other than 1.0 and 1.1"}
	}
	if t, err = wire.CutTarget(r.Method, r.RequestURI); err != nil {
		return t, err
	}
	if r.ProtoMajor > 1 {
		if err := checkStream(r); err != nil {
			return t, err
		}
	}
	if t.Authority == "" {
		t.Authority = r.Host
	}
	if !wire.ValidHost(t.Authority) {
		return t, malformed("a Host that is none")
	}
	if count(r.Header) > wire.MaxFields {
		return t, &wire.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "too many fields"}
	}
	if r.ProtoAtLeast(1, 1) {
		for _, v := range r.Header["Expect"] {
			if !strings.EqualFold(v, "100-continue") {
				return t, &wire.Error{Status: http.StatusExpectationFailed, Reason: "an expectation other than 100-continue"}
			}
		}
	}
	return t, nil
}

// count returns how many fields h has.
func count(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}

func malformed(reason string) error {
	return &wire.Error{Status: http.StatusBadRequest, Reason: reason}
}

// checkStream refuses what a request of HTTP/2 may not say about itself.
func checkStream(r *http.Request) error {
	if c := r.RequestURI[0]; c != '/' && c != '*' {
		return malformed("a path that does not begin with a slash")
	}
	switch hosts := r.Header["Host"]; {
	case len(hosts) > 1:
		return malformed("Host is given twice")
	case len(hosts) == 1 && !strings.EqualFold(hosts[0], r.Host):
		return malformed("a Host other than the authority")
	}
	lengths := r.Header["Content-Length"]
	if len(lengths) == 0 {
		return nil
	}
	if len(lengths) > 1 {
		return malformed("Content-Length is given twice")
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil || lengths[0][0] == '+' {
		return malformed("Content-Length is not a number")
	}
	if int64(n) != r.ContentLength {
		return malformed("a body that is announced and does not come") // the stream has ended
	}
	if n == 0 {
		// Nobody reads a body of length 0, so whether there is none is found out here.
		if n, err := r.Body.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			return malformed("a body longer than its length")
		}
	}
	return nil
}

// refuse answers a request that is not well-formed, and ends its connection.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if s.errorLog != nil {
		s.errorLog("http server", fmt.Errorf("request from %s refused: %w", r.RemoteAddr, err))
	}
	if r.ProtoMajor == 1 {
		w.Header()["Connection"] = closing
	}
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*wire.Error](err); ok {
		status = e.Status
	}
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	io.WriteString(w, text) // nobody else would be told if it fails
}
