package httpcache

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A world is a gateway with a clock of its own.
type world struct {
	*sitetest.Gateway
	now time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{sitetest.New(t), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w.Env.Clock = func() time.Time { return w.now }
	return w
}

func (w *world) date(after time.Duration) string {
	return w.now.Add(after).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

func (w *world) cache(t testing.TB, options string) *cache {
	t.Helper()
	return sitetest.Stage[*cache](t, w.Backend(t, "qos/http-cache", options))
}

// A request is GET /x unless it says otherwise. Headers are "Name: value".
type ask struct {
	method, path string
	host         string // that the client asks for
	header       []string
	body         string
	known        bool // the client is authenticated
	unpack       bool
}

// A reply is 200 unless it says otherwise.
type reply struct {
	status int
	header []string
	text   string
	err    error
	breaks bool // the body breaks off after the text
	raw    bool // the body is in memory already
	length bool // the length is announced

	attempt gateway.Attempt // what became of it
	others  int             // hosts that are left
}

func fields(lines []string) gateway.Fields {
	var f gateway.Fields
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		f.Add(gateway.Canonical(name), value)
	}
	return f
}

// A result is what a client sees of an exchange, and what the backend saw.
type result struct {
	status int
	text   string
	header gateway.Fields
	called bool
	sent   gateway.Fields // what the backend got
	err    error
}

var errBroken = errors.New("connection broke")

// run sends a request through the stage, to a backend that answers with r.
func run(t testing.TB, c *cache, a ask, r reply) result {
	t.Helper()
	x := testx.Request{Method: a.method, Host: a.host, Header: fields(a.header)}.Exchange(t)
	if x.Request.Path = a.path; a.path == "" {
		x.Request.Path = "/x"
	}
	x.Request.Unpack = a.unpack
	if a.known {
		x.Identity = new(gateway.Identity)
	}
	if a.body != "" {
		x.Request.Body = body.FromBytes([]byte(a.body))
	}
	var got result
	err := c.Enter(t.Context(), x)
	if err != nil {
		return result{err: err}
	}
	if !x.Replied() {
		got.called = true
		got.sent = slices.Clone(x.Request.Header)
		x.Request.Host, x.Request.Path = "a:80", "/base/x" // as the connector does
		x.Request.Header.Set("Authorization", "of the gateway")
		x.Request.Attempt, x.Request.Others = r.attempt, r.others
		if err = r.err; err == nil {
			r.fill(x)
		}
	}
	err = c.Leave(t.Context(), x, err)
	if err != nil {
		got.err = err
		return got
	}
	text, err := x.Response.Body.Bytes(0)
	got.status, got.text, got.header, got.err = x.Response.Status, string(text), slices.Clone(x.Response.Header), err
	return got
}

func (r reply) fill(x *gateway.Exchange) {
	x.Response.Status = 200
	if r.status != 0 {
		x.Response.Status = r.status
	}
	x.Response.Header = fields(r.header)
	var stream io.Reader = iotest.OneByteReader(strings.NewReader(r.text))
	size := int64(-1)
	if r.length {
		size = int64(len(r.text))
	}
	switch {
	case r.raw:
		x.Response.Body = body.FromBytes([]byte(r.text))
		return
	case r.breaks:
		stream, size = io.MultiReader(stream, iotest.ErrReader(errBroken)), -1
	case r.text == "":
		return
	}
	x.Response.Body = body.FromStream(io.NopCloser(stream), size)
}

// names returns as many names of fields.
func names(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("X-%d", i)
	}
	return strings.Join(list, ", ")
}

// lines returns as many lines of a header.
func lines(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("X-%d: %d", i, i)
	}
	return list
}

