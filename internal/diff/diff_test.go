package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/diff"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
)

func read(t testing.TB, name, text string) *diff.Side {
	t.Helper()
	side, problems := diff.Read(name, []byte(text), component.Default)
	if side == nil {
		t.Fatalf("%s\n%s", config.Format(problems), text)
	}
	return side
}

func compare(a, b *diff.Side) []diff.Change {
	return diff.Compare(a, b, diff.Options{Registry: component.Default, Missing: published.Absent})
}

// lines writes changes as a test wants them.
func lines(changes []diff.Change) (list []string) {
	for _, c := range changes {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s %s -> %s; %s", c.Verdict, c.Subject, c.Path, c.Kind, c.Before, c.After, c.Why)))
	}
	return list
}

const before = `
version: 3
dialect: sluice
host: ["http://${env:SHOP}:8000"]
timeout: 2s
endpoints:
  - endpoint: /users/{id}
    input_headers: [Accept, X-Tenant]
    extra_config:
      auth/validator: {alg: RS256, jwk_url: "https://id.example.com/jwks", roles: [admin, clerk], audience: [shop], leeway: 1s}
      qos/ratelimit/router: {max_rate: 10, client_max_rate: 5, strategy: ip}
      validation/cel: [{check_expr: "req_params.Id != '0'"}]
    backend:
      - url_pattern: /users/{id}
        deny: [password]
        extra_config: {qos/circuit-breaker: {interval: 60, timeout: 10, max_errors: 3}}
      - {url_pattern: /audit, host: ["http://audit:1", "http://audit:2"]}
  - endpoint: /orders
    timeout: 5s
    backend: [{url_pattern: /orders}]
async_agent:
  - name: orders
    consumer: {topic: "#", workers: 2}
    backend: [{url_pattern: /orders, method: POST}]
    extra_config: {async/amqp: {host: "amqp://guest:hunter2@queue/", exchange: shop, name: orders}}
`

