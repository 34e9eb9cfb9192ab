package compile_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

type saying struct {
	Say string `json:"say"`
}

var said = component.NewKey[string]("what test/says says")

// meeting returns components that say something at every site, and one of the service
// that hears it.
func meeting(heard *[]string) *component.Registry {
	says := component.Info{Namespace: "test/says"}
	return component.NewRegistry(
		component.Service(component.Info{Namespace: "test/hears"}, func(s *component.ServiceSite, _ struct{}) error {
			s.Finally(func() error {
				var errs []error
				first := make(map[string]config.Pos)
				for _, g := range component.All(s, said) {
					*heard = append(*heard, g.Namespace()+" "+g.Value)
					switch {
					case g.Value == "bad":
						errs = append(errs, g.Error("say", errors.New("is bad")))
					case first[g.Value].Line > 0:
						g.Warn(s, "say", fmt.Errorf("is said at %s as well", first[g.Value]))
					}
					first[g.Value] = g.At()
				}
				return errors.Join(errs...)
			})
			return nil
		}),
		component.Service(says, func(s *component.ServiceSite, o saying) error { component.Gather(&s.Site, said, o.Say); return nil }),
		component.Endpoint(says, func(s *component.EndpointSite, o saying) error { component.Gather(&s.Site, said, o.Say); return nil }),
		component.Backend(says, func(s *component.BackendSite, o saying) error { component.Gather(&s.Site, said, o.Say); return nil }),
		component.Endpoint(component.Info{Namespace: "test/also"}, func(s *component.EndpointSite, o saying) error {
			s.Finally(func() error { component.Gather(&s.Site, said, "also, and last"); return nil })
			return nil
		}),
	)
}

func compileMeeting(t *testing.T, r *component.Registry, text string) (*compile.Generation, []*config.Problem) {
	t.Helper()
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{Registry: r, Env: &component.Env{
		Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return new(network), nil },
	}})
	if g != nil {
		t.Cleanup(func() { g.Close(context.Background()) })
	}
	return g, problems
}

// TestGather lets the components of all sites tell one of the service something: it hears
// them in the order of the document, and what it says about a value stands where the
// value does.
func TestGather(t *testing.T) {
	const text = `{"version":3,"host":["http://up"],
		"endpoints":[
			{"endpoint":"/b","extra_config":{"test/says":{"say":"b"},"test/also":{}},"backend":[
				{"url_pattern":"/1","extra_config":{"test/says":{"say":"b0"}}},
				{"url_pattern":"/2","extra_config":{"test/says":{"say":"b1"}}}]},
			{"endpoint":"/a","extra_config":{"test/says":{"say":"a"}},"backend":[{"url_pattern":"/3","extra_config":{"test/says":{"say":"%s"}}}]}],
		"extra_config":{"test/says":{"say":"all"},"test/hears":{}}}`
	tests := []struct {
		last, problem string
	}{
		{"a0", ""},
		{"b0", `warning endpoints[1].backend[0].extra_config["test/says"].say: is said at test.json:4:53 as well`},
		{"bad", `error endpoints[1].backend[0].extra_config["test/says"].say: is bad`},
	}
	for _, tt := range tests {
		var heard []string
		g, problems := compileMeeting(t, meeting(&heard), fmt.Sprintf(text, tt.last))
		want := []string{"test/says all", "test/says b", "test/says b0", "test/says b1", "test/also also, and last", "test/says a", "test/says " + tt.last}
		if !slices.Equal(heard, want) {
			t.Errorf("%s: heard %q, want %q", tt.last, heard, want)
		}
		var got string
		for _, p := range problems {
			if strings.HasSuffix(p.Path, ".say") {
				got = p.Severity.String() + " " + p.Path + ": " + p.Err.Error()
			}
		}
		if got != tt.problem || (g == nil) != strings.HasPrefix(tt.problem, "error") {
			t.Errorf("%s: got problem %q and a generation: %t, want %q", tt.last, got, g != nil, tt.problem)
		}
	}
}

// TestFinally looks at what others have decided, from the end of the building: at its own
// backend, and at the endpoint, where a stage is its owner's.
func TestFinally(t *testing.T) {
	var seen []string
	r := component.NewRegistry(
		component.Endpoint(component.Info{Namespace: "test/a"}, func(s *component.EndpointSite, _ struct{}) error {
			s.Finally(func() error {
				seen = append(seen, fmt.Sprintf("%d answers", s.Answers()))
				return errors.New("is wrong")
			})
			return nil
		}),
		component.Backend(component.Info{Namespace: "test/b"}, func(s *component.BackendSite, _ struct{}) error {
			s.Finally(func() error {
				seen = append(seen, fmt.Sprintf("shadow: %t", s.Call().Shadow != nil))
				s.Endpoint().Stage(component.PipeCheck, gateway.StageFunc(func(context.Context, *gateway.Exchange) error { return nil }))
				placed := s.Endpoint().Placed()
				seen = append(seen, placed[len(placed)-1].Name)
				return nil
			})
			return nil
		}),
		component.Backend(component.Info{Namespace: "test/c"}, func(s *component.BackendSite, _ struct{}) error {
			return s.Shadow(component.Shadow{Most: 1})
		}),
	)
	_, problems := compileMeeting(t, r, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","extra_config":{"test/a":{}},"backend":[
		{"url_pattern":"/1","extra_config":{"test/c":{},"test/b":{}}},{"url_pattern":"/2"}]}]}`)
	if want := []string{"shadow: true", "test/b", "1 answers"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	at := slices.IndexFunc(problems, func(p *config.Problem) bool { return p.Err.Error() == "is wrong" })
	if at < 0 || problems[at].Path != `endpoints[0].extra_config["test/a"]` {
		t.Errorf("problems %s", config.Format(problems))
	}
}
