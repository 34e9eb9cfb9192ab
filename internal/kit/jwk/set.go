package jwk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4/json"
)

// ErrUnknown is returned when no key has the name asked for.
var ErrUnknown = errors.New("no key has this id")

// A Set is keys by name. It does not change and is safe for concurrent use.
type Set struct {
	byName  map[string][]*Key
	skipped []error
}

// Parse reads a JWK set, an object with the member keys, whose keys are found
// by the given strategy.
//
// Keys that are not understood are left out; Skipped tells which. A text that
// is no set, and a set of which no key is left, are errors.
//
// Source: RFC 7517, section 5.
func Parse(data []byte, by Strategy) (*Set, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("not a key set: %w", err)
	}
	if document.Keys == nil {
		return nil, errors.New(`not a key set: it has no member "keys"`)
	}
	s := &Set{byName: make(map[string][]*Key)}
	for i, raw := range document.Keys {
		k, name, err := parseKey(raw, by)
		if err != nil {
			s.skipped = append(s.skipped, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		s.byName[name] = append(s.byName[name], k)
	}
	if len(s.byName) == 0 {
		return nil, errors.Join(append([]error{errors.New("the set holds no key that can be used")}, s.skipped...)...)
	}
	return s, nil
}

// Skipped returns an error for each key that was left out.
func (s *Set) Skipped() []error { return s.skipped }

// Find returns the keys with the given name: usually one, never none without
// [ErrUnknown]. The result is not to be changed. It does not block.
func (s *Set) Find(_ context.Context, name string) ([]*Key, error) {
	if keys := s.byName[name]; keys != nil {
		return keys, nil
	}
	return nil, ErrUnknown
}

// Len returns the number of keys.
func (s *Set) Len() (n int) {
	for _, keys := range s.byName {
		n += len(keys)
	}
	return n
}

// Weak returns why keys of the set must not be used for a, sorted; see [Key.Weak].
func (s *Set) Weak(a Algorithm) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		for _, k := range s.byName[name] {
			if err := k.Weak(a); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// Any reports whether one of the keys has the property.
func (s *Set) Any(property func(*Key) bool) bool {
	for _, keys := range s.byName {
		for _, k := range keys {
			if property(k) {
				return true
			}
		}
	}
	return false
}
