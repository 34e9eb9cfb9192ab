package codec

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
)

func TestDecodeXML(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"contract example",
			`<root id="7"><user type="admin"><name>A</name></user><tag>a</tag><tag>b</tag><empty/><mixed>t<b>x</b></mixed></root>`,
			`{"root":{"-id":"7","user":{"-type":"admin","name":"A"},"tag":["a","b"],"empty":"","mixed":{"#text":"t","b":"x"}}}`},
		{"text only", `<a>x</a>`, `{"a":"x"}`},
		{"empty root", `<a/>`, `{"a":""}`},
		{"attribute only", `<a b="1"/>`, `{"a":{"-b":"1"}}`},
		{"attribute and text", `<a b="1"> x </a>`, `{"a":{"-b":"1","#text":"x"}}`},
		{"empty attribute", `<a b=""/>`, `{"a":{"-b":""}}`},
		{"numbers are text", `<a><n>1.10</n><t>true</t></a>`, `{"a":{"n":"1.10","t":"true"}}`},
		{"three of a kind", `<a><b>1</b><c/><b x="2"/><b/></a>`, `{"a":{"b":["1",{"-x":"2"},""],"c":""}}`},
		{"white space is no text", "<a>\n  <b/>\n</a>", `{"a":{"b":""}}`},
		{"white space inside is kept", "<a> x\n y </a>", `{"a":"x\n y"}`},
		{"text around children is joined", `<a>x <b>y</b> z</a>`, `{"a":{"#text":"x  z","b":"y"}}`},
		{"comment splits no text", `<a>x<!-- c -->y</a>`, `{"a":"xy"}`},
		{"comments outside", `<!-- a --><a/><!-- b -->`, `{"a":""}`},
		{"CDATA", `<a>1 <![CDATA[<b> & ]]>x</a>`, `{"a":"1 <b> & x"}`},
		{"instructions", `<?xml version="1.0"?><?xml-stylesheet href="x"?><a><?php echo ?>x</a>`, `{"a":"x"}`},
		{"version 1.1", `<?xml version="1.1"?><a/>`, `{"a":""}`},
		{"white space around", " \r\n<?xml version=\"1.0\"?>\n<a/>\n", `{"a":""}`},
		{"predefined entities", `<a b="&lt;&quot;">&amp;&#x41;&#66;</a>`, `{"a":{"-b":"<\"","#text":"&AB"}}`},
		{"doctype is skipped", `<!DOCTYPE a [<!ELEMENT a ANY>]><a/>`, `{"a":""}`},
		{"prefixes are dropped", `<s:a xmlns:s="urn:s" xmlns="urn:d" s:x="1"><s:b/><b/></s:a>`, `{"a":{"-s":"urn:s","-xmlns":"urn:d","-x":"1","b":["",""]}}`},
		{"undeclared prefix", `<s:a s:x="1"/>`, `{"a":{"-x":"1"}}`},
		{"plain attribute beats prefixed", `<a x="1" p:x="2" q:y="3" r:y="4"/>`, `{"a":{"-x":"1","-y":"4"}}`},

		{"latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe9'>\xe4</a>", `{"a":{"-b":"é","#text":"ä"}}`},
		{"windows-1252, any case", "<?xml version=\"1.0\" encoding = \"Windows-1252\" ?><a>\x80</a>", `{"a":"€"}`},
		{"Shift_JIS", "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><a>\x93\xfa</a>", `{"a":"日"}`},
		{"utf-8 declared", `<?xml version="1.0" encoding="utf-8"?><a>ä</a>`, `{"a":"ä"}`},
		{"utf-16 declared, utf-8 in fact", `<?xml version="1.0" encoding="UTF-16"?><a>ä</a>`, `{"a":"ä"}`},
		{"byte order mark", "\xef\xbb\xbf<a>ä</a>", `{"a":"ä"}`},
		{"byte order mark beats declaration", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"latin1\"?><a>ä</a>", `{"a":"ä"}`},
		{"invalid bytes", "<a>\xff\xfe</a>", ""},
		{"invalid bytes behind a byte order mark", "\xef\xbb\xbf<a>\xff</a>", ""},
		{"invalid bytes under a declaration", "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><a>\x93</a>", ""},
		{"what is not ASCII", "<?xml version=\"1.0\" encoding=\"us-ascii\"?><a>ä</a>", ""},

		{"nothing", "", ""},
		{"white space", " \n", ""},
		{"comment alone", "<!-- -->", ""},
		{"declaration alone", `<?xml version="1.0"?>`, ""},
		{"cut in a tag", `<a><b`, ""},
		{"cut in the text", `<a><b>x`, ""},
		{"cut before the last tag", `<a><b/>`, ""},
		{"cut in the declaration", `<?xml version="1.0"`, ""},
		{"tags crossed", `<a><b></a></b>`, ""},
		{"two roots", `<a/><b/>`, ""},
		{"two roots of one name", `<a/><a/>`, ""},
		{"text behind", `<a/>x`, ""},
		{"text in front", `x<a/>`, ""},
		{"JSON", `{"a":1}`, ""},
		{"HTML", `<html><br><p>x</html>`, ""},
		{"attribute without quotes", `<a b=1/>`, ""},
		{"bare ampersand", `<a>x & y</a>`, ""},
		{"unknown entity", `<a>&nbsp;</a>`, ""},
		{"entity of the document", `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, ""},
		{"external entity", `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`, ""},
		{"control character", "<a>\x01</a>", ""},
		{"unknown charset", `<?xml version="1.0" encoding="klingon"?><a/>`, ""},
		{"charset without quotes", `<?xml version="1.0" encoding=utf-8?><a/>`, ""},
		{"charset without end", `<?xml version="1.0" encoding="utf-8?><a/>`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeXML([]byte(tt.in), "", false, 0)
			checkTree(t, tt.in, got, err, tt.want)
			want := tt.want
			if want != "" {
				want = `{"collection":` + want + `}`
			}
			got, err = DecodeXML([]byte(tt.in), "", true, 0)
			checkTree(t, tt.in, got, err, want)
		})
	}
}

