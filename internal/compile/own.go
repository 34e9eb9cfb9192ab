package compile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/route"
)

// An own is the step that answers the paths of the gateway itself: health,
// readiness, and if they are switched on the debug and echo endpoints.
type own struct {
	g           *Generation
	health      string // path; "" when it is switched off
	ready, live string // paths; "" when an endpoint has taken them
	debug, echo bool
	now         func() time.Time
}

const (
	readyPath = "/__ready"
	livePath  = "/__live"
	debugPath = "/__debug"
	echoPath  = "/__echo"
)

// newOwn returns the step. Compatibility: readiness and liveness give way to
// endpoints, because existing files may declare their paths; the health path
// is the gateway's, and an endpoint there is an error.
func (c *compiler) newOwn() *own {
	o := &own{
		g: c.g, ready: readyPath, live: livePath,
		debug: c.g.Service.DebugEndpoint, echo: c.g.Service.EchoEndpoint, now: c.env.Clock,
	}
	slices.SortFunc(c.env.Health, func(a, b component.Health) int { return cmp.Compare(a.Name, b.Name) })
	if !c.g.Router.NoHealth {
		o.health = cmp.Or(c.g.Router.HealthPath, "/__health")
	}
	for _, e := range c.g.Service.Endpoints {
		if e == nil || e.Node == nil {
			continue
		}
		switch path := e.Endpoint; {
		case e.Method != "GET":
		case path == o.health:
			c.report(e.Node, "endpoint", config.Error, config.CodeDuplicateEndpoint,
				fmt.Errorf("GET %s is the health path of the gateway; choose another path here or for %s", path, c.Registry.Option(component.InService, "health_path")))
		case path == readyPath:
			o.ready = ""
		case path == livePath:
			o.live = ""
		}
	}
	return o
}

// Enter answers if the path is one of ours.
func (o *own) Enter(_ context.Context, x *gateway.Exchange) error {
	path := x.In.Path()
	switch {
	case o.health != "" && strings.TrimSuffix(path, "/") == o.health:
		return o.get(x, o.health, o.answerHealth)
	case !strings.HasPrefix(path, "/__"):
		return nil
	case o.ready != "" && strings.TrimSuffix(path, "/") == o.ready:
		return o.get(x, o.ready, o.answerReady)
	case o.live != "" && strings.TrimSuffix(path, "/") == o.live:
		return o.get(x, o.live, func(x *gateway.Exchange) error {
			return reply(x, 200, []byte(`{"status":"ok"}`))
		})
	case o.debug && below(path, debugPath):
		return o.anyMethod(x, debugPath, o.answerDebug)
	case o.echo && below(path, echoPath):
		return o.anyMethod(x, echoPath, answerEcho)
	}
	return nil
}

// name says which of our paths this is; it is empty for any other.
func (o *own) name(path string) string {
	switch {
	case o.health != "" && path == o.health:
		return "health"
	case o.ready != "" && path == o.ready:
		return "readiness"
	case o.live != "" && path == o.live:
		return "liveness"
	case o.debug && below(path, debugPath):
		return "debugging"
	case o.echo && below(path, echoPath):
		return "echo"
	}
	return ""
}

func below(path, root string) bool {
	rest, found := strings.CutPrefix(path, root)
	return found && (rest == "" || rest[0] == '/')
}

// get serves a path by GET, and points other spellings to it. Other methods
// are left to endpoints that have them.
func (o *own) get(x *gateway.Exchange, path string, answer func(*gateway.Exchange) error) error {
	if method := x.In.Method(); method != "GET" && method != "HEAD" {
		m := o.g.table.Find(method, path, nil)
		if m.Outcome == route.Found {
			return nil
		}
		x.Endpoint = path
		allow := append([]string{"GET"}, m.Allow...)
		slices.Sort(allow)
		return o.g.wrongMethod(x, route.WithHead(slices.Compact(allow)))
	}
	x.Endpoint = path
	if x.In.Path() != path {
		return redirect(x, path)
	}
	return answer(x)
}

