package migrate

import (
	"slices"
	"strings"
	"sync"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/published"
)

// publishedKeys are the names of all keys that were ever published.
var publishedKeys = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool)
	for _, namespaces := range published.Scopes() {
		for _, n := range namespaces {
			for key := range n.Keys {
				all[key[strings.LastIndexAny(key, ".]")+1:]] = true
			}
		}
	}
	return all
})

// Predicates say where a row of the compatibility page is about something in a document, by
// the id of the row: what the words of the row alone cannot say.
var Predicates = map[string]func(*document) []*config.Node{
	"merging": func(d *document) (found []*config.Node) {
		for _, e := range d.endpoints {
			answers := 0
			for _, b := range e.Backend {
				if b != nil && !isTrue(b.Node, "proxy", "shadow") {
					answers++
				}
			}
			if answers > 1 {
				found = append(found, e.Node)
			}
		}
		return found
	},
	"mapping": func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if len(b.Mapping) > 1 {
				found = append(found, b.Node.GetFold("mapping"))
			}
		}
		return found
	},
	"how-many-calls-of-a-shadow-run-at-once": func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if isTrue(b.Node, "proxy", "shadow") {
				found = append(found, b.Node)
			}
		}
		return found
	},
	"placeholder-values":                               patterns("{"),
	"missing-respn-or-jwt":                             patterns("{resp", "{JWT."),
	"positions-in-respn-list-0-and-for-a-dot-in-a":     patterns("{resp"),
	"a-parameter-of-the-client-with-the-name-of-one":   patterns("={JWT."),
	"input-headers-x-for-a-header-that-comes-twice-or": patterns("{input_headers."),
	"a-limit-by-the-header-authorization-or-by-that":   limits("header", "authorization"),
	"host-as-the-key-of-a-limit-by-header":             limits("header", "host"),
	"the-header-that-strategy-ip-of-a-limit-reads-the": limits("ip", ""),
	"rate-limits": namespaces("qos/ratelimit/*"),
	"two-lines-of-a-header-that-names-a-client-to-a": func(d *document) []*config.Node {
		return append(d.options("auth/validator"), limits("header", "")(d)...)
	},
	"forwarded-x-real-ip-x-forwarded-proto-and-the":    passes("forwarded", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "x-forwarded-port"),
	"cf-connecting-ip-client-ip-x-ssl-client-verify-x": passes("*"),
	"balancing": func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if len(b.Host) > 1 {
				found = append(found, b.HostsFrom(d.Service).GetFold("host"))
			}
		}
		return slices.Compact(found)
	},
	"charsets-of-answers": func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if slices.Contains([]string{"xml", "rss", "string"}, string(b.Encoding)) {
				found = append(found, b.Node)
			}
		}
		return found
	},
	"token-without-exp": func(d *document) []*config.Node {
		return slices.DeleteFunc(d.options("auth/validator"), func(n *config.Node) bool {
			return n.Get("require_exp") != nil || n.Get("shared_cache_duration") != nil
		})
	},
	"key-ids-nobody-knows":                            namespaces("auth/validator"),
	"the-answer-of-a-publisher-to-kafka":              calls("kafka://"),
	"messages-to-nats":                                calls("nats://"),
	"nats-nats-rollup-nats-msg-id-of-clients-to-nats": calls("nats://"),
	"max-send-batch-size-of-gcppubsub":                calls("gcppubsub://"),
	"a-message-for-sqs-or-sns-without-a-body-or-for":  calls("awssqs://", "awssns://"),
	"a-message-that-was-published":                    namespaces("backend/pubsub/publisher", "backend/pubsub/publisher/kafka", "backend/amqp/producer"),
	"a-message-to-rabbitmq":                           publishes,
	"a-message-of-rabbitmq-that-is-larger-than-max":   rabbit,
	"a-message-that-is-larger-than-max-message-size":  publishes,
	"connecting-to-rabbitmq":                          rabbit,
	"a-message-with-mandatory-that-no-queue-gets-and": namespaces("backend/amqp/producer"),
	"names-of-parameters-in-routing-key-exp-key-and":  namespaces("backend/amqp/producer"),
	"reply-to-key-with-a-value-of-rabbitmq-s-own-amq": keyed("backend/amqp/producer", "reply_to_key"),
	"query-operationname-variables-extensions": func(d *document) (found []*config.Node) {
		for _, e := range d.endpoints {
			for _, b := range e.Backend {
				if b != nil && len(e.InputQueryStrings) > 0 {
					found = append(found, optionsOf(b.Node, "backend/graphql")...)
				}
			}
		}
		return found
	},
	"a-body-for-a-mutation-of-backend-graphql-that-is": func(d *document) []*config.Node {
		return slices.DeleteFunc(d.options("backend/graphql"), func(n *config.Node) bool {
			t := n.Get("type")
			return t == nil || !strings.EqualFold(t.Text, "mutation")
		})
	},
	"a-request-that-cannot-be-sent-to-a-function-a": func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			breaker := optionsOf(b.Node, "qos/circuit-breaker")
			for _, name := range []string{"backend/lambda", "backend/graphql", "backend/pubsub/publisher", "backend/amqp/producer"} {
				if len(optionsOf(b.Node, name)) > 0 {
					found = append(found, breaker...)
				}
			}
		}
		return found
	},
	"the-start-of-agents":                              agents,
	"an-agent-that-has-lost-its-broker-after-max":      agents,
	"a-message-of-an-agent-that-has-failed":            agents,
	"max-rate-of-an-agent":                             agents,
	"what-the-backends-of-an-agent-see-of-the-gateway": agents,
	"debug": func(d *document) []*config.Node {
		if !d.DebugEndpoint {
			return nil
		}
		return []*config.Node{d.root.GetFold("debug_endpoint")}
	},
	"files-that-the-configuration-names": func(d *document) []*config.Node {
		if d.TLS == nil {
			return d.options("auth/basic")
		}
		return []*config.Node{d.root.GetFold("tls")}
	},
}

