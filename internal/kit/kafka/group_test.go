package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestBegins: a new group that begins with what comes is ready when it is known where that is,
// so that what is published then is delivered.
func TestBegins(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	e, cl := newEnds(t, c.Address), c.Client(t)
	for i := range 5 {
		s := e.subscriber(t, fmt.Sprintf("g%d?topic=one", i))
		want := fmt.Sprint("record ", i)
		kafkatest.Put(t, cl, "one", want)
		receive(t, s, want, 0)
	}
}

// TestNotLetIn: a member that the group does not let in is not ready, and is as soon as it does.
func TestNotLetIn(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	asked, open := make(chan struct{}, 1), make(chan struct{})
	c.ControlKey(int16(kmsg.JoinGroup), func(q kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-open:
			return nil, nil, false
		default:
		}
		c.KeepControl()
		select {
		case asked <- struct{}{}:
		default:
		}
		r := q.ResponseKind().(*kmsg.JoinGroupResponse)
		r.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return r, nil, true
	})
	e := newEnds(t, c.Address)
	s := e.Subscriber(t, e.address(t, "g?topic=one"))
	<-asked
	if text, ok := s.Health(); ok {
		t.Errorf("the health is %q", text)
	}
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); err == nil {
		t.Errorf("a call: %v", err)
	}
	close(open)
	testx.Await(t, func() error {
		if text, ok := s.Health(); !ok {
			return fmt.Errorf("the health is %q", text)
		}
		return nil
	})
	kafkatest.Put(t, c.Client(t), "one", "a")
	receive(t, s, "a", 0)
}
