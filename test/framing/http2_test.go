package framing

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// deviations are the cases of h2spec that the gateway fails, with the reason.
var deviations = map[string]string{
	"http2/3.5/2":     "without TLS, what is no preface of HTTP/2 is a bad request of HTTP/1: it is answered so before the connection ends; h2spec cannot read that answer",
	"http2/6.5.3/1":   "a setting that is given twice in one frame is taken for abuse and ends the connection",
	"http2/8.1.2.2/1": "fields of one connection are not refused; they never cross the gateway",
	"http2/8.1.2.2/2": "TE is not refused; it never crosses the gateway",
}

// Of all cases of h2spec, at least so many have to pass.
const (
	leastPassed = 140
	specCases   = 145
)

// TestH2spec runs the conformance suite for HTTP/2, which is a module of its
// own: the gateway does not depend on it. h2spec waits for each frame, for ten
// seconds here; where none comes the case has failed.
func TestH2spec(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a few seconds for each engine")
	}
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "h2spec")
	build := exec.Command("go", "build", "-C", "../h2spec", "-o", tool, "github.com/summerwind/h2spec/cmd/h2spec")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("h2spec cannot be built, maybe because its modules cannot be downloaded: %v\n%s", err, out)
	}
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("tls=%t", encrypted), func(t *testing.T) {
				t.Parallel()
				b := newBackend(t)
				addr, _ := start(t, e, http2Configuration(t, b.addr, encrypted))
				host, port, err := net.SplitHostPort(addr)
				if err != nil {
					t.Fatal(err)
				}
				args := []string{"-h", host, "-p", port, "-P", "/n/a/1", "-o", "10"}
				if encrypted {
					args = append(args, "-t", "-k")
				}
				total, failed := specRun(t, tool, args)
				if total != specCases {
					t.Errorf("%d cases were run, want %d", total, specCases)
				}
				passed := total
				for _, name := range failed {
					passed--
					if deviations[name] == "" {
						t.Errorf("%s fails", name)
					}
				}
				t.Logf("%d of %d cases pass", passed, total)
				if passed < leastPassed {
					t.Errorf("%d cases pass, want %d", passed, leastPassed)
				}
			})
		}
	})
}

// What h2spec prints: a line for each group and section, the cases that failed
// below theirs, and a summary.
var (
	specSection = regexp.MustCompile(`^\s+(\d+(?:\.\d+)*)\. `)
	specFailure = regexp.MustCompile(`^\s+× (\d+): `)
	specSummary = regexp.MustCompile(`(\d+) tests, \d+ passed, \d+ skipped, \d+ failed`)
	specGroups  = map[string]string{
		"Generic tests for HTTP/2 server":                "generic",
		"Hypertext Transfer Protocol Version 2 (HTTP/2)": "http2",
		"HPACK: Header Compression for HTTP/2":           "hpack",
	}
)

// specRun runs h2spec and returns the number of cases and those that failed, as
// group/section/number.
func specRun(t *testing.T, tool string, args []string) (total int, failed []string) {
	t.Helper()
	out, err := exec.Command(tool, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	m := specSummary.FindSubmatch(out)
	if m == nil {
		t.Fatalf("h2spec printed no summary:\n%s", out)
	}
	if total, err = strconv.Atoi(string(m[1])); err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Failures:")
	group, section := "", ""
	for line := range strings.SplitSeq(list, "\n") {
		if g, ok := specGroups[strings.TrimSpace(line)]; ok {
			group = g
		} else if m := specSection.FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if m := specFailure.FindStringSubmatch(line); m != nil {
			failed = append(failed, group+"/"+section+"/"+m[1])
		}
	}
	return total, failed
}

// http2Configuration is a configuration that accepts HTTP/2, with or without
// TLS.
func http2Configuration(t *testing.T, backend string, encrypted bool) string {
	t.Helper()
	text := configuration(backend)
	if !encrypted {
		return strings.Replace(text, "{", `{"use_h2c":true,`, 1)
	}
	certificate, key := identity(t)
	return strings.Replace(text, "{", fmt.Sprintf(`{"tls":{"keys":[{"public_key":%q,"private_key":%q}]},`, certificate, key), 1)
}

// identity writes a certificate for this host and its key, and returns the
// names of the files.
func identity(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("certificate.pem", "CERTIFICATE", public), write("key.pem", "PRIVATE KEY", secret)
}

// A flood is what an attacker sends on a connection of HTTP/2, round after
// round.
type flood struct {
	name  string
	ends  bool // the gateway ends the connection for it
	round func(f *http2.Framer, head []byte, i uint32) error
}

var floods = []flood{
	{"rapid reset", true, func(f *http2.Framer, head []byte, i uint32) error {
		stream := 2*i + 1
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head, EndStream: true, EndHeaders: true})
		return errors.Join(err, f.WriteRSTStream(stream, http2.ErrCodeCancel))
	}},
	{"resets that the gateway is made to send", true, func(f *http2.Framer, head []byte, i uint32) error {
		stream := 2*i + 1
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head, EndStream: true, EndHeaders: true})
		return errors.Join(err, f.WriteWindowUpdate(stream, 1<<31-1))
	}},
	{"a header without end", true, func(f *http2.Framer, head []byte, i uint32) error {
		if i == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head, EndStream: true})
		}
		return f.WriteContinuation(1, false, literal("x-a", strings.Repeat("a", 8000)))
	}},
	{"a header of empty frames", false, func(f *http2.Framer, head []byte, i uint32) error {
		if i == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head, EndStream: true})
		}
		return f.WriteContinuation(1, false, nil)
	}},
	{"settings", false, func(f *http2.Framer, _ []byte, _ uint32) error { return f.WriteSettings() }},
	{"pings", false, func(f *http2.Framer, _ []byte, _ uint32) error { return f.WritePing(false, [8]byte{}) }},
	{"empty data", false, func(f *http2.Framer, head []byte, i uint32) error {
		if i == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head, EndHeaders: true})
		}
		return f.WriteData(1, false, nil)
	}},
}

