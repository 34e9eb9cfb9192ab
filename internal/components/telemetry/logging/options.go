package logging

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Options configures telemetry/logging in the service.
type Options struct {
	// Level is the least severe level that is written.
	Level Level `json:"level" check:"required" example:"\"INFO\""`

	// Stdout writes the application log to standard output.
	Stdout bool `json:"stdout" example:"true"`

	// Syslog writes the application log to the local system log.
	Syslog bool `json:"syslog"`

	// SyslogFacility is the facility for the system log.
	SyslogFacility Facility `json:"syslog_facility"`

	// Prefix begins each line of the default formats.
	Prefix string `json:"prefix"`

	// Format is how lines on standard output look: default, logstash (JSON) or
	// custom.
	Format Format `json:"format"`

	// CustomFormat is the pattern of a line for the format custom, with the
	// variables time, level, message, id, pid, program, module and color.
	CustomFormat string `json:"custom_format"`

	// AccessLogFormat is how lines of the access log look: default,
	// httpdCommon, httpdCombined (or httpdCombine), json or custom.
	AccessLogFormat AccessFormat `json:"access_log_format"`

	// AccessLogCustomFormat is the pattern of an access line for the format
	// custom, such as "%{time} %{statusCode} %{method} %{path}". The page Operating
	// lists the variables.
	AccessLogCustomFormat string `json:"access_log_custom_format"`

	// AccessLogMissingKeyMarker stands for what has no value.
	AccessLogMissingKeyMarker string `json:"access_log_missing_key_marker"`

	// Backend writes a line for each call to a backend.
	Backend *Lines `json:"backend"`
}

// Defaults are the values of keys that are absent.
func (Options) Defaults() Options {
	return Options{SyslogFacility: "local3", Format: "default", AccessLogMissingKeyMarker: "-"}
}

// Validate reports patterns that are missing or cannot be read.
func (o Options) Validate() error {
	var errs []error
	switch {
	case o.Format != "custom":
	case o.CustomFormat == "":
		errs = append(errs, config.At("custom_format", errors.New("is missing; write a pattern such as \"%{time} %{level} %{message}\"")))
	default:
		_, err := compileRecord(o.CustomFormat, false)
		errs = append(errs, config.At("custom_format", err))
	}
	switch {
	case o.AccessLogFormat != "custom":
	case o.AccessLogCustomFormat == "":
		errs = append(errs, config.At("access_log_custom_format", errors.New("is missing; write a pattern such as \"%{time} %{statusCode} %{method} %{path}\"")))
	default:
		_, err := compileLine(o.AccessLogCustomFormat, "", "")
		errs = append(errs, config.At("access_log_custom_format", err))
	}
	return errors.Join(errs...)
}

// BackendOptions configures telemetry/logging in a backend.
type BackendOptions struct {
	// Backend writes a line for each call of this backend, in the place of what
	// the service says.
	Backend *Lines `json:"backend"`
}

// Lines tells of calls to backends.
type Lines struct {
	// LogWithLevel writes the lines to the application log, with this level.
	// Absent, they go to standard output.
	LogWithLevel Level `json:"log_with_level"`

	// Prefix is the value of the variable prefix.
	Prefix string `json:"prefix"`

	// CustomFormat is the pattern of a line.
	CustomFormat string `json:"custom_format"`

	// NoValue stands for what has no value.
	NoValue string `json:"no_value"`
}

// Defaults are the values of keys that are absent.
func (Lines) Defaults() Lines {
	return Lines{
		CustomFormat: "%{prefix}%{time} |%{statusCode}| %{latencyMs} | %{method} %{host} %{path}\n",
		NoValue:      "-",
	}
}

// Validate reports a pattern that cannot be read.
func (l Lines) Validate() error {
	_, err := compileLine(l.CustomFormat, "", "")
	return config.At("custom_format", err)
}

// Level is how severe a line is; letter case is ignored.
type Level string

// Enum lists the values.
func (Level) Enum() []string { return []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"} }

// Fold brings a value to the spelling of Enum.
func (Level) Fold(s string) string { return strings.ToUpper(s) }

// critical is above the levels of package slog.
const critical = slog.LevelError + 4

// slog returns the level by its number. No level at all is INFO.
func (l Level) slog() slog.Level {
	switch l {
	case "DEBUG":
		return slog.LevelDebug
	case "WARNING":
		return slog.LevelWarn
	case "ERROR":
		return slog.LevelError
	case "CRITICAL":
		return critical
	}
	return slog.LevelInfo
}

// Facility is a facility of the system log.
type Facility string

// Enum lists the values.
func (Facility) Enum() []string {
	return []string{"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
}

// Format is how lines of the application log look.
type Format string

// Enum lists the values.
func (Format) Enum() []string { return []string{"default", "logstash", "custom"} }

// Hint says which format is made of JSON.
func (Format) Hint(s string) string {
	if strings.EqualFold(s, "json") {
		return `"logstash" writes JSON`
	}
	return ""
}

// AccessFormat is how lines of the access log look.
type AccessFormat string

// Enum lists the values.
func (AccessFormat) Enum() []string {
	return []string{"", "default", "httpdCommon", "httpdCombined", "httpdCombine", "json", "custom"}
}
