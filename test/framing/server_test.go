package framing

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A peer is a proxy from elsewhere that our gateway has for a neighbour. Its
// configuration passes everything on to TO and adds what it takes for the
// target or the request line as X-Seen.
type peer struct {
	name string
	args []string // FILE stands for its configuration, FOLDER for a folder of its own
	text string   // the configuration; PORT, TO and FOLDER are replaced
}

var peers = []peer{
	{"nginx", []string{"-p", "FOLDER", "-e", "FOLDER/error.log", "-c", "FILE"}, `
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path FOLDER/body;
	proxy_temp_path FOLDER/proxy;
	fastcgi_temp_path FOLDER/fastcgi;
	uwsgi_temp_path FOLDER/uwsgi;
	scgi_temp_path FOLDER/scgi;
	upstream next { server TO; keepalive 8; }
	server {
		listen 127.0.0.1:PORT;
		client_body_timeout 2s;
		client_header_timeout 2s;
		lingering_timeout 1s;
		location / {
			proxy_pass http://next;
			proxy_http_version 1.1;
			proxy_request_buffering off;
			proxy_set_header Connection "";
			proxy_set_header X-Seen $request_uri;
		}
	}
}
`},
	{"haproxy", []string{"-db", "-f", "FILE"}, `
global
	maxconn 512
defaults
	mode http
	timeout connect 2s
	timeout client 2s
	timeout server 4s
	timeout http-request 2s
	timeout http-keep-alive 2s
frontend here
	bind 127.0.0.1:PORT
	http-request set-header X-Seen %[pathq]
	default_backend next
backend next
	http-reuse always
	server next TO
`},
	{"apache2", []string{"-X", "-f", "FILE"}, `
ServerRoot FOLDER
ServerName localhost
PidFile FOLDER/pid
ErrorLog FOLDER/error.log
DefaultRuntimeDir FOLDER
User www-data
Group www-data
Listen 127.0.0.1:PORT
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authz_core_module MODULES/mod_authz_core.so
LoadModule headers_module MODULES/mod_headers.so
LoadModule reqtimeout_module MODULES/mod_reqtimeout.so
LoadModule proxy_module MODULES/mod_proxy.so
LoadModule proxy_http_module MODULES/mod_proxy_http.so
Timeout 4
KeepAliveTimeout 2
RequestReadTimeout header=2 body=2
RequestHeader set X-Seen expr=%{THE_REQUEST}
ProxyPass / http://TO/
`},
}

// apacheModules is where Debian keeps them.
const apacheModules = "/usr/lib/apache2/modules"

// launch starts the peer in front of an address until the test ends, and
// returns its own address.
func (p peer) launch(t *testing.T, to string) (addr string) {
	t.Helper()
	program, err := exec.LookPath(p.name)
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/" + p.name) // is not in every PATH
	}
	if err != nil {
		t.Skipf("%s is not installed; make deps installs it", p.name)
	}
	for attempt := 0; ; attempt++ {
		addr := testx.UnusedAddress(t)
		if p.run(t, program, addr, to) {
			return addr
		}
		if attempt == 3 {
			t.Fatalf("%s does not start", p.name)
		}
	}
}

// run reports whether the program answers at addr.
func (p peer) run(t *testing.T, program, addr, to string) bool {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "conf")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.NewReplacer("FOLDER", folder, "FILE", file, "PORT", port, "MODULES", apacheModules, "TO", to)
	if err := os.WriteFile(file, []byte(words.Replace(p.text)), 0o644); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, a := range p.args {
		args = append(args, words.Replace(a))
	}
	cmd := exec.Command(program, args...)
	cmd.WaitDelay = patience
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for range 100 {
		select {
		case err := <-ended:
			t.Logf("%s ended: %v\n%s", p.name, err, output.Bytes())
			return false
		case <-time.After(50 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Cleanup(func() { terminate(cmd.Process, ended) })
			return true
		}
	}
	terminate(cmd.Process, ended)
	return false
}

// terminate ends a process that was started here, and waits for that.
func terminate(p *os.Process, ended <-chan error) {
	p.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-ended:
	case <-time.After(patience):
		p.Kill()
		<-ended
	}
}

