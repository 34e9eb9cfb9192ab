package httpcall

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

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

// Unpacking is a connector of a component, whose answer is unpacked as one by HTTP is.
type Unpacking struct{ Next gateway.Connector }

// Do calls and unpacks gzip.
func (u *Unpacking) Do(ctx context.Context, x *gateway.Exchange) error {
	err := u.Next.Do(ctx, x)
	if err == nil {
		unpack(x)
	}
	return err
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

// unpack makes a plain stream of an answer in gzip, where the request says so. What has
// another coding beside, or is a part of what was packed, stays as it is.
func unpack(x *gateway.Exchange) {
	r, q := &x.Response, &x.Request
	if !q.Unpack {
		return
	}
	if tag := r.Header.Get("Etag"); r.Status == 304 && tag != "" {
		if slices.ContainsFunc(q.Header, func(f gateway.Field) bool {
			return f.Name == "If-None-Match" && strings.Contains(f.Value, "W/"+tag)
		}) {
			weaken(r.Header) // the answer that it is about was unpacked
		}
		return
	}
	var room [4]string
	if r.Body.Form() != body.Stream || r.Body.Size() == 0 || r.Status == 206 || !body.IsGzip(r.Header.AppendValues(room[:0], contentEncoding)...) || leave(x) {
		return
	}
	packed := r.Body.Reader()
	if q.Through && r.Trailer != nil {
		packed = &trailed{packed, r.Trailer}
	}
	weaken(r.Header)
	r.Header = slices.DeleteFunc(r.Header, digests)
	r.Header.Del(contentEncoding)
	r.Body = body.FromStream(body.Unpack(packed, unpackError), -1)
}

const contentEncoding = "Content-Encoding"

// leave reports whether an answer that passes is not to be unpacked, because it says so
// (RFC 9110, section 7.7) and its client takes gzip. To others it would mean nothing: it
// was the gateway that asked for gzip.
func leave(x *gateway.Exchange) bool {
	if !x.Request.Through || x.In == nil || !slices.ContainsFunc(x.Response.Header, func(f gateway.Field) bool {
		return f.Name == "Cache-Control" && gateway.Listed(f.Value, "no-transform")
	}) {
		return false
	}
	return slices.ContainsFunc(x.In.AppendHeader(nil, "Accept-Encoding"), func(f gateway.Field) bool { return takesGzip(f.Value) })
}

// takesGzip reports whether a value of Accept-Encoding names gzip and does not refuse it.
func takesGzip(v string) bool {
	for item := range strings.SplitSeq(v, ",") {
		coding, weight, _ := strings.Cut(item, ";")
		if zero, weighed := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=0"); body.IsGzip(coding) && (!weighed || strings.Trim(zero, ".0") != "") {
			return true
		}
	}
	return false
}

// weaken makes weak validators of strong ones, which are those of the packed bytes
// (RFC 9110, section 8.8.1).
func weaken(h gateway.Fields) {
	for i := range h {
		if f := &h[i]; f.Name == "Etag" && strings.HasPrefix(f.Value, `"`) {
			f.Value = "W/" + f.Value
		}
	}
}

// digests reports whether a field is about the bytes of a message as they were sent (RFC
// 9530; RFC 3230, section 4.3.2; RFC 1864).
func digests(f gateway.Field) bool {
	switch f.Name {
	case "Content-Digest", "Content-Md5", "Digest", "Repr-Digest":
		return true
	}
	return false
}

// A trailed stream is a packed one with trailers, of which some are about the packed bytes.
type trailed struct {
	io.ReadCloser
	trailer *gateway.Fields
}

// Read reads on.
func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		weaken(*t.trailer)
		*t.trailer = slices.DeleteFunc(*t.trailer, digests)
	}
	return n, err
}

// Begin asks the stream, as [body.Body.Begin] says.
func (t *trailed) Begin(wait bool) error {
	b := body.FromStream(t.ReadCloser, -1)
	return b.Begin(wait)
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
