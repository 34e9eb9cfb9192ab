package conformance

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/azuresb/azuresbtest"
	"github.com/sluice-gateway/sluice/internal/kit/gcppubsub/gcppubsubtest"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/runtime"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

// runs counts the runs of transcripts that share a server.
var runs atomic.Int64

// TestMain has many transcripts play at once, however few processors there are:
// most of their time is waiting.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	status := amqptest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// TestTranscripts plays every transcript on every engine.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, e := range []engine.Engine{fast.Engine, nethttp.Engine} {
		for _, file := range files {
			t.Run(e.Name+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				play(t, e, file, readTranscript(t, file))
			})
		}
	}
}

// patience is how long anything may take that is to happen, on a machine as busy as
// may be. It is the timeout of endpoints where a configuration does not say one, whose
// default of 2s would be a bound on what the machine can do.
const patience = 3 * time.Minute

// A stage is what a transcript runs on.
type stage struct {
	backends map[string]*backend
	latches  *latches
	address  string // of the gateway
	stop     func()
	problems []*config.Problem
	started  error
	engine   engine.Engine
	registry *component.Registry // nil for that of all components
	last     *answer
	said     said
}

// said is what a gateway logs, which tells why a transcript fails.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (*said) Terminal() bool                                { return false }
func (*said) Format(func(dst []byte, r slog.Record) []byte) {}

// play plays a transcript, which is in a file, on an engine.
func play(t testing.TB, e engine.Engine, file string, sections []section) {
	s := &stage{engine: e, backends: make(map[string]*backend), latches: new(latches)}
	for _, name := range backends {
		s.backends[name] = newBackend(t, s.latches)
	}
	hosts := map[string]string{"DEAD": testx.UnusedAddress(t), "OWN": testx.UnusedAddress(t)}
	for name, b := range s.backends {
		hosts[name] = strings.TrimPrefix(b.address, "http://")
	}
	var names []string
	for name, host := range hosts {
		_, port, _ := net.SplitHostPort(host)
		names = append(names, "$"+name, "http://"+host, "$host"+name, host, "$port"+name, port)
	}
	if slices.ContainsFunc(sections, func(s section) bool { return strings.Contains(s.text, "$NATS") }) {
		names = append(names, "$NATS", natstest.Start(t, natstest.Options{}).URL)
	}
	if slices.ContainsFunc(sections, func(s section) bool { return strings.Contains(s.text, "$PUBSUB") }) {
		s := gcppubsubtest.Start(t)
		s.Topic(t, "projects/shop/topics/orders", "projects/shop/subscriptions/shipping")
		names = append(names, "$PUBSUB", s.Address)
	}
	if slices.ContainsFunc(sections, func(s section) bool { return strings.Contains(s.text, "$SERVICEBUS") }) {
		s := azuresbtest.Start(t, azuresbtest.Options{})
		s.Topic("orders", "shipping")
		names = append(names, "$SERVICEBUS", s.ConnectionString())
	}
	if slices.ContainsFunc(sections, func(s section) bool { return strings.Contains(s.text, "$RABBIT") }) {
		names = append(names, "$RABBIT", amqptest.Start(t).URL, "$RUN", fmt.Sprint("run", runs.Add(1)))
	}
	if slices.ContainsFunc(sections, func(s section) bool { return strings.Contains(s.text, "$KAFKA") }) {
		names = append(names, "$KAFKA", kafkatest.Start(t, []string{"orders", "invoices"}).Address)
	}
	dir := t.TempDir()
	replacer := strings.NewReplacer(append(names, "$DIR", filepath.ToSlash(dir))...)
	s.latches.expand = replacer.Replace
	var environ []string
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("%s: the gateway says:\n%s", file, s.said.text.String())
		}
	})
	for _, part := range sections {
		if a, ok := t.(*attempt); ok {
			a.at = part.name
		}
		at := fmt.Sprintf("%s:%d", file, part.line)
		words := strings.Fields(part.name)
		switch words[0] {
		case "config":
			if s.stop != nil {
				s.stop()
			}
			name := "gateway.json"
			if len(words) > 1 {
				name = words[1]
			}
			s.start(t, name, replacer.Replace(part.text), environ)
			environ = nil
		case "environment":
			environ = strings.Fields(replacer.Replace(part.text))
		case "file":
			name := filepath.Join(dir, words[1])
			if err := cmp.Or(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(replacer.Replace(part.text)), 0o600)); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
		case "backend":
			m, err := parseMessage(part.text)
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			b := s.backends[words[1]]
			b.mu.Lock()
			b.script[words[2]+" "+words[3]] = m
			b.mu.Unlock()
		case "request":
			address := s.address
			if len(words) > 1 {
				address = hosts[words[1]]
			}
			s.request(t, at, address, replacer.Replace(part.text))
		case "answer":
			s.compare(t, at, replacer.Replace(part.text))
		case "seen":
			compareSeen(t, at, s.backends[words[1]].take(), replacer.Replace(part.text))
		case "problems":
			compareProblems(t, at, s, part.text)
		}
	}
}

