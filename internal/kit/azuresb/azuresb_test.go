//go:build !slim

package azuresb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
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

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/azuresb/azuresbtest"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends are those of a gateway.
type ends struct {
	*queuetest.Ends
	*azuresbtest.Server
	environment map[string]string
	more        func(*queue.Address)
}

func newEnds(t *testing.T) *ends {
	t.Helper()
	s := azuresbtest.Start(t, azuresbtest.Options{})
	s.Topic("orders", "shipping")
	e := &ends{Ends: queuetest.NewEnds(t, nil), Server: s, environment: map[string]string{variable: s.ConnectionString()}}
	e.Env.Getenv = func(name string) string { return e.environment[name] }
	t.Cleanup(func() {
		if log := e.Log.String(); strings.Contains(log, azuresbtest.Key) || strings.Contains(log, "SharedAccess") {
			t.Errorf("the log shows a secret:\n%.2000s", log)
		}
	})
	return e
}

// address returns that of a topic or a subscription.
func (e *ends) address(t *testing.T, rest string) *queue.Address {
	t.Helper()
	a := e.Ends.Address(t, "azuresb://", rest)
	if e.more != nil {
		e.more(a)
	}
	return a
}

func (e *ends) publisher(t *testing.T, rest string) queue.Publisher {
	t.Helper()
	return e.Publisher(t, e.address(t, rest))
}

func (e *ends) subscriber(t *testing.T, rest string) queue.Subscriber {
	t.Helper()
	return e.Subscriber(t, e.address(t, rest))
}

// TestDriver: the driver does what all do.
func TestDriver(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		e := newEnds(t)
		return &queuetest.Stand{Network: e.Proxy, Ends: e.Ends, Host: "azuresb://", Topic: "orders", Queue: "orders?subscription=shipping", Name: "azuresb://orders"}
	})
}

// TestPublish: bodies and attributes are there as they are.
func TestPublish(t *testing.T) {
	e := newEnds(t)
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	for i, body := range []string{"{\"id\":1}\x00\xff", "", strings.Repeat("x", 200_000)} {
		m := queue.Message{Body: []byte(body), Attributes: gateway.Fields{{Name: "Content-Type", Value: "application/json"}, {Name: "X-Path", Value: "a b/c%2F"}, {Name: "X-Odd", Value: "a\xffb"}, {Name: "X-Empty"}}, Key: "7"}
		if err := p.Publish(queuetest.Within(t, time.Minute), &m); err != nil {
			t.Fatal(err)
		}
		got := e.Messages("orders")[i]
		if string(got.Body) != body || fmt.Sprint(got.Properties) != "map[Content-Type:application/json X-Empty: X-Odd:ab X-Path:a b/c%2F]" || got.ContentType != "application/json" || got.Session != "7" {
			t.Errorf("%.80q %v %q %q", got.Body, got.Properties, got.ContentType, got.Session)
		}
	}
}

// TestPublishFails: every message that is not taken is a failure of its kind.
func TestPublishFails(t *testing.T) {
	e := newEnds(t)
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	publish := func(size int) error {
		return p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: make([]byte, size)})
	}
	for _, condition := range []string{"amqp:resource-limit-exceeded", "amqp:not-allowed", "com.microsoft:server-busy"} {
		e.Refuse(condition)
		if err := publish(1); queuetest.Code(err) != gateway.CodeBackendStatus {
			t.Errorf("%s: %v", condition, err)
		}
	}
	e.Refuse("amqp:internal-error")
	if err := publish(1); queuetest.Code(err) != gateway.CodeBackendAborted {
		t.Errorf("nobody knows: %v", err)
	}
	e.Refuse("")
	testx.Await(t, func() error { return publish(1) }) // the library wants another connection
	if err := publish(azuresbtest.Largest); queuetest.Code(err) != gateway.CodeTooLarge {
		t.Errorf("too large: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := p.Publish(gone, &queue.Message{Body: []byte("a")}); !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v", err)
	}
	if err := publish(1); err != nil {
		t.Errorf("behind all that: %v", err)
	}
}

// TestDetached: the service ends links that nobody has used for a while, and they are made
// again when they are wanted. Nobody hears of that.
func TestDetached(t *testing.T) {
	e := newEnds(t)
	p, s := e.publisher(t, "orders"), e.subscriber(t, "orders?subscription=shipping")
	queuetest.Ready(t, p)
	queuetest.Ready(t, s)
	for i := range 3 {
		e.Detach("amqp:link:detach-forced")
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i)}); err != nil {
			t.Errorf("publishing: %v", err)
		}
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatalf("receiving: %v", err)
		}
		if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil {
			t.Error(err)
		}
	}
	if log := e.Log.String(); log != "" {
		t.Errorf("log:\n%.2000s", log)
	}
}

