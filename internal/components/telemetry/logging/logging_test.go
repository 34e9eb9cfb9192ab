package logging

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// An output is a stream of the gateway whose lines can be read.
type output struct {
	bytes.Buffer
	format func([]byte, slog.Record) []byte
}

func (o *output) Format(f func([]byte, slog.Record) []byte) { o.format = f }
func (o *output) Terminal() bool                            { return false }

// A world is a gateway whose standard output and error can be read.
type world struct {
	*sitetest.Gateway
	service     *component.ServiceSite
	now         time.Time
	out, errOut output
}

// newWorld builds the component with options, "" for none.
func newWorld(t testing.TB, r routing.Router, options string) *world {
	t.Helper()
	w := &world{Gateway: sitetest.New(t), now: time.Date(2026, 11, 22, 21, 10, 24, 5e6, time.UTC)}
	w.Env.Clock = func() time.Time { return w.now }
	w.Env.Log = component.NewLog(slog.DiscardHandler)
	w.Env.Stdout, w.Env.Stderr = &w.out, &w.errOut
	sitetest.Provide(t, w.Gateway, routing.Key, r)
	w.service = w.Service(t, "telemetry/logging", options)
	return w
}

// write logs one line at each level, at the time of the world.
func (w *world) write(ctx context.Context, level slog.Level, message string, args ...any) {
	r := slog.NewRecord(w.now, level, message, 0)
	r.Add(args...)
	w.Env.Log.Logger().Handler().Handle(ctx, r)
}

