// Package codec decodes answers of backends that are not JSON, and encodes
// results for clients that do not want JSON.
//
// Everything decoded becomes a tree of map[string]any, []any, string, bool,
// nil and json.Number, where numbers keep their text; everything encoded comes
// from such a tree. JSON text itself is the business of package jsonspan. The
// Decode functions take the whole body, keep no reference to it and are safe
// for concurrent use; so are the Append functions, which read the tree only.
// A byte order mark is skipped, and bytes that do not fit the charset are an
// error. Nesting beyond 10,000 levels is one, too.
//
// Output names the forms a client can get, with their Content-Type, and
// Negotiate chooses one by the Accept header.
//
// # XML
//
// DecodeXML makes the root element the only key. An element is an object, its
// attributes are members with the prefix "-", its children members with their
// own names, and its text is the member "#text"; an element with nothing but
// text is that text, an empty one is "". Elements repeated in one parent
// become an array, in document order. All leaves are strings. Text is joined
// over comments, CDATA sections and children, and stripped of white space at
// both ends.
//
// Names are local names: prefixes are dropped, so soap:Body is "Body" and
// xsi:type is "-type". A declaration xmlns:p is the member "-p", as attributes
// go. Of several attributes with one local name the one without a prefix wins,
// otherwise the last.
//
// The charset is that of the byte order mark, of the charset parameter of
// Content-Type, or of the XML declaration, in this order (RFC 7303, section 3.2),
// otherwise UTF-8; feeds and texts have theirs by the same rule. A document type
// declaration is skipped: nothing it names is read, and the entities it defines are
// unknown, so their use is an error.
//
// AppendXML does the reverse. A single key that is no attribute, no text and
// no array is the root element; anything else stands in <doc>. Children are
// sorted by key, arrays repeat their element (arrays in arrays are laid out
// flat), and null, "", [] and {} are the empty element. A "-key" that holds an
// object or array is an ordinary child.
//
// A key that is no XML name is made one: each character a name cannot have
// becomes "_", and "_" goes in front if the first character cannot begin a
// name. A colon stays if it stands between two parts that are names
// themselves. Attributes of one element that become equal get "_" appended.
// Characters that XML 1.0 cannot carry become U+FFFD.
//
// # Feeds
//
// DecodeRSS reads RSS, Atom and JSON Feed. The keys of the object are always
//
//	type         "rss", "atom" or "json"
//	title, description, language, copyright, published, updated
//	             strings, "" if missing; dates as the feed writes them
//	author       {"name", "email"}, or null
//	categories   array of strings, or null
//	custom       object of strings, or null
//	items        array of objects, in the order of the feed
//
// and img_url, a string, if the feed has an image. An item has those of the
// following keys that are not empty.
//
//	title, description, content, link, guid, published, updated
//	             strings; dates as the feed writes them
//	publishedParsed, updatedParsed
//	             the same dates as RFC 3339, if they can be understood
//	links, categories
//	             arrays of strings
//	author, authors
//	             {"name", "email"}, and an array of them
//	image        {"url", "title"}
//	enclosures   array of {"url", "length", "type"}
//	dcExt        Dublin Core elements: arrays of strings by name
//	itunesExt    iTunes elements: strings by name
//	extensions   other namespaces: prefix, then name, then an array of
//	             {"name", "value", "attrs", "children"}
//	custom       object of strings: elements of no namespace that RSS lacks
//
// # YAML
//
// DecodeYAML reads the first document of the stream. Numbers that JSON could
// write keep their text; other forms, such as 0x1F, 0o17, 017, 1_000 and .5, are
// converted. Infinities, not-a-number and timestamps stay text, and so does
// every value with a tag of its own kind. Keys become text as they are
// written; of equal keys the last wins. Merge keys are followed. Anchors are
// copied wherever they are used, up to ten times the size of the document.
//
// AppendYAML writes block style with sorted keys, and flow style from 16
// levels on, where indentation would outgrow the data. Numbers are plain and
// keep their text. Strings that a YAML reader, old or new, could take for
// something else are quoted, and so are those with control characters.
package codec

// maxDepth is how deep decoded values may nest. It is the limit of
// encoding/json and of the YAML library.
const maxDepth = 10_000
