package httpbackend

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/model"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var info = component.Info{
	Namespace: "backend/http",
	Aliases:   []string{"github.com/devopsfaith/krakend/http"},
	Summary:   "Tells the client with which status a backend failed.",
	Source:    source,
	Doc:       doc,
}

var clientInfo = component.Info{
	Namespace: "backend/http/client",
	Summary:   "Sets TLS, forward proxy, redirects and version of HTTP for one backend.",
	Source:    source,
	Doc:       doc,
}

func init() {
	component.Register(
		component.Backend(info, build),
		component.Backend(clientInfo, buildClient),
	)
}

func build(s *component.BackendSite, o Options) error {
	b := s.Config()
	st := status{
		behaviour: &s.Service().Behaviour,
		limit:     b.MaxResponseBytes.Held(),
	}
	switch {
	case o.ReturnErrorDetails != nil && *o.ReturnErrorDetails == "":
		s.Warn("return_error_details", errors.New("an empty name switches both options off; write a name for the backend, such as \"users\", or remove the key"))
		return nil
	case !o.ReturnErrorCode && o.ReturnErrorDetails == nil:
		s.Warn("", errors.New("has no effect; set return_error_code or return_error_details"))
		return nil
	case b.Encoding == "no-op":
		s.Warn("", errors.New("has no effect with encoding no-op: every status reaches the client as it is"))
		return nil
	}
	s.Finally(func() error { // which of the components makes the call
		if call := s.Call(); call.Connector != nil && !call.Like.Statuses {
			s.Mistake("", fmt.Errorf("has no effect on a backend that %s calls, which answers with no status of a service; remove it, and write what that namespace has for failures", call.By))
		}
		return nil
	})
	if o.ReturnErrorDetails != nil {
		if o.ReturnErrorCode {
			s.Warn("return_error_code", errors.New("has no effect with return_error_details"))
		}
		s.Needs(body.Empty, body.Raw)
		s.Prompt(component.BackendStatus, &details{st, "error_" + *o.ReturnErrorDetails})
		return nil
	}
	r, _ := component.Use(&s.Site, routing.Key)
	if r.ErrorMessages {
		s.Needs(body.Empty, body.Raw)
	}
	s.Prompt(component.BackendStatus, &code{st, r.ErrorMessages})
	return nil
}

// status is what both stages know of statuses.
type status struct {
	gateway.LeaveOnly
	behaviour *model.Behaviour // says which of them are answers
	limit     int64            // bytes of a body that is read; 0 is no limit
}

// read returns the body of a failed answer.
func (s status) read(b *body.Body) ([]byte, error) {
	raw, err := b.Bytes(s.limit)
	if errors.Is(err, body.ErrTooLarge) {
		err = &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: err}
	}
	return raw, err
}

// A code makes the status of a failed backend that of the answer, where one
// backend decides: alone, or first of a sequence. Of several that are called at
// once none does, and the core passes the status by.
type code struct {
	status
	messages bool // with the words of the backend
}

// Leave turns an answer that is none into an error with its status.
func (c *code) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	r := &x.Response
	if err != nil || c.behaviour.Answered(r.Status) {
		return err
	}
	failure := gateway.BadStatus(x)
	failure.Status = r.Status
	contentType := r.Header.Get("Content-Type")
	r.Header = r.Header[:0]
	if c.messages {
		text, err := c.read(&r.Body)
		if err != nil {
			return err
		}
		failure.Public = string(text)
		if contentType != "" {
			r.Header.Add("Content-Type", contentType)
		}
	}
	r.Body.Close()
	return failure
}

// A details stage makes an object of a failed answer.
type details struct {
	status
	key string
}

// Leave replaces an answer that is none by its description. The status of the
// response stays the backend's.
func (d *details) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	r := &x.Response
	if err != nil || d.behaviour.Answered(r.Status) {
		return err
	}
	text, err := d.read(&r.Body)
	if err != nil {
		return err
	}
	description := []byte(`{"http_status_code":`)
	description = strconv.AppendInt(description, int64(r.Status), 10)
	if len(text) > 0 {
		description = append(description, `,"http_body":`...)
		description = jsonspan.AppendString(description, string(text))
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		description = append(description, `,"http_body_encoding":`...)
		description = jsonspan.AppendString(description, t)
	}
	description = append(description, '}')
	r.Body.Close()
	var o *jsonspan.Object
	r.Body, o = body.NewObject()
	o.Set(d.key, description)
	r.Complete, r.Final = false, true
	return nil
}

// plain reports whether a host is called without TLS.
func plain(host string) bool { return strings.HasPrefix(strings.ToLower(host), "http://") }

func buildClient(s *component.BackendSite, o ClientOptions) error {
	s.Finally(func() error { // which of the components makes the call
		call := s.Call()
		if call.Connector != nil || call.Client != nil {
			return o.unused(call)
		}
		if o.UseH2C && s.Config().SD == "static" && !slices.ContainsFunc(s.Config().Host, plain) {
			s.Warn("use_h2c", errors.New("has no effect, no host of the backend begins with http://; with https:// HTTP/2 is negotiated"))
		}
		return nil
	})
	t := s.Transport()
	if o.ClientTLS != nil {
		if _, err := s.TLS("client_tls", o.ClientTLS); err != nil {
			return err
		}
		t.ClientTLS = o.ClientTLS
	}
	if o.ProxyAddress != "" {
		t.Proxy = o.ProxyAddress
	}
	t.H2C = o.UseH2C
	if o.NoRedirect && o.SendBodyOnRedirect {
		s.Warn("send_body_on_redirect", errors.New("has no effect with no_redirect"))
	}
	return s.Redirects(component.Redirects{Return: o.NoRedirect, SendBody: o.SendBodyOnRedirect})
}

// unused returns what has no effect because a client makes the call that is not that of the
// gateway, or a connector, which may connect as the gateway does.
func (o ClientOptions) unused(call component.Call) error {
	var errs []error
	useless := func(key string, set bool, instead string) {
		if set {
			errs = append(errs, config.At(key, fmt.Errorf("has no effect on a backend that %s calls; %s", call.By, instead)))
		}
	}
	if !call.Like.Transport {
		useless("client_tls", o.ClientTLS != nil, "write client_tls in that namespace")
		useless("proxy_address", o.ProxyAddress != "", "it connects without a proxy of the configuration; remove it")
	}
	useless("use_h2c", o.UseH2C, "remove it")
	if call.Connector != nil {
		useless("no_redirect", o.NoRedirect, "it follows none; remove it")
		useless("send_body_on_redirect", o.SendBodyOnRedirect, "it follows none; remove it")
	}
	return errors.Join(errs...)
}