func TestApplicationLog(t *testing.T) {
	facts := []any{"n", 5, "s", "a b", "q", `x"y`, "e", errors.New("no route"), slog.Group("g", "d", 2*time.Second), "empty", ""}
	tests := []struct {
		name     string
		options  string
		out, err string // regular expressions
	}{
		{"not configured", "", `^$`, `^2026/11/22 21:10:24 WARNING it broke n=5 s="a b" q="x\\"y" e="no route" g\.d=2s empty=""\n$`},
		{"default", `{"level":"DEBUG","stdout":true}`, `^2026/11/22 - 21:10:24.005 ▶ WARNING it broke n=5 s="a b" .*\n$`, `^$`},
		{"default with a prefix", `{"level":"DEBUG","stdout":true,"prefix":"[GW]"}`, `^\[GW\] 2026/11/22 - 21:10:24.005 ▶ WARNING it broke `, `^$`},
		{"prefix is no part of logstash", `{"level":"DEBUG","stdout":true,"prefix":"[GW]","format":"logstash"}`,
			`^\{"@timestamp":"2026-11-22T21:10:24.005\+00:00","@version":1,"level":"WARNING","message":"it broke","module":"SLUICE","fields":\{"n":5,"s":"a b","q":"x\\"y","e":"no route","g.d":"2s","empty":""\}\}\n$`, `^$`},
		{"message only", `{"level":"DEBUG","stdout":true,"format":"custom","custom_format":"%{message}"}`, `^it broke n=5 s="a b" .*\n$`, `^$`},
		{"every variable", `{"level":"DEBUG","stdout":true,"prefix":"[GW]","format":"custom","custom_format":"%{id}|%{id:03x}|%{time}|%{time:2006}|%{level}|%{level:.3s}|%{level:-8s}|%{program}|%{module}|%{color}%{color:bold}%{color:reset}|%{message:.2s}\n"}`,
			`^1\|001\|2026-11-22T21:10:24.005Z\|2026\|WARNING\|WAR\|WARNING \|sluice\|SLUICE\|\|it\n$`, `^$`},
		{"process", `{"level":"DEBUG","stdout":true,"format":"custom","custom_format":"%{pid}"}`, `^[0-9]+\n$`, `^$`},
		{"level of any case", `{"level":"warning","stdout":true}`, `it broke`, `^$`},
		{"less than the level", `{"level":"ERROR","stdout":true}`, `^$`, `^$`},
		{"nowhere", `{"level":"DEBUG"}`, `^$`, `^$`},
		{"system log before it is connected", `{"level":"DEBUG","syslog":true}`, `^$`, `^2026/11/22 21:10:24 WARNING it broke `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, routing.Router{NoAccessLog: true}, tt.options)
			if ctx := t.Context(); w.Env.Log.Logger().Enabled(ctx, slog.LevelWarn) {
				w.write(ctx, slog.LevelWarn, "it broke", facts...)
			}
			if got := w.out.String(); !regexp.MustCompile(tt.out).MatchString(got) {
				t.Errorf("standard output: got %q, want %s", got, tt.out)
			}
			if got := w.errOut.String(); !regexp.MustCompile(tt.err).MatchString(got) {
				t.Errorf("standard error: got %q, want %s", got, tt.err)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, critical}
	for i, name := range Level("").Enum() {
		w := newWorld(t, routing.Router{}, `{"level":"`+name+`","stdout":true}`)
		for j, l := range levels {
			if got := w.Env.Log.Logger().Enabled(t.Context(), l); got != (j >= i) {
				t.Errorf("level %s: lines of %s are written: %v, want %v", name, levelName(l), got, j >= i)
			}
		}
	}
	w := newWorld(t, routing.Router{}, "")
	for j, l := range levels {
		if got := w.Env.Log.Logger().Enabled(t.Context(), l); got != (j >= 1) {
			t.Errorf("no level: lines of %s are written: %v, want %v", levelName(l), got, j >= 1)
		}
	}
}

func TestLoggersKeepTheirFacts(t *testing.T) {
	w := newWorld(t, routing.Router{}, `{"level":"DEBUG","stdout":true,"format":"custom","custom_format":"%{message}"}`)
	base := w.Env.Log.Logger().With("a", 1)
	base.WithGroup("g").With("b", 2).WithGroup("").Info("one", "c", 3)
	base.With("d", slog.GroupValue()).Info("two")
	if got, want := w.out.String(), "one a=1 g.b=2 g.c=3\ntwo a=1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestForeignTextStaysInItsLine(t *testing.T) {
	const evil = "x\n2026/11/22 forged\x1b[31m\u202e\u0085\xff"
	for _, options := range []string{"", `{"level":"DEBUG","stdout":true}`, `{"level":"DEBUG","stdout":true,"format":"logstash"}`} {
		w := newWorld(t, routing.Router{NoAccessLog: true}, options)
		w.write(t.Context(), slog.LevelError, evil, evil, evil)
		got := w.out.String() + w.errOut.String()
		if strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x1b") || !utf8.ValidString(got) {
			t.Errorf("options %q: got %q, want one clean line", options, got)
		}
		if strings.Contains(options, "logstash") && !json.Valid([]byte(got)) {
			t.Errorf("got %q, want JSON", got)
		}
	}
}

func TestColours(t *testing.T) {
	format, err := compileRecord("%{color}%{level}%{color:reset} %{color:bold}x", true)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelDebug, "\x1b[0;36mDEBUG\x1b[0m \x1b[1;36mx"},
		{slog.LevelInfo, "\x1b[0mINFO\x1b[0m \x1b[1mx"},
		{slog.LevelWarn, "\x1b[0;33mWARNING\x1b[0m \x1b[1;33mx"},
		{slog.LevelError, "\x1b[0;31mERROR\x1b[0m \x1b[1;31mx"},
		{critical, "\x1b[0;35mCRITICAL\x1b[0m \x1b[1;35mx"},
	}
	for _, tt := range tests {
		if got := string(format(nil, &record{level: tt.level})); got != tt.want {
			t.Errorf("%s: got %q, want %q", levelName(tt.level), got, tt.want)
		}
	}
}

