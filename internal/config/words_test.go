package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// foreign is what is of a library, or of Go, and says nothing to whoever writes a file.
var foreign = regexp.MustCompile(`yaml:|toml:|go-yaml|scalar|token|flow|mapping|sequence|block|octet|%!|<nil>|\*\w+\.|U\+[0-9A-F]{4} '|unmarshal|while (?:scanning|parsing)|did not find|strconv|runtime error`)

// broken has a text for each thing that the readers of YAML and TOML find, with the place
// and what is said of it.
var broken = []struct{ file, text, want string }{
	// Indentation.
	{"f.yaml", "a:\n\tb: 1\n", "2:1: the line begins with a tab, which YAML does not take for indentation; write blanks"},
	{"f.yaml", "a:\n\t- b\n", "2:1: the line begins with a tab"},
	{"f.yaml", "a:\n  \tb: 1\n", "2:3: the line begins with a tab"},
	{"f.yaml", "a:\n  b: |\n\tc\n", "3:1: the line begins with a tab"},
	{"f.yaml", "a:\tb: 1\n", "1:5: a second colon on the line"},
	{"f.yaml", "version: 3\n endpoints: []\n", "2:2: the line is indented deeper than line 1, which has a value already; indent both alike"},
	{"f.yaml", "a:\n  b: 1\n c: 2\n", "3:2: the line is indented like none of those above; indent it as the lines beside which it belongs"},
	{"f.yaml", "a:\n  - 1\n - 2\n", "3:2: the line is indented like none of those above"},
	{"f.yaml", "a:\n    b: 1\n  - c\n", `3:3: an item of a list stands among keys; indent it below the key that it belongs to, or remove "- "`},
	{"f.yaml", "a: 1\n- b\n", `2:1: an item of a list stands among keys`},
	{"f.yaml", "- a\nb: 1\n", `2:1: a key stands among the items of a list; write "- " in front of it`},
	{"f.yaml", "a:\n  - b: 1\n   c: 2\n", "3:4: the line is indented like none of those above"},
	// Colons.
	{"f.yaml", "version: 3\nendpoints\nport: 1\n", `2:1: the line has no colon, so it is neither a key nor a value; write "key: value", or "- value" for an item of a list`},
	{"f.yaml", "a: >\n b\nc\nd: 1\n", "3:1: the line has no colon"},
	{"f.yaml", "a: b: c", "1:5: a second colon on the line makes another key of its value; put the value in quotes"},
	{"f.yaml", "key:value\nb: 1\n", `1:4: the colon behind "key" has no blank behind it, so that no key begins there; write a blank`},
	{"f.yaml", "a: b\n  c\n d: 1", "3:3: a key stands where none may; put a text with a colon in quotes, or begin a line for the key"},
	{"f.yaml", "[a]: 1 : 2\n", "1:8: a second colon on the line"},
	{"f.yaml", "a: - b\n", `1:4: an item of a list stands where none may, such as behind its key; begin a line for each "- ", or write [a, b]`},
	{"f.yaml", "a: ? b\n", `1:4: a question mark begins a key here, where none may stand; put a text that begins with "? " in quotes`},
	// Texts.
	{"f.yaml", "a: \"x\" y\n", "1:8: the value ends in front of this, which belongs to nothing; put the whole value in quotes, or remove what follows it"},
	{"f.yaml", "name: 'it's'\n", "1:11: the value ends in front of this"},
	{"f.yaml", "- \"a\" b\n", "1:7: the value ends in front of this"},
	{"f.yaml", "\"a\" \"b\"\n", "1:5: the value ends in front of this"},
	{"f.yaml", "a: &x &y b\n", "1:7: the value ends in front of this"},
	{"f.yaml", "a: [b]c\n", "1:7: the value ends in front of this"},
	{"f.yaml", "\"a\": \"b\",\n\"c\": 1\n", "1:9: the value ends in front of the ',', which belongs to nothing; remove it, or put the whole value in quotes"},
	{"f.yaml", "a: @b\n", "1:4: a text cannot begin with '@'; put it in quotes"},
	{"f.yaml", "a: `b`\n", "1:4: a text cannot begin with '`'; put it in quotes"},
	{"f.yaml", "a: %b\n", "1:4: a text cannot begin with '%'; put it in quotes"},
	{"f.yaml", "x: 1\na: \"b\nc: 1\n", "2:4: the text has no closing quote; write it where the text ends"},
	{"f.yaml", "a: 'x\n", "1:4: the text has no closing quote"},
	{"f.yaml", "a: \"b\n---\n", "1:4: the text has no closing quote"},
	{"f.yaml", "a: \"\\q\"\n", `1:5: the character behind the backslash means nothing in a text in double quotes; write \\ for a backslash, or put the text in single quotes`},
	{"f.yaml", "a: \"\\x1\"\n", `1:7: the escape lacks hexadecimal digits; write two behind \x, four behind \u, eight behind \U`},
	{"f.yaml", "a: \"\\UFFFFFFFF\"\n", `1:7: the escape names no character; write one from \u0000 to \U0010ffff`},
	{"f.yaml", "a: |0\n b\n", "1:5: this is no YAML"},
	{"f.yaml", "a: |x\n b\n", "1:5: nothing may stand here behind | or >; begin the text on the next line, indented"},
	{"f.yaml", "a: |#x\n b\n", "1:5: a comment begins behind a blank; write one in front of #"},
	// Templates.
	{"f.yaml", "port: {{ .port }}\n", "1:8: a key must be a text; this looks like a template: set FC_ENABLE=1, or name a folder by --settings, --partials or --templates"},
	{"f.yaml", "a: 1\n{{ range .x }}\n- b\n", "2:1: the line has no colon, so it is neither a key nor a value; this looks like a template"},
	{"f.yaml", "a: {{ .b }}c\n", "1:12: the value ends in front of this, which belongs to nothing; this looks like a template"},
	{"f.toml", "port = {{ .port }}\n", "1:9: a key is missing here; this looks like a template"},
	// Brackets.
	{"f.yaml", "a: [1 2\nb: 3\n", `1:4: the list that begins here is not closed; write "]" where it ends`},
	{"f.yaml", "x: 1\na: [1, 2\n", `2:4: the list that begins here is not closed`},
	{"f.yaml", "a: {b: 1\nc: 2\n", `1:4: the object that begins here is not closed; write "}" where it ends`},
	{"f.yaml", "a:\n  [1\n", `2:3: the list that begins here is not closed`},
	{"f.yaml", "a: [\n", `1:4: the list that begins here is not closed`},
	{"f.yaml", "a: 1\nb: {\n", `2:4: the object that begins here is not closed`},
	{"f.yaml", "a: ]\n", "1:4: the ']' closes nothing; remove it, or put a text that begins so in quotes"},
	{"f.yaml", "a: 1\n}\n", "2:1: the '}' closes nothing; remove it"},
	{"f.yaml", "a: [1] ]\n", "1:8: the value ends in front of the ']'"},
	{"f.yaml", "a: {b: }}\n", "1:9: the value ends in front of the '}'"},
	{"f.yaml", "a: [1,,2]\n", "1:7: a value is missing in front of the comma; write it, or remove the comma"},
	{"f.yaml", "a: [a: b: c]\n", `1:9: a comma or "]" is missing here; write it, or put a text with such signs in quotes`},
	// Anchors, tags, documents, instructions.
	{"f.yaml", "a: *.example.com\n", "1:4: the alias *.example.com stands for nothing; write &.example.com in front of the value that it is to stand for, or put a text that begins with * in quotes"},
	{"f.yaml", "a: *\n", "1:5: the name behind * or & is missing; write it, or put a text that begins so in quotes"},
	{"f.yaml", "a: &\n", "1:5: the name behind * or & is missing"},
	{"f.yaml", "a: !x!y z\n", "1:4: a tag that begins with ! is not supported; remove it, or put a text that begins so in quotes"},
	{"f.yaml", "a: !<x\n", "1:4: a tag that begins with ! is not supported"},
	{"f.yaml", "a: !!\n b", "1:4: a tag that begins with ! is not supported"},
	{"f.yaml", "!%zz a", "1:1: a tag that begins with ! is not supported"},
	{"f.yaml", "a: 1\n... x\n", "2:5: nothing may stand behind the end of the document, ...; remove it, or the line"},
	{"f.yaml", "a: 1\n%YAML 1.1\n---\n", "2:1: a line that begins with % is an instruction to the reader, and this one means nothing; remove it, or put a text that begins so in quotes"},
	{"f.yaml", "%FOO x\n---\na: 1\n", "1:5: a line that begins with % is an instruction"},
	{"f.yaml", "%TAG x\n---\na", "1:6: a line that begins with % is an instruction"},
	{"f.yaml", "%TAG ! x y\n---\na", "1:10: a line that begins with % is an instruction"},
	{"f.yaml", "%YAML 1.1\n%YAML 1.1\n---\na: 1", "2:1: a line that begins with % is an instruction"},
	{"f.yaml", "%YAML 2.0\n---\na: 1", "1:1: the version of YAML is not supported; write %YAML 1.2, or remove the line"},
	{"f.yaml", "%YAML x\n---\na: 1", "1:7: the version of YAML is not supported"},
	// Bytes.
	{"f.yaml", "a: \x01\n", `1:4: the control character U+0001 must not stand here; remove it, or write it as \u0001 in double quotes`},
	{"f.yaml", "a: \xff\n", "1:4: the byte 0xff is not UTF-8; save the file as UTF-8"},
	{"f.yaml", "a: \xc3", "1:4: the byte 0xc3 is not UTF-8; save the file as UTF-8"},
	{"f.yaml", "\xfe\xff\x00", "1:3: the text is not UTF-8; save the file as UTF-8"},

	// TOML.
	{"f.toml", "a = 1 b = 2", "1:7: the value ends in front of this, which belongs to nothing; begin a line for the next key"},
	{"f.toml", "[a\nb = 1", "1:3: the name of the table is not closed; write ] behind it"},
	{"f.toml", "[[a]\nb = 1", "1:4: the name of the table is not closed; write ]] behind it"},
	{"f.toml", "endpoints\nb = 1", "1:10: the line has no value; write key = value, or [name] for a table"},
	{"f.toml", "key: value", "1:4: the line has no value"},
	{"f.toml", "a =", "1:4: a value is missing here; write it"},
	{"f.toml", "a = [,1]", "1:6: a value is missing here"},
	{"f.toml", "= 1", "1:1: a key is missing here; write letters, digits, - and _"},
	{"f.toml", "[]", "1:2: a key is missing here"},
	{"f.toml", "a = @b", "1:5: a value cannot begin with '@'; put a text in quotes"},
	{"f.toml", "a = 10s", "1:7: a text stands in quotes; write them"},
	{"f.toml", "a = tru", "1:5: this is neither true nor false; put a text in quotes"},
	{"f.toml", "a = [1,", `1:8: a list is not closed; write "]" where it ends`},
	{"f.toml", "a = {b = 1", `1:11: an object is not closed; write "}" where it ends`},
	{"f.toml", "a = [1 2]", `1:8: a comma or "]" is missing here; write it`},
	{"f.toml", "a = {b = 1 c = 2}", `1:12: a comma or "}" is missing here; write it`},
	{"f.toml", "a = {,b = 1}", "1:6: a key is missing"},
	{"f.toml", "a = 007", "1:5: a number does not begin with 0"},
	{"f.toml", "a = 99999999999999999999", "1:5: the number is too large; write one of at most 9223372036854775807"},
	{"f.toml", "a = 1__0", "1:"},
	{"f.toml", "a = +", "1:"},
	{"f.toml", "a = 1.", "1:"},
	{"f.toml", "a = 1e", "1:"},
	{"f.toml", "a = +0x1", "1:"},
	{"f.toml", "a = 0x", "1:"},
	{"f.toml", "a = infx", "1:"},
	{"f.toml", "a = \"\xff\"", "1:6: the text holds bytes that are not UTF-8; save the file as UTF-8"},
	{"f.toml", "# \xff", "1:3: the text holds bytes"},
	{"f.toml", "a = 'x\x01'", `1:7: the control character U+0001 must not stand here; remove it, or write it as \uXXXX in double quotes`},
	{"f.toml", "# \x01", "1:3: the control character U+0001"},
	{"f.toml", "a = \"x\nb = 1", "1:7: the text has no closing quote; write it where the text ends"},
	{"f.toml", "a = 'x", "1:7: the text has no closing quote"},
	{"f.toml", "a = \"x", "1:7: the text has no closing quote"},
	{"f.toml", "a = 1\nb = \"\"\"x\ny", "2:5: the text has no closing quotes; write three where it ends"},
	{"f.toml", "a = 1\nb = '''x\ny", "2:5: the text has no closing quotes"},
	{"f.toml", "a = '''x''''''", "1:9: the text ends with more quotes"},
	{"f.toml", "a = \"\\q\"", `1:6: the character behind the backslash means nothing`},
	{"f.toml", "a = \"\\u12\"", `1:6: the escape names no character`},
	{"f.toml", "a = \"\\uD800\"", `1:6: the escape names no character`},
	{"f.toml", "a = 2001-02-30", "1:13: this is no date or time; write one such as 2006-01-02T15:04:05Z"},
	{"f.toml", "a = 2001-13-01", "1:10: this is no date or time"},
	{"f.toml", "a = 25:00:00", "1:5: this is no date or time"},
	{"f.toml", "a = 12:61:00", "1:8: this is no date or time"},
	{"f.toml", "a = 2001-01-01T00:00:00+99:00", "1:"},
	{"f.toml", "[[a]]\n[a]", "2:2: a is a list of tables already, [[a]]; write [[a]] for another item of it"},
	{"f.toml", "[a]\n[a]", "2:2: the table a is written twice; put what both hold under one [a]"},
	{"f.toml", "a = 1\n[a.b]", "2:2: the key a has a value already that is no table; rename one of the two"},
	{"f.toml", "a = 1\n[[a]]", "2:3: the key a"},
	{"f.toml", "a = 1\na = 2", "2:1: the key a is written twice; keep one of the two"},
	{"f.toml", "a.b = 1\na.b.c = 2", "2:"},
}

