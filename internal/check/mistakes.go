package check

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/pathlint"
	"github.com/sluice-gateway/sluice/internal/route"
	"github.com/sluice-gateway/sluice/internal/template"
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

// endpointDoubts returns what the path of an endpoint says and cannot mean.
func endpointDoubts(e *model.Endpoint, disableRest bool) []error {
	written := e.Node.GetFold("endpoint")
	if written == nil || written.Secret() {
		return route.Doubts(e.Endpoint, disableRest)
	}
	url, _, rest := wholeURL(written.Text)
	if url == "" {
		return route.Doubts(e.Endpoint, disableRest)
	}
	if rest, _, _ = strings.Cut(rest, "?"); rest == "" {
		rest = "/"
	}
	return []error{fmt.Errorf("%s is a whole URL, and clients ask for a path; write %q, and the host in the host of a backend", config.MaskUser(url), rest)}
}

// checkNames reports variables of an endpoint of which one takes the name of another.
func (c *Checker) checkNames(e *model.Endpoint, names []string) {
	for i, name := range names {
		if first := slices.Index(names, name); first == i {
			continue
		}
		free := name + "2"
		for n := 3; slices.Contains(names, free); n++ {
			free = name + strconv.Itoa(n)
		}
		c.mistake(e.Node, "endpoint", fmt.Errorf("two variables are called {%s}, and the value of the first alone has the name; write {%s} for the second", name, free))
	}
}

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

// checkHeaders reports entries of input_headers that let nothing through. An empty one
// is how to say that nothing shall pass.
func (c *Checker) checkHeaders(n *config.Node, list []string) {
	for i, name := range list {
		var err error
		trimmed := strings.TrimSpace(name)
		switch {
		case name == "" || name == "*":
		case gateway.Canonical(trimmed) == message.Httpoxy:
			err = fmt.Errorf("%s never passes, because services that make variables of headers take it for the address of a proxy; remove it", message.Httpoxy)
		case gateway.Token(name) && strings.Contains(name, "*"):
			err = fmt.Errorf("%q is a name and no pattern, so nothing passes; write the names one by one, or \"*\" alone for all", name)
		case gateway.Token(name):
		case gateway.Token(trimmed):
			err = fmt.Errorf("%q holds blanks, so nothing passes; write %q", name, trimmed)
		case strings.ContainsAny(name, ",;"):
			err = fmt.Errorf("%q is no name of a header, so nothing passes; write each name as an entry of its own", name)
		default:
			err = fmt.Errorf("%q is no name of a header, so nothing passes; write one such as Accept-Language", name)
		}
		if err != nil {
			c.notName(n, "input_headers", i, err)
		}
	}
}

// checkQueries reports entries of input_query_strings that are no names as clients write
// them. Names may hold any sign; these say something else.
func (c *Checker) checkQueries(n *config.Node, list []string) {
	for i, name := range list {
		var err error
		trimmed := strings.TrimSpace(name)
		switch {
		case trimmed != name:
			err = fmt.Errorf("%q begins or ends with a blank, so the parameter does not pass; write %q", name, trimmed)
		case name != "*" && strings.HasSuffix(name, "*"):
			err = fmt.Errorf("%q is a name and no pattern, so nothing passes; write the names one by one, or \"*\" alone for all", name)
		case strings.Contains(name, ",") && !strings.ContainsAny(name, "[({"):
			err = fmt.Errorf("%q is one name, so nothing passes; write each name as an entry of its own", name)
		}
		if err != nil {
			c.notName(n, "input_query_strings", i, err)
		}
	}
}