// TestDecodeXMLCharset has documents with the Content-Type that they came with.
func TestDecodeXMLCharset(t *testing.T) {
	const latin1 = "<?xml version='1.0' encoding='ISO-8859-1'?>"
	tests := []struct{ name, contentType, in, want string }{
		{"declaration alone", "application/xml", latin1 + "<a>\xe4</a>", `{"a":"ä"}`},
		{"Content-Type alone", "text/xml; charset=iso-8859-1", "<a>\xe4</a>", `{"a":"ä"}`},
		{"Content-Type beats the declaration", "application/xml;charset=utf-8", latin1 + "<a>ä</a>", `{"a":"ä"}`},
		{"byte order mark beats Content-Type", "application/xml;charset=latin1", "\xef\xbb\xbf<a>ä</a>", `{"a":"ä"}`},
		{"UTF-16 by its mark, whatever is said", "application/xml;charset=utf-8", "\xff\xfe<\x00a\x00/\x00>\x00", `{"a":""}`},
		{"UTF-16 by Content-Type", "application/xml;charset=utf-16", "\x00<\x00a\x00/\x00>", `{"a":""}`},
		{"UTF-16 by Content-Type, little endian in fact", "application/xml;charset=utf-16", "<\x00a\x00/\x00>\x00", `{"a":""}`},
		{"UTF-8 that is said to be UTF-16", "application/xml;charset=utf-16", "<a>ä</a>", ""},
		{"Latin-1 that is said to be UTF-8", "application/xml;charset=utf-8", latin1 + "<a>\xe4</a>", ""},
		{"unknown charset", "application/xml;charset=klingon", "<a/>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeXML([]byte(tt.in), tt.contentType, false, 0)
			checkTree(t, tt.in, got, err, tt.want)
			rss := strings.NewReplacer("<a>", "<rss><channel><title>", "</a>", "</title></channel></rss>").Replace(tt.in)
			if strings.Contains(tt.in, "\x00") || tt.in == "<a/>" {
				return
			}
			want := ""
			if tt.want != "" {
				want = strings.Replace(emptyTree, `"title":""`, `"title":"ä"`, 1)
			}
			got, err = DecodeRSS([]byte(rss), tt.contentType, 0)
			checkTree(t, rss, got, err, want)
		})
	}
}

