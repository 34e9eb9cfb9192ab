package jsonspan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// accepted are texts of exactly one JSON value.
var accepted = []string{
	// scalars
	`true`, `false`, `null`, `""`, `0`, `-0`, `" "`, `"a"`,
	// white space
	" 1", "1 ", "\t1", "1\n", "\r\n1\r\n", " [ ] ", " { } ", "[ 1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }",
	"{\r\n\t\"a\"\r\n\t:\r\n\t1\r\n\t}", "          0          ",
	// byte order mark
	"\uFEFF1", "\uFEFF {}",
	// numbers
	`1`, `9`, `10`, `-1`, `-10`, `123456789012345678901234567890`, `0.0`, `0.1`, `-0.1`, `1.5`, `1.50`,
	`1e1`, `1E1`, `1e+1`, `1e-1`, `1E+2`, `0e0`, `0E0`, `0e+1`, `-0e1`, `1.5e3`, `-1.5E-3`, `1e999`, `1e00`,
	`0.00000000000000000000000000000000001`, `[0]`, `[-0]`, `[0,0]`, `{"a":0}`, `[1e1]`,
	// strings
	`"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"\u0000"`, `"\u00e9"`, `"\u00E9"`, `"\uABCD\uabcd"`,
	`"\ud83d\ude00"`, `"\ud800"`, `"\udc00"`, `"\ud800x"`, `"\ud800\u0041"`, `"\udead\ud83d"`,
	`"/"`, `"'"`, `"` + "\x7f" + `"`, `"é"`, `"東京"`, `"😀"`, `"a😀"`, "\"\u0080\"", "\"\u07ff\"", "\"\u0800\"",
	"\"\ud7ff\"", "\"\ue000\"", "\"\uffff\"", "\"\U00010000\"", "\"\U0010ffff\"", "\"\u2028\u2029\"", "\"\uFEFF\"",
	`"1234567"`, `"12345678"`, `"123456789"`, `"1234567é"`, `"12345678é"`, `"123456\n"`, `"1234567\n"`, `"12345678\n"`,
	`"!"`, `"#"`, `"[]{},:"`, `"//"`, `"\u0022"`, `"\\\""`, `"\\\\"`, `["\""]`, `{"\"":"\\"}`,
	// arrays
	`[]`, `[[]]`, `[[],[]]`, `[{}]`, `[1]`, `[1,2,3]`, `[""]`, `["a","b"]`, `[null]`, `[true,false,null]`, `[[1],[2,[3]]]`,
	`[[[[[[[[[[]]]]]]]]]]`, `[1,"a",{},[],null]`,
	// objects
	`{}`, `{"":0}`, `{"a":1}`, `{"a":1,"b":2}`, `{"a":1,"a":2}`, `{"a":{}}`, `{"a":[]}`, `{"a":{"b":{"c":null}}}`,
	`{"a":[{"b":[{"c":[]}]}]}`, `{"\u0061":1}`, `{"é":1}`, `{"a b":1}`, `{"a":"}"}`, `{"a":"]","b":["}"]}`,
}

