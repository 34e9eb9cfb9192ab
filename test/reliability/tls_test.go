package reliability

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// An authority signs certificates, which it keeps in a folder of the test.
type authority struct {
	t      testing.TB
	dir    string
	file   string // of its own certificate
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64 // of the latest certificate
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, nil, nil, name)
	a.file = filepath.Join(a.dir, name+".pem")
	return a
}

// make signs a certificate and writes name.pem and name.key.
func (a *authority) make(c, parent *x509.Certificate, signer *ecdsa.PrivateKey, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	c.SerialNumber = big.NewInt(a.serial)
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

// A pair is a certificate with its key.
type pair struct{ cert, key string }

// sign makes a pair for names or addresses, good for both ends.
func (a *authority) sign(name string, hosts ...string) pair {
	a.t.Helper()
	return a.signUntil(time.Now().Add(time.Hour), name, hosts...)
}

func (a *authority) signUntil(end time.Time, name string, hosts ...string) pair {
	a.t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	a.make(c, a.cert, a.key, name)
	return pair{filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")}
}

func (p pair) load(t testing.TB) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pool trusts authorities.
func pool(authorities ...*authority) *x509.CertPool {
	p := x509.NewCertPool()
	for _, a := range authorities {
		p.AddCert(a.cert)
	}
	return p
}

// serverPair is the pair as an item of tls.keys.
func (p pair) serverPair() string {
	return fmt.Sprintf(`{"public_key":%q,"private_key":%q}`, p.cert, p.key)
}

// A secure answer is what a client of HTTPS got.
type secure struct {
	told
	proto    string
	protocol uint16 // version of TLS
	shown    string // name of the server's certificate
	resumed  bool
}

// fetchTLS asks once, on a connection of its own.
func fetchTLS(t testing.TB, url string, c *tls.Config) secure {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: len(c.NextProtos) != 1}
	defer transport.CloseIdleConnections()
	return ask(t, transport, url)
}

func ask(t testing.TB, transport http.RoundTripper, url string) secure {
	t.Helper()
	client := &http.Client{Transport: transport, Timeout: 2 * soon}
	res, err := client.Get(url)
	if err != nil {
		return secure{told: told{err: err}}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return secure{told{res.StatusCode, res.Header, string(text), err}, res.Proto, res.TLS.Version, res.TLS.PeerCertificates[0].Subject.CommonName, res.TLS.DidResume}
}

// TestServerTLS shows what clients of each kind of settings get.
func TestServerTLS(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t, "authority")
	a, b := ca.sign("a", "a.test"), ca.sign("b", "b.test", "*.wild.test")
	old := fmt.Sprintf(`"public_key":%q,"private_key":%q`, a.cert, a.key)
	keys := `"keys":[` + a.serverPair() + `,` + b.serverPair() + `]`
	tests := []struct {
		name, tls string
		client    *tls.Config
		shown     string // name of the certificate; "" for no handshake
		version   uint16
		proto     string
	}{
		{"one pair", old, &tls.Config{ServerName: "a.test"}, "a", tls.VersionTLS13, "HTTP/2.0"},
		{"a client without HTTP/2", old, &tls.Config{ServerName: "a.test", NextProtos: []string{"http/1.1"}}, "a", tls.VersionTLS13, "HTTP/1.1"},
		{"several pairs, the first", keys, &tls.Config{ServerName: "a.test"}, "a", tls.VersionTLS13, "HTTP/2.0"},
		{"several pairs, the second", keys, &tls.Config{ServerName: "b.test"}, "b", tls.VersionTLS13, "HTTP/2.0"},
		{"several pairs, a wildcard", keys, &tls.Config{ServerName: "x.wild.test"}, "b", tls.VersionTLS13, "HTTP/2.0"},
		{"several pairs, an unknown name", keys, &tls.Config{ServerName: "c.test", InsecureSkipVerify: true}, "a", tls.VersionTLS13, "HTTP/2.0"},
		{"the old keys behind the new", `"keys":[` + b.serverPair() + `],` + old, &tls.Config{ServerName: "a.test"}, "a", tls.VersionTLS13, "HTTP/2.0"},
		{"a name that does not match", old, &tls.Config{ServerName: "b.test"}, "", 0, ""},
		{"TLS 1.2 is not spoken", old, &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS12}, "", 0, ""},
		{"TLS 1.2 from min_version", old + `,"min_version":"TLS12"`, &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS12}, "a", tls.VersionTLS12, "HTTP/2.0"},
		{"TLS 1.3 where it may be 1.2", old + `,"min_version":"TLS12"`, &tls.Config{ServerName: "a.test"}, "a", tls.VersionTLS13, "HTTP/2.0"},
		{"TLS 1.2 at most", old + `,"min_version":"TLS12","max_version":"TLS12"`, &tls.Config{ServerName: "a.test"}, "a", tls.VersionTLS12, "HTTP/2.0"},
		{"TLS 1.1 where it is 1.2 at least", old + `,"min_version":"TLS12"`, &tls.Config{ServerName: "a.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", 0, ""},
	}
	p := newPeer(t, says(ok(good)))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, fill(`{`+quiet+`"tls":{`+tt.tls+`},"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url()))
			c := tt.client
			if c.RootCAs = pool(ca); c.NextProtos == nil {
				c.NextProtos = []string{"h2", "http/1.1"}
			}
			for _, path := range []string{"/x", "/__health"} {
				got := fetchTLS(t, g.url+path, c)
				if tt.shown == "" {
					if got.err == nil {
						t.Errorf("%s: %d by %s of %s, want no handshake", path, got.status, tls.VersionName(got.protocol), got.shown)
					}
					continue
				}
				if got.status != 200 || got.shown != tt.shown || got.protocol != tt.version || got.proto != tt.proto {
					t.Errorf("%s: %d %v by %s, %s of %q, want %s, %s of %q", path, got.status, got.err, tls.VersionName(got.protocol), got.proto, got.shown, tls.VersionName(tt.version), tt.proto, tt.shown)
				}
			}
		})
	}
}

// TestTLSDisabled serves plain HTTP although there are settings.
func TestTLSDisabled(t *testing.T) {
	noLeaks(t)
	g := start(t, `{`+quiet+`"tls":{"disabled":true}}`)
	if got := fetch(t, "GET", g.url+"/__health", ""); got.status != 200 {
		t.Errorf("%d %v", got.status, got.err)
	}
}

// TestPlainOnTLS talks HTTP where HTTPS is spoken.
func TestPlainOnTLS(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t, "authority")
	g := start(t, `{`+quiet+`"tls":{"keys":[`+ca.sign("a", "a.test").serverPair()+`]}}`)
	if got := fetch(t, "GET", "http"+strings.TrimPrefix(g.url, "https"), ""); got.status != 400 && got.err == nil {
		t.Errorf("%d %q, want 400", got.status, got.body)
	}
}

// TestStreamsOnTLS runs many requests at once over one connection of HTTP/2.
func TestStreamsOnTLS(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t, "authority")
	const n = 16
	p := newPeer(t, together(n))
	g := start(t, fill(`{`+quiet+`"timeout":"20s","tls":{"keys":[`+ca.sign("a", "a.test").serverPair()+`]},"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url()))
	dials := 0
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool(ca), ServerName: "a.test"}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	if got := ask(t, transport, g.url+"/__health"); got.proto != "HTTP/2.0" {
		t.Fatalf("%s %v", got.proto, got.err)
	}
	complaint := load(n, n, func(int) string {
		if got := ask(t, transport, g.url+"/x"); got.status != 200 || got.body != good || got.proto != "HTTP/2.0" {
			return fmt.Sprintf("%d %q %v by %s", got.status, got.body, got.err, got.proto)
		}
		return ""
	})
	if complaint != "" || dials != 1 {
		t.Errorf("%s; %d connections, want one", complaint, dials)
	}
}

// TestMutualTLS shows whom a gateway that demands certificates lets in.
func TestMutualTLS(t *testing.T) {
	noLeaks(t)
	ca, clients, strangers := newAuthority(t, "authority"), newAuthority(t, "clients"), newAuthority(t, "strangers")
	server := ca.sign("server", "a.test")
	selfSigned := newAuthority(t, "self")
	selfPair := pair{selfSigned.file, filepath.Join(selfSigned.dir, "self.key")}
	tests := []struct {
		name   string
		server pair
		shown  *pair
		ok     bool
	}{
		{"nothing shown", server, nil, false},
		{"one of the authority", server, ptr(clients.sign("client")), true},
		{"one of another authority", server, ptr(strangers.sign("client")), false},
		{"one that has expired", server, ptr(clients.signUntil(time.Now().Add(-time.Minute), "late")), false},
		{"that of the server itself", server, &server, false},
		{"that of a server that signed itself", selfPair, &selfPair, false},
	}
	for _, tt := range tests {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, system's authorities %t", tt.name, !alone), func(t *testing.T) {
				g := start(t, fmt.Sprintf(`{%s"tls":{"keys":[%s],"enable_mtls":true,"ca_certs":[%q],"disable_system_ca_pool":%t}}`, quiet, tt.server.serverPair(), clients.file, alone))
				c := &tls.Config{InsecureSkipVerify: true}
				if tt.shown != nil {
					shown := tt.shown.load(t)
					// The client shows it whatever the server asks for.
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
				}
				got := fetchTLS(t, g.url+"/__health", c)
				if tt.ok != (got.status == 200) || tt.ok != (got.err == nil) {
					t.Errorf("%d %v, want success %t", got.status, got.err, tt.ok)
				}
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestCertificateReload replaces the files of a certificate: new connections
// see the new one, old connections live on, and a broken file changes nothing.
func TestCertificateReload(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t, "authority")
	files := ca.sign("used", "a.test")
	replace := func(name string) {
		next := ca.sign(name, "a.test")
		for from, to := range map[string]string{next.cert: files.cert, next.key: files.key} {
			data, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	replace("first")
	g := start(t, `{`+quiet+`"tls":{"keys":[`+files.serverPair()+`]}}`)
	c := &tls.Config{RootCAs: pool(ca), ServerName: "a.test"}
	var kept []*http.Transport
	for _, protocols := range [][]string{{"http/1.1"}, {"h2"}} {
		own := c.Clone()
		own.NextProtos = protocols
		transport := &http.Transport{TLSClientConfig: own, ForceAttemptHTTP2: protocols[0] == "h2"}
		defer transport.CloseIdleConnections()
		if got := ask(t, transport, g.url+"/__health"); got.shown != "first" || got.status != 200 {
			t.Fatalf("%v: %d %v of %s", protocols, got.status, got.err, got.shown)
		}
		kept = append(kept, transport)
	}
	replace("second")
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatal(err, problems)
	}
	if got := fetchTLS(t, g.url+"/__health", c); got.shown != "second" || got.status != 200 {
		t.Errorf("a new connection: %d %v of %s, want the second certificate", got.status, got.err, got.shown)
	}
	for _, transport := range kept {
		if got := ask(t, transport, g.url+"/__health"); got.shown != "first" || got.status != 200 {
			t.Errorf("an old connection: %d %v of %s, want it to live on", got.status, got.err, got.shown)
		}
	}
	if err := os.WriteFile(files.cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, runtime.ErrConfig) {
		t.Errorf("a broken file: %v, want %v", err, runtime.ErrConfig)
	}
	if got := fetchTLS(t, g.url+"/__health", c); got.shown != "second" || got.status != 200 {
		t.Errorf("after a broken reload: %d %v of %s, want the second certificate", got.status, got.err, got.shown)
	}
}

// TestAuthorityReload replaces the authority of clients. Who was let in before
// is not let in again, not even by a session that is resumed.
func TestAuthorityReload(t *testing.T) {
	noLeaks(t)
	ca, was, now := newAuthority(t, "authority"), newAuthority(t, "was"), newAuthority(t, "now")
	server := ca.sign("server", "a.test")
	text := func(a *authority, more string) string {
		return fmt.Sprintf(`{%s"tls":{"keys":[%s],"enable_mtls":true,"ca_certs":[%q],"disable_system_ca_pool":true%s}}`, quiet, server.serverPair(), a.file, more)
	}
	for name, more := range map[string]string{"TLS 1.3": "", "TLS 1.2": `,"min_version":"TLS12","max_version":"TLS12"`} {
		t.Run(name, func(t *testing.T) {
			g := start(t, text(was, more))
			client := func(a *authority) *tls.Config {
				return &tls.Config{
					RootCAs: pool(ca), ServerName: "a.test", NextProtos: []string{"http/1.1"},
					Certificates: []tls.Certificate{a.sign("client").load(t)}, ClientSessionCache: tls.NewLRUClientSessionCache(8),
				}
			}
			old := client(was)
			for range 3 {
				if got := fetchTLS(t, g.url+"/__health", old); got.status != 200 {
					t.Fatalf("%d %v", got.status, got.err)
				}
			}
			if got := fetchTLS(t, g.url+"/__health", old); !got.resumed {
				t.Error("a session is not resumed, so this test shows little")
			}
			next := text(now, more)
			g.config.Store(&next)
			if problems, err := g.Load(t.Context()); err != nil {
				t.Fatal(err, problems)
			}
			for range 3 {
				if got := fetchTLS(t, g.url+"/__health", old); got.err == nil {
					t.Errorf("a client of the old authority is let in, resumed %t", got.resumed)
				}
			}
			if got := fetchTLS(t, g.url+"/__health", client(now)); got.status != 200 {
				t.Errorf("a client of the new authority: %d %v", got.status, got.err)
			}
		})
	}
}

// TestBadTLS shows that settings that cannot hold keep a gateway from starting,
// and say where they stand.
func TestBadTLS(t *testing.T) {
	ca := newAuthority(t, "authority")
	a, b := ca.sign("a", "a.test"), ca.sign("b", "b.test")
	missing := filepath.Join(ca.dir, "missing.pem")
	tests := []struct{ name, text, at string }{
		{"no keys", `"tls":{}`, "tls.public_key"},
		{"no private key", fmt.Sprintf(`"tls":{"public_key":%q}`, a.cert), "tls.private_key"},
		{"a file that is not there", fmt.Sprintf(`"tls":{"public_key":%q,"private_key":%q}`, missing, a.key), "tls.public_key"},
		{"a file of several that is not there", fmt.Sprintf(`"tls":{"keys":[%s,{"public_key":%q,"private_key":%q}]}`, a.serverPair(), b.cert, missing), "tls.keys[1].private_key"},
		{"the key of another", fmt.Sprintf(`"tls":{"public_key":%q,"private_key":%q}`, a.cert, b.key), "tls.public_key"},
		{"an authority that is not there", fmt.Sprintf(`"tls":{"keys":[%s],"enable_mtls":true,"ca_certs":[%q]}`, a.serverPair(), missing), "tls.ca_certs[0]"},
		{"an authority that is none", fmt.Sprintf(`"tls":{"keys":[%s],"enable_mtls":true,"ca_certs":[%q]}`, a.serverPair(), a.key), "tls.ca_certs[0]"},
		{"an unknown version", fmt.Sprintf(`"tls":{"keys":[%s],"min_version":"TLS14"}`, a.serverPair()), "tls.min_version"},
		{"an empty range", fmt.Sprintf(`"tls":{"keys":[%s],"max_version":"TLS12"}`, a.serverPair()), "tls.max_version"},
		{"an authority of backends that is not there", fmt.Sprintf(`"client_tls":{"ca_certs":[%q]}`, missing), "client_tls.ca_certs[0]"},
		{"a certificate for backends that is not there", fmt.Sprintf(`"client_tls":{"client_certs":[{"certificate":%q,"private_key":%q}]}`, missing, a.key), "client_tls.client_certs[0].certificate"},
		{"a key for backends that is not there", fmt.Sprintf(`"client_tls":{"client_certs":[{"certificate":%q,"private_key":%q}]}`, a.cert, missing), "client_tls.client_certs[0].private_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := runtime.New(runtime.Options{
				Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
					return config.Parse("gateway.json", []byte(`{`+quiet+tt.text+`}`))
				},
				Registry: component.Default,
			})
			defer g.Close()
			problems, err := g.Load(t.Context())
			if !errors.Is(err, runtime.ErrConfig) {
				t.Fatalf("Load: %v, want %v", err, runtime.ErrConfig)
			}
			found := false
			for _, p := range problems {
				found = found || p.Severity == config.Error && p.Path == tt.at
			}
			if !found {
				t.Errorf("no error at %s:\n%s", tt.at, config.Format(problems))
			}
		})
	}
}

