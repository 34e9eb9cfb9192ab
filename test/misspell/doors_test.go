package misspell

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A door is a mistake that would let a protection or a filter disappear: members
// that are added to objects of a configuration, and what the message says.
type door struct {
	at      string // service, endpoint, backend, or the extra_config of one of them: "endpoint."
	members string
	says    string
}

// doors are closed in both dialects.
var doors = []door{
	// Twice.
	{"endpoint", `"extra_config": {}`, `the key "extra_config" occurs twice`},
	{"endpoint", `"Extra_Config": {"proxy": {"sequential": true}}`, `"Extra_Config" occurs twice`},
	{"service", `"extra_config": {}`, `"extra_config" occurs twice`},
	{"service", `"tls": {"disabled": true}, "tls": {"enable_mtls": true, "disabled": true}`, `"tls" occurs twice`},
	{"service", `"tls": {"disabled": true, "enable_mtls": true, "enable_mtls": false}`, `"enable_mtls" occurs twice`},
	{"service", `"client_tls": {"ca_certs": ["keys/ca.pem"]}, "CLIENT_TLS": {}`, `"CLIENT_TLS" occurs twice`},
	{"service", `"endpoints": [{"endpoint": "/a", "input_headers": ["A"], "backend": [{"url_pattern": "/", "host": ["http://b"]}]}]`, `"endpoints" occurs twice`},
	{"endpoint", `"backend": [{"url_pattern": "/", "host": ["http://b"], "allow": ["a"]}]`, `"backend" occurs twice`},
	{"endpoint", `"BACKEND": [{"url_pattern": "/", "host": ["http://b"], "deny": ["a"]}]`, `"BACKEND" occurs twice`},
	{"backend", `"allow": ["a"], "allow": ["a", "b"]`, `"allow" occurs twice`},
	{"backend", `"allow": ["a"], "allow": null`, `"allow" occurs twice`},
	{"backend", `"Allow": ["a"], "allow": ["a", "b"]`, `"allow" occurs twice`},
	{"backend", `"deny": ["a"], "DENY": []`, `"DENY" occurs twice`},
	{"endpoint", `"input_headers": ["A"], "input_headers": ["*"]`, `"input_headers" occurs twice`},
	{"endpoint", `"input_query_strings": ["A"], "Input_Query_Strings": ["*"]`, `"Input_Query_Strings" occurs twice`},
	{"endpoint.", `"auth/validator": {"alg": "RS256", "jwk_local_path": "keys/jwks.json"}, "auth/validator": {"alg": "RS256", "jwk_local_path": "keys/jwks.json", "roles": ["a"]}`,
		`"auth/validator" occurs twice`},
	{"endpoint.", `"telemetry/opencensus": {}, "telemetry/opencensus": {}`, `"telemetry/opencensus" occurs twice`},
	{"endpoint.", `"qos/ratelimit/router": {"max_rate": 1, "max_rate": 1000}`, `"max_rate" occurs twice`},
	{"endpoint.", `"github.com/devopsfaith/krakend-ratelimit/juju/router": {"max_rate": 1, "max_rate": 1000}`, `"max_rate" occurs twice`},
	{"backend.", `"proxy": {"flatmap_filter": [{"type": "del", "args": ["a"]}], "flatmap_filter": []}`, `"flatmap_filter" occurs twice`},

	// Beside extra_config.
	{"endpoint", `"auth/validator": {"alg": "RS256"}`, `move it into the extra_config of the endpoint`},
	{"endpoint", `"Auth_Validator": {"alg": "RS256"}`, `move it into the extra_config of the endpoint and write "auth/validator"`},
	{"endpoint", `"authValidator": {"alg": "RS256"}`, `and write "auth/validator"`},
	{"endpoint", `"auth/validtor": {"alg": "RS256"}`, `and write "auth/validator"`},
	{"endpoint", `"github_com/devopsfaith/krakend-jose/validator": {"alg": "RS256"}`, `and write "auth/validator"`},
	{"endpoint", `"github.com/devopsfaith/krakend-jose/validator": {"alg": "RS256"}`, `and write "auth/validator"`},
	{"endpoint", `"qos/ratelimit/router": {"max_rate": 1}`, `into the extra_config of the endpoint`},
	{"backend", `"qos/ratelimit/router": {"max_rate": 1}`, `into the extra_config of the endpoint`},
	{"backend", `"qos/ratelimit/proxy": {"max_rate": 1}`, `into the extra_config of the backend`},
	{"backend", `"proxy": {"shadow": true}`, `into the extra_config of the backend`},
	{"service", `"security/cors": {}`, `into the extra_config of the service`},
	{"service", `"router": {"trusted_proxies": []}`, `into the extra_config of the service`},
	{"service", `"security/bot-detector": {}`, `"security/bot-detector" has no effect here; move it into the extra_config`},
	{"service.", `"telemetry/logging": {"level": "INFO", "security/cors": {}}`, `into the extra_config of the service`},

	// Behind what looks like a comment.
	{"backend", `"//deny": ["a"]`, `unknown key "//deny"; did you mean "deny"?`},
	{"backend", `"// allow": ["a", "b"]`, `did you mean "allow"?`},
	{"endpoint", `"//extra_config": {"auth/validator": {"alg": "RS256"}}`, `did you mean "extra_config"?`},
	{"endpoint.", `"//auth/validator": {"alg": "RS256"}`, `did you mean "auth/validator"?`},
	{"endpoint.", `"//": {"auth/validator": {"alg": "RS256"}}`, `unknown namespace "//"`},
	{"endpoint", `"//": {"extra_config": {"auth/validator": {"alg": "RS256"}}}`, `within it would have no effect`},
	{"backend", `"//": [{"deny": ["a"]}]`, `deny within it would have no effect`},
	{"service", `"//tls": {"public_key": "a"}`, `"//tls"`},

	// Near misses.
	{"endpoint", `"extra-config": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"endpoint", `"extraConfig": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"endpoint", `"ExtraConfig": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"endpoint", `"extra_cofig": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"endpoint", `"extra_config ": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"endpoint", `"extra.config": {"proxy": {}}`, `did you mean "extra_config"?`},
	{"service", `"tsl": {}`, `did you mean "tls"?`},
	{"service", `"t-l-s": {}`, `did you mean "tls"?`},
	{"service", `"tlss": {"public_key": "a", "private_key": "b"}`, `public_key within it would have no effect; did you mean "tls"?`},
	{"service", `"ClientTLS": {}`, `did you mean "client_tls"?`},
	{"service.", `"telemetry/logging": {"level": "INFO", "tsl": {}}`, `write "tls" in the root`},
	{"backend", `"alow": ["a"]`, `did you mean "allow"?`},
	{"backend", `"allwo": ["a"]`, `did you mean "allow"?`},
	{"backend", `"allows": ["a"]`, `did you mean "allow"?`},
	{"backend", `"dney": ["a"]`, `did you mean "deny"?`},
	{"backend", `"dny": ["a"]`, `did you mean "deny"?`},
	{"backend", `"whitelist": ["a"]`, `it is called "allow" now`},
	{"backend", `"blackList": ["a"]`, `it is called "deny" now`},
	{"backend", `"inputHeaders": ["a"]`, `did you mean "input_headers"?`},
	{"endpoint", `"headers_to_pass": ["a"]`, `it is called "input_headers" now`},
	{"endpoint", `"input-query-strings": ["a"]`, `did you mean "input_query_strings"?`},
	{"endpoint", `"input_query_string": ["a"]`, `did you mean "input_query_strings"?`},
	{"service", `"plug-in": {}`, `did you mean "plugin"?`},
	{"service", `"asyncAgent": []`, `did you mean "async_agent"?`},
	{"backend.", `"proxy": {"flatmapFilter": [{"type": "del", "args": ["a"]}]}`, `did you mean "flatmap_filter"?`},
	{"backend.", `"backend/http/client": {"client_tsl": {}}`, `did you mean "client_tls"?`},
	{"backend.", `"backend/http/client": {"client_tls": {"ca_cert": []}}`, `did you mean "ca_certs"?`},
	{"service", `"tls": {"disabled": true, "enable_mtsl": true}`, `did you mean "enable_mtls"?`},
	{"service", `"client_tls": {"completely_other": true}`, `the keys are "allow_insecure_connections", "ca_certs"`},

	{"endpoint.", `"proxy": {"maxPayload": 1}`, `did you mean "max_payload"?`},
	{"endpoint.", `"auth/validator": {"alg": "RS256", "jwk_local_path": "keys/jwks.json", "roles": null}`, `null is no value; write a list of texts`},

	// In the wrong place.
	{"endpoint.", `"allow": ["a"]`, `"allow" is no namespace; move it into the backend`},
	{"backend.", `"deny": ["a"]`, `"deny" is no namespace; move it into the backend`},
	{"service.", `"tls": {}`, `"tls" is no namespace; move it into the root`},
	{"endpoint.", `"extra_config": {"auth/validator": {}}`, `"extra_config" is no namespace`},
	{"endpoint.", `"roles": ["admin"]`, `"roles" is an option of `},
	{"endpoint.", `"Max-Rate": 1`, `move it there and write "max_rate"`},
	{"endpoint", `"tls": {"enable_mtls": true}`, `"tls" has no effect here; move it into the root`},
	{"endpoint", `"allow": ["a"]`, `"allow" has no effect here; move it into the backend`},
	{"endpoint", `"alow": ["a"]`, `write "allow" in the backend`},
	{"service", `"deny": ["a"]`, `move it into the backend`},
	{"service", `"input_headers": ["a"]`, `move it into the endpoint or the backend`},
	{"backend", `"client_tls": {"ca_certs": []}`, `move it into backend/http/client`},
	{"endpoint", `"client_tls": {"ca_certs": []}`, `move it into the root`},
	{"backend", `"max_body_bytes": 1`, `move it into the endpoint`},
	{"backend.", `"max_body_bytes": 1`, `move it into the endpoint`},
	{"endpoint.", `"max_body_bytes": 1`, `move it into the endpoint`},
	{"service.", `"Max-Body-Bytes": 1`, `move it into the root and write "max_body_bytes"`},
	{"backend.", `"max_response_bytes": 1`, `move it into the backend`},
	{"backend.", `"proxy": {"max_response_bytes": 1}`, `move it into the backend`},
	{"endpoint.", `"max_response_bytes": 1`, `move it into the endpoint`},
	{"endpoint.", `"proxy": {"max_response_byte": 1}`, `write "max_response_bytes" in the endpoint`},
	{"service.", `"router": {"max_response_bytes": 1}`, `move it into the root`},
	{"service", `"max_payload": 1`, `move it into the options of router`},
	{"endpoint", `"max_payload": 1`, `move it into the options of proxy`},
	{"endpoint.", `"input_headers": ["a"]`, `move it into the endpoint`},
	{"service", `"enable_mtls": true`, `move it into tls`},
	{"service", `"disabled": true`, `move it into tls`},
	{"service", `"ca_certs": []`, `move it into client_tls or tls`},
	{"service", `"client_certs": []`, `move it into client_tls`},
	{"service", `"trusted_proxies": []`, `is an option of router`},
	{"endpoint", `"max_rate": 1`, `"max_rate" is an option of `},
	{"endpoint", `"roles": ["a"]`, `"roles" is an option of `},
	{"backend", `"check_expr": "false"`, `"check_expr" is an option of `},
	{"backend.", `"backend/http/client": {"ca_certs": []}`, `move it into client_tls`},
	{"endpoint.", `"qos/ratelimit/proxy": {"max_rate": 1}`, `move it to the extra_config of the backend`},
	{"backend.", `"auth/validator": {"alg": "RS256"}`, `move it to the extra_config of the service or endpoint`},
	{"endpoint.", `"auth_validator": {"alg": "RS256"}`, `did you mean "auth/validator"?`},
	{"endpoint.", `"auth/validator": null`, `null is no options; write the options that are meant`},

	// Filters that can filter nothing.
	{"backend", `"deny": "got,headers"`, `write ["got", "headers"]`},
	{"backend", `"deny": ["got, headers"]`, `write ["got", "headers"]`},
	{"backend", `"deny": "[\"secret\"]"`, `write ["secret"]`},
	{"backend", `"deny": {"secret": true, "user": {"password": 1}}`, `must be a list of texts, got an object; write ["secret", "user.password"]`},
	{"backend", `"deny": [["a", "b"]]`, `must be a text, got a list; write "a", "b"`},
	{"backend", `"deny": true`, `it is no name; write the names of members`},
	{"backend", `"deny": [" secret"]`, `write "secret", or "\\ secret"`},
	{"backend", `"deny": ["$.secret"]`, `it is JSONPath; write "secret"`},
	{"backend", `"deny": ["/secret"]`, `it is a JSON Pointer; write "secret"`},
	{"backend", `"deny": [".secret"]`, `it begins with a dot; write "secret"`},
	{"backend", `"deny": ["items[].secret"]`, `{"type": "del", "args": ["items.*.secret"]}`},
	{"backend", `"deny": ["${SECRET}"]`, `write ${env:SECRET}`},
	{"backend", `"deny": ["g.secret"], "group": "g"`, `the group is made of what is left; write "secret"`},
	{"backend", `"deny": ["g.h.secret"], "group": "g.h"`, `the group is made of what is left; write "secret"`},
	{"backend", `"deny": ["data.secret"], "target": "data"`, `paths begin within the target; write "secret"`},
	{"backend", `"deny": ["new.secret"], "mapping": {"old": "new"}`, `members are renamed after that; write "old.secret"`},
	{"backend.", `"proxy": {"flatmap_filter": [{"type": "del", "args": ["$.secret"]}]}`, `write "secret"`},

	// In the namespace of another scope.
	{"backend.", `"proxy": {"max_payload": 1}`, `"max_payload" has no effect in the backend; move it into proxy of the endpoint`},
	{"backend.", `"proxy": {"Max-Payload": 1}`, `move it into proxy of the endpoint and write "max_payload"`},
	{"service.", `"auth/validator": {"shared_cache_duration": 900, "roles": ["a"]}`, `"roles" has no effect in the service; move it into auth/validator of the endpoint`},
	{"service.", `"auth/validator": {"shared_cache_duration": 900, "require_exp": true}`, `move it into auth/validator of the endpoint`},
	{"endpoint.", `"auth/validator": {"alg": "RS256", "jwk_local_path": "keys/jwks.json", "shared_cache_duration": 9}`, `move it into auth/validator of the service`},

	// Within something that has no effect.
	{"service", `"endpionts": [{"endpoint": "/b", "extra_config": {"auth/validator": {}}}]`, `auth/validator within it would have no effect; did you mean "endpoints"?`},
	{"service", `"endpiont": [{"endpoint": "/b", "extra_config": {"proxy": {}}}]`, `proxy within it would have no effect`},
	{"endpoint", `"config": {"qos/ratelimit/router": {"max_rate": 1}}`, `qos/ratelimit/router within it would have no effect; move that to where it counts`},
	{"backend", `"filter": {"allow": ["a"]}`, `allow within it would have no effect`},
	{"service", `"server": {"tls": {"public_key": "a"}}`, `tls within it would have no effect`},
	{"service", `"x": [[{"enable_mtls": true}]]`, `enable_mtls within it would have no effect`},
}

// windows let no protection disappear: they do not stop the start in the dialect
// krakend, and in sluice only what is unknown or repeated does.
var windows = []door{
	{"service", `"timeuot": "1s"`, `warning`},
	{"service", `"timeout": "1s", "timeout": "2s"`, `warning`},
	{"service", `"timeout": "1s", "Timeout": "2s"`, `warning`},
	{"service", `"x-docs": {"title": "allow me", "tags": ["tls", "deny"]}`, `warning`},
	{"service", `"tlsx": true`, `warning`},
	{"endpoint", `"comment": "/auth/validator"`, `warning`},
	{"endpoint", `"metadata": {"owner": "a", "roles": ["dev"], "audience": ["x"], "tls": "no"}`, `warning`},
	{"backend", `"alow": null`, `warning`},
	{"endpoint", `"every": "1h", "key": "k", "name": "n", "strategy": "s"`, `warning`},
	{"backend", `"timeout": "1s"`, `unknown key "timeout": the backend has none; write it in the root or the endpoint`},
	{"backend", `"concurrent_calls": 2`, `the backend has none; write it in the endpoint`},
	{"endpoint", `"url_pattern": "/a"`, `the endpoint has none; write it in the backend`},
	{"backend", `"allow": ["a"], "whitelist": ["a"]`, `warning`},
	{"service.", `"telemetry/logging": {"level": "INFO", "prefix": "a", "prefix": "b"}`, `warning`},
	{"service.", `"telemetry/logging": {"level": "INFO", "perfix": "a"}`, `warning`},
	{"endpoint.", `"proxy": {"sequentail": true}`, `warning`},
	{"backend.", `"proxy": {"sequential": true}`, `"sequential" has no effect in the backend; move it into proxy of the endpoint`},
	{"backend.", `"proxy": {"decompress_gzip": true}`, `move it into proxy of the endpoint`},
	{"endpoint.", `"proxy": {"shadow": true}`, `move it into proxy of the backend`},
	{"backend.", `"telemetry/logging": {"level": "INFO"}`, `move it into telemetry/logging of the service`},
	{"endpoint.", `"proxy": {"static": {"data": {"allow": ["a"], "auth/validator": {}}}}`, ``},
	{"service.", `"router": {"error_body": {"404": {"deny": ["a"], "tls": {}}}}`, ``},
	{"backend", `"deny": ["*"]`, `a * stands for nothing else`},
	{"backend", `"deny": [""]`, `the name is empty`},
	{"backend", `"deny": ["secret"], "is_collection": true`, `{"type": "del", "args": ["collection.*.secret"]}`},
	{"endpoint.", `"proxy": {"flatmap_filter": [{"type": "del", "args": ["a"]}]}`, `has no effect with one backend; move it into proxy of the backend`},
	{"backend", `"mapping": {"allow": "deny", "extra_config": "extra"}`, ``},
	{"endpoint", `"@auth/validator": {}, "_allow": ["a"], "#extra_config": {"auth/validator": {}}, "$tls": {}`, ``},
	{"endpoint.", `"@comment": 1, "@comment": 2`, `note`},
	{"endpoint.", `"//": "first", "//": ["second", "third"]`, `note`},
	{"service", `"//": "auth/validator", "_comment": {"deny": ["a"]}, "#": "tls", "$comment": 1, "@": [{"allow": ["a"]}]`, ``},
	{"endpoint", `"// what the shop asks": "allow all", "//2": ["deny", "more"], "///": "extra_config"`, ``},
	{"backend", `"//": "allow", "//deny": "not now"`, ``},
	{"backend.", `"//": "no cache here", "//qos/http-cache": "later"`, ``},
	{"endpoint.", `"proxy": {"//": "always", "static": {"strategy": "always", "data": {}}}`, ``},
	{"service.", `"router": {"//": ["a", "b"], "auto_options": true}`, ``},
	{"backend", `"//timeout": 1`, `warning`},
	{"backend", `"//": 1`, `warning`},
}

// TestMovedElsewhere moves a plain word that limits a limit to wherever it means
// nothing: it is to be moved back, not removed.
func TestMovedElsewhere(t *testing.T) {
	const limit = `"qos/ratelimit/router": {"max_rate": 100, "client_max_rate": 5%s}`
	document := func(dialect string, moved map[string]string) string {
		add := func(at string) string {
			if moved[at] == "" {
				return ""
			}
			return ", " + moved[at]
		}
		return fmt.Sprintf(`{"version": 3, "dialect": %q, "endpoints": [`+"\n"+
			`{"endpoint": "/a", "backend": [{"url_pattern": "/a", "host": ["http://a"], "extra_config": {"qos/circuit-breaker": {"max_errors": 1, %s}, "proxy": {"shadow": false%s}}%s}], "extra_config": {%s, "proxy": {"sequential": false%s}%s}%s},`+"\n"+
			`{"endpoint": "/b", "backend": [{"url_pattern": "/b", "host": ["http://b"]%s}], "extra_config": {"proxy": {"sequential": false%s}%s}%s}], "extra_config": {"telemetry/logging": {"level": "INFO", "stdout": true%s}, "router": {"hide_version_header": true%s}, "security/cors": {"allow_origins": ["https://a"]%s}%s}%s}`,
			dialect, strings.TrimPrefix(add("breaker"), ", "), add("backend proxy"), add("backend"), fmt.Sprintf(limit, add("limit")), add("proxy"), add("extra"), add("endpoint"),
			add("other backend"), add("other proxy"), add("other extra"), add("other endpoint"), add("logging"), add("router"), add("cors"), add("service extra"), add("service"))
	}
	right := map[string]string{"limit": `"every": "1h", "strategy": "header", "key": "X-Client"`, "breaker": `"interval": 60, "timeout": 10`}
	for _, dialect := range []string{"krakend", "sluice"} {
		for _, p := range run(t.Context(), "moved.json", document(dialect, right)) {
			if p.Severity != config.Note {
				t.Fatalf("nothing is moved: %v", p)
			}
		}
	}
	places := []string{"backend proxy", "backend", "proxy", "extra", "endpoint", "other backend", "other proxy", "other extra", "other endpoint", "logging", "router", "cors", "service extra", "service"}
	moved := 0
	for _, word := range []struct{ member, from, to string }{
		{`"every": "1h"`, "limit", `endpoints[0].extra_config["qos/ratelimit/router"]`},
		{`"strategy": "header"`, "limit", `endpoints[0].extra_config["qos/ratelimit/router"]`},
		{`"key": "X-Client"`, "limit", `endpoints[0].extra_config["qos/ratelimit/router"]`},
		{`"interval": 60`, "breaker", `endpoints[0].backend[0].extra_config["qos/circuit-breaker"]`},
		{`"timeout": 10`, "breaker", `endpoints[0].backend[0].extra_config["qos/circuit-breaker"]`},
	} {
		for _, place := range places {
			key, value, _ := strings.Cut(strings.TrimPrefix(word.member, `"`), `": `)
			if key == "timeout" && (place == "endpoint" || place == "other endpoint" || place == "service") {
				continue // where it means something
			}
			for _, name := range []string{key, strings.ToUpper(key[:1]) + key[1:]} {
				for _, dialect := range []string{"krakend", "sluice"} {
					members := maps.Clone(right)
					members[word.from] = strings.Trim(strings.Replace(members[word.from], word.member, "", 1), ", ")
					members[word.from] = strings.ReplaceAll(members[word.from], ", , ", ", ")
					members[place] = fmt.Sprintf("%q: %s", name, value)
					problems := run(t.Context(), "moved.json", document(dialect, members))
					found := false
					for _, p := range problems {
						at := p.Path[strings.LastIndexByte(p.Path, '.')+1:]
						if at != name || strings.HasPrefix(p.Path, word.to) {
							continue
						}
						found = true
						if text := p.Err.Error(); p.Severity != config.Error || !strings.Contains(text, "move it into "+word.to) || strings.Contains(text, "remove") {
							t.Errorf("%s: %s in %s: %v: want an error that says to move it into %s", dialect, members[place], place, p, word.to)
						}
					}
					if !found {
						t.Errorf("%s: %s in %s is not reported:\n%s", dialect, members[place], place, config.Format(problems))
					}
					moved++
				}
			}
		}
	}
	if moved < 200 {
		t.Errorf("%d moves were made", moved)
	}
}

// text returns a configuration with the members added.
func (d door) text(dialect string) string {
	add := func(at string) string {
		if at == d.at {
			return ", " + d.members
		}
		return ""
	}
	return fmt.Sprintf(`{"version": 3, "dialect": %q, "endpoints": [{"endpoint": "/a", "backend": [{"url_pattern": "/a", "host": ["http://a"]`+
		`, "extra_config": {"@a": 1%s}%s}], "extra_config": {"@a": 1%s}%s}], "extra_config": {"@a": 1%s}%s}`,
		dialect, add("backend."), add("backend"), add("endpoint."), add("endpoint"), add("service."), add("service"))
}

// TestDoors makes every mistake in each dialect and in each format. JSON is YAML,
// too; a configuration without a repeated key is brought to TOML.
func TestDoors(t *testing.T) {
	t.Chdir(folder)
	for _, dialect := range []string{"krakend", "sluice"} {
		for _, d := range doors {
			for name, text := range d.files(dialect) {
				problems := run(t.Context(), name, text)
				if !config.HasErrors(problems) {
					t.Errorf("%s, %s: the gateway starts with %s in the %s:\n%s", dialect, name, d.members, d.at, config.Format(problems))
				}
				if all := config.Format(problems); !strings.Contains(all, d.says) {
					t.Errorf("%s, %s: %s in the %s: no problem says %q:\n%s", dialect, name, d.members, d.at, d.says, all)
				}
				for _, p := range problems {
					if p.Severity == config.Error && strings.Contains(strings.ReplaceAll(p.Err.Error(), "removes nothing", ""), "remove") {
						t.Errorf("%s: %s in the %s: %v: advises to remove it", dialect, d.members, d.at, p)
					}
				}
			}
		}
	}
}

// TestWindows does the same with mistakes that protect nothing.
func TestWindows(t *testing.T) {
	t.Chdir(folder)
	for _, d := range windows {
		for name, text := range d.files("krakend") {
			problems := run(t.Context(), name, text)
			all := config.Format(problems)
			if config.HasErrors(problems) || d.says == "" && len(problems) > 0 || !strings.Contains(all, d.says) {
				t.Errorf("%s: %s in the %s: %q expected, got:\n%s", name, d.members, d.at, d.says, all)
			}
		}
	}
}

// files returns the configuration in the three formats.
func (d door) files(dialect string) map[string]string {
	text := d.text(dialect)
	files := map[string]string{"door.json": text, "door.yaml": text}
	if doc, problems := config.Parse("door.json", []byte(text)); len(problems) == 0 && !strings.Contains(text, "null") {
		var b strings.Builder
		for _, m := range doc.Root.Members {
			fmt.Fprintf(&b, "%q = ", m.Key)
			writeTOML(&b, m.Value)
			b.WriteByte('\n')
		}
		files["door.toml"] = b.String()
	}
	return files
}

// writeTOML writes a value as an inline value of TOML.
func writeTOML(b *strings.Builder, n *config.Node) {
	switch n.Kind {
	case config.Object:
		b.WriteByte('{')
		for i, m := range n.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(b, "%q = ", m.Key)
			writeTOML(b, m.Value)
		}
		b.WriteByte('}')
	case config.Array:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			writeTOML(b, item)
		}
		b.WriteByte(']')
	case config.String:
		text, _ := json.Marshal(n.Text)
		b.Write(text)
	default:
		b.WriteString(n.Text)
	}
}

// TestBeside shows that a plain word is known for an option where the namespace that
// has it stands beside, and for the key of another object otherwise.
func TestBeside(t *testing.T) {
	t.Chdir(folder)
	const text = `{"version": 3, "endpoints": [{"endpoint": "/a", %s "backend": [{"url_pattern": "/a", "host": ["http://a"], %s
		"extra_config": {"qos/circuit-breaker": {"interval": 60, "timeout": 10, "max_errors": 1}}}],
		"extra_config": {"qos/ratelimit/router": {"max_rate": 50}}}]}`
	for _, tt := range []struct {
		endpoint, backend, says string
	}{
		{`"every": "1m",`, ``, `error: a.json:1:49: endpoints[0].every: "every" has no effect here; move it into endpoints[0].extra_config["qos/ratelimit/router"]`},
		{`"Every": "1m",`, ``, `move it into endpoints[0].extra_config["qos/ratelimit/router"] and write "every"`},
		{``, `"every": "1m",`, `error: a.json:1:106: endpoints[0].backend[0].every: "every" has no effect here; move it into endpoints[0].extra_config["qos/ratelimit/router"]`},
		{``, `"interval": 10,`, `"interval" is an option of qos/circuit-breaker`},
		{``, `"timeout": "1s",`, `warning: a.json:1:106: endpoints[0].backend[0].timeout: unknown key "timeout": the backend has none; write it in the root or the endpoint`},
	} {
		if all := config.Format(run(t.Context(), "a.json", fmt.Sprintf(text, tt.endpoint, tt.backend))); !strings.Contains(all, tt.says) {
			t.Errorf("%s %s: no problem says %q:\n%s", tt.endpoint, tt.backend, tt.says, all)
		}
	}
}

// TestAliases shows that what an alias puts elsewhere counts where it is put, and
// only there.
func TestAliases(t *testing.T) {
	t.Chdir(folder)
	const text = `
version: 3
x-defaults:
  protected: &protected
    auth/validator: %s
endpoints:
  - endpoint: /a
    backend: [{url_pattern: /a, host: ["http://a"]}]
    extra_config: *protected
`
	good := fmt.Sprintf(text, `{alg: RS256, jwk_local_path: keys/jwks.json, roles: [a]}`)
	if problems := run(t.Context(), "a.yaml", good); config.HasErrors(problems) {
		t.Errorf("a template below an unknown key stops the start:\n%s", config.Format(problems))
	}
	bad := fmt.Sprintf(text, `{alg: RS256, jwk_local_path: keys/jwks.json, roles: [a], roles: []}`)
	if all := config.Format(run(t.Context(), "a.yaml", bad)); !strings.Contains(all, `error: a.yaml:5:78: endpoints[0].extra_config["auth/validator"].roles: the key "roles" occurs twice`) {
		t.Errorf("a key that occurs twice behind an alias goes unnoticed:\n%s", all)
	}
	unused := strings.Replace(good, "*protected", "{}", 1)
	if all := config.Format(run(t.Context(), "a.yaml", unused)); !strings.Contains(all, "error: a.yaml:3:1: [\"x-defaults\"]: unknown key \"x-defaults\", and auth/validator within it") {
		t.Errorf("what no alias uses goes unnoticed:\n%s", all)
	}
}

// TestAdvice finds a protection or a filter the cause of what cannot be meant: no
// message advises to do without it.
func TestAdvice(t *testing.T) {
	t.Chdir(folder)
	const sequence = `{"version": 3, "dialect": %q, "endpoints": [{"endpoint": "/a", "extra_config": {"proxy": {"sequential": true}}, "backend": [` +
		`{"url_pattern": "/a", "host": ["http://a"], %s}, {"url_pattern": "/{resp0_a.b}", "host": ["http://a"]}]}]}`
	for _, dialect := range []string{"krakend", "sluice"} {
		for _, members := range []string{
			`"deny": ["a"]`, `"deny": ["a.b"]`, `"allow": ["b"]`, `"allow": ["a.c"]`, `"is_collection": true, "deny": ["id"]`,
			`"encoding": "no-op", "extra_config": {"qos/circuit-breaker": {"interval": 60, "timeout": 10, "max_errors": 3}}`,
			`"encoding": "no-op", "deny": ["a"]`, `"encoding": "no-op", "allow": ["a"]`, `"allow": ["a"], "deny": ["a.c"]`,
		} {
			problems := run(t.Context(), "gateway.json", fmt.Sprintf(sequence, dialect, members))
			if len(problems) == 0 {
				t.Errorf("%s: nothing is said of %s", dialect, members)
			}
			for _, p := range problems {
				for _, advice := range []string{"remove", "add it", "leave it out"} {
					_, remedy, _ := strings.Cut(p.Err.Error(), ";")
					if strings.Contains(remedy, advice) {
						t.Errorf("%s: %s: %v: advises to do without what protects", dialect, members, p)
					}
				}
			}
		}
	}
}
