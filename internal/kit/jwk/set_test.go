package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// material is one private key of each type.
var material = sync.OnceValue(func() map[string]any {
	must := func(k any, err error) any {
		if err != nil {
			panic(err)
		}
		return k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	secret := make([]byte, 64)
	rand.Read(secret)
	return map[string]any{
		"oct":   secret,
		"rsa":   must(rsa.GenerateKey(rand.Reader, 2048)),
		"p256":  must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"p384":  must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"p521":  must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"ed":    must(ed, err),
		"short": []byte("secret"),
	}
})

// algorithms says which key serves which algorithm.
var algorithms = map[Algorithm]string{
	"HS256": "oct", "HS384": "oct", "HS512": "oct",
	"RS256": "rsa", "RS384": "rsa", "RS512": "rsa",
	"PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
	"ES256": "p256", "ES384": "p384", "ES512": "p521",
	"EdDSA": "ed",
}

// sign makes a signature in the form that tokens carry.
func sign(t testing.TB, a Algorithm, key any, signed []byte) []byte {
	t.Helper()
	var s []byte
	var err error
	switch key := key.(type) {
	case []byte:
		m := hmac.New(a.hash().New, key)
		m.Write(signed)
		s = m.Sum(nil)
	case *rsa.PrivateKey:
		if a[:2] == "PS" {
			s, err = rsa.SignPSS(rand.Reader, key, a.hash(), a.digest(signed), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			s, err = rsa.SignPKCS1v15(nil, key, a.hash(), a.digest(signed))
		}
	case *ecdsa.PrivateKey:
		var r, v *big.Int
		r, v, err = ecdsa.Sign(rand.Reader, key, a.digest(signed))
		size := (key.Curve.Params().BitSize + 7) / 8
		s = make([]byte, 2*size)
		r.FillBytes(s[:size])
		v.FillBytes(s[size:])
	case ed25519.PrivateKey:
		s, err = key.Sign(nil, signed, crypto.Hash(0))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// document writes a key set.
func document(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// key writes one key, with further members.
func key(t testing.TB, kind string, members map[string]any) map[string]any {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: material()[kind]})
	if err != nil {
		t.Fatal(err)
	}
	var k map[string]any
	if err := json.Unmarshal(b, &k); err != nil {
		t.Fatal(err)
	}
	for name, v := range members {
		k[name] = v
	}
	return k
}

// find returns the only key with a name.
func find(t testing.TB, data []byte, by Strategy, name string) *Key {
	t.Helper()
	s, err := Parse(data, by)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.Find(t.Context(), name)
	if err != nil || len(keys) != 1 {
		t.Fatalf("Find(%q) = %d keys, error %v; want one key", name, len(keys), err)
	}
	return keys[0]
}

func TestVerify(t *testing.T) {
	signed := []byte("header.payload")
	for _, name := range (Algorithm("")).Enum() {
		a := Algorithm(name)
		t.Run(name, func(t *testing.T) {
			kind := algorithms[a]
			k := find(t, document(t, key(t, kind, map[string]any{"kid": "k"})), ByID, "k")
			if !k.Fits(a) {
				t.Fatalf("a key of %s does not fit %s", kind, a)
			}
			signature := sign(t, a, material()[kind], signed)
			if !k.Verify(a, signed, signature) {
				t.Errorf("the signature of %s is refused", a)
			}
			tests := []struct {
				name              string
				signed, signature []byte
			}{
				{"other text", []byte("header.payloae"), signature},
				{"empty signature", signed, nil},
				{"short signature", signed, signature[:len(signature)-1]},
				{"long signature", signed, append(slices.Clone(signature), 0)},
				{"zeroes", signed, make([]byte, len(signature))},
			}
			for _, tt := range tests {
				if k.Verify(a, tt.signed, tt.signature) {
					t.Errorf("%s: accepted", tt.name)
				}
			}
		})
	}
}

// TestFits holds each algorithm against each type of key.
func TestFits(t *testing.T) {
	for kind := range material() {
		k := find(t, document(t, key(t, kind, nil)), ByID, "")
		for _, name := range (Algorithm("")).Enum() {
			want := algorithms[Algorithm(name)] == kind || kind == "short" && name[:2] == "HS"
			if got := k.Fits(Algorithm(name)); got != want {
				t.Errorf("a key of %s fits %s = %v, want %v", kind, name, got, want)
			}
		}
	}
}

func TestFitsMembers(t *testing.T) {
	tests := []struct {
		name    string
		members map[string]any
		want    bool
	}{
		{"nothing said", nil, true},
		{"use sig", map[string]any{"use": "sig"}, true},
		{"use enc", map[string]any{"use": "enc"}, false},
		{"key_ops verify", map[string]any{"key_ops": []string{"sign", "verify"}}, true},
		{"key_ops sign", map[string]any{"key_ops": []string{"sign"}}, false},
		{"key_ops empty", map[string]any{"key_ops": []string{}}, false},
		{"use and key_ops disagree", map[string]any{"use": "sig", "key_ops": []string{"encrypt"}}, false},
		{"its alg", map[string]any{"alg": "RS256"}, true},
		{"another alg", map[string]any{"alg": "RS512"}, false},
		{"an alg of encryption", map[string]any{"alg": "RSA-OAEP"}, false},
	}
	for _, tt := range tests {
		k := find(t, document(t, key(t, "rsa", tt.members)), ByID, "")
		if got := k.Fits("RS256"); got != tt.want {
			t.Errorf("%s: fits RS256 = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestWeak holds keys against the sizes of RFC 7518.
func TestWeak(t *testing.T) {
	secret := func(n int) map[string]any {
		return map[string]any{"kty": "oct", "kid": "k", "k": base64.RawURLEncoding.EncodeToString(make([]byte, n))}
	}
	modulus := func(bits int) map[string]any {
		n := make([]byte, (bits+7)/8)
		n[0], n[len(n)-1] = 1<<((bits-1)%8), 1
		return map[string]any{"kty": "RSA", "kid": "k", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(n)}
	}
	tests := []struct {
		key  map[string]any
		a    Algorithm
		weak string // in the reason, "" if it is strong
	}{
		{secret(31), "HS256", "31 bytes"}, {secret(32), "HS256", ""}, {secret(33), "HS256", ""},
		{secret(47), "HS384", "47 bytes"}, {secret(48), "HS384", ""},
		{secret(63), "HS512", "63 bytes"}, {secret(64), "HS512", ""},
		{secret(1), "RS256", ""},
		{modulus(1024), "RS256", "1024 bits"}, {modulus(2047), "RS512", "2047 bits"}, {modulus(2047), "PS384", "2047 bits"},
		{modulus(2048), "RS256", ""}, {modulus(4096), "PS512", ""}, {modulus(1024), "HS256", ""},
		{key(t, "ed", nil), "EdDSA", ""}, {key(t, "p256", nil), "ES256", ""},
	}
	for _, tt := range tests {
		s, err := Parse(document(t, tt.key), ByID)
		if err != nil {
			t.Fatal(err)
		}
		got := errors.Join(s.Weak(tt.a)...)
		if (got == nil) != (tt.weak == "") || got != nil && !strings.Contains(got.Error(), tt.weak) {
			t.Errorf("%v for %s: got %v, want %q", tt.key, tt.a, got, tt.weak)
		}
	}
}

func TestFind(t *testing.T) {
	private := material()["rsa"].(*rsa.PrivateKey)
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	print1, print256 := sha1.Sum(der), sha256.Sum256(der)
	x5t := base64.RawURLEncoding.EncodeToString(print1[:])
	x5t256 := base64.RawURLEncoding.EncodeToString(print256[:])
	data := document(t,
		key(t, "rsa", map[string]any{"kid": "cert", "x5c": []string{base64.StdEncoding.EncodeToString(der)}}),
		key(t, "ed", map[string]any{"kid": "print", "x5t": base64.RawURLEncoding.EncodeToString(make([]byte, 20))}),
		key(t, "p256", map[string]any{"kid": "twice"}),
		key(t, "p384", map[string]any{"kid": "twice"}),
		key(t, "oct", nil),
	)
	tests := []struct {
		by   Strategy
		name string
		want int
	}{
		{"", "cert", 1},
		{ByID, "cert", 1},
		{ByID, "CERT", 0},
		{ByID, "twice", 2},
		{ByID, "", 1},
		{ByID, "none", 0},
		{ByThumbprint, x5t, 1},
		{ByThumbprint, "AAAAAAAAAAAAAAAAAAAAAAAAAAA", 1},
		{ByThumbprint, "cert", 0},
		{ByThumbprint256, x5t256, 1},
		{ByThumbprint256, x5t, 0},
		{ByIDAndThumbprint, "cert" + x5t, 1},
		{ByIDAndThumbprint, "cert", 0},
		{ByIDAndThumbprint, "twice", 2},
	}
	for _, tt := range tests {
		s, err := Parse(data, tt.by)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := s.Find(t.Context(), tt.name)
		if len(keys) != tt.want || errors.Is(err, ErrUnknown) != (tt.want == 0) {
			t.Errorf("by %q: Find(%q) = %d keys, error %v; want %d", tt.by, tt.name, len(keys), err, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	good := string(document(t, key(t, "ed", map[string]any{"kid": "k"})))
	bare, _ := json.Marshal(key(t, "ed", nil))
	tests := []struct {
		name, data string
		skipped    int
		want       string // of the error; "" for none
	}{
		{"a set", good, 0, ""},
		{"unknown types are left out", strings.Replace(good, `"keys":[`, `"keys":[{"kty":"new"},{"kty":"oct","k":""},7,`, 1), 3, ""},
		{"a key with a repeated member is left out", strings.Replace(good, `"keys":[`, `"keys":[{"kty":"oct","k":"c2VjcmV0","k":"c2VjcmV0"},`, 1), 1, ""},
		{"empty text", "", 0, "not a key set"},
		{"no JSON", "<html>", 0, "not a key set"},
		{"a list", "[]", 0, "not a key set"},
		{"a bare key", string(bare), 0, `no member "keys"`},
		{"another letter case", strings.Replace(good, "keys", "Keys", 1), 0, `no member "keys"`},
		{"keys is null", `{"keys":null}`, 0, `no member "keys"`},
		{"keys is an object", `{"keys":{}}`, 0, "not a key set"},
		{"an empty set", `{"keys":[]}`, 0, "no key that can be used"},
		{"nothing that can be used", `{"keys":[{"kty":"new"}]}`, 0, "key 0: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse([]byte(tt.data), ByID)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Skipped()) != tt.skipped {
				t.Errorf("skipped %v, want %d", s.Skipped(), tt.skipped)
			}
		})
	}
}

// FuzzParse states that any text gives a set or an error, and that a set holds
// keys that can be asked anything.
func FuzzParse(f *testing.F) {
	for kind := range material() {
		f.Add(document(f, key(f, kind, map[string]any{"kid": "k"})))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":""},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data, ByIDAndThumbprint)
		if (s == nil) == (err == nil) {
			t.Fatalf("Parse = %v, error %v", s, err)
		}
		if err != nil {
			return
		}
		s.Any(func(k *Key) bool {
			for _, name := range (Algorithm("")).Enum() {
				if a := Algorithm(name); k.Fits(a) && k.Verify(a, []byte("signed"), make([]byte, 64)) {
					t.Errorf("%s: zeroes are a signature", a)
				}
			}
			return false
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	signed := []byte(strings.Repeat("a", 700))
	for _, a := range []Algorithm{"HS256", "RS256", "ES256", "EdDSA"} {
		b.Run(string(a), func(b *testing.B) {
			kind := algorithms[a]
			k := find(b, document(b, key(b, kind, nil)), ByID, "")
			signature := sign(b, a, material()[kind], signed)
			b.ReportAllocs()
			for b.Loop() {
				if !k.Verify(a, signed, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