// newTLSPeer is newPeer behind TLS.
func newTLSPeer(t testing.TB, c *tls.Config, serve func(*conn)) *peer {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	return newPeerOn(t, l, serve)
}

// TestBackendTLS shows which backends are believed, and what the client gets
// for the others.
func TestBackendTLS(t *testing.T) {
	noLeaks(t)
	ca, other, own := newAuthority(t, "backends"), newAuthority(t, "other"), newAuthority(t, "own")
	right := ca.sign("right", "127.0.0.1")
	client := own.sign("gateway")
	believes := fmt.Sprintf(`"client_tls":{"ca_certs":[%q],"min_version":"TLS12"},`, ca.file)
	shows := fmt.Sprintf(`"client_tls":{"ca_certs":[%q],"client_certs":[{"certificate":%q,"private_key":%q}]},`, ca.file, client.cert, client.key)
	unreached := fails("backend_unreachable", "?")
	tests := []struct {
		name    string
		keys    string // of the configuration
		cert    pair
		backend *tls.Config
		want    want
	}{
		{"an authority that is listed", believes, right, &tls.Config{}, answers(good)},
		{"an authority that is not listed", ``, right, &tls.Config{}, unreached},
		{"another authority", believes, other.sign("wrong", "127.0.0.1"), &tls.Config{}, unreached},
		{"a wrong name", believes, ca.sign("wrong", "backend.test"), &tls.Config{}, unreached},
		{"a certificate that has expired", believes, ca.signUntil(time.Now().Add(-time.Minute), "wrong", "127.0.0.1"), &tls.Config{}, unreached},
		{"any certificate, in its place", `"client_tls":{"allow_insecure_connections":true},`, other.sign("wrong", "backend.test"), &tls.Config{}, answers(good)},
		{"any certificate, in the old place", `"allow_insecure_connections":true,`, other.sign("wrong", "backend.test"), &tls.Config{}, answers(good)},
		{"any certificate, in the old place, and TLS 1.2", `"allow_insecure_connections":true,`, right, &tls.Config{MaxVersion: tls.VersionTLS12}, answers(good)},
		{"any certificate, in the old place beside others", strings.Replace(believes, `,"min`, `,"disable_system_ca_pool":true,"min`, 1) + `"allow_insecure_connections":true,`, other.sign("wrong", "backend.test"), &tls.Config{}, answers(good)},
		{"TLS 1.2 where it is allowed", believes, right, &tls.Config{MaxVersion: tls.VersionTLS12}, answers(good)},
		{"TLS 1.2 where it is not", fmt.Sprintf(`"client_tls":{"ca_certs":[%q]},`, ca.file), right, &tls.Config{MaxVersion: tls.VersionTLS12}, unreached},
		{"old versions only", believes, right, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, unreached},
		{"a backend that demands a certificate and gets one", shows, right, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(own)}, answers(good)},
		{"a backend that demands another", shows, right, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(other)}, fails("*", "?")},
		{"a backend that demands one and gets none", believes, right, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, fails("*", "?")},
	}
	for _, tt := range tests {
		for _, d := range dialects {
			t.Run(tt.name+"/"+d.name, func(t *testing.T) {
				tt.backend.Certificates = []tls.Certificate{tt.cert.load(t)}
				p := newTLSPeer(t, tt.backend, says(ok(good)))
				g := start(t, fill(`{`+d.key+d.quiet()+tt.keys+`"timeout":"20s",`+strings.Replace(one, `"POST"`, `"GET"`, 1)+`}`, "https://"+p.address))
				got := fetch(t, "GET", g.url+"/x", "")
				w := tt.want
				if w.code == "*" { // the alert may come before the answer is read or instead of it
					w.code = "backend_unreachable"
					if strings.Contains(got.body, "backend_aborted") {
						w.code = "backend_aborted"
					}
				}
				w.check(t, d, tt.name, got, p)
				if w.code != "" {
					p.waitOpen(0)
				}
			})
		}
	}
}

