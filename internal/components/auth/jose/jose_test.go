package jose

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

func TestOptionsRefused(t *testing.T) {
	set := file(t, everyKey(t))
	secret := "base64key://" + base64.URLEncoding.EncodeToString(make([]byte, 32))
	tests := []struct {
		name    string
		options any // over alg and jwk_local_path; nil removes a key
		want    []string
	}{
		{"null", nil, []string{"error alg: missing"}},
		{"no alg", object{"alg": nil}, []string{"error alg: missing"}},
		{"alg none", object{"alg": "none"}, []string{`error alg: none`}},
		{"alg in another case", object{"alg": "rs256"}, []string{`error alg: rs256`}},
		{"no keys", object{"jwk_local_path": nil}, []string{"error jwk_url: set jwk_url or jwk_local_path"}},
		{"http", object{"jwk_local_path": nil, "jwk_url": "http://idp.test/"}, []string{"error jwk_url: write https://"}},
		{"no URL", object{"jwk_local_path": nil, "jwk_url": "idp.test"}, []string{"error jwk_url: write https://"}},
		{"no such file", object{"jwk_local_path": set + "x"}, []string{"error jwk_local_path: no such file"}},
		{"not a set", object{"jwk_local_path": file(t, []byte("[]"))}, []string{"error jwk_local_path: not a key set"}},
		{"cache of a file", object{"cache": true}, []string{"error cache: always in memory"}},
		{"negative cache_duration", object{"cache_duration": -1}, []string{"error cache_duration: "}},
		{"pins over http", object{"jwk_local_path": nil, "jwk_url": "http://idp.test/", "disable_jwk_security": true, "jwk_fingerprints": []string{"AAAA"}},
			[]string{"error jwk_fingerprints: https://"}},
		{"pin that is not base64", object{"jwk_fingerprints": []string{"AAAA", "*"}}, []string{"error jwk_fingerprints[1]: base64url"}},
		{"unreadable CA", object{"jwk_local_ca": set + "x"}, []string{"error jwk_local_ca: no such file"}},
		{"CA without certificates", object{"jwk_local_ca": set}, []string{"error jwk_local_ca: holds no certificate"}},
		{"unknown suite", object{"cipher_suites": []int{49199, 1}}, []string{"error cipher_suites[1]: 1 is no cipher suite"}},
		{"secret without key", object{"secret_url": secret}, []string{"error secret_url: set cypher_key"}},
		{"key without secret", object{"cypher_key": "AAAA"}, []string{"error cypher_key: set secret_url"}},
		{"secret without file", object{"jwk_local_path": nil, "jwk_url": "https://idp.test/", "secret_url": secret, "cypher_key": "AAAA"},
			[]string{"error secret_url: set jwk_local_path"}},
		{"secret of 5 bytes", object{"secret_url": "base64key://c2hvcnQ=", "cypher_key": "AAAA"}, []string{"error secret_url: 5 bytes; it needs 32"}},
		{"secret of a key service", object{"secret_url": "gcpkms://projects/x", "cypher_key": "AAAA"}, []string{"error secret_url: gcpkms are not supported"}},
		{"key of another secret", object{"secret_url": secret, "cypher_key": base64.StdEncoding.EncodeToString(make([]byte, 60))},
			[]string{"error cypher_key: not wrapped with this secret"}},
		{"scopes without scopes_key", object{"scopes": []string{"a"}}, []string{"error scopes: set scopes_key"}},
		{"scopes_matcher ALL", object{"scopes": []string{"a"}, "scopes_key": "scp", "scopes_matcher": "ALL"}, []string{"error scopes_matcher: ALL"}},
		{"unknown strategy", object{"key_identify_strategy": "x5c"}, []string{"error key_identify_strategy: x5c"}},
		{"roles is a text", object{"roles": "admin"}, []string{"error roles: "}},
		{"leeway is no duration", object{"leeway": "soon"}, []string{"error leeway: "}},
		{"claims of one", object{"propagate_claims": [][]string{{"sub", "X-User"}, {"sub"}}}, []string{`error propagate_claims[1]: ["claim", "Header"]`}},
		{"claims without name", object{"propagate_claims": [][]string{{"", "X-User"}}}, []string{"error propagate_claims[0][0]: empty"}},
		{"header that is none", object{"propagate_claims": [][]string{{"sub", "X User"}}}, []string{"error propagate_claims[0][1]: X User"}},
		{"header of the connection, in another spelling", object{"propagate_claims": [][]string{{"sub", "transfer_encoding"}}}, []string{"error propagate_claims[0][1]: another header"}},
		{"header that services take for their own", object{"propagate_claims": [][]string{{"sub", "proxy"}}}, []string{"error propagate_claims[0][1]: another header"}},
		{"header of the connection", object{"propagate_claims": [][]string{{"sub", "content-length"}}}, []string{"error propagate_claims[0][1]: another header"}},
		{"header for the next hop", object{"propagate_claims": [][]string{{"sub", "Proxy-Authorization"}}}, []string{"error propagate_claims[0][1]: another header"}},
		{"auth_header_name", object{"auth_header_name": "X:"}, []string{"error auth_header_name: X:"}},
		{"cookie_key", object{"cookie_key": "a=b"}, []string{"error cookie_key: a=b"}},
		{"misspelt key", object{"role": []string{"admin"}}, []string{"error role: roles"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var options any
			if changes, ok := tt.options.(object); ok {
				all := object{"alg": "RS256", "jwk_local_path": set, "require_exp": true}
				if changes["cookie_key"] == nil {
					all["cookie_key"] = "session"
				}
				maps.Copy(all, changes)
				maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
				options = all
			}
			e := newSite(t, new(provider)).endpoint(t, options)
			reported(t, e.problems, tt.want...)
			if config.HasErrors(e.problems) && len(e.stages) > 0 {
				t.Error("the endpoint is built in spite of an error")
			}
		})
	}
}

// TestOptionsAccepted holds what is allowed, with what is said about it.
func TestOptionsAccepted(t *testing.T) {
	k := signers()
	url := object{"alg": "RS256", "jwk_url": "https://idp.test/", "cookie_key": "session", "require_exp": true}
	path := object{"alg": "RS256", "jwk_local_path": file(t, everyKey(t)), "cookie_key": "session", "require_exp": true}
	tests := []struct {
		name          string
		base, options object
		want          []string
	}{
		{"url", url, nil, nil},
		{"path needs no flag", path, nil, nil},
		{"everything absent", url, object{"cookie_key": nil, "require_exp": nil},
			[]string{"warning cookie_key: access_token", "note require_exp: for ever"}},
		{"no cookie", url, object{"cookie_key": ""}, nil},
		{"certificate not verified", url, object{"disable_jwk_security": true}, []string{"warning disable_jwk_security: not verified"}},
		{"http", url, object{"jwk_url": "http://idp.test/", "disable_jwk_security": true}, []string{"warning jwk_url: by http"}},
		{"path and url", path, object{"jwk_url": "https://idp.test/", "disable_jwk_security": true}, []string{"note jwk_url: jwk_local_path wins"}},
		{"pin that never matches", url, object{"jwk_fingerprints": []string{"AAAA"}}, []string{"warning jwk_fingerprints[0]: 3 bytes"}},
		{"weak suite", url, object{"cipher_suites": []int{49199, 10}}, []string{"warning cipher_suites[1]: TLS_RSA_WITH_3DES_EDE_CBC_SHA"}},
		{"suites of TLS 1.3", url, object{"cipher_suites": []int{4865, 49199}}, nil},
		{"cooldown and cache", url, object{"cache": true, "cache_duration": 0, "failed_jwk_key_cooldown": "10s"}, nil},
		{"key left out", path, object{"jwk_local_path": file(t, []byte(strings.Replace(string(everyKey(t)), `"keys":[`, `"keys":[{},`, 1)))},
			[]string{"warning jwk_local_path: a key is left out: key 0"}},
		{"no key fits", path, object{"jwk_local_path": file(t, document(t, k["ed"]))}, []string{"warning jwk_local_path: no key of the file can verify RS256"}},
		{"short secret", path, object{"alg": "HS256", "jwk_local_path": file(t, document(t, signer{[]byte("secret"), object{}}))},
			[]string{"warning jwk_local_path: is of 6 bytes and HS256 wants 32"}},
		{"header that backends do not see", path, object{"propagate_claims": [][]string{{"sub", "x-user"}}}, []string{"note propagate_claims[0]: add it to input_headers"}},
		{"two claims in what is one header", path, object{"propagate_claims": [][]string{{"sub", "X-User"}, {"name", "x_user"}}},
			[]string{"warning propagate_claims[1]: X_user takes the place of X-User of propagate_claims[0]", "note propagate_claims[0]: add it to input_headers", "note propagate_claims[1]: add it to input_headers"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := maps.Clone(tt.base)
			maps.Copy(options, tt.options)
			maps.DeleteFunc(options, func(_ string, v any) bool { return v == nil })
			e := newSite(t, new(provider)).endpoint(t, options)
			reported(t, e.problems, tt.want...)
			if len(e.stages) == 0 {
				t.Error("the endpoint is not built")
			}
		})
	}
}

// TestNoKeyFits has a file of keys that refuses everybody as what cannot be meant: an error in
// the dialect sluice.
func TestNoKeyFits(t *testing.T) {
	e := newSite(t, new(provider)).endpoint(t, object{"alg": "RS256", "cookie_key": "", "require_exp": true, "jwk_local_path": file(t, document(t, signers()["ed"]))})
	if len(e.problems) != 1 || e.problems[0].Code != config.CodeMistake {
		t.Errorf("%v", e.problems)
	}
}

func TestSharedOptions(t *testing.T) {
	tests := []struct {
		name    string
		options object
		want    []string
	}{
		{"seconds", object{"shared_cache_duration": 60}, nil},
		{"zero", object{"shared_cache_duration": 0}, nil},
		{"absent", object{}, []string{"error shared_cache_duration: missing"}},
		{"negative", object{"shared_cache_duration": -1}, []string{"error shared_cache_duration: "}},
		{"text", object{"shared_cache_duration": "60s"}, []string{"error shared_cache_duration: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { reported(t, newSite(t, nil).shared(t, tt.options), tt.want...) })
	}
}

// TestAliases finds the component under the names that old files use.
func TestAliases(t *testing.T) {
	for _, name := range []string{"auth/validator", "github.com/devopsfaith/krakend-jose/validator"} {
		for _, scope := range []component.Scope{component.InService, component.InEndpoint} {
			if component.Default.Find(scope, name) == nil {
				t.Errorf("%s is not known at the %s", name, scope)
			}
		}
	}
}

func TestWhereTheTokenIs(t *testing.T) {
	good := rs256(t, `{}`)
	header := func(pairs ...string) (h gateway.Fields) {
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	own := object{"auth_header_name": "x-token", "cookie_key": "session"}
	tests := []struct {
		name    string
		options object
		header  gateway.Fields
		want    int
	}{
		{"nowhere", nil, nil, 401},
		{"bearer", nil, header("Authorization", "Bearer "+good), 200},
		{"bearer in another case", nil, header("Authorization", "bEARER "+good), 200},
		{"extra spaces", nil, header("Authorization", "Bearer   "+good+" "), 200},
		{"no scheme", nil, header("Authorization", good), 200},
		{"scheme without a space", nil, header("Authorization", "Bearer"+good), 401},
		{"scheme alone", nil, header("Authorization", "Bearer"), 401},
		{"the first of two", nil, header("Authorization", good, "Authorization", "x"), 401},
		{"twice the same", nil, header("Authorization", good, "authorization", good), 401},
		{"an empty one first", nil, header("Authorization", "", "Authorization", good), 401},
		{"an empty one behind", nil, header("Authorization", good, "Authorization", ""), 401},
		{"two in one line", nil, header("Authorization", "Bearer "+good+", Bearer "+good), 401},
		{"two own headers", own, header("X-Token", good, "X-Token", good), 401},
		{"own header with an underscore beside", own, header("X-Token", good, "X_Token", "x"), 401},
		{"own header with an underscore, and a good cookie", own, header("X_Token", "x", "Cookie", "session="+good), 401},
		{"the second of two", nil, header("Authorization", "x", "Authorization", good), 401},
		{"implicit cookie", nil, header("Cookie", "a=b; access_token="+good), 200},
		{"quoted cookie", nil, header("Cookie", `access_token="`+good+`"`), 200},
		{"cookie in a second line", nil, header("Cookie", "a=b", "Cookie", "access_token="+good), 200},
		{"a bad cookie, then a good one", nil, header("Cookie", "access_token=x; access_token="+good), 401},
		{"a good cookie, then a bad one", nil, header("Cookie", "access_token="+good+"; access_token=x"), 401},
		{"two cookies in two lines", nil, header("Cookie", "access_token="+good, "Cookie", "access_token=x"), 401},
		{"a second cookie in another case", nil, header("Cookie", "access_token="+good+"; Access_Token=x"), 401},
		{"a second cookie with a blank behind its name", nil, header("Cookie", "access_token="+good+"; access_token =x"), 401},
		{"a second cookie behind a comma", nil, header("Cookie", "a=b, access_token=x; access_token="+good), 401},
		{"a second cookie with an escape", nil, header("Cookie", "access%5Ftoken=x; access_token="+good), 401},
		{"a second cookie that PHP renames", nil, header("Cookie", "access.token=x; access_token="+good), 401},
		{"a second cookie without a value", nil, header("Cookie", "access_token; access_token="+good), 401},
		{"other cookies beside", nil, header("Cookie", "access=1; token=2, access_tokens=3; access_token="+good+"; a=access_token"), 200},
		{"cookie of a longer name", nil, header("Cookie", "my_access_token="+good), 401},
		{"cookie with a scheme", nil, header("Cookie", "access_token=Bearer "+good), 401},
		{"empty header, then cookie", nil, header("Authorization", "", "Cookie", "access_token="+good), 200},
		{"basic does not fall through", nil, header("Authorization", "Basic eDp5", "Cookie", "access_token="+good), 401},
		{"garbage does not fall through", nil, header("Authorization", "x", "Cookie", "access_token="+good), 401},
		{"expired does not fall through", nil, header("Authorization", rs256(t, `{"exp":1}`), "Cookie", "access_token="+good), 401},
		{"own header", own, header("X-Token", "Bearer "+good), 200},
		{"own header replaces the usual one", own, header("Authorization", "Bearer "+good), 401},
		{"own cookie", own, header("Cookie", "session="+good), 200},
		{"own cookie replaces the usual one", own, header("Cookie", "access_token="+good), 401},
		{"no cookie", object{"cookie_key": ""}, header("Cookie", "access_token="+good, "Cookie", "="+good), 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := local(t, tt.options).ask(t, testx.Request{Header: tt.header}); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
}

// TestAlgorithms verifies tokens of another library with every algorithm.
func TestAlgorithms(t *testing.T) {
	serves := map[string]string{
		"HS256": "oct", "HS384": "oct", "HS512": "oct", "RS256": "rsa", "RS384": "rsa", "RS512": "rsa",
		"PS256": "rsa", "PS384": "rsa", "PS512": "rsa", "ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed",
	}
	tokens := make(map[string]string)
	for alg, name := range serves {
		tokens[alg] = sign(t, alg, signers()[name].key, object{"kid": name}, `{"sub":"a"}`)
	}
	for alg := range serves {
		e := local(t, object{"alg": alg})
		for of, token := range tokens {
			want := 401
			if of == alg {
				want = 200
			}
			if got := e.status(t, token); got != want {
				t.Errorf("a token of %s at an endpoint of %s: status %d, want %d", of, alg, got, want)
			}
		}
	}
}

func TestTokensRefused(t *testing.T) {
	k := signers()
	key := k["rsa"].key.(*rsa.PrivateKey)
	good := rs256(t, `{"sub":"a"}`)
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	der := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(secret []byte, header, claims string) string {
		signed := b64(header) + "." + b64(claims)
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	asJSON, _ := json.Marshal(object{"payload": payload, "protected": header, "signature": signature})
	unprotected, _ := json.Marshal(object{"payload": payload, "header": object{"alg": "RS256", "kid": "rsa"}, "signature": signature})
	other := func(header object) string { return sign(t, "RS256", k["other"].key, header, `{"sub":"a"}`) }
	embedded := json.RawMessage(strings.TrimSuffix(strings.TrimPrefix(string(document(t, k["other"])), `{"keys":[`), `]}`))

	e := local(t, nil)
	if got := e.status(t, good); got != 200 {
		t.Fatalf("the good token: status %d, want 200", got)
	}
	for name, token := range map[string]string{
		"empty":                       "",
		"one part":                    header,
		"two parts":                   header + "." + payload,
		"four parts":                  good + ".",
		"five parts":                  good + ".x.y",
		"only dots":                   "..",
		"no header":                   "." + rest,
		"no payload":                  header + ".." + signature,
		"no signature":                header + "." + payload + ".",
		"header that is not base64":   "*" + good,
		"padded":                      good + "==",
		"line break":                  good[:20] + "\n" + good[20:],
		"spare bits":                  good[:len(good)-1] + spare(good[len(good)-1]),
		"standard alphabet":           strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"cut signature":               good[:len(good)-4],
		"changed payload":             header + "." + b64(`{"sub":"b"}`) + "." + signature,
		"changed header":              b64(`{"alg":"RS256","kid":"rsa","x":1}`) + "." + rest,
		"alg none":                    b64(`{"alg":"none","kid":"rsa"}`) + "." + payload + ".",
		"alg None with signature":     b64(`{"alg":"None","kid":"rsa"}`) + "." + rest,
		"alg nOnE":                    b64(`{"alg":"nOnE"}`) + "." + payload + ".",
		"no alg":                      b64(`{"kid":"rsa"}`) + "." + rest,
		"alg in a list":               b64(`{"alg":["RS256"],"kid":"rsa"}`) + "." + rest,
		"Alg":                         b64(`{"Alg":"RS256","kid":"rsa"}`) + "." + rest,
		"HMAC with the PEM":           mac(public, `{"alg":"HS256","kid":"rsa"}`, `{"sub":"a"}`),
		"HMAC with the DER":           mac(der, `{"alg":"HS256","kid":"rsa"}`, `{"sub":"a"}`),
		"HMAC with the SPKI":          mac(spki, `{"alg":"HS256","kid":"rsa"}`, `{"sub":"a"}`),
		"RS256 with an HMAC":          mac(public, `{"alg":"RS256","kid":"rsa"}`, `{"sub":"a"}`),
		"RS256 with the oct key":      mac(k["oct"].key.([]byte), `{"alg":"RS256","kid":"oct"}`, `{"sub":"a"}`),
		"id of another key":           sign(t, "RS256", key, object{"kid": "other"}, `{"sub":"a"}`),
		"no id":                       sign(t, "RS256", key, nil, `{"sub":"a"}`),
		"unknown id":                  sign(t, "RS256", key, object{"kid": "new"}, `{"sub":"a"}`),
		"id of another type":          sign(t, "RS256", key, object{"kid": "p256"}, `{"sub":"a"}`),
		"signed by a stranger":        other(object{"kid": "rsa"}),
		"embedded key":                other(object{"kid": "rsa", "jwk": embedded}),
		"address of a key":            other(object{"kid": "rsa", "jku": "https://evil.test/"}),
		"crit":                        sign(t, "RS256", key, object{"kid": "rsa", "crit": []string{"x"}, "x": 1}, `{"sub":"a"}`),
		"crit b64":                    sign(t, "RS256", key, object{"kid": "rsa", "crit": []string{"b64"}, "b64": true}, `{"sub":"a"}`),
		"empty crit":                  sign(t, "RS256", key, object{"kid": "rsa", "crit": []string{}}, `{"sub":"a"}`),
		"JSON serialisation":          string(asJSON),
		"JSON, alg not protected":     string(unprotected),
		"header with a member twice":  b64(`{"alg":"RS256","alg":"RS256","kid":"rsa"}`) + "." + rest,
		"claims with a member twice":  rs256(t, `{"sub":"a","sub":"a"}`),
		"the same behind an escape":   rs256(t, `{"sub":"a","s\u0075b":"a"}`),
		"twice in a nested object":    rs256(t, `{"a":[{"b":{"c":1,"c":2}}]}`),
		"claims that are a list":      rs256(t, `[]`),
		"claims that are null":        rs256(t, `null`),
		"claims that are no JSON":     rs256(t, `{`),
		"something behind the claims": rs256(t, `{} {}`),
		"claims that are not UTF-8":   rs256(t, "{\"sub\":\"\xff\"}"),
	} {
		t.Run(name, func(t *testing.T) {
			if got := e.status(t, token); got != 401 {
				t.Errorf("status %d, want 401, for %s", got, token)
			}
		})
	}
}

// spare returns another last character of base64 that decodes to the same
// bytes when spare bits are ignored.
func spare(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)|1])
}

// TestTokensAccepted holds shapes that are unusual and right.
func TestTokensAccepted(t *testing.T) {
	k := signers()
	anonymous := k["rsa"].with(object{"kid": nil})
	tests := []struct {
		name  string
		set   []byte
		token string
	}{
		{"typ is not looked at", everyKey(t), sign(t, "RS256", k["rsa"].key, object{"kid": "rsa", "typ": "at+jwt"}, `{}`)},
		{"embedded key is ignored", everyKey(t), sign(t, "RS256", k["rsa"].key, object{"kid": "rsa", "jku": "https://evil.test/"}, `{}`)},
		{"key and token without id", document(t, anonymous), sign(t, "RS256", k["rsa"].key, nil, `{}`)},
		{"two keys of one id", document(t, k["other"].with(object{"kid": "rsa"}), k["rsa"]), rs256(t, `{}`)},
		{"space around the claims", everyKey(t), rs256(t, " {} \n")},
		{"use, key_ops and alg allow it", document(t, k["rsa"].with(object{"use": "sig", "key_ops": []string{"verify"}, "alg": "RS256"})), rs256(t, `{}`)},
	}
	for _, tt := range tests {
		if got := local(t, object{"jwk_local_path": file(t, tt.set)}).status(t, tt.token); got != 200 {
			t.Errorf("%s: status %d, want 200", tt.name, got)
		}
	}
	for name, members := range map[string]object{
		"use":     {"use": "enc"},
		"key_ops": {"key_ops": []string{"encrypt"}},
		"alg":     {"alg": "RS512"},
	} {
		if got := local(t, object{"jwk_local_path": file(t, document(t, k["rsa"].with(members)))}).status(t, rs256(t, `{}`)); got != 401 {
			t.Errorf("a key whose %s forbids it: status %d, want 401", name, got)
		}
	}
}

func TestKeyIdentifyStrategy(t *testing.T) {
	x5t := base64.RawURLEncoding.EncodeToString(make([]byte, 20))
	x5t256 := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	set := document(t, signers()["rsa"].with(object{"x5t": x5t, "x5t#S256": x5t256}))
	headers := map[string]object{
		"kid": {"kid": "rsa"}, "x5t": {"x5t": x5t}, "x5t#S256": {"x5t#S256": x5t256}, "kid_x5t": {"kid": "rsa", "x5t": x5t},
	}
	accepts := map[string][]string{
		"kid": {"kid", "kid_x5t"}, "x5t": {"x5t", "kid_x5t"}, "x5t#S256": {"x5t#S256"}, "kid_x5t": {"kid_x5t"},
	}
	for strategy := range headers {
		e := local(t, object{"jwk_local_path": file(t, set), "key_identify_strategy": strategy})
		for name, header := range headers {
			want := 401
			if slices.Contains(accepts[strategy], name) {
				want = 200
			}
			if got := e.status(t, sign(t, "RS256", signers()["rsa"].key, header, `{}`)); got != want {
				t.Errorf("strategy %s, header with %s: status %d, want %d", strategy, name, got, want)
			}
		}
	}
}

func TestRegisteredClaims(t *testing.T) {
	pinned := object{"issuer": "https://idp.test/"}
	both := object{"audience": []string{"api", "web"}}
	tests := []struct {
		name    string
		options object
		claims  string
		want    int
	}{
		{"no exp", nil, `{}`, 200},
		{"exp null", nil, `{"exp":null,"nbf":null,"iat":null}`, 200},
		{"no exp, exp required", object{"require_exp": true}, `{}`, 401},
		{"exp null, exp required", object{"require_exp": true}, `{"exp":null}`, 401},
		{"exp, exp required", object{"require_exp": true}, `{"exp":1700000001}`, 200},
		{"expired long ago", nil, `{"exp":1699999970}`, 401},
		{"expired within leeway", nil, `{"exp":1699999999}`, 200},
		{"expired beyond leeway", nil, `{"exp":1699999998}`, 401},
		{"expired, leeway of 30s", object{"leeway": "30s"}, `{"exp":1699999970}`, 200},
		{"leeway is 1s at least", object{"leeway": "1ms"}, `{"exp":1699999999}`, 200},
		{"exp with decimals", nil, `{"exp":1699999999.5}`, 200},
		{"exp with decimals, beyond", nil, `{"exp":1699999998.9}`, 401},
		{"exp with an exponent", nil, `{"exp":1.8e9}`, 200},
		{"exp is a text", nil, `{"exp":"1800000000"}`, 401},
		{"exp is a boolean", nil, `{"exp":true}`, 401},
		{"exp is a list", nil, `{"exp":[1800000000]}`, 401},
		{"exp beyond numbers", nil, `{"exp":1e999}`, 401},
		{"exp negative", nil, `{"exp":-1}`, 401},
		{"nbf within leeway", nil, `{"nbf":1700000001}`, 200},
		{"nbf beyond leeway", nil, `{"nbf":1700000002}`, 401},
		{"nbf is a text", nil, `{"nbf":"1"}`, 401},
		{"iat now", nil, `{"iat":1700000000}`, 200},
		{"iat in the future", nil, `{"iat":1700000002}`, 401},
		{"iat in the future, leeway of 1m", object{"leeway": "1m"}, `{"iat":1700000060}`, 200},
		{"iat is an object", nil, `{"iat":{}}`, 401},
		{"iss", pinned, `{"iss":"https://idp.test/"}`, 200},
		{"iss without slash", pinned, `{"iss":"https://idp.test"}`, 401},
		{"iss in a list", pinned, `{"iss":["https://idp.test/"]}`, 401},
		{"no iss", pinned, `{}`, 401},
		{"any iss", nil, `{"iss":"x"}`, 200},
		{"any iss, in a list", nil, `{"iss":["x"]}`, 401},
		{"aud holds all", both, `{"aud":["web","x","api"]}`, 200},
		{"aud holds one", both, `{"aud":["api"]}`, 401},
		{"aud in another case", both, `{"aud":["API","web"]}`, 401},
		{"aud is a text", object{"audience": []string{"api"}}, `{"aud":"api"}`, 200},
		{"aud is a text with spaces", both, `{"aud":"api web"}`, 401},
		{"aud with a number", both, `{"aud":["web",1,"api"]}`, 401},
		{"any aud, with a number", nil, `{"aud":["web",1]}`, 401},
		{"any aud, a number", nil, `{"aud":7}`, 401},
		{"any aud, null", nil, `{"aud":null}`, 200},
		{"aud is an object", both, `{"aud":{"api":1,"web":1}}`, 401},
		{"no aud", both, `{}`, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := local(t, tt.options).status(t, rs256(t, tt.claims)); got != tt.want {
				t.Errorf("%s: status %d, want %d", tt.claims, got, tt.want)
			}
		})
	}
}

func TestRolesAndScopes(t *testing.T) {
	roles := object{"roles": []string{"teller", "admin"}}
	nested := object{"roles": []string{"admin"}, "roles_key": "a.b", "roles_key_is_nested": true}
	literal := object{"roles": []string{"admin"}, "roles_key": "a.b"}
	url := object{"roles": []string{"admin"}, "roles_key": "https://x.test/roles", "roles_key_is_nested": true}
	scopes := object{"scopes": []string{"read", "write"}, "scopes_key": "scp"}
	all := object{"scopes": []string{"read", "write"}, "scopes_key": "a.scp", "scopes_matcher": "all"}
	tests := []struct {
		name    string
		options object
		claims  string
		want    int
	}{
		{"a role", roles, `{"roles":["x","admin"]}`, 200},
		{"another role", roles, `{"roles":["auditor"]}`, 403},
		{"roles in a text", roles, `{"roles":"x admin"}`, 200},
		{"roles with commas", roles, `{"roles":"x,admin"}`, 403},
		{"two spaces", roles, `{"roles":"x  admin"}`, 200},
		{"another case", roles, `{"roles":["Admin"]}`, 403},
		{"roles is an object", roles, `{"roles":{"admin":true}}`, 403},
		{"roles is a number", roles, `{"roles":7}`, 403},
		{"no roles", roles, `{}`, 403},
		{"roles is null", roles, `{"roles":null}`, 403},
		{"roles is empty", roles, `{"roles":[]}`, 403},
		{"roles with a number among them", roles, `{"roles":["admin",7]}`, 403},
		{"empty roles_key", object{"roles": []string{"admin"}, "roles_key": ""}, `{"roles":["admin"]}`, 200},
		{"nested", nested, `{"a":{"b":["admin"]}}`, 200},
		{"nested, top level", nested, `{"a.b":["admin"],"roles":["admin"]}`, 403},
		{"nested, not an object", nested, `{"a":"b"}`, 403},
		{"dots in the name", literal, `{"a.b":["admin"]}`, 200},
		{"dots in the name, nested", literal, `{"a":{"b":["admin"]}}`, 403},
		{"name is a URL", url, `{"https://x.test/roles":["admin"]}`, 200},
		{"any scope", scopes, `{"scp":"x write"}`, 200},
		{"no scope", scopes, `{"scp":"x"}`, 403},
		{"scopes in a list", scopes, `{"scp":["read"]}`, 200},
		{"scopes is empty", scopes, `{"scp":[]}`, 403},
		{"scopes is an empty text", scopes, `{"scp":""}`, 403},
		{"no claim", scopes, `{}`, 403},
		{"all scopes", all, `{"a":{"scp":"write read x"}}`, 200},
		{"one of all", all, `{"a":{"scp":"write"}}`, 403},
		{"all, dots in the name", all, `{"a.scp":"write read"}`, 403},
		{"all, with a number among them", all, `{"a":{"scp":["write","read",1]}}`, 403},
		{"nothing wanted", nil, `{}`, 200},
		{"expired before roles", roles, `{"exp":1}`, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := local(t, tt.options).status(t, rs256(t, tt.claims)); got != tt.want {
				t.Errorf("%s: status %d, want %d", tt.claims, got, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	e := local(t, object{"roles": []string{"admin"}, "scopes": []string{"read"}, "scopes_key": "scp"})
	tests := []struct {
		name, authorization string
		status              int
		code, challenge     string
	}{
		{"no token", "", 401, codeMissing, `Bearer realm="api"`},
		{"another scheme", "Basic eDp5", 401, codeMissing, `Bearer realm="api"`},
		{"bad token", "Bearer x", 401, codeInvalid, `Bearer error="invalid_token"`},
		{"no role", "Bearer " + rs256(t, `{"scp":"read"}`), 403, codeRole, ""},
		{"no scope", "Bearer " + rs256(t, `{"roles":"admin"}`), 403, codeScope, `Bearer error="insufficient_scope"`},
	}
	for _, tt := range tests {
		x := testx.Request{Header: gateway.Fields{{Name: "Authorization", Value: tt.authorization}}}.Exchange(t)
		err := e.enter(t, x)
		refusal, ok := errors.AsType[*gateway.Error](err)
		if !ok || refusal.Status != tt.status || refusal.Code != tt.code || refusal.Public != "" {
			t.Errorf("%s: %#v, want status %d and code %s without a public text", tt.name, err, tt.status, tt.code)
		}
		if got := x.Response.Header.Get("Www-Authenticate"); got != tt.challenge {
			t.Errorf("%s: challenge %q, want %q", tt.name, got, tt.challenge)
		}
	}
}

func TestOperationDebug(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := newSite(t, nil)
		e := s.ready(t, object{"alg": "RS256", "jwk_local_path": file(t, everyKey(t)), "operation_debug": on})
		token := rs256(t, `{"exp":1}`)
		e.status(t, token)
		log := s.Log.String()
		if !on {
			if log != "" {
				t.Errorf("logged without operation_debug: %s", log)
			}
			continue
		}
		for _, want := range []string{"level=ERROR", "[ENDPOINT: /accounts][JWTValidator]", "expired"} {
			if !strings.Contains(log, want) {
				t.Errorf("log %q lacks %q", log, want)
			}
		}
		if strings.Contains(log, token[:20]) {
			t.Errorf("log %q holds the token", log)
		}
	}
}

// TestClaimsKeepNumbers checks that numbers keep their text.
func TestClaimsKeepNumbers(t *testing.T) {
	x, status := local(t, nil).ask(t, bearer(rs256(t, `{"a":1.50,"b":12345678901234567890,"c":[{"d":1e3}],"e":null}`)))
	if status != 200 {
		t.Fatalf("status %d, want 200", status)
	}
	want := object{"a": json.Number("1.50"), "b": json.Number("12345678901234567890"), "c": []any{object{"d": json.Number("1e3")}}, "e": nil}
	if !reflect.DeepEqual(x.Identity.Claims, want) {
		t.Errorf("claims %v, want %v", x.Identity.Claims, want)
	}
}

// TestIdentity says who asks: the subject with the roles of the claim that holds them,
// whether any are wanted or not.
func TestIdentity(t *testing.T) {
	tests := []struct {
		options      object
		claims, name string
		roles        []string
	}{
		{nil, `{"sub":"ann","roles":["x","admin"]}`, "ann", []string{"x", "admin"}},
		{object{"roles_key": "a.b", "roles_key_is_nested": true}, `{"sub":"ann","roles":["x"],"a":{"b":"y z"}}`, "ann", []string{"y", "z"}},
		{nil, `{"sub":7,"roles":["x",1]}`, "", nil},
		{nil, `{}`, "", nil},
	}
	for _, tt := range tests {
		x, status := local(t, tt.options).ask(t, bearer(rs256(t, tt.claims)))
		if status != 200 {
			t.Fatalf("%s: status %d, want 200", tt.claims, status)
		}
		if id := x.Identity; id.Name != tt.name || !slices.Equal(id.Roles, tt.roles) || id.By != "auth/validator" {
			t.Errorf("%s: %q with %q by %s, want %q with %q", tt.claims, id.Name, id.Roles, id.By, tt.name, tt.roles)
		}
	}
}

func TestPropagateClaims(t *testing.T) {
	const claims = `{"sub":"a b","n":7,"whole":7.0,"thousand":1e3,"big":12345678901234567890,"f":1.5,"far":1e999,"yes":true,
		"list":["a",1,2.5,false,null,["b"]],"none":[],"o":{"b":"<","a":1.50},"null":null,"realm_access":{"roles":["x","y"]},
		"http://x.test/a.b":"url","crlf":"a\r\nX-Admin: 1","utf8":"é",
		"nul":"a\u0000b","del":"a\u007f","tab":"a\tb","nel":"a\u0085X-Admin: 1","line":"a\u2028b","space":" ","before":" admin","behind":"admin ","wide":"admin\u3000",
		"some":["a","b\nX-Admin: 1","admin "],"object":{"a":"\n"}}`
	tests := []struct {
		claim string
		keep  bool // propagate_claims_preserve_array
		want  []string
	}{
		{"sub", false, []string{"a b"}},
		{"n", false, []string{"7"}},
		{"whole", false, []string{"7"}},
		{"thousand", false, []string{"1000"}},
		{"big", false, []string{"12345678901234567890"}},
		{"f", false, []string{"1.500000"}},
		{"far", false, []string{"1e999"}},
		{"yes", false, []string{"true"}},
		{"list", false, []string{"a,1,2.500000,false,,b"}},
		{"list", true, []string{"a", "1", "2.500000", "false", "", "b"}},
		{"none", false, []string{""}},
		{"none", true, []string{""}},
		{"sub", true, []string{"a b"}},
		{"o", false, []string{`{"a":1.50,"b":"\u003c"}`}},
		{"null", false, []string{""}},
		{"missing", false, []string{""}},
		{"missing", true, []string{""}},
		{"realm_access.roles", false, []string{"x,y"}},
		{"realm_access.roles", true, []string{"x", "y"}},
		{"realm_access.missing", false, []string{""}},
		{"sub.missing", false, []string{""}},
		{"http://x.test/a.b", false, []string{"url"}},
		{"crlf", false, []string{""}},
		{"crlf", true, []string{""}},
		{"nul", false, []string{""}},
		{"del", false, []string{""}},
		{"tab", false, []string{""}},
		{"nel", false, []string{""}},
		{"line", false, []string{""}},
		{"space", false, []string{""}},
		{"before", false, []string{""}},
		{"behind", false, []string{""}},
		{"wide", false, []string{""}},
		{"some", false, []string{"a,,"}},
		{"some", true, []string{"a", "", ""}},
		{"object", false, []string{`{"a":"\n"}`}},
		{"utf8", false, []string{"é"}},
	}
	token := rs256(t, claims)
	for _, tt := range tests {
		e := local(t, object{"propagate_claims": [][]string{{tt.claim, "x-claim"}}, "propagate_claims_preserve_array": tt.keep})
		r := bearer(token)
		r.Header = append(r.Header, gateway.Field{Name: "X-Claim", Value: "spoofed"}, gateway.Field{Name: "X-Claim", Value: "twice"})
		x := r.Exchange(t)
		for _, p := range e.stages {
			if err := p.Stage.Enter(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		if got := x.In.AppendHeaders(nil).AppendValues(nil, "X-Claim"); !slices.Equal(got, tt.want) {
			t.Errorf("%s, array kept: %v: header %q, want %q", tt.claim, tt.keep, got, tt.want)
		}
	}
}

// TestWorkedExample is the example of a bank: several rules at once.
func TestWorkedExample(t *testing.T) {
	p := &provider{sets: map[string][]byte{"https://idp.test/jwks": everyKey(t)}}
	e := newSite(t, p).ready(t, object{
		"alg": "RS256", "jwk_url": "https://idp.test/jwks", "cache": true, "audience": []string{"api"}, "issuer": "https://idp.test/",
		"roles_key": "realm_access.roles", "roles_key_is_nested": true, "roles": []string{"teller", "admin"},
		"propagate_claims": [][]string{{"sub", "X-User"}},
	}, "X-User")
	claims := func(iss, roles, more string) string {
		return `{"sub":"ann","aud":["api","other"],"iss":"` + iss + `",` + roles + more + `}`
	}
	const issuer, teller = "https://idp.test/", `"realm_access":{"roles":["teller"]}`
	tests := []struct {
		name, authorization string
		want                int
	}{
		{"no token", "", 401},
		{"basic", "Basic x", 401},
		{"valid", "Bearer " + rs256(t, claims(issuer, teller, "")), 200},
		{"issuer without slash", "Bearer " + rs256(t, claims("https://idp.test", teller, "")), 401},
		{"auditor", "Bearer " + rs256(t, claims(issuer, `"realm_access":{"roles":["auditor"]}`, "")), 403},
		{"roles at the top", "Bearer " + rs256(t, claims(issuer, `"roles":["admin"]`, "")), 403},
		{"expired", "Bearer " + rs256(t, claims(issuer, teller, `,"exp":1699999970`)), 401},
	}
	for _, tt := range tests {
		x, got := e.ask(t, testx.Request{Header: gateway.Fields{{Name: "Authorization", Value: tt.authorization}}})
		if got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
		}
		if got == 200 && (x.In.Header("X-User") != "ann" || x.Identity.Claims["sub"] != "ann") {
			t.Errorf("%s: header %v, identity %v", tt.name, x.In.AppendHeaders(nil), x.Identity)
		}
	}
}

func TestDownloads(t *testing.T) {
	const url = "https://idp.test/jwks"
	good, unknown := rs256(t, `{}`), sign(t, "RS256", signers()["rsa"].key, object{"kid": "new"}, `{}`)
	broken := good[:len(good)-8] + "AAAAAAAA"
	otherAlg := sign(t, "PS256", signers()["rsa"].key, object{"kid": "rsa"}, `{}`)
	tests := []struct {
		name    string
		options object
		tokens  []string
		want    int // calls
	}{
		{"one for each request without cache", nil, []string{good, good, good}, 3},
		{"one for a bad signature without cache", nil, []string{broken}, 1},
		{"none for another alg", nil, []string{otherAlg}, 0},
		{"none for what is no token", nil, []string{"x", "a.b.c"}, 0},
		{"a few for unknown ids, each time others", nil, []string{unknown, unknown, unknown, unknown, good, unknown}, 4},
		{"one for an unknown id with a cooldown", object{"failed_jwk_key_cooldown": "1m"}, []string{unknown, unknown}, 1},
		{"a cooldown below a second is ignored", object{"failed_jwk_key_cooldown": "999ms"}, []string{unknown, unknown}, 2},
		{"one at the start with cache", object{"cache": true}, []string{good, good, broken}, 1},
		{"one more for an unknown id with cache", object{"cache": true}, []string{good, unknown, unknown, good}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &provider{sets: map[string][]byte{url: everyKey(t)}}
				options := object{"alg": "RS256", "jwk_url": url}
				maps.Copy(options, tt.options)
				s := newSite(t, p)
				e := s.ready(t, options)
				s.Start(t)
				synctest.Wait()
				for _, token := range tt.tokens {
					want := 401
					if token == good {
						want = 200
					}
					if got := e.status(t, token); got != want {
						t.Errorf("status %d, want %d", got, want)
					}
				}
				if p.asked() != tt.want {
					t.Errorf("%d downloads, want %d", p.asked(), tt.want)
				}
			})
		})
	}
}

// TestProviderUnreachable refuses everything while there are no keys.
func TestProviderUnreachable(t *testing.T) {
	e := newSite(t, new(provider)).ready(t, object{"alg": "RS256", "jwk_url": "https://idp.test/"})
	x := bearer(rs256(t, `{}`)).Exchange(t)
	err := gateway.AsError(e.enter(t, x))
	if err == nil || err.Status != 503 || err.Code != "keys_unavailable" || x.Response.Header.Get("Retry-After") != "1" {
		t.Errorf("got %v with %v, want 503 keys_unavailable", err, x.Response.Header)
	}
	for _, token := range []string{"", "x.y.z", sign(t, "PS256", signers()["rsa"].key, nil, `{}`)} { // bad, whatever the keys are
		if got := e.status(t, token); got != 401 {
			t.Errorf("token %.9q: status %d, want 401", token, got)
		}
	}
}

// TestKeysAreSaid finds in the log how many keys there are at the start, that they
// cannot be had, and that they are back: a line for each change, none per request.
func TestKeysAreSaid(t *testing.T) {
	const url = "https://idp.test/jwks"
	good := rs256(t, `{}`)
	for _, cached := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := &provider{sets: map[string][]byte{}}
			s := newSite(t, p)
			s.Env.Clock = time.Now
			options := object{"alg": "RS256", "jwk_url": url + "?key=secret", "cache": cached, "cache_duration": 1}
			one := s.ready(t, options)
			s.ready(t, options) // another endpoint with the same set
			s.Start(t)
			said := func(what string, lines ...string) {
				t.Helper()
				synctest.Wait()
				got := strings.Split(strings.TrimSuffix(s.Log.String(), "\n"), "\n")
				if s.Log.String() == "" {
					got = nil
				}
				s.Log.Reset()
				if len(got) != len(lines) {
					t.Errorf("cache %v, %s: got %q, want %d lines", cached, what, got, len(lines))
					return
				}
				for i, want := range lines {
					for part := range strings.SplitSeq(want, "; ") {
						if !strings.Contains(got[i], part) {
							t.Errorf("cache %v, %s: got %s, want %q in it", cached, what, got[i], part)
						}
					}
					if strings.Contains(got[i], "secret") {
						t.Errorf("a secret is in the log: %s", got[i])
					}
				}
			}
			ask := func(want int) {
				t.Helper()
				for range 3 {
					if got := one.status(t, good); got != want {
						t.Errorf("cache %v: status %d, want %d", cached, got, want)
					}
				}
			}
			synctest.Wait()
			ask(503)
			said("down at the start", "level=ERROR; key set cannot be had; 503; url="+url+"; cause=; no connection was made")
			p.publish(url, everyKey(t))
			time.Sleep(time.Second)
			ask(200)
			said("back", "level=INFO; key set is back; url="+url+"; keys=7")
			p.publish(url, nil)
			time.Sleep(1500 * time.Millisecond)
			if cached {
				ask(200)
				said("aging", "level=WARN; key set cannot be had; the keys from before still count; cause=")
				time.Sleep(time.Second)
			}
			ask(503)
			said("down again", "level=ERROR; key set cannot be had; 503")
			p.publish(url, everyKey(t))
			time.Sleep(time.Second)
			ask(200)
			said("back again", "key set is back; keys=7")
			s.Env.Close(t.Context())
		})
	}
	s := newSite(t, nil)
	s.ready(t, object{"alg": "RS256", "jwk_local_path": file(t, everyKey(t))})
	s.Start(t)
	if log := s.Log.String(); !strings.Contains(log, "key set loaded") || !strings.Contains(log, "keys=7") {
		t.Errorf("a file: got %s, want the number of its keys", log)
	}
}

// TestWeakKeys refuses keys that are too short where the dialect says so, in files at
// the start, in downloaded sets token by token; otherwise a warning is all.
func TestWeakKeys(t *testing.T) {
	const url = "https://idp.test/jwks"
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := map[string]signer{
		"RS256": {small, object{"kid": "weak"}},
		"HS256": {bytes.Repeat([]byte("k"), 31), object{"kid": "weak"}},
		"HS512": {bytes.Repeat([]byte("k"), 63), object{"kid": "weak"}},
	}
	for alg, k := range weak {
		set := document(t, k, signers()["rsa"], signers()["oct"])
		strong := signers()["rsa"]
		if alg[0] == 'H' {
			strong = signers()["oct"]
		}
		var bad string
		if alg[0] == 'H' {
			bad = hmacToken(alg, "weak", k.key.([]byte), `{}`)
		} else {
			bad = sign(t, alg, k.key, object{"kid": "weak"}, `{}`)
		}
		good := sign(t, alg, strong.key, object{"kid": strong.members["kid"]}, `{}`)
		for _, mode := range []model.Verdict{"warning", "error"} {
			want, severity := 200, "warning"
			if mode == "error" {
				want, severity = 401, "error"
			}

			s := newSite(t, nil)
			s.Env.Service.Behaviour.WeakKeys = mode
			e := s.endpoint(t, object{"alg": alg, "jwk_local_path": file(t, set), "cookie_key": "", "require_exp": true})
			reported(t, e.problems, severity+` jwk_local_path: key "weak" is of`)

			s = newSite(t, &provider{sets: map[string][]byte{url: set}})
			s.Env.Service.Behaviour.WeakKeys = mode
			e = s.ready(t, object{"alg": alg, "jwk_url": url, "cache": true})
			s.Start(t)
			if got := e.status(t, bad); got != want {
				t.Errorf("%s, %s: the token of the weak key: status %d, want %d", alg, mode, got, want)
			}
			if err := e.enter(t, bearer(bad).Exchange(t)); mode == "error" && (err == nil || !strings.Contains(err.Error(), `key "weak" is refused: `)) {
				t.Errorf("%s: the token of the weak key is refused with %v", alg, err)
			}
			if got := e.status(t, good); got != 200 {
				t.Errorf("%s, %s: the token of the strong key: status %d, want 200", alg, mode, got)
			}
			s.Env.Release() // ends the telling
			if got := strings.Count(s.Log.String(), "keys that are too short"); got != 1 || !strings.Contains(s.Log.String(), fmt.Sprintf("refused=%v", mode == "error")) {
				t.Errorf("%s, %s: the log holds %d warnings, want 1:\n%s", alg, mode, got, s.Log.String())
			}
		}
	}
}

// hmacToken makes a token with a key that the other library refuses to use.
func hmacToken(alg, kid string, key []byte, claims string) string {
	h := hmac.New(sha256.New, key)
	if alg == "HS512" {
		h = hmac.New(sha512.New, key)
	}
	signed := b64(fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid)) + "." + b64(claims)
	h.Write([]byte(signed))
	return signed + "." + b64(string(h.Sum(nil)))
}

// TestPathWins checks that an unknown id with a file and a URL is 401, and
// that the URL is not asked.
func TestPathWins(t *testing.T) {
	p := new(provider)
	e := newSite(t, p).ready(t, object{"alg": "RS256", "jwk_url": "https://idp.test/", "jwk_local_path": file(t, everyKey(t))})
	if got := e.status(t, rs256(t, `{}`)); got != 200 {
		t.Errorf("status %d, want 200", got)
	}
	if got := e.status(t, sign(t, "RS256", signers()["rsa"].key, object{"kid": "new"}, `{}`)); got != 401 || p.asked() != 0 {
		t.Errorf("unknown id: status %d, %d downloads; want 401 and none", got, p.asked())
	}
}

// TestSharedCache covers sets that are shared, and keys that must not be.
func TestSharedCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := signers()
		p := &provider{sets: map[string][]byte{
			"https://a.test/": document(t, k["rsa"]),
			"https://b.test/": document(t, k["other"]),
		}}
		s := newSite(t, p)
		s.Env.Clock = time.Now
		reported(t, s.shared(t, object{"shared_cache_duration": 60}))
		build := func(url string, seconds int) *endpoint {
			return s.ready(t, object{"alg": "RS256", "jwk_url": url, "cache": true, "cache_duration": seconds, "issuer": "a"})
		}
		a1, a2, b := build("https://a.test/", 10), build("https://a.test/", 900), build("https://b.test/", 900)
		plain := s.ready(t, object{"alg": "RS256", "jwk_url": "https://a.test/"})
		s.Start(t)
		synctest.Wait()
		if p.asked() != 2 {
			t.Errorf("%d downloads at the start, want one for each URL", p.asked())
		}
		ofA := rs256(t, `{"iss":"a"}`)
		ofB := sign(t, "RS256", k["other"].key, object{"kid": "other"}, `{"iss":"a"}`)
		for name, e := range map[string]*endpoint{"first": a1, "second": a2} {
			if got := e.status(t, ofA); got != 200 {
				t.Errorf("%s endpoint of a: status %d, want 200", name, got)
			}
		}
		if got := b.status(t, ofB); got != 200 {
			t.Errorf("endpoint of b: status %d, want 200", got)
		}
		if p.asked() != 2 {
			t.Errorf("%d downloads, want 2", p.asked())
		}
		if got := a1.status(t, ofB); got != 401 {
			t.Errorf("a token of b at an endpoint of a: status %d, want 401", got)
		}
		if got := b.status(t, ofA); got != 401 {
			t.Errorf("a token of a at an endpoint of b: status %d, want 401", got)
		}
		before := p.asked()
		time.Sleep(59 * time.Second)
		if a1.status(t, ofA); p.asked() != before {
			t.Error("cache_duration counts in spite of shared_cache_duration")
		}
		if plain.status(t, ofA); p.asked() != before+1 {
			t.Error("an endpoint without cache uses the shared one")
		}
	})
}

