package httpcall

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A server is an origin server, taken apart once.
type server struct {
	scheme, authority, base string
}

// parseServer takes a host apart that was judged when the configuration was read.
func parseServer(host string) server {
	scheme, rest, found := strings.Cut(host, "://")
	if !found {
		scheme, rest = "http", host
	}
	authority, base, _ := strings.Cut(rest, "/")
	s := server{scheme: gateway.Lower(scheme), authority: authority}
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

// Balanced is a call to one of several hosts. A host that could not be reached never got
// the request, so the next one gets it, whatever the method.
type Balanced struct {
	Hosts *balance.Balancer
	Next  gateway.Connector
	Says  Reporter
}

// Do tries hosts until one is reached or the deadline passes.
func (b *Balanced) Do(ctx context.Context, x *gateway.Exchange) error {
	if turn := b.Hosts.Next(); turn != nil {
		return b.try(ctx, x, turn)
	}
	return NoHost(ctx, x)
}

// try calls one host after the other, next first, until one is reached or the
// deadline passes. Those that were tried are not asked again.
func (b *Balanced) try(ctx context.Context, x *gateway.Exchange, next *balance.Host, tried ...*balance.Host) (err error) {
	path := x.Request.Path
	var room [4]*balance.Host
	tried = append(room[:0], tried...)
	for host := next; host != nil; host = b.Hosts.Next(tried...) {
		tried = append(tried, host)
		s := parseServer(host.Address)
		s.aim(&x.Request, path, max(b.Hosts.Hosts().Len()-len(tried), 0))
		alive := ctx.Err() == nil
		err = b.Next.Do(ctx, x)
		if !alive || !b.report(ctx, x, host, err) {
			return err
		}
	}
	return err
}

// NoHost is the call of a backend that has no host to call.
func NoHost(context.Context, *gateway.Exchange) error {
	return &gateway.Error{Code: gateway.CodeNoHost, Public: "no host is known"}
}

// Direct is the call to the only host.
type Direct struct {
	server server
	host   *balance.Host
	next   gateway.Connector
	says   Reporter
}

// NewDirect returns the connector that calls host by next.
func NewDirect(host *balance.Host, next gateway.Connector, says Reporter) *Direct {
	return &Direct{parseServer(host.Address), host, next, says}
}

// Do calls the host.
func (d *Direct) Do(ctx context.Context, x *gateway.Exchange) error {
	d.server.aim(&x.Request, x.Request.Path, 0)
	return d.finish(hostCall{ctx: ctx, x: x, alive: ctx.Err() == nil})
}

// Templated is a call whose host is made of values of the request.
type Templated struct {
	Hosts []HostTemplate
	Next  gateway.Connector
}

// A HostTemplate is a compiled host with placeholders: scheme and authority, and
// the base path with the slash that it begins with, in which values are escaped
// as in any path.
type HostTemplate struct{ Server, Base template.Text }

// ParseHostTemplate compiles a host; params are the names of the parameters that it may
// use. Errors are those of [template.Parse].
func ParseHostTemplate(host string, params []string) (t HostTemplate, err error) {
	base := ""
	if authority := strings.Index(host, "://") + len("://"); authority >= len("://") {
		if slash := strings.IndexByte(host[authority:], '/'); slash >= 0 {
			host, base = host[:authority+slash], strings.TrimSuffix(host[authority+slash:], "/")
		}
	}
	if t.Server, err = template.Parse(host, template.InHost, params); err != nil {
		return t, err
	}
	t.Base, err = template.Parse(base, template.InPath, params)
	return t, err
}

// fill returns the server that the values of x make of the template.
func (t *HostTemplate) fill(x *gateway.Exchange) (s server, err error) {
	var room [128]byte
	host, err := t.Server.Append(room[:0], x)
	if err != nil {
		return s, err
	}
	s = parseServer(string(host))
	base, err := t.Base.Append(room[:0], x)
	s.base = string(base)
	return s, err
}

// Do calls the first host, and the others in their order while nobody is
// reached.
func (t *Templated) Do(ctx context.Context, x *gateway.Exchange) error {
	path := x.Request.Path
	var err error
	for i := range t.Hosts {
		s, bad := t.Hosts[i].fill(x)
		if bad != nil {
			return bad
		}
		s.aim(&x.Request, path, len(t.Hosts)-1-i)
		err = t.Next.Do(ctx, x)
		if x.Request.Attempt != gateway.Unreached || !errors.Is(err, gateway.ErrUnreached) {
			return err
		}
	}
	return err
}

// maxRedirects bounds how often a backend may send the gateway elsewhere.
const maxRedirects = 10

// Redirected follows the redirects of a backend (RFC 9110, section 15.4).
type Redirected struct {
	First    gateway.Connector // chooses a host
	Next     gateway.Connector // calls the host that a redirect names
	SendBody bool              // 307 and 308 are followed with the body
	Named    bool              // a host is trusted by its name, on any port
	Limit    int64
}

// Do calls, and calls again where the answer points to.
func (f *Redirected) Do(ctx context.Context, x *gateway.Exchange) error {
	if f.SendBody {
		if err := message.Buffer(ctx, &x.Request.Body, f.Limit); err != nil {
			return err
		}
	}
	hasBody := sendsBody(x)
	return f.chase(ctx, x, hasBody, f.First.Do(ctx, x))
}

// chase follows the answer in x as long as it points elsewhere; err is why there is none.
func (f *Redirected) chase(ctx context.Context, x *gateway.Exchange, hasBody bool, err error) error {
	if err != nil {
		return err
	}
	for range maxRedirects {
		again, err := f.follow(x, hasBody)
		if err != nil || !again {
			return err
		}
		hasBody = sendsBody(x)
		if err := f.Next.Do(ctx, x); err != nil {
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
func (f *Redirected) follow(x *gateway.Exchange, hasBody bool) (bool, error) {
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
		if hasBody && !f.SendBody {
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
		r.Header.Del(message.ContentType)
	}
	r.Hops++
	r.Header.Del("Referer")
	if f.trusts(r, to) {
		r.Header.Add("Referer", here.String())
	} else {
		r.Foreign = true
		withhold(&r.Header)
	}
	r.Scheme, r.Host, r.Path, r.RawQuery, r.Others, r.Attempt = to.Scheme, redirectedHost(r, to), to.EscapedPath(), to.RawQuery, 0, gateway.Unmade
	if r.Path == "" {
		r.Path = "/"
	}
	x.Response.Body.Close()
	x.Response.Header, x.Response.Trailer = x.Response.Header[:0], nil
	x.Response.Status = 0
	return true, nil
}
