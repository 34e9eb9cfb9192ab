package gateway

import (
	"net/url"
	"testing"
)

// TestCall shows a call that no client caused: what it asks, and nothing else.
func TestCall(t *testing.T) {
	for address, want := range map[string][5]string{
		"https://a.test/b%2fc?d=%zz": {"https", "a.test", "/b%2fc", "d=%zz"},
		"http://a.test:81":           {"http", "a.test:81", "/", ""},
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		x := Call("GET", u)
		q, in := &x.Request, x.In
		if got := [5]string{q.Scheme, q.Host, q.Path, q.RawQuery}; got != want || q.Method != "GET" || len(q.Header) > 0 || q.Body.Size() != 0 {
			t.Errorf("%s: %+v, want %q", address, q, want)
		}
		if in.Method() != "GET" || in.Host() != q.Host || in.Path() != q.Path || in.RawQuery() != q.RawQuery || in.Secure() != (q.Scheme == "https") ||
			in.Body() != nil || in.Length() != 0 || in.Peer().IsValid() || in.Header("Host") != "" || len(in.AppendHeaders(nil)) > 0 || in.Proto() != "HTTP/1.1" {
			t.Errorf("%s: the message is not the request without a client", address)
		}
		x.Release()
	}
}