const (
	attackers   = 4
	floodRounds = 20_000    // of each attacker
	floodWork   = 1000      // exchanges that may begin for an attacker whose connection the gateway ends
	floodMemory = 128 << 20 // garbage included
)

// TestFloods has attackers on HTTP/2 do what costs them little. The gateway
// ends their connections before they have begun much work, or reads what they
// send within bounds of memory, and an honest client gets all its answers.
func TestFloods(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, attack := range floods {
			t.Run(attack.name, func(t *testing.T) {
				b := newBackend(t)
				addr, saw := start(t, e, http2Configuration(t, b.addr, false))
				head := encodeHead("GET", "/n/a/attack")
				runtime.GC()
				before, most := heap(), uint64(0)
				var attacks sync.WaitGroup
				for range attackers {
					attacks.Go(func() { attack.run(t, addr, head) })
				}
				over := make(chan struct{})
				go func() { attacks.Wait(); close(over) }()
				served := 0
				for going := true; going; served++ {
					answers, end := converse(t, addr, bare("GET /n/next/1 HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
					if len(answers) != 1 || answers[0].status() != http.StatusOK {
						t.Errorf("an honest client got %+v, and the connection %s", answers, end)
						break
					}
					most = max(most, heap())
					select {
					case <-over:
						going = false
					default:
					}
				}
				<-over
				if grown := int64(most) - int64(before); grown > floodMemory {
					t.Errorf("the heap grew by %d bytes, more than %d", grown, floodMemory)
				}
				begun := len(saw.of("attack"))
				if attack.ends && begun > attackers*floodWork {
					t.Errorf("%d exchanges began, more than %d", begun, attackers*floodWork)
				}
				t.Logf("%d exchanges began, %d honest requests were served meanwhile, heap up by %d KB", begun, served, (int64(most)-int64(before))>>10)
			})
		}
	})
}

// run attacks until the connection ends or the rounds are over. Rounds are sent
// several at a time, so that what belongs together arrives together.
func (a flood) run(t *testing.T, addr string, head []byte) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * patience)) // nothing waits for it to pass
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	}()
	out := bufio.NewWriterSize(conn, 4<<10)
	out.WriteString(http2.ClientPreface) // whether all this arrives, the rounds will tell
	f := http2.NewFramer(out, nil)
	f.WriteSettings()
	for i := range uint32(floodRounds) {
		if err := a.round(f, head, i); err != nil {
			break
		}
	}
	out.Flush()
	if !a.ends {
		conn.Close()
	}
	if err := <-ended; a.ends && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection goes on after the attack")
	}
}

// encodeHead returns the header block of a request.
func encodeHead(method, path string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", method}, {":scheme", "http"}, {":authority", "h"}, {":path", path}} {
		e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return b.Bytes()
}

// literal returns a field of a header block that is in no table.
func literal(name, value string) []byte {
	var b bytes.Buffer
	hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true})
	return b.Bytes()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
