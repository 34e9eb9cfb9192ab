package audit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/report"
)

// Rules are all rules, by their ids.
var Rules = []Rule{
	// Who may ask.
	{ID: "1.1.1", Severity: High, Message: "Basic authentication is in use: clients send their password with each request",
		Remedy: "issue tokens and check them with auth/validator", find: basicAuth},
	{ID: "1.1.2", Severity: Medium, Message: "API keys are in use: a key that leaks is valid until somebody revokes it",
		Remedy: "issue tokens that expire and check them with auth/validator", find: anywhere("auth/api-keys")},
	{ID: "1.2.1", Severity: High, Message: "no endpoint checks a token (JWT)",
		Remedy: "add auth/validator with the jwk_url of the identity provider to the extra_config of each endpoint that is not for everybody",
		cover:  &cover{units: "endpoints", thing: "validator", of: endpoints("auth/validator")}},

	// What is open at the service.
	{ID: "2.1.1", Severity: High, Message: "connections to others are made without verifying who answers",
		Remedy: "remove the key, and name the authority of the certificate in ca_certs of client_tls, or in jwk_local_ca for key sets", find: insecure},
	{ID: "2.1.2", Severity: High, Message: "clients are served without TLS",
		Remedy: "add tls with keys, or ignore this rule where a balancer in front ends TLS", find: noTLS},
	{ID: "2.1.3", Severity: Critical, Message: "TLS is configured and switched off",
		Remedy: `remove "disabled" from tls`, find: disabledTLS},
	{ID: "2.1.7", Severity: High, Message: "browsers are told no security headers",
		Remedy: "add security/http to the extra_config of the root, with what applies of sts_seconds, frame_deny, content_type_nosniff and content_security_policy",
		cover:  &cover{units: "endpoints", thing: "security headers", atRoot: true, of: endpoints("security/http")}},
	{ID: "2.1.8", Severity: High, Message: "HTTP/2 without encryption (h2c) is accepted",
		Remedy: "remove use_h2c and serve TLS, where HTTP/2 comes by itself", find: clearHTTP2},
	{ID: "2.1.9", Severity: Low, Message: "a backend is called without verifying its certificate",
		Remedy: "remove allow_insecure_connections, and name the authority in ca_certs of the same client_tls", find: insecureBackends},
	{ID: "2.2.1", Severity: Medium, Message: "answers tell the version of the gateway",
		Remedy: `set "hide_version_header": true in router, or "product_header": "-" in behaviour`, find: showsVersion},
	{ID: "2.2.2", Severity: High, Message: "CORS is not configured",
		Remedy: "add security/cors with the origins that may call to the extra_config of the root, or ignore this rule where no browser calls from another origin",
		cover:  &cover{units: "endpoints", thing: "CORS", atRoot: true, of: endpoints("security/cors")}},
	{ID: "2.2.3", Severity: High, Message: "all request headers are passed to backends",
		Remedy: "list in input_headers those that the backends need", find: stars("input_headers")},
	{ID: "2.2.4", Severity: High, Message: "all query parameters are passed to backends",
		Remedy: "list in input_query_strings those that the backends need", find: stars("input_query_strings")},
	{ID: "2.2.5", Severity: Low, Message: "the gRPC server has no services",
		Remedy: "list them in server.services of grpc, or remove server", find: emptyGRPC},
	{ID: "2.3.1", Severity: Medium, Message: "a cache has not both of its limits",
		Remedy: "set max_items and max_size of qos/http-cache", find: unboundedCaches},

	// Traffic.
	{ID: "3.1.1", Severity: Low, Message: "no bots are kept away",
		Remedy: "add security/bot-detector with deny or patterns to the extra_config of the root",
		cover:  &cover{units: "endpoints", thing: "bot detector", atRoot: true, of: endpoints("security/bot-detector")}},
	{ID: "3.1.2", Severity: High, Message: "nothing limits how much clients ask for",
		Remedy: "add qos/ratelimit/router with client_max_rate and strategy to endpoints, or a limit of the service",
		cover:  &cover{units: "endpoints", thing: "rate limit", of: rateLimits}},
	{ID: "3.1.3", Severity: High, Message: "no backend has a circuit breaker",
		Remedy: "add qos/circuit-breaker to the extra_config of each backend",
		cover:  &cover{units: "backends", thing: "circuit breaker", of: breakers}},
	{ID: "3.3.1", Severity: Low, Message: "a timeout is above 3 seconds",
		Remedy: "set it to 3s or less", find: timeouts(3*time.Second, 5*time.Second)},
	{ID: "3.3.2", Severity: Medium, Message: "a timeout is above 5 seconds",
		Remedy: "set it to 3s or less", find: timeouts(5*time.Second, 30*time.Second)},
	{ID: "3.3.3", Severity: High, Message: "a timeout is above 30 seconds",
		Remedy: "set it to 3s or less; what takes so long is better started by one request and asked for by another", find: timeouts(30*time.Second, time.Minute)},
	{ID: "3.3.4", Severity: Critical, Message: "a timeout is above a minute",
		Remedy: "set it to 3s or less; what takes so long is better started by one request and asked for by another", find: timeouts(time.Minute, math.MaxInt64)},

	// What operators see.
	{ID: "4.1.1", Severity: Medium, Message: "nothing collects metrics",
		Remedy: "add telemetry/opentelemetry with an exporter to the extra_config of the root", find: noMetrics},
	{ID: "4.1.2", Severity: Medium, Message: "the configuration has no name by which metrics could be told apart",
		Remedy: "set name at the root", find: noName},
	{ID: "4.1.3", Severity: High, Message: "several systems of telemetry do the same work for each request",
		Remedy: "keep telemetry/opentelemetry and remove the others", find: manySystems},
	{ID: "4.2.1", Severity: Medium, Message: "nothing collects traces",
		Remedy: "add telemetry/opentelemetry with an otlp exporter to the extra_config of the root", find: noTraces},
	{ID: "4.3.1", Severity: Medium, Message: "logging is not configured",
		Remedy: "add telemetry/logging with level and format to the extra_config of the root", find: noLogging},

	// Endpoints.
	{ID: "5.1.1", Severity: Low, Message: "paths with variables inside of a segment are allowed (disable_rest)",
		Remedy: "write variables as whole segments and remove disable_rest", find: rootSwitch("disable_rest", func(d *document) bool { return d.DisableRest })},
	{ID: "5.1.2", Severity: Low, Message: "the endpoint /__debug/ is served",
		Remedy: "remove debug_endpoint", find: rootSwitch("debug_endpoint", func(d *document) bool { return d.DebugEndpoint })},
	{ID: "5.1.3", Severity: Low, Message: "the endpoint /__echo/ is served",
		Remedy: "remove echo_endpoint", find: rootSwitch("echo_endpoint", func(d *document) bool { return d.EchoEndpoint })},
	{ID: "5.1.4", Severity: Low, Message: "an endpoint serves whatever begins with its path",
		Remedy: "write an endpoint for each path that is meant", find: paths(func(path string) bool { return strings.HasSuffix(path, "*") })},
	{ID: "5.1.5", Severity: Medium, Message: "/__catchall serves every path that has no endpoint",
		Remedy: "write an endpoint for each path that is meant", find: paths(func(path string) bool { return path == "/__catchall" })},
	{ID: "5.1.6", Severity: Medium, Message: "one request writes in several places, and nothing undoes the first write when the second fails",
		Remedy: "leave one write to the endpoint, or give the whole to a service that can undo it", find: manyWrites},
	{ID: "5.1.7", Severity: Medium, Message: "backends are called one after the other",
		Remedy: "call them beside each other, or let a service join what depends on each other", find: sequences},
	{ID: "5.2.1", Severity: Critical, Message: "an endpoint has no backend, so the gateway does not start",
		Remedy: "add an object with host and url_pattern to its backend", find: noBackends},
	{ID: "5.2.2", Severity: Low, Message: "every endpoint has one backend: nothing is joined for clients",
		Remedy: "let one endpoint answer what a client would ask several for", find: oneBackend},
	{ID: "5.2.3", Severity: Low, Message: "every endpoint passes answers on as they come (no-op), which ties clients to backends",
		Remedy: "let the gateway decode and shape the answers that clients rely on", find: allNoop},

	// Agents.
	{ID: "6.1.1", Severity: Low, Message: "ten or more agents start one after the other",
		Remedy: "remove sequential_start", find: slowStart},

	// What is outdated.
	{ID: "7.1.1", Severity: High, Message: "the plugin virtualhost is outdated",
		Remedy: "move it to server/virtualhost", find: plugins(inRoot, "plugin/http-server", "virtualhost")},
	{ID: "7.1.2", Severity: High, Message: "the plugin static-filesystem of the server is outdated",
		Remedy: "move it to server/static-filesystem", find: plugins(inRoot, "plugin/http-server", "static-filesystem")},
	{ID: "7.1.3", Severity: High, Message: "the plugin basic-auth is outdated",
		Remedy: "move it to auth/basic", find: plugins(inRoot, "plugin/http-server", "basic-auth")},
	{ID: "7.1.4", Severity: High, Message: "the plugin wildcard is outdated",
		Remedy: "write endpoints that end in /*", find: plugins(inRoot, "plugin/http-server", "wildcard")},
	{ID: "7.1.5", Severity: High, Message: "the plugin http-proxy is outdated",
		Remedy: "move it to proxy_address of backend/http/client", find: plugins(inAll, "plugin/http-client", "http-proxy")},
	{ID: "7.1.6", Severity: High, Message: "the plugin static-filesystem of a backend is outdated",
		Remedy: "move it to backend/static-filesystem", find: plugins(inAll, "plugin/http-client", "static-filesystem")},
	{ID: "7.1.7", Severity: High, Message: "the plugin no-redirect is outdated",
		Remedy: "move it to no_redirect of backend/http/client", find: plugins(inAll, "plugin/http-client", "no-redirect")},
	{ID: "7.1.8", Severity: High, Message: "the plugin content-replacer is outdated",
		Remedy: "move it to modifier/response-body", find: plugins(inAll, "plugin/req-resp-modifier", "content-replacer")},
	{ID: "7.1.9", Severity: High, Message: "the plugin response-schema-validator is outdated",
		Remedy: "move it to validation/response-json-schema", find: plugins(inAll, "plugin/req-resp-modifier", "response-schema-validator")},
	{ID: "7.2.1", Severity: High, Message: "telemetry/ganalytics is outdated, and sends nothing",
		Remedy: "move to telemetry/opentelemetry", find: anywhere("telemetry/ganalytics")},
	{ID: "7.2.2", Severity: High, Message: "telemetry/instana is outdated, and sends nothing",
		Remedy: "move to telemetry/opentelemetry", find: anywhere("telemetry/instana")},
	{ID: "7.2.3", Severity: High, Message: "telemetry/opencensus is outdated",
		Remedy: "move to telemetry/opentelemetry", find: anywhere("telemetry/opencensus")},
	{ID: "7.2.4", Severity: High, Message: "telemetry/influx is outdated",
		Remedy: "move to telemetry/opentelemetry", find: anywhere("telemetry/influx")},
	{ID: "7.3.1", Severity: Medium, Message: "the certificate of the server is written in an outdated way",
		Remedy: `write "keys": [{"public_key": ..., "private_key": ...}] in tls`, find: oldKeys},
}

