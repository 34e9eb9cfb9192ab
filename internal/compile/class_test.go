package compile_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestClassOfComponent shows the answers to failures of a connector and of a stage in
// front of the endpoint that the core knows nothing of: the status is that of the class
// where statuses follow causes, and 500 elsewhere; nothing of the cause is in them.
func TestClassOfComponent(t *testing.T) {
	away := &gateway.Error{Code: "test_away", Class: gateway.Unavailable, Err: errors.New("broker 10.0.0.7 is away")}
	registry := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/broker", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			return s.Connector(gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return away }))
		}),
		component.Endpoint(component.Info{Namespace: "test/keys"}, func(s *component.EndpointSite, _ struct{}) error {
			s.Guard(component.EndpointAuthenticate, gateway.StageFunc(func(context.Context, *gateway.Exchange) error { return away }))
			return nil
		}),
	)
	const document = `"code":"test_away","detail":"A service behind the gateway is not to be had for a while; try again later."`
	for _, tt := range []struct {
		dialect, endpoint, backends string
		status                      int
		body, completed             string
	}{
		{"krakend", ``, `{B}`, 500, "", "false"},
		{"krakend", ``, `{B},{B}`, 500, "", "false"},
		{"krakend", `"extra_config":{"test/keys":{}},`, `{B}`, 500, "", ""},
		{"sluice", ``, `{B}`, 503, document, "false"},
		{"sluice", ``, `{B},{B}`, 503, document, "false"},
		{"sluice", `"extra_config":{"test/keys":{}},`, `{B}`, 503, document, ""},
	} {
		backends := strings.ReplaceAll(tt.backends, "{B}", `{"url_pattern":"/","extra_config":{"test/broker":{}}}`)
		d, _ := config.Parse("test.json", fmt.Appendf(nil, `{"version":3,"dialect":%q,"endpoints":[{"endpoint":"/x",%s"backend":[%s]}]}`, tt.dialect, tt.endpoint, backends))
		g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
			Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
			Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return new(network), nil },
		}})
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		x := testx.Request{Path: "/x"}.Exchange(t)
		if err := g.Do(t.Context(), x); gateway.ClassOf(err) != gateway.Unavailable {
			t.Errorf("%+v: observers are told %v", tt, err)
		}
		completed := x.Response.Header.Get("X-Krakend-Completed") + x.Response.Header.Get("X-Sluice-Completed")
		if body := text(t, x); x.Response.Status != tt.status || !strings.Contains(body, tt.body) || tt.body == "" && body != "" || strings.Contains(body, "10.0.0.7") || completed != tt.completed {
			t.Errorf("%+v: %d %s, completed %q", tt, x.Response.Status, body, completed)
		}
		g.Close(t.Context())
	}
}
