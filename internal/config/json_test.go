package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestJSONSyntax(t *testing.T) {
	tests := []struct {
		name, in, want string // want is the one problem
	}{
		{"empty", "", `f.json:1:1: the file is empty; write an object: {...}`},
		{"only space", " \n ", `f.json:2:2: the file is empty; write an object: {...}`},
		{"trailing comma in object", "{\n  \"a\": 1,\n}", `f.json:3:1: expected a key in double quotes, got '}'; remove the comma before it`},
		{"trailing comma in list", `[1, ]`, `f.json:1:5: expected a value, got ']'; remove the comma before it`},
		{"comment", "{\n// no\n}", `f.json:2:1: expected a key in double quotes, got '/'; JSON has no comments, write a key that begins with "@" instead`},
		{"comment behind a value", "{\n\"a\": 1 // no\n}", `f.json:2:8: expected ',' or '}' after the value of "a", got '/'; JSON has no comments, write a key that begins with "@" instead`},
		{"comment behind an item", "[1 # no\n]", `f.json:1:4: expected ',' or ']' after an item of the list, got '#'; JSON has no comments, write a key that begins with "@" instead`},
		{"brace that is not closed", "[{\"a\": 1,\n{\"b\": 2}]", `f.json:2:1: expected a key in double quotes, got '{'; the object that begins in line 1 is still open, close it with '}'`},
		{"single quotes", `{'a': 1}`, `f.json:1:2: expected a key in double quotes, got '\''; write text in double quotes`},
		{"template", `{"port": {{ .port }}}`, `f.json:1:11: expected a key in double quotes, got '{'; this looks like a template: set FC_ENABLE=1, or name a folder by --settings, --partials or --templates`},
		{"template of a list", `{"endpoints": [{{ range .all }}]}`, `f.json:1:17: expected a key in double quotes, got '{'; this looks like a template: set FC_ENABLE=1, or name a folder by --settings, --partials or --templates`},
		{"template of a file", `{{ template "main" }}`, `f.json:1:2: expected a key in double quotes, got '{'; this looks like a template: set FC_ENABLE=1, or name a folder by --settings, --partials or --templates`},
		{"bare key", `{a: 1}`, `f.json:1:2: expected a key in double quotes, got 'a'`},
		{"missing colon", `{"a" 1}`, `f.json:1:6: expected ':' after the key "a", got '1'`},
		{"missing comma", "{\"a\": 1\n \"b\": 2}", `f.json:2:2: expected ',' or '}' after the value of "a", got '"'`},
		{"missing comma in list", `[1 2]`, `f.json:1:4: expected ',' or ']' after an item of the list, got '2'`},
		{"object without end", `{"a": 1`, `f.json:1:8: expected ',' or '}' after the value of "a", got the end of the file`},
		{"text without end", "{\n\"a\": \"x}", `f.json:2:6: the text has no closing quote on its line; write it where the text ends, or \n for a new line in it`},
		{"escaped text without end", "{\n\"a\": \"x\\n}", `f.json:2:6: the text has no closing quote on its line; write it where the text ends, or \n for a new line in it`},
		{"line break in text", "[\"a\nb\"]", `f.json:1:2: the text has no closing quote on its line; write it where the text ends, or \n for a new line in it`},
		{"tab after escape", "[\"\\n\tb\"]", `f.json:1:5: a control character in a text; write it as \u0009`},
		{"unknown escape", `["C:\data"]`, `f.json:1:6: expected one of "\/bfnrtu after a backslash, got 'd'; write a backslash as \\`},
		{"short unicode escape", `["\u12"]`, `f.json:1:4: expected four hexadecimal digits after \u`},
		{"leading zero", `[01]`, `f.json:1:3: a number does not begin with 0; write it without, or put a text in quotes`},
		{"no fraction", `[1.]`, `f.json:1:4: expected a digit, got ']'`},
		{"no exponent", `[1e+]`, `f.json:1:5: expected a digit, got ']'`},
		{"lone minus", `[-]`, `f.json:1:3: expected a digit, got ']'`},
		{"word", `[nil]`, `f.json:1:2: expected a value, got 'n'`},
		{"two values", "{}\n{}", `f.json:2:1: expected the end of the file, got '{'; write one value only`},
		{"columns count characters", `["äöü" x]`, `f.json:1:8: expected ',' or ']' after an item of the list, got 'x'`},
		{"too deep", strings.Repeat("[", 10_001), `f.json:1:10001: lists and objects are nested more than 10000 deep`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ps := config.Parse("f.json", []byte(tt.in))
			if d != nil || len(ps) != 1 || ps[0].Error() != tt.want || ps[0].Code != config.CodeSyntax || ps[0].Severity != config.Error {
				t.Errorf("Parse(%.40q) = %v, %v\nwant %s", tt.in, d, ps, tt.want)
			}
		})
	}
}

