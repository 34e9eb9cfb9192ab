package reliability

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A soaker is a client of the soak. It has one order at a time.
type soaker struct {
	s      *soak
	source rand.PCG
	rng    *rand.Rand
	plain  *wire // a connection that is kept, nil for none
	secure *wire
}

// A wire is a connection to a gateway.
type wire struct {
	net.Conn
	tcp *net.TCPConn
	r   *bufio.Reader
}

// dial connects to a gateway.
func (w *soaker) dial(g *running) (*wire, error) {
	c, err := net.Dial("tcp", g.url[strings.LastIndexByte(g.url, '/')+1:])
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * soon))
	l := &wire{c, c.(*net.TCPConn), nil}
	if g == w.s.secure {
		l.Conn = tls.Client(c, w.s.trust)
	}
	l.r = bufio.NewReader(l.Conn)
	return l, nil
}

// drop ends the connections of the client.
func (w *soaker) drop() {
	for _, l := range []*wire{w.plain, w.secure} {
		if l != nil {
			l.Close()
		}
	}
}

// reset ends the connection without a farewell.
func (l *wire) reset() {
	l.tcp.SetLinger(0)
	l.tcp.Close()
}

// half closes the sending half.
func (l *wire) half() { l.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// What can become of a request, apart from a status with the code of a problem.
const (
	nothing = "no answer"          // the connection ends instead
	cutOff  = "an answer cut off"  // which the client notices
	partial = "200 in part"        // says that a backend is missing
	left    = "the client is gone" // and asks for nothing
	foreign = "an answer to another request"
)

// ending says what an error means to a client that waits for an answer.
func ending(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return nothing
	}
	return err.Error()
}

// An errand is a request that its client sees through to the end.
type errand struct {
	door   string // the endpoint, by the beginning of its path
	method string // GET unless it says otherwise
	order
	parts   int    // of the answer if it is JSON: 0 for bytes as they are
	proto   string // HTTP/1.1 unless it says otherwise
	fields  string // of the header
	chunked bool   // is the body of the request
	expects bool   // to be told to continue
	secure  bool
	fresh   bool // a connection of its own
	halved  bool // half of which is closed behind the request
}

// with returns the errand for an order of its own.
func (e errand) with(id uint64) errand {
	e.id = id
	if e.method == "" {
		e.method = http.MethodGet
	}
	if e.proto == "" {
		e.proto = "HTTP/1.1"
	}
	return e
}

