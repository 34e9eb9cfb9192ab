package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

// An intaker limits and unpacks the body of the client's request.
type intaker struct {
	limit  int64  // bytes, unpacked; 0 is no limit
	held   int64  // the same for a body that is in memory and is unpacked, where limit is 0
	key    string // of the limit
	unpack bool
	inner  bool // the body is that of a request within the gateway, not of the client's
}

// intake places the stage that reads the body of the request as the options
// say, and where those of an endpoint are silent as the namespace router says. It comes
// before whatever looks at the body.
func intake(s *component.PipeSite, o EndpointOptions) {
	in := intaker{limit: payload(s, o).Limit(), key: "max_payload", unpack: router(s).DecompressGzip, inner: s.Scope() != component.InEndpoint}
	if o.DecompressGzip != nil {
		in.unpack = *o.DecompressGzip
	}
	if in.limit == 0 && !in.unpack {
		return
	}
	if in.limit == 0 {
		// What the endpoint accepts at most counts for what it unpacks to.
		in.limit, in.held, in.key = s.Config().MaxBodyBytes.Limit(), s.Config().MaxBodyBytes.Held(), "max_body_bytes"
		if o.MaxPayload != nil {
			in.held = 0 // no limit is what was asked for
		}
		if in.limit == 0 && o.DecompressGzip != nil {
			s.Warn("decompress_gzip", errors.New("unpacks without a limit; set max_payload as well"))
		}
	}
	if in.inner && in.unpack && !slices.ContainsFunc(s.Config().InputHeaders, func(name string) bool { return name == "*" || config.SameName(name, "Content-Encoding") }) {
		s.Mistake("decompress_gzip", errors.New("has no effect, Content-Encoding does not come here; add it to input_headers of the endpoint, or write the option there"))
	}
	s.Stage(component.PipeIntake, in)
}

// router returns what the namespace router says of the requests of clients: those that
// come to other pipes have passed an endpoint, or no client has sent them.
func router(s *component.PipeSite) (r routing.Router) {
	if s.Scope() == component.InEndpoint {
		r, _ = component.Use(&s.Site, routing.Key)
	}
	return r
}

// payload returns the option max_payload of the endpoint, or of the router; nil if
// neither says anything.
func payload(s *component.PipeSite, o EndpointOptions) *config.Size {
	if r := router(s); o.MaxPayload == nil && r.MaxPayload > 0 {
		limit := config.Size(r.MaxPayload)
		return &limit
	}
	return o.MaxPayload
}

// Enter refuses a body that says it is too large, and sees to it that one that
// does not say so is cut off.
func (in intaker) Enter(_ context.Context, x *gateway.Exchange) error {
	b := &x.Request.Body
	size := b.Size()
	if in.limit > 0 && size > in.limit {
		return gateway.TooLarge(in.key, in.limit)
	}
	if b.Form() == body.Empty {
		return nil
	}
	packed := in.unpack && in.packed(x)
	if !packed && size >= 0 {
		return nil
	}
	var r io.ReadCloser
	if b.Form() == body.Stream {
		r = b.Reader()
	} else {
		raw, err := b.Bytes(0)
		if err != nil {
			return err
		}
		r = io.NopCloser(bytes.NewReader(raw))
	}
	limit := in.limit
	if packed {
		if limit == 0 && b.Form() != body.Empty { // it was in memory: whoever asked for that reads all of it
			limit = in.held
		}
		r = body.Unpack(r, broken)
		size = -1
		x.Request.Header.Del("Content-Encoding")
	}
	if limit > 0 {
		r = &limited{ReadCloser: r, left: limit, key: in.key, most: limit}
	}
	*b = body.FromStream(r, size)
	return nil
}

// packed reports whether the body is in gzip and nothing else. The client's own header
// tells: the one of the request holds what backends may see. Within the gateway the
// body may be another than the client's, and what is said of it is all that counts.
func (in intaker) packed(x *gateway.Exchange) bool {
	var room [2]gateway.Field
	codings := room[:0]
	if !in.inner {
		codings = x.In.AppendHeader(codings, "Content-Encoding")
	} else {
		for _, f := range x.Request.Header {
			if f.Name == "Content-Encoding" {
				codings = append(codings, f)
			}
		}
	}
	if len(codings) != 1 {
		return false
	}
	return body.IsGzip(codings[0].Value)
}

// broken is the failure of unpacking: the client sent what it did not
// announce.
func broken(err error) error {
	if _, ok := errors.AsType[*gateway.Error](err); ok {
		return err
	}
	return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the request body is not in gzip", Err: err}
}

// A limited stream fails when it turns out longer than allowed. The bytes up
// to the limit are delivered before that.
type limited struct {
	io.ReadCloser
	key        string // of the limit
	most, left int64
}

// Read reads what is allowed, and one byte more to find the end.
func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if int64(n) > l.left {
		n, err = int(l.left), gateway.TooLarge(l.key, l.most)
	}
	l.left -= int64(n)
	return n, err
}
