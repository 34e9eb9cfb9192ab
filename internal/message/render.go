package message

import (
	"context"
	"slices"
	"strconv"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// reasons are the titles of problem documents, which are the reason phrases of
// the status: RFC 9110, sections 15.4 to 15.6, RFC 4918, RFC 6585 and RFC 7725.
// 499 is for observers: nobody is there to read it.
var reasons = map[int]string{
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
	304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
	404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
	411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
	417: "Expectation Failed", 421: "Misdirected Request", 422: "Unprocessable Content",
	423: "Locked", 424: "Failed Dependency", 426: "Upgrade Required",
	428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	499: "Client Closed Request",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
	503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
	507: "Insufficient Storage", 508: "Loop Detected", 511: "Network Authentication Required",
}

// A Rendering is the step that makes answers of failures, and adds the headers of the
// gateway to those answers that have them.
type Rendering struct {
	gateway.LeaveOnly
	Problem   bool          // failures are problem documents
	ByCause   bool          // the status of a failure follows its cause
	Completed string        // name of the header that says whether an answer is complete
	Product   gateway.Field // that names the gateway; zero for none
}

// Leave makes an answer of err.
func (r *Rendering) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if err != nil {
		r.Fail(x, err)
		return nil
	}
	r.mark(&x.Response)
	return nil
}

// mark adds the headers of the gateway to an answer that has them.
func (r *Rendering) mark(res *gateway.Response) {
	if res.Mark == gateway.Unmarked {
		return
	}
	h := &res.Header
	if r.Product.Name != "" {
		h.Set(r.Product.Name, r.Product.Value)
	}
	if res.Mark == gateway.MarkProduct {
		return
	}
	*h = slices.DeleteFunc(*h, func(f gateway.Field) bool { return gateway.Completes(f.Name) }) // of a service
	h.Set(r.Completed, strconv.FormatBool(res.Mark == gateway.MarkComplete))
}

// Fail makes the answer of a failure, which x.Err tells observers of: a problem
// document, or plain text that is mostly empty. Nothing of the error but its status, its
// name and, where texts are asked for, its public text leaves the gateway.
func (r *Rendering) Fail(x *gateway.Exchange, err error) {
	x.Err = err
	e := gateway.AsError(err)
	res := &x.Response
	res.Body.Close()
	res.Status, res.Complete, res.Trailer = e.Status, false, nil
	res.Mark = min(res.Mark, gateway.MarkIncomplete)
	switch {
	case r.ByCause:
		res.Status = e.ByCause()
	case res.Status == 0:
		res.Status = 500
	}
	r.mark(res)
	buf := body.NewBuffer()
	switch {
	case r.Problem:
		buf.B = appendProblem(buf.B, res.Status, e, x)
		res.Header.Set(ContentType, "application/problem+json")
	case e.Show && e.Public != "":
		buf.B = append(buf.B, e.Public...)
		if !res.Header.Has(ContentType) {
			res.Header.Set(ContentType, "text/plain; charset=utf-8")
		}
	default:
		res.Header.Del(ContentType)
	}
	res.Body = body.FromBuffer(buf)
}

// appendProblem appends a problem document of RFC 9457, section 3. The type is
// about:blank, so the title is the reason phrase; code is our stable name, and the
// detail follows from it. The ID of x, if it has one, finds the cause in the log.
func appendProblem(dst []byte, status int, e *gateway.Error, x *gateway.Exchange) []byte {
	title := reasons[status]
	if title == "" {
		title = "Error"
	}
	dst = append(dst, `{"type":"about:blank","title":`...)
	dst = jsonspan.AppendString(dst, title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"code":`...)
	dst = jsonspan.AppendString(dst, e.Code)
	dst = append(dst, `,"detail":`...)
	dst = jsonspan.AppendString(dst, e.Failure().Detail)
	if e.Tell && e.Public != "" {
		dst = append(dst, `,"message":`...)
		dst = jsonspan.AppendString(dst, e.Public)
	}
	const key = `,"request_id":"`
	dst = append(dst, key...)
	if begun := len(dst); len(x.AppendID(dst)) > begun {
		dst = append(x.AppendID(dst), '"')
	} else {
		dst = dst[:begun-len(key)]
	}
	return append(dst, '}')
}
