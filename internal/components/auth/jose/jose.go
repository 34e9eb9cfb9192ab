package jose

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/jwk"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var info = component.Info{
	Namespace:  "auth/validator",
	Aliases:    []string{"github.com/devopsfaith/krakend-jose/validator"},
	Summary:    "Lets requests pass only with a valid token, a signed JWT.",
	Source:     source,
	Doc:        doc,
	Guards:     component.Access,
	Identifies: true,
	Failures: []gateway.Failure{
		{Code: codeMissing, Class: gateway.Denied, Status: 401, Detail: "Nobody is served here without a token."},
		{Code: codeInvalid, Class: gateway.Denied, Status: 401, Detail: "The token is not accepted."},
		{Code: codeRole, Class: gateway.Denied, Detail: "The token is good, and its roles are not enough for this."},
		{Code: codeScope, Class: gateway.Denied, Detail: "The token is good, and its scopes are not enough for this."},
		{Code: codeKeys, Class: gateway.Unavailable, Detail: "The keys that tokens are checked with cannot be had; try again later."},
	},
}

func init() {
	component.Register(component.Service(info, buildShared), component.Endpoint(info, build))
}

// sharedCache is how long endpoints share the key set of a URL.
var sharedCache = component.NewKey[time.Duration]("auth/validator shared cache")

func buildShared(s *component.ServiceSite, o SharedOptions) error {
	return component.Provide(s, sharedCache, cmp.Or(o.SharedCacheDuration, defaultCacheDuration).Duration())
}

func build(s *component.EndpointSite, o Options) error {
	k, err := openKeys(s, o)
	if err != nil {
		return err
	}
	v := &validator{
		keys:   k,
		alg:    o.Alg,
		strict: refusesWeak(s),
		by:     o.KeyIdentifyStrategy,
		header: gateway.NewLone(o.AuthHeaderName),
		cookie: defaultCookie,
		rules: rules{
			audience:   o.Audience,
			leeway:     max(time.Duration(o.Leeway), time.Second),
			requireExp: o.RequireExp,
		},
		clock: s.Clock(),
		roles: pathOf(cmp.Or(o.RolesKey, defaultRolesKey), o.RolesKeyIsNested && dotted(o.RolesKey)),
	}
	if o.Issuer != nil {
		v.rules.issuer = *o.Issuer
	}
	if o.CookieKey != nil {
		v.cookie = *o.CookieKey
	}
	if o.OperationDebug {
		v.log = s.Log()
		v.message = "[ENDPOINT: " + s.Config().Endpoint + "][JWTValidator] request refused"
	}
	a := &authorizer{
		refusals:   v.refusals,
		roles:      o.Roles,
		scopes:     requirement{claim: pathOf(o.ScopesKey, true), words: o.Scopes, all: o.ScopesMatcher == "all"},
		keepArrays: o.PropagateClaimsPreserveArray,
	}
	for i, pair := range o.PropagateClaims {
		p := propagation{claim: pathOf(pair[0], dotted(pair[0])), header: gateway.Canonical(pair[1])}
		if j := slices.IndexFunc(a.propagate, func(other propagation) bool { return gateway.Alike(other.header, p.header) }); j >= 0 {
			s.Mistake(fmt.Sprintf("propagate_claims[%d]", i), fmt.Errorf("%s takes the place of %s of propagate_claims[%d]; choose another header", p.header, a.propagate[j].header, j))
		}
		a.propagate = append(a.propagate, p)
		if !lists(s.Config().InputHeaders, p.header) {
			s.Note(fmt.Sprintf("propagate_claims[%d]", i), fmt.Errorf("backends do not see %s; add it to input_headers if they should", p.header))
		}
	}
	advise(s, o)
	s.Guard(component.EndpointAuthenticate, v)
	if len(a.roles) > 0 || len(a.scopes.words) > 0 || len(a.propagate) > 0 {
		s.Guard(component.EndpointAuthorize, a) // expressions about the token come between
	}
	return nil
}

// lists reports whether input_headers lets a header pass.
func lists(input []string, header string) bool {
	return slices.ContainsFunc(input, func(name string) bool {
		return name == "*" || gateway.Canonical(name) == header
	})
}

