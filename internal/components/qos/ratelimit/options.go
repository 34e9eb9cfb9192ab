package ratelimit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/bucket"
)

// EndpointOptions configures qos/ratelimit/router.
type EndpointOptions struct {
	// MaxRate is how many requests of all clients together the endpoint takes
	// in every window; 0 is no limit. More are answered with 503.
	MaxRate float64 `json:"max_rate" check:"min=0" example:"100" guards:"option" stricter:"limit"`

	// Capacity is how many requests may come at once after a quiet time. 0
	// stands for the whole requests per second that max_rate allows, at least
	// 1: 10 per hour have a capacity of 1.
	Capacity int `json:"capacity" check:"min=0" stricter:"lower"`

	// ClientMaxRate is how many requests of one client the endpoint takes in
	// every window; 0 is no limit. More are answered with 429.
	ClientMaxRate float64 `json:"client_max_rate" check:"min=0" example:"5" guards:"option" stricter:"limit"`

	// ClientCapacity is how many requests of one client may come at once after
	// a quiet time. 0 stands for the whole requests per second that
	// client_max_rate allows, at least 1.
	ClientCapacity int `json:"client_capacity" check:"min=0" stricter:"lower"`

	// Every is the window of both rates. Below 1s it is 1s.
	Every config.Duration `json:"every" stricter:"higher"`

	// Strategy is what makes a client: ip, its address, of IPv6 as many bits as
	// behaviour.ipv6_prefix says; header, the value of a header; param, the
	// value of a path parameter; identity, who was authenticated in front of the
	// limit: the name that the credential gives, such as the claim sub of a token, or
	// where it gives none the credential itself, wherever it was. Letter case is
	// ignored. client_max_rate needs it.
	Strategy Strategy `json:"strategy" example:"\"ip\"" guards:"beside"`

	// Key is the name of the header or of the parameter. With ip it is a header
	// to read the address from, as a proxy of router.trusted_proxies wrote it: the
	// last address that is no such proxy. From any other peer, and where the header
	// holds no address, the client's own counts. A request with two lines of the
	// header is answered with 400. Host is the name of the host that the client
	// asks for, without letter case and port. Authorization counts each credential
	// once, however it is spelt; behind auth/validator the header of the token
	// counts the token that was verified.
	Key string `json:"key" secret:"false" guards:"beside"`

	// NumShards has no effect: the counters are spread over locks as needed.
	NumShards int `json:"num_shards" check:"min=0,idle"`

	// CleanupPeriod has no effect: idle clients are forgotten in passing.
	CleanupPeriod config.Duration `json:"cleanup_period" check:"idle"`

	// CleanupThreads has no effect: idle clients are forgotten in passing.
	CleanupThreads int `json:"cleanup_threads" check:"min=0,idle"`
}

// Strategy is what makes a client; letter case is ignored.
type Strategy string

// The strategies.
const (
	ByAddress  Strategy = "ip"
	ByHeader   Strategy = "header"
	ByParam    Strategy = "param"
	ByIdentity Strategy = "identity"
)

// Enum lists the values.
func (Strategy) Enum() []string { return []string{"ip", "header", "param", "identity"} }

// Fold brings a value to the spelling of Enum.
func (Strategy) Fold(s string) string { return strings.ToLower(s) }

// Defaults count in windows of a second.
func (EndpointOptions) Defaults() EndpointOptions {
	return EndpointOptions{
		Every:          second,
		NumShards:      2048,
		CleanupPeriod:  60 * second,
		CleanupThreads: 1,
	}
}

// StandsFor returns what holds without a key; see [config.StandsFor].
func (o EndpointOptions) StandsFor(key string) any {
	switch {
	case key == "capacity" && o.Capacity == 0:
		return burst(o.MaxRate, o.Every)
	case key == "client_capacity" && o.ClientCapacity == 0:
		return burst(o.ClientMaxRate, o.Every)
	}
	return nil
}

// burst returns the capacity that a rate has of its own.
func burst(rate float64, every config.Duration) int {
	_, tokens := bucket.Rate(rate, time.Duration(every), 0)
	return tokens
}

// Validate reports a limit for clients that does not say who they are, and
// rates that are too low.
func (o EndpointOptions) Validate() error {
	errs := []error{checkRate("max_rate", o.MaxRate), checkRate("client_max_rate", o.ClientMaxRate)}
	if o.ClientMaxRate > 0 && o.Strategy == "" {
		errs = append(errs, config.At("strategy", errors.New("client_max_rate needs to know who a client is; write ip, header, param or identity")))
	}
	if (o.Strategy == ByHeader || o.Strategy == ByParam) && o.Key == "" {
		errs = append(errs, config.At("key", fmt.Errorf("the strategy %s needs a name; write that of the %[1]s", o.Strategy)))
	}
	return errors.Join(errs...)
}

// BackendOptions configures qos/ratelimit/proxy.
type BackendOptions struct {
	// MaxRate is how many calls to the backend are made in every window; 0 is
	// no limit. Further calls fail without being made.
	MaxRate float64 `json:"max_rate" check:"required,min=0" example:"100" guards:"option" stricter:"limit"`

	// Capacity is how many calls may be made at once after a quiet time. 0
	// stands for the whole calls per second that max_rate allows, at least 1.
	Capacity int `json:"capacity" check:"min=0" stricter:"lower"`

	// Every is the window of the rate; 0s is 1s.
	Every config.Duration `json:"every" stricter:"higher"`
}

// Defaults count in windows of a second.
func (BackendOptions) Defaults() BackendOptions { return BackendOptions{Every: second} }

// StandsFor returns what holds without a key; see [config.StandsFor].
func (o BackendOptions) StandsFor(key string) any {
	if key == "capacity" && o.Capacity == 0 {
		return burst(o.MaxRate, o.Every)
	}
	return nil
}

// Validate reports a rate that is too low.
func (o BackendOptions) Validate() error { return checkRate("max_rate", o.MaxRate) }

const second = config.Duration(time.Second)

// checkRate refuses rates below one in a billion windows: a bucket cannot tell
// them from none.
func checkRate(key string, rate float64) error {
	if rate > 0 && rate < 1e-9 {
		return config.At(key, fmt.Errorf("%v is practically never; write 0.000000001 or more, or 0 for no limit", rate))
	}
	return nil
}
