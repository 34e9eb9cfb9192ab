//go:build !slim

package lambda

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/body"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/httpbackend"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/pubsub" // another connector
	_ "github.com/sluice-gateway/sluice/internal/components/proxy"          // sequences
	_ "github.com/sluice-gateway/sluice/internal/components/qos/circuitbreaker"
	_ "github.com/sluice-gateway/sluice/internal/components/qos/httpcache"
	_ "github.com/sluice-gateway/sluice/internal/components/qos/ratelimit"
	_ "github.com/sluice-gateway/sluice/internal/components/validation/cel"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
	"github.com/sluice-gateway/sluice/test/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const inSluice = `"dialect": "sluice",`

// surroundings returns a gateway over real connections, with the credentials of awstest.
func surroundings(t testing.TB) *sitetest.Gateway {
	t.Helper()
	g := sitetest.New(t)
	e := fast.Engine.NewClient(model.Transport{}, nil)
	t.Cleanup(func() { e.Close() })
	g.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) { return e, nil }
	g.Env.Getenv = awstest.Environment
	return g
}

// asking returns what asks an endpoint whose backend is a function at the server.
func asking(t testing.TB, s *awstest.Server, dialect, endpoint, backend, options string) func(ctx context.Context, r testx.Request) sitetest.Answer {
	t.Helper()
	generation := surroundings(t).Compile(t, document(s.URL, dialect, endpoint, backend, options))
	return func(ctx context.Context, r testx.Request) sitetest.Answer {
		t.Helper()
		return sitetest.AskIn(ctx, t, generation, r)
	}
}

func document(url, dialect, endpoint, backend, options string) string {
	return fmt.Sprintf(`{"version": 3, %s "endpoints": [{%s "timeout": "1m",
		"backend": [{"url_pattern": "/f", "host": ["ignore"], %s "extra_config": {"backend/lambda": {"endpoint": %q, %s}}}]}]}`,
		dialect, endpoint, backend, url, options)
}

// seen is what a function was called with.
type seen struct {
	mu    sync.Mutex
	paths []string
	texts []string
}

func (s *seen) take() (path, text string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = len(s.paths); n > 0 {
		path, text = s.paths[n-1], s.texts[n-1]
	}
	s.paths, s.texts = nil, nil
	return path, text, n
}

// answering starts a server whose functions all give one answer.
func answering(t testing.TB, answer func(w http.ResponseWriter, r *http.Request)) (*awstest.Server, *seen) {
	t.Helper()
	var s seen
	return awstest.New(t, "lambda", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.paths, s.texts = append(s.paths, r.Method+" "+r.URL.EscapedPath()), append(s.texts, string(text))
		s.mu.Unlock()
		answer(w, r)
	}), &s
}