// notName reports an entry of a list that is no name; err says why, and repeats it.
func (c *Checker) notName(n *config.Node, key string, i int, err error) {
	at, item := listed(n, key, i)
	if item.Secret() {
		err = fmt.Errorf("%s is no name that a request can have, so nothing passes; give the reference another value", hidden)
	}
	c.mistake(n, at, err)
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

// checkGroups reports answers of which one takes the place of another.
func (b *Backends) checkGroups() {
	if len(b.answers) < 2 {
		return
	}
	first := make(map[string]int)
	for i, be := range b.config.Backend {
		if be.Group == "" || !slices.ContainsFunc(b.answers, func(bp answer) bool { return bp.config == be }) {
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
func (c *Checker) checkEndpoints() {
	if s := c.Env.Service; len(s.Endpoints) == 0 && len(s.AsyncAgent) == 0 {
		c.report(s.Node, "endpoints", config.Warning, config.CodeSuspicious,
			errors.New("there are no endpoints, so the gateway serves its own paths only; add one"))
	}
}

// Placeholders reports placeholders that never have a value, in the texts at a key of a
// backend that is not added yet, be it a shadow or not: a backend whose address holds one
// always fails.
func (b *Backends) Placeholders(be *model.Backend, shadow bool, key string, texts ...template.Text) {
	for _, t := range texts {
		for _, p := range t.Parts() {
			switch p.From {
			case template.FromResult:
				if why := b.noResult(p, shadow); why != "" {
					b.mistake(be.Node, key, errors.New(why))
				}
			case template.FromClaim:
				if !b.site.Identified() {
					b.mistake(be.Node, key, fmt.Errorf("{JWT.…} has a value behind %s only, so this backend always fails; add that to the endpoint",
						b.Env.Registry.Who(component.InEndpoint, component.Identifying)))
				}
			}
		}
	}
}

// noResult says why a placeholder for a value of an earlier answer never has one;
// "" if it may.
func (b *Backends) noResult(p template.Part, shadow bool) string {
	switch {
	case !b.site.Arrangement().Sequential || len(b.config.Backend) == 1:
		return "{resp…} has a value in a sequence only, so this backend always fails; write " +
			b.Env.Registry.Write(component.InEndpoint, "sequential", "true") + " on the endpoint"
	case shadow:
		return "a shadow is called before there is any answer, so {resp…} has no value here and the call always fails; remove the placeholder"
	case p.Index >= len(b.answers):
		return fmt.Sprintf("{resp%d_…} is not the answer of an earlier backend, so this backend always fails; earlier ones are %s", p.Index, b.earlier())
	}
	earlier := b.answers[p.Index]
	if why := undelivered(earlier.config, earlier.reshaped, p.Path()); why != "" {
		why, remedy, _ := strings.Cut(why, "; ")
		return fmt.Sprintf("{%s} never has a value, because %s, so this backend always fails; %s", p.Text, why, remedy)
	}
	return ""
}

// earlier names the answers that the next backend may use.
func (b *Backends) earlier() string {
	if len(b.answers) == 0 {
		return "none"
	}
	if len(b.answers) == 1 {
		return "{resp0_…} alone"
	}
	return fmt.Sprintf("{resp0_…} to {resp%d_…}", len(b.answers)-1)
}

// undelivered says why the answer of a backend never holds a value at path and,
// behind a semicolon, what would help; "" if it may. An allow or a deny is the cause
// and stays as it is: it may be there to hide the value. It follows the path back
// through group, mapping, allow or deny and target.
func undelivered(be *model.Backend, reshaped bool, path []string) string {
	if be.Encoding == "no-op" {
		return "the encoding no-op of that backend decodes nothing; choose another one"
	}
	if strings.HasPrefix(path[0], "error_") {
		return "" // return_error_details
	}
	if be.Group != "" {
		if path[0] != be.Group {
			return fmt.Sprintf("that backend puts its answer into the group %q; write {respN_%s.%s}", be.Group, be.Group, strings.Join(path, "."))
		}
		if path = path[1:]; len(path) == 0 {
			return ""
		}
	}
	if reshaped {
		return ""
	}
	// Several members may get the name, or have it.
	first := path[0]
	var names []string
	moved, renamed := be.Mapping[first]
	if moved, _, _ = strings.Cut(moved, "."); !renamed || moved == first {
		names = append(names, first)
	}
	for _, old := range slices.Sorted(maps.Keys(be.Mapping)) {
		if name, _, _ := strings.Cut(be.Mapping[old], "."); name == first && old != first {
			names = append(names, old)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("the mapping of that backend calls %q %q; write that name", first, moved)
	}
	why := ""
	for _, name := range names {
		if why = dropped(be, append([]string{name}, path[1:]...)); why == "" {
			break
		}
	}
	return why
}

// dropped is undelivered for the path of a value in what the service answers, below
// target.
func dropped(be *model.Backend, path []string) string {
	whole := jsonspan.JoinPath(path)
	switch {
	case len(be.Allow) > 0:
		if !slices.ContainsFunc(be.Allow, func(a string) bool { return leads(a, whole) || leads(whole, a) }) {
			return fmt.Sprintf("the allow of that backend leaves %q out; choose another value for the placeholder", whole)
		}
	case slices.ContainsFunc(be.Deny, func(d string) bool { return leads(d, whole) }):
		return fmt.Sprintf("the deny of that backend leaves %q out; choose another value for the placeholder", whole)
	}
	switch only := onlyMember(be); {
	case only == "" || path[0] == only || be.Encoding == "xml" && be.Target != "":
	case be.Target != "":
		return fmt.Sprintf("the only member of what that backend answers is %q, which is no object for target to find; remove target", only)
	default:
		return fmt.Sprintf("the only member of what that backend answers is %q; write {respN_%s}", only, only)
	}
	return ""
}

// onlyMember returns the name of the only member that a decoded answer has before
// anything is cut; "" if that depends on the answer.
func onlyMember(be *model.Backend) string {
	switch be.Encoding {
	case "string":
		return "content"
	case "json", "fast-json", "xml", "yaml":
		if be.IsCollection {
			return "collection"
		}
	}
	return ""
}

// checkCollection reports what leaves nothing of the only member that an answer
// has.
func (c *Checker) checkCollection(be *model.Backend, reshaped bool) {
	only := onlyMember(be)
	names := func(path string) bool { return path == only }
	if be.Encoding == "xml" { // what stands there is an object
		names = func(path string) bool { return jsonspan.SplitPath(path)[0] == only }
	}
	switch {
	case only == "":
	case be.Target != "" && be.Encoding == "xml" && names(be.Target):
	case be.Target != "":
		c.mistake(be.Node, "target", fmt.Errorf("leads nowhere: the only member of the answer is %q, which is no object; remove target", only))
	case reshaped:
	case len(be.Allow) > 0 && !slices.ContainsFunc(be.Allow, names):
		c.mistake(be.Node, "allow", fmt.Errorf("leaves nothing: the only member of the answer is %q, and paths do not lead into lists; write it, or use %s", only, c.flatmap()))
	case len(be.Allow) == 0:
		if slices.ContainsFunc(be.Deny, names) {
			return
		}
		for i, path := range be.Deny {
			if at, item := listed(be.Node, "deny", i); item.Secret() || pathlint.Doubt(path) == nil { // else it is reported as that
				c.mistake(be.Node, at, fmt.Errorf(
					"removes nothing: the only member of the answer is %q, and paths do not lead into lists; use %s%s", only, c.flatmap(), removal(only, path, item)))
			}
		}
	}
}

// removal returns the operation of flatmap_filter that removes a member of the entries
// of a collection.
func removal(only, path string, item *config.Node) string {
	if only != "collection" || item.Secret() {
		return ""
	}
	return fmt.Sprintf(`: {"type": "del", "args": [%q]}`, only+".*."+strings.TrimPrefix(path, only+"."))
}

// checkOutput reports json-collection where no backend makes a collection. A
// service may have a member of that name; allow or mapping then says so.
func (b *Backends) checkOutput() {
	if b.config.OutputEncoding != "json-collection" || b.remade(component.PipeStatic, component.PipeFlatmap) {
		return
	}
	path := []string{"collection"}
	for _, bp := range b.answers {
		be := bp.config
		named := slices.Contains(be.Allow, path[0]) || bp.reshaped || be.Encoding == "safejson"
		for _, name := range be.Mapping {
			named = named || name == path[0]
		}
		if (named || onlyMember(be) == path[0]) && undelivered(be, bp.reshaped, path) == "" {
			return
		}
	}
	b.mistake(b.config.Node, "output_encoding", errors.New(
		`json-collection shows the member "collection", which no backend makes, so every answer is empty; write "is_collection": true in a backend that answers a list, or name "collection" in allow if the service answers an object that has it`))
}

// checkUndecoded reports an endpoint that makes its answer of nothing: no-op passes on
// what a backend says, if the endpoint passes it on as well.
func (b *Backends) checkUndecoded() {
	undecoded := func(bp answer) bool { return bp.config.Encoding == "no-op" && !bp.reshaped }
	if b.config.OutputEncoding == "no-op" || !all(b.answers, undecoded) || b.remade(component.PipeStatic) {
		return
	}
	b.mistake(b.answers[0].config.Node, "encoding", errors.New(
		`no-op decodes nothing, so every answer of this endpoint is empty, whatever the service says; write "output_encoding": "no-op" in the endpoint to pass the answer on, or an encoding that decodes, such as json`))
}

func all[T any](list []T, f func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !f(v) })
}

// Hosts reports a host of a backend that is called by HTTP and is the gateway itself: each
// of its requests would make another one.
func (c *Checker) Hosts(be *model.Backend) {
	if be.SD != "static" {
		return
	}
	for i, h := range be.Host {
		if c.isOwn(h) {
			list := be.HostsFrom(c.Env.Service)
			c.mistake(list, list.ItemPath("host", i), fmt.Errorf(
				"%s is the address of the gateway itself, so its requests go round in circles; write the address of the service, or give the gateway another port", config.MaskUser(h)))
		}
	}
}

// isOwn reports whether a host is an address on which the gateway listens.
func (c *Checker) isOwn(host string) bool {
	s := c.Env.Service
	scheme, rest, _ := strings.Cut(host, "://")
	authority, _, _ := strings.Cut(rest, "/")
	name, port := authority, 80
	if strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "wss") {
		port = 443
	}
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		name = authority[:colon]
		port, _ = strconv.Atoi(authority[colon+1:]) // 0 is nobody's
	}
	if port != s.Port || port == 0 {
		return false
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	listen, _ := netip.ParseAddr(s.ListenIP)
	address, err := netip.ParseAddr(name)
	address = address.Unmap()
	everywhere := !listen.IsValid() || listen.IsUnspecified()
	switch local := name == "localhost" || strings.HasSuffix(name, ".localhost") || address.IsUnspecified(); {
	case err == nil && address == listen.Unmap():
		return true
	case local:
		return everywhere || listen.IsLoopback()
	case address.IsLoopback():
		return everywhere
	case listen.IsLoopback() || c.Machine == nil:
		return false
	}
	for _, own := range c.Machine() {
		if strings.EqualFold(own, name) && (everywhere || err != nil) {
			return true
		}
		if a, bad := netip.ParseAddr(own); bad == nil && err == nil && everywhere && a.Unmap() == address {
			return true
		}
	}
	return false
}

// remade reports whether something else may be made of the answer: by a stage in one of
// the phases, or by what rewrites.
func (b *Backends) remade(phases ...component.PipePhase) bool {
	return b.site.Rewritten() || slices.ContainsFunc(b.site.Placed(), func(p component.Placed) bool {
		return slices.Contains(phases, component.PipePhase(p.Phase))
	})
}