func TestSystemLog(t *testing.T) {
	type sent struct {
		level slog.Level
		line  string
	}
	var lines []sent
	var instead bytes.Buffer
	s := &systemLog{instead: &instead, clock: time.Now}
	closed := false
	s.open(func(l slog.Level, line string) error {
		if strings.HasPrefix(line, "ERROR > lost") {
			return io.ErrClosedPipe
		}
		lines = append(lines, sent{l, line})
		return nil
	}, func() error { closed = true; return nil })
	h := newHandler(slog.LevelDebug, nil, s.sink)
	log := slog.New(h)
	log.Warn("it broke", "n", 1)
	log.Log(t.Context(), critical, "on fire")
	log.Error("lost", "n", 2)
	if err := s.disconnect(); err != nil || !closed {
		t.Errorf("disconnect: got %v, closed %v", err, closed)
	}
	if want := []sent{{slog.LevelWarn, "WARNING > it broke n=1"}, {critical, "CRITICAL > on fire"}}; !slices.Equal(lines, want) {
		t.Errorf("got %v, want %v", lines, want)
	}
	if !strings.Contains(instead.String(), " ERROR lost n=2\n") {
		t.Errorf("connection lost: got %q, want the line elsewhere", instead.String())
	}
	if err := s.disconnect(); err != nil {
		t.Errorf("disconnect again: %v", err)
	}
	log.Info("late")
	if !strings.Contains(instead.String(), "INFO late") {
		t.Errorf("after the end: got %q, want the line elsewhere", instead.String())
	}
}

// TestSystemLogStalls: while a system log that takes nothing is disconnected, lines
// go elsewhere at once.
func TestSystemLogStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var instead bytes.Buffer
		s := &systemLog{instead: &instead, clock: time.Now}
		stalls := make(chan struct{})
		s.open(func(slog.Level, string) error { <-stalls; return nil }, func() error { return nil })
		line := func(text string) {
			if err := s.sink(&record{time: time.Now(), message: text}); err != nil {
				t.Error(err)
			}
		}
		line("stuck")
		synctest.Wait()
		over := make(chan error, 1)
		go func() { over <- s.disconnect() }()
		synctest.Wait()
		if !s.mu.TryRLock() {
			t.Error("lines wait for the end of the connection")
		} else {
			s.mu.RUnlock()
			line("later")
			if got := instead.String(); !strings.Contains(got, "later") {
				t.Errorf("written elsewhere: %q, want the later line", got)
			}
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
		close(stalls)
	})
}

func TestSystemLogHooks(t *testing.T) {
	w := newWorld(t, routing.Router{NoAccessLog: true}, `{"level":"DEBUG","syslog":true,"syslog_facility":"local7"}`)
	// Whether there is a system log here or not: the gateway starts and ends.
	if err := w.Env.Start(t.Context()); err != nil {
		t.Errorf("start: %v", err)
	}
	if err := w.Env.Close(t.Context()); err != nil {
		t.Errorf("end: %v", err)
	}
}

const requestID = "0af7651916cd43dd8448eb211c80319c"

// exchange is a request with everything that lines can show.
func exchange(t testing.TB) *gateway.Exchange {
	x := testx.Request{
		Method: "POST", Path: "/a%20b", Query: "token=secret&x=1", Host: "api.example.com", Proto: "HTTP/2.0", Secure: true,
		TLS: &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256,
			VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: `ada "lovelace"`}}}}},
		Header: gateway.Fields{{Name: "User-Agent", Value: `curl "8"`}, {Name: "Referer", Value: "http://r/\n"},
			{Name: "Traceparent", Value: "00-" + requestID + "-b7ad6b7169203331-01"}},
	}.Exchange(t)
	x.Identify()
	x.Client = netip.MustParseAddr("2001:db8::7")
	x.Identity = &gateway.Identity{Name: `ada "l"`, Claims: map[string]any{
		"sub": "ada", "n": json.Number("1.0"), "admin": true, "roles": []any{"a", "b"}, "none": nil,
	}}
	return x
}

