//go:build !slim

package brokers

import (
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/sluice-gateway/sluice/internal/kit/gcppubsub/gcppubsubtest"
)

const gcpTopic = "projects/shop/topics/orders"

func init() {
	examples["Google Pub/Sub"] = example{
		with: func(t *testing.T) []string {
			s := gcppubsubtest.Start(t)
			s.Topic(t, gcpTopic, "projects/shop/subscriptions/shipping")
			return []string{"localhost:8085", s.Address}
		},
		asked: published("/orders"),
	}
	drivers["gcppubsub"] = driver{"gcppubsub://", "shop/orders", "shop/shipping", func(t testing.TB) stand {
		s := gcppubsubtest.Start(t)
		s.Topic(t, gcpTopic, "projects/shop/subscriptions/shipping")
		return stand{
			Network: s, environment: map[string]string{"PUBSUB_EMULATOR_HOST": s.Address},
			put: func(body string) { s.Put(gcpTopic, &pubsubpb.PubsubMessage{Data: []byte(body)}) },
			there: func() (all []string) {
				for _, m := range s.Messages(gcpTopic) {
					all = append(all, string(m.Data))
				}
				return all
			},
			ended: func() (n int) {
				for _, m := range s.Messages(gcpTopic) {
					n += m.Acks
				}
				return n
			},
		}
	}}
}
