package message

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/codec"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
)

// An Encode is the step of an endpoint that turns data into bytes for the
// client and states whether the answer is complete. Failures get their public text
// here.
type Encode struct {
	output   codec.Output
	Cache    string // Cache-Control of complete answers; "" for none
	private  string // the same of answers that are for one client only
	Personal bool   // all of them are
	NoStore  bool   // no answer is for another request
	untyped  bool   // the type of an answer that is passed on is not guessed
	messages bool   // failures carry their text
	limit    int64  // of what XML and YAML make of any answer, in bytes; 0 is none
}

// XML and YAML repeat names and indentation. What they make of an answer may be
// inflation times as long as the answer, and mostInflation times as long as an answer
// may be.
const (
	inflation     = 24
	mostInflation = 4
	smallAnswer   = 1 << 20 // no inflation is too much
)

// inflated returns how many bytes may be made of the object, 0 for any number.
func (e *Encode) inflated(b *body.Body) int64 {
	if e.limit == 0 || b.Form() != body.Spans {
		return e.limit
	}
	o, err := b.Object()
	if err != nil {
		return e.limit
	}
	size := int64(0)
	for _, m := range o.Members {
		size += int64(len(m.Name) + len(m.Value))
	}
	return min(e.limit, smallAnswer+inflation*size)
}

// NewEncode compiles the output of an endpoint; messages says that the texts of failures
// are shown to clients.
func NewEncode(s *model.Service, e *model.Endpoint, messages bool) Encode {
	output, _ := codec.OutputNamed(string(e.OutputEncoding)) // an enumeration: checked when it was decoded
	enc := Encode{
		output:   output,
		messages: messages,
		limit:    mostInflation * e.MaxResponseBytes.Held(),
	}
	enc.untyped = s.Behaviour.MissingContentType == "none"
	if e.CacheTTL > 0 {
		age := "max-age=" + strconv.Itoa(int(time.Duration(e.CacheTTL)/time.Second))
		enc.Cache, enc.private = "public, "+age, string(s.Behaviour.PersonalCache)+", "+age
	}
	return enc
}

// Enter notes whether the answer will be for one client only, where that matters.
func (e *Encode) Enter(_ context.Context, x *gateway.Exchange) error {
	if e.Cache != e.private {
		x.Personal = e.Personal || x.Identity != nil || slices.ContainsFunc(x.Request.Header, func(f gateway.Field) bool { return Credential(f.Name) })
	}
	return nil
}

// Leave writes the answer.
func (e *Encode) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	r := &x.Response
	r.Mark = gateway.MarkIncomplete
	if err != nil {
		return e.public(err)
	}
	if form := r.Body.Form(); form != body.Spans && form != body.Tree {
		if r.Receipt != 0 && form == body.Empty {
			r.Mark = gateway.MarkComplete
		}
		r.Untyped = e.untyped
		return nil // bytes for the client already
	}
	r.Complete = r.Complete && (r.Final || r.Body.Len() > 0)
	bare := r.Receipt != 0 && r.Body.Len() == 0
	if bare {
		r.Status = r.Receipt
	}
	output := e.output
	if output == codec.Negotiated {
		output = codec.Negotiate(accept(x.In))
		r.Header.Add("Vary", "Accept")
	}
	if bare && (r.Status == 204 || r.Status == 205) {
		r.Body.Close()
	} else {
		buf := body.NewBuffer()
		if bare && output == codec.JSON {
			buf.B = append(buf.B, "null"...)
		} else if buf.B, err = e.append(buf.B, &r.Body, output); err != nil {
			buf.Free()
			return e.public(AnswerError(err))
		}
		r.Body.Close()
		r.Body = body.FromBuffer(buf)
		r.Header.Set(ContentType, output.ContentType())
	}
	if r.Status == 0 {
		r.Status = 200
	}
	if e.NoStore {
		r.Header.Set("Cache-Control", "no-store")
	} else if e.Cache != "" && r.Complete {
		announced := e.Cache
		if x.Personal {
			announced = e.private
		}
		r.Header.Set("Cache-Control", announced)
	}
	if r.Complete {
		r.Mark = gateway.MarkComplete
	}
	return nil
}

// accept returns the Accept field of a client, its lines joined.
func accept(in gateway.Inbound) string {
	var room [2]gateway.Field
	lines := in.AppendHeader(room[:0], "Accept")
	if len(lines) == 0 {
		return ""
	}
	all := lines[0].Value
	for _, line := range lines[1:] {
		all += ", " + line.Value
	}
	return all
}

// append appends the object in the encoding of the client.
func (e *Encode) append(dst []byte, b *body.Body, output codec.Output) ([]byte, error) {
	switch output {
	case codec.JSONCollection, codec.String:
		o, err := b.Object()
		if err != nil {
			return dst, err
		}
		if output == codec.String {
			if v, ok := o.Get("content"); ok && jsonspan.KindOf(v) == jsonspan.KindString {
				dst = jsonspan.AppendUnquoted(dst, v)
			}
			return dst, nil
		}
		if v, ok := o.Get("collection"); ok && jsonspan.KindOf(v) == jsonspan.KindArray {
			return append(dst, v...), nil
		}
		return append(dst, "[]"...), nil
	case codec.XML, codec.YAML:
		limit := e.inflated(b)
		tree, err := b.Tree(e.limit / mostInflation)
		if err != nil {
			return dst, err
		}
		if output == codec.XML {
			return codec.AppendXML(dst, tree, limit)
		}
		return codec.AppendYAML(dst, tree, limit)
	}
	return b.AppendJSON(dst)
}

// public returns the failure with its text, if the configuration asks for texts.
func (e *Encode) public(err error) error {
	face := *gateway.AsError(err)
	face.Show, face.Tell = face.Show || e.messages, e.messages
	face.Err = err
	return &face
}
