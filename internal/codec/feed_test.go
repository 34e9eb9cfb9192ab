package codec

import (
	"reflect"
	"strings"
	"testing"
)

const rssFeed = `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
	xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/">
<channel>
	<title>News &amp; more</title>
	<link>https://example.com/</link>
	<description>All of it</description>
	<language>en</language>
	<copyright>(c) Example</copyright>
	<pubDate>Mon, 05 Jan 2026 10:00:00 GMT</pubDate>
	<lastBuildDate>Tue, 06 Jan 2026 10:00:00 GMT</lastBuildDate>
	<managingEditor>ada@example.com (Ada)</managingEditor>
	<category>one</category><category>two</category>
	<image><url>https://example.com/logo.png</url><title>Logo</title></image>
	<item>
		<title>First</title>
		<link>https://example.com/1</link>
		<description><![CDATA[<b>short</b>]]></description>
		<content:encoded><![CDATA[<p>long</p>]]></content:encoded>
		<pubDate>Mon, 05 Jan 2026 10:00:00 +0100</pubDate>
		<guid>urn:1</guid>
		<author>bob@example.com (Bob)</author>
		<category>one</category>
		<enclosure url="https://example.com/1.mp3" length="123" type="audio/mpeg"/>
		<dc:subject>physics</dc:subject>
		<media:rating scheme="urn:simple">adult</media:rating>
		<score>7</score>
	</item>
	<item><title>Second</title></item>
</channel>
</rss>`

const rssTree = `{
	"type":"rss","title":"News & more","description":"All of it","language":"en","copyright":"(c) Example",
	"published":"Mon, 05 Jan 2026 10:00:00 GMT","updated":"Tue, 06 Jan 2026 10:00:00 GMT",
	"author":{"name":"Ada","email":"ada@example.com"},"categories":["one","two"],"custom":null,
	"img_url":"https://example.com/logo.png",
	"items":[
		{"title":"First","link":"https://example.com/1","links":["https://example.com/1"],"description":"<b>short</b>","content":"<p>long</p>",
		 "published":"Mon, 05 Jan 2026 10:00:00 +0100","publishedParsed":"2026-01-05T09:00:00Z",
		 "guid":"urn:1","author":{"name":"Bob","email":"bob@example.com"},"authors":[{"name":"Bob","email":"bob@example.com"}],
		 "categories":["one","physics"],
		 "enclosures":[{"url":"https://example.com/1.mp3","length":"123","type":"audio/mpeg"}],
		 "dcExt":{"subject":["physics"]},
		 "extensions":{
			"dc":{"subject":[{"name":"subject","value":"physics","attrs":{},"children":{}}]},
			"media":{"rating":[{"name":"rating","value":"adult","attrs":{"scheme":"urn:simple"},"children":{}}]}},
		 "custom":{"score":"7"}},
		{"title":"Second"}]}`

const atomFeed = `<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">
	<title>Blatt</title><subtitle>Täglich</subtitle><rights>frei</rights>
	<updated>2026-01-06T10:00:00Z</updated>
	<author><name>Ada</name><email>ada@example.com</email></author>
	<category term="t" label="Label"/>
	<logo>https://example.com/logo.png</logo>
	<entry>
		<id>urn:1</id><title>Erstes</title><link href="https://example.com/1"/>
		<summary>kurz</summary><content type="html">&lt;p&gt;lang&lt;/p&gt;</content>
		<published>2026-01-05T10:00:00+01:00</published><updated>2026-01-06T10:00:00Z</updated>
		<author><name>Bob</name></author>
	</entry>
</feed>`

const atomTree = `{
	"type":"atom","title":"Blatt","description":"Täglich","language":"de","copyright":"frei","published":"","updated":"2026-01-06T10:00:00Z",
	"author":{"name":"Ada","email":"ada@example.com"},"categories":["Label"],"custom":null,"img_url":"https://example.com/logo.png",
	"items":[{"guid":"urn:1","title":"Erstes","link":"https://example.com/1","links":["https://example.com/1"],
		"description":"kurz","content":"<p>lang</p>",
		"published":"2026-01-05T10:00:00+01:00","publishedParsed":"2026-01-05T09:00:00Z",
		"updated":"2026-01-06T10:00:00Z","updatedParsed":"2026-01-06T10:00:00Z",
		"author":{"name":"Bob"},"authors":[{"name":"Bob"}]}]}`

