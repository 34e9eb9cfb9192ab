package enginetest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A wire is one end of a connection. Its methods fail the case when something
// else arrives than expected, or nothing in time.
type wire struct {
	t *testing.T
	net.Conn
	r    *bufio.Reader
	exit func() // ends the goroutine of the script
}

// dial connects to a server.
func (t *trial) dial(addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	t.must(err)
	return t.wire(conn)
}

// wire wraps the connection of a client.
func (t *trial) wire(conn net.Conn) *wire {
	t.Cleanup(func() { conn.Close() })
	return newWire(t.T, conn, t.FailNow)
}

func newWire(t *testing.T, conn net.Conn, exit func()) *wire {
	conn.SetDeadline(time.Now().Add(patience))
	return &wire{t, conn, bufio.NewReader(conn), exit}
}

func (w *wire) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf(format, args...)
	w.exit()
}

// send writes text as it is. That nobody takes it is found out by reading.
func (w *wire) send(text ...string) {
	io.WriteString(w.Conn, strings.Join(text, ""))
}

// lines writes lines with their ends.
func (w *wire) lines(lines ...string) { w.send(strings.Join(lines, "\r\n"), "\r\n") }

// line reads one line.
func (w *wire) line() string {
	w.t.Helper()
	text, err := w.r.ReadString('\n')
	if err != nil {
		w.fail("reading a line: %q, %v", text, err)
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok {
		w.fail("line %q does not end in CR LF", text)
	}
	return line
}

// A head is a start line with the fields below it.
type head struct {
	start  string
	fields []string // "Name: value", as they came
}

// head reads the beginning of a message.
func (w *wire) head() head {
	w.t.Helper()
	h := head{start: w.line()}
	for {
		line := w.line()
		if line == "" {
			return h
		}
		h.fields = append(h.fields, line)
	}
}

// all returns the values of a field.
func (h head) all(name string) []string {
	var values []string
	for _, f := range h.fields {
		if n, v, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// get returns the values of a field in one text, "" if there is none.
func (h head) get(name string) string { return strings.Join(h.all(name), ", ") }

// names returns the names of the fields, sorted, as they came.
func (h head) names() []string {
	var names []string
	for _, f := range h.fields {
		name, _, _ := strings.Cut(f, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// exactly reads n bytes.
func (w *wire) exactly(n int) string {
	w.t.Helper()
	p := make([]byte, n)
	if got, err := io.ReadFull(w.r, p); err != nil {
		w.fail("reading %d bytes: %q, %v", n, p[:got], err)
	}
	return string(p)
}

// chunk reads one chunk; the last one is "".
func (w *wire) chunk() string {
	w.t.Helper()
	size, err := strconv.ParseUint(w.line(), 16, 31)
	if err != nil {
		w.fail("size of a chunk: %v", err)
	}
	text := w.exactly(int(size))
	if end := w.line(); end != "" {
		w.fail("a chunk of %d bytes is followed by %q", size, end)
	}
	return text
}

// content reads the body that h announces; "" if it announces none.
func (w *wire) content(h head) string {
	w.t.Helper()
	if h.get("Transfer-Encoding") == "chunked" {
		var all strings.Builder
		for {
			text := w.chunk()
			if text == "" {
				return all.String()
			}
			all.WriteString(text)
		}
	}
	if length := h.get("Content-Length"); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil {
			w.fail("length %q", length)
		}
		return w.exactly(n)
	}
	return ""
}

// rest reads to the end of the connection and returns what came and whether
// the end was an orderly one.
func (w *wire) rest() (text string, orderly bool) {
	w.t.Helper()
	p, err := io.ReadAll(w.r)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		w.fail("the connection is still open after %q", p)
	}
	return string(p), err == nil
}

// closed waits for the end of the connection, after which nothing may come.
func (w *wire) closed() {
	w.t.Helper()
	if text, _ := w.rest(); text != "" {
		w.fail("got %q, want the end of the connection", text)
	}
}

// want reads an answer with this status and body.
func (w *wire) want(status int, text string) head {
	w.t.Helper()
	h := w.head()
	if got := strings.Fields(h.start); len(got) < 2 || got[0] != "HTTP/1.1" || got[1] != strconv.Itoa(status) {
		w.fail("answer %q, want the status %d", h.start, status)
	}
	if got := w.content(h); got != text {
		w.fail("body %q, want %q", got, text)
	}
	return h
}

// A backend takes connections and runs its script on each of them.
type backend struct {
	addr     string
	accepted atomic.Int64
	listener net.Listener
	done     sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

// backend starts one that lives until the end of the case.
func (t *trial) backend(script func(w *wire)) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	t.must(err)
	b := &backend{addr: l.Addr().String(), listener: l}
	b.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.accepted.Add(1)
			b.mu.Lock()
			b.open = append(b.open, conn)
			b.mu.Unlock()
			b.done.Go(func() {
				defer conn.Close()
				script(newWire(t.T, conn, runtime.Goexit))
			})
		}
	})
	t.Cleanup(b.close)
	return b
}

// close ends the backend and its connections.
func (b *backend) close() {
	b.listener.Close()
	b.mu.Lock()
	for _, conn := range b.open {
		conn.Close()
	}
	b.mu.Unlock()
	b.done.Wait()
}

// reset closes the connection such that the other end gets an error.
func (w *wire) reset() {
	w.Conn.(*net.TCPConn).SetLinger(0)
	w.Conn.Close()
}

// more reports whether another message begins before the connection ends.
func (w *wire) more() bool {
	_, err := w.r.Peek(1)
	return err == nil
}
