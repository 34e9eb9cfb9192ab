package wire

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A RequestHead is the beginning of a request, cut up. The zero value is ready
// for Parse, and so is one that was used before: it keeps the room of its
// fields. Everything in it is part of the string that it was read from.
type RequestHead struct {
	Method    string         // as sent
	Target    string         // as sent
	Path      string         // as sent, begins with "/"; without the query
	Query     string         // as sent, without "?"
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
		l, err := cutField(rest)
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
				break // HTTP/1.0 has no expectations
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
	n = span(rest, visible)
	if n == 0 || n == len(rest) || rest[n] != ' ' {
		return "", bad("no target, or one with a character that it may not have")
	}
	h.Target = rest[:n]
	text, rest := cutLine(rest[n+1:])
	if h.Minor, err = version(text); err != nil {
		return "", err
	}
	return rest, h.cutTarget()
}

// cutTarget reads a target in origin or absolute form (RFC 9112, section 3.2).
// The others name no path: an asterisk, and the authority of CONNECT.
func (h *RequestHead) cutTarget() error {
	target := h.Target
	if h.Method == "CONNECT" {
		return bad("CONNECT is not served")
	}
	if strings.IndexByte(target, '#') >= 0 {
		return bad("a fragment in the target")
	}
	if target[0] != '/' {
		scheme, rest, ok := strings.Cut(target, "://")
		if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
			return bad("a target without a path")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		h.Authority = rest[:end]
		if h.Authority == "" || !validHost(h.Authority) {
			return bad("no host in the target, or one that is none")
		}
		target = rest[end:]
	}
	h.Path, h.Query, _ = strings.Cut(target, "?")
	if h.Path == "" {
		h.Path = "/" // only an absolute target may leave it out
	}
	if !validEscapes(h.Path) {
		return bad("an escape in the path that is none")
	}
	return nil
}

// setHost checks the fields called Host, of which there were n (RFC 9112,
// section 3.2). An absolute target decides, whatever Host says.
func (h *RequestHead) setHost(n int, host string) error {
	if n > 1 {
		return bad("Host is given twice")
	}
	if n == 0 && h.Minor == 1 {
		return bad("no Host")
	}
	if !validHost(host) {
		return bad("a Host that is none")
	}
	if h.Authority == "" {
		h.Authority = host
	}
	return nil
}

// validHost reports whether s is a host with or without a port, or empty (RFC
// 3986, section 3.2).
func validHost(s string) bool {
	name, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return false
		}
		name, port = "", s[end+1:]
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 {
		name, port = s[:colon], s[colon:]
		if name == "" {
			return false
		}
	}
	return validPort(port) && validName(name)
}

// validPort reports whether s is empty or a colon with a port behind it, which
// may be empty.
func validPort(s string) bool {
	if s == "" || s == ":" {
		return true
	}
	_, err := strconv.ParseUint(s[1:], 10, 16)
	return err == nil && s[0] == ':' && span(s[1:], digit) == len(s)-1
}

// validName reports whether s consists of the characters of a host name and of
// escapes.
func validName(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&regName == 0 && s[i] != '%' {
			return false
		}
	}
	return validEscapes(s)
}

// validEscapes reports whether every percent sign is followed by two
// hexadecimal digits.
func validEscapes(s string) bool {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return true
		}
		if len(s) < i+3 || classes[s[i+1]]&classes[s[i+2]]&hexDigit == 0 {
			return false
		}
		s = s[i+3:]
	}
}
