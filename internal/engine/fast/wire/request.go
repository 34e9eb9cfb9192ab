package wire

import (
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A RequestHead is the beginning of a request, cut up. The zero value is ready
// for Parse, and so is one that was used before: it keeps the room of its
// fields. Everything in it is part of the string that it was read from, unless
// that had to be escaped.
type RequestHead struct {
	Method    string         // as sent
	Target    string         // as sent
	Path      string         // as sent but for bytes above US-ASCII, which are escaped; begins with "/", or is "*"
	Query     string         // likewise, without "?"
	Authority string         // of the target if that names one, else what Host says
	Minor     int            // 0 or 1, of HTTP/1
	Fields    gateway.Fields // in their order, without Host and Transfer-Encoding; canonical names
	Length    int64          // of the body: -1 when it is chunked, 0 when there is none
	Chunked   bool
	KeepAlive bool   // the connection is meant to carry another request
	Expect    bool   // the client waits for 100 before it sends the body
	Upgrade   string // the protocols that the client would rather speak; "" for none
}

// Parse reads a head: start line, fields and the empty line, nothing after it,
// as [ScanHead] delimits it. The error is an [*Error] with the status for the
// client; the head holds nothing of use then.
func (h *RequestHead) Parse(head string) error {
	fields := h.Fields[:0]
	*h = RequestHead{}
	h.Fields = fields
	rest, err := h.startLine(head)
	if err != nil {
		return err
	}
	f := framing{length: -1}
	hosts, host, upgrade := 0, "", ""
	for rest != "\r\n" {
		l, err := cutField(rest, false)
		if err != nil {
			return err
		}
		rest = l.rest
		if err := f.add(l); err != nil {
			return err
		}
		switch l.name {
		case "Host":
			hosts++
			host = l.value
			continue
		case "Transfer-Encoding":
			continue
		case "Expect":
			if h.Minor == 0 {
				continue // HTTP/1.0 has no expectations
			}
			if h.Expect = equalFold(l.value, "100-continue"); !h.Expect {
				return &Error{Status: 417, Reason: "an expectation other than 100-continue"}
			}
		case "Upgrade":
			upgrade = l.value
		}
		h.Fields = append(h.Fields, gateway.Field{Name: l.name, Value: l.value})
	}
	if err := f.check(h.Minor); err != nil {
		return err
	}
	if err := h.setHost(hosts, host); err != nil {
		return err
	}
	h.Chunked, h.KeepAlive = f.chunked, f.persists(h.Minor)
	h.Length = max(f.length, 0)
	if f.chunked {
		h.Length = -1
	}
	h.Expect = h.Expect && h.Length != 0
	if f.upgrade && h.Minor == 1 {
		h.Upgrade = upgrade
	}
	return nil
}

// startLine reads the request line and returns what comes after it (RFC 9112,
// section 3).
func (h *RequestHead) startLine(head string) (rest string, err error) {
	n := span(head, token)
	if n == 0 || n == len(head) || head[n] != ' ' {
		return "", bad("no method")
	}
	h.Method = head[:n]
	rest = head[n+1:]
	n = strings.IndexByte(rest, ' ')
	if n <= 0 {
		return "", bad("no target")
	}
	h.Target = rest[:n]
	text, rest := cutLine(rest[n+1:])
	if h.Minor, err = version(text); err != nil {
		return "", err
	}
	return rest, h.cutTarget()
}

// cutTarget reads the target.
func (h *RequestHead) cutTarget() error {
	t, err := CutTarget(h.Method, h.Target)
	h.Path, h.Query, h.Authority = t.Path, t.Query, t.Authority
	return err
}

// setHost checks the fields called Host, of which there were n (RFC 9112,
// section 3.2). An absolute target decides, whatever Host says. A URI of http without
// a host is none (RFC 9110, section 4.2.1), so an empty Host is refused, as nginx does;
// HTTP/1.0 knows no Host and need not have one.
func (h *RequestHead) setHost(n int, host string) error {
	if n > 1 {
		return bad("Host is given twice")
	}
	if n == 0 && h.Minor == 1 {
		return bad("no Host")
	}
	if !ValidHost(host) || n == 1 && host == "" && h.Authority == "" {
		return bad("a Host that is none")
	}
	if h.Authority == "" {
		h.Authority = host
	}
	return nil
}
