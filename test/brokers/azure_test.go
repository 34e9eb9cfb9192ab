//go:build !slim

package brokers

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/azuresb/azuresbtest"
)

func init() {
	environment := make(map[string]string)
	examples["Azure Service Bus"] = example{
		with: func(t *testing.T) []string {
			s := azuresbtest.Start(t, azuresbtest.Options{})
			s.Topic("orders", "shipping")
			environment["SERVICEBUS_CONNECTION_STRING"] = s.ConnectionString()
			return []string{"            server: shop.servicebus.windows.net\n", ""} // but by its connection string
		},
		environment: environment,
		asked:       published("/orders"),
	}
	drivers["azuresb"] = driver{"azuresb://", "orders", "orders?subscription=shipping", func(t testing.TB) stand {
		s := azuresbtest.Start(t, azuresbtest.Options{})
		s.Topic("orders", "shipping")
		return stand{
			Network: s, environment: map[string]string{"SERVICEBUS_CONNECTION_STRING": s.ConnectionString()},
			put: func(body string) { s.Put("orders", azuresbtest.Message{Body: []byte(body)}) },
			there: func() (all []string) {
				for _, m := range s.Messages("orders") {
					all = append(all, string(m.Body))
				}
				return all
			},
			ended: func() int {
				return len(s.Messages("orders")) - len(s.Queue("orders", "shipping")) - s.Held()
			},
		}
	}}
}
