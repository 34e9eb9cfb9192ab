package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
)

const (
	// maxAnswer is how much of an answer is read, unpacked.
	maxAnswer = 32 << 20

	// userAgent is what KrakenD's runner sends, which specifications have in their echoes.
	userAgent = "Go-http-client/1.1"
)

// A Runner says how cases are run. It makes no use of what it holds after Run.
type Runner struct {
	// Base takes the place of scheme, host and port of every address, and its path stands
	// in front; nil is where the cases say.
	Base *url.URL

	// Dial opens connections; nil is the way of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Timeout  time.Duration // for each case; 0 is no limit
	Stay     bool          // redirects are answers, and not followed
	Exact    bool          // texts are compared to the byte
	Insecure bool          // certificates are not verified

	// Mask hides secrets of the gateway in a text; nil hides none.
	Mask func(string) string

	// Ports are those of the gateway that is tested, the one that cases name first; nil is
	// where the cases say.
	Ports []int

	// Away is said of an address that cannot be reached; may be "".
	Away string
}

// An Outcome is what became of a case.
type Outcome string

// The outcomes.
const (
	OK     Outcome = "ok"
	Failed Outcome = "failed"
	NotRun Outcome = "not run" // the one before it failed, or the run was stopped
)

// A Result is what became of a case, with what is not as it should be if it failed.
type Result struct {
	Name        string
	At          config.Pos
	Outcome     Outcome
	Took        time.Duration
	Differences []Difference
	More        int    // differences that are not listed
	Answer      string // what the body begins with, where a difference does not show it
}

// A Difference is something in an answer that is not as it should be. Got and Want are
// parts of sentences.
type Difference struct{ Where, Got, Want string }

// String returns the difference in one line.
func (d Difference) String() string {
	if d.Want == "" {
		return d.Where + ": " + d.Got
	}
	return fmt.Sprintf("%s: got %s, want %s", d.Where, d.Got, d.Want)
}

// Run runs the cases in their order and tells each result at once. It returns early if ctx
// ends; what was not run by then is told as such.
func (r *Runner) Run(ctx context.Context, cases []*Case, tell func(Result)) {
	transport := r.transport()
	client := &http.Client{Transport: transport}
	if r.Stay {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	var run func([]*Case, bool)
	run = func(cases []*Case, due bool) {
		for _, c := range cases {
			result := Result{Name: c.Name, At: c.At, Outcome: NotRun}
			if due && ctx.Err() == nil {
				began := time.Now()
				result = r.run(ctx, client, c)
				result.Took = time.Since(began)
				// A connection that the gateway closes at this moment would fail the next case.
				transport.CloseIdleConnections()
			}
			tell(result)
			run(c.Next, due && result.Outcome == OK)
		}
	}
	run(cases, true)
}

// transport returns the connections of a run.
func (r *Runner) transport() *http.Transport {
	return &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     r.Dial,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: r.Insecure},

		ForceAttemptHTTP2: true,
	}
}

// run runs one case.
func (r *Runner) run(ctx context.Context, client *http.Client, c *Case) Result {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("no whole answer within %v", r.Timeout))
		defer cancel()
	}
	d := differences{mask: func(text string) string { return r.mask(c, text) }}
	a, err := r.send(ctx, client, c)
	switch {
	case err != nil && (c.spec.Error == "" || unreached(err)): // no gateway is no error of it
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		text := err.Error()
		if r.Away != "" && unreached(err) {
			text += "; " + r.Away
		}
		d.add("request", text, "")
	case err == nil && c.spec.Error != "":
		d.add("request", fmt.Sprintf("an answer %d", a.status), "none, because the case expects an error")
	case err == nil:
		c.compare(&d, a, r.Exact)
	}
	result := Result{Name: c.Name, At: c.At, Outcome: OK, Differences: d.list, More: d.more}
	if len(d.list) > 0 {
		result.Outcome = Failed
		if a != nil && len(a.body) > 0 && !d.body {
			result.Answer = d.show(strings.TrimSpace(string(a.body)))
		}
	}
	return result
}

// unreached reports whether an error is that of a connection that could not be made.
func unreached(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// mask hides secrets of the gateway and of the case.
func (r *Runner) mask(c *Case, text string) string {
	text = config.MaskText(text, c.secret)
	if r.Mask != nil {
		text = r.Mask(text)
	}
	return text
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte // unpacked
}

// send makes the request of a case.
func (r *Runner) send(ctx context.Context, client *http.Client, c *Case) (*answer, error) {
	in := &c.spec.In
	address, err := r.address(in.URL)
	if err != nil {
		return nil, err
	}
	var payload io.Reader
	if n := in.Body; n.Written() {
		text := []byte(n.Text)
		if n.Kind != config.String {
			text = n.JSON()
		}
		payload = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, in.Method, address, payload)
	if err != nil {
		return nil, err
	}
	q.Header.Set("User-Agent", userAgent)
	for name, value := range in.Header {
		if q.Header.Set(name, value); strings.EqualFold(name, "Host") {
			q.Host = value
		}
	}
	res, err := client.Do(q)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // the address is in the case
		}
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	var content io.Reader = res.Body
	if coding := res.Header.Get("Content-Encoding"); coding == "gzip" || coding == "x-gzip" {
		if unpacked, err := gzip.NewReader(res.Body); err == nil {
			content = unpacked
		} else if !errors.Is(err, io.EOF) { // HEAD has none
			return nil, fmt.Errorf("the answer says that it is gzip and is none: %w", err)
		}
	}
	a.body, err = io.ReadAll(io.LimitReader(content, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer %d broke off behind %d bytes: %w", a.status, len(a.body), err)
	}
	if len(a.body) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	}
	return a, nil
}

// address returns where the request of a case goes.
func (r *Runner) address(written string) (string, error) {
	if r.Base == nil {
		return written, nil
	}
	u, err := url.Parse(written)
	if err != nil {
		return "", err
	}
	// As it is written: a path that is cleaned or escaped anew is another test.
	_, rest, _ := strings.Cut(written, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[i:]
	} else {
		rest = ""
	}
	base := *r.Base
	if base.User == nil {
		base.User = u.User
	}
	base.RawQuery, base.Fragment = "", ""
	return strings.TrimSuffix(base.String(), "/") + rest, nil
}
