package tlsx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/model"
)

// A folder of certificates, made for one test.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) *folder { return &folder{t, t.TempDir()} }

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) write(name, text string) string {
	f.t.Helper()
	if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.file(name)
}

// pair writes name.pem and name.key: a certificate for the host, signed by
// itself, that may be used at both ends.
func (f *folder) pair(name, host string) model.KeyPair {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		f.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	return model.KeyPair{
		PublicKey:  f.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		PrivateKey: f.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))),
	}
}

// shake makes a handshake and returns what the client saw. The server then
// closes the connection; a client of TLS 1.3 learns only by reading that its
// certificate was refused.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		s := tls.Server(conn, server)
		err = s.Handshake()
		s.Close()
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(conn, client)
	_, err = io.ReadAll(c)
	conn.Close()
	return c.ConnectionState(), errors.Join(err, <-done)
}

func mustServer(t *testing.T, c model.ServerTLS) *tls.Config {
	t.Helper()
	s, err := Server(&c)
	if err != nil {
		t.Fatalf("Server: %v", err)
	}
	return s
}

func mustClient(t *testing.T, c *model.ClientTLS) *tls.Config {
	t.Helper()
	s, err := Client(c)
	if err != nil {
		t.Fatalf("Client: %v", err)
	}
	s.ServerName = "a.test"
	return s
}

func TestVersions(t *testing.T) {
	f := newFolder(t)
	pair := f.pair("a", "a.test")
	limits := func(oldest, newest model.TLSVersion, suites ...uint16) model.TLSLimits {
		return model.TLSLimits{MinVersion: oldest, MaxVersion: newest, CipherSuites: suites}
	}
	tests := []struct {
		name   string
		server model.TLSLimits
		client *model.TLSLimits // nil is a client without options
		want   uint16           // 0 when no handshake succeeds
	}{
		{"nothing set on either side", limits("", ""), nil, tls.VersionTLS13},
		{"a server of 1.2 and a client without options", limits("TLS12", "TLS12"), nil, tls.VersionTLS12},
		{"a server of 1.2 and a client with empty options", limits("TLS12", "TLS12"), &model.TLSLimits{}, 0},
		{"a server of 1.2 and up", limits("TLS12", ""), &model.TLSLimits{MinVersion: "TLS12"}, tls.VersionTLS13},
		{"a server of 1.3 and a client of 1.2", limits("", ""), &model.TLSLimits{MinVersion: "TLS12", MaxVersion: "TLS12"}, 0},
		{"a client without options and a server of 1.1", limits("TLS11", "TLS11", 49161, 49195), nil, 0},
		{"legacy suites speak 1.1", limits("TLS11", "TLS12", 49161, 49195), &model.TLSLimits{MinVersion: "TLS10", MaxVersion: "TLS11", CipherSuites: []uint16{49161}}, tls.VersionTLS11},
		{"SSL 3.0 as the oldest version", limits("SSL3.0", "TLS12"), nil, tls.VersionTLS12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := mustServer(t, model.ServerTLS{Keys: []model.KeyPair{pair}, TLSLimits: tt.server})
			var client *tls.Config
			if tt.client == nil {
				client = mustClient(t, nil)
				client.InsecureSkipVerify = true
			} else {
				client = mustClient(t, &model.ClientTLS{TLSLimits: *tt.client, CACerts: []string{pair.PublicKey}})
			}
			state, err := shake(t, server, client)
			if got := state.Version; tt.want != 0 && (err != nil || got != tt.want) {
				t.Errorf("handshake: %s, %v, want %s", tls.VersionName(got), err, tls.VersionName(tt.want))
			}
			if tt.want == 0 && err == nil {
				t.Errorf("handshake succeeded with %s, want none", tls.VersionName(state.Version))
			}
		})
	}
}

