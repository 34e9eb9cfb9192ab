package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as a text such as "1m30s" or "1.5s".
// The units are ns, us, µs, ms, s, m and h. It is not negative.
type Duration time.Duration

// String returns the duration as a configuration writes it, without units that
// are zero: "1h", "1m30s", "0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// parseDuration reads a duration that is written as a text.
func parseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d < 0:
		return 0, Coded(CodeBadDuration, "a duration must not be negative, got %q; write %q", s, Duration(d.Abs()))
	case err == nil:
		return Duration(d), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 {
		return 0, Coded(CodeBadDuration, "missing unit in duration %q; write %s", s, meantDuration(f))
	}
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return 0, Coded(CodeBadDuration, "unknown unit in duration %q; write %q", s, strconv.FormatUint(24*n, 10)+"h")
		}
	}
	return 0, Coded(CodeBadDuration, `invalid duration %q; write a number and one of ns, us, ms, s, m, h, such as "1m30s"`, s)
}

// meantDuration returns the durations that a number without a unit may stand for:
// seconds or milliseconds, which no number tells apart, or nanoseconds if it is one of
// those.
func meantDuration(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	switch {
	case f < 0 || f >= math.MaxInt64:
		return `one such as "1m30s"`
	case f == 0:
		return `"0s"`
	case f >= float64(time.Millisecond):
		return strconv.Quote(Duration(f).String())
	}
	seconds, milliseconds := text+"s", text+"ms"
	if f >= 60 && f*float64(time.Second) < math.MaxInt64 {
		seconds = Duration(f * float64(time.Second)).String()
	}
	if f >= 1000 {
		milliseconds = Duration(f * float64(time.Millisecond)).String()
	}
	return fmt.Sprintf("%q for seconds or %q for milliseconds", seconds, milliseconds)
}

// Seconds is a length of time, written as a whole number of seconds. It is not
// negative.
type Seconds int64

// Duration returns the length of time, or the longest there is when it is too
// long for its type.
func (s Seconds) Duration() time.Duration {
	if s > Seconds(math.MaxInt64/time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s) * time.Second
}

// Size is a number of bytes, written as a whole number or as a text with a
// unit: B, kB, MB, GB in steps of 1000, KiB, MiB, GiB in steps of 1024. It is
// not negative.
type Size int64

// maxHeld is how much of a body is held in memory where nobody says otherwise.
const maxHeld Size = 32 << 20

// Limit returns the limit in bytes, 0 for none. Where nobody says anything, nil,
// there is none.
func (s *Size) Limit() int64 {
	if s == nil {
		return 0
	}
	return int64(*s)
}

// Held returns the limit for what is held in memory, in bytes, 0 for none. Where
// nobody says anything, nil, it is 32 MiB.
func (s *Size) Held() int64 {
	if s == nil {
		return int64(maxHeld)
	}
	return int64(*s)
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

// parseSize reads a size that is written as a text. Letter case does not count.
func parseSize(s string) (Size, error) {
	text, unit := strings.ToLower(s), int64(1)
	for _, u := range sizeUnits {
		if rest, found := strings.CutSuffix(text, u.suffix); found {
			text, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return 0, Coded(CodeWrongType, `invalid size %q; write a number of bytes, or a whole number and one of B, kB, MB, GB, KiB, MiB, GiB, such as "1MB"`, s)
	}
	return Size(int64(n) * unit), nil
}
