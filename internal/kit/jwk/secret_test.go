package jwk

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
)

// seal is the other direction of DataKey.Open.
func seal(t *testing.T, k DataKey, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(k[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := bytes.Repeat([]byte{7}, gcm.NonceSize())
	return gcm.Seal(nonce, nonce, plain, nil)
}

// wrap is the other direction of Secret.Unwrap.
func wrap(s Secret, passphrase string) string {
	nonce := [wrapNonce]byte{7}
	return base64.StdEncoding.EncodeToString(secretbox.Seal(nonce[:], []byte(passphrase), &nonce, (*[32]byte)(&s)))
}

func TestParseSecret(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb}, 32)
	tests := []struct {
		name, url, want string // of the error; "" for none
	}{
		{"padded", "base64key://" + base64.URLEncoding.EncodeToString(key), ""},
		{"not padded", "base64key://" + base64.RawURLEncoding.EncodeToString(key), ""},
		{"standard alphabet", "base64key://" + base64.StdEncoding.EncodeToString(key), "not base64url"},
		{"31 bytes", "base64key://" + base64.URLEncoding.EncodeToString(key[:31]), "31 bytes; it needs 32"},
		{"33 bytes", "base64key://" + base64.URLEncoding.EncodeToString(append(key, 1)), "33 bytes; it needs 32"},
		{"empty", "base64key://", "0 bytes"},
		{"no scheme", "c2VjcmV0", "no scheme"},
		{"awskms", "awskms://alias/key", "secrets of awskms are not supported"},
		{"azurekeyvault", "azurekeyvault://vault/keys/key", "secrets of azurekeyvault are not supported"},
		{"gcpkms", "gcpkms://projects/p", "secrets of gcpkms are not supported"},
		{"hashivault", "hashivault://key", "secrets of hashivault are not supported"},
		{"unknown scheme", "file:///key", "scheme of the secret is unknown"},
	}
	for _, tt := range tests {
		s, err := ParseSecret(tt.url)
		if tt.want == "" && (err != nil || !bytes.Equal(s[:], key)) {
			t.Errorf("%s: %x, error %v; want %x", tt.name, s, err, key)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestSecret(t *testing.T) {
	secret := Secret{1}
	wrapped := wrap(secret, "a passphrase")
	key, err := secret.Unwrap(wrapped)
	if want := "4eaa5853d81c996ab63a65e3be04ccc8"; err != nil || string(key[:]) != want { // md5sum says so
		t.Fatalf("Unwrap = %q, error %v; want %s", key, err, want)
	}
	sealed := seal(t, key, []byte("keys"))
	if plain, err := key.Open(sealed); err != nil || string(plain) != "keys" {
		t.Errorf("Open = %q, error %v; want keys", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, b := range map[string][]byte{"changed": changed, "cut": sealed[:11], "empty": nil, "nonce only": sealed[:12]} {
		if plain, err := key.Open(b); err == nil {
			t.Errorf("%s: Open = %q, want an error", name, plain)
		}
	}
	for name, w := range map[string]string{
		"no base64":      "*",
		"empty":          "",
		"nonce only":     base64.StdEncoding.EncodeToString(make([]byte, wrapNonce+15)),
		"other secret":   wrap(Secret{2}, "a passphrase"),
		"base64url only": strings.NewReplacer("+", "-", "/", "_").Replace(wrapped) + "-",
	} {
		if k, err := secret.Unwrap(w); err == nil {
			t.Errorf("%s: Unwrap = %x, want an error", name, k)
		}
	}
}

// TestSecretBox opens a box that was made elsewhere: the example of NaCl's own
// tests (secretbox.c), with its nonce in front.
func TestSecretBox(t *testing.T) {
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	secret := Secret(unhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"))
	sealed := unhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37" +
		"f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a" +
		"c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae" +
		"90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5")
	if _, err := secret.Unwrap(base64.StdEncoding.EncodeToString(sealed)); err != nil {
		t.Errorf("Unwrap: %v", err)
	}
}
