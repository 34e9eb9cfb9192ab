package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/pathlint"
)

// A denied path in another notation, or by a name that the backend itself gives, says
// plainly what its author wanted to hide, and would let it pass: an error. A filter that is
// known to do nothing, as existing files hold it, is a mistake: beside no-op, into a list,
// of an empty name. So is an allowed path, a target or a name that leads nowhere, which
// hides more than was meant, or changes nothing.

// hidden ends the names of errors that speak of the value of a reference.
const hidden = "what the reference stands for"

// checkShape reports keys that would shape an answer and cannot.
func (b *Backends) checkShape(s *component.BackendSite) {
	be, reshaped := s.Config(), reshaped(s)
	switch {
	case be.Encoding == "no-op":
		b.checkRaw(be)
		return
	case s.Call().NoData && !s.Rewritten():
		b.checkDataless(s)
		return
	}
	b.checkTarget(be)
	b.checkMapping(be)
	if !reshaped {
		b.checkPaths(be)
		b.checkRenamed(be)
	}
	b.checkCollection(be, reshaped)
}

// checkRaw reports what would shape an answer that is passed as it is.
func (b *Backends) checkRaw(be *model.Backend) {
	instead := "choose an encoding that decodes"
	if b.config.OutputEncoding == "no-op" {
		instead = "write another output_encoding in the " + b.called() + ", such as json"
	}
	for _, key := range shaping(be) {
		b.mistake(be.Node, key, fmt.Errorf(
			"has no effect with encoding no-op, which passes the answer as it is; %s", instead))
	}
}

// checkDataless reports what would shape an answer that has no data. Whether it is an empty
// list the collection of an endpoint can tell.
func (b *Backends) checkDataless(s *component.BackendSite) {
	be := s.Config()
	const nothing = "has no effect, the answer of this backend says that a message was taken and has no data; remove it"
	for _, key := range shaping(be) {
		if key != "is_collection" || b.config.OutputEncoding != "json-collection" {
			b.report(be.Node, key, config.Warning, config.CodeSuspicious, errors.New(nothing))
		}
	}
	if n := be.Node.GetFold("encoding"); n != nil && be.Encoding != "json" {
		b.report(be.Node, "encoding", config.Warning, config.CodeSuspicious, errors.New(nothing))
	}
	if s.Call().Reshape != nil {
		b.report(be.Node, "extra_config", config.Warning, config.CodeSuspicious, fmt.Errorf("%s %s", b.flatmap(), nothing))
	}
}

// checkQueryless reports what would be the query of a call that has none, because a message is
// published or taken. A placeholder there may be what a sequence brings.
func (b *Backends) checkQueryless(be *model.Backend) {
	const none = "has no effect, this backend publishes or takes a message and is called without a query; remove it"
	if len(be.InputQueryStrings) > 0 {
		b.report(be.Node, "input_query_strings", config.Warning, config.CodeSuspicious, errors.New(none))
	}
	if _, query, _ := strings.Cut(be.URLPattern, "?"); query != "" && !strings.Contains(query, "{") {
		b.report(be.Node, "url_pattern", config.Warning, config.CodeSuspicious, errors.New("the query behind the ? "+none))
	}
}

