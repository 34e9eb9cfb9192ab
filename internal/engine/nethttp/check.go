package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// check cuts up the target of a request that net/http has read, and refuses what
// net/http reads laxer than package wire does. What net/http has added is taken out. The
// error is a [*wire.Error] or a [*lengthError].
//
// Requests of HTTP/2 have the same rules, for they go on as HTTP/1: what is no
// path, no host or no length in one is none in the other (RFC 9113, sections
// 8.1.1 and 8.3.1).
func check(w http.ResponseWriter, r *http.Request) (t wire.Target, err error) {
	if status := refusedStatus(r.RequestURI); status != 0 && r.ProtoMajor == 1 {
		return t, &wire.Error{Status: status}
	}
	if t, err = wire.CutTarget(r.Method, r.RequestURI); err != nil {
		return t, err
	}
	if r.ProtoMajor > 1 {
		if err := checkStream(w, r); err != nil {
			return t, err
		}
	} else if v := sieveOf(r); v != nil && v.plain {
		delete(r.Header, "Cache-Control")
	}
	if t.Authority == "" {
		t.Authority = r.Host
	}
	if !wire.ValidHost(t.Authority) || r.ProtoMajor > 1 && t.Authority == "" { // RFC 9113, section 8.3.1
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

// A lengthError is about the length of a request of HTTP/2, which is an error of its
// stream (RFC 9113, section 8.1.1) and has no answer: net/http may see for itself
// that the body is another one, and either comes first.
type lengthError struct{ reason string }

// Error returns the reason.
func (e *lengthError) Error() string { return e.reason }

// checkStream refuses what a request of HTTP/2 may not say about itself.
func checkStream(w http.ResponseWriter, r *http.Request) error {
	if c := r.RequestURI[0]; c != '/' && c != '*' {
		return malformed("a path that does not begin with a slash")
	}
	for _, values := range r.Header {
		for _, v := range values {
			if strings.Trim(v, " \t") != v {
				return malformed("a value with a blank at its end") // which HTTP/1 has no way to say
			}
		}
	}
	switch hosts := r.Header["Host"]; {
	case len(hosts) > 1:
		return malformed("Host is given twice")
	case len(hosts) == 1 && gateway.Lower(hosts[0]) != gateway.Lower(r.Host):
		return malformed("a Host other than the authority")
	}
	lengths := r.Header["Content-Length"]
	if len(lengths) == 0 {
		return nil
	}
	if len(lengths) > 1 {
		return &lengthError{"Content-Length is given twice"}
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil {
		return &lengthError{"Content-Length is not a number"}
	}
	if int64(n) != r.ContentLength {
		return &lengthError{"a body that is announced and does not come"} // the stream has ended
	}
	if n == 0 {
		// Nobody reads a body of length 0, so whether there is none is found out here.
		// The handler's limits do not count yet.
		stream := http.NewResponseController(w)
		stream.SetReadDeadline(time.Now().Add(patience)) // fails on a broken connection, as Read will
		defer stream.SetReadDeadline(time.Time{})
		if n, err := r.Body.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			return &lengthError{"a body longer than its length"}
		}
	}
	return nil
}

// refuse answers a request that is not well-formed, and ends its connection; or resets
// its stream. A reset that the client has made us send counts like one of its own.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.As(err, new(*lengthError)) {
		s.logRefusal(r.RemoteAddr, err)
		s.count(r, true)
		panic(http.ErrAbortHandler)
	}
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		e = &wire.Error{Status: http.StatusBadRequest, Reason: err.Error()}
	}
	if e.Reason != "" { // or the sieve has told it
		s.logRefusal(r.RemoteAddr, e)
	}
	text := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			conn, _ = release(conn)
			defer conn.Close()
			if limit := s.http.WriteTimeout; limit > 0 {
				conn.SetWriteDeadline(time.Now().Add(limit)) // fails on a broken connection, as writing will
			}
			head := fmt.Sprintf("HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
				text, time.Now().UTC().Format(http.TimeFormat), len(text))
			if _, err := io.WriteString(conn, head+text); err == nil {
				linger(conn)
			}
		}
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(e.Status)
	io.WriteString(w, text) // nobody else would be told if it fails
}

// logRefusal tells of a request that is not well-formed.
func (s *server) logRefusal(from string, err error) {
	if s.errorLog != nil {
		s.errorLog("http server", fmt.Errorf("request from %s refused: %w", from, err))
	}
}
