package compile_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// callees are components that call backends in other ways than by HTTP, one for each
// kind of hosts. What they call is noted.
func callees(note func(string)) *component.Registry {
	connector := func(namespace string, hosts *component.Hosts) component.Declaration {
		return component.Backend(component.Info{Namespace: namespace, Hosts: hosts}, func(s *component.BackendSite, _ struct{}) error {
			if hosts.Read != nil && len(s.Config().Host) == 0 {
				return errors.New("is built with no host")
			}
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				note(fmt.Sprintf("%s %q", namespace, s.Config().Host))
				return answer(x, `{}`)
			}))
		})
	}
	return component.NewRegistry(
		connector("test/queue", component.URL("amqp", "amqps")),
		connector("test/function", component.Verbatim),
		component.Backend(component.Info{Namespace: "test/grpc", Hosts: component.NamePort}, func(s *component.BackendSite, _ struct{}) error {
			return s.Client(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				note("test/grpc " + x.Request.Host + x.Request.Path)
				return answer(x, `{}`)
			}))
		}),
		component.Backend(component.Info{Namespace: "test/inside", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			return s.Client(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { return answer(x, `{}`) }))
		}),
	)
}

// TestHosts shows that a host is what whoever calls it says: called as that, or reported
// at its line with what to write.
func TestHosts(t *testing.T) {
	const (
		queue    = `"extra_config":{"test/queue":{}}`
		function = `"extra_config":{"test/function":{}}`
		grpc     = `"extra_config":{"test/grpc":{}}`
		web      = "write [http://|https://]name[:port][/base]"
		other    = ", in the backend if others are called in another way"
	)
	tests := []struct {
		name, root string
		backends   []string
		want       []string // what is called, or what is wrong
	}{
		{"a web server", ``, []string{`"host":["H:8080/base/"]`}, []string{"http://H:8080/base/1"}},
		{"a broker as one", ``, []string{`"host":["http://a","amqp://b"]`},
			[]string{`endpoints[0].backend[0].host[1]: host "amqp://b" not valid: invalid host: amqp:// is called by test/queue; write that namespace in the extra_config of the backend`}},
		{"an unknown scheme", ``, []string{`"host":["ftp://b"]`},
			[]string{`endpoints[0].backend[0].host[0]: host "ftp://b" not valid: invalid host: the scheme is not http or https; ` + web}},
		{"a broker", ``, []string{`"host":["amqp://u:p@b/v"],` + queue}, []string{`test/queue ["amqp://u:p@b/v"]`}},
		{"a broker, as files had to be written", ``, []string{`"host":["amqp://b"],"disable_host_sanitize":true,` + queue}, []string{`test/queue ["amqp://b"]`}},
		{"a web server as a broker", ``, []string{`"host":["http://u:p@b"],"disable_host_sanitize":true,` + queue},
			[]string{`endpoints[0].backend[0].host[0]: host "http://***@b" not valid for test/queue: invalid host: the scheme is not amqp or amqps; write amqp://name[:port][/path] or amqps://name[:port][/path]`}},
		{"a broker with a slash in its password", ``, []string{`"host":["amqp://u:p/w@b"],` + queue},
			[]string{`endpoints[0].backend[0].host[0]: host "amqp://***@b" not valid for test/queue: invalid host: the port is not between 1 and 65535; write amqp://name[:port][/path] or amqps://name[:port][/path]`}},
		{"a broker by its service", ``, []string{`"sd":"dns","balance":"random","host":["amqp://b"],` + queue}, []string{
			"endpoints[0].backend[0].balance: has no effect on a backend that is not called by HTTP; remove it, and write all of its hosts",
			"endpoints[0].backend[0].sd: has no effect on a backend that is not called by HTTP; remove it, and write all of its hosts",
			`test/queue ["amqp://b"]`}},
		{"no broker, and wrong options", ``, []string{`"extra_config":{"test/queue":{"no":1}}`}, []string{
			`endpoints[0].backend[0].extra_config["test/queue"].no: unknown key "no"; the object has no keys`,
			"endpoints[0].backend[0].host: no host; write a list of hosts here or at the root"}},
		{"no broker, beside one that is wrong", ``, []string{queue, `"host":["b"],` + queue}, []string{
			`endpoints[0].backend[1].host[0]: host "b" not valid for test/queue: invalid host: it has no scheme; write amqp://name[:port][/path] or amqps://name[:port][/path]`}},
		{"no broker", ``, []string{queue}, []string{"endpoints[0].backend[0].host: no host; write a list of hosts here or at the root"}},
		{"a name with its port", ``, []string{`"host":["h:50051"],` + grpc}, []string{"test/grpc h:50051/1"}},
		{"one that a client names", ``, []string{`"host":["{input_headers.X-Pod}.pods:50051"],"disable_host_sanitize":true,` + grpc}, []string{"test/grpc one.pods:50051/1"}},
		{"a name without", ``, []string{`"host":["h"],` + grpc},
			[]string{`endpoints[0].backend[0].host[0]: host "h" not valid for test/grpc: invalid host: the port is missing; write name:port`}},
		{"any text", ``, []string{`"host":["ignore me"],` + function}, []string{`test/function ["ignore me"]`}},
		{"no text", ``, []string{function}, []string{`test/function []`}},
		{"no name to look up", ``, []string{`"sd":"dns","extra_config":{"test/inside":{}}`}, []string{"endpoints[0].backend[0].host: no name to look up; write a list of one, or remove sd"}},
		{"of the root, for all", `"host":["h:50051"],`, []string{``, grpc, ``, grpc, function},
			[]string{"http://h:50051/1", "http://h:50051/3", `test/function ["h:50051"]`, "test/grpc h:50051/2", "test/grpc h:50051/4"}},
		{"of the root, for some", `"host":["http://a","h:1"],`, []string{``, grpc, ``, grpc, function},
			[]string{`host[0]: host "http://a" not valid for test/grpc: invalid host: it has a scheme; write name:port` + other}},
		{"of the root, for none", `"host":["amqp://a"],`, []string{``, grpc, ``, grpc},
			[]string{`host[0]: host "amqp://a" not valid for test/grpc: invalid host: it has a scheme; write name:port` + other,
				`host[0]: host "amqp://a" not valid: invalid host: amqp:// is called by test/queue; write that namespace in the extra_config of the backend`}},
		{"of the root, for brokers alone", `"host":["amqp://a"],`, []string{queue, queue}, []string{`test/queue ["amqp://a"]`, `test/queue ["amqp://a"]`}},
		{"of the root, for nobody", `"host":["amqp://a"],`, []string{`"host":["http://a"]`},
			[]string{`host[0]: host "amqp://a" not valid: invalid host: amqp:// is called by test/queue; write that namespace in the extra_config of the backend`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var list []string
			for i, b := range tt.backends {
				if b != "" {
					b = "," + b
				}
				list = append(list, fmt.Sprintf(`{"url_pattern":"/%d"%s}`, i+1, b))
			}
			n := new(network)
			var mu sync.Mutex
			var got []string
			registry := callees(func(call string) { // by several calls at once
				mu.Lock()
				defer mu.Unlock()
				got = append(got, call)
			})
			d, _ := config.Parse("test.json", []byte(`{"version":3,`+tt.root+`"endpoints":[{"endpoint":"/x","backend":[`+strings.Join(list, ",")+`]}]}`))
			g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
				Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
				Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
			}})
			for _, p := range problems {
				got = append(got, p.Path+": "+p.Err.Error())
			}
			if g != nil {
				defer g.Close(context.Background())
				x := testx.Request{Path: "/x", Header: gateway.Fields{{Name: "X-Pod", Value: "one"}}}.Exchange(t)
				if err := g.Do(t.Context(), x); err != nil {
					t.Fatal(err)
				}
				for _, call := range n.seen {
					got = append(got, strings.TrimSuffix(call, "? "))
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
