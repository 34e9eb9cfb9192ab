package misspell

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

// only chooses one sample, whose mistakes are made.
var only = flag.String("sample", "", "the name of the sample that mistakes are made in, without its extension; all if it is empty")

// A mistake is a sample with one thing wrong.
type mistake struct {
	what string // in words
	text string
	key  key

	line  int32 // where it is, if that is not where the key is
	taken bool  // the dialect krakend takes it for what is meant, as it always did
}

// instead is how a message says what to write: behind a semicolon, or by naming
// what is allowed.
var instead = regexp.MustCompile(`; |must be (one of|between) |must have (between|at least|at most) |or (more|less), got |\(want: `)

// dialects are the environments that choose one.
var dialects = []string{"SLUICE_DIALECT=krakend", "SLUICE_DIALECT=sluice"}

// TestMistakes makes every mistake in every sample. At least 995 of 1000 must be
// errors of check --lint, on the line where they were made. Every message must say
// what to write instead. Of the mistakes in what protects or filters none may start
// in either dialect, unless the dialect takes it for what is meant. A mistake is
// made once with each key in each format.
func TestMistakes(t *testing.T) {
	all := samples(t)
	if *only != "" {
		all = slices.DeleteFunc(all, func(s sample) bool { return strings.TrimSuffix(s.name, filepath.Ext(s.name)) != *only })
		if len(all) == 0 {
			t.Fatalf("no sample is called %s; write it as %s beside its component", *only, declared.Sample("", *only))
		}
	}
	var mu sync.Mutex
	made := make(map[string]int)
	guards := 0
	var missed []string
	type mistakeOf struct {
		owner                reflect.Type
		key, what, extension string
	}
	seen := make(map[mistakeOf]bool)
	once := func(f config.Field, s sample, mistakes []mistake) []mistake {
		return slices.DeleteFunc(mistakes, func(m mistake) bool {
			what, _, _ := strings.Cut(m.what, ":")
			this := mistakeOf{f.Owner, f.Key, what, filepath.Ext(s.name)}
			was := seen[this]
			seen[this] = true
			return was
		})
	}
	t.Run("samples", func(t *testing.T) {
		for _, s := range all {
			var mistakes []mistake
			walk(s.root, root, func(f config.Field, k key) {
				list := slices.Concat(misspellings(t, s, k), spellings(t, s, k), mistypes(t, s, k))
				if filepath.Ext(s.name) != ".toml" { // where it is a mistake of syntax
					list = append(list, duplicates(t, s, k)...)
				}
				mistakes = append(mistakes, once(f, s, list)...)
			})
			plain := rendered(t, s)
			walk(plain.root, root, func(f config.Field, k key) {
				list := moves(t, plain, k)
				for i := range list {
					list[i].taken = list[i].taken || f.Guards == config.GuardsBeside
				}
				mistakes = append(mistakes, once(f, plain, list)...)
			})
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				for i, m := range mistakes {
					if testing.Short() && i%7 != 0 || testx.Race && i%5 != 0 {
						continue
					}
					problems := check(t.Context(), s.name, m.text)
					if m.line > 0 && strings.HasPrefix(m.what, "moved") {
						problems = check(t.Context(), plain.name, m.text)
					}
					found := slices.ContainsFunc(problems, func(p *config.Problem) bool {
						right := p.At.Line == m.key.at.Line || p.At.Line == m.key.value.Pos.Line
						if m.line > 0 {
							right = p.At.Line == m.line
						}
						return right && p.Severity == config.Error && p.Code != config.CodeSyntax
					})
					for _, p := range problems {
						// Notes want nothing, and the syntax is told by the formats.
						if p.Severity != config.Note && p.Code != config.CodeSyntax && !instead.MatchString(p.Err.Error()) {
							t.Errorf("%s: %s\n%v\ndoes not say what to write instead", m.key.value.Path(), m.what, p)
						}
					}
					for i, dialect := range dialects {
						if !m.key.guard || m.taken && i == 0 {
							continue
						}
						name := s.name
						if strings.HasPrefix(m.what, "moved") {
							name = plain.name
						}
						if problems := run(t.Context(), name, m.text, dialect); !config.HasErrors(problems) {
							t.Errorf("%s, %s: %s: %s lets it through:\n%s%s", s.name, m.key.value.Path(), m.what, dialect, config.Format(problems), cure(m))
						}
					}
					mu.Lock()
					what, _, _ := strings.Cut(m.what, ":")
					made[what]++
					if m.key.guard {
						guards++
					}
					if !found {
						missed = append(missed, fmt.Sprintf("%s:%d: %s: %s\n%s", s.name, m.key.at.Line, m.key.value.Path(), m.what, config.Format(problems)))
					}
					mu.Unlock()
				}
			})
		}
	})
	total := 0
	for what, n := range made {
		t.Logf("%s: %d", what, n)
		total += n
	}
	rate := 100 * float64(total-len(missed)) / float64(max(total, 1))
	t.Logf("%d of %d mistakes are found, %.2f %%; %d of them are in what protects or filters", total-len(missed), total, rate, guards)
	slices.Sort(missed)
	for _, m := range missed {
		t.Log("missed: " + m)
	}
	for _, what := range []string{"a letter less", "in kebab case", "in camel case", "in other case", "twice", "moved one level out", "moved elsewhere"} {
		if made[what] == 0 && *only == "" {
			t.Errorf("no key is misspelt: %s", what)
		}
	}
	if total == 0 || guards == 0 || rate < 99.5 {
		t.Errorf("%.2f %% of the mistakes are found, want 99.5 %%", rate)
	}
}