// TestWords says what is wrong with a text in our words, where it has to be mended, and what
// to write there.
func TestWords(t *testing.T) {
	for _, tt := range broken {
		d, ps := config.Parse(tt.file, []byte(tt.text))
		if d != nil || len(ps) != 1 || ps[0].Code != config.CodeSyntax {
			t.Errorf("%q: %v", tt.text, ps)
			continue
		}
		got := ps[0].Error()
		if !strings.HasPrefix(got, tt.file+":"+tt.want) || foreign.MatchString(ps[0].Err.Error()) {
			t.Errorf("%q:\n got %s\nwant %s:%s", tt.text, got, tt.file, tt.want)
		}
		if !strings.Contains(got, "; ") && !strings.Contains(got, "deep") {
			t.Errorf("%q: %s does not say what to write", tt.text, got)
		}
	}
}

// TestEveryWord looks for what the library of YAML can say in its source: each of its
// sentences has one of ours.
func TestEveryWord(t *testing.T) {
	says, err := os.ReadFile("yamlsays.go")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.yaml.in/yaml/v4").Output()
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`\n\t*(?:[^"\n]*, )?(?:return parser\.formatS\w+Error\()?"((?:found|did not find|could not find|block|mapping|invalid \w+ UTF|incomplete|control) [^"(]*)"`)
	n := 0
	for _, name := range []string{"scanner.go", "parser.go"} {
		source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "internal/libyaml", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllSubmatch(source, -1) {
			n++
			sentence := string(m[1])
			if sentence == "did not find expected <stream-start>" {
				continue // the reader itself begins with it
			}
			if !strings.Contains(string(says), `"`+sentence+`"`) {
				t.Errorf("%s: nothing of ours for %q", name, sentence)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d sentences found", n)
	}
}
