package httpbackend

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/kit/tlsx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A setting is what surrounds the backend under test.
type setting struct {
	output   model.DecodedStatuses // which statuses are decoded
	encoding model.Encoding
	messages bool // router.return_error_msg
	limit    config.Size
}

func site(t testing.TB, namespace, options string, o setting) *component.BackendSite {
	t.Helper()
	g := sitetest.New(t)
	g.Env.TLS = func(c *model.ClientTLS) (*tls.Config, []error, error) { return nil, tlsx.ClientWarnings(c), nil } // the files are not there
	g.Env.Service.Behaviour.DecodedStatuses = o.output
	g.Env.Service.Transport = model.Transport{}
	g.Config.Backend[0].Encoding, g.Config.Backend[0].MaxResponseBytes = o.encoding, &o.limit
	sitetest.Provide(t, g, routing.Key, routing.Router{ErrorMessages: o.messages})
	return g.Backend(t, namespace, options)
}

func TestWhereItCounts(t *testing.T) {
	const code, both = `{"return_error_code":true}`, `{"return_error_code":true,"return_error_details":"a"}`
	tests := []struct {
		name     string
		options  string
		setting  setting
		stages   int
		problems []string // beginnings
	}{
		{"code", code, setting{}, 1, nil},
		{"code with no-op", code, setting{encoding: "no-op"}, 0, []string{"warning : has no effect with encoding no-op"}},
		{"details with no-op", `{"return_error_details":"a"}`, setting{encoding: "no-op"}, 0, []string{"warning : has no effect with encoding no-op"}},
		{"details of one of two", `{"return_error_details":"a"}`, setting{}, 1, nil},
		{"both", both, setting{}, 1, []string{"warning return_error_code: has no effect with return_error_details"}},
		{"neither", `{}`, setting{}, 0, []string{"warning : has no effect"}},
		{"code off", `{"return_error_code":false}`, setting{}, 0, []string{"warning : has no effect"}},
		{"empty alias", `{"return_error_details":"","return_error_code":true}`, setting{}, 0, []string{"warning return_error_details: an empty name switches both options off"}},
		{"alias that is no text", `{"return_error_details":true}`, setting{}, 0, []string{"error return_error_details: "}},
		{"code that is no boolean", `{"return_error_code":"true"}`, setting{}, 0, []string{"error return_error_code: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, "backend/http", tt.options, tt.setting)
			if got := sitetest.Problems(s); !slices.EqualFunc(got, tt.problems, strings.HasPrefix) {
				t.Errorf("problems: got %q, want %q", got, tt.problems)
			}
			if got := len(s.Placed()); got != tt.stages {
				t.Fatalf("stages: got %d, want %d", got, tt.stages)
			}
		})
	}
}

// leave runs the stage of a site on an answer.
func leave(t *testing.T, s *component.BackendSite, status int, contentType string, b body.Body, err error) (*gateway.Exchange, error) {
	t.Helper()
	x := testx.Request{}.Exchange(t)
	x.Response.Status, x.Response.Body = status, b
	x.Response.Header.Add("Www-Authenticate", "Basic")
	if contentType != "" {
		x.Response.Header.Add("Content-Type", contentType)
	}
	return x, s.Placed()[0].Stage.(gateway.Leaver).Leave(t.Context(), x, err)
}

func stream(text string) body.Body {
	return body.FromStream(io.NopCloser(strings.NewReader(text)), int64(len(text)))
}

func TestCode(t *testing.T) {
	tests := []struct {
		name     string
		setting  setting
		status   int
		want     int    // status of the error; 0 for no error
		public   string // words
		mimeType string
	}{
		{"200", setting{}, 200, 0, "", "text/x"},
		{"201", setting{}, 201, 0, "", "text/x"},
		{"202", setting{}, 202, 202, "invalid status code 202", ""},
		{"204", setting{}, 204, 204, "invalid status code 204", ""},
		{"202 as an answer", setting{output: "success"}, 202, 0, "", "text/x"},
		{"304", setting{output: "success"}, 304, 304, "invalid status code 304", ""},
		{"404", setting{}, 404, 404, "invalid status code 404", ""},
		{"599", setting{}, 599, 599, "invalid status code 599", ""},
		{"404 with words", setting{messages: true}, 404, 404, "gone", "text/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, "backend/http", `{"return_error_code":true}`, tt.setting)
			x, err := leave(t, s, tt.status, "text/x", stream("gone"), nil)
			if got := x.Response.Header.Get("Content-Type"); got != tt.mimeType {
				t.Errorf("Content-Type: got %q, want %q", got, tt.mimeType)
			}
			if tt.want == 0 {
				if got, bodyErr := x.Response.Body.Bytes(0); err != nil || string(got) != "gone" || bodyErr != nil {
					t.Errorf("got %q, %v, %v, want no change", got, bodyErr, err)
				}
				return
			}
			e := gateway.AsError(err)
			if e == nil || e.Status != tt.want || e.Code != gateway.CodeBackendStatus || e.Public != tt.public {
				t.Fatalf("got %+v, want status %d and text %q", e, tt.want, tt.public)
			}
			if x.Response.Header.Has("Www-Authenticate") {
				t.Error("headers of the backend are passed on")
			}
			if x.Response.Body.Form() != body.Empty {
				t.Errorf("body: got %s, want empty", x.Response.Body.Form())
			}
		})
	}
}

