package route

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadings(t *testing.T) {
	tests := []struct {
		path       string
		parameters bool
		want       []string
	}{
		{"/v2/Admin", false, nil},
		{"/v2/report-1_a~b.json", false, nil},
		{"/v2/a:b@c,d=1", false, nil},
		{"/v2/;/admin", false, []string{"/v2/admin", "/v2/"}},
		{"/v2/;/admin", true, []string{"/v2/;/admin"}},
		{"/v2/admin;x=1/y", false, []string{"/v2/admin/y", "/v2/admin"}},
		{"/v2/admin/;x", false, []string{"/v2/admin/", "/v2/admin/"}},
		{"/v2/%2561dmin", false, []string{"/v2/admin"}},
		{"/v2/%252fadmin", false, []string{"/v2/admin"}},
		{"/v2/%25%36%31dmin", false, []string{"/v2/admin"}},
		{"/v2/%u0061dmin", false, []string{"/v2/admin"}},
		{"/v2/..%5cadmin", false, []string{"/v2/admin"}}, // of which DotSegment tells
		{"/v2/%252e%252e/admin", false, []string{"/v2/admin"}},
		{"/v2/%5cadmin", false, []string{"/v2/admin"}},
		{"/v2/\\admin", false, []string{"/v2/admin"}},
		{"/v2/admin%20/x", false, []string{"/v2/admin/x"}},
		{"/v2/admin./x", false, []string{"/v2/admin/x"}},
		{"/v2/admin%00.png", false, []string{"/v2/admin\x00.png", "/v2/admin"}},
		{"/v2/admin%3fx", false, []string{"/v2/admin?x", "/v2/admin"}},
		{"/v2/%EF%BD%81dmin", false, []string{"/v2/admin"}},
		{"/v2/%C1%A1dmin", false, []string{"/v2/admin"}},
		{"/v2/%EF%AC%81les", false, []string{"/v2/files"}}, // a ligature
		{"/v2/o%EF%AC%83ce", false, []string{"/v2/office"}},
		{"/v2/%E3%8E%8F", false, []string{"/v2/kg"}},
		{"/v2/adm%C4%B1n", false, []string{"/v2/admin"}}, // an i without its dot, which is an I as a capital
		{"/v2/adm%C4%B0n", false, []string{"/v2/admin"}},
		{"/v2/admin/", false, []string{"/v2/admin/"}},
		{"/;", false, []string{"/"}},
		{"/v2/100%", false, []string{"/v2/100%"}},
		{"/v2/%c3%a9", false, []string{"/v2/é"}},
	}
	for _, tt := range tests {
		got := Readings(tt.path, Text{Parameters: tt.parameters})
		if !slices.Equal(got, slices.Compact(tt.want)) && !(len(got) == 0 && len(tt.want) == 0) {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
	}
}

// TestReadsAsRoutesDo shows that what is ASCII to the choice of a route is the same to a
// reading.
func TestReadsAsRoutesDo(t *testing.T) {
	beyond := func(r rune) bool { return r >= utf8.RuneSelf }
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if 0xD800 <= r && r < 0xE000 {
			continue
		}
		text := []byte(string(r))
		folded, read := foldRunes(text), appendASCII(nil, text, "")
		if !bytes.ContainsFunc(folded, beyond) && !bytes.EqualFold(read, folded) {
			t.Errorf("%U is %q for the choice of a route and is read as %q", r, folded, read)
		}
		if len(read) > 3*len(text) {
			t.Errorf("%U: %d bytes become %d", r, len(text), len(read))
		}
	}
}

// FuzzReadings checks that a reading is read as itself, and holds no more than there was.
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"/v2/admin", "/;/a", "/%2561/%5c", "/a%00?#;", "//", "/.", "/%", "/%u00", "/\xff", "/%EF%BC%8F", "/a/;x/"} {
		f.Add(seed, true, false)
		f.Add(seed, false, true)
		f.Add(seed, false, false)
	}
	if got := Readings("/a /b.", Text{Ends: true}); !slices.Equal(got, []string{"/a /b."}) {
		f.Errorf("ends that are text are read as %q", got)
	}
	if got := Readings("/yaz%C4%B1/adm%C4%B1n", Text{Letters: "ı"}); !slices.Equal(got, []string{"/yazı/admın"}) {
		f.Errorf("letters that are text are read as %q", got)
	}
	f.Fuzz(func(t *testing.T, path string, parameters, ends bool) {
		text := Text{Parameters: parameters, Ends: ends}
		for _, reading := range Readings(path, text) {
			if reading == "" || reading[0] != '/' || strings.Contains(reading, "//") || strings.Contains(reading, "\\") || len(reading) > 4*len(path)+1 {
				t.Errorf("%q is read as %q", path, reading)
			}
			if !parameters && strings.Contains(reading, ";") {
				t.Errorf("%q is read as %q", path, reading)
			}
			if utf8.ValidString(path) && len(Readings(path, text)) > 3 {
				t.Errorf("%q has many readings", path)
			}
		}
	})
}
