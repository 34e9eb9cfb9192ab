package amqp

import (
	"os"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
)

func TestMain(m *testing.M) { os.Exit(amqptest.Main(m)) }
