package brokers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// A shelf is a server of GraphQL whose requests are counted, and answered by another handler
// if there is one.
type shelf struct {
	*httptest.Server
	calls   atomic.Int64
	instead atomic.Pointer[http.HandlerFunc]
}

func newShelf(t *testing.T) *shelf {
	s, h := new(shelf), library(t)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		if instead := s.instead.Load(); instead != nil {
			(*instead)(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// find is a backend that asks for a book, and more of its keys.
func find(more, extra string) string {
	return `{"url_pattern":"/","target":"data.book",` + more + `"extra_config":{` + extra + `"backend/graphql":{"type":"query","errors_as_failure":true,
		"query":"query B($id: Int!) { book(id: $id) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep"}}}`
}

// TestGraphQLHosts: several servers share the operations, and one that is not there costs none,
// a mutation neither.
func TestGraphQLHosts(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		a, b := newShelf(t), newShelf(t)
		for _, s := range []*shelf{a, b} { // so that no operation is on its way when one ends its connections
			s.Config.SetKeepAlivesEnabled(false)
		}
		r := start(t, e, nil, fmt.Sprintf(`{`+quiet+`"host":[%q,%q],"timeout":"30s","endpoints":[{"endpoint":"/books/{id}","backend":[`+find("", "")+`]},
			{"endpoint":"/books/{id}/reader","method":"PUT","backend":[{"url_pattern":"/","target":"data.lend","extra_config":{"backend/graphql":{"type":"mutation",
				"query":"mutation($id: Int!, $to: String!) { lend(id: $id, to: $to) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep"}}}]}]}`, a.URL, b.URL))
		ask := func(when string) {
			t.Helper()
			for i := range 20 {
				if status, text := r.ask("GET", "/books/7", ""); status != 200 || text != `{"id":7,"reader":"Ada"}` {
					t.Errorf("%s, query %d: %d %s", when, i, status, text)
				}
				if status, text := r.ask("PUT", "/books/8/reader", `{"to":"Grace"}`); status != 200 || text != `{"id":8,"reader":"Grace"}` {
					t.Errorf("%s, mutation %d: %d %s", when, i, status, text)
				}
			}
		}
		ask("both")
		if n, m := a.calls.Load(), b.calls.Load(); n != 20 || m != 20 {
			t.Errorf("the servers got %d and %d operations, want 20 each", n, m)
		}
		a.Close()
		ask("one")
		if n, m := a.calls.Load(), b.calls.Load(); n != 20 || m != 60 {
			t.Errorf("the servers got %d and %d operations, want 20 and 60", n, m)
		}
	})
}

// TestGraphQLLost: a query whose connection ends before an answer is sent again, a mutation is
// not, both by POST.
func TestGraphQLLost(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := newShelf(t)
		r := start(t, e, nil, fmt.Sprintf(`{`+quiet+`"host":[%q],"timeout":"30s","endpoints":[{"endpoint":"/books/{id}","backend":[`+find("", "")+`]},
			{"endpoint":"/books/{id}/reader","method":"PUT","backend":[{"url_pattern":"/","target":"data.lend","extra_config":{"backend/graphql":{"type":"mutation",
				"query":"mutation($id: Int!, $to: String!) { lend(id: $id, to: $to) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep"}}}]}]}`, s.URL))
		hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.instead.Store(nil)
			panic(http.ErrAbortHandler) // ends the connection
		})
		for _, tt := range []struct {
			method, path, body string
			status             int
			calls              int64
		}{{"GET", "/books/7", "", 200, 2}, {"PUT", "/books/8/reader", `{"to":"Grace"}`, 502, 1}} {
			for range 5 {
				if status, text := r.ask("GET", "/books/7", ""); status != 200 { // makes a connection
					t.Fatalf("%d %s", status, text)
				}
				before := s.calls.Load()
				s.instead.Store(&hang)
				status, text := r.ask(tt.method, tt.path, tt.body)
				if n := s.calls.Load() - before; status != tt.status || n != tt.calls {
					t.Errorf("%s: %d %s, sent %d times; want %d, %d times", tt.path, status, text, n, tt.status, tt.calls)
				}
			}
		}
	})
}

