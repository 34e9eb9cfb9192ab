package jose

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/fetch"
	"github.com/sluice-gateway/sluice/internal/kit/jwk"
)

// SharedOptions configures auth/validator of the service.
type SharedOptions struct {
	// SharedCacheDuration is how long endpoints with cache share the key set of
	// their jwk_url, in seconds, instead of their own cache_duration; 0 stands
	// for 900. Sets of different URLs are never mixed.
	SharedCacheDuration config.Seconds `json:"shared_cache_duration" check:"required,min=0" example:"900"`
}

// Options configures auth/validator.
type Options struct {
	// Alg is the algorithm of the tokens. A token with any other is refused
	// before a key is looked for.
	Alg jwk.Algorithm `json:"alg" check:"required" example:"\"RS256\""`

	// JWKURL is the address of the JWK set with the keys of the provider. It
	// begins with https://, or with http:// together with
	// disable_jwk_security.
	JWKURL string `json:"jwk_url" example:"\"https://id.example.com/jwks.json\"" guards:"option"`

	// JWKLocalPath is a file with a JWK set, relative to the working
	// directory. It is read at the start and wins over jwk_url.
	JWKLocalPath string `json:"jwk_local_path" guards:"option"`

	// DisableJWKSecurity allows a jwk_url that begins with http://, and does
	// not verify the certificate of one that begins with https://. For
	// development only. Local files do not need it.
	DisableJWKSecurity bool `json:"disable_jwk_security" stricter:"false"`

	// SecretURL is the secret behind an encrypted jwk_local_path: base64key://
	// and the base64url of 32 bytes. Secrets of key services (awskms,
	// azurekeyvault, gcpkms, hashivault) are refused.
	SecretURL string `json:"secret_url" secret:"true"`

	// CypherKey is the key of an encrypted jwk_local_path, itself encrypted
	// with the secret of secret_url, in base64.
	CypherKey string `json:"cypher_key" secret:"true"`

	// JWKLocalCA is a file with certificates of authorities, PEM, that vouch
	// for the host of jwk_url in addition to those of the system.
	JWKLocalCA string `json:"jwk_local_ca"`

	// JWKFingerprints lists pins for the host of jwk_url: the base64url of the
	// SHA-256 of a public key (SubjectPublicKeyInfo, DER). One of the
	// certificates in its chain must have one of them.
	JWKFingerprints []string `json:"jwk_fingerprints" stricter:"only"`

	// CipherSuites lists the suites of TLS 1.2 towards jwk_url, by number.
	// Those of TLS 1.3 are always allowed; older versions never are.
	CipherSuites []uint16 `json:"cipher_suites"`

	// Cache keeps the keys of jwk_url in memory. Without it the set is
	// downloaded for every request.
	Cache bool `json:"cache" example:"true" guards:"beside"`

	// CacheDuration is how long keys are kept, in seconds; 0 stands for 900.
	// While the provider does not answer, they are kept for as long again.
	CacheDuration config.Seconds `json:"cache_duration" check:"min=0"`

	// FailedJWKKeyCooldown is how long the provider is not asked again for a
	// key id that it does not know, or for which the download failed. Below 1s
	// it does nothing. With cache an unknown id has 10s without it; all unknown
	// ids together cause two downloads in 10s, with cache or without.
	FailedJWKKeyCooldown config.Duration `json:"failed_jwk_key_cooldown"`

	// Issuer is what iss must be, to the letter.
	Issuer *string `json:"issuer" check:"min=1" example:"\"https://id.example.com\"" guards:"option" stricter:"there"`

	// Audience lists what aud must hold, all of it, to the letter.
	Audience []string `json:"audience" example:"[\"shop\"]" guards:"option" stricter:"more"`

	// Roles lists roles of which the token must hold one.
	Roles []string `json:"roles" guards:"access" stricter:"only"`

	// RolesKey is the claim with the roles: a list of texts, or one text with
	// spaces between them. The empty text stands for roles.
	RolesKey string `json:"roles_key" secret:"false"`

	// RolesKeyIsNested reads the dots of a roles_key that does not begin with
	// http as steps into objects. Otherwise the whole is the name of one claim.
	RolesKeyIsNested bool `json:"roles_key_is_nested"`

	// Scopes lists scopes that the token must hold; scopes_matcher says how
	// many of them. It needs scopes_key.
	Scopes []string `json:"scopes" guards:"access" stricter:"there"`

	// ScopesKey is the claim with the scopes: a list of texts, or one text with
	// spaces between them. Dots are steps into objects.
	ScopesKey string `json:"scopes_key" secret:"false"`

	// ScopesMatcher says whether any of scopes is enough or all are needed.
	ScopesMatcher Matcher `json:"scopes_matcher" stricter:"higher"`

	// PropagateClaims lists pairs of a claim and a request header that gets
	// its value, in place of what the client sent. Dots in a claim that does
	// not begin with http are steps into objects. A missing claim empties the
	// header, and so does a text that a header cannot carry as it is: one with
	// blanks at its ends, control characters or line breaks. Backends see the
	// header only if input_headers names it.
	PropagateClaims [][]string `json:"propagate_claims"`

	// PropagateClaimsPreserveArray sends a list as one header line for each
	// element instead of one line with commas.
	PropagateClaimsPreserveArray bool `json:"propagate_claims_preserve_array"`

	// CookieKey is the cookie that holds the token when the header is absent.
	// Without this key it is access_token; the empty text looks at no cookie.
	CookieKey *string `json:"cookie_key" secret:"false" stricter:"gone"`

	// AuthHeaderName is the header that holds the token.
	AuthHeaderName string `json:"auth_header_name"`

	// KeyIdentifyStrategy says which members of a token's header name its key:
	// kid, a thumbprint of the key's certificate (x5t, x5t#S256), or kid and
	// x5t one after the other (kid_x5t).
	KeyIdentifyStrategy jwk.Strategy `json:"key_identify_strategy"`

	// Leeway is how far exp, nbf and iat may be off. Below 1s it is 1s.
	Leeway config.Duration `json:"leeway" guards:"beside" stricter:"lower"`

	// RequireExp refuses tokens without exp, which never expire.
	RequireExp bool `json:"require_exp" stricter:"true"`

	// OperationDebug logs why a request is refused, at error level. The token
	// is not logged.
	OperationDebug bool `json:"operation_debug"`
}

