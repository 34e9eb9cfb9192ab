package manual

import (
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// An Explanation is what people ask about the code of a problem.
type Explanation struct {
	Why  string // it matters
	Cure string // what to do

	Wrong Example // has problems of this code and of no other
	Right Example // is the same without a problem
}

// An Example is a configuration that can be checked as it stands.
type Example struct {
	File string // its name; gateway.yaml if it is empty
	Text string // what it holds; a file without is not there
	Env  string // a variable of the environment, NAME=VALUE, if there is one
	Next string // what the file holds at a reload, if that is what matters
}

// Name returns the name of the file of an example.
func (e Example) Name() string {
	if e.File == "" {
		return "gateway.yaml"
	}
	return e.File
}

// Lines returns the lines of the file, and, as comments, what belongs to it.
func (e Example) Lines() []string {
	var lines []string
	if e.Env != "" {
		lines = append(lines, "# "+e.Env+" is in the environment")
	}
	if e.Text == "" {
		return append(lines, "# there is no such file")
	}
	lines = append(lines, strings.Split(strings.TrimSuffix(e.Text, "\n"), "\n")...)
	if e.Next != "" {
		lines = append(lines, "", "# and, when it is read again:", "")
		lines = append(lines, strings.Split(strings.TrimSuffix(e.Next, "\n"), "\n")...)
	}
	return lines
}

// Explain returns what is to be said of a code; every one of [config.Codes] has it.
func Explain(code string) (Explanation, bool) {
	e, known := explanations[code]
	return e, known
}

// users is a configuration without a problem.
const users = `version: 3
endpoints:
  - endpoint: /users
    backend: [{url_pattern: /users, host: ["http://users:8000"]}]
`

var explanations = map[string]Explanation{
	config.CodeUnreadable: {
		Why:   "Without its configuration the gateway serves nothing. At a reload the one that is live stays.",
		Cure:  "Write the right name behind -c: names begin in the folder that the command runs in. The user that runs the gateway must be allowed to read the file and to pass the folders above it.",
		Wrong: Example{File: "gatway.yaml"},
		Right: Example{Text: users},
	},
	config.CodeFormat: {
		Why:   "The extension of a file says how it is read: .yaml and .yml as YAML, .toml as TOML, everything else as JSON. Properties and HCL were formats of old gateways, which would be read as broken JSON.",
		Cure:  "Write the configuration in JSON, YAML or TOML, and name the file so.",
		Wrong: Example{File: "gateway.hcl", Text: "version = 3\n"},
		Right: Example{File: "gateway.toml", Text: "version = 3\n\n[[endpoints]]\nendpoint = \"/users\"\nbackend = [{ url_pattern = \"/users\", host = [\"http://users:8000\"] }]\n"},
	},
	config.CodeSyntax: {
		Why:   "Where the text itself is broken nobody can say what it means, so that nothing else of the file is judged.",
		Cure:  "Look at the place, and at the line in front of it: what is missing there, such as a quote, a comma or a bracket, is often noticed later only.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: \"/users\n    backend: [{url_pattern: /users, host: [\"http://users:8000\"]}]\n"},
		Right: Example{Text: users},
	},
	config.CodeEncoding: {
		Why:   "JSON is UTF-8. Bytes that are not become a question mark in a box, also in a path or in a name that somebody is to match.",
		Cure:  "Save the file as UTF-8.",
		Wrong: Example{File: "gateway.json", Text: "{\"version\": 3, \"name\": \"Caf\xe9\", \"endpoints\": [\n  {\"endpoint\": \"/users\", \"backend\": [{\"url_pattern\": \"/users\", \"host\": [\"http://users:8000\"]}]}]}\n"},
		Right: Example{File: "gateway.json", Text: "{\"version\": 3, \"name\": \"Café\", \"endpoints\": [\n  {\"endpoint\": \"/users\", \"backend\": [{\"url_pattern\": \"/users\", \"host\": [\"http://users:8000\"]}]}]}\n"},
	},
	config.CodeDuplicateKey: {
		Why:   "The last one counts and the other is lost, with all that stands in it. Two blocks of extra_config are the usual case, and the one that is lost may be the one that protects.",
		Cure:  "Put what both hold under one key.",
		Wrong: Example{Text: users + "    timeout: 1s\n    timeout: 3s\n"},
		Right: Example{Text: users + "    timeout: 3s\n"},
	},
	config.CodeReference: {
		Why:   "A reference stands for a value that is kept elsewhere, as a rule a secret. An empty one in its place would be a password that anybody knows.",
		Cure:  "Set the variable, or put the file there, where the gateway runs. $${env:NAME} is the text itself. Where files are on another machine only: sluice check --skip-files.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [\"${env:NO_SUCH_VARIABLE}\"]}]\n"},
		Right: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [\"${env:USERS}\"]}]\n", Env: "USERS=http://users:8000"},
	},
	config.CodeTemplate: {
		Why:   "What a template prints for a value that is not defined is a configuration with a hole, or with <no value> in it, and what follows from that tells nothing about the cause.",
		Cure:  "Look at the place, which is one of a template, of the settings or of a partial. Write the value into the settings, or say what stands for it: {{ default \"...\" .name }}. sluice check --rendered prints what the templates make.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [{{ .users }}]}]\n", Env: "FC_ENABLE=1"},
		Right: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [{{ default \"http://users:8000\" .users }}]}]\n", Env: "FC_ENABLE=1"},
	},
	config.CodeIgnored: {
		Why:   "Variables that begin with KRAKEND_ or SLUICE_ override the file. Kubernetes sets such ones for services that are called krakend, which mean something else.",
		Cure:  "Rename the variable, or the service; SLUICE_PORT wins over KRAKEND_PORT.",
		Wrong: Example{Text: users, Env: "KRAKEND_PORT=tcp://10.0.0.7:8080"},
		Right: Example{Text: users, Env: "KRAKEND_PORT=8080"},
	},
	config.CodeUnknownField: {
		Why:   "What nobody reads has no effect. A misspelt name is a timeout, a limit or a check that is not there, and nothing else would tell.",
		Cure:  "Write the name that was meant. What is a comment begins with @, $, _ or #.",
		Wrong: Example{Text: users + "    tiemout: 3s\n"},
		Right: Example{Text: users + "    timeout: 3s\n    \"@owner\": the team of users\n"},
	},
	config.CodeWrongType: {
		Why:   "The dialect krakend reads some of them as they are probably meant, such as one text for a list, and warns; the dialect sluice and --lint refuse all.",
		Cure:  "Write the value as the message shows it.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: {url_pattern: /users, host: [\"http://users:8000\"]}\n"},
		Right: Example{Text: users},
	},
	config.CodeRequired: {
		Why:   "There is no default that would be right for everybody.",
		Cure:  "Add the key; the message has an example.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - backend: [{url_pattern: /users, host: [\"http://users:8000\"]}]\n"},
		Right: Example{Text: users},
	},
	config.CodeOutOfRange: {
		Why:   "Outside of its bounds a value would do nothing, or never end.",
		Cure:  "Write one within the bounds, which the message names.",
		Wrong: Example{Text: "port: 80800\n" + users},
		Right: Example{Text: "port: 8080\n" + users},
	},
	config.CodeUnknownValue: {
		Why:   "A choice that nobody knows would silently be the usual one.",
		Cure:  "Write one of those that the message lists.",
		Wrong: Example{Text: users + "    output_encoding: jsn\n"},
		Right: Example{Text: users + "    output_encoding: json\n"},
	},
	config.CodeBadDuration: {
		Why:   "A number without a unit is read as nanoseconds by some and as seconds by others: a timeout of 3 may be none at all.",
		Cure:  "Write a number with its unit: ms, s, m or h, such as 1m30s.",
		Wrong: Example{Text: users + "    timeout: \"3\"\n"},
		Right: Example{Text: users + "    timeout: 3s\n"},
	},
	config.CodeLetterCase: {
		Why:   "The dialect krakend takes keys of the core in any letter case, as it always was; the schema, editors and the dialect sluice do not.",
		Cure:  "Write it as the message does.",
		Wrong: Example{Text: users + "    Timeout: 3s\n"},
		Right: Example{Text: users + "    timeout: 3s\n"},
	},
	config.CodeNull: {
		Why:   "In YAML a key with nothing behind it is null, which is as if it were not there. Who has written it wanted something else, as a rule.",
		Cure:  "Write the value, or remove the key.",
		Wrong: Example{Text: users + "    timeout:\n"},
		Right: Example{Text: users + "    timeout: 3s\n"},
	},
	config.CodeDeprecated: {
		Why:   "The key works as it did; what replaces it says more clearly what is meant, or does more.",
		Cure:  "Its description in the manual, or in the editor that reads the schema, names what to write.",
		Wrong: Example{Text: "extra_config: {router: {use_h2c: true}}\n" + users},
		Right: Example{Text: "use_h2c: true\n" + users},
	},
	config.CodeInvalid: {
		Why:   "The value has the right type and breaks a rule of its own: an expression that cannot be read, an address that is none, two options that exclude each other.",
		Cure:  "The message names the rule, and what to write.",
		Wrong: Example{Text: "extra_config: {router: {trusted_proxies: [everybody]}}\n" + users},
		Right: Example{Text: "extra_config: {router: {trusted_proxies: [10.0.0.0/8]}}\n" + users},
	},
	config.CodeNoBackend: {
		Why:   "An endpoint answers with what its backends say. Without one that is waited for there is nothing to say.",
		Cure:  "Write a backend, or remove the endpoint. A shadow, whose answer nobody waits for, needs another one beside it.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: []\n"},
		Right: Example{Text: users},
	},
	config.CodeInvalidHost: {
		Why:   "The host is the first part of the URL that is called; a path, a query or a typo there would go into each call.",
		Cure:  "Write [http://|https://]name[:port][/base]; what follows belongs into url_pattern.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [\"http://users:http\"]}]\n"},
		Right: Example{Text: users},
	},
	config.CodeInvalidPath: {
		Why:   "A path that is empty, is one of the gateway's own, such as /__health, or has an unclosed placeholder can never be asked for as it is written.",
		Cure:  "Write the path alone, with placeholders for whole segments: /users/{id}. Query strings are let through by input_query_strings.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: \"\"\n    backend: [{url_pattern: /users, host: [\"http://users:8000\"]}]\n"},
		Right: Example{Text: users},
	},
	config.CodeDuplicateEndpoint: {
		Why:   "Only one of the two could answer. Names of placeholders make no difference: /users/{id} and /users/{name} are the same path.",
		Cure:  "Remove one, or give it another path or method; several backends of one endpoint are merged.",
		Wrong: Example{Text: users + "  - endpoint: /users\n    backend: [{url_pattern: /people, host: [\"http://people:8000\"]}]\n"},
		Right: Example{Text: users + "  - endpoint: /people\n    backend: [{url_pattern: /people, host: [\"http://people:8000\"]}]\n"},
	},
	config.CodeUndefinedVariable: {
		Why:   "The placeholder would be sent as it is written, or be empty: a call for everything, where one thing was meant.",
		Cure:  "Use a parameter of the endpoint's path, or what the message lists.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users/{id}\n    backend: [{url_pattern: \"/users/{user}\", host: [\"http://users:8000\"]}]\n"},
		Right: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users/{id}\n    backend: [{url_pattern: \"/users/{id}\", host: [\"http://users:8000\"]}]\n"},
	},
	config.CodeNoOpMerge: {
		Why:   "no-op hands the bytes of a service on, unread. Bytes of two services are no answer.",
		Cure:  "Keep one backend, or choose an encoding that decodes and merges, such as json.",
		Wrong: Example{Text: "version: 3\nhost: [\"http://users:8000\"]\nendpoints:\n  - endpoint: /users\n    output_encoding: no-op\n    backend: [{url_pattern: /users}, {url_pattern: /groups}]\n"},
		Right: Example{Text: "version: 3\nhost: [\"http://users:8000\"]\nendpoints:\n  - endpoint: /users\n    output_encoding: json\n    backend: [{url_pattern: /users}, {url_pattern: /groups}]\n"},
	},
	config.CodeSeveralWrites: {
		Why:   "When one of two writes fails the other has happened, and nobody takes it back.",
		Cure:  "Let one backend write. In a sequence it comes last; where that is not enough, proxy.allow_multiple_writes lifts the rule.",
		Wrong: Example{Text: "version: 3\nhost: [\"http://orders:8000\"]\nendpoints:\n  - endpoint: /orders\n    method: POST\n    backend: [{url_pattern: /orders}, {url_pattern: /stock}]\n"},
		Right: Example{Text: "version: 3\nhost: [\"http://orders:8000\"]\nendpoints:\n  - endpoint: /orders\n    method: POST\n    backend: [{url_pattern: /stock, method: GET}, {url_pattern: /orders}]\n    extra_config: {proxy: {sequential: true}}\n"},
	},
	config.CodeUnknownNamespace: {
		Why:   "What nobody knows has no effect, or not at this place: a limit of calls to a backend does nothing in an endpoint.",
		Cure:  "Write the name that was meant, at the place that the message names.",
		Wrong: Example{Text: users + "    extra_config: {qos/ratelimit/ruter: {max_rate: 10}}\n"},
		Right: Example{Text: users + "    extra_config: {qos/ratelimit/router: {max_rate: 10}}\n"},
	},
	config.CodeDuplicateNamespace: {
		Why:   "The old and the new name mean the same, and only one of the two could count.",
		Cure:  "Keep the new name, with the options of both.",
		Wrong: Example{Text: users + "    extra_config:\n      qos/ratelimit/router: {max_rate: 10}\n      github.com/devopsfaith/krakend-ratelimit/juju/router: {max_rate: 20}\n"},
		Right: Example{Text: users + "    extra_config:\n      qos/ratelimit/router: {max_rate: 10}\n"},
	},
	config.CodeOldName: {
		Why:   "Old names work as they did. Editors, the manual and other people know the new ones.",
		Cure:  "Write the name of the message.",
		Wrong: Example{Text: users + "    extra_config: {github.com/devopsfaith/krakend-ratelimit/juju/router: {max_rate: 10}}\n"},
		Right: Example{Text: users + "    extra_config: {qos/ratelimit/router: {max_rate: 10}}\n"},
	},
	config.CodeUnsupported: {
		Why:   "The configuration asks for something that this version, or this build, does not do. To serve without it may be to serve without a protection.",
		Cure:  "docs/compatibility.md says what is supported. --allow-unsupported serves without it: protect what is behind it by other means first.",
		Wrong: Example{Text: "plugin: {folder: /opt/plugins/, pattern: .so}\n" + users},
		Right: Example{Text: users},
	},
	config.CodeDefaultUsed: {
		Why:   "A value is missing that is hardly ever left out on purpose.",
		Cure:  "Write it, also where the default is meant.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{host: [\"http://users:8000\"]}]\n"},
		Right: Example{Text: users},
	},
	config.CodeSuspicious: {
		Why:   "Nothing forbids it, and now and then it is meant. More often it is not.",
		Cure:  "Read the message. What is meant stays; it is a warning unless you check with --strict.",
		Wrong: Example{Text: "version: 3\nendpoints: []\n"},
		Right: Example{Text: users},
	},
	config.CodeMistake: {
		Why:   "It is there for an effect that it never has: a filter that removes all, a rule that nothing can break. A running gateway of the dialect krakend takes some of them as it always did, and warns.",
		Cure:  "The message says what is the matter, and what would have the effect.",
		Wrong: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [\"http://users:8000\"], target: data, allow: [name], deny: [name]}]\n"},
		Right: Example{Text: "version: 3\nendpoints:\n  - endpoint: /users\n    backend: [{url_pattern: /users, host: [\"http://users:8000\"], target: data, allow: [name]}]\n"},
	},
	config.CodeNeedsRestart: {
		Why:   "The port is open and the connections of clients stand: a reload swaps what answers, and not where. What is written counts from the next start on.",
		Cure:  "Start the gateway anew, or take the change back.",
		Wrong: Example{Text: "port: 8080\n" + users, Next: "port: 8081\n" + users},
		Right: Example{Text: "port: 8080\n" + users, Next: "port: 8080\n" + users + "    timeout: 3s\n"},
	},
	config.CodeNote: {
		Why:   "It is right as it stands, and not everybody knows what it comes to.",
		Cure:  "None is needed.",
		Wrong: Example{Text: "extra_config: {router: {max_multipart_memory: 1048576}}\n" + users},
		Right: Example{Text: users},
	},
}
