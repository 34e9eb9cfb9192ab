//go:build !slim

package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/middleware"
	smithy "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

const executedVersion = "X-Amz-Executed-Version"

// A payload is the body of an answer of a function, which the SDK would read into memory,
// however long it is.
type payload struct {
	from io.ReadCloser
	size int64 // -1 if it is not known
}

func (p *payload) close() {
	if p.from != nil {
		p.from.Close()
		p.from = nil
	}
}

// diverted is the key of the payload in the context of a call.
type diverted struct{}

// longestRefusal is how many bytes of an answer are read that is none of a function.
const longestRefusal = 64 << 10

// divert is innermost of what the SDK does with an answer. It takes the body of a good one
// away, and lets it read no more than a part of others.
func divert(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	res, ok := out.RawResponse.(*smithy.Response)
	if err != nil || !ok {
		return out, metadata, err
	}
	if p, ok := ctx.Value(diverted{}).(*payload); ok && res.StatusCode == 200 {
		p.close()
		p.from, p.size = res.Body, res.ContentLength
		res.Body, res.ContentLength = io.NopCloser(strings.NewReader("")), 0
		return out, metadata, nil
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, longestRefusal), res.Body}
	res.ContentLength = -1
	return out, metadata, nil
}

// answer makes that of a backend of what Lambda has said. The payload is closed, or belongs
// to the exchange.
func (c *connector) answer(x *gateway.Exchange, out *sdk.InvokeOutput, p *payload) error {
	r := &x.Response
	switch {
	case out.StatusCode != 200 || p.from == nil:
		p.close()
		return &gateway.Error{Code: gateway.CodeBackendStatus, Public: fmt.Sprintf("invalid status code %d", out.StatusCode), Err: fmt.Errorf("AWS answered %d to a synchronous call", out.StatusCode)}
	case out.FunctionError != nil:
		defer p.close()
		text, err := io.ReadAll(io.LimitReader(p.from, longestRefusal))
		if err != nil {
			return err
		}
		return c.crashed(*out.FunctionError, text)
	}
	r.Status, r.Body = 200, body.FromStream(p.from, p.size)
	version := ""
	if out.ExecutedVersion != nil && gateway.Carried(*out.ExecutedVersion) {
		version = *out.ExecutedVersion
	}
	if c.event != nil {
		if err := c.unwrap(r); err != nil {
			return err
		}
	} else if err := c.plain(r); err != nil {
		return err
	}
	switch {
	case version == "":
	case c.through:
		r.Header.Set(executedVersion, version)
	case c.shows:
		c.version.Set(x.Parent, version)
	}
	return nil
}

// plain makes the answer of a payload as it is.
func (c *connector) plain(r *gateway.Response) error {
	r.Header.Set("Content-Type", "application/json")
	if c.through {
		return nil
	}
	text, err := c.read(&r.Body)
	if err == nil && string(bytes.TrimSpace(text)) == "null" {
		r.Acknowledge(200) // there is an answer, which is nothing
	}
	return err
}

// read returns the payload, within what an answer may have.
func (c *connector) read(b *body.Body) ([]byte, error) {
	text, err := b.Bytes(c.limit)
	if errors.Is(err, body.ErrTooLarge) {
		err = &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: fmt.Errorf("%w; max_response_bytes is %d", err, c.limit)}
	}
	return text, err
}

// crashed is the failure of a function that threw, or that was ended.
func (c *connector) crashed(kind string, text []byte) error {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	failed := &gateway.Error{Status: c.failed, Code: codeFailed, Public: "the function failed", Err: fmt.Errorf("the function failed (%.32q)", kind)}
	if err := json.Unmarshal(text, &said); err == nil && (said.Type != "" || said.Message != "") {
		failed.Said = fmt.Sprintf("%.128q: %.512q", said.Type, said.Message)
	}
	return failed
}

// announce lets the client see the version that was called, where the answer is of this call
// alone and decoded, so that nothing else of its header passes.
func (c *connector) announce(s *component.BackendSite) {
	e := s.Endpoint()
	if c.through || len(e.Config().Backend) != 1 || e.Config().ConcurrentCalls > 1 {
		return
	}
	c.shows, c.version = true, component.NewSlot[string](&e.Site)
	e.Stage(component.PipeFlatmap, announcing{slot: c.version})
}

// announcing is a stage of the endpoint.
type announcing struct {
	gateway.LeaveOnly
	slot gateway.Slot[string]
}

// Leave writes the version that was called.
func (a announcing) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if v, called := a.slot.Get(x); called && err == nil {
		x.Response.Header.Set(executedVersion, v)
	}
	return err
}

