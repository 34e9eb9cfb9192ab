package enginetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// tlsCases are about encryption and HTTP/2. The other end speaks HTTP/2 by
// golang.org/x/net/http2.
var tlsCases = cases{
	{"a client speaks HTTP/1.1 over TLS", serveTLS},
	{"a client speaks HTTP/1.0 over TLS, with and without ALPN", serveTLS10},
	{"a client that speaks plain HTTP is refused", plainToTLS},
	{"a body that breaks off is not ended by TLS", brokenTLS},
	{"a failed handshake is logged in one line", handshakeLogged},
	{"a client speaks HTTP/2 by ALPN", serveHTTP2},
	{"a client speaks HTTP/2 without TLS where allowed", serveH2C},
	{"HTTP/2 without TLS is refused where not allowed", refuseH2C},
	{"HTTP/2 without TLS begins with the connection", lateH2C},
	{"a body that breaks off resets the stream of HTTP/2", brokenHTTP2},
	{"a handler learns of the TLS of its client", tlsTold},
	{"a backend speaks HTTP/1.1 over TLS", callTLS},
	{"a backend speaks HTTP/2 by ALPN", callHTTP2},
	{"a backend with an unknown authority is not reached", callStranger},
}

// identity returns settings for a server at 127.0.0.1 and for clients that
// believe it.
func (t *trial) identity() (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	t.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "somebody"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"gateway.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	t.must(err)
	leaf, err := x509.ParseCertificate(der)
	t.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	return server, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

func (t *trial) dialTLS(addr string, settings *tls.Config) *wire {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, settings)
	t.must(err)
	return t.wire(conn)
}

func serveTLS(t *trial) {
	server, client := t.identity()
	d := t.open(engine.Settings{TLS: server}, describe)
	w := t.dialTLS(d.addr, client)
	for range 2 {
		w.lines("POST /a HTTP/1.1", "Host: h", "Content-Length: 5", "")
		w.send("hello")
		w.want(200, `POST /a| HTTP/1.1 host=h secure=true length=5 body="hello" err=<nil>`)
	}
}

func serveTLS10(t *trial) {
	server, client := t.identity()
	d := t.open(engine.Settings{TLS: server}, reply(200, "hello"))
	for _, protocols := range [][]string{{"http/1.0"}, {"http/1.1", "http/1.0"}, nil} {
		client.NextProtos = protocols
		w := t.dialTLS(d.addr, client)
		w.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n")
		if text, _ := w.rest(); !strings.Contains(text, " 200 OK\r\n") || !strings.HasSuffix(text, "\r\n\r\nhello") {
			t.Errorf("protocols %q: answer %q", protocols, text)
		}
	}
}

func plainToTLS(t *trial) {
	server, _ := t.identity()
	d := t.open(engine.Settings{TLS: server}, describe)
	w := t.dial(d.addr)
	w.send(get)
	if text, _ := w.rest(); !strings.HasPrefix(text, "HTTP/1.0 400 ") || !strings.HasSuffix(text, "Client sent an HTTP request to an HTTPS server.\n") {
		t.Errorf("answer %q, want 400", text)
	}
	if n := d.asked.Load(); n != 0 {
		t.Errorf("the handler was asked %d times, want never", n)
	}
}

func brokenTLS(t *trial) {
	server, client := t.identity()
	d := t.open(engine.Settings{TLS: server}, streaming(breaking("hel", errBroken), -1))
	w := t.dialTLS(d.addr, client)
	w.send("GET / HTTP/1.0\r\n\r\n")
	if text, orderly := w.rest(); orderly || !strings.HasSuffix(text, "hel") {
		t.Errorf("answer %q, orderly %t, want a beginning without an end", text, orderly)
	}
}

