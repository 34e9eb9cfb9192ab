package route

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzDotSegment looks for dot segments as plainly as can be, and shows that none
// of them is overlooked.
func FuzzDotSegment(f *testing.F) {
	for _, s := range []string{"", ".", "..", "...", "a", "a/..", `a\..\b`, "..;x", ".;", "%2e.", "%252e%252e", "%25%32%65.", "..%2f", "a%5c..", "..%3b", ".\x00", "..?x", "..#", ". ", "\xc0\xae.", "．．", "‥", "%u002e."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := DotSegment(value)
		text := value
		for range 3 {
			for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == '\\' }) {
				piece, _, _ = strings.Cut(piece, ";")
				if dot(piece) && !got {
					t.Fatalf("DotSegment(%q) = false, although %q holds %q", value, text, piece)
				}
			}
			decoded, err := url.PathUnescape(text)
			if err != nil {
				break
			}
			text = decoded
		}
		overlong := func(c byte) bool { return strings.IndexByte(value, c) >= 0 }
		if got && !strings.ContainsAny(value, "%"+dotLike) && !overlong(0xC0) && !overlong(0xE0) && !overlong(0xF0) {
			t.Fatalf("DotSegment(%q) = true", value)
		}
	})
}

func TestDotSegment(t *testing.T) {
	for path, want := range map[string]bool{"/v2/..%5cadmin": true, "/v2/%252e%252e/admin": true, "/v2/../admin": true, "/v2/%5cadmin": false, "/v2/a..b": false} {
		if got := DotSegment(path); got != want {
			t.Errorf("the path %s: got %t, want %t", path, got, want)
		}
	}
	for value, want := range map[string]bool{
		"": false, "a": false, ".": true, "..": true, "...": false, "a.": false, ".a": false, "a..b": false, "1.2": false,
		"a/..": true, "a/./b": true, `a\..`: true, "..;a": true, "a;..": false, "a;/..": true, "%2e%2E": true, "%252e.": true, "a%2f..%2fb": true, "a%5C.": true,
		"..%3bx": true, "..\x00x": true, ".. ": true, "\xc0\xae\xc0\xae": true, "\xe0\x80\xae.": true, "．．": true, "‥": true, "..／a": true, "%u002e%u002E": true,
		"naïve": false, "a%zz": false, "100%": false, "日本.": false, "é..": false,
	} {
		if got := DotSegment(value); got != want {
			t.Errorf("DotSegment(%q) = %t, want %t", value, got, want)
		}
	}
}

// TestMarks shows for every character that a reading without it being folded loses
// nothing that segments end at or are stripped of, and how much shorter it becomes.
func TestMarks(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if 0xD800 <= r && r < 0xE000 {
			continue
		}
		text := []byte(string(r))
		folded, marked := foldRunes(text), appendMarks(nil, text)
		if again := foldRunes(marked); !bytes.Equal(again, folded) {
			t.Fatalf("%U: folded %q, and %q by way of %q", r, folded, again, marked)
		}
		if len(folded)*shrinkage < len(text)*2 || len(marked) > 3*len(text) {
			t.Fatalf("%U: %d bytes, marked %d, folded %d", r, len(text), len(marked), len(folded))
		}
		first, last := folded[0], folded[len(folded)-1]
		ends := first == '.' || blank(first) || last == '.' || blank(last)
		if (ends || bytes.ContainsAny(folded, `/\;?#`)) && bytes.Equal(text, marked) {
			t.Fatalf("%U is %q, which a reading does not see", r, folded)
		}
	}
}

func TestDotSegmentAllocations(t *testing.T) {
	for _, value := range []string{"7", "user.name@example.com", "a%2fb", "1.2.3"} {
		if got := testing.AllocsPerRun(100, func() { DotSegment(value) }); got != 0 {
			t.Errorf("DotSegment(%q) allocates %v times, want 0", value, got)
		}
	}
}
