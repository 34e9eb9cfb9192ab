package gateway

import (
	"errors"
	"io"
	"slices"

	"github.com/sluice-gateway/sluice/internal/body"
)

// A turn is a part of a plan that may run more than once on an exchange, with what the
// exchange was before the first run: a second one is the same request again.
type turn struct {
	of      any
	outer   *turn // that it stands in
	ran     bool
	was     Exchange // before the first run, with lists of its own and without an answer
	edited  *Edited  // a copy of was.In, if that is one
	request Request  // before the run that lasts or is over
	became  Request  // of request, when the run was over
	payload []byte   // of request, unless that streams
	streams bool     // the body is there once
	spent   bool     // and a run had it
}

// errStreamed is why there is no second run.
var errStreamed = errors.New("the rest cannot run again: the body of the request went with the first run; state Needs(body.Raw, ...) at the endpoint or at the backend")

// Surround runs f, which runs a part of a plan as often as it likes, each time by
// [Exchange.Run] with the same value for the part. Outside of it the request is what the
// last run has made of it.
func (x *Exchange) Surround(part any, f func() error) error {
	t := &turn{of: part, outer: x.turn}
	x.turn = t
	defer func() {
		if x.turn = t.outer; t.ran {
			t.became.Body, x.Request = x.Request.Body, t.became
		}
	}()
	return f()
}

// Run runs f, which is a part of a plan. When it is over the request is again what it was
// before, but for the host that was called and whether it was reached; what is then made of
// it is there in the next run. With that one the rest of the exchange becomes what it was
// before the first: what was routed and edited, the answer. What is in slots stays. A body
// that was not in memory when a run began has gone with it: then there is no second one,
// which is the error.
func (x *Exchange) Run(part any, f func() error) error {
	t := x.turn
	for t != nil && t.of != part {
		t = t.outer
	}
	if t == nil { // an exchange of what stands around
		t = &turn{of: part, outer: x.turn}
		x.turn = t
	}
	switch {
	case !t.ran:
		t.note(x)
	case t.spent && x.Request.Body.Form() <= body.Stream || x.taken && !t.was.taken:
		return &Error{Code: CodeInternal, Err: errStreamed}
	default:
		t.restore(x)
	}
	if err := t.begin(x); err != nil {
		return err
	}
	defer t.end(x)
	return f()
}

// errHanded is why a pipe is not asked.
var errHanded = errors.New("the request went to a pipe before this one; run each of them by x.Run, within an x.Surround")

// HandOver returns the body of the request, for a pipe that answers x. It is handed over
// once in a run: a second time is the error.
func (x *Exchange) HandOver() (body.Body, error) {
	if x.handed {
		return body.Body{}, &Error{Code: CodeInternal, Err: errHanded}
	}
	payload := x.Request.Body
	x.handed, x.Request.Body = true, body.Body{}
	return payload, nil
}

// TakeBody returns the body of the client's message, nil if there is none, to whoever
// reads it. It is there once.
func (x *Exchange) TakeBody() io.Reader {
	r := x.In.Body()
	x.taken = x.taken || r != nil
	return r
}

// note keeps what x is.
func (t *turn) note(x *Exchange) {
	t.ran, t.was = true, *x
	t.was.Params, t.was.Raw = slices.Clone(x.Params), slices.Clone(x.Raw)
	t.was.Response.Header, t.was.Response.Body = slices.Clone(x.Response.Header), body.Body{}
	t.was.Response.Trailer = cloneTrailer(x.Response.Trailer)
	if e, ok := x.In.(*Edited); ok && x.Parent == nil {
		t.edited = e.clone()
	}
}

// restore makes x what it was, but for the request. What the run before has left is not used
// again: its calls may still look at it.
func (t *turn) restore(x *Exchange) {
	was := &t.was
	x.Response.Body.Close()
	x.Response = was.Response
	x.Response.Header, x.Response.Trailer = slices.Clone(was.Response.Header), cloneTrailer(was.Response.Trailer)
	x.In, x.Identity, x.Endpoint, x.Path, x.Rest, x.Results = was.In, was.Identity, was.Endpoint, was.Path, was.Rest, was.Results
	x.Params, x.Raw = slices.Clone(was.Params), slices.Clone(was.Raw)
	x.Until, x.Err, x.Personal, x.taken, x.handed, x.replied, x.ownParams = was.Until, was.Err, was.Personal, was.taken, was.handed, was.replied, was.ownParams
	if t.edited != nil {
		x.In = t.edited.clone()
	}
}

// begin keeps what the request is. A body that is in memory stays there until x is released.
func (t *turn) begin(x *Exchange) error {
	t.payload, t.streams = nil, false
	switch b := &x.Request.Body; {
	case b.Form() == body.Empty:
	case b.Form() > body.Raw || !b.Arrived():
		t.streams = true
	default:
		payload, err := b.Bytes(0)
		if err != nil {
			return BodyError(err)
		}
		held := *b
		x.OnRelease(func() { held.Close() })
		*b, t.payload = body.FromBytes(payload), payload
	}
	r := x.Request
	r.Query, r.Pairs, r.Header, r.Body = slices.Clone(r.Query), slices.Clone(r.Pairs), slices.Clone(r.Header), body.Body{}
	t.request = r
	return nil
}

// end makes the request what it was.
func (t *turn) end(x *Exchange) {
	left := x.Request.Body
	t.became, x.Request = x.Request, t.request
	t.became.Body = body.Body{}
	r := &x.Request
	r.Scheme, r.Host, r.Others, r.Attempt = t.became.Scheme, t.became.Host, t.became.Others, t.became.Attempt
	switch {
	case t.streams:
		t.spent, r.Body = true, left
		return
	case t.payload != nil:
		r.Body = body.FromBytes(t.payload)
	}
	if left.Form() != body.Empty { // it may still be sent
		x.OnRelease(func() { left.Close() })
	}
}

func cloneTrailer(trailer *Fields) *Fields {
	if trailer == nil {
		return nil
	}
	c := slices.Clone(*trailer)
	return &c
}
