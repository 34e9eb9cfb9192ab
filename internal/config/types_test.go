package config_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestDuration(t *testing.T) {
	type options struct {
		D config.Duration `json:"d"`
	}
	const missing = `missing unit in duration "5"; write "5s" for seconds or "5ms" for milliseconds`
	tests := []struct {
		in            string
		want          time.Duration
		strict, loose string // messages
	}{
		{`"1m30s"`, 90 * time.Second, "", ""},
		{`"1.5s"`, 1500 * time.Millisecond, "", ""},
		{`"250us"`, 250 * time.Microsecond, "", ""},
		{`"250µs"`, 250 * time.Microsecond, "", ""},
		{`"0"`, 0, "", ""},
		{`"5"`, 0, missing, missing},
		{`"-5s"`, 0, `a duration must not be negative, got "-5s"; write "5s"`, `a duration must not be negative, got "-5s"; write "5s"`},
		{`"2d"`, 0, `unknown unit in duration "2d"; write "48h"`, `unknown unit in duration "2d"; write "48h"`},
		{`""`, 0, `invalid duration ""; write a number and one of ns, us, ms, s, m, h, such as "1m30s"`, `invalid duration ""; write a number and one of ns, us, ms, s, m, h, such as "1m30s"`},
		{`"abc"`, 0, `invalid duration "abc"; write a number and one of ns, us, ms, s, m, h, such as "1m30s"`, `invalid duration "abc"; write a number and one of ns, us, ms, s, m, h, such as "1m30s"`},
		{`5`, 5, `must be a duration, got 5; write "5s" for seconds or "5ms" for milliseconds`,
			`a number counts nanoseconds, so 5 is less than a millisecond; write "5s" for seconds or "5ms" for milliseconds`},
		{`3000`, 3000, `must be a duration, got 3000; write "50m" for seconds or "3s" for milliseconds`,
			`a number counts nanoseconds, so 3000 is less than a millisecond; write "50m" for seconds or "3s" for milliseconds`},
		{`250`, 250, `must be a duration, got 250; write "4m10s" for seconds or "250ms" for milliseconds`,
			`a number counts nanoseconds, so 250 is less than a millisecond; write "4m10s" for seconds or "250ms" for milliseconds`},
		{`"3000"`, 0, `missing unit in duration "3000"; write "50m" for seconds or "3s" for milliseconds`, `missing unit in duration "3000"; write "50m" for seconds or "3s" for milliseconds`},
		{`0`, 0, `must be a duration, got 0; write "0s"`, `must be a duration, got 0, which counts nanoseconds; write "0s"`},
		{`2000000000`, 2 * time.Second, `must be a duration, got 2000000000; write "2s"`, `must be a duration, got 2000000000, which counts nanoseconds; write "2s"`},
		{`-5`, 0, `must be a duration, got -5; write one such as "1m30s"`, `is no duration, got -5; write one such as "1m30s"`},
		{`1e99`, 0, `must be a duration, got 1e99; write one such as "1m30s"`, `is no duration, got 1e99; write one such as "1m30s"`},
		{`true`, 0, `must be a duration, got true; write "1m30s"`, `must be a duration, got true; write "1m30s"`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			n := parse(t, `{"d":`+tt.in+`}`)
			for _, mode := range []struct {
				name    string
				decode  func(*config.Node, *options) []*config.Problem
				message string
			}{{"strict", config.Decode[options], tt.strict}, {"loose", config.DecodeLoose[options], tt.loose}} {
				var o options
				ps := mode.decode(n, &o)
				message := ""
				if len(ps) > 0 {
					message = ps[0].Err.Error()
				}
				if message != mode.message || len(ps) > 1 {
					t.Errorf("%s: got  %s\nwant %s", mode.name, message, mode.message)
				}
				if !config.HasErrors(ps) && time.Duration(o.D) != tt.want {
					t.Errorf("%s: got %v, want %v", mode.name, o.D, tt.want)
				}
			}
		})
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h", 10 * time.Minute: "10m",
		time.Hour + time.Second: "1h0m1s", 20 * time.Hour: "20h", 1500 * time.Millisecond: "1.5s",
	} {
		text, err := json.Marshal(config.Duration(d))
		if got := config.Duration(d).String(); got != want || err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%v: got %s and %s, %v; want %s", d, got, text, err, want)
		}
	}
}

func TestSecondsAndSize(t *testing.T) {
	type options struct {
		Seconds config.Seconds `json:"seconds"`
		Size    config.Size    `json:"size"`
	}
	tests := []struct {
		in   string
		want options
		err  string
	}{
		{`{"seconds":60,"size":1024}`, options{60, 1024}, ""},
		{`{"size":"10b"}`, options{0, 10}, ""},
		{`{"size":"2 kB"}`, options{0, 2000}, ""},
		{`{"size":"2KiB"}`, options{0, 2048}, ""},
		{`{"size":"1MB"}`, options{0, 1e6}, ""},
		{`{"size":"1mib"}`, options{0, 1 << 20}, ""},
		{`{"size":"3GB"}`, options{0, 3e9}, ""},
		{`{"size":"3GiB"}`, options{0, 3 << 30}, ""},
		{`{"seconds":-1}`, options{}, "must not be negative, got -1"},
		{`{"size":-1}`, options{}, "must not be negative, got -1"},
		{`{"size":"99999999999GB"}`, options{}, `invalid size "99999999999GB"; write a number of bytes, or a whole number and one of B, kB, MB, GB, KiB, MiB, GiB, such as "1MB"`},
		{`{"size":"1.5MB"}`, options{}, `invalid size "1.5MB"; write a number of bytes, or a whole number and one of B, kB, MB, GB, KiB, MiB, GiB, such as "1MB"`},
		{`{"seconds":"60"}`, options{}, "must be a whole number of seconds, got \"60\"; write 60 without quotes"},
		{`{"seconds":"60s"}`, options{}, "must be a whole number of seconds, got \"60s\"; write 60"},
		{`{"size":true}`, options{}, "must be a number of bytes, got true; write 1048576 or \"1MiB\""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			var o options
			ps := config.Decode(parse(t, tt.in), &o)
			switch {
			case tt.err == "" && (len(ps) > 0 || o != tt.want):
				t.Errorf("got %v, %v; want %v", o, ps, tt.want)
			case tt.err != "" && (len(ps) != 1 || ps[0].Err.Error() != tt.err):
				t.Errorf("got %v, want %s", ps, tt.err)
			}
		})
	}
	if got := config.Seconds(90).Duration(); got != 90*time.Second {
		t.Errorf("90 seconds are %v", got)
	}
	if got := config.Seconds(math.MaxInt64).Duration(); got != math.MaxInt64 {
		t.Errorf("the longest time is %v", got)
	}
}