// TestDetachedFor: links that the service ends for other reasons are made again, too, over another
// connection, whose loss is told, whether anybody uses them or not.
func TestDetachedFor(t *testing.T) {
	for _, condition := range []string{"com.microsoft:server-busy", "com.microsoft:timeout", "com.microsoft:entity-disabled", "amqp:unauthorized-access"} {
		t.Run(condition, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t)
			p, s := e.publisher(t, "orders"), e.subscriber(t, "orders?subscription=shipping")
			for i := range 2 {
				queuetest.Ready(t, p)
				queuetest.Ready(t, s)
				got := make(chan error, 1)
				receive := func() {
					got <- func() error {
						d, err := s.Receive(queuetest.Within(t, time.Minute))
						if err != nil {
							return err
						}
						return d.Ack(queuetest.Within(t, time.Minute))
					}()
				}
				if i == 0 {
					go receive() // which may wait or come when the link is gone
				}
				e.Detach(condition)
				testx.Await(t, func() error {
					return p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i)})
				})
				if i == 1 {
					go receive()
				}
				testx.Await(t, func() error {
					err := <-got
					if err != nil {
						go receive()
					}
					return err
				})
			}
			if log := e.Log.String(); !strings.Contains(log, `away, and is tried again until it is back" peer="azuresb://orders of`) || !strings.Contains(log, `away, and is tried again until it is back" peer="azuresb://orders subscription shipping of`) {
				t.Errorf("log:\n%.2000s", log)
			}
		})
	}
}

// TestGone: a topic that is deleted, and a subscription, are away, and the log says why.
func TestGone(t *testing.T) {
	e := newEnds(t)
	p, s := e.publisher(t, "orders"), e.subscriber(t, "orders?subscription=shipping")
	queuetest.Ready(t, p)
	queuetest.Ready(t, s)
	e.Delete("orders")
	p.Publish(queuetest.Within(t, time.Minute), new(queue.Message))
	queuetest.Away(t, p)
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); err == nil {
		t.Error("received of nobody")
	}
	queuetest.Away(t, s)
	testx.Await(t, func() error {
		if log := e.Log.String(); strings.Count(log, "amqp:not-found") < 2 {
			return errors.New(log)
		}
		return nil
	})
}

// TestEnded: the service ends a connection without links, and it is made again. It was no loss
// if nobody was using it.
func TestEnded(t *testing.T) {
	e := newEnds(t)
	n, err := where(&e.EndpointSite().Site, e.address(t, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range []bool{false, true} {
		s := &service{namespace: n, topic: "orders"}
		lost := make(chan error, 1)
		l, err := s.Dial(queuetest.Within(t, time.Minute), func(cause error) {
			select {
			case lost <- cause:
			default:
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		end := func() {}
		if used {
			end = l.begin()
		}
		e.End("amqp:connection:forced")
		testx.Await(t, func() error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.lost {
				return errors.New("the end is not noticed")
			}
			return nil
		})
		end()
		cause := <-lost
		if _, rested := errors.AsType[live.Rested](cause); rested == used || !strings.Contains(cause.Error(), "the service has ended the connection") {
			t.Errorf("in use %t: %v", used, cause)
		}
		s.Close(queuetest.Within(t, time.Minute), l)
	}
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	e.End("amqp:connection:forced")
	testx.Await(t, func() error { return p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)) })
}

// TestMissing: what is not there, and who may not have it, is away, and the log says why.
func TestMissing(t *testing.T) {
	e := newEnds(t)
	p := e.publisher(t, "missing")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer=\"azuresb://missing of localhost:") || !strings.Contains(log, "cause=\"the service bus says: amqp:not-found: the stand-in says so\"") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("missing: %v", err)
	}
	e = newEnds(t)
	e.environment[variable] = strings.Replace(e.ConnectionString(), azuresbtest.Key, "d3Jvbmc=", 1)
	e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "status code 401") {
			return errors.New(log)
		}
		return nil
	})
}

// TestReceive: messages that were there and that come later, and what becomes of them.
func TestReceive(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "orders?subscription=shipping&max_recv_batch_size=1&listener_timeout=1s")
	if err := s.Wait(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	receive := func() *delivery {
		t.Helper()
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return d.(*delivery)
	}
	body := "\x00\xff" + strings.Repeat("x", 200_000)
	e.Put("orders", azuresbtest.Message{Body: []byte(body), ContentType: "text/plain", Session: "7", Properties: map[string]any{"b": "2", "A": int32(1)}})
	d := receive()
	if m := d.Message(); string(m.Body) != body || fmt.Sprint(m.Attributes) != "[{A 1} {b 2} {Content-Type text/plain}]" || m.Key != "7" || m.Redelivered != 0 {
		t.Errorf("got %.80q %v %q %d", m.Body, m.Attributes, m.Key, m.Redelivered)
	}
	if err := d.Nack(queuetest.Within(t, time.Minute), true); err != nil {
		t.Fatal(err)
	}
	if d = receive(); d.Message().Redelivered != 1 || string(d.Message().Body) != body {
		t.Errorf("again: %d", d.Message().Redelivered)
	}
	if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil || e.Held()+len(e.Queue("orders", "shipping")) != 0 {
		t.Errorf("completed: %v, %d held", err, e.Held())
	}
	e.Put("orders", azuresbtest.Message{Body: []byte("x")})
	d = receive()
	if err := d.Nack(queuetest.Within(t, time.Minute), false); err != nil || len(e.Dead("orders", "shipping")) != 1 {
		t.Errorf("dropped: %v, %v", err, e.Dead("orders", "shipping"))
	}
	if _, err := s.Receive(queuetest.Within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("empty: %v", err)
	}
}