// message returns what coverage says in words.
func (c *cover) message(without, of int) string {
	has := "have"
	if without == 1 {
		has = "has"
	}
	return fmt.Sprintf("%d of %d %s %s no %s", without, of, c.units, has, c.thing)
}

// anywhere fires where a namespace is written.
func anywhere(namespace string) func(*document) []report.Place {
	return func(d *document) []report.Place { return places(d.objects, namespace) }
}

// endpoints looks for a namespace that protects one endpoint, or at the root all of them.
// A validator at the root is a cache of keys, without an effect of its own.
func endpoints(namespace string) func(*document) (all, without []report.Place) {
	return func(d *document) (all, without []report.Place) {
		everywhere := d.root.has(namespace)
		return lacking(d.endpoints, func(o *object) bool { return everywhere || o.has(namespace) })
	}
}

func basicAuth(d *document) []report.Place {
	return append(places(d.objects, "auth/basic"), plugins(inRoot, "plugin/http-server", "basic-auth")(d)...)
}

// insecure fires at every switch that turns verification off, but for those of backends.
func insecure(d *document) []report.Place {
	found := switches(d.Node, "", "allow_insecure_connections")
	if n := d.Node.GetFold("client_tls"); n != nil {
		found = append(found, switches(n, "", "allow_insecure_connections")...)
	}
	for _, o := range d.objects {
		if o.backend != nil {
			continue
		}
		eachNamespace(o, func(n *config.Node) {
			found = append(found, switches(n, o.name, "disable_jwk_security", "insecure")...)
			found = append(found, clientTLS(n, o.name)...)
		})
	}
	return found
}

