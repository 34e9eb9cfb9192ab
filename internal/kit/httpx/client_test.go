package httpx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

var engines = []engine.Engine{fast.Engine, nethttp.Engine}

// over runs a test with a client over each engine, and a real server that h answers at.
func over(t *testing.T, h http.HandlerFunc, test func(t *testing.T, c *http.Client, at string)) {
	for _, e := range engines {
		t.Run(e.Name, func(t *testing.T) {
			backend := httptest.NewServer(h)
			defer backend.Close()
			c := e.NewClient(model.Transport{}, nil)
			defer c.Close()
			test(t, Client(c), backend.URL)
		})
	}
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestClient makes calls of all kinds to a server that tells what it has got.
func TestClient(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		w.Header()["X-Many"] = []string{"1", "2"}
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		fmt.Fprintf(w, "%s %s %s %d %v %q", r.Method, r.Host, r.RequestURI, r.ContentLength, r.Header, got)
	}, func(t *testing.T, c *http.Client, at string) {
		host := strings.TrimPrefix(at, "http://")
		tests := []struct {
			name   string
			method string
			url    string
			header http.Header
			body   io.Reader
			want   string
		}{
			{"get", "", at, nil, nil, `GET HOST / 0 map[] ""`},
			{"a path as it is", "GET", at + "/a%2Fb/%c3%a9//.?q=a+b&&x=%zz", nil, nil, `GET HOST /a%2Fb/%c3%a9//.?q=a+b&&x=%zz 0 map[] ""`},
			{"fields", "GET", at, http.Header{"x-small": {"1"}, "X-Two": {"1", "2"}, "Keep-Alive": {"1"}, "X-None": nil}, nil, `GET HOST / 0 map[X-Small:[1] X-Two:[1 2]] ""`},
			{"user and password", "GET", strings.Replace(at, "//", "//ann:secret@", 1), nil, nil, `GET HOST / 0 map[Authorization:[Basic YW5uOnNlY3JldA==]] ""`},
			{"a body", "POST", at, nil, strings.NewReader("abc"), `POST HOST / 3 map[Content-Length:[3]] "abc"`},
			{"a body of unknown size", "PUT", at, nil, io.MultiReader(strings.NewReader("abc")), `PUT HOST / -1 map[] "abc"`},
			{"no body", "POST", at, nil, http.NoBody, `POST HOST / 0 map[Content-Length:[0]] ""`},
			{"opaque", "GET", "", nil, nil, `GET HOST /x%2Fy?a 0 map[] ""`},
		}
		for _, tt := range tests {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.url == "" {
				r.URL = &url.URL{Scheme: "http", Host: host, Opaque: "//" + host + "/x%2Fy", RawQuery: "a"}
				r.Host = host
			}
			if tt.header != nil {
				r.Header = tt.header
			}
			res, err := c.Do(r)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			got := text(t, res.Body)
			res.Body.Close()
			if got = strings.ReplaceAll(got, host, "HOST"); got != tt.want {
				t.Errorf("%s: the server got %s, want %s", tt.name, got, tt.want)
			}
			if res.Status != "200 OK" || fmt.Sprint(res.Header["X-Many"]) != "[1 2]" || res.Header["X-Hop"] != nil || res.Header["Connection"] != nil || res.ContentLength < 0 {
				t.Errorf("%s: the client got %s, %v, %d bytes", tt.name, res.Status, res.Header, res.ContentLength)
			}
		}
	})
}

// TestStreams reads an answer while it is written, and a request while it is sent.
func TestStreams(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.(http.Flusher).Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "%s!\n", lines.Text())
			w.(http.Flusher).Flush()
		}
	}, func(t *testing.T, c *http.Client, at string) {
		upload, say := io.Pipe()
		res, err := c.Post(at, "text/plain", upload)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		hear := bufio.NewReader(res.Body)
		for _, word := range []string{"a", "b", "c"} {
			fmt.Fprintln(say, word)
			if got, err := hear.ReadString('\n'); got != word+"!\n" {
				t.Fatalf("said %q, heard %q, %v", word, got, err)
			}
		}
		say.Close()
		if rest := text(t, hear); rest != "" {
			t.Errorf("heard %q behind the end", rest)
		}
	})
}