// advise reports what is allowed and protects less than it may seem to.
func advise(s *component.EndpointSite, o Options) {
	reportIdle(s, o)
	if o.CookieKey == nil {
		s.Warn("cookie_key", errors.New("is not set, so a cookie access_token is taken for a token as well, "+
			`which other sites can make a browser send; write the name of your cookie, or "" for none`))
	}
	if !o.RequireExp {
		s.Note("require_exp", errors.New("is not set, so a token without exp is valid for ever; set it to refuse such tokens"))
	}
	if o.JWKLocalPath != "" {
		if o.JWKURL != "" {
			s.Note("jwk_url", errors.New("has no effect: jwk_local_path wins"))
		}
		return
	}
	switch {
	case !o.secure():
		s.Warn("jwk_url", errors.New("fetches the keys by http: whoever is on the way can replace them; write https://"))
	case o.DisableJWKSecurity:
		s.Warn("disable_jwk_security", errors.New("is set, so the certificate behind jwk_url is not verified: "+
			"whoever is on the way can replace the keys; remove it"))
	}
	for i, pin := range o.JWKFingerprints {
		if digest, err := decodePin(pin); err == nil && len(digest) != sha256.Size {
			s.Warn(fmt.Sprintf("jwk_fingerprints[%d]", i), fmt.Errorf("has %d bytes and never matches; write the base64url of a SHA-256, 32 bytes", len(digest)))
		}
	}
	for i, id := range o.CipherSuites {
		for _, suite := range tls.InsecureCipherSuites() {
			if suite.ID == id {
				s.Warn(fmt.Sprintf("cipher_suites[%d]", i), fmt.Errorf("%s is known to be weak; remove it", suite.Name))
			}
		}
	}
}

// reportIdle reports options that ask nothing of a token although they are there to.
func reportIdle(s *component.EndpointSite, o Options) {
	for _, list := range o.words() {
		switch {
		case len(list.words) > 0:
			for i, word := range list.words {
				if trimmed := strings.TrimSpace(word); trimmed != word {
					s.Mistake(fmt.Sprintf("%s[%d]", list.key, i), fmt.Errorf("%q has blanks at its ends, which the token would have to hold as well; write %q", word, trimmed))
				}
			}
		case s.Written(list.key):
			s.Mistake(list.key, errors.New("the list is empty, so every token will do; write what the token must hold, or remove the key"))
		case list.claim != "" && s.Written(list.claim):
			s.Mistake(list.claim, fmt.Errorf("asks nothing of a token without %s; write that too, or remove the key", list.key))
		}
	}
	if len(o.JWKFingerprints) == 0 && s.Written("jwk_fingerprints") {
		s.Mistake("jwk_fingerprints", errors.New("the list is empty, so that nothing is pinned; write the pins, or remove the key"))
	}
}

// A validator is the stage that establishes who asks.
type validator struct {
	keys   keys
	alg    jwk.Algorithm
	strict bool // a key that is too short verifies nothing
	by     jwk.Strategy
	header gateway.Lone // that holds the token
	cookie string       // that holds it otherwise; "" for none
	roles  path         // of the claim that holds them
	rules  rules
	clock  component.Clock
	refusals
}

// An authorizer is the stage that looks at what an established identity may do,
// and tells the backends of it.
type authorizer struct {
	roles      []string // one of them is needed; none lets everybody pass
	scopes     requirement
	propagate  []propagation
	keepArrays bool
	refusals
}

// refusals are how requests are refused.
type refusals struct {
	log     *slog.Logger // nil unless they are logged
	message string
}

// A propagation is a claim that becomes a header.
type propagation struct {
	claim  path
	header string
}

// errNoToken refuses a request that offers no token, rather than a bad one.
var errNoToken = errors.New("the request has no token")

// Names of the refusals, for logs and metrics.
const (
	codeMissing = "token_missing"
	codeKeys    = "keys_unavailable" // nobody knows whether the token is good
	codeInvalid = "token_invalid"
	codeRole    = "role_missing"
	codeScope   = "scope_missing"
)

// Challenges in WWW-Authenticate.
//
// Source: RFC 6750, section 3.
const (
	challengeMissing = `Bearer realm="api"`
	challengeInvalid = `Bearer error="invalid_token"`
	challengeScope   = `Bearer error="insufficient_scope"`
)