func insecureBackends(d *document) []report.Place {
	var found []report.Place
	for _, o := range d.backends {
		eachNamespace(o, func(n *config.Node) { found = append(found, clientTLS(n, o.name)...) })
	}
	return found
}

// eachNamespace calls visit for the options of every namespace of an object, but for those
// that hold objects of their own.
func eachNamespace(o *object, visit func(*config.Node)) {
	if extra := o.node.GetFold("extra_config"); extra != nil {
		for _, m := range extra.Members {
			if name := published.Current(m.Key); !m.Comment() && name != "workflow" && name != "proxy" {
				visit(m.Value)
			}
		}
	}
}

// switches returns the places of keys of an object that are switched on.
func switches(n *config.Node, name string, keys ...string) []report.Place {
	var found []report.Place
	for _, m := range n.Members {
		if slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, m.Key) }) && yes(m.Value) {
			found = append(found, report.At(m.Value, name))
		}
	}
	return found
}

// clientTLS returns the places, within options, of settings of TLS that verify nobody, and
// of exporters that use none.
func clientTLS(n *config.Node, name string) []report.Place {
	var found []report.Place
	for _, item := range n.Items {
		found = append(found, clientTLS(item, name)...)
	}
	for _, m := range n.Members {
		switch {
		case m.Comment():
		case m.Key == "client_tls" || m.Key == "tls":
			found = append(found, switches(m.Value, name, "allow_insecure_connections")...)
		case m.Key == "ocagent":
			found = append(found, switches(m.Value, name, "insecure")...)
		case m.Key != "extra_config":
			found = append(found, clientTLS(m.Value, name)...)
		}
	}
	return found
}