// says answers with a status and a text.
func says(status int, header, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for line := range strings.Lines(header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

const version = "X-Amz-Executed-Version: 7"

// TestPayload: the method of the backend decides what the function gets.
func TestPayload(t *testing.T) {
	const named = `"function_name": "orders"`
	tests := []struct {
		name, endpoint, backend, options string
		method, path, query, body        string
		wantPath, want                   string
	}{
		{"GET sends the parameters, lower-cased", `"endpoint": "/ok/{foo}/{userId}",`, "", named,
			"GET", "/ok/V1/a%22b", "q=1", "", "orders", `{"foo":"V1","userid":"a\"b"}` + "\n"},
		{"no parameters", `"endpoint": "/ok",`, "", named, "GET", "/ok", "", "", "orders", "{}\n"},
		{"POST sends the body", `"endpoint": "/ok/{foo}", "method": "POST",`, "", named,
			"POST", "/ok/1", "", "{ \"a\" :\t1 }\x00", "orders", "{ \"a\" :\t1 }\x00"},
		{"an empty body", `"endpoint": "/ok", "method": "POST",`, "", named, "POST", "/ok", "", "", "orders", ""},
		{"POST at the endpoint, GET at the backend", `"endpoint": "/ok/{foo}", "method": "POST",`, `"method": "GET",`, named,
			"POST", "/ok/1", "", `{"lost":true}`, "orders", `{"foo":"1"}` + "\n"},
		{"GET at the endpoint, POST at the backend", `"endpoint": "/ok/{foo}",`, `"method": "POST",`, named, "GET", "/ok/1", "", "", "orders", ""},
		{"a version", `"endpoint": "/ok",`, "", `"function_name": "orders:live"`, "GET", "/ok", "", "", "orders%3Alive", "{}\n"},
		{"a partial ARN", `"endpoint": "/ok",`, "", `"function_name": "123456789012:function:orders"`, "GET", "/ok", "", "", "123456789012%3Afunction%3Aorders", "{}\n"},
		{"an ARN", `"endpoint": "/ok",`, "", `"function_name": "arn:aws:lambda:eu-west-1:123456789012:function:orders:$LATEST"`,
			"GET", "/ok", "", "", "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aorders%3A%24LATEST", "{}\n"},
		{"a parameter names it", `"endpoint": "/f/{lambda}",`, "", `"function_param_name": "Lambda"`, "GET", "/f/orders:7", "", "", "orders%3A7", `{"lambda":"orders:7"}` + "\n"},
		{"the parameter of the defaults", `"endpoint": "/f/{function}",`, "", ``, "GET", "/f/orders", "", "", "orders", `{"function":"orders"}` + "\n"},
		{"the same with a capital letter", `"endpoint": "/f/{Function}",`, "", ``, "GET", "/f/orders", "", "", "orders", `{"function":"orders"}` + "\n"},
	}
	s, seen := answering(t, says(200, "", `{}`))
	for _, tt := range tests {
		options := strings.TrimSuffix(`"max_retries": 0, `+tt.options, ", ")
		ask := asking(t, s, "", tt.endpoint, tt.backend, options)
		got := ask(t.Context(), testx.Request{Method: tt.method, Path: tt.path, Query: tt.query, Body: tt.body})
		path, text, n := seen.take()
		if want := "POST /2015-03-31/functions/" + tt.wantPath + "/invocations"; got.Status != 200 || path != want || text != tt.want || n != 1 {
			t.Errorf("%s: status %d (%v), %d calls, %s with %q; want %s with %q", tt.name, got.Status, got.Err, n, path, text, want, tt.want)
		}
	}
	if s.Wrong() != 0 {
		t.Errorf("%d calls were not signed rightly", s.Wrong())
	}
}

// TestAnswer has the rows of what a client sees.
func TestAnswer(t *testing.T) {
	const failed = "X-Amz-Function-Error: Unhandled\n" + version
	tests := []struct {
		name            string
		status          int
		header, text    string
		backend         string
		options         string
		krakend, sluice int
		want            string // of answers of 200
	}{
		{"an object", 200, version, `{"a":1,"b":2}`, `"allow": ["a"],`, "", 200, 200, `{"a":1}`},
		{"null", 200, version, `null`, "", "", 200, 200, `null`},
		{"a list", 200, version, `[1]`, "", "", 500, 502, ""},
		{"a list that is one", 200, version, `[1]`, `"is_collection": true,`, "", 200, 200, `{"collection":[1]}`},
		{"a text", 200, version, `"a"`, "", "", 500, 502, ""},
		{"a number", 200, version, `7`, "", "", 500, 502, ""},
		{"garbage", 200, version, "\x00{", "", "", 500, 502, ""},
		{"the shape of an integration is data", 200, version, `{"statusCode":404,"body":"x"}`, "", "", 200, 200, `{"statusCode":404,"body":"x"}`},
		{"a function that threw", 200, failed, `{"errorMessage":"oh","errorType":"Bad"}`, "", "", 500, 502, ""},
		{"the same, with a status", 200, failed, `{"errorMessage":"oh","errorType":"Bad"}`, "", `, "function_error_status": 418`, 418, 418, ""},
		{"the same, and garbage", 200, failed, "\x00", "", "", 500, 502, ""},
		{"refused", 403, "X-Amzn-Errortype: AccessDeniedException", `{"Message":"no"}`, "", "", 403, 502, ""},
		{"throttled", 429, "X-Amzn-Errortype: TooManyRequestsException", `{"Message":"no"}`, "", "", 429, 502, ""},
		{"AWS fails", 500, "", `oops`, "", "", 500, 502, ""},
		{"the status of AWS, asked for", 404, "X-Amzn-Errortype: ResourceNotFoundException", `{"Message":"no"}`, "", `, "forward_aws_status": true`, 404, 404, ""},
		{"the status of AWS, not asked for", 404, "", `{"Message":"no"}`, "", `, "forward_aws_status": false`, 502, 502, ""},
		{"accepted", 202, "", ``, "", "", 500, 502, ""},
		{"no content", 204, "", ``, "", "", 500, 502, ""},
		{"no status of HTTP", 600, "", `{"Message":"no"}`, "", `, "forward_aws_status": true`, 502, 502, ""},
		{"a redirect", 302, "Location: http://example.com/", ``, "", "", 502, 502, ""},
		{"too long", 200, "", `{"a":"` + strings.Repeat("x", 2000) + `"}`, `"max_response_bytes": 1000,`, "", 500, 502, ""},
	}
	for _, tt := range tests {
		s, _ := answering(t, says(tt.status, tt.header, tt.text))
		for dialect, want := range map[string]int{"": tt.krakend, inSluice: tt.sluice} {
			ask := asking(t, s, dialect, `"endpoint": "/x",`, tt.backend, `"function_name": "f"`+tt.options)
			got := ask(t.Context(), testx.Request{Path: "/x"})
			switch {
			case got.Status != want:
				t.Errorf("%s: status %d, want %d; %v", tt.name, got.Status, want, got.Err)
			case want == 200 && (got.Text != tt.want || got.Header.Get("X-Amz-Executed-Version") != "7"):
				t.Errorf("%s: got %q %v, want %q and the version", tt.name, got.Text, got.Header, tt.want)
			case want != 200 && dialect == "" && got.Text != "":
				t.Errorf("%s: got %q of a failure", tt.name, got.Text)
			case want != 200 && (strings.Contains(got.Text, "oh") || strings.Contains(got.Text, s.URL)):
				t.Errorf("%s: got %q, which is for the operator", tt.name, got.Text)
			}
		}
	}
}

// TestStream: no-op passes the payload on as it comes, whatever it is.
func TestStream(t *testing.T) {
	release := make(chan struct{})
	s, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Executed-Version", "7")
		io.WriteString(w, `[1,`)
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, ` 2]`)
	})
	ask := asking(t, s, inSluice, `"endpoint": "/x", "output_encoding": "no-op",`, `"encoding": "no-op",`, `"function_name": "f"`)
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	got := ask(t.Context(), testx.Request{Path: "/x"})
	versions := got.Header.AppendValues(nil, "X-Amz-Executed-Version")
	if got.Status != 200 || got.Text != `[1, 2]` || got.Header.Get("Content-Type") != "application/json" || !slices.Equal(versions, []string{"7"}) {
		t.Errorf("got %d %q %v", got.Status, got.Text, got.Header)
	}
}

