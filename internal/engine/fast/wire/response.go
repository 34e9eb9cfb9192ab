package wire

import (
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A ResponseHead is the beginning of a response, cut up. The zero value is
// ready for Parse, and so is one that was used before: it keeps the room of its
// fields. Everything in it is part of the string that it was read from.
type ResponseHead struct {
	Minor     int            // 0 or 1, of HTTP/1
	Status    int            // 100 to 999
	Fields    gateway.Fields // in their order, all of them; canonical names
	Announced int64          // what Content-Length says; -1 without one
	Length    int64          // of the body that follows: -1 when it is chunked or lasts to the end, 0 when there is none
	Chunked   bool           // the body that follows is
	KeepAlive bool           // the connection may carry another exchange after the body
}

// Parse reads the head of a response to a request with this method: status
// line, fields and the empty line, nothing after it, as [ScanHead] delimits it.
// The error is an [*Error]; the head holds nothing of use then.
//
// White space before a colon is removed, and a length that is said twice is one
// length: what servers of old send, and nobody reads in two ways.
//
// Answers to HEAD, interim answers, 204 and 304 have no body, whatever their
// fields say (RFC 9112, section 6.3).
func (h *ResponseHead) Parse(head, method string) error {
	*h = ResponseHead{Fields: h.Fields[:0]}
	rest, err := h.statusLine(head)
	if err != nil {
		return err
	}
	f := framing{answer: true, length: -1}
	for rest != "\r\n" {
		l, err := cutField(rest, true)
		if err != nil {
			return err
		}
		rest = l.rest
		if err := f.add(l); err != nil {
			return err
		}
		h.Fields = append(h.Fields, gateway.Field{Name: l.name, Value: l.value})
	}
	h.Announced, h.KeepAlive = f.length, f.persists(h.Minor)
	if f.chunked {
		h.Announced = -1
	}
	if method == "HEAD" || h.Status < 200 || h.Status == 204 || h.Status == 304 {
		return nil // which is the first of the rules, so nothing can contradict itself
	}
	if err := f.check(h.Minor); err != nil {
		return err
	}
	switch {
	case f.chunked:
		h.Length, h.Chunked = -1, true
	default:
		h.Length = f.length
		h.KeepAlive = h.KeepAlive && f.length >= 0
	}
	return nil
}

// statusLine reads the status line and returns what comes after it (RFC 9112,
// section 4). The space before a reason that is left out may be missing.
func (h *ResponseHead) statusLine(head string) (rest string, err error) {
	text, rest := cutLine(head)
	protocol, text, _ := strings.Cut(text, " ")
	if h.Minor, err = version(protocol); err != nil {
		return "", err
	}
	if span(text, digit) != 3 || text[0] == '0' || len(text) > 3 && text[3] != ' ' {
		return "", bad("no status")
	}
	h.Status = int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	return rest, nil
}
