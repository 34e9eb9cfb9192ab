package route

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestNear finds the routes that somebody may have meant, and says what is different.
func TestNear(t *testing.T) {
	b := NewBuilder[int](Options{DisableRest: true, DisableTrailingSlashRedirect: true, DisableFixedPathRedirect: true})
	for i, route := range []string{
		"GET /v1/users/{id}", "DELETE /v1/users/{name}", "GET /v1/users/{id}/orders", "POST /v1/orders", "GET /v1/products/", "GET /v1/Catalogue",
		"GET /files/report.{format}", "GET /static/v1/*", "GET /{tenant}/info", "GET /",
	} {
		method, pattern, _ := strings.Cut(route, " ")
		if err := b.Add(method, pattern, i); err != nil {
			t.Fatal(err)
		}
	}
	table := b.Build()
	tests := []struct {
		request string
		want    []Neighbour
	}{
		{"GET /v1/usres/7", []Neighbour{
			{"GET", "/v1/users/{id}", `"usres" is not "users"`},
			{"DELETE", "/v1/users/{name}", `"usres" is not "users"; serves DELETE only`},
			{"GET", "/v1/users/{id}/orders", `"usres" is not "users"; "orders" is missing in the path`},
		}},
		{"HEAD /v1/Users/7/order", []Neighbour{
			{"GET", "/v1/users/{id}/orders", `"Users" is written "users" here: letter case counts; "order" is not "orders"`},
			{"GET", "/v1/users/{id}", `"Users" is written "users" here: letter case counts; it has no segment for "order"`},
			{"DELETE", "/v1/users/{name}", `"Users" is written "users" here: letter case counts; it has no segment for "order"; serves DELETE only`},
		}},
		{"GET /v1/order", []Neighbour{
			{"POST", "/v1/orders", `"order" is not "orders"; serves POST only`},
			{"GET", "/v1/Catalogue", `"order" is not "Catalogue"`},
		}},
		{"GET /v1/products", []Neighbour{{"GET", "/v1/products/", "this one ends with a slash"}}},
		{"GET /v1//orders/", []Neighbour{{"POST", "/v1/orders", "the path has two slashes in a row; the path ends with a slash, and this one does not; serves POST only"}}},
		{"GET /v1/users", []Neighbour{{"GET", "/v1/users/{id}", "{id} is missing in the path"}}},
		{"GET /file/report.pdf", []Neighbour{{"GET", "/files/report.{format}", `"file" is not "files"`}}},
		{"GET /files/reprot.pdf", []Neighbour{{"GET", "/files/report.{format}", `"reprot.pdf" is not report.{format}`}}},
		{"GET /statik/v1/a/b/c/d/e/f/g/h/i/j", []Neighbour{{"GET", "/static/v1/*", `"statik" is not "static"`}}},
		{"GET /nothing", nil},
		{"GET /nothing/like/it", nil},
		{"GET /%zz", nil},
		{"GET " + strings.Repeat("/v1", 1000), nil},
		{"GET /v1/users/" + strings.Repeat("x", 1<<20) + "/orders/all", []Neighbour{{"GET", "/v1/users/{id}/orders", `it has no segment for "all"`}}},
	}
	for _, tt := range tests {
		method, target, _ := strings.Cut(tt.request, " ")
		got := table.Near(method, target, 3)
		if len(got) > len(tt.want) && tt.want != nil {
			got = got[:len(tt.want)] // those behind are further away
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%.60s:\ngot  %q\nwant %q", tt.request, got, tt.want)
		}
	}
}

func BenchmarkNear(b *testing.B) {
	builder := NewBuilder[int](Options{})
	for i := range 10_000 {
		if err := builder.Add("GET", fmt.Sprintf("/v1/service-%d/things/{id}/of-%d", i%100, i), i); err != nil {
			b.Fatal(err)
		}
	}
	table := builder.Build()
	b.ReportAllocs()
	for b.Loop() {
		if len(table.Near("GET", "/v1/service-17/thing/7/of-4217", 5)) == 0 {
			b.Fatal("nothing")
		}
	}
}