// TestIntegration: the event and the answer of API Gateway.
func TestIntegration(t *testing.T) {
	s, seen := answering(t, says(200, version, `{"statusCode": 201, "headers": {"x-one": "1", "Connection": "close", "Content-Length": "99", "content-type": "text/plain"},
		"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "X-One": ["1"]}, "body": "aGk=", "isBase64Encoded": true}`))
	ask := asking(t, s, inSluice, `"endpoint": "/x/{id}", "method": "POST", "output_encoding": "no-op", "input_headers": ["X-Tenant"], "input_query_strings": ["q"],`,
		`"encoding": "no-op", `, `"function_name": "f", "payload_format": "apigw"`)
	got := ask(t.Context(), testx.Request{Method: "POST", Path: "/x/7%20a", Query: "q=a%26b&q=c&other=1", Body: "\xff",
		Header: gateway.Fields{{Name: "X-Tenant", Value: "t"}, {Name: "X-Other", Value: "o"}}})
	header := make(map[string][]string)
	for _, f := range got.Header {
		header[f.Name] = append(header[f.Name], f.Value)
	}
	if got.Status != 201 || got.Text != "hi" || fmt.Sprint(header["Set-Cookie"], header["X-One"], header["Content-Type"]) != "[a=1 b=2] [1] [text/plain]" ||
		got.Header.Has("Connection") || got.Header.Has("Content-Length") || got.Header.Get("X-Amz-Executed-Version") != "7" {
		t.Errorf("got %d %q %v, %v", got.Status, got.Text, got.Header, got.Err)
	}
	_, text, _ := seen.take()
	var event struct {
		Version, Resource, Path, HTTPMethod, Body string
		Headers, QueryStringParameters            map[string]string
		MultiValueQueryStringParameters           map[string][]string
		PathParameters                            map[string]string
		IsBase64Encoded                           bool
		RequestContext                            struct {
			ResourcePath, HTTPMethod, Stage, DomainName, RequestTime string
			RequestTimeEpoch                                         int64
		}
	}
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if event.Version != "1.0" || event.Resource != "/x/{id}" || event.Path != "/f" || event.HTTPMethod != "POST" || event.Body != "/w==" || !event.IsBase64Encoded ||
		event.Headers["X-Tenant"] != "t" || event.Headers["X-Other"] != "" || event.QueryStringParameters["q"] != "c" || event.QueryStringParameters["other"] != "" ||
		!slices.Equal(event.MultiValueQueryStringParameters["q"], []string{"a&b", "c"}) || event.PathParameters["id"] != "7 a" || event.RequestContext.ResourcePath != "/x/{id}" {
		t.Errorf("the event is %s", text)
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", event.RequestContext.RequestTime)
	if c := event.RequestContext; err != nil || at.Unix() != c.RequestTimeEpoch/1000 || c.Stage != "$default" || event.Headers["Host"] == "" ||
		!strings.HasPrefix(event.Headers["Host"], c.DomainName) || c.DomainName == "" {
		t.Errorf("when and where is not in %s, %v", text, err)
	}
}

// TestIntegrationHeader: what becomes of the header that a function answers with.
func TestIntegrationHeader(t *testing.T) {
	const packed = `"isBase64Encoded": true, "body": "H4sIAAAAAAACA6tWSlSyMqwFAK+sG1YHAAAA"`
	tests := []struct {
		name, text, encoding string // that the client takes
		want                 string // of a client
	}{
		{"null is none", `{"statusCode": 204, "headers": {"X-A": null, "X-B": "1"}, "multiValueHeaders": {"Content-Type": [null], "X-C": null, "X-D": [null, "2"]}}`, "", `204 [{X-B 1} {X-D 2}] ""`},
		{"no type", `{"statusCode": 200, "body": "{\"a\":1}"}`, "", `200 [{Content-Type application/json}] "{\"a\":1}"`},
		{"no type, empty", `{"statusCode": 200, "body": ""}`, "", `200 [] ""`},
		{"two spellings of a name", `{"statusCode": 200, "headers": {"content-type": "a/a", "Content-Type": "b/b", "set-cookie": "a=1", "Set-Cookie": "b=2"}}`, "", `200 [{Content-Type a/a} {Set-Cookie b=2} {Set-Cookie a=1}] ""`},
		{"one in both objects", `{"statusCode": 200, "headers": {"Location": "/a"}, "multiValueHeaders": {"Location": ["/b"]}}`, "", `200 [{Location /a}] ""`},
		{"packed for nobody", `{"statusCode": 200, "headers": {"Content-Type": "a/a", "Content-Encoding": "gzip", "ETag": "\"1\""}, ` + packed + `}`, "", `200 [{Content-Type a/a} {Etag W/"1"}] "{\"a\":1}"`},
		{"packed for who asks", `{"statusCode": 200, "headers": {"Content-Encoding": "gzip", "Content-Type": "a/a"}, ` + packed + `}`, "gzip", `200 [{Content-Encoding gzip} {Content-Type a/a}] "\x1f`},
	}
	for _, tt := range tests {
		s, _ := answering(t, says(200, "", tt.text))
		for _, dialect := range []string{"", inSluice} {
			ask := asking(t, s, dialect, `"endpoint": "/x", "output_encoding": "no-op", "input_headers": ["Accept-Encoding"],`, `"encoding": "no-op", `, `"function_name": "f", "payload_format": "apigw"`)
			r := testx.Request{Path: "/x"}
			if tt.encoding != "" {
				r.Header.Add("Accept-Encoding", tt.encoding)
			}
			a := ask(t.Context(), r)
			header := slices.DeleteFunc(slices.Clone(a.Header), func(f gateway.Field) bool { return strings.HasPrefix(f.Name, "X-") && len(f.Name) > len("X-A") })
			if got := fmt.Sprintf("%d %v %q", a.Status, []gateway.Field(header), a.Text); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s: %.200s, %v, want %s", tt.name, got, a.Err, tt.want)
			}
		}
	}
	s, _ := answering(t, says(200, "", `{"statusCode": 200, "headers": {"Content-Encoding": "gzip"}, `+packed+`}`))
	if got := asking(t, s, inSluice, `"endpoint": "/x",`, "", `"function_name": "f", "payload_format": "apigw"`)(t.Context(), testx.Request{Path: "/x"}); got.Text != `{"a":1}` {
		t.Errorf("packed and decoded: %d %.80q, %v", got.Status, got.Text, got.Err)
	}
}

