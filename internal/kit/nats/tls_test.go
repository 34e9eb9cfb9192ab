package nats_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// certificate writes one for the loopback interface that vouches for itself, and its key.
func certificate(t *testing.T) (certificate, key string, pair tls.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	chain, secret := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if pair, err = tls.X509KeyPair(chain, secret); err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := errors.Join(os.WriteFile(certificate, chain, 0o600), os.WriteFile(key, secret, 0o600)); err != nil {
		t.Fatal(err)
	}
	return certificate, key, pair
}

// TestTLS: the authorities and the certificate of the options count, or those of the root.
func TestTLS(t *testing.T) {
	file, key, pair := certificate(t)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(leaf)
	s := natstest.Start(t, natstest.Options{TLS: true, TLSTimeout: 60, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: authorities, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}})
	whole := &model.ClientTLS{CACerts: []string{file}, ClientCerts: []model.ClientCert{{Certificate: file, PrivateKey: key}}}
	tests := []struct {
		name       string
		root, here *model.ClientTLS
		fails      bool
	}{
		{"the system's authorities", nil, nil, true},
		{"no certificate", nil, &model.ClientTLS{CACerts: []string{file}}, true},
		{"here", nil, whole, false},
		{"at the root", whole, nil, false},
		{"here, in place of the root", &model.ClientTLS{}, whole, false},
	}
	for _, tt := range tests {
		for _, scheme := range []string{"tls", "nats"} { // the server asks for it
			e := newEnds(t, strings.Replace(s.URL, "nats", scheme, 1))
			e.Env.Service.ClientTLS = tt.root
			p := e.publisher(t, "orders", func(a *queue.Address) { a.ClientTLS = tt.here })
			if !tt.fails {
				queuetest.Ready(t, p)
				if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				continue
			}
			testx.Await(t, func() error {
				if log := e.Log.String(); !strings.Contains(log, "peer is away") {
					return errors.New(log)
				}
				return nil
			})
			if text, ok := p.Health(); ok {
				t.Errorf("%s: %s", tt.name, text)
			}
		}
	}
	_, err = queue.OpenPublisher(&newEnds(t, s.URL).EndpointSite().Site, func() *queue.Address {
		a := newEnds(t, s.URL).address(t, "orders")
		a.ClientTLS = &model.ClientTLS{CACerts: []string{"/nowhere.pem"}}
		return a
	}())
	if err == nil || !strings.HasPrefix(err.Error(), "client_tls: ca_certs[0]") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestNoTLS: who asks for TLS beside the address shares no connection with who does not, though
// the settings are the same: of those at the root nobody knows for which server they are.
func TestNoTLS(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	e.Env.Service.ClientTLS = &model.ClientTLS{DisableSystemCAPool: true, AllowInsecureConnections: true}
	own := func(a *queue.Address) { a.ClientTLS = e.Env.Service.ClientTLS }
	queuetest.Ready(t, e.publisher(t, "orders"))
	p := e.publisher(t, "orders", own)
	if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("published to a server without TLS: %v", err)
	}
}