func noTLS(d *document) []report.Place {
	if t := d.TLS; t != nil && (t.Disabled || len(t.Keys) > 0 || t.PublicKey != "") {
		return nil
	}
	return []report.Place{d.root.key("tls")}
}

func disabledTLS(d *document) []report.Place {
	if d.TLS == nil || !d.TLS.Disabled {
		return nil
	}
	return []report.Place{report.At(d.Node.GetFold("tls").GetFold("disabled"), "")}
}

func clearHTTP2(d *document) []report.Place {
	var found []report.Place
	if d.UseH2C {
		found = append(found, d.root.key("use_h2c"))
	}
	for _, n := range d.root.all("router") {
		found = append(found, switches(n, "", "use_h2c")...)
	}
	return found
}

func showsVersion(d *document) []report.Place {
	if d.Behaviour.ProductHeader == "-" {
		return nil
	}
	place := d.extra()
	for _, n := range d.root.all("router") {
		if yes(n.Get("hide_version_header")) {
			return nil
		}
		if place = report.At(n, ""); n.Get("hide_version_header") != nil {
			place = report.At(n.Get("hide_version_header"), "")
		}
	}
	return []report.Place{place}
}

// stars fires where a list of what backends may see says all. That of a backend says no
// more than the list of its endpoint, so it counts where that says all, too, or is none.
func stars(key string) func(*document) []report.Place {
	return func(d *document) []report.Place {
		var found []report.Place
		star := func(o *object) (places []report.Place) {
			for _, item := range list(o.node.GetFold(key)) {
				if text(item) == "*" {
					places = append(places, report.At(item, o.name))
				}
			}
			return places
		}
		for _, p := range d.pipes {
			own := star(p)
			found = append(found, own...)
			if len(own) == 0 && (p.node.GetFold(key).Written() || p.outer == nil && !p.agent) {
				continue
			}
			for _, b := range p.backends {
				found = append(found, star(b)...)
			}
		}
		return found
	}
}

