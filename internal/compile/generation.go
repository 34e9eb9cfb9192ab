package compile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/route"
)

// Do answers an exchange: it finds out who asks, runs the service plan, and
// makes an answer of whatever went wrong. The error is what went wrong, for
// observers; the answer is in x.Response all the same, unless the client is
// gone.
func (g *Generation) Do(ctx context.Context, x *gateway.Exchange) error {
	x.Identify()
	x.Client = g.client.Of(x.In)
	var b *plan.Budget
	if g.serviceTime != nil {
		b = g.serviceTime.Begin(ctx, x)
		ctx = b
	}
	if err := g.plan.Do(ctx, x); err != nil { // of a stage outside of the rendering
		g.rendering.Fail(x, err)
	}
	if b != nil {
		g.serviceTime.End(b, x)
	}
	if g.idHeader != "" {
		x.Response.Header.Set(g.idHeader, x.ID())
	}
	return x.Err
}

// portLimit is how long an exchange at a port may take, its answer included.
const portLimit = time.Minute

// Answer answers an exchange that came to a port, in the way that c does, and makes an
// answer of whatever goes wrong.
func (g *Generation) Answer(ctx context.Context, x *gateway.Exchange, c gateway.Connector) error {
	x.Identify()
	x.Client = g.client.Of(x.In)
	if err := c.Do(ctx, x); err != nil {
		g.rendering.Fail(x, err)
	}
	return x.Err
}

