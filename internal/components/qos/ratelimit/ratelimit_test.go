package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A fixture builds limits for GET /users/{id} and moves their clock by hand.
type fixture struct {
	*sitetest.Gateway
	now time.Time
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{sitetest.New(t), time.Now()}
	f.Env.Clock = func() time.Time { return f.now }
	return f
}

// endpoint builds qos/ratelimit/router.
func (f *fixture) endpoint(t testing.TB, options string) gateway.Stage {
	t.Helper()
	return sitetest.Stage[gateway.Stage](t, f.Endpoint(t, "qos/ratelimit/router", options))
}

// behindDoor builds qos/ratelimit/router for an endpoint that authenticates.
func (f *fixture) behindDoor(t testing.TB, options string) gateway.Stage {
	t.Helper()
	s := f.EndpointSite()
	s.Guard(component.EndpointAuthenticate, gateway.StageFunc(nil))
	s.Build(f.Registry.Find(component.InEndpoint, "qos/ratelimit/router"), sitetest.Node(t, options))
	s.Finish()
	if problems := s.Problems(); len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	return s.Placed()[1].Stage
}

// backend builds qos/ratelimit/proxy for the backend with the given index.
func (f *fixture) backend(t testing.TB, i int, options string) gateway.Stage {
	t.Helper()
	return sitetest.Stage[gateway.Stage](t, f.BackendOf(t, f.EndpointSite(), i, "qos/ratelimit/proxy", options))
}

// enter sends a request of a client and returns the status that it is refused
// with, 200 if it is not, and Retry-After.
func enter(t testing.TB, st gateway.Stage, peer string, header ...gateway.Field) (status int, retryAfter string) {
	t.Helper()
	x := testx.Request{Peer: "127.0.0.1:1024", Path: "/users/7", Header: header}.Exchange(t)
	x.Params = append(x.Params, "7")
	if peer != "" {
		x.Client = netip.MustParseAddr(peer)
	}
	err := st.Enter(t.Context(), x)
	if err == nil {
		return 200, ""
	}
	e := gateway.AsError(err)
	if e.Public != "" || e.Code != "rate_limit" && e.Status != 400 {
		t.Errorf("refused with code %q and public text %q, want rate_limit and none", e.Code, e.Public)
	}
	return e.Status, x.Response.Header.Get("Retry-After")
}

