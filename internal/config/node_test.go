package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func parse(t *testing.T, text string) *config.Node {
	t.Helper()
	d, ps := config.Parse("f.json", []byte(text))
	if d == nil {
		t.Fatal(ps)
	}
	return d.Root
}

func TestNodePath(t *testing.T) {
	root := parse(t, `{"endpoints":[0,{"backend":[{"extra_config":{"qos/circuit-breaker":{"max_errors":1}}}]}],"a b":{"c\"d":1},"":[[1]],"9x":1,"_x9":1}`)
	want := []string{
		"", "endpoints", "endpoints[0]", "endpoints[1]", "endpoints[1].backend", "endpoints[1].backend[0]",
		"endpoints[1].backend[0].extra_config", `endpoints[1].backend[0].extra_config["qos/circuit-breaker"]`,
		`endpoints[1].backend[0].extra_config["qos/circuit-breaker"].max_errors`,
		`["a b"]`, `["a b"]["c\"d"]`, `[""]`, `[""][0]`, `[""][0][0]`, `["9x"]`, "_x9",
	}
	var got []string
	var walk func(n *config.Node)
	walk = func(n *config.Node) {
		path := n.Path()
		got = append(got, path)
		if p := root.ProblemAt(path, config.Error, "x", errors.New("x")); p.Path != path || p.At != n.Pos {
			t.Errorf("ProblemAt(%q) is at %s %s, want %s", path, p.Path, p.At, n.Pos)
		}
		for _, item := range n.Items {
			walk(item)
		}
		for _, m := range n.Members {
			walk(m.Value)
		}
	}
	walk(root)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNodeValue(t *testing.T) {
	n := parse(t, `{"b":[true,false,null,1.50,"x\u000b\n\"\\"],"a":{}}`)
	want := map[string]any{"b": []any{true, false, nil, json.Number("1.50"), "x\v\n\"\\"}, "a": map[string]any{}}
	if got := n.Value(); !reflect.DeepEqual(got, want) {
		t.Errorf("Value() = %#v, want %#v", got, want)
	}
	if got, want := string(n.JSON()), `{"b":[true,false,null,1.50,"x\u000b\n\"\\"],"a":{}}`; got != want {
		t.Errorf("JSON() = %s, want %s", got, want)
	}
}

func TestNilNode(t *testing.T) {
	var n *config.Node
	if n.Get("x") != nil || n.Path() != "" || n.Value() != nil || string(n.JSON()) != "null" || n.Secret() {
		t.Error("a nil node is not an absent value")
	}
	if got := n.ProblemAt("a.b[1]", config.Warning, "x", errors.New("text")).Error(); got != "a.b[1]: text" {
		t.Errorf("ProblemAt = %q", got)
	}
}

func TestProblemAt(t *testing.T) {
	root := parse(t, "{\n\"Keys\": [{\"name\": 1},\n{\"x\": 2}]}")
	tests := []struct{ path, want string }{
		{"", "f.json:1:1: wrong"},
		{"keys", "f.json:2:9: Keys: wrong"},
		{"keys[1].x", "f.json:3:7: Keys[1].x: wrong"},
		{"keys[1].name", "f.json:3:1: Keys[1].name: wrong"},
		{"keys[7].name", "f.json:2:9: Keys[7].name: wrong"},
		{"keys[0].name.more", "f.json:2:19: Keys[0].name.more: wrong"},
		{"other/key", `f.json:1:1: ["other/key"]: wrong`},
		{`["other key"].x`, `f.json:1:1: ["other key"].x: wrong`},
		{"keys[x", `f.json:2:9: Keys.x: wrong`},
		{"..keys.", "f.json:2:9: Keys: wrong"},
	}
	for _, tt := range tests {
		if got := root.ProblemAt(tt.path, config.Error, "x", errors.New("wrong")).Error(); got != tt.want {
			t.Errorf("ProblemAt(%q) = %s, want %s", tt.path, got, tt.want)
		}
	}
}

func TestProblems(t *testing.T) {
	root := parse(t, "{\n\"a\": {\n\"b\": 1},\n\"c\": 2}")
	placed := root.Get("c").Problem(config.Warning, "own", errors.New("as it is"))
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"plain", errors.New("x"), "error: f.json:1:1: x\n"},
		{"at", config.At("a.b", errors.New("x")), "error: f.json:3:6: a.b: x\n"},
		{"at nil", config.At("a", nil), ""},
		{"at within at", config.At("a", config.At("b", errors.New("x"))), "error: f.json:3:6: a.b: x\n"},
		{"at an index within at", config.At("a", config.At("[0]", errors.New("x"))), "error: f.json:2:6: a[0]: x\n"},
		{"joined", errors.Join(config.At("c", errors.New("x")), config.At("a", errors.Join(errors.New("y"), config.At("b", errors.New("z"))))),
			"error: f.json:4:6: c: x\nerror: f.json:2:6: a: y\nerror: f.json:3:6: a.b: z\n"},
		{"a message around several errors stays whole", fmt.Errorf("both %w and %w", errors.New("x"), errors.New("y")), "error: f.json:1:1: both x and y\n"},
		{"problem", errors.Join(placed, errors.New("x")), "warning: f.json:4:6: c: as it is\nerror: f.json:1:1: x\n"},
		{"join of problems", config.Join([]*config.Problem{placed, placed}), "warning: f.json:4:6: c: as it is\nwarning: f.json:4:6: c: as it is\n"},
		{"join of none", config.Join(nil), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := config.Format(root.Problems(config.Error, "invalid", tt.err)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
	if got, want := config.At("a.b", errors.New("x")).Error(), "a.b: x"; got != want {
		t.Errorf("At = %q, want %q", got, want)
	}
}

func TestSeverities(t *testing.T) {
	ps := []*config.Problem{
		{Severity: config.Warning, Code: "unknown-field", At: config.Pos{File: "f", Line: 2, Col: 1}, Err: errors.New("w")},
		{Severity: config.Warning, Code: "other", At: config.Pos{File: "f", Line: 1, Col: 9}, Err: errors.New("o")},
		{Severity: config.Note, Code: "deprecated", At: config.Pos{File: "environment:X"}, Path: "x", Err: errors.New("n")},
	}
	config.Sort(ps)
	if got, want := config.Format(ps), "note: environment:X: x: n\nwarning: f:1:9: o\nwarning: f:2:1: w\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if config.HasErrors(ps) {
		t.Error("warnings count as errors")
	}
	if got, want := config.Format(config.Strict(ps, config.CodeUnknownField)), "note: environment:X: x: n\nwarning: f:1:9: o\nerror: f:2:1: w\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	strict := config.Strict(ps)
	if got, want := config.Format(strict), "note: environment:X: x: n\nerror: f:1:9: o\nerror: f:2:1: w\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !config.HasErrors(strict) || config.HasErrors(ps) {
		t.Error("Strict must return errors and leave its argument alone")
	}
}

func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range config.Codes {
		if seen[c.Code] || c.Meaning == "" {
			t.Errorf("%s is listed twice or without a meaning", c.Code)
		}
		seen[c.Code] = true
	}
}
