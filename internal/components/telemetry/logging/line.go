package logging

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A line is what is known of one request, or of one call to a backend.
type line struct {
	x       *gateway.Exchange
	backend bool // a call: the request of x tells, not the client's message
	began   time.Time
	took    time.Duration
	status  int // 0 when there is none
	written int64
	err     error
	broken  bool                // the answer had begun, and did not arrive whole
	mask    func(string) string // hides secrets; nil if there are none

	buf []byte // the text
}

var lines = sync.Pool{New: func() any { return new(line) }}

func newLine(x *gateway.Exchange) *line {
	l := lines.Get().(*line)
	l.x = x
	return l
}

func (l *line) release() {
	const keep = 16 << 10 // larger buffers are left to the collector
	if cap(l.buf) > keep {
		l.buf = nil
	}
	*l = line{buf: l.buf[:0]}
	lines.Put(l)
}

// writeTo writes the text as one line.
func (l *line) writeTo(w io.Writer) {
	l.buf = append(l.buf, '\n')
	w.Write(l.buf) // an output counts what it cannot write
}

func (l *line) method() string {
	if l.backend {
		return l.x.Request.Method
	}
	return l.x.Sent().Method()
}

func (l *line) path() string {
	if l.backend {
		return l.hide(l.x.Request.Path)
	}
	return pathOf(l.x)
}

// pathOf returns the path that was routed, or the one that the client sent where a
// stage has changed that.
func pathOf(x *gateway.Exchange) string {
	if sent := x.Sent().Path(); sent != x.In.Path() {
		return sent
	}
	return cmp.Or(x.Path, x.In.Path())
}

func (l *line) query() string {
	if l.backend {
		return l.hide(l.x.Request.RawQuery)
	}
	return l.x.Sent().RawQuery()
}

func (l *line) host() string {
	if l.backend {
		return l.hide(l.x.Request.Host)
	}
	return l.x.Sent().Host()
}

func (l *line) scheme() string {
	switch {
	case l.backend:
		return l.x.Request.Scheme
	case l.x.Sent().Secure():
		return "https"
	}
	return "http"
}

func (l *line) header(name string) string {
	if l.backend {
		return l.hide(l.x.Request.Header.Get(name))
	}
	return l.x.Sent().Header(name)
}

// variable is what a part of a template writes.
type variable uint8

const (
	literalPart variable = iota
	bytesPart
	clientPart
	errorPart
	headerPart
	hostPart
	identityPart
	claimPart
	latencyPart
	millisPart
	nanosPart
	microsPart
	methodPart
	pathPart
	prefixPart
	protoPart
	queryPart
	requestPart
	schemePart
	statusPart
	timePart
	tlsCipherPart
	tlsClientPart
	tlsVersionPart
	uriPart
)

// lineVariables are the names of the variables, by their number. Two of them
// end in a dot: what follows names the header or the claim.
var lineVariables = []string{
	bytesPart: "bytes", clientPart: "clientIP", errorPart: "error", headerPart: "header.", hostPart: "host", identityPart: "identity", claimPart: "jwt.",
	latencyPart: "latency", millisPart: "latencyMs", nanosPart: "latencyNs", microsPart: "latencyUs",
	methodPart: "method", pathPart: "path", prefixPart: "prefix", protoPart: "proto", queryPart: "query", requestPart: "requestID", schemePart: "scheme",
	statusPart: "statusCode", timePart: "time", tlsCipherPart: "tls.cipher", tlsClientPart: "tls.client", tlsVersionPart: "tls.version", uriPart: "uri",
}

// A template writes lines. It is immutable and safe for concurrent use.
type template struct {
	parts  []part
	marker string // stands for what has no value
}

type part struct {
	kind variable
	text string // literal text, layout, or the name of a header or claim
}

// compileLine makes a template of a pattern. An empty prefix at the start of
// the pattern takes the blanks behind it away.
func compileLine(pattern, prefixText, marker string) (*template, error) {
	list, err := tokens(pattern)
	if err != nil {
		return nil, err
	}
	t := &template{marker: marker}
	for i, tok := range list {
		if i == 1 && list[0].name == "prefix" && prefixText == "" {
			tok.literal = strings.TrimLeft(tok.literal, " ")
		}
		p, err := linePart(tok)
		if err != nil {
			return nil, err
		}
		if p.kind == prefixPart {
			p = part{literalPart, prefixText}
		}
		t.parts = append(t.parts, p)
	}
	return t, nil
}

func linePart(t token) (part, error) {
	if t.name == "" {
		return part{literalPart, t.literal}, nil
	}
	if name, ok := strings.CutPrefix(t.name, "header."); ok {
		if !gateway.Token(name) {
			return part{}, fmt.Errorf("%%{header.%s} names no header; write one such as %%{header.User-Agent}", name)
		}
		return part{headerPart, gateway.Canonical(name)}, nil
	}
	if name, ok := strings.CutPrefix(t.name, "jwt."); ok {
		if name == "" {
			return part{}, errors.New("%{jwt.} names no claim; write one such as %{jwt.sub}")
		}
		return part{claimPart, name}, nil
	}
	for kind, name := range lineVariables {
		if name == t.name && name != "" {
			return variablePart(variable(kind), t)
		}
	}
	return part{}, unknown(t.name, lineVariables[1:])
}

