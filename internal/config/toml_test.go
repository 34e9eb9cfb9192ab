package config_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestTOML(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", `{}`},
		{"scalars", "a = [1, -2, 1.5, 1e3, true, \"q\", 'r']", `{"a":[1,-2,1.5,1e3,true,"q","r"]}`},
		{"numbers of other forms", "a = [0x10, 0o17, 0b11, 1_000, +5, +1_0.5]", `{"a":[16,15,3,1000,5,10.5]}`},
		{"dates are texts", "a = [2001-01-01, 07:32:00, 1979-05-27T07:32:00Z]", `{"a":["2001-01-01","07:32:00","1979-05-27T07:32:00Z"]}`},
		{"tables", "a = 1\n[t.u]\nx = 1\n[t]\ny = 2", `{"a":1,"t":{"u":{"x":1},"y":2}}`},
		{"dotted keys", "a.b.c = 1\na.b.\"d e\" = 2\na.f = 3", `{"a":{"b":{"c":1,"d e":2},"f":3}}`},
		{"lists of tables", "[[e]]\nx = 1\n[[e.b]]\ny = 1\n[[e.b]]\ny = 2\n[[e]]\nx = 2\n[e.c]\nz = 3", `{"e":[{"x":1,"b":[{"y":1},{"y":2}]},{"x":2,"c":{"z":3}}]}`},
		{"inline tables", "a = {b = 1, c.d = [{e = []}]}", `{"a":{"b":1,"c":{"d":[{"e":[]}]}}}`},
		{"comments with brackets", "a = [ # [ not this\n  [1], # nor ] this\n  [2] ]", `{"a":[[1],[2]]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ps := config.Parse("f.toml", []byte(tt.in))
			if d == nil || len(ps) > 0 {
				t.Fatal(ps)
			}
			if got := string(d.Root.JSON()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTOMLPlaces(t *testing.T) {
	in := "a = 'x'\nlist = [ # [\n  [1, 2],\n  {b = \"ä\", c = 3},\n]\n[t . u]\nk.v = true\n[[e]]\n  x = 1\n[[e]]\nx = 2\n"
	d, ps := config.Parse("f.toml", []byte(in))
	if d == nil {
		t.Fatal(ps)
	}
	got := places(d.Root)
	want := map[string]string{
		"":        "1:1",
		"a":       "1:5",
		"list":    "2:8",
		"list[0]": "3:3", "list[0][0]": "3:4", "list[0][1]": "3:7",
		"list[1]": "4:3", "list[1].b": "4:8", "list[1].c": "4:17",
		"t": "6:2", "t.u": "6:6", "t.u.k": "7:1", "t.u.k.v": "7:7",
		"e": "8:3", "e[0]": "8:3", "e[0].x": "9:7", "e[1]": "10:3", "e[1].x": "11:5",
	}
	for path, at := range want {
		if got[path] != at {
			t.Errorf("%s is at %s, want %s", path, got[path], at)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d values, want %d", len(got), len(want))
	}
}

func TestTOMLProblems(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"syntax", "a = 1\nb = = 2", "error: f.toml:2:5: a value cannot begin with '='; put a text in quotes\n"},
		{"defined twice", "a = 1\na = 2", "error: f.toml:2:1: the key a is written twice; keep one of the two\n"},
		{"columns count characters", "a = \"ä\" x", "error: f.toml:1:9: the value ends in front of this, which belongs to nothing; begin a line for the next key, or put the whole value in quotes\n"},
		{"impossible date", "\n\na = 2001-02-30", "error: f.toml:3:"},
		{"infinity", "a = 1\nb = [inf]", "error: f.toml:2:6: b[0]: inf has no meaning here; write a finite number\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ps := config.Parse("f.toml", []byte(tt.in))
			got := config.Format(ps)
			if len(got) > len(tt.want) && tt.want[len(tt.want)-1] == ':' {
				got = got[:len(tt.want)]
			}
			if d != nil || got != tt.want {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

// FuzzTOML states that the parser never panics and that what it accepts is a
// JSON value with a place for every part.
func FuzzTOML(f *testing.F) {
	for _, s := range []string{
		"a=[1,[2]] # [\n[t.u]\nx.y={z=1}\n[[e]]\n[[e.f]]\n", "a=07:32:00", "a=+1_0.5e1", "a='''\n'''", "\"a\".'b'=1", "a={}\n[a.b]",
		"a=[{b=1}]\n[[a]]", "a=0x_1", "a=[ # ]\n]", "a=1e400", "a=[]\n[a]", "[a]\n[a.b]\n[[a.b]]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkTree(t, "f.toml", in)
	})
}

// places returns line:col of every value of a document by path.
func places(root *config.Node) map[string]string {
	found := make(map[string]string)
	var walk func(n *config.Node)
	walk = func(n *config.Node) {
		found[n.Path()] = config.Pos{File: "", Line: n.Pos.Line, Col: n.Pos.Col}.String()[1:]
		for _, item := range n.Items {
			walk(item)
		}
		for _, m := range n.Members {
			walk(m.Value)
		}
	}
	walk(root)
	return found
}