// shaping returns the keys of a backend that shape its answer.
func shaping(be *model.Backend) (keys []string) {
	for _, key := range []struct {
		name string
		is   bool
	}{
		{"is_collection", be.IsCollection},
		{"target", be.Target != ""},
		{"allow", len(be.Allow) > 0},
		{"deny", len(be.Deny) > 0},
		{"mapping", len(be.Mapping) > 0},
		{"group", be.Group != ""},
	} {
		if key.is {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// checkTarget reports a target that no answer has.
func (b *Backends) checkTarget(be *model.Backend) {
	written := be.Node.GetFold("target")
	if be.Target == "" {
		if written.Secret() {
			b.report(be.Node, "target", config.Error, config.CodeMistake, errors.New(
				"is empty once its reference is filled in, so that all of the answer passes; give the reference a value"))
		}
		return
	}
	if d := pathlint.Doubt(be.Target); d != nil {
		b.mistake(be.Node, "target", fmt.Errorf("%s leads nowhere: %s; %s", shown(be.Target, written), d.Why, b.meant(d, written, "")))
	}
}

// checkMapping reports names that no member has.
func (b *Backends) checkMapping(be *model.Backend) {
	for old := range be.Mapping { // problems are sorted
		d := pathlint.Doubt(old)
		if d == nil && strings.Contains(old, ".") && len(jsonspan.SplitPath(old)) > 1 {
			path := jsonspan.SplitPath(old)
			b.report(be.Node, "mapping", config.Warning, config.CodeSuspicious, fmt.Errorf(
				`%q renames nothing, unless a member has just this name: names are no paths here; use %[3]s: {"type": "move", "args": [%[1]q, %[2]q]}`, old, path[len(path)-1], b.flatmap()))
			continue
		}
		if d == nil || old == "" || len(d.Instead) != 1 || strings.Contains(d.Instead[0], ".") {
			continue // names with dots are taken as they are
		}
		b.report(be.Node, "mapping", config.Warning, config.CodeSuspicious, fmt.Errorf(
			"%q renames nothing, unless a member has just this name: %s; write %q", old, d.Why, d.Instead[0]))
	}
}

// checkRenamed reports members that are gone before mapping could rename them: allow and
// deny come first, and know the names that the service gives.
func (b *Backends) checkRenamed(be *model.Backend) {
	if len(be.Mapping) == 0 || len(be.Allow) == 0 && len(be.Deny) == 0 || onlyMember(be) != "" {
		return
	}
	var gone []string
	for old := range be.Mapping {
		within := func(p string) bool { // old, or something below it
			return strings.HasPrefix(p, old) && (len(p) == len(old) || p[len(old)] == '.')
		}
		switch {
		case strings.ContainsAny(old, `.\`): // paths write it otherwise
		case len(be.Allow) > 0 && !slices.ContainsFunc(be.Allow, within), len(be.Allow) == 0 && slices.Contains(be.Deny, old):
			gone = append(gone, old)
		}
	}
	slices.Sort(gone)
	for _, old := range gone {
		switch {
		case len(be.Allow) == 0:
			b.mistake(be.Node, "mapping", fmt.Errorf("%q is removed by deny before it could be renamed; take it out of one of the two", old))
		case slices.Contains(be.Allow, be.Mapping[old]) && !be.Node.GetFold("mapping").Get(old).Secret():
			b.mistake(be.Node, "mapping", fmt.Errorf("%q is cut by allow before it could be renamed, and allow knows the names of the service; write %[1]q in allow in the place of %q, or turn the mapping round", old, be.Mapping[old]))
		default:
			b.mistake(be.Node, "mapping", fmt.Errorf("%q is cut by allow before it could be renamed; write it in allow, too, or remove it from mapping", old))
		}
	}
}

// renamed returns the member that mapping gives a name, "" if there is none or if the
// name is that of another one that it renames.
func renamed(be *model.Backend, name string) string {
	if _, another := be.Mapping[name]; another {
		return ""
	}
	found := ""
	for old, to := range be.Mapping {
		if to, _, _ = strings.Cut(to, "."); to == name && (found == "" || old < found) {
			found = old
		}
	}
	return found
}

// checkPaths reports paths of allow and deny that lead nowhere.
func (b *Backends) checkPaths(be *model.Backend) {
	if written := be.Node.GetFold("allow"); len(be.Allow) == 0 && len(be.Deny) == 0 && written != nil && written.Kind == config.Array {
		b.mistake(be.Node, "allow", errors.New("the list is empty, so everything passes; write what may pass, or remove the key"))
	}
	for i, path := range be.Allow {
		b.checkAllow(be, i, path)
	}
	for i, path := range be.Deny {
		if len(be.Allow) == 0 {
			b.checkDeny(be, i, path)
			continue
		}
		// Compatibility: deny counts only without allow.
		kept := slices.ContainsFunc(be.Allow, func(a string) bool { return leads(a, path) })
		switch at, item := listed(be.Node, "deny", i); {
		case kept && !item.Secret():
			b.mistake(be.Node, at, fmt.Errorf(
				"%q stays, because deny counts only without allow; write in allow what may pass, without it", path))
		case i == 0:
			b.report(be.Node, "deny", config.Warning, config.CodeSuspicious, errors.New(
				"has no effect beside allow; take what it names out of allow"))
		}
	}
}

func (b *Backends) checkAllow(be *model.Backend, i int, path string) {
	if doubt := pathlint.Doubt(path); doubt != nil {
		at, item := listed(be.Node, "allow", i)
		if path != "" || item.Secret() { // else it is the way to keep nothing
			b.mistake(be.Node, at, fmt.Errorf("%s keeps nothing: %s; %s", shown(path, item), doubt.Why, b.meant(doubt, item, "")))
		}
		return
	}
	if own := b.ownName(be, be.Allow, path); own != nil {
		if at, item := listed(be.Node, "allow", i); !item.Secret() {
			b.mistake(be.Node, at, fmt.Errorf("%s keeps nothing: %w", shown(path, item), own))
		}
	}
}

func (b *Backends) checkDeny(be *model.Backend, i int, path string) {
	doubt := pathlint.Doubt(path)
	if path == "0" || path == "1" { // truth has become a number
		if _, item := listed(be.Node, "deny", i); item != nil && item.Kind == config.Bool {
			doubt = &pathlint.Doubtful{Why: "it is no name"}
		}
	}
	if doubt != nil {
		at, item := listed(be.Node, "deny", i)
		err := fmt.Errorf("%s removes nothing: %s; %s", shown(path, item), doubt.Why, b.meant(doubt, item, `{"type": "del", "args": [%q]}`))
		if !item.Secret() && (path == "" || path == "*") {
			b.mistake(be.Node, at, err) // names, of which no answer has one
			return
		}
		b.report(be.Node, at, config.Error, config.CodeMistake, err)
		return
	}
	if own := b.ownName(be, be.Deny, path); own != nil {
		at, item := listed(be.Node, "deny", i)
		if item.Secret() {
			own = errors.New("it begins with the target, the group or a member that is renamed; give it a path within the target, as the service answers it")
		}
		b.report(be.Node, at, config.Error, config.CodeMistake, fmt.Errorf("%s removes nothing: %w", shown(path, item), own))
		return
	}
	if result := ownResult(be, path); result != nil {
		if at, item := listed(be.Node, "deny", i); !item.Secret() {
			b.report(be.Node, at, config.Warning, config.CodeSuspicious, result)
		}
	}
}

// ownName says which path of the service's answer a path stands for that begins with
// what the backend itself makes of the answer, nil if it does not. Other entries of
// the list may name the right one already.
func (c *Checker) ownName(be *model.Backend, list []string, path string) error {
	named := func(names []string) bool {
		whole := jsonspan.JoinPath(names)
		return slices.ContainsFunc(list, func(p string) bool { return leads(p, whole) })
	}
	otherwise := func() string { return "or use " + c.flatmap() + ", if the service answers a member of this name" }
	if strings.Contains(be.Group, ".") { // which are part of its name
		if inner, is := strings.CutPrefix(path, be.Group+"."); is && !named(jsonspan.SplitPath(inner)) {
			return fmt.Errorf("the group is made of what is left; write %q, %s", inner, otherwise())
		}
	}
	if first, _, deeper := strings.Cut(path, "."); !deeper || !strings.Contains(path+be.Target, `\`) && first != be.Group &&
		(be.Target == "" || !strings.HasPrefix(path, be.Target)) && renamed(be, first) == "" {
		return nil // as most are, without taking them apart
	}
	names := jsonspan.SplitPath(path)
	if len(names) < 2 {
		return nil
	}
	if rest := names[1:]; be.Group != "" && names[0] == be.Group && !named(rest) {
		return fmt.Errorf("the group is made of what is left; write %q, %s", jsonspan.JoinPath(rest), otherwise())
	}
	if be.Target != "" && leads(be.Target, path) {
		rest := names[len(jsonspan.SplitPath(be.Target)):]
		if len(rest) > 0 && !named(rest) {
			return fmt.Errorf("paths begin within the target; write %q, %s", jsonspan.JoinPath(rest), otherwise())
		}
	}
	if old := renamed(be, names[0]); old != "" {
		if rest := append([]string{old}, names[1:]...); !named(rest) {
			return fmt.Errorf("members are renamed after that; write %q, %s", jsonspan.JoinPath(rest), otherwise())
		}
	}
	return nil
}

// ownResult says that a denied name is made again by the backend itself; nil if it
// is not. It is meant where the service has such a member, too.
func ownResult(be *model.Backend, path string) error {
	if be.Group == "" && len(be.Mapping) == 0 {
		return nil
	}
	names := jsonspan.SplitPath(path)
	if len(names) > 1 {
		return nil
	}
	if names[0] == be.Group {
		return fmt.Errorf("%q is removed from what the service answers, and not the group of this name, which is made later", path)
	}
	if old := renamed(be, names[0]); old != "" && !slices.Contains(be.Deny, jsonspan.JoinPath([]string{old})) {
		return fmt.Errorf("%q is removed from what the service answers, and %q gets the name later; write %[2]q if that is to go", path, old)
	}
	return nil
}

// checkCollection reports what leaves nothing of the only member that an answer
// has.
func (c *Checker) checkCollection(be *model.Backend, reshaped bool) {
	only := onlyMember(be)
	names := func(path string) bool { return path == only }
	if be.Encoding == "xml" { // what stands there is an object
		names = func(path string) bool { return jsonspan.SplitPath(path)[0] == only }
	}
	switch {
	case only == "":
	case be.Target != "" && be.Encoding == "xml" && names(be.Target):
	case be.Target != "":
		c.mistake(be.Node, "target", fmt.Errorf("leads nowhere: the only member of the answer is %q, which is no object; remove target", only))
	case reshaped:
	case len(be.Allow) > 0 && !slices.ContainsFunc(be.Allow, names):
		c.mistake(be.Node, "allow", fmt.Errorf("leaves nothing: the only member of the answer is %q, and paths do not lead into lists; write it, or use %s", only, c.flatmap()))
	case len(be.Allow) == 0:
		if slices.ContainsFunc(be.Deny, names) {
			return
		}
		for i, path := range be.Deny {
			if at, item := listed(be.Node, "deny", i); item.Secret() || pathlint.Doubt(path) == nil { // else it is reported as that
				c.mistake(be.Node, at, fmt.Errorf(
					"removes nothing: the only member of the answer is %q, and paths do not lead into lists; use %s%s", only, c.flatmap(), removal(only, path, item)))
			}
		}
	}
}

// onlyMember returns the name of the only member that a decoded answer has before
// anything is cut; "" if that depends on the answer.
func onlyMember(be *model.Backend) string {
	switch be.Encoding {
	case "string":
		return "content"
	case "json", "fast-json", "xml", "yaml":
		if be.IsCollection {
			return "collection"
		}
	}
	return ""
}

// removal returns the operation of flatmap_filter that removes a member of the entries
// of a collection.
func removal(only, path string, item *config.Node) string {
	if only != "collection" || item.Secret() {
		return ""
	}
	return fmt.Sprintf(`: {"type": "del", "args": [%q]}`, only+".*."+strings.TrimPrefix(path, only+"."))
}

// listed returns the place of an entry of a list, and the entry.
func listed(n *config.Node, key string, i int) (at string, item *config.Node) {
	list := n.GetFold(key)
	if list != nil && i < len(list.Items) {
		list = list.Items[i]
	}
	return n.ItemPath(key, i), list
}

// shown returns a text in quotation marks, unless it is secret.
func shown(text string, n *config.Node) string {
	if n.Secret() {
		return hidden
	}
	return strconv.Quote(text)
}

// meant says what to write in the place of a doubtful path. The format operation
// makes an operation of flatmap_filter of what leads into lists; where it is empty,
// lists are kept whole.
func (c *Checker) meant(d *pathlint.Doubtful, n *config.Node, operation string) string {
	if n.Secret() {
		return "give it the name of a member, or names with dots between them"
	}
	remedy := d.Remedy(c.inList(d.Inside, operation))
	if d.Literal != "" {
		remedy += fmt.Sprintf(", or %q for a member of just this name", d.Literal)
	}
	return remedy
}

// flatmap names the option that filters what paths do not reach.
func (c *Checker) flatmap() string {
	return c.Env.Registry.Option(component.InBackend, "flatmap_filter")
}

// inList says what to write for a path that leads into lists, as far as there is one.
func (c *Checker) inList(path, operation string) string {
	switch {
	case path == "":
	case operation != "":
		return "use " + c.flatmap() + ": " + fmt.Sprintf(operation, path)
	default:
		names := jsonspan.SplitPath(path)
		end := slices.IndexFunc(names, func(name string) bool { return strings.Trim(name, "0123456789") == "" || name == "*" })
		if end > 0 {
			return fmt.Sprintf("write %q for all of it", jsonspan.JoinPath(names[:end]))
		}
	}
	return "write the names of members, with dots between them"
}

// leads reports whether a path is another one or leads further.
func leads(outer, inner string) bool {
	if !strings.Contains(outer, `\`) && !strings.Contains(inner, `\`) { // as most are, without taking them apart
		rest, is := strings.CutPrefix(inner, outer)
		return is && (rest == "" || rest[0] == '.')
	}
	o, i := jsonspan.SplitPath(outer), jsonspan.SplitPath(inner)
	return len(o) <= len(i) && slices.Equal(o, i[:len(o)])
}
