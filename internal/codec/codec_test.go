package codec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// tree decodes JSON text the way trees are made: numbers keep their text.
func tree(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return v
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// checkTree compares a decoded value, err included, with JSON text. An empty
// want stands for an error.
func checkTree(t *testing.T, in string, got map[string]any, err error, want string) {
	t.Helper()
	if want == "" {
		if err == nil {
			t.Errorf("%.200q = %s, want an error", in, jsonText(got))
		} else if got != nil {
			t.Errorf("%.200q = %s with the error %v, want nil", in, jsonText(got), err)
		}
		return
	}
	if err != nil {
		t.Errorf("%.200q: %v, want %s", in, err, want)
		return
	}
	if !reflect.DeepEqual(got, tree(t, want)) {
		t.Errorf("%.200q = %s, want %s", in, jsonText(got), want)
	}
}

// genValue makes trees with leaves and keys of the given generators.
func genValue(leaf *rapid.Generator[any], key *rapid.Generator[string], depth int) *rapid.Generator[any] {
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) any {
		below := genValue(leaf, key, depth-1)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.MapOfN(key, below, 0, 4).Draw(t, "object")
		case 1:
			return rapid.SliceOfN(below, 0, 4).Draw(t, "array")
		}
		return leaf.Draw(t, "leaf")
	})
}

func genLeaf() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.SampledFrom([]any{nil, true, false, "", json.Number("0"), json.Number("-0"), json.Number("1.10"),
			json.Number("12345678901234567890"), json.Number("1E+400"), json.Number("0.1000")}),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.SampledFrom([]any{"true", "~", "<<", "=", "on", "1", "1.10", "0x1F", "2001-01-01", "1:30", ".inf", "- x", "# x", "a: b",
			" x ", "x\n", "\n", "\tx", "a\r\nb", "\u0085", "\u2028", "\ufeff", "\u007f", "\x00", "'", `"`, "&a", "*a", "!t", "%x", "@x", "`x", "---", "...", "?", "- ", "{", "[1]", "💧"}),
	)
}

func TestDecodeString(t *testing.T) {
	tests := []struct{ name, contentType, in, want string }{
		{"text", "", "hello\n", `{"content":"hello\n"}`},
		{"empty", "", "", `{"content":""}`},
		{"JSON is text", "application/json", `{"a":1}`, `{"content":"{\"a\":1}"}`},
		{"invalid bytes", "", "a\xff", ""},
		{"invalid bytes that are said to be UTF-8", "text/plain; charset=UTF-8", "a\xff", ""},
		{"byte order mark", "text/plain; charset=latin1", "\xef\xbb\xbfä", `{"content":"ä"}`},
		{"UTF-16 by its mark", "text/plain", "\xff\xfea\x00\xe4\x00", `{"content":"aä"}`},
		{"UTF-16 by name, big endian", `text/plain; charset="utf-16"`, "\x00a\x00\xe4", `{"content":"aä"}`},
		{"UTF-16, little endian", "text/plain;charset=UTF-16LE", "a\x00\x3d\xd8\x00\xde", `{"content":"a😀"}`},
		{"half a character of UTF-16", "text/plain;charset=UTF-16LE", "a\x00b", ""},
		{"half a pair of UTF-16", "text/plain;charset=UTF-16LE", "\x3d\xd8a\x00", ""},
		{"Latin-1", "text/plain; charset=ISO-8859-1", "\xe4", `{"content":"ä"}`},
		{"any case, quoted", `text/plain; a=b; CHARSET="Windows-1252"`, "\x80", `{"content":"€"}`},
		{"Shift_JIS", "text/plain; charset=Shift_JIS", "\x93\xfa", `{"content":"日"}`},
		{"bytes that are not Shift_JIS", "text/plain; charset=Shift_JIS", "\x93", ""},
		{"bytes that ISO-8859-6 lacks", "text/plain; charset=ISO-8859-6", "\xa1", ""},
		{"ASCII", "text/plain; charset=us-ascii", "a", `{"content":"a"}`},
		{"what is not ASCII", "text/plain; charset=us-ascii", "ä", ""},
		{"unknown charset", "text/plain; charset=klingon", "a", ""},
		{"a media type that is none", "text/;;charset", "ä", `{"content":"ä"}`},
		{"a declaration", "application/xml", "<?xml version='1.0' encoding='ISO-8859-1'?>\xe4", `{"content":"<?xml version='1.0' encoding='ISO-8859-1'?>ä"}`},
		{"Content-Type beats the declaration", "text/xml; charset=utf-8", "<?xml version='1.0' encoding='ISO-8859-1'?>ä", `{"content":"<?xml version='1.0' encoding='ISO-8859-1'?>ä"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeString([]byte(tt.in), tt.contentType)
			checkTree(t, tt.in, got, err, tt.want)
		})
	}
}

// FuzzCharset states of texts in any charset that what is read is UTF-8, and that
// UTF-8 comes back as it was unless something says otherwise.
func FuzzCharset(f *testing.F) {
	for _, in := range []string{"", "a", "\xe4", "ä", "\xef\xbb\xbfä", "\xff\xfea\x00", "\xfe\xff\xd8\x3d\xde\x00", "\xfe\xff\xd8", "<?xml version='1.0' encoding='latin1'?>\xe4", "<\x00a\x00/\x00>\x00"} {
		for _, contentType := range []string{"", "text/plain", "text/plain; charset=utf-8", "text/xml; charset=\"ISO-8859-1\"", "a/b;charset=utf-16", "a/b;charset=gb18030", "a/b; charset=iso-2022-jp", "a/b;charset=us-ascii;charset=x", ";;="} {
			f.Add([]byte(in), contentType)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, contentType string) {
		DecodeXML(in, contentType, false, 0)
		tree, err := DecodeString(in, contentType)
		if err != nil {
			return
		}
		text := tree["content"].(string)
		if !utf8.ValidString(text) {
			t.Fatalf("DecodeString(%q, %q) = %q, which is no UTF-8", in, contentType, text)
		}
		if !strings.Contains(contentType, "=") && !bytes.Contains(in, []byte("<?xml")) && utf8.Valid(in) && text != strings.TrimPrefix(string(in), "\uFEFF") {
			t.Fatalf("DecodeString(%q, %q) = %q", in, contentType, text)
		}
	})
}
