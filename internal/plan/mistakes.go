package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// mistake reports what can be served and cannot be meant: a warning, or an error,
// as the dialect has it.
func (c *compiler) mistake(n *config.Node, key string, err error) {
	c.report(n, key, config.Warning, config.CodeMistake, err)
}

// strayBrace says which brace of a text with placeholders has no partner, and what
// to write instead; nil if each has one.
func strayBrace(text string) error {
	for rest := text; ; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			return nil
		}
		if rest[at] == '}' {
			before := text[:len(text)-len(rest)+at]
			return fmt.Errorf("the brace behind %q closes nothing; write {name} for a variable, or %%7D for a brace itself", before)
		}
		end := strings.IndexByte(rest[at:], '}')
		if end < 0 {
			name := rest[at:]
			if i := strings.IndexAny(name, "/?&"); i >= 0 {
				name = name[:i]
			}
			return fmt.Errorf("the brace of %q is not closed; write %q, or %%7B for a brace itself", name, name+"}")
		}
		rest = rest[at+end+1:]
	}
}

// checkAddress reports a url_pattern and a method that no service can answer as
// they are meant.
func (b *endpointBuilder) checkAddress(be *config.Backend) {
	if err := strayBrace(be.URLPattern); err != nil {
		b.mistake(be.Node, "url_pattern", err)
	}
	if url, host, path := wholeURL(be.URLPattern); url != "" {
		b.mistake(be.Node, "url_pattern", fmt.Errorf(
			"%s is a whole URL, and its path alone belongs here; write \"host\": [%q] and \"url_pattern\": %q", config.MaskUser(url), config.MaskUser(host), path))
	}
	if slices.Contains(methods, be.Method) {
		return
	}
	switch near, similar := config.Suggest(be.Method, methods[:usual]); {
	case !token(be.Method):
		b.report(be.Node, "method", config.Error, config.CodeInvalid, fmt.Errorf("%q is no method; write GET, POST, PUT, PATCH or DELETE", be.Method))
	case similar:
		b.mistake(be.Node, "method", fmt.Errorf("no service knows the method %q; did you mean %q?", be.Method, near))
	default:
		b.mistake(be.Node, "method", fmt.Errorf("no service knows the method %q; write GET, POST, PUT, PATCH or DELETE", be.Method))
	}
}

// wholeURL takes a url_pattern apart that is a URL with scheme and host.
func wholeURL(pattern string) (url, host, path string) {
	url = strings.TrimPrefix(pattern, "/")
	scheme, rest, found := strings.Cut(url, "://")
	if !found || !slices.Contains([]string{"http", "https", "ws", "wss"}, strings.ToLower(scheme)) {
		return "", "", ""
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return url, url, "/"
	}
	if path = rest[end:]; path[0] == '?' {
		path = "/" + path
	}
	return url, url[:len(url)-len(rest)+end], path
}

// methods are those of the registry of RFC 9110, section 16.1.1, the usual ones
// first, and some that are in use without it.
var methods = []string{
	"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
	"CONNECT", "TRACE", "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE",
	"MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PRI", "PROPFIND",
	"PROPPATCH", "QUERY", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE",
	"UPDATEREDIRECTREF", "VERSION-CONTROL",
	"BAN", "M-SEARCH", "NOTIFY", "PURGE", "REFRESH", "SUBSCRIBE", "UNSUBSCRIBE", "VIEW",
}

// usual is how many of the methods are meant by what is nearly one of them.
const usual = 7

// token reports whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// checkGroups reports answers of which one takes the place of another.
func (b *endpointBuilder) checkGroups() {
	if len(b.real) < 2 {
		return
	}
	first := make(map[string]int)
	for i, be := range b.config.Backend {
		if be.Group == "" || !slices.ContainsFunc(b.real, func(bp *branchPlan) bool { return bp.config == be }) {
			continue
		}
		if other, taken := first[be.Group]; taken {
			b.mistake(be.Node, "group", fmt.Errorf("%q is the group of backend[%d] too, whose answer is lost; choose another name", be.Group, other))
			continue
		}
		first[be.Group] = i
	}
}

// checkEndpoints says that there are none.
func (c *compiler) checkEndpoints() {
	if s := c.g.Service; len(s.Endpoints) == 0 && len(s.AsyncAgent) == 0 {
		c.report(s.Node, "endpoints", config.Warning, config.CodeSuspicious,
			errors.New("there are no endpoints, so the gateway serves its own paths only; add one"))
	}
}
