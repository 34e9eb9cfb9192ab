package manual

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/published"
)

// since is the version in which everything that works today began to.
const since = "0.1"

// A Row is what the compatibility page says of one published key.
type Row struct {
	Scope, Namespace, Key string
	Published             string // the release that brought the key
	State                 State
	Test                  string // file that proves it; "" for keys that do not work
	Note                  string
}

// State is how far a published key works.
type State uint8

// The states.
const (
	NotYet  State = iota // refused at start by name
	Works                // does what is published, or what the differences say
	Refused              // will not come; refused with the reason
	Missing              // its namespace works and the key is unknown: a fault of ours
)

// String returns the state as the page says it.
func (s State) String() string {
	return [...]string{"not yet", "yes", "refused", "MISSING"}[s]
}

// refused are the published keys of working objects that are refused by name,
// with the reason.
var refused = map[string]string{
	"service/(core)/plugin":         "native plugins are not loaded; a warning where no namespace asks for one",
	"service/(core)/plugin.pattern": "native plugins are not loaded; a warning where no namespace asks for one",
	"service/(core)/plugin.folder":  "native plugins are not loaded; a warning where no namespace asks for one",
	"backend/proxy/max_payload":     "limits nothing in a backend; error at start, which says to move it into the endpoint",
	"backend/proxy/decompress_gzip": "unpacks nothing in a backend; a warning, which says to move it into the endpoint",
}

// Rows returns a row for every published key. A proof finds the test of a key;
// it is told the namespace, or the list at the root whose core is published as one, and the
// last part of the key.
func Rows(r *component.Registry, proof func(namespace, key string) string) []Row {
	var rows []Row
	for _, s := range component.Scopes {
		scope := string(s.Scope)
		for _, name := range published.Names(scope) {
			n := published.Scopes()[scope][name]
			root := specOf(r, scope, name)
			if !writable(r, s.Scope) {
				root = nil
			}
			keys := sortedKeys(n.Keys)
			if len(keys) == 0 {
				keys = []string{""} // the namespace itself
			}
			for _, key := range keys {
				row := Row{Scope: scope, Namespace: name, Key: key, Published: n.Keys[key].Since}
				if row.Published == "" {
					row.Published = n.Since
				}
				why, no := refused[scope+"/"+name+"/"+key]
				switch {
				case no:
					row.State, row.Note = Refused, why
				case root == nil:
					row.State = NotYet
				case name == published.Core && listed[scope]:
					within, inner := listedKey(key)
					s, of := root, scope // which says so of files, since keys such as timeout are everybody's
					if within != "" {
						s, of = r.Options(scope, within), within
					}
					switch {
					case s == nil:
						row.State = NotYet
					case inner == "" || knows(s, inner):
						row.State, row.Test = Works, proof(of, last(cmp.Or(inner, within, scope)))
					default:
						row.State = Missing
					}
				case knows(root, key):
					row.State, row.Test = Works, proof(name, last(key))
				default:
					row.State = Missing
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// listed are the scopes whose core object is published as a list, with its namespaces within it.
var listed = map[string]bool{string(component.InAgent): true}

// listedKey takes the key of a list apart, such as [].extra_config."async/amqp".host: the
// namespace, "" for none, and the key within that or within the object, "" for itself.
func listedKey(key string) (namespace, inner string) {
	inner = strings.TrimPrefix(strings.TrimPrefix(key, "[]"), ".")
	if quoted, found := strings.CutPrefix(inner, `extra_config."`); found {
		namespace, inner, _ = strings.Cut(quoted, `"`)
		inner = strings.TrimPrefix(inner, ".")
	}
	return namespace, inner
}

// writable reports whether a file as it was published can have namespaces of a scope: an
// object of the core has it, or the options of a published namespace that is built.
func writable(r *component.Registry, scope component.Scope) bool {
	for _, s := range component.Scopes {
		if s.Scope == scope && s.Core != nil {
			return true
		}
	}
	return slices.ContainsFunc(r.All(), func(d *component.Declaration) bool {
		return d.Pipes == scope && published.Has(string(d.Scope), d.Namespace)
	})
}

// specOf returns what decodes a namespace in a scope, nil if nothing does.
func specOf(r *component.Registry, scope, name string) *config.Spec {
	if name != published.Core {
		return r.Options(scope, name)
	}
	for _, s := range component.Scopes {
		if string(s.Scope) == scope && s.Core != nil {
			return config.SpecOf(s.Core)
		}
	}
	return nil
}

// knows reports whether decoding knows the key, a path such as
// tls.keys[].public_key.
func knows(s *config.Spec, key string) bool {
	key = strings.ReplaceAll(key, "[]", ".[]")
	for part := range strings.SplitSeq(strings.TrimPrefix(key, "."), ".") {
		switch s.Shape {
		case config.AnyShape, config.CustomShape:
			return true
		case config.ListShape, config.MapShape:
			if s.Shape == config.ListShape && part != "[]" {
				return false
			}
			s = s.Item
		case config.ObjectShape:
			i := slices.IndexFunc(s.Fields, func(f config.Field) bool { return f.Key == part })
			if i < 0 {
				return false
			}
			s = s.Fields[i].Spec
		default:
			return false
		}
	}
	return true
}

// last returns the last name in a path of keys, "" for a list of nothing else.
func last(key string) string {
	key = strings.TrimRight(key, "[]")
	return key[strings.LastIndexAny(key, ".]")+1:]
}

// Compatibility returns the page.
func Compatibility(rows []Row) string {
	var b strings.Builder
	count := make(map[State]int)
	for _, r := range rows {
		count[r.State]++
	}
	fmt.Fprintf(&b, `# Compatibility

A KrakenD v3 file that uses what works here runs unchanged, but for the differences
below. This page is generated: it has a row for every configuration key that was ever
published, %d of them. %d work, each with the test that proves it; %d belong to
namespaces that are not built yet and are refused at start by name; %d are refused with
the reason. Nothing is ignored. [The command migrate](migrate.md)
says what of this concerns a file.

## Deliberate differences

| Where | KrakenD | Sluice | Reason |
|---|---|---|---|
`, len(rows), count[Works], count[NotYet], count[Refused])
	for _, d := range Differences() {
		fmt.Fprintf(&b, "| <a id=\"%s\"></a>%s | %s | %s | %s |\n", d.ID, d.Where, d.Theirs, d.Ours, d.Why)
	}
	b.WriteString("\n## Keys\n")
	var section string
	for _, r := range rows {
		if s := r.Scope + " " + r.Namespace; s != section {
			section = s
			fmt.Fprintf(&b, "\n### %s: %s\n\n| Key | Published | Works | Since | Test |\n|---|---|---|---|---|\n", r.Scope, r.Namespace)
		}
		begun, test := "", r.Note
		if r.State == Works {
			begun, test = since, r.Test
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", strings.ReplaceAll(r.Key, "|", "\\|"), r.Published, r.State, begun, test)
	}
	return b.String()
}
