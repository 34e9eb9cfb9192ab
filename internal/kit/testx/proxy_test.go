package testx

import "testing"

// TestHoldTwice: whoever waits since the first Hold goes on at Resume.
func TestHoldTwice(t *testing.T) {
	p := NewProxy(t, "127.0.0.1:1")
	p.Hold()
	first := p.held
	p.Hold()
	p.Resume()
	select {
	case <-first:
	default:
		t.Error("it is held for ever")
	}
}
