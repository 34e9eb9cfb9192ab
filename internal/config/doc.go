// Package config reads a configuration and keeps the place of every value to
// the end, so that whatever is wrong can be reported where it was written.
//
// # From bytes to nodes
//
// [Load] and [Parse] read JSON, YAML and TOML into one tree of [Node] values.
// Each node knows its file, line and column, and its path in the document.
// Texts of the form ${env:NAME} and ${file:PATH} are replaced while loading;
// [Document.ApplyEnv] lets variables of the environment override values.
//
// # From nodes to options
//
// [Decode] fills a Go value from a node by reflection; it runs when a
// configuration is loaded, never when a request is served. It is strict and
// reports every problem, not the first. [DecodeLoose] is for the core objects,
// which existing files write with keys of any letter case and with scalars of
// any type.
//
// Fields are named by their json tag; a field without one is a mistake in the
// program and panics. Embedded structs are flattened. Two tags are special: a
// *Node field tagged "-" receives the node of the object itself, and a map
// tagged "*" receives the members that no other field names. A value may be a
// bool, a number, a text, a slice, a map from texts, a struct, a pointer to
// one of these, [Duration], [Seconds], [Size], any or *Node for what stays
// undecoded, or a type with its own UnmarshalNode.
//
// A type takes part through optional methods:
//
//	Defaults() T               the value that decoding starts from
//	Validate() error           rules between values; see [At]
//	Enum() []string            the values of a named string type
//	Fold(string) string        brings a text to the spelling of Enum
//	UnmarshalNode(*Node) error decodes by hand; pointer receiver
//	NodeKinds() []Kind         the kinds that UnmarshalNode takes, for schemas
//	Scope() string             an extra_config of its own, of that scope; see [Objects]
//	OptionsSource() string     comments of a type of another package, for the manual
//
// Defaults of an outer type stand for the types within it; where they leave a
// struct zero, its own Defaults fill it. Validate is called, inner values
// first, for what the document names, and only where the value's own keys
// could be read: a rule between values says nothing when one is missing.
//
// # Check tags
//
// The check tag of a field holds rules, separated by commas. They apply to
// values that are written, not to defaults.
//
//	required   the key must be there, and not null
//	nonempty   a text, list or map must not be empty
//	min=N      numbers: at least N; durations: min=1s; texts: characters;
//	max=N      lists and maps: entries
//	unique     the entries of a list differ
//	url        an absolute http or https URL with a host
//	ip         an IPv4 or IPv6 address
//	cidr       an address range, such as 10.0.0.0/8, or one address
//	regexp     a regular expression in the syntax of package regexp
//	token      a token of RFC 9110, section 5.6.2: a header name, a method
//	object     a value that is kept as it is must be an object
//	wanted     schemas demand the key, and that a text or list is not empty;
//	           whoever reads the value reports that
//	idle       nothing depends on the key, so that no effect of it has to be shown
//	deprecated the key works and is reported as outdated
//
// The rules about form, url to token, apply to each entry of a list of texts.
// An unknown rule, or one that does not fit the type, panics when the type is
// first used.
//
// # Former names
//
// The was tag of a field holds a name that the key had in older versions. It is
// unknown like any other, and the complaint names the key of today.
//
// # Keys that protect
//
// The guards tag of a field is a [Guarding]: the key is looked for where it is misspelt or
// stands in the wrong place. Without one, an option of a component that lets somebody pass
// where it lacks something is looked for in the documents that use the component.
//
//	key        anywhere, in any spelling
//	list       the same, and a list under that name is always meant for it
//	object     the same of an object
//	option     by its name, in whatever place of any document
//	beside     beside its namespace, since the name tells little
//	access     its list names those who may ask
//
// # Secrets
//
// The secret tag of a field says that its texts, those of a list or map among them, are
// secrets: secret:"true". They are masked like what a reference inserts, however they are
// written, in dumps, messages and logs; see [Document.Hide]. secret:"address" says that they are
// addresses which may begin with a user and have no scheme: those are masked. A key whose name sounds like
// one and that is none says secret:"false", a test asks for one of the two.
//
// # What is stricter
//
// The stricter tag of a field is a [Strictness]: which of two values of the key lets less pass,
// for whoever reviews the difference of two configurations. What has none has changed, and
// nobody says for the better or the worse.
//
//	limit      the lower number; 0 and an absent key are no limit
//	lower      the lower number; below 0 is no bound
//	higher     the higher number, or the later value of Enum
//	true       true; false likewise
//	fewer      the list with fewer entries, be it none
//	more       the list with more entries
//	only       the list with fewer entries; none is no restriction
//	there      a value rather than none
//	gone       none rather than a value
//
// A type whose keys mean something else than their zero where they are absent says so by a
// method StandsFor(key string) any; see [StandsFor].
//
// # Examples
//
// The example tag of a field is a value as JSON. Schemas carry it, and messages
// say to write it.
//
// # Comments and null
//
// A key that no field names and that begins with @, $, _ or # is a comment.
// In a map of plain values (texts, numbers, any) every key is data: a
// mapping may rename the field "_id". A null value is an absent one, except in
// a list, where it is an error.
//
// # Reading types once
//
// [SpecOf] is the reading of a type that decoding works from. Package schema
// builds JSON Schemas and the manual from the same reading; there is no second
// list of fields.
//
// Sources: RFC 8259 (JSON), YAML 1.2.2, TOML 1.0.
package config
