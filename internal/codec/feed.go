package codec

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mmcdole/gofeed"
	ext "github.com/mmcdole/gofeed/extensions"
	jsonfeed "github.com/mmcdole/gofeed/json"
	"golang.org/x/net/html/charset"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// DecodeRSS returns the RSS, Atom or JSON feed b as an object; the package
// comment has its keys. What is none of these, cut off, nested too deeply or not
// written in its charset is an error. ContentType is that of the message. A feed that
// takes more than limit bytes of memory, about, if that is not 0, is [ErrTooLarge].
func DecodeRSS(b []byte, contentType string, limit int64) (map[string]any, error) {
	feed, err := readFeed(b, contentType, newBudget(limit))
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	tree := map[string]any{
		"type":        feed.FeedType,
		"title":       feed.Title,
		"description": feed.Description,
		"language":    feed.Language,
		"copyright":   feed.Copyright,
		"published":   feed.Published,
		"updated":     feed.Updated,
		"author":      nil,
		"categories":  nil,
		"custom":      nil,
		"items":       array(feed.Items, item),
	}
	if feed.Author != nil {
		tree["author"] = person(feed.Author)
	}
	if feed.Categories != nil {
		tree["categories"] = array(feed.Categories, text)
	}
	if feed.Custom != nil {
		tree["custom"] = object(feed.Custom, text)
	}
	if feed.Image != nil {
		tree["img_url"] = feed.Image.URL
	}
	return tree, nil
}

func readFeed(b []byte, contentType string, left budget) (*gofeed.Feed, error) {
	b, err := markup(b, contentType)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte("{")) {
		if err := left.spend(int(2 * jsonspan.TreeCost(b))); err != nil {
			return nil, err
		}
		return readJSONFeed(b)
	}
	b = slices.DeleteFunc(slices.Clone(b), isControl)
	if err := checkNesting(b, left); err != nil {
		return nil, err
	}
	return gofeed.NewParser().Parse(bytes.NewReader(b))
}

// readJSONFeed drops null where the format has objects, which the library
// does not survive.
func readJSONFeed(b []byte) (*gofeed.Feed, error) {
	feed, err := new(jsonfeed.Parser).Parse(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	feed.Authors = slices.DeleteFunc(feed.Authors, isNil)
	feed.Items = slices.DeleteFunc(feed.Items, isNil)
	for _, item := range feed.Items {
		item.Authors = slices.DeleteFunc(item.Authors, isNil)
	}
	return new(gofeed.DefaultJSONTranslator).Translate(feed)
}

func isNil[T any](p *T) bool { return p == nil }

// isControl tells the bytes that the library drops before it reads XML. They
// are dropped here so that checkNesting sees the same text.
func isControl(c byte) bool {
	return c < 0x20 && c != '\t' && c != '\n' && c != '\r'
}

// checkNesting reports elements nested too deeply for the library, which calls
// itself for each level, and more of them than there is memory for. Other errors are left to the library: it reads with
// the same tokenizer and settings and gets no further than this check did.
func checkNesting(b []byte, left budget) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.CharsetReader = charset.NewReaderLabel
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		switch t := token.(type) {
		case xml.StartElement:
			cost := costOfNode + costOfMember*len(t.Attr)
			switch t.Name.Local {
			case "item", "entry":
				cost += costOfItem
			case "category", "enclosure", "author", "contributor", "link":
				cost += costOfObject
			default:
				if t.Name.Space != "" && t.Name.Space != "http://www.w3.org/2005/Atom" {
					cost += 2 * costOfObject // an extension
				}
			}
			if err := left.spend(cost); err != nil {
				return err
			}
			if depth++; depth > maxDepth {
				return errors.New("too many levels")
			}
		case xml.EndElement:
			depth--
		}
	}
}

