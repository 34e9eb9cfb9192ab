package gcppubsubtest

import (
	"context"
	"fmt"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A Server is Pub/Sub behind a proxy.
type Server struct {
	*testx.Proxy
	own *pstest.Server
}

// Start runs a server until the test ends.
func Start(t testing.TB, o ...pstest.ServerReactorOption) *Server {
	own := pstest.NewServer(o...)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
		own.Wait()
	})
	return &Server{Proxy: testx.NewProxy(t, own.Addr), own: own}
}

// Expire lets the deadlines pass of the messages that a subscription has delivered and nobody
// has ended: they are there again.
func (s *Server) Expire(t testing.TB, subscription string) {
	q := &pubsubpb.ModifyAckDeadlineRequest{Subscription: subscription}
	for _, m := range s.own.Messages() {
		if m.Acks == 0 && m.Deliveries > 0 {
			q.AckIds = append(q.AckIds, fmt.Sprint(m.ID, ":", m.Deliveries)) // as the fake calls them
		}
	}
	if _, err := s.own.GServer.ModifyAckDeadline(context.Background(), q); err != nil {
		t.Error(err)
	}
}

// Topic makes a topic with subscriptions, whose whole names begin with projects/.
func (s *Server) Topic(t testing.TB, name string, subscriptions ...string) {
	t.Helper()
	if _, err := s.own.GServer.CreateTopic(context.Background(), &pubsubpb.Topic{Name: name}); err != nil {
		t.Fatal(err)
	}
	for _, sub := range subscriptions {
		s.Subscribe(t, &pubsubpb.Subscription{Name: sub, Topic: name})
	}
}

// Subscribe makes a subscription.
func (s *Server) Subscribe(t testing.TB, sub *pubsubpb.Subscription) {
	t.Helper()
	if sub.AckDeadlineSeconds == 0 {
		sub.AckDeadlineSeconds = 120 // no test waits for it
	}
	if _, err := s.own.GServer.CreateSubscription(context.Background(), sub); err != nil {
		t.Fatal(err)
	}
}

// Delete deletes a topic and a subscription.
func (s *Server) Delete(t testing.TB, topic, subscription string) {
	t.Helper()
	if _, err := s.own.GServer.DeleteSubscription(context.Background(), &pubsubpb.DeleteSubscriptionRequest{Subscription: subscription}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.own.GServer.DeleteTopic(context.Background(), &pubsubpb.DeleteTopicRequest{Topic: topic}); err != nil {
		t.Fatal(err)
	}
}

// Put publishes a message to a topic.
func (s *Server) Put(topic string, m *pubsubpb.PubsubMessage) {
	s.own.PublishOrdered(topic, m.Data, m.Attributes, m.OrderingKey)
}

// Messages returns those that were ever published to a topic, with how often each was
// delivered and acknowledged. One test calls it at a time.
func (s *Server) Messages(topic string) []*pstest.Message {
	var of []*pstest.Message
	for _, m := range s.own.Messages() {
		if m.Topic == topic {
			of = append(of, m)
		}
	}
	return of
}
