//go:build !slim

package lambda

import (
	"encoding/base64"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A member of the object that a function gets.
type member struct {
	name  string // quoted, with a colon
	value template.Text
}

// members returns those of the parameters of the path, and of what url_pattern has in braces
// besides, sorted by name. Of two that are one in lower case the later counts.
func members(s *component.BackendSite) ([]member, error) {
	names := s.Endpoint().Params()
	pattern, err := template.Parse(s.Config().URLPattern, template.InText, s.Params())
	if err == nil { // else the core reports it
		for _, p := range pattern.Parts() {
			if p.From != template.Literal && !slices.Contains(names, p.Text) {
				names = append(slices.Clip(names), p.Text)
			}
		}
	}
	values := make(map[string]template.Text)
	for _, name := range names {
		t, err := s.Template("", "{"+name+"}", template.InJSON)
		if err != nil {
			return nil, err
		}
		values[strings.ToLower(name)] = t
	}
	out := make([]member, 0, len(values)) // which is not nil
	for name, t := range values {
		out = append(out, member{string(jsonspan.AppendString(nil, name)) + ":", t})
	}
	slices.SortFunc(out, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// appendMembers appends an object and a line end.
func appendMembers(dst []byte, members []member, x *gateway.Exchange) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.name...)
		if dst, err = m.value.Append(dst, x); err != nil {
			return nil, err
		}
	}
	return append(dst, "}\n"...), nil
}

// An event is that of a proxy integration (API Gateway developer guide, "Input format of a
// Lambda function for proxy integration", version 1.0).
type event struct {
	resource string
	params   []string
	clock    component.Clock
}

func newEvent(s *component.BackendSite) *event {
	return &event{s.Endpoint().Config().Endpoint, s.Endpoint().Params(), s.Clock()}
}

// stage is that of an API which has no other (API Gateway developer guide, "Stages").
const stage = "$default"

func (e *event) append(dst []byte, x *gateway.Exchange) ([]byte, error) {
	r := &x.Request
	raw, err := r.Body.Bytes(0)
	if err != nil {
		return nil, gateway.BodyError(err)
	}
	query, err := queryFields(r.RawQuery)
	if err != nil {
		return nil, err
	}
	path, err := url.PathUnescape(r.Path)
	if err != nil {
		path = r.Path
	}
	text := func(key, value string) {
		dst = append(dst, key...)
		dst = jsonspan.AppendString(dst, value)
	}
	text(`{"version":"1.0","resource":`, e.resource)
	text(`,"path":`, path)
	text(`,"httpMethod":`, r.Method)
	host := gateway.Fields{{Name: "Host", Value: x.In.Host()}}
	if r.Header.Has("Host") || host[0].Value == "" {
		host = nil
	}
	dst = appendFields(dst, "headers", "multiValueHeaders", slices.Concat(r.Header, host))
	dst = appendFields(dst, "queryStringParameters", "multiValueQueryStringParameters", query)
	dst = append(dst, `,"pathParameters":`...)
	if len(e.params) == 0 {
		dst = append(dst, "null"...)
	} else {
		for i, name := range e.params {
			open := ","
			if i == 0 {
				open = "{"
			}
			text(open, name)
			text(":", x.Params[i])
		}
		dst = append(dst, '}')
	}
	text(`,"stageVariables":null,"requestContext":{"httpMethod":`, r.Method)
	text(`,"path":`, path)
	text(`,"resourcePath":`, e.resource)
	text(`,"protocol":`, x.In.Proto())
	text(`,"stage":`, stage)
	text(`,"domainName":`, domain(x.In.Host()))
	now := e.clock().UTC()
	text(`,"requestTime":`, now.Format("02/Jan/2006:15:04:05 -0700"))
	dst = strconv.AppendInt(append(dst, `,"requestTimeEpoch":`...), now.UnixMilli(), 10)
	text(`,"requestId":`, x.ID())
	address := ""
	if x.Client.IsValid() {
		address = x.Client.String()
	}
	text(`,"identity":{"sourceIp":`, address)
	text(`,"userAgent":`, r.Header.Get("User-Agent"))
	dst = append(dst, `}},"body":`...)
	switch {
	case len(raw) == 0:
		dst = append(dst, `null,"isBase64Encoded":false}`...)
	case utf8.Valid(raw):
		text("", string(raw))
		dst = append(dst, `,"isBase64Encoded":false}`...)
	default:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		dst = append(dst, `","isBase64Encoded":true}`...)
	}
	return dst, nil
}

// domain returns what a host is without its port.
func domain(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// queryFields returns the parameters of a query as it is sent, decoded.
func queryFields(raw string) (gateway.Fields, error) {
	var out gateway.Fields
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the query cannot be read", Err: err}
		}
		out.Add(n, value)
	}
	return out, nil
}

// appendFields appends two members: the last value of each name, and all of them. It sorts
// the fields.
func appendFields(dst []byte, one, all string, fields gateway.Fields) []byte {
	slices.SortStableFunc(fields, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	member := func(key string, values func(run gateway.Fields)) {
		dst = append(append(append(dst, `,"`...), key...), `":`...)
		if len(fields) == 0 {
			dst = append(dst, "null"...)
			return
		}
		dst = append(dst, '{')
		for from := 0; from < len(fields); {
			to := from + 1
			for to < len(fields) && fields[to].Name == fields[from].Name {
				to++
			}
			if from > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonspan.AppendString(dst, fields[from].Name), ':')
			values(fields[from:to])
			from = to
		}
		dst = append(dst, '}')
	}
	member(one, func(run gateway.Fields) { dst = jsonspan.AppendString(dst, run[len(run)-1].Value) })
	member(all, func(run gateway.Fields) {
		for i, f := range run {
			if i == 0 {
				dst = append(dst, '[')
			} else {
				dst = append(dst, ',')
			}
			dst = jsonspan.AppendString(dst, f.Value)
		}
		dst = append(dst, ']')
	})
	return dst
}
