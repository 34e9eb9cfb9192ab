package flexible

import (
	"errors"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// parseLines reads a file of lines KEY=VALUE, as .env, .properties and .ini have them. Keys
// below a line [section] are in an object of that name. Values are texts; one in quotes ends
// with them. Lines that begin with #, ; or ! are comments.
func parseLines(name, data string) (*config.Node, []*config.Problem) {
	root := &config.Node{Kind: config.Object, Pos: config.Pos{File: name, Line: 1, Col: 1}}
	into := root
	number := int32(0)
	for line := range strings.SplitSeq(data, "\n") {
		number++
		at := config.Pos{File: name, Line: number, Col: 1}
		line = strings.TrimSpace(line)
		if line == "" || strings.IndexByte("#;!", line[0]) >= 0 {
			continue
		}
		if section, found := strings.CutPrefix(line, "["); found && strings.HasSuffix(section, "]") {
			into = &config.Node{Kind: config.Object, Pos: at}
			root.Members = append(root.Members, config.Member{Key: strings.TrimSuffix(section, "]"), KeyPos: at, Value: into})
			continue
		}
		key, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !found {
			key, value, found = strings.Cut(line, ":")
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !found || key == "" {
			return nil, []*config.Problem{{At: at, Code: config.CodeSyntax, Err: errors.New("the line is no setting; write KEY=VALUE")}}
		}
		if n := len(value); n > 1 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
			value = value[1 : n-1]
		}
		into.Members = append(into.Members, config.Member{Key: key, KeyPos: at, Value: &config.Node{Kind: config.String, Pos: at, Text: value}})
	}
	return root, nil
}
