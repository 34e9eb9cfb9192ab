package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// An answer is what a host of the tests says to one URL.
type answer struct {
	status   int
	location string
	encoding string
	body     string
}

// host is a connector over a table of answers that records the calls.
type host struct {
	answers map[string]answer
	calls   []string
	headers []gateway.Fields
}

func (h *host) Do(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	if in := x.In; in.Method() != r.Method || in.Path() != r.Path || in.RawQuery() != r.RawQuery || in.Host() != r.Host ||
		in.Secure() != (r.Scheme == "https") || in.Body() != nil || in.Length() != 0 || len(in.AppendHeaders(nil)) > 0 || in.Peer().IsValid() {
		return errors.New("the message is not the request without a client")
	}
	address := r.Scheme + "://" + r.Host + r.Path
	if r.RawQuery != "" {
		address += "?" + r.RawQuery
	}
	h.calls = append(h.calls, r.Method+" "+address)
	h.headers = append(h.headers, slices.Clone(r.Header))
	a, ok := h.answers[address]
	if !ok {
		return &gateway.Error{Code: gateway.CodeBackendUnreachable, Err: gateway.ErrUnreached}
	}
	x.Response.Status = a.status
	x.Response.Header.Set("Content-Type", "application/json")
	if a.location != "" {
		x.Response.Header.Set("Location", a.location)
	}
	if a.encoding != "" {
		x.Response.Header.Set("Content-Encoding", a.encoding)
	}
	x.Response.Body = body.FromStream(io.NopCloser(strings.NewReader(a.body)), -1)
	return nil
}

