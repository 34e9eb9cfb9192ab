package docs

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// program is the real one.
var program string

func TestMain(m *testing.M) {
	code, err := withProgram(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// withProgram builds the program and runs the tests.
func withProgram(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "docs")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program = filepath.Join(folder, "sluice")
	if text, err := exec.Command("go", "build", "-o", program, "github.com/sluice-gateway/sluice/cmd/sluice").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the program: %w\n%s", err, text)
	}
	return m.Run(), nil
}

// sluice runs the program in a folder and returns what a terminal would show.
func sluice(folder string, args ...string) string {
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	text, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return err.Error()
	}
	return string(text)
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeKeys puts the files that the pages name into a folder.
func writeKeys(t *testing.T, folder string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{
		"cert.pem":        {Type: "CERTIFICATE", Bytes: cert},
		"internal-ca.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":         {Type: "PRIVATE KEY", Bytes: key},
	} {
		write(t, filepath.Join(folder, name), pem.EncodeToMemory(b))
	}
}

var reference = regexp.MustCompile(`[^$]\$\{env:(\w+)\}`)

var noEndpoints = regexp.MustCompile(`(?m)^\S+ endpoints: there are no endpoints.* \(warning\)\n`)

// TestConfigurations has every configuration pass the strictest check.
func TestConfigurations(t *testing.T) {
	folder := t.TempDir()
	writeKeys(t, folder)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if m := textFile.FindStringSubmatch(b.before); m != nil && !b.configuration() && !strings.Contains(m[1], "/") {
				write(t, filepath.Join(folder, m[1]), []byte(b.text)) // which a configuration may name
			}
			if !b.configuration() || file.MatchString(b.before) { // of a component that is not there
				continue
			}
			for _, m := range reference.FindAllStringSubmatch(b.text, -1) {
				t.Setenv(m[1], "value")
			}
			name := fmt.Sprintf("%s-%d.%s", strings.ToLower(strings.TrimSuffix(filepath.Base(p.name), ".md")), b.line, b.language)
			write(t, filepath.Join(folder, name), []byte(b.text))
			text := sluice(folder, "check", "--lint", "-c", name)
			if strings.Contains(b.text, `"endpoints": []`) { // an example of something else
				text = noEndpoints.ReplaceAllString(text, "")
			}
			if text != name+": Syntax OK!\n" {
				t.Errorf("%s:%d: %s", p.name, b.line, text)
			}
		}
	}
}

// TestConsole types what the pages type, and gets what they show.
func TestConsole(t *testing.T) {
	shop := startDemo(t)
	for _, p := range pages(t) {
		folder := t.TempDir() // each page begins afresh
		var last string       // whole configuration so far
		gateway, served := shop.gateway, ""
		for _, b := range p.blocks {
			if b.configuration() {
				last = b.text
			}
			if m := textFile.FindStringSubmatch(b.before); m != nil {
				name := filepath.Join(folder, m[1])
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, name, []byte(shop.real(b.text)))
				if m[1] == served { // as --watch does it
					gateway = "http://" + start(t, folder, "run", "-p", "0", "-c", served).address
				}
			}
			if m := keptFile.FindStringSubmatch(b.before); m != nil {
				keep(t, folder, m[1], b.text)
			}
			if b.language != "console" {
				continue
			}
			for _, c := range b.commands() {
				words := wordsOf(c.line)
				switch filepath.Base(words[0]) {
				case "sluice":
					prepare(t, folder, words, b.before, shop.real(last))
					switch words[1] {
					case "demo": // runs
						continue
					case "run":
						served = words[slices.Index(words, "-c")+1]
						gateway = "http://" + start(t, folder, "run", "-p", "0", "-c", served).address
						continue
					case "e2e":
						words = append(words, "-p", "0")
					}
					if got := shop.shown(sluice(folder, words[1:]...)); got != c.answer {
						t.Errorf("%s:%d: $ %s\nshows\n%s\nreally is\n%s", p.name, b.line, c.line, c.answer, got)
					}
				case "git":
					if got := shell(folder, c.line); got != c.answer {
						t.Errorf("%s:%d: $ %s\nshows\n%s\nreally is\n%s", p.name, b.line, c.line, c.answer, got)
					}
				case "curl":
					if got, ok := fetch(t, gateway, wordsOf(shop.real(c.line))[1:], c.answer); !ok {
						t.Errorf("%s:%d: $ %s\nshows\n%s\nreally is\n%s", p.name, b.line, c.line, c.answer, got)
					}
				default:
					t.Errorf("%s:%d: nobody types %s", p.name, b.line, c.line)
				}
			}
		}
	}
}

// textFile is how a page names a file that it shows, at the end of the paragraph in front.
var textFile = regexp.MustCompile("`([\\w./-]+\\.(?:txt|tmpl|json|yaml))`[:,]\\s*$")

// keptFile is how a page names a configuration that is kept under that name: that of a
// branch, or that of a change of it.
var keptFile = regexp.MustCompile("^`([\\w-]+\\.(?:yaml|json))` (?:on|of) .*:\\s*$")

// keep writes a file. What was in it before is on the branch main then.
func keep(t *testing.T, folder, name, text string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
		const as = "-c user.name=reader -c user.email=reader@example.com"
		if said := shell(folder, "git init -q -b main . && git add "+name+" && git "+as+" commit -q -m before"); said != "" {
			t.Fatal(said)
		}
	}
	write(t, filepath.Join(folder, name), []byte(text))
}

// shell runs a line in a folder, where the program is found by its name, and returns what a
// terminal would show.
func shell(folder, line string) string {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=/dev/null")
	text, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return err.Error()
	}
	return string(text)
}

