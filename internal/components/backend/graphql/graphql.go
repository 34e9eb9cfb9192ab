package graphql

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/template"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

// codeErrors is the failure of a backend that answers with errors and without data.
const codeErrors = "graphql_errors"

var info = component.Info{
	Namespace: "backend/graphql",
	Aliases:   []string{"github.com/devopsfaith/krakend/transport/http/client/graphql"},
	Summary:   "Sends an operation of GraphQL in place of the request.",
	Source:    source,
	Doc:       doc,
	Failures: []gateway.Failure{
		{Code: codeErrors, Class: gateway.Refused, Detail: "A service behind the gateway answered with a failure."},
	},
}

func init() { component.Register(component.Backend(info, build)) }

func build(s *component.BackendSite, o Options) error {
	text, err := document(s, o)
	read := !errors.Is(err, config.ErrSkipped)
	if err != nil && read {
		return err
	}
	var op operation
	if read {
		var faults []fault
		op, faults = parse(text, o.OperationName)
		for _, f := range faults {
			s.Mistake(cmp.Or(f.key, o.documentKey()), f.err)
		}
	}
	method, err := sentBy(s, o, &op)
	if err != nil {
		return err
	}
	c := compiler{site: s, op: op, deep: o.Interpolate == deep, from: o.Type}
	vars, err := c.variables(o.Variables)
	if err != nil {
		return err
	}
	judge(s, o, &op)
	c.verbatim(text, o.documentKey())
	if err := s.SetMethod(method, op.writes(o.Type)); err != nil {
		return err
	}
	what := "sends: the document of the options by " + method
	if op.found && op.Operation != "" {
		what = fmt.Sprintf("sends: the %s %q by %s", op.Operation, op.Name, method)
	}
	s.Asks(what)
	s.OwnQuery(parameters...)
	s.OwnQuery(documents...)
	own := s.Config().InputQueryStrings
	if slices.Contains(s.Endpoint().Config().InputQueryStrings, "*") && (len(own) == 0 || slices.Contains(own, "*")) {
		s.OwnQuery("id", "hash") // as which nobody has chosen to pass them on
	}
	if o.Type == ofBody {
		s.Needs(body.Raw, body.Empty)
	}
	noop := s.Config().Encoding == "no-op"
	call := newCall(text, o, method == "GET", vars)
	call.decodes, call.plain = !noop, noop && o.ErrorsAsFailure
	call.asks = op.found && op.Operation == ast.Query // which has no effects (GraphQL, September 2025, section 6.2.1)
	s.Prompt(component.BackendAdapt, call)
	s.Finally(func() error {
		if c := s.Call(); c.Connector != nil {
			return fmt.Errorf("the operation is sent by HTTP, and %s calls the backend in another way; keep one of the two namespaces", c.By)
		}
		return nil
	})
	if o.ErrorsAsFailure {
		return placeErrors(s, noop)
	}
	return nil
}

// documentKey is where the document is written.
func (o *Options) documentKey() string {
	if o.QueryPath != "" {
		return "query_path"
	}
	return "query"
}

// document returns the text of the document.
func document(s *component.BackendSite, o Options) (string, error) {
	if o.QueryPath == "" {
		return o.Query, nil
	}
	if o.Query != "" {
		s.Warn("query", errors.New("has no effect with query_path; remove one of the two"))
	}
	text, err := s.ReadFile(o.QueryPath)
	return strings.TrimPrefix(string(text), "\ufeff"), config.At("query_path", err)
}

// sentBy returns the method by which the operation is sent.
func sentBy(s *component.BackendSite, o Options, op *operation) (string, error) {
	mutates := op.found && op.Operation == ast.Mutation
	b := s.Config()
	switch {
	case o.Method == "GET" && mutates:
		return "", config.At("method", errors.New("a mutation is not sent by GET, which servers refuse; write POST, or remove the key"))
	case o.Method != "":
		return string(o.Method), nil
	case !b.Node.GetFold("method").Written() || b.Method == "POST":
	case b.Method != "GET":
		s.Note("method", fmt.Errorf("the operation is sent by POST, although the method of the backend is %s", b.Method))
	case mutates:
		s.Warn("method", errors.New(`a mutation is not sent by GET, so it is sent by POST, although the method of the backend is GET; write "POST" there`))
	default:
		s.Note("method", errors.New(`the operation is sent by GET, as the method of the backend says; KrakenD sends POST unless this key says GET: write "method": "POST" here if the server takes nothing else`))
		return "GET", nil
	}
	return "POST", nil
}