// refused are texts that are not exactly one JSON value.
var refused = []string{
	// nothing, or only white space
	"", " ", "\n\t\r ", "\uFEFF", "\uFEFF ",
	// cut off
	`[`, `{`, `[[`, `[1`, `[1,`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,"`, `"`, `"a`, `"\`, `"\"`, `"\u`,
	`"\u1`, `"\u12`, `"\u123`, `"\u1234`, `"12345678`, `t`, `tr`, `tru`, `fals`, `nul`, `-`, `1.`, `1e`, `1e+`, `1e-`, `[-`,
	// more than one
	`1 2`, `1,`, `[]]`, `{}}`, `[][]`, `{}{}`, `""""`, `"a"b`, `truefalse`, `nullnull`, `1 true`, "1\x00", "{}\x00", `[1]x`,
	// literals
	`True`, `TRUE`, `tRue`, `truE`, `nil`, `undefined`, `NaN`, `nan`, `Infinity`, `-Infinity`, `inf`, `falsey`, `nulll`, `[tru]`, `[nul,1]`,
	// numbers
	`+1`, `01`, `-01`, `00`, `-00`, `.1`, `-.1`, `1.e1`, `0.e1`, `1.1.1`, `1e1e1`, `1e1.1`, `1e`, `0x1`, `1_000`, `1a`, `--1`, `-+1`, `- 1`,
	`1 000`, `0b1`, `1f`, `[1.]`, `[.1]`, `[01]`, `[1e]`, `[-]`, `[-a]`, `٣`, `1２`, `[1,-]`,
	// strings
	`'a'`, `a`, `"\a"`, `"\x41"`, `"\v"`, `"\0"`, `"\'"`, `"\ "`, `"\U0041"`, `"\u{41}"`, `"\uD"`, `"\uZZZZ"`, `"\u00G0"`, `"\u 041"`, `"\u-041"`,
	"\"\x00\"", "\"\x01\"", "\"\x1f\"", "\"\n\"", "\"\r\"", "\"\t\"", "\"a\nb\"", "\"1234567\n\"", "\"12345678\x1f\"", "\"\\\n\"", "[\"\t\"]", "{\"\n\":1}",
	// UTF-8
	"\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc3\"", "\"\xc3(\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"", "\"\xe2\x82\"", "\"\xe2(\xa1\"",
	"\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf0\x80\x80\x80\"", "\"\xf0\x9f\x98\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xfe\"", "\"\xff\"",
	"\"1234567\xff\"", "\"12345678\xff\"", "\"é\xff\"", "{\"\xff\":1}", "\xff", "[\xff]", "1\xff", "é", "\xef\xbb{}", "\xfe\xff\x00{", "\uFEFF\uFEFF1",
	// white space that JSON does not know
	"\v1", "\f1", "\u00a01", "\u20281", "[1,\f2]", "1\u00a0",
	// arrays
	`]`, `[,]`, `[,1]`, `[1,]`, `[1,,2]`, `[1 2]`, `[1;2]`, `[1:2]`, `[1}`, `["a" "b"]`, `["a":1]`, `[}`, `[[]`, `[a]`, `[*]`, `[1,[]`,
	// objects
	`}`, `{,}`, `{,"a":1}`, `{"a":1,}`, `{"a":1,,"b":2}`, `{"a" 1}`, `{"a"}`, `{"a",1}`, `{"a":}`, `{:1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`,
	`{[]:1}`, `{{}:1}`, `{"a":1 "b":2}`, `{"a":1]`, `{]`, `{"a"::1}`, `{"a":1:2}`, `{"a":1;"b":2}`, `{"a":1,"b"}`, `{"a":1,2}`, `{"a":{}`, `{"a":1}}`, `{"a";1}`,
	// comments and other inventions
	`// 1`, `/* */1`, `1//`, `{"a":1/**/}`, `[1,#]`, `<html></html>`, `a=1`, `%7B%7D`, "`a`", `(1)`,
}

func TestValid(t *testing.T) {
	for _, in := range accepted {
		if !Valid([]byte(in)) {
			t.Errorf("Valid(%q) = false, want true", in)
		}
		checkAgainstOthers(t, []byte(in))
	}
	for _, in := range refused {
		if Valid([]byte(in)) {
			t.Errorf("Valid(%q) = true, want false", in)
		}
		checkAgainstOthers(t, []byte(in))
	}
}

// checkAgainstOthers compares Valid with two other validators.
func checkAgainstOthers(t *testing.T, in []byte) {
	t.Helper()
	got := Valid(in)
	in = bytes.TrimPrefix(in, []byte("\uFEFF"))
	if want := json.Valid(in) && utf8.Valid(in); got != want {
		t.Errorf("Valid(%q) = %v, encoding/json and utf8 say %v", in, got, want)
	}
	// jsontext refuses lone surrogates unless it takes wrong UTF-8 as well.
	lax := jsontext.Value(in).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if want := lax && utf8.Valid(in); got != want {
		t.Errorf("Valid(%q) = %v, jsontext says %v", in, got, want)
	}
}

// TestValidEverywhere puts each text behind strings of growing length, so that
// it meets every position in the words that the scanner reads.
func TestValidEverywhere(t *testing.T) {
	for n := range 18 {
		head := `{"` + strings.Repeat("x", n) + `":[`
		for _, in := range append(accepted[:len(accepted):len(accepted)], refused...) {
			checkAgainstOthers(t, []byte(head+in+`]}`))
			checkAgainstOthers(t, []byte(head+in))
		}
	}
}

func TestValidDepth(t *testing.T) {
	for _, depth := range []int{1, 63, 64, 65, 127, 128, 129, 1000, 9_999, 10_000, 10_001, 20_000} {
		want := depth <= 10_000
		for name, in := range map[string]string{
			"arrays":  strings.Repeat("[", depth) + strings.Repeat("]", depth),
			"objects": strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1),
			"filled":  strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth),
			"resumed": strings.Repeat("[", depth) + strings.Repeat("],1", depth-1) + "]",
			"mixed":   strings.Repeat(`[{"a":`, (depth-1)/2) + strings.Repeat("[", 2-depth%2) + strings.Repeat("]", 2-depth%2) + strings.Repeat("}]", (depth-1)/2),
		} {
			if got := Valid([]byte(in)); got != want {
				t.Errorf("%s, %d deep: Valid = %v, want %v", name, depth, got, want)
			}
		}
		if in := strings.Repeat("[", depth) + strings.Repeat("]", depth-1) + "}"; Valid([]byte(in)) {
			t.Errorf("%d deep, wrong last closer: Valid = true, want false", depth)
		}
	}
}

// scan returns the text of the first value of b and what follows it.
func scan(b []byte) (value, rest []byte, err error) {
	start := skipMark(b)
	end, f := scanValue(b, start, 0)
	if f != none {
		return nil, nil, f.at(end)
	}
	return b[start:end:end], b[end:], nil
}

