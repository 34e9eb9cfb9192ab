package component_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestServe shows which addresses a port may have beside another one and the service.
func TestServe(t *testing.T) {
	tests := []struct {
		listenIP   string // of the service, with the port 80
		one, other string
		want       string // part of the error; "" for none
	}{
		{"", ":9090", ":9091", ""},
		{"", "127.0.0.1:9090", "127.0.0.2:9090", ""},
		{"", "127.0.0.1:9090", "[::1]:9090", ""},
		{"", "a.internal:9090", "b.internal:9090", ""},
		{"", "127.0.0.1:9090", "127.0.0.1:909", ""},
		{"", ":9090", ":9090", "taken by one"},
		{"", "127.0.0.1:9090", ":9090", "taken by one"},
		{"", "0.0.0.0:9090", "[::1]:9090", "taken by one"},
		{"", "[::1]:9090", "[0:0:0:0:0:0:0:1]:9090", "taken by one"},
		{"", "A.internal:9090", "a.Internal:9090", "taken by one"},
		{"", ":9090", ":80", "by the key port"},
		{"", ":9090", "127.0.0.1:80", "by the key port"},
		{"127.0.0.1", ":9090", "[::1]:80", ""},
		{"127.0.0.1", ":9090", "localhost:80", "by the key port"},
		{"::", ":9090", "localhost:80", "by the key port"},
		{"", ":9090", "9091", "is no address"},
		{"", ":9090", "::1:9091", "is no address"},
		{"", ":9090", ":", "is no port"},
		{"", ":9090", ":65536", "is no port"},
		{"", ":0", "127.0.0.1:0", ""},
		{"", ":0", ":0", "taken by one"},
	}
	for _, tt := range tests {
		s := component.NewServiceSite(&component.Env{Service: &model.Service{Port: 80, ListenIP: tt.listenIP}})
		if err := s.Serve("one", tt.one, nil); err != nil {
			t.Fatal(err)
		}
		err := s.Serve("other", tt.other, nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s and %s beside %s:80: %v, want %q", tt.one, tt.other, tt.listenIP, err, tt.want)
		}
	}
}

// TestHealthNames refuses two of one name, which would be one member twice, wherever they
// are built.
func TestHealthNames(t *testing.T) {
	env := &component.Env{Service: &model.Service{}}
	well := func() (string, bool) { return "well", true }
	service := component.NewServiceSite(env)
	endpoint := component.NewEndpointSite(env, service, &model.Endpoint{}, nil)
	backend := component.NewBackendSite(env, &endpoint.PipeSite, &model.Backend{})
	options := func(line string) *config.Node {
		d, _ := config.Parse("gateway.json", []byte(line+"{}"))
		return d.Root
	}
	one, other := component.Info{Namespace: "test/one"}, component.Info{Namespace: "test/other"}
	tell := func(s interface {
		Health(string, bool, func() (string, bool)) error
	}, name string) error {
		return s.Health(name, false, well)
	}
	service.Build(new(component.Service(one, func(s *component.ServiceSite, _ struct{}) error { return tell(s, "a") })), nil)
	endpoint.Build(new(component.Endpoint(one, func(s *component.EndpointSite, _ struct{}) error { return tell(s, "b") })), options("\n"))
	backend.Build(new(component.Backend(other, func(s *component.BackendSite, _ struct{}) error {
		return errors.Join(tell(s, "c"), tell(s, "b"), tell(s, "a"))
	})), options("\n\n"))
	again := component.NewBackendSite(env, &endpoint.PipeSite, &model.Backend{})
	again.Build(new(component.Backend(other, func(s *component.BackendSite, _ struct{}) error {
		return s.Health("c", true, well)
	})), options("\n\n\n"))
	if p := again.Problems(); len(p) > 0 || len(env.Health) != 3 || !env.Health[2].Critical {
		t.Errorf("one thing of two backends: %v, %+v; want it once, and critical", p, env.Health)
	}
	ill := component.NewBackendSite(env, &endpoint.PipeSite, &model.Backend{})
	ill.Build(new(component.Backend(other, func(s *component.BackendSite, _ struct{}) error {
		return s.Health("c", false, func() (string, bool) { return "ill", false })
	})), options("\n\n\n\n"))
	if text, ok := env.Health[2].State(); text != "ill" || ok || !env.Health[2].Critical {
		t.Errorf("one thing that is ill at one of three backends: %q, %v, critical %v", text, ok, env.Health[2].Critical)
	}
	var got []string
	for _, p := range slices.Concat(service.Problems(), endpoint.Problems(), backend.Problems()) {
		got = append(got, p.Error())
	}
	want := []string{
		`gateway.json:3:1: test/other tells the health of "b", as test/one does at gateway.json:2:1; choose another name for one of the two`,
		`gateway.json:3:1: test/other tells the health of "a", as test/one does; choose another name for one of the two`,
	}
	if !slices.Equal(got, want) || len(env.Health) != 3 {
		t.Errorf("got %q and %d that are told, want %q and 3", got, len(env.Health), want)
	}
}
