package budget

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

const (
	small, large = 10_000, 900_000
	times        = large / small

	// growth is how many times more statements the large request may take than
	// times the small one: a square takes 90 times more.
	growth = 1.5

	// perByte is how many statements a byte of the large request may take. A
	// plain one takes less than one.
	perByte = 60

	// memory is what the process may grow by for a large request. It is also the
	// limit of the process itself, so that garbage counts only if nobody has had a
	// reason to collect it.
	memory = 96 << 20

	patience = 60 * time.Second // after which something hangs
)

// TestBudget sends every case in both sizes to a gateway of its own.
func TestBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a gateway that counts its statements, which takes a minute")
	}
	if testx.Race {
		t.Skip("the gateway is a process of its own, which the race detector does not see")
	}
	binary := build(t, "../../cmd/sluice", "-cover", "-covermode=atomic", "-coverpkg=github.com/sluice-gateway/sluice/...")
	covdata := build(t, "cmd/covdata") // go tool would look for it hundreds of times
	for _, engine := range []string{"fast", "nethttp"} {
		measure := func(t *testing.T, c *testCase, size int) (statements, grown int64) {
			counters, grown := measure(t, binary, engine, c, size)
			return count(t, covdata, counters), grown
		}
		idle, _ := measure(t, nil, 0)
		for _, c := range cases {
			t.Run(engine+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				few, _ := measure(t, &c, small)
				many, grown := measure(t, &c, large)
				few, many = (few-idle)/rounds, (many-idle)/rounds
				t.Logf("%d statements for %d bytes, %d for %d: %.1f times more; %.2f for each byte; %d KB", few, small, many, large,
					float64(many)/float64(max(few, 1)), float64(many)/large, grown>>10)
				if few <= 0 {
					t.Fatal("the request took no statement")
				}
				// What a request takes at any size is not part of what grows.
				if most := int64(growth*float64(times)*float64(few)) + 100_000; many > most {
					t.Errorf("%d statements for %d times the bytes, more than %d", many, times, most)
				}
				if limit := large * max(c.perByte, perByte); many > limit {
					t.Errorf("%d statements, more than %d", many, limit)
				}
				if grown > memory {
					t.Errorf("the process grew by %d bytes, more than %d", grown, memory)
				}
			})
		}
	}
}

// build returns a program of a package.
func build(t *testing.T, path string, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", slices.Concat([]string{"build"}, flags, []string{"-o", binary, path})...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// measure runs a gateway, sends it the request of a case and stops it. It
// returns the folder with the counts of the statements that took from start to end, and by
// how much the process has grown meanwhile, in bytes.
func measure(t *testing.T, binary, engine string, c *testCase, size int) (counters string, grown int64) {
	t.Helper()
	folder := t.TempDir()
	counters, err := os.MkdirTemp("", "counters") // no comma in it, unlike the names of cases
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(counters) })
	b := newBackend(t, c, size)
	address := testx.UnusedAddress(t)
	port := address[strings.LastIndexByte(address, ':')+1:]
	file := filepath.Join(folder, "gateway.json")
	text := strings.NewReplacer("$ENGINE", engine, "$PORT", port, "$BACKEND", b.url).Replace(configuration)
	for name, text := range map[string]string{file: text, filepath.Join(folder, "keys.json"): keys} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "run", "-c", file)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOCOVERDIR="+counters, "GOGC=100", fmt.Sprint("GOMEMLIMIT=", memory))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			cmd.Process.Kill()
			cmd.Wait()
			t.Logf("%s", output.Bytes())
		}
	}()
	ready(t, address)
	before := peak(t, cmd.Process.Pid)
	if c != nil {
		c.send(t, address, size)
	}
	grown = peak(t, cmd.Process.Pid) - before
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, output.Bytes())
	}
	return counters, grown
}

// ready waits until the gateway accepts connections.
func ready(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the gateway does not start")
}

// count adds up how often the statements were executed, by the program that reads counters.
func count(t *testing.T, covdata, counters string) (sum int64) {
	t.Helper()
	list := filepath.Join(counters, "counts")
	if out, err := exec.Command(covdata, "textfmt", "-i="+counters, "-o="+list).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line) // place, statements in the block, executions
		if len(words) != 3 {
			continue
		}
		in, err1 := strconv.ParseInt(words[1], 10, 64)
		executed, err2 := strconv.ParseInt(words[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		sum += in * executed
	}
	return sum
}

// peak returns the most memory that a process has had, in bytes.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	words := strings.Fields(rest)
	if len(words) < 2 {
		t.Fatalf("no peak in %s", text)
	}
	kilobytes, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// A backend answers every request with the answer of a case.
type backend struct{ url string }

func newBackend(t *testing.T, c *testCase, size int) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
	if c != nil && c.answer != nil {
		answer = []byte(c.answer(size))
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				serve(conn, answer)
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return &backend{"http://" + l.Addr().String()}
}

// serve reads requests and answers them, until the gateway closes the
// connection.
func serve(conn net.Conn, answer []byte) {
	r := bufio.NewReaderSize(conn, 1<<20)
	for {
		length, chunked := 0, false
		for first := true; ; first = false {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch strings.ToLower(name) {
			case "content-length":
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			case "transfer-encoding":
				chunked = true
			}
			if !first && name == "" {
				break
			}
		}
		if chunked {
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.TrimSpace(line) == "0" {
					break
				}
			}
			r.ReadString('\n')
		}
		if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
