package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/demo"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// grouped is a configuration whose answers tell which one it is.
func grouped(backend, group string) string {
	return fmt.Sprintf(`{
  "version": 3, "timeout": "1m",
  "listen_ip": "127.0.0.1",
  "endpoints": [
    { "endpoint": "/x", "backend": [{ "url_pattern": "/", "host": [%q], "group": %q }] }
  ]
}
`, backend, group)
}

// replace puts a text into a file as editors and orchestrators do: the file is
// never half written.
func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.Rename(write(t, name+"~", text), name); err != nil {
		t.Fatal(err)
	}
}

func newBackend(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"a":1}`) }))
	t.Cleanup(s.Close)
	return s.URL
}

// TestReload swaps the configuration on SIGHUP. One with errors is told and
// changes nothing, whatever is wrong with it.
func TestReload(t *testing.T) {
	t.Chdir(t.TempDir())
	backend := newBackend(t)
	p := serveFile(t, write(t, "gateway.json", grouped(backend, "one")))
	answers := func(group string) {
		t.Helper()
		if status, body := p.get(t, "/x"); status != 200 || body != `{"`+group+`":{"a":1}}` {
			t.Errorf("%d %s, want the group %s\n%s", status, body, group, p.log())
		}
	}
	answers("one")
	replace(t, "gateway.json", grouped(backend, "two"))
	answers("one") // nobody asked for a reload
	p.reload(t, "reloaded endpoints=1 file=gateway.json because_of=SIGHUP")
	answers("two")

	const failed = "reload failed, the old configuration keeps serving"
	for _, bad := range []struct{ text, want string }{
		{"{", "gateway.json:1:2: "},
		{strings.Replace(grouped(backend, "three"), `"version": 3`, `"version": 4`, 1), "gateway.json:2:14: version: unsupported version: 4"},
		{strings.Replace(grouped(backend, "three"), `"group"`, `"extra_config": {"qos/nothing": {}}, "group"`, 1), "gateway.json:5:"},
	} {
		replace(t, "gateway.json", bad.text)
		p.reload(t, failed)
		if !strings.Contains(p.log(), bad.want) {
			t.Errorf("the log does not say %q:\n%s", bad.want, p.log())
		}
		answers("two")
	}
	if err := os.Remove("gateway.json"); err != nil {
		t.Fatal(err)
	}
	p.reload(t, failed)
	answers("two")

	// What the listener was opened with needs a restart, and a reload says so.
	replace(t, "gateway.json", strings.Replace(grouped(backend, "four"), "127.0.0.1", "127.0.0.2", 1))
	p.reload(t, "reloaded endpoints=1")
	answers("four")
	if want := "gateway.json:3:16: listen_ip: the listener keeps its old setting; restart the gateway to change it"; !strings.Contains(p.log(), want) {
		t.Errorf("the log does not say %q:\n%s", want, p.log())
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, p.log())
	}
}

// TestEarlyHangup takes a SIGHUP as soon as the program serves.
func TestEarlyHangup(t *testing.T) {
	t.Chdir(t.TempDir())
	p := serveFile(t, write(t, "gateway.json", minimal))
	p.signal(t, syscall.SIGHUP)
	eventually(t, "reload", func() bool { return strings.Contains(p.log(), "reloaded endpoints=1") })
}

// TestWatch reloads by itself.
func TestWatch(t *testing.T) {
	t.Chdir(t.TempDir())
	backend := newBackend(t)
	p := serveFile(t, write(t, "gateway.json", grouped(backend, "one")), "--watch")
	replace(t, "gateway.json", grouped(backend, "two"))
	eventually(t, "reload", func() bool { return strings.Contains(p.log(), `because_of="a change of files"`) })
	if _, body := p.get(t, "/x"); body != `{"two":{"a":1}}` {
		t.Errorf("the answer is %s", body)
	}
	write(t, "gateway.json", "{")
	eventually(t, "failed reload", func() bool { return strings.Contains(p.log(), "reload failed") })
	if _, body := p.get(t, "/x"); body != `{"two":{"a":1}}` {
		t.Errorf("the answer is %s", body)
	}
	write(t, "gateway.json", grouped(backend, "three"))
	eventually(t, "second reload", func() bool { return strings.Count(p.log(), "reloaded") == 2 })
	if _, body := p.get(t, "/x"); body != `{"three":{"a":1}}` {
		t.Errorf("the answer is %s", body)
	}
}

// TestWatchOthers reloads when a file changes that the configuration only names:
// one that a reference inserts, one that a component reads, one that a backend
// needs. A file that is not there is waited for.
func TestWatchOthers(t *testing.T) {
	t.Chdir(t.TempDir())
	const key = `{"keys":[{"kty":"oct","kid":"1","alg":"HS256","k":"%s"}]}`
	writeCertificate(t, 1, "ca.pem", "ca-key.pem")
	write(t, "host.txt", "http://127.0.0.1:1")
	write(t, "keys.json", fmt.Sprintf(key, strings.Repeat("a", 43)))
	p := serveFile(t, write(t, "gateway.json", `{"version": 3, "listen_ip": "127.0.0.1", "endpoints": [{"endpoint": "/x",
  "extra_config": {"auth/validator": {"alg": "HS256", "jwk_local_path": "keys.json"}},
  "backend": [{"url_pattern": "/", "host": ["${file:host.txt}"], "extra_config": {"backend/http/client": {"client_tls": {"ca_certs": ["ca.pem"]}}}}]}]}`), "--watch")
	const good, bad = "reloaded", "reload failed"
	count := map[string]int{}
	told := func(what, want string, change func()) {
		t.Helper()
		count[want]++
		change()
		eventually(t, what, func() bool { return strings.Count(p.log(), want) == count[want] })
	}
	told("a reference", good, func() { replace(t, "host.txt", "http://127.0.0.1:2") })
	told("keys", good, func() { replace(t, "keys.json", fmt.Sprintf(key, strings.Repeat("b", 43))) })
	writeCertificate(t, 2, "new-ca.pem", "ca-key.pem")
	told("an authority", good, func() {
		if err := os.Rename("new-ca.pem", "ca.pem"); err != nil {
			t.Fatal(err)
		}
	})
	told("keys that are none", bad, func() { replace(t, "keys.json", "none") })
	told("keys again", good, func() { replace(t, "keys.json", fmt.Sprintf(key, strings.Repeat("c", 43))) })

	now, err := os.ReadFile("gateway.json")
	if err != nil {
		t.Fatal(err)
	}
	told("a file in a folder that is not there", bad, func() { replace(t, "gateway.json", strings.Replace(string(now), "host.txt", "folder/host.txt", 1)) })
	told("a file that is not there", bad, func() { replace(t, "gateway.json", strings.Replace(string(now), "host.txt", "other.txt", 1)) })
	told("the missing file", good, func() { replace(t, "other.txt", "http://127.0.0.1:3") })
}

// blocked is a backend that answers only when it is told to.
func blocked(t *testing.T) (url string, called <-chan struct{}, answer func()) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
			io.WriteString(w, `{"a":1}`)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, arrived, func() { close(release) }
}

// slow is a configuration of an endpoint that may take its time.
func slow(backend, more string) string {
	return fmt.Sprintf(`{"version": 3, "listen_ip": "127.0.0.1", "timeout": "1m"%s, "endpoints": [
  {"endpoint": "/x", "backend": [{"url_pattern": "/", "host": [%q]}]}]}`, more, backend)
}

// inFlight sends a request and returns what came of it, once it has arrived at
// the backend.
func inFlight(t *testing.T, p *process, called <-chan struct{}) <-chan string {
	t.Helper()
	outcome := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + p.address + "/x")
		if err != nil {
			outcome <- err.Error()
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		outcome <- fmt.Sprintf("%d %s %v", res.StatusCode, text, err)
	}()
	select {
	case <-called:
	case <-time.After(limit):
		t.Fatal("the backend is not called")
	}
	return outcome
}

// TestDrain lets the request in flight end after SIGTERM or SIGINT.
func TestDrain(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			t.Chdir(t.TempDir())
			backend, called, answer := blocked(t)
			p := serveFile(t, write(t, "gateway.json", slow(backend, "")))
			outcome := inFlight(t, p, called)
			p.signal(t, s)
			eventually(t, "stopping", func() bool { return strings.Contains(p.log(), "stopping, requests in flight may end") })
			eventually(t, "closed listener", func() bool {
				res, err := http.Get("http://" + p.address + "/__health")
				if err == nil {
					res.Body.Close()
				}
				return err != nil
			})
			answer()
			if got := <-outcome; got != `200 {"a":1} <nil>` {
				t.Errorf("the request in flight: %s", got)
			}
			if code := p.wait(t); code != 0 {
				t.Errorf("exit code %d:\n%s", code, p.log())
			}
		})
	}
}

// TestDrainLimit cuts the request in flight when the time to wait is over,
// which is no clean end.
func TestDrainLimit(t *testing.T) {
	t.Chdir(t.TempDir())
	backend, called, _ := blocked(t)
	p := serveFile(t, write(t, "gateway.json", slow(backend, `, "max_shutdown_wait_time": "50ms"`)))
	outcome := inFlight(t, p, called)
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != 3 {
		t.Errorf("exit code %d, want 3:\n%s", code, p.log())
	}
	if want := "sluice: requests in flight were cut when max_shutdown_wait_time was over"; !strings.Contains(p.log(), want) {
		t.Errorf("the log does not say %q:\n%s", want, p.log())
	}
	if got := <-outcome; strings.HasPrefix(got, "200") {
		t.Errorf("the request in flight: %s", got)
	}
}

// TestSecondSignal ends at once, whatever is in flight.
func TestSecondSignal(t *testing.T) {
	t.Chdir(t.TempDir())
	backend, called, _ := blocked(t)
	p := serveFile(t, write(t, "gateway.json", slow(backend, "")))
	outcome := inFlight(t, p, called)
	p.signal(t, syscall.SIGTERM)
	eventually(t, "stopping", func() bool { return strings.Contains(p.log(), "stopping") })
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code == 0 {
		t.Errorf("exit code 0 though a request was cut:\n%s", p.log())
	}
	if got := <-outcome; strings.HasPrefix(got, "200") {
		t.Errorf("the request in flight: %s", got)
	}
}

// writeCertificate writes a certificate for localhost with its key.
func writeCertificate(t *testing.T, serial int64, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: fmt.Sprint("number ", serial)},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	replace(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// serial returns the serial number of the certificate that a process shows.
func (p *process) serial(t *testing.T) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", p.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log())
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

const secure = `{
  "version": 3,
  "listen_ip": "127.0.0.1",
  "tls": {
    "public_key": "cert.pem",
    "private_key": "key.pem",
    "prefer_server_cipher_suites": true,
    "disabled": false
  },
  "endpoints": []
}
`

// TestCertificates reads certificates again when they change: alone, or with the
// configuration with --watch. Bad ones change nothing.
func TestCertificates(t *testing.T) {
	for flag, complaint := range map[string]string{
		"":        "certificates not renewed, the old ones keep serving",
		"--watch": "gateway.json:5:19: tls.public_key: certificate cert.pem with key key.pem: ",
	} {
		t.Run("run "+flag, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeCertificate(t, 1, "cert.pem", "key.pem")
			p := serveFile(t, write(t, "gateway.json", secure), strings.Fields(flag)...)
			if got := p.serial(t); got != 1 {
				t.Fatalf("the first certificate is %d", got)
			}
			writeCertificate(t, 2, "cert.pem", "key.pem")
			eventually(t, "new certificate", func() bool { return p.serial(t) == 2 })

			replace(t, "key.pem", "no key")
			eventually(t, complaint, func() bool { return strings.Contains(p.log(), complaint) })
			if got := p.serial(t); got != 2 {
				t.Errorf("after a bad key the certificate is %d", got)
			}

			// A new configuration may name other files, and is read by SIGHUP as well.
			writeCertificate(t, 3, "other.pem", "other-key.pem")
			replace(t, "gateway.json", strings.NewReplacer("cert.pem", "other.pem", "key.pem", "other-key.pem").Replace(secure))
			if flag == "" {
				p.reload(t, "reloaded")
			}
			eventually(t, "other certificate", func() bool { return p.serial(t) == 3 })
			writeCertificate(t, 4, "other.pem", "other-key.pem")
			eventually(t, "new other certificate", func() bool { return p.serial(t) == 4 })

			// What is wrong with the configuration does not let certificates expire.
			replace(t, "gateway.json", "{")
			writeCertificate(t, 5, "other.pem", "other-key.pem")
			eventually(t, "certificate beside a broken file", func() bool { return p.serial(t) == 5 })
		})
	}
}

// TestMutualTLS lets in clients with a certificate of the right authority only, and
// of another one when the file of authorities changes.
func TestMutualTLS(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCertificate(t, 1, "cert.pem", "key.pem")
	writeCertificate(t, 2, "client.pem", "client-key.pem")
	writeCertificate(t, 3, "stranger.pem", "stranger-key.pem")
	authority := func(file string) {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, "authority.pem", string(pem))
	}
	authority("client.pem")
	p := serveFile(t, write(t, "gateway.json", strings.NewReplacer(`"disabled": false`,
		`"enable_mtls": true, "ca_certs": ["authority.pem"], "disable_system_ca_pool": true`,
		`"endpoints"`, `"extra_config": {"telemetry/logging": {"level": "INFO", "stdout": true, "access_log_format": "custom", `+
			`"access_log_custom_format": "%{proto} %{tls.version} %{tls.client}"}}, "endpoints"`).Replace(secure)))
	served := func(cert, key string) error {
		c := &tls.Config{InsecureSkipVerify: true}
		if cert != "" {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
		res, err := client.Get("https://" + p.address + "/__health")
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	if err := served("client.pem", "client-key.pem"); err != nil {
		t.Errorf("with the certificate of the authority: %v", err)
	}
	if served("stranger.pem", "stranger-key.pem") == nil || served("", "") == nil {
		t.Error("with a stranger's certificate, or none: served")
	}
	authority("stranger.pem")
	eventually(t, "renewal", func() bool { return strings.Contains(p.log(), "certificates renewed") })
	if err := served("stranger.pem", "stranger-key.pem"); err != nil {
		t.Errorf("with the certificate of the new authority: %v", err)
	}
	if served("client.pem", "client-key.pem") == nil {
		t.Error("with the certificate of the old authority: served")
	}
	for _, line := range []string{"HTTP/1.1 TLS 1.3 number 2\n", "HTTP/1.1 TLS 1.3 number 3\n"} {
		eventually(t, line, func() bool { return strings.Contains(p.log(), line) })
	}
}

// TestPlainHTTP leaves TLS out where it is disabled: its files need not be
// there.
func TestPlainHTTP(t *testing.T) {
	t.Chdir(t.TempDir())
	p := serveFile(t, write(t, "gateway.json", strings.Replace(secure, `"disabled": false`, `"disabled": true`, 1)))
	if status, _ := p.get(t, "/__health"); status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestListenIP listens on the configured address only.
func TestListenIP(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, ip := range []string{"127.0.0.1", "127.0.0.2"} {
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			continue // some systems have one loopback address only
		}
		l.Close()
		p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "listen_ip": %q, "sequential_start": true, "endpoints": []}`, ip)))
		if !strings.HasPrefix(p.address, ip+":") {
			t.Errorf("with %s the gateway listens on %s", ip, p.address)
		}
		if status, _ := p.get(t, "/__health"); status != 200 {
			t.Errorf("%s: status %d", ip, status)
		}
	}
	if got := invoke(t, "check", "-c", write(t, "gateway.json", `{"version": 3, "listen_ip": "localhost", "endpoints": []}`)); got.code != 1 {
		t.Errorf("%+v", got)
	}
}

