//go:build !slim

package gcppubsub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	googlecredentials "cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// dial lets a gateway fetch tokens.
func dial(t *testing.T, g *sitetest.Gateway) {
	client := fast.Engine.NewClient(model.Transport{}, nil)
	t.Cleanup(func() { client.Close() })
	g.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) { return client, nil }
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var key = sync.OnceValue(func() string {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// account1 writes a file of credentials and returns its name.
func account1(t *testing.T) string {
	return write(t, "account.json", marshal(t, map[string]string{
		"type": "service_account", "project_id": "shop", "private_key_id": "1", "private_key": key(), "client_email": "gateway@shop.iam.gserviceaccount.com", "token_uri": "https://127.0.0.1:1/",
	}))
}

// TestDetect: the search for credentials of the machine keeps nobody who has no time left, is made
// once for several, and again when it was in vain.
func TestDetect(t *testing.T) {
	defer func(before func(*googlecredentials.DetectOptions) (*auth.Credentials, error)) { detect = before }(detect)
	searches, results := make(chan struct{}, 3), make(chan error)
	detect = func(*googlecredentials.DetectOptions) (*auth.Credentials, error) {
		searches <- struct{}{}
		return new(auth.Credentials), <-results
	}
	at := new(account)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 2 {
		if _, err := at.tokens(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("no time left: %v", err)
		}
	}
	results <- errors.New("no")
	if _, err := at.tokens(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be had: no") {
		t.Errorf("in vain: %v", err)
	}
	go func() { results <- nil }()
	if _, err := at.tokens(t.Context()); err != nil || len(searches) != 2 {
		t.Errorf("again: %v, %d searches", err, len(searches))
	}
}

// A guard is a publisher behind TLS that wants a token.
type guard struct {
	pubsubpb.UnimplementedPublisherServer
	mu   sync.Mutex
	seen metadata.MD
}

func (g *guard) note(ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = md
}

func (g *guard) GetTopic(ctx context.Context, r *pubsubpb.GetTopicRequest) (*pubsubpb.Topic, error) {
	g.note(ctx)
	return &pubsubpb.Topic{Name: r.Topic}, nil
}

func (g *guard) Publish(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	g.note(ctx)
	return &pubsubpb.PublishResponse{MessageIds: []string{"1"}}, nil
}

// startGuard returns its address, and the file of the authority that vouches for it.
func startGuard(t *testing.T) (g *guard, address, authority string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g = new(guard)
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private})))
	pubsubpb.RegisterPublisherServer(s, g)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return g, "https://" + l.Addr().String(), write(t, "authority.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestCredentials: a file of an account, that of gcloud, and the account of the machine; calls
// show their token, and say where they belong.
func TestCredentials(t *testing.T) {
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/token") {
			fmt.Fprint(w, `{"access_token": "of-the-machine", "expires_in": 3600, "token_type": "Bearer"}`)
			return
		}
		http.NotFound(w, r)
	}))
	defer machine.Close()
	defer http.DefaultClient.CloseIdleConnections()
	person := marshal(t, map[string]string{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "quota_project_id": "shop"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "application_default_credentials.json"), person, 0o600); err != nil {
		t.Fatal(err)
	}
	g, address, authority := startGuard(t)
	for _, tt := range []struct {
		name        string
		environment map[string]string
		want        string
	}{
		{"an account of a service", map[string]string{fileVariable: account1(t)}, "Bearer ey"},
		{"the machine", map[string]string{"CLOUDSDK_CONFIG": t.TempDir()}, "Bearer of-the-machine"},
	} {
		t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(machine.URL, "http://"))
		t.Setenv("HOME", t.TempDir())
		e := newEnds(t)
		e.environment = tt.environment
		dial(t, e.Gateway)
		a := e.address(t, "shop/orders")
		a.Server, a.ClientTLS = address, &model.ClientTLS{CACerts: []string{authority}}
		p, err := queue.OpenPublisher(&e.EndpointSite().Site, a)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		e.Attend(t, p)
		testx.Await(t, func() error {
			if text, ok := p.Health(); !ok {
				return errors.New(text + e.Log.String())
			}
			return nil
		})
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		g.mu.Lock()
		seen := g.seen
		g.mu.Unlock()
		if token := strings.Join(seen.Get("authorization"), ","); !strings.HasPrefix(token, tt.want) {
			t.Errorf("%s: %.20q", tt.name, token)
		}
		if route := strings.Join(seen.Get("x-goog-request-params"), ","); route != "topic=projects%2Fshop%2Ftopics%2Forders" {
			t.Errorf("%s: %q", tt.name, route)
		}
	}
	e := newEnds(t)
	e.environment = map[string]string{"CLOUDSDK_CONFIG": dir}
	dial(t, e.Gateway)
	a := e.address(t, "shop/orders")
	a.Server = address
	at, err := where(&e.EndpointSite().Site, a)
	if err != nil || string(at.file) != string(person) {
		t.Errorf("the file of gcloud: %v", err)
	}
}

// TestCredentialsFail: a file that is wrong stops the start, and tokens that cannot be had are
// a peer that is away; neither shows a secret.
func TestCredentialsFail(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"/nowhere.json", "the variable GOOGLE_APPLICATION_CREDENTIALS: "},
		{write(t, "a.json", []byte("secret")), "the file is none of credentials"},
		{write(t, "b.json", []byte(`{"private_key": "secret"}`)), "the file is none of credentials"},
		{write(t, "c.json", []byte(`{"type": "service_account", "private_key": "secret"}`)), "the variable GOOGLE_APPLICATION_CREDENTIALS: "},
	} {
		e := newEnds(t)
		e.environment = map[string]string{fileVariable: tt.file}
		dial(t, e.Gateway)
		_, err := queue.OpenPublisher(&e.EndpointSite().Site, e.address(t, "shop/orders"))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tt.file, err)
		}
	}
	_, address, authority := startGuard(t)
	e := newEnds(t)
	e.environment = map[string]string{fileVariable: write(t, "d.json", marshal(t, map[string]string{"type": "authorized_user", "client_id": "c", "client_secret": "secret", "refresh_token": "secret"}))}
	g := sitetest.New(t)
	g.Env.Getenv = e.Env.Getenv
	g.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) {
		return gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return gateway.Away(errors.New("nobody")) }), nil
	}
	e.Gateway = g
	a := e.address(t, "shop/orders")
	a.Server, a.ClientTLS = address, &model.ClientTLS{CACerts: []string{authority}}
	p, err := queue.OpenPublisher(&e.EndpointSite().Site, a)
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, p)
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "credentials of Google cannot be had") {
			return errors.New(log)
		}
		return nil
	})
	if log := e.Log.String(); strings.Contains(log, "secret") {
		t.Errorf("log:\n%.2000s", log)
	}
}
