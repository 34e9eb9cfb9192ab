package graphql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
)

// placeErrors lets answers with errors and without data fail.
func placeErrors(s *component.BackendSite, passes bool) error {
	b := s.Config()
	switch b.Encoding {
	case "json", "safejson", "fast-json", "string", "no-op":
	default:
		return config.At("errors_as_failure", fmt.Errorf("answers of GraphQL are JSON, which the encoding %s does not read; write json", b.Encoding))
	}
	s.Needs(body.Empty, body.Raw)
	f := &failing{behaviour: &s.Service().Behaviour, limit: b.MaxResponseBytes.Held(), passes: passes}
	s.Prompt(component.BackendStatus, f)
	s.Finally(func() error {
		if slices.ContainsFunc(s.Placed(), func(p component.Placed) bool { return p.Phase == uint8(component.BackendCache) }) {
			s.Prompt(component.BackendCredential, f) // a cache does not keep what fails further in
		}
		return nil
	})
	return nil
}

// failing makes a failure of an answer with errors and without data.
type failing struct {
	gateway.LeaveOnly
	behaviour *model.Behaviour // says which statuses are answers
	limit     int64            // bytes of an answer that is read; 0 is no limit
	passes    bool             // the answer is passed through, unless it fails
}

// Leave looks at the answer.
//
// Source: the GraphQL specification, section 7.1; the answer to a request that was not
// executed has no data, that of one whose errors have reached the top has null. Errors are a
// list; one that stands there by itself is taken for one.
func (f *failing) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	r := &x.Response
	if err != nil || !f.behaviour.Answered(r.Status) || f.passes && !readable(&r.Header) {
		return err
	}
	raw, err := r.Body.Bytes(f.limit)
	if errors.Is(err, body.ErrTooLarge) {
		return &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: err}
	}
	if err != nil {
		return err
	}
	first, has := jsonspan.Lookup(raw, "errors")
	if !has {
		return nil
	}
	switch jsonspan.KindOf(first) {
	case jsonspan.KindArray:
		if first, has = jsonspan.Lookup(first, "0"); !has {
			return nil
		}
	case jsonspan.KindObject, jsonspan.KindString:
	default:
		return nil
	}
	if data, has := jsonspan.Lookup(raw, "data"); has && jsonspan.KindOf(data) != jsonspan.KindNull {
		return nil
	}
	failure := &gateway.Error{Code: codeErrors, Public: text(first, "message"), Err: errors.New("the answer has errors and no data")}
	if code := text(first, "extensions", "code"); gateway.Token(code) {
		failure.Err = fmt.Errorf("%w; the code of the first is %s", failure.Err, code)
	}
	r.Body.Close() // and what was found in it is gone
	r.Header = r.Header[:0]
	return failure
}

// readable reports whether an answer that is passed through is JSON that was not packed. A
// stream of events goes on as it comes.
func readable(h *gateway.Fields) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	coding := h.Get("Content-Encoding")
	return (coding == "" || strings.EqualFold(coding, "identity")) && (media == "" || media == mediaType || strings.HasSuffix(media, "+json"))
}

// text returns the beginning of a text within a value; "" if there is none.
func text(value []byte, path ...string) string {
	const most = 256
	raw, has := jsonspan.Lookup(value, path...)
	if !has || jsonspan.KindOf(raw) != jsonspan.KindString {
		return ""
	}
	t := jsonspan.AppendUnquoted(nil, raw)
	if len(t) > most {
		t = t[:most]
		for len(t) > 0 && !utf8.Valid(t) {
			t = t[:len(t)-1]
		}
	}
	return string(t)
}
