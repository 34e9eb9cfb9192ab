package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// TestNested rearranges the answer of a pipe in a backend, whose calls follow each other.
func TestNested(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = component.NewRegistry(append(declarations(), sitetest.Flow)...)
	g.Answer = sitetest.JSON(`{"a":1,"l":[{"b":2,"c":3}]}`)
	document := func(options string) string {
		return `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/outer","allow":["l","s"],"extra_config":{"test/flow":{
			"extra_config":{"proxy":{` + options + `}},
			"backend":[{"url_pattern":"/one"},{"url_pattern":"/{resp0_a}","group":"g"}]}}}]}]}`
	}
	got := sitetest.Ask(t, g.Compile(t, document(`"sequential":true,"flatmap_filter":[{"type":"del","args":["l.*.b"]}],"static":{"strategy":"always","data":{"s":true}}`)),
		testx.Request{Method: "GET", Path: "/x"})
	if want := `{"l":[{"c":3}],"s":true}`; got.Status != 200 || got.Text != want {
		t.Errorf("got %d %s, %v; want %s", got.Status, got.Text, got.Err, want)
	}
	_, problems := g.Check(t, document(`"sequential":true,"upgrade":["websocket"]`))
	path := `endpoints[0].backend[0].extra_config["test/flow"].extra_config.proxy.upgrade`
	if !slices.ContainsFunc(problems, func(p *config.Problem) bool {
		return p.Path == path && strings.Contains(p.Err.Error(), "where no client is")
	}) {
		t.Errorf("want %s to have no effect, got\n%s", path, config.Format(problems))
	}
}

// TestNestedResults says how a call within a pipe gets a value of an answer: by a sequence of
// its own, or by one around it that propagates the value.
func TestNestedResults(t *testing.T) {
	tests := []struct{ name, around, within, before, want string }{
		{"no sequence", ``, ``, `{"url_pattern":"/one"},`, `in a sequence only, so this backend always fails; write "proxy": {"sequential": true} in the extra_config of the pipe of test/flow`},
		{"its own", ``, `"sequential":true`, `{"url_pattern":"/one"},`, ``},
		{"the one around", `"sequential":true`, ``, ``, `write "proxy": {"sequential_propagated_params": ["resp0_a"]} in the extra_config of the endpoint`},
		{"the one around, with others", `"sequential":true`, ``, `{"url_pattern":"/one"},`, `write "proxy": {"sequential_propagated_params": ["resp0_a"]} in the extra_config of the endpoint`},
		{"the one around, which propagates it", `"sequential":true,"sequential_propagated_params":["resp0_a"]`, ``, ``, ``},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Registry = component.NewRegistry(append(declarations(), sitetest.Flow)...)
		called := ""
		g.Answer = gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			if strings.HasPrefix(x.Request.Path, "/of/") {
				called = x.Request.Path
			}
			return sitetest.JSON(`{"a":1}`).Do(ctx, x)
		})
		generation, problems := g.Check(t, `{"version":3,"dialect":"sluice","host":["http://up"],"endpoints":[{"endpoint":"/x","extra_config":{"proxy":{`+tt.around+`}},
			"backend":[{"url_pattern":"/zero"},{"url_pattern":"/outer","group":"g","extra_config":{"test/flow":{
			"extra_config":{"proxy":{`+tt.within+`}},"backend":[`+tt.before+`{"url_pattern":"/of/{resp0_a}","group":"of"}]}}}]}]}`)
		switch {
		case tt.want != "":
			if text := config.Format(problems); generation != nil || !strings.Contains(text, tt.want) {
				t.Errorf("%s: served: %t; want %q in\n%s", tt.name, generation != nil, tt.want, text)
			}
		case generation == nil:
			t.Errorf("%s: %s", tt.name, config.Format(problems))
		default:
			if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != 200 || called != "/of/1" {
				t.Errorf("%s: got %d %s, %v; called was %q", tt.name, got.Status, got.Text, got.Err, called)
			}
		}
	}
}

// TestNestedIntake unpacks what the request that comes to a pipe says to be in gzip:
// that of the client, unless the endpoint has unpacked it.
func TestNestedIntake(t *testing.T) {
	packed := packedText(t, strings.Repeat("0", 1000))
	tests := []struct {
		name, router, endpoint, nested string
		headers                        string // that the endpoint lets through
		want                           string
		status                         int
		warned                         bool
	}{
		{"by the router", `"decompress_gzip":true`, ``, `"sequential":true`, `"*"`, "plain", 200, false},
		{"by the endpoint and the pipe", ``, `"decompress_gzip":true`, `"decompress_gzip":true`, `"*"`, "plain", 200, false},
		{"by the pipe", ``, ``, `"decompress_gzip":true`, `"content-encoding"`, "plain", 200, false},
		{"by nobody", `"decompress_gzip":true`, `"decompress_gzip":false`, `"sequential":true`, `"*"`, "packed", 200, false},
		{"what does not come", ``, ``, `"decompress_gzip":true`, `"X-A"`, "packed", 200, true},
		{"too large for the pipe", ``, `"decompress_gzip":true`, `"max_payload":500`, `"*"`, "", 413, false},
		{"larger than elsewhere", `"max_payload":10`, `"max_payload":2000`, `"sequential":true`, `"*"`, "packed", 200, false},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Registry = component.NewRegistry(slices.Concat(declarations(), []component.Declaration{sitetest.Flow, routers})...)
		got := ""
		g.Answer = gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			text, err := x.Request.Body.Bytes(0)
			if got = "plain"; string(text) == packed {
				got = "packed"
			}
			return errors.Join(err, sitetest.JSON(`{}`).Do(ctx, x))
		})
		document := `{"version":3,"host":["http://up"],"extra_config":{"test/router":{` + tt.router + `}},"endpoints":[{"endpoint":"/x","method":"POST","input_headers":[` + tt.headers + `],
			"extra_config":{"proxy":{` + tt.endpoint + `}},"backend":[{"url_pattern":"/outer","extra_config":{"test/flow":{
			"extra_config":{"proxy":{` + tt.nested + `}},"backend":[{"url_pattern":"/one"}]}}}]}]}`
		generation, problems := g.Check(t, document)
		if generation == nil {
			t.Fatalf("%s: %s", tt.name, config.Format(problems))
		}
		warned := slices.ContainsFunc(problems, func(p *config.Problem) bool {
			return strings.Contains(p.Err.Error(), "Content-Encoding does not come here")
		})
		answer := sitetest.Ask(t, generation, testx.Request{Method: "POST", Path: "/x", Body: packed, Header: gateway.Fields{{Name: "Content-Encoding", Value: "gzip"}}})
		if status := gateway.AsError(answer.Err); answer.Status != tt.status && (status == nil || status.Status != tt.status) || tt.status == 200 && got != tt.want || warned != tt.warned {
			t.Errorf("%s: got %d %q, %v, warned %t; want %d %q", tt.name, answer.Status, got, answer.Err, warned, tt.status, tt.want)
		}
	}
}

// routers says what the namespace router does of bodies.
var routers = component.Service(component.Info{Namespace: "test/router"}, func(s *component.ServiceSite, o struct {
	MaxPayload     int64 `json:"max_payload"`
	DecompressGzip bool  `json:"decompress_gzip"`
}) error {
	return component.Provide(s, routing.Key, routing.Router{MaxPayload: o.MaxPayload, DecompressGzip: o.DecompressGzip})
})