// integration is what an answer of a proxy integration has (API Gateway developer guide,
// "Output format of a Lambda function for proxy integration").
var integration = jsonspan.Compile(jsonspan.Rules{Allow: []string{"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}})

// unwrap makes the answer of what a function says that it is.
func (c *connector) unwrap(r *gateway.Response) error {
	text, err := c.read(&r.Body)
	if err != nil {
		return err
	}
	var o jsonspan.Object
	if err := integration.Apply(&o, text); err != nil {
		return malformed(err.Error())
	}
	member := func(name string) ([]byte, jsonspan.Kind) {
		v, ok := o.Get(name)
		if !ok {
			return nil, jsonspan.KindNull
		}
		return v, jsonspan.KindOf(v)
	}
	status, kind := member("statusCode")
	switch kind {
	case jsonspan.KindString:
		status = jsonspan.AppendUnquoted(nil, status)
	case jsonspan.KindNumber:
	default:
		return malformed("it has no statusCode")
	}
	n, err := strconv.Atoi(string(status))
	if err != nil || n < 200 || n > 599 {
		return malformed(fmt.Sprintf("the statusCode is %.16q, and not between 200 and 599", status))
	}
	header := gateway.Fields(nil)
	several, kind := member("multiValueHeaders")
	if kind != jsonspan.KindNull {
		if header, err = appendHeader(header, several, true); err != nil {
			return malformed("multiValueHeaders: " + err.Error())
		}
	}
	plain, kind := member("headers")
	if kind != jsonspan.KindNull {
		one, err := appendHeader(nil, plain, false)
		if err != nil {
			return malformed("headers: " + err.Error())
		}
		for _, f := range one {
			if !slices.Contains(header, f) { // a value that stands in both is meant once
				header = append(header, f)
			}
		}
	}
	var content []byte
	switch v, kind := member("body"); kind {
	case jsonspan.KindString:
		content = jsonspan.AppendUnquoted(nil, v)
	case jsonspan.KindNull:
	default:
		return malformed("the body is no text")
	}
	switch v, kind := member("isBase64Encoded"); {
	case kind == jsonspan.KindNull:
	case kind != jsonspan.KindBool:
		return malformed("isBase64Encoded is neither true nor false")
	case string(v) == "true":
		if content, err = base64.StdEncoding.AppendDecode(nil, content); err != nil {
			return malformed("the body is no Base64")
		}
	}
	r.Body.Close()
	r.Status, r.Header, r.Body = n, append(r.Header[:0], onlyOnce(header.EndToEnd())...), body.FromBytes(content)
	if len(content) > 0 && !r.Header.Has("Content-Type") {
		r.Header.Add("Content-Type", "application/json") // as API Gateway has it
	}
	var room [4]string
	if body.IsGzip(r.Header.AppendValues(room[:0], "Content-Encoding")...) { // which is unpacked as it is read
		r.Body = body.FromStream(io.NopCloser(bytes.NewReader(content)), int64(len(content)))
	}
	return nil
}

// single are fields that an answer has once (RFC 9110, section 5.3).
var single = []string{"Age", "Content-Location", "Content-Range", "Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Location", "Retry-After"}

// onlyOnce keeps the last of fields that an answer has once. Other names may stand in an object
// several times, in other letter cases: that is an old way to send several cookies.
func onlyOnce(header gateway.Fields) gateway.Fields {
	kept := header[:0]
	for i, f := range header {
		if !slices.Contains(single, f.Name) || !header[i+1:].Has(f.Name) {
			kept = append(kept, f)
		}
	}
	return kept
}

// malformed is the failure of a function whose answer is none.
func malformed(why string) error {
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "the answer of the function is invalid", Err: errors.New("the answer of the function is none of a proxy integration: " + why)}
}

// What the header of an answer may have.
const (
	mostFields = 256
	mostHeader = 256 << 10 // bytes
)

// appendHeader appends the fields of an object in JSON, in the order of their names. What is
// null is none.
func appendHeader(dst gateway.Fields, text []byte, several bool) (gateway.Fields, error) {
	if len(text) > mostHeader {
		return nil, fmt.Errorf("it has more than %d bytes", mostHeader)
	}
	tree, err := jsonspan.Tree(text)
	if err != nil {
		return nil, err
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("it is no object")
	}
	add := func(name string, v any) error {
		value := ""
		switch v := v.(type) {
		case nil:
			return nil
		case string:
			value = strings.Trim(v, " \t\r\n")
		case json.Number:
			value = v.String()
		case bool:
			value = strconv.FormatBool(v)
		default:
			return fmt.Errorf("%.64q is no text", name)
		}
		switch {
		case !gateway.Token(name):
			return fmt.Errorf("%.64q is no name of a header", name)
		case !gateway.Carried(value):
			return fmt.Errorf("%.64q holds what no header carries", name)
		case len(dst) == mostFields:
			return fmt.Errorf("there are more than %d", mostFields)
		}
		dst.Add(gateway.Canonical(name), value)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		v := object[name]
		list, isList := v.([]any)
		if !several || !isList {
			list = []any{v}
		}
		for _, v := range list {
			if err := add(name, v); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(dst, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	return dst, nil
}
