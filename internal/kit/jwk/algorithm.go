package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 for crypto.Hash
	_ "crypto/sha512" // SHA-384 and SHA-512 for crypto.Hash
	"math/big"
)

// Algorithm is the name of a signature algorithm, as the alg of a token has
// it. There is none that does not sign.
type Algorithm string

// Enum lists the values.
func (Algorithm) Enum() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
		"ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
	}
}

// hash returns the digest that the algorithm signs. EdDSA, which has its own,
// does not ask.
func (a Algorithm) hash() crypto.Hash {
	switch a[2:] {
	case "256":
		return crypto.SHA256
	case "384":
		return crypto.SHA384
	}
	return crypto.SHA512
}

// curve returns the curve of an ECDSA algorithm, and nil for any other.
func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case "ES256":
		return elliptic.P256()
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	return nil
}

// fits reports whether a key of this type can make signatures of a.
func (a Algorithm) fits(key any) bool {
	switch key := key.(type) {
	case []byte:
		return a[:2] == "HS"
	case *rsa.PublicKey:
		return a[:2] == "RS" || a[:2] == "PS"
	case *ecdsa.PublicKey:
		return key.Curve == a.curve()
	case ed25519.PublicKey:
		return a == "EdDSA"
	}
	return false
}

// verify reports whether signature is one of key over signed. The key fits a.
//
// Source: RFC 7518, sections 3.2 to 3.5; RFC 8037, section 3.1.
func (a Algorithm) verify(key any, signed, signature []byte) bool {
	switch key := key.(type) {
	case []byte:
		m := hmac.New(a.hash().New, key)
		m.Write(signed)
		return hmac.Equal(m.Sum(nil), signature)
	case *rsa.PublicKey:
		if a[:2] == "PS" {
			o := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(key, a.hash(), a.digest(signed), signature, &o) == nil
		}
		return rsa.VerifyPKCS1v15(key, a.hash(), a.digest(signed), signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, a.digest(signed), r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, signed, signature)
	}
	return false
}

func (a Algorithm) digest(signed []byte) []byte {
	h := a.hash().New()
	h.Write(signed)
	return h.Sum(nil)
}
