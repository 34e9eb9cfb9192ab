package fast

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// headLimits bound the head of an answer, and the interim ones before it with it.
var headLimits = wire.Limits{HeadBytes: 1 << 20, Fields: wire.MaxFields}

// Finish reads the answer.
//
// A call on a link that was idle may find out only now that the backend has
// closed it. If no byte of the answer came and nothing was sent, or the call is
// [call.repeatable], it is made again, once, on a new link. net/http does the
// same.
func (k *call) Finish() error {
	err := k.finish()
	if k.link == nil && !k.streams {
		k.free()
	}
	return err
}

func (k *call) finish() error {
	for {
		err := k.err
		if err == nil {
			err = k.receive()
		}
		if err == nil && k.head.Status == http.StatusSwitchingProtocols {
			return k.deliverTunnel()
		}
		if err == nil {
			k.deliver()
			return nil
		}
		if errors.As(err, new(*wire.Error)) {
			k.host.doubt(time.Now()) // or what should not be there was taken for an answer
		}
		if !k.mayRepeat(err) {
			return k.fail(err)
		}
		k.end(false)
		if err := k.dial(); err == errForeign {
			return k.host.client.standard.Do(k.ctx, k.x)
		} else if err != nil {
			return engine.Failure(k.ctx, err, false)
		}
		k.send()
	}
}

// mayRepeat reports whether the call may be made again after err.
func (k *call) mayRepeat(err error) bool {
	return k.reused && k.session == nil && !k.heard && !k.asked && (!k.wrote || k.repeatable()) && k.ctx.Err() == nil && !timeout(err)
}

// fail ends the call and returns its error.
func (k *call) fail(err error) error {
	if k.upload != nil && k.ctx.Err() == nil {
		if cause := k.upload.broken(); cause != nil {
			err = gateway.BodyError(cause)
		}
	}
	k.end(false)
	k.watch.End()
	return engine.Failure(k.ctx, err, true)
}

func timeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// receive reads the head of the answer, past interim ones.
func (k *call) receive() error {
	settings := &k.host.client.settings
	wait := time.Duration(settings.ResponseHeaderTimeout)
	if k.expecting {
		wait = time.Duration(settings.ExpectContinueTimeout)
	}
	timed := wait > 0
	if timed && k.upload == nil { // an upload sets the limit when it ends
		k.link.stream.SetReadDeadline(time.Now().Add(wait))
	}
	k.head.Fields = k.x.Response.Header[:0]
	k.x.Response.Header = k.head.Fields
	for before := 0; ; {
		text, err := k.readHead()
		if err != nil {
			return err
		}
		if before > 0 && before+len(text) > headLimits.HeadBytes {
			return errors.New("the interim answers are too large")
		}
		before += len(text)
		if err := k.head.Parse(text, k.x.Request.Method); err != nil {
			return err
		}
		switch status := k.head.Status; {
		case status == http.StatusSwitchingProtocols && k.switched() == "":
			return engine.Unasked()
		case status == http.StatusContinue && k.expecting:
			k.proceed()
		case status == http.StatusEarlyHints:
			k.hint()
		case status >= 200 || status == http.StatusSwitchingProtocols:
			if k.upload != nil {
				k.upload.meetAnswer()
			}
			if timed {
				k.link.stream.SetReadDeadline(time.Time{})
			}
			return nil
		}
	}
}

// hint tells the client what the backend says before its answer, where that is passed on.
func (k *call) hint() {
	if in, ok := k.x.In.(gateway.Hinter); ok && k.x.Request.Through {
		in.Hint(k.head.Fields.EndToEnd())
	}
}

// readHead reads one head.
func (k *call) readHead() (string, error) {
	in := &k.link.in
	for {
		head, err := in.AnswerHead(headLimits)
		if err != nil || head != "" {
			return head, err
		}
		fill := in.Fill
		if len(in.Buffered()) == 0 {
			fill = k.link.wait
		}
		switch err := fill(); {
		case err == nil:
			k.heard = true
			k.watch.Hear()
		case k.expecting && timeout(err):
			k.proceed() // the backend does not know what to continue means
		case err == io.EOF:
			return "", io.ErrUnexpectedEOF
		default:
			return "", err
		}
	}
}

