package config_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
)

type colour string

func (colour) Enum() []string { return []string{"red", "green", "blue"} }

type verb string

func (verb) Enum() []string       { return []string{"GET", "POST"} }
func (verb) Fold(s string) string { return strings.ToUpper(s) }

// breaker has the shape of most options: scalars with bounds.
type breaker struct {
	Interval  config.Seconds  `json:"interval" check:"required,min=1"`
	Timeout   config.Duration `json:"timeout" check:"min=1ms,max=1h"`
	MaxErrors int             `json:"max_errors" check:"required,min=1,max=100"`
	LogStatus bool            `json:"log_status_change"`
	Name      string          `json:"name" check:"nonempty,max=8"`
	Ratio     float64         `json:"ratio" check:"max=1"`
}

// keys has the shape of the rest: lists, maps, objects.
type keys struct {
	Strategy colour             `json:"strategy"`
	Keys     []key              `json:"keys" check:"required,nonempty"`
	Salt     *string            `json:"salt"`
	Hosts    []string           `json:"hosts" check:"unique,url"`
	Limits   map[string]float64 `json:"limits" check:"max=2"`
	Groups   map[string][]key   `json:"groups"`
	Codes    []uint8            `json:"codes"`
	Size     config.Size        `json:"size"`
	Nested   breaker            `json:"nested"`
	Optional *breaker           `json:"optional"`
	Raw      *config.Node       `json:"raw"`
	Any      any                `json:"any"`
}

type key struct {
	Key   string   `json:"key" check:"required"`
	Roles []string `json:"roles"`
}

// TestEveryKey misspells and mistypes each key in turn, in each format, and
// expects exactly that problem on its line.
func TestEveryKey(t *testing.T) {
	samples := map[string]string{
		"interval": `60`, "timeout": `"1s"`, "max_errors": `3`, "log_status_change": `true`, "name": `"n"`, "ratio": `0.5`,
		"strategy": `"red"`, "keys": `[{"key": "k"}]`, "salt": `"s"`, "hosts": `["http://h"]`, "limits": `{"a": 1}`,
		"groups": `{"a": [{"key": "k"}]}`, "codes": `[1]`, "size": `1`,
		"nested": `{"interval": 1, "max_errors": 1}`, "optional": `{"interval": 1, "max_errors": 1}`,
	}
	const wrong = `{"wrong": []}` // is none of the types above, but for the objects
	formats := map[string]func(key, value string) string{
		"json": func(key, value string) string { return fmt.Sprintf("%q: %s,", key, value) },
		"yaml": func(key, value string) string { return key + ": " + value },
		"toml": func(key, value string) string {
			return key + " = " + strings.ReplaceAll(value, `": `, `" = `)
		},
	}
	types := []struct {
		keys   []string
		decode func(*config.Node) []*config.Problem
	}{
		{config.SpecOf(reflect.TypeFor[breaker]()).Known(), func(n *config.Node) []*config.Problem { return config.Decode(n, new(breaker)) }},
		{config.SpecOf(reflect.TypeFor[keys]()).Known()[:10], func(n *config.Node) []*config.Problem { return config.Decode(n, new(keys)) }},
	}
	for ext, write := range formats {
		for _, typ := range types {
			// document writes all keys, one a line, from line 3 on.
			document := func(change func(key, value string) (string, string)) string {
				lines := []string{"# options", ""}
				if ext == "json" {
					lines = []string{"{", ""}
				}
				for _, k := range typ.keys {
					lines = append(lines, write(change(k, samples[k])))
				}
				if ext == "json" {
					lines = append(lines, `"@end": 0}`)
				}
				return strings.Join(lines, "\n") + "\n"
			}
			check := func(name, text string, line int, code string) {
				t.Run(ext+"/"+name, func(t *testing.T) {
					d, ps := config.Parse("f."+ext, []byte(text))
					if d == nil {
						t.Fatalf("%v\n%s", ps, text)
					}
					for _, p := range typ.decode(d.Root) {
						if int(p.At.Line) == line && p.Code == code {
							return
						}
					}
					t.Errorf("no %s on line %d; got\n%sof\n%s", code, line, config.Format(typ.decode(d.Root)), text)
				})
			}
			for i, k := range typ.keys {
				check(k+"/misspelt", document(func(key, value string) (string, string) {
					if key == k {
						key = key[:1] + "_" + key[2:] + "x"
					}
					return key, value
				}), i+3, config.CodeUnknownField)
				code := config.CodeWrongType
				if k == "nested" || k == "optional" {
					code = config.CodeUnknownField // of the key within
				}
				check(k+"/mistyped", document(func(key, value string) (string, string) {
					if key == k {
						value = wrong
						if k == "groups" {
							value = `"text"`
						}
					}
					return key, value
				}), i+3, code)
			}
			t.Run(ext+"/right", func(t *testing.T) {
				text := document(func(key, value string) (string, string) { return key, value })
				d, ps := config.Parse("f."+ext, []byte(text))
				if d == nil {
					t.Fatalf("%v\n%s", ps, text)
				}
				if ps := typ.decode(d.Root); len(ps) > 0 {
					t.Errorf("%sof\n%s", config.Format(ps), text)
				}
			})
		}
	}
}

