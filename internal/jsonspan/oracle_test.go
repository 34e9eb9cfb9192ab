package jsonspan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// The functions of this file do by trees what the package does by spans, as
// plainly as they can. They are what the tests compare with.

// decodeTree decodes the first value of src. Of 007 a Decoder takes the first
// zero and leaves the rest, which would lose a number; that is an error here.
func decodeTree(src []byte) (any, error) {
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil && !utf8.Valid(src[:d.InputOffset()]) {
		return nil, errors.New("not UTF-8, which the library repairs")
	}
	if rest := src[d.InputOffset():]; err == nil && (v == json.Number("0") || v == json.Number("-0")) && len(rest) > 0 && rest[0]-'0' <= 9 {
		err = fmt.Errorf("%v%.1s: leading zero", v, rest)
	}
	return v, err
}

// applyByTree is Apply; ok is false where Apply returns an error.
func applyByTree(r Rules, src []byte) (tree map[string]any, ok bool) {
	v, err := decodeTree(src)
	if err != nil {
		return nil, false
	}
	object, isObject := v.(map[string]any)
	_, isArray := v.([]any)
	switch {
	case isObject && r.Shape != ExpectCollection:
	case r.Shape == ExpectObject && v == nil:
		object = map[string]any{}
	case isArray && r.Shape != ExpectObject, v == nil && r.Shape == ExpectCollection:
		object = map[string]any{"collection": v}
	case !isObject && r.Shape == ExpectAny:
		object = map[string]any{"content": v}
	default:
		return nil, false
	}
	if r.Target != "" {
		for name := range strings.SplitSeq(r.Target, ".") {
			object, _ = object[name].(map[string]any)
		}
		if object == nil {
			object = map[string]any{}
		}
	}
	if len(r.Allow) > 0 {
		kept := map[string]any{}
		for _, path := range parentsLast(r.Allow) {
			allowByTree(kept, object, SplitPath(path))
		}
		object = kept
	} else {
		for _, path := range r.Deny {
			denyByTree(object, SplitPath(path))
		}
	}
	object = renameByTree(object, r.Mapping)
	if r.Group != "" {
		object = map[string]any{r.Group: object}
	}
	return object, true
}

// parentsLast orders paths so that a parent replaces what its children gave.
func parentsLast(paths []string) []string {
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b string) int { return strings.Count(b, ".") - strings.Count(a, ".") })
	return paths
}

// allowByTree copies the value at path, and the objects around it.
func allowByTree(to, from map[string]any, path []string) {
	v, ok := from[path[0]]
	if !ok {
		return
	}
	if len(path) == 1 {
		to[path[0]] = v
		return
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return
	}
	kept, ok := to[path[0]].(map[string]any)
	if !ok {
		kept = map[string]any{}
	}
	allowByTree(kept, inner, path[1:])
	if len(kept) > 0 {
		to[path[0]] = kept
	}
}

func denyByTree(from map[string]any, path []string) {
	if len(path) == 1 {
		delete(from, path[0])
	} else if inner, ok := from[path[0]].(map[string]any); ok {
		denyByTree(inner, path[1:])
	}
}

func renameByTree(object map[string]any, mapping map[string]string) map[string]any {
	taken := map[string]any{}
	olds := make([]string, 0, len(mapping))
	for old := range mapping {
		olds = append(olds, old)
	}
	slices.Sort(olds)
	for _, old := range olds {
		name := strings.Split(mapping[old], ".")[0]
		if v, ok := object[old]; ok && name != old {
			taken[name] = v
		}
	}
	renamed := map[string]any{}
	for name, v := range object {
		if to, ok := mapping[name]; !ok || strings.Split(to, ".")[0] == name {
			renamed[name] = v
		}
	}
	for name, v := range taken {
		renamed[name] = v
	}
	return renamed
}

// tester is what the checks need of *testing.T and *rapid.T.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkApply compares Apply with applyByTree and returns the object, or nil
// after an error.
func checkApply(t tester, r Rules, src []byte) *Object {
	t.Helper()
	var o Object
	err := Compile(r).Apply(&o, src)
	want, ok := applyByTree(r, src)
	if (err == nil) != ok {
		t.Fatalf("Apply(%+v, %q) error = %v, by tree it is right: %v", r, src, err, ok)
	}
	if err != nil {
		if len(o.Members) > 0 {
			t.Fatalf("Apply(%+v, %q) failed and left %d members", r, src, len(o.Members))
		}
		return nil
	}
	checkObject(t, &o, want)
	return &o
}

// checkObject compares o with a tree and checks its names.
func checkObject(t tester, o *Object, want map[string]any) {
	t.Helper()
	text := o.AppendJSON(nil)
	got, err := decodeTree(text)
	if err != nil || !Valid(text) {
		t.Fatalf("object is not JSON: %s: %v", text, err)
	}
	if !reflect.DeepEqual(got, any(want)) {
		t.Fatalf("got %s, want %v", text, want)
	}
	if len(o.Members) != len(want) {
		t.Fatalf("got %s with %d members, want %d", text, len(o.Members), len(want))
	}
	for name, v := range want {
		value, ok := o.Get(name)
		if !ok {
			t.Fatalf("Get(%q) of %s found nothing", name, text)
		}
		if got, err := decodeTree(value); err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("Get(%q) of %s = %s, want %v", name, text, value, v)
		}
	}
}