// TestTrailers reads what comes behind an answer, which is asked for by TE.
func TestTrailers(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, r.Header["Te"])
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header()[http.TrailerPrefix+"X-More"] = []string{"2", "3"}
	}, func(t *testing.T, c *http.Client, at string) {
		for _, te := range []string{"", "trailers"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", at, nil)
			if err != nil {
				t.Fatal(err)
			}
			if te != "" {
				r.Header.Set("Te", te)
			}
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got := text(t, res.Body)
			res.Body.Close()
			if got != "["+te+"]" || fmt.Sprint(res.Trailer) != "map[X-More:[2 3] X-Sum:[1]]" {
				t.Errorf("TE %q: the server got %s, the trailers are %v", te, got, res.Trailer)
			}
		}
	})
}

// TestNoBody shows answers that have none.
func TestNoBody(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "1000")
			if r.Method != "HEAD" {
				io.WriteString(w, strings.Repeat("x", 1000))
			}
		}
	}, func(t *testing.T, c *http.Client, at string) {
		for path, length := range map[string]int64{"/204": 0, "/304": 0, "/": 1000} {
			r, err := http.NewRequestWithContext(t.Context(), "HEAD", at+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, res.Body); got != "" || res.ContentLength != length {
				t.Errorf("%s: %q, of %d bytes, want none of %d", path, got, res.ContentLength, length)
			}
			res.Body.Close()
		}
	})
}

// TestRedirects follows none unless it is asked to.
func TestRedirects(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
		}
	}, func(t *testing.T, c *http.Client, at string) {
		for _, follows := range []bool{false, true} {
			if follows {
				c.CheckRedirect = nil
			}
			res, err := c.Get(at)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if want := map[bool]int{false: 302, true: 200}[follows]; res.StatusCode != want || res.Request.URL.Path == "/next" != follows {
				t.Errorf("follows %t: %d of %s, want %d", follows, res.StatusCode, res.Request.URL, want)
			}
		}
	})
}

// TestFailures says why there is no answer, as users of net/http ask.
func TestFailures(t *testing.T) {
	hanging := make(chan struct{})
	t.Cleanup(func() { close(hanging) })
	over(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hangs":
			select {
			case <-r.Context().Done():
			case <-hanging:
			}
		case "/breaks":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/stops":
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}, func(t *testing.T, c *http.Client, at string) {
		get := func(ctx context.Context, path string) (*http.Response, error) {
			r, err := http.NewRequestWithContext(ctx, "GET", at+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Do(r)
		}
		soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := get(soon, "/hangs")
		if slow, ok := errors.AsType[net.Error](err); !ok || !slow.Timeout() || !errors.Is(err, context.DeadlineExceeded) || gateway.AsError(err).Code != gateway.CodeTimeout {
			t.Errorf("a deadline: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		_, err = get(gone, "/hangs")
		if slow, ok := errors.AsType[net.Error](err); !ok || slow.Timeout() || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		res, err := get(t.Context(), "/breaks")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("an answer that breaks off: %v", err)
		}
		reading, stop := context.WithCancel(t.Context())
		if res, err = get(reading, "/stops"); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 3)
		io.ReadFull(res.Body, first)
		stop()
		if _, err = io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while reading: %v", err)
		}
		res.Body.Close()
		if res, err = get(t.Context(), "/stops"); err != nil {
			t.Fatal(err)
		}
		io.ReadFull(res.Body, first)
		read := make(chan error)
		go func() {
			_, err := io.ReadAll(res.Body)
			read <- err
		}()
		res.Body.Close()
		if err := <-read; err == nil {
			t.Error("closed while reading: no error")
		}
	})
	for _, e := range engines {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		c := e.NewClient(model.Transport{}, nil)
		defer c.Close()
		if _, err := Client(c).Get("http://" + l.Addr().String()); !errors.Is(err, gateway.ErrUnreached) {
			t.Errorf("%s: nobody listens: %v", e.Name, err)
		}
	}
}

type closing struct {
	io.Reader
	closed atomic.Int32
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return nil
}

// TestRefused says what cannot be sent as it is, and closes its body.
func TestRefused(t *testing.T) {
	c := Client(gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error {
		t.Error("it was sent")
		return nil
	}))
	for name, change := range map[string]func(*http.Request){
		"another host": func(r *http.Request) { r.Host = "other.test" },
		"trailers":     func(r *http.Request) { r.Trailer = http.Header{"X-Sum": nil} },
		"no scheme":    func(r *http.Request) { r.URL.Scheme = "ftp" },
	} {
		b := &closing{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://a.test/", b)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		if _, err := c.Do(r); err == nil || b.closed.Load() == 0 {
			t.Errorf("%s: %v, the body was closed %d times", name, err, b.closed.Load())
		}
	}
}