// wordsOf parts a line as a shell does, as far as the pages need one: at blanks that are not
// within '.
func wordsOf(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 0 {
			words = append(words, strings.Fields(part)...)
		} else {
			words = append(words, part)
		}
	}
	return words
}

// change is how a page says what is different in a file: with "hots" for the
// first "host".
var change = regexp.MustCompile("[Ww]ith `(\"?[\\w/-]+\"?)` for the first `(\"?[\\w/-]+\"?)`")

// prepare makes the file that a command names and nobody has made: the last
// configuration of the page, with the change that the text in front demands.
func prepare(t *testing.T, folder string, words []string, before, text string) {
	t.Helper()
	for i, word := range words {
		if word != "-c" || i+1 == len(words) {
			continue
		}
		name := filepath.Join(folder, words[i+1])
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if m := change.FindStringSubmatch(before); m != nil {
			text = strings.Replace(text, m[2], m[1], 1)
		}
		write(t, name, []byte(text))
	}
}

// local is where the gateways of the pages are.
var local = regexp.MustCompile(`^http://localhost:80[89]0`)

// headerOf is how curl writes a field of the answer.
var headerOf = regexp.MustCompile(`%header\{([\w-]+)\}`)

// host is what differs from answer to answer: the hosts take turns.
var host = regexp.MustCompile(`products-0\d`)

// fetch makes the request of the arguments of a curl to a gateway, returns the body, and
// whether it is what is shown. One host of the demo fails now and then and one is slow, so
// that it asks several times.
func fetch(t *testing.T, gateway string, args []string, want string) (got string, ok bool) {
	t.Helper()
	for range 8 {
		form := ""
		r, err := http.NewRequest("GET", local.ReplaceAllString(args[len(args)-1], gateway), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, arg := range args[:len(args)-1] {
			switch arg {
			case "-d":
				r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(args[i+1]))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			case "-H":
				name, value, _ := strings.Cut(args[i+1], ": ")
				r.Header.Set(name, value)
			case "-w":
				form = args[i+1]
			}
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = string(body)
		if form != "" {
			got = strings.NewReplacer("%{http_code}", strconv.Itoa(res.StatusCode), `\n`, "\n").Replace(form)
			got = headerOf.ReplaceAllStringFunc(got, func(m string) string { return res.Header.Get(headerOf.FindStringSubmatch(m)[1]) })
		}
		if alike(got) == alike(want) {
			return got, true
		}
	}
	return got, false
}

// alike returns an answer without what differs from one to the next: the host of the products
// that has made it, and the id of the request.
func alike(answer string) string {
	answer = regexp.MustCompile(`"request_id":"[0-9a-f]{32}"`).ReplaceAllString(answer, `"request_id":""`)
	return strings.TrimSpace(host.ReplaceAllString(answer, "products"))
}

// A shop is a demo that runs.
type shop struct {
	gateway  string   // with the scheme
	services []string // in the order in which the demo has them
}

// real returns a configuration in which the services of a demo with -p 9000 are those that
// run.
func (s shop) real(text string) string {
	for i, address := range s.services {
		text = strings.ReplaceAll(text, fmt.Sprintf("127.0.0.1:%d", 9001+i), address)
	}
	return text
}

// startDemo runs the demo on a free port until the test ends and returns its
// address, at which everything is ready.
func startDemo(t *testing.T) shop {
	t.Helper()
	demo := start(t, ".", "demo", "-p", "0")
	found := "http://" + demo.address
	for status := 0; status != http.StatusOK; { // no longer than the demo runs
		res, err := http.Get(found + "/__ready")
		if err != nil {
			t.Fatal(err)
		}
		status = res.StatusCode
		res.Body.Close()
		<-time.After(5 * time.Millisecond)
	}
	s := shop{gateway: found}
	for _, m := range service.FindAllStringSubmatch(demo.said, -1) {
		s.services = append(s.services, m[1])
	}
	if len(s.services) != 6 {
		t.Fatalf("the demo has other services than its pages:\n%s", demo.said)
	}
	return s
}

// shown is the inverse of real.
func (s shop) shown(text string) string {
	for i, address := range s.services {
		text = strings.ReplaceAll(text, address, fmt.Sprintf("127.0.0.1:%d", 9001+i))
	}
	return text
}

// service is the address of a service in what the demo says.
var service = regexp.MustCompile(`(?m)^  \S+ +\w+://(127\.0\.0\.1:\d+)$`)

// startGateway runs a gateway with a configuration file on a free port until the test ends
// and returns its host and port.
func startGateway(t *testing.T, name string) string {
	t.Helper()
	return start(t, ".", "run", "-p", "0", "-c", name).address
}

// served is what the log says first of a program that serves.
var served = regexp.MustCompile(`serving.*?:(\d+)`)

// started is the host and port at which the program serves, and what it had said by then.
type started struct{ address, said string }

// start runs the program in a folder until the test ends, ten minutes at most.
func start(t *testing.T, folder string, args ...string) started {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel) // after the signal below
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		in.Close()
		ended <- err
	}()
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	var port []string
	for port == nil && lines.Scan() {
		port = served.FindStringSubmatch(lines.Text())
	}
	first := said.String()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(&said, out)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		err := <-ended
		if <-drained; err != nil {
			t.Errorf("%q: %v\n%s", args, err, said.String())
		}
	})
	if port == nil {
		t.Fatalf("%q does not serve", args)
	}
	return started{"127.0.0.1:" + port[1], first}
}
