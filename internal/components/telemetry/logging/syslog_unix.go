//go:build !windows && !plan9

package logging

import (
	"log/slog"
	"log/syslog"
	"slices"
)

// dialSyslog connects to the system log of this machine.
func dialSyslog(f Facility) (write func(slog.Level, string) error, closer func() error, err error) {
	number := slices.Index(Facility("").Enum(), string(f))
	w, err := syslog.New(syslog.LOG_LOCAL0+syslog.Priority(number)<<3|syslog.LOG_INFO, program)
	if err != nil {
		return nil, nil, err
	}
	return func(l slog.Level, line string) error {
		switch {
		case l >= critical:
			return w.Crit(line)
		case l >= slog.LevelError:
			return w.Err(line)
		case l >= slog.LevelWarn:
			return w.Warning(line)
		case l >= slog.LevelInfo:
			return w.Info(line)
		}
		return w.Debug(line)
	}, w.Close, nil
}
