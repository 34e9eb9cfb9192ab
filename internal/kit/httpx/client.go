package httpx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Client returns a client of net/http whose calls c makes. It is safe for concurrent use
// if c is, holds nothing, and follows no redirect: the answer is the redirect.
//
// The context of a request bounds the call and the reading of its answer. Bodies stream
// both ways; that of a request is closed when the answer is closed or there is none. An
// answer has to be closed or read to its end; Trailer is filled then, and TE: trailers asks
// for it. No switch of protocols is asked for. A Host beside that of the URL and trailers
// of a request are errors.
//
// Errors wrap what c returned, and say by Timeout whether a deadline has passed; behind
// the end of the context they also wrap its error.
func Client(c gateway.Connector) *http.Client {
	return &http.Client{
		Transport:     transport{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type transport struct{ next gateway.Connector }

// RoundTrip makes one call.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x, err := exchange(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	a := &answer{x: x, parent: r.Context(), cancel: cancel}
	if err := t.next.Do(ctx, x); err != nil {
		err = failure(r.Context(), err)
		a.end(err)
		return nil, err
	}
	return a.response(r)
}

// exchange returns the exchange of a request.
func exchange(r *http.Request) (*gateway.Exchange, error) {
	u := r.URL
	switch {
	case u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("the request has no URL such as https://host/path")
	case r.Host != "" && portless(r.Host, u.Scheme) != portless(u.Host, u.Scheme):
		return nil, errors.New("the request names another host than its URL, which cannot be sent; leave Host alone")
	case len(r.Trailer) > 0:
		return nil, errors.New("the request announces trailers, which cannot be sent")
	}
	x := gateway.Call(cmp.Or(r.Method, "GET"), u)
	q := &x.Request
	q.Host = strings.TrimSuffix(cmp.Or(r.Host, u.Host), ":") // which a signature may have in it
	if u.Opaque != "" {
		q.Path = u.Opaque
		if rest, found := strings.CutPrefix(u.Opaque, "//"); found { // an authority and the path
			slash := strings.IndexByte(rest, '/')
			if slash < 0 {
				rest, slash = "/", 0
			}
			q.Path = rest[slash:]
		}
	}
	for name, values := range r.Header {
		for _, v := range values {
			q.Header.Add(gateway.Canonical(name), v)
		}
	}
	if te := r.Header["Te"]; len(te) > 0 { // which is for one hop: our message says it, or the client does not
		x.Edit().SetHeader("Te", te...)
		q.Through = true
	}
	if r.Body != nil && r.Body != http.NoBody {
		size := r.ContentLength
		if size == 0 {
			size = -1 // as net/http has it
		}
		q.Body = body.FromStream(r.Body, size)
	}
	return x, nil
}

// portless returns a host without the port that its scheme has by default (RFC 9110, 4.2.3).
func portless(host, scheme string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.TrimSuffix(host, ":"), port)
}

// An answer is the body of a response. The exchange lives as long as it does.
type answer struct {
	parent context.Context
	cancel context.CancelFunc

	mu  sync.Mutex // held while reading
	x   *gateway.Exchange
	r   io.ReadCloser
	res *http.Response // to which trailers go
	err error          // why nothing more is to be read; nil while the exchange lives
}

// response returns what the exchange has become as a response of net/http. Strings are
// copied: those of an exchange die with it.
func (a *answer) response(r *http.Request) (*http.Response, error) {
	from := &a.x.Response
	res := &http.Response{
		Status:     strings.TrimSpace(fmt.Sprintf("%03d %s", from.Status, http.StatusText(from.Status))),
		StatusCode: from.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        make(http.Header, len(from.Header)),
		ContentLength: from.Body.Size(),
		Body:          http.NoBody,
		Request:       r,
	}
	for _, f := range from.Header {
		name := strings.Clone(f.Name)
		res.Header[name] = append(res.Header[name], strings.Clone(f.Value))
	}
	a.res = res
	switch from.Body.Form() {
	case body.Empty:
		a.end(io.EOF)
		return res, nil
	case body.Stream:
		a.r = from.Body.Reader()
	default:
		raw, err := from.Body.Bytes(0)
		if err != nil {
			a.end(err)
			return nil, err
		}
		res.ContentLength = int64(len(raw))
		a.r = io.NopCloser(strings.NewReader(string(raw)))
	}
	res.Body = a
	return res, nil
}

// Read reads on. The end of the body is the end of the exchange.
func (a *answer) Read(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.r.Read(p)
	if err != nil {
		if err != io.EOF {
			err = failure(a.parent, err)
		}
		a.release(err)
	}
	return n, err
}

// trail hands on what has come behind the body.
func (a *answer) trail() {
	from := a.x.Response.Trailer
	if from == nil || len(*from) == 0 {
		return
	}
	a.res.Trailer = make(http.Header, len(*from))
	for _, f := range *from {
		name := strings.Clone(f.Name)
		a.res.Trailer[name] = append(a.res.Trailer[name], strings.Clone(f.Value))
	}
}

// Close ends the exchange. A read that waits ends with an error.
func (a *answer) Close() error {
	if !a.mu.TryLock() {
		a.cancel()
		a.mu.Lock()
	}
	defer a.mu.Unlock()
	a.release(http.ErrBodyReadAfterClose)
	return nil
}

// end ends the exchange before anybody could read.
func (a *answer) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.release(err)
}

// release gives the exchange back, once. err is what reads find from then on.
func (a *answer) release(err error) {
	if a.err != nil {
		return
	}
	a.err = err
	if err == io.EOF {
		a.trail()
	}
	if a.r != nil {
		a.r.Close()
	}
	a.x.Release()
	a.x, a.r = nil, nil
	a.cancel()
}

// A callError is why there is no answer, or no more of it.
type callError struct {
	err error // of the connector
	ctx error // that of the context; nil if it has not ended
}

// failure returns the error of a call as users of net/http expect it.
func failure(ctx context.Context, err error) error {
	e := &callError{err, ctx.Err()}
	if at, limited := ctx.Deadline(); e.ctx == nil && limited && !time.Now().Before(at) {
		e.ctx = context.DeadlineExceeded // a socket may know before the timer does
	}
	return e
}

func (e *callError) Error() string { return e.err.Error() }

// Unwrap returns the error of the connector, and that of the context.
func (e *callError) Unwrap() []error {
	if e.ctx == nil {
		return []error{e.err}
	}
	return []error{e.err, e.ctx}
}

// Timeout reports whether a deadline has passed.
func (e *callError) Timeout() bool {
	if g, ok := errors.AsType[*gateway.Error](e.err); ok && g.Code == gateway.CodeTimeout {
		return true
	}
	return errors.Is(e.ctx, context.DeadlineExceeded)
}
