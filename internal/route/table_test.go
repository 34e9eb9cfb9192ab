package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// build makes a table of routes, each written "METHOD pattern"; a route is its
// own value.
func build(t testing.TB, o Options, routes ...string) *Table[string] {
	t.Helper()
	b := NewBuilder[string](o)
	for _, r := range routes {
		method, pattern, _ := strings.Cut(r, " ")
		if err := b.Add(method, pattern, r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

// summary renders a match on one line.
func summary(m Match[string]) string {
	switch m.Outcome {
	case Found:
		s := m.Value
		for i, v := range m.Params {
			s += fmt.Sprintf(" %s=%q", m.Names[i], v)
		}
		if strings.HasSuffix(m.Pattern, "/*") {
			s += fmt.Sprintf(" rest=%q", m.Rest)
		}
		return s
	case MethodNotAllowed:
		return "405 " + strings.Join(m.Allow, ", ")
	case Redirect:
		return fmt.Sprintf("to %s: %v", m.Location, m.Reason)
	case BadParam:
		return "400 " + m.Text
	}
	return "404"
}

// A search case has a request, written "METHOD path" or "path" for GET, and
// the summary of its match.
type findTest struct{ request, want string }

func runFind(t *testing.T, table *Table[string], tests []findTest) {
	t.Helper()
	for _, tt := range tests {
		method, path, found := strings.Cut(tt.request, " ")
		if !found {
			method, path = "GET", tt.request
		}
		if got := summary(table.Find(method, path, nil)); got != tt.want {
			t.Errorf("Find(%s %s) = %s, want %s", method, path, got, tt.want)
		}
	}
}

func TestFindPrecedence(t *testing.T) {
	table := build(t, Options{DisableRest: true},
		"GET /", "GET /static/foo", "GET /static/{x}",
		"GET /a/b/c", "GET /a/{x}/d", "GET /{p}/b/e",
		"GET /file.{ext}", "GET /file.min.{ext}", "GET /{name}", "GET /file.json",
		"GET /v{ver}/x/{id}",
		"GET /u/{a}", "GET /u/{b}/c", "POST /u/{other}",
		"GET /pair/{id}/{Id}",
	)
	runFind(t, table, []findTest{
		{"/", "GET /"},
		{"/static/foo", "GET /static/foo"},
		{"/static/bar", `GET /static/{x} x="bar"`},
		{"/static/bar/baz", "404"},
		{"/a/b/c", "GET /a/b/c"},
		{"/a/b/d", `GET /a/{x}/d x="b"`},
		{"/a/b/e", `GET /{p}/b/e p="a"`},
		{"/a/b/f", "404"},
		{"/file.json", "GET /file.json"},
		{"/file.xml", `GET /file.{ext} ext="xml"`},
		{"/file.min.js", `GET /file.min.{ext} ext="js"`},
		{"/file.", `GET /{name} name="file."`},
		{"/files", `GET /{name} name="files"`},
		{"/v2/x/7", `GET /v{ver}/x/{id} ver="2" id="7"`},
		{"/v/x/7", "404"},
		{"/u/1", `GET /u/{a} a="1"`},
		{"/u/1/c", `GET /u/{b}/c b="1"`},
		{"POST /u/1", `POST /u/{other} other="1"`},
		{"/pair/1/2", `GET /pair/{id}/{Id} id="1" Id="2"`},
		{"", "404"},
		{"*", "404"},
		{"static/foo", "404"},
	})
}

func TestFindLiterals(t *testing.T) {
	table := build(t, Options{},
		"GET /c/:id", "GET /q?b=1", "GET /p%20", "GET /sp ace&/é", "GET /a/x{id}", "GET /a//b", "GET /z/{v}")
	runFind(t, table, []findTest{
		{"/c/:id", "GET /c/:id"},
		{"/c/7", "404"},
		{"/q%3Fb=1", "GET /q?b=1"},
		{"/q", "404"},
		{"/p%2520", "GET /p%20"},
		{"/p%20", "404"},
		{"/sp%20ace%26/%C3%A9", "GET /sp ace&/é"},
		{"/sp%20ace&/é", "GET /sp ace&/é"},
		{"/a/x%7bid%7D", "GET /a/x{id}"},
		{"/a/x7", "404"},
		{"/a//b", "GET /a//b"},
		{"/%63/:id", "GET /c/:id"},
		{"/z/a+b", `GET /z/{v} v="a+b"`},
	})
}

func TestFindMethods(t *testing.T) {
	routes := []string{"POST /a", "GET /a", "GET /b", "PUT /v/*", "GET /v/x"}
	runFind(t, build(t, Options{}, routes...), []findTest{
		{"PUT /a", "405 GET, HEAD, POST"},
		{"HEAD /a", "GET /a"},
		{"HEAD /b", "GET /b"},
		{"HEAD /v/x", "GET /v/x"},
		{"HEAD /v/y", "405 PUT"},
		{"head /a", "405 GET, HEAD, POST"},
		{"get /a", "405 GET, HEAD, POST"},
		{"PUT /b", "405 GET, HEAD"},
		{"POST /v/x", "405 GET, HEAD, PUT"},
		{"POST /v/y", "405 PUT"},
		{"PUT /nowhere", "404"},
		{"HEAD /a/", "to /a: slash at the end"},
		{"HEAD /A", "to /a: letter case"},
		{"PUT /a/", "404"},
		{"OPTIONS /a", "405 GET, HEAD, POST"},
		{"OPTIONS /a/", "404"},
	})
	runFind(t, build(t, Options{AutoOptions: true}, routes...), []findTest{
		{"OPTIONS /a", "405 GET, HEAD, POST"},
		{"OPTIONS /a/", "to /a: slash at the end"},
		{"OPTIONS //a", "to /a: repeated slashes or dot segments"},
		{"OPTIONS /A", "to /a: letter case"},
		{"OPTIONS /v/X", "405 PUT"},
		{"OPTIONS /nowhere/", "404"},
		{"PUT /a/", "404"},
	})
	runFind(t, build(t, Options{}, "HEAD /own", "GET /own", "GET /other"), []findTest{
		{"HEAD /own", "HEAD /own"},
		{"HEAD /other", "405 GET, HEAD"},
	})
	runFind(t, build(t, Options{DisableMethodNotAllowed: true}, routes...), []findTest{
		{"PUT /a", "404"},
		{"HEAD /a", "GET /a"},
		{"HEAD /v/y", "404"},
	})
}

func TestFindRedirects(t *testing.T) {
	routes := []string{
		"GET /p", "GET /slash/", "POST /p", "GET /u/{id}", "GET /Case/Sensitive", "GET /Case/{x}/End",
		"GET /é/x y", "GET /wild/*", "GET /wild/Explicit", "GET /both", "GET /both/", "GET /nest//deep", "GET //host/",
	}
	const slash, uncleaned, letters = ": slash at the end", ": repeated slashes or dot segments", ": letter case"
	tests := []struct {
		name    string
		options Options
		cases   []findTest
	}{
		{"all on", Options{}, []findTest{
			{"/p/", "to /p" + slash},
			{"POST /p/", "to /p" + slash},
			{"/slash", "to /slash/" + slash},
			{"/u/7/", "to /u/7" + slash},
			{"/u/a%20b/", "to /u/a%20b" + slash},
			{"/u/%C3%A9%22/", "to /u/%C3%A9%22" + slash},
			{"/u/", "404"},
			{"/u", "404"},
			{"/both", "GET /both"},
			{"/both/", "GET /both/"},
			{"/BOTH/", "to /both/" + letters},
			{"/P", "to /p" + letters},
			{"/P/", "to /p" + letters},
			{"/case/sensitive", "to /Case/Sensitive" + letters},
			{"/case/MiXed/end", "to /Case/MiXed/End" + letters},
			{"/É/X%20Y", "to /%C3%A9/x%20y" + letters},
			{"//p", "to /p" + uncleaned},
			{"/./p", "to /p" + uncleaned},
			{"/x/../p", "to /p" + uncleaned},
			{"/x/%2e%2E/p", "to /p" + uncleaned},
			{"/x%2F..%2fp", "to /p" + uncleaned},
			{"/../../p", "to /p" + uncleaned},
			{"/p/.", "to /p" + uncleaned},
			{"/p/x/..", "to /p" + uncleaned},
			{"//u///1", "to /u/1" + uncleaned},
			{"//evil.example/%2e%2e/p", "to /p" + uncleaned},
			{"/x//y", "404"},
			{"//host", "404"},
			{"/nest//deep/", "to /nest//deep" + slash},
			{"/WILD/a%2Fb", "to /wild/a%2Fb" + letters},
			{"/WILD", "to /wild" + letters},
			{"/WILD/explicit", "to /wild/Explicit" + letters},
			{"/x/../wild/a", "to /wild/a" + uncleaned},
			{"/U/a%252Fb", "400 error: encoded url params"},
		}},
		{"only the first", Options{DisableTrailingSlashRedirect: true}, []findTest{
			{"/p/", "to /p" + slash},
			{"/slash", "to /slash/" + slash},
			{"/P", "to /p" + letters},
			{"//p", "to /p" + uncleaned},
		}},
		{"only the second", Options{DisableFixedPathRedirect: true}, []findTest{
			{"/p/", "to /p" + slash},
			{"/slash", "to /slash/" + slash},
			{"/P", "404"},
			{"/WILD/x", "404"},
			{"//p", "404"},
			{"/x/../p", "404"},
		}},
		{"both", Options{DisableTrailingSlashRedirect: true, DisableFixedPathRedirect: true}, []findTest{
			{"/p/", "404"},
			{"/slash", "404"},
			{"/P", "404"},
			{"//p", "404"},
			{"/x/../p", "404"},
		}},
		{"remove_extra_slash", Options{RemoveExtraSlash: true}, []findTest{
			{"//u///1", `GET /u/{id} id="1"`},
			{"/%2Fu%2f/1", `GET /u/{id} id="1"`},
			{"//p", "GET /p"},
			{"//p//", "to /p" + slash},
			{"/x/..//p", "to /p" + uncleaned},
			{"/wild//a", `GET /wild/* rest="a"`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runFind(t, build(t, tt.options, routes...), tt.cases)
		})
	}
}

func TestFindParams(t *testing.T) {
	routes := []string{"GET /u/{id}", "GET /two/{a}/{b}", "GET /f.{ext}", "GET /w/{svc}/*"}
	tests := []struct {
		name    string
		options Options
		cases   []findTest
	}{
		{"checked", Options{DisableRest: true}, []findTest{
			{"/u/a%20b", `GET /u/{id} id="a b"`},
			{"/u/a@b:c;d,e=f!$'()*", `GET /u/{id} id="a@b:c;d,e=f!$'()*"`},
			{"/u/%C3%A9", `GET /u/{id} id="é"`},
			{"/u/a%3Fb", "400 error: encoded url params"},
			{"/u/a%23b", "400 error: encoded url params"},
			{"/u/a#b", "400 error: encoded url params"},
			{"/u/a%2525b", "400 error: encoded url params"},
			{"/u/%252e%252e", "400 error: encoded url params"},
			{"/u/a%25b", `400 error: invalid URL escape "%b"`},
			{"/u/a%3F%25b", `400 error: invalid URL escape "%b"`},
			{"/u/a%zz", `400 error: invalid URL escape "%zz"`},
			{"/nowhere%", `400 error: invalid URL escape "%"`},
			{"/u/a%2Fb", "404"},
			{"/two/a%2Fb", `GET /two/{a}/{b} a="a" b="b"`},
			{"/u/..", "400 error: dot segment in url params"},
			{"/u/.", "400 error: dot segment in url params"},
			{"/u/%2e%2E", "400 error: dot segment in url params"},
			{"/two/x/..", "400 error: dot segment in url params"},
			{"/f..", "400 error: dot segment in url params"},
			{"/f.%2e.", "400 error: dot segment in url params"},
			{"/u/...", `GET /u/{id} id="..."`},
			{"/w/a%3Fb/c", "400 error: encoded url params"},
			{"POST /u/..", "405 GET, HEAD"},
		}},
		{"disable_path_decoding", Options{DisableRest: true, DisablePathDecoding: true}, []findTest{
			{"/u/a%3Fb", `GET /u/{id} id="a?b"`},
			{"/u/a%2525b", `GET /u/{id} id="a%25b"`},
			{"/u/a%25b", `GET /u/{id} id="a%b"`},
			{"/u/a%2Fb", "404"},
			{"/u/%2e%2e", "400 error: dot segment in url params"},
			{"/u/..", "400 error: dot segment in url params"},
			{"/u/%zz", `400 error: invalid URL escape "%zz"`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runFind(t, build(t, tt.options, routes...), tt.cases)
		})
	}
}

func TestFindWildcards(t *testing.T) {
	table := build(t, Options{},
		"GET /v1/*", "GET /v1/long/*", "GET /v1/explicit", "GET /v1/explicit/{id}", "GET /v2/{svc}/*",
		"GET /{any}/x/y/*", "GET /v3/*", "GET /v3", "GET /top", "POST /v1/posted")
	runFind(t, table, []findTest{
		{"/v1", `GET /v1/* rest=""`},
		{"/v1/", `GET /v1/* rest=""`},
		{"/v1/hello", `GET /v1/* rest="hello"`},
		{"/v1/a/b", `GET /v1/* rest="a/b"`},
		{"/v1/a/b/", `GET /v1/* rest="a/b/"`},
		{"/v1/a%2Fb%20c", `GET /v1/* rest="a%2Fb%20c"`},
		{"/v1/a%3Fb%2525", `GET /v1/* rest="a%3Fb%2525"`},
		{"/v1/posted", `GET /v1/* rest="posted"`},
		{"/v1x", "404"},
		{"/v1/long", `GET /v1/long/* rest=""`},
		{"/v1/long/z", `GET /v1/long/* rest="z"`},
		{"/v1/longer", `GET /v1/* rest="longer"`},
		{"/v1/x/y/z", `GET /{any}/x/y/* any="v1" rest="z"`},
		{"/v1/explicit", "GET /v1/explicit"},
		{"/v1/explicit/7", `GET /v1/explicit/{id} id="7"`},
		{"/v1/explicit/7/8", `GET /v1/* rest="explicit/7/8"`},
		{"/v2/s/a", `GET /v2/{svc}/* svc="s" rest="a"`},
		{"/v2/s", `GET /v2/{svc}/* svc="s" rest=""`},
		{"/v2/s%2Fa%2fb", `GET /v2/{svc}/* svc="s" rest="a%2fb"`},
		{"/v2/", "404"},
		{"/v3", "GET /v3"},
		{"/v3/", "to /v3: slash at the end"},

		// Dots stay below the prefix, whatever their spelling.
		{"/v1/a/../b", `GET /v1/* rest="b"`},
		{"/v1/a/./b", `GET /v1/* rest="a/b"`},
		{"/v1/a/%2e%2E/b%20", `GET /v1/* rest="b%20"`},
		{"/v1/a%2F..%2Fb", `GET /v1/* rest="b"`},
		{"/v1/a/..", `GET /v1/* rest=""`},
		{"/v1/.", `GET /v1/* rest=""`},
		{"/v1/a//../b", `GET /v1/* rest="b"`},
		{"/v1/long/../b", `GET /v1/* rest="b"`},
		{"/v1%2Fa/../b", `GET /v1/* rest="b"`},
		{"/v1/../top", "to /top: repeated slashes or dot segments"},
		{"/v1/../secret", "404"},
		{"/v1/../v1/a", "to /v1/a: repeated slashes or dot segments"},
		{"/v1/a/../../top", "to /top: repeated slashes or dot segments"},
		{"/v1/..%2F..%2Fetc", "404"},
		{"/v2/../x", "404"},

		// A wildcard never takes another spelling of an explicit route.
		{"/v1/x/../explicit", "to /v1/explicit: repeated slashes or dot segments"},
		{"/v1//explicit", "to /v1/explicit: repeated slashes or dot segments"},
		{"/v1/a%2F..%2Fexplicit", "to /v1/explicit: repeated slashes or dot segments"},
		{"/v1%2Fexplicit", "GET /v1/explicit"},

		// Other repeated slashes are data, but for those at the start.
		{"/v1//a", `GET /v1/* rest="a"`},
		{"/v1/%2f/a", `GET /v1/* rest="%2f/a"`},
		{"/v1/%2Fx", `GET /v1/* rest="%2Fx"`},
		{"/v1%2F%2Fx", `GET /v1/* rest="%2Fx"`},
		{"/v1///x", `GET /v1/* rest="x"`},
		{"/v1/http://h/x", `GET /v1/* rest="http://h/x"`},
	})
}

// TestFindOtherReadings asks for explicit routes in spellings that only some
// servers understand, beside routes that would take them.
func TestFindOtherReadings(t *testing.T) {
	routes := []string{
		"GET /v1/*", "GET /v1/admin", "GET /v1/admin/keys/{id}", "GET /v1/Mixed/*", "GET /v1/ünder",
		"GET /users/{id}", "GET /users/admin", "GET /users/{id}/orders", "POST /users/{id}", "POST /v1/*", "POST /v1/posted",
	}
	const slash, uncleaned, letters = ": slash at the end", ": repeated slashes or dot segments", ": letter case"
	runFind(t, build(t, Options{}, routes...), []findTest{
		// The router knows how to write it.
		{"/v1/admin/", "to /v1/admin" + slash},
		{"/v1/admin%2f", "to /v1/admin" + slash},
		{"/v1/admin/.", "to /v1/admin" + uncleaned},
		{"/v1/admin/%2e/", "to /v1/admin" + uncleaned},
		{"/v1/admin//", "to /v1/admin" + uncleaned},
		{"/v1/ADMIN", "to /v1/admin" + letters},
		{"/v1/%41dmin", "to /v1/admin" + letters},
		{"/v1/ADMIN/", "to /v1/admin" + letters},
		{"/v1//admin", "to /v1/admin" + uncleaned},
		{"/v1/%2fadmin", "to /v1/admin" + uncleaned},
		{"/v1/x/../admin", "to /v1/admin" + uncleaned},
		{"/v1/x/%2e%2e/admin", "to /v1/admin" + uncleaned},
		{"/v1/x%2f..%2fADMIN", "to /v1/admin" + uncleaned},
		{"/v1/%EF%BD%81dmin", "to /v1/admin" + letters}, // full width
		{"/v1/admin/Keys/A", "to /v1/admin/keys/A" + letters},
		{"/v1/mixed/A/b", "to /v1/Mixed/A/b" + letters},
		{"/v1/MIXED", "to /v1/Mixed" + letters},
		{"/v1/%C3%9CNDER", "to /v1/%C3%BCnder" + letters},
		{"/v1/u%CC%88nder", "to /v1/%C3%BCnder" + letters}, // u and its dots apart
		{"/users/ADMIN", "to /users/admin" + letters},
		{"/users/7/Orders", "to /users/7/orders" + letters},
		{"/v1/%61dmin", "GET /v1/admin"},

		// Others may read it so.
		{"/v1/admin;x=1", "404"},
		{"/v1/admin;", "404"},
		{"/v1;x/admin", "404"},
		{"/v1/admin;/../x", `GET /v1/* rest="x"`},
		{"/v1/;/admin", "404"},
		{"/v1/admin%3Bx", "404"},
		{"/v1/admin%00", "404"},
		{"/v1/admin%00.txt", "404"},
		{"/v1/admin%3Fx=1", "404"},
		{"/v1/admin%23x", "404"},
		{"/v1/admin\\", "404"},
		{"/v1/admin%5c", "404"},
		{"/v1\\admin", "404"},
		{"/v1/x\\..\\admin", "404"},
		{"/v1/%5cadmin", "404"},
		{"/v1/admin%255c", "404"},
		{"/v1/admin%20", "404"},
		{"/v1/admin%09", "404"},
		{"/v1/admin.", "404"},
		{"/v1/admin...", "404"},
		{"/v1/admin./", "404"},
		{"/v1/admin%2e", "404"},
		{"/v1/%2561dmin", "404"},
		{"/v1/%25%36%31dmin", "404"},
		{"/v1/%252561dmin", "404"},
		{"/v1/admin%252f", "404"},
		{"/v1/x%252f..%252fadmin", "404"},
		{"/v1/%2541DMIN;x", "404"},
		{"/v1/x/..;/admin", "404"},
		{"/v1/x/%252e%252e/admin", "404"},
		{"/v1/%25u0061dmin", "404"},
		{"/v1/admin%c0%af", "404"}, // a slash in two bytes
		{"/v1/%c1%a1dmin", "404"},
		{"/v1/admin%EF%BC%8F", "404"}, // a slash of full width
		{"/v1／admin", "404"},
		{"/v1﹨admin", "404"},  // a small backslash
		{"/v1/admin;", "404"}, // a Greek question mark, which is a semicolon
		{"/v1/admin；x", "404"},
		{"/v1/admin﹖x", "404"},
		{"/v1/admin⁈", "404"}, // two marks in one
		{"/v1/admin＃x", "404"},
		{"/v1/　admin ", "404"},
		{"/v1/admin…", "404"}, // three dots in one
		{"/v1/admin" + strings.Repeat(" ", 5000), "404"},
		{"/v1/" + strings.Repeat("ﷺ", 100) + "／．．/x", "404"},
		{"/v1/" + strings.Repeat("／", 100) + "admin", "404"},
		{"/v1/𝐚𝐝𝐦𝐢𝐧;", "404"}, // in mathematical letters
		{"/v1/ünder" + strings.Repeat(" ", 300), "404"},
		{"/v1/admin/keys/a%2Fb", "404"},
		{"/v1/admin/keys/a\\b", `GET /v1/admin/keys/{id} id="a\\b"`},
		{"/v1/ADMIN/keys/a\\b", "to /v1/admin/keys/a%5Cb" + letters},
		{"/v1/mixed;x/a", "404"},
		{"/users/admin;x", "404"},
		{"/users/admin%20", "404"},
		{"/users/admin.", "404"},
		{"/users/7\\orders", "404"},
		{"/users/7%3Borders", `GET /users/{id} id="7;orders"`},

		// No server reads these as an explicit route.
		{"/users/ﷺ", "GET /users/{id} id=\"ﷺ\""},
		{"/v1/admin" + strings.Repeat("ﷺ", 3), `GET /v1/* rest="admin` + strings.Repeat("%EF%B7%BA", 3) + `"`},
		{"/v1" + strings.Repeat("/", 1000) + "a", `GET /v1/* rest="a"`},
		{"/v1/a" + strings.Repeat("/", 200) + "b", `GET /v1/* rest="a` + strings.Repeat("/", 200) + `b"`},
		{"/v1/admins", `GET /v1/* rest="admins"`},
		{"/v1/Admins/A%20b;c", `GET /v1/* rest="Admins/A%20b;c"`},
		{"/v1/x;y/z%2Fw\\", `GET /v1/* rest="x;y/z%2Fw%5C"`},
		{"/v1/a%252Fb", `GET /v1/* rest="a%252Fb"`},
		{"/v1/admin/x", `GET /v1/* rest="admin/x"`},
		{"/v1/admin-x.", `GET /v1/* rest="admin-x."`},
		{"/users/Administrator", `GET /users/{id} id="Administrator"`},
		{"/users/7;x", `GET /users/{id} id="7;x"`},
		{"/users/...", `GET /users/{id} id="..."`},

		// Each method has its own routes.
		{"POST /v1/admin", `POST /v1/* rest="admin"`},
		{"POST /v1/ADMIN", `POST /v1/* rest="ADMIN"`},
		{"POST /v1/posted/", "to /v1/posted" + slash},
		{"POST /v1/posted;", "404"},
		{"POST /users/ADMIN", `POST /users/{id} id="ADMIN"`},
		{"POST /users/7/Orders", "404"},
	})

	spellings := []string{
		"/v1/admin/", "/v1/admin/.", "/v1/admin%2f", "/v1/ADMIN", "/v1//admin", "/v1/x/../admin", "/v1/admin;x=1",
		"/v1/admin%00", "/v1/admin\\", "/v1/admin%5c", "/v1/admin%20", "/v1/%2561dmin", "/v1/admin.", "/users/ADMIN", "/users/admin;x",
	}
	for _, o := range []Options{
		{DisableTrailingSlashRedirect: true}, {DisableFixedPathRedirect: true}, {DisableTrailingSlashRedirect: true, DisableFixedPathRedirect: true},
		{RemoveExtraSlash: true}, {DisablePathDecoding: true}, {DisableMethodNotAllowed: true}, {DisableRest: true},
	} {
		table := build(t, o, routes...)
		for _, path := range spellings {
			if m := table.Find("GET", path, nil); m.Outcome == Found && m.Pattern != "/v1/admin" && m.Pattern != "/users/admin" {
				t.Errorf("%+v: Find(%s) = %s", o, path, summary(m))
			}
		}
	}
}

// TestFindRoutedPath shows what becomes of a path: what policies and logs speak
// of, and the values as they were sent.
func TestFindRoutedPath(t *testing.T) {
	table := build(t, Options{RemoveExtraSlash: true, DisableRest: true}, "GET /u/{id}/x.{ext}", "GET /v1/*")
	plain := build(t, Options{}, "GET /v1/*", "GET /v1/{svc}/sub/*")
	tests := []struct {
		table      *Table[string]
		path, want string
		raw        []string
	}{
		{table, "/u/7/x.a", "/u/7/x.a", nil},
		{table, "//u//7/x.a", "/u/7/x.a", nil},
		{table, "/u/a%3Bb;c/%78.%2ea", "/u/a%3Bb;c/%78.%2ea", []string{"a%3Bb;c", "%2ea"}},
		{plain, "/v1//internal", "/v1/internal", nil},
		{plain, "/v1/./internal", "/v1/internal", nil},
		{plain, "/v1/a/../internal", "/v1/internal", nil},
		{plain, "/v1/%2Fx", "/v1/%2Fx", nil},
		{plain, "/v1/a//b", "/v1/a//b", nil},
		{plain, "/v1///a/b", "/v1/a/b", nil},
	}
	for _, tt := range tests {
		m := tt.table.Find("GET", tt.path, nil)
		if m.Outcome != Found || m.Path != tt.want || len(tt.raw) > 0 && !slices.Equal(m.Raw, tt.raw) {
			t.Errorf("Find(%s) = %s, path %q, raw %q; want path %q, raw %q", tt.path, summary(m), m.Path, m.Raw, tt.want, tt.raw)
		}
	}
}

func TestFindReservedPaths(t *testing.T) {
	table := build(t, Options{}, "GET /__health", "GET /__debug/*", "GET /*")
	runFind(t, table, []findTest{
		{"/__health", "GET /__health"},
		{"/__debug/x", `GET /__debug/* rest="x"`},
		{"/other/x", `GET /* rest="other/x"`},
		{"/", `GET /* rest=""`},
	})
}

func TestFindReusesParams(t *testing.T) {
	table := build(t, Options{}, "GET /a/{x}/{y}")
	buffer := []string{"old", "old", "old"}
	m := table.Find("GET", "/a/1/2", buffer)
	if !slices.Equal(m.Params, []string{"1", "2"}) || &m.Params[0] != &buffer[0] {
		t.Errorf("params %q are not in the buffer, which has %q", m.Params, buffer)
	}
}

func TestAddErrors(t *testing.T) {
	tests := []struct {
		name          string
		first, second string
		want          string // empty for none
	}{
		{"same path", "/a", "/a", "GET /a is already routed as GET /a"},
		{"other names", "/u/{a}/x", "/u/{b}/x", "GET /u/{b}/x is already routed as GET /u/{a}/x"},
		{"same word", "/f.{a}", "/f.{b}", "GET /f.{b} is already routed as GET /f.{a}"},
		{"same wildcard", "/v/{a}/*", "/v/{b}/*", "GET /v/{b}/* is already routed as GET /v/{a}/*"},
		{"names differ at one position", "/u/{a}", "/u/{b}/c", ""},
		{"slash at the end", "/a", "/a/", ""},
		{"wildcard and its prefix", "/a/*", "/a", ""},
		{"malformed", "/a", "/a/*x", "write \"/a/*\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBuilder[int](Options{DisableRest: true})
			if err := b.Add("GET", tt.first, 1); err != nil {
				t.Fatal(err)
			}
			err := b.Add("GET", tt.second, 2)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Add(%q) after %q = %v, want %q", tt.second, tt.first, err, tt.want)
			}
			if taken, ok := errors.AsType[*Taken[int]](err); ok != strings.Contains(tt.want, "already") || ok && taken.By != 1 {
				t.Errorf("Add(%q) after %q = %#v, want the value of the first where it is taken", tt.second, tt.first, err)
			}
			if tt.want == "" {
				return
			}
			if m := b.Build().Find("GET", strings.NewReplacer("{", "", "}", "", "/*", "").Replace(tt.first), nil); m.Value != 1 {
				t.Errorf("after a refused Add the table finds %d, want 1", m.Value)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	table := build(t, Options{DisableRest: true},
		"GET /a/b", "GET /a/{x}", "GET /a/b{x}", "GET /{p}/{q}", "GET /a/*", "GET /{p}/*", "POST /a/{x}", "DELETE /a/b")
	tests := []struct {
		method, path string
		want         []string
	}{
		{"GET", "/a/b", []string{
			"GET /a/b wins",
			"GET /a/{x} loses to /a/b: in segment 2 a literal goes before a variable",
			"GET /{p}/{q} loses to /a/b: in segment 1 a literal goes before a variable",
			"GET /a/* loses to /a/b: explicit paths go before wildcards",
			"GET /{p}/* loses to /a/b: explicit paths go before wildcards",
			"DELETE /a/b serves DELETE only",
			"POST /a/{x} serves POST only",
		}},
		{"PUT", "/a/b/c", []string{"GET /a/* serves GET only", "GET /{p}/* serves GET only"}},
		{"GET", "/A/B/", []string{
			"GET /a/b wins after a redirect to /a/b (letter case)",
			"GET /a/{x} loses to /a/b: in segment 2 a literal goes before a variable",
			"GET /{p}/{q} loses to /a/b: in segment 1 a literal goes before a variable",
			"GET /a/* loses to /a/b: explicit paths go before wildcards",
			"GET /{p}/* loses to /a/b: explicit paths go before wildcards",
			"DELETE /a/b serves DELETE only",
			"POST /a/{x} serves POST only",
		}},
		{"POST", "/A/x", []string{
			"POST /a/{x} wins after a redirect to /a/x (letter case)",
			"GET /a/{x} serves GET only",
			"GET /{p}/{q} serves GET only",
			"GET /a/* serves GET only",
			"GET /{p}/* serves GET only",
		}},
		{"POST", "/a/..", []string{
			"POST /a/{x} wins, and refuses the request: error: dot segment in url params",
			"GET /a/{x} serves GET only",
			"GET /{p}/{q} serves GET only",
			"GET /a/* serves GET only",
			"GET /{p}/* serves GET only",
		}},
		{"GET", "/a/b/../../..", []string{
			"GET /a/* dot segments, slashes or another spelling lead elsewhere",
			"GET /{p}/* dot segments, slashes or another spelling lead elsewhere",
		}},
		{"GET", "/", nil},
		{"GET", "/a/%zz", nil},
		{"GET", "a", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, c := range table.Explain(tt.method, tt.path) {
			got = append(got, c.Method+" "+c.Pattern+" "+c.Why)
			if c.Wins != strings.HasPrefix(c.Why, "wins") {
				t.Errorf("Explain(%s %s): %+v contradicts itself", tt.method, tt.path, c)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("Explain(%s %s) =\n%s\nwant\n%s", tt.method, tt.path, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// TestCovering asks which route of a method serves the paths of a pattern.
func TestCovering(t *testing.T) {
	tests := []struct {
		routes  []string // of POST
		pattern string
		want    string // "" for none
	}{
		{[]string{"/v1/*"}, "/v1/admin", "/v1/*"},
		{[]string{"/v1/*"}, "/v1", "/v1/*"},
		{[]string{"/v1/*"}, "/v1/admin/*", "/v1/*"},
		{[]string{"/v1/*"}, "/v1/{id}/x", "/v1/*"},
		{[]string{"/v1/{id}"}, "/v1/admin", "/v1/{id}"},
		{[]string{"/v1/{id}", "/v1/*"}, "/v1/admin", "/v1/{id}"},
		{[]string{"/{a}/{b}"}, "/v1/{id}", "/{a}/{b}"},
		{[]string{"/v1/*", "/v1/admin"}, "/v1/admin", ""},
		{[]string{"/v1/{a}"}, "/v1/{b}", ""},
		{[]string{"/v1/*"}, "/v1/*", ""},
		{[]string{"/v2/*"}, "/v1/admin", ""},
		{[]string{"/v1/admin/*"}, "/v1/{id}", ""},
		{[]string{"/v1/login"}, "/v1/*", ""},
		{[]string{"/v1/*"}, "/v1/a b/%", "/v1/*"},
		{nil, "/v1/admin", ""},
	}
	for _, tt := range tests {
		b := NewBuilder[string](Options{})
		for _, r := range tt.routes {
			if err := b.Add("POST", r, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Add("GET", tt.pattern, tt.pattern); err != nil {
			t.Fatal(err)
		}
		table := b.Build()
		if got, ok := table.Covering("POST", tt.pattern); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: Covering(POST, %q) = %q, %v, want %q", tt.routes, tt.pattern, got, ok, tt.want)
		}
		if want := len(tt.routes) > 0; slices.Contains(table.Methods(), "POST") != want || !slices.Contains(table.Methods(), "GET") {
			t.Errorf("%q: methods %q", tt.routes, table.Methods())
		}
	}
}
