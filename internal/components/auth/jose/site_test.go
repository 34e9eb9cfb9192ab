package jose

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jws "github.com/go-jose/go-jose/v4"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// now is the time on the clock of the tests.
var now = time.Unix(1_700_000_000, 0)

// object is a JSON object.
type object = map[string]any

// with returns a copy of an object with further members; nil removes one.
func (k signer) with(members object) signer {
	k.members = maps.Clone(k.members)
	maps.Copy(k.members, members)
	maps.DeleteFunc(k.members, func(_ string, v any) bool { return v == nil })
	return k
}

// A signer is a private key and what the set says of it.
type signer struct {
	key     any
	members object // of the JWK, without the key itself
}

// signers is one private key of each type, with its type as id.
var signers = sync.OnceValue(func() map[string]signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	other, err2 := rsa.GenerateKey(rand.Reader, 2048)
	p256, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err4 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err5 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, err6 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			panic(err)
		}
	}
	keys := make(map[string]signer)
	for name, key := range map[string]any{
		"oct": bytes.Repeat([]byte("0123456789abcdef"), 4), "rsa": rsaKey, "other": other,
		"p256": p256, "p384": p384, "p521": p521, "ed": ed,
	} {
		keys[name] = signer{key, object{"kid": name}}
	}
	return keys
})