func TestDetails(t *testing.T) {
	tests := []struct {
		name        string
		setting     setting
		status      int
		text        string
		contentType string
		want        string // "" for no change
	}{
		{"all members", setting{}, 404, `{"a":1}`, "application/json", `{"error_users":{"http_status_code":404,"http_body":"{\"a\":1}","http_body_encoding":"application/json"}}`},
		{"no body", setting{}, 503, "", "text/plain", `{"error_users":{"http_status_code":503,"http_body_encoding":"text/plain"}}`},
		{"no type", setting{}, 500, "a\n\"b\"", "", `{"error_users":{"http_status_code":500,"http_body":"a\n\"b\""}}`},
		{"status alone", setting{}, 204, "", "", `{"error_users":{"http_status_code":204}}`},
		{"bytes that are no text", setting{}, 500, "\xff!", "", `{"error_users":{"http_status_code":500,"http_body":"\ufffd!"}}`},
		{"an answer", setting{}, 200, "x", "", ""},
		{"an answer of the strict dialect", setting{output: "success"}, 204, "x", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, "backend/http", `{"return_error_details":"users"}`, tt.setting)
			b := stream(tt.text)
			if tt.text == "" {
				b = body.Body{}
			}
			x, err := leave(t, s, tt.status, tt.contentType, b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if x.Response.Status != tt.status {
				t.Errorf("status: got %d, want it unchanged", x.Response.Status)
			}
			got, err := x.Response.Body.Bytes(0)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if string(got) != tt.text {
					t.Errorf("got %q, want no change", got)
				}
				return
			}
			var g, w any
			if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal([]byte(tt.want), &w)); err != nil || !reflect.DeepEqual(g, w) {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			if x.Response.Body.Form() != body.Spans || x.Response.Complete {
				t.Errorf("got form %s, complete %v, want spans that are not complete", x.Response.Body.Form(), x.Response.Complete)
			}
		})
	}
}

func TestFailuresPass(t *testing.T) {
	for _, options := range []string{`{"return_error_code":true}`, `{"return_error_details":"a"}`} {
		s := site(t, "backend/http", options, setting{messages: true, limit: 5})
		failure := &gateway.Error{Code: gateway.CodeTimeout}
		if _, err := leave(t, s, 0, "", body.Body{}, failure); err != failure {
			t.Errorf("%s after a failure: got %v, want it unchanged", options, err)
		}
		if _, err := leave(t, s, 500, "", stream("123456"), nil); gateway.AsError(err).Code != gateway.CodeBackendTooLarge {
			t.Errorf("%s with a large body: got %v, want %s", options, err, gateway.CodeBackendTooLarge)
		}
		broken := &gateway.Error{Code: gateway.CodeBackendAborted}
		b := body.FromStream(io.NopCloser(iotest.ErrReader(broken)), -1)
		if _, err := leave(t, s, 500, "", b, nil); !errors.Is(err, broken) {
			t.Errorf("%s with a body that breaks off: got %v, want %v", options, err, broken)
		}
	}
}

