package model

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Defaults of the root that stand for a zero value.
const (
	DefaultPort           = 8080
	defaultTimeout        = config.Duration(2 * time.Second)
	DefaultMaxHeaderBytes = 1_000_000
	defaultDNSCacheTTL    = config.Duration(30 * time.Second)
	defaultKeepAlive      = config.Duration(15 * time.Second)
	defaultFallbackDelay  = config.Duration(300 * time.Millisecond)
	DefaultIdlePerHost    = 250
)

// behaviours is the table of the dialects: what each of them sets.
var behaviours = map[Dialect]Behaviour{
	KrakenD: {
		ErrorStatus: "500", ErrorBody: "plain",
		MergeDeadline: 85, ConcurrentDeadline: 75,
		CompletedHeader: "X-Krakend-Completed", ProductHeader: "X-Krakend", RequestIDHeader: "-",
		DecodedStatuses: "ok", MissingContentType: "guess", PersonalCache: "public", RedirectCredentials: "host",
		BreakerThreshold: "more_than", BreakerCounts: "all", IPv6Prefix: 128, WeakKeys: "warning", UnknownKeys: "warning", Mistakes: "warning", WeakTypes: "warning", MaxHops: -1,
	},
	Sluice: {
		ErrorStatus: "by_cause", ErrorBody: "problem",
		MergeDeadline: 100, ConcurrentDeadline: 100,
		CompletedHeader: "X-Sluice-Completed", ProductHeader: "-", RequestIDHeader: "X-Request-Id",
		DecodedStatuses: "success", MissingContentType: "none", PersonalCache: "private", RedirectCredentials: "origin",
		BreakerThreshold: "at", BreakerCounts: "calls", IPv6Prefix: 64, WeakKeys: "error", UnknownKeys: "error", Mistakes: "error", WeakTypes: "error", MaxHops: 16,
	},
}

// Resolve decodes a document and fills in what it leaves open: the defaults of
// its dialect, and what endpoints inherit from the root and backends from their
// endpoint. Hosts stay as they are written: what they are is for those to say who
// call them.
//
// It returns every problem of the core objects, sorted by place. With an
// Error among them the service must not be used.
func Resolve(d *config.Document) (*Service, []*config.Problem) {
	s := new(Service)
	if p := notOurs(d.Root); p != nil {
		return s, []*config.Problem{p}
	}
	r := resolver{service: s, problems: config.DecodeLoose(d.Root, s)}
	r.validate(d.Root)
	r.root()
	for _, e := range s.Endpoints {
		if e != nil && e.Node != nil { // or what stands there is no object
			r.endpoint(e)
		}
	}
	r.agents()
	config.Sort(r.problems)
	return s, r.problems
}

// ResolvePipe fills in what a pipe leaves open that was decoded as a part of something
// else than an endpoint, as Resolve does for those. With an Error among the problems it
// must not be used.
func ResolvePipe(s *Service, e *Endpoint) []*config.Problem {
	r := resolver{service: s}
	r.pipe(e, "pipe")
	config.Sort(r.problems)
	return r.problems
}

// notOurs reports a document that is something else than a configuration of a
// gateway, such as an OpenAPI document or the manifest of a package: one sentence
// instead of one for every key.
func notOurs(root *config.Node) *config.Problem {
	if root.Kind != config.Object || len(root.Members) == 0 {
		return nil // an object, decoding will say
	}
	known, unknown := config.SpecOf(reflect.TypeFor[Service]()), 0
	for _, m := range root.Members {
		_, near := config.Suggest(m.Key, known.Known())
		_, ours := known.Settable(m.Key)
		switch key := strings.ToLower(m.Key); {
		case key == "version" && m.Value.Text == "3" && m.Value.Kind == config.Number:
			return nil
		case key == "version" || key == "name" || key == "host" || key == "plugin" || m.Comment(): // others have them, too
		case ours || near:
			return nil
		default:
			unknown++
		}
	}
	if unknown == 0 {
		return nil
	}
	return root.Problem(config.Error, config.CodeUnknownField, errors.New(
		`this is no configuration of a gateway, which has keys such as version, endpoints and host; write for instance {"version": 3, "endpoints": [...]}`))
}

type resolver struct {
	service  *Service
	problems []*config.Problem
}

// validate reports what [Service.Validate] says of keys that could be read.
// Decoding asks it only when all of them could.
func (r *resolver) validate(root *config.Node) {
	if !config.HasErrors(r.problems) || root.Kind != config.Object {
		return
	}
	for _, p := range root.Problems(config.Error, config.CodeInvalid, r.service.Validate()) {
		if !slices.ContainsFunc(r.problems, func(q *config.Problem) bool { return q.Path == p.Path }) {
			r.problems = append(r.problems, p)
		}
	}
}

