package cli

import (
	"cmp"
	"encoding/base64"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/route"
)

// What explain says for programs. Keys may join these, none goes and none changes its
// meaning: docs/operating.md lists them.
type (
	jsonExplained struct {
		Method   string        `json:"method"`
		Target   string        `json:"target"`
		Outcome  string        `json:"outcome"`
		Answered bool          `json:"answered"`
		Engine   string        `json:"engine"`
		First    []string      `json:"first"`
		Routes   []jsonRoute   `json:"routes"`
		Near     []jsonNear    `json:"near"`
		Service  []jsonStep    `json:"service"`
		Endpoint *jsonPipePlan `json:"endpoint"`
	}

	jsonRoute struct {
		Method  string `json:"method"`
		Pattern string `json:"pattern"`
		Wins    bool   `json:"wins"`
		Why     string `json:"why"`
	}

	jsonNear struct {
		Method  string `json:"method"`
		Pattern string `json:"pattern"`
		Why     string `json:"why"`
	}

	jsonPlace struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	}

	jsonStep struct {
		Phase string     `json:"phase"`
		Name  string     `json:"name"`
		Out   bool       `json:"out"`
		At    *jsonPlace `json:"at"`
	}

	jsonPipePlan struct {
		Name     string            `json:"name"`
		Method   string            `json:"method,omitempty"`
		Takes    string            `json:"takes,omitempty"`
		At       *jsonPlace        `json:"at"`
		Timeout  string            `json:"timeout"`
		Steps    []jsonStep        `json:"steps"`
		Calls    string            `json:"calls"`
		Backends []jsonBackendPlan `json:"backends"`
	}

	jsonBackendPlan struct {
		Method  string         `json:"method"`
		Pattern string         `json:"pattern"`
		At      *jsonPlace     `json:"at"`
		Hosts   []string       `json:"hosts"`
		By      string         `json:"by,omitempty"`
		Asks    string         `json:"asks,omitempty"`
		Shadow  bool           `json:"shadow"`
		Calls   int            `json:"calls"`
		Steps   []jsonStep     `json:"steps"`
		Pipes   []jsonPipePlan `json:"pipes"`
	}
)

func jsonExplanation(method, target, engine string, e compile.Explanation) jsonExplained {
	j := jsonExplained{
		Method: method, Target: target, Outcome: e.Outcome, Answered: e.Answered(), Engine: engine,
		First: listed(e.First), Routes: []jsonRoute{}, Near: []jsonNear{}, Service: jsonSteps(e.Service),
	}
	for _, c := range e.Candidates {
		j.Routes = append(j.Routes, jsonRoute(c))
	}
	for _, n := range e.Near {
		j.Near = append(j.Near, jsonNear(n))
	}
	if e.Endpoint != nil {
		p := jsonPipe(e.Endpoint.PipePlan)
		p.Name, p.Method = e.Endpoint.Pattern, e.Endpoint.Method
		j.Endpoint = &p
	}
	return j
}

func jsonPipe(p compile.PipePlan) jsonPipePlan {
	j := jsonPipePlan{
		Name: p.Name, Takes: p.Takes, At: place(p.At), Timeout: p.Timeout.String(), Steps: jsonSteps(p.Steps), Calls: p.Calls,
		Backends: []jsonBackendPlan{},
	}
	for _, b := range p.Backends {
		backend := jsonBackendPlan{
			Method: b.Method, Pattern: b.Pattern, At: place(b.At), Hosts: listed(b.Hosts), By: b.By, Asks: b.Asks,
			Shadow: b.Shadow, Calls: b.Calls, Steps: jsonSteps(b.Steps), Pipes: []jsonPipePlan{},
		}
		for _, inner := range b.Pipes {
			backend.Pipes = append(backend.Pipes, jsonPipe(inner))
		}
		j.Backends = append(j.Backends, backend)
	}
	return j
}

func jsonSteps(steps []compile.Step) []jsonStep {
	list := make([]jsonStep, len(steps))
	for i, s := range steps {
		list[i] = jsonStep{Phase: s.Phase, Name: s.Name, Out: s.Out, At: place(s.At)}
	}
	return list
}

// place returns a place for programs, nil for the core.
func place(at config.Pos) *jsonPlace {
	if at == (config.Pos{}) {
		return nil
	}
	return &jsonPlace{at.File, int(at.Line), int(at.Col)}
}

// listed returns a list that is never null.
func listed(texts []string) []string { return append([]string{}, texts...) }

