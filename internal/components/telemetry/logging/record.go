package logging

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// Names of the gateway in lines of the application log.
const (
	program = "sluice"
	module  = "SLUICE"
)

// A record is what a line of the application log tells.
type record struct {
	id      uint64
	time    time.Time
	level   slog.Level
	message string
	fields  []field
}

// newRecord returns what a record of package slog tells, without an id.
func newRecord(from slog.Record) *record {
	r := &record{time: from.Time, level: from.Level, message: from.Message}
	from.Attrs(func(a slog.Attr) bool {
		r.fields = appendFields(r.fields, "", a)
		return true
	})
	return r
}

// hide masks secrets in everything that is text.
func (r *record) hide(mask func(string) string) {
	r.message, r.fields = mask(r.message), slices.Clone(r.fields)
	for i, f := range r.fields {
		switch f.value.Kind() {
		case slog.KindString, slog.KindAny:
			r.fields[i].value = slog.StringValue(mask(f.value.String()))
		}
	}
}

// A field is a fact of a record.
type field struct {
	key   string
	value slog.Value // resolved, no group
}

// appendFields appends an attribute, groups flattened with dots.
func appendFields(dst []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) {
			return dst
		}
		return append(dst, field{prefix + a.Key, v})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, inner := range v.Group() {
		dst = appendFields(dst, prefix, inner)
	}
	return dst
}

// levelName returns the name that lines show.
func levelName(l slog.Level) string {
	switch {
	case l >= critical:
		return "CRITICAL"
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// appendText appends the message and the facts as key=value.
func (r *record) appendText(dst []byte) []byte {
	dst = appendMessage(dst, r.message)
	for _, f := range r.fields {
		dst = append(dst, ' ')
		dst = appendMessage(dst, f.key)
		dst = append(dst, '=')
		if v := f.value.String(); v == "" || strings.ContainsAny(v, " =") || quoted(v) {
			dst = append(dst, '"')
			dst = appendEscaped(dst, v)
			dst = append(dst, '"')
		} else {
			dst = append(dst, v...)
		}
	}
	return dst
}

// quoted reports whether s looks different when it is escaped.
func quoted(s string) bool {
	var room [128]byte
	return string(appendEscaped(room[:0], s)) != s
}

// appendMessage appends text of ours, which may hold quotes but no control
// characters.
func appendMessage(dst []byte, s string) []byte {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && unsafeRune(r) }) < 0 {
		return append(dst, s...)
	}
	return appendEscaped(dst, s)
}

// A recordFormat appends the line of a record, without its end.
type recordFormat func(dst []byte, r *record) []byte

// plain is the format of a log that nobody configured.
func plain(dst []byte, r *record) []byte {
	dst = r.time.AppendFormat(dst, "2006/01/02 15:04:05 ")
	dst = append(dst, levelName(r.level)...)
	dst = append(dst, ' ')
	return r.appendText(dst)
}