// TestCompare judges one change after the other.
func TestCompare(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"a longer timeout of all", "timeout: 2s", "timeout: 3s", []string{"weakened service timeout: changed 2s -> 3s; 2 take it from here"}},
		{"a shorter one of one", "timeout: 5s", "timeout: 1s", []string{"strengthened GET /orders timeout: changed 5s -> 1s;"}},
		{"its own, which is that of all", "timeout: 5s", "timeout: 2s", []string{"strengthened GET /orders timeout: changed 5s -> 2s;"}},
		{"the default", "timeout: 2s", "\"@timeout\": 2s", nil},
		{"a default that is written", "dialect: sluice", "dialect: sluice\nport: 8080\noutput_encoding: json\nmax_header_bytes: 1000000", nil},
		{"TLS", "dialect: sluice", "dialect: sluice\ntls: {keys: [{public_key: a, private_key: b}]}", []string{`strengthened service tls: added  -> {"keys":[{"public_key":"a","private_key":"b"}]};`}},
		{"TLS that is off", "dialect: sluice", "dialect: sluice\ntls: {disabled: true, keys: [{public_key: a, private_key: b}]}", []string{`changed service tls: added  -> {"disabled":true,"keys":[{"public_key":"a","private_key":"b"}]};`}},
		{"insecure, at its old place", "dialect: sluice", "dialect: sluice\nallow_insecure_connections: true", []string{"weakened service client_tls.allow_insecure_connections: added  -> true;", "changed service client_tls.min_version: added  -> TLS12;"}},
		{"another reference", "SHOP", "STORE", []string{`changed service host: changed ["http://${env:SHOP}:8000"] -> ["http://${env:STORE}:8000"]; +http://${env:STORE}:8000 -http://${env:SHOP}:8000; 2 take it from here`}},
		{"a host in another order", `"http://audit:1", "http://audit:2"`, `"http://audit:2", "http://audit:1"`, nil},
		{"a host less", `"http://audit:1", "http://audit:2"`, `"http://audit:1"`, []string{`changed GET /users/{id} backend[GET /audit].host: changed ["http://audit:1","http://audit:2"] -> ["http://audit:1"]; -http://audit:2`}},
		{"more headers", "[Accept, X-Tenant]", "[X-Tenant, Accept, Cookie]", []string{`weakened GET /users/{id} input_headers: changed ["Accept","X-Tenant"] -> ["X-Tenant","Accept","Cookie"]; +Cookie`}},
		{"headers in another letter case", "[Accept, X-Tenant]", "[x-tenant, accept]", nil},
		{"an endpoint that stands open", "endpoints:\n", "endpoints:\n  - {endpoint: /open, backend: [{url_pattern: /}]}\n", []string{
			`changed GET /open : added  -> {"endpoint":"/open","backend":[{"url_pattern":"/"}]}; nothing says who may ask`}},
		{"all headers", "[Accept, X-Tenant]", `["*"]`, []string{`weakened GET /users/{id} input_headers: changed ["Accept","X-Tenant"] -> ["*"]; +* -Accept -X-Tenant; * is everything`}},
		{"no headers", "[Accept, X-Tenant]", "[]", []string{`strengthened GET /users/{id} input_headers: removed ["Accept","X-Tenant"] -> ;`}},
		{"fewer roles", "[admin, clerk]", "[admin]", []string{`strengthened GET /users/{id} extra_config["auth/validator"].roles: changed ["admin","clerk"] -> ["admin"]; -clerk`}},
		{"no roles", "roles: [admin, clerk]", "roles: []", []string{`weakened GET /users/{id} extra_config["auth/validator"].roles: removed ["admin","clerk"] -> ; none restricts nothing`}},
		{"no audience", "audience: [shop], ", "", []string{`weakened GET /users/{id} extra_config["auth/validator"].audience: removed ["shop"] -> ;`}},
		{"more leeway", "leeway: 1s", "leeway: 1m", []string{`weakened GET /users/{id} extra_config["auth/validator"].leeway: changed 1s -> 1m;`}},
		{"no validator", "auth/validator:", "\"@auth/validator\":", []string{`weakened GET /users/{id} extra_config["auth/validator"]: removed {"alg":"RS256","jwk_url":"https://id.example.com/jwks","audience":["shop"],"roles":["admin","clerk"],"leeway":"1s"} -> ; it says who may ask`}},
		{"a higher limit", "{max_rate: 10,", "{max_rate: 20,", []string{`weakened GET /users/{id} extra_config["qos/ratelimit/router"].max_rate: changed 10 -> 20;`}},
		{"no limit", "{max_rate: 10,", "{max_rate: 0,", []string{`weakened GET /users/{id} extra_config["qos/ratelimit/router"].max_rate: removed 10 -> ; there is no limit`}},
		{"an old name", "qos/ratelimit/router:", "github.com/devopsfaith/krakend-ratelimit/juju/router:", nil},
		{"one condition more", "[{check_expr:", "[{check_expr: \"req_method != 'x'\"}, {check_expr:", []string{`strengthened GET /users/{id} extra_config["validation/cel"][0]: added  -> {"check_expr":"req_method != 'x'"}; it says who may ask`}},
		{"a password shown", "deny: [password]", "deny: [token]", []string{`weakened GET /users/{id} backend[GET /users/{id}].deny: changed ["password"] -> ["token"]; +token -password`}},
		{"a breaker less", "qos/circuit-breaker:", "\"@qos/circuit-breaker\":", []string{`weakened GET /users/{id} backend[GET /users/{id}].extra_config["qos/circuit-breaker"]: removed {"interval":60,"timeout":10,"max_errors":3} -> ; it stands in the way of somebody`}},
		{"another variable", "/users/{id}\n    input", "/users/{name}\n    input", []string{"changed GET /users/{name} endpoint: changed /users/{id} -> /users/{name};"}},
		{"another method", "/orders\n    timeout", "/orders\n    method: put\n    timeout", []string{
			`changed PUT /orders : added  -> {"endpoint":"/orders","method":"PUT","backend":[{"url_pattern":"/orders"}],"timeout":"5s"}; nothing says who may ask`,
			`changed GET /orders : removed {"endpoint":"/orders","backend":[{"url_pattern":"/orders"}],"timeout":"5s"} -> ;`}},
		{"another path of a backend", "{url_pattern: /audit,", "{url_pattern: /log,", []string{"changed GET /users/{id} backend[GET /log].url_pattern: changed /audit -> /log;"}},
		{"another secret", "hunter2", "hunter3", []string{`changed agent orders extra_config["async/amqp"].host: changed amqp://***@queue/ -> amqp://***@queue/; what is hidden, or how it is written`}},
		{"more workers", "workers: 2", "workers: 3", []string{"changed agent orders consumer.workers: changed 2 -> 3;"}},
		{"another dialect", "dialect: sluice", "dialect: krakend\nbehaviour: {error_status: by_cause, error_body: problem, merge_deadline: 100, concurrent_deadline: 100, completed_header: X-Sluice-Completed, product_header: \"-\", request_id_header: X-Request-Id, decoded_statuses: success, missing_content_type: none, personal_cache: private, redirect_credentials: origin, breaker_threshold: at, breaker_counts: calls, ipv6_prefix: 64, weak_keys: warning, unknown_keys: error, mistakes: error, weak_types: error, max_hops: 16}", []string{
			"changed service dialect: changed sluice -> krakend;", "weakened service behaviour.weak_keys: changed the default, error -> warning;"}},
		{"an unknown key", "timeout: 5s", "timeout: 5s\n    tiemout: 5s", []string{"changed GET /orders tiemout: added  -> 5s; nobody knows what it does"}},
		{"a namespace that is not built", "auth/validator:", "auth/api-keys: {roles: [a]}\n      auth/validator:", []string{`strengthened GET /users/{id} extra_config["auth/api-keys"]: added  -> {"roles":["***"]}; it says who may ask`}},
		{"a comment", "dialect: sluice", "dialect: sluice # strict\n\"@why\": strict\n_also: {a: 1}\n$schema: x", nil},
	}
	old := read(t, "old.yaml", before)
	for _, tt := range tests {
		if tt.old != "" && !strings.Contains(before, tt.old) {
			t.Fatalf("%s: %q is not there", tt.name, tt.old)
		}
		side := read(t, "new.yaml", strings.Replace(before, tt.old, tt.new, 1))
		if got := lines(compare(old, side)); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
		}
		if forth, back := compare(old, side), compare(side, old); !opposite(forth, back) || !opposite(back, forth) {
			t.Errorf("%s: forth\n%s\nand back\n%s", tt.name, strings.Join(lines(forth), "\n"), strings.Join(lines(back), "\n"))
		}
	}
}

