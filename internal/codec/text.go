package codec

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// collectionKey is where the array, or XML object, of a collection stands.
const collectionKey = "collection"

// DecodeString returns {"content": b}. Each invalid byte of b becomes U+FFFD.
func DecodeString(b []byte) map[string]any {
	return map[string]any{"content": string(validUTF8(b))}
}

// validUTF8 returns b with each invalid byte replaced by U+FFFD, or b itself
// if there is none.
func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return []byte(string([]rune(string(b))))
}

var (
	bomUTF8    = []byte("\xEF\xBB\xBF")
	bomUTF16BE = []byte("\xFE\xFF")
	bomUTF16LE = []byte("\xFF\xFE")
)

const xmlSpace = " \t\r\n"

// markup returns the XML document b in UTF-8, without byte order mark, white
// space in front and XML declaration. The result may share memory with b.
//
// Source: XML 1.0 (fifth edition), section 4.3.3 and appendix F.
func markup(b []byte) ([]byte, error) {
	var utf16 encoding.Encoding
	marked := false // the byte order mark decides, whatever the declaration says
	switch {
	case bytes.HasPrefix(b, bomUTF8):
		b, marked = b[len(bomUTF8):], true
	case bytes.HasPrefix(b, bomUTF16BE):
		utf16 = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case bytes.HasPrefix(b, bomUTF16LE):
		utf16 = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(b, []byte("\x00<")):
		utf16 = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case bytes.HasPrefix(b, []byte("<\x00")):
		utf16 = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	if utf16 != nil {
		var err error
		if b, err = utf16.NewDecoder().Bytes(b); err != nil {
			return nil, err
		}
		marked = true
	}
	b, label, err := cutDeclaration(bytes.TrimLeft(b, xmlSpace))
	if err != nil {
		return nil, err
	}
	if label != "" && !marked {
		if b, err = convert(b, label); err != nil {
			return nil, err
		}
	}
	return validUTF8(b), nil
}

// convert returns b, which is written in the named charset, in UTF-8.
func convert(b []byte, label string) ([]byte, error) {
	e, name := charset.Lookup(label)
	switch name {
	case "":
		return nil, fmt.Errorf("unknown charset %q", label)
	case "utf-8", "utf-16be", "utf-16le":
		return b, nil // a declaration that can be read byte by byte is not UTF-16
	}
	return e.NewDecoder().Bytes(b)
}

// cutDeclaration splits the XML declaration from b, which it may lack, and
// returns the rest and the charset it declares, which may be "".
func cutDeclaration(b []byte) (rest []byte, label string, err error) {
	const open = "<?xml"
	if !bytes.HasPrefix(b, []byte(open)) || len(b) == len(open) || bytes.IndexByte([]byte(xmlSpace), b[len(open)]) < 0 {
		return b, "", nil // none, or another instruction, such as <?xml-stylesheet
	}
	decl, rest, ok := bytes.Cut(b[len(open):], []byte("?>"))
	if !ok {
		return nil, "", errors.New("xml declaration has no end")
	}
	_, decl, ok = bytes.Cut(decl, []byte("encoding"))
	if !ok {
		return rest, "", nil
	}
	decl = bytes.TrimLeft(decl, xmlSpace)
	decl, ok = bytes.CutPrefix(decl, []byte("="))
	decl = bytes.TrimLeft(decl, xmlSpace)
	if !ok || len(decl) == 0 || decl[0] != '"' && decl[0] != '\'' {
		return nil, "", errors.New("xml declaration has a malformed encoding")
	}
	name, _, ok := bytes.Cut(decl[1:], decl[:1])
	if !ok {
		return nil, "", errors.New("xml declaration has a malformed encoding")
	}
	return rest, string(name), nil
}