func TestServerName(t *testing.T) {
	f := newFolder(t)
	a, b, c := f.pair("a", "a.test"), f.pair("b", "b.test"), f.pair("c", "c.test")
	server := mustServer(t, model.ServerTLS{Keys: []model.KeyPair{a, b}, PublicKey: c.PublicKey, PrivateKey: c.PrivateKey})
	for asked, want := range map[string]string{"a.test": "a", "b.test": "b", "c.test": "c", "other.test": "a", "": "a"} {
		state, err := shake(t, server, &tls.Config{ServerName: asked, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Errorf("name %q: %v", asked, err)
			continue
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("name %q: certificate %s, want %s", asked, got, want)
		}
		if state.NegotiatedProtocol != "h2" {
			t.Errorf("name %q: protocol %q, want h2", asked, state.NegotiatedProtocol)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	f := newFolder(t)
	server, known, stranger := f.pair("server", "a.test"), f.pair("known", "k.test"), f.pair("stranger", "s.test")
	tests := []struct {
		name  string
		shown *model.KeyPair
		alone bool // disable_system_ca_pool
		ok    bool
	}{
		{"none", nil, true, false},
		{"one of the authority", &known, true, true},
		{"one of the authority, system pool included", &known, false, true},
		{"one of an unknown authority", &stranger, true, false},
		{"one of an unknown authority, system pool included", &stranger, false, false},
		{"that of the server itself", &server, true, false},
		{"that of the server itself, system pool included", &server, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, model.ServerTLS{
				Keys: []model.KeyPair{server}, EnableMTLS: true,
				CACerts: []string{known.PublicKey}, DisableSystemCAPool: tt.alone,
			})
			c := &model.ClientTLS{CACerts: []string{server.PublicKey}}
			if tt.shown != nil {
				c.ClientCerts = []model.ClientCert{{Certificate: tt.shown.PublicKey, PrivateKey: tt.shown.PrivateKey}}
			}
			if _, err := shake(t, s, mustClient(t, c)); (err == nil) != tt.ok {
				t.Errorf("handshake: %v, want success %t", err, tt.ok)
			}
		})
	}
}

func TestBackendAuthority(t *testing.T) {
	f := newFolder(t)
	known, stranger := f.pair("known", "a.test"), f.pair("stranger", "a.test")
	tests := []struct {
		name   string
		server model.KeyPair
		client model.ClientTLS
		ok     bool
	}{
		{"listed", known, model.ClientTLS{CACerts: []string{known.PublicKey}}, true},
		{"listed, without the system's", known, model.ClientTLS{CACerts: []string{known.PublicKey}, DisableSystemCAPool: true}, true},
		{"not listed", stranger, model.ClientTLS{CACerts: []string{known.PublicKey}}, false},
		{"nothing listed", stranger, model.ClientTLS{}, false},
		{"anything goes", stranger, model.ClientTLS{AllowInsecureConnections: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, model.ServerTLS{Keys: []model.KeyPair{tt.server}})
			if _, err := shake(t, s, mustClient(t, &tt.client)); (err == nil) != tt.ok {
				t.Errorf("handshake: %v, want success %t", err, tt.ok)
			}
		})
	}
}

