package framing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take that has to happen; what takes longer
// is taken to hang.
const patience = 30 * time.Second

var engines = []engine.Engine{
	{Name: "nethttp", NewServer: nethttp.NewServer, NewClient: nethttp.NewClient},
	{Name: "fast", NewServer: fast.NewServer, NewClient: fast.NewClient},
}

// eachEngine runs f for every engine.
func eachEngine(t *testing.T, f func(t *testing.T, e engine.Engine)) {
	for _, e := range engines {
		t.Run(e.Name, func(t *testing.T) { f(t, e) })
	}
}

// start runs a gateway with this configuration until the test ends, and
// returns its address and what it has seen.
func start(t testing.TB, e engine.Engine, text string) (addr string, saw *journal) {
	t.Helper()
	saw = newJournal()
	o := gatewaytest.Options(text, engine.Engine{
		Name:      e.Name,
		NewServer: func(s engine.Settings) engine.Server { return &watched{e.NewServer(s), saw} },
		NewClient: e.NewClient,
	})
	o.Product = product
	return gatewaytest.Start(t, o).Address, saw
}

// product is what the gateway calls itself; nothing that a case sends has it.
const product = "Sluice 0"

// options begins every configuration here.
const options = `"version":3,"dialect":"sluice","timeout":"3s","max_header_bytes":16384,"max_body_bytes":65536,"max_shutdown_wait_time":"1m",
	"read_header_timeout":"3s","extra_config":{"telemetry/logging":{"level":"CRITICAL"},"router":{"disable_access_log":true}}`

// configuration has endpoints that pass everything on, below /n, and ones that
// decode answers, below /d; and one that calls with HEAD, below /h.
func configuration(backend string) string {
	var endpoints []string
	for _, kind := range kinds {
		output := "json"
		if kind == "n" {
			output = "no-op"
		}
		for _, method := range []string{"GET", "POST"} {
			endpoints = append(endpoints, fmt.Sprintf(`{"endpoint":"/%s/{role}/{id}","method":%q,"output_encoding":%q,"input_headers":["*"],"input_query_strings":["*"],
				"backend":[{"url_pattern":"/%[1]s/{role}/{id}","host":["http://%[4]s"],"encoding":%[3]q}]}`, kind, method, output, backend))
		}
	}
	endpoints = append(endpoints, fmt.Sprintf(`{"endpoint":"/h/{role}/{id}","output_encoding":"no-op",
		"backend":[{"url_pattern":"/h/{role}/{id}","method":"HEAD","host":["http://%s"],"encoding":"no-op"}]}`, backend))
	return "{" + options + `,"endpoints":[` + strings.Join(endpoints, ",") + "]}"
}

// kinds are the first segments of paths: no-op and decoding.
var kinds = []string{"n", "d"}

// A journal holds requests that somebody has seen, by the last segment of their
// paths, which is the case they belong to.
type journal struct {
	mu      sync.Mutex
	entries map[string][]*message
}

func newJournal() *journal { return &journal{entries: make(map[string][]*message)} }