// TestFlagsOfRun lets flags win over the file and the environment.
func TestFlagsOfRun(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SLUICE_PORT", "1")
	file := write(t, "gateway.json", `{"version": 3, "listen_ip": "127.0.0.1", "port": 2, "endpoints": []}`)
	if status, _ := serveFile(t, file).get(t, "/__debug/"); status != 404 {
		t.Errorf("without -d: status %d", status)
	}
	if status, body := serveFile(t, file, "-d").get(t, "/__debug/"); status != 200 {
		t.Errorf("with -d: %d %s", status, body)
	}
}

// TestDemo tries what the demo says that one may try.
func TestDemo(t *testing.T) {
	p := serveCommand(t, "demo", "-p", "0")
	tries := strings.Count(p.log(), "  curl ")
	if _, port, _ := strings.Cut(p.address, ":"); tries == 0 || strings.Count(p.log(), "http://localhost:"+port+"/v1/") != tries {
		t.Errorf("the demo listens on %s and says\n%s", p.address, p.log())
	}
	if status, body := p.get(t, "/v1/users/3"); status != 200 || !strings.Contains(body, "Ada") {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "the queue", func() bool { status, _ := p.get(t, "/__ready"); return status == 200 })
	for _, order := range []string{`{"product":7,"pieces":2}`, `{"product":8,"pieces":1}`} {
		res, err := http.Post("http://"+p.address+"/v1/orders", "application/json", strings.NewReader(order))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 202 || string(body) != "null" {
			t.Errorf("publishing an order: %d %s, %v", res.StatusCode, body, err)
		}
	}
	for _, want := range []string{`{"product":7,"pieces":2}`, `{"product":8,"pieces":1}`} {
		if status, body := p.get(t, "/v1/orders/next"); status != 200 || body != want {
			t.Errorf("reading an order: %d %s, want %s", status, body, want)
		}
	}
	began := time.Now()
	if status, body := p.get(t, "/v1/orders/next"); status != 204 || body != "" {
		t.Errorf("reading where there is none: %d %q", status, body)
	}
	if waited := time.Since(began); waited < time.Second {
		t.Errorf("nobody waited for an order: %v", waited)
	}
	p.signal(t, os.Interrupt)
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.log())
	}
}