func (r *resolver) report(n *config.Node, key string, sev config.Severity, code string, err error) {
	r.problems = append(r.problems, n.ProblemAt(key, sev, code, err))
}

func (r *resolver) root() {
	s := r.service
	if s.Dialect == "" {
		s.Dialect = KrakenD
	}
	s.Behaviour = s.Behaviour.over(behaviours[s.Dialect])
	if s.Port == 0 {
		s.Port = DefaultPort
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.OutputEncoding == "" {
		s.OutputEncoding = "json"
	}
	if s.Engine == "" {
		s.Engine = "auto"
	}
	if s.MaxHeaderBytes == 0 {
		s.MaxHeaderBytes = DefaultMaxHeaderBytes
	}
	r.timeouts()
	if s.DNSCacheTTL < config.Duration(time.Second) {
		s.DNSCacheTTL = defaultDNSCacheTTL
	}
	if s.DialerKeepAlive == 0 {
		s.DialerKeepAlive = defaultKeepAlive
	}
	if s.DialerFallbackDelay == 0 {
		s.DialerFallbackDelay = defaultFallbackDelay
	}
	if s.MaxIdleConnectionsPerHost == 0 {
		s.MaxIdleConnectionsPerHost = DefaultIdlePerHost
	}
	if s.AllowInsecureConnections {
		tls := ClientTLS{TLSLimits: TLSLimits{MinVersion: "TLS12"}}
		if s.ClientTLS != nil {
			tls = *s.ClientTLS
		}
		tls.AllowInsecureConnections = true
		s.ClientTLS = &tls
	}
}

// timeouts settles how long clients are waited for. A read_timeout bounds the
// header too, and idle connections where nothing else does; so does a
// read_header_timeout, but for the default of it.
func (r *resolver) timeouts() {
	s := r.service
	written := func(key string) bool {
		n := s.Node.GetFold(key)
		return n != nil && n.Kind != config.Null
	}
	if !written("read_header_timeout") && s.ReadTimeout > 0 {
		s.ReadHeaderTimeout = min(s.ReadHeaderTimeout, s.ReadTimeout)
	}
	if !written("idle_timeout") && s.ReadTimeout > 0 {
		s.IdleTimeout = 0
	}
	if s.IdleTimeout == 0 {
		s.IdleTimeout = s.ReadTimeout
	}
	if s.IdleTimeout == 0 && written("read_header_timeout") {
		s.IdleTimeout = s.ReadHeaderTimeout
	}
}

// over returns b with the defaults of d wherever b says nothing.
func (b Behaviour) over(d Behaviour) Behaviour {
	fill(&b.ErrorStatus, d.ErrorStatus)
	fill(&b.ErrorBody, d.ErrorBody)
	fill(&b.MergeDeadline, d.MergeDeadline)
	fill(&b.ConcurrentDeadline, d.ConcurrentDeadline)
	fill(&b.CompletedHeader, d.CompletedHeader)
	fill(&b.ProductHeader, d.ProductHeader)
	fill(&b.RequestIDHeader, d.RequestIDHeader)
	fill(&b.DecodedStatuses, d.DecodedStatuses)
	fill(&b.MissingContentType, d.MissingContentType)
	fill(&b.PersonalCache, d.PersonalCache)
	fill(&b.RedirectCredentials, d.RedirectCredentials)
	fill(&b.BreakerThreshold, d.BreakerThreshold)
	fill(&b.BreakerCounts, d.BreakerCounts)
	fill(&b.IPv6Prefix, d.IPv6Prefix)
	fill(&b.WeakKeys, d.WeakKeys)
	fill(&b.UnknownKeys, d.UnknownKeys)
	fill(&b.Mistakes, d.Mistakes)
	fill(&b.WeakTypes, d.WeakTypes)
	fill(&b.MaxHops, d.MaxHops)
	return b
}

func fill[T comparable](v *T, fallback T) {
	if *v == *new(T) {
		*v = fallback
	}
}

func (r *resolver) endpoint(e *Endpoint) {
	s := r.service
	if n := e.Node.GetFold("endpoint"); n != nil && n.Kind == config.String && n.Text == "" {
		r.report(e.Node, "endpoint", config.Error, config.CodeInvalidPath, errors.New(`the path is empty; write "/" for the root, or the path that clients ask for`))
	}
	if !strings.HasPrefix(e.Endpoint, "/") {
		e.Endpoint = "/" + e.Endpoint
	}
	if strings.Contains(e.Endpoint, "//") {
		was := e.Endpoint
		for strings.Contains(e.Endpoint, "//") {
			e.Endpoint = strings.ReplaceAll(e.Endpoint, "//", "/")
		}
		for _, scheme := range []string{"/http://", "/https://", "/ws://", "/wss://"} {
			if len(was) >= len(scheme) && strings.EqualFold(was[:len(scheme)], scheme) {
				was = "" // what is wrong with a whole URL is said elsewhere
				break
			}
		}
		if was != "" {
			r.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious,
				fmt.Errorf("the path %s is served as %s, because slashes are not repeated; write %q", was, e.Endpoint, e.Endpoint))
		}
	}
	if e.CacheTTL == 0 {
		e.CacheTTL = s.CacheTTL
	}
	if e.OutputEncoding == "" {
		e.OutputEncoding = s.OutputEncoding
	}
	r.pipe(e, "endpoint")
}