func item(i *gofeed.Item) any {
	m := members{}
	m.text("title", i.Title)
	m.text("description", i.Description)
	m.text("content", i.Content)
	m.text("link", i.Link)
	m.text("guid", i.GUID)
	m.text("published", i.Published)
	m.text("updated", i.Updated)
	m.time("publishedParsed", i.PublishedParsed)
	m.time("updatedParsed", i.UpdatedParsed)
	m.texts("links", i.Links)
	m.texts("categories", i.Categories)
	if i.Author != nil {
		m["author"] = person(i.Author)
	}
	if len(i.Authors) > 0 {
		m["authors"] = array(i.Authors, person)
	}
	if i.Image != nil {
		m["image"] = image(i.Image)
	}
	if len(i.Enclosures) > 0 {
		m["enclosures"] = array(i.Enclosures, enclosure)
	}
	if i.DublinCoreExt != nil {
		m["dcExt"] = dublinCore(i.DublinCoreExt)
	}
	if i.ITunesExt != nil {
		m["itunesExt"] = itunes(i.ITunesExt)
	}
	if len(i.Extensions) > 0 {
		m["extensions"] = object(i.Extensions, func(byName map[string][]ext.Extension) any {
			return object(byName, extensions)
		})
	}
	if len(i.Custom) > 0 {
		m["custom"] = object(i.Custom, text)
	}
	return map[string]any(m)
}

func person(p *gofeed.Person) any {
	m := members{}
	m.text("name", p.Name)
	m.text("email", p.Email)
	return map[string]any(m)
}

func image(i *gofeed.Image) any {
	m := members{}
	m.text("url", i.URL)
	m.text("title", i.Title)
	return map[string]any(m)
}

func enclosure(e *gofeed.Enclosure) any {
	m := members{}
	m.text("url", e.URL)
	m.text("length", e.Length)
	m.text("type", e.Type)
	return map[string]any(m)
}

func dublinCore(d *ext.DublinCoreExtension) any {
	m := members{}
	m.texts("title", d.Title)
	m.texts("creator", d.Creator)
	m.texts("author", d.Author)
	m.texts("subject", d.Subject)
	m.texts("description", d.Description)
	m.texts("publisher", d.Publisher)
	m.texts("contributor", d.Contributor)
	m.texts("date", d.Date)
	m.texts("type", d.Type)
	m.texts("format", d.Format)
	m.texts("identifier", d.Identifier)
	m.texts("source", d.Source)
	m.texts("language", d.Language)
	m.texts("relation", d.Relation)
	m.texts("coverage", d.Coverage)
	m.texts("rights", d.Rights)
	return map[string]any(m)
}

func itunes(i *ext.ITunesItemExtension) any {
	m := members{}
	m.text("author", i.Author)
	m.text("block", i.Block)
	m.text("duration", i.Duration)
	m.text("explicit", i.Explicit)
	m.text("keywords", i.Keywords)
	m.text("subtitle", i.Subtitle)
	m.text("summary", i.Summary)
	m.text("image", i.Image)
	m.text("isClosedCaptioned", i.IsClosedCaptioned)
	m.text("episode", i.Episode)
	m.text("season", i.Season)
	m.text("order", i.Order)
	m.text("episodeType", i.EpisodeType)
	return map[string]any(m)
}

func extensions(list []ext.Extension) any {
	return array(list, func(e ext.Extension) any {
		return map[string]any{
			"name":     e.Name,
			"value":    e.Value,
			"attrs":    object(e.Attrs, text),
			"children": object(e.Children, extensions),
		}
	})
}

// members is an object that leaves out what is empty.
type members map[string]any

func (m members) text(key, s string) {
	if s != "" {
		m[key] = s
	}
}

func (m members) texts(key string, list []string) {
	if len(list) > 0 {
		m[key] = array(list, text)
	}
}

func (m members) time(key string, t *time.Time) {
	if t != nil {
		m[key] = t.Format(time.RFC3339Nano)
	}
}

func text(s string) any { return s }

func array[T any](list []T, value func(T) any) []any {
	a := make([]any, len(list))
	for i, v := range list {
		a[i] = value(v)
	}
	return a
}

func object[T any](from map[string]T, value func(T) any) map[string]any {
	o := make(map[string]any, len(from))
	for key, v := range from {
		o[key] = value(v)
	}
	return o
}