// cure says what makes the gateway look for a key that was moved.
func cure(m mistake) string {
	if !strings.HasPrefix(m.what, "moved") {
		return ""
	}
	return "an option is looked for elsewhere if its component has Guards of component.Passage or Access and " +
		"its name is no common word, or if its field has the tag guards:\"option\"\n"
}

// spellings returns the sample with a key in other spellings of its name.
func spellings(t *testing.T, s sample, k key) []mistake {
	var mistakes []mistake
	for _, spelling := range []struct {
		what, name string
		taken      bool // core objects have keys of any letter case
	}{
		{"in kebab case", strings.NewReplacer("_", "-", "/", "-").Replace(k.name), false},
		{"in camel case", camel(k.name), false},
		{"in Pascal case", upperFirst(camel(k.name)), false},
		{"in other case", strings.ToUpper(k.name), k.loose},
		{"in upper case", upperFirst(k.name), k.loose},
		{"without punctuation", strings.NewReplacer("_", "", "/", "", "-", "").Replace(k.name), false},
	} {
		switch {
		case spelling.name == k.name || strings.ContainsAny(k.name[:1], "@$_#"):
		case strings.EqualFold(spelling.name, k.name):
			mistakes = append(mistakes, mistake{what: spelling.what + ": " + spelling.name, text: rename(t, s, k, spelling.name), key: k, taken: k.loose})
		case !k.taken(spelling.name):
			mistakes = append(mistakes, mistake{what: spelling.what + ": " + spelling.name, text: rename(t, s, k, spelling.name), key: k})
		}
	}
	return mistakes
}

