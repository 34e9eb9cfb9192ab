package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/published"
)

// effective reports whether the options of a namespace that should be there do something.
func effective(namespace string, n *config.Node) bool {
	if n.Kind != config.Object || yes(n.Get("disable")) || yes(n.Get("disabled")) || no(n.Get("enabled")) {
		return false
	}
	if effect := effects[namespace]; effect != nil {
		return effect(n)
	}
	return slices.ContainsFunc(n.Members, func(m config.Member) bool { return !m.Comment() && m.Value.Written() })
}

// effects say when options do something that needs more than being there.
var effects = map[string]func(*config.Node) bool{
	"auth/validator": func(n *config.Node) bool {
		return text(n.Get("jwk_url")) != "" || text(n.Get("jwk_local_path")) != ""
	},
	"security/bot-detector": func(n *config.Node) bool {
		return len(list(n.Get("deny"))) > 0 || len(list(n.Get("patterns"))) > 0 || yes(n.Get("empty_user_agent_is_bot"))
	},
	"security/cors":               cors,
	"security/http":               browserHeaders,
	"qos/ratelimit/router":        limits,
	"qos/ratelimit/router/redis":  limits,
	"qos/ratelimit/service":       limits,
	"qos/ratelimit/service/redis": limits,
	"qos/ratelimit/proxy":         limits,
	"qos/ratelimit/tiered":        tiers,
	"governance/quota":            func(n *config.Node) bool { return text(n.Get("quota_name")) != "" },
	"qos/circuit-breaker":         breaks,
	"qos/circuit-breaker/http":    breaks,
	"telemetry/metrics":           measures,
	"telemetry/newrelic":          func(n *config.Node) bool { return text(n.Get("license")) != "" },
	"telemetry/logging":           func(n *config.Node) bool { return yes(n.Get("stdout")) || yes(n.Get("syslog")) },
	"telemetry/logstash":          func(n *config.Node) bool { return yes(n.Get("enabled")) },
	"telemetry/gelf":              func(n *config.Node) bool { return text(n.Get("address")) != "" },
	"telemetry/opentelemetry":     func(n *config.Node) bool { return exportsMetrics(n) || exportsTraces(n) },
	"telemetry/opencensus":        func(n *config.Node) bool { return exports(n, censusMetrics) || exports(n, censusTraces) },
}

func limits(n *config.Node) bool {
	return positive(n.Get("max_rate")) || positive(n.Get("client_max_rate"))
}

func tiers(n *config.Node) bool {
	return slices.ContainsFunc(list(n.Get("tiers")), func(tier *config.Node) bool {
		return limits(tier.Get("ratelimit")) || limits(tier.Get("ratelimit_redis"))
	})
}

func breaks(n *config.Node) bool { return n.Get("max_errors").Written() }

// cors reports whether an origin is allowed; where the key is absent, every one is.
func cors(n *config.Node) bool {
	origins := n.Get("allow_origins")
	return !origins.Written() || len(list(origins)) > 0
}

// browserHeaders reports whether security/http tells browsers something, or looks at
// hosts and schemes, which it does not in development.
func browserHeaders(n *config.Node) bool {
	for _, key := range []string{"frame_deny", "content_type_nosniff", "browser_xss_filter"} {
		if yes(n.Get(key)) {
			return true
		}
	}
	for _, key := range []string{"custom_frame_options_value", "content_security_policy", "referrer_policy"} {
		if text(n.Get(key)) != "" {
			return true
		}
	}
	return !yes(n.Get("is_development")) &&
		(len(list(n.Get("allowed_hosts"))) > 0 || yes(n.Get("ssl_redirect")) || positive(n.Get("sts_seconds")))
}

// measures reports whether telemetry/metrics counts something, and shows it or leaves that
// to telemetry/influx.
func measures(n *config.Node) bool {
	if yes(n.Get("router_disabled")) && yes(n.Get("proxy_disabled")) && yes(n.Get("backend_disabled")) {
		return false
	}
	extra, _ := n.Owner()
	return !yes(n.Get("endpoint_disabled")) || extra != nil && slices.ContainsFunc(extra.Members, func(m config.Member) bool {
		return published.Current(m.Key) == "telemetry/influx" && m.Value.Written()
	})
}

// The exporters of telemetry/opencensus that somebody still receives something of.
var (
	censusMetrics = []string{"prometheus", "influxdb", "logger"}
	censusTraces  = []string{"zipkin", "jaeger", "xray", "logger"}
)

// exports reports whether options of telemetry/opencensus have one of some exporters.
func exports(n *config.Node, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		exporter := n.Get("exporters").Get(name)
		switch name {
		case "jaeger", "xray": // which nobody receives but by OTLP
			return text(exporter.Get("otlp_endpoint")) != ""
		}
		return exporter.Written()
	})
}

// exportsMetrics reports whether telemetry/opentelemetry has somewhere to send metrics to.
func exportsMetrics(n *config.Node) bool {
	layers := n.Get("layers")
	if yes(layers.Get("global").Get("disable_metrics")) && yes(layers.Get("proxy").Get("disable_metrics")) &&
		yes(layers.Get("backend").Get("metrics").Get("disable_stage")) {
		return false
	}
	sends := func(exporter *config.Node) bool {
		return exporter.Kind == config.Object && !yes(exporter.Get("disable_metrics"))
	}
	return slices.ContainsFunc(list(n.Get("exporters").Get("prometheus")), sends) ||
		slices.ContainsFunc(list(n.Get("exporters").Get("otlp")), sends)
}

// exportsTraces is the same for traces, a share of which must be sampled.
func exportsTraces(n *config.Node) bool {
	if rate := n.Get("trace_sample_rate"); rate.Written() && !positive(rate) {
		return false
	}
	layers := n.Get("layers")
	if yes(layers.Get("global").Get("disable_traces")) && yes(layers.Get("proxy").Get("disable_traces")) &&
		yes(layers.Get("backend").Get("traces").Get("disable_stage")) {
		return false
	}
	return slices.ContainsFunc(list(n.Get("exporters").Get("otlp")), func(exporter *config.Node) bool {
		return exporter.Kind == config.Object && !yes(exporter.Get("disable_traces"))
	})
}

// text returns the text of a value, "" if it is none.
func text(n *config.Node) string {
	if n == nil || n.Kind != config.String {
		return ""
	}
	return n.Text
}

// list returns the items of a list, or the value that stands for a list of itself.
func list(n *config.Node) []*config.Node {
	switch {
	case !n.Written():
		return nil
	case n.Kind == config.Array:
		return n.Items
	}
	return []*config.Node{n}
}

// yes reports whether a value is true, no whether it is false; the environment and weak
// files write both as texts.
func yes(n *config.Node) bool { return truth(n) == "true" }
func no(n *config.Node) bool  { return truth(n) == "false" }

func truth(n *config.Node) string {
	switch {
	case n == nil:
	case n.Kind == config.Bool:
		return n.Text
	case n.Kind == config.String:
		if b, err := strconv.ParseBool(n.Text); err == nil {
			return strconv.FormatBool(b)
		}
	}
	return ""
}

// positive reports whether a value is a number above 0. A reference that was not read
// (--skip-files) stands for one.
func positive(n *config.Node) bool {
	if n == nil || n.Kind != config.Number && n.Kind != config.String {
		return false
	}
	if strings.Contains(n.Text, "${") {
		return true
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	return err == nil && v > 0
}
