package message

import (
	"context"
	"errors"
	"io"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Selected is the step of an endpoint that makes the request that goes on of what
// the client sent, what stages have made of that, and the endpoint lets through.
type Selected struct {
	Header  HeaderSelection
	Query   Selection
	Maximum int64 // bytes of the body; 0 is no limit
	Hold    int64 // the same for a body that is read before any stage runs
	Whole   bool  // the body is read before any stage runs
	Upgrade Upgrade
	Hops    int // how many gateways a request may pass; 0 or less does not count
}

// Enter fills the request.
func (s *Selected) Enter(ctx context.Context, x *gateway.Exchange) error {
	r := &x.Request
	r.Method = x.In.Method()
	if s.Query.All || len(s.Query.names) > 0 {
		SelectQuery(r, x.In.RawQuery(), &s.Query)
	}
	s.Header.fill(x)
	if s.Hops > 0 {
		if err := count(x, s.Hops); err != nil {
			return err
		}
	}
	if len(s.Upgrade) > 0 {
		s.Upgrade.offer(x)
	}
	in := x.TakeBody()
	if in == nil {
		return nil
	}
	if s.Maximum > 0 && x.In.Length() > s.Maximum {
		return gateway.TooLarge("max_body_bytes", s.Maximum)
	}
	r.Body = body.FromStream(&clientBody{r: in, most: s.Maximum}, x.In.Length())
	if s.Whole || replayed(r) {
		return Buffer(ctx, &r.Body, s.Hold)
	}
	return nil
}

// replayLimit is the size up to which a body is read before it is sent, so that
// it can be sent again.
const replayLimit = 16 << 10

// replayed reports whether the call may be made again on another connection when
// the one that it was sent on turns out to be closed, if only its body is still
// there, and that is small enough to be kept. A client that waits to be told to
// continue waits for the backend.
func replayed(r *gateway.Request) bool {
	size := r.Body.Size()
	return size > 0 && size <= replayLimit && r.Repeatable() && !r.Header.Has("Expect")
}

// A clientBody is the client's body on its way: within the limit, and with
// errors that say whose fault they are.
type clientBody struct {
	r    io.Reader
	read int64
	most int64 // bytes; 0 is no limit
}

func (c *clientBody) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.read += int64(n); c.most > 0 && c.read > c.most {
		return 0, gateway.TooLarge("max_body_bytes", c.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = gateway.BodyError(err)
	}
	return n, err
}

// Close does nothing: the engine owns the client's message.
func (*clientBody) Close() error { return nil }

// Buffer reads a stream into memory. A client body that breaks off never goes
// on as a whole one.
//
// A client that stalls blocks the read, so it runs beside the caller, who leaves
// when ctx is done. The read then ends with the exchange: whoever made the stream sees to
// that, engines and those who call [gateway.Edited.SetBody] or fill a request.
func Buffer(ctx context.Context, b *body.Body, limit int64) error {
	if b.Form() != body.Stream {
		return nil
	}
	size, stream, buf := b.Size(), b.Reader(), body.NewBuffer()
	read := make(chan error, 1)
	go func() { read <- readAll(buf, stream, size, limit) }()
	select {
	case err := <-read:
		if err != nil {
			buf.Free()
			if errors.Is(err, body.ErrTooLarge) {
				return gateway.TooLarge("max_body_bytes", limit)
			}
			return gateway.BodyError(err)
		}
		*b = body.FromBuffer(buf)
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return gateway.Left(ctx, ctx.Err())
		}
		return gateway.BodyError(ctx.Err())
	}
}

// readAll reads a stream to its end and closes it. Stages may have made it.
func readAll(buf *body.Buffer, stream io.ReadCloser, size, limit int64) (err error) {
	defer gateway.Recover("", &err)
	err = buf.ReadAll(stream, size, limit)
	stream.Close()
	return err
}
