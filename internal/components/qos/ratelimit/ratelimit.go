package ratelimit

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/bucket"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

// codeLimit is the failure of whoever is over a limit.
const codeLimit = "rate_limit"

var failures = []gateway.Failure{
	{Code: codeLimit, Class: gateway.Limited, Others: "429 for a client over its own limit", Detail: "There are too many requests; try again later."},
}

var endpointInfo = component.Info{
	Namespace: "qos/ratelimit/router",
	Aliases:   []string{"github.com/devopsfaith/krakend-ratelimit/juju/router"},
	Summary:   "Limits the requests to an endpoint, of all clients and of each.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Passage,
	Failures:  failures,
}

var backendInfo = component.Info{
	Namespace: "qos/ratelimit/proxy",
	Aliases:   []string{"github.com/devopsfaith/krakend-ratelimit/juju/proxy"},
	Summary:   "Limits the calls to a backend.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Passage,
	Failures:  failures,
}

func init() {
	component.Register(
		component.Endpoint(endpointInfo, buildEndpoint),
		component.Backend(backendInfo, buildBackend),
	)
}

// maxClients is how many buckets an endpoint keeps, about 100 bytes each, however
// long the names of the clients are.
const maxClients = 1 << 18

func buildEndpoint(s *component.EndpointSite, o EndpointOptions) error {
	if o.Every < second {
		if o.Every > 0 {
			s.Warn("every", fmt.Errorf("%s is below 1s and counts as 1s; write 1s and the rate for that", o.Every))
		}
		o.Every = second
	}
	if o.MaxRate == 0 && o.ClientMaxRate == 0 {
		s.Mistake("", errors.New("nothing is limited; set max_rate, client_max_rate or both"))
		return nil
	}
	reportIdle(s, o)
	name := s.Name()
	st := &endpointLimit{clock: s.Clock()}
	var err error
	if o.MaxRate > 0 {
		if st.all, err = keepBucket(&s.Site, name, o.MaxRate, o.Every, o.Capacity); err != nil {
			return err
		}
	}
	if o.ClientMaxRate > 0 {
		prefix := cmp.Or(s.Service().Behaviour.IPv6Prefix, 128)
		router, _ := component.Use(&s.Site, routing.Key)
		if st.client, err = clientOf(o, s.Params(), prefix, &router); err != nil {
			return err
		}
		if o.Strategy == ByIdentity {
			s.Finally(func() error { return checkIdentity(s) })
			if o.Key != "" {
				s.Mistake("key", errors.New("has no effect with the strategy identity; remove it"))
			}
		}
		if o.Strategy == ByAddress && o.Key != "" && router.IgnoreForwarded {
			s.Mistake("key", errors.New("has no effect, because forwarded_by_client_ip is false and no proxy is believed; drop the key, or believe trusted_proxies"))
		}
		if st.clients, err = keepClients(&s.Site, name, o, prefix); err != nil {
			return err
		}
	}
	s.Guard(component.EndpointLimit, st)
	return nil
}

// checkIdentity reports a limit for those who were authenticated where nobody is.
func checkIdentity(s *component.EndpointSite) error {
	if s.Authenticated() {
		return nil
	}
	who := cmp.Or(s.Registry().Who(component.InEndpoint, component.Identifying), "a namespace that authenticates")
	return config.At("strategy", fmt.Errorf("identity counts nobody, because the endpoint does not authenticate; add %s, or write ip, header or param", who))
}

// reportIdle reports options of a limit that there is not.
func reportIdle(s *component.EndpointSite, o EndpointOptions) {
	const client = "has no effect without client_max_rate, so that no client is limited by itself; write client_max_rate, or remove it"
	for _, key := range []struct {
		name    string
		written bool
		text    string
	}{
		{"capacity", o.Capacity > 0 && o.MaxRate == 0, "has no effect without max_rate, so that all clients together are not limited; write max_rate, or remove it"},
		{"client_capacity", o.ClientCapacity > 0 && o.ClientMaxRate == 0, client},
		{"strategy", o.Strategy != "" && o.ClientMaxRate == 0, client},
		{"key", o.Key != "" && o.ClientMaxRate == 0, client},
	} {
		if key.written {
			s.Mistake(key.name, errors.New(key.text))
		}
	}
}

