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
	demo := startDemo(t)
	for _, p := range pages(t) {
		folder := t.TempDir() // each page begins afresh
		var last string       // whole configuration so far
		for _, b := range p.blocks {
			if b.configuration() {
				last = b.text
			}
			if m := textFile.FindStringSubmatch(b.before); m != nil {
				write(t, filepath.Join(folder, m[1]), []byte(b.text))
			}
			if b.language != "console" {
				continue
			}
			for _, c := range b.commands() {
				words := wordsOf(c.line)
				switch filepath.Base(words[0]) {
				case "sluice":
					prepare(t, folder, words, b.before, last)
					if got := sluice(folder, words[1:]...); got != c.answer {
						t.Errorf("%s:%d: $ %s\nshows\n%s\nreally is\n%s", p.name, b.line, c.line, c.answer, got)
					}
				case "curl":
					body := ""
					if words[1] == "-d" {
						body = strings.Trim(words[2], "'")
					}
					url := strings.Replace(words[len(words)-1], "http://localhost:8080", demo, 1)
					if got, ok := fetch(t, url, body, c.answer); !ok {
						t.Errorf("%s:%d: $ %s\nshows\n%s\nreally is\n%s", p.name, b.line, c.line, c.answer, got)
					}
				default:
					t.Errorf("%s:%d: nobody types %s", p.name, b.line, c.line)
				}
			}
		}
	}
}

// textFile is how a page names a file that is no configuration.
var textFile = regexp.MustCompile("^`([\\w-]+\\.txt)`:\\s*$")

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
var change = regexp.MustCompile(`[Ww]ith .("\w+"). for the first .("\w+").`)

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

// host is what differs from answer to answer: the hosts take turns.
var host = regexp.MustCompile(`products-0\d`)

// fetch returns the body at an address, to which it posts one unless that is empty, and
// whether it is what is shown. One host of the demo fails now and then and one is slow, so
// that it asks several times.
func fetch(t *testing.T, url, posted, want string) (got string, ok bool) {
	t.Helper()
	for range 8 {
		var res *http.Response
		var err error
		if posted == "" {
			res, err = http.Get(url)
		} else {
			res, err = http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(posted))
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = string(body)
		if plain := host.ReplaceAllString(got, "products"); strings.TrimSpace(plain) == strings.TrimSpace(host.ReplaceAllString(want, "products")) {
			return got, true
		}
	}
	return got, false
}

// startDemo runs the demo on a free port until the test ends and returns its
// address, at which everything is ready.
func startDemo(t *testing.T) string {
	t.Helper()
	found := "http://" + start(t, "demo", "-p", "0")
	for status := 0; status != http.StatusOK; { // no longer than the demo runs
		res, err := http.Get(found + "/__ready")
		if err != nil {
			t.Fatal(err)
		}
		status = res.StatusCode
		res.Body.Close()
		<-time.After(5 * time.Millisecond)
	}
	return found
}

// startGateway runs a gateway with a configuration file on a free port until the test ends
// and returns its host and port.
func startGateway(t *testing.T, name string) string {
	t.Helper()
	return start(t, "run", "-p", "0", "-c", name)
}

// served is what the log says first of a program that serves.
var served = regexp.MustCompile(`serving.*?:(\d+)`)

// start runs the program, a minute at most, until the test ends and returns the host and
// port at which it serves.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel) // after the signal below
	cmd := exec.CommandContext(ctx, program, args...)
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
	return "127.0.0.1:" + port[1]
}
