package misspell

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// A mistake is a sample with one thing wrong.
type mistake struct {
	what string // in words
	text string
	key  key
}

// instead is how a message says what to write: behind a semicolon, or by naming
// what is allowed.
var instead = regexp.MustCompile(`; |must be (one of|between) |\(want: `)

// TestMistakes makes every mistake in every sample. At least 99 of 100 must be
// errors, and on the line where they were made. Every message must say what to
// write instead.
func TestMistakes(t *testing.T) {
	all := samples(t)
	var mu sync.Mutex
	made := 0
	var missed []string
	t.Run("samples", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				var mistakes []mistake
				walk(s.root, root, component.InService, func(_ config.Field, k key) {
					mistakes = append(mistakes, misspellings(t, s, k)...)
					mistakes = append(mistakes, mistypes(t, s, k)...)
				})
				for i, m := range mistakes {
					if testing.Short() && i%7 > 0 {
						continue
					}
					problems := check(t.Context(), s.name, m.text)
					found := slices.ContainsFunc(problems, func(p *config.Problem) bool {
						right := p.At.Line == m.key.at.Line || p.At.Line == m.key.value.Pos.Line
						return right && p.At.File == s.name && p.Severity == config.Error && p.Code != config.CodeSyntax
					})
					for _, p := range problems {
						// Notes want nothing, and the syntax is told by the formats.
						if p.Severity != config.Note && p.Code != config.CodeSyntax && !instead.MatchString(p.Err.Error()) {
							t.Errorf("%s: %s\n%v\ndoes not say what to write instead", m.key.value.Path(), m.what, p)
						}
					}
					mu.Lock()
					made++
					if !found {
						missed = append(missed, fmt.Sprintf("%s:%d: %s: %s\n%s", s.name, m.key.at.Line, m.key.value.Path(), m.what, config.Format(problems)))
					}
					mu.Unlock()
				}
			})
		}
	})
	rate := 100 * float64(made-len(missed)) / float64(max(made, 1))
	t.Logf("%d of %d mistakes are found, %.2f %%", made-len(missed), made, rate)
	slices.Sort(missed)
	for _, m := range missed {
		t.Log("missed: " + m)
	}
	if made == 0 || rate < 99 {
		t.Errorf("%.2f %% of the mistakes are found, want 99 %%", rate)
	}
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
			mistakes = append(mistakes, mistake{fmt.Sprintf("%s: %s", way, name), rename(t, s, k, name), k})
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
		mistakes = append(mistakes, mistake{"value " + wrong, s.text[:from] + " " + wrong + s.text[to:], k})
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
//
// Compatibility: in core objects a number may stand for a text, and one value
// for a list of it. These are no mistakes.
func wrongValues(k key) []string {
	switch k.spec.Shape {
	case config.TextShape:
		if k.loose && k.spec.Enum == nil {
			return []string{anObject, aList}
		}
		return []string{anObject, aList, aNumber}
	case config.DurationShape, config.BoolShape, config.IntShape, config.FloatShape, config.SecondsShape, config.SizeShape:
		return []string{anObject, aList, aText}
	case config.ListShape:
		switch structured := k.spec.Item.Shape == config.ObjectShape; {
		case !k.loose:
			return []string{anObject, aNumber, aText}
		case structured:
			return []string{aNumber, aText}
		}
		return []string{anObject}
	case config.CustomShape:
		return []string{anObject, aList, aText} // what no type of ours takes
	}
	return []string{aList, aNumber, aText}
}