// TestGraphQLBreaker: errors of a server open the breaker, behind which nobody asks it, and it
// closes when the server is well again; another backend of the endpoint answers meanwhile.
func TestGraphQLBreaker(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, other := newShelf(t), newShelf(t)
		r := start(t, e, nil, fmt.Sprintf(`{`+quiet+`"timeout":"30s","endpoints":[{"endpoint":"/books/{id}","backend":[`+
			find(`"host":[%q],"group":"one",`, `"qos/circuit-breaker":{"interval":60,"timeout":1,"max_errors":3},`)+","+find(`"host":[%q],"group":"two",`, "")+`]}]}`, s.URL, other.URL))
		failing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"errors":[{"message":"no","extensions":{"code":"BUSY"}}]}`)
		})
		s.instead.Store(&failing)
		await(t, func() error {
			before := s.calls.Load()
			if status, text := r.ask("GET", "/books/7", ""); status != 200 || text != `{"two":{"id":7,"reader":"Ada"}}` {
				t.Errorf("behind %d errors: %d %s", before, status, text)
			}
			if n := s.calls.Load(); n != before || n < 3 {
				return fmt.Errorf("it is asked, behind %d errors", before)
			}
			return nil
		})
		s.instead.Store(nil)
		await(t, func() error {
			if status, text := r.ask("GET", "/books/7", ""); text != `{"one":{"id":7,"reader":"Ada"},"two":{"id":7,"reader":"Ada"}}` {
				return fmt.Errorf("well again: %d %s", status, text)
			}
			return nil
		})
	})
}

// TestGraphQLRedirects: an operation is sent on with its body where the backend says so, and
// is not sent in part otherwise.
func TestGraphQLRedirects(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := newShelf(t)
		moved := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if code, found := strings.CutPrefix(r.URL.Path, "/moved"); found {
				var status int
				fmt.Sscan(code, &status)
				http.Redirect(w, r, "/?"+r.URL.RawQuery, status)
				return
			}
			library(t).ServeHTTP(w, r)
		})
		s.instead.Store(&moved)
		backend := func(status int, get, sends bool) string {
			method := ""
			if get {
				method = `"method":"GET",`
			}
			return fmt.Sprintf(`{"endpoint":"/%d/%t/%t/{id}","backend":[{"url_pattern":"/moved%[1]d","target":"data.book","extra_config":{"backend/http/client":{"send_body_on_redirect":%[3]t},"backend/graphql":{"type":"query",%[4]s
				"errors_as_failure":true,"query":"query B($id: Int!) { book(id: $id) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep"}}}]}`, status, get, sends, method)
		}
		var endpoints []string
		for _, status := range []int{302, 303, 307, 308} {
			endpoints = append(endpoints, backend(status, false, false), backend(status, false, true), backend(status, true, false))
		}
		r := start(t, e, nil, fmt.Sprintf(`{`+quiet+`"host":[%q],"timeout":"30s","endpoints":[%s]}`, s.URL, strings.Join(endpoints, ",")))
		for _, status := range []int{302, 303, 307, 308} {
			for _, way := range []struct {
				get, sends bool
				good       bool
			}{{true, false, true}, {false, false, false}, {false, true, status >= 307}} {
				path := fmt.Sprintf("/%d/%t/%t/7", status, way.get, way.sends)
				got, text := r.ask("GET", path, "")
				if way.good && (got != 200 || text != `{"id":7,"reader":"Ada"}`) || !way.good && got != 502 {
					t.Errorf("%s: %d %s; good: %t", path, got, text, way.good)
				}
			}
		}
	})
}

// TestGraphQLReload: clients get whole answers while the configuration is loaded again, with the
// document that counted when they asked, and while the gateway stops.
func TestGraphQLReload(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, file := newShelf(t), filepath.Join(t.TempDir(), "book.graphql")
		write := func(fields string) {
			if err := os.WriteFile(file, []byte("query B($id: Int!) { book(id: $id) { "+fields+" } }"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("id reader")
		r := start(t, e, nil, fmt.Sprintf(`{`+quiet+`"max_shutdown_wait_time":"1m","host":[%q],"timeout":"1m","endpoints":[{"endpoint":"/books/{id}","backend":[{"url_pattern":"/","target":"data.book",
			"extra_config":{"backend/graphql":{"type":"query","query_path":%q,"variables":{"id":"{id}"},"interpolate":"deep"}}}]}]}`, s.URL, file))
		var over atomic.Bool
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for !over.Load() {
					if status, text := r.ask("GET", "/books/7", ""); status != 200 || text != `{"id":7,"reader":"Ada"}` && text != `{"id":7}` {
						t.Errorf("while it is loaded: %d %s", status, text)
					}
				}
			})
		}
		for i := range 20 {
			write([]string{"id", "id reader"}[i%2])
			r.reload(t)
		}
		write("id")
		r.reload(t)
		over.Store(true)
		clients.Wait()
		if status, text := r.ask("GET", "/books/7", ""); status != 200 || text != `{"id":7}` {
			t.Errorf("behind the reloads: %d %s", status, text)
		}

		came, release := make(chan struct{}), make(chan struct{})
		holding := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(came)
			<-release
			library(t).ServeHTTP(w, r)
		})
		s.instead.Store(&holding)
		answer := make(chan string)
		go func() {
			status, text := r.ask("GET", "/books/7", "")
			answer <- fmt.Sprint(status, " ", text)
		}()
		<-came
		write("reader")
		r.reload(t)
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		await(t, func() error {
			if status, _ := r.ask("GET", "/__health", ""); status == 200 {
				return fmt.Errorf("it serves still")
			}
			return nil
		})
		close(release)
		if got := <-answer; got != `200 {"id":7}` {
			t.Errorf("while it stops: %s", got)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
