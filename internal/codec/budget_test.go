package codec

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// TestBudget decodes what is small as text and large in memory, which is refused
// before the memory is taken, and what is neither.
func TestBudget(t *testing.T) {
	const size = 4 << 20
	fill := func(before, unit, after string) []byte {
		return []byte(before + strings.Repeat(unit, size/len(unit)) + after)
	}
	xml := func(b []byte, limit int64) error { _, err := DecodeXML(b, "", false, limit); return err }
	yaml := func(b []byte, limit int64) error { _, err := DecodeYAML(b, false, limit); return err }
	rss := func(b []byte, limit int64) error { _, err := DecodeRSS(b, "", limit); return err }
	tests := []struct {
		name   string
		decode func([]byte, int64) error
		text   []byte
		fits   bool
	}{
		{"empty elements", xml, fill("<r>", "<a/>", "</r>"), false},
		{"elements in elements", xml, fill("<r>", "<a><b/></a>", "</r>"), false},
		{"attributes", xml, fill("<r>", `<a b=""/>`, "</r>"), false},
		{"attributes of one element", xml, fill("<r", ` b=""`, "/>"), false},
		{"a long text", xml, fill("<r>", "text ", "</r>"), true},
		{"elements with texts", xml, fill("<r>", "<name>"+strings.Repeat("text ", 100)+"</name>", "</r>"), true},
		{"flow", yaml, fill("a: [0", ",0", "]"), false},
		{"collections", yaml, fill("a: [[]", ",[]", "]"), false},
		{"lines", yaml, fill("a:\n", "- 0\n", ""), false},
		{"copies", yaml, []byte("a: &a [" + strings.Repeat("0,", 20_000) + "]\nb:\n" + strings.Repeat("- *a\n", 40) + "# " + strings.Repeat("x", size)), false},
		{"prose", yaml, fill("a: \"", "a text without an end ", "\""), true},
		{"items", rss, fill(`<rss version="2.0"><channel>`, "<item><title>a</title></item>", "</channel></rss>"), false},
		{"categories", rss, fill(`<rss version="2.0"><channel><item>`, "<category>a</category>", "</item></channel></rss>"), false},
		{"a feed in JSON", rss, fill(`{"version":"https://jsonfeed.org/version/1","items":[{}`, ",{}", "]}"), false},
		{"a long description", rss, fill(`<rss version="2.0"><channel><item><description>`, "text ", "</description></item></channel></rss>"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const limit = 32 << 20
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := tt.decode(tt.text, limit)
			runtime.ReadMemStats(&after)
			if tt.fits != (err == nil) || !tt.fits && !errors.Is(err, ErrTooLarge) {
				t.Errorf("error %v, want success: %t", err, tt.fits)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 8*limit {
				t.Errorf("%d bytes were taken", took)
			}
		})
	}
	if err := xml(fill("<r>", "<a/>", "</r>"), 0); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
