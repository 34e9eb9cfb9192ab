//go:build slim

package queue_test

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/queue"
	_ "github.com/sluice-gateway/sluice/internal/kit/queue/drivers"
)

// TestSlim: a build that leaves a driver out knows its scheme.
func TestSlim(t *testing.T) {
	for _, scheme := range []string{"azuresb://", "kafka://"} {
		_, err := queue.ReadHost(queue.Publishing)(scheme)
		if err == nil || !strings.Contains(err.Error(), "this build leaves "+scheme+" out; use the full build") {
			t.Errorf("%s %v", scheme, err)
		}
	}
	if _, err := queue.ReadHost(queue.Publishing)("nats://"); err != nil {
		t.Errorf("nats: %v", err)
	}
}
