package jwk

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// A Secret decrypts what was encrypted with AES-256 in Galois/Counter Mode.
type Secret [32]byte

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
	return secretOf(key)
}

func secretOf(key []byte) (s Secret, err error) {
	if copy(s[:], key) != len(s) || len(key) != len(s) {
		return Secret{}, fmt.Errorf("the secret has %d bytes; it needs 32", len(key))
	}
	return s, nil
}

// Unwrap returns the secret that is encrypted in wrapped, standard base64.
func (s Secret) Unwrap(wrapped string) (Secret, error) {
	sealed, err := base64.StdEncoding.DecodeString(wrapped)
	if err != nil {
		return Secret{}, errors.New("the wrapped key is not base64")
	}
	key, err := s.Open(sealed)
	if err != nil {
		return Secret{}, err
	}
	return secretOf(key)
}

// Open returns what is encrypted in sealed: 12 bytes of nonce, then ciphertext
// and tag, without additional data.
//
// Source: NIST SP 800-38D.
func (s Secret) Open(sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(s[:])
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
		return nil, errors.New("the ciphertext was not made with this secret, or was changed")
	}
	return plain, nil
}