// proceed sends the body that has waited for 100 Continue.
func (k *call) proceed() {
	k.expecting = false
	k.link.stream.SetReadDeadline(time.Time{})
	k.startUpload()
}

// deliver fills the response, and ends the call if there is no body to read.
func (k *call) deliver() {
	r := &k.x.Response
	head := k.x.Request.Method == http.MethodHead
	r.Status, r.Header = k.head.Status, k.head.Fields.EndToEnd()
	r.Body.Close()
	r.Trailer = nil
	k.link.bare = head || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified
	k.x, k.raw, k.stream, k.head.Fields = nil, nil, nil, nil
	switch {
	case head && k.head.Announced > 0:
		r.Body = body.FromStream(body.Unsent, k.head.Announced)
	case k.head.Length > 0 && k.arrived():
		r.Body = body.FromArrived(k.link.in.Take())
	case k.head.Length != 0:
		if k.memory != nil {
			k.memory.detach()
		}
		k.streams = true
		k.watch.Tell()
		k.body.ResetAnswer(&k.link.in, k.head.Length, k.head.Chunked, &k.trailer)
		if k.head.Chunked {
			r.Trailer = &k.trailer
		}
		r.Body = body.FromStream(k, k.head.Length)
		return
	}
	k.end(true)
	k.watch.End()
}

// arrived reports whether the body of the answer has come with the head: all of
// it, in one page, and nothing behind it.
func (k *call) arrived() bool {
	in := &k.link.in
	return k.head.Length == int64(len(in.Buffered())) && in.Paged()
}

// Read reads the body of the answer.
func (k *call) Read(p []byte) (int, error) {
	if k.link == nil {
		return 0, k.err
	}
	n, err := k.body.Read(p)
	if err == io.EOF && k.head.Length < 0 && !k.head.Chunked && k.link.cut() {
		err = io.ErrUnexpectedEOF
	}
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		k.end(true)
		k.watch.End()
	default:
		err = engine.BrokenAnswer(k.ctx, k.fail(err), k.host.address)
	}
	k.err = err
	return n, err
}

// Begin tells whether the body breaks off before its first byte, as [body.Body.Begin]
// says.
func (k *call) Begin(wait bool) error {
	if k.link == nil {
		return nil // Read says what there is to say
	}
	err := k.body.Begin(wait)
	if err == nil && k.body.Over() && k.head.Length < 0 && !k.head.Chunked && k.link.cut() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		k.err = k.fail(err)
		return k.err
	}
	return nil
}

// Buffered returns how many bytes of the body, or behind it, have arrived and
// can be read without waiting.
func (k *call) Buffered() int {
	if k.link == nil {
		return 0
	}
	return len(k.link.in.Buffered())
}

// Close ends the call.
func (k *call) Close() error {
	if k.link != nil {
		k.end(k.drain())
		k.watch.End()
		k.err = errEnded
	}
	return nil
}

// drain reads what is left of the body, provided that it has arrived, and
// reports whether that was all. It does not wait.
func (k *call) drain() bool {
	if len(k.link.in.Buffered()) == 0 {
		return false
	}
	k.link.stream.SetReadDeadline(time.Unix(1, 0)) // only the buffer is read from now on
	if _, err := io.Copy(io.Discard, &k.body); err != nil {
		return false
	}
	k.link.stream.SetReadDeadline(time.Time{})
	return true
}

// end gives the link up. keep says that the answer was read to its end, so that
// the link may carry another call if nothing else is against it.
func (k *call) end(keep bool) {
	if keep && len(k.link.in.Buffered()) > 0 {
		k.host.doubt(time.Now())
	}
	keep = keep && k.head.KeepAlive && !k.broken && !k.expecting && len(k.link.in.Buffered()) == 0 &&
		!k.single() && (k.upload == nil || k.upload.settle())
	if k.memory != nil {
		k.memory.drop()
		k.memory = nil
	}
	k.host.exit(k, keep)
}