func TestServerErrors(t *testing.T) {
	f := newFolder(t)
	good, other := f.pair("good", "a.test"), f.pair("other", "b.test")
	text := f.write("text.pem", "no certificate")
	broken := f.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	keys := []model.KeyPair{good}
	tests := []struct {
		name string
		c    model.ServerTLS
		want []string
	}{
		{"no key at all", model.ServerTLS{}, []string{"public_key: public key not defined", "private_key: private key not defined"}},
		{"no private key", model.ServerTLS{PublicKey: good.PublicKey}, []string{"private_key: private key not defined"}},
		{"missing files", model.ServerTLS{Keys: []model.KeyPair{good, {PublicKey: "no.pem", PrivateKey: "no.key"}}},
			[]string{"keys[1].public_key: file no.pem: no such file", "keys[1].private_key: file no.key: no such file"}},
		{"a certificate without PEM", model.ServerTLS{PublicKey: text, PrivateKey: good.PrivateKey}, []string{"public_key: certificate " + text}},
		{"the key of another certificate", model.ServerTLS{PublicKey: good.PublicKey, PrivateKey: other.PrivateKey}, []string{other.PrivateKey, "does not match"}},
		{"an empty range", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MaxVersion: "TLS12"}}, []string{"max_version: TLS12 is older than min_version, which is TLS13"}},
		{"a range upside down", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MinVersion: "TLS12", MaxVersion: "TLS11"}}, []string{"max_version: the newest version TLS11 is older"}},
		{"SSL 3.0 only", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MinVersion: "SSL3.0", MaxVersion: "SSL3.0"}}, []string{"max_version: SSL3.0 is broken"}},
		{"unknown versions", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MinVersion: "TLS1", MaxVersion: "tls13"}},
			[]string{`min_version: "TLS1" is no version of TLS; write one of SSL3.0, TLS10`, `max_version: "tls13"`}},
		{"1.1 without a suite for it", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MinVersion: "TLS10", MaxVersion: "TLS11"}}, []string{"cipher_suites: no suite can be used with TLS11"}},
		{"an unknown suite", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{CipherSuites: []uint16{4865, 7}}},
			[]string{"cipher_suites[1]: no cipher suite has the number 7", "49199 (TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)"}},
		{"suites without HTTP/2", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{MinVersion: "TLS12", CipherSuites: []uint16{49200}}}, []string{"cipher_suites: HTTP/2 needs 49199"}},
		{"an unknown curve", model.ServerTLS{Keys: keys, TLSLimits: model.TLSLimits{CurvePreferences: []uint16{23, 22}}},
			[]string{"curve_preferences[1]: no curve has the number 22", "23 (CurveP256)"}},
		{"authorities that are not there", model.ServerTLS{Keys: keys, EnableMTLS: true, CACerts: []string{good.PublicKey, "no.pem"}}, []string{"ca_certs[1]: file no.pem: no such file"}},
		{"authorities without PEM", model.ServerTLS{Keys: keys, EnableMTLS: true, CACerts: []string{text}}, []string{"ca_certs[0]: file " + text + ": no certificate in PEM form"}},
		{"authorities that cannot be decoded", model.ServerTLS{Keys: keys, CACerts: []string{broken}}, []string{"ca_certs[0]: file " + broken + ": certificate 1: "}},
		{"nobody vouches for clients", model.ServerTLS{Keys: keys, EnableMTLS: true, DisableSystemCAPool: true}, []string{"ca_certs: no authority"}},
		{"everything at once", model.ServerTLS{CACerts: []string{text}, TLSLimits: model.TLSLimits{MaxVersion: "TLS12"}}, []string{"public_key: ", "max_version: ", "ca_certs[0]: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Server(&tt.c)
			if s != nil || err == nil {
				t.Fatalf("Server = %v, %v, want an error", s, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

func TestClientErrors(t *testing.T) {
	f := newFolder(t)
	good := f.pair("good", "a.test")
	tests := []struct {
		name string
		c    model.ClientTLS
		want string
	}{
		{"certificates that are not there", model.ClientTLS{ClientCerts: []model.ClientCert{{Certificate: "no.pem", PrivateKey: good.PrivateKey}}}, "client_certs[0].certificate: file no.pem: no such file"},
		{"a key that is not there", model.ClientTLS{ClientCerts: []model.ClientCert{{Certificate: good.PublicKey}}}, "client_certs[0].private_key: private key not defined"},
		{"authorities that are not there", model.ClientTLS{CACerts: []string{"no.pem"}}, "ca_certs[0]: file no.pem: no such file"},
		{"a folder of authorities", model.ClientTLS{CACerts: []string{f.path}}, "ca_certs[0]: file " + f.path + ": is a directory"},
		{"nobody vouches for backends", model.ClientTLS{DisableSystemCAPool: true}, "ca_certs: no authority"},
		{"an empty range", model.ClientTLS{TLSLimits: model.TLSLimits{MaxVersion: "TLS12"}}, "max_version: TLS12 is older"},
		{"no suite of 1.2", model.ClientTLS{TLSLimits: model.TLSLimits{MinVersion: "TLS12", MaxVersion: "TLS12", CipherSuites: []uint16{4865}}}, "cipher_suites: no suite can be used with TLS12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Client(&tt.c)
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Client = %v, %v, want an error with %q", s, err, tt.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	limits := model.TLSLimits{MinVersion: "TLS12"}
	tests := []struct {
		name string
		got  []error
		want []string // beginnings, in order
	}{
		{"a good server", ServerWarnings(&model.ServerTLS{}), nil},
		{"a good client", ClientWarnings(&model.ClientTLS{TLSLimits: limits}), nil},
		{"a client without options", ClientWarnings(nil), nil},
		{"a client with empty options", ClientWarnings(&model.ClientTLS{}), []string{"min_version: TLS13 is the oldest"}},
		{"a client that believes everybody", ClientWarnings(&model.ClientTLS{TLSLimits: limits, AllowInsecureConnections: true}), []string{"allow_insecure_connections: "}},
		{"any public authority", ServerMistakes(&model.ServerTLS{EnableMTLS: true}), []string{"enable_mtls: without ca_certs"}},
		{"authorities for nothing", ServerMistakes(&model.ServerTLS{CACerts: []string{"a"}}), []string{"ca_certs: clients are not asked"}},
		{"authorities beside the public ones", ServerWarnings(&model.ServerTLS{EnableMTLS: true, CACerts: []string{"a"}}), []string{"ca_certs: any certificate of a public authority"}},
		{"authorities alone", append(ServerWarnings(&model.ServerTLS{EnableMTLS: true, CACerts: []string{"a"}, DisableSystemCAPool: true}),
			ServerMistakes(&model.ServerTLS{EnableMTLS: true, CACerts: []string{"a"}, DisableSystemCAPool: true})...), nil},
		{"RC4, 3DES and static RSA", ServerWarnings(&model.ServerTLS{TLSLimits: model.TLSLimits{MinVersion: "TLS12", CipherSuites: []uint16{49199, 5, 10, 47}}}),
			[]string{"cipher_suites[1]: 5 (TLS_RSA_WITH_RC4_128_SHA) is weak", "cipher_suites[2]: 10 ", "cipher_suites[3]: 47 "}},
		{"a list for 1.3", ServerWarnings(&model.ServerTLS{TLSLimits: model.TLSLimits{CipherSuites: []uint16{4865}}}), []string{"cipher_suites: the suites of TLS 1.3"}},
		{"old versions without suites", ServerWarnings(&model.ServerTLS{TLSLimits: model.TLSLimits{MinVersion: "SSL3.0"}}),
			[]string{"min_version: TLS 1.0 and 1.1 are broken", "cipher_suites: no suite can be used with TLS 1.0", "cipher_suites: no suite can be used with TLS 1.1"}},
		{"an unknown version, which is an error", ServerWarnings(&model.ServerTLS{TLSLimits: model.TLSLimits{MinVersion: "x"}}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.got) != len(tt.want) {
				t.Fatalf("warnings: %v, want %q", errors.Join(tt.got...), tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(tt.got[i].Error(), want) {
					t.Errorf("warning %q, want %q", tt.got[i], want)
				}
			}
		})
	}
}