func buildBackend(s *component.BackendSite, o BackendOptions) error {
	if o.MaxRate == 0 {
		s.Mistake("max_rate", errors.New("0 is no limit; write how many calls are allowed"))
		return nil
	}
	b, err := keepBucket(&s.Site, s.Name(), o.MaxRate, o.Every, o.Capacity)
	if err != nil {
		return err
	}
	s.Prompt(component.BackendLimit, &backendLimit{clock: s.Clock(), bucket: b})
	return nil
}

// keepBucket returns the bucket that everybody at the place shares. One with
// the same figures is the same after a reload.
func keepBucket(s *component.Site, at string, rate float64, every config.Duration, capacity int) (*bucket.Bucket, error) {
	perSecond, tokens := bucket.Rate(rate, time.Duration(every), capacity)
	logAtStart(s, at, "all", perSecond, tokens)
	id := fmt.Sprintf("%s: all: %v/s up to %d", at, perSecond, tokens)
	return component.Keep(s, id, func() (*bucket.Bucket, func(), error) {
		return bucket.New(perSecond, tokens), nil, nil
	})
}

// keepClients returns the buckets of the clients of an endpoint. Those with
// the same figures and the same idea of a client are the same after a reload.
func keepClients(s *component.Site, at string, o EndpointOptions, prefix int) (*bucket.Store, error) {
	perSecond, tokens := bucket.Rate(o.ClientMaxRate, time.Duration(o.Every), o.ClientCapacity)
	logAtStart(s, at, "each client", perSecond, tokens)
	id := fmt.Sprintf("%s: by %s %q /%d: %v/s up to %d", at, o.Strategy, o.Key, prefix, perSecond, tokens)
	return component.Keep(s, id, func() (*bucket.Store, func(), error) {
		return bucket.NewStore(perSecond, tokens, maxClients), nil, nil
	})
}

// logAtStart tells the effective bucket, which the options only imply.
func logAtStart(s *component.Site, at, who string, perSecond float64, capacity int) {
	log := s.Log()
	s.OnStart(func(ctx context.Context) error {
		log.InfoContext(ctx, "limit configured", "place", at, "limit_of", who, "tokens_per_second", perSecond, "capacity", capacity)
		return nil
	})
}

// Refusals of an endpoint. Their bodies stay empty.
var (
	errClient   = &gateway.Error{Status: 429, Code: codeLimit, Err: errors.New("the client is over its limit")}
	errStranger = &gateway.Error{Status: 429, Code: codeLimit, Err: errors.New("the request does not say who the client is")}
	errRepeated = &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Err: errors.New("the header that names the client is sent more than once")}
	errAll      = &gateway.Error{Status: 503, Code: codeLimit, Err: errors.New("the endpoint is over its limit")}
)

// errBackend is the failure of a call that was not made. Compatibility: its
// text is spelt as clients of the incumbent know it.
var errBackend = &gateway.Error{Code: codeLimit, Public: "rate limit exceded"}

// An endpointLimit takes a token of the client, then one of all clients.
type endpointLimit struct {
	clock   component.Clock
	clients *bucket.Store // nil without a limit for clients
	client  func(*gateway.Exchange) (key string, refusal error)
	all     *bucket.Bucket // nil without a limit for all
}

func (l *endpointLimit) Enter(_ context.Context, x *gateway.Exchange) error {
	now := l.clock()
	if l.clients != nil {
		key, refusal := l.client(x)
		if refusal != nil {
			return refusal
		}
		if ok, wait := l.clients.Take(key, now); !ok {
			retryAfter(x, wait)
			return errClient
		}
	}
	if l.all != nil && !l.all.Take(now) {
		retryAfter(x, l.all.RetryAfter(now))
		return errAll
	}
	return nil
}

// retryAfter tells the client when to come back, in whole seconds: RFC 9110,
// section 10.2.3.
func retryAfter(x *gateway.Exchange, wait time.Duration) {
	seconds := max(1, (int64(wait)+int64(time.Second)-1)/int64(time.Second))
	x.Response.Header.Set("Retry-After", strconv.FormatInt(seconds, 10))
}

