package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of the root that stand for a zero value.
const (
	DefaultPort           = 8080
	DefaultTimeout        = Duration(2 * time.Second)
	DefaultMaxHeaderBytes = 1_000_000
	DefaultDNSCacheTTL    = Duration(30 * time.Second)
	DefaultKeepAlive      = Duration(15 * time.Second)
	DefaultFallbackDelay  = Duration(300 * time.Millisecond)
	DefaultIdlePerHost    = 250
)

// behaviours is the table of the dialects: what each of them sets.
var behaviours = map[Dialect]Behaviour{
	KrakenD: {
		ErrorStatus: "500", ErrorBody: "plain",
		MergeDeadline: 85, ConcurrentDeadline: 75,
		CompletedHeader: "X-Krakend-Completed", ProductHeader: "X-Krakend", RequestIDHeader: "-",
		DecodedStatuses: "ok", MissingContentType: "guess", PersonalCache: "public", RedirectCredentials: "host", BreakerThreshold: "more_than", IPv6Prefix: 128, WeakKeys: "warning", UnknownKeys: "warning", Mistakes: "warning", WeakTypes: "warning", MaxHops: -1,
	},
	Sluice: {
		ErrorStatus: "by_cause", ErrorBody: "problem",
		MergeDeadline: 100, ConcurrentDeadline: 100,
		CompletedHeader: "X-Sluice-Completed", ProductHeader: "-", RequestIDHeader: "X-Request-Id",
		DecodedStatuses: "success", MissingContentType: "none", PersonalCache: "private", RedirectCredentials: "origin", BreakerThreshold: "at", IPv6Prefix: 64, WeakKeys: "error", UnknownKeys: "error", Mistakes: "error", WeakTypes: "error", MaxHops: 16,
	},
}

// Resolve decodes a document and fills in what it leaves open: the defaults of
// its dialect, what endpoints inherit from the root and backends from their
// endpoint, and hosts in their full form.
//
// It returns every problem of the core objects, sorted by place. With an
// Error among them the service must not be used.
func Resolve(d *Document) (*Service, []*Problem) {
	s := new(Service)
	if p := notOurs(d.Root); p != nil {
		return s, []*Problem{p}
	}
	r := resolver{service: s, problems: DecodeLoose(d.Root, s)}
	r.validate(d.Root)
	r.root()
	for _, e := range s.Endpoints {
		if e != nil && e.Node != nil { // or what stands there is no object
			r.endpoint(e)
		}
	}
	if r.tunnels == nil {
		r.schemes()
	}
	Sort(r.problems)
	return s, r.problems
}

// notOurs reports a document that is something else than a configuration of a
// gateway, such as an OpenAPI document or the manifest of a package: one sentence
// instead of one for every key.
func notOurs(root *Node) *Problem {
	if root.Kind != Object || len(root.Members) == 0 {
		return nil // an object, decoding will say
	}
	known, unknown := SpecOf(reflect.TypeFor[Service]()), 0
	for _, m := range root.Members {
		_, near := Suggest(m.Key, known.Known())
		switch key := strings.ToLower(m.Key); {
		case key == "version" && m.Value.Text == "3" && m.Value.Kind == Number:
			return nil
		case key == "version" || key == "name" || key == "host" || key == "plugin" || m.Comment(): // others have them, too
		case known.field(key, true) >= 0 || near:
			return nil
		default:
			unknown++
		}
	}
	if unknown == 0 {
		return nil
	}
	return root.Problem(Error, CodeUnknownField, errors.New(
		`this is no configuration of a gateway, which has keys such as version, endpoints and host; write for instance {"version": 3, "endpoints": [...]}`))
}

type resolver struct {
	service  *Service
	problems []*Problem
	tunnels  []string // the hosts of the root where WebSockets are opened, once asked for
}

// validate reports what [Service.Validate] says of keys that could be read.
// Decoding asks it only when all of them could.
func (r *resolver) validate(root *Node) {
	if !HasErrors(r.problems) || root.Kind != Object {
		return
	}
	for _, p := range root.Problems(Error, CodeInvalid, r.service.Validate()) {
		if !slices.ContainsFunc(r.problems, func(q *Problem) bool { return q.Path == p.Path }) {
			r.problems = append(r.problems, p)
		}
	}
}