func handshakeLogged(t *trial) {
	server, _ := t.identity()
	lines := make(chan string, 10)
	d := t.open(engine.Settings{TLS: server, ErrorLog: func(msg string, err error) { lines <- msg + ": " + err.Error() }}, describe)
	conn, err := tls.Dial("tcp", d.addr, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"})
	if err == nil {
		conn.Close()
		t.Fatal("the handshake succeeded")
	}
	if line := await(t, "a line", lines); strings.ContainsAny(line, "\n\r") || !strings.Contains(line, "TLS handshake") {
		t.Errorf("line %q, want one about the handshake", line)
	}
}

// speakHTTP2 tests a server with a client that speaks HTTP/2.
func speakHTTP2(t *trial, d *door, scheme string, transport *http.Transport) {
	t.Helper()
	defer transport.CloseIdleConnections()
	secure := scheme == "https"
	for _, text := range []string{"", "hello", strings.Repeat("0123456789", 20000)} {
		q, err := http.NewRequestWithContext(t.context(), "POST", scheme+"://"+d.addr+"/a%2Fb//c?x=%20", strings.NewReader(text))
		t.must(err)
		res, err := transport.RoundTrip(q)
		t.must(err)
		got, err := io.ReadAll(res.Body)
		t.must(err)
		res.Body.Close()
		want := fmt.Sprintf("POST /a%%2Fb//c|x=%%20 HTTP/2.0 host=%s secure=%t length=%d", d.addr, secure, len(text))
		if text != "" {
			want += fmt.Sprintf(" body=%q err=<nil>", text)
		}
		if string(got) != want || res.ContentLength != int64(len(want)) || res.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("answer of %d bytes announced as %d, %v, want %d", len(got), res.ContentLength, res.Header, len(want))
		}
	}
}

func serveHTTP2(t *trial) {
	server, client := t.identity()
	d := t.open(engine.Settings{TLS: server}, describe)
	transport := &http.Transport{TLSClientConfig: client, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	speakHTTP2(t, d, "https", transport)
}

// priorKnowledge is a client that speaks HTTP/2 without TLS.
func priorKnowledge() *http.Transport {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	return transport
}

func serveH2C(t *trial) {
	d := t.open(engine.Settings{H2C: true}, describe)
	speakHTTP2(t, d, "http", priorKnowledge())
	w := t.dial(d.addr)
	w.send(get)
	w.want(200, "GET /| HTTP/1.1 host=gateway.test secure=false length=0")
}

func refuseH2C(t *trial) {
	d := t.open(engine.Settings{}, describe)
	w := t.dial(d.addr)
	w.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if text, _ := w.rest(); text != "" && !strings.HasPrefix(text, "HTTP/1.1 4") && !strings.HasPrefix(text, "HTTP/1.1 5") {
		t.Errorf("answer %q, want none or a refusal", text)
	}
	if n := d.asked.Load(); n != 0 {
		t.Errorf("the handler was asked %d times, want never", n)
	}
}

// lateH2C: whoever shares a connection with others could turn it into one that nobody
// in front reads (RFC 9113, section 3.4).
func lateH2C(t *trial) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	refused := func(w *wire) {
		t.Helper()
		if text, _ := w.rest(); !strings.HasPrefix(text, "HTTP/1.1 505 ") {
			t.Errorf("answer %q, want 505", text)
		}
	}
	server, believing := t.identity()
	server.NextProtos = []string{"http/1.1"}
	plain, secure := t.open(engine.Settings{H2C: true}, describe), t.open(engine.Settings{H2C: true, TLS: server}, describe)
	for n := range 3 {
		w := t.dial(plain.addr)
		for range n {
			w.send(get)
			w.want(200, "GET /| HTTP/1.1 host=gateway.test secure=false length=0")
		}
		w.send(get, preface) // in one piece
		w.want(200, "GET /| HTTP/1.1 host=gateway.test secure=false length=0")
		refused(w)
	}
	w := t.dial(plain.addr)
	w.send(get)
	w.want(200, "GET /| HTTP/1.1 host=gateway.test secure=false length=0")
	w.send(preface)
	refused(w)
	w = t.dial(plain.addr)
	w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", preface)
	w.want(200, `POST /| HTTP/1.1 host=h secure=false length=5 body="hello" err=<nil>`)
	refused(w)
	w = t.dial(plain.addr)
	w.send("\r\n", preface)
	refused(w)
	w = t.dialTLS(secure.addr, believing)
	w.send(preface)
	refused(w)
}

