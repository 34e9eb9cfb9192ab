//go:build !race

package jsonspan

import (
	"strings"
	"testing"
)

// TestAllocations holds the request path to its budget: nothing, on objects
// that have done the work once. It is left out under the race detector, which allocates.
func TestAllocations(t *testing.T) {
	budget := func(name string, f func()) {
		t.Helper()
		f()
		if got := testing.AllocsPerRun(20, f); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
	for _, size := range sizes {
		for _, j := range jobs(size.bytes) {
			var all Object
			each := make([]Object, len(j.rules))
			var dst []byte
			budget(j.name+" "+size.name, func() { dst, _ = j.run(&all, each, dst) })
		}
	}
	src := someObject("a", 2<<10)
	escaped := []byte(`{"\u0061":1,"b":{"\u0063":2},"a":"\ud800","d":"é"}`)
	deep := []byte(strings.Repeat("[", 200) + strings.Repeat("]", 200))
	var o Object
	rules := Compile(Rules{Target: "b", Allow: []string{"c"}, Mapping: map[string]string{"c": "d", "d": "c"}, Group: "g"})
	name := "a_f03"
	budget("Valid", func() { Valid(src) })
	budget("Valid, deep", func() { Valid(deep) })
	budget("escapes", func() { rules.Apply(&o, escaped) })
	budget("Set", func() { o.Reset(); o.Set(name, src) })
	budget("Get", func() { o.Get(name) })
	budget("Lookup", func() { Lookup(src, name, "name") })
	array := []byte(`{"a":[{"b":1}]}`)
	for _, position := range []string{"0", "1", "b", "", "01", "-1", "99999999999999999999"} {
		budget("Lookup in an array: "+position, func() { Lookup(array, "a", position) })
	}
	buf := make([]byte, 0, 1<<10)
	budget("AppendString", func() { buf = AppendString(buf[:0], name) })
}