func TestClient(t *testing.T) {
	const tlsOptions = `{"client_tls":{"allow_insecure_connections":false,"ca_certs":["ca.pem"],"cipher_suites":[4865],` +
		`"curve_preferences":[23],"disable_system_ca_pool":true,"max_version":"TLS13","min_version":"TLS12",` +
		`"client_certs":[{"certificate":"c.pem","private_key":"k.pem"}]}}`
	tests := []struct {
		name      string
		options   string
		transport model.Transport
		redirects component.Redirects
		problems  []string
	}{
		{"nothing", `{}`, model.Transport{}, component.Redirects{}, nil},
		{"redirects come back", `{"no_redirect":true}`, model.Transport{}, component.Redirects{Return: true}, nil},
		{"bodies follow", `{"send_body_on_redirect":true}`, model.Transport{}, component.Redirects{SendBody: true}, nil},
		{"both", `{"no_redirect":true,"send_body_on_redirect":true}`, model.Transport{}, component.Redirects{Return: true, SendBody: true},
			[]string{"warning send_body_on_redirect: "}},
		{"proxy", `{"proxy_address":"http://proxy:3128"}`, model.Transport{Proxy: "http://proxy:3128"}, component.Redirects{}, nil},
		{"TLS", tlsOptions, model.Transport{ClientTLS: &model.ClientTLS{
			CACerts:             []string{"ca.pem"},
			DisableSystemCAPool: true,
			TLSLimits:           model.TLSLimits{MinVersion: "TLS12", MaxVersion: "TLS13", CipherSuites: []uint16{4865}, CurvePreferences: []uint16{23}},
			ClientCerts:         []model.ClientCert{{Certificate: "c.pem", PrivateKey: "k.pem"}},
		}}, component.Redirects{}, []string{"warning client_tls.cipher_suites: "}},
		{"empty TLS", `{"client_tls":{}}`, model.Transport{ClientTLS: &model.ClientTLS{}}, component.Redirects{},
			[]string{"warning client_tls.min_version: "}},
		{"any certificate", `{"client_tls":{"allow_insecure_connections":true}}`,
			model.Transport{ClientTLS: &model.ClientTLS{AllowInsecureConnections: true}}, component.Redirects{},
			[]string{"warning client_tls.allow_insecure_connections: ", "warning client_tls.min_version: "}},
		{"no proxy", `{"proxy_address":"proxy:3128"}`, model.Transport{}, component.Redirects{}, []string{"error proxy_address: "}},
		{"another scheme", `{"proxy_address":"ftp://proxy"}`, model.Transport{}, component.Redirects{}, []string{"error proxy_address: "}},
		{"proxy with a path", `{"proxy_address":"http://proxy/x"}`, model.Transport{}, component.Redirects{}, []string{"error proxy_address: "}},
		{"unknown version", `{"client_tls":{"min_version":"TLS9"}}`, model.Transport{}, component.Redirects{}, []string{"error client_tls.min_version: "}},
		{"HTTP/2 without TLS", `{"use_h2c":true}`, model.Transport{H2C: true}, component.Redirects{}, nil},
		{"HTTP/2 without TLS by a proxy of HTTP", `{"use_h2c":true,"proxy_address":"http://proxy:3128"}`, model.Transport{}, component.Redirects{}, []string{"error use_h2c: "}},
		{"HTTP/2 without TLS by a proxy of bytes", `{"use_h2c":true,"proxy_address":"socks5://proxy:3128"}`, model.Transport{}, component.Redirects{}, []string{"error use_h2c: "}},
		{"wrong type", `{"no_redirect":"yes"}`, model.Transport{}, component.Redirects{}, []string{"error no_redirect: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := site(t, "backend/http/client", tt.options, setting{})
			if got := sitetest.Problems(s); !slices.EqualFunc(got, tt.problems, strings.HasPrefix) {
				t.Errorf("problems: got %q, want %q", got, tt.problems)
			}
			call := s.Call()
			if !reflect.DeepEqual(call.Transport, tt.transport) {
				t.Errorf("transport: got %+v, want %+v", call.Transport, tt.transport)
			}
			if call.Redirects != tt.redirects {
				t.Errorf("redirects: got %+v, want %+v", call.Redirects, tt.redirects)
			}
		})
	}
}

func TestProxyPasswordStaysSecret(t *testing.T) {
	for _, address := range []string{"http://u:secret@pro xy:1", "ftp://u:secret@proxy"} {
		s := site(t, "backend/http/client", `{"proxy_address":"`+address+`"}`, setting{})
		got := sitetest.Problems(s)
		if len(got) != 1 || strings.Contains(got[0], "secret") {
			t.Errorf("%s: got %q, want one problem without the password", address, got)
		}
	}
}

func TestOldName(t *testing.T) {
	if component.Default.Find(component.InBackend, "github.com/devopsfaith/krakend/http") == nil {
		t.Error("the old name is not known")
	}
}
