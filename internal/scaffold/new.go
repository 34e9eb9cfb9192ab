package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

// scopes are where a component can be attached. Its skeleton is a stage at each.
var scopes = []string{"service", "endpoint", "backend"}

// kinds are components that are something else than stages, each with its scope and a
// skeleton of its own.
var kinds = []struct{ name, scope, what string }{
	{"connector", "backend", "answers the calls of a backend in place of HTTP"},
	{"pipe", "backend", "answers them by calls of its own"},
	{"source", "service", "takes messages from elsewhere, and makes calls for each"},
	{"port", "service", "answers at another address"},
}

// shapes says what can be written behind SCOPE=.
func shapes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "one or more of %s for stages there, or one of", strings.Join(scopes, ", "))
	for i, k := range kinds {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s (of the %s: %s)", k.name, k.scope, k.what)
	}
	return b.String()
}

// taken are parts of import paths, and names of files, that mean something to Go or to us.
var taken = []string{"all", "doc", "documentation", "init", "internal", "main", "options", "testdata", "vendor"}

//go:embed skeleton
var skeletons embed.FS

// A skeleton is a component that is still to be written.
type skeleton struct {
	Namespace string
	Folder    string   // below the root, such as internal/components/qos/pause
	Package   string   // its name
	File      string   // the namespace as the name of a file
	Header    string   // that the skeleton sets
	Scopes    []string // in the order of scopes
	Guarded   bool     // components of its family have to guard something
	Keys      []string // that were published for the namespace, in words
	kind      string   // the folder of its templates
	notes     []string // for who asked
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// newSkeleton checks a name, and what it is to be.
func newSkeleton(root, namespace string, in []string) (*skeleton, error) {
	for part := range strings.SplitSeq(namespace, "/") {
		if !kebab.MatchString(part) {
			return nil, fmt.Errorf("%q is no name of a namespace; write family/name in small letters with hyphens, such as qos/pause", namespace)
		}
		if slices.Contains(taken, part) {
			return nil, fmt.Errorf("%q cannot be a part of the name, which is that of a folder: it means something else there; choose another word", part)
		}
	}
	family, last := path.Split(namespace)
	plain := strings.ReplaceAll(last, "-", "")
	s := &skeleton{
		Namespace: namespace, File: declared.FileName(namespace), Package: plain, kind: "stage",
		Header: "X-" + strings.ToUpper(last[:1]) + last[1:], Folder: path.Join(declared.Folder, strings.ReplaceAll(family, "-", ""), plain),
		Guarded: declared.Protects(namespace),
	}
	if token.IsKeyword(plain) {
		if family == "" {
			return nil, fmt.Errorf("%q is a word of Go, and cannot be the name of a package; write family/%s", plain, plain)
		}
		s.Package = plain + strings.NewReplacer("/", "", "-", "").Replace(family)
		s.Folder = path.Join(path.Dir(s.Folder), s.Package)
	}
	for _, scope := range scopes {
		if slices.Contains(in, scope) {
			s.Scopes = append(s.Scopes, scope)
		}
	}
	for _, word := range in {
		if slices.Contains(scopes, word) {
			continue
		}
		for _, k := range kinds {
			if k.name == word {
				s.kind, s.Scopes = k.name, []string{k.scope}
			}
		}
		switch {
		case s.kind != word:
			return nil, fmt.Errorf("%q is no scope; write %s", word, shapes())
		case len(in) > 1:
			return nil, fmt.Errorf("the skeleton of a %s stands alone; write SCOPE=%s, and add the rest by hand", word, word)
		}
	}
	there, err := declared.Folders(root)
	if err != nil {
		return nil, err
	}
	for folder, names := range there {
		if slices.Contains(names, namespace) {
			return nil, s.again(folder)
		}
	}
	for name := range s.names() {
		if _, err := os.Stat(filepath.Join(root, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is there already; remove it, or choose another name", name)
		}
	}
	return s, s.compare()
}

// again says what to do where the component is there already.
func (s *skeleton) again(folder string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is there already, in %s. Another scope is another declaration there, in the same Register, with a function that builds it and options of its own if they differ:\n", s.Namespace, folder)
	for _, scope := range s.Scopes {
		name := strings.ToUpper(scope[:1]) + scope[1:]
		fmt.Fprintf(&b, "\tcomponent.%s(info, for%s), and func for%s(s *component.%sSite, o Options) error\n", name, name, name, name)
	}
	fmt.Fprintf(&b, "To begin anew remove %s and %s first, or choose another name", folder, transcript(s.Namespace))
	return errors.New(b.String())
}

// compare holds the name against those that were published: a file that uses one of them
// is to work here as it does there.
func (s *skeleton) compare() error {
	if now := published.Current(s.Namespace); now != s.Namespace {
		return fmt.Errorf("%s is an old name of %s; write C=%s and put the old one among its Aliases", s.Namespace, now, now)
	}
	var at []string
	for _, scope := range append(slices.Clone(scopes), "workflow", "async_agent") {
		if published.Has(scope, s.Namespace) {
			at = append(at, scope)
		}
	}
	if len(at) == 0 {
		note := s.Namespace + " is a new namespace: no published configuration has it"
		if near, similar := config.Suggest(s.Namespace, sortedKeys(published.Namespaces())); similar {
			note += fmt.Sprintf("; %s is published, if that is meant", near)
		}
		s.notes = append(s.notes, note)
		return nil
	}
	s.notes = append(s.notes, fmt.Sprintf("%s is published for: %s. Its keys are listed in options.go; docs/compatibility.md has a row for each", s.Namespace, strings.Join(at, ", ")))
	for _, scope := range s.Scopes {
		if !slices.Contains(at, scope) {
			s.notes = append(s.notes, fmt.Sprintf("it is not published for the %s; what it is there is new", scope))
		}
		for _, name := range sortedKeys(published.Scopes()[scope][s.Namespace].Keys) {
			k := published.Scopes()[scope][s.Namespace].Keys[name]
			key := fmt.Sprintf("%s in the %s (%v, since %s)", name, scope, k.Type, k.Since)
			if k.Required {
				key += ", required"
			}
			s.Keys = append(s.Keys, key)
		}
	}
	for _, scope := range at {
		if !slices.Contains(s.Scopes, scope) {
			s.notes = append(s.notes, fmt.Sprintf("it stays refused by name in the scope %s", scope))
		}
	}
	return nil
}

// In reports whether the component is attached in a scope.
func (s *skeleton) In(scope string) bool { return slices.Contains(s.Scopes, scope) }

// names returns the names of the files below the root, each with that of its template.
func (s *skeleton) names() map[string]string {
	return map[string]string{
		s.Folder + "/doc.go":                    "doc.go.tmpl",
		s.Folder + "/options.go":                s.kind + "/options.go.tmpl",
		s.Folder + "/" + s.Package + ".go":      s.kind + "/component.go.tmpl",
		s.Folder + "/" + s.Package + "_test.go": s.kind + "/component_test.go.tmpl",
		declared.Sample(s.Folder, s.Namespace):  s.kind + "/sample.yaml.tmpl",
		transcript(s.Namespace):                 s.kind + "/transcript.txtar.tmpl",
	}
}

// transcript returns the name of the transcript of a namespace that make new writes.
func transcript(namespace string) string {
	return "test/conformance/testdata/" + declared.FileName(namespace) + ".txtar"
}

// files returns the files of the skeleton, by their names below the root.
func (s *skeleton) files() (map[string]string, error) {
	all := make(map[string]string)
	for to, from := range s.names() {
		t, err := template.New(path.Base(from)).ParseFS(skeletons, "skeleton/shared.tmpl", "skeleton/"+from)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, s); err != nil {
			return nil, err
		}
		text := b.Bytes()
		if path.Ext(to) == ".go" {
			if text, err = format.Source(text); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", to, err, b.String())
			}
		}
		all[to] = string(text)
	}
	return all, nil
}

// write writes the skeleton, and says on w what it has written.
func (s *skeleton) write(w io.Writer, root string) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	for _, note := range s.notes {
		fmt.Fprintln(w, note)
	}
	for _, name := range sortedKeys(files) {
		to := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(files[name]); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
		fmt.Fprintln(w, "wrote", name)
	}
	return writeImports(root)
}