// judge reports what of the operation does not go with the rest of the configuration.
func judge(s *component.BackendSite, o Options, op *operation) {
	b := s.Config()
	_, query, _ := strings.Cut(b.URLPattern, "?")
	for query != "" {
		var found bool
		var name string
		if _, name, _, query, found = template.CutPair(query); found && slices.Contains(parameters, name) {
			s.Mistake("", fmt.Errorf("the url_pattern has the parameter %s, and the operation is sent with one of that name, of which the server may read either; remove it there", name))
		}
	}
	if !op.found {
		return
	}
	switch {
	case op.Operation == ast.Subscription && b.Encoding != "no-op":
		s.Mistake(o.documentKey(), errors.New(`a subscription is answered by a stream of events, which no encoding decodes; write "output_encoding": "no-op" in the endpoint to pass it on, or a query`))
	case op.Operation == ast.Mutation && s.Endpoint().Outer() == nil && s.Endpoint().Config().Method == "GET":
		s.Warn("type", errors.New(`the operation is a mutation, which anybody starts who follows a link to the endpoint or probes it with HEAD; write "method": "POST" in the endpoint`))
	case op.Operation == ast.Mutation && o.Type == ofURL:
		s.Note("type", errors.New("the operation is a mutation, and its variables are those of the configuration: the body of the client is ignored"))
	case op.Operation != ast.Mutation && o.Type == ofBody:
		s.Note("type", fmt.Errorf("the operation is a %s, and its variables are those of the body of the client", op.Operation))
	}
	if o.Type == ofBody {
		return
	}
	for _, v := range op.VariableDefinitions {
		if v.Type.NonNull && v.DefaultValue == nil && o.Variables.Get(v.Variable) == nil {
			s.Mistake("variables", fmt.Errorf(`$%s of type %s has no value, so the server refuses every call; write one, such as "%[1]s": "{%[1]s}"`, v.Variable, v.Type))
		}
	}
}

// writes reports whether the operation does, as far as that is known.
func (op *operation) writes(from Type) bool {
	if op.found {
		return op.Operation == ast.Mutation
	}
	return from == ofBody
}

// parameters are the names of what is sent, in a query as in a body.
//
// Source: GraphQL over HTTP, draft, Request Parameters.
var parameters = []string{"query", "operationName", "variables"}

// documents are the names by which servers find documents that they have: another one than is
// sent, if the client may choose it.
//
// Source: GraphQL over HTTP, draft, Appendix Persisted Documents; others are those of servers.
var documents = []string{"extensions", "documentId", "doc_id", "queryId"}

// A call makes a request of GraphQL of what the endpoint lets through.
type call struct {
	get      bool
	head     []byte // of the body or of the query, in front of the variables
	vars     []variable
	fromBody bool
	whole    []byte // the body or the query, where it is always the same
	query    string // the same of a query
	decodes  bool   // the answer is
	plain    bool   // an answer that is passed through has to be readable
	asks     bool   // the operation is a query, so that the request may be sent twice
}

func newCall(text string, o Options, get bool, vars []variable) *call {
	c := &call{get: get, vars: vars, fromBody: o.Type == ofBody}
	if get {
		c.head = template.AppendQueryValue([]byte("query="), text)
		if o.OperationName != "" {
			c.head = template.AppendQueryValue(append(c.head, "&operationName="...), o.OperationName)
		}
	} else {
		c.head = jsonspan.AppendString([]byte(`{"query":`), text)
		if o.OperationName != "" {
			c.head = jsonspan.AppendString(append(c.head, `,"operationName":`...), o.OperationName)
		}
	}
	if !c.fromBody && !slices.ContainsFunc(vars, func(v variable) bool { return !v.value.fixed() }) {
		whole, _ := c.append(nil, nil) // which nothing of a request is part of
		c.whole, c.query = whole, string(whole)
	}
	return c
}

// longest is how much of a query is sent by GET: no server takes as much.
const longest = 64 << 10

// Enter replaces body and query of the request.
func (c *call) Enter(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	r.Idempotent = c.asks
	c.describe(r)
	if c.whole != nil {
		r.Body.Close()
		if c.get {
			r.RawQuery = joined(r.RawQuery, c.query)
			return nil
		}
		r.Body = body.FromBytes(c.whole)
		return nil
	}
	buf := body.NewBuffer()
	var err error
	if buf.B, err = c.append(buf.B[:0], x); err == nil && c.get && len(buf.B)-len(c.head) > longest {
		err = tooLong(len(buf.B))
	}
	if err != nil {
		buf.Free()
		return err
	}
	r.Body.Close()
	if c.get {
		r.RawQuery = joined(r.RawQuery, string(buf.B))
		buf.Free()
		return nil
	}
	r.Body = body.FromBuffer(buf)
	return nil
}

