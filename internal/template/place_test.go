package template

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestPlaces puts values into what is no URL. A want that begins with an exclamation
// mark is the code of an error.
func TestPlaces(t *testing.T) {
	tests := []struct {
		name  string
		place Place
		text  string
		value string // of {a}
		want  string
	}{
		{"text", InText, "a/{a}?", "b c/#\n", "a/b c/#\n?"},
		{"text that is written out", InText, "100% {sure", "", "100% {sure"},
		{"nothing", InText, "", "", ""},
		{"a claim in text", InText, "{JWT.line}", "", "a\r\nb"},
		{"a claim that is missing", InText, "{JWT.other}", "", "!missing_value"},
		{"dots are text", InText, "{a}", "..", ".."},
		{"a header", InHeader, "Bearer {a}", "t/1 é", "Bearer t/1 é"},
		{"a line in a header", InHeader, "x{a}", "a\r\nB: c", "!bad_request"},
		{"a NUL in a header", InHeader, "x{a}", "a\x00", "!bad_request"},
		{"a blank at the end in a header", InHeader, "{a}", "ann ", "!bad_request"},
		{"what is no UTF-8 in a header", InHeader, "{a}", "\xff", "!bad_request"},
		{"a claim with a line in a header", InHeader, "{JWT.line}", "", "!bad_request"},
		{"a list in a header", InHeader, "{JWT.roles}", "", "a,2,false"},
		{"JSON", InJSON, `{a}"`, "b\"\\\n\x00{}", `"b\"\\\n\u0000{}\""`},
		{"JSON without a placeholder", InJSON, `a"`, "", `"a\""`},
		{"nothing in JSON", InJSON, "", "", `""`},
		{"an empty value in JSON", InJSON, "{a}", "", `""`},
		{"a number in JSON is text", InJSON, "{resp0_id}", "", `"7"`},
		{"what is no UTF-8 in JSON", InJSON, "{a}", "\xff", "\"\ufffd\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := Parse(tt.text, tt.place, []string{"a"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := text.Append([]byte("> "), asked(t, tt.value))
			if code, failing := strings.CutPrefix(tt.want, "!"); failing {
				if e := gateway.AsError(err); e == nil || e.Code != code {
					t.Errorf("%q with %q: %q, %v, want an error with the code %s", tt.text, tt.value, got, err, code)
				}
				return
			}
			if err != nil || string(got) != "> "+tt.want {
				t.Errorf("%q with %q: %q, %v, want %q", tt.text, tt.value, got, err, "> "+tt.want)
			}
			if literal, ok := text.Literal(); ok && literal != tt.want || ok == strings.Contains(tt.text, "}") {
				t.Errorf("%q: literal %q, %t", tt.text, literal, ok)
			}
		})
	}
}

// TestLiterals refuses what is written out and may not stand there.
func TestLiterals(t *testing.T) {
	for _, tt := range []struct {
		place Place
		text  string
	}{{InPath, "/%zz"}, {InQuery, "a=%"}, {InHeader, "a\n{a}"}, {InHeader, "\x7f"}} {
		if _, err := Parse(tt.text, tt.place, []string{"a"}); err == nil || !strings.Contains(err.Error(), "; write ") {
			t.Errorf("%q: %v, want what to write instead", tt.text, err)
		}
	}
}

// TestResultTree finds values in an answer that is a tree, which others read as well.
func TestResultTree(t *testing.T) {
	var b body.Body
	b.SetTree(map[string]any{"id": json.Number("7"), "list": []any{"a", nil, []any{nil}}, "null": nil, "deep": map[string]any{"x": []any{true}}})
	defer b.Close()
	results := []gateway.Result{{}, {Body: &b}}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for name, want := range map[string]string{"resp1_id": "7", "resp1_list": "a,<nil>,<nil>", "resp1_null": "<nil>", "resp1_deep.x.0": "true", "resp1_deep": `{"x":[true]}`, "resp1_none": "!", "resp1_id.x": "!", "resp0_id": "!", "resp2_id": "!"} {
				call, path, ok := ParseResult(name)
				if !ok {
					t.Errorf("%s is no name of a result", name)
				}
				if got, ok := ResultText(results, call, path); ok != (want != "!") || ok && got != want {
					t.Errorf("%s: %q, %t, want %q", name, got, ok, want)
				}
			}
		})
	}
	wg.Wait()
	if b.Form() != body.Tree {
		t.Errorf("the answer is %v now, want a tree", b.Form())
	}
}

// TestAllocations counts what a usual path costs: nothing but its room.
func TestAllocations(t *testing.T) {
	text, err := Parse("/users/{a}/{JWT.sub}", InPath, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	x := asked(t, "17")
	var room [128]byte
	if n := testing.AllocsPerRun(100, func() { text.Append(room[:0], x) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzPlaces puts any value into JSON, text and a header: JSON gives it back, and a
// header holds one line.
func FuzzPlaces(f *testing.F) {
	for _, v := range []string{"", "a", "a\"b\\", "\r\n", "\xff", "é\u2028", "{a}", " x "} {
		f.Add(v)
	}
	var texts [InJSON + 1]Text
	for place := range texts {
		var err error
		if texts[place], err = Parse("<{a}>", Place(place), []string{"a"}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, v string) {
		x := gateway.Acquire(nil)
		defer x.Release()
		x.Params = append(x.Params, v)
		text, err := texts[InText].Append(nil, x)
		if err != nil || string(text) != "<"+v+">" {
			t.Fatalf("text %q, %v", text, err)
		}
		quoted, err := texts[InJSON].Append(nil, x)
		var back string
		if err != nil || json.Unmarshal(quoted, &back) != nil || back != strings.ToValidUTF8("<"+v+">", "\ufffd") && strings.ToValidUTF8(v, "") == v {
			t.Fatalf("%q: JSON %s is %q, %v", v, quoted, back, err)
		}
		header, err := texts[InHeader].Append(nil, x)
		if (err == nil) != gateway.Carried(v) || err == nil && strings.ContainsAny(string(header), "\r\n\x00") {
			t.Fatalf("%q: header %q, %v", v, header, err)
		}
	})
}

// FuzzParse compiles any text for any place: what compiles and holds no placeholder is
// literal, plain text as it is, and what a header holds is carried by one.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "/x/{a}?y={JWT.sub}", "{", "}{", "{}", "{a", "a}", "{a}{a}", "%41%", "é\xff\n", "{resp0_a.b}", "{input_headers.X}", "{resp99999999999999999999_a}"} {
		for place := range InJSON + 1 {
			f.Add(text, uint8(place))
		}
	}
	f.Fuzz(func(t *testing.T, s string, place uint8) {
		text, err := Parse(s, Place(place)%(InJSON+1), []string{"a"})
		if err != nil {
			return
		}
		placeholders := 0
		for _, p := range text.Parts() {
			if p.From != Literal {
				placeholders++
			}
		}
		literal, ok := text.Literal()
		if ok != (placeholders == 0) {
			t.Fatalf("%q: %d placeholders, literal %t", s, placeholders, ok)
		}
		switch {
		case !ok:
		case text.Place() == InText && literal != s:
			t.Fatalf("%q is %q as text", s, literal)
		case text.Place() == InJSON && !json.Valid([]byte(literal)):
			t.Fatalf("%q is %q in JSON", s, literal)
		case text.Place() == InHeader && !gateway.Carried("x"+literal+"x"):
			t.Fatalf("%q is no header", literal)
		case text.Place() <= InQuery && strings.ContainsAny(literal, " \r\n\x00#"):
			t.Fatalf("%q is no part of a URL", literal)
		}
	})
}
