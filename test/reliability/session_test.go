package reliability

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A handshake authenticates its calls in two legs, which a backend connects by the
// connection that they come on, as NTLM does.
type handshake struct {
	// User is who calls.
	User string `json:"user"`
}

func buildHandshake(s *component.BackendSite, o handshake) error {
	s.Around(component.BackendCredential, func(next gateway.Connector) gateway.Connector {
		return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			session := new(gateway.Session)
			x.OnRelease(func() { session.Close() }) // when the body has been read
			x.Request.Session = session
			defer func() { x.Request.Session = nil }()
			x.Request.Header.Add("Authorization", "Legs hello")
			if err := next.Do(ctx, x); err != nil {
				return err
			}
			challenge, _ := strings.CutPrefix(x.Response.Header.Get("Www-Authenticate"), "Legs ")
			if _, err := x.Response.Body.Bytes(1 << 10); err != nil {
				return err
			}
			x.Request.Header.Del("Authorization")
			x.Request.Header.Add("Authorization", "Legs "+challenge+" "+o.User)
			return next.Do(ctx, x)
		})
	})
	return nil
}

// legs is a backend that believes what was proved on a connection, for whatever comes on
// it from then on.
func legs(t *testing.T) string {
	type state struct{ challenge, user string }
	type key struct{}
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := r.Context().Value(key{}).(*state)
		switch legs := strings.Fields(r.Header.Get("Authorization")); {
		case len(legs) == 3 && legs[1] == s.challenge && s.challenge != "":
			s.user = legs[2]
		case len(legs) == 2:
			s.challenge = fmt.Sprint("challenge-", conns.Add(1))
			w.Header().Set("WWW-Authenticate", "Legs "+s.challenge)
		}
		if s.user == "" {
			w.WriteHeader(401)
		}
		fmt.Fprintf(w, "%q", s.user)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key{}, new(state))
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// TestSessions has exchanges with and without a user share a host: none is ever taken for
// another, since no connection is handed on that knows one.
func TestSessions(t *testing.T) {
	registry := with(component.Backend(component.Info{Namespace: "test/handshake"}, buildHandshake))
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			host := legs(t)
			user := func(name string) string {
				return fmt.Sprintf(`{"endpoint":"/%s","output_encoding":"no-op","backend":[{"url_pattern":"/","host":[%q],"encoding":"no-op","extra_config":{"test/handshake":{"user":%[1]q}}}]}`, name, host)
			}
			r := startWith(t, fmt.Sprintf(`{%s"engine":%q,"endpoints":[%s,%s,
				{"endpoint":"/nobody","output_encoding":"no-op","backend":[{"url_pattern":"/","host":[%q],"encoding":"no-op"}]}]}`,
				quiet, engine, user("ada"), user("eve"), host), registry)
			c := newClient(t)
			if complaint := load(300, 8, func(i int) string {
				name, want, status := []string{"ada", "nobody", "eve"}[i%3], "", 401
				if name != "nobody" {
					want, status = name, 200
				}
				got, text, err := get(c, r.url+"/"+name)
				if err != nil || text != fmt.Sprintf("%q", want) || got != status {
					return fmt.Sprintf("%s is %d %s, %v", name, got, text, err)
				}
				return ""
			}); complaint != "" {
				t.Error(complaint)
			}
		})
	}
}