func emptyGRPC(d *document) []report.Place {
	var found []report.Place
	for _, n := range d.root.all("grpc") {
		if server := n.Get("server"); server.Written() && len(list(server.Get("services"))) == 0 {
			found = append(found, report.At(server, ""))
		}
	}
	return found
}

func unboundedCaches(d *document) []report.Place {
	var found []report.Place
	for _, b := range d.backends {
		for _, n := range b.all("qos/http-cache") {
			if !bounds(n.Get("max_items")) || !bounds(n.Get("max_size")) {
				found = append(found, report.At(n, b.name))
			}
		}
	}
	return found
}

// bounds reports whether a limit is one: a number, or a size such as 64MiB.
func bounds(n *config.Node) bool {
	if n == nil {
		return false
	}
	return positive(n) || n.Kind == config.String && strings.ContainsAny(n.Text, "123456789")
}

// rateLimits looks for a limit of the service, of an endpoint, or of all backends of one.
func rateLimits(d *document) (all, without []report.Place) {
	everywhere := d.root.has("qos/ratelimit/service", "qos/ratelimit/service/redis", "qos/ratelimit/tiered", "governance/quota") ||
		len(plugins(inRoot, "plugin/http-server", "redis-ratelimit")(d)) > 0
	return lacking(d.endpoints, func(o *object) bool {
		return everywhere ||
			o.has("qos/ratelimit/router", "qos/ratelimit/router/redis", "qos/ratelimit/tiered", "governance/quota") ||
			len(o.backends) > 0 && !slices.ContainsFunc(o.backends, func(b *object) bool {
				return !b.shadow() && !b.has("qos/ratelimit/proxy", "governance/quota")
			})
	})
}

// breakers looks for those of all backends that are called; one with a pipe of its own
// calls nobody itself.
func breakers(d *document) (all, without []report.Place) {
	calls := slices.DeleteFunc(slices.Clone(d.backends), func(b *object) bool { return len(b.inner) > 0 })
	return lacking(calls, func(b *object) bool { return b.has("qos/circuit-breaker", "qos/circuit-breaker/http") })
}

// timeouts fires for each timeout that is above one bound and not above the next: that of
// the service, and those that are written elsewhere.
func timeouts(above, to time.Duration) func(*document) []report.Place {
	return func(d *document) []report.Place {
		var found []report.Place
		judge := func(owner *config.Node, timeout config.Duration, name string) {
			n := owner.GetFold("timeout")
			if v := time.Duration(timeout); n.Written() && v > above && v <= to {
				found = append(found, report.At(n, name))
			}
		}
		judge(d.Node, d.Timeout, "")
		for _, p := range d.pipes {
			owner := p.node
			if p.agent {
				owner = owner.GetFold("consumer")
			}
			judge(owner, p.pipe.Timeout, p.name)
		}
		return found
	}
}

func noMetrics(d *document) []report.Place {
	for _, n := range d.root.all("telemetry/opentelemetry") {
		if exportsMetrics(n) {
			return nil
		}
	}
	for _, n := range d.root.all("telemetry/opencensus") {
		if exports(n, censusMetrics) {
			return nil
		}
	}
	if d.root.has("telemetry/metrics", "telemetry/newrelic") {
		return nil
	}
	return []report.Place{d.extra()}
}

func noTraces(d *document) []report.Place {
	for _, n := range d.root.all("telemetry/opentelemetry") {
		if exportsTraces(n) {
			return nil
		}
	}
	for _, n := range d.root.all("telemetry/opencensus") {
		if exports(n, censusTraces) && positive(n.Get("sample_rate")) {
			return nil
		}
	}
	if d.root.has("telemetry/newrelic") {
		return nil
	}
	return []report.Place{d.extra()}
}

func noName(d *document) []report.Place {
	for _, n := range d.root.all("telemetry/opentelemetry") {
		if text(n.Get("service_name")) != "" {
			return nil
		}
	}
	if d.Name != "" {
		return nil
	}
	return []report.Place{d.root.key("name")}
}

func manySystems(d *document) []report.Place {
	found := places([]*object{d.root}, "telemetry/opencensus", "telemetry/metrics", "telemetry/newrelic", "telemetry/ganalytics",
		"telemetry/instana", "telemetry/opentelemetry")
	if len(found) < 2 {
		return nil
	}
	return found
}