// TestIntegrationDecoded: status and body are judged and decoded as those of a service.
func TestIntegrationDecoded(t *testing.T) {
	tests := []struct {
		text    string
		krakend int
		sluice  int
		want    string
	}{
		{`{"statusCode": 200, "body": "{\"a\":1}", "headers": null}`, 200, 200, `{"a":1}`},
		{`{"statusCode": "200", "body": "{\"a\":1}", "headers": {"X-A": 1, "X-B": true}}`, 200, 200, `{"a":1}`},
		{`{"statusCode": 404, "body": "{\"a\":1}"}`, 500, 502, ""},
		{`{"statusCode": 200, "body": "no"}`, 500, 502, ""},
		{`{"statusCode": 200, "body": {"a": 1}}`, 500, 502, ""},
		{`{"statusCode": 101}`, 500, 502, ""},
		{`{"statusCode": 2e2}`, 500, 502, ""},
		{`{"a": 1}`, 500, 502, ""},
		{`null`, 500, 502, ""},
		{`[]`, 500, 502, ""},
		{`{"statusCode": 200, "headers": {"X\r\nY": "1"}, "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "headers": {"X": "a\r\nY: b"}, "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "headers": {"X": " a\r\n"}, "body": "{\"a\":1}"}`, 200, 200, `{"a":1}`},
		{`{"statusCode": 200, "headers": {"X": "a\u2028"}, "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "headers": {"X": ["a"]}, "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "headers": [], "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "isBase64Encoded": true, "body": "{}"}`, 500, 502, ""},
		{`{"statusCode": 200, "isBase64Encoded": 1, "body": "{}"}`, 500, 502, ""},
	}
	for _, tt := range tests {
		s, _ := answering(t, says(200, version, tt.text))
		for dialect, want := range map[string]int{"": tt.krakend, inSluice: tt.sluice} {
			ask := asking(t, s, dialect, `"endpoint": "/x",`, "", `"function_name": "f", "payload_format": "apigw"`)
			got := ask(t.Context(), testx.Request{Path: "/x"})
			if got.Status != want || want == 200 && got.Text != tt.want {
				t.Errorf("%s: got %d %q, want %d %q; %v", tt.text, got.Status, got.Text, want, tt.want, got.Err)
			}
		}
	}
}

// TestRetries: a call is made again as often as max_retries says.
func TestRetries(t *testing.T) {
	tests := []struct {
		options string
		calls   int
	}{
		{``, 1}, {`"max_retries": 0,`, 1}, {`"max_retries": 1,`, 2}, {`"max_retries": -1,`, 3},
	}
	for _, tt := range tests {
		s, seen := answering(t, says(500, "", `{"Message":"again"}`))
		ask := asking(t, s, "", `"endpoint": "/x",`, "", tt.options+`"function_name": "f"`)
		got := ask(t.Context(), testx.Request{Path: "/x"})
		if _, _, n := seen.take(); n != tt.calls || got.Status != 500 {
			t.Errorf("%s: %d calls, status %d; want %d", tt.options, n, got.Status, tt.calls)
		}
	}
}

// TestRetriesOfMany: that many calls have failed takes no retry from another one.
func TestRetriesOfMany(t *testing.T) {
	const requests = 120 // the SDK has retries for 100
	s, seen := answering(t, says(500, "", `{"Message":"again"}`))
	ask := asking(t, s, "", `"endpoint": "/x",`, "", `"max_retries": 1, "function_name": "f"`)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() { ask(t.Context(), testx.Request{Path: "/x"}) })
	}
	all.Wait()
	if _, _, n := seen.take(); n != 2*requests {
		t.Errorf("%d calls, want %d", n, 2*requests)
	}
}

