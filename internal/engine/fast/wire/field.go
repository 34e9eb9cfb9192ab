package wire

import (
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A line is a field as it was found at the beginning of a text.
type line struct {
	name, value string
	rest        string // what comes after the line
}

// cutField cuts a field off the beginning of s (RFC 9112, section 5). The line
// is complete and was checked for control characters. White space before the
// colon is removed in answers, as section 5.1 asks for.
func cutField(s string, answer bool) (line, error) {
	colon, canonical, first := 0, true, true
	for ; colon < len(s); colon++ {
		class := classes[s[colon]]
		if class&token == 0 {
			break
		}
		if first && class&lower != 0 || !first && class&upper != 0 {
			canonical = false
		}
		first = s[colon] == '-'
	}
	name := s[:colon]
	for answer && colon < len(s) && (s[colon] == ' ' || s[colon] == '\t') {
		colon++
	}
	if colon == len(s) || s[colon] != ':' {
		return line{}, bad("a field without a colon right after its name")
	}
	if name == "" {
		return line{}, bad("a field without a name")
	}
	if !canonical {
		name = canonicalName(name)
	}
	value, rest := cutLine(s[colon+1:])
	return line{name, trim(value), rest}, nil
}

// cutLine cuts s behind its first line, which is returned without its end. A
// carriage return can only be that of an end.
func cutLine(s string) (text, rest string) {
	if end := strings.IndexByte(s, '\r'); end >= 0 && end+1 < len(s) {
		return s[:end], s[end+2:]
	}
	return s, ""
}

// trim removes spaces and tabs from both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// known are the names that are common and not always sent in canonical form;
// they are made canonical without allocating.
var known = [...]string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges",
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Access-Control-Request-Headers", "Access-Control-Request-Method",
	"Age", "Allow", "Alt-Svc", "Authorization", "Cache-Control", "Connection", "Content-Disposition",
	"Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Range",
	"Content-Security-Policy", "Content-Type", "Cookie", "Date", "Dnt", "Etag", "Expect", "Expires", "Forwarded",
	"From", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	"Keep-Alive", "Last-Modified", "Link", "Location", "Max-Forwards", "Origin", "Pragma", "Priority",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Referrer-Policy",
	"Retry-After", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
	"Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc", "Sec-Websocket-Accept", "Sec-Websocket-Extensions",
	"Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version", "Server", "Set-Cookie",
	"Strict-Transport-Security", "Te", "Trailer", "Transfer-Encoding", "Traceparent", "Tracestate", "Upgrade",
	"Upgrade-Insecure-Requests", "User-Agent", "Vary", "Via", "Www-Authenticate", "X-Api-Key", "X-B3-Parentspanid",
	"X-B3-Sampled", "X-B3-Spanid", "X-B3-Traceid", "X-Cache", "X-Content-Type-Options", "X-Correlation-Id",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Frame-Options", "X-Powered-By",
	"X-Real-Ip", "X-Request-Id", "X-Requested-With", "X-Xss-Protection",
}

// longestKnown is the length of the longest name in known.
const longestKnown = 32

// knownBy holds the well-known names by their length.
var knownBy = func() (t [longestKnown + 1][]string) {
	for _, name := range known {
		t[len(name)] = append(t[len(name)], name)
	}
	return t
}()

// canonicalName returns the canonical form of a name that consists of token
// characters and is not canonical.
func canonicalName(name string) string {
	if len(name) <= longestKnown {
		for _, k := range knownBy[len(name)] {
			if sameName(name, k) {
				return k
			}
		}
	}
	return gateway.Canonical(name)
}

// sameName reports whether two names of the same length are equal but for the
// case of their letters.
func sameName(a, b string) bool {
	for i := range len(a) {
		if x := a[i] ^ b[i]; x != 0 && (x != 0x20 || classes[a[i]]&(upper|lower) == 0) {
			return false
		}
	}
	return true
}

// A framing collects what the fields of a message say about its body and its
// connection.
type framing struct {
	answer  bool   // of a backend
	length  int64  // what Content-Length says; -1 without one
	said    string // the same, as it stood
	chunked bool
	close   bool // Connection names close
	keep    bool // Connection names keep-alive
	upgrade bool // Connection names upgrade
	reframe bool // Trailer names a field that frames the message
}

// add takes a field into account. It refuses what would leave room for two
// readings (RFC 9112, section 6).
func (f *framing) add(l line) error {
	switch l.name {
	case "Connection":
		for name := range strings.SplitSeq(l.value, ",") {
			name = trim(name)
			f.close = f.close || equalFold(name, "close")
			f.keep = f.keep || equalFold(name, "keep-alive")
			f.upgrade = f.upgrade || equalFold(name, "upgrade")
		}
	case "Content-Length":
		if f.length >= 0 && f.answer && f.said == l.value {
			return nil // RFC 9110, section 8.6
		}
		if f.length >= 0 {
			return bad("Content-Length is given twice")
		}
		n, err := strconv.ParseUint(l.value, 10, 63)
		if err != nil || span(l.value, digit) != len(l.value) {
			return bad("Content-Length is not a number")
		}
		f.length, f.said = int64(n), l.value
	case "Trailer":
		if f.answer {
			return nil // what comes behind the body is looked at there
		}
		for name := range strings.SplitSeq(l.value, ",") {
			name = trim(name)
			f.reframe = f.reframe || equalFold(name, "content-length") || equalFold(name, "transfer-encoding") || equalFold(name, "trailer")
		}
	case "Transfer-Encoding":
		if f.chunked {
			return bad("Transfer-Encoding is given twice")
		}
		if !equalFold(l.value, "chunked") {
			return &Error{Status: 501, Reason: "a transfer coding other than chunked"}
		}
		f.chunked = true
	}
	return nil
}

// check refuses a message of HTTP/1.minor whose framing contradicts itself.
func (f *framing) check(minor int) error {
	switch {
	case f.chunked && f.length >= 0:
		return bad("Content-Length beside Transfer-Encoding")
	case f.chunked && minor == 0:
		return bad("Transfer-Encoding in HTTP/1.0")
	case f.chunked && f.reframe:
		return bad("a trailer is announced that would frame the message")
	}
	return nil
}

// persists reports whether the connection carries another message after this
// one of HTTP/1.minor (RFC 9112, section 9.3).
func (f *framing) persists(minor int) bool {
	return !f.close && (minor == 1 || f.keep)
}

// version reads the version of HTTP and returns its minor number.
func version(s string) (minor int, err error) {
	switch {
	case s == "HTTP/1.1":
		return 1, nil
	case s == "HTTP/1.0":
		return 0, nil
	case len(s) == len("HTTP/1.1") && strings.HasPrefix(s, "HTTP/") && s[6] == '.' && classes[s[5]]&classes[s[7]]&digit != 0:
		return 0, &Error{Status: 505, Reason: "a version of HTTP other than 1.0 and 1.1"}
	}
	return 0, bad("no version of HTTP")
}