func noLogging(d *document) []report.Place {
	if d.root.has("telemetry/logging", "telemetry/gelf", "telemetry/logstash") {
		return nil
	}
	return []report.Place{d.extra()}
}

// rootSwitch fires where a key of the root is switched on.
func rootSwitch(key string, on func(*document) bool) func(*document) []report.Place {
	return func(d *document) []report.Place {
		if !on(d) {
			return nil
		}
		return []report.Place{d.root.key(key)}
	}
}

// paths fires at endpoints whose path is one of a kind.
func paths(is func(path string) bool) func(*document) []report.Place {
	return func(d *document) []report.Place {
		var found []report.Place
		for _, e := range d.endpoints {
			if is(e.pipe.Endpoint) {
				found = append(found, e.key("endpoint"))
			}
		}
		return found
	}
}

func manyWrites(d *document) []report.Place {
	var found []report.Place
	for _, p := range d.pipes {
		if writes := slices.DeleteFunc(slices.Clone(p.backends), func(b *object) bool { return !b.writes() }); len(writes) > 1 {
			found = append(found, placesOf(writes)...)
		}
	}
	return found
}

// writes reports whether a backend changes something, as far as one can know: its method
// says so, or what it is called by. Shadows are copies.
func (o *object) writes() bool {
	if o.shadow() {
		return false
	}
	for _, n := range o.all("backend/graphql") {
		if strings.EqualFold(text(n.Get("type")), "query") {
			return false
		}
	}
	return o.backend.Method != "GET" && o.backend.Method != "HEAD" ||
		len(o.all("backend/grpc", "backend/amqp/producer", "backend/pubsub/publisher", "backend/pubsub/publisher/kafka")) > 0
}

func sequences(d *document) []report.Place {
	var found []report.Place
	for _, p := range d.pipes {
		for _, n := range p.all("proxy") {
			found = append(found, switches(n, p.name, "sequential")...)
		}
	}
	return found
}

func noBackends(d *document) []report.Place {
	var found []report.Place
	for _, e := range d.endpoints {
		if len(e.backends) == 0 {
			found = append(found, e.key("backend"))
		}
	}
	return found
}

func oneBackend(d *document) []report.Place {
	joins := func(p *object) bool {
		answer := slices.DeleteFunc(slices.Clone(p.backends), (*object).shadow)
		return len(answer) > 1
	}
	for _, e := range d.endpoints {
		if joins(e) || slices.ContainsFunc(e.backends, func(b *object) bool { return slices.ContainsFunc(b.inner, joins) }) {
			return nil
		}
	}
	if len(d.endpoints) == 0 {
		return nil
	}
	return []report.Place{d.root.key("endpoints")}
}

func allNoop(d *document) []report.Place {
	if len(d.endpoints) == 0 || slices.ContainsFunc(d.endpoints, func(e *object) bool { return e.pipe.OutputEncoding != "no-op" }) {
		return nil
	}
	return []report.Place{d.root.key("output_encoding", "endpoints")}
}

func slowStart(d *document) []report.Place {
	if !d.SequentialStart || len(d.agents) < 10 {
		return nil
	}
	return []report.Place{d.root.key("sequential_start")}
}

// inRoot and inAll are the objects in which a plugin is looked for.
func inRoot(d *document) []*object { return []*object{d.root} }
func inAll(d *document) []*object  { return d.objects }

// plugins fires where a namespace asks for a plugin.
func plugins(in func(*document) []*object, namespace, plugin string) func(*document) []report.Place {
	return func(d *document) []report.Place {
		var found []report.Place
		for _, o := range in(d) {
			for _, n := range o.all(namespace) {
				for _, name := range list(n.Get("name")) {
					if text(name) == plugin {
						found = append(found, report.At(name, o.name))
					}
				}
			}
		}
		return found
	}
}

func oldKeys(d *document) []report.Place {
	var found []report.Place
	for _, key := range []string{"public_key", "private_key"} {
		if n := d.Node.GetFold("tls").GetFold(key); n.Written() && text(n) != "" {
			found = append(found, report.At(n, ""))
		}
	}
	return found
}