func TestAccessLog(t *testing.T) {
	const json = `{"time":"2026-11-22T21:10:24.005Z","status":201,"latency_ms":6.412,"client_ip":"2001:db8::7","method":"POST","scheme":"https",` +
		`"host":"api.example.com","path":"/a%20b","proto":"HTTP/2.0","bytes":123,"user_agent":"curl \"8\"","request_id":"` + requestID + `","error":"-"}`
	const common = `2001:db8::7 - - [22/Nov/2026:21:10:24 +0000] "POST /a%20b HTTP/2.0" 201 123`
	const combined = common + ` "http://r/\u000a" "curl \"8\""`
	custom := func(pattern string) string {
		return `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"` + pattern + `","prefix":"P","access_log_missing_key_marker":"?"}`
	}
	tests := []struct {
		name    string
		options string
		want    string
	}{
		{"not configured", "", `2026/11/22 - 21:10:24 [AccessLog] |201| 6.412 | 2001:db8::7 | POST /a%20b | ` + requestID},
		{"empty", `{"level":"INFO","stdout":true,"access_log_format":""}`, `2026/11/22 - 21:10:24 [AccessLog] |201| 6.412 | 2001:db8::7 | POST /a%20b | ` + requestID},
		{"default with a prefix", `{"level":"CRITICAL","stdout":true,"access_log_format":"default","prefix":"[GW]"}`,
			`[GW] 2026/11/22 - 21:10:24 [AccessLog] |201| 6.412 | 2001:db8::7 | POST /a%20b | ` + requestID},
		{"httpdCommon", `{"level":"INFO","stdout":true,"access_log_format":"httpdCommon"}`, common},
		{"httpdCombined", `{"level":"INFO","stdout":true,"access_log_format":"httpdCombined"}`, combined},
		{"httpdCombine", `{"level":"INFO","stdout":true,"access_log_format":"httpdCombine"}`, combined},
		{"json", `{"level":"INFO","stdout":true,"access_log_format":"json"}`, json},
		{"numbers", custom(`%{prefix}|%{time:15}|%{statusCode}|%{latency}|%{latencyMs}|%{latencyUs}|%{latencyNs}|%{bytes}`), `P|21|201|6.412ms|6.412|6412|6412000|123`},
		{"texts", custom(`%{method} %{path} %{host} %{scheme} %{proto} %{query} %{uri} %{header.user-agent}`),
			`POST /a%20b api.example.com https HTTP/2.0 token=secret&x=1 /a%20b?token=secret&x=1 curl \"8\"`},
		{"claims", custom(`%{jwt.sub} %{jwt.n} %{jwt.admin} %{jwt.roles} %{jwt.none} %{jwt.other}`), `ada 1.0 true [\"a\",\"b\"] ? ?`},
		{"identity", custom(`%{identity}`), `ada \"l\"`},
		{"encryption", custom(`%{tls.version} %{tls.cipher} %{tls.client}`), `TLS 1.3 TLS_AES_128_GCM_SHA256 ada \"lovelace\"`},
		{"missing", custom(`%{header.X-None} %{error}`), `? ?`},
		{"request", custom(`%{requestID}`), requestID},
		{"line end", custom(`%{method}\n\n`), `POST`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, routing.Router{}, tt.options)
			w.Env.Observers[0].Observe(exchange(t), telemetry.Outcome{Started: w.now, Took: 6412 * time.Microsecond, Status: 201, Written: 123})
			if got := w.out.String(); got != tt.want+"\n" {
				t.Errorf("got  %q\nwant %q", got, tt.want+"\n")
			}
		})
	}
}

