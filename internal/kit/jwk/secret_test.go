package jwk

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"strings"
	"testing"
)

// seal is the other direction of Secret.Open.
func seal(t *testing.T, s Secret, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(s[:])
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
	outer, inner := Secret{1}, Secret{2}
	wrapped := base64.StdEncoding.EncodeToString(seal(t, outer, inner[:]))
	got, err := outer.Unwrap(wrapped)
	if err != nil || got != inner {
		t.Fatalf("Unwrap = %x, error %v; want %x", got, err, inner)
	}
	sealed := seal(t, inner, []byte("keys"))
	if plain, err := inner.Open(sealed); err != nil || string(plain) != "keys" {
		t.Errorf("Open = %q, error %v; want keys", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, b := range map[string][]byte{"changed": changed, "cut": sealed[:11], "empty": nil, "nonce only": sealed[:12]} {
		if plain, err := inner.Open(b); err == nil {
			t.Errorf("%s: Open = %q, want an error", name, plain)
		}
	}
	for name, w := range map[string]string{
		"no base64":      "*",
		"other secret":   base64.StdEncoding.EncodeToString(sealed),
		"too short":      base64.StdEncoding.EncodeToString(seal(t, outer, []byte("short"))),
		"base64url only": strings.NewReplacer("+", "-", "/", "_").Replace(wrapped) + "-",
	} {
		if s, err := outer.Unwrap(w); err == nil {
			t.Errorf("%s: Unwrap = %x, want an error", name, s)
		}
	}
}