func tooLong(size int) error {
	return &gateway.Error{Status: 413, Code: gateway.CodeTooLarge, Public: "the variables are too large", Err: fmt.Errorf("they have %d bytes, and %d are sent by GET at most", size, longest)}
}

// describe replaces what the client says of its body, and of the answers that it takes: the
// gateway is the one who reads what it decodes. Servers that guard against forged requests of
// browsers take no GET without a type.
func (c *call) describe(r *gateway.Request) {
	h := &r.Header
	for _, name := range [...]string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Md5", "Content-Digest", "Repr-Digest", "Digest"} {
		h.Del(name)
	}
	h.Set("Content-Type", mediaType)
	if c.decodes {
		h.Set("Accept", mediaType)
	}
	if c.plain && !r.Unpack {
		h.Del("Accept-Encoding")
	}
}

// mediaType is that of requests and answers.
const mediaType = "application/json"

// joined returns a query with more behind it.
func joined(query, more string) string {
	if query == "" {
		return more
	}
	return query + "&" + more
}

// append appends the body or the query.
func (c *call) append(dst []byte, x *gateway.Exchange) ([]byte, error) {
	dst = append(dst, c.head...)
	if !c.get {
		behind := len(dst)
		dst = append(dst, `,"variables":`...)
		at := len(dst)
		dst, err := c.variables(dst, x)
		if len(dst) == at {
			dst = dst[:behind]
		}
		return append(dst, '}'), err
	}
	buf := body.NewBuffer()
	defer buf.Free()
	var err error
	if buf.B, err = c.variables(buf.B[:0], x); err != nil || len(buf.B) == 0 {
		return dst, err
	}
	if len(buf.B) > longest { // as it is escaped it is longer
		return dst[:0], tooLong(len(buf.B))
	}
	return template.AppendQueryValue(append(dst, "&variables="...), string(buf.B)), nil
}

// variables appends the variables as an object, and nothing if there are none: those of the
// client's body, each by its last value, and of the configuration those that it lacks.
func (c *call) variables(dst []byte, x *gateway.Exchange) ([]byte, error) {
	start := len(dst)
	var of *jsonspan.Object
	if c.fromBody {
		sent, err := clients(x)
		if err != nil {
			return dst, err
		}
		defer sent.Close()
		if of, err = sent.Object(); err != nil {
			return dst, err
		}
		if len(of.Members) > 0 {
			dst = of.AppendJSON(dst)
			dst = dst[:len(dst)-1]
		}
	}
	for i := range c.vars {
		v := &c.vars[i]
		if of != nil {
			if _, has := of.Get(v.name); has {
				continue
			}
		}
		if v.absent(x) {
			continue
		}
		open := byte(',')
		if len(dst) == start {
			open = '{'
		}
		dst = append(append(dst, open), v.quoted...)
		var err error
		if dst, err = v.value.append(dst, x); err != nil {
			return dst, err
		}
	}
	if len(dst) > start {
		dst = append(dst, '}')
	}
	return dst, nil
}

// every keeps all members of an object.
var every = jsonspan.Compile(jsonspan.Rules{})

// clients returns the body of the client as an object, an empty one for none. It is valid as
// long as that body.
func clients(x *gateway.Exchange) (body.Body, error) {
	raw, err := x.Request.Body.Bytes(0) // which is in memory, within its limit
	if err != nil {
		return body.Body{}, gateway.BodyError(err)
	}
	if len(raw) == 0 {
		b, _ := body.NewObject()
		return b, nil
	}
	b := body.FromBytes(raw)
	switch kind := jsonspan.KindOf(raw); {
	case kind != jsonspan.KindObject:
		err = fmt.Errorf("the body of the client begins with %v, and has to be an object, which holds the variables", kind)
	case !jsonspan.Valid(raw):
		err = errors.New("the body of the client is no valid JSON")
	default:
		err = b.Project(every, 0)
	}
	if err != nil {
		return body.Body{}, &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the request body must be a JSON object, which holds the variables", Err: err}
	}
	return b, nil
}