// opposite reports whether all that is stronger in the one is weaker in the other: what has
// become another may let pass more both ways.
func opposite(forth, back []diff.Change) bool {
	return len(forth) == len(back) && diff.Count(forth, diff.Strengthened) <= diff.Count(back, diff.Weakened)
}

// TestWeaker judges what is told by what absent keys mean, by keys together and by entries
// that stand for others.
func TestWeaker(t *testing.T) {
	service := func(text string) string { return `{"version":3,"dialect":"sluice"` + text + `}` }
	router := func(text string) string { return service(`,"extra_config":{"router":{` + text + `}}`) }
	endpoints := func(text string) string { return service(`,"host":["http://h"],"endpoints":[` + text + `]`) }
	endpoint := func(text string) string {
		return endpoints(`{"endpoint":"/e","backend":[{"url_pattern":"/b"}]` + text + `}`)
	}
	backend := func(text string) string {
		return endpoints(`{"endpoint":"/e","backend":[{"url_pattern":"/b"` + text + `}]}`)
	}
	validated := func(text string) string {
		return `{` + text + `,"backend":[{"url_pattern":"/b"}],"extra_config":{"auth/validator":{"alg":"RS256","jwk_url":"https://h/jwks"}}}`
	}
	open := func(text string) string { return `{` + text + `,"backend":[{"url_pattern":"/b"}]}` }
	limited := func(text string) string {
		return endpoint(`,"extra_config":{"qos/ratelimit/router":{"client_max_rate":5,"strategy":"ip"` + text + `}}`)
	}
	cookie := func(text string) string {
		return endpoint(`,"extra_config":{"auth/validator":{"alg":"RS256","jwk_url":"https://h/jwks"` + text + `}}`)
	}
	filter := func(ops string) string {
		return backend(`,"extra_config":{"proxy":{"flatmap_filter":[` + ops + `]}}`)
	}
	const same = diff.Verdict("same")
	tests := []struct {
		name, a, b  string
		forth, back diff.Verdict
	}{
		{"max_response_bytes beyond the default", service(""), service(`,"max_response_bytes":"1GiB"`), diff.Weakened, diff.Strengthened},
		{"max_response_bytes below it", service(""), service(`,"max_response_bytes":"1MiB"`), diff.Strengthened, diff.Weakened},
		{"max_response_bytes as it is", service(""), service(`,"max_response_bytes":"32MiB"`), same, same},
		{"no max_response_bytes", service(""), service(`,"max_response_bytes":0`), diff.Weakened, diff.Strengthened},
		{"max_response_bytes of an endpoint", endpoint(""), endpoint(`,"max_response_bytes":"1GiB"`), diff.Weakened, diff.Strengthened},
		{"max_response_bytes of a backend", backend(""), backend(`,"max_response_bytes":"1MiB"`), diff.Strengthened, diff.Weakened},
		{"max_body_bytes beyond what is held", service(""), service(`,"max_body_bytes":"10GiB"`), diff.Weakened, diff.Weakened},
		{"max_body_bytes", service(""), service(`,"max_body_bytes":"1MiB"`), diff.Strengthened, diff.Weakened},
		{"no max_body_bytes", service(""), service(`,"max_body_bytes":0`), diff.Weakened, diff.Strengthened},
		{"max_payload beyond that of the router", strings.Replace(router(`"max_payload":1000`), "}}}", `}},"endpoints":[`+open(`"endpoint":"/e"`)+`]}`, 1),
			strings.Replace(router(`"max_payload":1000`), "}}}", `}},"endpoints":[{"endpoint":"/e","backend":[{"url_pattern":"/b"}],"extra_config":{"proxy":{"max_payload":9000}}}]}`, 1), diff.Weakened, diff.Strengthened},
		{"idle_timeout", service(`,"idle_timeout":"0s","read_header_timeout":"10s"`), service(`,"idle_timeout":"1h","read_header_timeout":"10s"`), diff.Weakened, diff.Strengthened},
		{"nobody is trusted", router(`"trusted_proxies":[]`), router(""), diff.Weakened, diff.Strengthened},
		{"one is trusted", router(`"trusted_proxies":["10.1.2.3"]`), router(""), diff.Weakened, diff.Strengthened},
		{"one on the internet is trusted", router(`"trusted_proxies":["8.8.8.8"]`), router(""), diff.Weakened, diff.Weakened},
		{"all are trusted", router(`"trusted_proxies":["10.0.0.0/8"]`), router(`"trusted_proxies":["0.0.0.0/0"]`), diff.Weakened, diff.Strengthened},
		{"a network written otherwise", router(`"trusted_proxies":["10.0.0.0/8"]`), router(`"trusted_proxies":["10.1.2.3/8"]`), diff.Changed, diff.Changed},
		{"no header is asked", router(`"remote_ip_headers":[]`), router(""), diff.Weakened, diff.Strengthened},
		{"headers are believed", router(`"forwarded_by_client_ip":false`), router(""), diff.Weakened, diff.Strengthened},
		{"the router", router(`"hide_version_header":true`), service(""), diff.Weakened, diff.Strengthened},
		{"the router that trusts nobody", router(`"trusted_proxies":[]`), service(""), diff.Weakened, diff.Strengthened},
		{"the router that shows errors", router(`"return_error_msg":true`), service(""), diff.Strengthened, diff.Weakened},
		{"a router that says nothing", router(``), service(""), diff.Changed, diff.Changed},
		{"TLS to a host", backend(`,"host":["https://a"]`), backend(`,"host":["http://a"]`), diff.Weakened, diff.Strengthened},
		{"TLS to one of two", backend(`,"host":["https://a","https://c"]`), backend(`,"host":["https://a","http://c"]`), diff.Weakened, diff.Strengthened},
		{"another host", backend(`,"host":["https://a"]`), backend(`,"host":["https://c"]`), diff.Changed, diff.Changed},
		{"deny and allow", backend(`,"deny":["a"]`), backend(`,"deny":["a"],"allow":["a"]`), diff.Weakened, diff.Weakened},
		{"allow in the place of deny", backend(`,"deny":["a"]`), backend(`,"allow":["c"]`), diff.Strengthened, diff.Weakened},
		{"allow of what was denied within", backend(`,"deny":["a.b"]`), backend(`,"allow":["a"]`), diff.Weakened, diff.Weakened},
		{"deny of less", backend(`,"deny":["a"]`), backend(`,"deny":["a.b"]`), diff.Weakened, diff.Strengthened},
		{"deny of another", backend(`,"deny":["a"]`), backend(`,"deny":["b"]`), diff.Weakened, diff.Weakened},
		{"deny beside allow", backend(`,"allow":["c"],"deny":["a"]`), backend(`,"allow":["c"]`), diff.Changed, diff.Changed},
		{"allow of more", backend(`,"allow":["a.b"]`), backend(`,"allow":["a"]`), diff.Weakened, diff.Strengthened},
		{"a target", backend(`,"target":"data"`), backend(""), diff.Weakened, diff.Strengthened},
		{"another target", backend(`,"target":"data"`), backend(`,"target":"more"`), diff.Changed, diff.Changed},
		{"no headers to a backend", backend(`,"input_headers":[""]`), backend(`,"input_headers":["Authorization"]`), diff.Weakened, diff.Strengthened},
		{"a deletion", filter(`{"type":"del","args":["a"]},{"type":"move","args":["b","c"]}`), filter(`{"type":"move","args":["b","c"]}`), diff.Weakened, diff.Strengthened},
		{"details of errors", backend(""), backend(`,"extra_config":{"backend/http":{"return_error_details":"x"}}`), diff.Weakened, diff.Strengthened},
		{"statuses of errors", backend(""), backend(`,"extra_config":{"backend/http":{"return_error_code":true}}`), diff.Weakened, diff.Strengthened},
		{"a burst", limited(""), limited(`,"client_capacity":5000`), diff.Weakened, diff.Strengthened},
		{"the burst that is", limited(""), limited(`,"client_capacity":5`), same, same},
		{"a cookie", cookie(`,"cookie_key":""`), cookie(""), diff.Weakened, diff.Strengthened},
		{"tokens for ever", cookie(`,"require_exp":true`), cookie(""), diff.Weakened, diff.Strengthened},
		{"no count of hops", service(""), service(`,"behaviour":{"max_hops":-1}`), diff.Weakened, diff.Strengthened},
		{"whole addresses", service(`,"behaviour":{"ipv6_prefix":64}`), service(`,"behaviour":{"ipv6_prefix":128}`), diff.Weakened, diff.Strengthened},
		{"authorities", service(`,"client_tls":{"ca_certs":["a"]}`), service(`,"client_tls":{"ca_certs":["a","b"]}`), diff.Weakened, diff.Strengthened},
		{"origins", service(`,"extra_config":{"security/cors":{"allow_origins":["https://shop.example.com"]}}`),
			service(`,"extra_config":{"security/cors":{"allow_origins":["https://*.example.com"]}}`), diff.Weakened, diff.Strengthened},
		{"pages of an origin", service(""), service(`,"extra_config":{"security/cors":{"allow_origins":["https://shop.example.com"]}}`), diff.Weakened, diff.Strengthened},
		{"other roles", cookie(`,"roles":["admin"]`), cookie(`,"roles":["guest"]`), diff.Weakened, diff.Weakened},
		{"a validator lost with the method", endpoints(validated(`"endpoint":"/e"`)), endpoints(open(`"endpoint":"/e","method":"POST"`)), diff.Weakened, diff.Changed},
		{"a validator lost with the path", endpoints(validated(`"endpoint":"/v1/e"`)), endpoints(open(`"endpoint":"/v2/e"`)), diff.Weakened, diff.Changed},
		{"a validator lost with letter case", endpoints(validated(`"endpoint":"/E"`)), endpoints(open(`"endpoint":"/e"`)), diff.Weakened, diff.Changed},
		{"a validator that moves along", endpoints(validated(`"endpoint":"/v1/e"`)), endpoints(validated(`"endpoint":"/v2/e"`)), diff.Changed, diff.Changed},
	}
	for _, tt := range tests {
		a, b := read(t, "a.json", tt.a), read(t, "b.json", tt.b)
		for _, way := range []struct {
			changes []diff.Change
			want    diff.Verdict
		}{{compare(a, b), tt.forth}, {compare(b, a), tt.back}} {
			got := same
			for _, v := range diff.Verdicts() {
				if got == same && diff.Count(way.changes, v) > 0 {
					got = v
				}
			}
			if got != way.want {
				t.Errorf("%s: %s, want %s\n%s", tt.name, got, way.want, strings.Join(lines(way.changes), "\n"))
			}
		}
	}
}

