//go:build windows || plan9

package logging

import (
	"errors"
	"log/slog"
)

// dialSyslog reports that this system has none.
func dialSyslog(Facility) (write func(slog.Level, string) error, closer func() error, err error) {
	return nil, nil, errors.New("this system has no system log")
}
