package message

import (
	"slices"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// proxyFields are fields by which a proxy tells what the client asked it, besides
// those that begin with X-Forwarded: RFC 7239 and its forerunners.
var proxyFields = []string{
	"Forwarded", "Front-End-Https", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For",
	"X-Original-Host", "X-Original-Url", "X-Real-Ip", "X-Rewrite-Url", "X-Scheme", "X-Url-Scheme",
}

// vouchers are further fields that a proxy of a certain maker writes and services
// behind it believe: about the address of the client, its certificate, who has logged
// in. With * they pass from trusted proxies only; whoever names one means it. A hyphen at
// the end stands for all that begin so.
//
// Sources: RFC 9440; Cloudflare, "Cloudflare HTTP headers" and "Validate JWTs"; Fastly,
// "HTTP headers"; Akamai and Imperva on True-Client-IP and Incap-Client-IP; Amazon
// CloudFront, "Add CloudFront request headers", and Elastic Load Balancing, "Mutual TLS"
// and "Authenticate users"; Azure Front Door, "Protocol support for HTTP headers", and App
// Service, "Configure TLS mutual authentication" and "Work with user identities"; Google
// Cloud, "App Engine request headers", "Getting the user's identity" and "Mutual TLS
// custom headers"; Envoy, "HTTP header sanitizing"; ingress-nginx, "Client Certificate
// Authentication"; HAProxy, "Client certificates"; Oracle, "Web server plug-ins" of
// WebLogic; MS-ADFSPIP 2.2.1; oauth2-proxy, Authelia, authentik, Grafana and Kubernetes on
// authenticating proxies.
var vouchers = byLetter(
	// the address
	"Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Cf-Pseudo-Ipv4", "Client-Ip", "Cloudfront-Viewer-Address", "Fastly-Client-Ip",
	"Forwarded-For", "Forwarded-For-Ip", "Incap-Client-Ip", "Proxy-Client-Ip", "Remote-Addr", "Wl-Proxy-Client-Ip",
	"X-Appengine-Remote-Addr", "X-Appengine-User-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Envoy-External-Address",
	"X-Envoy-Internal", "X-Ms-Forwarded-Client-Ip", "X-Originating-Ip", "X-Proxyuser-Ip", "X-Remote-Addr", "X-Remote-Ip", "X-User-Ip",
	// what was asked, and how
	"Cf-Visitor", "Cloudfront-Forwarded-Proto", "Disguised-Host", "Fastly-Ssl", "Wl-Proxy-Ssl", "X-Appservice-Proto", "X-Arr-Ssl",
	"X-Envoy-Original-Host", "X-Envoy-Original-Path", "X-Host", "X-Http-Host-Override", "X-Original-Method", "X-Original-Uri",
	"X-Request-Uri", "X-Ssl",
	// the certificate
	"Client-Cert", "Client-Cert-Chain", "Ssl-Client-", "Wl-Proxy-Client-Cert", "X-Amzn-Mtls-", "X-Arr-Clientcert",
	"X-Client-Cert", "X-Client-Cert-", "X-Ssl-Client-", "X-Ssl-Issuer", "X-Tls-Client-",
	// who has logged in
	"Cf-Access-", "Remote-Email", "Remote-Groups", "Remote-Name", "Remote-User", "X-Amzn-Oidc-", "X-Auth-Request-", "X-Authentik-",
	"X-Goog-Authenticated-User-", "X-Goog-Iap-Jwt-Assertion", "X-Ms-Client-Principal", "X-Ms-Client-Principal-",
	"X-Remote-Extra-", "X-Remote-Group", "X-Remote-Uid", "X-Remote-User", "X-Webauth-",
)

// byLetter sorts names by their first letters.
func byLetter(names ...string) (sorted [26][]string) {
	for _, name := range names {
		sorted[name[0]-'A'] = append(sorted[name[0]-'A'], name)
	}
	return sorted
}

// ofProxies reports whether a field is for proxies to write: many services believe
// it about the client, its address, its scheme and what it asked for.
func ofProxies(name string) bool {
	switch name[0] {
	case 'X', 'F', 'T':
		const all = "X-Forwarded"
		return len(name) >= len(all) && gateway.Alike(name[:len(all)], all) || among(proxyFields, name)
	}
	return false
}

// vouches reports whether a field is among the vouchers.
func vouches(name string) bool {
	letter := name[0] - 'A'
	if int(letter) >= len(vouchers) || len(vouchers[letter]) == 0 {
		return false
	}
	plain := gateway.Plain(name)
	return slices.ContainsFunc(vouchers[letter], func(v string) bool {
		switch {
		case len(name) == len(v):
			return name == v || !plain && gateway.Alike(name, v)
		case len(name) < len(v) || v[len(v)-1] != '-':
			return false
		case plain:
			return name[:len(v)] == v
		}
		return gateway.Alike(name[:len(v)], v)
	})
}