// TestNoFunction: what a client names has to look like a function.
func TestNoFunction(t *testing.T) {
	s, seen := answering(t, says(200, "", `{}`))
	ask := asking(t, s, "", `"endpoint": "/f/{function}",`, "", `"max_retries": 0`)
	for _, path := range []string{"/f/a%20b", "/f/a:b:c:d", "/f/" + strings.Repeat("x", 300)} {
		if got := ask(t.Context(), testx.Request{Path: path}); got.Status != 400 {
			t.Errorf("%.20s: status %d, want 400", path, got.Status)
		}
	}
	if _, _, n := seen.take(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestOfClient: what AWS refuses because of what a client has sent is the client's, of which
// neither breakers nor the log hear.
func TestOfClient(t *testing.T) {
	tests := []struct {
		endpoint, function string
		status             int
		code               string
		krakend, sluice    int
	}{
		{`"endpoint": "/x", "method": "POST",`, `"function_name": "f"`, 400, "InvalidRequestContentException", 400, 400},
		{`"endpoint": "/{function}", "method": "POST",`, `"max_retries": 0`, 403, "AccessDeniedException", 403, 400},
		{`"endpoint": "/{function}", "method": "POST",`, `"max_retries": 0`, 404, "ResourceNotFoundException", 404, 400},
	}
	for _, tt := range tests {
		s, _ := answering(t, says(tt.status, "X-Amzn-Errortype: "+tt.code, `{"Message":"no"}`))
		for dialect, want := range map[string]int{"": tt.krakend, inSluice: tt.sluice} {
			g := surroundings(t)
			got := sitetest.Ask(t, g.Compile(t, document(s.URL, dialect, tt.endpoint, "", tt.function)), testx.Request{Method: "POST", Path: "/x", Body: "hello"})
			if got.Status != want || !gateway.OfClient(got.Err) || strings.Contains(g.Log.String(), "cannot be called") {
				t.Errorf("%s: status %d, %v, want %d; the log has %s", tt.code, got.Status, got.Err, want, g.Log.String())
			}
		}
	}
}

// TestLargePayload: what Lambda would not take is not sent.
func TestLargePayload(t *testing.T) {
	s, seen := answering(t, says(200, "", `{}`))
	ask := asking(t, s, inSluice, `"endpoint": "/x", "method": "POST",`, "", `"function_name": "f"`)
	for size, want := range map[int]int{6 << 20: 200, 6<<20 + 1: 413} {
		got := ask(t.Context(), testx.Request{Method: "POST", Path: "/x", Body: strings.Repeat("1", size)})
		if _, text, _ := seen.take(); got.Status != want || (len(text) == size) != (want == 200) {
			t.Errorf("%d bytes: status %d, %d arrived; want %d", size, got.Status, len(text), want)
		}
	}
}

// TestSlow: a slow function ends with the time of the endpoint, and with the client.
func TestSlow(t *testing.T) {
	gone := make(chan struct{}, 2)
	called := make(chan struct{}, 2)
	s, _ := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		called <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	generation := surroundings(t).Compile(t, strings.Replace(document(s.URL, inSluice, `"endpoint": "/x",`, "", `"function_name": "f", "max_retries": 3`), "1m", "50ms", 1))
	if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != 504 {
		t.Errorf("status %d, want 504; %v", got.Status, got.Err)
	}
	<-called
	<-gone
	ask := asking(t, s, inSluice, `"endpoint": "/x",`, "", `"function_name": "f", "max_retries": 3`)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-called
		leave()
	}()
	if got := ask(ctx, testx.Request{Path: "/x"}); got.Status != 499 || !gateway.Cut(got.Err) {
		t.Errorf("status %d, want 499; %v", got.Status, got.Err)
	}
	<-gone
}

// TestAway: an address that nobody has, a server that is killed and is back, and what
// the log says.
func TestAway(t *testing.T) {
	s, _ := answering(t, says(200, "", `{"a":1}`))
	s.Stop()
	g := surroundings(t)
	generation := g.Compile(t, document(s.URL, inSluice, `"endpoint": "/x",`, "", `"function_name": "f"`))
	status := func() int { return sitetest.Ask(t, generation, testx.Request{Path: "/x"}).Status }
	for range 3 {
		if got := status(); got != 502 {
			t.Errorf("down at the start: status %d, want 502", got)
		}
	}
	s.Start(t)
	if got := status(); got != 200 {
		t.Errorf("there: status %d, want 200", got)
	}
	s.Stop()
	if got := status(); got != 502 {
		t.Errorf("killed: status %d, want 502", got)
	}
	s.Start(t)
	if got := status(); got != 200 {
		t.Errorf("back: status %d, want 200", got)
	}
	if log := g.Log.String(); strings.Count(log, "function cannot be called") != 2 || strings.Count(log, "function is called again") != 2 {
		t.Errorf("the log is\n%s", log)
	}
}

// TestEndpoint: the endpoint of the options wins over that of the environment.
func TestEndpoint(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", "http://"+testx.UnusedAddress(t))
	s, _ := answering(t, says(200, "", `{}`))
	if got := asking(t, s, "", `"endpoint": "/x",`, "", `"function_name": "f"`)(t.Context(), testx.Request{Path: "/x"}); got.Status != 200 {
		t.Errorf("status %d; %v", got.Status, got.Err)
	}
}

// TestCut: an answer that breaks off is none.
func TestCut(t *testing.T) {
	s, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"a":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	g := surroundings(t)
	got := sitetest.Ask(t, g.Compile(t, document(s.URL, inSluice, `"endpoint": "/x",`, "", `"function_name": "f"`)), testx.Request{Path: "/x"})
	if got.Status != 502 || strings.Contains(g.Log.String(), "cannot be called") {
		t.Errorf("status %d, want 502; %v; the log has %s", got.Status, got.Err, g.Log.String())
	}
}

// TestSignature: what is signed with other keys is refused, and the log does not show what
// AWS quotes of it.
func TestSignature(t *testing.T) {
	s, seen := answering(t, says(200, "", `{}`))
	g := surroundings(t)
	g.Env.Getenv = func(name string) string {
		if name == "AWS_SECRET_ACCESS_KEY" {
			return "another"
		}
		return awstest.Environment(name)
	}
	got := sitetest.Ask(t, g.Compile(t, document(s.URL, "", `"endpoint": "/x",`, "", `"function_name": "f"`)), testx.Request{Path: "/x"})
	if _, _, n := seen.take(); got.Status != 403 || n != 0 || s.Wrong() != 1 {
		t.Errorf("status %d, %d calls, %d refused", got.Status, n, s.Wrong())
	}
	if log := g.Log.String(); !strings.Contains(log, "does not match") || strings.Contains(log+fmt.Sprint(got.Err), "secret-token") {
		t.Errorf("the log is\n%s", log)
	}
}

// TestReload: the same options find the same client, and with it its connections.
func TestReload(t *testing.T) {
	s, _ := answering(t, says(200, "", `{}`))
	g := surroundings(t)
	text := document(s.URL, "", `"endpoint": "/x",`, "", `"function_name": "f"`)
	var clients []any
	for _, options := range []string{text, text, strings.Replace(text, `"f"`, `"f", "max_retries": 2`, 1)} {
		generation, problems := g.Check(t, options)
		if generation == nil {
			t.Fatal(problems)
		}
		if err := generation.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { generation.Close(context.Background()) })
		if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != 200 {
			t.Errorf("status %d; %v", got.Status, got.Err)
		}
		site := g.Backend(t, "backend/lambda", fmt.Sprintf(`{"function_name": "f", "endpoint": %q}`, s.URL))
		site.Finish()
		clients = append(clients, site.Call().Connector.(*connector).client)
	}
	if clients[0] != clients[1] || s.Connections() != 1 {
		t.Errorf("another client after a reload, %d connections", s.Connections())
	}
}

