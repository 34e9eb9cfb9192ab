package model

import (
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Source is the text of this file: its comments are the manual of the core
// objects.
//
//go:embed options.go
var Source string

// Service is the root of a configuration.
type Service struct {
	// Version is the version of the format: 3.
	Version int `json:"version" check:"wanted" example:"3"`

	// Schema names the JSON Schema that editors use. It has no effect.
	Schema string `json:"$schema" check:"idle" example:"\"https://github.com/sluice-gateway/sluice/raw/main/schema/sluice.schema.json\""`

	// Dialect chooses the defaults of behaviour: krakend behaves as existing
	// files expect, sluice is strict and answers errors as problem documents.
	Dialect Dialect `json:"dialect"`

	// Behaviour overrides single defaults of the dialect.
	Behaviour Behaviour `json:"behaviour"`

	// Name labels this gateway in logs and telemetry.
	Name string `json:"name" example:"\"shop\""`

	// Port is the TCP port to listen on; 0 stands for 8080.
	Port int `json:"port" check:"min=0,max=65535" example:"8080"`

	// ListenIP is the address to listen on, IPv4 or IPv6. Without it the
	// gateway listens on all interfaces.
	ListenIP string `json:"listen_ip" example:"\"127.0.0.1\""`

	// Host lists the hosts of every backend that names none.
	Host []string `json:"host" example:"[\"http://users:8000\"]"`

	// Timeout is the time an endpoint has for its answer, unless it says
	// otherwise; 0s stands for 2s.
	Timeout config.Duration `json:"timeout" example:"\"2s\"" stricter:"limit"`

	// ServiceTimeout is the time that the components of the service have, those in the
	// extra_config of the root that may wait, such as scripts and plugins: before a
	// request is routed, and once more behind its answer. The time of the endpoint does
	// not count, nor that of a body that streams. What takes longer is answered like any
	// other timeout, and told in the log. 0s is no limit, unset it is 30s.
	ServiceTimeout config.Duration `json:"service_timeout" stricter:"limit"`

	// CacheTTL is the max-age that complete answers announce in
	// Cache-Control; 0s announces nothing.
	CacheTTL config.Duration `json:"cache_ttl" example:"\"300s\""`

	// OutputEncoding is the encoding of answers for endpoints that name none.
	OutputEncoding OutputEncoding `json:"output_encoding"`

	// DisableRest allows variables inside a path segment, as in /file.{ext}.
	DisableRest bool `json:"disable_rest"`

	// DebugEndpoint serves /__debug/, which answers a pong and logs the
	// request at debug level.
	DebugEndpoint bool `json:"debug_endpoint" stricter:"false"`

	// EchoEndpoint serves /__echo/, which answers with the request it got.
	EchoEndpoint bool `json:"echo_endpoint" stricter:"false"`

	// SequentialStart has no effect: agents connect beside each other, and neither the
	// gateway nor another agent waits for one.
	SequentialStart bool `json:"sequential_start" check:"idle"`

	// Engine pins the HTTP engine: fast is our own, for HTTP/1.1, nethttp that of
	// the standard library. auto is fast; what it does not speak itself, HTTP/2
	// and forward proxies, it hands to nethttp.
	Engine Engine `json:"engine"`

	Server
	Transport

	// AllowInsecureConnections is the old place of the key of the same name in
	// client_tls.
	AllowInsecureConnections bool `json:"allow_insecure_connections" check:"deprecated,idle"`

	// TLS serves HTTPS.
	TLS *ServerTLS `json:"tls" guards:"object" stricter:"there"`

	// Plugin names the folder of native plugins, which are not loaded: a warning
	// where no namespace asks for one, else an error.
	Plugin *Plugin `json:"plugin" check:"idle" guards:"key"`

	// AsyncAgent lists what takes messages from brokers and makes calls for each.
	AsyncAgent []*Agent `json:"async_agent" guards:"key"`

	// Endpoints lists what clients can ask for.
	Endpoints []*Endpoint `json:"endpoints"`

	// ExtraConfig holds the options of service components, by namespace.
	ExtraConfig map[string]*config.Node `json:"extra_config" guards:"key"`

	Node *config.Node `json:"-"` // where the service was declared
}

// Server holds the limits towards clients.
type Server struct {
	// ReadTimeout limits reading a whole request, body included; 0s is no
	// limit.
	ReadTimeout config.Duration `json:"read_timeout" stricter:"limit"`

	// ReadHeaderTimeout limits reading the header of a request; 0s is no
	// limit, unset it is 10s.
	ReadHeaderTimeout config.Duration `json:"read_header_timeout" stricter:"limit"`

	// WriteTimeout limits writing an answer, counted from the end of the
	// request's header; 0s is no limit.
	WriteTimeout config.Duration `json:"write_timeout" stricter:"limit"`

	// StallTimeout ends an answer of which the client takes nothing for so long,
	// which frees the memory that holds it. Over HTTP/2 it counts for every answer.
	// Clients that are slow have as long for each 64KiB. 0s is no limit, unset it
	// is 60s. Tunnels have idle_timeout.
	StallTimeout config.Duration `json:"stall_timeout" stricter:"limit"`

	// IdleTimeout is how long an idle connection of a client is kept, and how
	// long a tunnel may be without traffic (upgrade of the namespace proxy); 0s
	// stands for read_timeout, and if that is 0s too for read_header_timeout.
	// Unset it is 120s.
	IdleTimeout config.Duration `json:"idle_timeout" stricter:"limit"`

	// MaxHeaderBytes limits the request line and the header of a request; 0
	// stands for 1000000.
	MaxHeaderBytes int `json:"max_header_bytes" check:"min=0" stricter:"limit"`

	// MaxBodyBytes limits the body of a request; a larger one is answered with
	// 413. 0 is no limit. Without it bodies that are held in memory have 32MiB:
	// those that go to several backends or shadows, and those that are looked
	// into. Bodies that stream have no limit then.
	MaxBodyBytes *config.Size `json:"max_body_bytes" check:"min=0" guards:"key" stricter:"limit"`

	// ShutdownDelay is how long a gateway that is told to stop goes on serving
	// whoever comes, with readiness 503 from the beginning, until it closes its
	// listener: the time that balancers need to hear of it.
	ShutdownDelay config.Duration `json:"shutdown_delay"`

	// MaxShutdownWaitTime is how long a stopping gateway waits for all that is in
	// flight, once its listener is closed: requests, messages of queues, shadows. What
	// has not ended then is cut, and the gateway ends a second later at most. 0s waits
	// for all of it.
	MaxShutdownWaitTime config.Duration `json:"max_shutdown_wait_time"`

	// UseH2C accepts HTTP/2 without TLS.
	UseH2C bool `json:"use_h2c" stricter:"false"`
}

// Transport holds the settings of connections to backends. Backends with equal settings
// share their connections.
type Transport struct {
	// DialerTimeout limits making a TCP connection; 0s is no limit of its own.
	DialerTimeout config.Duration `json:"dialer_timeout" stricter:"limit"`

	// DialerKeepAlive is the interval of TCP keep-alive probes; 0s stands for
	// 15s.
	DialerKeepAlive config.Duration `json:"dialer_keep_alive"`

	// DialerFallbackDelay is the lead of IPv6 over IPv4 when a host has both;
	// 0s stands for 300ms.
	DialerFallbackDelay config.Duration `json:"dialer_fallback_delay"`

	// DisableKeepAlives uses each connection for one request only.
	DisableKeepAlives bool `json:"disable_keep_alives"`

	// DisableCompression stops the gateway from asking for gzip by itself.
	// What it has asked for is unpacked, with no-op too; with Accept-Encoding in
	// input_headers an answer that passes with no-op comes as the client asks for it.
	DisableCompression bool `json:"disable_compression"`

	// MaxIdleConnections limits the idle connections to all hosts together; 0
	// is no limit.
	MaxIdleConnections int `json:"max_idle_connections" check:"min=0"`

	// MaxIdleConnectionsPerHost limits the idle connections to one host; 0
	// stands for 250.
	MaxIdleConnectionsPerHost int `json:"max_idle_connections_per_host" check:"min=0"`

	// IdleConnectionTimeout is how long an idle connection is kept; 0s keeps it
	// until the host closes it, unset it is 90s.
	IdleConnectionTimeout config.Duration `json:"idle_connection_timeout"`

	// ResponseHeaderTimeout limits the wait for the header of an answer once
	// the request is sent; 0s is no limit of its own.
	ResponseHeaderTimeout config.Duration `json:"response_header_timeout" stricter:"limit"`

	// ExpectContinueTimeout is how long to wait for 100 Continue before the
	// body of a request is sent whose client sent Expect, if input_headers lets
	// that pass; 0s sends bodies at once, without Expect. Clients of HTTP/2 are
	// told to continue by the gateway.
	ExpectContinueTimeout config.Duration `json:"expect_continue_timeout"`

	// DNSCacheTTL is how often discovered hosts are looked up again; below 1s
	// it is 30s.
	DNSCacheTTL config.Duration `json:"dns_cache_ttl"`

	// MaxResponseBytes limits an answer that is held in memory, which every answer
	// is that is decoded, by what it unpacks to. A larger one counts as a failed
	// backend. 0 is no limit; without it the limit is 32MiB. Where an answer has to
	// become a tree, for XML, YAML and feeds on either side, flatmap_filter and
	// resp_data, that may take four times the limit of memory, 128MiB at least,
	// which is 6MB of one-digit numbers, 12MB of ordinary records and 5MB of YAML.
	// What XML and YAML make of an answer for a client may be four times as long as the limit, and
	// beyond 1MiB no more than 24 times as long as the answer.
	MaxResponseBytes *config.Size `json:"max_response_bytes" check:"min=0" guards:"key" stricter:"limit"`

	// ClientTLS configures TLS towards backends.
	ClientTLS *ClientTLS `json:"client_tls" guards:"object"`

	// Proxy is the forward proxy; without it the environment decides.
	Proxy string `json:"-"`

	// H2C speaks HTTP/2 by prior knowledge where the scheme is http (RFC 9113,
	// section 3.3).
	H2C bool `json:"-"`
}

// Behaviour holds every default that a dialect sets.
type Behaviour struct {
	// ErrorStatus is the status when no backend answered: 500, or by_cause,
	// which is 502 for a backend that is unreachable, breaks off or cannot be
	// decoded, 503 for an open breaker, a limit or no host, 504 for a deadline, and
	// 501 for a connector that is not built yet. Conditions of validation/cel that do not hold follow it: by
	// cause they are 403, for answers 502.
	ErrorStatus ErrorStatus `json:"error_status"`

	// ErrorBody is the form of error bodies: plain text, mostly empty, or
	// problem, a document of type application/problem+json (RFC 9457).
	ErrorBody ErrorBody `json:"error_body"`

	// MergeDeadline is the share of the endpoint's timeout that several
	// backends have together, in percent.
	MergeDeadline int `json:"merge_deadline" check:"min=0,max=100"`

	// ConcurrentDeadline is the share of the endpoint's timeout that the
	// concurrent calls of a backend have, in percent.
	ConcurrentDeadline int `json:"concurrent_deadline" check:"min=0,max=100"`

	// CompletedHeader names the response header that tells whether an answer
	// is complete.
	CompletedHeader string `json:"completed_header"`

	// ProductHeader names the response header that carries the version of the
	// gateway; "-" sends none.
	ProductHeader string `json:"product_header"`

	// RequestIDHeader names the response header that carries the ID of the
	// request: the trace id of its traceparent if that is valid, a new one
	// otherwise. It finds the request in the access log. "-" sends none.
	RequestIDHeader string `json:"request_id_header"`

	// DecodedStatuses is which statuses of a backend are decoded as an answer:
	// ok, 200 and 201 only, or success, every 2xx.
	DecodedStatuses DecodedStatuses `json:"decoded_statuses"`

	// MissingContentType is what becomes of an answer without Content-Type that is
	// passed on with no-op: guess looks at its first bytes and says text/html, for
	// instance, none leaves it as it is. Beside X-Content-Type-Options: nosniff
	// nothing is guessed.
	MissingContentType MissingContentType `json:"missing_content_type"`

	// PersonalCache is what Cache-Control says, where cache_ttl announces a max-age, of
	// answers that may be for one client only: public, as of all others, or private,
	// for the cache of one browser. It is those of endpoints that authenticate, those
	// where a header or a claim is part of what is called, and those to requests of
	// which backends see Authorization, Cookie or another credential.
	PersonalCache PersonalCache `json:"personal_cache" stricter:"higher"`

	// RedirectCredentials is how far a redirect of a backend takes along what may be a
	// credential, and a Referer: host, to the same name and those below it, on any port,
	// or origin, to the same scheme, name and port, or from http to https. It is taken to
	// the hosts that the backend lists in any case, and from https to http in none.
	RedirectCredentials RedirectCredentials `json:"redirect_credentials" stricter:"higher"`

	// BreakerThreshold is when a breaker opens: more_than max_errors or at
	// max_errors.
	BreakerThreshold BreakerThreshold `json:"breaker_threshold"`

	// BreakerCounts is which failures open a breaker: all, those of components in front
	// of the call among them, such as a rate limit of the backend, a condition on the
	// request or a token that is not to be had, or calls, which are those of the backend.
	BreakerCounts BreakerCounts `json:"breaker_counts"`

	// IPv6Prefix is how many leading bits of an IPv6 address are one client to
	// every limit by address. Providers hand out whole networks, mostly of 64
	// bits, and whoever has one can send each request from another address of
	// it. Link-local addresses count whole.
	IPv6Prefix int `json:"ipv6_prefix" check:"min=0,max=128" stricter:"lower"`

	// WeakKeys is what a key is that is too short for its algorithm: of RSA below
	// 2,048 bits, of HMAC shorter than the digest (RFC 7518, sections 3.2 and
	// 3.3). A warning uses it all the same; an error stops the start where a file
	// holds it, and verifies no token with it where it was downloaded.
	WeakKeys Verdict `json:"weak_keys" stricter:"higher"`

	// UnknownKeys is what an unknown key of a core object or of a component
	// that protects nothing is: a warning or an error.
	UnknownKeys Verdict `json:"unknown_keys" stricter:"higher"`

	// Mistakes is what something is that can be served and cannot be meant, such
	// as a placeholder that never has a value: a warning or an error. It never
	// makes a warning of what would leave a protection open.
	Mistakes Verdict `json:"mistakes" stricter:"higher"`

	// WeakTypes is what a value is that existing files hold and the schema does not
	// allow: a text for a number, one value for a list, another letter case, null,
	// a key that occurs twice or is missing: a warning or an error. It never makes
	// a warning of what would leave a protection open.
	WeakTypes Verdict `json:"weak_types" stricter:"higher"`

	// MaxHops is how many gateways a request may pass, this one included: it
	// counts them in the header Sluice-Hops, and one more is answered with 508, so
	// that a request which goes round in circles ends. -1 does not count.
	MaxHops int `json:"max_hops" check:"min=-1,max=1000" stricter:"lower"`
}

// Endpoint is one thing that clients can ask for.
type Endpoint struct {
	// Endpoint is the path, with {variables} and, at its end, a wildcard /*.
	Endpoint string `json:"endpoint" check:"required,wanted" example:"\"/users/{id}\""`

	// Method is the HTTP method: GET, POST, PUT, PATCH or DELETE.
	Method Method `json:"method"`

	// Backend lists the calls that make the answer.
	Backend []*Backend `json:"backend" check:"wanted" example:"[{\"url_pattern\": \"/users/{id}\", \"host\": [\"http://users:8000\"]}]"`

	// OutputEncoding is the encoding of the answer.
	OutputEncoding OutputEncoding `json:"output_encoding"`

	// Timeout is the time for the answer; 0s stands for that of the service.
	Timeout config.Duration `json:"timeout" stricter:"limit"`

	// CacheTTL is the max-age that complete answers announce in Cache-Control;
	// 0s stands for that of the service. They are public; behaviour.personal_cache says
	// what those are that may be for one client only.
	CacheTTL config.Duration `json:"cache_ttl"`

	// ConcurrentCalls is how many times each backend is called at once; the
	// first good answer wins. 0 stands for 1. A backend that takes its answer away,
	// such as a message of a queue, is called once.
	ConcurrentCalls int `json:"concurrent_calls" check:"min=0,max=100" example:"2"`

	// InputHeaders lists the request headers that backends may see; * is all. What
	// only proxies write, such as Forwarded and X-Forwarded-Proto, passes from
	// trusted proxies only, those of the namespace router. What is about the
	// connection of the client never passes, nor does Proxy, in which some services
	// find the address of a proxy of their own.
	InputHeaders []string `json:"input_headers" was:"headers_to_pass" example:"[\"Accept-Language\"]" guards:"list" stricter:"fewer"`

	// InputQueryStrings lists the query parameters that backends may see; * is
	// all.
	InputQueryStrings []string `json:"input_query_strings" was:"querystring_params" example:"[\"page\"]" guards:"list" stricter:"fewer"`

	// MaxBodyBytes limits the body of a request to this endpoint in the place of
	// the option of the service.
	MaxBodyBytes *config.Size `json:"max_body_bytes" check:"min=0" example:"\"1MB\"" guards:"key" stricter:"limit"`

	// MaxResponseBytes limits the answers that this endpoint holds in memory in the
	// place of the option of the service.
	MaxResponseBytes *config.Size `json:"max_response_bytes" check:"min=0" example:"\"64MiB\"" guards:"key" stricter:"limit"`

	// ExtraConfig holds the options of endpoint components, by namespace.
	ExtraConfig map[string]*config.Node `json:"extra_config" guards:"key"`

	Node *config.Node `json:"-"` // where the endpoint was declared
}

// Backend is one call.
type Backend struct {
	// URLPattern is the path and query to call, with {variables}. Parameters of the
	// client follow those of the query, but for names whose value here is of a token,
	// {JWT.claim}, however a service may spell them.
	URLPattern string `json:"url_pattern" check:"wanted" example:"\"/users/{id}\""`

	// Host lists the hosts to balance over, or with sd the name to look up. What a host
	// is depends on who calls it: [http://|https://]name[:port][/base], unless a
	// namespace of the backend calls it in another way. Where clients may open
	// WebSockets the schemes ws and wss stand for http and https.
	Host []string `json:"host" example:"[\"http://users-1:8000\", \"http://users-2:8000\"]"`

	// Method is the HTTP method; without it that of the endpoint.
	Method string `json:"method"`

	// Encoding is how the answer is decoded.
	Encoding Encoding `json:"encoding"`

	// IsCollection expects an array and puts it under the key collection.
	IsCollection bool `json:"is_collection"`

	// Target replaces the answer by the object at this path: names with dots
	// between them, where \. is a dot that belongs to a name. Other notations, and
	// wildcards, have no meaning in paths and are reported; a backslash in front of
	// a sign or a blank makes it a part of a name: \$, \*, \/, \[.
	Target string `json:"target" example:"\"data\"" stricter:"there"`

	// Allow keeps only these paths, which are written like target and begin within it.
	Allow []string `json:"allow" was:"whitelist" example:"[\"name\", \"address.city\"]" guards:"list" stricter:"only"`

	// Deny removes these paths, which are written like target and begin within it; it
	// counts only without allow. The names are those that the service uses, before
	// mapping and group. A path that can remove nothing stops the start.
	Deny []string `json:"deny" was:"blacklist" example:"[\"password\"]" guards:"list" stricter:"more"`

	// Mapping renames first-level members, from old name to new name.
	Mapping map[string]string `json:"mapping" example:"{\"blog\": \"website\"}"`

	// Group puts the answer under this key.
	Group string `json:"group" example:"\"profile\""`

	// SD is how hosts that are called by HTTP are found: static, dns (SRV records) or
	// dns-shared (the same, with one look-up for all backends of a name).
	SD Discovery `json:"sd"`

	// SDScheme is the scheme of discovered hosts; empty stands for http.
	SDScheme Scheme `json:"sd_scheme"`

	// Balance is how one of several hosts is chosen that are called by HTTP: round-robin,
	// one after the other, which is the default, or random.
	Balance Balance `json:"balance"`

	// DisableHostSanitize takes hosts that are called by HTTP as they are written, and
	// others too where they are made of values of the request.
	DisableHostSanitize bool `json:"disable_host_sanitize"`

	// InputHeaders filters the headers of the endpoint once more; absent or []
	// passes all of them, [""] none.
	InputHeaders []string `json:"input_headers" was:"headers_to_pass" guards:"list" stricter:"only"`

	// InputQueryStrings filters the query parameters of the endpoint once
	// more; absent or [] passes all of them, [""] none.
	InputQueryStrings []string `json:"input_query_strings" was:"querystring_params" guards:"list" stricter:"only"`

	// MaxResponseBytes limits the answer of this backend, if it is held in memory,
	// in the place of the option of the endpoint.
	MaxResponseBytes *config.Size `json:"max_response_bytes" check:"min=0" example:"\"64MiB\"" guards:"key" stricter:"limit"`

	// ExtraConfig holds the options of backend components, by namespace.
	ExtraConfig map[string]*config.Node `json:"extra_config" guards:"key"`

	Node *config.Node `json:"-"` // where the backend was declared
}

// Agent takes messages from a broker and makes calls for each, as an endpoint does for a
// request. A namespace of its extra_config says which broker that is.
type Agent struct {
	// Name is that of the agent in logs, at the health paths and in explain. No two have
	// the same.
	Name string `json:"name" check:"required,nonempty" example:"\"orders\""`

	// Connection says how the connection to the broker is kept up.
	Connection AgentConnection `json:"connection"`

	// Consumer says what is taken, and how fast.
	Consumer AgentConsumer `json:"consumer" check:"required" example:"{\"topic\": \"orders.*\"}"`

	// Encoding is how the answers of backends are decoded that do not say so themselves.
	// With no-op nothing is decoded, and a message has one backend.
	Encoding Encoding `json:"encoding"`

	// Backend lists the calls that are made for each message, whose body is that of the
	// request. A backend without a method is called by GET, of which most services read no
	// body.
	Backend []*Backend `json:"backend" check:"required,nonempty"`

	// ExtraConfig holds the namespace that leads to the broker, and what is done around
	// the calls.
	ExtraConfig map[string]*config.Node `json:"extra_config" check:"required" guards:"key" example:"{\"async/amqp\": {\"host\": \"amqp://queue.internal:5672/\", \"exchange\": \"shop\", \"name\": \"orders\"}}"`

	Node *config.Node `json:"-"` // where the agent was declared
}

// AgentConnection is how a connection to a broker is kept up.
type AgentConnection struct {
	// MaxRetries is how many attempts to connect may follow one that has failed; 0 and less
	// is no end. After the last one the agent has failed, and the gateway is not ready: it
	// tries once a minute and at a reload then.
	MaxRetries int `json:"max_retries"`

	// BackoffStrategy is how the pauses between attempts grow: by a second (linear), to
	// the double (exponential), with a third more or less (-jitter), or not at all
	// (fallback, a second). No pause is longer than a minute.
	BackoffStrategy Backoff `json:"backoff_strategy"`

	// HealthInterval is how often the agent looks whether its connection is there, which
	// the health path tells the time of; 1s at least.
	HealthInterval config.Duration `json:"health_interval"`
}

// AgentConsumer is what an agent takes, and how fast.
type AgentConsumer struct {
	// Topic is what is taken, as the broker has it: a binding key such as orders.*, or the
	// name of a topic.
	Topic string `json:"topic" check:"required,nonempty" example:"\"orders.*\""`

	// Workers is how many messages are worked on at once, 1 at least.
	Workers int `json:"workers" check:"max=10000"`

	// Timeout is the time for all that is done for a message; 0s stands for that of the
	// service.
	Timeout config.Duration `json:"timeout" stricter:"limit"`

	// MaxRate is how many messages a second all workers together begin with, on average:
	// as many at once, and 1 at least, if there were none for a while. 0 and less is no
	// limit.
	MaxRate float64 `json:"max_rate"`
}

// Plugin names native plugins.
type Plugin struct {
	// Folder is where the plugins are.
	Folder string `json:"folder" check:"wanted" example:"\"/opt/plugins\""`

	// Pattern is the ending of their names.
	Pattern string `json:"pattern" check:"wanted" example:"\".so\""`
}

// ServerTLS configures TLS towards clients.
type ServerTLS struct {
	// Disabled serves plain HTTP all the same.
	Disabled bool `json:"disabled" guards:"beside" stricter:"false"`

	// Keys lists certificates with their keys; the name that the client asks
	// for chooses, the first is the fallback.
	Keys []KeyPair `json:"keys" guards:"beside"`

	// PublicKey is the file of one more certificate, PEM.
	PublicKey string `json:"public_key" secret:"false"`

	// PrivateKey is the file of the key of public_key, PEM.
	PrivateKey string `json:"private_key" secret:"false"`

	TLSLimits

	// PreferServerCipherSuites has no effect.
	PreferServerCipherSuites bool `json:"prefer_server_cipher_suites" check:"idle"`

	// EnableMTLS demands a certificate of every client.
	EnableMTLS bool `json:"enable_mtls" stricter:"true"`

	// CACerts lists files of authorities that vouch for clients, PEM.
	CACerts []string `json:"ca_certs" stricter:"fewer"`

	// DisableSystemCAPool trusts ca_certs only.
	DisableSystemCAPool bool `json:"disable_system_ca_pool" stricter:"true"`
}

// Files lists the files of certificates, keys and authorities.
func (t *ServerTLS) Files() []string {
	files := slices.Clone(t.CACerts)
	for _, pair := range t.Keys {
		files = append(files, pair.PublicKey, pair.PrivateKey)
	}
	if t.PublicKey != "" {
		files = append(files, t.PublicKey, t.PrivateKey)
	}
	return files
}

// KeyPair is a certificate with its key.
type KeyPair struct {
	// PublicKey is the file of the certificate chain, PEM.
	PublicKey string `json:"public_key" check:"required" secret:"false"`

	// PrivateKey is the file of the key, PEM.
	PrivateKey string `json:"private_key" check:"required" secret:"false"`
}

// ClientTLS configures TLS towards backends.
type ClientTLS struct {
	// AllowInsecureConnections accepts any certificate. For development only.
	AllowInsecureConnections bool `json:"allow_insecure_connections" stricter:"false"`

	// CACerts lists files of authorities that vouch for backends, PEM.
	CACerts []string `json:"ca_certs" stricter:"fewer"`

	// DisableSystemCAPool trusts ca_certs only.
	DisableSystemCAPool bool `json:"disable_system_ca_pool" stricter:"true"`

	TLSLimits

	// ClientCerts lists the certificates that the gateway shows to backends.
	ClientCerts []ClientCert `json:"client_certs"`
}

// Files lists the files of authorities, certificates and keys.
func (t *ClientTLS) Files() []string {
	files := slices.Clone(t.CACerts)
	for _, c := range t.ClientCerts {
		files = append(files, c.Certificate, c.PrivateKey)
	}
	return files
}

// ClientCert is a certificate that the gateway shows.
type ClientCert struct {
	// Certificate is the file of the certificate chain, PEM.
	Certificate string `json:"certificate" check:"required"`

	// PrivateKey is the file of the key, PEM.
	PrivateKey string `json:"private_key" check:"required" secret:"false"`
}

// TLSLimits bounds what is negotiated.
type TLSLimits struct {
	SkipFiles bool `json:"-"` // the files of keys, certificates and authorities are not read

	// MinVersion is the oldest version; empty stands for TLS13.
	MinVersion TLSVersion `json:"min_version" stricter:"higher"`

	// MaxVersion is the newest version; empty stands for TLS13.
	MaxVersion TLSVersion `json:"max_version"`

	// CipherSuites lists the suites of TLS 1.2 and older, by number.
	CipherSuites []uint16 `json:"cipher_suites"`

	// CurvePreferences lists the curves: 23 is P-256, 24 is P-384, 25 is P-521.
	CurvePreferences []uint16 `json:"curve_preferences"`
}

// Defaults are the limits that protect a gateway that sets none: a client may
// not hold a connection for ever without sending a header, and idle
// connections end. An explicit "0s" lifts them.
func (Service) Defaults() Service {
	const second = config.Duration(1e9)
	return Service{
		Server:    Server{ReadHeaderTimeout: 10 * second, StallTimeout: 60 * second, IdleTimeout: 120 * second},
		Transport: Transport{IdleConnectionTimeout: 90 * second},

		ServiceTimeout: 30 * second,
	}
}

// Validate reports an address that is none and a version that is not ours.
func (s Service) Validate() error {
	if s.Version != 3 {
		written := s.Node.GetFold("version")
		if s.Node != nil && (written == nil || written.Kind == config.Null) {
			return config.At("version", config.Coded(config.CodeRequired, `unsupported version: there is none (want: 3); add "version": 3`))
		}
		return config.At("version", config.Coded(config.CodeUnknownValue, `unsupported version: %d (want: 3); write "version": 3 and the keys of that version`, s.Version))
	}
	if s.ListenIP != "" {
		if _, err := netip.ParseAddr(s.ListenIP); err != nil {
			return config.At("listen_ip", fmt.Errorf("invalid ip address %s; write an IPv4 or IPv6 address without a port", s.ListenIP))
		}
	}
	return nil
}

// Dialect names a set of defaults.
type Dialect string

// The dialects.
const (
	KrakenD Dialect = "krakend"
	Sluice  Dialect = "sluice"
)

// Answered reports whether an answer of a backend with this status is decoded.
func (b *Behaviour) Answered(status int) bool {
	return status == 200 || status == 201 || b.DecodedStatuses == "success" && status >= 200 && status < 300
}

// Enum lists the values.
func (Dialect) Enum() []string { return []string{"krakend", "sluice"} }

// Engine names an HTTP engine.
type Engine string

// Enum lists the values.
func (Engine) Enum() []string { return []string{"auto", "fast", "nethttp"} }

// ErrorStatus is how the status of a failed answer is chosen.
type ErrorStatus string

// Enum lists the values.
func (ErrorStatus) Enum() []string { return []string{"500", "by_cause"} }

// ErrorBody is the form of error bodies.
type ErrorBody string

// Enum lists the values.
func (ErrorBody) Enum() []string { return []string{"plain", "problem"} }

// DecodedStatuses is which statuses of a backend are an answer.
type DecodedStatuses string

// Enum lists the values.
func (DecodedStatuses) Enum() []string { return []string{"ok", "success"} }

// MissingContentType is whether the type of an answer is guessed.
type MissingContentType string

// Enum lists the values.
func (MissingContentType) Enum() []string { return []string{"guess", "none"} }

// PersonalCache is who may keep the answers for one client.
type PersonalCache string

// Enum lists the values.
func (PersonalCache) Enum() []string { return []string{"public", "private"} }

// RedirectCredentials is how far credentials follow a redirect.
type RedirectCredentials string

// Enum lists the values.
func (RedirectCredentials) Enum() []string { return []string{"host", "origin"} }

// BreakerThreshold is when a breaker opens.
type BreakerThreshold string

// Enum lists the values.
func (BreakerThreshold) Enum() []string { return []string{"more_than", "at"} }

// BreakerCounts is which failures open a breaker.
type BreakerCounts string

// Enum lists the values.
func (BreakerCounts) Enum() []string { return []string{"all", "calls"} }

// Verdict is how something is taken that can be served and should not be written.
type Verdict string

// Enum lists the values.
func (Verdict) Enum() []string { return []string{"warning", "error"} }

// Backoff is how the pauses between attempts to connect grow; letter case is ignored.
type Backoff string

// Enum lists the values.
func (Backoff) Enum() []string {
	return []string{"linear", "linear-jitter", "exponential", "exponential-jitter", "fallback"}
}

// Fold brings a value to the spelling of Enum.
func (Backoff) Fold(s string) string { return strings.ToLower(s) }

// Method is a method of an endpoint; letter case is ignored.
type Method string

// Enum lists the values.
func (Method) Enum() []string { return []string{"GET", "POST", "PUT", "PATCH", "DELETE"} }

// Fold brings a value to the spelling of Enum.
func (Method) Fold(s string) string { return strings.ToUpper(s) }

// Hint says what serves the methods that have no endpoints.
func (Method) Hint(s string) string {
	switch strings.ToUpper(s) {
	case "HEAD":
		return `HEAD is served wherever GET is, write "GET"`
	case "OPTIONS":
		return "OPTIONS is answered by the gateway itself, with auto_options or by CORS"
	}
	return ""
}

// OutputEncoding is an encoding of answers.
type OutputEncoding string

// Enum lists the values.
func (OutputEncoding) Enum() []string {
	return []string{"json", "fast-json", "json-collection", "yaml", "xml", "negotiate", "string", "no-op"}
}

// Encoding is how the answer of a backend is decoded; letter case is ignored.
type Encoding string

// Enum lists the values.
func (Encoding) Enum() []string {
	return []string{"json", "safejson", "fast-json", "xml", "rss", "string", "yaml", "no-op"}
}

// Fold brings a value to the spelling of Enum.
func (Encoding) Fold(s string) string { return strings.ToLower(s) }

// Discovery is how the hosts of a backend are found.
type Discovery string

// Enum lists the values.
func (Discovery) Enum() []string { return []string{"static", "dns", "dns-shared"} }

// Scheme is the scheme of a host.
type Scheme string

// Enum lists the values.
func (Scheme) Enum() []string { return []string{"http", "https"} }

// Balance is how one of several hosts is chosen.
type Balance string

// Enum lists the values.
func (Balance) Enum() []string { return []string{"round-robin", "random"} }

// TLSVersion is a version of TLS.
type TLSVersion string

// Enum lists the values.
func (TLSVersion) Enum() []string { return []string{"SSL3.0", "TLS10", "TLS11", "TLS12", "TLS13"} }
