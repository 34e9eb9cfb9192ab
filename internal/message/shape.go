package message

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/codec"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Shape is the step that makes data of a backend's answer: it looks at the
// status, decodes, cuts, renames and groups. A body that a stage inside of it
// has made data of already passes untouched.
type Shape struct {
	gateway.LeaveOnly
	encoding   model.Encoding
	collection bool
	behaviour  *model.Behaviour // says which statuses are answers
	limit      int64
	Projection *jsonspan.Projection                // nil for no-op
	nothing    *jsonspan.Projection                // of the empty object that stands for no body
	reshape    func(map[string]any) map[string]any // replaces allow, deny and mapping
	group      string                              // applied after reshape
}

// NewShape compiles what a backend says of its answers; reshape takes the place of allow,
// deny and mapping if it is not nil.
func NewShape(s *model.Service, b *model.Backend, reshape func(map[string]any) map[string]any) *Shape {
	sh := &Shape{
		encoding:   b.Encoding,
		collection: b.IsCollection,
		behaviour:  &s.Behaviour,
		limit:      b.MaxResponseBytes.Held(),
		reshape:    reshape,
		group:      b.Group,
	}
	if b.Encoding == "no-op" {
		return sh // passes the answer through
	}
	rules := jsonspan.Rules{Target: b.Target, Allow: b.Allow, Deny: b.Deny, Mapping: b.Mapping, Group: b.Group}
	if reshape != nil {
		rules = jsonspan.Rules{Target: b.Target}
	}
	switch {
	case b.Encoding == "safejson":
		rules.Shape = jsonspan.ExpectAny
	case b.IsCollection && (b.Encoding == "json" || b.Encoding == "fast-json"):
		rules.Shape = jsonspan.ExpectCollection
	}
	sh.Projection = jsonspan.Compile(rules)
	if sh.nothing = sh.Projection; rules.Shape == jsonspan.ExpectCollection {
		rules.Shape = jsonspan.ExpectObject
		sh.nothing = jsonspan.Compile(rules)
	}
	return sh
}

// Leave decodes the answer.
func (s *Shape) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if err != nil {
		return err
	}
	r := &x.Response
	if s.encoding == "no-op" && r.Receipt != 0 {
		r.Body.Close()
		return nil
	}
	if s.encoding == "no-op" {
		// As long as nothing was sent there is a status for what fails. An answer whose
		// type is guessed waits for its first byte in any case.
		if err := r.Body.Begin(!r.Header.Has(ContentType) && !r.Header.Has("Content-Encoding")); err != nil {
			return err
		}
		r.Complete = true
		return nil
	}
	if form := r.Body.Form(); form == body.Spans || form == body.Tree {
		if r.Final {
			return s.final(&r.Body)
		}
		return s.data(&r.Body)
	}
	if !s.behaviour.Answered(r.Status) {
		return gateway.BadStatus(x)
	}
	if r.Body.Size() != 0 && slices.ContainsFunc(r.Header, func(f gateway.Field) bool { return f.Name == "Content-Encoding" && compressed(f.Value) }) {
		return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "the answer is compressed and cannot be unpacked"}
	}
	if r.Complete, err = s.decode(r); err != nil {
		e := s.refused(err)
		if errors.Is(err, io.EOF) {
			e.Err = fmt.Errorf("the body is empty: %w", e.Err)
		}
		if e.Code == gateway.CodeBackendInvalid {
			e.Err = fmt.Errorf("status %d, Content-Type %.64q: %w", r.Status, r.Header.Get(ContentType), e.Err)
		}
		return e
	}
	return nil
}

// compressed reports whether codings, the value of Content-Encoding, name one of
// those that are registered for compression (RFC 9110, section 8.4.1). Others,
// such as utf-8, are mistakes that change nothing.
func compressed(codings string) bool {
	for coding := range strings.SplitSeq(codings, ",") {
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz":
			return true
		}
	}
	return false
}

// AnswerError gives an error of reading an answer its public face.
func AnswerError(err error) *gateway.Error {
	if errors.Is(err, body.ErrTooLarge) || errors.Is(err, codec.ErrTooLarge) {
		return &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: err}
	}
	return gateway.AsError(err)
}

