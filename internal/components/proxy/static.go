package proxy

import (
	"context"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A static puts fixed members over the answer of an endpoint.
type static struct {
	gateway.LeaveOnly
	strategy Strategy
	members  []member
}

// A member is one of the fixed ones, written out.
type member struct {
	name  string
	value []byte // JSON
}

func newStatic(o *Static) *static {
	s := &static{strategy: o.Strategy}
	if s.strategy == "" {
		s.strategy = Always
	}
	for _, m := range o.Data.Members {
		s.members = append(s.members, member{m.Key, m.Value.JSON()})
	}
	return s
}

// Leave adds the members where the strategy asks for them. A failed endpoint
// becomes an answer that holds nothing else.
func (s *static) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if !s.applies(x, err) {
		return err
	}
	r := &x.Response
	if err != nil {
		r.Body.Close()
		r.Body, _ = body.NewObject()
		r.Header = r.Header[:0] // it described the failure
		r.Status, r.Complete, r.Missing = 200, false, err
	}
	o, err := r.Body.Object()
	if err != nil {
		return err
	}
	for i := range s.members {
		o.Set(s.members[i].name, s.members[i].value)
	}
	return nil
}

func (s *static) applies(x *gateway.Exchange, err error) bool {
	switch s.strategy {
	case Success:
		return !failed(x, err)
	case Complete:
		return err == nil && x.Response.Complete
	case Errored:
		return failed(x, err)
	case Incomplete:
		return err != nil || !x.Response.Complete
	}
	return true
}

// failed reports whether a backend gave nothing.
func failed(x *gateway.Exchange, err error) bool { return err != nil || x.Response.Failed }
