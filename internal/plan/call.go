package plan

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/template"
)

// An origin server, taken apart once.
type server struct {
	scheme, authority, base string
}

func parseServer(host string) server {
	scheme, rest, found := strings.Cut(host, "://")
	if !found {
		scheme, rest = "http", host
	}
	authority, base, _ := strings.Cut(rest, "/")
	s := server{scheme: strings.ToLower(scheme), authority: authority}
	if base = strings.TrimSuffix(base, "/"); base != "" {
		s.base = "/" + base
	}
	return s
}

// aim points the request at the server, the path being the one below its base.
// That many others are left to be asked if no connection to this one can be made.
func (s *server) aim(r *gateway.Request, path string, others int) {
	r.Scheme, r.Host, r.Path, r.Others, r.Attempt = s.scheme, s.authority, path, others, gateway.Unmade
	if s.base != "" {
		r.Path = s.base + path
	}
}

// A call to one of several hosts. A host that could not be reached never got
// the request, so the next one gets it, whatever the method.
type balanced struct {
	hosts *balance.Balancer
	next  gateway.Connector
	says  reporter
}

// Do tries hosts until one is reached or the deadline passes.
func (b *balanced) Do(ctx context.Context, x *gateway.Exchange) error {
	if turn := b.hosts.Next(); turn != nil {
		return b.try(ctx, x, turn)
	}
	return noHost(ctx, x)
}

// try calls one host after the other, next first, until one is reached or the
// deadline passes. Those that were tried are not asked again.
func (b *balanced) try(ctx context.Context, x *gateway.Exchange, next *balance.Host, tried ...*balance.Host) (err error) {
	path := x.Request.Path
	var room [4]*balance.Host
	tried = append(room[:0], tried...)
	for host := next; host != nil; host = b.hosts.Next(tried...) {
		tried = append(tried, host)
		s := parseServer(host.Address)
		s.aim(&x.Request, path, max(b.hosts.Hosts().Len()-len(tried), 0))
		alive := ctx.Err() == nil
		err = b.next.Do(ctx, x)
		if !alive || !b.report(ctx, x, host, err) {
			return err
		}
	}
	return err
}

// noHost is the call of a backend that has no host to call.
func noHost(context.Context, *gateway.Exchange) error {
	return &gateway.Error{Code: gateway.CodeNoHost, Public: "no host is known"}
}

// direct is the call to the only host.
type direct struct {
	server server
	next   gateway.Connector
	host   *balance.Host
	says   reporter
}

// Do calls the host.
func (d *direct) Do(ctx context.Context, x *gateway.Exchange) error {
	d.server.aim(&x.Request, x.Request.Path, 0)
	return d.finish(ctx, x, nil, "", nil)
}

// templated is a call whose host is made of values of the request.
type templated struct {
	hosts []hostTemplate
	next  gateway.Connector
}

// A hostTemplate is a compiled host with placeholders: scheme and authority, and
// the base path with the slash that it begins with, in which values are escaped
// as in any path.
type hostTemplate struct{ server, base template.Text }

func parseHostTemplate(host string, params []string) (t hostTemplate, err error) {
	base := ""
	if authority := strings.Index(host, "://") + len("://"); authority >= len("://") {
		if slash := strings.IndexByte(host[authority:], '/'); slash >= 0 {
			host, base = host[:authority+slash], strings.TrimSuffix(host[authority+slash:], "/")
		}
	}
	if t.server, err = template.Parse(host, template.InHost, params); err != nil {
		return t, err
	}
	t.base, err = template.Parse(base, template.InPath, params)
	return t, err
}

// fill returns the server that the values of x make of the template.
func (t *hostTemplate) fill(x *gateway.Exchange) (s server, err error) {
	var room [128]byte
	host, err := t.server.Append(room[:0], x)
	if err != nil {
		return s, err
	}
	s = parseServer(string(host))
	base, err := t.base.Append(room[:0], x)
	s.base = string(base)
	return s, err
}

