package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/test/bench/peer"
)

// A testCase is an endpoint and the answer it must give.
type testCase struct {
	name     string // group and size, as in noop/2KB
	path     string // what clients ask for
	rate     int    // requests a second of the open loop: no peer is busy for half the time
	backends []peer.Backend
	want     func(pages) any // the bytes of the answer as []byte, or its JSON value
}

// noop passes a page through under its own name, so that peers need no rule to
// rewrite the path.
func noop(size string, rate int) testCase {
	page := "a" + size
	return testCase{
		name: "noop/" + size, path: "/" + page, rate: rate,
		backends: []peer.Backend{{Path: "/" + page, Encoding: "no-op"}},
		want:     func(p pages) any { return p[page] },
	}
}

func (c testCase) isNoop() bool { return c.backends[0].Encoding == "no-op" }

// merge joins a page each of the backends a, b, and so on.
func merge(name, letters, size string, rate int) testCase {
	c := testCase{name: name, path: "/" + name, rate: rate}
	for _, l := range letters {
		c.backends = append(c.backends, peer.Backend{Path: "/" + string(l) + size, Encoding: "json"})
	}
	c.want = func(p pages) any {
		all := make(map[string]any)
		for _, l := range letters {
			maps.Copy(all, p.object(string(l)+size))
		}
		return all
	}
	return c
}

// filter keeps three members of twenty, one of them nested, renames one and
// groups what is left by backend.
func filter(name, letters, size string, rate int) testCase {
	c := merge(name, letters, size, rate)
	for i, l := range letters {
		b := &c.backends[i]
		b.Allow = []string{member(l, 0), member(l, 1) + ".name", member(l, 7)}
		b.Mapping = map[string]string{member(l, 0): "title"}
		b.Group = string(l)
	}
	c.want = func(p pages) any {
		all := make(map[string]any)
		for _, l := range letters {
			v := p.object(string(l) + size)
			all[string(l)] = map[string]any{
				"title":      v[member(l, 0)],
				member(l, 1): map[string]any{"name": v[member(l, 1)].(map[string]any)["name"]},
				member(l, 7): v[member(l, 7)],
			}
		}
		return all
	}
	return c
}

// deny drops three members, one of them nested.
func deny(name, size string, rate int) testCase {
	c := merge(name, "a", size, rate)
	c.backends[0].Deny = []string{member('a', 2), member('a', 3), member('a', 1) + ".items"}
	c.want = func(p pages) any {
		v := p.object("a" + size)
		delete(v, member('a', 2))
		delete(v, member('a', 3))
		delete(v[member('a', 1)].(map[string]any), "items")
		return v
	}
	return c
}

// collection wraps an array.
func collection(name, page string, rate int) testCase {
	return testCase{
		name: name, path: "/" + name, rate: rate,
		backends: []peer.Backend{{Path: "/" + page, Encoding: "json", IsCollection: true}},
		want:     func(p pages) any { return map[string]any{"collection": p.value(page)} },
	}
}

// testCases are the cases, cheap ones first.
var testCases = []testCase{
	noop("300B", 2000),
	noop("2KB", 2000),
	noop("20KB", 2000),
	noop("200KB", 500),
	merge("decode/1x2KB", "a", "2KB", 1500),
	merge("merge/2x2KB", "ab", "2KB", 1000),
	merge("merge/4x20KB", "abcd", "20KB", 100),
	filter("filter/2x2KB", "ab", "2KB", 1000),
	filter("filter/4x20KB", "abcd", "20KB", 100),
	deny("deny/20KB", "20KB", 300),
	collection("collection/20KB", "list20KB", 300),
}

// The measurements that are no cases have names of their own among them.
const (
	memory  = "memory"
	startup = "startup"
)

// A selection is what to measure.
type selection struct {
	cases           []testCase
	memory, startup bool
}

// choose reads a list of names, separated by commas: a case, its group, memory,
// startup, or all.
func choose(list string) (selection, error) {
	var s selection
	chosen := make(map[string]bool)
	for name := range strings.SplitSeq(list, ",") {
		known := name == "all" || name == memory || name == startup
		for _, c := range testCases {
			if name == "all" || name == c.name || strings.HasPrefix(c.name, name+"/") {
				chosen[c.name], known = true, true
			}
		}
		if !known {
			return s, fmt.Errorf("unknown case %q; write all, or some of %s", name, strings.Join(caseNames(), ", "))
		}
		s.memory = s.memory || name == memory || name == "all"
		s.startup = s.startup || name == startup || name == "all"
	}
	for _, c := range testCases {
		if chosen[c.name] {
			s.cases = append(s.cases, c)
		}
	}
	return s, nil
}

// caseNames lists groups, cases and what else can be chosen.
func caseNames() []string {
	var names []string
	for _, c := range testCases {
		if group, _, _ := strings.Cut(c.name, "/"); !slices.Contains(names, group) {
			names = append(names, group)
		}
		names = append(names, c.name)
	}
	return append(names, memory, startup)
}