// appendHead appends the header of the request.
func (e errand) appendHead(b []byte) []byte {
	b = fmt.Appendf(b, "%s /%s%s %s\r\nHost: gateway.test\r\n%s", e.method, e.door, e.path(), e.proto, e.fields)
	if e.expects {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	switch {
	case e.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case e.method == http.MethodPost:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", e.sent)
	}
	return append(b, "\r\n"...)
}

// appendBody appends the body of the request.
func (e errand) appendBody(b []byte) []byte {
	text := e.text(e.sent)
	if !e.chunked {
		return append(b, text...)
	}
	for len(text) > 0 {
		n := min(len(text), 7000)
		b = append(fmt.Appendf(b, "%x\r\n", n), text[:n]...)
		b, text = append(b, "\r\n"...), text[n:]
	}
	return append(b, "0\r\n\r\n"...)
}

// run sends the request and returns what becomes of it.
func (e errand) run(w *soaker, id uint64) string {
	e = e.with(id)
	g, kept := w.s.calm, &w.plain
	if e.secure {
		g, kept = w.s.secure, &w.secure
	}
	l := *kept
	if *kept = nil; l != nil && e.fresh {
		l.Close()
		l = nil
	}
	if l == nil {
		var err error
		if l, err = w.dial(g); err != nil {
			return err.Error()
		}
	}
	l.SetDeadline(time.Now().Add(2 * soon))
	got, again := e.exchange(l)
	if again {
		*kept = l
	} else {
		l.Close()
	}
	return got
}

// exchange sends the request over a connection, and reports what becomes of it
// and whether the connection can be used again.
func (e errand) exchange(l *wire) (outcome string, again bool) {
	if b := e.appendHead(nil); e.expects {
		l.Write(b)
		if line, err := l.r.ReadString('\n'); err != nil {
			return ending(err), false
		} else if line != "HTTP/1.1 100 Continue\r\n" {
			return "not told to continue: " + line, false
		}
		l.r.ReadString('\n')
		l.Write(e.appendBody(nil))
	} else {
		l.Write(e.appendBody(b))
	}
	if e.halved {
		l.half()
	}
	return e.hear(l)
}

// hear reads the answer to the errand.
func (e errand) hear(l *wire) (outcome string, again bool) {
	if _, err := l.r.Peek(1); err != nil {
		return ending(err), false
	}
	res, err := http.ReadResponse(l.r, &http.Request{Method: e.method})
	for err == nil && res.StatusCode == http.StatusEarlyHints { // the answer follows
		res, err = http.ReadResponse(l.r, &http.Request{Method: e.method})
	}
	if err != nil {
		if ending(err) == nothing {
			return nothing, false
		}
		return "malformed: " + err.Error(), false
	}
	outcome = e.judge(res)
	return outcome, !res.Close && outcome != cutOff && !e.halved
}

// judge reads an answer and says what it is. One that is well-formed must be
// the right one.
func (e errand) judge(res *http.Response) string {
	defer res.Body.Close()
	switch {
	case res.StatusCode != 200:
		return failure(res)
	case e.parts == 0:
		return e.judgeBytes(res)
	}
	text, err := io.ReadAll(res.Body)
	completed := res.Header.Get("X-Sluice-Completed")
	switch got, whole := string(text), e.whole(); {
	case err != nil && strings.HasPrefix(whole, got):
		return cutOff
	case err == nil && completed == "true" && got == whole:
		return "200"
	case err == nil && completed == "false" && e.some(got):
		return partial
	case err == nil && !strings.Contains(got, e.mark()):
		return foreign
	default:
		return fmt.Sprintf("wrong: %.200q, complete: %s, %v", got, completed, err)
	}
}

// whole is the JSON that all backends make.
func (e errand) whole() string {
	if e.door == "cut" {
		return `{"k0":{"id":"` + e.mark() + `","n":0}}`
	}
	var b strings.Builder
	for i := range e.parts {
		b.WriteString("," + e.members(i))
	}
	return "{" + b.String()[1:] + "}"
}

// some reports whether text is the JSON that some backends make.
func (e errand) some(text string) bool {
	rest, found := strings.TrimPrefix(text, "{"), 0
	for i := range e.parts {
		if r, ok := strings.CutPrefix(rest, e.members(i)); ok {
			rest, found = strings.TrimPrefix(r, ","), found+1
		}
	}
	return rest == "}" && 0 < found && found < e.parts
}

// members is what part i of the answer consists of.
func (e errand) members(i int) string {
	text := e.object(strconv.Itoa(i))
	return text[1 : len(text)-1]
}

func (e errand) judgeBytes(res *http.Response) string {
	m := &mirror{mark: e.mark()}
	_, err := io.Copy(m, res.Body)
	size := e.size
	if e.method == http.MethodHead {
		size = 0
	}
	switch id := res.Header.Get("X-Id"); {
	case id != e.mark():
		return foreign
	case m.wrong:
		return "wrong: bytes of another answer"
	case err != nil:
		return cutOff
	case m.n != size:
		return fmt.Sprintf("wrong: %d bytes of %d", m.n, size)
	}
	return "200"
}

// failure is the status of an answer, with the code of its problem.
func failure(res *http.Response) string {
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return cutOff
	}
	var problem struct{ Code string }
	if len(text) > 0 && res.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(text, &problem); err != nil {
			return fmt.Sprintf("wrong: %d %.200q", res.StatusCode, text)
		}
	}
	return strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + problem.Code)
}

// alone runs f on a connection of its own.
func alone(g func(*soak) *running, f func(w *soaker, l *wire, id uint64) string) func(*soaker, uint64) string {
	return func(w *soaker, id uint64) string {
		l, err := w.dial(g(w.s))
		if err != nil {
			return err.Error()
		}
		defer l.Close()
		return f(w, l, id)
	}
}

func toCalm(s *soak) *running   { return s.calm }
func toSecure(s *soak) *running { return s.secure }
func toHasty(s *soak) *running  { return s.hasty }

// pause lets others run, for a while that differs.
func (w *soaker) pause() {
	if w.rng.IntN(2) == 0 {
		time.Sleep(time.Duration(w.rng.IntN(3000)) * time.Microsecond)
	}
}

// part returns a beginning of b, neither nothing nor all of it.
func (w *soaker) part(b []byte) []byte { return b[:1+w.rng.IntN(len(b)-1)] }

// leaves sends some or all of the request, and leaves.
func (e errand) leaves(whole bool) func(*soaker, *wire, uint64) string {
	return func(w *soaker, l *wire, id uint64) string {
		e := e.with(id)
		head, body := e.appendHead(nil), e.appendBody(nil)
		switch {
		case whole:
			l.Write(append(head, body...))
		case e.sent > 0:
			l.Write(append(head, w.part(body)...))
		default:
			l.Write(w.part(head))
		}
		w.pause()
		if whole && w.rng.IntN(2) == 0 {
			l.Close()
		} else {
			l.reset()
		}
		return left
	}
}