// TestInFront has another server between the client and the gateway. Whatever
// it makes of the bytes, the gateway sees the requests that it has sent, one by
// one, and the client gets their answers in order.
func TestInFront(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, p := range peers {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				b := newBackend(t)
				gate, saw := start(t, e, configuration(b.addr))
				front := p.launch(t, gate)
				for i, c := range requestCases {
					t.Run(c.name, func(t *testing.T) {
						id := fmt.Sprint(i)
						answers := c.send(t, front, id)
						chain(t, "the gateway", saw.of(id), answers, fromPeer)
						chain(t, "the backend", b.saw.of(id), answers, fromGateway)
						plainPasses(t, c, b.saw.of(id))
					})
				}
			})
		}
	})
}

// TestBehind has another server between the gateway and the backend. It sees
// the requests that the gateway has sent, and the client gets their answers in
// order.
func TestBehind(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, p := range peers {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				b := newBackend(t)
				gate, saw := start(t, e, configuration(p.launch(t, b.addr)))
				for i, c := range requestCases {
					t.Run(c.name, func(t *testing.T) {
						id := fmt.Sprint(i)
						answers := c.send(t, gate, id)
						seen := b.saw.of(id)
						chain(t, "the backend", seen, answers, fromGateway)
						plainPasses(t, c, seen)
						if all := roles(saw.of(id)); !inOrder(roles(seen), all) {
							t.Errorf("the gateway saw %q, the backend %q", all, roles(seen))
						}
						if c.want.hides == "" && strings.Contains(roles(seen), "hidden") {
							t.Errorf("the backend saw %q, and one of them was hidden", roles(seen))
						}
					})
				}
			})
		}
	})
}

// send sends the case and returns the answers.
func (c *requestCase) send(t *testing.T, addr, id string) []*message {
	t.Helper()
	text := c.message("n", id)
	answers, end := converse(t, addr, text, len(text), c.alone)
	if strings.HasPrefix(end, broken) && !strings.Contains(end, "status line") { // HTTP/0.9 has none
		t.Errorf("the connection %s", end)
	}
	return answers
}

// chain checks that every request that a hop saw was sent by the hop before,
// and that good answers follow the order of the requests.
func chain(t *testing.T, hop string, requests, answers []*message, sent func(*message) bool) {
	t.Helper()
	for _, m := range requests {
		if !sent(m) {
			t.Errorf("%s saw a request that nobody sent: %s %q", hop, m.start, m.fields)
		}
	}
	var answered []string
	for _, a := range answers {
		if a.status() == 200 {
			p, _, _ := strings.Cut(strings.TrimPrefix(a.body, `{"path":"`), `"`)
			answered = append(answered, role(p))
		}
	}
	if got, all := strings.Join(answered, " "), roles(requests); !inOrder(got, all) {
		t.Errorf("%s saw %q, and the client got answers to %q", hop, all, got)
	}
	if n := len(requests) - len(answers); n > 1 {
		t.Errorf("%s saw %q, which is %d more than the client got answers to", hop, roles(requests), n)
	}
}

// plainPasses checks the requests of the first cases, which nobody may refuse:
// otherwise a chain that passes nothing would pass the test.
func plainPasses(t *testing.T, c requestCase, seen []*message) {
	t.Helper()
	if c.name == "no body" || c.name == "a length" {
		if got := roles(seen); got != "a next" {
			t.Errorf("the backend saw %q, want a request and the next", got)
		}
	}
}

// fromGateway reports whether the gateway has sent a request.
func fromGateway(m *message) bool { return m.get("User-Agent") == product }

// fromPeer reports whether a peer has sent a request: then it says what it was
// asked for, in the form it came in.
func fromPeer(m *message) bool {
	asked := m.get("X-Seen")
	if words := strings.Fields(asked); len(words) == 3 {
		asked = words[1]
	}
	asked, _, _ = strings.Cut(asked, "?")
	came, err := url.PathUnescape(asked)
	if err != nil {
		return false
	}
	went, err := url.PathUnescape(m.target())
	return err == nil && strings.HasSuffix(came, went)
}

// inOrder reports whether the words of some are among those of all, in order.
func inOrder(some, all string) bool {
	rest := strings.Fields(all)
	for _, word := range strings.Fields(some) {
		found := false
		for len(rest) > 0 && !found {
			found = rest[0] == word
			rest = rest[1:]
		}
		if !found {
			return false
		}
	}
	return true
}
