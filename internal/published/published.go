package published

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sync"
)

//go:embed keys.json
var text []byte

// A Key is what was published about one key.
type Key struct {
	Since    string          `json:"since"`
	Until    string          `json:"until,omitempty"`
	Type     any             `json:"type,omitempty"` // a name or a list of names
	Enum     []any           `json:"enum,omitempty"`
	Default  json.RawMessage `json:"default,omitempty"`
	Required bool            `json:"required,omitempty"`
}

// A Namespace is what was published about one namespace in one scope. The core
// objects are the namespace "(core)".
type Namespace struct {
	Since string         `json:"since"`
	Until string         `json:"until,omitempty"`
	Keys  map[string]Key `json:"keys"`
}

// Core is the name of the core objects among the namespaces.
const Core = "(core)"

// Scopes returns the namespaces by scope: service, endpoint, backend,
// async_agent and workflow. The result is shared and read-only.
var Scopes = sync.OnceValue(func() map[string]map[string]Namespace {
	var file struct {
		Scopes map[string]map[string]Namespace `json:"scopes"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		panic("keys.json: " + err.Error()) // embedded; its test reads it
	}
	return file.Scopes
})

// Has reports whether a namespace was ever published for a scope.
func Has(scope, namespace string) bool {
	_, ok := Scopes()[scope][namespace]
	return ok && namespace != Core
}

// Names returns the names of a scope's namespaces, sorted.
func Names(scope string) []string {
	var names []string
	for name := range Scopes()[scope] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