// agents resolves the agents, each with another name. The pipe of one is resolved when it is
// compiled.
func (r *resolver) agents() {
	named := make(map[string]*Agent)
	for _, a := range r.service.AsyncAgent {
		if a == nil || a.Node == nil {
			continue
		}
		if first := named[a.Name]; first != nil && a.Name != "" {
			r.report(a.Node, "name", config.Error, config.CodeInvalid, fmt.Errorf("the agent at %s has this name, too; choose another one", first.Node.Pos))
		}
		named[a.Name] = a
		if a.Encoding == "" {
			a.Encoding = "json"
		}
		for _, b := range a.Backend {
			if b != nil && b.Encoding == "" {
				b.Encoding = a.Encoding
			}
		}
		if a.Connection.BackoffStrategy == "" {
			a.Connection.BackoffStrategy = "fallback"
		}
		a.Connection.HealthInterval = max(a.Connection.HealthInterval, config.Duration(time.Second))
		c := &a.Consumer
		c.Workers = max(c.Workers, 1)
		if c.Timeout == 0 {
			c.Timeout = r.service.Timeout
		}
	}
}

// Pipe returns the agent as an endpoint that has no door.
func (a *Agent) Pipe() *Endpoint {
	e := &Endpoint{Endpoint: a.Name, Backend: a.Backend, Timeout: a.Consumer.Timeout, OutputEncoding: "json", ExtraConfig: a.ExtraConfig, Node: a.Node}
	if a.Encoding == "no-op" {
		e.OutputEncoding = "no-op"
	}
	return e
}

// pipe resolves what is behind the door of an endpoint, or what is called so and has none.
func (r *resolver) pipe(e *Endpoint, called string) {
	s := r.service
	if e.Method == "" {
		e.Method = "GET"
	}
	if e.Timeout == 0 {
		e.Timeout = s.Timeout
	}
	if e.MaxBodyBytes == nil {
		e.MaxBodyBytes = s.MaxBodyBytes
	}
	if e.MaxResponseBytes == nil {
		e.MaxResponseBytes = s.MaxResponseBytes
	}
	if e.ConcurrentCalls == 0 {
		e.ConcurrentCalls = 1
	}
	if len(e.Backend) == 0 {
		r.report(e.Node, "backend", config.Error, config.CodeNoBackend,
			fmt.Errorf("the %s %s has no backend; write at least one object with host and url_pattern", called, e.Endpoint))
	}
	for _, b := range e.Backend {
		if b != nil && b.Node != nil {
			r.backend(e, b)
		}
	}
}

func (r *resolver) backend(e *Endpoint, b *Backend) {
	if b.URLPattern == "" {
		r.report(b.Node, "url_pattern", config.Warning, config.CodeDefaultUsed, errors.New(`no url_pattern, so "/" stands for it; write the path of the service, or "/" where no path is called`))
	}
	if !strings.HasPrefix(b.URLPattern, "/") {
		b.URLPattern = "/" + b.URLPattern
	}
	b.URLPattern, _, _ = strings.Cut(b.URLPattern, "#")
	if b.Method == "" {
		b.Method = string(e.Method)
	}
	b.Method = strings.ToUpper(b.Method)
	if b.Encoding == "" {
		b.Encoding = "json"
	}
	if e.OutputEncoding == "no-op" {
		b.Encoding = "no-op"
	}
	if b.MaxResponseBytes == nil {
		b.MaxResponseBytes = e.MaxResponseBytes
	}
	if b.SD == "" {
		b.SD = "static"
	}
	if b.SDScheme == "" {
		b.SDScheme = "http"
	}
	if b.Balance == "" {
		b.Balance = "round-robin"
	}
	if len(b.Host) == 0 {
		b.Host = r.service.Host
	}
}

// HostsFrom returns the object whose key host names the hosts of b: that of the
// backend, or the root.
func (b *Backend) HostsFrom(s *Service) *config.Node {
	if n := b.Node.GetFold("host"); n == nil || n.Kind == config.Null || n.Kind == config.Array && len(n.Items) == 0 {
		return s.Node
	}
	return b.Node
}

// BehaviourOf returns what a dialect sets.
func BehaviourOf(d Dialect) Behaviour { return behaviours[d] }

// BehaviourKeys returns the keys of the behaviour object, in their order.
func BehaviourKeys() []string { return config.SpecOf(reflect.TypeFor[Behaviour]()).Known() }