func TestJSONText(t *testing.T) {
	tests := []struct{ in, want string }{
		{`"plain"`, "plain"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u00e4\u4e16"`, "ä世"},
		{`"\ud83d\ude00"`, "😀"},
		{`"a\ud83dz"`, "a\ufffdz"},
		{`"\ud83d\u0041"`, "\ufffdA"},
		{`"\ude00"`, "\ufffd"},
		{`"\ud83d"`, "\ufffd"},
		{"\"a\xffb\"", "a\ufffdb"},
		{"\"\\n\xffb\"", "\n\ufffdb"},
	}
	for _, tt := range tests {
		d, _ := config.Parse("f", []byte(tt.in))
		if d == nil || d.Root.Text != tt.want {
			t.Errorf("Parse(%q) = %+v, want %q", tt.in, d, tt.want)
		}
	}
}

func TestJSONWarnings(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"duplicate key", "{\n \"a\": 1,\n \"b\": {\"x\": 1,\n  \"x\": 2}}",
			`warning: f.json:4:3: b.x: the key "x" occurs twice; the value at f.json:3:13 is ignored, keep one of the two` + "\n"},
		{"not UTF-8", "{\n\"a\": \"\xff\"}",
			`warning: f.json:2:7: the byte 0xff is not UTF-8 and is read as U+FFFD; save the file as UTF-8` + "\n"},
		{"U+FFFD itself", "[\"\ufffd\"]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ps := config.Parse("f.json", []byte(tt.in))
			if got := config.Format(ps); got != tt.want {
				t.Errorf("got %swant %s", got, tt.want)
			}
		})
	}
}

func TestJSONDuplicatesInLargeObject(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{`)
	for i := range 40 {
		fmt.Fprintf(&b, `"k%d":%d,`, i%30, i)
	}
	b.WriteString(`"end":true}`)
	d, ps := config.Parse("f", []byte(b.String()))
	if len(ps) != 10 || len(d.Root.Members) != 31 {
		t.Fatalf("%d problems, %d members; want 10, 31", len(ps), len(d.Root.Members))
	}
	for i, m := range d.Root.Members {
		if got := m.Value.Path(); got != m.Key {
			t.Errorf("member %d: path %s, want %s", i, got, m.Key)
		}
	}
	if got := d.Root.Get("k3").Text; got != "33" {
		t.Errorf("k3 = %s, want the last value, 33", got)
	}
}

// FuzzJSON states that the parser accepts what encoding/json accepts, reads
// the same values, and writes what reads back as the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+3,true,null,"\ud83d\ude00\n"],"b":{}}`, `[]`, `"\u0000"`, "\ufeff{}", `{"a":1,"a":2}`,
		"[\"\xff\"]", `[1.]`, `{"a"}`, `-`, `"\ud800\ud800\udc00"`, "\x00", `nul`, `[01]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ps := config.Parse("f.json", in)
		plain := bytes.TrimPrefix(in, []byte("\ufeff"))
		if valid := json.Valid(plain); valid != (d != nil) || !valid && !config.HasErrors(ps) {
			t.Fatalf("valid: encoding/json %v, Parse %v: %v", valid, d != nil, ps)
		}
		if d == nil {
			return
		}
		if !utf8.Valid(in) {
			return // runs of bad bytes become one U+FFFD here, several there
		}
		var want any
		decoder := json.NewDecoder(bytes.NewReader(plain))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := d.Root.Value(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v", got, want)
		}
		again, _ := config.Parse("f.json", d.Root.JSON())
		if again == nil || !reflect.DeepEqual(again.Root.Value(), want) {
			t.Fatalf("%s does not read back", d.Root.JSON())
		}
	})
}

func BenchmarkParseJSON(b *testing.B) {
	in := largeJSON(1000)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if d, _ := config.Parse("f.json", in); d == nil {
			b.Fatal("not valid")
		}
	}
}

// largeJSON returns a configuration with n endpoints.
func largeJSON(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"version":3,"endpoints":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `
    {
      "endpoint": "/users/%d/{id}", "method": "GET", "timeout": "800ms",
      "input_headers": ["Authorization", "X-Request-Id"],
      "backend": [{"url_pattern": "/v1/users/{id}", "host": ["http://users-%[1]d:8080"], "allow": ["id", "name"],
        "extra_config": {"qos/circuit-breaker": {"interval": 60, "timeout": 10, "max_errors": 3}}}]
    }`, i)
	}
	b.WriteString("]}")
	return b.Bytes()
}
