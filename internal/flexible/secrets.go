package flexible

import (
	"reflect"
	"strings"
	"unsafe"

	"github.com/sluice-gateway/sluice/internal/config"
)

// secrets are what env and file have returned, and what functions have made of it.
type secrets struct {
	raw     []string                // what was returned
	texts   map[string]bool         // the same, and the texts that were made of it
	holders map[unsafe.Pointer]bool // maps and lists in which one is
	known   known                   // the settings, which are none
}

// shortest is how long a text is at least that counts as a secret wherever it is found.
const shortest = 4

// add notes what a function has returned that must not be shown.
func (s *secrets) add(value string) {
	if !s.texts[value] {
		s.texts[value] = true
		s.raw = append(s.raw, value)
	}
}

// in returns the secrets that stand in a text. One that may be there by chance, because it is
// short or a word, has to be all of it.
func (s *secrets) in(text string) (found []string) {
	if len(text) < shortest {
		return nil
	}
	if s.texts[text] {
		return []string{text}
	}
	for _, secret := range s.raw {
		if len(secret) < len(text) && config.Telling(secret) && strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// follow returns a function that does what another one does; what that makes of secrets is
// one, too.
func (s *secrets) follow(f any) any {
	v := reflect.ValueOf(f)
	return around(f, nil, func(in []reflect.Value, out reflect.Value) {
		if len(s.raw) == 0 {
			return
		}
		for i, argument := range in {
			if v.Type().IsVariadic() && i == len(in)-1 {
				for k := range argument.Len() {
					if s.holds(argument.Index(k)) {
						s.note(out, 0)
						return
					}
				}
			} else if s.holds(argument) {
				s.note(out, 0)
				return
			}
		}
	})
}

// holds reports whether a value is a secret, or has one in it.
func (s *secrets) holds(v reflect.Value) bool {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return s.in(v.String()) != nil
	case reflect.Map, reflect.Slice:
		return s.holders[v.UnsafePointer()]
	}
	return false
}

// note notes a value that was made of a secret, and what is in it but for the settings. What a
// function has put into a map of these is noted already, as its argument.
func (s *secrets) note(v reflect.Value, depth int) {
	const deepest = 100
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || depth > deepest {
		return
	}
	settings := s.known[identity(v.Interface())] != nil
	if settings && depth > 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		s.texts[v.String()] = true
	case reflect.Map, reflect.Slice:
		if s.holders[v.UnsafePointer()] {
			return
		}
		s.holders[v.UnsafePointer()] = true
		if settings {
			return
		}
		if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				s.note(v.Index(i), depth+1)
			}
			return
		}
		for it := v.MapRange(); it.Next(); {
			s.note(it.Value(), depth+1)
		}
	}
}
