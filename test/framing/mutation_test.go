package framing

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

var (
	mutations    = flag.Int("mutations", 0, "how many mutated requests TestMutations sends on each engine; 0 for a few")
	mutationSeed = flag.Uint64("mutationseed", 1, "what TestMutations mutates by")
)

// words are what a mutation puts into a message.
var mutationWords = []string{
	"\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "\x00", "\x7f", "\x80", "\xff", "0", "1", "-1", "+1", "00", "0x1", "fffffffffffffffff",
	"chunked", "identity", "gzip", "close", "keep-alive", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "GET", "POST", "HEAD", "//", "/../", "%2f", "%00", "%", "?", "#", "\\", "*",
	"Content-Length: 5\r\n", "Content-Length: 0\r\n", "content-length:5\r\n", "Content-Length : 5\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n",
	"Host: other\r\n", "Connection: close\r\n", "Connection: content-length\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\n", "Content-Encoding: gzip\r\n",
	"0\r\n\r\n", "5\r\nhello\r\n", "5;a=b\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
	"GET /n/hidden/x HTTP/1.1\r\nHost: h\r\n\r\n", " a\r\n", "\r\n\r\n",
}

// mutate returns a text with one to three places changed.
func mutate(rng *rand.Rand, text string) string {
	p := []byte(text)
	for range 1 + rng.IntN(3) {
		from := rng.IntN(len(p) + 1)
		to := min(len(p), from+1+rng.IntN(20))
		switch rng.IntN(6) {
		case 0:
			p = slices.Delete(p, from, to)
		case 1:
			p = slices.Insert(p, from, slices.Clone(p[from:to])...)
		case 2, 3:
			p = slices.Insert(p, from, []byte(mutationWords[rng.IntN(len(mutationWords))])...)
		case 4:
			if from < len(p) {
				p[from] = byte(rng.IntN(256))
			}
		case 5:
			word := mutationWords[rng.IntN(len(mutationWords))]
			p = slices.Replace(p, from, to, []byte(word)...)
		}
	}
	return string(p)
}

// mutantAnswers are what the answers of the backend are made of.
var mutantAnswers = []string{
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n7\r\n{\"a\":1}\r\n0\r\nX-T: 1\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
	"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
	"HTTP/1.0 200 OK\r\n\r\n{\"a\":1}",
	"HTTP/1.1 301 Moved\r\nLocation: /n/next/x\r\nContent-Length: 0\r\n\r\n",
}

// A mutant is a backend that reads requests strictly and answers those of
// honest clients as it should, and others with what it was told to say last.
type mutant struct {
	t      *testing.T
	answer atomic.Pointer[string]
	keep   atomic.Bool // the connection after such an answer
}

func (b *mutant) serve(conn net.Conn) {
	for r := bufio.NewReader(conn); ; {
		m, err := readRequestHead(r)
		if err == nil {
			err = m.readBody(r, false)
		}
		if err != nil {
			if m != nil && strings.Contains(err.Error(), errMalformed.Error()) {
				b.t.Errorf("the backend was sent something %v (%+v)", err, m)
			}
			return
		}
		if role(m.target()) == "honest" {
			text := answerOf(m.target()) + `"}`
			if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text); err != nil {
				return
			}
			continue
		}
		if _, err := io.WriteString(conn, *b.answer.Load()); err != nil || !b.keep.Load() {
			return
		}
	}
}

// TestMutations sends requests that are almost right to a backend whose answers
// are almost right. The backend is sent what is well-formed and nothing else, and so
// is the client; the connection of the client comes to an end; and an honest
// client gets its own answer after each of them. The same mutations are made
// each time.
func TestMutations(t *testing.T) {
	t.Parallel()
	n := *mutations
	switch {
	case n > 0:
	case testing.Short():
		n = 200
	default:
		n = 1_000
	}
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b := &mutant{t: t}
		var conns sync.WaitGroup
		conns.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conns.Go(func() {
					defer conn.Close()
					b.serve(conn)
				})
			}
		})
		t.Cleanup(conns.Wait)
		t.Cleanup(func() { l.Close() })
		text := strings.Replace(configuration(l.Addr().String()), `"timeout":"3s"`, `"timeout":"200ms"`, 1)
		text = strings.Replace(text, `"endpoints":[`, `"endpoints":[`+honestDoor(l.Addr().String())+",", 1)
		addr, _ := start(t, e, text)
		var seeds []requestCase
		for _, c := range requestCases {
			if len(c.text) < 1000 {
				seeds = append(seeds, c)
			}
		}
		var source rand.PCG
		rng := rand.New(&source)
		for i := range n {
			source.Seed(*mutationSeed, uint64(i))
			kind, id := kinds[rng.IntN(len(kinds))], fmt.Sprint(i)
			request := seeds[rng.IntN(len(seeds))].message(kind, id)
			if rng.IntN(4) > 0 {
				request = mutate(rng, request)
			}
			answer := mutantAnswers[rng.IntN(len(mutantAnswers))]
			if rng.IntN(4) > 0 {
				answer = mutate(rng, answer)
			}
			b.answer.Store(&answer)
			b.keep.Store(rng.IntN(2) > 0)
			_, end := converse(t, addr, request, 1<<20, true)
			if end == hangs || strings.HasPrefix(end, broken) {
				t.Fatalf("mutation %d: the connection %s\nrequest: %q\nanswer of the backend: %q", i, end, request, answer)
			}
			path := "/n/honest/" + id
			answers, end := converse(t, addr, bare("GET "+path+" HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
			if want := answerOf(path) + `"}`; len(answers) != 1 || answers[0].body != want {
				t.Fatalf("mutation %d: an honest client got %+v, and the connection %s\nrequest before: %q\nanswer of the backend: %q", i, answers, end, request, answer)
			}
		}
	})
}

// honestDoor is an endpoint whose calls have all the time they need.
func honestDoor(backend string) string {
	return fmt.Sprintf(`{"endpoint":"/n/honest/{id}","timeout":"%s","output_encoding":"no-op","backend":[{"url_pattern":"/n/honest/{id}","host":["http://%s"],"encoding":"no-op"}]}`,
		patience-time.Second, backend)
}