// anyMethod serves everything below a path.
func (o *own) anyMethod(x *gateway.Exchange, root string, answer func(*gateway.Exchange) error) error {
	x.Endpoint = root + "/*"
	if x.In.Path() == root {
		return redirect(x, root+"/")
	}
	return answer(x)
}

// reply ends the way in with a JSON text.
func reply(x *gateway.Exchange, status int, text []byte) error {
	x.Response.Status = status
	x.Response.Header.Set(message.ContentType, "application/json; charset=utf-8")
	x.Response.Body = body.FromBytes(text)
	x.Reply()
	return nil
}

func (o *own) answerHealth(x *gateway.Exchange) error {
	text, _ := o.agents([]byte(`{"agents":`), false)
	text = jsonspan.AppendString(append(text, `,"now":`...), o.now().String())
	return reply(x, 200, append(text, `,"status":"ok"}`...))
}

func (o *own) answerReady(x *gateway.Exchange) error {
	if o.g.ready != nil && !o.g.ready() {
		return reply(x, 503, []byte(`{"status":"draining"}`))
	}
	if text, down := o.agents([]byte(`{"status":"unavailable","agents":`), true); down {
		return reply(x, 503, append(text, '}'))
	}
	return reply(x, 200, []byte(`{"status":"ready"}`))
}

// agents appends an object of what the gateway depends on, by name: all of which
// something is known, or what is critical and not well. It reports whether there is any.
func (o *own) agents(dst []byte, down bool) (text []byte, some bool) {
	dst = append(dst, '{')
	for _, h := range o.g.env.Health {
		text, ok := h.State()
		if down && (ok || !h.Critical) || !down && text == "" {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst = jsonspan.AppendString(dst, h.Name)
		dst = jsonspan.AppendString(append(dst, ':'), text)
	}
	return append(dst, '}'), some
}

// answerDebug answers a pong. What the client sent is logged at debug level,
// header names without their values, which may be secrets.
func (o *own) answerDebug(x *gateway.Exchange) error {
	var names []string
	for _, f := range x.In.AppendHeaders(nil) {
		names = append(names, f.Name)
	}
	o.g.env.Log.Logger().Debug("debug endpoint called", "method", x.In.Method(), "path", x.In.Path(), "headers", names)
	return reply(x, 200, []byte(`{"message":"pong"}`))
}

// maxEcho bounds the body that the echo endpoint answers with.
const maxEcho = 1 << 20

// An echo is what the echo endpoint answers.
type echo struct {
	URI     string `json:"req_uri"`
	Details struct {
		User     string `json:"user"`
		Host     string `json:"host"`
		Path     string `json:"path"`
		Query    string `json:"query"`
		Fragment string `json:"fragment"`
	} `json:"req_uri_details"`
	Method  string              `json:"req_method"`
	Query   map[string][]string `json:"req_querystring"`
	Body    string              `json:"req_body"`
	Headers map[string][]string `json:"req_headers"`
}

func answerEcho(x *gateway.Exchange) error {
	e := echo{Method: x.In.Method(), Headers: make(map[string][]string)}
	e.URI = x.In.Path()
	if q := x.In.RawQuery(); q != "" {
		e.URI += "?" + q
	}
	e.Details.Path, e.Details.Query = x.In.Path(), x.In.RawQuery()
	if u, err := url.PathUnescape(e.Details.Path); err == nil {
		e.Details.Path = u
	}
	e.Query = map[string][]string{}
	message.SelectQuery(&x.Request, x.In.RawQuery(), &message.Selection{All: true})
	for _, f := range x.Request.Query {
		e.Query[f.Name] = append(e.Query[f.Name], f.Value)
	}
	for _, f := range x.In.AppendHeaders(nil) {
		e.Headers[f.Name] = append(e.Headers[f.Name], f.Value)
	}
	if in := x.TakeBody(); in != nil {
		text, err := io.ReadAll(io.LimitReader(in, maxEcho))
		if err != nil {
			return gateway.BodyError(err)
		}
		e.Body = string(text)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return reply(x, 200, text)
}