func TestEndpointBuckets(t *testing.T) {
	type step struct {
		after  time.Duration
		client string
		want   int
		retry  string
	}
	tests := []struct {
		name    string
		options string
		steps   []step
	}{
		{"capacity at once, then one every window divided by rate", `{"max_rate":5,"capacity":3}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.2", 200, ""}, {0, "192.0.2.3", 200, ""},
			{0, "192.0.2.4", 503, "1"},
			{199 * time.Millisecond, "192.0.2.1", 503, "1"},
			{time.Millisecond, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "1"},
		}},
		{"idling earns no more than the capacity", `{"max_rate":100,"capacity":2}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "1"},
			{time.Hour, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "1"},
		}},
		{"the capacity defaults to the rate per second", `{"max_rate":2}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "1"},
		}},
		{"ten an hour have a capacity of one", `{"max_rate":10,"every":"1h"}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "360"},
			{359 * time.Second, "192.0.2.1", 503, "1"}, {time.Second, "192.0.2.1", 200, ""},
		}},
		{"a decimal rate", `{"max_rate":0.5}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 503, "2"}, {2 * time.Second, "192.0.2.1", 200, ""},
		}},
		{"a window below a second counts as one", `{"max_rate":1,"every":"10ms"}`, []step{
			{0, "192.0.2.1", 200, ""}, {500 * time.Millisecond, "192.0.2.1", 503, "1"}, {500 * time.Millisecond, "192.0.2.1", 200, ""},
		}},
		{"each client has its own bucket", `{"client_max_rate":1,"strategy":"ip"}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 429, "1"},
			{0, "192.0.2.2", 200, ""}, {0, "2001:db8::1", 200, ""}, {0, "2001:db8::1", 429, "1"}, {0, "2001:db8::2", 200, ""},
			{0, "::ffff:192.0.2.1", 429, "1"},
		}},
		{"the capacity of a client defaults to its own rate", `{"client_max_rate":2,"max_rate":100,"strategy":"IP"}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 429, "1"},
		}},
		{"a client over its limit spends no token of all", `{"client_max_rate":1,"max_rate":1,"capacity":2,"strategy":"ip"}`, []step{
			{0, "192.0.2.1", 200, ""}, {0, "192.0.2.1", 429, "1"}, {0, "192.0.2.1", 429, "1"},
			{0, "192.0.2.2", 200, ""}, {0, "192.0.2.3", 503, "1"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			st := f.endpoint(t, tt.options)
			for i, s := range tt.steps {
				f.now = f.now.Add(s.after)
				if status, retry := enter(t, st, s.client); status != s.want || retry != s.retry {
					t.Fatalf("step %d: status %d, Retry-After %q, want %d, %q", i, status, retry, s.want, s.retry)
				}
			}
		})
	}
}

// TestStrategies asks for every pair of requests whether both come from one
// client: the second is refused if they do.
func TestStrategies(t *testing.T) {
	key := func(v string) gateway.Field { return gateway.Field{Name: "X-Key", Value: v} }
	tests := []struct {
		name          string
		strategy      string
		first, second gateway.Field
		firstIP       string
		secondIP      string
		firstWant     int
		secondWant    int
	}{
		{"same header value", `"header","key":"x-key"`, key("a"), key("a"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"other header value", `"header","key":"X-KEY"`, key("a"), key("b"), "192.0.2.1", "192.0.2.1", 200, 200},
		{"no header", `"header","key":"x-key"`, gateway.Field{Name: "X-Other", Value: "a"}, key("a"), "192.0.2.1", "192.0.2.1", 429, 200},
		{"strategy in upper case", `"HEADER","key":"x-key"`, key("a"), key("a"), "192.0.2.1", "192.0.2.1", 200, 429},
		{"same parameter", `"param","key":"id"`, key(""), key(""), "192.0.2.1", "192.0.2.2", 200, 429},
		{"address from a header", `"ip","key":"x-key"`, key("198.51.100.1"), key("198.51.100.1"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"first of several addresses", `"ip","key":"x-key"`, key("198.51.100.1, 10.0.0.1"), key("198.51.100.1 ,10.0.0.2"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"other address from a header", `"ip","key":"x-key"`, key("198.51.100.1"), key("198.51.100.2"), "192.0.2.1", "192.0.2.1", 200, 200},
		{"a port makes no other client", `"ip","key":"x-key"`, key("198.51.100.1:80"), key("198.51.100.1:81"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"IPv6 from a header", `"ip","key":"x-key"`, key("2001:db8::1"), key("2001:DB8:0::1"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"IPv6 with port", `"ip","key":"x-key"`, key("[2001:db8::1]:80"), key("[2001:db8::1]"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"a zone makes no other client", `"ip","key":"x-key"`, key("fe80::1%a"), key("fe80::1%b"), "192.0.2.1", "192.0.2.2", 200, 429},
		{"no address in the header", `"ip","key":"x-key"`, key("unknown"), key(""), "192.0.2.1", "192.0.2.1", 200, 429},
		{"no address in the header of another client", `"ip","key":"x-key"`, key("unknown"), key("unknown"), "192.0.2.1", "192.0.2.2", 200, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			options := fmt.Sprintf(`{"client_max_rate":1,"strategy":%s}`, tt.strategy)
			st := f.endpoint(t, options)
			if got, _ := enter(t, st, tt.firstIP, tt.first); got != tt.firstWant {
				t.Errorf("first = %d, want %d", got, tt.firstWant)
			}
			if got, _ := enter(t, st, tt.secondIP, tt.second); got != tt.secondWant {
				t.Errorf("second = %d, want %d", got, tt.secondWant)
			}
		})
	}
}

// TestIdentities counts who was authenticated, whatever the credential was and wherever
// it stood.
func TestIdentities(t *testing.T) {
	inHeader := gateway.Identity{Name: "ann", Verified: "k1", Header: "X-Key"}
	inQuery := gateway.Identity{Name: "ann", Verified: "k2"}
	tests := []struct {
		name          string
		first, second *gateway.Identity
		firstWant     int
		secondWant    int
	}{
		{"two credentials of one client", &inHeader, &inQuery, 200, 429},
		{"two clients", &inHeader, &gateway.Identity{Name: "bob", Verified: "k1"}, 200, 200},
		{"one credential of nobody", &gateway.Identity{Verified: "k3"}, &gateway.Identity{Verified: "k3", Header: "X-Key"}, 200, 429},
		{"two credentials of nobody", &gateway.Identity{Verified: "k3"}, &gateway.Identity{Verified: "k4"}, 200, 200},
		{"nobody", nil, &gateway.Identity{By: "test/door"}, 429, 429},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newFixture(t).behindDoor(t, `{"client_max_rate":1,"strategy":"identity"}`)
			for i, id := range []*gateway.Identity{tt.first, tt.second} {
				x := testx.Request{Query: "key=k2"}.Exchange(t)
				x.Identity = id
				got, want := 200, []int{tt.firstWant, tt.secondWant}[i]
				if err := st.Enter(t.Context(), x); err != nil {
					got = gateway.AsError(err).Status
				}
				if got != want {
					t.Errorf("request %d = %d, want %d", i, got, want)
				}
			}
		})
	}
}

// TestRepeatedHeader refuses a request that names its client twice: the limit would
// count by one line what the backend does for the other.
func TestRepeatedHeader(t *testing.T) {
	line := func(name, value string) gateway.Field { return gateway.Field{Name: name, Value: value} }
	tests := []struct {
		name     string
		strategy string
		client   gateway.Fields // what it sends
		passes   bool           // backends see it
		claims   gateway.Fields // what a validator puts in its place
		want     int
	}{
		{"once", "header", gateway.Fields{line("X-Api-Key", "a")}, true, nil, 200},
		{"once, not passed", "header", gateway.Fields{line("X-Api-Key", "a")}, false, nil, 200},
		{"twice", "header", gateway.Fields{line("X-Api-Key", "a"), line("X-Api-Key", "b")}, true, nil, 400},
		{"twice, not passed", "header", gateway.Fields{line("X-Api-Key", "a"), line("X-Api-Key", "b")}, false, nil, 400},
		{"twice the same", "header", gateway.Fields{line("X-Api-Key", "a"), line("X-Api-Key", "a")}, true, nil, 400},
		{"empty, then not", "header", gateway.Fields{line("X-Api-Key", ""), line("X-Api-Key", "a")}, false, nil, 400},
		{"with underscores beside", "header", gateway.Fields{line("X-Api-Key", "a"), line("X_Api_Key", "b")}, true, nil, 400},
		{"with underscores beside, not passed", "header", gateway.Fields{line("X-Api-Key", "a"), line("X_Api_Key", "b")}, false, nil, 400},
		{"with underscores alone", "header", gateway.Fields{line("x_api-key", "b")}, true, nil, 400},
		{"an address twice", "ip", gateway.Fields{line("X-Api-Key", "192.0.2.7"), line("X-Api-Key", "192.0.2.8")}, true, nil, 400},
		{"a claim in place of one", "header", gateway.Fields{line("X-Api-Key", "a")}, true, gateway.Fields{line("X-Api-Key", "c")}, 200},
		{"a claim in place of two", "header", gateway.Fields{line("X-Api-Key", "a"), line("X-Api-Key", "b")}, true, gateway.Fields{line("X-Api-Key", "c")}, 200},
		{"a claim that is a list", "header", gateway.Fields{line("X-Api-Key", "a")}, true, gateway.Fields{line("X-Api-Key", "c"), line("X-Api-Key", "d")}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			st := f.endpoint(t, fmt.Sprintf(`{"client_max_rate":1,"strategy":%q,"key":"X-Api-Key"}`, tt.strategy))
			enter := func() int {
				x := testx.Request{Header: tt.client}.Exchange(t)
				if tt.passes {
					x.Request.Header = tt.client
				}
				if tt.claims != nil {
					x.Edit().SetHeader("X-Api-Key", tt.claims.AppendValues(nil, "X-Api-Key")...)
				}
				if err := st.Enter(t.Context(), x); err != nil {
					return gateway.AsError(err).Status
				}
				return 200
			}
			if got := enter(); got != tt.want {
				t.Fatalf("got %d, want %d", got, tt.want)
			}
			if got := enter(); tt.want == 200 && got != 429 {
				t.Errorf("the same client again: got %d, want 429", got)
			}
		})
	}
}

// TestNetworks takes the addresses of one IPv6 network for one client.
func TestNetworks(t *testing.T) {
	tests := []struct {
		prefix        int
		first, second string
		same          bool
	}{
		{0, "2001:db8::1", "2001:db8::2", false},
		{128, "2001:db8::1", "2001:db8::2", false},
		{64, "2001:db8::1", "2001:db8::ffff:2", true},
		{64, "2001:db8::1", "2001:db8:0:1::1", false},
		{56, "2001:db8::1", "2001:db8:0:ff::1", true},
		{56, "2001:db8::1", "2001:db8:0:100::1", false},
		{64, "192.0.2.1", "192.0.2.2", false},
		{64, "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{64, "192.0.2.1", "::ffff:192.0.2.1", true},
		{64, "fe80::1", "fe80::2", false},
		{64, "fe80::1%eth0", "fe80::1%eth1", true},
	}
	for _, tt := range tests {
		for _, options := range []string{`{"client_max_rate":1,"strategy":"ip"}`, `{"client_max_rate":1,"strategy":"ip","key":"X-Real-Ip"}`} {
			f := newFixture(t)
			f.Env.Service.Behaviour.IPv6Prefix = tt.prefix
			st := f.endpoint(t, options)
			from := func(address string) int {
				if strings.Contains(options, "key") {
					status, _ := enter(t, st, "192.0.2.99", gateway.Field{Name: "X-Real-Ip", Value: address})
					return status
				}
				status, _ := enter(t, st, address)
				return status
			}
			from(tt.first)
			if got := from(tt.second); (got == 429) != tt.same {
				t.Errorf("/%d, %s: %s then %s: got %d, want one client: %v", tt.prefix, options, tt.first, tt.second, got, tt.same)
			}
		}
	}
}

func TestStrangerIsNotToldToRetry(t *testing.T) {
	f := newFixture(t)
	st := f.endpoint(t, `{"client_max_rate":5,"strategy":"header","key":"X-Key"}`)
	if status, retry := enter(t, st, ""); status != 429 || retry != "" {
		t.Errorf("status %d, Retry-After %q, want 429 and none", status, retry)
	}
}

func TestEndpointOptions(t *testing.T) {
	tests := []struct {
		name, options string
		path, text    string // of the first problem; "" is none
		severity      config.Severity
		placed        bool
	}{
		{"both rates", `{"max_rate":1,"client_max_rate":1,"strategy":"ip","num_shards":2048,"cleanup_period":"1m","cleanup_threads":1}`, "", "", 0, true},
		{"no rate", `{"max_rate":0}`, "", "nothing is limited", config.Warning, false},
		{"nothing", `{}`, "", "nothing is limited", config.Warning, false},
		{"a strategy without a rate of clients", `{"max_rate":1,"client_max_rate":0,"strategy":"ip"}`, "strategy", "without client_max_rate", config.Warning, true},
		{"a capacity of clients without a rate", `{"max_rate":1,"client_capacity":5}`, "client_capacity", "without client_max_rate", config.Warning, true},
		{"a key without a rate of clients", `{"max_rate":1,"key":"X-A"}`, "key", "without client_max_rate", config.Warning, true},
		{"a capacity without a rate", `{"capacity":9,"client_max_rate":1,"strategy":"ip"}`, "capacity", "without max_rate", config.Warning, true},
		{"a short window", `{"max_rate":1,"every":"100ms"}`, "every", "counts as 1s", config.Warning, true},
		{"unknown strategy", `{"client_max_rate":1,"strategy":"cookie"}`, "strategy", "cookie", config.Error, false},
		{"no strategy", `{"client_max_rate":1}`, "strategy", "who a client is", config.Error, false},
		{"identities of nobody", `{"client_max_rate":1,"strategy":"identity"}`, "strategy", "does not authenticate; add a namespace that authenticates", config.Error, true},
		{"header without a name", `{"client_max_rate":1,"strategy":"header"}`, "key", "needs a name", config.Error, false},
		{"header with an impossible name", `{"client_max_rate":1,"strategy":"header","key":"a b"}`, "key", "no header name", config.Error, false},
		{"address header with an impossible name", `{"client_max_rate":1,"strategy":"ip","key":"a b"}`, "key", "no header name", config.Error, false},
		{"param without a name", `{"client_max_rate":1,"strategy":"param"}`, "key", "needs a name", config.Error, false},
		{"param that the path has not", `{"client_max_rate":1,"strategy":"param","key":"Id"}`, "key", `["id"]`, config.Error, false},
		{"a rate as text", `{"max_rate":"1"}`, "max_rate", "number", config.Error, false},
		{"a capacity as text", `{"max_rate":1,"capacity":"1"}`, "capacity", "number", config.Error, false},
		{"a negative rate", `{"max_rate":-1}`, "max_rate", "0 or more", config.Error, false},
		{"a negative rate of clients", `{"client_max_rate":-1,"strategy":"ip"}`, "client_max_rate", "0 or more", config.Error, false},
		{"a negative capacity", `{"max_rate":1,"capacity":-1}`, "capacity", "0 or more", config.Error, false},
		{"a rate that is practically never", `{"max_rate":1e-320}`, "max_rate", "never", config.Error, false},
		{"a window in words", `{"max_rate":1,"every":"1 hour"}`, "every", "duration", config.Error, false},
		{"a list", `[{"max_rate":1}]`, "", "object", config.Error, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkProblems(t, tt.options, sitetest.Endpoint(t, "qos/ratelimit/router", tt.options), tt.path, tt.text, tt.severity, tt.placed)
		})
	}
}

func TestBackendOptions(t *testing.T) {
	tests := []struct {
		name, options string
		path, text    string
		severity      config.Severity
		placed        bool
	}{
		{"rate and capacity", `{"max_rate":1,"capacity":1}`, "", "", 0, true},
		{"without capacity", `{"max_rate":1}`, "", "", 0, true},
		{"no limit", `{"max_rate":0}`, "max_rate", "no limit", config.Warning, false},
		{"no rate", `{}`, "max_rate", "", config.Error, false},
		{"a rate as text", `{"max_rate":"1"}`, "max_rate", "number", config.Error, false},
		{"a negative rate", `{"max_rate":-1}`, "max_rate", "0 or more", config.Error, false},
		{"a window in words", `{"max_rate":1,"every":"1 hour"}`, "every", "duration", config.Error, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkProblems(t, tt.options, sitetest.Backend(t, "qos/ratelimit/proxy", tt.options), tt.path, tt.text, tt.severity, tt.placed)
		})
	}
}

func checkProblems(t *testing.T, options string, s sitetest.Site, path, text string, severity config.Severity, placed bool) {
	t.Helper()
	problems := s.Problems()
	if got := len(s.Placed()) > 0; got != placed {
		t.Errorf("options %s: placed = %v, want %v", options, got, placed)
	}
	if path == "" && text == "" {
		if len(problems) > 0 {
			t.Errorf("options %s: %v, want no problem", options, problems)
		}
		return
	}
	if len(problems) != 1 {
		t.Fatalf("options %s: problems %v, want one", options, problems)
	}
	if p := problems[0]; p.Path != path || p.Severity != severity || !strings.Contains(p.Err.Error(), text) {
		t.Errorf("options %s: %s at %q: %v, want %s at %q with %q", options, p.Severity, p.Path, p.Err, severity, path, text)
	}
}

func TestBackendBucket(t *testing.T) {
	f := newFixture(t)
	first := f.backend(t, 0, `{"max_rate":2,"capacity":1,"every":"100ms"}`)
	second := f.backend(t, 1, `{"max_rate":2,"capacity":1,"every":"100ms"}`)
	steps := []struct {
		after time.Duration
		stage gateway.Stage
		want  bool
	}{
		{0, first, true}, {0, first, false}, {0, second, true},
		{50 * time.Millisecond, first, true}, {0, first, false},
	}
	for i, s := range steps {
		f.now = f.now.Add(s.after)
		err := s.stage.Enter(t.Context(), nil)
		if (err == nil) != s.want {
			t.Fatalf("step %d: error %v, want passed = %v", i, err, s.want)
		}
		if e := gateway.AsError(err); err != nil && (e.Public != "rate limit exceded" || e.Code != "rate_limit" || e.Status != 0) {
			t.Errorf("step %d: error %+v, want the text of the contract, code rate_limit and no status", i, e)
		}
	}
}

func TestReload(t *testing.T) {
	const before = `{"max_rate":0.001,"capacity":1,"client_max_rate":0.001,"client_capacity":1,"strategy":"ip"}`
	tests := []struct {
		name  string
		after string
		want  int // for the client that spent its token before
	}{
		{"counters of the same limits survive", before, 429},
		{"a change of the tuning keys keeps them", `{"max_rate":0.001,"capacity":1,"client_max_rate":0.001,"client_capacity":1,"strategy":"ip","num_shards":1}`, 429},
		{"another limit of clients leaves that of all", `{"max_rate":0.001,"capacity":1,"client_max_rate":5,"strategy":"ip"}`, 503},
		{"other limits start anew", `{"max_rate":5,"client_max_rate":5,"strategy":"ip"}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			st := f.endpoint(t, before)
			if got, _ := enter(t, st, "192.0.2.1"); got != 200 {
				t.Fatalf("first request = %d, want 200", got)
			}
			old := f.Reload(t)
			st = f.endpoint(t, tt.after)
			old.Release()
			if got, _ := enter(t, st, "192.0.2.1"); got != tt.want {
				t.Errorf("request after the reload = %d, want %d", got, tt.want)
			}
			f.Reload(t).Release()
			st = f.endpoint(t, before)
			if got, _ := enter(t, st, "192.0.2.1"); got != 200 {
				t.Errorf("request after the last user left = %d, want 200", got)
			}
		})
	}
}

