package compile_test

import (
	"context"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestReceipts: what backends have taken without an answer is acknowledged by the endpoint,
// unless data has come, or one of them has failed.
func TestReceipts(t *testing.T) {
	backend := func(namespace string, do func(r *gateway.Response) error) component.Declaration {
		return component.Backend(component.Info{Namespace: namespace, Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { return do(&x.Response) }))
		})
	}
	data := func(members map[string]any) func(r *gateway.Response) error {
		return func(r *gateway.Response) error {
			r.Body.SetTree(members)
			r.Complete, r.Status = true, 200
			return nil
		}
	}
	r := component.NewRegistry(
		backend("test/202", func(r *gateway.Response) error { r.Acknowledge(202); return nil }),
		backend("test/204", func(r *gateway.Response) error { r.Acknowledge(204); return nil }),
		backend("test/fail", func(*gateway.Response) error { return &gateway.Error{Code: gateway.CodeBackendStatus} }),
		backend("test/none", data(map[string]any{})),
		backend("test/some", data(map[string]any{"a": 1})),
		component.Endpoint(component.Info{Namespace: "test/sequence"}, func(s *component.EndpointSite, _ struct{}) error { return s.Sequence(nil) }),
	)
	tests := []struct {
		backends []string
		status   int
		body     string
	}{
		{[]string{"202"}, 202, "null"},
		{[]string{"202", "202"}, 202, "null"},
		{[]string{"204", "202"}, 202, "null"},
		{[]string{"202", "204"}, 204, ""},
		{[]string{"202", "none"}, 202, "null"},
		{[]string{"none", "none"}, 200, "{}"},
		{[]string{"202", "some"}, 200, `{"a":1}`},
		{[]string{"202", "fail"}, 200, "{}"},
	}
	for _, tt := range tests {
		for _, extra := range []string{"", `"test/sequence":{}`} {
			backends := ""
			for i, b := range tt.backends {
				if i > 0 {
					backends += ","
				}
				backends += `{"url_pattern":"/","extra_config":{"test/` + b + `":{}}}`
			}
			g, problems := compileMeeting(t, r, `{"version":3,"dialect":"sluice","host":["http://up"],"endpoints":[{"endpoint":"/x","extra_config":{`+extra+`},"backend":[`+backends+`]}]}`)
			if g == nil {
				t.Fatal(config.Format(problems))
			}
			x := testx.Request{Path: "/x"}.Exchange(t)
			err := g.Do(t.Context(), x)
			body, _ := x.Response.Body.Bytes(0)
			if err != nil || x.Response.Status != tt.status || string(body) != tt.body {
				t.Errorf("%v %s: %d %s, %v; want %d %s", tt.backends, extra, x.Response.Status, body, err, tt.status, tt.body)
			}
		}
	}
}
