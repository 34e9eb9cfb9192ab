//go:build !slim

package awsx

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithy "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// Bounded is an option of clients of the SDK, whose answers have no more than most bytes then, and
// take no more memory, once they are decoded, than [body.TreeLimit] allows: the SDK reads them
// whole. One that is larger fails when it is read, with code backend_too_large.
func Bounded(most int64) func(*middleware.Stack) error {
	bound := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if res, ok := out.RawResponse.(*smithy.Response); ok && err == nil {
			res.Body = &whole{ReadCloser: res.Body, most: most}
		}
		return out, metadata, err
	}
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("bounded", bound), middleware.After)
	}
}

// whole is the body of an answer, which is read to its end before any of it is handed on.
type whole struct {
	io.ReadCloser
	most int64
	text *bytes.Reader // nil until somebody reads
	err  error
}

// Read reads on.
func (w *whole) Read(p []byte) (int, error) {
	if w.text == nil {
		text, err := io.ReadAll(io.LimitReader(w.ReadCloser, w.most+1))
		if err == nil && (int64(len(text)) > w.most || jsonspan.TreeCost(text) > body.TreeLimit(w.most)) {
			text, err = nil, &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer of AWS is too large", Err: fmt.Errorf("the answer of AWS is larger than %d bytes, or takes more memory than such a one may", w.most)}
		}
		w.text, w.err = bytes.NewReader(text), err
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.text.Read(p)
}
