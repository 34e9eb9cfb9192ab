package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// StrayBrace says which brace of a text with placeholders has no partner, and what
// to write instead; nil if each has one.
func StrayBrace(text string) error {
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
func (b *Backends) checkAddress(be *model.Backend) {
	if err := StrayBrace(be.URLPattern); err != nil {
		b.mistake(be.Node, "url_pattern", err)
	}
	if pattern := be.URLPattern; strings.TrimSpace(pattern) != pattern || strings.HasPrefix(pattern, "/ ") {
		instead := "/" + strings.TrimLeft(pattern, "/ ")
		if written := be.Node.GetFold("url_pattern"); written.Secret() {
			pattern, instead = hidden, "it without"
		} else {
			pattern, instead = strconv.Quote(pattern), strconv.Quote(strings.TrimSpace(instead))
		}
		b.mistake(be.Node, "url_pattern", fmt.Errorf("%s begins or ends with a blank, which is sent as %%20; write %s, or the escape if it is meant", pattern, instead))
	}
	b.checkAsterisk(be)
	if url, host, path := wholeURL(be.URLPattern); url != "" {
		b.mistake(be.Node, "url_pattern", fmt.Errorf(
			"%s is a whole URL, and its path alone belongs here; write \"host\": [%q] and \"url_pattern\": %q", config.MaskUser(url), config.MaskUser(host), path))
	}
	if slices.Contains(methods, be.Method) {
		return
	}
	switch near, similar := config.Suggest(be.Method, methods[:usual]); {
	case !gateway.Token(be.Method):
		b.report(be.Node, "method", config.Error, config.CodeInvalid, fmt.Errorf("%q is no method; write GET, POST, PUT, PATCH or DELETE", be.Method))
	case similar:
		b.mistake(be.Node, "method", fmt.Errorf("no service knows the method %q; did you mean %q?", be.Method, near))
	default:
		b.mistake(be.Node, "method", fmt.Errorf("no service knows the method %q; write GET, POST, PUT, PATCH or DELETE", be.Method))
	}
}

// checkAsterisk reports a url_pattern that ends as the path of a wildcard endpoint does.
// The rest of the client's path is put behind it by itself.
func (b *Backends) checkAsterisk(be *model.Backend) {
	path, query, asked := strings.Cut(be.URLPattern, "?")
	without, ends := strings.CutSuffix(path, "/*")
	if !ends {
		return
	}
	instead := "it without"
	if !be.Node.GetFold("url_pattern").Secret() {
		if without == "" {
			without = "/"
		}
		if asked {
			without += "?" + query
		}
		instead = strconv.Quote(without)
	}
	if strings.HasSuffix(b.config.Endpoint, "/*") {
		b.mistake(be.Node, "url_pattern", fmt.Errorf("the asterisk is sent as it is, and the rest of the path comes behind it; write %s, and the rest follows", instead))
		return
	}
	b.report(be.Node, "url_pattern", config.Warning, config.CodeSuspicious,
		fmt.Errorf("the asterisk is sent as it is; write %s, or %%2A if it is meant", instead))
}

// wholeURL takes a url_pattern apart that is a URL with scheme and host.
func wholeURL(pattern string) (url, host, path string) {
	url = strings.TrimPrefix(pattern, "/")
	scheme, rest, found := strings.Cut(url, "://")
	if !found || !slices.Contains([]string{"http", "https", "ws", "wss"}, gateway.Lower(scheme)) {
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

// checkPath reports what a url_pattern says and no service is asked for: a variable as
// other routers write it, a fragment, dot segments.
func (b *Backends) checkPath(be *model.Backend) {
	if be.Node.GetFold("url_pattern").Secret() {
		return // what it holds is not shown
	}
	path, query, asks := strings.Cut(be.URLPattern, "?")
	if asks {
		query = "?" + query
	}
	if n := be.Node.GetFold("url_pattern"); n != nil && strings.Contains(n.Text, "#") { // which is gone from be
		b.mistake(be.Node, "url_pattern", errors.New(`"#" begins a fragment, which no service is asked for, so it is left out; write the pattern without it, or %23 if the sign is meant`))
	}
	if !strings.Contains(path, "/:") && !strings.Contains(path, "/.") && !strings.Contains(path, "/%2") {
		return // as most are, without taking them apart
	}
	for segment := range strings.SplitSeq(path, "/") {
		if name, colon := strings.CutPrefix(segment, ":"); colon {
			for _, known := range b.site.Params() {
				if config.SameName(name, known) {
					b.mistake(be.Node, "url_pattern", fmt.Errorf("%q is sent as it stands; write {%s} for the variable of the endpoint", segment, known))
				}
			}
		}
		if plain := dots.Replace(segment); plain == "." || plain == ".." {
			b.mistake(be.Node, "url_pattern", fmt.Errorf("the segment %q leads elsewhere in what reads the path; write %q", segment, undotted(path)+query))
			break
		}
	}
}

// dots decodes the dots of a path.
var dots = strings.NewReplacer("%2e", ".", "%2E", ".")

// undotted resolves the dot segments of a path (RFC 3986, section 5.2.4).
func undotted(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch plain := dots.Replace(segment); {
		case plain == "..":
			kept = kept[:max(len(kept)-1, 0)]
		case plain != ".":
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