func upperFirst(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// duplicates returns the sample with a member that occurs twice.
func duplicates(t *testing.T, s sample, k key) []mistake {
	_, to, ok := span(t, s, k)
	if !ok {
		return nil
	}
	begin := s.offset(k.at)
	between := ", "
	if line, _ := s.line(begin); filepath.Ext(s.name) != ".json" && !inFlow(s.text[line:begin]) {
		// A block of YAML: its lines once more, without the dash of an item.
		between = strings.Repeat(" ", int(k.at.Col)-1)
		if !strings.HasSuffix(s.text[:to], "\n") {
			between = "\n" + between
		}
	}
	before := s.text[:to] + between
	line := int32(1 + strings.Count(before, "\n"))
	return []mistake{{what: "twice", text: before + s.text[begin:to] + s.text[to:], key: k, line: line}}
}

// inFlow reports whether what follows this beginning of a line of YAML stands in a
// list or an object in brackets.
func inFlow(before string) bool {
	return strings.Count(before, "{")+strings.Count(before, "[") > strings.Count(before, "}")+strings.Count(before, "]")
}

// rendered returns a sample as JSON, one member a line.
func rendered(t *testing.T, s sample) sample {
	var b bytes.Buffer
	if err := json.Indent(&b, s.root.JSON(), "", "  "); err != nil {
		t.Fatal(err)
	}
	name := s.name + ".json"
	d, problems := config.Parse(name, b.Bytes())
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	return sample{name, b.String(), d.Root}
}

// moves returns a sample of JSON with a member that stands in the object around its
// own.
func moves(t *testing.T, s sample, k key) []mistake {
	own, _ := k.value.Owner()
	outer, _ := own.Owner()
	for outer != nil && outer.Kind != config.Object {
		outer, _ = outer.Owner()
	}
	var mistakes []mistake
	if outer != nil && k.outer != nil && !k.outer(k.name) && outer.GetFold(k.name) == nil {
		mistakes = append(mistakes, move(t, s, k, outer, "moved one level out"))
	}
	if _, known := root.Settable(k.name); !known && own != s.root && outer != s.root && s.root.GetFold(k.name) == nil {
		m := move(t, s, k, s.root, "moved elsewhere: to the root")
		m.taken = idle.MatchString(k.value.Path())
		mistakes = append(mistakes, m)
	}
	return mistakes
}

// idle are the options without which nobody is let pass, although their namespaces
// protect: krakend warns of them where they stand elsewhere.
var idle = regexp.MustCompile(`\.router\.(app_engine|auto_options|decompress_gzip|disable_\w+|error_body\b.*|forward_trace|health_path|hide_version_header|logger_skip_paths|max_multipart_memory|remove_extra_slash|return_error_msg)$|"qos/http-cache"\]\.`)

// move returns a sample of JSON with a member at the beginning of another object.
func move(t *testing.T, s sample, k key, outer *config.Node, what string) mistake {
	_, to, _ := span(t, s, k)
	begin := s.offset(k.at)
	member := s.text[begin:to]
	// The comma behind it goes, or the one in front of the last one.
	rest := strings.TrimLeft(s.text[to:], " \n")
	before := s.text[:begin]
	if strings.HasPrefix(rest, ",") {
		rest = strings.TrimLeft(rest[1:], " \n")
	} else {
		before = strings.TrimSuffix(strings.TrimRight(before, " \n"), ",")
	}
	at := s.offset(outer.Pos) + 1
	text := before[:at] + member + ", " + before[at:] + rest
	line := int32(1 + strings.Count(text[:at], "\n"))
	return mistake{what: what, text: text, key: k, line: line}
}

// misspellings returns the sample with the name of a key misspelt in three
// ways: a letter less, two letters swapped, a letter more. Which letter, chance
// says; the same mistakes are made each time.
func misspellings(t *testing.T, s sample, k key) []mistake {
	seed := uint64(k.at.Line)<<16 + uint64(k.at.Col)
	chance := rand.New(rand.NewPCG(seed, uint64(len(s.text))))
	ways := map[string]func(name string) string{
		"a letter less": func(name string) string {
			i := chance.IntN(len(name))
			return name[:i] + name[i+1:]
		},
		"two letters swapped": func(name string) string {
			i := chance.IntN(len(name) - 1)
			return name[:i] + name[i+1:i+2] + name[i:i+1] + name[i+2:]
		},
		"a letter more": func(name string) string {
			i := chance.IntN(len(name) + 1)
			return name[:i] + string('a'+rune(chance.IntN(26))) + name[i:]
		},
	}
	var mistakes []mistake
	for _, way := range []string{"a letter less", "two letters swapped", "a letter more"} {
		for range 20 { // most first tries are good
			name := ways[way](k.name)
			if name == "" || k.taken(name) || strings.ContainsAny(name[:1], "@$_#") {
				continue
			}
			mistakes = append(mistakes, mistake{what: fmt.Sprintf("%s: %s", way, name), text: rename(t, s, k, name), key: k})
			break
		}
	}
	return mistakes
}

// mistypes returns the sample with values of wrong types at a key.
func mistypes(t *testing.T, s sample, k key) []mistake {
	from, to, ok := span(t, s, k)
	if !ok {
		return nil
	}
	var mistakes []mistake
	for _, wrong := range wrongValues(k) {
		if wrong == anObject && strings.HasSuffix(s.name, ".toml") {
			wrong = `{ "wrong" = 1 }`
		}
		mistakes = append(mistakes, mistake{what: "value " + wrong, text: s.text[:from] + " " + wrong + s.text[to:], key: k, taken: k.loose && converted(k, wrong)})
	}
	return mistakes
}

// The wrong values, in words that are values in all formats.
const (
	aNumber  = "7"
	aText    = `"wrong"`
	aList    = "[1, 2]"
	anObject = `{ "wrong": 1 }`
)

// wrongValues returns values that are not of the type of a key.
func wrongValues(k key) []string {
	switch k.spec.Shape {
	case config.TextShape:
		return []string{anObject, aList, aNumber}
	case config.DurationShape, config.BoolShape, config.IntShape, config.FloatShape, config.SecondsShape, config.SizeShape:
		return []string{anObject, aList, aText}
	case config.ListShape:
		return []string{anObject, aNumber, aText}
	case config.CustomShape:
		return []string{anObject, aList, aText} // what no type of ours takes
	}
	return []string{aList, aNumber, aText}
}

// converted reports whether the dialect krakend takes a wrong value of a core
// object for what is meant: a number for a text, a value for a list of it.
func converted(k key, wrong string) bool {
	if k.spec.Shape == config.TextShape {
		return wrong == aNumber
	}
	return k.spec.Shape == config.ListShape && (k.spec.Item.Shape == config.ObjectShape) == (wrong == anObject)
}