// TestUnverifiedClients tells nothing of certificates that nobody has verified, and of
// plain connections.
func TestUnverifiedClients(t *testing.T) {
	w := newWorld(t, routing.Router{}, `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{tls.version} %{tls.client} %{identity}"}`)
	sent := []*x509.Certificate{{Subject: pkix.Name{CommonName: "mallory"}}}
	for _, state := range []*tls.ConnectionState{{Version: tls.VersionTLS12, PeerCertificates: sent}, nil} {
		w.Env.Observers[0].Observe(testx.Request{TLS: state}.Exchange(t), telemetry.Outcome{Status: 200})
	}
	if got, want := w.out.String(), "TLS 1.2 - -\n- - -\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFailuresInTheAccessLog(t *testing.T) {
	w := newWorld(t, routing.Router{}, "")
	observe := func(status int, err error, broken bool) {
		x := testx.Request{Header: gateway.Fields{{Name: "Traceparent", Value: "00-" + requestID + "-b7ad6b7169203331-01"}}}.Exchange(t)
		x.Identify()
		x.Client = netip.Addr{}
		w.Env.Observers[0].Observe(x, telemetry.Outcome{Started: w.now, Status: status, Err: err, Broken: broken})
	}
	observe(503, &gateway.Error{Code: "breaker_open"}, false)
	observe(499, &gateway.Error{Code: gateway.CodeClientGone, Err: errors.New("a\nb")}, false)
	observe(499, &gateway.Error{Code: gateway.CodeShutdown}, true)
	observe(200, &gateway.Error{Code: gateway.CodeBackendAborted}, true)
	observe(0, errors.New("cut"), false)
	const begin, end = "2026/11/22 - 21:10:24 [AccessLog] ", "| 0.000 | - | GET / | " + requestID
	want := begin + "|503" + end + " | breaker_open\n" +
		begin + "|499" + end + " | client_gone: a; b\n" +
		begin + "|499" + end + " | broken off: shutdown\n" +
		begin + "|200" + end + " | broken off: backend_aborted\n" +
		begin + "|-" + end + " | cut\n"
	if got := w.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAccessLogIsLeftOut(t *testing.T) {
	if w := newWorld(t, routing.Router{NoAccessLog: true}, ""); len(w.Env.Observers) != 0 {
		t.Error("there is an access log although the router turns it off")
	}
	w := newWorld(t, routing.Router{SkipLogPaths: []string{"/skipped"}}, "")
	for _, path := range []string{"/skipped", "/skipped/not"} {
		w.Env.Observers[0].Observe(testx.Request{Path: path}.Exchange(t), telemetry.Outcome{Status: 200})
	}
	if got := w.out.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "/skipped/not | -\n") {
		t.Errorf("got %q, want the second request alone", got)
	}
	w.out.Reset()
	for _, routed := range []string{"/skipped", "/routed"} {
		x := testx.Request{Path: "//sent"}.Exchange(t)
		x.Path = routed
		w.Env.Observers[0].Observe(x, telemetry.Outcome{Status: 200})
	}
	if got := w.out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, " /routed") {
		t.Errorf("got %q, want the path that was routed", got)
	}
}

