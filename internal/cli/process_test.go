package cli

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long anything may take that a test waits for, on a machine as busy as
// may be.
const limit = 2 * time.Minute

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// A process is the real program, with what it wrote on both streams.
type process struct {
	cmd     *exec.Cmd
	address string // host:port
	ended   chan struct{}
	err     error // of the end

	mu   sync.Mutex
	text bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// log returns what the process wrote so far.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// signal sends a signal.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%v\n%s", err, p.log())
	}
}

// wait returns the exit code, which is -1 after a signal that was not handled.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("the program does not end:\n%s", p.log())
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	return 0
}

var servingLine = regexp.MustCompile(`serving address=(\S+)`)

// serveFile runs the program with a configuration on a free port, until the
// test ends.
func serveFile(t *testing.T, file string, flags ...string) *process {
	t.Helper()
	return serveCommand(t, append([]string{"run", "-c", file, "-p", "0"}, flags...)...)
}

func serveCommand(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.serve(t)
	return p
}

// start starts the program, until the test ends.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.ended = make(chan struct{})
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.ended })
}

// serve starts the program and waits until it serves, which its log says unless the
// address is known before.
func (p *process) serve(t *testing.T) {
	t.Helper()
	p.start(t)
	eventually(t, "serving", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the program ended: %v\n%s", p.err, p.log())
		default:
		}
		if p.address != "" {
			conn, err := net.Dial("tcp", p.address)
			if err == nil {
				conn.Close()
			}
			return err == nil
		}
		if m := servingLine.FindStringSubmatch(p.log()); m != nil {
			p.address = strings.Replace(m[1], "[::]", "127.0.0.1", 1)
		}
		return p.address != ""
	})
}

// reload sends SIGHUP and waits until the log says what came of it.
func (p *process) reload(t *testing.T, outcome string) {
	t.Helper()
	before := strings.Count(p.log(), outcome)
	p.signal(t, syscall.SIGHUP)
	eventually(t, outcome, func() bool { return strings.Count(p.log(), outcome) > before })
}

// get returns the status and the body of an answer.
func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + p.address + path)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