// TestGarbage: a server that is none is away.
func TestGarbage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "AMQP\x00\x00\x09\x01", "", "AMQP\x03\x01\x00\x00\x00\x00\x00\x09\x02\x01\x00\x00\x00"}[i%4])
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	e := newEnds(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	e.environment[variable] = "Endpoint=sb://localhost:" + port + ";SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true"
	p := e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("garbage: %v", err)
	}
}

// secured returns settings of TLS of a server, and the file of the authority that vouches for
// it.
func secured(t *testing.T) (*tls.Config, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, name
}

// identified lets the identity of the machine be that which a server tells, and nobody else's. It
// returns who calls that.
func identified(t *testing.T, url string) func(model.Transport, *tls.Config) (gateway.Connector, error) {
	client := fast.Engine.NewClient(model.Transport{}, nil)
	t.Cleanup(func() { client.Close() })
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "MSI_ENDPOINT", "MSI_SECRET"} {
		t.Setenv(name, "") // of whoever runs the test
	}
	t.Setenv("IDENTITY_ENDPOINT", url)
	t.Setenv("IDENTITY_HEADER", "x")
	return func(model.Transport, *tls.Config) (gateway.Connector, error) { return client, nil }
}

// TestIdentityFails: who nobody says who he is has no bus, and reads why, but no answer whole.
func TestIdentityFails(t *testing.T) {
	settings, authority := secured(t)
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "no\nhidden")
	}))
	defer machine.Close()
	e := newEnds(t)
	e.Env.Dial = identified(t, machine.URL)
	e.Server = azuresbtest.Start(t, azuresbtest.Options{TLS: settings, Bearer: "of-the-machine"})
	_, port, _ := net.SplitHostPort(e.Server.Address)
	e.environment = map[string]string{hostVariable: "localhost:" + port}
	e.more = func(a *queue.Address) { a.ClientTLS = &model.ClientTLS{CACerts: []string{authority}} }
	e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "the identity of Azure cannot be had: ChainedTokenCredential: failed to acquire a token. ManagedIdentityCredential") {
			return errors.New(log)
		}
		return nil
	})
	if log := e.Log.String(); strings.Contains(log, "hidden") {
		t.Errorf("log:\n%.2000s", log)
	}
}

