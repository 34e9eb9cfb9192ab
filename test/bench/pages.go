package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Pages are the answers of the backend by name: a2KB is the object of backend a
// with 2 KB, list20KB an array.
type pages map[string][]byte

// object decodes a page, afresh each time: callers may change what they get.
func (p pages) object(name string) map[string]any { return p.value(name).(map[string]any) }

func (p pages) value(name string) any {
	v, err := decode(p[name])
	if err != nil {
		panic(fmt.Sprintf("page %s: %v", name, err)) // written by makePages
	}
	return v
}

// decode reads a JSON value whose numbers keep their text.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one JSON value in %d bytes", len(text))
	}
	return v, nil
}

// member is the name of a member in the objects of a backend. Backends share no
// names, so that merging loses nothing.
func member(letter rune, i int) string { return fmt.Sprintf("%c_%02d", letter, i) }

// makePages makes the pages of every case. They are the same in every run.
func makePages() pages {
	p := make(pages)
	sizes := []struct {
		name           string
		bytes, members int
	}{{"300B", 300, 6}, {"2KB", 2 << 10, 20}, {"20KB", 20 << 10, 20}, {"200KB", 200 << 10, 20}}
	for _, letter := range "abcd" {
		for i, s := range sizes {
			w := writer{random: rand.New(rand.NewPCG(uint64(letter), uint64(i)))}
			p[string(letter)+s.name] = w.object(letter, s.members, s.bytes)
		}
	}
	w := writer{random: rand.New(rand.NewPCG('l', 0))}
	p["list20KB"] = w.list(20 << 10)
	return p
}

// save writes the pages as files of a folder.
func (p pages) save(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	for name, text := range p {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A writer makes up JSON as shops send it: short strings, some with escapes and
// some beyond ASCII, whole numbers beyond 2^53, prices, flags, lists of numbers
// and lists of objects.
type writer struct {
	random *rand.Rand
	text   []byte
}

var words = strings.Fields(`kettle teapot cup saucer spoon tray order invoice parcel street
	garden winter blue heavy round small München café żółty 茶碗 say\"so\" line\nbreak`)

func (w *writer) add(format string, args ...any) { w.text = fmt.Appendf(w.text, format, args...) }

// object returns an object of some members, and one more that fills it up to
// size bytes. Of each six members one is a string, one an object with a list,
// and four are short.
func (w *writer) object(letter rune, members, size int) []byte {
	const short = 24 // about the size of the short ones, and of the frame of the others
	long := (members+5)/6 + (members+4)/6
	share := (size - members*short) / long
	w.add("{")
	for i := range members {
		w.add(`"%s":`, member(letter, i))
		switch i % 6 {
		case 0:
			w.add(`"%s"`, w.words(share))
		case 1:
			w.add(`{"id":%d,"name":"%s","items":`, 1<<53+1+w.random.Int64N(1000), w.words(10))
			w.list(share - 40)
			w.add("}")
		case 2:
			w.add("%d.%02d", w.random.IntN(1000), w.random.IntN(100))
		case 3:
			w.add("%s", []string{"true", "false", "null"}[w.random.IntN(3)])
		case 4:
			w.add("[%d,%d,%d]", w.random.IntN(100), w.random.IntN(100), w.random.IntN(100))
		case 5:
			w.add("%d", 1<<53+1+w.random.Int64N(1<<40))
		}
		w.add(",")
	}
	const frame = `"a_00":""}`
	w.add(`"%s":"%s"}`, member(letter, members), strings.Repeat("-", max(0, size-len(w.text)-len(frame))))
	return w.text
}

// list adds an array of objects of about size bytes and returns all there is.
func (w *writer) list(size int) []byte {
	end := len(w.text) + size
	w.add("[")
	for first := true; first || len(w.text) < end-60; first = false {
		if !first {
			w.add(",")
		}
		w.add(`{"sku":"S-%05d","name":"%s","pieces":%d,"price":%d.%02d,"gift":%t}`, w.random.IntN(1e5),
			w.words(14), w.random.IntN(9), w.random.IntN(100), w.random.IntN(100), w.random.IntN(2) == 0)
	}
	w.add("]")
	return w.text
}

// words returns the text of a string of about size bytes.
func (w *writer) words(size int) string {
	var b strings.Builder
	for b.Len() < size-5 || b.Len() == 0 {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[w.random.IntN(len(words))])
	}
	return b.String()
}