// leavesReading reads the beginning of the answer, and leaves.
func (e errand) leavesReading(w *soaker, l *wire, id uint64) string {
	l.Write(e.with(id).appendHead(nil))
	io.CopyN(io.Discard, l.r, int64(w.rng.IntN(e.size)))
	l.reset()
	return left
}

// stalls sends some of the request, and waits.
func (e errand) stalls(w *soaker, l *wire, id uint64) string {
	e = e.with(id)
	if head := e.appendHead(nil); e.sent == 0 {
		l.Write(w.part(head))
	} else {
		l.Write(append(head, w.part(e.appendBody(nil))...))
	}
	got, _ := e.hear(l)
	return got
}

// idles asks for something, and then for nothing more.
func (e errand) idles(_ *soaker, l *wire, id uint64) string {
	got, again := e.with(id).exchange(l)
	if !again {
		return got
	}
	if n, err := io.Copy(io.Discard, l.r); n > 0 || err != nil && ending(err) != nothing {
		return fmt.Sprintf("wrong: %d bytes that nobody asked for, %v", n, err)
	}
	return got
}

// isDeaf asks for an answer without an end, and reads none of it before the
// gateway has lost its patience.
func (e errand) isDeaf(_ *soaker, l *wire, id uint64) string {
	l.Write(e.with(id).appendHead(nil))
	time.Sleep(3 * patience)
	if _, err := io.Copy(io.Discard, l.r); err != nil && ending(err) != nothing {
		return ending(err)
	}
	return cutOff
}

// pipelines sends requests at once.
func pipelines(errands ...errand) func(*soaker, *wire, uint64) string {
	return func(_ *soaker, l *wire, id uint64) string {
		var b []byte
		for i, e := range errands {
			e = e.with(id + uint64(i)<<48)
			b = e.appendBody(e.appendHead(b))
		}
		go l.Write(b) // the answers may have to be read before the last request is
		for i, e := range errands {
			got, again := e.with(id + uint64(i)<<48).hear(l)
			if got != "200" || !again && i < len(errands)-1 {
				return fmt.Sprintf("answer %d: %s, goes on: %t", i, got, again)
			}
		}
		return "200"
	}
}

// malformed are texts that are no requests.
var malformed = []string{
	"hello\r\n\r\n",
	"GET /raw/1/answer/1/0 HTTP/9.9\r\nHost: a\r\n\r\n",
	"GET /raw/1/answer/1/0 HTTP/1.1\r\n\r\n",
	"GET /raw/1/answer/1/0 HTTP/1.1\r\nHost: a\r\nX-One : 1\r\n\r\n",
	"GET /raw/1/answer/1/0 HTTP/1.1\r\nHost: a\r\nX-One: a\x00b\r\n\r\n",
	"POST /raw/1/answer/1/4 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	"POST /raw/1/answer/1/4 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"POST /raw/1/answer/1/4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"POST /raw/1/answer/1/4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\na\r\n0\r\n\r\n",
}

// nonsense sends what is no request.
func nonsense(w *soaker, l *wire, _ uint64) string {
	io.WriteString(l, malformed[w.rng.IntN(len(malformed))])
	got, again := errand{method: http.MethodGet}.hear(l)
	if again {
		return "wrong: the connection goes on after " + got
	}
	return got
}

// plainly talks to the socket under the encryption.
func plainly(text string) func(*soaker, *wire, uint64) string {
	return func(_ *soaker, l *wire, _ uint64) string {
		io.WriteString(l.tcp, text)
		l.reset()
		return left
	}
}

// asks runs the errand by a client of the standard library, which gives up
// after a while if there is one.
func (e errand) asks(c func(*soak) (*http.Client, *running), limit time.Duration) func(*soaker, uint64) string {
	return func(w *soaker, id uint64) string {
		ctx, e := context.Background(), e.with(id)
		if limit > 0 {
			var cancel func()
			ctx, cancel = context.WithTimeout(ctx, time.Duration(w.rng.Int64N(int64(limit))))
			defer cancel()
		}
		client, g := c(w.s)
		req, err := http.NewRequestWithContext(ctx, e.method, g.url+"/"+e.door+e.path(), nil)
		if err != nil {
			return err.Error()
		}
		res, err := client.Do(req)
		switch {
		case err != nil && ctx.Err() != nil:
			return left
		case err != nil:
			return err.Error()
		}
		return e.judge(res)
	}
}

func http1(s *soak) (*http.Client, *running) { return s.http1, s.calm }
func http2(s *soak) (*http.Client, *running) { return s.http2, s.secure }
