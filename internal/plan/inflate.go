package plan

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// unpacked is a call whose answer is unpacked where the request says so.
type unpacked struct{ next gateway.Connector }

// Do calls and unpacks gzip.
func (u *unpacked) Do(ctx context.Context, x *gateway.Exchange) error {
	err := u.next.Do(ctx, x)
	if attempted(x, err); err != nil {
		return err
	}
	unpack(x)
	return nil
}

// attempted notes what a call says of its host.
func attempted(x *gateway.Exchange, err error) {
	x.Request.Attempt = gateway.Reached
	if errors.Is(err, gateway.ErrUnreached) {
		x.Request.Attempt = gateway.Unreached
	}
}

// unpack makes a plain stream of an answer in gzip, where the request says so.
// It has an old name, x-gzip (RFC 9110, section 8.4.1.3).
func unpack(x *gateway.Exchange) {
	r := &x.Response
	coding := r.Header.Get("Content-Encoding")
	if !x.Request.Unpack || r.Body.Form() != body.Stream || !strings.EqualFold(coding, "gzip") && !strings.EqualFold(coding, "x-gzip") {
		return
	}
	r.Header.Del("Content-Encoding")
	r.Body = body.FromStream(&inflater{source: r.Body.Reader()}, -1)
}

var inflaters sync.Pool // of *gzip.Reader

// An inflater unpacks a stream. The header is read with the first byte that is
// wanted, so that an answer can be passed on before its body begins.
type inflater struct {
	source io.ReadCloser
	gz     *gzip.Reader
	err    error
}

func (i *inflater) Read(p []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	if i.gz == nil {
		if i.err = i.open(); i.err != nil {
			return 0, i.err
		}
	}
	n, err := i.gz.Read(p)
	if err != nil {
		i.err = unpackError(err)
	}
	return n, i.err
}

// Begin tells whether the stream breaks off before its first byte, as [body.Body.Begin]
// says; with wait it reads the header.
func (i *inflater) Begin(wait bool) error {
	if wait && i.gz == nil && i.err == nil {
		i.err = i.open()
	}
	if wait {
		if i.err == io.EOF {
			return nil
		}
		return i.err
	}
	if s, ok := i.source.(interface{ Begin(wait bool) error }); ok {
		return s.Begin(false)
	}
	return nil
}

func (i *inflater) open() (err error) {
	if gz, ok := inflaters.Get().(*gzip.Reader); ok {
		i.gz, err = gz, gz.Reset(i.source)
	} else {
		i.gz, err = gzip.NewReader(i.source)
	}
	return unpackError(err)
}

// unpackError keeps the end of the stream and errors of the connection, and
// gives everything else the face of a broken answer.
func unpackError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if e := gateway.AsError(err); e.Code != gateway.CodeInternal {
		return err
	}
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "invalid gzip", Err: err}
}

func (i *inflater) Close() error {
	if i.gz != nil {
		inflaters.Put(i.gz)
		i.gz, i.err = nil, io.ErrClosedPipe
	}
	return i.source.Close()
}
