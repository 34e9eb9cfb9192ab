package router

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

// Options configures router.
type Options struct {
	// ReturnErrorMsg writes the text of an error as the body of failed answers.
	// The texts name no host and no address.
	ReturnErrorMsg bool `json:"return_error_msg" stricter:"false"`

	// ErrorBody replaces the plain text of answers that reach no endpoint.
	ErrorBody ErrorBody `json:"error_body"`

	// AutoOptions answers OPTIONS on every declared path with 200, an empty
	// body and the declared methods in Allow. HEAD is among them where GET is,
	// and other spellings of a path are redirected as for any method.
	AutoOptions bool `json:"auto_options"`

	// DisableHandleMethodNotAllowed answers 404 instead of 405 when a path is
	// declared with other methods.
	DisableHandleMethodNotAllowed bool `json:"disable_handle_method_not_allowed"`

	// DisableRedirectTrailingSlash stops redirects to the same path with or
	// without a slash at its end. It works only together with
	// disable_redirect_fixed_path.
	DisableRedirectTrailingSlash bool `json:"disable_redirect_trailing_slash"`

	// DisableRedirectFixedPath stops redirects from paths with double slashes,
	// dot segments or another letter case to the declared path.
	DisableRedirectFixedPath bool `json:"disable_redirect_fixed_path"`

	// RemoveExtraSlash serves a path with double slashes as if they were
	// single, without a redirect.
	RemoveExtraSlash bool `json:"remove_extra_slash"`

	// DisablePathDecoding turns off the check that refuses path parameters
	// which still hold an escape sequence, "?" or "#" once they are decoded.
	DisablePathDecoding bool `json:"disable_path_decoding" stricter:"false"`

	// DisableHealth removes the health endpoint.
	DisableHealth bool `json:"disable_health"`

	// HealthPath is the path of the health endpoint.
	HealthPath string `json:"health_path"`

	// HideVersionHeader keeps the version out of the product header.
	HideVersionHeader bool `json:"hide_version_header" stricter:"true"`

	// DisableAccessLog turns the access log off.
	DisableAccessLog bool `json:"disable_access_log" stricter:"false"`

	// LoggerSkipPaths lists paths, as they are routed and without query, that the
	// access log leaves out. What is not routed counts as clients send it.
	LoggerSkipPaths []string `json:"logger_skip_paths"`

	// ForwardedByClientIP takes the address of the client from the headers of
	// remote_ip_headers when the peer is a trusted proxy. false always takes
	// the address of the peer.
	ForwardedByClientIP bool `json:"forwarded_by_client_ip" guards:"option" stricter:"false"`

	// TrustedProxies lists the addresses and networks (CIDR) whose forwarding
	// headers are believed and may be passed on to backends. Absent, the private, loopback and link-local ranges
	// are trusted; an empty list trusts nobody.
	TrustedProxies []string `json:"trusted_proxies" guards:"option" stricter:"fewer"`

	// RemoteIPHeaders lists the headers that carry the address of the client,
	// in the order in which they are asked. Absent, they are X-Forwarded-For
	// and X-Real-Ip; an empty list asks none.
	RemoteIPHeaders []string `json:"remote_ip_headers" guards:"option" stricter:"fewer"`

	// AppEngine takes the address of the client from the header
	// X-Appengine-Remote-Addr, which is only safe behind Google App Engine.
	AppEngine bool `json:"app_engine" stricter:"false"`

	// ForwardTrace sends the header traceparent (W3C Trace Context) to backends:
	// with the trace of the client, or a new one if it sends none that is valid,
	// and a parent of its own for each call. Tracestate goes along with the trace
	// of a client.
	ForwardTrace bool `json:"forward_trace"`

	// MaxMultipartMemory has no effect: the gateway parses no forms.
	MaxMultipartMemory int64 `json:"max_multipart_memory" check:"idle"`

	// MaxPayload limits the body of a request, in bytes; 0 is no limit. A
	// larger one is answered with 413. The option of the same name in the
	// namespace proxy of an endpoint takes its place there.
	MaxPayload config.Size `json:"max_payload" guards:"key" stricter:"limit"`

	// DecompressGzip unpacks request bodies that come with Content-Encoding:
	// gzip before they are used, unless it is 0 or false. Together with
	// max_payload it is safe against bodies that unpack to gigabytes.
	DecompressGzip Switch `json:"decompress_gzip"`

	// DisableGzip keeps answers uncompressed. They always are: the gateway does
	// not compress towards clients, so only true says what happens.
	DisableGzip *bool `json:"disable_gzip"`

	// UseH2C is the old place of use_h2c at the root of the configuration.
	UseH2C bool `json:"use_h2c" check:"deprecated"`
}

