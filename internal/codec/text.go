package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// collectionKey is where the array, or XML object, of a collection stands.
const collectionKey = "collection"

// DecodeString returns {"content": b}, in UTF-8. ContentType is that of the
// message; bytes that do not fit the charset are an error.
func DecodeString(b []byte, contentType string) (map[string]any, error) {
	text, marked, err := unmarked(b)
	if err != nil {
		return nil, err
	}
	if !marked {
		label := charsetOf(contentType)
		if label == "" {
			if _, declared, err := cutDeclaration(b); err == nil { // the text is XML
				label = declared
			}
		}
		if text, err = convert(b, label); err != nil {
			return nil, err
		}
	}
	return map[string]any{"content": string(text)}, nil
}

// charsetOf returns the charset parameter of a media type, or "".
func charsetOf(contentType string) string {
	if !strings.Contains(contentType, "=") {
		return ""
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return params["charset"]
}

var (
	bomUTF8    = []byte("\xEF\xBB\xBF")
	bomUTF16BE = []byte("\xFE\xFF")
	bomUTF16LE = []byte("\xFF\xFE")
)

// unmarked returns b in UTF-8 if a byte order mark begins it, without the mark.
func unmarked(b []byte) (text []byte, marked bool, err error) {
	switch {
	case bytes.HasPrefix(b, bomUTF8):
		text, err = checked(b[len(bomUTF8):])
	case bytes.HasPrefix(b, bomUTF16BE):
		text, err = fromUTF16(b[2:], binary.BigEndian)
	case bytes.HasPrefix(b, bomUTF16LE):
		text, err = fromUTF16(b[2:], binary.LittleEndian)
	default:
		return b, false, nil
	}
	return text, true, err
}

// errCharset is the error of bytes that their charset does not have.
var errCharset = errors.New("bytes that do not fit the charset")

// checked returns b, which is an error unless it is UTF-8.
func checked(b []byte) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w utf-8", errCharset)
	}
	return b, nil
}

// fromUTF16 returns b, which is UTF-16, in UTF-8. Half a character, and half of a
// surrogate pair, are an error.
func fromUTF16(b []byte, order binary.ByteOrder) ([]byte, error) {
	text := make([]byte, 0, len(b))
	for ; len(b) >= 2; b = b[2:] {
		r := rune(order.Uint16(b))
		if utf16.IsSurrogate(r) {
			if len(b) < 4 {
				break
			}
			if r = utf16.DecodeRune(r, rune(order.Uint16(b[2:]))); r == utf8.RuneError {
				break
			}
			b = b[2:]
		}
		text = utf8.AppendRune(text, r)
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w utf-16", errCharset)
	}
	return text, nil
}

const xmlSpace = " \t\r\n"

// markup returns the XML document b in UTF-8, without byte order mark, white
// space in front and XML declaration. The byte order mark says what it is written
// in, then the charset of contentType, then the declaration; without any of them
// it is UTF-8, or UTF-16 that can be told by its first character. The result may
// share memory with b.
//
// Source: RFC 7303, section 3.2; XML 1.0 (fifth edition), section 4.3.3 and
// appendix F.
func markup(b []byte, contentType string) ([]byte, error) {
	b, known, err := unmarked(b)
	if label := charsetOf(contentType); err == nil && !known && label != "" {
		b, err = convert(b, label)
		known = true
	}
	if err == nil && !known {
		switch {
		case bytes.HasPrefix(b, []byte("\x00<")):
			b, err = fromUTF16(b, binary.BigEndian)
			known = true
		case bytes.HasPrefix(b, []byte("<\x00")):
			b, err = fromUTF16(b, binary.LittleEndian)
			known = true
		}
	}
	if err != nil {
		return nil, err
	}
	b, label, err := cutDeclaration(bytes.TrimLeft(b, xmlSpace))
	if err != nil || known {
		return b, err
	}
	if _, name := charset.Lookup(label); strings.HasPrefix(name, "utf-16") {
		label = "" // a declaration that can be read byte by byte is not UTF-16
	}
	return convert(b, label)
}

// convert returns b, which is written in the named charset, in UTF-8; "" is
// UTF-8. Names are those of the encoding standard of the WHATWG, but for
// US-ASCII, which has no bytes above 127.
func convert(b []byte, label string) ([]byte, error) {
	if label == "" {
		return checked(b)
	}
	e, name := charset.Lookup(label)
	switch label = strings.ToLower(strings.TrimSpace(label)); {
	case name == "":
		return nil, fmt.Errorf("unknown charset %q", label)
	case name == "utf-8":
		return checked(b)
	case label == "utf-16" && !bytes.HasPrefix(b, []byte("<\x00")), name == "utf-16be":
		return fromUTF16(b, binary.BigEndian) // RFC 2781, section 4.3
	case name == "utf-16le":
		return fromUTF16(b, binary.LittleEndian)
	case name == "replacement":
		return nil, fmt.Errorf("charset %q is not safe to read", label)
	case (label == "us-ascii" || label == "ascii") && bytes.ContainsFunc(b, func(r rune) bool { return r > 0x7F }):
		return nil, fmt.Errorf("%w %s", errCharset, label)
	}
	text, err := e.NewDecoder().Bytes(b)
	if err == nil && bytes.ContainsRune(text, utf8.RuneError) {
		err = fmt.Errorf("%w %s", errCharset, name)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
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