// Matcher is how many of a list are needed.
type Matcher string

// Enum lists the values.
func (Matcher) Enum() []string { return []string{"any", "all"} }

// Defaults are the values of the keys that are absent.
func (Options) Defaults() Options {
	return Options{
		CacheDuration:       defaultCacheDuration,
		RolesKey:            defaultRolesKey,
		ScopesMatcher:       "any",
		AuthHeaderName:      "Authorization",
		KeyIdentifyStrategy: jwk.ByID,
		Leeway:              config.Duration(time.Second),
	}
}

const (
	defaultCacheDuration = config.Seconds(900)
	defaultCookie        = "access_token"
	defaultRolesKey      = "roles"
)

// StandsFor returns what holds without a key; see [config.StandsFor].
func (o Options) StandsFor(key string) any {
	if key == "cookie_key" && o.CookieKey == nil {
		return defaultCookie
	}
	return nil
}

// Validate reports what would leave the endpoint less protected than it looks,
// or shut.
func (o Options) Validate() error {
	var errs []error
	at := func(path, format string, args ...any) {
		errs = append(errs, config.At(path, fmt.Errorf(format, args...)))
	}
	if o.JWKURL == "" && o.JWKLocalPath == "" {
		at("jwk_url", "there are no keys; set jwk_url or jwk_local_path")
	}
	if o.JWKURL != "" {
		u, err := fetch.Parse(o.JWKURL)
		switch {
		case err != nil:
			at("jwk_url", "%w", err)
		case u.Scheme == "http" && !o.DisableJWKSecurity:
			at("jwk_url", "keys fetched by http can be replaced on the way; write https://, or set disable_jwk_security for development")
		case u.Scheme == "http" && len(o.JWKFingerprints) > 0:
			at("jwk_fingerprints", "there is no certificate to hold them against with http; write https:// in jwk_url")
		}
	}
	if o.JWKLocalPath != "" && o.Cache {
		at("cache", "a local file is always in memory; remove cache, or use jwk_url")
	}
	errs = append(errs, o.validateSecret(), o.validateTLS(), o.validateNames(), o.validateWords())
	if len(o.Scopes) > 0 && o.ScopesKey == "" {
		at("scopes", "nothing says which claim holds the scopes; set scopes_key")
	}
	return errors.Join(errs...)
}