// What explain --send says for programs. Times are milliseconds; those of spans and calls
// began with the request.
type (
	jsonExchange struct {
		Method   string          `json:"method"`
		Path     string          `json:"path"`
		Endpoint string          `json:"endpoint"`
		Took     milliseconds    `json:"took_ms"`
		Errors   []string        `json:"errors"`
		Spans    []jsonSpan      `json:"spans"`
		Members  []jsonMember    `json:"members"`
		Near     []jsonNear      `json:"near"`
		Answer   jsonSentMessage `json:"answer"`
	}

	jsonSpan struct {
		Plan    string       `json:"plan"`
		Phase   string       `json:"phase"`
		Step    string       `json:"step"`
		Out     bool         `json:"out"`
		Place   string       `json:"place,omitempty"`
		Began   milliseconds `json:"began_ms"`
		Took    milliseconds `json:"took_ms"`
		Before  string       `json:"before"`
		After   string       `json:"after"`
		Status  int          `json:"status,omitempty"`
		Replied bool         `json:"replied"`
		Code    string       `json:"code,omitempty"`
		Error   string       `json:"error,omitempty"`
		Call    *jsonTiming  `json:"call,omitempty"`
	}

	jsonTiming struct {
		Reused    bool         `json:"reused"`
		Lookup    milliseconds `json:"lookup_ms"`
		Connect   milliseconds `json:"connect_ms"`
		Handshake milliseconds `json:"handshake_ms"`
		FirstByte milliseconds `json:"first_byte_ms"`
		End       milliseconds `json:"end_ms"`
	}

	jsonMember struct {
		Name string `json:"name"`
		From string `json:"from"`
	}

	jsonSentMessage struct {
		Status  int         `json:"status"`
		Headers [][2]string `json:"headers"`
		Body    string      `json:"body"`
		Base64  bool        `json:"base64"` // of a body that is no text
		Cut     bool        `json:"cut"`    // there is more than is shown
		Broken  bool        `json:"broken"`
	}
)

type milliseconds float64

func ms(d time.Duration) milliseconds {
	return milliseconds(float64(d.Round(time.Microsecond)) / float64(time.Millisecond))
}

// jsonSent returns what happened. What was said by others is masked text by text, so that
// no secret takes the place of a number.
func jsonSent(x *gateway.Exchange, got *taken, failure error, near []route.Neighbour, mask func(string) string) jsonExchange {
	r := &x.Response
	j := jsonExchange{
		Method: x.In.Method(), Path: mask(x.In.Path()), Endpoint: mask(x.Endpoint), Took: ms(got.took),
		Errors: []string{}, Spans: []jsonSpan{}, Members: []jsonMember{}, Near: []jsonNear{},
		Answer: jsonSentMessage{Status: got.status, Headers: [][2]string{}, Cut: got.more, Broken: got.broken != nil},
	}
	for _, err := range []error{failure, r.Missing, got.broken} {
		if err != nil {
			j.Errors = append(j.Errors, mask(gateway.WithSaid(err)))
		}
	}
	spans := x.Record.Spans()
	slices.SortStableFunc(spans, func(a, b gateway.Span) int { return cmp.Compare(a.Began, b.Began) })
	for _, s := range spans {
		span := jsonSpan{
			Plan: mask(s.Plan), Phase: s.Phase, Step: s.Step, Out: s.Out, Place: s.Place, Began: ms(s.Began), Took: ms(s.Took),
			Before: s.Before.String(), After: s.After.String(), Status: s.Status, Replied: s.Replied,
		}
		if s.Err != nil {
			span.Code, span.Error = gateway.AsError(s.Err).Code, mask(gateway.WithSaid(s.Err))
		}
		if c := s.Call; c != nil {
			span.Call = &jsonTiming{c.Reused, ms(c.Lookup), ms(c.Connect), ms(c.Handshake), ms(c.FirstByte), ms(c.End)}
		}
		j.Spans = append(j.Spans, span)
	}
	for _, m := range x.Record.Members() {
		j.Members = append(j.Members, jsonMember{mask(m.Name), mask(m.From)})
	}
	for _, n := range near {
		j.Near = append(j.Near, jsonNear(n))
	}
	for _, f := range r.Header {
		if engine.Sendable(f) {
			j.Answer.Headers = append(j.Answer.Headers, [2]string{f.Name, mask(f.Value)})
		}
	}
	j.Answer.Body = mask(got.payload.String())
	if !utf8.ValidString(j.Answer.Body) {
		j.Answer.Body, j.Answer.Base64 = base64.StdEncoding.EncodeToString([]byte(j.Answer.Body)), true
	}
	return j
}
