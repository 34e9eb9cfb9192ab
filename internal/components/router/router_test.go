package router

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// buildWith runs the component on options written as JSON and returns what it
// offers, and the problems as "severity path: text".
func buildWith(t *testing.T, options string) (routing.Router, []string) {
	t.Helper()
	s := sitetest.Service(t, "router", options)
	r, _ := component.Use(&s.Site, routing.Key)
	return r, sitetest.Problems(s)
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name    string
		options string
		want    routing.Router
	}{
		{"nothing", `{}`, routing.Router{}},
		{"error texts", `{"return_error_msg":true}`, routing.Router{ErrorMessages: true}},
		{"error bodies keep their text", `{"error_body":{"404":{"b":1.50,"a":"x"},"405":{}}}`,
			routing.Router{ErrorBody: map[int][]byte{404: []byte(`{"b":1.50,"a":"x"}`), 405: []byte(`{}`)}}},
		{"automatic OPTIONS", `{"auto_options":true}`, routing.Router{AutoOptions: true}},
		{"no 405", `{"disable_handle_method_not_allowed":true}`, routing.Router{NoMethodNotAllowed: true}},
		{"no redirects", `{"disable_redirect_trailing_slash":true,"disable_redirect_fixed_path":true}`,
			routing.Router{NoTrailingSlash: true, NoFixedPath: true}},
		{"extra slash", `{"remove_extra_slash":true}`, routing.Router{RemoveExtraSlash: true}},
		{"path decoding", `{"disable_path_decoding":true}`, routing.Router{NoPathDecoding: true}},
		{"no health", `{"disable_health":true}`, routing.Router{NoHealth: true}},
		{"health path", `{"health_path":"/healthz"}`, routing.Router{HealthPath: "/healthz"}},
		{"no version", `{"hide_version_header":true}`, routing.Router{HideVersion: true}},
		{"no access log", `{"disable_access_log":true}`, routing.Router{NoAccessLog: true}},
		{"paths without access log", `{"logger_skip_paths":["/a","/b"]}`, routing.Router{SkipLogPaths: []string{"/a", "/b"}}},
		{"believe proxies", `{"forwarded_by_client_ip":true}`, routing.Router{}},
		{"believe nobody", `{"forwarded_by_client_ip":false}`, routing.Router{IgnoreForwarded: true}},
		{"trusted addresses and networks", `{"trusted_proxies":["127.0.0.1","10.1.2.3/8","2001:db8::1","fd00::/8","::ffff:192.0.2.1","::ffff:10.0.0.0/104"]}`,
			routing.Router{TrustedProxies: prefixes("127.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128", "fd00::/8", "192.0.2.1/32", "10.0.0.0/8")}},
		{"nobody is trusted", `{"trusted_proxies":[]}`, routing.Router{TrustedProxies: []netip.Prefix{}}},
		{"headers of any case", `{"remote_ip_headers":["x-client-ip","CF-connecting-IP"]}`,
			routing.Router{RemoteHeaders: []string{"X-Client-Ip", "Cf-Connecting-Ip"}}},
		{"no header", `{"remote_ip_headers":[]}`, routing.Router{RemoteHeaders: []string{}}},
		{"App Engine", `{"app_engine":true}`, routing.Router{AppEngine: true}},
		{"multipart memory", `{"max_multipart_memory":1024}`, routing.Router{}},
		{"payload", `{"max_payload":1000}`, routing.Router{MaxPayload: 1000}},
		{"gzip by number", `{"decompress_gzip":1,"max_payload":10}`, routing.Router{DecompressGzip: true, MaxPayload: 10}},
		{"gzip by boolean", `{"decompress_gzip":true,"max_payload":10}`, routing.Router{DecompressGzip: true, MaxPayload: 10}},
		{"gzip off", `{"decompress_gzip":0}`, routing.Router{}},
		{"no compression", `{"disable_gzip":true}`, routing.Router{}},
		{"clear-text HTTP/2", `{"use_h2c":true}`, routing.Router{UseH2C: true}},
		{"comments", `{"@comment":"why"}`, routing.Router{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := buildWith(t, tt.options)
			for _, p := range problems {
				if strings.HasPrefix(p, "error") {
					t.Errorf("%s: %s", tt.options, p)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s: got %+v, want %+v", tt.options, got, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name    string
		options string
		want    []string // beginnings
	}{
		{"every wrong proxy is named", `{"trusted_proxies":["10.0.0.0/8","10.0.0","fe80::1%eth0","10.0.0.0/33"]}`,
			[]string{"error trusted_proxies[1]: ", "error trusted_proxies[2]: ", "error trusted_proxies[3]: "}},
		{"header that is none", `{"remote_ip_headers":["X-Ok","a b",""]}`,
			[]string{"error remote_ip_headers[1]: ", "error remote_ip_headers[2]: "}},
		{"wrong type", `{"return_error_msg":"yes","forwarded_by_client_ip":false}`, []string{"error return_error_msg: "}},
		{"error body that is no object", `{"error_body":{"404":"gone","405":[1]}}`,
			[]string{`error error_body["404"]: `, `error error_body["405"]: `}},
		{"health path without slash", `{"health_path":"healthz"}`, []string{"error health_path: "}},
		{"health path with a variable", `{"health_path":"/{x}"}`, []string{"error health_path: "}},
		{"gzip by text", `{"decompress_gzip":"yes"}`, []string{"error decompress_gzip: "}},
		{"gzip by fraction", `{"decompress_gzip":0.5}`, []string{"error decompress_gzip: "}},
		{"negative memory", `{"max_multipart_memory":-1}`, []string{"error max_multipart_memory: "}},
		{"memory has no effect", `{"max_multipart_memory":1}`, []string{"note max_multipart_memory: has no effect"}},
		{"everybody is trusted", `{"trusted_proxies":["10.0.0.0/8","0.0.0.0/0"]}`, []string{"warning trusted_proxies[1]: trusts everybody"}},
		{"proxies that are not believed", `{"forwarded_by_client_ip":false,"trusted_proxies":["10.0.0.1"]}`,
			[]string{"warning forwarded_by_client_ip: "}},
		{"App Engine", `{"app_engine":true}`, []string{"warning app_engine: "}},
		{"path decoding", `{"disable_path_decoding":true}`, []string{"warning disable_path_decoding: "}},
		{"half of the redirects", `{"disable_redirect_trailing_slash":true}`, []string{"warning disable_redirect_trailing_slash: "}},
		{"health path without health", `{"disable_health":true,"health_path":"/h"}`, []string{"warning health_path: "}},
		{"skipped paths without log", `{"disable_access_log":true,"logger_skip_paths":["/a"]}`, []string{"warning logger_skip_paths: "}},
		{"unpacking without limit", `{"decompress_gzip":1}`, []string{"warning decompress_gzip: "}},
		{"old place", `{"use_h2c":true}`, []string{"note use_h2c: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := buildWith(t, tt.options)
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
			}
		})
	}
}

func TestOldName(t *testing.T) {
	if component.Default.Find(component.InService, "github_com/luraproject/lura/router/gin") == nil {
		t.Error("the old name is not known")
	}
}