func TestDecodeXMLOfUTF16(t *testing.T) {
	const text = `<?xml version="1.0" encoding="UTF-16"?><a b="ü">日本</a>`
	for name, e := range map[string]unicode.Endianness{"big": unicode.BigEndian, "little": unicode.LittleEndian} {
		for bom, policy := range map[string]unicode.BOMPolicy{"marked": unicode.UseBOM, "unmarked": unicode.IgnoreBOM} {
			t.Run(name+" endian "+bom, func(t *testing.T) {
				b, err := unicode.UTF16(e, policy).NewEncoder().Bytes([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				got, err := DecodeXML(b, "", false, 0)
				checkTree(t, text, got, err, `{"a":{"-b":"ü","#text":"日本"}}`)
			})
		}
	}
}

func TestDecodeXMLBounds(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(strings.Repeat("<a>", n) + strings.Repeat("</a>", n))
	}
	if _, err := DecodeXML(nested(maxDepth), "", false, 0); err != nil {
		t.Errorf("%d levels: %v, want no error", maxDepth, err)
	}
	if _, err := DecodeXML(nested(maxDepth+1), "", false, 0); err == nil {
		t.Errorf("%d levels: no error", maxDepth+1)
	}
	laughs := `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><l>&c;</l>`
	if v, err := DecodeXML([]byte(laughs), "", false, 0); err == nil {
		t.Errorf("entities of the document = %v, want an error", v)
	}
	wide := "<a>" + strings.Repeat("<b>x</b>", 1_000_000) + "</a>" // a square of that would never end
	if _, err := DecodeXML([]byte(wide), "", false, 0); err != nil {
		t.Errorf("a million children: %v", err)
	}
}

func TestAppendXML(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"contract example", `{"a":{"x":[1,2],"z":"s"},"b":1}`, `<doc><a><x>1</x><x>2</x><z>s</z></a><b>1</b></doc>`},
		{"one key is the root", `{"root":{"a":1}}`, `<root><a>1</a></root>`},
		{"one scalar is the root", `{"a":"x"}`, `<a>x</a>`},
		{"empty object", `{}`, `<doc/>`},
		{"lone collection", `{"collection":[{"a":1},{"a":2}]}`, `<doc><collection><a>1</a></collection><collection><a>2</a></collection></doc>`},
		{"lone empty collection", `{"collection":[]}`, `<doc><collection/></doc>`},
		{"null root", `{"a":null}`, `<a/>`},
		{"empty values", `{"r":{"a":"","b":null,"c":{},"d":[],"e":[null,""]}}`, `<r><a/><b/><c/><d/><e/><e/></r>`},
		{"scalars", `{"r":{"t":true,"f":false,"n":12345678901234567890,"p":1.10,"z":0,"s":"s"}}`,
			`<r><f>false</f><n>12345678901234567890</n><p>1.10</p><s>s</s><t>true</t><z>0</z></r>`},
		{"attributes and text", `{"r":{"-b":2,"-a":"1","#text":"t","c":"x","-n":null,"-t":true}}`, `<r a="1" b="2" n="" t="true">t<c>x</c></r>`},
		{"attributes only", `{"r":{"-a":"1"}}`, `<r a="1"/>`},
		{"empty text", `{"r":{"-a":"1","#text":""}}`, `<r a="1"/>`},
		{"attribute at the top", `{"-a":1}`, `<doc a="1"/>`},
		{"text at the top", `{"#text":"x"}`, `<doc>x</doc>`},
		{"attributes at the top", `{"-a":1,"b":2}`, `<doc a="1"><b>2</b></doc>`},
		{"attribute that is no scalar", `{"r":{"-a":{"b":1},"-c":[1,2]}}`, `<r><_-a><b>1</b></_-a><_-c>1</_-c><_-c>2</_-c></r>`},
		{"text that is no scalar", `{"r":{"#text":["a","b"]}}`, `<r><_text>a</_text><_text>b</_text></r>`},
		{"arrays in arrays", `{"r":{"a":[[1,2],[3,[]]]}}`, `<r><a>1</a><a>2</a><a>3</a><a/></r>`},
		{"error details", `{"error_x":{"http_status_code":404,"http_body":"<no>","http_body_encoding":"text/plain"}}`,
			`<error_x><http_body>&lt;no&gt;</http_body><http_body_encoding>text/plain</http_body_encoding><http_status_code>404</http_status_code></error_x>`},

		{"escapes in text", `{"a":"<&>\"'\t\n\r]]>"}`, "<a>&lt;&amp;&gt;\"'\t\n&#xD;]]&gt;</a>"},
		{"escapes in attributes", `{"r":{"-a":"<&>\"'\t\n\r"}}`, `<r a="&lt;&amp;>&quot;'&#x9;&#xA;&#xD;"/>`},
		{"characters XML lacks", `{"a":"\u0000\u001f\ufffe\uffffx\u007f"}`, "<a>\uFFFD\uFFFD\uFFFD\uFFFDx\u007f</a>"},
		{"other scripts", `{"größe":"日本 💧"}`, "<größe>日本 💧</größe>"},

		{"digit in front", `{"1a":1}`, `<_1a>1</_1a>`},
		{"hyphen and dot in front", `{"r":{".a":1,"-":2,"--b":3}}`, `<r _-b="3"><_->2</_-><_.a>1</_.a></r>`},
		{"space and marks", `{"a b/c<d>":1}`, `<a_b_c_d_>1</a_b_c_d_>`},
		{"mark in front", `{"$ref":1}`, `<_ref>1</_ref>`},
		{"empty key", `{"":1}`, `<_>1</_>`},
		{"qualified name", `{"soap:Body":{"-xmlns:soap":"urn:s","soap:a":1}}`, `<soap:Body xmlns:soap="urn:s"><soap:a>1</soap:a></soap:Body>`},
		{"colons that qualify nothing", `{"r":{":a":1,"b:":2,"c:d:e":3,"f:1":4,"1:g":5}}`, `<r><_1_g>5</_1_g><_a>1</_a><b_>2</b_><c_d_e>3</c_d_e><f_1>4</f_1></r>`},
		{"attributes that become equal", `{"r":{"-a b":1,"-a/b":2,"-a_b":3,"-a_b_":4}}`, `<r a_b__="1" a_b___="2" a_b="3" a_b_="4"/>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML([]byte("x"), tree(t, tt.in), 0)
			if err != nil || string(got) != "x"+tt.want {
				t.Errorf("%s = %s, %v, want x%s", tt.in, got, err, tt.want)
			}
			if err := wellFormed(got[1:]); err != nil {
				t.Errorf("%s: %v", got[1:], err)
			}
		})
	}
}

func TestAppendXMLErrors(t *testing.T) {
	for name, v := range map[string]any{
		"number":           1,
		"in an array":      []any{"a", 1.5},
		"in an attribute":  map[string]any{"-a": 1},
		"in the text":      map[string]any{"#text": []byte("x")},
		"in a nested part": map[string]any{"a": map[string]any{"b": struct{}{}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AppendXML([]byte("before"), map[string]any{"a": v}, 0)
			if err == nil || string(got) != "before" {
				t.Errorf("%v = %q, %v, want an error and what was there", v, got, err)
			}
		})
	}
}

// wellFormed reads b to its end and checks what encoding/xml does not: that
// there is one root and no attribute twice.
func wellFormed(b []byte) error {
	if _, err := readDocument(xml.NewDecoder(bytes.NewReader(b)), budget{}); err != nil {
		return err
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			seen := map[xml.Name]bool{}
			for _, a := range start.Attr {
				if seen[a.Name] {
					return errors.New("attribute " + a.Name.Local + " twice")
				}
				seen[a.Name] = true
			}
		}
	}
}

// Whatever the keys and values, the result is well-formed.
func TestAppendXMLIsWellFormed(t *testing.T) {
	// No letters that only newer editions of XML know: encoding/xml follows
	// the fourth.
	key := rapid.StringOf(rapid.RuneFrom([]rune("ab1-_.: #/<&\"'äж日\x00\ufffd")))
	rapid.Check(t, func(r *rapid.T) {
		v := rapid.MapOfN(key, genValue(genLeaf(), key, 3), 0, 4).Draw(r, "tree")
		got, err := AppendXML(nil, v, 0)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		if err := wellFormed(got); err != nil {
			t.Fatalf("%s = %q: %v", jsonText(v), got, err)
		}
	})
}

// What XML can say comes back: text without white space around it, no empty
// arrays, no arrays of one or in arrays, no empty objects.
func TestXMLRoundTrip(t *testing.T) {
	key := rapid.StringMatching(`[a-zA-Z_äж][a-z0-9_.-]{0,4}`)
	leaf := rapid.Map(rapid.StringOf(rapid.RuneFrom([]rune("ab<>&\"' \t\n\r]ä💧"))), func(s string) any {
		return strings.Trim(s, xmlSpace)
	})
	var object func(depth int) *rapid.Generator[map[string]any]
	object = func(depth int) *rapid.Generator[map[string]any] {
		return rapid.Custom(func(t *rapid.T) map[string]any {
			item := leaf
			if depth > 0 {
				item = rapid.OneOf(leaf, rapid.Map(object(depth-1), func(m map[string]any) any { return m }))
			}
			m := rapid.MapOfN(key, rapid.OneOf(item, rapid.Map(rapid.SliceOfN(item, 2, 3), func(a []any) any { return a })), 1, 3).Draw(t, "children")
			for k, v := range rapid.MapOfN(key, leaf, 0, 2).Draw(t, "attributes") {
				m["-"+k] = v
			}
			if text := leaf.Draw(t, "text"); text != "" {
				m["#text"] = text
			}
			return m
		})
	}
	rapid.Check(t, func(r *rapid.T) {
		v := map[string]any{key.Draw(r, "root"): object(2).Draw(r, "object")}
		text, err := AppendXML(nil, v, 0)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		got, err := DecodeXML(text, "", false, 0)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%s = %q = %s, %v", jsonText(v), text, jsonText(got), err)
		}
	})
}

// FuzzDecodeXML states that decoding does not panic, that the result is no
// deeper than allowed and has nothing but strings for leaves, and that it can
// be encoded and decoded again with the same result, except for names of the
// fourth edition of XML that the fifth does not have.
func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte(`<root id="7"><user type="admin"><name>A</name></user><tag>a</tag><tag>b</tag><empty/><mixed>t<b>x</b></mixed></root>`))
	f.Add([]byte("<?xml version='1.0' encoding='ISO-8859-1'?><s:a xmlns:s='u' s:b='\xe9'>\xe4<![CDATA[x]]><!-- c --></s:a>"))
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := DecodeXML(in, "", false, 0)
		if err != nil {
			return
		}
		if len(v) != 1 {
			t.Fatalf("%q = %s, which has not one key", in, jsonText(v))
		}
		checkLeaves(t, v, 0)
		text, err := AppendXML(nil, v, 0)
		if err != nil {
			t.Fatalf("%q = %s: %v", in, jsonText(v), err)
		}
		again, err := DecodeXML(text, "", false, 0)
		if err != nil {
			t.Fatalf("%q = %q: %v", in, text, err)
		}
		if namesKept(v) && !reflect.DeepEqual(again, v) {
			t.Fatalf("%q = %s, then %q = %s", in, jsonText(v), text, jsonText(again))
		}
	})
}

func namesKept(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			if key != textKey && xmlName(strings.TrimPrefix(key, "-")) != strings.TrimPrefix(key, "-") || !namesKept(child) {
				return false
			}
		}
	case []any:
		for _, child := range v {
			if !namesKept(child) {
				return false
			}
		}
	}
	return true
}

func checkLeaves(t *testing.T, v any, depth int) {
	if depth > 2*maxDepth { // an array stands between two elements
		t.Fatalf("more than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			checkLeaves(t, child, depth+1)
		}
	case []any:
		for _, child := range v {
			checkLeaves(t, child, depth+1)
		}
	case string:
	default:
		t.Fatalf("leaf %v of type %T", v, v)
	}
}

// benchmarkTree is a list of 20 users, about 2 KB as JSON.
func benchmarkTree() map[string]any {
	users := make([]any, 20)
	for i := range users {
		users[i] = map[string]any{
			"-id":    json.Number("12345"),
			"name":   "Ada Lovelace",
			"mail":   "ada@example.com",
			"active": true,
			"score":  json.Number("99.50"),
			"tags":   []any{"a", "b"},
		}
	}
	return map[string]any{"users": map[string]any{"user": users}}
}

func BenchmarkDecodeXML2KB(b *testing.B) {
	text, err := AppendXML(nil, benchmarkTree(), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeXML(text, "", false, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendXML2KB(b *testing.B) {
	v := benchmarkTree()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendXML(dst[:0], v, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

// The benchmark's 22 objects cost a list of keys each, and nothing else.
func TestAppendXMLAllocates(t *testing.T) {
	v := benchmarkTree()
	dst := make([]byte, 0, 8<<10)
	n := testing.AllocsPerRun(50, func() {
		if _, err := AppendXML(dst, v, 0); err != nil {
			t.Fatal(err)
		}
	})
	if n > 22 {
		t.Errorf("AppendXML allocates %v times, want 22 at most", n)
	}
}

// TestLimits writes no more than may be written: a long name stands around every value
// of an array, levels stand in front of every line, and the last text counts, too.
func TestLimits(t *testing.T) {
	zeros := make([]any, 10_000)
	for i := range zeros {
		zeros[i] = json.Number("0")
	}
	named := map[string]any{strings.Repeat("a", 10_000): zeros}
	for name, write := range map[string]func(limit int64) ([]byte, error){
		"XML":  func(limit int64) ([]byte, error) { return AppendXML([]byte("x"), named, limit) },
		"YAML": func(limit int64) ([]byte, error) { return AppendYAML([]byte("x"), named, limit) },
	} {
		for limit, fits := range map[int64]bool{30_000: false, 300 << 20: true, 0: true} {
			got, err := write(limit)
			if fits != (err == nil) || !fits && (!errors.Is(err, ErrTooLarge) || string(got) != "x") {
				t.Errorf("%s within %d bytes: %d bytes, %v", name, limit, len(got), err)
			}
		}
	}
	last := map[string]any{"a": strings.Repeat("b", 40_000)}
	for limit, fits := range map[int64]bool{40_000: false, 41_000: true} {
		for name, write := range map[string]func(dst []byte, v map[string]any, limit int64) ([]byte, error){
			"XML":  AppendXML,
			"YAML": func(dst []byte, v map[string]any, limit int64) ([]byte, error) { return AppendYAML(dst, v, limit) },
		} {
			if got, err := write([]byte("x"), last, limit); fits != (err == nil) || !fits && (!errors.Is(err, ErrTooLarge) || string(got) != "x") {
				t.Errorf("%s of one text within %d bytes: %d bytes, %v", name, limit, len(got), err)
			}
		}
	}
	var deep any = zeros
	for range 500 {
		deep = []any{deep}
	}
	text, err := AppendYAML(nil, deep, 0)
	if err != nil || len(text) > 100_000 {
		t.Errorf("10,000 values on 500 levels take %d bytes of YAML, %v", len(text), err)
	}
}