func TestScan(t *testing.T) {
	tests := []struct {
		name, in, value, rest string
	}{
		{"whole", `{"a":1}`, `{"a":1}`, ``},
		{"white space", " \n[1, 2] \n", `[1, 2]`, " \n"},
		{"mark", "\uFEFF 1 ", `1`, ` `},
		{"text behind an object", `{"a":1} garbage`, `{"a":1}`, ` garbage`},
		{"text behind a number", `12x`, `12`, `x`},
		{"two values", `[][]`, `[]`, `[]`},
		{"text behind is not UTF-8", "null\xff", `null`, "\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value, rest, err := scan([]byte(tt.in))
			if err != nil || string(value) != tt.value || string(rest) != tt.rest {
				t.Errorf("scan(%q) = %q, %q, %v, want %q, %q", tt.in, value, rest, err, tt.value, tt.rest)
			}
		})
	}
}

func TestScanError(t *testing.T) {
	tests := []struct {
		in     string
		offset int
		text   string
		is     error
	}{
		{"", 0, "no value", io.EOF},
		{" \n", 2, "no value", io.EOF},
		{"\uFEFF", 3, "no value", io.EOF},
		{`[1,`, 3, "text ends inside a value", io.ErrUnexpectedEOF},
		{`{"a`, 3, "text ends inside a value", io.ErrUnexpectedEOF},
		{`"\u12`, 5, "text ends inside a value", io.ErrUnexpectedEOF},
		{`tru`, 3, "text ends inside a value", io.ErrUnexpectedEOF},
		{`-`, 1, "text ends inside a value", io.ErrUnexpectedEOF},
		{`<html>`, 0, "want a value", nil},
		{`[1,]`, 3, "want a value", nil},
		{`[trux]`, 4, "want true, false or null", nil},
		{`[01]`, 2, "number with a leading zero", nil},
		{`[1.x]`, 3, "want a digit", nil},
		{`{a:1}`, 1, "want a member name in quotes", nil},
		{`{"a" 1}`, 5, "want a colon after the member name", nil},
		{`[1 2]`, 3, "want a comma or the closing bracket", nil},
		{"[\"ab\n\"]", 4, "control character in a string", nil},
		{`["ab\x"]`, 5, "unknown escape sequence", nil},
		{`"\u00g0"`, 5, "unknown escape sequence", nil},
		{"[\"ab\xff\"]", 4, "string is not UTF-8", nil},
		{strings.Repeat("[", 10_001), 10_000, "nested too deep", nil},
	}
	for _, tt := range tests {
		_, _, err := scan([]byte(tt.in))
		syntax, ok := errors.AsType[*SyntaxError](err)
		if !ok {
			t.Errorf("scan(%.20q) error = %v, want a *SyntaxError", tt.in, err)
			continue
		}
		if syntax.Offset != tt.offset || syntax.Msg != tt.text {
			t.Errorf("scan(%.20q) error = %v, want %q at %d", tt.in, err, tt.text, tt.offset)
		}
		if !errors.Is(err, tt.is) && tt.is != nil || tt.is == nil && syntax.Unwrap() != nil {
			t.Errorf("scan(%.20q) error wraps %v, want %v", tt.in, syntax.Unwrap(), tt.is)
		}
	}
}

func TestKindOf(t *testing.T) {
	tests := []struct {
		in   string
		want Kind
		text string
	}{
		{`{}`, KindObject, "object"},
		{"\uFEFF\n [1]", KindArray, "array"},
		{`"a"`, KindString, "string"},
		{`-1`, KindNumber, "number"},
		{`0`, KindNumber, "number"},
		{`true`, KindBool, "boolean"},
		{`false`, KindBool, "boolean"},
		{` null`, KindNull, "null"},
		{``, KindInvalid, "invalid text"},
		{`<`, KindInvalid, "invalid text"},
	}
	for _, tt := range tests {
		if got := KindOf([]byte(tt.in)); got != tt.want || got.String() != tt.text {
			t.Errorf("KindOf(%q) = %v, want %v", tt.in, got, tt.text)
		}
	}
	if got := Kind(99).String(); got != "invalid text" {
		t.Errorf("Kind(99) = %q, want %q", got, "invalid text")
	}
}

// FuzzValid has the property that Valid agrees with two other validators, and
// that scan takes exactly what Valid takes.
func FuzzValid(f *testing.F) {
	for _, in := range append(accepted[:len(accepted):len(accepted)], refused...) {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkAgainstOthers(t, in)
		value, rest, err := scan(in)
		if got, want := err == nil && skipSpace(rest, 0) == len(rest), Valid(in); got != want {
			t.Errorf("scan(%q) = %q, %q, %v, but Valid = %v", in, value, rest, err, want)
		}
		if err == nil && !Valid(value) {
			t.Errorf("scan(%q) = %q, which is not valid", in, value)
		}
	})
}
