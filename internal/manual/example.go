package manual

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

// example shows a configuration in YAML as it is, and in JSON.
func example(text string) (string, error) {
	d, problems := config.Parse("example.yaml", []byte(text))
	if config.HasErrors(problems) {
		return "", errors.New(config.Format(problems))
	}
	object := laidOut(nil, d.Root, 0)
	return "\n## Example\n\n```yaml\n" + strings.TrimSpace(text) + "\n```\n\nThe same as JSON:\n\n```json\n" + string(object) + "\n```\n", nil
}

// width is what fits into a line of an example.
const width = 88

// laidOut appends a value as JSON: in one line if it fits behind the indentation, else
// with a line for each member or entry. The whole has a line for each member.
func laidOut(dst []byte, n *config.Node, indent int) []byte {
	line := spaced(n.JSON())
	if n.Kind != config.Object && n.Kind != config.Array || indent > 0 && indent+utf8.RuneCountInString(line) <= width {
		return append(dst, line...)
	}
	begin := func(i int) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, '\n'), strings.Repeat(" ", indent+2)...)
	}
	dst = append(dst, line[0])
	for i, m := range n.Members {
		begin(i)
		dst = laidOut(fmt.Appendf(dst, "%q: ", m.Key), m.Value, indent+2)
	}
	for i, item := range n.Items {
		begin(i)
		dst = laidOut(dst, item, indent+2)
	}
	dst = append(append(dst, '\n'), strings.Repeat(" ", indent)...)
	return append(dst, line[len(line)-1])
}

// spaced returns compact JSON with a blank behind each comma and colon that is not within
// a text.
func spaced(text []byte) string {
	var b strings.Builder
	quoted := false
	for i, c := range text {
		b.WriteByte(c)
		switch {
		case c == '"' && (!quoted || !escaped(text[:i])):
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// escaped reports whether what follows a text has a backslash that counts in front.
func escaped(before []byte) bool {
	n := len(before) - len(bytes.TrimRight(before, `\`))
	return n%2 == 1
}