// TestStored asks twice, a second apart, and checks whether the second answer
// comes from the store.
func TestStored(t *testing.T) {
	w := newWorld(t)
	fresh := "Cache-Control: max-age=60"
	tests := []struct {
		name  string
		first ask
		reply reply
		then  ask
		hit   bool
	}{
		{"max-age", ask{}, reply{header: []string{fresh}, text: "a"}, ask{}, true},
		{"any letter case", ask{}, reply{header: []string{"Cache-Control: Max-Age=60"}, text: "a"}, ask{}, true},
		{"quoted number", ask{}, reply{header: []string{`Cache-Control: max-age="60"`}, text: "a"}, ask{}, true},
		{"announced length", ask{}, reply{header: []string{fresh}, text: "abc", length: true}, ask{}, true},
		{"bytes in memory", ask{}, reply{header: []string{fresh}, text: "abc", raw: true}, ask{}, true},
		{"empty body", ask{}, reply{header: []string{fresh}}, ask{}, true},
		{"no freshness", ask{}, reply{text: "a"}, ask{}, false},
		{"no-store", ask{}, reply{header: []string{fresh + ", no-store"}, text: "a"}, ask{}, false},
		{"private", ask{}, reply{header: []string{fresh + ", PRIVATE"}, text: "a"}, ask{}, false},
		{"private field", ask{}, reply{header: []string{fresh + `, private="set-cookie, x"`}, text: "a"}, ask{}, false},
		{"no-cache", ask{}, reply{header: []string{fresh, "Cache-Control: no-cache"}, text: "a"}, ask{}, false},
		{"max-age of zero", ask{}, reply{header: []string{"Cache-Control: max-age=0"}, text: "a"}, ask{}, false},
		{"max-age that is no number", ask{}, reply{header: []string{"Cache-Control: max-age=1m"}, text: "a"}, ask{}, false},
		{"negative max-age", ask{}, reply{header: []string{"Cache-Control: max-age=-60"}, text: "a"}, ask{}, false},
		{"huge max-age", ask{}, reply{header: []string{"Cache-Control: max-age=99999999999999999999"}, text: "a"}, ask{}, true},
		{"first max-age counts", ask{}, reply{header: []string{"Cache-Control: max-age=0, max-age=60"}, text: "a"}, ask{}, false},
		{"s-maxage before max-age", ask{}, reply{header: []string{"Cache-Control: max-age=0, s-maxage=60"}, text: "a"}, ask{}, true},
		{"s-maxage of zero", ask{}, reply{header: []string{fresh + ", s-maxage=0"}, text: "a"}, ask{}, false},
		{"directive within quotes", ask{}, reply{header: []string{`Cache-Control: x="a, no-store", max-age=60`}, text: "a"}, ask{}, true},
		{"Expires", ask{}, reply{header: []string{"Expires: " + w.date(time.Minute)}, text: "a"}, ask{}, true},
		{"Expires from Date", ask{}, reply{header: []string{"Date: " + w.date(0), "Expires: " + w.date(time.Minute)}, text: "a"}, ask{}, true},
		{"Expires in an old form", ask{}, reply{header: []string{"Expires: " + w.now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT")}, text: "a"}, ask{}, true},
		{"Expires that is past", ask{}, reply{header: []string{"Expires: " + w.date(-time.Minute)}, text: "a"}, ask{}, false},
		{"Expires that is no date", ask{}, reply{header: []string{"Expires: 0"}, text: "a"}, ask{}, false},
		{"Expires with one digit for the hour", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 2:01:18 GMT"}, text: "a"}, ask{}, false},
		{"Expires with one digit for the day", ask{}, reply{header: []string{"Expires: Thu, 8 Aug 2050 02:01:18 GMT"}, text: "a"}, ask{}, false},
		{"Expires with two blanks", ask{}, reply{header: []string{"Expires: Thu,  18  Aug  2050  02:01:18  GMT"}, text: "a"}, ask{}, false},
		{"Expires with two blanks before the zone", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 02:01:18  GMT"}, text: "a"}, ask{}, false},
		{"Expires with fractions", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 02:01:18.5 GMT"}, text: "a"}, ask{}, false},
		{"Expires with fractions behind a comma", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 02:01:18,5 GMT"}, text: "a"}, ask{}, false},
		{"Expires in an old form with one digit for the hour", ask{}, reply{header: []string{"Expires: Thursday, 18-Aug-50 2:01:18 GMT"}, text: "a"}, ask{}, false},
		{"Expires in the form of asctime", ask{}, reply{header: []string{"Expires: Thu Aug  8 02:01:18 2050"}, text: "a"}, ask{}, true},
		{"Expires in the form of asctime with one blank", ask{}, reply{header: []string{"Expires: Thu Aug 8 02:01:18 2050"}, text: "a"}, ask{}, false},
		{"Expires in another zone", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 02:01:18 CET"}, text: "a"}, ask{}, false},
		{"Expires with a zone in figures", ask{}, reply{header: []string{"Expires: Thu, 18 Aug 2050 02:01:18 +0000"}, text: "a"}, ask{}, false},
		{"Expires in any letter case", ask{}, reply{header: []string{"Expires: THU, 18 aug 2050 02:01:18 gmt"}, text: "a"}, ask{}, true},
		{"max-age before Expires", ask{}, reply{header: []string{fresh, "Expires: 0"}, text: "a"}, ask{}, true},
		{"old Date", ask{}, reply{header: []string{fresh, "Date: " + w.date(-time.Hour)}, text: "a"}, ask{}, false},
		{"old Age", ask{}, reply{header: []string{fresh, "Age: 60"}, text: "a"}, ask{}, false},
		{"the first Age counts", ask{}, reply{header: []string{fresh, "Age: 60, 0"}, text: "a"}, ask{}, false},
		{"the first line of Age counts", ask{}, reply{header: []string{fresh, "Age: 60", "Age: 0"}, text: "a"}, ask{}, false},
		{"203", ask{}, reply{status: 203, header: []string{fresh}, text: "a"}, ask{}, true},
		{"301", ask{}, reply{status: 301, header: []string{fresh}, text: "a"}, ask{}, true},
		{"404", ask{}, reply{status: 404, header: []string{fresh}, text: "a"}, ask{}, true},
		{"410", ask{}, reply{status: 410, header: []string{fresh}, text: "a"}, ask{}, true},
		{"201", ask{}, reply{status: 201, header: []string{fresh}, text: "a"}, ask{}, false},
		{"206", ask{}, reply{status: 206, header: []string{fresh}, text: "a"}, ask{}, false},
		{"302", ask{}, reply{status: 302, header: []string{fresh}, text: "a"}, ask{}, false},
		{"403", ask{}, reply{status: 403, header: []string{fresh}, text: "a"}, ask{}, false},
		{"500", ask{}, reply{status: 500, header: []string{fresh}, text: "a"}, ask{}, false},
		{"failure", ask{}, reply{err: errBroken}, ask{}, false},
		{"body that breaks off", ask{}, reply{header: []string{fresh}, text: "a", breaks: true}, ask{}, false},

		{"another host", ask{host: "a.test"}, reply{header: []string{fresh}, text: "a"}, ask{host: "b.test"}, false},
		{"another port", ask{host: "a.test"}, reply{header: []string{fresh}, text: "a"}, ask{host: "a.test:8080"}, false},
		{"another host and public", ask{host: "a.test"}, reply{header: []string{fresh + ", public"}, text: "a"}, ask{host: "b.test"}, false},
		{"the same host in capitals", ask{host: "a.test"}, reply{header: []string{fresh}, text: "a"}, ask{host: "A.Test"}, true},
		{"another path", ask{path: "/x"}, reply{header: []string{fresh}, text: "a"}, ask{path: "/y"}, false},
		{"HEAD", ask{method: "HEAD"}, reply{header: []string{fresh}}, ask{method: "HEAD"}, true},
		{"HEAD after GET", ask{}, reply{header: []string{fresh}, text: "a"}, ask{method: "HEAD"}, false},
		{"OPTIONS", ask{method: "OPTIONS"}, reply{header: []string{fresh}, text: "a"}, ask{method: "OPTIONS"}, false},
		{"POST", ask{method: "POST"}, reply{header: []string{fresh}, text: "a"}, ask{method: "POST"}, false},
		{"GET with a body", ask{body: "q"}, reply{header: []string{fresh}, text: "a"}, ask{body: "q"}, false},
		{"range", ask{header: []string{"Range: bytes=0-1"}}, reply{header: []string{fresh}, text: "a"}, ask{}, false},
		{"range of what is stored", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Range: bytes=0-1"}}, false},
		{"condition of the client", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{`If-None-Match: "a"`}}, false},

		{"Authorization", ask{header: []string{"Authorization: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Authorization: 1"}}, false},
		{"Authorization and public", ask{header: []string{"Authorization: 1"}}, reply{header: []string{fresh + ", public"}, text: "a"}, ask{header: []string{"Authorization: 2"}}, true},
		{"Authorization later", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Authorization: 1"}}, false},
		{"Cookie", ask{header: []string{"Cookie: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cookie: 1"}}, false},
		{"Cookie and public", ask{header: []string{"Cookie: 1"}}, reply{header: []string{fresh + ", public"}, text: "a"}, ask{}, true},
		{"Set-Cookie", ask{}, reply{header: []string{fresh, "Set-Cookie: a=1"}, text: "a"}, ask{}, false},
		{"Set-Cookie and public", ask{}, reply{header: []string{fresh + ", public", "Set-Cookie: a=1"}, text: "a"}, ask{}, true},
		{"claim of the same user", ask{known: true, header: []string{"X-User: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: []string{"X-User: 1"}}, true},
		{"claim of another user", ask{known: true, header: []string{"X-User: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: []string{"X-User: 2"}}, false},
		{"claim the first had not", ask{known: true}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: []string{"X-User: 2"}}, false},
		{"claim the second has not", ask{known: true, header: []string{"X-User: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{known: true}, false},
		{"known after unknown", ask{}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: []string{"X-User: 2"}}, false},
		{"unknown after known", ask{known: true, header: []string{"X-User: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{}, false},
		{"claims and public", ask{known: true, header: []string{"X-User: 1"}}, reply{header: []string{fresh + ", public"}, text: "a"}, ask{known: true, header: []string{"X-User: 2"}}, true},
		{"header of an unknown client", ask{header: []string{"X-A: 1"}}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"X-A: 2"}}, true},

		{"Vary and equal", ask{header: []string{"X-A: 1"}}, reply{header: []string{fresh, "Vary: x-a"}, text: "a"}, ask{header: []string{"X-A: 1"}}, true},
		{"Vary and different", ask{header: []string{"X-A: 1"}}, reply{header: []string{fresh, "Vary: Accept, x-a"}, text: "a"}, ask{header: []string{"X-A: 2"}}, false},
		{"Vary and absent", ask{header: []string{"X-A: 1"}}, reply{header: []string{fresh, "Vary: x-a"}, text: "a"}, ask{}, false},
		{"Vary over several values", ask{header: []string{"X-A: 1", "X-A: 2"}}, reply{header: []string{fresh, "Vary: X-A"}, text: "a"}, ask{header: []string{"X-A: 1", "X-A: 2"}}, true},
		{"Vary of one line where there were two", ask{header: []string{"X-A: 1", "X-A: 2"}}, reply{header: []string{fresh, "Vary: X-A"}, text: "a"}, ask{header: []string{"X-A: 1, 2"}}, true},
		{"Vary of fewer lines", ask{header: []string{"X-A: 1", "X-A: 2"}}, reply{header: []string{fresh, "Vary: X-A"}, text: "a"}, ask{header: []string{"X-A: 1"}}, false},
		{"Vary of more lines", ask{header: []string{"X-A: 1"}}, reply{header: []string{fresh, "Vary: X-A"}, text: "a"}, ask{header: []string{"X-A: 1", "X-A: 2"}}, false},
		{"Vary of 64 names", ask{}, reply{header: []string{fresh, "Vary: " + names(64)}, text: "a"}, ask{}, true},
		{"Vary of 65 names", ask{}, reply{header: []string{fresh, "Vary: " + names(65)}, text: "a"}, ask{}, false},
		{"Vary of 65 names in two lines", ask{}, reply{header: []string{fresh, "Vary: " + names(33), "Vary: " + names(32)}, text: "a"}, ask{}, false},
		{"Vary of 80,000 names", ask{}, reply{header: []string{fresh, "Vary: " + names(80_000)}, text: "a"}, ask{}, false},
		{"65 claims", ask{known: true, header: lines(65)}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: lines(65)}, false},
		{"64 claims", ask{known: true, header: lines(64)}, reply{header: []string{fresh}, text: "a"}, ask{known: true, header: lines(64)}, true},
		{"256 header lines", ask{header: lines(256)}, reply{header: []string{fresh}, text: "a"}, ask{}, true},
		{"257 header lines", ask{header: lines(257)}, reply{header: []string{fresh}, text: "a"}, ask{}, false},

		{"CDN-Cache-Control before no-store", ask{}, reply{header: []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=60"}, text: "a"}, ask{}, true},
		{"CDN-Cache-Control of 0", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: max-age=0"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control before Expires", ask{}, reply{header: []string{"Expires: " + w.date(time.Minute), "CDN-Cache-Control: must-revalidate"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control with no-store", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: max-age=60, no-store"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control with private", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: max-age=60, private"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control with no-cache", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: no-cache, max-age=60"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control in two lines", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: max-age=60", "CDN-Cache-Control: no-store"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control that says not", ask{}, reply{header: []string{"CDN-Cache-Control: max-age=60, no-store=?0"}, text: "a"}, ask{}, true},
		{"CDN-Cache-Control with parameters", ask{}, reply{header: []string{"CDN-Cache-Control: max-age=60;a;b=\"c\";d=1.5, x=(1 two \"3\");y=:YQ==:, z=@7, w=%\"f%c3%bc\""}, text: "a"}, ask{}, true},
		{"the last max-age of CDN-Cache-Control counts", ask{}, reply{header: []string{"CDN-Cache-Control: max-age=60, max-age=0"}, text: "a"}, ask{}, false},
		{"CDN-Cache-Control that is text", ask{}, reply{header: []string{fresh, `CDN-Cache-Control: max-age="60"`}, text: "a"}, ask{}, false},
		{"empty CDN-Cache-Control", ask{}, reply{header: []string{fresh, "CDN-Cache-Control: "}, text: "a"}, ask{}, true},
		{"CDN-Cache-Control is no permission for credentials", ask{header: []string{"Authorization: 1"}}, reply{header: []string{"Cache-Control: public", "CDN-Cache-Control: max-age=60"}, text: "a"}, ask{header: []string{"Authorization: 2"}}, false},
		{"Vary: *", ask{}, reply{header: []string{fresh, "Vary: *"}, text: "a"}, ask{}, false},
		{"Vary: Authorization of the gateway", ask{}, reply{header: []string{fresh, "Vary: Authorization"}, text: "a"}, ask{}, true},
		{"packed for who unpacks", ask{}, reply{header: []string{fresh, "Content-Encoding: gzip"}, text: "a"}, ask{unpack: true}, false},

		{"request with no-store is not stored", ask{header: []string{"Cache-Control: no-store"}}, reply{header: []string{fresh}, text: "a"}, ask{}, false},
		{"request with no-store is not answered", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: no-store"}}, false},
		{"request with no-cache", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: no-cache"}}, false},
		{"request with Pragma", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Pragma: no-cache"}}, false},
		{"Pragma beside Cache-Control", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Pragma: no-cache", "Cache-Control: max-age=9"}}, true},
		{"request for a younger answer", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: max-age=0"}}, false},
		{"request for a young answer", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: max-age=1"}}, true},
		{"request for a fresher answer", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: min-fresh=60"}}, false},
		{"request for a fresh answer", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: min-fresh=59"}}, true},
		{"request for the store only", ask{}, reply{header: []string{fresh}, text: "a"}, ask{header: []string{"Cache-Control: only-if-cached"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.cache(t, `{}`)
			first := run(t, c, tt.first, tt.reply)
			if !first.called {
				t.Fatal("the first request did not reach the backend")
			}
			if got := first.text; !tt.reply.breaks && got != tt.reply.text && tt.reply.err == nil {
				t.Errorf("first answer: got %q, want %q", got, tt.reply.text)
			}
			w.now = w.now.Add(time.Second)
			second := run(t, c, tt.then, reply{text: "second"})
			if second.called == tt.hit {
				t.Fatalf("second request: reached the backend %v, want %v", second.called, !tt.hit)
			}
			if !tt.hit {
				return
			}
			if second.text != first.text || second.status != first.status {
				t.Errorf("from the store: got %d %q, want %d %q", second.status, second.text, first.status, first.text)
			}
			if age := second.header.Get("Age"); age != "1" {
				t.Errorf("Age: got %q, want 1", age)
			}
			if second.header.Has("Set-Cookie") {
				t.Error("a cookie went to another client")
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	stale := func(directive string) []string { return []string{"Cache-Control: max-age=10, " + directive} }
	const tag, modified = `Etag: "v1"`, "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT"
	tests := []struct {
		name   string
		header []string // of the first answer
		after  time.Duration
		ask    []string // header of the second request
		reply  reply    // to the second request
		called bool
		sent   []string // validators that the backend gets
		text   string   // of the second answer
		status int
	}{
		{"fresh until the end", stale(""), 9 * time.Second, nil, reply{text: "b"}, false, nil, "a", 200},
		{"stale at the end", stale(""), 10 * time.Second, nil, reply{text: "b"}, true, nil, "b", 200},
		{"validated by tag", append(stale(""), tag), 10 * time.Second, nil, reply{status: 304}, true, []string{`If-None-Match: "v1"`}, "a", 200},
		{"validated by date", append(stale(""), modified), 10 * time.Second, nil, reply{status: 304}, true,
			[]string{"If-Modified-Since: Sun, 22 Nov 2026 10:00:00 GMT"}, "a", 200},
		{"validated by both", append(stale(""), tag, modified), 10 * time.Second, nil, reply{status: 304}, true,
			[]string{`If-None-Match: "v1"`, "If-Modified-Since: Sun, 22 Nov 2026 10:00:00 GMT"}, "a", 200},
		{"changed meanwhile", append(stale(""), tag), 10 * time.Second, nil, reply{text: "b"}, true, []string{`If-None-Match: "v1"`}, "b", 200},
		{"validator alone", []string{tag}, time.Second, nil, reply{status: 304}, true, []string{`If-None-Match: "v1"`}, "a", 200},
		{"no-cache is validated", []string{tag, "Cache-Control: max-age=60, no-cache"}, time.Second, nil, reply{status: 304}, true,
			[]string{`If-None-Match: "v1"`}, "a", 200},
		{"client asks for validation", append(stale(""), tag), time.Second, []string{"Cache-Control: no-cache"}, reply{status: 304}, true,
			[]string{`If-None-Match: "v1"`}, "a", 200},
		{"304 that nobody asked for", stale(""), 10 * time.Second, nil, reply{status: 304}, true, nil, "", 304},

		{"client takes any stale answer", stale(""), 20 * time.Second, []string{"Cache-Control: max-stale"}, reply{text: "b"}, false, nil, "a", 200},
		{"client takes it as stale as it is", stale(""), 20 * time.Second, []string{"Cache-Control: max-stale=10"}, reply{text: "b"}, false, nil, "a", 200},
		{"client takes it less stale", stale(""), 20 * time.Second, []string{"Cache-Control: max-stale=9"}, reply{text: "b"}, true, nil, "b", 200},
		{"backend forbids stale answers", stale("must-revalidate"), 20 * time.Second, []string{"Cache-Control: max-stale"}, reply{text: "b"}, true, nil, "b", 200},
		{"backend forbids them to caches", stale("proxy-revalidate"), 20 * time.Second, []string{"Cache-Control: max-stale"}, reply{text: "b"}, true, nil, "b", 200},
		{"s-maxage forbids them", []string{"Cache-Control: s-maxage=10"}, 20 * time.Second, []string{"Cache-Control: max-stale"}, reply{text: "b"}, true, nil, "b", 200},
		{"dropped ten minutes later", stale(""), 611 * time.Second, []string{"Cache-Control: max-stale"}, reply{text: "b"}, true, nil, "b", 200},

		{"stale for an error", stale("stale-if-error=30"), 40 * time.Second, nil, reply{status: 500, text: "e"}, true, nil, "a", 200},
		{"stale for a failure", stale("stale-if-error=30"), 40 * time.Second, nil, reply{err: errBroken}, true, nil, "a", 200},
		{"stale for an error, as the client says", stale(""), 40 * time.Second, []string{"Cache-Control: stale-if-error=30"}, reply{status: 503}, true, nil, "a", 200},
		{"too stale for an error", stale("stale-if-error=30"), 41 * time.Second, nil, reply{status: 500, text: "e"}, true, nil, "e", 500},
		{"not for a client's mistake", stale("stale-if-error=30"), 20 * time.Second, nil, reply{status: 404, text: "e"}, true, nil, "e", 404},
		{"not when it is forbidden", stale("stale-if-error=30, must-revalidate"), 20 * time.Second, nil, reply{status: 500, text: "e"}, true, nil, "e", 500},
		{"not unless someone says so", stale(""), 20 * time.Second, nil, reply{status: 500, text: "e"}, true, nil, "e", 500},
		{"kept long for errors", stale("stale-if-error=3600"), 30 * time.Minute, nil, reply{status: 502}, true, nil, "a", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.cache(t, `{}`)
			run(t, c, ask{}, reply{header: tt.header, text: "a"})
			w.now = w.now.Add(tt.after)
			got := run(t, c, ask{header: tt.ask}, tt.reply)
			if got.err != nil || got.called != tt.called || got.text != tt.text || got.status != tt.status {
				t.Errorf("got called %v, %d %q, %v, want called %v, %d %q", got.called, got.status, got.text, got.err, tt.called, tt.status, tt.text)
			}
			var validators gateway.Fields
			for _, f := range got.sent {
				if strings.HasPrefix(f.Name, "If-") {
					validators = append(validators, f)
				}
			}
			if want := fields(tt.sent); !slices.Equal(validators, want) {
				t.Errorf("validators: got %v, want %v", validators, want)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t)
	c := w.cache(t, `{}`)
	run(t, c, ask{}, reply{header: []string{"Cache-Control: max-age=10", `Etag: "v1"`, "Date: " + w.date(0), "Content-Type: text/a", "X-A: 1"}, text: "a"})
	w.now = w.now.Add(20 * time.Second)
	got := run(t, c, ask{}, reply{status: 304, header: []string{"Cache-Control: max-age=100", "Content-Type: text/b", "X-A: 2", "X-A: 3"}})
	if got.status != 200 || got.text != "a" || got.header.Get("Age") != "0" {
		t.Errorf("renewed: got %d %q of age %s, want 200 a of age 0", got.status, got.text, got.header.Get("Age"))
	}
	if ct, xa := got.header.Get("Content-Type"), got.header.AppendValues(nil, "X-A"); ct != "text/a" || !slices.Equal(xa, []string{"2", "3"}) {
		t.Errorf("header: got Content-Type %s and X-A %v, want text/a and [2 3]", ct, xa)
	}
	w.now = w.now.Add(99 * time.Second)
	if got := run(t, c, ask{}, reply{text: "b"}); got.called || got.text != "a" || got.header.Get("Age") != "99" {
		t.Errorf("after renewal: got called %v, %q of age %s, want a of age 99 from the store", got.called, got.text, got.header.Get("Age"))
	}
	w.now = w.now.Add(time.Second)
	if got := run(t, c, ask{}, reply{status: 304, header: []string{"Cache-Control: no-store"}}); got.text != "a" {
		t.Errorf("renewed for the last time: got %q, want a", got.text)
	}
	if got := run(t, c, ask{}, reply{text: "b"}); !got.called || len(got.sent) != 0 {
		t.Errorf("after no-store: got called %v with %v, want a plain call", got.called, got.sent)
	}
}

// TestStaleWaitsForHosts asks several hosts: a stale answer stands in for the last of them,
// or for a failure behind which no other is asked, such as of a stage between the cache and
// the host that has reached nobody itself.
func TestStaleWaitsForHosts(t *testing.T) {
	unreached := fmt.Errorf("%w: no route", gateway.ErrUnreached)
	for _, tt := range []struct {
		name    string
		attempt gateway.Attempt
		others  int
		want    string // "" for the failure
	}{
		{"another host may answer", gateway.Unreached, 1, ""},
		{"no host is left", gateway.Unreached, 0, "a"},
		{"a stage has reached nobody", gateway.Unmade, 1, "a"},
		{"the host was reached", gateway.Reached, 1, "a"},
	} {
		w := newWorld(t)
		c := w.cache(t, `{}`)
		run(t, c, ask{}, reply{header: []string{"Cache-Control: max-age=10, stale-if-error=30"}, text: "a"})
		w.now = w.now.Add(20 * time.Second)
		got := run(t, c, ask{}, reply{err: unreached, attempt: tt.attempt, others: tt.others})
		if got.text != tt.want || (got.err != nil) != (tt.want == "") {
			t.Errorf("%s: %q, %v, want %q or the failure", tt.name, got.text, got.err, tt.want)
		}
	}
}

// TestVariants keeps several answers to one URL, bounded, and gives each request
// its own.
func TestVariants(t *testing.T) {
	fresh := []string{"Cache-Control: max-age=60", "Vary: Accept-Language"}
	in := func(language string) ask { return ask{header: []string{"Accept-Language: " + language}} }
	t.Run("side by side", func(t *testing.T) {
		c := newWorld(t).cache(t, `{}`)
		for _, language := range []string{"de", "en", "fr"} {
			run(t, c, in(language), reply{header: fresh, text: language})
		}
		for _, language := range []string{"en", "de", "fr", "de"} {
			if got := run(t, c, in(language), reply{text: "anew"}); got.called || got.text != language {
				t.Errorf("%s: got %q, called %v, want the stored answer", language, got.text, got.called)
			}
		}
		run(t, c, ask{method: "POST"}, reply{})
		for _, language := range []string{"de", "en", "fr"} {
			if got := run(t, c, in(language), reply{}); !got.called {
				t.Errorf("%s: is still there after a write", language)
			}
		}
	})
	t.Run("no more than 32", func(t *testing.T) {
		c := newWorld(t).cache(t, `{}`)
		language := func(i int) ask { return in(fmt.Sprint("l", i)) }
		for i := range maxVariants {
			run(t, c, language(i), reply{header: fresh, text: "a"})
		}
		run(t, c, language(0), reply{}) // used last
		run(t, c, language(maxVariants), reply{header: fresh, text: "a"})
		for i := range 1000 {
			run(t, c, language(1000+i), reply{header: fresh, text: "a"})
			run(t, c, language(0), reply{})
		}
		if n := len(c.store.recent.Front().Value.(*place).key); n == 0 || len(c.store.byKey) != 1 || c.store.recent.Len() != maxVariants || len(c.store.dying) != maxVariants {
			t.Errorf("got %d keys, %d answers, %d deadlines; want 1, %d, %[4]d", len(c.store.byKey), c.store.recent.Len(), len(c.store.dying), maxVariants)
		}
		if got := run(t, c, language(0), reply{}); got.called {
			t.Error("the variant in use was given up")
		}
		if got := run(t, c, language(1), reply{}); !got.called {
			t.Error("the variant used least recently was kept")
		}
	})
	t.Run("bounded by the store", func(t *testing.T) {
		c := newWorld(t).cache(t, `{"max_items":2}`)
		for _, language := range []string{"de", "en", "fr"} {
			run(t, c, in(language), reply{header: fresh, text: language})
		}
		if n := c.store.recent.Len(); n != 2 {
			t.Errorf("got %d answers, want 2", n)
		}
	})
	t.Run("one is renewed, the others stay", func(t *testing.T) {
		w := newWorld(t)
		c := w.cache(t, `{}`)
		run(t, c, in("de"), reply{header: append(fresh, `Etag: "de"`), text: "de"})
		w.now = w.now.Add(30 * time.Second)
		run(t, c, in("en"), reply{header: append(fresh, `Etag: "en"`), text: "en"})
		w.now = w.now.Add(31 * time.Second)
		got := run(t, c, in("de"), reply{status: 304})
		if tag := got.sent.Get("If-None-Match"); got.text != "de" || tag != `"de"` {
			t.Errorf("renewed: got %q with %s, want de with its tag", got.text, tag)
		}
		for _, language := range []string{"de", "en"} {
			if got := run(t, c, in(language), reply{}); got.called || got.text != language {
				t.Errorf("%s: got %q, called %v, want the stored answer", language, got.text, got.called)
			}
		}
	})
	t.Run("a changed Vary replaces what it answers", func(t *testing.T) {
		w := newWorld(t)
		c := w.cache(t, `{}`)
		run(t, c, in("de"), reply{header: fresh, text: "old"})
		w.now = w.now.Add(61 * time.Second)
		run(t, c, in("de"), reply{header: []string{"Cache-Control: max-age=60"}, text: "new"})
		if n := c.store.recent.Len(); n != 1 {
			t.Errorf("got %d answers, want 1", n)
		}
		if got := run(t, c, in("en"), reply{}); got.text != "new" {
			t.Errorf("got %q, want the answer that says nothing of languages any more", got.text)
		}
	})
}

// TestRenewalOfManyFields merges long headers field by field, not pair by pair.
func TestRenewalOfManyFields(t *testing.T) {
	w := newWorld(t)
	c := w.cache(t, `{}`)
	fields := append(lines(5000), "Cache-Control: max-age=10", `Etag: "v1"`)
	run(t, c, ask{}, reply{header: fields, text: "a"})
	w.now = w.now.Add(20 * time.Second)
	got := run(t, c, ask{}, reply{status: 304, header: fields})
	if n := len(got.header); got.text != "a" || n != len(fields)+1 { // and Age
		t.Errorf("got %q with %d fields, want a with %d", got.text, n, len(fields)+1)
	}
}

func TestOnlyIfCached(t *testing.T) {
	c := newWorld(t).cache(t, `{}`)
	got := run(t, c, ask{header: []string{"Cache-Control: only-if-cached"}}, reply{})
	if e := gateway.AsError(got.err); e == nil || e.Status != 504 {
		t.Errorf("nothing stored: got %v, want 504", got.err)
	}
}

func TestUnsafeMethods(t *testing.T) {
	fresh := []string{"Cache-Control: max-age=60"}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "PURGE"} {
		for _, r := range []reply{{}, {status: 500}, {err: errBroken}} {
			c := newWorld(t).cache(t, `{}`)
			run(t, c, ask{}, reply{header: fresh, text: "a"})
			run(t, c, ask{method: "HEAD"}, reply{header: fresh})
			run(t, c, ask{path: "/y"}, reply{header: fresh, text: "y"})
			run(t, c, ask{method: method}, r)
			if got := run(t, c, ask{}, reply{}); !got.called {
				t.Errorf("%s, answer %+v: GET is still answered from the store", method, r)
			}
			if got := run(t, c, ask{method: "HEAD"}, reply{}); !got.called {
				t.Errorf("%s, answer %+v: HEAD is still answered from the store", method, r)
			}
			if got := run(t, c, ask{path: "/y"}, reply{}); got.called {
				t.Errorf("%s, answer %+v: another URL was forgotten", method, r)
			}
		}
	}
}

// TestUnsafeMethodsOfOtherHosts forgets a URL of the backend by whatever name clients
// reach it.
//
// Source: RFC 9111, section 4.4.
func TestUnsafeMethodsOfOtherHosts(t *testing.T) {
	fresh := []string{"Cache-Control: max-age=60", "Vary: Accept-Language"}
	c := newWorld(t).cache(t, `{}`)
	var asks []ask
	for i := range 100 {
		for _, method := range []string{"GET", "HEAD"} {
			for _, language := range []string{"de", "en"} {
				asks = append(asks, ask{method: method, host: fmt.Sprintf("%d.example", i), header: []string{"Accept-Language: " + language}})
			}
		}
	}
	other := ask{path: "/y", host: "1.example"}
	for _, a := range append(asks, other) {
		run(t, c, a, reply{header: fresh, text: "a"})
	}
	for _, a := range append(asks, other) {
		if got := run(t, c, a, reply{header: fresh}); got.called {
			t.Fatalf("%+v: not stored", a)
		}
	}
	run(t, c, ask{method: "POST", host: "new.example"}, reply{})
	if n, m := len(c.store.byKey), len(c.store.byURL); n != 1 || m != 1 {
		t.Errorf("got %d keys of %d URLs, want one that has nothing to do with it", n, m)
	}
	for _, a := range asks {
		if got := run(t, c, a, reply{}); !got.called {
			t.Errorf("%+v: is still answered from the store", a)
		}
	}
	if got := run(t, c, other, reply{}); got.called {
		t.Error("another URL was forgotten")
	}
}

func TestLimits(t *testing.T) {
	fresh := []string{"Cache-Control: max-age=60"}
	hits := func(t *testing.T, c *cache, paths ...string) (hit []string) {
		t.Helper()
		for _, p := range paths {
			if got := run(t, c, ask{path: p}, reply{}); !got.called {
				hit = append(hit, p)
			}
		}
		return hit
	}
	t.Run("items", func(t *testing.T) {
		c := newWorld(t).cache(t, `{"max_items":2,"max_size":1000000}`)
		run(t, c, ask{path: "/1"}, reply{header: fresh, text: "1"})
		run(t, c, ask{path: "/2"}, reply{header: fresh, text: "2"})
		run(t, c, ask{path: "/1"}, reply{})
		run(t, c, ask{path: "/3"}, reply{header: fresh, text: "3"})
		if got := hits(t, c, "/1", "/2", "/3"); !slices.Equal(got, []string{"/1", "/3"}) {
			t.Errorf("got %v, want the two used last", got)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		c := newWorld(t).cache(t, `{"max_items":100,"max_size":10000}`)
		text := strings.Repeat("x", 4000)
		for _, p := range []string{"/1", "/2", "/3"} {
			run(t, c, ask{path: p}, reply{header: fresh, text: text})
		}
		if got := hits(t, c, "/1", "/2", "/3"); !slices.Equal(got, []string{"/2", "/3"}) {
			t.Errorf("got %v, want the two used last", got)
		}
		if c.store.bytes > 10000 {
			t.Errorf("memory: got %d, want 10000 at most", c.store.bytes)
		}
	})
	for _, length := range []bool{false, true} {
		t.Run(fmt.Sprintf("large body, announced %v", length), func(t *testing.T) {
			c := newWorld(t).cache(t, `{"max_items":100,"max_size":1024}`)
			text := strings.Repeat("x", 5000)
			if got := run(t, c, ask{}, reply{header: fresh, text: text, length: length}); got.text != text {
				t.Errorf("answer: got %d bytes, want %d", len(got.text), len(text))
			}
			if got := hits(t, c, "/x"); got != nil {
				t.Errorf("got %v from the store, want nothing", got)
			}
		})
	}
	t.Run("useless answers are dropped", func(t *testing.T) {
		w := newWorld(t)
		c := w.cache(t, `{}`)
		for i := range 100 {
			run(t, c, ask{path: fmt.Sprintf("/%d", i)}, reply{header: fresh, text: "a"})
		}
		w.now = w.now.Add(time.Minute + keepStale + time.Second)
		run(t, c, ask{path: "/new"}, reply{})
		if n, m := len(c.store.byKey), c.store.recent.Len(); n+m+len(c.store.dying)+len(c.store.byURL) != 0 || c.store.bytes != 0 {
			t.Errorf("got %d answers of %d bytes, want none", n, c.store.bytes)
		}
	})
}

// TestStoreConcurrently uses a store from many sides and holds its books against what
// is in it.
func TestStoreConcurrently(t *testing.T) {
	const items, bytes = 200, 100_000
	s := newStore(items, bytes)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 5000 {
				key := fmt.Sprintf("url %d\nhost %d\nGET", random.IntN(4), random.IntN(3))
				language := fmt.Sprint(random.IntN(100))
				r := &request{header: gateway.Fields{{Name: "Accept-Language", Value: language}}}
				at := now.Add(time.Duration(i) * time.Second)
				switch e := s.get([]byte(key), r, at); random.IntN(8) {
				case 0:
					s.clear([]byte(key))
				case 1:
					if e != nil {
						s.drop([]byte(key), e)
					}
				default:
					if e != nil && e.vary[0].Value != language {
						t.Errorf("asked for %s, got %s", language, e.vary[0].Value)
					}
					s.put(key, &entry{vary: r.header, body: make([]byte, random.IntN(1000)), got: at, lifetime: time.Hour}, e, at)
				}
			}
		})
	}
	wg.Wait()
	var count int
	var cost int64
	for key, variants := range s.byKey {
		if len(variants) == 0 || len(variants) > maxVariants {
			t.Errorf("%s has %d variants", key, len(variants))
		}
		selected := map[string]bool{}
		for _, p := range variants {
			count++
			cost += p.cost
			if p.key != key || p.used == nil || s.dying[p.index] != p || selected[p.entry.vary[0].Value] {
				t.Errorf("%s: a place is not where it should be, or there twice: %+v", key, p)
			}
			selected[p.entry.vary[0].Value] = true
		}
	}
	listed := 0
	for url, p := range s.byURL {
		for before := (*place)(nil); p != nil; before, p = p, p.next {
			listed++
			if p.before != before || p.used == nil || urlOf(p.key) != url {
				t.Errorf("%s: a place is not where it should be: %+v", url, p)
			}
		}
	}
	if count != listed || count != s.recent.Len() || count != len(s.dying) || cost != s.bytes || count > items || cost > bytes {
		t.Errorf("%d answers of %d bytes; %d by URL, %d in order of use, %d by deadline, %d bytes in the books", count, cost, listed, s.recent.Len(), len(s.dying), s.bytes)
	}
}

// TestStreams checks that an answer is passed on as it comes and stored as
// soon as it was read.
func TestStreams(t *testing.T) {
	w := newWorld(t)
	c := w.cache(t, `{}`)
	x := testx.Request{Path: "/x"}.Exchange(t)
	if err := c.Enter(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	from, to := io.Pipe()
	x.Response.Status = 200
	x.Response.Header = fields([]string{"Cache-Control: max-age=60"})
	x.Response.Body = body.FromStream(from, 2)
	if err := c.Leave(t.Context(), x, nil); err != nil {
		t.Fatal(err)
	}
	r := x.Response.Body.Reader()
	defer r.Close()
	buf := make([]byte, 10)
	for i, want := range []string{"a", "b"} {
		go to.Write([]byte(want))
		if n, err := r.Read(buf); err != nil || string(buf[:n]) != want {
			t.Fatalf("read %d: got %q, %v, want %q at once", i, buf[:n], err, want)
		}
		if got := run(t, c, ask{path: "/x"}, reply{}); got.called != (i == 0) {
			t.Errorf("after %d of 2 bytes: reached the backend %v", i+1, got.called)
		}
	}
}

func TestStores(t *testing.T) {
	fresh := []string{"Cache-Control: max-age=60"}
	w := newWorld(t)
	stage := func(endpoint, host, options string) *cache {
		b := &model.Backend{Host: []string{host}, URLPattern: "/x"}
		w.Config = &model.Endpoint{Endpoint: endpoint, Method: "GET", Backend: []*model.Backend{b}}
		return w.cache(t, options)
	}
	tests := []struct {
		name string
		a, b *cache
		hit  bool
	}{
		{"one backend", stage("/1", "http://a", `{}`), stage("/1", "http://a", `{}`), true},
		{"two endpoints", stage("/2", "http://a", `{}`), stage("/3", "http://a", `{}`), false},
		{"two endpoints that share", stage("/4", "http://a", `{"shared":true}`), stage("/5", "http://a", `{"shared":true}`), true},
		{"one that shares", stage("/6", "http://c", `{"shared":true}`), stage("/7", "http://c", `{}`), false},
		{"two hosts that share", stage("/8", "http://d", `{"shared":true}`), stage("/9", "http://e", `{"shared":true}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run(t, tt.a, ask{}, reply{header: fresh, text: "a"})
			if got := run(t, tt.b, ask{}, reply{}); got.called == tt.hit {
				t.Errorf("got a hit %v, want %v", !got.called, tt.hit)
			}
		})
	}
}

func TestSurvivesReload(t *testing.T) {
	w := newWorld(t)
	run(t, w.cache(t, `{}`), ask{}, reply{header: []string{"Cache-Control: max-age=60"}, text: "a"})
	before := w.Reload(t)
	c := w.cache(t, `{}`)
	before.Release()
	if got := run(t, c, ask{}, reply{}); got.called {
		t.Error("the next generation lost what was stored")
	}
	w.Reload(t).Release()
	if got := run(t, w.cache(t, `{}`), ask{}, reply{}); !got.called {
		t.Error("the store outlived its last user")
	}
}

func TestBuild(t *testing.T) {
	host := &model.Backend{Method: "GET", Host: []string{"http://{input_headers.X}"}}
	plain := &model.Backend{Method: "GET", Host: []string{"http://a"}}
	tests := []struct {
		name     string
		backend  *model.Backend
		options  string
		stages   int
		problems []string // beginnings
	}{
		{"both limits", plain, `{"max_items":10,"max_size":4096}`, 1, nil},
		{"no limit", plain, `{}`, 1, []string{"note : the store holds 256 MiB at most"}},
		{"items only", plain, `{"max_items":10}`, 1, []string{"note max_items: "}},
		{"size only", plain, `{"max_size":4096}`, 1, []string{"note max_size: "}},
		{"too small", plain, `{"max_items":0,"max_size":1023}`, 0, []string{"error max_items: ", "error max_size: "}},
		{"wrong type", plain, `{"shared":"yes","max_items":1,"max_size":4096}`, 0, []string{"error shared: "}},
		{"host of the request", host, `{"max_items":10,"max_size":4096}`, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sitetest.New(t)
			g.Config.Backend[0] = tt.backend
			s := g.Backend(t, "github.com/devopsfaith/krakend-httpcache", tt.options)
			if got := sitetest.Problems(s); !slices.EqualFunc(got, tt.problems, strings.HasPrefix) {
				t.Errorf("%s: got %q, want %q", tt.options, got, tt.problems)
			}
			if n := len(s.Placed()); n != tt.stages {
				t.Errorf("%s: got %d stages, want %d", tt.options, n, tt.stages)
			}
		})
	}
}

// FuzzDirectives checks that reading Cache-Control neither panics nor hangs,
// and that no list makes an answer fresher than its largest number.
func FuzzDirectives(f *testing.F) {
	f.Add(`max-age=60, s-maxage="10", private="a,b", no-cache`)
	f.Add(`,,=,"`)
	f.Add(`x="\",max-age=1`)
	f.Fuzz(func(t *testing.T, value string) {
		d := readDirectives(gateway.Fields{{Name: "Cache-Control", Value: value}})
		for _, got := range []time.Duration{d.maxAge, d.sMaxAge, d.minFresh, d.staleIfError} {
			if got < absent || got > (1<<31)*time.Second {
				t.Errorf("%q: got %v", value, got)
			}
		}
		if !strings.Contains(strings.ToLower(value), "no-store") && d.noStore {
			t.Errorf("%q: no-store came from nowhere", value)
		}
	})
}

// FuzzTargeted checks that reading CDN-Cache-Control neither panics nor hangs, and
// that what is no dictionary, or says nothing, leaves no directive behind.
func FuzzTargeted(f *testing.F) {
	for _, seed := range []string{
		`max-age=60, no-store;a=1`, `private=?0,public`, `x=("a" b 1.5);c, y=:YQ==:`, `z=@-1, w=%"f%c3%bc"`,
		`max-age=`, `,`, `a,`, `A=1`, `max-age =1`, `max-age=1.`, `a=-`, `a=(1`, `a="\`, `a=%"%c"`, `a=?2`, `*=1`, `max-age=9999999999999999`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := readTargeted(gateway.Fields{{Name: targetedField, Value: value}})
		if !ok && d != noDirectives {
			t.Errorf("%q: is not used and says %+v", value, d)
		}
		for _, got := range []time.Duration{d.maxAge, d.sMaxAge, d.staleIfError} {
			if got < absent || got > (1<<31)*time.Second {
				t.Errorf("%q: got %v", value, got)
			}
		}
		if ok && strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
			t.Errorf("%q: was taken for a dictionary", value)
		}
	})
}

func TestTargetedIsStrict(t *testing.T) {
	for _, value := range []string{
		``, ` `, `,`, `a,`, `a,,b`, `A=1`, `max-age =1`, `max-age= 1`, `max-age=1.`, `max-age=.5`, `max-age=1.2345`, `a=-`, `a=(1`, `a=(1"b")`,
		`a="\x"`, `a="b`, `a=%"%c"`, `a=%"%CC"`, `a=?2`, `a=:b`, `a=@1.5`, `a=@`, `max-age=1234567890123456`, `a b`, `a;`, `a;B`, `1=1`, `max-age=10, &&&&&`,
	} {
		if d, ok := readTargeted(gateway.Fields{{Name: targetedField, Value: value}}); ok {
			t.Errorf("%q: was read as %+v, want nothing", value, d)
		}
	}
	for _, value := range []string{`a`, `*=1`, `a=1, b`, `a=1 ,	b`, `a=()`, `a=( 1 )`, `a=("b" c);d;e=?0`, `a=-1.5`, `a=T:/b`, `a=:YQ==:`, `a=@-1`, `a=%"%c3%bc"`, `a="\"\\"`} {
		if _, ok := readTargeted(gateway.Fields{{Name: targetedField, Value: value}}); !ok {
			t.Errorf("%q: was not read", value)
		}
	}
}

// FuzzDate checks that every date that is read is the one that was written.
func FuzzDate(f *testing.F) {
	for _, seed := range []string{
		"Thu, 18 Aug 2050 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 GMT", "Thu Aug  8 02:01:18 2050",
		"Thu, 18 Aug 2050 2:01:18 GMT", "Thu,  18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18.5 GMT", "0", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		at, ok := date(gateway.Fields{{Name: "Expires", Value: value}}, "Expires")
		if !ok {
			return
		}
		if at.Nanosecond() != 0 || at.Location() != time.UTC {
			t.Errorf("%q: got %v", value, at)
		}
		again, ok := date(gateway.Fields{{Name: "Expires", Value: at.Format("Mon, 02 Jan 2006 15:04:05 GMT")}}, "Expires")
		if !ok || !again.Equal(at) {
			t.Errorf("%q: got %v, then %v", value, at, again)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	w := newWorld(b)
	c := w.cache(b, `{"max_items":10,"max_size":100000}`)
	run(b, c, ask{}, reply{header: []string{"Cache-Control: max-age=60", "Content-Type: application/json"}, text: strings.Repeat("x", 2000)})
	x := testx.Request{Path: "/x", Header: fields([]string{"Accept: */*", "User-Agent: x"})}.Exchange(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Enter(ctx, x); err != nil || x.Response.Status != 200 {
			b.Fatal(err, x.Response.Status)
		}
	}
}

func TestHitBudget(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector counts its own allocations")
	}
	w := newWorld(t)
	c := w.cache(t, `{}`)
	run(t, c, ask{}, reply{header: []string{"Cache-Control: max-age=60"}, text: "a"})
	x := testx.Request{Path: "/x"}.Exchange(t)
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() { c.Enter(ctx, x) }); got > 0 || !x.Replied() {
		t.Errorf("allocations: got %v and a hit %v, want 0 and true", got, x.Replied())
	}
}
