package codec

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	tests := []struct {
		name   string
		accept string
		want   Output
	}{
		{"none", "", JSON},
		{"json", "application/json", JSON},
		{"application", "application/*", JSON},
		{"anything", "*/*", JSON},
		{"unknown", "image/png", JSON},
		{"xml", "application/xml", XML},
		{"text xml", "text/xml", XML},
		{"plain text", "text/plain", YAML},
		{"text", "text/*", YAML},
		{"x-yaml", "application/x-yaml", YAML},
		{"yaml", "application/yaml", YAML},
		{"unknown, then xml, then anything", "text/html, application/xml;q=0.9, */*;q=0.1", XML},
		{"weight decides", "application/json;q=0.1, application/xml", XML},
		{"weight decides whatever the order", "application/xml;q=0.2,text/plain;q=0.3,application/json;q=0.1", YAML},
		{"equal weights, first wins", "application/xml, application/json", XML},
		{"equal weights, first wins the other way", "application/json, application/xml", JSON},
		{"equal weights, range first", "*/*, application/xml", JSON},
		{"equal weights, range last", "application/xml, */*", XML},
		{"text range before json", "text/*, application/json", YAML},
		{"browser", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", XML},
		{"case", "APPLICATION/XML", XML},
		{"parameters", "application/xml; charset=utf-8; q=0.5, application/json;q=0.4", XML},
		{"parameters behind the weight", "application/xml;q=0.5;ext=1, application/json;q=0.4", XML},
		{"weight in capitals", "application/json;Q=0.1, application/xml;Q=0.2", XML},
		{"comma in quotes", `application/xml;p="a, application/json;q=1";q=0.1, text/plain;q=0.2`, YAML},
		{"escaped quote", `application/xml;p="\", text/plain", application/json;q=0.5`, XML},
		{"white space", " application/json ;q=0.1 ,\tapplication/xml ; q=1.000", XML},
		{"weight 0 excludes", "application/json;q=0, */*", XML},
		{"weight 0 of all but one", "application/json;q=0, application/xml;q=0.0, */*;q=0.001", YAML},
		{"weight 0 of everything", "*/*;q=0", JSON},
		{"specific range beats a heavier one", "application/*;q=0.9, application/json;q=0.1, application/xml;q=0.2", YAML},
		{"specific range beats an earlier one", "*/*;q=1, application/json;q=0.5", XML},
		{"the heavier of two names", "text/xml;q=0.1, application/json;q=0.5, application/xml;q=0.9", XML},
		{"three decimals", "application/json;q=0.998, application/xml;q=0.999", XML},
		{"malformed weights", "application/xml;q=high, application/xml;q=2, application/xml;q=1.001, application/xml;q=0.1234, application/xml;q=, application/xml;q=.5, application/xml;q=1x, application/xml;q=0.x, text/plain;q=0.001", YAML},
		{"weight with a dot alone", "application/json;q=0., application/xml;q=1.", XML},
		{"empty entries", ",, application/xml,", XML},
		{"no media range", "xml", JSON},
		{"structured suffix is unknown", "application/problem+xml", JSON},
		{"unterminated quote", `application/xml;p="`, XML},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Negotiate(tt.accept); got != tt.want {
				t.Errorf("Negotiate(%q) = %d, want %d", tt.accept, got, tt.want)
			}
		})
	}
}

func TestNegotiateAllocates(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	if n := testing.AllocsPerRun(100, func() { Negotiate(browser) }); n != 0 {
		t.Errorf("Negotiate allocates %v times, want 0", n)
	}
}

// FuzzNegotiate states that any header gives one of the three outputs, that
// weights of 0 for everything give JSON, and that a header that prefers XML
// cannot be talked out of it by what has a lower weight.
func FuzzNegotiate(f *testing.F) {
	f.Add("text/html, application/xml;q=0.9, */*;q=0.1")
	f.Add(`application/json;p="a,b\"";q=0.5,,;`)
	f.Fuzz(func(t *testing.T, accept string) {
		if o := Negotiate(accept); o != JSON && o != XML && o != YAML {
			t.Fatalf("Negotiate(%q) = %d", accept, o)
		}
		if strings.ContainsAny(accept, `"\`) {
			return
		}
		if o := Negotiate("application/xml," + accept); o != XML {
			t.Fatalf("Negotiate of application/xml and then %q = %d, want XML", accept, o)
		}
	})
}

func TestOutputNamed(t *testing.T) {
	tests := []struct {
		name        string
		want        Output
		ok          bool
		contentType string
	}{
		{"json", JSON, true, "application/json; charset=utf-8"},
		{"fast-json", JSON, true, "application/json; charset=utf-8"},
		{"json-collection", JSONCollection, true, "application/json; charset=utf-8"},
		{"string", String, true, "text/plain; charset=utf-8"},
		{"xml", XML, true, "application/xml"},
		{"yaml", YAML, true, "application/yaml; charset=utf-8"},
		{"negotiate", Negotiated, true, ""},
		{"no-op", NoOp, true, ""},
		{"zzz", JSON, false, "application/json; charset=utf-8"},
		{"JSON", JSON, false, "application/json; charset=utf-8"},
		{"safejson", JSON, false, "application/json; charset=utf-8"},
		{"rss", JSON, false, "application/json; charset=utf-8"},
		{"", JSON, false, "application/json; charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := OutputNamed(tt.name)
			if got != tt.want || ok != tt.ok {
				t.Errorf("OutputNamed(%q) = %d, %v, want %d, %v", tt.name, got, ok, tt.want, tt.ok)
			}
			if ct := got.ContentType(); ct != tt.contentType {
				t.Errorf("%q has Content-Type %q, want %q", tt.name, ct, tt.contentType)
			}
		})
	}
}

func BenchmarkNegotiate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Negotiate("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")
	}
}