// document writes the public halves as a key set.
func document(t testing.TB, keys ...signer) []byte {
	t.Helper()
	list := make([]object, len(keys))
	for i, k := range keys {
		j := jws.JSONWebKey{Key: k.key}
		if _, symmetric := k.key.([]byte); !symmetric {
			j = j.Public()
		}
		b, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &list[i]); err != nil {
			t.Fatal(err)
		}
		maps.Copy(list[i], k.members)
	}
	b, err := json.Marshal(object{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everyKey is the set of all signers.
func everyKey(t testing.TB) []byte {
	var keys []signer
	for _, k := range signers() {
		keys = append(keys, k)
	}
	return document(t, keys...)
}

// sign makes a token with another library than ours. Header members of the
// object are added, nil leaves kid away.
func sign(t testing.TB, alg string, key any, header object, claims string) string {
	t.Helper()
	o := new(jws.SignerOptions)
	for name, v := range header {
		o.WithHeader(jws.HeaderKey(name), v)
	}
	s, err := jws.NewSigner(jws.SigningKey{Algorithm: jws.SignatureAlgorithm(alg), Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rs256 makes a token of the RSA key.
func rs256(t testing.TB, claims string) string {
	return sign(t, "RS256", signers()["rsa"].key, object{"kid": "rsa"}, claims)
}

// b64 is base64url without padding.
func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// file writes a file and returns its name.
func file(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A site is what components are built at in a test.
type site struct{ *sitetest.Gateway }

// newSite returns a site whose connections go to the connector, or to the
// network if it is nil.
func newSite(t testing.TB, to gateway.Connector) *site {
	s := &site{sitetest.New(t)}
	s.Env.Clock = func() time.Time { return now }
	if s.Answer = to; to == nil {
		s.Env.Dial = func(_ model.Transport, c *tls.Config) (gateway.Connector, error) { return network(t, c), nil }
	}
	return s
}

// network is a connector to real hosts.
func network(t testing.TB, c *tls.Config) gateway.Connector {
	transport := &http.Transport{TLSClientConfig: c}
	t.Cleanup(transport.CloseIdleConnections)
	return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
		r, err := http.NewRequestWithContext(ctx, x.Request.Method, x.Request.Scheme+"://"+x.Request.Host+x.Request.Path, nil)
		if err != nil {
			return err
		}
		for _, f := range x.Request.Header {
			r.Header.Add(f.Name, f.Value)
		}
		a, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		x.Response.Status = a.StatusCode
		for name, values := range a.Header {
			x.Response.Header.Set(name, values[0])
		}
		x.Response.Body = body.FromStream(a.Body, a.ContentLength)
		return nil
	})
}

// text writes options as JSON.
func text(t testing.TB, options any) string {
	t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shared builds the component of the service.
func (s *site) shared(t testing.TB, options object) []*config.Problem {
	return s.Service(t, info.Namespace, text(t, options)).Problems()
}

// An endpoint is the component, built.
type endpoint struct {
	stages   []component.Placed
	problems []*config.Problem
}

// endpoint builds the component at an endpoint with these input_headers.
func (s *site) endpoint(t testing.TB, options any, input ...string) *endpoint {
	t.Helper()
	s.Config.Endpoint, s.Config.InputHeaders, s.Params = "/accounts", input, nil
	e := s.Endpoint(t, info.Namespace, text(t, options))
	return &endpoint{e.Placed(), e.Problems()}
}

// ready returns an endpoint that was built without an error.
func (s *site) ready(t testing.TB, options object, input ...string) *endpoint {
	t.Helper()
	e := s.endpoint(t, options, input...)
	if config.HasErrors(e.problems) {
		t.Fatalf("options %v:\n%s", options, config.Format(e.problems))
	}
	return e
}

// local returns an endpoint that verifies RS256 with the keys of all signers,
// with further options.
func local(t testing.TB, options object, input ...string) *endpoint {
	t.Helper()
	all := object{"alg": "RS256", "jwk_local_path": file(t, everyKey(t))}
	maps.Copy(all, options)
	return newSite(t, nil).ready(t, all, input...)
}

// ask sends a request through the stages and returns it with the status: 200
// if it passed.
func (e *endpoint) ask(t testing.TB, r testx.Request) (*gateway.Exchange, int) {
	t.Helper()
	x := r.Exchange(t)
	err := e.enter(t, x)
	if err == nil {
		return x, 200
	}
	refusal := gateway.AsError(err)
	if refusal.Public != "" {
		t.Errorf("the client reads %q, want nothing", refusal.Public)
	}
	if established := x.Identity != nil; established != (refusal.Status == 403) {
		t.Errorf("refused with %v; it has an identity: %t", err, established)
	}
	return x, refusal.Status
}

// enter sends x through the stages and returns the first error.
func (e *endpoint) enter(t testing.TB, x *gateway.Exchange) error {
	for _, p := range e.stages {
		if err := p.Stage.Enter(t.Context(), x); err != nil {
			return err
		}
	}
	return nil
}

// bearer is a request with a token.
func bearer(token string) testx.Request {
	return testx.Request{Header: gateway.Fields{{Name: "Authorization", Value: "Bearer " + token}}}
}

// status sends a token and returns the status.
func (e *endpoint) status(t testing.TB, token string) int {
	t.Helper()
	_, status := e.ask(t, bearer(token))
	return status
}

// A provider answers with a key set for each path and counts the calls.
type provider struct {
	mu    sync.Mutex
	sets  map[string][]byte // by host and path
	calls int
}

func (p *provider) Do(_ context.Context, x *gateway.Exchange) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	set, ok := p.sets[x.Request.Scheme+"://"+x.Request.Host+x.Request.Path]
	if !ok {
		return &gateway.Error{Code: gateway.CodeBackendUnreachable, Err: gateway.ErrUnreached}
	}
	x.Response.Status = 200
	x.Response.Header.Set("Content-Type", "application/json")
	x.Response.Body = body.FromStream(io.NopCloser(bytes.NewReader(set)), -1)
	return nil
}

// publish replaces a set; nil takes it away.
func (p *provider) publish(url string, set []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sets[url] = set
	if set == nil {
		delete(p.sets, url)
	}
}

// asked returns the number of calls so far.
func (p *provider) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// reported checks that the problems are those expected, each written as
// severity, key and a part of its text.
func reported(t *testing.T, problems []*config.Problem, want ...string) {
	t.Helper()
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s %s %v", p.Severity, p.Path, p.Err))
	}
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for _, w := range want {
		head, tail, _ := strings.Cut(w, ": ")
		found := false
		for _, g := range got {
			found = found || strings.HasPrefix(g, head+" ") && strings.Contains(g, tail)
		}
		if !found {
			t.Errorf("no problem %q among:\n%s", w, strings.Join(got, "\n"))
		}
	}
}
