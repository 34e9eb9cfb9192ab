package manual

import (
	"strings"
	"testing"
)

// TestExample shows a configuration in both formats: what fits stands in one line, but
// for the members of the root.
func TestExample(t *testing.T) {
	const text = `a: "x:,\"\\" # said
b: {list: [1, 2.50, "{,}"], long: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccccccccc]}
`
	const want = "\n## Example\n\n```yaml\n" + text + "```\n\nThe same as JSON:\n\n```json\n" + `{
  "a": "x:,\"\\",
  "b": {
    "list": [1, 2.50, "{,}"],
    "long": [
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      "ccccccccccccc"
    ]
  }
}
` + "```\n"
	if got, err := example(text); err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if _, err := example("a: [1"); err == nil || !strings.Contains(err.Error(), "example.yaml:") {
		t.Errorf("text that is no YAML: %v", err)
	}
}