// start runs a gateway on a free port, with a configuration file of this name
// and text and with these variables of the environment.
func (s *stage) start(t testing.TB, name, text string, environ []string) {
	t.Helper()
	readFile := func(file string) ([]byte, error) {
		if file == name {
			return []byte(text), nil
		}
		return config.ReadFile(file)
	}
	o := gatewaytest.Options("", s.engine)
	o.Load = func(ctx context.Context, _ func(string)) (*config.Document, []*config.Problem) {
		d, problems := config.Load(ctx, name, config.LoadOptions{Environ: environ, ReadFile: readFile})
		if d != nil {
			variables := environ
			if d.Root.GetFold("endpoints") != nil && d.Root.GetFold("timeout") == nil {
				variables = append([]string{"KRAKEND_TIMEOUT=" + patience.String()}, environ...)
			}
			problems = append(problems, d.ApplyEnv(variables, config.SpecOf(reflect.TypeFor[model.Service]()))...)
		}
		return d, problems
	}
	o.Registry = cmp.Or(s.registry, component.Default)
	o.Stdout, o.Stderr = &s.said, &s.said
	o.Missing, o.Published = published.Absent, published.Namespaces
	o.Getenv = func(name string) string { return variable(environ, name) }
	g := runtime.New(o)
	s.stop, s.address = nil, ""
	if s.problems, s.started = g.Load(t.Context()); s.started != nil {
		return
	}
	served := gatewaytest.Serve(t, g)
	s.address = served.Address
	s.stop = func() {
		if err := served.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		s.stop = nil
	}
}

// variable returns the value of a variable, "" if it is not set.
func variable(environ []string, name string) string {
	for _, v := range environ {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return ""
}

// An answer is what the client got.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	hints    []string // Link of each interim answer
	trailers []string // "Name: value", sorted
	broken   error
	failed   error // no answer at all
}

