package testx

import (
	"testing"
	"time"
)

// Await asks f until it returns nil, for a minute at most. What does not come to pass is an
// error of the test, which goes on; so it may be called by any goroutine.
func Await(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Errorf("after a minute: %v", err)
}