// A backendLimit takes a token for each call.
type backendLimit struct {
	clock  component.Clock
	bucket *bucket.Bucket
}

func (l *backendLimit) Enter(context.Context, *gateway.Exchange) error {
	if !l.bucket.Take(l.clock()) {
		return errBackend
	}
	return nil
}

// clientOf returns the function that names the client of an exchange, or refuses
// one that does not say who it is. params are the path parameters of the endpoint,
// prefix the bits of an IPv6 address that are one client; router knows whose word about
// an address counts. Names die with the exchange.
func clientOf(o EndpointOptions, params []string, prefix int, router *routing.Router) (func(*gateway.Exchange) (string, error), error) {
	key := gateway.NewLone(o.Key)
	switch o.Strategy {
	case ByHeader:
		if !gateway.Token(o.Key) {
			return nil, config.At("key", fmt.Errorf("%q is no header name; write one such as X-Api-Key", o.Key))
		}
		if key.Name() == "Host" { // which no engine counts among the fields
			return func(x *gateway.Exchange) (string, error) { return hostKey(x.In.Host()) }, nil
		}
		return func(x *gateway.Exchange) (string, error) {
			value, err := header(x, &key)
			if err == nil {
				value = credential(x, key.Name(), value)
			}
			if err == nil && value == "" {
				err = errStranger
			}
			return value, err
		}, nil
	case ByParam:
		i := slices.Index(params, o.Key)
		if i < 0 {
			return nil, config.At("key", fmt.Errorf("the path of the endpoint has no {%s}; %s", o.Key, remedy(params)))
		}
		return func(x *gateway.Exchange) (string, error) { return x.Params[i], nil }, nil
	case ByIdentity:
		return func(x *gateway.Exchange) (string, error) {
			if x.Identity != nil {
				if who := cmp.Or(x.Identity.Name, x.Identity.Verified); who != "" {
					return who, nil
				}
			}
			return "", errStranger
		}, nil
	}
	if o.Key == "" {
		return func(x *gateway.Exchange) (string, error) { return addressKey(x.Client, prefix), nil }, nil
	}
	if !gateway.Token(o.Key) {
		return nil, config.At("key", fmt.Errorf("%q is no header name; write one such as X-Real-Ip, or drop the key", o.Key))
	}
	if key.Name() == "Host" {
		return nil, config.At("key", errors.New("the header Host never holds the address of the client; write a header such as X-Real-Ip, or drop the key"))
	}
	return func(x *gateway.Exchange) (string, error) {
		value, err := header(x, &key)
		if err != nil {
			return "", err
		}
		if x.Wrote(key.Name()) || router.Believes(x.In) { // set by a layer, or by a proxy
			if a, ok := router.ClientIn(gateway.Fields{{Value: value}}); ok {
				return addressKey(a, prefix), nil
			}
		}
		return addressKey(x.Client, prefix), nil
	}, nil
}

// hostKey returns the host that a client asks for as the name of a client: without
// what does not make it another one, letter case, a dot at the end and a port.
func hostKey(host string) (string, error) {
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		host = host[:colon]
	}
	if host = gateway.Lower(strings.TrimSuffix(host, ".")); host == "" {
		return "", errStranger
	}
	return host, nil
}

// header returns a header of the request: as the layers before have set it, by a
// claim for instance, or else as the client sent it, whether backends see it or
// not. One that the client sent more than once is refused: the limit would count by
// one line what backends do for another.
func header(x *gateway.Exchange, key *gateway.Lone) (string, error) {
	if x.Wrote(key.Name()) {
		var room [4]gateway.Field
		lines := x.In.AppendHeader(room[:0], key.Name())
		if len(lines) == 1 {
			return lines[0].Value, nil
		}
		var all strings.Builder // a claim may be a list
		for i := range lines {
			if i > 0 {
				all.WriteByte(',')
			}
			all.WriteString(lines[i].Value)
		}
		return all.String(), nil
	}
	value, once := key.Value(x.In)
	if !once {
		return "", errRepeated
	}
	return value, nil
}

func remedy(params []string) string {
	if len(params) == 0 {
		return "use another strategy"
	}
	return fmt.Sprintf("write one of %q", params)
}