func variablePart(kind variable, t token) (part, error) {
	switch {
	case kind == timePart && t.arg == "":
		return part{timePart, "2006/01/02 - 15:04:05"}, nil
	case t.arg == "" || kind == timePart || kind == statusPart && t.arg == "d":
		return part{kind, t.arg}, nil
	}
	return part{}, fmt.Errorf("%%{%s:%s} is not understood; write %%{%s}", t.name, t.arg, t.name)
}

// write appends the text of l to its buffer.
func (t *template) write(l *line) {
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case literalPart:
			l.buf = append(l.buf, p.text...)
		case timePart:
			l.buf = l.began.AppendFormat(l.buf, p.text)
		case statusPart:
			if l.status == 0 && p.text == "" {
				l.buf = append(l.buf, t.marker...)
			} else {
				l.buf = strconv.AppendInt(l.buf, int64(l.status), 10)
			}
		case bytesPart:
			l.buf = strconv.AppendInt(l.buf, l.written, 10)
		case latencyPart:
			l.buf = appendDuration(l.buf, l.took)
		case millisPart:
			l.buf = appendFloat(l.buf, l.took, time.Millisecond)
		case microsPart:
			l.buf = strconv.AppendInt(l.buf, l.took.Microseconds(), 10)
		case nanosPart:
			l.buf = strconv.AppendInt(l.buf, l.took.Nanoseconds(), 10)
		case clientPart:
			if l.x.Client.IsValid() {
				l.buf = l.x.Client.AppendTo(l.buf)
			} else {
				l.buf = append(l.buf, t.marker...)
			}
		case requestPart:
			before := len(l.buf)
			if l.buf = l.x.AppendID(l.buf); len(l.buf) == before {
				l.buf = append(l.buf, t.marker...)
			}
		case uriPart:
			l.buf = appendCut(l.buf, l.path())
			if q := l.query(); q != "" {
				l.buf = append(l.buf, '?')
				l.buf = appendCut(l.buf, q)
			}
		default:
			t.writeText(l, l.text(p))
		}
	}
}

// longestText is the most of a foreign text that a line shows.
const longestText = 8 << 10

// writeText appends foreign text, or the marker.
func (t *template) writeText(l *line, s string) {
	if s == "" {
		s = t.marker
	}
	l.buf = appendCut(l.buf, s)
}

// appendCut appends foreign text, or as much of it as a line has room for.
func appendCut(dst []byte, s string) []byte {
	if len(s) <= longestText {
		return appendEscaped(dst, s)
	}
	cut := longestText
	for cut > longestText-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return append(appendEscaped(dst, s[:cut]), "..."...)
}

// text returns the value of a variable that is text.
func (l *line) text(p *part) string {
	switch p.kind {
	case headerPart:
		return l.header(p.text)
	case hostPart:
		return l.host()
	case methodPart:
		return l.method()
	case pathPart:
		return l.path()
	case queryPart:
		return l.query()
	case schemePart:
		return l.scheme()
	case protoPart:
		return l.x.Sent().Proto()
	case tlsCipherPart, tlsClientPart, tlsVersionPart:
		return encryption(gateway.TLSOf(l.x.Sent()), p.kind)
	case identityPart:
		if l.x.Identity != nil {
			return l.x.Identity.Name
		}
	case claimPart:
		return claim(l.x.Identity, p.text)
	case errorPart:
		if l.err != nil {
			return l.failure()
		}
	}
	return ""
}

// encryption returns what a variable tells of the TLS of the client, which is nil for a
// plain connection. Of its certificate only one that was verified counts.
func encryption(s *tls.ConnectionState, kind variable) string {
	switch {
	case s == nil:
		return ""
	case kind == tlsVersionPart:
		return tls.VersionName(s.Version)
	case kind == tlsCipherPart:
		return tls.CipherSuiteName(s.CipherSuite)
	case len(s.VerifiedChains) > 0:
		return s.VerifiedChains[0][0].Subject.CommonName
	}
	return ""
}

// failure returns why the answer failed, which may speak of the configuration.
func (l *line) failure() string {
	text := l.hide(gateway.WithSaid(l.err))
	if l.broken {
		text = "broken off: " + text
	}
	return text
}

// hide returns a text without the secrets of the configuration.
func (l *line) hide(s string) string {
	if l.mask == nil {
		return s
	}
	return l.mask(s)
}

// claim returns a claim as text: as it is for texts and numbers, as JSON for
// lists and objects.
func claim(id *gateway.Identity, name string) string {
	if id == nil {
		return ""
	}
	switch v := id.Claims[name].(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(text)
	}
}

// appendDuration appends a duration with the largest unit below it and three
// decimals.
func appendDuration(dst []byte, d time.Duration) []byte {
	switch {
	case d >= time.Second:
		return append(appendFloat(dst, d, time.Second), 's')
	case d >= time.Millisecond:
		return append(appendFloat(dst, d, time.Millisecond), "ms"...)
	case d >= time.Microsecond:
		return append(appendFloat(dst, d, time.Microsecond), "µs"...)
	}
	return append(strconv.AppendInt(dst, int64(d), 10), "ns"...)
}

func appendFloat(dst []byte, d, unit time.Duration) []byte {
	return strconv.AppendFloat(dst, float64(d)/float64(unit), 'f', 3, 64)
}