// logstash is the format of one JSON object for each line. The facts are an
// object of their own, so that they cannot hide the rest.
func logstash(dst []byte, r *record) []byte {
	dst = append(dst, `{"@timestamp":"`...)
	dst = r.time.AppendFormat(dst, "2006-01-02T15:04:05.000-07:00")
	dst = append(dst, `","@version":1,"level":"`...)
	dst = append(dst, levelName(r.level)...)
	dst = append(dst, `","message":`...)
	dst = jsonspan.AppendString(dst, r.message)
	dst = append(dst, `,"module":"`+module+`"`...)
	for i, f := range r.fields {
		if i == 0 {
			dst = append(dst, `,"fields":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = jsonspan.AppendString(dst, f.key)
		dst = append(dst, ':')
		dst = appendValue(dst, f.value)
	}
	if len(r.fields) > 0 {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// object is the format of a line among others that are JSON.
func object(dst []byte, r *record) []byte {
	dst = append(dst, `{"time":"`...)
	dst = r.time.AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `","level":"`...)
	dst = append(dst, levelName(r.level)...)
	dst = append(dst, `","message":`...)
	dst = jsonspan.AppendString(dst, r.message)
	for _, f := range r.fields {
		dst = append(dst, ',')
		dst = jsonspan.AppendString(dst, f.key)
		dst = append(dst, ':')
		dst = appendValue(dst, f.value)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	}
	return jsonspan.AppendString(dst, v.String())
}

// recordVariables are those of custom_format.
var recordVariables = []string{"color", "id", "level", "message", "module", "pid", "program", "time"}

var (
	textVerb   = regexp.MustCompile(`^-?[0-9]{0,3}(\.[0-9]{1,3})?s$`)
	numberVerb = regexp.MustCompile(`^-?0?[0-9]{0,3}[dx]$`)
)

// compileRecord makes a format of a pattern. Without colours the variables
// that ask for them write nothing.
func compileRecord(pattern string, colours bool) (recordFormat, error) {
	list, err := tokens(pattern)
	if err != nil {
		return nil, err
	}
	parts := make([]recordFormat, len(list))
	for i, t := range list {
		if parts[i], err = recordPart(t, colours); err != nil {
			return nil, err
		}
	}
	return func(dst []byte, r *record) []byte {
		for _, part := range parts {
			dst = part(dst, r)
		}
		return dst
	}, nil
}

func recordPart(t token, colours bool) (recordFormat, error) {
	switch t.name {
	case "":
		return func(dst []byte, _ *record) []byte { return append(dst, t.literal...) }, nil
	case "time":
		layout := t.arg
		if layout == "" {
			layout = "2006-01-02T15:04:05.999Z07:00"
		}
		return func(dst []byte, r *record) []byte { return r.time.AppendFormat(dst, layout) }, nil
	case "color":
		return colourPart(t.arg, colours)
	case "level":
		return textPart(t, func(r *record) string { return levelName(r.level) })
	case "message":
		if t.arg == "" {
			return func(dst []byte, r *record) []byte { return r.appendText(dst) }, nil
		}
		return textPart(t, func(r *record) string { return string(r.appendText(nil)) })
	case "program":
		return textPart(t, func(*record) string { return program })
	case "module":
		return textPart(t, func(*record) string { return module })
	case "pid":
		pid := uint64(os.Getpid())
		return numberPart(t, func(*record) uint64 { return pid })
	case "id":
		return numberPart(t, func(r *record) uint64 { return r.id })
	}
	return nil, unknown(t.name, recordVariables)
}

func textPart(t token, value func(*record) string) (recordFormat, error) {
	if t.arg == "" {
		return func(dst []byte, r *record) []byte { return append(dst, value(r)...) }, nil
	}
	if !textVerb.MatchString(t.arg) {
		return nil, fmt.Errorf("%%{%s:%s} is not understood; write a width such as %%{%s:-8s} or %%{%s:.3s}", t.name, t.arg, t.name, t.name)
	}
	verb := "%" + t.arg
	return func(dst []byte, r *record) []byte { return fmt.Appendf(dst, verb, value(r)) }, nil
}

func numberPart(t token, value func(*record) uint64) (recordFormat, error) {
	verb := "%d"
	if t.arg != "" {
		if !numberVerb.MatchString(t.arg) {
			return nil, fmt.Errorf("%%{%s:%s} is not understood; write a width such as %%{%s:03d} or %%{%s:03x}", t.name, t.arg, t.name, t.name)
		}
		verb = "%" + t.arg
	}
	return func(dst []byte, r *record) []byte { return fmt.Appendf(dst, verb, value(r)) }, nil
}

// colourPart writes the colour of the level, or none again.
func colourPart(arg string, colours bool) (recordFormat, error) {
	weight := "0"
	switch arg {
	case "bold":
		weight = "1"
	case "", "reset":
	default:
		return nil, fmt.Errorf("%%{color:%s} is not understood; write %%{color}, %%{color:bold} or %%{color:reset}", arg)
	}
	return func(dst []byte, r *record) []byte {
		switch {
		case !colours:
			return dst
		case arg == "reset":
			return append(dst, "\x1b[0m"...)
		}
		dst = append(dst, "\x1b["+weight...)
		switch {
		case r.level >= critical:
			dst = append(dst, ";35"...)
		case r.level >= slog.LevelError:
			dst = append(dst, ";31"...)
		case r.level >= slog.LevelWarn:
			dst = append(dst, ";33"...)
		case r.level < slog.LevelInfo:
			dst = append(dst, ";36"...)
		}
		return append(dst, 'm')
	}, nil
}