// Taken returns an exchange for a message of the named source, all of which is let
// through, with the User-Agent of the gateway if it has none; see [gateway.Source]. It is the caller's, who releases it.
func (g *Generation) Taken(source string, m gateway.Message) *gateway.Exchange {
	m.Method, m.Path = cmp.Or(m.Method, "POST"), cmp.Or(m.Path, (&url.URL{Path: "/" + source}).EscapedPath())
	m.Header = slices.Clone(m.Header)
	for i, f := range m.Header {
		m.Header[i].Name = gateway.Canonical(f.Name)
	}
	slices.SortStableFunc(m.Header, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	x := gateway.Acquire(m.Inbound())
	x.Endpoint = source
	r := &x.Request
	r.Method = m.Method
	g.taken.Choose(x)
	if !r.Header.Has("User-Agent") {
		r.Header.Add("User-Agent", g.env.Product)
	}
	message.SelectQuery(r, m.RawQuery, &message.Selection{All: true})
	if len(m.Body) > 0 {
		r.Body = body.FromBytes(m.Body)
	}
	x.Identify()
	return x
}

// Take answers an exchange of a source in the way that c does, and reads what is passed through
// to its end, within the time of the pipe. An error is the failure, or that something of the
// answer is missing.
func (g *Generation) Take(ctx context.Context, x *gateway.Exchange, c gateway.Connector) error {
	err := c.Do(ctx, x)
	switch r := &x.Response; {
	case err != nil:
		return err
	case !r.Complete:
		return cmp.Or(r.Missing, error(errIncomplete))
	case r.Status >= 300: // of an answer that is passed through
		return &gateway.Error{Code: gateway.CodeBackendStatus, Err: fmt.Errorf("the backend answered with status %d", r.Status)}
	}
	if b := &x.Response.Body; !b.Arrived() {
		if _, err := b.WriteTo(io.Discard); err != nil {
			return message.AnswerError(err)
		}
	}
	return nil
}

// errIncomplete is an answer to a source of which nobody says what is missing.
var errIncomplete = &gateway.Error{Code: gateway.CodeBackendInvalid, Err: errors.New("the answer is not complete")}

// Mask replaces the secrets of the configuration in a text for operators.
func (g *Generation) Mask(text string) string {
	if g.env.Mask == nil {
		return text
	}
	return g.env.Mask(text)
}

// Sources returns where exchanges come from beside listeners.
func (g *Generation) Sources() []component.Source { return g.env.Sources }

// Ports returns where the gateway listens beside the address of the service.
func (g *Generation) Ports() []component.Port { return g.env.Ports }

// Observers returns who wants to know how exchanges end.
func (g *Generation) Observers() []component.Observer { return g.env.Observers }

// Logger returns the log of the generation.
func (g *Generation) Logger() *slog.Logger { return g.env.Log.Logger() }

// Discard gives back what was kept for a generation that is not started.
func (g *Generation) Discard() { discard(g.env) }

// discard gives back what was kept. That somebody panics is told in the log.
func discard(env *component.Env) {
	if err := env.Release(); err != nil {
		env.Log.Logger().Error("giving back what was kept", "error", err)
	}
}

// Start runs what components registered for the start, in the order in which
// they were built. An error is that of the first that failed; those that were
// started before it are closed. A generation that has started cannot be
// explained any more: it has let go of its document.
func (g *Generation) Start(ctx context.Context) error {
	if err := g.env.Start(ctx); err != nil {
		return errors.Join(err, g.Close(context.WithoutCancel(ctx)))
	}
	g.forget()
	return nil
}

// StartService is [Generation.Start] for a generation that is to answer one exchange, and of
// which nothing is started that this has no use for: what an endpoint needs waits until the
// exchange is there. What connects has a moment for it each time.
func (g *Generation) StartService(ctx context.Context, moment time.Duration) error {
	begin := func(ctx context.Context, e *model.Endpoint) error {
		if err := g.env.StartOf(ctx, e); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, moment)
		defer cancel()
		g.env.AwaitOf(ctx, e) // or the call says that it is not connected
		return nil
	}
	g.arrived = func(ctx context.Context, e *Endpoint) error { return begin(ctx, e.Config) }
	if err := begin(ctx, nil); err != nil {
		return errors.Join(err, g.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// Await returns when what the start has begun has come to something, such as connections, or
// ctx is done. The error says what has not.
func (g *Generation) Await(ctx context.Context) error { return g.env.Await(ctx) }

// forget lets go of the document and of the endpoints as they were written,
// which are as large as all that was made of them. Only problems and
// explanations speak of them, and there are none any more.
func (g *Generation) forget() {
	s := g.Service
	s.Node, s.ExtraConfig, s.Endpoints, g.pipes = nil, nil, nil, nil
	for _, e := range g.Endpoints {
		e.Config, e.branches = nil, nil
	}
}

// Settle waits for the shadows that run, each of which ends within a time of its own.
func (g *Generation) Settle() { g.shadows.Wait() }

// Cut ends the shadows that run.
func (g *Generation) Cut() { g.shadows.Cut() }

// Close ends the generation after its last exchange: it waits for shadows,
// runs what components registered for the end, in the opposite order, under ctx, and
// gives back what was kept.
func (g *Generation) Close(ctx context.Context) error {
	g.Settle()
	return errors.Join(g.env.Close(ctx), g.env.Release())
}

// route is the tail of the service plan: it finds the endpoint and runs its
// plan.
func (g *Generation) route(ctx context.Context, x *gateway.Exchange) error {
	if x.In.Path() == "*" {
		return g.describe(x)
	}
	m := g.table.Find(x.In.Method(), x.In.Path(), x.Params)
	switch m.Outcome {
	case route.Found:
		x.Endpoint, x.Path, x.Params, x.Raw, x.Rest = m.Pattern, m.Path, m.Params, m.Raw, m.Rest
		if g.arrived != nil {
			if err := g.arrived(ctx, m.Value); err != nil {
				return err
			}
		}
		return m.Value.plan.Do(ctx, x)
	case route.MethodNotAllowed:
		return g.wrongMethod(x, m.Allow)
	case route.Redirect:
		return redirect(x, m.Location)
	case route.BadParam:
		return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: m.Text, Show: true}
	}
	return g.notFound(x)
}

// refuse fails with a text or the configured document.
func (g *Generation) refuse(x *gateway.Exchange, e *gateway.Error) error {
	h := &x.Response.Header
	x.Response.Mark = gateway.MarkIncomplete
	if text := g.Router.ErrorBody[e.Status]; text != nil {
		x.Response.Status = e.Status
		h.Set(message.ContentType, "application/json; charset=utf-8")
		x.Response.Body = body.FromBytes(text)
		x.Reply()
		return nil
	}
	h.Set(message.ContentType, "text/plain")
	return e
}

func (g *Generation) notFound(x *gateway.Exchange) error {
	return g.refuse(x, &gateway.Error{Status: 404, Code: gateway.CodeNotFound, Public: "404 page not found", Show: true})
}

// wrongMethod answers for a path that has other methods only.
func (g *Generation) wrongMethod(x *gateway.Exchange, allow []string) error {
	switch {
	case g.Router.AutoOptions && x.In.Method() == "OPTIONS":
		x.Response.Status = 200
		x.Response.Header.Set("Allow", strings.Join(allow, ", "))
		x.Response.Mark = gateway.MarkProduct
		x.Reply()
		return nil
	case g.Router.NoMethodNotAllowed:
		return g.notFound(x)
	}
	if g.Router.AutoOptions {
		allow = append(allow[:len(allow):len(allow)], "OPTIONS")
	}
	x.Response.Header.Set("Allow", strings.Join(allow, ", "))
	return g.refuse(x, &gateway.Error{Status: 405, Code: gateway.CodeNotAllowed, Public: "405 method not allowed", Show: true})
}

// describe answers OPTIONS for the gateway itself, with the methods that it
// serves anywhere (RFC 9110, section 9.3.7).
func (g *Generation) describe(x *gateway.Exchange) error {
	x.Response.Status = 200
	x.Response.Header.Set("Allow", g.allow)
	x.Response.Mark = gateway.MarkProduct
	x.Reply()
	return nil
}

// everywhere returns the field Allow of the gateway itself, which has endpoints of the
// given methods.
func everywhere(methods []string) string {
	methods = append(methods, "OPTIONS")
	slices.Sort(methods)
	return strings.Join(route.WithHead(slices.Compact(methods)), ", ")
}

// redirect points the client to the spelling that is served. GET and HEAD may be
// repeated as they are (301); other methods keep method and body (307).
func redirect(x *gateway.Exchange, path string) error {
	target := path
	if q := x.In.RawQuery(); q != "" {
		target += "?" + q
	}
	r := &x.Response
	r.Status = 307
	if method := x.In.Method(); method == "GET" || method == "HEAD" {
		r.Status = 301
		r.Header.Set(message.ContentType, "text/html; charset=utf-8")
		r.Body = body.FromBytes([]byte(`<a href="` + htmlEscape(target) + "\">Moved Permanently</a>.\n\n"))
	}
	r.Header.Set("Location", target)
	x.Reply()
	return nil
}

var htmlEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace
