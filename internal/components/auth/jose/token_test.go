package jose

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/jwk"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// whatever is a set of one key, which has every id.
type whatever struct{ key []*jwk.Key }

func (w whatever) Find(context.Context, string) ([]*jwk.Key, error) { return w.key, nil }

// vectors is the shape of the signatures of project Wycheproof.
type vectors struct {
	TestGroups []struct {
		Comment         string
		Public, Private object
		Tests           []struct {
			TcID    int
			Comment string
			JWS     string
			Result  string
		}
	}
}

// differ lists the vectors whose verdict is not ours.
var differ = map[int]string{
	346: "the key says alg PS256 and the token PS384, and we honour what keys say",
	350: "as 346",
	367: "the text is that of a valid vector: whatever was wrong with it was lost when it was written",
	370: "as 367",
	372: "a character that is no base64url is skipped there, and refused here",
	373: "as 372",
}

// TestWycheproof holds our verdicts against those of project Wycheproof, where
// its vectors are at hand. Ids of keys are not part of them.
func TestWycheproof(t *testing.T) {
	const name = "../../../../../shared/vectors/jws.json"
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	ran := 0
	for _, g := range v.TestGroups {
		key := g.Public
		if key == nil {
			key = g.Private
		}
		alg, _ := key["alg"].(string)
		switch {
		case alg == "ES521": // ES512 under a name that does not exist
			alg = "ES512"
			key["alg"] = alg
		case alg == "" && key["kty"] == "RSA":
			alg = "RS256"
		case alg == "":
			alg = "ES256"
		}
		delete(key, "kid")
		set, err := json.Marshal(object{"keys": []object{key}})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jwk.Parse(set, jwk.ByID)
		if err != nil {
			t.Fatalf("%s: %v", g.Comment, err)
		}
		only, err := parsed.Find(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		stage := validator{keys: whatever{only}, alg: jwk.Algorithm(alg)}
		for _, c := range g.Tests {
			ran++
			got := "valid"
			_, err := stage.open(t.Context(), c.JWS)
			if err != nil {
				got = "invalid"
			}
			if _, known := differ[c.TcID]; (got != c.Result) != known {
				fmt.Fprintf(&table, "%4d  %-8s %-8s  %s, %s: %v\n", c.TcID, c.Result, got, g.Comment, c.Comment, err)
			}
		}
	}
	if table.Len() > 0 {
		t.Errorf("verdicts that differ, or no longer do, of %d:\n  id  want     got\n%s", ran, table.String())
	}
}

// FuzzToken changes signed tokens. No text passes but a signed one, to the
// byte, and none makes the stage panic.
func FuzzToken(f *testing.F) {
	k := signers()
	claims := `{"sub":"a","exp":1800000000,"aud":["api"],"o":{"a":[1,2.5,null]}}`
	signed := []string{
		sign(f, "HS256", k["oct"].key, object{"kid": "oct"}, claims),
		sign(f, "HS256", k["oct"].key, object{"kid": "oct", "typ": "JWT"}, `{}`),
	}
	for _, s := range signed {
		f.Add(s)
		f.Add("Bearer " + s)
	}
	f.Add(`{"payload":"e30","protected":"e30","signature":""}`)
	f.Add("e30.e30.e30")
	f.Add("..")
	e := newSite(f, nil).ready(f, object{"alg": "HS256", "jwk_local_path": file(f, everyKey(f)), "cookie_key": ""})
	f.Fuzz(func(t *testing.T, value string) {
		x := testx.Request{Header: gateway.Fields{{Name: "Authorization", Value: value}}}.Exchange(t)
		err := e.stages[0].Stage.Enter(t.Context(), x)
		text := value
		if len(text) >= 7 && strings.EqualFold(text[:7], "bearer ") {
			text = strings.Trim(text[7:], " ")
		}
		if want := slices.Contains(signed, text); (err == nil) != want {
			t.Fatalf("%q: error %v, want passed: %v", value, err, want)
		}
	})
}

// FuzzDecodeObject states that what is accepted is an object in which a plain
// reader of JSON finds no member twice, and that encoding it again and
// decoding gives the same.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"a":1}`, `{"a":":","b\"":"{\\\":"}`, `{"a":[{"b":1.0},{"b":null}]} `, `[]`, `null`, `{"a":1}x`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeObject(b)
		if err != nil {
			return
		}
		if repeats(t, b) {
			t.Fatalf("%s is accepted with a member twice", b)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := decodeObject(again); err != nil || len(second) != len(got) {
			t.Fatalf("%s, encoded again as %s: %v, error %v", b, again, second, err)
		}
	})
}

// repeats reads the names of all objects token by token.
func repeats(t *testing.T, b []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var read func() bool
	read = func() bool {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		found := false
		switch token {
		case json.Delim('{'):
			seen := make(map[json.Token]bool)
			for d.More() {
				name, err := d.Token()
				if err != nil {
					t.Fatalf("%s: %v", b, err)
				}
				found = found || seen[name]
				seen[name] = true
				found = read() || found
			}
			d.Token() // the end
		case json.Delim('['):
			for d.More() {
				found = read() || found
			}
			d.Token() // the end
		}
		return found
	}
	return read()
}

// TestPins covers chains whose certificates are not verified: only what signed
// the certificate before it belongs to the chain.
func TestPins(t *testing.T) {
	certificate := func(name string, isCA bool, parent *x509.Certificate, own, issuer signer) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: now.Add(time.Hour),
			IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		if parent == nil {
			parent = template
		}
		public := own.key.(crypto.Signer).Public()
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, issuer.key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	k := signers()
	root := certificate("root", true, nil, k["rsa"], k["rsa"])
	leaf := certificate("leaf", false, root, k["p256"], k["rsa"])
	stranger := certificate("stranger", true, nil, k["other"], k["other"])
	pin := func(c *x509.Certificate) [][]byte {
		d := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		return [][]byte{make([]byte, 32), d[:]}
	}
	tests := []struct {
		name   string
		pinned *x509.Certificate
		state  tls.ConnectionState
		want   bool
	}{
		{"leaf", leaf, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, true},
		{"issuer of the leaf", root, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf, root}}, true},
		{"issuer that is not sent", root, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, false},
		{"sent along, did not sign", stranger, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf, stranger}}, false},
		{"behind one that did not sign", root, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf, stranger, root}}, false},
		{"root of a verified chain", root, tls.ConnectionState{
			PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, root}}}, true},
		{"beside a verified chain", stranger, tls.ConnectionState{
			PeerCertificates: []*x509.Certificate{leaf, stranger}, VerifiedChains: [][]*x509.Certificate{{leaf, root}}}, false},
		{"nothing", leaf, tls.ConnectionState{}, false},
	}
	for _, tt := range tests {
		if err := checkPins(pin(tt.pinned), tt.state); (err == nil) != tt.want {
			t.Errorf("%s: error %v, want passed: %v", tt.name, err, tt.want)
		}
	}
}

// usual is a request with a token as providers make them.
func usual(t testing.TB, alg, kid string) testx.Request {
	return bearer(sign(t, alg, signers()[kid].key, object{"kid": kid, "typ": "JWT"}, `{"iss":"https://idp.test/","sub":"0a1b2c3d-user",
		"aud":["api","other"],"exp":1700003600,"nbf":1699999000,"iat":1699999000,"jti":"5f0c","azp":"web","scope":"openid profile read",
		"realm_access":{"roles":["teller","auditor"]},"email":"ann@example.test","email_verified":true,"name":"Ann Example"}`))
}

var usualOptions = object{
	"issuer": "https://idp.test/", "audience": []string{"api"}, "roles": []string{"teller"}, "roles_key": "realm_access.roles",
	"roles_key_is_nested": true, "scopes": []string{"read"}, "scopes_key": "scope", "propagate_claims": [][]string{{"sub", "X-User"}},
}

func BenchmarkEnter(b *testing.B) {
	for _, bm := range []struct{ alg, kid string }{{"HS256", "oct"}, {"RS256", "rsa"}, {"ES256", "p256"}, {"EdDSA", "ed"}} {
		b.Run(bm.alg, func(b *testing.B) {
			options := object{"alg": bm.alg}
			for name, v := range usualOptions {
				options[name] = v
			}
			e := local(b, options, "X-User")
			x := usual(b, bm.alg, bm.kid).Exchange(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := e.stages[0].Stage.Enter(b.Context(), x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestEnterAllocations bounds what a request costs: the claims as a tree, most
// of it.
func TestEnterAllocations(t *testing.T) {
	options := object{"alg": "EdDSA"}
	for name, v := range usualOptions {
		options[name] = v
	}
	e := local(t, options, "X-User")
	x := usual(t, "EdDSA", "ed").Exchange(t)
	const budget = 60
	got := testing.AllocsPerRun(100, func() {
		if err := e.stages[0].Stage.Enter(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	})
	if got > budget {
		t.Errorf("%v allocations for each request, want %d at most", got, budget)
	}
}

// FuzzCookie checks that a cookie that is taken for a token is the one that another
// reader finds, and the only one.
func FuzzCookie(f *testing.F) {
	for _, seed := range []string{
		"session=a", "a=b; session=a", "session=a; session=b", "Session=a; session=b", `session="a"`, "session =a", "session", "a=b, session=c",
		"se%73sion=a", "session=a=b", ";;session=a;", "session=a\tb", "\tsession=a", "session=a,session=b",
	} {
		f.Add(seed, "")
	}
	f.Add("session=a", "session=b")
	f.Fuzz(func(t *testing.T, first, second string) {
		value, once := cookie(testx.Request{Header: gateway.Fields{{Name: "Cookie", Value: first}, {Name: "Cookie", Value: second}}}.Inbound(), "session")
		r := http.Request{Header: http.Header{"Cookie": {first, second}}}
		others := r.CookiesNamed("session")
		if once && len(others) > 1 {
			t.Errorf("%q and %q: another reader finds %d cookies", first, second, len(others))
		}
		if once && value != "" && len(others) == 1 && others[0].Value != value && !strings.Contains(value, `"`) {
			t.Errorf("%q and %q: got %q, another reader finds %q", first, second, value, others[0].Value)
		}
	})
}

// TestHeaderLimit refuses a header that is larger than any is, without reading it.
func TestHeaderLimit(t *testing.T) {
	token := func(size int) string {
		header := `{"alg":"HS256","x":[0` + strings.Repeat(",0", size/2) + `]}`
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.AA"
	}
	if _, err := parseToken(token(longestHeader - 100)); err != nil {
		t.Errorf("a large header: %v", err)
	}
	large := token(900_000)
	if _, err := parseToken(large); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a header of 900 kB: %v", err)
	}
	if n := testing.AllocsPerRun(10, func() { parseToken(large) }); n > 2 {
		t.Errorf("a header of 900 kB allocates %v times", n)
	}
}
