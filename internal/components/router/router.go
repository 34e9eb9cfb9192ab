package router

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var info = component.Info{
	Namespace: "router",
	Aliases:   []string{"github.com/luraproject/lura/router/gin"},
	Summary:   "Sets how paths are matched, how failures look and whose word about client addresses is believed.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Trust,
}

func init() { component.Register(component.Service(info, build)) }

func build(s *component.ServiceSite, o Options) error {
	r := routing.Router{
		ErrorMessages:      o.ReturnErrorMsg,
		AutoOptions:        o.AutoOptions,
		NoMethodNotAllowed: o.DisableHandleMethodNotAllowed,
		NoTrailingSlash:    o.DisableRedirectTrailingSlash,
		NoFixedPath:        o.DisableRedirectFixedPath,
		RemoveExtraSlash:   o.RemoveExtraSlash,
		NoPathDecoding:     o.DisablePathDecoding,
		NoHealth:           o.DisableHealth,
		HealthPath:         o.HealthPath,
		HideVersion:        o.HideVersionHeader,
		SkipLogPaths:       o.LoggerSkipPaths,
		NoAccessLog:        o.DisableAccessLog,
		IgnoreForwarded:    !o.ForwardedByClientIP,
		AppEngine:          o.AppEngine,
		ForwardTrace:       o.ForwardTrace,
		MaxPayload:         int64(o.MaxPayload),
		DecompressGzip:     bool(o.DecompressGzip),
		UseH2C:             o.UseH2C,
	}
	for _, b := range o.ErrorBody.list() {
		if b.node == nil {
			continue
		}
		if r.ErrorBody == nil {
			r.ErrorBody = make(map[int][]byte)
		}
		r.ErrorBody[b.status] = b.node.JSON()
	}
	if o.TrustedProxies != nil {
		r.TrustedProxies = make([]netip.Prefix, len(o.TrustedProxies))
		for i, entry := range o.TrustedProxies {
			p, err := parseProxy(entry)
			if err != nil {
				return err
			}
			r.TrustedProxies[i] = p
		}
	}
	if o.RemoteIPHeaders != nil {
		r.RemoteHeaders = make([]string, len(o.RemoteIPHeaders))
		for i, name := range o.RemoteIPHeaders {
			r.RemoteHeaders[i] = gateway.Canonical(name)
		}
	}
	advise(s, o, r)
	return component.Provide(s, routing.Key, r)
}

// advise reports what is allowed and does less, or more, than it seems to.
func advise(s *component.ServiceSite, o Options, r routing.Router) {
	for i, p := range r.TrustedProxies {
		if p.Bits() == 0 {
			s.Warn(fmt.Sprintf("trusted_proxies[%d]", i), errors.New("trusts everybody: any client can choose its address"))
		}
	}
	if r.IgnoreForwarded && len(o.TrustedProxies)+len(o.RemoteIPHeaders) > 0 {
		s.Warn("forwarded_by_client_ip", errors.New("is false, so trusted_proxies and remote_ip_headers have no effect"))
	}
	if o.AppEngine {
		s.Warn("app_engine", errors.New("believes X-Appengine-Remote-Addr; use it behind Google App Engine only"))
	}
	if o.DisablePathDecoding {
		s.Warn("disable_path_decoding", errors.New("lets path parameters with escape sequences pass to backends"))
	}
	if o.DisableRedirectTrailingSlash && !o.DisableRedirectFixedPath {
		s.Warn("disable_redirect_trailing_slash", errors.New("has no effect without disable_redirect_fixed_path; set both"))
	}
	if o.DisableHealth && o.HealthPath != "" {
		s.Warn("health_path", errors.New("has no effect with disable_health"))
	}
	if o.DisableAccessLog && len(o.LoggerSkipPaths) > 0 {
		s.Warn("logger_skip_paths", errors.New("has no effect with disable_access_log"))
	}
	if bool(o.DecompressGzip) && o.MaxPayload == 0 && s.Service().MaxBodyBytes.Limit() == 0 {
		s.Warn("decompress_gzip", errors.New("unpacks without a limit; set max_payload as well"))
	}
	if o.DisableGzip != nil && !*o.DisableGzip {
		s.Warn("disable_gzip", errors.New("is false, and answers are not compressed all the same; compress in front of the gateway"))
	}
	if o.MaxMultipartMemory > 0 {
		s.Note("max_multipart_memory", errors.New("has no effect: the gateway parses no forms"))
	}
}
