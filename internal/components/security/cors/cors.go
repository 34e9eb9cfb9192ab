package cors

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var info = component.Info{
	Namespace: "security/cors",
	Aliases:   []string{"github.com/devopsfaith/krakend-cors"},
	Summary:   "Lets pages of other origins read the answers of the gateway.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Passage,
}

func init() { component.Register(component.Service(info, build)) }

func build(s *component.ServiceSite, o Options) error {
	if len(o.AllowMethods) == 0 {
		o.AllowMethods = simpleMethods
		s.Warn("allow_methods", errors.New("an empty list stands for GET, HEAD and POST; write them, or remove the key"))
	}
	for i, name := range o.AllowOrigins {
		at := fmt.Sprintf("allow_origins[%d]", i)
		if name == "*" || name == "null" {
			continue
		}
		if err := doubt(name); err != nil {
			s.Mistake(at, err)
			continue
		}
		switch before, after, _ := strings.Cut(name, "*"); {
		case name != before && after == "" && namesHost(before):
			s.Mistake(at, fmt.Errorf("%q allows every longer name as well, such as %s.example, whoever owns it; write %q for every port, and %q for none",
				name, before, before+":*", before))
		}
	}
	if o.AllowCredentials && slices.Contains(o.AllowOrigins, "*") {
		o.AllowCredentials = false
		s.Warn("allow_credentials", errors.New("has no effect with the origin *, for which browsers refuse credentials; list the origins in allow_origins"))
	}
	st := &stage{policy: newPolicy(o)}
	if o.Debug {
		st.log = s.Log()
	}
	s.Prompt(component.ServiceCORS, st)
	return nil
}

// Canonical names of the fields of the protocol.
const (
	origin                = "Origin"
	vary                  = "Vary"
	requestMethod         = "Access-Control-Request-Method"
	requestHeaders        = "Access-Control-Request-Headers"
	requestPrivateNetwork = "Access-Control-Request-Private-Network"
	allowOrigin           = "Access-Control-Allow-Origin"
	allowMethods          = "Access-Control-Allow-Methods"
	allowHeaders          = "Access-Control-Allow-Headers"
	allowCredentials      = "Access-Control-Allow-Credentials"
	allowPrivateNetwork   = "Access-Control-Allow-Private-Network"
	exposeHeaders         = "Access-Control-Expose-Headers"
	maxAge                = "Access-Control-Max-Age"
)

// A stage answers preflights on the way in and marks answers on the way out.
type stage struct {
	*policy
	log *slog.Logger // nil unless decisions are logged
}

// Enter answers a preflight. Its headers are added by Leave, like those of any
// other answer.
func (s *stage) Enter(_ context.Context, x *gateway.Exchange) error {
	if isPreflight(x.In) && !s.passthrough {
		x.Response.Status = s.preflightStatus
		x.Response.Complete = true
		x.Reply()
	}
	return nil
}

// Leave replaces the permissions of the answer by those of the policy, whether
// the exchange failed or not.
func (s *stage) Leave(ctx context.Context, x *gateway.Exchange, err error) error {
	header := &x.Response.Header
	dropPermissions(header)
	var refusal string
	if isPreflight(x.In) {
		refusal = s.preflight(header, x.In)
	} else {
		refusal = s.actual(header, x.In)
	}
	if s.log != nil {
		s.log.DebugContext(ctx, "cors decided",
			"origin", x.In.Header(origin), "method", x.In.Method(), "allowed", refusal == "", "refusal", refusal)
	}
	return err
}

// isPreflight reports whether a request asks for permission instead of acting.
func isPreflight(in gateway.Inbound) bool {
	return in.Method() == "OPTIONS" && in.Header(requestMethod) != ""
}

// dropPermissions removes the fields of the protocol that a backend set.
func dropPermissions(header *gateway.Fields) {
	*header = slices.DeleteFunc(*header, isPermission)
}

func isPermission(f gateway.Field) bool {
	switch f.Name {
	case allowOrigin, allowMethods, allowHeaders, allowCredentials, allowPrivateNetwork, exposeHeaders, maxAge:
		return true
	}
	return false
}

// A policy is the options, ready to decide.
type policy struct {
	origin          gateway.Lone // the field
	anyOrigin       bool
	origins         []string // lower case
	patterns        []pattern
	methods         []string
	anyHeader       bool
	headers         []string // lower case
	expose          string
	maxAge          string // seconds, "" for none
	credentials     bool
	privateNetwork  bool
	passthrough     bool
	preflightStatus int
	preflightVary   []string
}

// A pattern is an origin with a * between prefix and suffix, in lower case.
type pattern struct {
	prefix, suffix string
	ports          bool // the * may be a port with its colon, too: the prefix is a scheme and a host
}

// namesHost reports whether text is a scheme and the whole name or address of a host,
// without a port.
func namesHost(text string) bool {
	_, host, found := strings.Cut(text, "://")
	if !found || host == "" {
		return false
	}
	if host[0] == '[' {
		return host[len(host)-1] == ']'
	}
	last := host[len(host)-1]
	return last != '.' && last != '-' && strings.IndexByte(host, ':') < 0
}

