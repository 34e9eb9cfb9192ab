package component_test

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
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

// TestHealthNames refuses two of one name, which would be one member twice.
func TestHealthNames(t *testing.T) {
	env := new(component.Env)
	s := component.NewServiceSite(env)
	well := func() (string, bool) { return "well", true }
	if err := s.Health("a", false, well); err != nil {
		t.Error(err)
	}
	if err := s.Health("b", true, well); err != nil {
		t.Error(err)
	}
	if err := s.Health("a", true, well); err == nil || len(env.Health) != 2 {
		t.Errorf("another of the same name: %v, %d are told", err, len(env.Health))
	}
}
