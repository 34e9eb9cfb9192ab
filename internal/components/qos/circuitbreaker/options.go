package circuitbreaker

import "github.com/sluice-gateway/sluice/internal/config"

// Options configures qos/circuit-breaker.
type Options struct {
	// Interval is the window, in seconds, in which failures are counted. The
	// count restarts when the window ends; 0 never restarts it.
	Interval config.Seconds `json:"interval" check:"required" example:"60" guards:"beside"`

	// Timeout is how many seconds an open breaker waits before it lets a probe
	// through; 0 stands for 60.
	Timeout config.Seconds `json:"timeout" check:"required" example:"10"`

	// MaxErrors is how many consecutive failures the breaker bears. In the
	// dialect krakend one more opens it; in the dialect sluice this many do.
	// The option behaviour.breaker_threshold chooses. With 0 the first failure
	// opens it.
	MaxErrors int `json:"max_errors" check:"required,min=0,max=1000000" example:"5" guards:"option" stricter:"lower"`

	// Name labels the breaker in the log; without it endpoint and backend do.
	Name string `json:"name"`

	// LogStatusChange reports each change between closed, open and half-open at
	// warning level, in the words of KrakenD. Without it there is one line when
	// the breaker opens, with the failure that made it, and one when it is
	// closed again.
	LogStatusChange bool `json:"log_status_change"`
}