// TestNoTLS calls by HTTPS what speaks something else, or nothing.
func TestNoTLS(t *testing.T) {
	noLeaks(t)
	for name, tt := range map[string]struct {
		serve func(*conn)
		want  want
	}{
		"plain HTTP":             {func(c *conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); c.Close() }, fails("backend_unreachable", "?")},
		"nonsense":               {func(c *conn) { io.WriteString(c, "220 smtp.test\r\n"); c.Close() }, fails("backend_unreachable", "?")},
		"an end":                 {func(c *conn) { c.Close() }, fails("backend_unreachable", "?")},
		"a reset":                {func(c *conn) { c.reset() }, fails("backend_unreachable", "?")},
		"nothing":                {func(*conn) {}, fails("timeout", tooLate)},
		"the half of a greeting": {func(c *conn) { c.Write([]byte{22, 3, 3, 0, 100, 2}) }, fails("timeout", tooLate)},
	} {
		for _, d := range dialects {
			t.Run(name+"/"+d.name, func(t *testing.T) {
				p := newPeer(t, tt.serve)
				g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"300ms",`+one+`}`, "https://"+p.address))
				tt.want.check(t, d, name, fetch(t, "POST", g.url+"/x", ""), p)
				p.waitOpen(0)
			})
		}
	}
}

// TestBackendHTTP2 calls a backend that offers HTTP/2.
func TestBackendHTTP2(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t, "backends")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{ca.sign("a", "127.0.0.1").load(t)}, NextProtos: []string{"h2"}},
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"proto":%q}`, r.Proto) }),
	}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close(); <-done })
	g := start(t, fill(fmt.Sprintf(`{%s"client_tls":{"ca_certs":[%q]},%s}`, quiet, ca.file, one), "https://"+l.Addr().String()))
	if got := fetch(t, "POST", g.url+"/x", "body"); got.status != 200 || got.body != `{"proto":"HTTP/2.0"}` {
		t.Errorf("%d %q %v, want HTTP/2.0", got.status, got.body, got.err)
	}
}