// TestPlaces tells defaults as such, at the place of the object that lacks the key, and what is
// lost with a path at both places.
func TestPlaces(t *testing.T) {
	const old = `{"version":3,"host":["http://h"],
"extra_config":{"router":{"trusted_proxies":["10.0.0.0/8"]}},
"max_response_bytes":"16MiB",
"endpoints":[{"endpoint":"/v1/u","backend":[{"url_pattern":"/u"}],"extra_config":{"auth/validator":{"alg":"RS256","jwk_url":"https://x/j"}}}]}`
	const changed = `{"version":3,"host":["http://h"],
"extra_config":{"router":{}, "x/unknown":{"dsn":"hunter2","port":8125}},
"endpoints":[{"endpoint":"/v1/u","method":"POST","backend":[{"url_pattern":"/u"}]}]}`
	changes := compare(read(t, "old.json", old), read(t, "new.json", changed))
	var got strings.Builder
	if err := diff.Text(&got, "old.json", "new.json", changes); err != nil {
		t.Fatal(err)
	}
	testx.Golden(t, filepath.Join("testdata", "places.txt"), got.String())
	for _, c := range changes {
		if strings.Contains(c.Before+c.After, "hunter2") {
			t.Errorf("%+v tells what may be a secret", c)
		}
	}
}