// Do calls the first host, and the others in their order while nobody is
// reached.
func (t *templated) Do(ctx context.Context, x *gateway.Exchange) error {
	path := x.Request.Path
	var err error
	for i := range t.hosts {
		s, bad := t.hosts[i].fill(x)
		if bad != nil {
			return bad
		}
		s.aim(&x.Request, path, len(t.hosts)-1-i)
		err = t.next.Do(ctx, x)
		if !errors.Is(err, gateway.ErrUnreached) {
			return err
		}
	}
	return err
}

// maxRedirects bounds how often a backend may send the gateway elsewhere.
const maxRedirects = 10

// redirected follows the redirects of a backend (RFC 9110, section 15.4).
type redirected struct {
	first    gateway.Connector // chooses a host
	next     gateway.Connector // calls the host that a redirect names
	sendBody bool              // 307 and 308 are followed with the body
	named    bool              // a host is trusted by its name, on any port
	limit    int64
}

// Do calls, and calls again where the answer points to.
func (f *redirected) Do(ctx context.Context, x *gateway.Exchange) error {
	if f.sendBody {
		if err := buffer(ctx, &x.Request.Body, f.limit); err != nil {
			return err
		}
	}
	hasBody := sendsBody(x)
	return f.chase(ctx, x, hasBody, f.first.Do(ctx, x))
}

// chase follows the answer in x as long as it points elsewhere; err is why there is none.
func (f *redirected) chase(ctx context.Context, x *gateway.Exchange, hasBody bool, err error) error {
	if err != nil {
		return err
	}
	for range maxRedirects {
		again, err := f.follow(x, hasBody)
		if err != nil || !again {
			return err
		}
		hasBody = sendsBody(x)
		if err := f.next.Do(ctx, x); err != nil {
			return err
		}
	}
	if again, err := f.follow(x, hasBody); err != nil || !again {
		return err
	}
	return &gateway.Error{Code: gateway.CodeRedirects, Public: "too many redirects"}
}

// sendsBody reports whether the request has a body.
func sendsBody(x *gateway.Exchange) bool { return x.Request.Body.Form() != body.Empty }

// follow points the request at the target of the answer. It reports false for
// an answer that is none or that cannot be followed.
func (f *redirected) follow(x *gateway.Exchange, hasBody bool) (bool, error) {
	r := &x.Request
	location := x.Response.Header.Get("Location")
	if location == "" || r.Upgrade != "" { // a tunnel leads nowhere but to the backend
		return false, nil
	}
	method := r.Method
	switch x.Response.Status {
	case 301, 302, 303:
		if method != "GET" && method != "HEAD" {
			method = "GET"
		}
	case 307, 308:
		if hasBody && !f.sendBody {
			return false, nil
		}
	default:
		return false, nil
	}
	here := &url.URL{Scheme: r.Scheme, Host: r.Host, RawPath: r.Path, RawQuery: r.RawQuery}
	path, err := url.PathUnescape(r.Path) // a path that begins with two slashes names no host
	if err != nil {
		return false, &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "invalid redirect", Err: err}
	}
	here.Path = path
	to, err := here.Parse(location)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return false, &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "invalid redirect", Err: fmt.Errorf("location %q", location)}
	}
	if method != r.Method {
		r.Method = method
		r.Body.Close()
		r.Header.Del(contentType)
	}
	r.Hops++
	r.Header.Del("Referer")
	if f.trusts(r, to) {
		r.Header.Add("Referer", here.String())
	} else {
		r.Foreign = true
		withhold(&r.Header)
	}
	r.Scheme, r.Host, r.Path, r.RawQuery, r.Others = to.Scheme, to.Host, to.EscapedPath(), to.RawQuery, 0
	if r.Path == "" {
		r.Path = "/"
	}
	x.Response.Body.Close()
	x.Response.Header, x.Response.Trailer = x.Response.Header[:0], nil
	x.Response.Status = 0
	return true, nil
}