func TestDecode(t *testing.T) {
	var got keys
	root := parse(t, `{
		"strategy": "green", "keys": [{"key": "a", "roles": ["x"], "@comment": 1}, {"key": "b"}],
		"salt": "pepper", "hosts": ["http://h", "https://i:1/x"], "limits": {"_id": 1, "#": 2e1},
		"groups": {"@comment": "none", "g": [{"key": "c"}]}, "codes": [1, 2.0, 2e2], "size": "1KiB",
		"nested": {"interval": 1, "timeout": "2s", "max_errors": 3, "log_status_change": true, "name": "n", "ratio": 0.25},
		"optional": {"interval": 1, "max_errors": 1}, "raw": {"x": [1]}, "any": {"_x": [null, 1]},
		"$schema": "comment", "@x": 1, "_x": 2, "#x": 3
	}`)
	if ps := config.Decode(root, &got); len(ps) > 0 {
		t.Fatal(config.Format(ps))
	}
	salt := "pepper"
	want := keys{
		Strategy: "green", Keys: []key{{Key: "a", Roles: []string{"x"}}, {Key: "b"}}, Salt: &salt,
		Hosts: []string{"http://h", "https://i:1/x"}, Limits: map[string]float64{"_id": 1, "#": 20},
		Groups: map[string][]key{"g": {{Key: "c"}}}, Codes: []uint8{1, 2, 200}, Size: 1024,
		Nested:   breaker{Interval: 1, Timeout: config.Duration(2 * time.Second), MaxErrors: 3, LogStatus: true, Name: "n", Ratio: 0.25},
		Optional: &breaker{Interval: 1, MaxErrors: 1}, Raw: root.Get("raw"), Any: root.Get("any").Value(),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestDecodeProblems is the list of messages; each case is one problem of the
// options keys or breaker.
func TestDecodeProblems(t *testing.T) {
	const b = `"interval": 1, "max_errors": 1`
	const k = `"keys": [{"key": "k"}]`
	tests := []struct{ name, in, want string }{
		{"required", `{"interval": 1}`, `error: f.json:1:1: max_errors: missing; add for instance "max_errors": 10`},
		{"null is missing", `{"interval": 1, "max_errors": null}`, `error: f.json:1:1: max_errors: missing; add for instance "max_errors": 10`},
		{"required in a list", `{"keys": [{"roles": []}]}`, `error: f.json:1:11: keys[0].key: missing; add for instance "key": "text"`},
		{"too small", `{"interval": 0, "max_errors": 1}`, `error: f.json:1:14: interval: must be 1 or more, got 0`},
		{"outside", `{"interval": 1, "max_errors": 101}`, `error: f.json:1:31: max_errors: must be between 1 and 100, got 101`},
		{"duration outside", `{` + b + `, "timeout": "2h"}`, `error: f.json:1:45: timeout: must be between 1ms and 1h, got 2h`},
		{"too large", `{` + b + `, "ratio": 1.5}`, `error: f.json:1:43: ratio: must be 1 or less, got 1.5`},
		{"too long", `{` + b + `, "name": "123456789"}`, `error: f.json:1:42: name: must have at most 8 characters, has 9`},
		{"empty text", `{` + b + `, "name": ""}`, `error: f.json:1:42: name: must not be empty; write a value, or remove the key`},
		{"too many entries", `{` + k + `, "limits": {"a": 1, "b": 2, "c": 3}}`, `error: f.json:1:36: limits: must have at most 2 entries, has 3`},
		{"empty list", `{"keys": []}`, `error: f.json:1:10: keys: must not be empty; write a value`},
		{"typo", `{` + b + `, "max_erors": 1}`, `warning: f.json:1:34: max_erors: unknown key "max_erors"; did you mean "max_errors"?`},
		{"unknown in a small object", `{"keys": [{"key": "k", "colour": 1}]}`, `warning: f.json:1:24: keys[0].colour: unknown key "colour"; the keys are "key" and "roles"`},
		{"unknown in a large object", `{` + k + `, "zzzzz": 1}`, `warning: f.json:1:26: zzzzz: unknown key "zzzzz"; the keys are "strategy", "keys", "salt", "hosts", "limits", "groups", "codes", "size", "nested", "optional", "raw" and "any"`},
		{"object for list", `{` + k + `, "hosts": {}}`, `error: f.json:1:35: hosts: must be a list of texts, got an object; write ["a", "b"]`},
		{"text for list", `{` + k + `, "hosts": "http://h"}`, `error: f.json:1:35: hosts: must be a list of texts, got "http://h"; write ["http://h"]`},
		{"texts in one text for list", `{` + k + `, "hosts": "http://h, http://i"}`, `error: f.json:1:35: hosts: must be a list of texts, got "http://h, http://i"; write ["http://h", "http://i"]`},
		{"list in a text for list", `{` + k + `, "hosts": "[\"http://h\"]"}`, `error: f.json:1:35: hosts: must be a list of texts, got "[\"http://h\"]"; write ["http://h"]`},
		{"object of truths for list", `{` + k + `, "hosts": {"a": true, "b": false, "c": 1, "d": {"e": true}, "f": ["g"], "@x": true}}`, `error: f.json:1:35: hosts: must be a list of texts, got an object; write ["a", "c", "d.e", "f.g"]`},
		{"object of texts for list", `{` + k + `, "hosts": {"0": "a", "1": "b"}}`, `error: f.json:1:35: hosts: must be a list of texts, got an object; write ["a", "b"]`},
		{"number for list of texts", `{` + k + `, "hosts": 5}`, `error: f.json:1:35: hosts: must be a list of texts, got 5; write ["5"]`},
		{"lists in a list of texts", `{` + k + `, "hosts": [["http://h", "http://i"]]}`, `error: f.json:1:36: hosts[0]: must be a text, got a list; write "http://h", "http://i"`},
		{"object in a list of texts", `{` + k + `, "hosts": [{"http://h": true}]}`, `error: f.json:1:36: hosts[0]: must be a text, got an object; write "http://h"`},
		{"number for list", `{` + k + `, "codes": 7}`, `error: f.json:1:35: codes: must be a list of whole numbers, got 7; write [7]`},
		{"list for object", `{` + k + `, "nested": []}`, `error: f.json:1:36: nested: must be an object, got a list; write {...}`},
		{"list for map", `{` + k + `, "limits": ["a"]}`, `error: f.json:1:36: limits: must be an object of numbers, got a list; write {"name": 0.5}`},
		{"map of lists", `{` + k + `, "groups": 1}`, `error: f.json:1:36: groups: must be an object of lists of objects, got 1; write {"name": [{...}]}`},
		{"text for number", `{"interval": "1", "max_errors": 1}`, `error: f.json:1:14: interval: must be a whole number of seconds, got "1"; write 1 without quotes`},
		{"text for boolean", `{` + b + `, "log_status_change": "true"}`, `error: f.json:1:55: log_status_change: must be true or false, got "true"; write true without quotes`},
		{"number for text", `{` + b + `, "name": 5}`, `error: f.json:1:42: name: must be a text, got 5; write "5"`},
		{"fraction", `{"interval": 1, "max_errors": 1.5}`, `error: f.json:1:31: max_errors: must be a whole number, got 1.5; write 1`},
		{"beyond 64 bits", `{"interval": 99999999999999999999, "max_errors": 1}`, `error: f.json:1:14: interval: must be between -9223372036854775808 and 9223372036854775807, got 99999999999999999999`},
		{"beyond a float", `{"interval": 1e999, "max_errors": 1}`, `error: f.json:1:14: interval: is out of range, got 1e999; write it with digits only`},
		{"beyond 8 bits", `{` + k + `, "codes": [1, 256]}`, `error: f.json:1:39: codes[1]: must be between 0 and 255, got 256`},
		{"float beyond range", `{` + b + `, "ratio": -1e999}`, `error: f.json:1:43: ratio: is out of range, got -1e999`},
		{"null in a list", `{` + k + `, "hosts": ["http://h", null]}`, `error: f.json:1:48: hosts[1]: entry 1 of the list is null; write a text, or remove it`},
		{"unknown value", `{` + k + `, "strategy": "purple"}`, `error: f.json:1:38: strategy: must be one of "red", "green" and "blue", got "purple"`},
		{"unknown value, near one", `{` + k + `, "strategy": "gren"}`, `error: f.json:1:38: strategy: must be one of "red", "green" and "blue", got "gren"; did you mean "green"?`},
		{"empty value", `{` + k + `, "strategy": ""}`, `error: f.json:1:38: strategy: must be one of "red", "green" and "blue", got ""`},
		{"entries not unique", `{` + k + `, "hosts": ["http://h", "http://i", "http://h"]}`, `error: f.json:1:60: hosts[2]: is the same as entry [0]; remove one of them`},
		{"no URL", `{` + k + `, "hosts": ["http://h", "h:80"]}`, `error: f.json:1:48: hosts[1]: is not an absolute URL; write https://host/path`},
		{"long text is cut", `{` + k + `, "strategy": "` + strings.Repeat("x", 70) + `"}`, `error: f.json:1:38: strategy: must be one of "red", "green" and "blue", got "` + strings.Repeat("x", 60) + `"...`},
		{"not an object", `[]`, `error: f.json:1:1: must be an object, got a list; write {...}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := parse(t, tt.in)
			var ps []*config.Problem
			if strings.Contains(tt.in, `"interval"`) {
				ps = config.Decode(n, new(breaker))
			} else {
				ps = config.Decode(n, new(keys))
			}
			if got := config.Format(ps); got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestDecodeReportsEverything(t *testing.T) {
	n := parse(t, `{
  "keys": [{"key": 1}, null],
  "strategy": "pink",
  "typo": 1,
  "nested": {"interval": -1}
}`)
	ps := config.Decode(n, new(keys))
	const want = `error: f.json:2:20: keys[0].key: must be a text, got 1; write "1"
error: f.json:2:24: keys[1]: entry 1 of the list is null; write an object, or remove it
error: f.json:3:15: strategy: must be one of "red", "green" and "blue", got "pink"
warning: f.json:4:3: typo: unknown key "typo"; the keys are "strategy", "keys", "salt", "hosts", "limits", "groups", "codes", "size", "nested", "optional", "raw" and "any"
error: f.json:5:13: nested.max_errors: missing; add for instance "max_errors": 10
error: f.json:5:26: nested.interval: must not be negative, got -1
`
	if got := config.Format(ps); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDecodeLoose(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
	}
	type options struct {
		Int    int                     `json:"int"`
		Uint   uint                    `json:"uint"`
		Bool   bool                    `json:"bool"`
		Float  float64                 `json:"float"`
		Text   string                  `json:"text"`
		List   []string                `json:"list"`
		Inners []*inner                `json:"inners"`
		Map    map[string]string       `json:"map"`
		Extra  map[string]*config.Node `json:"extra"`
		Verb   verb                    `json:"verb"`
		Size   config.Size             `json:"size"`
		Nodes  []*config.Node          `json:"nodes"`
	}
	tests := []struct {
		in      string
		want    options
		problem string
	}{
		{`{"INT":"2"}`, options{Int: 2}, `warning: f.json:1:2: INT: the key is written in another letter case; write "int"
warning: f.json:1:8: INT: must be a whole number, got "2"; write 2`},
		{`{"int":""}`, options{}, `error: f.json:1:8: int: must be a whole number, got ""; write 10`},
		{`{"int":true}`, options{Int: 1}, `warning: f.json:1:8: int: must be a whole number, got true; write 1`},
		{`{"int":false}`, options{}, `warning: f.json:1:8: int: must be a whole number, got false; write 0`},
		{`{"int":1.5}`, options{Int: 1}, "warning: f.json:1:8: int: must be a whole number, got 1.5, read as 1; write that"},
		{`{"int":"two"}`, options{}, `error: f.json:1:8: int: must be a whole number, got "two"; write 10`},
		{`{"int":[1]}`, options{}, `error: f.json:1:8: int: must be a whole number, got a list; write 10`},
		{`{"uint":"-1"}`, options{}, `error: f.json:1:9: uint: must be between 0 and 18446744073709551615, got "-1"`},
		{`{"bool":"true"}`, options{Bool: true}, `warning: f.json:1:9: bool: must be true or false, got "true"; write true`},
		{`{"bool":1}`, options{Bool: true}, `warning: f.json:1:9: bool: must be true or false, got 1; write true`},
		{`{"bool":0}`, options{}, `warning: f.json:1:9: bool: must be true or false, got 0; write false`},
		{`{"bool":""}`, options{}, `error: f.json:1:9: bool: must be true or false, got ""; write true`},
		{`{"bool":"yes"}`, options{}, `error: f.json:1:9: bool: must be true or false, got "yes"; write true`},
		{`{"float":"0.5"}`, options{Float: 0.5}, `warning: f.json:1:10: float: must be a number, got "0.5"; write 0.5`},
		{`{"float":true}`, options{Float: 1}, `warning: f.json:1:10: float: must be a number, got true; write 1`},
		{`{"text":5}`, options{Text: "5"}, `warning: f.json:1:9: text: must be a text, got 5; write "5"`},
		{`{"text":true}`, options{Text: "1"}, `warning: f.json:1:9: text: must be a text, got true; write "true"`},
		{`{"text":false}`, options{Text: "0"}, `warning: f.json:1:9: text: must be a text, got false; write "false"`},
		{`{"text":{}}`, options{}, `error: f.json:1:9: text: must be a text, got an object; write "text"`},
		{`{"list":"a"}`, options{List: []string{"a"}}, `warning: f.json:1:9: list: must be a list of texts, got "a"; write ["a"]`},
		{`{"list":"a, b"}`, options{List: []string{"a, b"}}, `warning: f.json:1:9: list: must be a list of texts, got "a, b"; write ["a", "b"]`},
		{`{"list":"[\"a\"]"}`, options{List: []string{`["a"]`}}, `warning: f.json:1:9: list: must be a list of texts, got "[\"a\"]"; write ["a"]`},
		{`{"list":"[]"}`, options{List: []string{"[]"}}, `warning: f.json:1:9: list: must be a list of texts, got "[]"; write ["[]"]`},
		{`{"list":"a\\,b"}`, options{List: []string{`a\,b`}}, `warning: f.json:1:9: list: must be a list of texts, got "a\\,b"; write ["a\\,b"]`},
		{`{"list":5}`, options{List: []string{"5"}}, `warning: f.json:1:9: list: must be a list of texts, got 5; write ["5"]`},
		{`{"list":{}}`, options{}, `error: f.json:1:9: list: must be a list of texts, got an object; write ["a", "b"]`},
		{`{"inners":{"NAME":"x"}}`, options{Inners: []*inner{{"x"}}}, `warning: f.json:1:11: inners: must be a list of objects, got an object; write it in brackets: [...]
warning: f.json:1:12: inners.NAME: the key is written in another letter case; write "name"`},
		{`{"inners":"x"}`, options{}, `error: f.json:1:11: inners: must be a list of objects, got "x"; write [{...}]`},
		{`{"inners":[{"name":"a"},null,{"name":"b"}]}`, options{Inners: []*inner{{"a"}, nil, {"b"}}},
			`error: f.json:1:25: inners[1]: entry 1 of the list is null; write an object, or remove it`},
		{`{"nodes":[null]}`, options{Nodes: []*config.Node{nil}}, `error: f.json:1:11: nodes[0]: entry 0 of the list is null; write a value, or remove it`},
		{`{"map":{"_id":"id","@x":1}}`, options{Map: map[string]string{"_id": "id", "@x": "1"}}, `warning: f.json:1:25: map["@x"]: must be a text, got 1; write "1"`},
		{`{"map":["a"]}`, options{}, `error: f.json:1:8: map: must be an object of texts, got a list; write {"name": "text"}`},
		{`{"extra":"x"}`, options{}, `error: f.json:1:10: extra: must be an object of values, got "x"; write {"name": ...}`},
		{`{"extra":{"@x":1,"n":null}}`, options{Extra: map[string]*config.Node{}}, ""},
		{`{"verb":"post"}`, options{Verb: "POST"}, `warning: f.json:1:9: verb: must be one of "GET" and "POST", got "post"; write "POST"`},
		{`{"verb":""}`, options{}, `warning: f.json:1:9: verb: an empty text stands for an absent value; write one of "GET" and "POST", or remove the key`},
		{`{"verb":"PUST"}`, options{Verb: "PUST"}, `error: f.json:1:9: verb: must be one of "GET" and "POST", got "PUST"; did you mean "POST"?`},
		{`{"size":"10"}`, options{Size: 10}, ""},
		{`{"size":""}`, options{}, `error: f.json:1:9: size: invalid size ""; write a number of bytes, or a whole number and one of B, kB, MB, GB, KiB, MiB, GiB, such as "1MB"`},
		{`{"Int":1,"int":2}`, options{Int: 2}, `warning: f.json:1:2: Int: the key is written in another letter case; write "int"
warning: f.json:1:10: int: the key occurs twice in different letter case; the value at f.json:1:8 is ignored, keep one of the two`},
		{`{"allow":null,"text":null}`, options{}, `warning: f.json:1:2: allow: unknown key "allow"; the keys are "int", "uint", "bool", "float", "text", "list", "inners", "map", "extra", "verb", "size" and "nodes"
warning: f.json:1:22: text: null is no value; write a text`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			var o options
			got := strings.TrimSuffix(config.Format(config.DecodeLoose(parse(t, tt.in), &o)), "\n")
			if got != tt.problem {
				t.Errorf("got  %s\nwant %s", got, tt.problem)
			}
			if !strings.HasPrefix(got, "error") && !reflect.DeepEqual(o, tt.want) {
				t.Errorf("got %+v, want %+v", o, tt.want)
			}
		})
	}
}

func TestReferencesStandForScalars(t *testing.T) {
	d, _ := config.Parse("f", []byte(`{"interval": "${env:N}", "max_errors": "${env:N}", "log_status_change": "${env:T}", "ratio": 0}`))
	d.ExpandReferences(config.LoadOptions{Environ: []string{"N=7", "T=true"}})
	var got breaker
	if ps := config.Decode(d.Root, &got); len(ps) > 0 {
		t.Fatal(config.Format(ps))
	}
	if want := (breaker{Interval: 7, MaxErrors: 7, LogStatus: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

type limits struct {
	Max int `json:"max"`
	Min int `json:"min"`
}

func (limits) Defaults() limits { return limits{Max: 10, Min: 1} }

func (l limits) Validate() error {
	if l.Min > l.Max {
		return config.At("min", fmt.Errorf("min %d is above max %d; swap them", l.Min, l.Max))
	}
	return nil
}

type Common struct {
	Label string `json:"label"`
}

func (Common) Defaults() Common { return Common{Label: "common"} }

func (c Common) Validate() error {
	if c.Label == "bad" {
		return config.At("label", errors.New("bad is reserved; write another"))
	}
	return nil
}

type tree struct {
	Common
	Plain  limits            `json:"plain"`
	Ptr    *limits           `json:"ptr"`
	List   []limits          `json:"list"`
	Map    map[string]limits `json:"map"`
	Leaves []*tree           `json:"leaves"`
	Node   *config.Node      `json:"-"`
	Hidden int               `json:"-"`
	unseen int
}

func TestDefaults(t *testing.T) {
	plain := limits{Max: 10, Min: 1}
	if got, want := config.Defaults[tree](), (tree{Common: Common{"common"}, Plain: plain}); !reflect.DeepEqual(got, want) {
		t.Errorf("Defaults = %+v, want %+v", got, want)
	}
	var got tree
	n := parse(t, `{"plain":{"max":5},"ptr":{"min":2},"list":[{},{"max":3}],"map":{"a":{"min":4}},"leaves":[{"plain":null}]}`)
	if ps := config.Decode(n, &got); config.HasErrors(ps) {
		t.Fatal(config.Format(ps))
	}
	want := tree{
		Common: Common{"common"}, Plain: limits{5, 1}, Ptr: &limits{10, 2}, List: []limits{{10, 1}, {3, 1}},
		Map:    map[string]limits{"a": {10, 4}},
		Leaves: []*tree{{Common: Common{"common"}, Plain: plain, Node: n.Get("leaves").Items[0]}},
		Node:   n,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.unseen != 0 {
		t.Error("an unexported field was set")
	}
}

// outer sets defaults for what is within it, a pointer and a list included.
type outer struct {
	In   limits            `json:"in"`
	Ptr  *limits           `json:"ptr"`
	List []string          `json:"list"`
	Map  map[string]string `json:"map"`
}

var shared = &limits{Max: 7, Min: 7}

func (outer) Defaults() outer {
	return outer{In: limits{Max: 99}, Ptr: shared, List: []string{"a", "b"}, Map: map[string]string{"a": "b"}}
}

func TestOuterDefaults(t *testing.T) {
	var got outer
	if ps := config.Decode(parse(t, `{"in":{"min":3},"ptr":{"min":1},"list":["c"],"map":{"x":"y"}}`), &got); len(ps) > 0 {
		t.Fatal(config.Format(ps))
	}
	want := outer{In: limits{99, 3}, Ptr: &limits{7, 1}, List: []string{"c"}, Map: map[string]string{"x": "y"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if *shared != (limits{7, 7}) {
		t.Errorf("decoding changed the shared default: %+v", *shared)
	}
	given := outer{In: limits{1, 1}}
	config.Decode(parse(t, `{}`), &given)
	if !reflect.DeepEqual(given, outer{In: limits{1, 1}}) {
		t.Errorf("decoding into a value that is not zero replaced it: %+v", given)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"right", `{"plain":{"min":2}}`, ""},
		{"nested", `{"plain":{"min":20}}`, "error: f.json:1:17: plain.min: min 20 is above max 10; swap them\n"},
		{"key not written", `{"plain":{"max":0}}`, "error: f.json:1:10: plain.min: min 1 is above max 0; swap them\n"},
		{"pointer", `{"ptr":{"min":20}}`, "error: f.json:1:15: ptr.min: min 20 is above max 10; swap them\n"},
		{"list", `{"list":[{},{"min":20}]}`, "error: f.json:1:20: list[1].min: min 20 is above max 10; swap them\n"},
		{"map", `{"map":{"a b":{"min":20}}}`, "error: f.json:1:22: map[\"a b\"].min: min 20 is above max 10; swap them\n"},
		{"embedded, once", `{"label":"bad"}`, "error: f.json:1:10: label: bad is reserved; write another\n"},
		{"not after an unreadable key", `{"plain":{"min":20,"max":"x"}}`, "error: f.json:1:26: plain.max: must be a whole number, got \"x\"; write 10\n"},
		{"outer after a bad inner", `{"label":"bad","plain":{"min":20}}`,
			"error: f.json:1:10: label: bad is reserved; write another\nerror: f.json:1:31: plain.min: min 20 is above max 10; swap them\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := config.Format(config.Decode(parse(t, tt.in), new(tree))); got != tt.want {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestAbsentOptions(t *testing.T) {
	var o limits
	if ps := config.Decode(nil, &o); len(ps) > 0 || o != (limits{10, 1}) {
		t.Errorf("got %+v, %v", o, ps)
	}
	if got, want := config.Format(config.Decode(nil, new(key))), "error: key: missing; add for instance \"key\": \"text\"\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
	n := parse(t, `{"a":null}`).Get("a")
	if got, want := config.Format(config.Decode(n, new(key))), "error: f.json:1:6: a.key: missing; add for instance \"key\": \"text\"\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// textOrKey takes a text or an object.
type textOrKey struct{ key }

func (v *textOrKey) UnmarshalNode(n *config.Node) error {
	if n.Kind == config.String {
		v.Key = n.Text
		return nil
	}
	return config.Join(config.Decode(n, &v.key))
}

func (textOrKey) NodeKinds() []config.Kind { return []config.Kind{config.String, config.Object} }

func TestUnmarshalNode(t *testing.T) {
	type options struct {
		List []textOrKey          `json:"list"`
		Rest map[string]textOrKey `json:"*"`
	}
	var o options
	ps := config.Decode(parse(t, `{"list":["a",{"key":"b","x":1},{}],"more":"c","@comment":1,"other":{"key":2}}`), &o)
	const want = `warning: f.json:1:25: list[1].x: unknown key "x"; the keys are "key" and "roles"
error: f.json:1:32: list[2].key: missing; add for instance "key": "text"
error: f.json:1:75: other.key: must be a text, got 2; write "2"
`
	if got := config.Format(ps); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if o.List[0].Key != "a" || o.List[1].Key != "b" || o.Rest["more"].Key != "c" || len(o.Rest) != 2 {
		t.Errorf("got %+v", o)
	}
}

func TestFormatRules(t *testing.T) {
	type options struct {
		IP     string            `json:"ip" check:"ip"`
		CIDR   []string          `json:"cidr" check:"cidr"`
		Regexp string            `json:"regexp" check:"regexp"`
		Token  string            `json:"token" check:"token"`
		Old    string            `json:"old" check:"deprecated"`
		ByName map[colour]string `json:"by_name"`
	}
	tests := []struct{ in, want string }{
		{`{"ip":"::1","cidr":["10.0.0.0/8","::1"],"regexp":"^a+$","token":"X-Request_Id","by_name":{"red":"x"}}`, ""},
		{`{"ip":"localhost"}`, `error: f.json:1:7: ip: "localhost" is not an IP address; write one such as 192.0.2.1 or 2001:db8::1`},
		{`{"cidr":["10.0.0.0/8","10/8"]}`, `error: f.json:1:23: cidr[1]: "10/8" is not an address range; write one such as 10.0.0.0/8 or 2001:db8::/32`},
		{`{"regexp":"("}`, "error: f.json:1:11: regexp: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`"},
		{`{"token":"a b"}`, "error: f.json:1:10: token: \"a b\" holds \" \"; write letters, digits and !#$%&'*+-.^_`|~ only"},
		{`{"token":""}`, `error: f.json:1:10: token: "" is empty; write a name`},
		{`{"old":"x"}`, `note: f.json:1:8: old: the key is deprecated; its description names what replaces it`},
		{`{"by_name":{"rad":"x"}}`, `error: f.json:1:13: by_name.rad: must be one of "red", "green" and "blue", got "rad"; did you mean "red"?`},
	}
	for _, tt := range tests {
		got := strings.TrimSuffix(config.Format(config.Decode(parse(t, tt.in), new(options))), "\n")
		if got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestUnusableTypes(t *testing.T) {
	type embedded struct {
		A int `json:"a"`
	}
	tests := map[string]any{
		"chan int cannot be read from a configuration": struct {
			A chan int `json:"a"`
		}{},
		"time.Duration has no unit": struct {
			A time.Duration `json:"a"`
		}{},
		"needs a json tag":              struct{ A int }{},
		"two fields with the key \"a\"": twice{},
		"keys of map[int]string":        map[int]string{},
		"fmt.Stringer cannot be read":   []fmt.Stringer{},
		"the rule \"large\" is unknown": struct {
			A int `json:"a" check:"large"`
		}{},
		"the rule \"min=x\" is unknown": struct {
			A int `json:"a" check:"min=x"`
		}{},
		"the rule \"required=1\" is": struct {
			A int `json:"a" check:"required=1"`
		}{},
		"the rule \"url\" is unknown": struct {
			A int `json:"a" check:"url"`
		}{},
		"the rule \"nonempty\" is unknown": struct {
			A int `json:"a" check:"nonempty"`
		}{},
		"the rule \"unique\" is unknown": struct {
			A string `json:"a" check:"unique"`
		}{},
		"the rule \"max=5\" is unknown": struct {
			A bool `json:"a" check:"max=5"`
		}{},
		"the rule \"min=5\" is unknown": struct {
			A config.Duration `json:"a" check:"min=5"`
		}{},
		"takes all other keys and must be": struct {
			A string `json:"*"`
		}{},
		"embedded in struct": struct{ embedded }{},
	}
	for _, want := range slices.Sorted(maps.Keys(tests)) {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panicked with %q, want %q", got, want)
				}
			}()
			config.SpecOf(reflect.TypeOf(tests[want]))
		})
	}
}

type twice struct {
	Inner
	B int `json:"a"`
}

type Inner struct {
	A int `json:"a"`
}

func BenchmarkDecodeLoose(b *testing.B) {
	type backend struct {
		URLPattern string                  `json:"url_pattern"`
		Host       []string                `json:"host"`
		Allow      []string                `json:"allow"`
		Extra      map[string]*config.Node `json:"extra_config"`
	}
	type endpoint struct {
		Endpoint string          `json:"endpoint" check:"required"`
		Method   verb            `json:"method"`
		Timeout  config.Duration `json:"timeout"`
		Headers  []string        `json:"input_headers"`
		Backend  []*backend      `json:"backend"`
	}
	type service struct {
		Version   int         `json:"version"`
		Endpoints []*endpoint `json:"endpoints"`
	}
	d, _ := config.Parse("f.json", largeJSON(1000))
	b.ReportAllocs()
	for b.Loop() {
		if ps := config.DecodeLoose(d.Root, new(service)); len(ps) > 0 {
			b.Fatal(ps)
		}
	}
}
