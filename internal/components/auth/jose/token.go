package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// A token is a JWS in compact form, taken apart. Nothing in it is to be
// believed before the signature is verified.
type token struct {
	header    map[string]any
	payload   []byte
	signed    []byte // what the signature covers
	signature []byte
}

// strict decodes base64url without padding and refuses a last character whose
// spare bits are set, so that no two texts stand for the same bytes.
var strict = base64.RawURLEncoding.Strict()

// longestHeader is how many bytes the header of a token may have. It is read before
// anything is known of who sent it, and has room for a chain of certificates.
const longestHeader = 32 << 10

// parseToken takes a token apart.
//
// Source: RFC 7515, sections 5.2 and 7.1.
func parseToken(text string) (token, error) {
	first := strings.IndexByte(text, '.')
	last := strings.LastIndexByte(text, '.')
	if first < 0 || last == first || strings.Count(text, ".") != 2 {
		return token{}, errors.New("the token has not three parts")
	}
	if strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return token{}, errors.New("the token holds a line break")
	}
	if first > base64.RawURLEncoding.EncodedLen(longestHeader) {
		return token{}, errors.New("the header of the token is too large")
	}
	raw := []byte(text)
	header, err := strict.AppendDecode(nil, raw[:first])
	if err != nil {
		return token{}, fmt.Errorf("header of the token: %w", err)
	}
	t := token{signed: raw[:last]}
	if t.header, err = decodeObject(header); err != nil {
		return token{}, fmt.Errorf("header of the token: %w", err)
	}
	if t.payload, err = strict.AppendDecode(nil, raw[first+1:last]); err != nil {
		return token{}, fmt.Errorf("claims of the token: %w", err)
	}
	if t.signature, err = strict.AppendDecode(nil, raw[last+1:]); err != nil {
		return token{}, fmt.Errorf("signature of the token: %w", err)
	}
	return t, nil
}

// text returns a member of the header that is a text, and "" if it is absent
// or something else.
func (t *token) text(name string) string {
	s, _ := t.header[name].(string)
	return s
}

// decodeObject decodes a JSON object. Numbers keep their text. It refuses
// bytes that are not UTF-8 and objects, at any depth, that name a member
// twice: two readers of such a text may see different things.
func decodeObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("the text is not UTF-8")
	}
	v, err := jsonspan.Tree(b)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the text is no object")
	}
	if countNames(b) != countMembers(object) {
		return nil, errors.New("a member is named twice")
	}
	return object, nil
}

// countNames returns the number of names in a JSON text: colons outside of
// strings.
func countNames(b []byte) (n int) {
	inside := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			inside = !inside
		case !inside && c == ':':
			n++
		case inside && c == '\\':
			i++
		}
	}
	return n
}

// countMembers returns the number of members of all objects in v.
func countMembers(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		n = len(v)
		for _, m := range v {
			n += countMembers(m)
		}
	case []any:
		for _, e := range v {
			n += countMembers(e)
		}
	}
	return n
}