// TestReload checks that keys survive a reload while nothing is different.
func TestReload(t *testing.T) {
	p := &provider{sets: map[string][]byte{"https://a.test/": everyKey(t)}}
	s := newSite(t, p)
	options := object{"alg": "RS256", "jwk_url": "https://a.test/", "cache": true}
	if got := s.ready(t, options).status(t, rs256(t, `{}`)); got != 200 {
		t.Fatalf("status %d, want 200", got)
	}
	before := s.Reload(t)
	e := s.ready(t, options)
	s.Start(t)
	before.Release()
	if got := e.status(t, rs256(t, `{}`)); got != 200 || p.asked() != 1 {
		t.Errorf("after a reload: status %d, %d downloads; want 200 and 1", got, p.asked())
	}
	s.Reload(t)
	changed := maps.Clone(options)
	changed["cache_duration"] = 60
	if got := s.ready(t, changed).status(t, rs256(t, `{}`)); got != 200 || p.asked() != 2 {
		t.Errorf("with other options: status %d, %d downloads; want 200 and 2", got, p.asked())
	}
}

func TestEncryptedFile(t *testing.T) {
	const secret, passphrase = "0123456789abcdef0123456789abcdef", "what the secret wraps"
	block, err := aes.NewCipher(fmt.Appendf(nil, "%x", md5.Sum([]byte(passphrase))))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	var wrapNonce [24]byte
	options := object{
		"alg": "RS256", "jwk_local_path": file(t, gcm.Seal(nonce, nonce, everyKey(t), nil)),
		"secret_url": "base64key://" + base64.URLEncoding.EncodeToString([]byte(secret)),
		"cypher_key": base64.StdEncoding.EncodeToString(secretbox.Seal(wrapNonce[:], []byte(passphrase), &wrapNonce, (*[32]byte)([]byte(secret)))),
		"cookie_key": "", "require_exp": true,
	}
	if got := newSite(t, nil).ready(t, options).status(t, rs256(t, `{"exp":1800000000}`)); got != 200 {
		t.Errorf("status %d, want 200", got)
	}
	options["jwk_local_path"] = file(t, everyKey(t))
	reported(t, newSite(t, nil).endpoint(t, options).problems, "error jwk_local_path: not made with this key")
}