// Enter establishes the identity of x, or refuses it.
func (v *validator) Enter(ctx context.Context, x *gateway.Exchange) error {
	id, err := v.authenticate(ctx, x.In)
	switch {
	case errors.Is(err, errNoToken):
		return v.refuse(x, 401, codeMissing, challengeMissing, err)
	case errors.Is(err, jwk.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		x.Response.Header.Set("Retry-After", "1")
		return v.refuse(x, 503, codeKeys, "", err)
	case err != nil:
		return v.refuse(x, 401, codeInvalid, challengeInvalid, err)
	}
	x.Identity = id
	return nil
}

// Enter lets x pass if its identity has the roles and scopes, and refuses it
// otherwise.
func (a *authorizer) Enter(_ context.Context, x *gateway.Exchange) error {
	claims := x.Identity.Claims
	switch {
	case len(a.roles) > 0 && !slices.ContainsFunc(x.Identity.Roles, func(role string) bool { return slices.Contains(a.roles, role) }):
		return a.refuse(x, 403, codeRole, "", errors.New("the token holds none of the roles"))
	case !a.scopes.met(claims):
		return a.refuse(x, 403, codeScope, challengeScope, errors.New("the token lacks scopes"))
	}
	if len(a.propagate) > 0 {
		in := x.Edit()
		for i := range a.propagate {
			a.propagate[i].apply(in, claims, a.keepArrays)
		}
	}
	return nil
}

func (r *refusals) refuse(x *gateway.Exchange, status int, code, challenge string, reason error) error {
	if challenge != "" {
		x.Response.Header.Set("Www-Authenticate", challenge)
	}
	if r.log != nil {
		r.log.Error(r.message, "status", status, "reason", reason)
	}
	return &gateway.Error{Status: status, Code: code, Err: reason}
}

// authenticate returns who has sent a message with a valid token.
func (v *validator) authenticate(ctx context.Context, in gateway.Inbound) (*gateway.Identity, error) {
	text, err := v.find(in)
	if err != nil {
		return nil, err
	}
	payload, err := v.open(ctx, text)
	if err != nil {
		return nil, err
	}
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, fmt.Errorf("claims of the token: %w", err)
	}
	if err := v.rules.check(claims, v.clock()); err != nil {
		return nil, err
	}
	// Not the signature: of some algorithms anybody can make a second one of the first.
	signed := text[:strings.LastIndexByte(text, '.')]
	name, _ := claims["sub"].(string)
	roles, _ := words(v.roles.lookup(claims))
	return &gateway.Identity{Name: name, Roles: roles, By: info.Namespace, Claims: claims, Verified: signed, Header: v.header.Name(), Cookie: v.cookie != ""}, nil
}

// open returns the payload of a token, verified.
func (v *validator) open(ctx context.Context, text string) ([]byte, error) {
	t, err := parseToken(text)
	if err != nil {
		return nil, err
	}
	if t.text("alg") != string(v.alg) {
		return nil, fmt.Errorf("the alg of the token is not %s", v.alg)
	}
	if _, critical := t.header["crit"]; critical {
		return nil, errors.New("the token has a crit header, of which nothing is understood")
	}
	id := v.by.ID(t.text("kid"), t.text("x5t"), t.text("x5t#S256"))
	candidates, err := v.keys.Find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("key %.64q: %w", id, err)
	}
	if !v.verify(candidates, &t) {
		for _, k := range candidates {
			if weak := k.Weak(v.alg); v.strict && k.Fits(v.alg) && weak != nil {
				return nil, fmt.Errorf("key %.64q is refused: %w", id, weak)
			}
		}
		return nil, fmt.Errorf("key %.64q: no key with this id has made the signature", id)
	}
	return t.payload, nil
}

// verify reports whether one of the keys has made the signature.
func (v *validator) verify(candidates []*jwk.Key, t *token) bool {
	return slices.ContainsFunc(candidates, func(k *jwk.Key) bool {
		return k.Fits(v.alg) && (!v.strict || k.Weak(v.alg) == nil) && k.Verify(v.alg, t.signed, t.signature)
	})
}

// errRepeated refuses a request that offers two tokens: one would be verified, and a
// backend might believe the other.
var errRepeated = errors.New("the request has the token more than once")

// find returns the text that should be a token. A header with another scheme
// offers none, and does not make the cookie count.
func (v *validator) find(in gateway.Inbound) (string, error) {
	value, once := v.header.Value(in)
	if !once {
		return "", errRepeated
	}
	if value == "" {
		if v.cookie != "" {
			if value, once = cookie(in, v.cookie); !once {
				return "", errRepeated
			}
		}
		if value == "" {
			return "", errNoToken
		}
		return value, nil
	}
	const scheme = "Bearer "
	if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
		value = strings.Trim(value[len(scheme):], " ")
	}
	if value == "" || strings.Contains(value, " ") {
		return "", fmt.Errorf("%w: the header has another scheme than Bearer", errNoToken)
	}
	return value, nil
}

// apply replaces the header by the claim, and what a backend might take for it. A
// claim that is missing empties it, so that nothing of the client's is left.
func (p *propagation) apply(in *gateway.Edited, claims map[string]any, keepArrays bool) {
	claim := p.claim.lookup(claims)
	list, _ := claim.([]any)
	if !keepArrays || len(list) == 0 {
		in.SetHeader(p.header, headerText(claim))
		return
	}
	values := make([]string, len(list))
	for i, v := range list {
		values[i] = headerText(v)
	}
	in.SetHeader(p.header, values...)
}