// samples returns the configurations that show every option.
func samples(t testing.TB) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, pattern := range []string{"../../test/misspell/testdata/samples/*.*", "../components/*/*/testdata/*.yaml", "../components/*/testdata/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, problems := diff.Read(name, text, component.Default); len(problems) == 0 {
				all[name] = string(text)
			}
		}
	}
	if len(all) < 40 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// TestSame finds nothing between a configuration and itself, however it is written.
func TestSame(t *testing.T) {
	for name, text := range samples(t) {
		side := read(t, name, text)
		if got := lines(compare(side, side)); got != nil {
			t.Errorf("%s is not the same as itself: %q", name, got)
		}
		d, _ := config.Parse(name, []byte(text))
		var otherwise any
		decoder := json.NewDecoder(bytes.NewReader(d.Root.JSON()))
		decoder.UseNumber()
		if err := decoder.Decode(&otherwise); err != nil {
			t.Fatal(err)
		}
		root := otherwise.(map[string]any)
		if list, ok := root["endpoints"].([]any); ok {
			slices.Reverse(list)
		}
		root["@comment"] = "in another order, and as JSON"
		reformatted, err := json.MarshalIndent(root, "", "\t") // sorts the keys
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(compare(side, read(t, "other.json", string(reformatted)))); got != nil {
			t.Errorf("%s is something else as JSON: %q", name, got)
		}
	}
}

