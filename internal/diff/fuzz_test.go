package diff_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/diff"
)

// FuzzCompare changes the samples at random and compares them: with itself nothing is
// different, what is weaker one way is stronger the other way, and what differs where
// nothing is a comment is told.
func FuzzCompare(f *testing.F) {
	var texts []string
	all := samples(f)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d, _ := config.Parse(name, []byte(all[name]))
		texts = append(texts, string(d.Root.JSON()))
	}
	for i := range uint64(50) {
		f.Add(i, i*i)
	}
	f.Fuzz(func(t *testing.T, which, seed uint64) {
		text := texts[which%uint64(len(texts))]
		r := rand.New(rand.NewPCG(which, seed))
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(3) {
			value = spoil(r, value)
		}
		spoilt, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		a := read(t, "a.json", text)
		b, _ := diff.Read("b.json", spoilt, component.Default)
		if b == nil {
			return
		}
		if got := compare(b, b); len(got) > 0 {
			t.Errorf("not the same as itself: %q", lines(got))
		}
		forth, back := compare(a, b), compare(b, a)
		if !opposite(forth, back) || !opposite(back, forth) {
			t.Errorf("%s\nforth\n%s\nand back\n%s", spoilt, strings.Join(lines(forth), "\n"), strings.Join(lines(back), "\n"))
		}
	})
}

// spoil changes one value somewhere in another.
func spoil(r *rand.Rand, value any) any {
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if len(keys) == 0 || r.IntN(12) == 0 {
			return scalar(r)
		}
		key := keys[r.IntN(len(keys))]
		switch r.IntN(12) {
		case 0:
			delete(v, key)
		case 1:
			v[keys[r.IntN(len(keys))]] = v[key]
		default:
			v[key] = spoil(r, v[key])
		}
		return v
	case []any:
		if len(v) == 0 {
			return []any{scalar(r)}
		}
		i := r.IntN(len(v))
		switch r.IntN(8) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			j := r.IntN(len(v))
			v[i], v[j] = v[j], v[i]
		case 2:
			return append(v, v[i])
		default:
			v[i] = spoil(r, v[i])
		}
		return v
	case string:
		if r.IntN(2) == 0 && v != "" {
			return strings.Replace(v, v[:1], "z", 1)
		}
	}
	return scalar(r)
}

func scalar(r *rand.Rand) any {
	return []any{nil, true, false, json.Number("0"), json.Number("7"), "", "x", "5s", "${env:X}", "/x/{y}", []any{}, map[string]any{}, bytes.NewBufferString("http://x").String()}[r.IntN(13)]
}
