package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestApplyEnv(t *testing.T) {
	type root struct {
		Port    int                     `json:"port"`
		Name    string                  `json:"name"`
		Timeout config.Duration         `json:"timeout"`
		Host    []string                `json:"host"`
		List    []struct{}              `json:"endpoints"`
		Extra   map[string]*config.Node `json:"extra_config"`
	}
	keys := config.SpecOf(reflect.TypeFor[root]())
	const file = `{"Port":8080,"endpoints":[{"timeout":"1s"}],"extra_config":{"qos/ratelimit/router":{"max_rate":1}},"none":null}`
	const rest = `"endpoints":[{"timeout":"1s"}],"extra_config":{"qos/ratelimit/router":{"max_rate":1}},"none":null`
	tests := []struct {
		name    string
		environ []string
		want    string // the document
		problem string
	}{
		{"nothing", nil, file, ""},
		{"a key of another letter case", []string{"KRAKEND_PORT=9000"}, `{"Port":"9000",` + rest + `}`, ""},
		{"a key that is not in the file", []string{"KRAKEND_NAME=x=y"}, file[:len(file)-1] + `,"name":"x=y"}`, ""},
		{"a list", []string{"SLUICE_HOST=http://h"}, file[:len(file)-1] + `,"host":"http://h"}`, ""},
		{"ours goes first", []string{"SLUICE_PORT=1", "KRAKEND_PORT=2"}, `{"Port":"1",` + rest + `}`, ""},
		{"the last of equal names", []string{"SLUICE_PORT=1", "SLUICE_PORT=2"}, `{"Port":"2",` + rest + `}`, ""},
		{"unknown", []string{"KRAKEND_FOO=1", "SLUICE_FOO=1", "PORT=1", "KRAKEND=1", "SLUICE_=1"}, file, ""},
		{"empty", []string{"KRAKEND_PORT="}, file, ""},
		{"objects", []string{"KRAKEND_EXTRA_CONFIG={}"}, file,
			"error: environment:KRAKEND_EXTRA_CONFIG: extra_config: the key \"extra_config\" cannot be set by a variable of this name; unset it, or set keys below it by SLUICE_SET__extra_config__<path>\n"},
		{"lists of objects", []string{"SLUICE_ENDPOINTS=1"}, file,
			"error: environment:SLUICE_ENDPOINTS: endpoints: the key \"endpoints\" cannot be set by a variable of this name; unset it, or set keys below it by SLUICE_SET__endpoints__<path>\n"},
		{"service link", []string{"KRAKEND_PORT=tcp://10.0.0.1:80"}, file,
			"warning: environment:KRAKEND_PORT: port: this looks like a service link of Kubernetes and is ignored; set enableServiceLinks: false, or write a number\n"},
		{"nested, new", []string{"SLUICE_SET__extra_config__router__hide_version_header=true"},
			`{"Port":8080,"endpoints":[{"timeout":"1s"}],"extra_config":{"qos/ratelimit/router":{"max_rate":1},"router":{"hide_version_header":true}},"none":null}`, ""},
		{"nested, other punctuation and letter case", []string{"SLUICE_SET__EXTRA_CONFIG__QOS_RATELIMIT_ROUTER__MAX_RATE=2.50"},
			`{"Port":8080,"endpoints":[{"timeout":"1s"}],"extra_config":{"qos/ratelimit/router":{"max_rate":2.50}},"none":null}`, ""},
		{"nested text", []string{"SLUICE_SET__endpoints__0__timeout=2s"},
			`{"Port":8080,"endpoints":[{"timeout":"2s"}],"extra_config":{"qos/ratelimit/router":{"max_rate":1}},"none":null}`, ""},
		{"nested object", []string{`SLUICE_SET__endpoints__0={"timeout":"2s","a":[1,{"b":null}]}`},
			`{"Port":8080,"endpoints":[{"timeout":"2s","a":[1,{"b":null}]}],"extra_config":{"qos/ratelimit/router":{"max_rate":1}},"none":null}`, ""},
		{"appended", []string{"SLUICE_SET__endpoints__1__timeout=3s", "SLUICE_SET__endpoints__2=x"},
			`{"Port":8080,"endpoints":[{"timeout":"1s"},{"timeout":"3s"},"x"],"extra_config":{"qos/ratelimit/router":{"max_rate":1}},"none":null}`, ""},
		{"through null", []string{"SLUICE_SET__none__a=1"}, `{"Port":8080,` + rest[:len(rest)-4] + `{"a":1}}`, ""},
		{"general before special", []string{"SLUICE_SET__none__a=1", "SLUICE_SET__none={}"}, `{"Port":8080,` + rest[:len(rest)-4] + `{"a":1}}`, ""},
		{"beyond the list", []string{"SLUICE_SET__endpoints__2__timeout=3s"}, file,
			"error: environment:SLUICE_SET__endpoints__2__timeout: endpoints: \"2\" is no index of a list of 1; write a number from 0 to 1\n"},
		{"no index", []string{"SLUICE_SET__endpoints__x=3s"}, file,
			"error: environment:SLUICE_SET__endpoints__x: endpoints: \"x\" is no index of a list of 1; write a number from 0 to 1\n"},
		{"through a scalar", []string{"SLUICE_SET__port__x=1"}, file,
			"error: environment:SLUICE_SET__port__x: Port: \"x\" is no key here, because the value is 8080; remove the variable\n"},
		{"nearly a key", []string{"SLUICE_TIMEOU=2s", "KRAKEND_TIME_OUT=2s", "SLUICE_HOSTS=http://h", "sluice_port=2"}, file,
			"warning: environment:KRAKEND_TIME_OUT: timeout: the variable sets nothing; did you mean KRAKEND_TIMEOUT?\n" +
				"warning: environment:SLUICE_HOSTS: host: the variable sets nothing; did you mean SLUICE_HOST?\n" +
				"warning: environment:SLUICE_TIMEOU: timeout: the variable sets nothing; did you mean SLUICE_TIMEOUT?\n" +
				"warning: environment:sluice_port: port: the variable sets nothing; did you mean SLUICE_PORT?\n"},
		{"letters of a short key in another order", []string{"SLUICE_PROT=9000", "KRAKEND_HSOT=http://h", "SLUICE_PORTX=1", "SLUICE_POST=1"}, file,
			"warning: environment:KRAKEND_HSOT: host: the variable sets nothing; did you mean KRAKEND_HOST?\n" +
				"warning: environment:SLUICE_PROT: port: the variable sets nothing; did you mean SLUICE_PORT?\n"},
		{"nearly a nested key", []string{"SLUICE_SET_port=1", "KRAKEND_SET__port=1"}, file,
			"warning: environment:KRAKEND_SET__port: port: the variable sets nothing; did you mean SLUICE_SET__port?\n" +
				"warning: environment:SLUICE_SET_port: port: the variable sets nothing; did you mean SLUICE_SET__port?\n"},
		{"of Kubernetes, or empty", []string{"SLUICE_SERVICE_HOST=10.0.0.1", "SLUICE_SERVICE_PORT=80", "SLUICE_PORT_80_TCP=tcp://10.0.0.1:80", "SLUICE_A_PORT=tcp://10.0.0.1:80",
			"SLUICE_PORT_80_TCP_PORT=80", "SLUICE_PORT_80_TCP_PROTO=tcp", "SLUICE_PORT_80_TCP_ADDR=10.0.0.1", "SLUICE_TIMEOU=", "TIMEOU=1", "SLUICES_PORT=1"}, file, ""},
		{"nested, empty", []string{"SLUICE_SET__endpoints__0__timeout="}, file,
			"error: environment:SLUICE_SET__endpoints__0__timeout: endpoints: the variable is empty; unset it, or write \"\" with the quotation marks for an empty text\n"},
		{"nested, an empty text", []string{`SLUICE_SET__none=""`}, `{"Port":8080,` + rest[:len(rest)-4] + `""}`, ""},
		{"empty part", []string{"SLUICE_SET__extra_config____x=1"}, file,
			"error: environment:SLUICE_SET__extra_config____x: extra_config: the variable has an empty part; write SLUICE_SET__a__b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := config.Parse("f.json", []byte(file))
			got := config.Format(d.ApplyEnv(tt.environ, keys))
			if got != tt.problem {
				t.Errorf("got  %swant %s", got, tt.problem)
			}
			if got := string(d.Root.JSON()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestOverridesHaveAPlace(t *testing.T) {
	type root struct {
		Port int `json:"port"`
		A    struct {
			B []int `json:"b"`
		} `json:"a"`
	}
	d, _ := config.Parse("f.json", []byte(`{}`))
	if ps := d.ApplyEnv([]string{"KRAKEND_PORT=x", `SLUICE_SET__a={"b":[true]}`}, config.SpecOf(reflect.TypeFor[root]())); len(ps) > 0 {
		t.Fatal(config.Format(ps))
	}
	got := config.Format(config.DecodeLoose(d.Root, new(root)))
	if want := "error: environment:KRAKEND_PORT: port: must be a whole number, got \"x\"; write 10\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	got = config.Format(config.Decode(d.Root.Get("a").Get("b"), new([]int)))
	if want := "error: environment:SLUICE_SET__a: a.b[0]: must be a whole number, got true; write 10\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestApplyEnvLeavesOtherRootsAlone(t *testing.T) {
	d, _ := config.Parse("f.json", []byte(`[1]`))
	if ps := d.ApplyEnv([]string{"SLUICE_SET__0=2"}, nil); ps != nil || string(d.Root.JSON()) != `[1]` {
		t.Errorf("got %s, %v", d.Root.JSON(), ps)
	}
}

// TestOverridesSayWhatTheyTakeAway replaces objects and lists that may protect.
func TestOverridesSayWhatTheyTakeAway(t *testing.T) {
	type root struct {
		Host  []string                `json:"host"`
		List  []struct{}              `json:"endpoints"`
		Extra map[string]*config.Node `json:"extra_config"`
	}
	const file = `{"host":["a","b"],"endpoints":[{"allow":["id"],"backend":[{"deny":["x"]},{"deny":["y"]}],"extra_config":{"auth/validator":{"alg":"RS256","roles":["r"]},"@comment":1,"proxy":{}}}],"extra_config":{"security/cors":{"debug":true}}}`
	const lost = "takes away what the file has here: "
	tests := []struct{ variable, want string }{
		{`endpoints__0__extra_config={}`, "warning: environment:SLUICE_SET__endpoints__0__extra_config: endpoints[0].extra_config: " + lost + "auth/validator, proxy; write what shall stay into the value as well, or set the keys below it one by one\n"},
		{`endpoints__0__extra_config=null`, lost + "auth/validator, proxy;"},
		{`endpoints__0__extra_config=none`, lost + "auth/validator, proxy;"},
		{`extra_config={}`, lost + "security/cors;"},
		{`endpoints__0__extra_config__AUTH_VALIDATOR={"alg":"RS256"}`, lost + "roles;"},
		{`endpoints__0__extra_config={"auth/validator":{"alg":"RS256","roles":[]},"proxy":{}}`, lost + "the entries of auth/validator.roles;"},
		{`endpoints__0__extra_config__auth_validator__roles=[]`, lost + "the entries;"},
		{`endpoints__0__backend=[{"deny":["z"]}]`, lost + "[1];"},
		{`endpoints__0__backend__1={}`, lost + "deny;"},
		{`endpoints=[]`, lost + "the entries;"},
		{`host=["c"]`, ""},
		{`endpoints__0__allow=["id","name"]`, ""},
		{`endpoints__0__extra_config__auth_validator__alg=ES256`, ""},
		{`endpoints__0__extra_config__auth_validator={"alg":"ES256","roles":["s"],"cache":true}`, ""},
		{`endpoints__0__extra_config__router={}`, ""},
	}
	for _, tt := range tests {
		d, _ := config.Parse("f.json", []byte(file))
		got := config.Format(d.ApplyEnv([]string{"SLUICE_SET__" + tt.variable}, config.SpecOf(reflect.TypeFor[root]())))
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.variable, got, tt.want)
		}
	}
}
