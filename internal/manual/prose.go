package manual

import (
	"errors"
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// prose returns the package comment of the doc.go of a namespace as Markdown, with
// headings below that of the page. Its first sentence introduces the package up to a
// colon, and the page, which has a title, begins behind that. A section whose heading is
// a namespace is on the page of that one only.
func prose(ds []*component.Declaration) (string, error) {
	d := ds[0]
	if d.Doc == "" {
		return "", errors.New("no Doc in its Info: embed doc.go")
	}
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", d.Doc, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return "", err
	}
	introduction, text, _ := strings.Cut(file.Doc.Text(), ":")
	text = strings.TrimSpace(text)
	if text == "" || !strings.HasPrefix(introduction, "Package "+file.Name.Name+" ") || strings.Contains(introduction, ". ") {
		return "", fmt.Errorf("doc.go has to begin with: Package %s is the namespace %s: what it does", file.Name.Name, d.Namespace)
	}
	var p comment.Parser
	parsed := p.Parse(strings.ToUpper(text[:1]) + text[1:])
	var own []comment.Block
	of := d.Namespace
	for _, block := range parsed.Content {
		if h, ok := block.(*comment.Heading); ok {
			of = d.Namespace
			if title := plain(h); namespaceLike.MatchString(title) {
				of = title
				continue
			}
		}
		if of == d.Namespace {
			own = append(own, block)
		}
	}
	parsed.Content = own
	printer := comment.Printer{HeadingLevel: 2, HeadingID: func(*comment.Heading) string { return "" }}
	var keys []string
	for _, d := range ds {
		if s := config.SpecOf(d.Options); s != nil {
			keys = append(keys, keysOf(s)...)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(string(printer.Markdown(parsed))) {
		if !strings.HasPrefix(line, "\t") {
			line = marked(line, keys)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// namespaceLike is a heading that is the name of a namespace.
var namespaceLike = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)+$`)

func plain(h *comment.Heading) string {
	var b strings.Builder
	for _, t := range h.Text {
		if text, ok := t.(comment.Plain); ok {
			b.WriteString(string(text))
		}
	}
	return b.String()
}

// keysOf returns the keys of an object, or of the entries of a list.
func keysOf(s *config.Spec) []string {
	if s.Item != nil {
		return keysOf(s.Item)
	}
	var keys []string
	for _, f := range s.Fields {
		keys = append(keys, f.Key)
	}
	return keys
}

var (
	// escapedWord is a word with the name of a key in it, as it is printed in prose.
	escapedWord = regexp.MustCompile(`\S*\w\\_\w\S*`)

	// firstWord is the word that a paragraph or an entry of a list begins with.
	firstWord = regexp.MustCompile(`^( *(?:-|\d+\.) |)([a-z]\w*)([ ,:])`)
)

// marked returns a line of prose with the code in it between back-quotes: words with
// underscores, and keys that a paragraph begins with.
func marked(line string, keys []string) string {
	line = escapedWord.ReplaceAllStringFunc(line, func(word string) string {
		code := strings.TrimRight(word, ".,;:\"")
		for strings.HasSuffix(code, ")") && strings.Count(code, ")") > strings.Count(code, "(") {
			code = strings.TrimRight(code[:len(code)-1], ".,;:\"")
		}
		after := word[len(code):]
		before := code[:len(code)-len(strings.TrimLeft(code, "\""))]
		code = code[len(before):]
		for strings.HasPrefix(code, "(") && strings.Count(code, "(") > strings.Count(code, ")") {
			before, code = before+"(", code[1:]
		}
		return before + "`" + strings.ReplaceAll(code, `\`, "") + "`" + after
	})
	if m := firstWord.FindStringSubmatch(line); m != nil && slices.Contains(keys, m[2]) {
		line = m[1] + "`" + m[2] + "`" + line[len(m[1])+len(m[2]):]
	}
	return line
}
