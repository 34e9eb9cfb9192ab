package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// anyPort lets the listener have any port that is free.
func anyPort(s *model.Service) { s.Port = 0 }

// A journal is a log that several goroutines write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // gets one for each line, as far as there is room
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 100)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.more <- struct{}{}:
	default:
	}
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wait waits until the journal says something.
func (j *journal) wait(t testing.TB, text string) {
	t.Helper()
	latest := time.After(time.Minute)
	for !strings.Contains(j.String(), text) {
		select {
		case <-j.more:
		case <-latest:
			t.Fatalf("the journal does not say %q: %s", text, j)
		}
	}
}

// TestTwoPorts refuses two ports of one address, however it is spelt, and that of the
// service: at the start, and when another configuration has one of them open.
func TestTwoPorts(t *testing.T) {
	address := testx.UnusedAddress(t)
	_, number, _ := net.SplitHostPort(address)
	var servers []*server
	b, _ := newBelted(t, slog.DiscardHandler, engine.Engine{Name: "test", NewServer: func(s engine.Settings) engine.Server {
		servers = append(servers, newServer(s))
		return servers[len(servers)-1]
	}})
	defer b.Close()
	tests := []struct {
		second string // spelling
		want   string // part of the problem
	}{
		{address, "taken by the port of the test at gateway.json:1:"},
		{"localhost:" + number, "taken by"},
		{"[::ffff:127.0.0.1]:" + number, "taken by"},
		{":" + number, "taken by"},
		{"0.0.0.0:" + number, "taken by"},
		{"[::]:" + number, "taken by"},
		{"127.0.0.1:0" + number, "taken by"},
		{"127.0.0.1:8080", "by the key port"},
		{"127.0.0.1", "is no address"},
		{"127.0.0.1:http", "is no port"},
	}
	for _, reload := range []bool{false, true} {
		for _, tt := range tests {
			b.set(belted(`"port":"` + address + `","second":"` + tt.second + `"`))
			problems, err := b.Load(t.Context())
			problems = slices.DeleteFunc(problems, func(p *config.Problem) bool { return p.Severity != config.Error })
			if len(problems) != 1 || !errors.Is(err, runtime.ErrConfig) {
				t.Fatalf("a reload: %t: %s and %s: %v\n%s", reload, address, tt.second, err, config.Format(problems))
			}
			if p := problems[0]; p.Path != `extra_config["test/belt"].second` || !strings.Contains(p.Err.Error(), tt.want) {
				t.Errorf("a reload: %t: %v, want %s", reload, p, tt.want)
			}
		}
		if !reload {
			b.load(t, belted(`"port":"`+address+`"`))
		}
	}
	b.load(t, belted(`"port":"localhost:`+number+`"`)) // is open
	b.set(belted(`"port":":` + number + `"`))
	if _, err := b.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "by the gateway itself, which listens at "+address+"; restart it") {
		t.Errorf("an address that cannot be opened beside the other: %v", err)
	}
	host, own, _ := net.SplitHostPort(testx.UnusedAddress(t))
	b.load(t, strings.Replace(belted(``), `"version":3`, `"version":3,"listen_ip":"`+host+`","port":`+own, 1))
	l, err := b.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.set(belted(`"port":"` + l.Addr().String() + `"`))
	if _, err := b.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "by the gateway itself, which listens at "+l.Addr().String()+"; restart it") {
		t.Errorf("an address where the endpoints are still served: %v", err)
	}
	if len(servers) != 1 {
		t.Errorf("%d servers were made for one address", len(servers))
	}
}

// TestPortThatFails says that a port is not served any more, once, and opens it again at
// the next reload.
func TestPortThatFails(t *testing.T) {
	address := testx.UnusedAddress(t)
	log := newJournal()
	servers := make(chan *server, 10)
	b, _ := newBelted(t, slog.NewTextHandler(log, nil), engine.Engine{Name: "test", NewServer: func(s engine.Settings) engine.Server {
		s.ErrorLog = nil
		made := newServer(s)
		servers <- made
		return made
	}})
	b.load(t, belted(`"port":"`+address+`"`))
	first := <-servers
	b.load(t, belted(`"port":"`+address+`"`))
	if len(servers) > 0 {
		t.Error("a reload opens a port that is served")
	}
	first.end <- errors.New("the listener broke")
	log.wait(t, "a port is closed")
	other, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b.set(belted(`"port":"` + address + `"`))
	if _, err := b.Load(t.Context()); err == nil || strings.Contains(err.Error(), "by the gateway itself") {
		t.Errorf("an address that somebody else has taken since: %v", err)
	}
	other.Close()
	b.load(t, belted(`"port":"`+address+`"`))
	select {
	case <-servers:
	default:
		t.Fatal("a reload leaves a port closed that has failed")
	}
	if conn, err := net.Dial("tcp", address); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	b.Close()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "the listener broke") {
		t.Errorf("the log says %q, want one line", got)
	}
}

// TestPortLimits shows that nobody holds a port for ever: not a client, nor who answers.
func TestPortLimits(t *testing.T) {
	b, _ := newBelted(t, slog.DiscardHandler, engine.Engine{})
	b.load(t, belted(`"port":"`+testx.UnusedAddress(t)+`"`))
	defer b.Close()
	s := b.server.Settings
	for name, limit := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "StallTimeout": s.StallTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if limit <= 0 {
			t.Errorf("a port has no %s", name)
		}
	}
	x := gateway.Acquire(testx.Request{}.Inbound())
	h := b.server.handler()
	if err := h.Do(t.Context(), x); err != nil || x.Response.Header.Get("X-Until") == "" || x.Until.IsZero() {
		t.Errorf("who answers has no limit: %v, until %v", err, x.Until)
	}
	h.Done(x, gateway.Sent{Status: 200}, nil)
}

// TestPortFailures tells failures at a port: each at DEBUG, and a fault of the gateway
// itself at ERROR in place of that, once for each configuration.
func TestPortFailures(t *testing.T) {
	log := newJournal()
	b, _ := newBelted(t, slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}), engine.Engine{})
	b.load(t, belted(`"port":"`+testx.UnusedAddress(t)+`"`))
	defer b.Close()
	h := b.server.handler()
	said := 0
	for _, tt := range []struct {
		path string
		err  error // of the engine
		want string
	}{
		{"/", nil, ""},
		{"/bad", nil, "level=DEBUG teapot"},
		{"/panic", nil, "level=ERROR fault trouble"},
		{"/panic", nil, "level=DEBUG trouble"},
		{"/", &gateway.Error{Code: gateway.CodeClientGone}, "level=DEBUG client_gone"},
		{"/", &gateway.Error{Code: gateway.CodeInternal, Err: errors.New("no status")}, "level=DEBUG status"},
	} {
		x := gateway.Acquire(testx.Request{Path: tt.path}.Inbound())
		if err := h.Do(context.Background(), x); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
		h.Done(x, gateway.Sent{Status: x.Response.Status}, tt.err)
		text := log.String()
		got := text[said:]
		said = len(text)
		if lines := strings.Count(got, "\n"); lines > 1 || lines == 0 && tt.want != "" {
			t.Errorf("%s: %d lines: %s", tt.path, lines, got)
		}
		for _, part := range strings.Fields(tt.want) {
			if !strings.Contains(got, part) {
				t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
			}
		}
		if tt.want == "" && got != "" {
			t.Errorf("%s: got %s", tt.path, got)
		}
	}
}
