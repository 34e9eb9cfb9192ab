package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// collectsAt returns the growth in percent after which the runtime collects.
func collectsAt() uint64 {
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	return percent[0].Value.Uint64()
}

// TestWithRoom shows that nothing stays as it is for the start: neither when
// the start is over nor when the heap has become large before.
func TestWithRoom(t *testing.T) {
	const usual = 80
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	withRoom(func() {
		if collectsAt() <= usual {
			t.Errorf("the start collects at %d percent already", collectsAt())
		}
	})
	if got := collectsAt(); got != usual {
		t.Errorf("after the start %d percent, want %d", got, usual)
	}
	withRoom(func() {
		runtime.GC()
		eventually(t, "usual collections after the first one", func() bool { return collectsAt() == usual })
	})
}
