package schema_test

import (
	_ "embed"

	"github.com/sluice-gateway/sluice/internal/config"
)

//go:embed sample_test.go
var sampleSource string

// sample configures nothing; it has a key of each kind.
//
// It has two paragraphs.
type sample struct {
	// Interval is the window in which errors are counted. The count restarts
	// when the window ends.
	Interval config.Seconds `json:"interval" check:"required,min=1"`

	// Timeout, at most an hour, is how long to wait.
	//
	// After it:
	//   - nothing happens
	//   - a | b
	Timeout config.Duration `json:"timeout" check:"min=1ms,max=1h"`

	// How many errors are too many.
	MaxErrors int `json:"max_errors" check:"min=1,max=100"`

	// Ratio is between nothing and everything.
	Ratio float64 `json:"ratio" check:"max=1"`

	// Enabled switches it on.
	Enabled bool `json:"enabled"`

	// Colour is that of the lamp.
	Colour colour `json:"colour"`

	// Colours lists more of them.
	Colours []colour `json:"colours" check:"nonempty,unique"`

	// Limit is the largest body.
	Limit config.Size `json:"limit"`

	// URL is where to ask.
	URL string `json:"url" check:"url,max=200"`

	// Peers lists addresses.
	Peers []string `json:"peers" check:"ip,max=3"`

	// Header names a header.
	Header string `json:"header" check:"token"`

	// Pattern is deprecated; use header.
	Pattern *string `json:"pattern" check:"regexp,deprecated"`

	// Mapping renames.
	Mapping map[string]string `json:"mapping" check:"max=10"`

	// ByColour has an object for each colour.
	ByColour map[colour]*inner `json:"by_colour"`

	// Codes lists suites by number.
	Codes [][]uint16 `json:"codes"`

	Base

	// Inner is an object.
	Inner inner `json:"inner"`

	// Leaves lists more of the same.
	Leaves []*sample `json:"leaves"`

	// Raw is kept as it is.
	Raw *config.Node `json:"raw"`

	// Free takes a text or a list.
	Free free `json:"free"`

	// Others holds the options of plugins, by name.
	Others map[string]inner `json:"*"`

	Node *config.Node `json:"-"`
}

func (sample) Defaults() sample {
	pattern := "^a|b$"
	return sample{MaxErrors: 5, Timeout: config.Duration(90e9), Colour: "red", Pattern: &pattern, Peers: []string{"::1"}}
}

// Base is embedded.
type Base struct {
	// Label is what to show.
	Label string `json:"label" check:"nonempty"`
}

func (Base) Defaults() Base { return Base{Label: "none"} }

type inner struct {
	// Name is its name.
	Name string `json:"name" check:"required"`

	// Weight is its weight.
	Weight uint8 `json:"weight"`
}

func (inner) Defaults() inner { return inner{Weight: 1} }

type colour string

func (colour) Enum() []string { return []string{"red", "green"} }

type free struct{ text string }

func (f *free) UnmarshalNode(n *config.Node) error {
	f.text = n.Text
	return nil
}

func (free) NodeKinds() []config.Kind { return []config.Kind{config.String, config.Array} }

// bare has a field without a comment.
type bare struct {
	// Told is told.
	Told int `json:"told"`

	Untold int `json:"untold"`
}

// list is a list of objects.
type list []inner
