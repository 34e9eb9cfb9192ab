package amqp_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
)

func TestMain(m *testing.M) {
	status := amqptest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		status = 1
	}
	os.Exit(status)
}
