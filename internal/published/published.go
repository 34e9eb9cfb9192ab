package published

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:embed keys.json
var text []byte

// A Key is what was published about one key.
type Key struct {
	Since    string          `json:"since"`
	Until    string          `json:"until,omitempty"`
	Type     any             `json:"type,omitempty"` // a name or a list of names
	Enum     []any           `json:"enum,omitempty"`
	Default  json.RawMessage `json:"default,omitempty"`
	Required bool            `json:"required,omitempty"`
}

// A Namespace is what was published about one namespace in one scope. The core
// objects are the namespace "(core)".
type Namespace struct {
	Since string         `json:"since"`
	Until string         `json:"until,omitempty"`
	Keys  map[string]Key `json:"keys"`
}

// Core is the name of the core objects among the namespaces.
const Core = "(core)"

// Scopes returns the namespaces by scope: service, endpoint, backend,
// async_agent and workflow. The result is shared and read-only.
var Scopes = sync.OnceValue(func() map[string]map[string]Namespace {
	var file struct {
		Scopes map[string]map[string]Namespace `json:"scopes"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		panic("keys.json: " + err.Error()) // embedded; its test reads it
	}
	return file.Scopes
})

// Has reports whether a namespace was ever published for a scope, under this
// name or an older one.
func Has(scope, namespace string) bool {
	namespace = Current(namespace)
	all := Scopes()[scope]
	_, ok := all[namespace]
	if !ok { // the drivers of agents stand in their list
		_, ok = all[Core].Keys[`[].extra_config."`+namespace+`"`]
	}
	return ok && namespace != Core
}

// Names returns the names of a scope's namespaces, sorted.
func Names(scope string) []string {
	var names []string
	for name := range Scopes()[scope] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Namespaces returns the names of all namespaces, old ones too, each with its name
// of today. The result is shared and read-only.
var Namespaces = sync.OnceValue(func() map[string]string {
	all := make(map[string]string)
	for _, namespaces := range Scopes() {
		for name := range namespaces {
			if name != Core {
				all[name] = name
			}
		}
	}
	for old, name := range oldNames {
		all["github.com/"+old], all["github_com/"+old] = name, name
	}
	return all
})

// oldNames are the names that namespaces had before version 2, without the host
// in front: it was written github.com or github_com.
var oldNames = map[string]string{
	"devopsfaith/bloomfilter":                            "auth/revoker",
	"devopsfaith/krakend-amqp/agent":                     "async/amqp",
	"devopsfaith/krakend-amqp/consume":                   "backend/amqp/consumer",
	"devopsfaith/krakend-amqp/produce":                   "backend/amqp/producer",
	"devopsfaith/krakend-botdetector":                    "security/bot-detector",
	"devopsfaith/krakend-cel":                            "validation/cel",
	"devopsfaith/krakend-circuitbreaker/gobreaker":       "qos/circuit-breaker",
	"devopsfaith/krakend-cors":                           "security/cors",
	"devopsfaith/krakend-gelf":                           "telemetry/gelf",
	"devopsfaith/krakend-gologging":                      "telemetry/logging",
	"devopsfaith/krakend-httpcache":                      "qos/http-cache",
	"devopsfaith/krakend-httpsecure":                     "security/http",
	"devopsfaith/krakend-influx":                         "telemetry/influx",
	"devopsfaith/krakend-jose/signer":                    "auth/signer",
	"devopsfaith/krakend-jose/validator":                 "auth/validator",
	"devopsfaith/krakend-jsonschema":                     "validation/json-schema",
	"devopsfaith/krakend-lambda":                         "backend/lambda",
	"devopsfaith/krakend-logstash":                       "telemetry/logstash",
	"devopsfaith/krakend-lua/proxy":                      "modifier/lua-proxy",
	"devopsfaith/krakend-lua/proxy/backend":              "modifier/lua-backend",
	"devopsfaith/krakend-lua/router":                     "modifier/lua-endpoint",
	"devopsfaith/krakend-martian":                        "modifier/martian",
	"devopsfaith/krakend-metrics":                        "telemetry/metrics",
	"devopsfaith/krakend-oauth2-clientcredentials":       "auth/client-credentials",
	"devopsfaith/krakend-opencensus":                     "telemetry/opencensus",
	"devopsfaith/krakend-pubsub/publisher":               "backend/pubsub/publisher",
	"devopsfaith/krakend-pubsub/subscriber":              "backend/pubsub/subscriber",
	"devopsfaith/krakend-ratelimit/juju/proxy":           "qos/ratelimit/proxy",
	"devopsfaith/krakend-ratelimit/juju/router":          "qos/ratelimit/router",
	"devopsfaith/krakend/http":                           "backend/http",
	"devopsfaith/krakend/proxy":                          "proxy",
	"devopsfaith/krakend/proxy/plugin":                   "plugin/req-resp-modifier",
	"devopsfaith/krakend/transport/http/client/executor": "plugin/http-client",
	"devopsfaith/krakend/transport/http/client/graphql":  "backend/graphql",
	"devopsfaith/krakend/transport/http/server/handler":  "plugin/http-server",
	"letgoapp/krakend-influx":                            "telemetry/influx",
	"luraproject/lura/router/gin":                        "router",
}

// Current returns the name that a namespace has today.
func Current(name string) string {
	for _, host := range []string{"github.com/", "github_com/"} {
		if rest, found := strings.CutPrefix(name, host); found && oldNames[rest] != "" {
			return oldNames[rest]
		}
	}
	return name
}