func brokenHTTP2(t *trial) {
	d := t.open(engine.Settings{H2C: true}, func(ctx context.Context, x *gateway.Exchange) error {
		switch x.In.Path() {
		case "/error":
			return errBroken
		case "/known":
			return streaming(breaking("hel", errBroken), 5)(ctx, x)
		}
		return streaming(breaking("hel", errBroken), -1)(ctx, x)
	})
	transport := priorKnowledge()
	defer transport.CloseIdleConnections()
	for _, path := range []string{"/error", "/known", "/unknown"} {
		q, err := http.NewRequestWithContext(t.context(), "GET", "http://"+d.addr+path, nil)
		t.must(err)
		var text []byte
		res, err := transport.RoundTrip(q)
		if err == nil {
			text, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: answer %q ends in order", path, text)
		}
		if o := await(t, "the end of the exchange", d.done); o.err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// tellTLS answers with the TLS of the client, as whoever comes behind a stage that edits
// the message learns of it. Several may ask at once.
func tellTLS(_ context.Context, x *gateway.Exchange) error {
	if x.In.Path() == "/edited" {
		x.Edit().SetHost("other.test")
	}
	var asking sync.WaitGroup
	texts := make([]string, 3)
	for i := range texts {
		asking.Go(func() {
			s := gateway.TLSOf(x.In)
			if s == nil {
				texts[i] = "plain"
				return
			}
			texts[i] = fmt.Sprintf("%s %t %s %s", tls.VersionName(s.Version), s.CipherSuite != 0, s.NegotiatedProtocol, s.ServerName)
			for _, chain := range s.VerifiedChains {
				texts[i] += " " + chain[0].Subject.CommonName
			}
		})
	}
	asking.Wait()
	answer(x, 200, strings.Join(slices.Compact(texts), ", "))
	return nil
}

func tlsTold(t *trial) {
	server, client := t.identity()
	stranger, _ := t.identity()
	known := server.Certificates
	server.ClientCAs, server.ClientAuth = client.RootCAs, tls.VerifyClientCertIfGiven
	server.MaxVersion = tls.VersionTLS12
	client.ServerName = "gateway.test"
	ask := func(d *door, scheme, protocol, path string, certificates []tls.Certificate) string {
		t.Helper()
		settings := client.Clone()
		settings.Certificates, settings.NextProtos = certificates, []string{protocol}
		transport := &http.Transport{TLSClientConfig: settings, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(protocol == "http/1.1")
		transport.Protocols.SetHTTP2(protocol == "h2")
		transport.Protocols.SetUnencryptedHTTP2(protocol == "h2")
		defer transport.CloseIdleConnections()
		var text []byte
		for range 2 { // on one connection
			q, err := http.NewRequestWithContext(t.context(), "GET", scheme+"://"+d.addr+path, nil)
			t.must(err)
			q.Header.Set("X-Forwarded-Proto", "https") // which is somebody else's connection
			res, err := transport.RoundTrip(q)
			t.must(err)
			text, err = io.ReadAll(res.Body)
			t.must(err)
			res.Body.Close()
		}
		return string(text)
	}
	secure, plain := t.open(engine.Settings{TLS: server}, tellTLS), t.open(engine.Settings{H2C: true}, tellTLS)
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, path := range []string{"/", "/edited"} {
			if got := ask(plain, "http", protocol, path, nil); got != "plain" {
				t.Errorf("%s %s without TLS: told %q", protocol, path, got)
			}
			if got, want := ask(secure, "https", protocol, path, nil), "TLS 1.2 true "+protocol+" gateway.test"; got != want {
				t.Errorf("%s %s: told %q, want %q", protocol, path, got, want)
			}
			if got, want := ask(secure, "https", protocol, path, known), "TLS 1.2 true "+protocol+" gateway.test somebody"; got != want {
				t.Errorf("%s %s with a certificate: told %q, want %q", protocol, path, got, want)
			}
		}
	}
	server = server.Clone()
	server.ClientAuth = tls.RequestClientCert // and nobody verifies it
	unverified := t.open(engine.Settings{TLS: server}, tellTLS)
	if got, want := ask(unverified, "https", "h2", "/", stranger.Certificates), "TLS 1.2 true h2 gateway.test"; got != want {
		t.Errorf("with a certificate of a stranger: told %q, want %q", got, want)
	}
}

// tlsClient returns a client that believes what settings say.
func (t *trial) tlsClient(settings *tls.Config) engine.Client {
	c := t.NewClient(model.Transport{}, settings)
	t.Cleanup(c.Close)
	return c
}

func callTLS(t *trial) {
	server, client := t.identity()
	server.NextProtos = nil
	b := t.backend(func(w *wire) { echo(newWire(w.t, tls.Server(w.Conn, server), w.exit)) })
	before := slices.Clone(client.NextProtos)
	c := t.tlsClient(client)
	for range 2 {
		x := t.call(b.addr)
		x.Request.Scheme, x.Request.Method, x.Request.Path, x.Request.Body = "https", "POST", "//a%2F", body.FromBytes([]byte("hello"))
		if got := t.get(c, x); got != "POST //a%2F HTTP/1.1 hello" {
			t.Errorf("answer %q", got)
		}
	}
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if !slices.Equal(client.NextProtos, before) {
		t.Error("the settings of the caller were changed")
	}
}

// serveOne serves one connection until it is closed.
func serveOne(conn net.Conn, h http.Handler) {
	l := &oneConnection{conn: conn, closed: make(chan struct{})}
	server := &http.Server{Handler: h, Protocols: new(http.Protocols), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(l.closed)
		}
	}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Serve(l) // ends with the connection
}

// A oneConnection is a listener that has one connection to give.
type oneConnection struct {
	conn   net.Conn
	given  bool
	closed chan struct{}
}

func (l *oneConnection) Accept() (net.Conn, error) {
	if l.given {
		<-l.closed
		return nil, net.ErrClosed
	}
	l.given = true
	return l.conn, nil
}

func (l *oneConnection) Close() error   { return nil }
func (l *oneConnection) Addr() net.Addr { return l.conn.LocalAddr() }

func callHTTP2(t *trial) {
	server, client := t.identity()
	b := t.backend(func(w *wire) {
		conn := tls.Server(w.Conn, server)
		if conn.Handshake() == nil {
			serveOne(conn, http.HandlerFunc(tell))
		}
	})
	callStreams(t, t.tlsClient(client), b, "https")
}

// tell answers with what it was asked.
func tell(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if r.URL.Path == "/broken" {
		w.Write([]byte("hel"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Header().Add("X-B", "2")
	w.Header().Add("X-B", "1")
	w.Header().Set("Date", "today")
	names := slices.DeleteFunc(slices.Collect(maps.Keys(r.Header)), func(name string) bool { return name == "Content-Length" })
	slices.Sort(names)
	fmt.Fprintf(w, "%s %s %s %s %v %q %v", r.Proto, r.Method, r.RequestURI, r.Host, names, text, err)
}

// callStreams calls a backend that tells over HTTP/2.
func callStreams(t *trial, c engine.Client, b *backend, scheme string) {
	t.Helper()
	for _, target := range []string{"/a%2Fb//c?x=%20", "//a"} {
		for _, content := range []body.Body{body.FromBytes([]byte("hello")), body.FromStream(io.NopCloser(strings.NewReader("hello")), -1)} {
			x := t.call(b.addr)
			q := &x.Request
			q.Scheme, q.Method, q.Body = scheme, "POST", content
			q.Path, q.RawQuery, _ = strings.Cut(target, "?")
			q.Header = gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "Connection", Value: "X-A"}, {Name: "Te", Value: "gzip"}}
			if got, want := t.get(c, x), fmt.Sprintf("HTTP/2.0 POST %s %s [X-A] %q <nil>", target, b.addr, "hello"); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			if got, want := x.Response.Header.AppendValues(nil, "X-B"), []string{"2", "1"}; !slices.Equal(got, want) {
				t.Errorf("X-B %v, want %v", got, want)
			}
		}
	}
	x := t.call(b.addr)
	x.Request.Scheme, x.Request.Path = scheme, "/broken"
	t.must(c.Do(t.context(), x))
	r := x.Response.Body.Reader()
	defer r.Close()
	text, err := io.ReadAll(r)
	if err == nil {
		t.Fatalf("a broken answer ends in order after %q", text)
	}
	t.wantFailure(err, gateway.CodeBackendAborted, false)
	if !bytes.Equal(text, []byte("hel")) {
		t.Errorf("beginning %q", text)
	}
}

func callStranger(t *trial) {
	server, _ := t.identity()
	_, stranger := t.identity()
	b := t.backend(func(w *wire) { tls.Server(w.Conn, server).Handshake() })
	x := t.call(b.addr)
	x.Request.Scheme, x.Request.Method = "https", "POST"
	stream := &watched{Reader: strings.NewReader("hello")}
	x.Request.Body = body.FromStream(stream, 5)
	err := t.tlsClient(stranger).Do(t.context(), x)
	t.wantFailure(err, gateway.CodeBackendUnreachable, true)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || stream.read.Load() {
		t.Errorf("error %v, body read %t, want one about the certificate before the body", err, stream.read.Load())
	}
}
