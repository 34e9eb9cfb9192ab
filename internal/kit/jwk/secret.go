package jwk

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
)

// A Secret unwraps data keys.
type Secret [32]byte

// A DataKey opens files that were encrypted with it.
type DataKey [32]byte

// ParseSecret reads the URL of a secret, base64key:// and the base64url of its
// 32 bytes, with or without padding. URLs of key services are an error.
func ParseSecret(address string) (Secret, error) {
	scheme, content, found := strings.Cut(address, "://")
	if !found {
		return Secret{}, errors.New("the secret has no scheme; write base64key:// and the base64url of 32 bytes")
	}
	switch scheme {
	case "base64key":
	case "awskms", "azurekeyvault", "gcpkms", "hashivault":
		return Secret{}, fmt.Errorf("secrets of %s are not supported: the gateway asks no key service; "+
			"decrypt the key outside and write base64key:// and the base64url of 32 bytes", scheme)
	default:
		return Secret{}, errors.New("the scheme of the secret is unknown; write base64key:// and the base64url of 32 bytes")
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(content, "="))
	if err != nil {
		return Secret{}, errors.New("the secret is not base64url; write base64key:// and the base64url of 32 bytes")
	}
	var s Secret
	if copy(s[:], key) != len(s) || len(key) != len(s) {
		return Secret{}, fmt.Errorf("the secret has %d bytes; it needs 32", len(key))
	}
	return s, nil
}

// wrapNonce is the length of the nonce in front of a wrapped key.
const wrapNonce = 24

// Unwrap returns the data key in wrapped, which is standard base64 of a nonce of
// 24 bytes and a box: XSalsa20 and Poly1305.
//
// Compatibility: this is how local secrets wrap keys for KrakenD, and what they
// wrap is a passphrase of any length. The key is the text of its MD5 digest.
//
// Source: Bernstein, Cryptography in NaCl, 2009, section 9 (secretbox).
func (s Secret) Unwrap(wrapped string) (k DataKey, err error) {
	sealed, err := base64.StdEncoding.DecodeString(wrapped)
	if err != nil {
		return DataKey{}, errors.New("the wrapped key is not base64")
	}
	if len(sealed) < wrapNonce+secretbox.Overhead {
		return DataKey{}, errors.New("the wrapped key is shorter than its nonce and tag")
	}
	passphrase, ok := secretbox.Open(nil, sealed[wrapNonce:], (*[wrapNonce]byte)(sealed), (*[32]byte)(&s))
	if !ok {
		return DataKey{}, errors.New("the key was not wrapped with this secret, or was changed")
	}
	digest := md5.Sum(passphrase)
	hex.Encode(k[:], digest[:])
	return k, nil
}

// Open returns what is encrypted in sealed with AES-256 in Galois/Counter Mode:
// 12 bytes of nonce, then ciphertext and tag, without additional data.
//
// Source: NIST SP 800-38D.
func (k DataKey) Open(sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	size := gcm.NonceSize()
	if len(sealed) < size {
		return nil, errors.New("the ciphertext is shorter than its nonce")
	}
	plain, err := gcm.Open(nil, sealed[:size], sealed[size:], nil)
	if err != nil {
		return nil, errors.New("the ciphertext was not made with this key, or was changed")
	}
	return plain, nil
}
