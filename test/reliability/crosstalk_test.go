package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// The backend of the cross-talk finds the token of a request in its path, in its
// query, in its header and, where there is one, all through its body. Its answer
// says the token in its header and all through its body. A request that is made
// of two, or an answer that is another's, has two tokens.
const (
	tokenField = "X-Token"
	crossTimes = 200 // how often a token stands in a body
)

// crossDoors are endpoints of each kind that keeps something of a request:
// merges, races, sequences, shadows, a store, streams.
const crossDoors = `"endpoints":[
	{"endpoint":"/plain/{token}",$in"backend":[{"url_pattern":"/plain/{token}"}]},
	{"endpoint":"/post/{token}","method":"POST",$in"backend":[{"url_pattern":"/post/{token}"}]},
	{"endpoint":"/race/{token}","concurrent_calls":3,$in"backend":[{"url_pattern":"/race/{token}"}]},
	{"endpoint":"/merge/{token}",$in"backend":[{"url_pattern":"/a/{token}","group":"a"},{"url_pattern":"/b/{token}","group":"b"},{"url_pattern":"/c/{token}","group":"c"}]},
	{"endpoint":"/part/{token}",$in"backend":[{"url_pattern":"/a/{token}","group":"a"},{"url_pattern":"/breaks/{token}","group":"b"}]},
	{"endpoint":"/chain/{token}",$in"extra_config":{"proxy":{"sequential":true}},"backend":[{"url_pattern":"/first/{token}"},{"url_pattern":"/second/{resp0_token}","group":"b"}]},
	{"endpoint":"/shadow/{token}",$in"backend":[{"url_pattern":"/shadow/{token}"},{"url_pattern":"/shaded/{token}","extra_config":{"proxy":{"shadow":true}}}]},
	{"endpoint":"/cached/{token}",$in"backend":[{"url_pattern":"/cached/{token}","extra_config":{"qos/http-cache":{"shared":true,"max_items":100,"max_size":10000000}}}]},
	{"endpoint":"/stream/{token}","output_encoding":"no-op",$in"backend":[{"url_pattern":"/stream/{token}"}]},
	{"endpoint":"/upload/{token}","method":"POST","output_encoding":"no-op",$in"backend":[{"url_pattern":"/upload/{token}"}]}]`

// A crosser is the backend of the cross-talk.
type crosser struct {
	complaint atomic.Pointer[string]
	calls     atomic.Int64
}

func (c *crosser) complain(r *http.Request, format string, args ...any) {
	text := r.Method + " " + r.RequestURI + ": " + fmt.Sprintf(format, args...)
	c.complaint.CompareAndSwap(nil, &text)
}

// ServeHTTP checks that a request is one piece, and answers it.
func (c *crosser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.calls.Add(1)
	kind, token, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if field := r.Header.Get(tokenField); field != token || len(r.Header[tokenField]) != 1 {
		c.complain(r, "the header has the token %q", r.Header[tokenField])
	}
	if q := r.URL.RawQuery; q != "q="+token {
		c.complain(r, "the query is %q", q)
	}
	sent, err := io.ReadAll(r.Body)
	if err == nil && r.Method == http.MethodPost && string(sent) != strings.Repeat(token, crossTimes) {
		c.complain(r, "a whole body of %d bytes is not that of the request", len(sent))
	}
	if err == nil && r.Method != http.MethodPost && len(sent) > 0 {
		c.complain(r, "there is a body")
	}
	w.Header().Set(tokenField, token)
	switch kind {
	case "breaks":
		w.Header().Set("Content-Length", "1000000")
		io.WriteString(w, `{"token":"`)
		panic(http.ErrAbortHandler)
	case "cached":
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", tokenField)
	case "stream", "upload":
		for range 4 {
			io.WriteString(w, strings.Repeat(token, crossTimes/4))
			w.(http.Flusher).Flush()
		}
		return
	}
	fmt.Fprintf(w, `{"token":%q,"pad":%q}`, token, strings.Repeat(token, crossTimes))
}

// crossing is one request of the cross-talk, and what must come of it.
type crossing struct {
	door, method string
	want         func(token string) string // the body of a whole answer
	leaves       bool                      // the client goes away while the answer arrives
}

func crossObject(token string) string {
	return fmt.Sprintf(`{"token":%q,"pad":%q}`, token, strings.Repeat(token, crossTimes))
}