func packed(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func TestGet(t *testing.T) {
	answers := map[string]answer{
		"https://a.test/":             {status: 200, body: "root"},
		"https://a.test/keys?v=1":     {status: 200, body: "keys"},
		"https://a.test/gzip":         {status: 200, encoding: "gzip", body: packed("keys")},
		"https://a.test/bomb":         {status: 200, encoding: "gzip", body: packed(strings.Repeat("0", 1000))},
		"https://a.test/cut":          {status: 200, encoding: "gzip", body: packed("keys")[:12]},
		"https://a.test/nogzip":       {status: 200, encoding: "gzip", body: "not packed at all"},
		"https://a.test/brotli":       {status: 200, encoding: "br", body: "keys"},
		"https://a.test/large":        {status: 200, body: strings.Repeat("0", 101)},
		"https://a.test/full":         {status: 200, body: strings.Repeat("0", 100)},
		"https://a.test/500":          {status: 500, body: "keys"},
		"https://a.test/304":          {status: 304},
		"https://a.test/302":          {status: 302},
		"https://a.test/moved":        {status: 301, location: "keys?v=1"},
		"https://a.test/away":         {status: 307, location: "https://b.test/there"},
		"https://b.test/there":        {status: 200, body: "there"},
		"https://a.test/down":         {status: 302, location: "http://a.test/plain"},
		"http://a.test/plain":         {status: 200, body: "plain"},
		"http://a.test/up":            {status: 308, location: "https://a.test/"},
		"https://a.test/file":         {status: 302, location: "file:///etc/passwd"},
		"https://a.test/bad":          {status: 302, location: "https://%zz/"},
		"https://a.test/loop":         {status: 302, location: "/loop"},
		"https://a.test/hop1":         {status: 302, location: "/hop2"},
		"https://a.test/hop2":         {status: 302, location: "/"},
		"https://[2001:db8::1]:8443/": {status: 200, body: "six"},
	}
	tests := []struct {
		name, url string
		want      string // body; "" expects an error
		is        error  // that the error wraps
		text      string // that the error holds
	}{
		{"path defaults to a slash", "https://a.test", "root", nil, ""},
		{"query is sent", "https://a.test/keys?v=1", "keys", nil, ""},
		{"fragment is not", "https://a.test/keys?v=1#x", "keys", nil, ""},
		{"address of IPv6", "https://[2001:db8::1]:8443/", "six", nil, ""},
		{"gzip is unpacked", "https://a.test/gzip", "keys", nil, ""},
		{"limit counts unpacked bytes", "https://a.test/bomb", "", ErrTooLarge, ""},
		{"gzip that breaks off", "https://a.test/cut", "", io.ErrUnexpectedEOF, ""},
		{"gzip that is none", "https://a.test/nogzip", "", gzip.ErrHeader, ""},
		{"encoding not asked for", "https://a.test/brotli", "", nil, `"br"`},
		{"at the limit", "https://a.test/full", strings.Repeat("0", 100), nil, ""},
		{"above the limit", "https://a.test/large", "", ErrTooLarge, ""},
		{"status 500 with a document", "https://a.test/500", "", nil, "status 500 instead of 200"},
		{"status 304", "https://a.test/304", "", nil, "status 304"},
		{"redirect to nowhere", "https://a.test/302", "", nil, "status 302"},
		{"relative redirect", "https://a.test/moved", "keys", nil, ""},
		{"redirect to another host", "https://a.test/away", "there", nil, ""},
		{"redirect to plain http", "https://a.test/down", "", ErrInsecure, ""},
		{"redirect to https", "http://a.test/up", "root", nil, ""},
		{"redirect to a file", "https://a.test/file", "", nil, "neither the scheme http nor https"},
		{"redirect to no URL", "https://a.test/bad", "", nil, "no URL"},
		{"redirects in a circle", "https://a.test/loop", "", ErrRedirects, ""},
		{"as many redirects as allowed", "https://a.test/hop1", "root", nil, ""},
		{"unreachable", "https://c.test/", "", gateway.ErrUnreached, "get https://c.test/"},
		{"no URL", "https://%zz", "", nil, "no URL"},
		{"no scheme", "a.test/keys", "", nil, "scheme"},
		{"no host", "https:///keys", "", nil, "host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &host{answers: answers}
			d, err := Get(t.Context(), h, tt.url, Options{Limit: 100, Redirects: 2})
			if tt.want != "" {
				if err != nil || string(d.Body) != tt.want || d.Type != "application/json" {
					t.Errorf("Get(%s) = %q of type %q, error %v; want %q", tt.url, d.Body, d.Type, err, tt.want)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Get(%s) = %q, error %v; want an error of %v with %q", tt.url, d.Body, err, tt.is, tt.text)
			}
			if len(h.calls) > 3 {
				t.Errorf("Get(%s) made %d calls, want 3 at most", tt.url, len(h.calls))
			}
		})
	}
}

func TestGetHeader(t *testing.T) {
	h := &host{answers: map[string]answer{
		"https://a.test/":  {status: 302, location: "/b"},
		"https://a.test/b": {status: 302, location: "https://b.test/"},
		"https://b.test/":  {status: 500},
	}}
	_, err := Get(t.Context(), h, "https://me:secret@a.test/", Options{
		Header: gateway.Fields{{Name: "User-Agent", Value: "test"}}, Limit: 100, Redirects: 5,
	})
	if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != 500 {
		t.Errorf("error %v, want status 500", err)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v shows the password", err)
	}
	want := []string{"Basic bWU6c2VjcmV0", "Basic bWU6c2VjcmV0", ""}
	if len(h.headers) != len(want) {
		t.Fatalf("%d calls %v, want %d", len(h.calls), h.calls, len(want))
	}
	for i, header := range h.headers {
		if got := header.Get("Authorization"); got != want[i] {
			t.Errorf("%s with Authorization %q, want %q", h.calls[i], got, want[i])
		}
		if header.Get("User-Agent") != "test" || header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s with the header %v, want User-Agent test and Accept-Encoding gzip", h.calls[i], header)
		}
	}
}

// TestGetErrorHidesPassword covers the errors that are found before a call.
func TestGetErrorHidesPassword(t *testing.T) {
	for _, address := range []string{"ftp://me:secret@a.test/", "https://me:secret@%zz/", "https://me:secret@/x"} {
		if _, err := Get(t.Context(), &host{}, address, Options{Limit: 1}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Get(%s): error %v, want one without the password", address, err)
		}
	}
}
