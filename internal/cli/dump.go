package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// dump prints what a configuration means, in one of three depths, the last of which
// is the whole of it as a document. Values that came from the environment or from files
// are masked, and so are secrets.
func dump(w io.Writer, s *model.Service, depth int, indent string) error {
	if depth > 2 {
		return dumpAll(w, s, indent)
	}
	d := dumper{w, s, depth, indent}
	d.service()
	return nil
}

// dumpAll prints every key that has an effect.
func dumpAll(w io.Writer, s *model.Service, indent string) error {
	var text bytes.Buffer
	document := s.MaskedJSON(component.Default.Options)
	if err := json.Indent(&text, document, "", indent); err != nil {
		return err
	}
	text.WriteByte('\n')
	_, err := text.WriteTo(w)
	return err
}

type dumper struct {
	w      io.Writer
	s      *model.Service
	depth  int
	indent string
}

// line prints one line, some levels to the right.
func (d *dumper) line(level int, format string, args ...any) {
	fmt.Fprintf(d.w, strings.Repeat(d.indent, level)+format+"\n", args...)
}

// list prints texts on one line.
func (d *dumper) list(level int, title string, texts []string) {
	d.line(level, "%s: %s", title, cmp.Or(strings.Join(texts, ", "), "-"))
}

func (d *dumper) service() {
	s := d.s
	d.line(0, "Global settings")
	d.list(1, "Name", s.Node.Masked("name", s.Name))
	d.line(1, "Port: %d", s.Port)
	d.line(1, "Dialect: %s", s.Dialect)
	if d.depth > 1 {
		d.line(1, "TLS: %t", s.TLS != nil && !s.TLS.Disabled)
	}
	d.components(1, s.ExtraConfig)
	d.line(0, "Endpoints: %d", len(s.Endpoints))
	for _, e := range s.Endpoints {
		d.endpoint(e)
	}
	if len(s.AsyncAgent) > 0 {
		d.line(0, "Agents: %d", len(s.AsyncAgent))
	}
	for _, a := range s.AsyncAgent {
		d.agent(a)
	}
}

func (d *dumper) agent(a *model.Agent) {
	d.line(1, "- %s", a.Node.Masked("name", a.Name)[0])
	d.line(2, "Timeout: %v", a.Consumer.Timeout)
	d.list(2, "Topic", a.Node.GetFold("consumer").Masked("topic", a.Consumer.Topic))
	if d.depth > 1 {
		d.line(2, "Workers: %d", a.Consumer.Workers)
		d.line(2, "Messages a second: %v", a.Consumer.MaxRate)
	}
	d.pipe(a.ExtraConfig, a.Backend)
}

func (d *dumper) endpoint(e *model.Endpoint) {
	d.line(1, "- %s %s", e.Method, e.Node.Masked("endpoint", e.Endpoint)[0])
	d.line(2, "Timeout: %v", e.Timeout)
	if d.depth > 1 {
		d.line(2, "Output encoding: %s", e.OutputEncoding)
		d.list(2, "Headers", e.Node.Masked("input_headers", e.InputHeaders...))
		d.list(2, "Query strings", e.Node.Masked("input_query_strings", e.InputQueryStrings...))
		d.line(2, "Concurrent calls: %d", e.ConcurrentCalls)
	}
	d.pipe(e.ExtraConfig, e.Backend)
}

// pipe prints what an endpoint and an agent have in common.
func (d *dumper) pipe(extra map[string]*config.Node, backends []*model.Backend) {
	d.components(2, extra)
	d.line(2, "Backends: %d", len(backends))
	for _, b := range backends {
		d.backend(b)
	}
}

func (d *dumper) backend(b *model.Backend) {
	d.line(3, "- %s %s", b.Method, pattern(b))
	d.list(4, "Hosts", b.ShownHosts(d.s))
	if d.depth > 1 {
		d.line(4, "Encoding: %s", b.Encoding)
		d.line(4, "Discovery: %s", b.SD)
		d.list(4, "Target", b.Node.Masked("target", b.Target))
		d.list(4, "Allow", b.Node.Masked("allow", b.Allow...))
		d.list(4, "Deny", b.Node.Masked("deny", b.Deny...))
		d.list(4, "Mapping", mapping(b))
		d.list(4, "Group", b.Node.Masked("group", b.Group))
	}
	d.components(4, b.ExtraConfig)
}

func (d *dumper) components(level int, extra map[string]*config.Node) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if d.depth > 1 {
			d.line(level, "Component: %s %s", name, extra[name].MaskedJSON())
			continue
		}
		d.line(level, "Component: %s", name)
	}
}

// pattern returns the url_pattern of a backend, masked.
func pattern(b *model.Backend) string { return b.Node.Masked("url_pattern", b.URLPattern)[0] }

// mapping returns the renames of a backend, sorted and masked.
func mapping(b *model.Backend) []string {
	var renames []string
	for _, old := range slices.Sorted(maps.Keys(b.Mapping)) {
		to := b.Node.GetFold("mapping").Masked(old, b.Mapping[old])[0]
		renames = append(renames, old+" -> "+to)
	}
	return renames
}
