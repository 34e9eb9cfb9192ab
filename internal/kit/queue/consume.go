package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// codeEmpty is the failure of a request that no message came for.
const codeEmpty = "queue_empty"

// Failures are those that a component declares which uses [Consume].
var Failures = []gateway.Failure{
	{Code: codeEmpty, Class: gateway.Timeout, Others: "that of `empty_status_code`", Detail: "There was no message before the time for this was over."},
}

// Consuming is how the messages of a subscription answer calls.
type Consuming struct {
	Discard bool // what cannot be used is not requeued
	Empty   int  // status of an answer for which there was no message; 0 lets the dialect decide
}

// Consume answers the calls of a backend with a message each, which is acknowledged once it
// is decoded, shaped and checked: see [Settle]. A Content-Type among its attributes says what
// the bytes are. The component declares [Failures]. The error is one of the build.
func Consume(s *component.BackendSite, sub Subscriber, o Consuming) error {
	s.Takes()
	c := &consumer{from: sub, o: o, taken: component.NewSlot[Delivery](&s.Site)}
	s.Stage(component.BackendAdapt, c)
	return s.Connector(c)
}

type consumer struct {
	gateway.LeaveOnly
	from  Subscriber
	o     Consuming
	taken gateway.Slot[Delivery]
}

// errAgain is why a message is not used that a run before this one has taken.
var errAgain = errors.New("another message is taken instead")

// Do takes a message, and gives back what a run before has taken on the same exchange.
func (c *consumer) Do(ctx context.Context, x *gateway.Exchange) error {
	if before, _ := c.taken.Get(x); before != nil {
		c.taken.Set(x, nil)
		Settle(ctx, x.In, before, errAgain, false) // which tells what it was told
	}
	d, err := c.from.Receive(ctx)
	_, told := errors.AsType[*gateway.Error](err) // of the broker, whatever stands behind that
	r := &x.Response
	switch {
	case err == nil:
		c.taken.Set(x, d)
		m := d.Message()
		if m.Fault != nil {
			return m.Fault
		}
		r.Status, r.Body = 200, body.FromBytes(m.Body)
		for _, f := range m.Attributes {
			if gateway.Canonical(f.Name) == "Content-Type" && gateway.Carried(f.Value) {
				r.Header.Set("Content-Type", f.Value)
			}
		}
		return nil
	case told || !errors.Is(err, context.DeadlineExceeded):
		return err
	case 200 <= c.o.Empty && c.o.Empty < 300:
		r.Acknowledge(c.o.Empty)
		return nil
	}
	return &gateway.Error{Status: c.o.Empty, Code: codeEmpty, Public: "there was no message in time", Err: fmt.Errorf("no message came in time: %w", err)}
}

// Leave ends the delivery by what became of it.
func (c *consumer) Leave(ctx context.Context, x *gateway.Exchange, err error) error {
	d, _ := c.taken.Get(x)
	if d == nil {
		return err
	}
	c.taken.Set(x, nil) // whoever stands around may run this again
	return Settle(ctx, x.In, d, err, c.o.Discard)
}