// TestPort: a host is the same with the port that its scheme has, and is sent as the request has
// it, which may be signed.
func TestPort(t *testing.T) {
	for _, tt := range []struct{ url, host, want string }{
		{"http://a.test:80/", "a.test", "a.test"},
		{"https://a.test:443/", "a.test", "a.test"},
		{"http://a.test/", "a.test:80", "a.test:80"},
		{"http://a.test:80/", "", "a.test:80"},
		{"http://[::1]:80/", "[::1]", "[::1]"},
		{"https://a.test:80/", "a.test", ""},
		{"http://a.test/", "b.test", ""},
	} {
		got := ""
		c := Client(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			got = x.Request.Host
			return errors.New("nobody")
		}))
		r, err := http.NewRequest("GET", tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		c.Do(r) // which fails
		if got != tt.want {
			t.Errorf("%s with %q is sent to %q, want %q", tt.url, tt.host, got, tt.want)
		}
	}
}

// TestReleased gives each exchange back once, whatever becomes of its answer, and closes
// the body of the request with it.
func TestReleased(t *testing.T) {
	tests := []struct {
		name   string
		answer func(x *gateway.Exchange) error
		read   func(res *http.Response)
	}{
		{"a failure", func(*gateway.Exchange) error { return &gateway.Error{Code: gateway.CodeNoHost} }, nil},
		{"empty", func(*gateway.Exchange) error { return nil }, nil},
		{"in memory", memory, func(res *http.Response) { res.Body.Close() }},
		{"in memory, read", memory, func(res *http.Response) { io.ReadAll(res.Body) }},
		{"a tree", func(x *gateway.Exchange) error { x.Response.Body.SetTree(map[string]any{"a": 1}); return nil }, func(res *http.Response) { io.ReadAll(res.Body); res.Body.Close() }},
		{"closed", stream, func(res *http.Response) { res.Body.Close() }},
		{"closed twice", stream, func(res *http.Response) { res.Body.Close(); res.Body.Close() }},
		{"read to its end", stream, func(res *http.Response) { io.ReadAll(res.Body) }},
		{"read and closed", stream, func(res *http.Response) { io.ReadAll(res.Body); res.Body.Close(); io.ReadAll(res.Body) }},
		{"closed by several", stream, func(res *http.Response) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { res.Body.Close() })
			}
			wg.Wait()
		}},
	}
	for _, tt := range tests {
		released := 0
		c := Client(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.OnRelease(func() { released++ })
			x.Response.Status = 200
			return tt.answer(x)
		}))
		b := &closing{Reader: strings.NewReader("x")}
		res, err := c.Post("http://a.test/", "text/plain", b)
		if tt.read != nil {
			tt.read(res)
		}
		if released != 1 || b.closed.Load() != 1 || (err != nil) != (tt.name == "a failure") {
			t.Errorf("%s: released %d times, the body closed %d times, %v", tt.name, released, b.closed.Load(), err)
		}
	}
}

func memory(x *gateway.Exchange) error {
	x.Response.Body = body.FromBytes([]byte("abc"))
	return nil
}

func stream(x *gateway.Exchange) error {
	x.Response.Body = body.FromStream(io.NopCloser(strings.NewReader("abc")), -1)
	return nil
}

// TestKept keeps what was answered when the memory of the exchange is somebody else's.
func TestKept(t *testing.T) {
	over(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Path", r.URL.Path)
		io.WriteString(w, r.URL.Path)
	}, func(t *testing.T, c *http.Client, at string) {
		var kept []*http.Response
		for i := range 20 {
			res, err := c.Get(fmt.Sprintf("%s/%d", at, i))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			kept = append(kept, res)
		}
		for i, res := range kept {
			if want := fmt.Sprintf("/%d", i); res.Header.Get("X-Path") != want {
				t.Errorf("the answer to %s is that to %s now", want, res.Header.Get("X-Path"))
			}
		}
	})
}

// TestClientTimeout bounds a call by the client's own limit, reading included.
func TestClientTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		defer out.Close()
		c := Client(gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
			x.Response.Status, x.Response.Body = 200, body.FromStream(in, -1)
			return nil
		}))
		c.Timeout = time.Second
		res, err := c.Get("http://a.test/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		if slow, ok := errors.AsType[net.Error](err); !ok || !slow.Timeout() {
			t.Errorf("%v, want a timeout", err)
		}
	})
}