func (r *resolver) report(n *Node, key string, sev Severity, code string, err error) {
	r.problems = append(r.problems, n.ProblemAt(key, sev, code, err))
}

// host cleans the host at an index of the list of n, and reports one that is
// wrong and was read.
func (r *resolver) host(n *Node, i int, host string) (clean string, ok bool) {
	clean, err := CleanHost(host)
	if err == nil {
		return clean, true
	}
	p := n.ProblemAt(n.ItemPath("host", i), Error, CodeInvalidHost, err)
	if !slices.ContainsFunc(r.problems, func(q *Problem) bool { return q.Path == p.Path && q.Severity == Error }) {
		r.problems = append(r.problems, p)
	}
	return "", false
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
		s.Timeout = DefaultTimeout
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
	if s.DNSCacheTTL < Duration(time.Second) {
		s.DNSCacheTTL = DefaultDNSCacheTTL
	}
	if s.DialerKeepAlive == 0 {
		s.DialerKeepAlive = DefaultKeepAlive
	}
	if s.DialerFallbackDelay == 0 {
		s.DialerFallbackDelay = DefaultFallbackDelay
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
	for i, h := range s.Host {
		if overHTTP(h) != h {
			continue // see inherited
		}
		if clean, ok := r.host(s.Node, i, h); ok {
			s.Host[i] = clean
		}
	}
}

// inherited returns the hosts of the root as a backend of the endpoint calls them.
// All backends that call them alike share a list.
func (r *resolver) inherited(e *Endpoint) []string {
	hosts := r.service.Host
	if !slices.ContainsFunc(hosts, func(h string) bool { return overHTTP(h) != h }) {
		return hosts
	}
	if !e.webSockets() {
		r.schemes()
		return hosts
	}
	if r.tunnels == nil {
		r.tunnels = slices.Clone(hosts)
		for i, h := range hosts {
			if called := overHTTP(h); called != h {
				r.tunnels[i], _ = r.host(r.service.Node, i, called)
			}
		}
	}
	return r.tunnels
}

// schemes reports the hosts of the root that open WebSockets: not every backend
// that has them does, or none.
func (r *resolver) schemes() {
	for i, h := range r.service.Host {
		if overHTTP(h) != h {
			r.host(r.service.Node, i, h)
		}
	}
}

// timeouts settles how long clients are waited for. A read_timeout bounds the
// header too, and idle connections where nothing else does; so does a
// read_header_timeout, but for the default of it.
func (r *resolver) timeouts() {
	s := r.service
	written := func(key string) bool {
		n := s.Node.GetFold(key)
		return n != nil && n.Kind != Null
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
	if n := e.Node.GetFold("endpoint"); n != nil && n.Kind == String && n.Text == "" {
		r.report(e.Node, "endpoint", Error, CodeInvalidPath, errors.New(`the path is empty; write "/" for the root, or the path that clients ask for`))
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
			r.report(e.Node, "endpoint", Warning, CodeSuspicious,
				fmt.Errorf("the path %s is served as %s, because slashes are not repeated; write %q", was, e.Endpoint, e.Endpoint))
		}
	}
	if e.Method == "" {
		e.Method = "GET"
	}
	if e.Timeout == 0 {
		e.Timeout = s.Timeout
	}
	if e.CacheTTL == 0 {
		e.CacheTTL = s.CacheTTL
	}
	if e.MaxBodyBytes == nil {
		e.MaxBodyBytes = s.MaxBodyBytes
	}
	if e.MaxResponseBytes == nil {
		e.MaxResponseBytes = s.MaxResponseBytes
	}
	if e.OutputEncoding == "" {
		e.OutputEncoding = s.OutputEncoding
	}
	if e.ConcurrentCalls == 0 {
		e.ConcurrentCalls = 1
	}
	if len(e.Backend) == 0 {
		r.report(e.Node, "backend", Error, CodeNoBackend,
			fmt.Errorf("the endpoint %s has no backend; write at least one object with host and url_pattern", e.Endpoint))
	}
	for _, b := range e.Backend {
		if b != nil && b.Node != nil {
			r.backend(e, b)
		}
	}
}

func (r *resolver) backend(e *Endpoint, b *Backend) {
	if b.URLPattern == "" {
		r.report(b.Node, "url_pattern", Warning, CodeDefaultUsed, errors.New(`no url_pattern, so "/" is called; write the path of the service`))
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
		b.Host = r.inherited(e)
		return
	}
	if e.webSockets() {
		b.Host = slices.Clone(b.Host)
		for i, h := range b.Host {
			b.Host[i] = overHTTP(h)
		}
	}
	if b.DisableHostSanitize {
		return
	}
	hosts := make([]string, 0, len(b.Host))
	for i, h := range b.Host {
		if clean, ok := r.host(b.Node, i, h); ok {
			hosts = append(hosts, clean)
		}
	}
	b.Host = hosts
}

// HostsFrom returns the object whose key host names the hosts of b: that of the
// backend, or the root.
func (b *Backend) HostsFrom(s *Service) *Node {
	if n := b.Node.GetFold("host"); n == nil || n.Kind == Null || n.Kind == Array && len(n.Items) == 0 {
		return s.Node
	}
	return b.Node
}

// webSockets reports whether clients of the endpoint may open WebSockets: by the
// namespace of that name, or by upgrade of the namespace proxy.
func (e *Endpoint) webSockets() bool {
	if e.ExtraConfig["websocket"] != nil {
		return true
	}
	upgrade := e.ExtraConfig["proxy"].Get("upgrade")
	return upgrade != nil && (strings.EqualFold(upgrade.Text, "websocket") || slices.ContainsFunc(upgrade.Items, func(n *Node) bool { return strings.EqualFold(n.Text, "websocket") }))
}

// overHTTP returns a host with the scheme by which a WebSocket is opened (RFC 6455,
// section 3): http for ws, https for wss.
func overHTTP(host string) string {
	scheme, rest, found := strings.Cut(host, "://")
	switch {
	case found && strings.EqualFold(scheme, "ws"):
		return "http://" + rest
	case found && strings.EqualFold(scheme, "wss"):
		return "https://" + rest
	}
	return host
}

// CleanHost returns a host in its full form: scheme in lower case, http if
// there is none, authority, base path without a slash at its end. The error
// says what to write.
func CleanHost(host string) (string, error) {
	invalid := func(why string) (string, error) {
		return "", fmt.Errorf("host %s not valid: invalid host: %s; write [http://|https://]name[:port][/base]", strconv.Quote(MaskUser(host)), why)
	}
	scheme, rest, found := strings.Cut(host, "://")
	if !found {
		scheme, rest = "http", host
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return invalid("the scheme is not http or https")
	}
	authority, base, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return invalid("it holds user information, which is not sent")
	}
	name, port := authority, ""
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return invalid("the bracket of the address is not closed")
		}
		if a, err := netip.ParseAddr(authority[1:end]); err != nil || !a.Is6() {
			return invalid("the brackets hold no IPv6 address")
		}
		name, port = authority[:end+1], authority[end+1:]
		if port != "" && port[0] != ':' {
			return invalid("only a port may follow the bracket")
		}
		port = strings.TrimPrefix(port, ":")
		if port == "" && strings.HasSuffix(authority, ":") {
			return invalid("the port is empty")
		}
	} else {
		var hasPort bool
		name, port, hasPort = strings.Cut(authority, ":")
		if hasPort && port == "" {
			return invalid("the port is empty")
		}
		for i := range len(name) {
			if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
				return invalid("a name holds letters, digits, dots, hyphens and underscores")
			}
		}
	}
	if name == "" {
		return invalid("the name is empty")
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return invalid("the port is not between 1 and 65535")
		}
	}
	for i := range len(base) {
		if c := base[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`?#"<>\^{}|`+"`", c) >= 0 {
			return invalid("the base path holds a character that must be escaped")
		}
	}
	clean := scheme + "://" + authority
	if base = strings.Trim(base, "/"); base != "" {
		clean += "/" + base
	}
	return clean, nil
}

// MaskUser returns the text of a URL or host with *** for its user information
// (RFC 3986, section 3.2.1), which may be a password.
func MaskUser(host string) string {
	scheme, rest, found := strings.Cut(host, "://")
	if !found {
		scheme, rest = "", host
	} else {
		scheme += "://"
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		rest = hidden + rest[at:]
	}
	return scheme + rest
}

// BehaviourOf returns what a dialect sets.
func BehaviourOf(d Dialect) Behaviour { return behaviours[d] }

// BehaviourKeys returns the keys of the behaviour object, in their order.
func BehaviourKeys() []string { return SpecOf(reflect.TypeFor[Behaviour]()).Known() }
