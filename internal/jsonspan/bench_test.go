package jsonspan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var words = strings.Fields("order customer invoice delivery status address product price tax total ready pending city street note naïve Zürich 東京 résumé quick brown")

func someText(r *rand.Rand, size int) string {
	var s strings.Builder
	for s.Len() < size {
		s.WriteString(words[r.IntN(len(words))])
		s.WriteByte(" \n\""[max(0, r.IntN(12)-9)])
	}
	return s.String()
}

func someItem(r *rand.Rand, i int) map[string]any {
	return map[string]any{
		"id":    9007199254740993 + i,
		"sku":   fmt.Sprintf("SKU-%06d", r.IntN(1e6)),
		"qty":   r.IntN(9),
		"price": float64(r.IntN(1e5)) / 100,
		"ok":    r.IntN(2) == 0,
		"tags":  []any{words[r.IntN(len(words))], words[r.IntN(len(words))]},
	}
}

// someObject returns an object of twenty members, of all kinds, with names that
// begin with prefix. The same arguments give the same text.
func someObject(prefix string, size int) []byte {
	r := rand.New(rand.NewPCG(uint64(size), uint64(prefix[0])))
	o := map[string]any{}
	name := func(i int) string { return fmt.Sprintf("%s_f%02d", prefix, i) }
	for i := range 20 {
		switch i % 6 {
		case 0:
			o[name(i)] = someText(r, 12)
		case 1:
			o[name(i)] = r.IntN(1e9)
		case 2:
			o[name(i)] = float64(r.IntN(1e8)) / 1e4
		case 3:
			o[name(i)] = map[string]any{"id": i, "name": someText(r, 8), "items": []any{}}
		case 4:
			o[name(i)] = []any{true, false, nil}[r.IntN(3)]
		case 5:
			o[name(i)] = []any{r.IntN(100), r.IntN(100), r.IntN(100)}
		}
	}
	for i := 0; ; i++ {
		text, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		if len(text) >= size {
			return text
		}
		for range 1 + (size-len(text))/400 {
			n := r.IntN(7) * 3
			if n%6 == 3 {
				in := o[name(n)].(map[string]any)
				in["items"] = append(in["items"].([]any), someItem(r, i))
			} else {
				o[name(n)] = o[name(n)].(string) + someText(r, 40)
			}
		}
	}
}

func someArray(size int) []byte {
	r := rand.New(rand.NewPCG(uint64(size), 1))
	var items []any
	for n := 0; n < size; n += 110 {
		items = append(items, someItem(r, n))
	}
	text, err := json.Marshal(items)
	if err != nil {
		panic(err)
	}
	return text
}

// A job is what a request does with its answers.
type job struct {
	name    string
	rules   []*Projection
	sources [][]byte
}

func jobs(size int) []job {
	a, b := someObject("a", size), someObject("b", size)
	keep := func(prefix string) *Projection {
		return Compile(Rules{
			Allow:   []string{prefix + "_f01", prefix + "_f03.name", prefix + "_f06"},
			Mapping: map[string]string{prefix + "_f01": "id"},
			Group:   prefix,
		})
	}
	all := Compile(Rules{})
	return []job{
		{"keep", []*Projection{keep("a"), keep("b")}, [][]byte{a, b}},
		{"merge", []*Projection{all, all}, [][]byte{a, b}},
		{"group", []*Projection{Compile(Rules{Group: "a"}), Compile(Rules{Group: "b"})}, [][]byte{a, b}},
		{"deny", []*Projection{Compile(Rules{Deny: []string{"a_f01", "a_f02", "a_f03.items"}})}, [][]byte{a}},
		{"collection", []*Projection{Compile(Rules{Shape: ExpectCollection})}, [][]byte{someArray(size)}},
	}
}

// run does the job as a plan does, on reused objects, one for each source.
func (j *job) run(all *Object, each []Object, dst []byte) ([]byte, error) {
	all.Reset()
	for i, p := range j.rules {
		if err := p.Apply(&each[i], j.sources[i]); err != nil {
			return nil, err
		}
		all.Merge(&each[i])
	}
	return all.AppendJSON(dst[:0]), nil
}

var sizes = []struct {
	name  string
	bytes int
}{{"2KB", 2 << 10}, {"20KB", 20 << 10}, {"200KB", 200 << 10}}

// BenchmarkApply is validation, projection, merge and output.
func BenchmarkApply(b *testing.B) {
	for _, size := range sizes {
		for _, j := range jobs(size.bytes) {
			b.Run(j.name+"/"+size.name, func(b *testing.B) {
				var all Object
				each := make([]Object, len(j.rules))
				var dst []byte
				n := 0
				for _, src := range j.sources {
					n += len(src)
				}
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if dst, err = j.run(&all, each, dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkValid(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			src := someObject("a", size.bytes)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if !Valid(src) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkTree(b *testing.B) {
	for _, size := range sizes {
		src := someObject("a", size.bytes)
		tree, err := Tree(src)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("decode/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Tree(src); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encode/"+size.name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				if dst, err = AppendTree(dst[:0], tree); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