// ErrorBody holds the bodies of answers that reach no endpoint.
type ErrorBody struct {
	// NotFound is the JSON object that a path without endpoint answers with.
	NotFound *config.Node `json:"404" check:"object"`

	// MethodNotAllowed is the JSON object that a path answers with when it has
	// no endpoint of the method.
	MethodNotAllowed *config.Node `json:"405" check:"object"`
}

// Switch is on or off, written as a boolean or as a number that is not 0.
type Switch bool

// UnmarshalNode reads a boolean or a whole number.
func (s *Switch) UnmarshalNode(n *config.Node) error {
	switch {
	case n.Kind == config.Bool:
		*s = n.Text == "true"
	case n.Kind == config.Number && !strings.ContainsAny(n.Text, ".eE-"):
		*s = n.Text != "0"
	default:
		return fmt.Errorf("must be a boolean or a whole number, got %s; write true or 1 to unpack", n.Kind)
	}
	return nil
}

// JSONSchema is the JSON Schema of what UnmarshalNode takes.
func (Switch) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"boolean", "integer"}, "minimum": 0}
}

// NodeKinds are the kinds that UnmarshalNode takes.
func (Switch) NodeKinds() []config.Kind { return []config.Kind{config.Bool, config.Number} }

// Defaults believes the headers of proxies that are trusted.
func (Options) Defaults() Options {
	return Options{ForwardedByClientIP: true}
}

// StandsFor returns what holds without a key; see [config.StandsFor].
func (o Options) StandsFor(key string) any {
	switch {
	case key == "trusted_proxies" && o.TrustedProxies == nil:
		return routing.DefaultTrusted()
	case key == "remote_ip_headers" && o.RemoteIPHeaders == nil:
		return []string{"X-Forwarded-For", "X-Real-Ip"}
	}
	return nil
}

// Validate reports proxies, headers, paths and bodies that cannot be used.
func (o Options) Validate() error {
	var errs []error
	at := func(path string, err error) { errs = append(errs, config.At(path, err)) }
	for i, entry := range o.TrustedProxies {
		if _, err := parseProxy(entry); err != nil {
			at(fmt.Sprintf("trusted_proxies[%d]", i), err)
		}
	}
	for i, name := range o.RemoteIPHeaders {
		if !gateway.Token(name) {
			at(fmt.Sprintf("remote_ip_headers[%d]", i), fmt.Errorf("%q is not the name of a header; write one such as X-Forwarded-For", name))
		}
	}
	if p := o.HealthPath; p != "" && (p[0] != '/' || strings.ContainsAny(p, "?#{}*")) {
		at("health_path", fmt.Errorf("%q is not a plain path; write one that begins with a slash, such as /healthz", p))
	}
	for _, b := range o.ErrorBody.list() {
		if b.node != nil && b.node.Kind != config.Object {
			at("error_body."+b.key, fmt.Errorf(`must be an object, got %s; write one such as {"error": "not found"}`, b.node.Kind))
		}
	}
	if o.MaxMultipartMemory < 0 {
		at("max_multipart_memory", errors.New("must be 0 or more"))
	}
	return errors.Join(errs...)
}

type errorBody struct {
	status int
	key    string
	node   *config.Node
}

func (e ErrorBody) list() []errorBody {
	return []errorBody{{404, "404", e.NotFound}, {405, "405", e.MethodNotAllowed}}
}

// parseProxy reads an address or a network. IPv4 written as IPv6 counts as
// IPv4, because that is how peers are compared.
func parseProxy(entry string) (netip.Prefix, error) {
	invalid := fmt.Errorf("%q is neither an address nor a network; write one such as 10.0.0.7 or 10.0.0.0/8", entry)
	if !strings.Contains(entry, "/") {
		a, err := netip.ParseAddr(entry)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, invalid
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, invalid
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
