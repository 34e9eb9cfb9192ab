package brokers

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/graphql-go/graphql"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// library is a server of GraphQL with books and who has them, which a mutation changes. It
// reads requests as the draft of GraphQL over HTTP has them, and believes a parameter of the
// URL more than the body, as the first servers did.
func library(t testing.TB) http.Handler {
	var mu sync.Mutex
	readers := map[int]string{7: "Ada"}
	book := graphql.NewObject(graphql.ObjectConfig{Name: "Book", Fields: graphql.Fields{
		"id":     {Type: graphql.NewNonNull(graphql.Int)},
		"reader": {Type: graphql.String},
	}})
	find := func(id int) any {
		mu.Lock()
		defer mu.Unlock()
		return map[string]any{"id": id, "reader": readers[id]}
	}
	schema, err := graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
			"secret": {Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { return "told", nil }},
			"book": {Type: book, Args: graphql.FieldConfigArgument{"id": {Type: graphql.NewNonNull(graphql.Int)}},
				Resolve: func(p graphql.ResolveParams) (any, error) {
					if id := p.Args["id"].(int); id < 100 {
						return find(id), nil
					}
					return nil, fmt.Errorf("no such book")
				}},
			"must": {Type: graphql.NewNonNull(book), Resolve: func(graphql.ResolveParams) (any, error) { return nil, fmt.Errorf("it must be") }},
		}}),
		Mutation: graphql.NewObject(graphql.ObjectConfig{Name: "Mutation", Fields: graphql.Fields{
			"lend": {Type: book,
				Args: graphql.FieldConfigArgument{"id": {Type: graphql.NewNonNull(graphql.Int)}, "to": {Type: graphql.NewNonNull(graphql.String)}},
				Resolve: func(p graphql.ResolveParams) (any, error) {
					id := p.Args["id"].(int)
					mu.Lock()
					readers[id] = p.Args["to"].(string)
					mu.Unlock()
					return find(id), nil
				}},
		}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Query, OperationName string
			Variables            map[string]any
		}
		var err error
		values := r.URL.Query()
		if r.Method == "POST" {
			err = json.NewDecoder(r.Body).Decode(&q)
		} else if text := values.Get("variables"); text != "" {
			err = json.Unmarshal([]byte(text), &q.Variables)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "not understood", 400)
			return
		}
		if values.Has("query") {
			q.Query, q.OperationName = values.Get("query"), values.Get("operationName")
		}
		result := graphql.Do(graphql.Params{Schema: schema, RequestString: q.Query, OperationName: q.OperationName, VariableValues: q.Variables, Context: r.Context()})
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(result)
	})
}

const books = `{` + quiet + `"host":[%q],"timeout":%[3]q,"endpoints":[
	{"endpoint":"/books/{id}","input_query_strings":["*"],"backend":[{"url_pattern":"/","target":"data.book","extra_config":{%[2]s"backend/graphql":{
		"type":"query","query":"query B($id: Int!) { book(id: $id) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep","errors_as_failure":true}}}]},
	{"endpoint":"/got/{id}","input_query_strings":["*"],"backend":[{"url_pattern":"/","target":"data.book","extra_config":{%[2]s"backend/graphql":{
		"type":"query","method":"GET","query":"query A { secret } query B($id: Int!) { book(id: $id) { id reader } }","operationName":"B","variables":{"id":"{id}"},"interpolate":"deep"}}}]},
	{"endpoint":"/books/{id}/reader","method":"PUT","backend":[{"url_pattern":"/","target":"data.lend","extra_config":{%[2]s"backend/graphql":{
		"type":"mutation","query":"mutation($id: Int!, $to: String!) { lend(id: $id, to: $to) { id reader } }","variables":{"id":"{id}","to":"nobody"},"interpolate":"deep"}}}]},
	{"endpoint":"/must","backend":[{"url_pattern":"/","extra_config":{%[2]s"backend/graphql":{"type":"query","query":"{ must { id } }","errors_as_failure":true}}}]},
	{"endpoint":"/both/{id}","backend":[
		{"url_pattern":"/","group":"one","target":"data","extra_config":{%[2]s"backend/graphql":{"type":"query","query":"query($id: Int!) { book(id: $id) { id reader } }","variables":{"id":"{id}"},"interpolate":"deep"}}},
		{"url_pattern":"/","group":"two","target":"data","extra_config":{%[2]s"backend/graphql":{"type":"query","query":"{ secret }"}}}]}]}`