// TestEveryKey changes every key that the core and the components have, alone, and finds a
// difference: none is forgotten, be it added tomorrow.
func TestEveryKey(t *testing.T) {
	checked := 0
	check := func(key string, whole func(value string) string, s *config.Spec, r config.Rules) {
		checked++
		x, y := values(s, r)
		if x == y { // of which there is one only
			y = "null"
		}
		var sides []*diff.Side
		for _, value := range []string{x, y} {
			d, problems := config.Parse("f.json", []byte(whole(value)))
			if d == nil {
				t.Fatalf("%s: %s\n%s", key, whole(value), config.Format(problems))
			}
			side, _ := diff.Anyway(d, component.Default)
			sides = append(sides, side)
		}
		if len(compare(sides[0], sides[1])) == 0 {
			t.Errorf("%s: %s and %s are the same", key, x, y)
		}
	}
	var walk func(at string, s *config.Spec, whole func(string) string, depth int)
	walk = func(at string, s *config.Spec, whole func(string) string, depth int) {
		for _, f := range s.Fields {
			if f.Rules.Idle || s.Extra(f.Key) || f.Spec.Scope != "" || f.Spec.Item != nil && f.Spec.Item.Scope != "" || f.Key == "version" {
				continue
			}
			key, in := at+"."+f.Key, func(value string) string { return whole(object(s, f.Key, value)) }
			switch f.Spec.Shape {
			case config.ObjectShape:
				walk(key, f.Spec, in, depth+1)
			case config.ListShape:
				if f.Spec.Item.Shape == config.ObjectShape && depth < 3 {
					walk(key+"[0]", f.Spec.Item, func(v string) string { return in("[" + v + "]") }, depth+1)
					continue
				}
				check(key, in, f.Spec, f.Rules)
			default:
				check(key, in, f.Spec, f.Rules)
			}
		}
	}
	backend := func(members string) string { return `{"url_pattern":"/b","host":["http://b"]` + members + `}` }
	endpoint := func(members string) string {
		return `{"version":3,"endpoints":[{"endpoint":"/e","backend":[` + backend("") + `]` + members + `}]}`
	}
	scopes := map[string]func(members string) string{
		"service":  func(members string) string { return `{"version":3` + members + `}` },
		"endpoint": endpoint,
		"backend": func(members string) string {
			return `{"version":3,"endpoints":[{"endpoint":"/e","backend":[` + backend(members) + `]}]}`
		},
		"async_agent": func(members string) string {
			return `{"version":3,"async_agent":[{"name":"a","consumer":{"topic":"t"},"extra_config":{},"backend":[` + backend("") + `]` + members + `}]}`
		},
	}
	last := func(whole func(string) string) func(string) string { // the members of an object behind others: those of the same key win
		return func(value string) string {
			if inner := strings.TrimSuffix(strings.TrimPrefix(value, "{"), "}"); inner != "" {
				return whole("," + inner)
			}
			return whole("")
		}
	}
	for scope, spec := range map[string]*config.Spec{
		"service": model.Root(), "endpoint": config.SpecOf(reflect.TypeFor[model.Endpoint]()),
		"backend": config.SpecOf(reflect.TypeFor[model.Backend]()), "async_agent": config.SpecOf(reflect.TypeFor[model.Agent]()),
	} {
		walk(scope, spec, last(scopes[scope]), 0)
	}
	for _, d := range component.Default.All() {
		whole, known := scopes[string(d.Scope)]
		if !known || d.Options == nil {
			continue
		}
		in := func(value string) string { return whole(fmt.Sprintf(`,"extra_config":{%q:%s}`, d.Namespace, value)) }
		spec := component.Default.Options(string(d.Scope), d.Namespace)
		for spec.Shape == config.ListShape {
			spec = spec.Item
			outer := in
			in = func(value string) string { return outer("[" + value + "]") }
		}
		walk(string(d.Scope)+" "+d.Namespace, spec, in, 0)
	}
	t.Logf("%d keys", checked)
	if checked < 250 {
		t.Errorf("%d keys, which are too few", checked)
	}
}