func TestBackendLines(t *testing.T) {
	const call = `{"backend":{"custom_format":"call %{statusCode} %{method} %{host} %{path} %{scheme} %{header.X-B} %{latencyMs} %{error}"}}`
	const withLevel = `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{level} %{message}","backend":{"log_with_level":"WARNING","prefix":"B ","no_value":"none"}}`
	tests := []struct {
		name             string
		service, backend string
		status           int
		err              error
		want             string // "" for no stage
	}{
		{"nobody asks", `{"level":"INFO","stdout":true}`, "", 200, nil, ""},
		{"not configured at all", "", "", 200, nil, ""},
		{"the service asks", `{"level":"INFO","stdout":true,"backend":{}}`, "", 200, nil, "2026/11/22 - 21:10:24 |200| 1500.000 | PUT b:80 /base/x\n"},
		{"the service asks with a level", withLevel, "", 200, nil,
			"WARNING B 2026/11/22 - 21:10:24 |200| 1500.000 | PUT b:80 /base/x component=telemetry/logging\n"},
		{"the backend asks", "", call, 404, errors.New("status 404"), "call 404 PUT b:80 /base/x https v 1500.000 status 404\n"},
		{"the backend goes first", withLevel, call, 200, nil, "call 200 PUT b:80 /base/x https v 1500.000 -\n"},
		{"no status", "", call, 0, errors.New("refused"), "call - PUT b:80 /base/x https v 1500.000 refused\n"},
		{"words of the service", "", call, 0, fmt.Errorf("calling: %w", errors.Join(&gateway.Error{Code: "failed", Said: "oh"})),
			"call - PUT b:80 /base/x https v 1500.000 calling: failed, the service said oh\n"},
		{"status of the refusal", "", call, 0, &gateway.Error{Status: 503, Code: "limit"}, "call 503 PUT b:80 /base/x https v 1500.000 limit\n"},
		{"below the level", `{"level":"ERROR","stdout":true,"backend":{"log_with_level":"INFO"}}`, "", 200, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, routing.Router{NoAccessLog: true}, tt.service)
			s := w.Backend(t, "telemetry/logging", tt.backend)
			if p := sitetest.Problems(s); p != nil {
				t.Fatalf("problems: %q", p)
			}
			x := testx.Request{Path: "/client"}.Exchange(t)
			for _, p := range s.Placed() {
				if err := p.Stage.Enter(t.Context(), x); err != nil {
					t.Fatal(err)
				}
				w.now = w.now.Add(1500 * time.Millisecond)
				x.Request.Method, x.Request.Host, x.Request.Path, x.Request.Scheme = "PUT", "b:80", "/base/x", "https"
				x.Request.Header.Set("X-B", "v")
				x.Response.Status = tt.status
				if err := p.Stage.(gateway.Leaver).Leave(t.Context(), x, tt.err); err != tt.err {
					t.Errorf("error: got %v, want it unchanged", err)
				}
			}
			if got := w.out.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name    string
		options string
		want    []string // beginnings
	}{
		{"no level", `{"stdout":true}`, []string{"error level: missing"}},
		{"unknown level", `{"level":"LOUD","stdout":true}`, []string{"error level: "}},
		{"stdout as text", `{"level":"INFO","stdout":"true"}`, []string{"error stdout: "}},
		{"unknown format", `{"level":"INFO","stdout":true,"format":"xml"}`, []string{"error format: "}},
		{"unknown facility", `{"level":"INFO","syslog":true,"syslog_facility":"local8"}`, []string{"error syslog_facility: "}},
		{"custom without a pattern", `{"level":"INFO","stdout":true,"format":"custom"}`, []string{"error custom_format: is missing"}},
		{"misspelt variable", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{mesage}"}`,
			[]string{`error custom_format: unknown variable %{mesage}; did you mean %{message}?`}},
		{"unknown variable", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{shortfunc}"}`,
			[]string{"error custom_format: unknown variable %{shortfunc}; write one of color, id, "}},
		{"variable without end", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{level"}`, []string{"error custom_format: %{level is not closed"}},
		{"nameless variable", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{}"}`, []string{"error custom_format: %{} names no"}},
		{"unknown width", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{level:d}"}`, []string{"error custom_format: %{level:d} is not"}},
		{"unknown number", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{id:s}"}`, []string{"error custom_format: %{id:s} is not"}},
		{"unknown colour", `{"level":"INFO","stdout":true,"format":"custom","custom_format":"%{color:blue}"}`, []string{"error custom_format: %{color:blue} is not"}},
		{"unknown access format", `{"level":"INFO","stdout":true,"access_log_format":"apache"}`, []string{"error access_log_format: "}},
		{"access pattern is missing", `{"level":"INFO","stdout":true,"access_log_format":"custom"}`, []string{"error access_log_custom_format: is missing"}},
		{"unknown access variable", `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{status}"}`,
			[]string{"error access_log_custom_format: unknown variable %{status}"}},
		{"nameless header", `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{header.}"}`,
			[]string{"error access_log_custom_format: %{header.} names no header"}},
		{"nameless claim", `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{jwt.}"}`,
			[]string{"error access_log_custom_format: %{jwt.} names no claim"}},
		{"layout of a method", `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{method:x}"}`,
			[]string{"error access_log_custom_format: %{method:x} is not"}},
		{"unknown backend variable", `{"level":"INFO","stdout":true,"backend":{"custom_format":"%{verb}"}}`, []string{"error backend.custom_format: unknown variable"}},
		{"empty backend pattern", `{"level":"INFO","stdout":true,"backend":{"custom_format":"\n"}}`, []string{"error backend.custom_format: is empty"}},
		{"unknown backend level", `{"level":"INFO","stdout":true,"backend":{"log_with_level":"LOUD"}}`, []string{"error backend.log_with_level: "}},
		{"log to nowhere", `{"level":"INFO"}`, []string{"warning stdout: "}},
		{"pattern without its format", `{"level":"INFO","stdout":true,"custom_format":"%{message}"}`, []string{"warning custom_format: "}},
		{"access pattern without its format", `{"level":"INFO","stdout":true,"access_log_custom_format":"%{method}"}`, []string{"warning access_log_custom_format: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, routing.Router{}, tt.options)
			if got := sitetest.Problems(w.service); !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
			}
		})
	}
}

func TestAliases(t *testing.T) {
	for _, name := range aliases {
		if component.Default.Find(component.InService, name) == nil || component.Default.Find(component.InBackend, name) == nil {
			t.Errorf("the old name %s is not known", name)
		}
	}
}

func TestAppendDuration(t *testing.T) {
	tests := map[time.Duration]string{
		0: "0ns", 999: "999ns", 1500: "1.500µs", 6412 * time.Microsecond: "6.412ms", 90 * time.Second: "90.000s",
	}
	for d, want := range tests {
		if got := string(appendDuration(nil, d)); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}

// FuzzEscaped checks that foreign text stays within its quotes and its line:
// as the inside of a JSON string it is the text again, as far as it is UTF-8.
func FuzzEscaped(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\n\x00\x7f\u0085\u2028\xff\xf0\x9f")
	f.Fuzz(func(t *testing.T, s string) {
		quoted := append(appendEscaped([]byte{'"'}, s), '"')
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil {
			t.Fatalf("%q: %s: %v", s, quoted, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && got != want {
			t.Fatalf("%q became %q", s, got)
		}
		for _, r := range string(quoted) {
			if r < ' ' || r == 0x7f || r >= 0x80 && unsafeRune(r) {
				t.Fatalf("%q: %q is left in %q", s, r, quoted)
			}
		}
	})
}

// FuzzPatterns checks that no pattern crashes, and that one that compiles
// writes.
func FuzzPatterns(f *testing.F) {
	f.Add("%{time:2006} %{level:.3s} %{id:03x}%{color:bold} %{message}")
	f.Add("%{prefix} %{header.X} %{jwt.a} %{statusCode:d}")
	f.Add("%{%{}}")
	f.Fuzz(func(t *testing.T, pattern string) {
		if format, err := compileRecord(pattern, true); err == nil {
			format(nil, &record{message: "m"})
		}
		if tmpl, err := compileLine(pattern, "p", "-"); err == nil {
			l := newLine(gateway.Acquire(testx.Request{}.Inbound()))
			tmpl.write(l)
			l.x.Release()
			l.release()
		}
	})
}

func BenchmarkAccessLine(b *testing.B) {
	for _, format := range []AccessFormat{"default", "httpdCombined", "json"} {
		b.Run(string(format), func(b *testing.B) {
			a := discarding(b, format)
			x := exchange(b)
			o := telemetry.Outcome{Started: time.Now(), Took: time.Millisecond, Status: 200, Written: 2000}
			b.ReportAllocs()
			for b.Loop() {
				a.Observe(x, o)
			}
		})
	}
}

func discarding(t testing.TB, format AccessFormat) *accessLog {
	t.Helper()
	tmpl, err := compileLine(accessPatterns[format], "", "-")
	if err != nil {
		t.Fatal(err)
	}
	return &accessLog{template: tmpl, out: io.Discard}
}

func TestAccessLineBudget(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector counts its own allocations")
	}
	x := exchange(t)
	o := telemetry.Outcome{Started: time.Now(), Took: time.Millisecond, Status: 200, Written: 2000}
	for format := range accessPatterns {
		a := discarding(t, format)
		if got := testing.AllocsPerRun(100, func() { a.Observe(x, o) }); got > 0 {
			t.Errorf("format %q: got %v allocations, want 0", format, got)
		}
	}
}

// TestAboutTheStream checks that what standard output says of itself looks as what
// stands beside it.
func TestAboutTheStream(t *testing.T) {
	const object = `{"time":"2026-11-22T21:10:24.005Z","level":"WARNING","message":"lost","lines":7}`
	tests := []struct {
		name, options string
		router        routing.Router
		want          string
	}{
		{"not configured", "", routing.Router{}, "2026/11/22 21:10:24 WARNING lost lines=7"},
		{"no access log", "", routing.Router{NoAccessLog: true}, "2026/11/22 21:10:24 WARNING lost lines=7"},
		{"access lines of JSON", `{"level":"INFO","syslog":true,"access_log_format":"json"}`, routing.Router{}, object},
		{"access lines that look like JSON", `{"level":"INFO","syslog":true,"access_log_format":"custom","access_log_custom_format":"{\"m\":\"%{method}\"}"}`, routing.Router{}, object},
		{"application log", `{"level":"INFO","stdout":true,"access_log_format":"json"}`, routing.Router{}, "2026/11/22 - 21:10:24.005 ▶ WARNING lost lines=7"},
		{"application log of JSON", `{"level":"INFO","stdout":true,"format":"logstash"}`, routing.Router{},
			`{"@timestamp":"2026-11-22T21:10:24.005+00:00","@version":1,"level":"WARNING","message":"lost","module":"SLUICE","fields":{"lines":7}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.router, tt.options)
			if w.out.format != nil {
				t.Error("the format of the live configuration is changed before this one goes live")
			}
			if err := w.Env.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := slog.NewRecord(w.now, slog.LevelWarn, "lost", 0)
			r.Add("lines", uint64(7))
			if got := string(w.out.format(nil, r)); got != tt.want+"\n" {
				t.Errorf("got  %q\nwant %q", got, tt.want+"\n")
			}
		})
	}
}

// TestLongText cuts what clients send, so that a line of any request finds room.
func TestLongText(t *testing.T) {
	w := newWorld(t, routing.Router{}, `{"level":"INFO","stdout":true,"access_log_format":"custom","access_log_custom_format":"%{path} %{uri} %{header.X-Long}|"}`)
	long := strings.Repeat("ä", 100_000)
	x := testx.Request{Path: "/" + long, Query: long, Header: gateway.Fields{{Name: "X-Long", Value: long}}}.Exchange(t)
	w.Env.Observers[0].Observe(x, telemetry.Outcome{Started: w.now, Status: 200})
	got := w.out.String()
	shown, of := strings.Repeat("ä", longestText/2)+"...", strings.Repeat("ä", longestText/2-1)+"..."
	if want := "/" + of + " /" + of + "?" + shown + " " + shown + "|\n"; got != want {
		t.Errorf("got %d bytes, want %d, each text cut at %d", len(got), len(want), longestText)
	}
}