// validateWords reports words that are none: a token of nobody may hold them, or no
// token at all.
func (o Options) validateWords() error {
	var errs []error
	for _, list := range o.words() {
		for i, word := range list.words {
			if strings.TrimSpace(word) == "" {
				errs = append(errs, config.At(fmt.Sprintf("%s[%d]", list.key, i), errors.New("the text is empty; write what the token must hold")))
			}
		}
	}
	return errors.Join(errs...)
}

// words returns the lists of what a token must hold.
func (o Options) words() []wordList {
	return []wordList{{"audience", o.Audience, ""}, {"roles", o.Roles, "roles_key"}, {"scopes", o.Scopes, "scopes_key"}}
}

// A wordList is an option that lists what a token must hold, with the one that says in
// which claim.
type wordList struct {
	key   string
	words []string
	claim string
}

func (o Options) validateSecret() error {
	switch {
	case o.SecretURL == "" && o.CypherKey == "":
		return nil
	case o.SecretURL == "":
		return config.At("cypher_key", errors.New("the secret that decrypts it is missing; set secret_url"))
	case o.CypherKey == "":
		return config.At("secret_url", errors.New("the encrypted key is missing; set cypher_key"))
	case o.JWKLocalPath == "":
		return config.At("secret_url", errors.New("only local files are encrypted; set jwk_local_path"))
	}
	_, err := o.dataKey()
	return err
}

// dataKey returns the key of an encrypted local file.
func (o Options) dataKey() (jwk.DataKey, error) {
	secret, err := jwk.ParseSecret(o.SecretURL)
	if err != nil {
		return jwk.DataKey{}, config.At("secret_url", err)
	}
	key, err := secret.Unwrap(o.CypherKey)
	return key, config.At("cypher_key", err)
}

func (o Options) validateTLS() error {
	var errs []error
	for i, pin := range o.JWKFingerprints {
		if _, err := decodePin(pin); err != nil {
			errs = append(errs, config.At(fmt.Sprintf("jwk_fingerprints[%d]", i), err))
		}
	}
	for i, id := range o.CipherSuites {
		if !slices.ContainsFunc(slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()), func(s *tls.CipherSuite) bool { return s.ID == id }) {
			errs = append(errs, config.At(fmt.Sprintf("cipher_suites[%d]", i), fmt.Errorf("%d is no cipher suite; 49199 and 49195 are the most usual ones", id)))
		}
	}
	return errors.Join(errs...)
}

func (o Options) validateNames() error {
	var errs []error
	if !gateway.Token(o.AuthHeaderName) {
		errs = append(errs, config.At("auth_header_name", fmt.Errorf("%q cannot be the name of a header", o.AuthHeaderName)))
	}
	if o.CookieKey != nil && *o.CookieKey != "" && !gateway.Token(*o.CookieKey) {
		errs = append(errs, config.At("cookie_key", fmt.Errorf("%q cannot be the name of a cookie", *o.CookieKey)))
	}
	for i, pair := range o.PropagateClaims {
		path := fmt.Sprintf("propagate_claims[%d]", i)
		switch {
		case len(pair) != 2:
			errs = append(errs, config.At(path, fmt.Errorf(`has %d elements; write ["claim", "Header"]`, len(pair))))
		case pair[0] == "":
			errs = append(errs, config.At(path+"[0]", errors.New("the name of the claim is empty")))
		case !gateway.Token(pair[1]):
			errs = append(errs, config.At(path+"[1]", fmt.Errorf("%q cannot be the name of a header", pair[1])))
		case gateway.Canonical(pair[1]) == "Proxy":
			errs = append(errs, config.At(path+"[1]", errors.New("services that make variables of headers take Proxy for the address of a proxy; use another header")))
		case gateway.Withheld(gateway.Canonical(pair[1])): // a backend would read another request, or the claim would not arrive
			errs = append(errs, config.At(path+"[1]", fmt.Errorf("%s belongs to the connection, not to the message; use another header", pair[1])))
		}
	}
	return errors.Join(errs...)
}

// decodePin returns the digest of a pin.
func decodePin(pin string) ([]byte, error) {
	digest, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(pin, "="))
	if err != nil {
		return nil, errors.New("the pin is not base64url; write the base64url of the SHA-256 of the public key")
	}
	return digest, nil
}

// secure reports whether keys come by https.
func (o Options) secure() bool {
	u, err := url.Parse(o.JWKURL)
	return err == nil && u.Scheme == "https"
}