// TestGraphQL asks a server that executes what it is sent, by HTTP/1.1 and by HTTP/2.
func TestGraphQL(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		for _, h2c := range []bool{false, true} {
			s := httptest.NewUnstartedServer(library(t))
			options := ""
			if h2c {
				options = `"backend/http/client":{"use_h2c":true},`
				s.Config.Protocols = new(http.Protocols)
				s.Config.Protocols.SetUnencryptedHTTP2(true)
			}
			s.Start()
			t.Cleanup(s.Close)
			r := start(t, e, nil, fmt.Sprintf(books, s.URL, options, "30s"))
			for _, tt := range []struct {
				method, path, body string
				status             int
				want               string
			}{
				{"GET", "/books/7", "", 200, `{"id":7,"reader":"Ada"}`},
				{"GET", "/books/7?query=%7Bsecret%7D&operationName=A", "", 200, `{"id":7,"reader":"Ada"}`},
				{"GET", "/got/7?query=%7Bsecret%7D&operationName=A&variables=%7B%7D", "", 200, `{"id":7,"reader":"Ada"}`},
				{"GET", "/books/seven", "", 502, `"graphql_errors"`},
				{"GET", "/books/100", "", 200, `{}`},
				{"GET", "/must", "", 502, `"graphql_errors"`},
				{"PUT", "/books/8/reader", `{"to":"Grace \"\u00e9"}`, 200, `{"id":8,"reader":"Grace \"é"}`},
				{"GET", "/got/8", "", 200, `{"id":8,"reader":"Grace \"é"}`},
				{"PUT", "/books/8/reader", "", 200, `{"id":8,"reader":"nobody"}`},
				{"PUT", "/books/8/reader", "[]", 400, `"bad_request"`},
				{"GET", "/both/7", "", 200, `{"one":{"book":{"id":7,"reader":"Ada"}},"two":{"secret":"told"}}`},
			} {
				status, text := r.ask(tt.method, tt.path, tt.body)
				if status != tt.status || !strings.Contains(text, tt.want) {
					t.Errorf("h2c %t, %s %s %s: %d %s, want %d %s", h2c, tt.method, tt.path, tt.body, status, text, tt.status, tt.want)
				}
			}
		}
	})
}

// TestGraphQLAway: a server that is not there at the start, comes, hangs, talks garbage,
// leaves and comes again.
func TestGraphQLAway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		address := testx.UnusedAddress(t)
		r := start(t, e, nil, fmt.Sprintf(books, "http://"+address, "", "2s"))
		want := func(when string, status int, part string) {
			t.Helper()
			await(t, func() error {
				if got, text := r.ask("GET", "/books/7", ""); got != status || !strings.Contains(text, part) {
					return fmt.Errorf("%s: %d %s, want %d %s", when, got, text, status, part)
				}
				return nil
			})
		}
		serve := func(h http.Handler) *httptest.Server {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
			s.Start()
			return s
		}
		want("not there", 502, "backend_unreachable")
		for range 2 {
			s := serve(library(t))
			want("there", 200, `"Ada"`)
			s.CloseClientConnections()
			s.Close()
			want("gone", 502, "backend_unreachable")
		}
		s := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<html>")
		}))
		want("garbage", 502, "backend_invalid")
		s.Close()
		left := make(chan struct{}, 16)
		s = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			left <- struct{}{}
		}))
		want("hangs", 504, "timeout")
		<-left
		s.Close()
	})
}
