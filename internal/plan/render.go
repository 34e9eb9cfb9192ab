package plan

import (
	"strconv"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// reasons are the titles of problem documents: the reason phrases of RFC 9110,
// section 15, for the statuses that the gateway itself answers.
var reasons = map[int]string{
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 413: "Content Too Large", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 499: "Client Closed Request",
	500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}

// render makes the answer of a failure: a problem document, or plain text that
// is mostly empty. Nothing of the error but its status, its name and its
// public text leaves the gateway.
func render(x *gateway.Exchange, err error, problem bool) {
	e := gateway.AsError(err)
	r := &x.Response
	r.Body.Close()
	r.Status, r.Complete = e.Status, false
	if r.Status == 0 {
		r.Status = 500
	}
	buf := body.NewBuffer()
	switch {
	case problem:
		buf.B = appendProblem(buf.B, r.Status, e)
		r.Header.Set(contentType, "application/problem+json")
	case e.Show && e.Public != "":
		buf.B = append(buf.B, e.Public...)
		if !r.Header.Has(contentType) {
			r.Header.Set(contentType, "text/plain; charset=utf-8")
		}
	default:
		r.Header.Del(contentType)
	}
	r.Body = body.FromBuffer(buf)
}

// appendProblem appends a problem document of RFC 9457, section 3. The type is
// about:blank, so the title is the reason phrase; code is our stable name.
func appendProblem(dst []byte, status int, e *gateway.Error) []byte {
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
	if e.Public != "" {
		dst = append(dst, `,"detail":`...)
		dst = jsonspan.AppendString(dst, e.Public)
	}
	return append(dst, '}')
}
