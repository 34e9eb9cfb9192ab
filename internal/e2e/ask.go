package e2e

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Request is one that several gateways are asked.
type Request struct {
	Method string
	Target string            // path and query, as they are sent
	Header map[string]string // Host names another host than that of the gateway
	Body   string
}

// An Answer is what came back. The body is unpacked.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Ask makes a request to the gateway at r.Base, and returns the answer as it is, a redirect too.
func (r *Runner) Ask(ctx context.Context, q Request) (*Answer, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("no whole answer within %v", r.Timeout))
		defer cancel()
	}
	transport := r.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c := Case{spec: specification{In: input{URL: "http://gateway" + q.Target, Method: q.Method, Header: q.Header}}}
	if q.Body != "" {
		c.spec.In.Body = &config.Node{Kind: config.String, Text: q.Body}
	}
	a, err := r.send(ctx, client, &c)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return &Answer{a.status, a.header, a.body}, nil
}

// Compare compares the bodies of two gateways of which each was asked twice: as JSON what is
// JSON, with its members in any order, else as texts. differs has what is the same each time
// at either gateway, and not the same at both; varies says where either of them changes.
// Each lists the first few.
func (r *Runner) Compare(got, want [2][]byte) (differs []Difference, varies []string) {
	d := steady{differences: differences{mask: func(text string) string { return r.mask(&Case{}, text) }}}
	d.compare("", values(got), values(want))
	return d.list, d.varies
}

// Unreached reports whether an error of Ask is that of a connection that could not be made.
func Unreached(err error) bool { return unreached(err) }