func TestBackendReload(t *testing.T) {
	f := newFixture(t)
	st := f.backend(t, 0, `{"max_rate":0.001,"capacity":1}`)
	if err := st.Enter(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	old := f.Reload(t)
	st = f.backend(t, 0, `{"max_rate":0.001,"capacity":1}`)
	old.Release()
	if err := st.Enter(t.Context(), nil); err == nil {
		t.Error("the bucket was full again after a reload")
	}
}

func TestEffectiveBucketIsLoggedAtStart(t *testing.T) {
	f := newFixture(t)
	f.endpoint(t, `{"max_rate":10,"every":"1h","client_max_rate":10800,"client_capacity":9,"strategy":"ip"}`)
	if f.Log.String() != "" {
		t.Errorf("logged while building: %s", f.Log.String())
	}
	f.Start(t)
	for _, want := range []string{"level=INFO", `place="GET /users/{id}"`, "capacity=1", "tokens_per_second=3", "capacity=9"} {
		if !strings.Contains(f.Log.String(), want) {
			t.Errorf("log = %s, want %s in it", f.Log.String(), want)
		}
	}
}

// TestConcurrent lets many clients at a limit at once: exactly the capacity
// passes.
func TestConcurrent(t *testing.T) {
	const capacity = 50
	f := newFixture(t)
	st := f.endpoint(t, fmt.Sprintf(`{"max_rate":0.001,"capacity":%d,"client_max_rate":0.001,"client_capacity":1,"strategy":"ip"}`, capacity))
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				x := gateway.Acquire(testx.Request{}.Inbound())
				x.Client = netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)})
				err := st.Enter(context.Background(), x)
				if err == nil {
					passed.Add(1)
				} else if !errors.Is(err, errAll) {
					t.Errorf("refused with %v, want %v", err, errAll)
				}
				x.Release()
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != capacity {
		t.Errorf("%d requests passed, want %d", got, capacity)
	}
}

func TestAliases(t *testing.T) {
	if component.Default.Find(component.InEndpoint, "github.com/devopsfaith/krakend-ratelimit/juju/router") == nil {
		t.Error("the historical name of qos/ratelimit/router is unknown")
	}
	if component.Default.Find(component.InBackend, "github.com/devopsfaith/krakend-ratelimit/juju/proxy") == nil {
		t.Error("the historical name of qos/ratelimit/proxy is unknown")
	}
}

func BenchmarkEndpoint(b *testing.B) {
	f := newFixture(b)
	st := f.endpoint(b, `{"max_rate":1e9,"client_max_rate":1e9,"strategy":"ip"}`)
	x := testx.Request{}.Exchange(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := st.Enter(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
}