// TestConnection fetches keys over real TLS connections.
func TestConnection(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.UserAgent(), "Sluice") {
			t.Errorf("User-Agent %q", r.UserAgent())
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write(everyKey(t))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused handshakes
	server.StartTLS()
	defer server.Close()
	leaf := server.Certificate()
	ca := file(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))
	digest := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	pin, wrong := base64.URLEncoding.EncodeToString(digest[:]), base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	tests := []struct {
		name    string
		options object
		want    int
	}{
		{"unknown authority", nil, 503},
		{"own authority", object{"jwk_local_ca": ca}, 200},
		{"not verified", object{"disable_jwk_security": true}, 200},
		{"pinned", object{"jwk_local_ca": ca, "jwk_fingerprints": []string{wrong, pin}}, 200},
		{"another pin", object{"jwk_local_ca": ca, "jwk_fingerprints": []string{wrong}}, 503},
		{"pinned, unknown authority", object{"jwk_fingerprints": []string{pin}}, 503},
		{"pinned, not verified", object{"disable_jwk_security": true, "jwk_fingerprints": []string{strings.TrimRight(pin, "=")}}, 200},
		{"another pin, not verified", object{"disable_jwk_security": true, "jwk_fingerprints": []string{wrong}}, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := object{"alg": "RS256", "jwk_url": server.URL}
			maps.Copy(options, tt.options)
			if got := newSite(t, nil).ready(t, options).status(t, rs256(t, `{}`)); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
}