// object returns an object with a key, and those that it needs beside.
func object(s *config.Spec, key, value string) string {
	members := []string{}
	for _, f := range s.Fields {
		if f.Key != key && f.Rules.Required && s.Scope == "" {
			x, _ := values(f.Spec, f.Rules)
			members = append(members, fmt.Sprintf("%q:%s", f.Key, x))
		}
	}
	return "{" + strings.Join(append(members, fmt.Sprintf("%q:%s", key, value)), ",") + "}"
}

// values returns two values of a type that are right.
func values(s *config.Spec, r config.Rules) (x, y string) {
	low := 1.0
	if r.Min != nil {
		low = max(low, *r.Min)
	}
	switch s.Shape {
	case config.BoolShape:
		return "true", "false"
	case config.IntShape, config.FloatShape, config.SecondsShape, config.SizeShape:
		return fmt.Sprintf("%.0f", low), fmt.Sprintf("%.0f", low+1)
	case config.DurationShape:
		return `"90s"`, `"91s"`
	case config.TextShape:
		if s.Enum != nil {
			return fmt.Sprintf("%q", s.Enum[0]), fmt.Sprintf("%q", s.Enum[len(s.Enum)-1])
		}
		switch r.Format {
		case "url":
			return `"http://a"`, `"http://b"`
		case "ip", "cidr":
			return `"10.0.0.1"`, `"10.0.0.2"`
		}
		return fmt.Sprintf("%q", strings.Repeat("a", int(low))), fmt.Sprintf("%q", strings.Repeat("b", int(low)))
	case config.ListShape:
		x, y = values(s.Item, config.Rules{Format: r.Format})
		return "[" + x + "]", "[" + y + "]"
	case config.MapShape:
		x, y = values(s.Item, config.Rules{})
		return `{"k":` + x + `}`, `{"k":` + y + `}`
	case config.ObjectShape:
		for _, f := range s.Fields {
			if !f.Rules.Idle {
				x, y = values(f.Spec, f.Rules)
				return object(s, f.Key, x), object(s, f.Key, y)
			}
		}
	case config.CustomShape:
		switch kinds := s.Kinds; {
		case slices.Contains(kinds, config.Bool):
			return "true", "false"
		case slices.Contains(kinds, config.String):
			return `"a"`, `"b"`
		}
	}
	return `{"k":1}`, `{"k":2}`
}

