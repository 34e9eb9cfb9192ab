//go:build !slim

package drivers_test

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/queue"
	_ "github.com/sluice-gateway/sluice/internal/kit/queue/drivers"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// secret is what stands wherever a password might be.
const secret = "qzqzqz"

// TestSecrets: whatever is wrong with a variable that says where a broker is and who asks, the
// error quotes nothing of it.
func TestSecrets(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	passwords := []string{secret, "1?" + secret, "1?" + secret + "=1", "1?heartbeat=" + secret, "1/" + secret, "1#" + secret, "1:" + secret, "a b" + secret, "%" + secret, secret + "@" + secret, "1," + secret, "a;" + secret + "=b", "\x00" + secret}
	type variable struct {
		host, topic, name, before, after string
		refused                          bool // whatever stands there
	}
	for _, v := range []variable{
		{"rabbit://", "orders", "RABBIT_SERVER_URL", "amqp://user:", "@host:5672/v", false},
		{"rabbit://", "orders", "RABBIT_SERVER_URL", "user:", "@host", false},
		{"rabbit://", "orders", "RABBIT_SERVER_URL", secret + "://user:", "@host", true},
		{"rabbit://", "orders", "RABBIT_SERVER_URL", "amqp://host/?", "", false},
		{"nats://", "orders", "NATS_SERVER_URL", "nats://user:", "@host:4222", false},
		{"nats://", "orders", "NATS_SERVER_URL", "nats://", "@host:4222", false},
		{"nats://", "orders", "NATS_SERVER_URL", secret + "://user:", "@host:4222", true},
		{"nats://", "orders", "NATS_SERVER_URL", "user:", "@host:4222", false},
		{"kafka://", "orders", "KAFKA_BROKERS", "user:", "@host:9092", true},
		{"kafka://", "orders", "KAFKA_BROKERS", "sasl://user:", "@host:9092", false},
		{"kafka://", "orders", "KAFKA_BROKERS", "host:", "", false},
		{"azuresb://", "orders", "SERVICEBUS_CONNECTION_STRING", "Endpoint=sb://host/;SharedAccessKeyName=n;SharedAccessKey=", "", false},
		{"azuresb://", "orders", "SERVICEBUS_CONNECTION_STRING", "Endpoint=sb://user:", "@host/;SharedAccessKeyName=n;SharedAccessKey=k", false},
		{"azuresb://", "orders", "SERVICEBUS_CONNECTION_STRING", "Endpoint=http://h;", "=", false},
		{"azuresb://", "orders", "AZURE_SERVICEBUS_HOSTNAME", "Endpoint=sb://host/;SharedAccessKey=", "", true},
		{"azuresb://", "orders", "AZURE_SERVICEBUS_HOSTNAME", "user:", "@host", true},
		{"gcppubsub://", "shop/orders", "PUBSUB_EMULATOR_HOST", "user:", "@host:1", true},
		{"gcppubsub://", "shop/orders", "PUBSUB_EMULATOR_HOST", "http://user:", "@host:1", true},
		{"gcppubsub://", "shop/orders", "GOOGLE_APPLICATION_CREDENTIALS", `{"type": "service_account", "private_key": "`, `"}`, true},
		{"awssqs://sqs.eu-west-1.amazonaws.com/123456789012", "/orders", "AWS_REGION", "", "", false},
		{"awssqs://sqs.eu-west-1.amazonaws.com/123456789012", "/orders", "AWS_SECRET_ACCESS_KEY", "", "", false},
		{"awssqs://sqs.eu-west-1.amazonaws.com/123456789012", "/orders", "AWS_ENDPOINT_URL", "http://user:", "@host", true},
		{"awssqs://sqs.eu-west-1.amazonaws.com/123456789012", "/orders", "AWS_ENDPOINT_URL_SQS", "http://user:", "@host", true},
	} {
		for _, password := range passwords {
			text := v.before + password + v.after
			g := sitetest.New(t)
			g.Env.Getenv = func(name string) string {
				if name == v.name {
					return text
				}
				return ""
			}
			a, err := queue.NewAddress(&g.EndpointSite().Site, "site", "url", v.host, v.topic)
			if err != nil {
				t.Fatal(err)
			}
			_, err = queue.OpenPublisher(&g.EndpointSite().Site, a)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s=%q: %v", v.name, text, err)
			}
			if err == nil && v.refused {
				t.Errorf("%s=%q is taken, and what it leads to is called by it", v.name, text)
			}
		}
	}
}
