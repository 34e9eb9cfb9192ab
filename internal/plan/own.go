package plan

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// An own is the step that answers the paths of the gateway itself: health,
// readiness, and if they are switched on the debug and echo endpoints.
type own struct {
	g           *Generation
	health      string // path; "" when it is switched off
	debug, echo bool
	now         func() time.Time
}

const (
	readyPath = "/__ready"
	livePath  = "/__live"
	debugPath = "/__debug"
	echoPath  = "/__echo"
)

func (c *compiler) newOwn() *own {
	o := &own{g: c.g, debug: c.g.Service.DebugEndpoint, echo: c.g.Service.EchoEndpoint, now: c.env.Clock}
	if !c.g.Router.NoHealth {
		if o.health = c.g.Router.HealthPath; o.health == "" {
			o.health = "/__health"
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
	case strings.TrimSuffix(path, "/") == readyPath:
		return o.get(x, readyPath, o.answerReady)
	case strings.TrimSuffix(path, "/") == livePath:
		return o.get(x, livePath, func(x *gateway.Exchange) error {
			return reply(x, 200, []byte(`{"status":"ok"}`))
		})
	case o.debug && below(path, debugPath):
		return o.anyMethod(x, debugPath, o.answerDebug)
	case o.echo && below(path, echoPath):
		return o.anyMethod(x, echoPath, answerEcho)
	}
	return nil
}

func below(path, root string) bool {
	rest, found := strings.CutPrefix(path, root)
	return found && (rest == "" || rest[0] == '/')
}

// get serves a path by GET only, and points other spellings to it.
func (o *own) get(x *gateway.Exchange, path string, answer func(*gateway.Exchange) error) error {
	x.Endpoint = path
	if x.In.Method() != "GET" {
		if o.g.Router.NoMethodNotAllowed {
			return o.g.notFound(x)
		}
		return o.g.notAllowed(x, []string{"GET"})
	}
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
	x.Response.Header.Set(contentType, "application/json; charset=utf-8")
	x.Response.Body = body.FromBytes(text)
	x.Reply()
	return nil
}

func (o *own) answerHealth(x *gateway.Exchange) error {
	text := jsonspan.AppendString([]byte(`{"agents":{},"now":`), o.now().String())
	return reply(x, 200, append(text, `,"status":"ok"}`...))
}

func (o *own) answerReady(x *gateway.Exchange) error {
	if o.g.ready != nil && !o.g.ready() {
		return reply(x, 503, []byte(`{"status":"draining"}`))
	}
	return reply(x, 200, []byte(`{"status":"ready"}`))
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
	for _, f := range appendQuery(nil, x.In.RawQuery(), func(string) bool { return true }) {
		e.Query[f.Name] = append(e.Query[f.Name], f.Value)
	}
	for _, f := range x.In.AppendHeaders(nil) {
		e.Headers[f.Name] = append(e.Headers[f.Name], f.Value)
	}
	if in := x.In.Body(); in != nil {
		text, err := io.ReadAll(io.LimitReader(in, maxEcho))
		if err != nil {
			return bodyError(err)
		}
		e.Body = string(text)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return reply(x, 200, text)
}
