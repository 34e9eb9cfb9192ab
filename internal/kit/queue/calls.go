package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Produce answers the calls of a backend by publishing: the body of the request as it is, and
// its header, the first value of each name. The answer has no data and the status; see
// [gateway.Response.Acknowledge]. The error is one of the build.
func Produce(s *component.BackendSite, p Publisher, status int) error {
	return ProduceBy(s, status, func(ctx context.Context, x *gateway.Exchange, payload []byte) error {
		var room [16]gateway.Field
		return p.Publish(ctx, &Message{Body: payload, Attributes: AppendFirst(room[:0], x.Request.Header)})
	})
}

// ProduceBy is Produce for messages that the component makes of the exchange itself. What
// publish returns is what Publish of a [Publisher] would.
func ProduceBy(s *component.BackendSite, status int, publish func(ctx context.Context, x *gateway.Exchange, payload []byte) error) error {
	if n := s.Endpoint().Config().ConcurrentCalls; n > 1 {
		s.Warn("", fmt.Errorf("a message is published for each of %d concurrent_calls; remove that key from the endpoint", n))
	}
	s.NoStore()
	s.NoData()
	s.Needs(body.Raw, body.Empty)
	return s.Connector(&producer{publish, status})
}

type producer struct {
	publish func(ctx context.Context, x *gateway.Exchange, payload []byte) error
	status  int
}

// Do publishes.
func (p *producer) Do(ctx context.Context, x *gateway.Exchange) error {
	payload, err := x.Request.Body.Bytes(0)
	if err != nil {
		return gateway.BodyError(err)
	}
	x.Request.Header = slices.DeleteFunc(x.Request.Header, ofHTTP)
	if err := p.publish(ctx, x, payload); err != nil {
		return err
	}
	x.Response.Acknowledge(p.status)
	return nil
}

// ofHTTP reports whether gateways tell each other a field on the way of a request by HTTP:
// how many there were, and which. A message is none, and may go round by right, such as one
// that is tried again.
func ofHTTP(f gateway.Field) bool { return f.Name == "Sluice-Hops" || f.Name == "X-Forwarded-Via" }

// Passing returns the header fields of clients that may get to the backend, as its options and
// those of its endpoint name them: canonical names, each once, among them * for all.
func Passing(s *component.BackendSite) []string {
	list := s.Endpoint().Config().InputHeaders
	if own := s.Config().InputHeaders; len(own) > 0 && !slices.Contains(own, "*") {
		list = own
	}
	var out []string
	for _, name := range list {
		if name = gateway.Canonical(name); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// AppendFirst appends the first field of each name to dst, in order, and returns it.
func AppendFirst(dst, header gateway.Fields) gateway.Fields {
	begin := len(dst)
	var seen map[string]bool // where it would take too long to look for each among those before
	if len(header) > 64 {
		seen = make(map[string]bool, len(header))
	}
	for _, f := range header {
		if seen == nil && !dst[begin:].Has(f.Name) || seen != nil && !seen[f.Name] {
			dst = append(dst, f)
		}
		if seen != nil {
			seen[f.Name] = true
		}
	}
	return dst
}

// lastWord is how long the end of a delivery may take at least, although the time of its request
// is over.
const lastWord = time.Second

// Settle ends a delivery whose message has been used with this error, and returns the error
// from there on. A good one is acknowledged; that nobody can be told so is a failure, because
// the message comes again, and it is given back. Where the time is over before the broker says
// whether it has heard, the client who is there gets the message: twice is better than never. One that cannot be used is dropped or requeued, as discard has it.
// One that nobody waits for any more is requeued in any case, and so is one whose time
// was over before it was used. In is the message of the client that waits. The end itself is not
// cut short by who leaves: of half of one nobody knows what it has done.
func Settle(ctx context.Context, in gateway.Inbound, d Delivery, err error, discard bool) error {
	if err == nil && (errors.Is(ctx.Err(), context.Canceled) || gateway.HasLeft(in)) {
		err = gateway.Left(ctx, context.Canceled) // nobody is there to be answered
	}
	left := Patience
	if until, limited := ctx.Deadline(); limited {
		left = max(time.Until(until), lastWord)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	if err == nil {
		err := d.Ack(last)
		if err != nil && errors.Is(last.Err(), context.DeadlineExceeded) && !gateway.HasLeft(in) {
			return nil // it may be gone there, and would be lost
		}
		if err != nil {
			d.Nack(last, true) // so that nobody waits until the broker gives it up
			return &gateway.Error{Code: gateway.CodeBackendAborted, Public: "the message could not be acknowledged",
				Err: fmt.Errorf("the message comes again, because it could not be acknowledged: %w", err)}
		}
		return nil
	}
	unused := ctx.Err() != nil || gateway.Cut(err)
	if failed := d.Nack(last, unused || !discard); failed != nil {
		return errors.Join(err, fmt.Errorf("giving the message back: %w", failed))
	}
	return err
}
