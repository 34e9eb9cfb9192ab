package conformance

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
)

// coreFilters are keys of core objects, and of proxy, that protect or filter.
var coreFilters = []string{
	"allow", "deny", "input_headers", "input_query_strings", "flatmap_filter", "max_body_bytes", "max_response_bytes", "max_payload",
}

// TestKeysHaveEffect takes each key that protects or filters out of the transcripts that
// name it: one of them at least gets another answer then, shows another request to a
// backend, or finds a gateway that does not start. A key for which none does is not proved
// by being mentioned.
func TestKeysHaveEffect(t *testing.T) {
	if testing.Short() {
		t.Skip("plays some hundred transcripts")
	}
	files, _ := filepath.Glob("testdata/*.txtar")
	transcripts := make(map[string][]section)
	for _, file := range files {
		transcripts[file] = readTranscript(t, file)
	}
	all := guardedKeys()
	for name, function := range exempt {
		i := slices.IndexFunc(all, func(k guardedKey) bool { return k.String() == name })
		if i < 0 || !shows(t, function, all[i].key) {
			t.Errorf("%s is no key that %s writes", name, function)
		}
	}
	for _, k := range all {
		if exempt[k.String()] != "" {
			continue
		}
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			named := 0
			for _, file := range files {
				changed, ok := k.without(transcripts[file])
				if !ok {
					continue
				}
				named++
				if differs(t, file, changed) {
					return
				}
			}
			t.Errorf("%d transcripts name %s, and go on without it: write one whose answer differs", named, k)
		})
	}
}

// exempt are keys whose effect no answer shows: it is on the log, in memory, over time, or
// towards a provider by TLS. Their values are the tests that show it, each behind its folder.
var exempt = map[string]string{
	"router.use_h2c":            "test/framing http2Configuration",        // of its tests with h2c
	"router.disable_gzip":       "internal/components/router TestOptions", // it says what is the case
	"router.disable_access_log": "internal/components/router TestOptions",
	"router.logger_skip_paths":  "internal/components/router TestOptions",

	"security/cors.debug":                   "internal/components/security/cors TestAliasAndDebug",
	"qos/circuit-breaker.name":              "internal/components/qos/circuitbreaker TestLog",
	"qos/circuit-breaker.log_status_change": "internal/components/qos/circuitbreaker TestLog",
	"qos/http-cache.max_size":               "internal/components/qos/httpcache TestLimits",

	"auth/validator.operation_debug":         "internal/components/auth/jose TestOperationDebug",
	"auth/validator.cache_duration":          "internal/components/auth/jose TestSharedCache",
	"auth/validator.shared_cache_duration":   "internal/components/auth/jose TestSharedCache",
	"auth/validator.failed_jwk_key_cooldown": "internal/components/auth/jose TestDownloads",
	"auth/validator.jwk_local_path":          "internal/components/auth/jose TestPathWins",
	"auth/validator.secret_url":              "internal/components/auth/jose TestEncryptedFile",
	"auth/validator.cypher_key":              "internal/components/auth/jose TestEncryptedFile",
	"auth/validator.jwk_local_ca":            "internal/components/auth/jose TestConnection",
	"auth/validator.jwk_fingerprints":        "internal/components/auth/jose TestConnection",
	"auth/validator.cipher_suites":           "internal/components/auth/jose TestOptionsRefused",
}

// shows reports whether a function, written as its folder and its name, writes the key of
// an option in a text.
func shows(t *testing.T, function, key string) bool {
	t.Helper()
	folder, name, _ := strings.Cut(function, " ")
	files, _ := filepath.Glob("../../" + folder + "/*_test.go")
	found := false
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				ast.Inspect(f, func(n ast.Node) bool {
					text, ok := n.(*ast.BasicLit)
					found = found || ok && strings.Contains(text.Value, `"`+key+`"`)
					return true
				})
			}
		}
	}
	return found
}

// A guardedKey is a key of a namespace, or with "" one of the core.
type guardedKey struct{ namespace, key string }

func (k guardedKey) String() string { return strings.TrimPrefix(k.namespace+"."+k.key, ".") }

// guardedKeys lists the keys that protect or filter.
func guardedKeys() []guardedKey {
	var all []guardedKey
	for _, key := range coreFilters {
		all = append(all, guardedKey{"", key})
	}
	for _, d := range component.Default.All() {
		if !d.Protects() || d.Options == nil {
			continue
		}
		s := config.SpecOf(d.Options)
		if s.Shape == config.ListShape {
			s = s.Item
		}
		for _, f := range s.Fields {
			if k := (guardedKey{d.Namespace, f.Key}); !f.Rules.Idle && !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	return all
}

// without returns a transcript with the key taken out of every configuration, and
// without what is said of problems; false if no configuration in JSON or YAML has it, or nobody
// is asked.
func (k guardedKey) without(sections []section) (changed []section, found bool) {
	asked := false
	for _, s := range sections {
		what, file, _ := strings.Cut(s.name, " ")
		switch what {
		case "problems":
			continue
		case "request":
			asked = true
		case "config":
			text := s.text
			if doc, problems := config.Parse(file, []byte(text)); filepath.Ext(file) == ".yaml" && !config.HasErrors(problems) {
				text = string(doc.Root.JSON()) // which is YAML, too
			}
			var root any
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if filepath.Ext(file) != ".toml" && d.Decode(&root) == nil && k.remove(root, "") {
				var b bytes.Buffer
				e := json.NewEncoder(&b)
				e.SetEscapeHTML(false)
				e.Encode(root)
				s.text, found = b.String(), true
			}
		}
		changed = append(changed, s)
	}
	return changed, found && asked
}

// remove takes the key out of v, which is in the options of a namespace, "" for the core.
func (k guardedKey) remove(v any, namespace string) (found bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = k.remove(item, namespace) || found
		}
	case map[string]any:
		if _, has := v[k.key]; has && (namespace == k.namespace || k.namespace == "" && namespace == "proxy") {
			delete(v, k.key)
			found = true
		}
		for key, item := range v {
			if key == "extra_config" {
				options, _ := item.(map[string]any)
				for name, o := range options {
					found = k.remove(o, name) || found
				}
				continue
			}
			found = k.remove(item, namespace) || found
		}
	}
	return found
}

// differs plays a transcript that was changed, and reports whether that was noticed.
func differs(t *testing.T, file string, sections []section) bool {
	a := &attempt{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		play(a, fast.Engine, file, sections)
	}()
	<-done
	for _, f := range slices.Backward(a.cleanup) {
		f()
	}
	return a.noticed
}

// An attempt is a test that may fail. It ends with its first failure.
type attempt struct {
	testing.TB
	at      string // the section that is played
	noticed bool   // what is seen from outside is not what was to be seen
	cleanup []func()
}

func (a *attempt) Cleanup(f func())      { a.cleanup = append(a.cleanup, f) }
func (a *attempt) Failed() bool          { return false }
func (a *attempt) Errorf(string, ...any) { a.end() }
func (a *attempt) Fatalf(string, ...any) { a.end() }
func (a *attempt) Fatal(...any)          { a.end() }

func (a *attempt) end() {
	what, _, _ := strings.Cut(a.at, " ")
	if a.noticed = slices.Contains([]string{"request", "answer", "seen"}, what); a.noticed {
		runtime.Goexit()
	}
}