const jsonFeed = `{
	"version":"https://jsonfeed.org/version/1.1","title":"Feed","description":"All","language":"en","icon":"https://example.com/icon.png",
	"authors":[{"name":"Ada"},null],
	"items":[null,{"id":"1","url":"https://example.com/1","title":"First","content_html":"<p>x</p>","summary":"s",
		"date_published":"2026-01-05T10:00:00Z","tags":["a","b"],"authors":[null,{"name":"Bob"}],
		"attachments":[{"url":"https://example.com/1.mp3","mime_type":"audio/mpeg","size_in_bytes":123}]}]}`

const jsonTree = `{
	"type":"json","title":"Feed","description":"All","language":"en","copyright":"","published":"2026-01-05T10:00:00Z","updated":"",
	"author":null,"categories":null,"custom":null,"img_url":"https://example.com/icon.png",
	"items":[{"guid":"1","link":"https://example.com/1","links":["https://example.com/1"],"title":"First","content":"<p>x</p>","description":"s",
		"published":"2026-01-05T10:00:00Z","publishedParsed":"2026-01-05T10:00:00Z","categories":["a","b"],"authors":[{"name":"Bob"}],
		"enclosures":[{"url":"https://example.com/1.mp3","length":"123","type":"audio/mpeg"}]}]}`

const emptyTree = `{"type":"rss","title":"","description":"","language":"","copyright":"","published":"","updated":"",
	"author":null,"categories":null,"custom":null,"items":[]}`

func TestDecodeRSS(t *testing.T) {
	withTitle := func(title string) string {
		return strings.Replace(emptyTree, `"title":""`, `"title":"`+title+`"`, 1)
	}
	tests := []struct{ name, in, want string }{
		{"RSS", rssFeed, rssTree},
		{"Atom", atomFeed, atomTree},
		{"JSON Feed", jsonFeed, jsonTree},
		{"empty channel", `<rss><channel/></rss>`, emptyTree},
		{"latin-1", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><rss><channel><title>\xe4</title></channel></rss>", withTitle("ä")},
		{"byte order mark", "\xef\xbb\xbf<rss><channel><title>ä</title></channel></rss>", withTitle("ä")},
		{"invalid bytes", "<rss><channel><title>\xff</title></channel></rss>", ""},
		{"control characters are dropped", "<rss><channel><title>a\x01b</title></channel></rss>", withTitle("ab")},
		{"JSON Feed with byte order mark", "\xef\xbb\xbf" + jsonFeed, jsonTree},

		{"nothing", "", ""},
		{"text", "hello", ""},
		{"another XML", "<html/>", ""},
		{"JSON that is no object", `[1]`, ""},
		{"malformed JSON", `{"items":[`, ""},
		{"cut off", rssFeed[:len(rssFeed)/2], ""},
		{"Atom cut off", atomFeed[:len(atomFeed)/2], ""},
		{"unknown charset", `<?xml version="1.0" encoding="klingon"?><rss><channel/></rss>`, ""},
		{"too deep", `<rss><channel><a:b xmlns:a="u">` + strings.Repeat("<a:b>", maxDepth), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(tt.in)
			got, err := DecodeRSS(in, "", 0)
			checkTree(t, tt.in, got, err, tt.want)
			if string(in) != tt.in {
				t.Errorf("%.200q was changed to %.200q", tt.in, in)
			}
		})
	}
}

func TestDecodeRSSIsDeterministic(t *testing.T) {
	want, err := DecodeRSS([]byte(rssFeed), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if got, err := DecodeRSS([]byte(rssFeed), "", 0); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s, %v, then %s", jsonText(want), err, jsonText(got))
		}
	}
}

// FuzzDecodeRSS states that decoding does not panic and that the keys are
// those of the package comment.
func FuzzDecodeRSS(f *testing.F) {
	f.Add([]byte(rssFeed))
	f.Add([]byte(atomFeed))
	f.Add([]byte(jsonFeed))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := DecodeRSS(in, "", 0)
		if err != nil {
			return
		}
		delete(v, "img_url")
		for _, key := range []string{"items", "author", "categories", "custom", "copyright", "description", "type", "language", "title", "published", "updated"} {
			if !has(v, key) {
				t.Fatalf("%q = %s, which lacks %s", in, jsonText(v), key)
			}
			delete(v, key)
		}
		if len(v) > 0 {
			t.Fatalf("%q has the keys %s too", in, jsonText(v))
		}
	})
}

func BenchmarkDecodeRSS(b *testing.B) {
	b.SetBytes(int64(len(rssFeed)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRSS([]byte(rssFeed), "", 0); err != nil {
			b.Fatal(err)
		}
	}
}
