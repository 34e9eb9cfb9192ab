package jsonspan

import (
	"runtime"
	"strings"
	"testing"
)

// TestTreeCost compares what is said of trees with the memory that they take.
func TestTreeCost(t *testing.T) {
	for name, unit := range map[string]string{
		"numbers": "0", "texts": `"text, : [ { \\\" \\\\"`, "nulls": "null", "arrays": "[ ]", "arrays of one": "[0]", "objects": "{}", "objects, spaced": "{ }",
		"objects of one": `{"a":1}`, "records": `{"id":12345,"name":"somebody","mail":"somebody@example.com","tags":["a","b"],"active": true}`,
		"wide objects": `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"n":14,"o":15,"p":16,"q":17,"r":18}`,
	} {
		text := []byte("[" + strings.Repeat(unit+",", 100_000) + unit + "]")
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		tree, err := Tree(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(tree)
		took, said := int64(after.HeapAlloc-before.HeapAlloc), TreeCost(text)
		t.Logf("%s: %d bytes of text, %d of memory, %d said", name, len(text), took, said)
		if said < took*2/3 || said > 4*took {
			t.Errorf("%s: %d bytes of memory, and %d is said", name, took, said)
		}
	}
	for _, text := range []string{"", "[", "{", `"`, `"\`, `{"a`} {
		TreeCost([]byte(text))
	}
}