// TestTLS: a namespace is called over TLS, by the authorities of the options, and knows us by
// the key or by who we are.
func TestTLS(t *testing.T) {
	settings, authority := secured(t)
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "of-the-machine", "expires_on": "%d", "resource": "https://servicebus.azure.net", "token_type": "Bearer"}`, time.Now().Add(time.Hour).Unix())
	}))
	defer machine.Close()
	dial := identified(t, machine.URL)
	for _, way := range []string{"key", "variable", "option"} {
		e := newEnds(t)
		e.Env.Dial = dial
		e.Server = azuresbtest.Start(t, azuresbtest.Options{TLS: settings, Bearer: "of-the-machine"})
		e.Topic("orders", "shipping")
		_, port, _ := net.SplitHostPort(e.Server.Address)
		e.environment = map[string]string{}
		switch way {
		case "key":
			e.environment[variable] = e.ConnectionString()
			e.environment[hostVariable] = "nowhere.invalid" // the key comes first
		case "variable":
			e.environment[hostVariable] = "localhost:" + port
		}
		e.more = func(a *queue.Address) {
			a.ClientTLS = &model.ClientTLS{CACerts: []string{authority}}
			if way == "option" {
				a.Server = "localhost:" + port
			}
		}
		p, s := e.publisher(t, "orders"), e.subscriber(t, "orders?subscription=shipping")
		queuetest.Ready(t, p)
		queuetest.Ready(t, s)
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	e := newEnds(t)
	e.Server = azuresbtest.Start(t, azuresbtest.Options{TLS: settings})
	e.environment[variable] = e.ConnectionString()
	e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "certificate") {
			return errors.New(log)
		}
		return nil
	})
}

// TestAddresses has a row for each way to write an address, rightly or wrongly.
func TestAddresses(t *testing.T) {
	const right = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=secret"
	tests := []struct {
		rest, server, variable, host string
		subscribe                    bool
		address, want                string
	}{
		{"orders", "", right, "", false, "shop.servicebus.windows.net:5671", ""},
		{"a/b.c-d_e", "", right + ";EntityPath=a;", "x", false, "shop.servicebus.windows.net:5671", ""},
		{"orders", "", "Endpoint=sb://shop.servicebus.windows.net;SharedAccessSignature=SharedAccessSignature sr=a&sig=secret&se=1&skn=n", "", false, "shop.servicebus.windows.net:5671", ""},
		{"orders", "", "endpoint=sb://emulator;sharedaccesskeyname=n;sharedaccesskey=secret=;UseDevelopmentEmulator=true", "", false, "emulator:5672", ""},
		{"orders", "", "", "shop.servicebus.windows.net", false, "shop.servicebus.windows.net:5671", ""},
		{"orders", "shop", right, "", false, "shop:5671", ""}, // which is told
		{"orders", "other.servicebus.windows.net:1", right, "", false, "other.servicebus.windows.net:1", ""},
		{"orders?subscription=shipping&max_recv_batch_size=1000&listener_timeout=2s", "", right, "", true, "shop.servicebus.windows.net:5671", ""},
		{"orders", "", right, "", true, "", "url: the parameter subscription is missing; write the topic and ?subscription=NAME"},
		{"orders?subscription=", "", right, "", true, "", "the parameter subscription is no name"},
		{"orders?subscription=a%20b", "", right, "", true, "", "the parameter subscription is no name"},
		{"orders?subscription=a&subscription=b", "", right, "", true, "", "occurs twice"},
		{"orders?subscription=a", "", right, "", false, "", "unknown parameter"},
		{"orders?subscription=a&wait=1", "", right, "", true, "", "unknown parameter"},
		{"orders?subscription=a&max_recv_batch_size=1001", "", right, "", true, "", "max_recv_batch_size is a number from 1 to 1000"},
		{"orders?subscription=a&listener_timeout=1ms", "", right, "", true, "", "listener_timeout is whole seconds"},
		{"shop.servicebus.windows.net/orders/", "", right, "", false, "", "it is no name of a topic"},
		{"orders", "", "", "", false, "", "nobody says where the broker is; set the variable SERVICEBUS_CONNECTION_STRING, or AZURE_SERVICEBUS_HOSTNAME"},
		{"orders", "", "secret", "", false, "", "the variable SERVICEBUS_CONNECTION_STRING: it is no connection string"},
		{"orders", "", "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKey=secret", "", false, "", "it is no connection string"},
		{"orders", "", "Endpoint=https://shop;SharedAccessKeyName=n;SharedAccessKey=secret", "", false, "", "it is no connection string"},
		{"orders", "", "Endpoint=sb://secret@shop;SharedAccessKeyName=n;SharedAccessKey=secret", "", false, "", "it is no connection string"},
		{"orders", "", right + ";UseDevelopmentEmulator=secret", "", false, "", "it is no connection string"},
		{"orders", "", "", "https://secret", false, "", "the variable AZURE_SERVICEBUS_HOSTNAME: it is no name of a namespace"},
		{"orders", right, "", "", false, "", "server: it is no name of a namespace; write one such as shop.servicebus.windows.net, and a connection string into SERVICEBUS_CONNECTION_STRING"},
	}
	for _, tt := range tests {
		e := newEnds(t)
		e.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) {
			return gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return errors.New("nobody") }), nil
		}
		e.environment = map[string]string{variable: tt.variable, hostVariable: tt.host}
		a := e.address(t, tt.rest)
		a.Server = tt.server
		var err error
		if tt.subscribe {
			_, err = queue.OpenSubscriber(&e.EndpointSite().Site, a)
		} else {
			_, err = queue.OpenPublisher(&e.EndpointSite().Site, a)
		}
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || tt.want != "" && !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s, want %q", tt.rest, got, tt.want)
		}
		if err == nil {
			if n, err := where(&e.EndpointSite().Site, a); err != nil || n.address != tt.address {
				t.Errorf("%s: %s, %v; want %s", tt.rest, n.address, err, tt.address)
			}
		}
	}
}

// FuzzConnectionString: whatever the variable holds, no error shows it.
func FuzzConnectionString(f *testing.F) {
	f.Add("Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=secret")
	f.Add("Endpoint=sb://localhost:5672;SharedAccessSignature=s;UseDevelopmentEmulator=true")
	f.Add(";;=")
	f.Fuzz(func(t *testing.T, text string) {
		host, _, err := readConnectionString(text)
		if err != nil && err != errConnectionString {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && !strings.Contains(text, host) {
			t.Fatalf("%q names %q", text, host)
		}
	})
}