// match reports whether an origin in lower case is one of the pattern. The * stands
// for a part of a name, or a port: what ends a name, or begins another part of an
// address, is not in it. Behind a whole name it stands for a colon and a port as well,
// as it must for those who write http://localhost*.
func (p pattern) match(origin string) bool {
	if len(origin) < len(p.prefix)+len(p.suffix) || !strings.HasPrefix(origin, p.prefix) || !strings.HasSuffix(origin, p.suffix) {
		return false
	}
	star := origin[len(p.prefix) : len(origin)-len(p.suffix)]
	if port, found := strings.CutPrefix(star, ":"); found && p.ports {
		_, err := strconv.ParseUint(port, 10, 16)
		return err == nil
	}
	for _, c := range []byte(star) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func newPolicy(o Options) *policy {
	p := &policy{
		origin:          gateway.NewLone(origin),
		anyHeader:       len(o.AllowHeaders) == 0,
		credentials:     o.AllowCredentials,
		privateNetwork:  o.AllowPrivateNetwork,
		passthrough:     o.OptionsPassthrough,
		preflightStatus: o.OptionsSuccessStatus,
		preflightVary:   []string{origin, requestMethod, requestHeaders},
	}
	for _, name := range o.AllowOrigins {
		name = gateway.Lower(name)
		prefix, suffix, isPattern := strings.Cut(name, "*")
		switch {
		case name == "*":
			p.anyOrigin = true
		case isPattern:
			p.patterns = append(p.patterns, pattern{prefix, suffix, suffix == "" && namesHost(prefix)})
		default:
			p.origins = append(p.origins, name)
		}
	}
	for _, m := range o.AllowMethods {
		p.methods = append(p.methods, string(m))
	}
	for _, h := range o.AllowHeaders {
		p.anyHeader = p.anyHeader || h == "*"
		p.headers = append(p.headers, gateway.Lower(h))
	}
	exposed := make([]string, len(o.ExposeHeaders))
	for i, h := range o.ExposeHeaders {
		exposed[i] = gateway.Canonical(h)
	}
	p.expose = strings.Join(exposed, ", ")
	if seconds := int64(time.Duration(o.MaxAge) / time.Second); seconds > 0 {
		p.maxAge = strconv.FormatInt(seconds, 10)
	}
	if p.privateNetwork {
		p.preflightVary = append(p.preflightVary, requestPrivateNetwork)
	}
	return p
}

// preflight adds to header what the answer of a preflight says. It returns why
// nothing is allowed, "" if it is.
func (p *policy) preflight(header *gateway.Fields, in gateway.Inbound) (refusal string) {
	addVary(header, p.preflightVary...)
	from, once := p.origin.Value(in)
	method := in.Header(requestMethod)
	asked := in.AppendHeader(nil, requestHeaders)
	switch {
	case !once:
		return "several origins"
	case from == "":
		return "no origin"
	case len(in.AppendHeader(nil, requestMethod)) > 1:
		return "several methods"
	case !p.allowsOrigin(from):
		return "origin"
	case !p.allowsMethod(method):
		return "method"
	case !p.allowsHeaders(asked):
		return "header"
	}
	p.allow(header, from)
	header.Add(allowMethods, method)
	for _, f := range asked {
		if f.Value != "" {
			header.Add(allowHeaders, f.Value)
		}
	}
	if p.privateNetwork && in.Header(requestPrivateNetwork) == "true" {
		header.Add(allowPrivateNetwork, "true")
	}
	if p.maxAge != "" {
		header.Add(maxAge, p.maxAge)
	}
	return ""
}

// actual adds to header what any other answer says. It returns why nothing is
// allowed, "" if it is.
func (p *policy) actual(header *gateway.Fields, in gateway.Inbound) (refusal string) {
	addVary(header, origin)
	from, once := p.origin.Value(in)
	switch {
	case !once:
		return "several origins"
	case from == "":
		return "no origin"
	case !p.allowsOrigin(from):
		return "origin"
	case !p.allowsMethod(in.Method()):
		return "method"
	}
	p.allow(header, from)
	if p.expose != "" {
		header.Add(exposeHeaders, p.expose)
	}
	return ""
}

// allow adds what both kinds of answers have in common.
func (p *policy) allow(header *gateway.Fields, from string) {
	if p.anyOrigin {
		from = "*"
	}
	header.Add(allowOrigin, from)
	if p.credentials {
		header.Add(allowCredentials, "true")
	}
}

// allowsOrigin ignores letter case. Compatibility: the Fetch standard compares
// origins exactly, but browsers send them in lower case, and configurations
// are written by people.
func (p *policy) allowsOrigin(from string) bool {
	if p.anyOrigin {
		return true
	}
	from = gateway.Lower(from)
	return slices.Contains(p.origins, from) ||
		slices.ContainsFunc(p.patterns, func(w pattern) bool { return w.match(from) })
}

// allowsMethod reports whether pages may use method. OPTIONS is the question
// itself and always allowed.
func (p *policy) allowsMethod(method string) bool {
	return method == "OPTIONS" || slices.Contains(p.methods, method)
}

// allowsHeaders reports whether pages may send every header of the lists in
// asked, which may be spread over several fields.
func (p *policy) allowsHeaders(asked gateway.Fields) bool {
	if p.anyHeader {
		return true
	}
	for _, f := range asked {
		for name := range strings.SplitSeq(f.Value, ",") {
			name = strings.Trim(name, " \t")
			if name != "" && !slices.Contains(p.headers, gateway.Lower(name)) {
				return false
			}
		}
	}
	return true
}

// addVary makes the Vary of an answer name all of names. What it names already
// is not repeated.
func addVary(header *gateway.Fields, names ...string) {
	missing := make([]string, 0, 4)
	for _, name := range names {
		if !varies(*header, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 1 {
		header.Add(vary, missing[0])
	} else if len(missing) > 1 {
		header.Add(vary, strings.Join(missing, ", "))
	}
}

// varies reports whether the Vary of header names name, or everything with *.
func varies(header gateway.Fields, name string) bool {
	for _, f := range header {
		if f.Name == vary && (gateway.Listed(f.Value, "*") || gateway.Listed(f.Value, name)) {
			return true
		}
	}
	return false
}
