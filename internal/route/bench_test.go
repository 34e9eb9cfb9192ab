package route

import (
	"fmt"
	"testing"
)

// endpoints returns the table of n endpoints of four shapes, and one request
// for each shape.
func endpoints(t testing.TB, n int) (*Table[string], []string) {
	b := NewBuilder[string](Options{})
	for i := range n {
		service := fmt.Sprintf("/api/service-%05d", i/4)
		pattern := service + [...]string{"/users", "/users/{id}", "/users/{id}/orders/{order}", "/files/*"}[i%4]
		if err := b.Add("GET", pattern, pattern); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build(), []string{
		"/api/service-00001/users", "/api/service-00001/users/1234",
		"/api/service-00000/users/1234/orders/99", "/api/service-00000/files/a/b.png",
	}
}

func TestFindAllocations(t *testing.T) {
	table, requests := endpoints(t, 10_000)
	params := make([]string, 0, 8)
	testAllocations(t, words(t), []string{"/Words/A-ABC"}, params)
	requests = append(requests, "/api/service-00000/files/A/b;c.", "/api/service-00001/users/ABC", "/api/service-00000/files/A/") // other readings are looked for
	testAllocations(t, table, requests, params)
}

// words returns a table of variables behind text.
func words(t testing.TB) *Table[string] {
	b := NewBuilder[string](Options{DisableRest: true})
	for i := range 20 {
		pattern := fmt.Sprintf("/Words/%c-{id}", 'A'+i)
		if err := b.Add("GET", pattern, pattern); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

func testAllocations(t *testing.T, table *Table[string], requests []string, params []string) {
	for _, path := range requests {
		if m := table.Find("GET", path, params); m.Outcome != Found {
			t.Errorf("Find(%s) has outcome %d, want found", path, m.Outcome)
		}
		if got := testing.AllocsPerRun(100, func() { table.Find("GET", path, params) }); got != 0 {
			t.Errorf("Find(%s) allocates %v times, want 0", path, got)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		table, requests := endpoints(b, n)
		for i, shape := range []string{"literal", "variable", "variables", "wildcard"} {
			b.Run(fmt.Sprintf("%s/%d", shape, n), func(b *testing.B) {
				b.ReportAllocs()
				params := make([]string, 0, 8)
				for b.Loop() {
					table.Find("GET", requests[i], params)
				}
			})
		}
	}
}

func BenchmarkFindUUID(b *testing.B) {
	table, _ := endpoints(b, 10_000)
	b.ReportAllocs()
	params := make([]string, 0, 8)
	for b.Loop() {
		table.Find("GET", "/api/service-00001/users/0b0f8a52-3c4e-4f0e-9c50-7f3f5a2f6d11", params)
	}
}

func BenchmarkFindWords(b *testing.B) {
	table := words(b)
	b.ReportAllocs()
	params := make([]string, 0, 8)
	for b.Loop() {
		table.Find("GET", "/Words/A-ABC", params)
	}
}

func BenchmarkFindEscaped(b *testing.B) {
	table, _ := endpoints(b, 10_000)
	b.ReportAllocs()
	params := make([]string, 0, 8)
	for b.Loop() {
		table.Find("GET", "/api/service-00001/users/a%20b", params)
	}
}

func BenchmarkFindReadings(b *testing.B) {
	table, _ := endpoints(b, 10_000)
	for _, path := range []string{"/api/service-00001/users/ABC", "/api/service-00000/files/A/b;c.", "/api/service-00000/files/%2541%2f;/."} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			params := make([]string, 0, 8)
			for b.Loop() {
				table.Find("GET", path, params)
			}
		})
	}
}

func BenchmarkFindRedirect(b *testing.B) {
	table, _ := endpoints(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		table.Find("GET", "/api/SERVICE-00001/users/", nil)
	}
}

func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		endpoints(b, 10_000)
	}
}
