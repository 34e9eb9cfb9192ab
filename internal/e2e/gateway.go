package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
)

// lookAgain is how long it takes until something that is waited for is looked at again.
const lookAgain = 20 * time.Millisecond

// errEnded is the error of what will never be ready.
var errEnded = errors.New("it has ended")

// Until calls ready until it returns nil, and no longer than limit. The error is that of the
// last look, or that of ctx.
func Until(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ready(limited)
		if err == nil || ctx.Err() != nil || errors.Is(err, errEnded) {
			return cmp.Or(ctx.Err(), err)
		}
		select {
		case <-limited.Done():
			return cmp.Or(ctx.Err(), fmt.Errorf("not ready after %v: %w", limit, err))
		case <-time.After(lookAgain):
		}
	}
}

// Answers looks whether an address answers with 200.
func (r *Runner) Answers(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c := Case{spec: specification{In: input{URL: address}}}
		transport := r.transport()
		defer transport.CloseIdleConnections()
		a, err := (&Runner{}).send(ctx, &http.Client{Transport: transport}, &c)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%s answers %d", address, a.status)
		}
		return err
	}
}

// Listens looks whether the gateway of the first case takes connections.
func (r *Runner) Listens(cases []*Case) func(context.Context) error {
	return func(ctx context.Context) error {
		written, err := r.address(cases[0].spec.In.URL)
		if err != nil {
			return err
		}
		u, err := url.Parse(written)
		if err != nil {
			return err
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), portOf(u)))
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// portOf returns the port of an address, which may be that of its scheme.
func portOf(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// Astray returns what is wrong with cases that go to none of some ports: something else may
// listen where they go.
func Astray(cases []*Case, ports ...int) (problems []*config.Problem) {
	for _, c := range cases {
		u, err := url.Parse(c.spec.In.URL)
		if err == nil && !slices.ContainsFunc(ports, func(port int) bool { return portOf(u) == strconv.Itoa(port) }) {
			problems = append(problems, cmp.Or(c.spec.In.Node.Get("url"), c.spec.In.Node).Problem(config.Error, config.CodeInvalid,
				fmt.Errorf("the case goes to port %s, and the gateway is at %d; write that port, or test what runs elsewhere by --no-start", portOf(u), ports[0])))
		}
		problems = append(problems, Astray(c.Next, ports...)...)
	}
	return problems
}

// Towards returns a Dial that leads what goes to a port of this machine to another address of
// it, and everything else where it goes.
func Towards(port int, to net.Addr) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, asked, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err == nil && asked == strconv.Itoa(port) && (host == "localhost" || ip.IsLoopback() || ip.IsUnspecified()) {
			address = to.String()
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// A Process is another gateway that runs: that of KrakenD, for instance.
type Process struct {
	stop  context.CancelFunc
	ended chan struct{}
	err   error // why it ended; once ended is closed
	tail  *tail
}

// patience is how long a process may take to end.
const patience = 5 * time.Second

// StartProcess runs "program run -d -c file" with the variables whose names fit one of the
// patterns, all of them if there are none. What it writes goes to w.
func StartProcess(program, file string, patterns []*regexp.Regexp, w io.Writer) (*Process, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "run", "-d", "-c", file)
	cmd.Env = []string{"USAGE_DISABLE=1"} // tests are no use
	for _, v := range os.Environ() {
		fits := len(patterns) == 0
		for _, p := range patterns {
			fits = fits || p.MatchString(v)
		}
		if fits {
			cmd.Env = append(cmd.Env, v)
		}
	}
	p := &Process{stop: cancel, ended: make(chan struct{}), tail: &tail{w: w}}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Stop ends the process, by force if it takes longer than five seconds.
func (p *Process) Stop() {
	p.stop()
	<-p.ended
}

// Watching returns ready with the error of a process that has ended.
func (p *Process) Watching(ready func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-p.ended:
			return fmt.Errorf("%w: %w\n%s", errEnded, cmp.Or(p.err, errors.New("exit code 0")), p.tail)
		default:
			return ready(ctx)
		}
	}
}

// A tail writes on, and keeps the end.
type tail struct {
	w    io.Writer
	mu   sync.Mutex
	kept []byte
}

const keptBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if more := len(t.kept) - keptBytes; more > 0 {
		t.kept = append(t.kept[:0], t.kept[more:]...)
	}
	t.w.Write(p) // whoever cannot write says so at the end
	return len(p), nil
}

// String returns the last lines, indented.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return "  " + strings.ReplaceAll(strings.TrimSpace(string(t.kept)), "\n", "\n  ")
}
