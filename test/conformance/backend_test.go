package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A backend answers as the transcript says and remembers what it got.
type backend struct {
	address string
	script  map[string]message // by method and path, "GET /x"
	latches *latches

	mu   sync.Mutex
	seen []message
}

func newBackend(t testing.TB, l *latches) *backend {
	t.Helper()
	b := &backend{script: make(map[string]message), latches: l}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = "http://" + listener.Addr().String()
	server := &http.Server{Handler: b, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(listener) })
	t.Cleanup(func() { server.Close(); wg.Wait() })
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return // no service takes half a request
	}
	m := message{first: r.Method + " " + r.RequestURI, body: string(payload), hasAny: true}
	for name, values := range r.Header {
		for _, v := range values {
			m.fields = append(m.fields, field{name, v})
		}
	}
	m.fields = append(m.fields, field{"Host", r.Host}, field{"@length", strconv.FormatInt(r.ContentLength, 10)}, field{"@proto", r.Proto})
	b.mu.Lock()
	b.seen = append(b.seen, m)
	answer, ok := b.script[r.Method+" "+r.URL.EscapedPath()]
	if !ok {
		answer, ok = b.script[r.Method+" *"]
	}
	b.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	b.answer(w, r, answer)
}

func (b *backend) answer(w http.ResponseWriter, r *http.Request, m message) {
	if name := m.direction("gone"); name != "" {
		stop := context.AfterFunc(r.Context(), func() { b.latches.open(name) })
		defer func() {
			if stop() && r.Context().Err() != nil {
				b.latches.open(name) // given up just now, and nobody has said so
			}
		}()
	}
	if name := m.direction("release"); name != "" {
		b.latches.open(name)
	}
	if name := m.direction("wait"); name != "" {
		b.latches.wait(r.Context(), name)
	}
	if d, err := time.ParseDuration(m.direction("delay")); err == nil {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
	}
	switch {
	case m.direction("hang") != "":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case m.direction("reset") != "":
		panic(http.ErrAbortHandler)
	}
	for _, link := range m.directions("hint") {
		w.Header().Set("Link", link)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	names, values := m.wanted()
	for _, name := range names {
		for _, v := range values[name] {
			w.Header().Add(name, b.latches.expand(v))
		}
	}
	body := []byte(b.latches.expand(m.body))
	if m.direction("gzip") != "" {
		body = pack(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	if m.direction("chunked") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if !slices.Contains(names, "Content-Type") {
		w.Header()["Content-Type"] = nil
	}
	status, _ := strconv.Atoi(m.first)
	w.WriteHeader(status)
	if cut, err := strconv.Atoi(m.direction("cut")); err == nil {
		w.Write(body[:cut])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if at, name, ok := mark(m.direction("pause")); ok {
		w.Write(body[:at])
		http.NewResponseController(w).Flush()
		b.latches.wait(r.Context(), name)
		body = body[at:]
	}
	w.Write(body)
	if trailers := m.directions("trailer"); len(trailers) > 0 {
		http.NewResponseController(w).Flush()
		for _, t := range trailers {
			name, value, _ := strings.Cut(t, ": ")
			w.Header().Add(http.TrailerPrefix+name, value)
		}
	}
}

func pack(text []byte) []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(text)
	z.Close()
	return packed.Bytes()
}

// mark reads a number of bytes and the name of a latch.
func mark(text string) (at int, name string, ok bool) {
	_, err := fmt.Sscan(text, &at, &name)
	return at, name, err == nil
}

// take returns what the backend got since the last call.
func (b *backend) take() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// latches lets one answer wait for another, so that an order of arrival can be
// had without sleeping, and knows the addresses that transcripts name.
type latches struct {
	expand func(string) string

	mu    sync.Mutex
	gates map[string]chan struct{}
}

func (l *latches) gate(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gates[name] == nil {
		if l.gates == nil {
			l.gates = make(map[string]chan struct{})
		}
		l.gates[name] = make(chan struct{}, 16)
	}
	return l.gates[name]
}

func (l *latches) open(name string) { l.gate(name) <- struct{}{} }

// wait waits for one release of each of the names, which blanks separate.
func (l *latches) wait(ctx context.Context, names string) {
	for name := range strings.FieldsSeq(names) {
		select {
		case <-l.gate(name):
		case <-ctx.Done():
			return
		}
	}
}