// namespaces applies where one of some namespaces is written.
func namespaces(names ...string) func(*document) []*config.Node {
	return func(d *document) []*config.Node { return d.options(names...) }
}

// keyed applies where a key of a namespace is written.
func keyed(namespace, key string) func(*document) []*config.Node {
	return func(d *document) (found []*config.Node) {
		for _, n := range d.options(namespace) {
			if v := n.Get(key); v.Written() {
				found = append(found, v)
			}
		}
		return found
	}
}

// patterns applies to url_patterns that hold one of some texts.
func patterns(texts ...string) func(*document) []*config.Node {
	return func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(b.URLPattern, text) }) {
				found = append(found, b.Node.GetFold("url_pattern"))
			}
		}
		return found
	}
}

// limits applies to limits of clients by a strategy and a key; "" is any key that is written.
func limits(strategy, key string) func(*document) []*config.Node {
	return func(d *document) (found []*config.Node) {
		for _, n := range d.options("qos/ratelimit/*") {
			if s, k := n.Get("strategy"), n.Get("key"); s.Written() && k.Written() && strings.EqualFold(s.Text, strategy) && (key == "" || strings.EqualFold(k.Text, key)) {
				found = append(found, k)
			}
		}
		return found
	}
}

// passes applies to endpoints that let backends see one of some headers.
func passes(headers ...string) func(*document) []*config.Node {
	return func(d *document) (found []*config.Node) {
		for _, e := range d.endpoints {
			if slices.ContainsFunc(e.InputHeaders, func(h string) bool { return slices.Contains(headers, strings.ToLower(h)) }) {
				found = append(found, e.Node.GetFold("input_headers"))
			}
		}
		return found
	}
}

// calls applies to backends with a host of a scheme.
func calls(schemes ...string) func(*document) []*config.Node {
	return func(d *document) (found []*config.Node) {
		for _, b := range d.backends {
			if slices.ContainsFunc(b.Host, func(h string) bool {
				return slices.ContainsFunc(schemes, func(s string) bool { return strings.HasPrefix(h, s) })
			}) {
				found = append(found, b.Node)
			}
		}
		return found
	}
}

// rabbit applies to whatever talks to RabbitMQ.
func rabbit(d *document) []*config.Node {
	return append(d.options("backend/amqp/*", "async/amqp"), calls("rabbit://")(d)...)
}

// publishes applies to backends that send messages to RabbitMQ.
func publishes(d *document) []*config.Node {
	sends := calls("rabbit://")(d)
	return append(d.options("backend/amqp/producer"), slices.DeleteFunc(sends, func(b *config.Node) bool {
		return len(optionsOf(b, "backend/pubsub/publisher")) == 0
	})...)
}

// agents applies to agents.
func agents(d *document) (found []*config.Node) {
	for _, a := range d.AsyncAgent {
		if a != nil && a.Node != nil {
			found = append(found, a.Node)
		}
	}
	return found
}

// optionsOf returns the options of a namespace of an object.
func optionsOf(object *config.Node, namespace string) (found []*config.Node) {
	if extra := object.GetFold("extra_config"); extra != nil {
		for _, m := range extra.Members {
			if !m.Comment() && m.Value.Written() && published.Current(m.Key) == namespace {
				found = append(found, m.Value)
			}
		}
	}
	return found
}

// isTrue reports whether an option of a namespace of an object is switched on.
func isTrue(object *config.Node, namespace, key string) bool {
	return slices.ContainsFunc(optionsOf(object, namespace), func(n *config.Node) bool {
		v := n.Get(key)
		return v != nil && v.Text == "true"
	})
}