// refused gives an error of reading or decoding its public face.
func (s *Shape) refused(err error) *gateway.Error {
	if e := AnswerError(err); e.Code == gateway.CodeBackendTooLarge {
		e.Err = fmt.Errorf("%w; max_response_bytes is %d", err, s.limit)
		return e
	} else if e.Code != gateway.CodeInternal {
		return e
	}
	public := fmt.Sprintf("invalid %s", s.encoding)
	kind := errors.Is(err, jsonspan.ErrShape)
	if _, ours := errors.AsType[*jsonspan.SyntaxError](err); ours || kind {
		public += ": " + err.Error() // other decoders speak of themselves
	}
	if kind || errors.Is(err, codec.ErrShape) {
		err = fmt.Errorf("%w; %s", err, s.remedy())
	}
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: public, Err: err}
}

// remedy is what an operator writes when a service answers JSON of a kind that is
// not decoded. No client reads it.
func (s *Shape) remedy() string {
	if s.collection {
		return `if the service answers one object, remove "is_collection" from this backend`
	}
	if s.encoding == "yaml" {
		return `if the service answers a list, write "is_collection": true in this backend`
	}
	return `if the service answers a list, write "is_collection": true in this backend, and for anything else "encoding": "safejson"`
}

// decode makes data of the body and reports whether it is an answer: null is none,
// although nothing is wrong with it, unless something was made of it.
func (s *Shape) decode(r *gateway.Response) (complete bool, err error) {
	b, status := &r.Body, r.Status
	if (status == 204 || status == 205) && s.behaviour.Answered(status) {
		return true, s.project(b, []byte("{}"), s.nothing)
	}
	raw, err := b.Bytes(s.limit)
	if err != nil {
		return false, err
	}
	if s.limit > 0 && int64(len(raw)) > s.limit { // which came in memory
		return false, body.ErrTooLarge
	}
	switch s.encoding {
	case "json", "fast-json", "safejson":
		null := jsonspan.KindOf(raw) == jsonspan.KindNull
		if err := b.Project(s.Projection, s.limit); err != nil {
			return false, err
		}
		return !null || b.Len() > 0, s.finish(b)
	}
	tree, err := s.tree(raw, r.Header.Get(ContentType))
	if err != nil {
		return false, err
	}
	text, err := jsonspan.AppendTree(nil, tree)
	if err != nil {
		return false, err
	}
	return true, s.project(b, text, s.Projection)
}

// data shapes an answer that comes decoded.
func (s *Shape) data(b *body.Body) error {
	if err := b.Project(s.nothing, s.limit); err != nil {
		return s.refused(err)
	}
	return s.finish(b)
}

// final leaves data as it is, within the limit.
func (s *Shape) final(b *body.Body) error {
	if s.limit <= 0 {
		return nil
	}
	raw, err := b.Bytes(0)
	if err == nil && int64(len(raw)) > s.limit {
		err = body.ErrTooLarge
	}
	if err != nil {
		return s.refused(err)
	}
	return nil
}

// project replaces b by what a projection makes of text.
func (s *Shape) project(b *body.Body, text []byte, by *jsonspan.Projection) error {
	b.Close()
	*b = body.FromBytes(text)
	if err := b.Project(by, 0); err != nil {
		return err
	}
	return s.finish(b)
}

// tree decodes what is not JSON.
func (s *Shape) tree(raw []byte, contentType string) (map[string]any, error) {
	limit := body.TreeLimit(s.limit)
	switch s.encoding {
	case "xml":
		return codec.DecodeXML(raw, contentType, s.collection, limit)
	case "yaml":
		return codec.DecodeYAML(raw, s.collection, limit)
	case "rss":
		return codec.DecodeRSS(raw, contentType, limit)
	}
	return codec.DecodeString(raw, contentType)
}

// finish runs what works on a tree.
func (s *Shape) finish(b *body.Body) error {
	if s.reshape == nil {
		return nil
	}
	tree, err := b.Tree(s.limit)
	if err != nil {
		return err
	}
	tree = s.reshape(tree)
	if s.group != "" {
		tree = map[string]any{s.group: tree}
	}
	b.SetTree(tree)
	return nil
}