// request sends a request byte by byte as the transcript writes it, with Host
// and Content-Length added where they are missing.
func (s *stage) request(t testing.TB, at, address, text string) {
	t.Helper()
	if s.address == "" {
		t.Fatalf("%s: the gateway does not run: %v %v", at, s.started, config.Format(s.problems))
	}
	m, err := parseMessage(text)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	if m.direction("ready") != "" {
		s.ready(t, at)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if m.direction("gzip") != "" {
		m.body = string(pack([]byte(m.body)))
		m.fields = append(m.fields, field{"Content-Encoding", "gzip"})
	}
	if m.direction("chunked") != "" {
		m.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(m.body), m.body)
		m.fields = append(m.fields, field{"Transfer-Encoding", "chunked"})
	}
	if n, err := strconv.Atoi(m.direction("pad")); err == nil {
		m.fields = append(m.fields, field{"X-Pad", strings.Repeat("x", n)})
	}
	var b strings.Builder
	line := m.first
	if strings.Count(line, " ") == 1 {
		line += " HTTP/1.1"
	}
	b.WriteString(line + "\r\n")
	has := func(name string) bool {
		return slices.ContainsFunc(m.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	}
	if !has("Host") {
		b.WriteString("Host: gateway.test\r\n")
	}
	if m.body != "" && !has("Content-Length") && !has("Transfer-Encoding") {
		b.WriteString("Content-Length: " + strconv.Itoa(len(m.body)) + "\r\n")
	}
	for _, f := range m.fields {
		if !strings.HasPrefix(f.name, "@") {
			b.WriteString(f.name + ": " + f.value + "\r\n")
		}
	}
	b.WriteString("\r\n" + m.body)
	if _, err := io.WriteString(conn, b.String()); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	if m.direction("end") != "" {
		conn.(*net.TCPConn).CloseWrite()
	}
	if name := m.direction("leave"); name != "" {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s.latches.wait(ctx, name)
		s.last = &answer{failed: errors.New("the client left")}
		return
	}
	s.last = s.readAnswer(conn, &m)
}

// ready waits until the gateway says that it is, as it does not before what is critical is
// there.
func (s *stage) ready(t testing.TB, at string) {
	t.Helper()
	status := 0
	for end := time.Now().Add(patience); status != http.StatusOK && time.Now().Before(end); {
		answer, err := http.Get("http://" + s.address + "/__ready")
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		answer.Body.Close()
		if status = answer.StatusCode; status != http.StatusOK {
			<-time.After(5 * time.Millisecond)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if status != http.StatusOK {
		t.Fatalf("%s: the gateway does not get ready: %d", at, status)
	}
}

func (s *stage) readAnswer(conn net.Conn, m *message) *answer {
	method, _, _ := strings.Cut(m.first, " ")
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	var hints []string
	for err == nil && response.StatusCode == http.StatusEarlyHints {
		hints = append(hints, response.Header.Get("Link"))
		response, err = http.ReadResponse(r, &http.Request{Method: method})
	}
	if err != nil {
		return &answer{failed: err}
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header, hints: hints}
	if response.Close {
		a.header.Set("Connection", "close") // ReadResponse took it out
	}
	if at, name, ok := mark(m.direction("got")); ok {
		a.body = make([]byte, at)
		if _, a.broken = io.ReadFull(response.Body, a.body); a.broken != nil {
			return a
		}
		s.latches.open(name)
	}
	rest, err := io.ReadAll(response.Body)
	a.body, a.broken = append(a.body, rest...), err
	for name, values := range response.Trailer {
		for _, v := range values {
			a.trailers = append(a.trailers, name+": "+v)
		}
	}
	slices.Sort(a.trailers)
	return a
}

func (s *stage) compare(t testing.TB, at, text string) {
	t.Helper()
	want, err := parseMessage(text)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	got := s.last
	if want.direction("broken") != "" {
		if got.failed == nil && got.broken == nil {
			t.Errorf("%s: the answer is whole: %d %q", at, got.status, got.body)
		}
		return
	}
	if got.failed != nil || got.broken != nil {
		t.Errorf("%s: no whole answer: %v", at, errors.Join(got.failed, got.broken))
		return
	}
	if strconv.Itoa(got.status) != want.first {
		t.Errorf("%s: status %d, want %s; body %q", at, got.status, want.first, got.body)
	}
	compareFields(t, at, got.header, &want)
	compareAround(t, at, "hint", got.hints, &want)
	compareAround(t, at, "trailer", got.trailers, &want)
	for _, f := range want.fields {
		if f.name == "@has" && !strings.Contains(string(got.body), f.value) {
			t.Errorf("%s: body %q has no %q", at, got.body, f.value)
		}
	}
	if !want.hasAny {
		return
	}
	if got.header.Get("Content-Type") == "application/problem+json" && len(got.body) > 0 {
		got.body = withoutID(t, at, got)
	}
	isJSON := strings.Contains(got.header.Get("Content-Type"), "json") && want.direction("exact") == "" && want.body != ""
	if isJSON {
		if same, err := sameJSON(got.body, []byte(want.body)); !same || err != nil {
			t.Errorf("%s: body %s, want %s (%v)", at, got.body, want.body, err)
		}
	} else if string(got.body) != want.body {
		t.Errorf("%s: body %q, want %q", at, got.body, want.body)
	}
}

// requestID is the ID of a request at the end of a problem document.
var requestID = regexp.MustCompile(`,"request_id":"([0-9a-f]{32})"\}$`)

// withoutID returns a problem document without the ID of its request, which is the
// one that the header tells, if that is sent.
func withoutID(t testing.TB, at string, a *answer) []byte {
	t.Helper()
	m := requestID.FindSubmatchIndex(a.body)
	if m == nil {
		t.Errorf("%s: the problem has no request_id: %s", at, a.body)
		return a.body
	}
	if id := a.header.Get("X-Request-Id"); id != "" && id != string(a.body[m[2]:m[3]]) {
		t.Errorf("%s: the problem has the request_id %s, the header %s", at, a.body[m[2]:m[3]], id)
	}
	return append(bytes.Clone(a.body[:m[0]]), '}')
}

func compareFields(t testing.TB, at string, got http.Header, want *message) {
	t.Helper()
	names, values := want.wanted()
	for _, name := range names {
		have := got[http.CanonicalHeaderKey(name)]
		if len(values[name]) == 1 && values[name][0] == "" {
			if len(have) > 0 {
				t.Errorf("%s: %s is %q, want none", at, name, have)
			}
			continue
		}
		if pattern, ok := strings.CutPrefix(values[name][0], "~ "); ok && len(values[name]) == 1 {
			if len(have) != 1 || !regexp.MustCompile(pattern).MatchString(have[0]) {
				t.Errorf("%s: %s is %q, want one that matches %s", at, name, have, pattern)
			}
			continue
		}
		if !slices.Equal(have, values[name]) {
			t.Errorf("%s: %s is %q, want %q", at, name, have, values[name])
		}
	}
}

// compareAround compares what came in front of an answer or behind it, if the transcript
// says something of it.
func compareAround(t testing.TB, at, what string, got []string, want *message) {
	t.Helper()
	all := want.directions(what)
	if slices.Equal(all, []string{"none"}) {
		all = []string{}
	}
	if all != nil && !slices.Equal(got, all) {
		t.Errorf("%s: %s %q, want %q", at, what, got, all)
	}
}

// compareSeen compares what a backend got with messages separated by lines of
// "---".
func compareSeen(t testing.TB, at string, seen []message, text string) {
	t.Helper()
	var wants []string
	if strings.TrimSpace(text) != "none" {
		wants = strings.Split(text, "\n---\n")
	}
	if len(seen) != len(wants) {
		t.Errorf("%s: the backend got %d requests, want %d: %v", at, len(seen), len(wants), seen)
		return
	}
	for i, w := range wants {
		want, err := parseMessage(strings.TrimLeft(w, "\n"))
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		got := seen[i]
		if got.first != want.first {
			t.Errorf("%s: request %d is %q, want %q", at, i, got.first, want.first)
		}
		header := http.Header{}
		for _, f := range got.fields {
			header[f.name] = append(header[f.name], f.value)
		}
		compareFields(t, at, header, &want)
		if length := want.direction("length"); length != "" && length != got.direction("length") {
			t.Errorf("%s: request %d has the length %s, want %s", at, i, got.direction("length"), length)
		}
		if want.hasAny && got.body != want.body {
			t.Errorf("%s: request %d has the body %q, want %q", at, i, got.body, want.body)
		}
	}
}

func compareProblems(t testing.TB, at string, s *stage, text string) {
	t.Helper()
	all := config.Format(s.problems)
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		switch line {
		case "starts":
			if s.started != nil {
				t.Errorf("%s: the gateway did not start:\n%s", at, all)
			}
		case "stops":
			if s.started == nil {
				t.Errorf("%s: the gateway started; problems:\n%s", at, all)
			}
		case "none":
			if len(s.problems) > 0 {
				t.Errorf("%s: the configuration has problems:\n%s", at, all)
			}
		case "":
		default:
			if !strings.Contains(all, line) {
				t.Errorf("%s: no problem says %q; problems:\n%s", at, line, all)
			}
		}
	}
}

// sameJSON compares as values; numbers are compared by their text.
func sameJSON(a, b []byte) (bool, error) {
	var x, y any
	for _, side := range []struct {
		text []byte
		into *any
	}{{a, &x}, {b, &y}} {
		d := json.NewDecoder(strings.NewReader(string(side.text)))
		d.UseNumber()
		if err := d.Decode(side.into); err != nil {
			return false, fmt.Errorf("%q: %w", side.text, err)
		}
	}
	return reflect.DeepEqual(x, y), nil
}
