package jwk

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Strategy is which members of a key and of a token's header name the key. The
// empty Strategy is ByID.
type Strategy string

// The strategies. The thumbprints are those of the key's certificate.
const (
	ByID              Strategy = "kid"
	ByThumbprint      Strategy = "x5t"      // SHA-1
	ByThumbprint256   Strategy = "x5t#S256" // SHA-256
	ByIDAndThumbprint Strategy = "kid_x5t"  // kid, then x5t, without anything between
)

// Enum lists the values.
func (Strategy) Enum() []string { return []string{"kid", "x5t", "x5t#S256", "kid_x5t"} }

// ID returns the name of a key with these members; those that are absent are
// empty.
func (s Strategy) ID(kid, x5t, x5t256 string) string {
	switch s {
	case ByThumbprint:
		return x5t
	case ByThumbprint256:
		return x5t256
	case ByIDAndThumbprint:
		return kid + x5t
	}
	return kid
}

// A Key verifies signatures. It does not change and is safe for concurrent
// use.
type Key struct {
	name      string
	material  any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	algorithm string
	verifies  bool // by its use and key_ops
}

// Fits reports whether the key may and can verify a: its use and its key_ops,
// where it has them, allow it to verify, its alg is a, and its type and curve
// are those of a.
//
// Source: RFC 7517, sections 4.2 to 4.4.
func (k *Key) Fits(a Algorithm) bool {
	return k.verifies && (k.algorithm == "" || k.algorithm == string(a)) && a.fits(k.material)
}

// Verify reports whether signature is one of the key over signed. The key fits
// a. Verify keeps neither slice.
func (k *Key) Verify(a Algorithm, signed, signature []byte) bool {
	return a.verify(k.material, signed, signature)
}

// String names the key, for people.
func (k *Key) String() string {
	if k.name == "" {
		return "a key without an id"
	}
	return fmt.Sprintf("key %.64q", k.name)
}

// rsaBits is the size of the smallest RSA key that RFC 7518, sections 3.3 and 3.5,
// allows.
const rsaBits = 2048

// Weak returns why the key must not be used for its algorithm a, and nil if it may:
// an RSA key of fewer than 2,048 bits, or a symmetric one with fewer bytes than the
// digest.
//
// Source: RFC 7518, sections 3.2, 3.3 and 3.5.
func (k *Key) Weak(a Algorithm) error {
	if !a.fits(k.material) {
		return nil
	}
	switch m := k.material.(type) {
	case []byte:
		if least := a.hash().Size(); len(m) < least {
			return fmt.Errorf("%s is of %d bytes and %s wants %d at least", k, len(m), a, least)
		}
	case *rsa.PublicKey:
		if bits := m.N.BitLen(); bits < rsaBits {
			return fmt.Errorf("%s is of %d bits and %s wants %d at least", k, bits, a, rsaBits)
		}
	}
	return nil
}

// parseKey returns a key and its name.
func parseKey(data []byte, by Strategy) (*Key, string, error) {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(data); err != nil {
		return nil, "", err
	}
	var members struct {
		KeyOps []string `json:"key_ops"`
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, "", err
	}
	k := &Key{
		algorithm: j.Algorithm,
		verifies:  (j.Use == "" || j.Use == "sig") && (members.KeyOps == nil || slices.Contains(members.KeyOps, "verify")),
	}
	switch m := j.Key.(type) {
	case []byte:
		if len(m) == 0 {
			return nil, "", errors.New("the symmetric key is empty")
		}
		k.material = m
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		k.material = m
	case *rsa.PrivateKey:
		k.material = &m.PublicKey
	case *ecdsa.PrivateKey:
		k.material = &m.PublicKey
	case ed25519.PrivateKey:
		k.material = m.Public()
	default:
		return nil, "", jose.ErrUnsupportedKeyType
	}
	if len(j.Certificates) > 0 {
		sha1Sum, sha256Sum := sha1.Sum(j.Certificates[0].Raw), sha256.Sum256(j.Certificates[0].Raw)
		j.CertificateThumbprintSHA1, j.CertificateThumbprintSHA256 = sha1Sum[:], sha256Sum[:]
	}
	print := base64.RawURLEncoding.EncodeToString
	k.name = by.ID(j.KeyID, print(j.CertificateThumbprintSHA1), print(j.CertificateThumbprintSHA256))
	return k, k.name, nil
}
