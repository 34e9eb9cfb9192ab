package framing

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

const (
	slowClients = 1300   // of each kind, which are there together
	slowFiles   = 16_000 // four for each: the client's end is in another process
	slowSeconds = 8
	slowBytes   = 256 << 10 // of an answer that is read slowly
)

// slowness is what a slow client does, in the words of slowhttptest.
var slowness = []struct {
	name string
	args []string
}{
	{"headers", []string{"-H", "-i", "1"}},
	{"body", []string{"-B", "-i", "1", "-s", "8192"}},
	{"reading", []string{"-X", "-w", "1", "-y", "16", "-n", "1", "-z", "1", "-k", "3"}},
}

// TestSlowClients has thousands of clients that take their time on purpose, those of each kind
// at a gateway of its own, beside the other kinds. An honest client of each gets all its
// answers meanwhile, and the slow ones are gone soon after.
func TestSlowClients(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes more than ten seconds for each engine")
	}
	if testx.Race {
		t.Skip("the race detector needs more memory for each connection than there may be")
	}
	tool, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Skip("slowhttptest is not installed; make deps installs it")
	}
	allowFiles(t, slowFiles)
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		for _, slow := range slowness {
			t.Run(slow.name, func(t *testing.T) {
				t.Parallel()
				b := newBackend(t)
				large := []byte(replies(strings.Repeat("x", slowBytes), fmt.Sprint("Content-Length: ", slowBytes)))
				b.scripts.Store("/n/a/slow", script{answer: func(conn net.Conn) bool {
					_, err := conn.Write(large)
					return err == nil
				}})
				text := strings.Replace(configuration(b.addr), `"read_header_timeout":"3s"`, `"read_header_timeout":"4s","read_timeout":"4s","write_timeout":"4s","idle_timeout":"2s"`, 1)
				addr, _ := start(t, e, text)
				var output []byte
				var attack sync.WaitGroup
				attack.Go(func() {
					args := append(slow.args, "-c", fmt.Sprint(slowClients), "-r", fmt.Sprint(slowClients/2), "-l", fmt.Sprint(slowSeconds), "-p", "3",
						"-u", "http://"+addr+"/n/a/slow")
					output, _ = exec.Command(tool, args...).CombinedOutput() // its exit status tells how the attack went
				})
				over := make(chan struct{})
				go func() { attack.Wait(); close(over) }()
				served, most := honest(t, addr, over)
				t.Logf("%d requests served, up to %d connections at once\n%s", served, most, lastLines(output))
			})
		}
	})
}

// honest has a client ask all the time until the attack is over, and then waits
// for the slow ones to be gone. It returns how many answers there were and how
// many connections the gateway had at once.
func honest(t *testing.T, addr string, over <-chan struct{}) (served, most int) {
	t.Helper()
	var looked time.Time
	for going := true; going; {
		answers, end := converse(t, addr, bare("GET /n/next/1 HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
		if len(answers) != 1 || answers[0].status() != 200 {
			t.Errorf("an honest client got %+v, and the connection %s", answers, end)
			<-over
			break
		}
		served++
		if time.Since(looked) > 500*time.Millisecond { // it is not cheap
			looked = time.Now()
			most = max(most, established(t, addr))
		}
		select {
		case <-over:
			going = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	deadline := time.Now().Add(2 * patience)
	for left := established(t, addr); left > 0; left = established(t, addr) {
		if time.Now().After(deadline) {
			t.Errorf("%d slow clients are still connected", left)
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	return served, most
}

// established counts the connections at addr, on the side of the gateway. It
// is the table of the system that tells, so that nobody has to be asked who may
// be the one in trouble.
func established(t *testing.T, addr string) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skipf("connections cannot be counted here: %v", err)
	}
	parsed := netip.MustParseAddrPort(addr)
	host := parsed.Addr().As4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", host[3], host[2], host[1], host[0], parsed.Port())
	const stateEstablished = "01"
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == local && f[3] == stateEstablished {
			n++
		}
	}
	return n
}

// allowFiles lets this process and those it starts have n files open.
func allowFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= n {
		return
	}
	limit.Cur, limit.Max = n, max(n, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Skipf("%d files cannot be open: %v", n, err)
	}
}

// lastLines returns the end of an output.
func lastLines(p []byte) string {
	lines := strings.Split(strings.TrimSpace(string(p)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