// TestBackendAuthorityReload replaces the file of an authority of backends: the
// next calls believe the new one only.
func TestBackendAuthorityReload(t *testing.T) {
	noLeaks(t)
	was, now := newAuthority(t, "was"), newAuthority(t, "now")
	trusted := filepath.Join(t.TempDir(), "trusted.pem")
	trust := func(a *authority) {
		data, err := os.ReadFile(a.file)
		if err == nil {
			err = os.WriteFile(trusted, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	trust(was)
	p := newTLSPeer(t, &tls.Config{Certificates: []tls.Certificate{was.sign("a", "127.0.0.1").load(t)}}, says(ok(good)))
	g := start(t, fill(fmt.Sprintf(`{"dialect":"sluice",%s"client_tls":{"ca_certs":[%q]},%s}`, quiet, trusted, one), "https://"+p.address))
	if got := fetch(t, "POST", g.url+"/x", ""); got.status != 200 {
		t.Fatalf("%d %q %v", got.status, got.body, got.err)
	}
	trust(now)
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatal(err, problems)
	}
	failed(t, fetch(t, "POST", g.url+"/x", ""), 502, "backend_unreachable")
	p.waitOpen(0) // the connections of the old client end with its generation
	trust(was)
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatal(err, problems)
	}
	if got := fetch(t, "POST", g.url+"/x", ""); got.status != 200 {
		t.Errorf("%d %q %v", got.status, got.body, got.err)
	}
}