// TestOutput prints changes for people, reviews and programs.
func TestOutput(t *testing.T) {
	after := before
	for _, change := range [][2]string{
		{"dialect: sluice", "dialect: sluice\nname: \"a | `b`\""}, {"timeout: 2s", "timeout: 1m"}, {"auth/validator:", "\"@auth/validator\":"}, {"client_max_rate: 5", "client_max_rate: 4"},
		{"hunter2", "hunter3"}, {"  - endpoint: /orders", "  - {endpoint: /baskets, backend: [{url_pattern: /baskets}]}\n  - endpoint: /order"},
	} {
		after = strings.Replace(after, change[0], change[1], 1)
	}
	changes := compare(read(t, "old.yaml", before), read(t, "new.yaml", after))
	var text, markdown, program strings.Builder
	if err := diff.Text(&text, "old.yaml", "new.yaml", changes); err != nil {
		t.Fatal(err)
	}
	if err := diff.Markdown(&markdown, "old.yaml", "new.yaml", changes); err != nil {
		t.Fatal(err)
	}
	if err := diff.JSON(&program, changes); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"changes.txt": text.String(), "changes.md": markdown.String(), "changes.json": program.String()} {
		if strings.Contains(got, "hunter") {
			t.Errorf("%s tells a secret", name)
		}
		testx.Golden(t, filepath.Join("testdata", name), got)
	}
}

// TestUnreadable reports what keeps a file from being compared, and takes what a reference may
// stand for.
func TestUnreadable(t *testing.T) {
	tests := []struct{ text, want string }{
		{`{"version":3`, "f.json:1:"},
		{`{"version":2}`, "f.json:1:12: version: unsupported version"},
		{`{"version":3,"port":"much"}`, "f.json:1:21: port: must be a whole number"},
		{`{"version":3,"extra_config":{"router":{"max_payload":"much"}}}`, `f.json:1:54: extra_config.router.max_payload: invalid size`},
		{`{"version":3,"port":"${env:PORT}","timeout":"${env:T}","dialect":"${file:d}","extra_config":{"router":{"max_payload":"${env:M}","error_body":"${env:E}"}}}`, ""},
	}
	for _, tt := range tests {
		side, problems := diff.Read("f.json", []byte(tt.text), component.Default)
		if got := config.Format(problems); (side == nil) != (tt.want != "") || !strings.HasPrefix(got, strings.Replace(tt.want, "f.json", "error: f.json", 1)) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// BenchmarkCompare compares large configurations.
func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString(`{"version":3,"endpoints":[{}`)
			for i := range n {
				fmt.Fprintf(&text, `,{"endpoint":"/e%d","backend":[{"url_pattern":"/b","host":["http://b"]}]}`, i)
			}
			text.WriteString("]}")
			whole := strings.Replace(text.String(), "{},", "", 1)
			for b.Loop() {
				x, _ := diff.Read("a.json", []byte(whole), component.Default)
				y, _ := diff.Read("b.json", []byte(strings.Replace(whole, "/e7", "/f7", 1)), component.Default)
				if len(compare(x, y)) != 2 {
					b.Fatal("not two changes")
				}
			}
		})
	}
}