func crossGroups(names ...string) func(string) string {
	return func(token string) string {
		var parts []string
		for _, name := range names {
			parts = append(parts, fmt.Sprintf("%q:%s", name, crossObject(token)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
}

func crossChain(token string) string {
	return strings.TrimSuffix(crossObject(token), "}") + `,"b":` + crossObject(token) + "}"
}

func crossStream(token string) string { return strings.Repeat(token, crossTimes) }

var crossings = []crossing{
	{"plain", http.MethodGet, crossObject, false},
	{"post", http.MethodPost, crossObject, false},
	{"race", http.MethodGet, crossObject, false},
	{"merge", http.MethodGet, crossGroups("a", "b", "c"), false},
	{"part", http.MethodGet, crossGroups("a"), false},
	{"chain", http.MethodGet, crossChain, false},
	{"shadow", http.MethodGet, crossObject, false},
	{"cached", http.MethodGet, crossObject, false},
	{"stream", http.MethodGet, crossStream, false},
	{"stream", http.MethodGet, crossStream, true},
	{"upload", http.MethodPost, crossStream, false},
	{"upload", http.MethodPost, crossStream, true},
	{"merge", http.MethodGet, crossGroups("a", "b", "c"), true},
}

// TestCrossTalk sends requests of all kinds at once, over HTTP/1.1 and HTTP/2,
// each with a token of its own, while the configuration is loaded again and
// again. Every request that a backend sees is one piece, and every answer is
// the client's own.
func TestCrossTalk(t *testing.T) {
	for _, engine := range soakedEngines() {
		t.Run(engine, func(t *testing.T) { crossTalk(t, engine) })
	}
}

func crossTalk(t *testing.T, engine string) {
	noLeaks(t)
	requests := *soakSize
	switch {
	case requests > 0:
	case testing.Short():
		requests = 1_000
	case testx.Race:
		requests = 2_000
	default:
		requests = 6_000
	}
	c := new(crosser)
	url, _ := serve(t, "127.0.0.1:0", c.ServeHTTP)
	text := func(round int64) string {
		doors := strings.ReplaceAll(crossDoors, "$in", `"input_headers":["`+tokenField+`"],"input_query_strings":["q"],`)
		return fmt.Sprintf(`{%s"dialect":"sluice","engine":%q,"use_h2c":true,"timeout":"60s","name":"%d","host":[%q],%s}`, quiet, engine, round, url, doors)
	}
	g := start(t, text(0))
	clients := []*http.Client{newClient(t), newClient(t)}
	http2 := clients[1].Transport.(*http.Transport)
	http2.Protocols = new(http.Protocols)
	http2.Protocols.SetUnencryptedHTTP2(true)
	every := max(100, requests/200)
	complaint := load(requests, 24, func(i int) string {
		if i%every == 0 {
			next := text(int64(i))
			g.config.Store(&next)
			if problems, err := g.Load(t.Context()); err != nil {
				return fmt.Sprintf("reload: %v\n%s", err, config.Format(problems))
			}
		}
		k := crossings[i%len(crossings)]
		token := fmt.Sprintf("%x-%x.", i, uint32(i)*0x9e3779b1)
		if k.door == "cached" {
			token = fmt.Sprintf("%d.", i%150) // asked for again, and more than the store has room for
		}
		if text := cross(t.Context(), clients[i/len(crossings)%2], g.url, token, k); text != "" {
			return fmt.Sprintf("request %d, %+s, token %s: %s", i, k.door, token, text)
		}
		if text := c.complaint.Load(); text != nil {
			return *text
		}
		return ""
	})
	if complaint != "" {
		t.Fatal(complaint)
	}
	if calls := c.calls.Load(); calls < int64(requests) {
		t.Errorf("%d calls for %d requests, which is less than the endpoints make", calls, requests)
	}
}

// cross makes a request and says what is wrong with its answer.
func cross(ctx context.Context, client *http.Client, url, token string, k crossing) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var body io.Reader
	if k.method == http.MethodPost {
		body = strings.NewReader(strings.Repeat(token, crossTimes))
	}
	r, err := http.NewRequestWithContext(ctx, k.method, url+"/"+k.door+"/"+token+"?q="+token, body)
	if err != nil {
		return err.Error()
	}
	r.Header.Set(tokenField, token)
	res, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	want := k.want(token)
	if k.leaves {
		got, err := io.ReadAll(io.LimitReader(res.Body, int64(len(token))))
		cancel() // the connection with it, and on HTTP/2 the stream
		if err == nil && !strings.HasPrefix(want, string(got)) {
			return fmt.Sprintf("the answer begins with %q", got)
		}
		return ""
	}
	got, err := io.ReadAll(res.Body)
	if err = errors.Join(err, ctx.Err()); err != nil || res.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Sprintf("%d %q %v, want %q", res.StatusCode, got, err, want)
	}
	if field := res.Header.Get(tokenField); field != "" && field != token {
		return "the header of the answer has the token " + field
	}
	return ""
}
