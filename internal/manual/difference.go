package manual

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Difference is a row of the compatibility page, about something that is done differently
// on purpose. Its texts are Markdown.
type Difference struct {
	ID                       string // the anchor on the page
	Where, Theirs, Ours, Why string
}

// CompatibilityPage is the file that the rows stand in.
const CompatibilityPage = "docs/compatibility.md"

// Differences returns the rows in the order of the page.
func Differences() []Difference {
	all := make([]Difference, len(differences))
	count := make(map[string]int)
	for i, d := range differences {
		id := cmp.Or(anchor(d.where), anchor(d.ours))
		if count[id]++; count[id] > 1 {
			id += "-" + strconv.Itoa(count[id])
		}
		all[i] = Difference{id, d.where, d.theirs, d.ours, d.why}
	}
	return all
}

// anchor returns the first words of a text as the name of a place on a page.
func anchor(text string) string {
	const long = 48
	var words []string
	for _, word := range strings.Fields(strings.Map(func(r rune) rune {
		if config.Letters(string(r)) == "" {
			return ' '
		}
		return r
	}, strings.ToLower(text))) {
		if words = append(words, word); len(strings.Join(words, "-")) > long {
			words = words[:len(words)-1]
			break
		}
	}
	return strings.Join(words, "-")
}
