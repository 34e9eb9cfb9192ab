package httpcall

import (
	"context"
	"errors"
	"io"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Unpacked is a call whose answer is unpacked where the request says so.
type Unpacked struct{ Next gateway.Connector }

// Do calls and unpacks gzip.
func (u *Unpacked) Do(ctx context.Context, x *gateway.Exchange) error {
	if x.Record != nil {
		return u.watched(ctx, x)
	}
	return received(x, u.Next.Do(ctx, x))
}

// received notes what a call, which came to err, says of its host, and unpacks its answer.
func received(x *gateway.Exchange, err error) error {
	x.Request.Attempt = gateway.Reached
	if errors.Is(err, gateway.ErrUnreached) {
		x.Request.Attempt = gateway.Unreached
	}
	if err == nil {
		unpack(x)
	}
	return err
}

// unpack makes a plain stream of an answer in gzip, where the request says so.
func unpack(x *gateway.Exchange) {
	r := &x.Response
	if !x.Request.Unpack || r.Body.Form() != body.Stream || !body.IsGzip(r.Header.Get("Content-Encoding")) {
		return
	}
	r.Header.Del("Content-Encoding")
	r.Body = body.FromStream(body.Unpack(r.Body.Reader(), unpackError), -1)
}

// unpackError keeps the end of an empty stream and errors of the connection, and gives
// everything else the face of a broken answer.
func unpackError(err error) error {
	if err == io.EOF {
		return err
	}
	if e := gateway.AsError(err); e.Code != gateway.CodeInternal {
		return err
	}
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "invalid gzip", Err: err}
}

// Tells says that a record of the exchange has the call already.
func (*Unpacked) Tells() {}

// watched makes the call, and tells whom it asks and where its time goes.
func (u *Unpacked) watched(ctx context.Context, x *gateway.Exchange) (err error) {
	r, q := x.Record, &x.Request
	if q.Timing == nil { // or a stage wants to know, too
		q.Timing = new(gateway.Timing)
		defer func() { q.Timing = nil }()
	}
	s := gateway.Span{Plan: q.Method + " " + q.Scheme + "://" + q.Host + q.Path, Step: "client", Began: r.Since(), Before: q.Body.Form(), Call: q.Timing}
	defer func() {
		s.Took, s.After, s.Status, s.Err = r.Since()-s.Began, x.Response.Body.Form(), x.Response.Status, err
		r.Add(s)
	}()
	return received(x, u.Next.Do(ctx, x))
}