// TestConcurrent: many calls at once, each with its own answer.
func TestConcurrent(t *testing.T) {
	s, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		w.Write(text)
	})
	echo := awstest.New(t, "lambda", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		w.Write(text)
	})
	s.Stop()
	ask := asking(t, echo, "", `"endpoint": "/x/{id}",`, "", `"function_name": "f"`)
	var failed atomic.Int64
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 25 {
				id := fmt.Sprint(worker*1000 + i)
				if got := ask(t.Context(), testx.Request{Path: "/x/" + id}); got.Text != `{"id":"`+id+`"}` {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() > 0 || echo.Connections() > 16 {
		t.Errorf("%d answers of others, %d connections", failed.Load(), echo.Connections())
	}
}

// TestMerged: beside other backends, in parallel and in sequence.
func TestMerged(t *testing.T) {
	s, seen := answering(t, says(200, version, `{"total": 7}`))
	for _, sequence := range []string{"", `"extra_config": {"proxy": {"sequential": true}},`} {
		g := surroundings(t)
		one := fmt.Sprintf(`{"url_pattern": "/a", "group": "a", "extra_config": {"backend/lambda": {"function_name": "f", "endpoint": %q}}}`, s.URL)
		two := fmt.Sprintf(`{"url_pattern": "/{resp0_a.total}", "mapping": {"total": "sum"}, "extra_config": {"backend/lambda": {"function_name": "g", "endpoint": %q}}}`, s.URL)
		if sequence == "" {
			two = strings.Replace(two, "/{resp0_a.total}", "/b", 1)
		}
		got := sitetest.Ask(t, g.Compile(t, `{"version": 3, "endpoints": [{"endpoint": "/x", `+sequence+`"timeout": "1m", "backend": [`+one+","+two+`]}]}`), testx.Request{Path: "/x"})
		if got.Text != `{"a":{"total":7},"sum":7}` || got.Header.Has("X-Amz-Executed-Version") {
			t.Errorf("got %d %s %v, %v", got.Status, got.Text, got.Header, got.Err)
		}
		_, text, n := seen.take()
		if n != 2 || sequence != "" && text != `{"resp0_a.total":"7"}`+"\n" {
			t.Errorf("%d calls, the last one with %s", n, text)
		}
	}
}

// around is a document whose backend has more namespaces than its own.
func around(url, dialect, more string) string {
	return fmt.Sprintf(`{"version": 3, %s "endpoints": [{"endpoint": "/x", "timeout": "1m",
		"backend": [{"url_pattern": "/f", "extra_config": {"backend/lambda": {"endpoint": %q, "function_name": "f"}, %s}}]}]}`, dialect, url, more)
}

// TestAround: what stands in front of a call stands in front of this one.
func TestAround(t *testing.T) {
	const failed = "X-Amz-Function-Error: Unhandled"
	tests := []struct {
		name, more, header string
		statuses           []int
		calls              int
	}{
		{"breaker", `"qos/circuit-breaker": {"interval": 60, "timeout": 60, "max_errors": 2}`, failed, []int{502, 502, 503}, 2},
		{"limit", `"qos/ratelimit/proxy": {"max_rate": 1, "capacity": 1, "every": "1h"}`, "", []int{200, 503}, 1},
		{"condition on the answer", `"validation/cel": [{"check_expr": "resp_data.a == 2"}]`, "", []int{502}, 1},
		{"condition on the request", `"validation/cel": [{"check_expr": "req_method == 'POST'"}]`, "", []int{403}, 0},
	}
	for _, tt := range tests {
		s, seen := answering(t, says(200, tt.header, `{"a": 1, "errorMessage": "of a client"}`))
		g := surroundings(t)
		generation := g.Compile(t, around(s.URL, inSluice, tt.more))
		for _, want := range tt.statuses {
			if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != want {
				t.Errorf("%s: status %d, want %d; %v", tt.name, got.Status, want, got.Err)
			}
		}
		if _, _, n := seen.take(); n != tt.calls {
			t.Errorf("%s: %d calls, want %d", tt.name, n, tt.calls)
		}
		if said := g.Log.String(); strings.Contains(said, "of a client") || strings.Contains(said, "breaker opened") != (tt.name == "breaker") {
			t.Errorf("%s: the log has %s", tt.name, said)
		}
	}
}

// TestExplained: an explanation says which function is called.
func TestExplained(t *testing.T) {
	for options, want := range map[string]string{
		`"endpoint": "http://localhost:4566", "function_name": "f:2", "region": "eu-west-1"`: `calls: the function "f:2" in eu-west-1 at http://localhost:4566`,
		`"region": "eu-west-1", "function_param_name": "Which"`:                              "calls: the function that {Which} names in eu-west-1",
	} {
		g, problems := surroundings(t).Check(t, `{"version": 3, "endpoints": [{"endpoint": "/x/{which}", "backend": [{"url_pattern": "/f", "extra_config": {"backend/lambda": {`+options+`}}}]}]}`)
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		defer g.Close(context.Background())
		if got := g.Explain("GET", "/x/a").Endpoint.Backends[0].Asks; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestBeside: what belongs to calls by HTTP has no effect, which is said, and of two
// connectors one is too many.
func TestBeside(t *testing.T) {
	tests := []struct {
		dialect, host, more, want string
		stops                     bool
	}{
		{"", "", `"qos/http-cache": {}`, "warning: test.json:2:", false},
		{inSluice, "", `"qos/http-cache": {}`, "has no effect on a backend that is not called by HTTP", true},
		{"", "", `"backend/http/client": {"client_tls": {"min_version": "TLS13"}, "proxy_address": "http://localhost:1"}`, "", false},
		{"", "", `"backend/http/client": {"no_redirect": true}`, `.no_redirect: has no effect on a backend that backend/lambda calls; it follows none; remove it`, true},
		{"", "", `"backend/http/client": {"use_h2c": true}`, `.use_h2c: has no effect on a backend that backend/lambda calls; remove it`, true},
		{"", "", `"backend/http": {"return_error_code": true}`, "has no effect on a backend that backend/lambda calls, which answers with no status of a service; remove it", false},
		{inSluice, "", `"backend/http": {"return_error_details": "f"}`, "has no effect on a backend that backend/lambda calls", true},
		{"", `"host": ["awssqs://queue.internal/1"], `, `"backend/pubsub/publisher": {"topic_url": "/orders?region=eu-west-1"}`, "both make the call of the backend; keep one of the two namespaces", true},
	}
	for _, tt := range tests {
		text := strings.Replace(around("http://localhost:1", tt.dialect, tt.more), `"url_pattern"`, tt.host+`"url_pattern"`, 1)
		generation, problems := surroundings(t).Check(t, text)
		if generation != nil {
			generation.Close(context.Background())
		}
		if got := config.Format(problems); !strings.Contains(got, tt.want) || (generation == nil) != tt.stops {
			t.Errorf("%s: %s", tt.more, got)
		}
	}
}

// TestMiddle: who is served while the configuration is loaded again, or the generation ends,
// gets his answer.
func TestMiddle(t *testing.T) {
	called, release := make(chan struct{}), make(chan struct{})
	s, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		called <- struct{}{}
		<-release
		io.WriteString(w, `{"a":1}`)
	})
	g := surroundings(t)
	text := document(s.URL, inSluice, `"endpoint": "/x",`, "", `"function_name": "f"`)
	old := g.Compile(t, text)
	answer := make(chan sitetest.Answer)
	go func() { answer <- sitetest.Ask(t, old, testx.Request{Path: "/x"}) }()
	<-called
	generation := g.Compile(t, text)
	close(release)
	if got := <-answer; got.Text != `{"a":1}` {
		t.Errorf("before the reload: %d %s", got.Status, got.Text)
	}
	go func() { <-called }()
	if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Text != `{"a":1}` || s.Connections() != 1 {
		t.Errorf("behind it: %d %s, %d connections", got.Status, got.Text, s.Connections())
	}
}

// TestOptions has a row for each way to write the options wrongly.
func TestOptions(t *testing.T) {
	tests := []struct {
		options string
		want    []string // beginnings of problems
	}{
		{`{"function_name": "f", "region": "eu-west-1"}`, nil},
		{`{}`, []string{"error function_name: nobody says which function it is"}},
		{`{"function_name": "f", "function_param_name": "x"}`, []string{"warning function_param_name: function_name wins"}},
		{`{"function_param_name": "x"}`, []string{"error function_name: nobody says"}},
		{`{"function_name": ""}`, []string{"error function_name: "}},
		{`{"function_name": "a b"}`, []string{"error function_name: it is no function"}},
		{`{"function_name": "a/b"}`, []string{"error function_name: it is no function"}},
		{`{"function_name": 7}`, []string{"error function_name: "}},
		{`{"function_name": "arn:aws:lambda:us-east-1:123456789012:function:f", "region": "us-east-1"}`, nil},
		{`{"function_name": "arn:aws:lambda:us-east-1:123456789012:function:f", "region": "eu-west-1"}`, []string{"warning region: the function is one of us-east-1"}},
		{`{"function_name": "f", "region": "x/y"}`, []string{"error region: it is no name of a region"}},
		{`{"function_name": "f", "endpoint": "localhost"}`, []string{"error endpoint: "}},
		{`{"function_name": "f", "endpoint": "http://a:b@c"}`, []string{"error endpoint: it holds user information"}},
		{`{"function_name": "f", "endpoint": "http://c:99999"}`, []string{"error endpoint: it is no base URL, the port is not between 1 and 65535"}},
		{`{"function_name": "f", "endpoint": "http://c?a=b"}`, []string{"error endpoint: it is a base URL"}},
		{`{"function_name": "f", "max_retries": -2}`, []string{"error max_retries: "}},
		{`{"function_name": "f", "max_retries": "1"}`, []string{"error max_retries: "}},
		{`{"function_name": "f", "payload_format": "http"}`, []string{"error payload_format: "}},
		{`{"function_name": "f", "function_error_status": 200}`, []string{"error function_error_status: "}},
		{`{"function_name": "f", "forward_aws_status": "yes"}`, []string{"error forward_aws_status: "}},
		{`{"function_name": "f", "functoin": 1}`, []string{"warning functoin: unknown key"}},
	}
	for _, tt := range tests {
		g := surroundings(t)
		got := sitetest.Problems(g.Backend(t, "backend/lambda", tt.options))
		if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
		}
	}
}

