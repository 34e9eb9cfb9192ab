package template

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// An Origin is where a part of a text comes from.
type Origin uint8

// The origins: what is written out, a parameter, the answer of an earlier call of a
// sequence, a claim of the verified token, a header and a query parameter of the client.
const (
	Literal Origin = iota
	FromParam
	FromResult
	FromClaim
	FromHeader
	FromQuery
)

// A Part is a literal or a placeholder of a text.
type Part struct {
	Text  string // the literal, ready to send, or what stands within the braces of the placeholder
	Index int    // of the parameter or of the earlier call
	From  Origin
	*source
}

// A source says where the value of a placeholder is found. Those of parameters,
// which most are, have none.
type source struct {
	path []string // of the claim or within the earlier result
	name string   // of the claim, the header or the query parameter
	lone gateway.Lone
}

// Path returns the path of a value within its token or its earlier answer.
func (p Part) Path() []string {
	if p.source == nil {
		return nil
	}
	return p.path
}

// value returns the text that the placeholder stands for, and how the client
// wrote it in its URL if that may be another.
func (p *Part) value(x *gateway.Exchange) (text, raw string, err error) {
	switch p.From {
	case FromParam:
		if p.Index >= len(x.Params) { // no sequence has propagated it
			return "", "", noResult(p.Text)
		}
		if p.Index < len(x.Raw) {
			raw = x.Raw[p.Index]
		}
		return x.Params[p.Index], raw, nil
	case FromHeader:
		v, once := p.header(x.In)
		if !once { // the path would be made of one line, and the service might believe the other
			return "", "", badValue("the header " + p.name + " is sent more than once")
		}
		if v != "" {
			return v, "", nil
		}
		return "", "", badValue("the header " + p.name + " is missing")
	case FromQuery:
		if v, raw, ok := queryValue(x.In.RawQuery(), p.name); ok {
			return v, raw, nil
		}
		return "", "", badValue("the query parameter " + p.name + " is missing")
	case FromClaim:
		if x.Identity != nil {
			if v, ok := claim(x.Identity.Claims, p.name, p.path); ok {
				return claimText(v), "", nil
			}
		}
		return "", "", &gateway.Error{Code: gateway.CodeMissingValue, Public: "a claim is missing", Err: fmt.Errorf("the token has no claim %s", p.name)}
	}
	if v, ok := ResultText(x.Results, p.Index, p.path); ok {
		return v, "", nil
	}
	return "", "", noResult(p.Text)
}

// header returns the value of a header of the client, and that it is not there several times.
func (p *Part) header(in gateway.Inbound) (value string, once bool) {
	if p.name == "Host" {
		return in.Host(), true
	}
	return p.lone.Value(in)
}

// lacks reports whether the client has not sent what the placeholder stands for.
func (p *Part) lacks(x *gateway.Exchange) bool {
	switch p.From {
	case FromHeader:
		v, once := p.header(x.In)
		return once && v == ""
	case FromQuery:
		_, _, there := queryValue(x.In.RawQuery(), p.name)
		return !there
	}
	return false
}

// noResult is the failure of a placeholder for a value of an earlier answer.
func noResult(placeholder string) error {
	return &gateway.Error{Code: gateway.CodeMissingValue, Public: "an earlier answer lacks a value", Err: fmt.Errorf("no earlier answer holds %s", placeholder)}
}

// claim finds a claim by its literal name, or else by its path, in which
// numbers are array positions.
func claim(claims map[string]any, name string, path []string) (any, bool) {
	if v, ok := claims[name]; ok {
		return v, v != nil
	}
	v, ok := descend(claims, path)
	return v, ok && v != nil
}

// descend finds a value in a tree.
func descend(v any, path []string) (any, bool) {
	for _, key := range path {
		switch level := v.(type) {
		case map[string]any:
			member, ok := level[key]
			if !ok {
				return nil, false
			}
			v = member
		case []any:
			i, ok := jsonspan.Position(key)
			if !ok || i >= len(level) {
				return nil, false
			}
			v = level[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// claimText is a value as text: lists joined with commas, objects as JSON.
func claimText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = claimText(item)
		}
		return strings.Join(texts, ",")
	}
	text, err := jsonspan.AppendTree(nil, v)
	if err != nil {
		return "" // claims were decoded from JSON, so they can be written
	}
	return string(text)
}

// ResultText finds a value in the answer of an earlier call and returns it as text:
// lists joined with commas, objects as compact JSON, null as "<nil>". It leaves the form
// of the answer alone, which others may be reading at the same time.
func ResultText(results []gateway.Result, call int, path []string) (string, bool) {
	if call >= len(results) || results[call].Body == nil {
		return "", false
	}
	b := results[call].Body
	switch b.Form() {
	case body.Spans:
		o, err := b.Object()
		if err != nil {
			return "", false
		}
		v, ok := o.Get(path[0])
		if ok {
			v, ok = jsonspan.Lookup(v, path[1:]...)
		}
		if !ok {
			return "", false
		}
		return spanText(v), true
	case body.Tree:
		tree, err := b.Tree(0) // it is one
		if err != nil {
			return "", false
		}
		v, ok := descend(tree, path)
		return resultText(v), ok
	}
	return "", false
}

func spanText(v []byte) string {
	switch jsonspan.KindOf(v) {
	case jsonspan.KindString:
		return string(jsonspan.AppendUnquoted(nil, v))
	case jsonspan.KindNull:
		return "<nil>"
	case jsonspan.KindArray, jsonspan.KindObject:
		tree, err := jsonspan.Tree(v)
		if err != nil {
			return "" // the span was validated when it was cut
		}
		return resultText(tree)
	}
	return string(v)
}

// resultText is claimText for a value of an answer, where null has a text.
func resultText(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = resultText(item)
		}
		return strings.Join(texts, ",")
	}
	return claimText(v)
}