func (j *journal) add(m *message) {
	path, _, _ := strings.Cut(m.target(), "?")
	id := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.IndexAny(id, `%\`); i >= 0 {
		id = id[:i]
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[id] = append(j.entries[id], m)
}

// of returns the requests of a case in their order.
func (j *journal) of(id string) []*message {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]*message(nil), j.entries[id]...)
}

// roles returns the second segments of paths.
func roles(requests []*message) string {
	var all []string
	for _, m := range requests {
		all = append(all, role(m.target()))
	}
	return strings.Join(all, " ")
}

func role(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if segments := strings.Split(path, "/"); len(segments) == 4 {
		return segments[2]
	}
	return target
}

// A watched server notes the exchanges that it hands over.
type watched struct {
	engine.Server
	saw *journal
}

func (w *watched) Serve(l net.Listener, h gateway.Handler) error {
	return w.Server.Serve(l, &noting{h, w.saw})
}

type noting struct {
	gateway.Handler
	saw *journal
}

func (n *noting) Do(ctx context.Context, x *gateway.Exchange) error {
	m := &message{start: strings.Clone(x.In.Method() + " " + x.In.Path() + " " + x.In.Proto())}
	for _, f := range x.In.AppendHeaders(nil) {
		m.fields = append(m.fields, f.Name+": "+f.Value)
	}
	n.saw.add(m)
	return n.Handler.Do(ctx, x)
}

// A backend reads requests strictly and answers each with its role and case,
// unless there is a script for that path.
type backend struct {
	t       testing.TB
	addr    string
	saw     *journal
	scripts sync.Map // of script, by path

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
	done   sync.WaitGroup
}

// A script answers a request, and reports whether the connection stays open.
// Unless it is early, the whole request was read.
type script struct {
	answer func(net.Conn) (stays bool)
	early  bool
}

// newBackend starts one that lives until the end of the test.
func newBackend(t testing.TB) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, addr: l.Addr().String(), saw: newJournal(), open: make(map[net.Conn]struct{})}
	b.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if !b.add(conn) {
				conn.Close()
				return
			}
			b.done.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.mu.Lock()
		b.closed = true
		for conn := range b.open {
			conn.Close()
		}
		b.mu.Unlock()
		b.done.Wait()
	})
	return b
}

func (b *backend) add(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[conn] = struct{}{}
	return !b.closed
}

func (b *backend) serve(conn net.Conn) {
	defer func() {
		b.mu.Lock()
		delete(b.open, conn)
		b.mu.Unlock()
		conn.Close()
	}()
	r := bufio.NewReader(conn)
	for b.exchange(conn, r) {
	}
}

// exchange answers one request and reports whether the connection stays open.
func (b *backend) exchange(conn net.Conn, r *bufio.Reader) bool {
	m, err := readRequestHead(r)
	var path string
	var play script
	if err == nil {
		path, _, _ = strings.Cut(m.target(), "?")
		found, _ := b.scripts.Load(path)
		play, _ = found.(script)
		if play.early && !play.answer(conn) {
			return false
		}
		err = m.readBody(r, false)
	}
	if errors.Is(err, errMalformed) {
		b.t.Errorf("the backend was sent something %v (%+v)", err, m)
	}
	if err != nil {
		return false
	}
	b.saw.add(m)
	switch {
	case play.early:
		return true
	case play.answer != nil:
		return play.answer(conn)
	}
	text := answerOf(strings.ReplaceAll(path, `\`, `\\`)) + `"}`
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(text))
	if strings.HasPrefix(m.start, "HEAD ") {
		text = ""
	}
	_, err = io.WriteString(conn, head+text)
	return err == nil
}

// answerOf is the beginning of the body of the answer to a path, and all of it
// but for its end.
func answerOf(path string) string { return `{"path":"` + path }

// How a connection ended.
const (
	closed = "closed" // or reset
	hangs  = "hangs"
	broken = "sends something malformed"
	halved = "breaks off within an answer"
)

// converse sends text on a connection of its own, in pieces of the given size,
// and reads answers until the connection ends. With cut it ends its own half
// when all is sent.
func converse(t testing.TB, addr, text string, size int, cut bool) (answers []*message, end string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var sent sync.WaitGroup
	sent.Go(func() {
		for piece := range slices.Chunk([]byte(text), size) {
			if _, err := conn.Write(piece); err != nil {
				return // the answer says why nobody wants it
			}
		}
		if cut {
			conn.(*net.TCPConn).CloseWrite()
		}
	})
	defer sent.Wait()
	r := bufio.NewReader(conn)
	for {
		m, err := readAnswer(r)
		if err == nil {
			answers = append(answers, m)
			continue
		}
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return answers, hangs
		case errors.Is(err, errMalformed):
			return answers, broken + ": " + err.Error()
		case m != nil || errors.Is(err, io.ErrUnexpectedEOF):
			return answers, halved
		}
		return answers, closed
	}
}