// TestDocuments: what is wrong around the options.
func TestDocuments(t *testing.T) {
	const backend = `{"version": 3, "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/f", "extra_config": {%s}}]}]}`
	none := func(string) string { return "" }
	tests := []struct {
		extra  string
		getenv func(string) string
		want   string
	}{
		{`"backend/lambda": "f"`, awstest.Environment, "object"},
		{`"backend/lambda": {"function_name": "f"}`, none, "nobody says in which region"},
		{`"backend/lambda": {"function_name": "f", "endpoint": "http://localhost:1"}`, none, ""},
		{`"backend/lambda": {"function_name": "f", "region": "eu-west-1"}`, none, ""},
	}
	for _, tt := range tests {
		g := surroundings(t)
		g.Env.Getenv = func(name string) string {
			if strings.HasSuffix(name, "_FILE") {
				return t.TempDir() + "/none"
			}
			return tt.getenv(name)
		}
		generation, problems := g.Check(t, fmt.Sprintf(backend, tt.extra))
		if text := fmt.Sprint(problems); (generation == nil) != (tt.want != "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: got %s, want %q", tt.extra, text, tt.want)
		}
		if generation != nil {
			generation.Close(context.Background())
		}
	}
}

// FuzzIntegration: whatever a function says is an answer that can be sent, or a failure.
func FuzzIntegration(f *testing.F) {
	f.Add([]byte(`{"statusCode": 201, "headers": {"x-one": "1"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "aGk=", "isBase64Encoded": true}`))
	f.Add([]byte(`{"statusCode": "204"}`))
	f.Add([]byte(`{"statusCode":200}0`))
	f.Add([]byte(`{"statusCode": 200, "headers": {"x-a": "1", "X-A": 2}, "multiValueHeaders": {"X-A": [1, "b"]}}`))
	f.Add([]byte(`{"statusCode": 200, "headers": {"Connection": "x-a", "X-A": true}, "body": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r gateway.Response
		r.Body = body.FromBytes(text)
		c := &connector{limit: 1 << 20}
		err := c.unwrap(&r)
		if err != nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.CodeBackendInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var first json.RawMessage // as with services, what follows the first value does not count
		if json.NewDecoder(bytes.NewReader(text)).Decode(&first) != nil || r.Status < 200 || r.Status > 599 {
			t.Fatalf("%q: status %d", text, r.Status)
		}
		for _, h := range r.Header {
			if !gateway.Token(h.Name) || !gateway.Carried(h.Value) || gateway.PerHop(h.Name) {
				t.Fatalf("%q: %v", text, h)
			}
		}
	})
}
