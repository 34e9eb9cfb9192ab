package gateway

import (
	"cmp"
	"net/url"
)

// Call returns an exchange for a call that no client caused. Its request has the method
// and the target of u, an absolute URL, and no header; x.In, which stands for the
// client's message, says the same and has no peer. The caller releases it.
func Call(method string, u *url.URL) *Exchange {
	m := Message{
		Method: method, Path: cmp.Or(u.EscapedPath(), "/"), RawQuery: u.RawQuery, Host: u.Host,
		Proto: "HTTP/1.1", Secure: u.Scheme == "https",
	}
	x := Acquire(m.Inbound())
	r := &x.Request
	r.Method, r.Scheme, r.Host, r.Path, r.RawQuery = m.Method, u.Scheme, m.Host, m.Path, m.RawQuery
	return x
}