// TestShutdownDelay serves on after SIGTERM, and says that it is about to go; a second
// signal ends that at once.
func TestShutdownDelay(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			text := strings.Replace(grouped(newBackend(t), "one"), `"version": 3,`, `"version": 3, "engine": "`+engine+`", "shutdown_delay": "1h",`, 1)
			p := serveFile(t, write(t, "gateway.json", text))
			p.signal(t, syscall.SIGTERM)
			eventually(t, "readiness 503", func() bool {
				http.DefaultClient.CloseIdleConnections() // who comes now is served
				status, _ := p.get(t, "/__ready")
				return status == 503
			})
			http.DefaultClient.CloseIdleConnections()
			if status, body := p.get(t, "/x"); status != 200 || body != `{"one":{"a":1}}` {
				t.Errorf("within the delay: %d %s", status, body)
			}
			const said = "stopping, the listener closes after shutdown_delay shutdown_delay=1h0m0s"
			eventually(t, said, func() bool { return strings.Contains(p.log(), said) })
			p.signal(t, syscall.SIGTERM)
			p.wait(t)
		})
	}
}

// TestDemoServices checks that the services of a running demo are where demo --show
// says, or where the demo itself says when a port is taken.
func TestDemoServices(t *testing.T) {
	host := regexp.MustCompile(`\w+://127\.0\.0\.1:\d+`)
	services := len(demo.Services(0))
	serving := func(hosts []string) (answered int) {
		for _, h := range hosts {
			_, address, _ := strings.Cut(h, "://")
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
				answered++
			}
		}
		return answered
	}
	const elsewhere = "The services listen elsewhere than in the configuration that demo --show prints:"
	unused := func() int {
		port, err := strconv.Atoi(strings.TrimPrefix(testx.UnusedAddress(t), "127.0.0.1:"))
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	port := unused()
	for n := 1; n <= services; n++ { // that of the gateway, and those of its services behind it
		if next := unused(); next != port+n {
			port, n = next, 0
		}
	}
	stop := func(p *process) {
		p.signal(t, os.Interrupt)
		p.wait(t)
	}
	p := serveCommand(t, "demo", "-p", strconv.Itoa(port))
	shown := invoke(t, "demo", "--show", "-p", strconv.Itoa(port))
	hosts := host.FindAllString(shown.stdout, -1)
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	if shown.code != 0 || !strings.Contains(shown.stdout, `"port": `+strconv.Itoa(port)) || len(hosts) != services || serving(hosts) != services {
		t.Errorf("services are not where they are shown: %+v\n%s", shown, p.log())
	}
	stop(p)

	host3 := demo.Services(port)[2].Host
	taken, err := net.Listen("tcp", strings.TrimPrefix(host3, "http://"))
	if err == nil { // else another process has it already, which is as good
		defer taken.Close()
	}
	p = serveCommand(t, "demo", "-p", strconv.Itoa(port))
	_, list, found := strings.Cut(p.log(), elsewhere)
	if hosts := host.FindAllString(list, -1); !found || len(hosts) != services || slices.Contains(hosts, host3) || serving(hosts) != services {
		t.Errorf("with a port that is taken the demo says\n%s", p.log())
	}
	if got := invoke(t, "demo", "--show", "-p", "0"); got.code != 2 || !strings.Contains(got.stderr, "write another port") {
		t.Errorf("demo --show -p 0: %+v", got)
	}
}
