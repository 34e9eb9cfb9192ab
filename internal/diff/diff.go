package diff

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Verdict is what a change means for what is protected.
type Verdict string

// The verdicts, the worst first.
const (
	Weakened     Verdict = "weakened"     // more passes than before, or more is shown
	Changed      Verdict = "changed"      // nobody can say
	Strengthened Verdict = "strengthened" // less passes than before
)

// Verdicts lists them, the worst first.
func Verdicts() []Verdict { return []Verdict{Weakened, Changed, Strengthened} }

// A Change is one difference.
type Change struct {
	Verdict Verdict `json:"verdict"`
	Kind    string  `json:"kind"`    // added, removed or changed
	Subject string  `json:"subject"` // service, GET /users/{id}, agent orders
	Path    string  `json:"path"`    // within the subject; "" is all of it
	Before  string  `json:"before"`  // as people may see it; "" for what was not there
	After   string  `json:"after"`
	Why     string  `json:"why"` // of the verdict, or what else is to be known; may be empty

	At config.Pos `json:"-"` // in the new file, or in the old one of what was removed
}

// Options are what is known of namespaces.
type Options struct {
	Registry *component.Registry
	Missing  func(scope component.Scope, namespace string) *component.Absent // of those that are not built; may be nil
}

// Compare returns what is different in b: of the service first, then of each endpoint and
// agent in the order of b, with those that are gone where they stood.
func Compare(a, b *Side, o Options) []Change {
	c := &comparer{Options: o, subject: "service", inherited: make(map[string]int)}
	c.guarded = c.someAccess(b.effect)
	c.value(a.effect, b.effect, nil)
	for i := range c.changes {
		change := &c.changes[i]
		if n := c.inherited[change.Path]; n > 0 && change.Subject == "service" {
			change.Why = strings.TrimPrefix(change.Why+fmt.Sprintf("; %d take it from here", n), "; ")
		}
	}
	return c.changes
}

type comparer struct {
	Options
	subject   string
	path      []string
	scope     string // of the object that is compared
	guarding  component.Guard
	around    [][2]*model.Effect // the objects that those are in which are compared
	guarded   bool               // there are endpoints in the new one for which something says who may ask, and it is not the service
	changes   []Change
	inherited map[string]int // how many differ in a key that they take from the root
}

// within compares something at a further step of the path.
func (c *comparer) within(step string, compare func()) {
	c.path = append(c.path, step)
	compare()
	c.path = c.path[:len(c.path)-1]
}

// report notes a change of the value that is compared.
func (c *comparer) report(v Verdict, why string, a, b *model.Effect) {
	change := Change{Verdict: v, Kind: "changed", Subject: c.subject, Path: c.where(), Why: why, Before: c.told(a, b, 0), After: c.told(b, a, 1)}
	switch {
	case a == nil:
		change.Kind = "added"
	case b == nil:
		change.Kind = "removed"
	case change.Before == change.After:
		change.Why = cmp.Or(why, "what is hidden, or how it is written")
	}
	places := []*model.Effect{b, a}
	if b != nil && b.Node == nil { // nobody wrote it
		places = append([]*model.Effect{c.holder(1)}, places...)
	}
	for _, side := range append(places, c.holder(0)) {
		if side != nil && side.Node != nil && change.At == (config.Pos{}) {
			change.At = side.Node.Pos
		}
	}
	c.changes = append(c.changes, change)
}

// told returns a value of a side as people may see it, beside one of the other side with
// whether somebody wrote it.
func (c *comparer) told(e, other *model.Effect, side int) string {
	if e == nil || other == nil || e.Node != nil || isObject(e) || c.holder(side) == nil {
		return shown(e)
	}
	if len(c.path) > 0 {
		for _, outer := range c.around[:len(c.around)-1] {
			if outer[side] != nil && outer[side].Node.GetFold(c.path[len(c.path)-1]).Written() {
				return "inherited, " + shown(e)
			}
		}
	}
	return "the default, " + shown(e)
}

// holder returns the object of a side that holds what is compared, nil for none.
func (c *comparer) holder(side int) *model.Effect {
	if len(c.around) == 0 {
		return nil
	}
	return c.around[len(c.around)-1][side]
}

// where returns the path of the value that is compared.
func (c *comparer) where() string {
	return strings.ReplaceAll(strings.Join(c.path, "."), ".[", "[")
}

// value compares two values of a field, which is nil for what is none. Of what one side
// has not, its value is nil.
func (c *comparer) value(a, b *model.Effect, f *config.Field) {
	a, b = expanded(a), expanded(b)
	one := cmp.Or(a, b)
	switch {
	case a != nil && b != nil && (isObject(a) != isObject(b) || isList(a) != isList(b)):
		c.report(Changed, "", a, b)
	case isObject(one):
		c.object(a, b, f)
	case isList(one) && scalars(a) && scalars(b):
		if a == nil || b == nil || text(a) != text(b) {
			c.texts(a, b, f)
		}
	case isList(one):
		c.list(a, b)
	case a == nil || b == nil || !same(a, b):
		v, why := judge(f, a, b)
		c.report(v, why, a, b)
	}
}

// object compares objects, be one of them absent.
func (c *comparer) object(a, b *model.Effect, f *config.Field) {
	outer := c.scope
	if s := cmp.Or(a, b).Spec.Scope; s != "" {
		c.scope = s
	}
	defer func() { c.scope = outer }()
	before := len(c.changes)
	c.around = append(c.around, [2]*model.Effect{a, b})
	c.members(a, b)
	c.around = c.around[:len(c.around)-1]
	if a != nil && b != nil {
		return
	}
	within := slices.Clone(c.changes[before:])
	switch {
	case f != nil && f.Strict == config.There: // told as a whole
		v, why := judge(f, a, b)
		opposite := map[Verdict]Verdict{Strengthened: Weakened, Weakened: Strengthened}[v]
		if slices.ContainsFunc(within, func(c Change) bool { return c.Verdict == opposite }) {
			v, why = Changed, ""
		}
		c.changes = c.changes[:before]
		c.report(v, why, a, b)
	case len(within) == 0 && !c.isExtra():
		c.report(Changed, "", a, b)
	}
}

// members compares the members of objects.
func (c *comparer) members(a, b *model.Effect) {
	type pair struct{ a, b *model.EffectMember }
	var keys []string
	pairs := make(map[string]*pair)
	gather := func(e *model.Effect, put func(*pair, *model.EffectMember)) {
		if e == nil {
			return
		}
		for i := range e.Members {
			m := &e.Members[i]
			if m.Nothing && !refers(m.Value.Node) {
				continue
			}
			key := c.key(m)
			if pairs[key] == nil {
				pairs[key] = new(pair)
				keys = append(keys, key)
			}
			put(pairs[key], m)
		}
	}
	gather(b, func(p *pair, m *model.EffectMember) { p.b = m })
	gather(a, func(p *pair, m *model.EffectMember) { p.a = m })
	stands := c.standing(a, b)
	for _, key := range slices.Sorted(maps.Keys(stands)) {
		if pairs[key] == nil {
			keys = append(keys, key)
		}
	}
	noDeny, noAllow := c.filters(a, b)
	for _, key := range keys {
		switch f := stands[key]; {
		case noDeny && key == "deny", noAllow && key == "allow":
		case f != nil:
			c.within(step(key), func() { c.stand(f, a, b) })
		default:
			c.member(key, pairs[key].a, pairs[key].b)
		}
	}
	c.unknown(a, b)
}

// standing returns the keys of objects that stand for something on one side, where it is not
// written, and are written on the other.
func (c *comparer) standing(a, b *model.Effect) map[string]*config.Field {
	if a == nil || b == nil || a.Spec != b.Spec || a.Spec.Shape != config.ObjectShape {
		return nil
	}
	found := make(map[string]*config.Field)
	for i := range a.Spec.Fields {
		f := &a.Spec.Fields[i]
		x, y := config.StandsFor(a.Go, f.Key), config.StandsFor(b.Go, f.Key)
		told := c.subject != "service" && !a.Node.GetFold(f.Key).Written() && !b.Node.GetFold(f.Key).Written() // where it is written
		if (x == nil) != (y == nil) && !told {
			found[f.Key] = f
		}
	}
	return found
}

// stand compares a key that is absent on one side with what that means. Where it means now the
// one and now the other, the worst counts.
func (c *comparer) stand(f *config.Field, a, b *model.Effect) {
	as, bs := c.meanings(f, a, 0), c.meanings(f, b, 1)
	before := len(c.changes)
	var worst []Change
	for _, x := range as {
		for _, y := range bs {
			c.value(x, y, f)
			found := slices.Clone(c.changes[before:])
			c.changes = c.changes[:before]
			if len(worst) == 0 || len(found) > 0 && slices.Index(Verdicts(), found[0].Verdict) < slices.Index(Verdicts(), worst[0].Verdict) {
				worst = found
			}
		}
	}
	c.changes = append(c.changes, worst...)
}

// meanings returns what a key of an object of a side may mean.
func (c *comparer) meanings(f *config.Field, e *model.Effect, side int) []*model.Effect {
	wrap := func(v any) *model.Effect {
		return model.Standing(f.Spec, reflect.ValueOf(v).Convert(f.Spec.Type))
	}
	meaning := config.StandsFor(e.Go, f.Key)
	for i := len(c.around) - 2; meaning == (config.Above{}) && i >= 0; i-- {
		outer := c.around[i][side]
		if outer == nil {
			continue
		}
		for _, m := range append(slices.Clone(outer.Members), optionsIn(outer)...) {
			if m.Key == f.Key {
				return []*model.Effect{m.Value}
			}
		}
		if v := config.StandsFor(outer.Go, f.Key); v != nil {
			meaning = v
		}
	}
	switch v := meaning.(type) {
	case nil:
		written := *model.Standing(f.Spec, reflect.Indirect(f.In(e.Go)))
		written.Node = e.Node.GetFold(f.Key)
		for _, m := range e.Members {
			if m.Key == f.Key {
				written = *m.Value
			}
		}
		return []*model.Effect{&written}
	case config.Above:
		return []*model.Effect{nil}
	case []config.Size:
		all := make([]*model.Effect, len(v))
		for i := range v {
			all[i] = wrap(v[i])
		}
		return all
	}
	return []*model.Effect{wrap(meaning)}
}

// optionsIn returns the options of the namespaces of an object.
func optionsIn(e *model.Effect) (all []model.EffectMember) {
	for _, m := range e.Members {
		if m.Key == "extra_config" {
			for _, namespace := range m.Value.Members {
				all = append(all, namespace.Value.Members...)
			}
		}
	}
	return all
}

// key returns the key of a member, of a namespace the name that it has today.
func (c *comparer) key(m *model.EffectMember) string {
	if m.Field == nil {
		if d := c.Registry.Find(component.Scope(c.scope), m.Key); d != nil && c.isExtra() {
			return d.Namespace
		}
	}
	return m.Key
}

// isExtra reports whether the object that is compared is one of namespaces.
func (c *comparer) isExtra() bool {
	return len(c.path) > 0 && c.path[len(c.path)-1] == "extra_config"
}

func (c *comparer) member(key string, a, b *model.EffectMember) {
	var va, vb *model.Effect
	var f *config.Field
	if a != nil {
		va, f = a.Value, a.Field
	}
	if b != nil {
		vb, f = b.Value, b.Field
	}
	if c.subject != "service" && f != nil && !here(va) && !here(vb) {
		if !isObject(cmp.Or(va, vb)) && text(va) != text(vb) {
			c.inherited[key]++ // told where it is written
			return
		}
	}
	if one := cmp.Or(va, vb); (va == nil || vb == nil) && f != nil && one.Node == nil && f.Spec.Shape != config.ObjectShape {
		holder, other := c.holder(0), c.holder(1)
		if va == nil {
			holder, other = other, holder
		}
		if d := config.DefaultsOf(holder.Spec); other == nil && f.In(d).CanInterface() && reflect.DeepEqual(reflect.Indirect(f.In(d)).Interface(), one.Go.Interface()) {
			return // nobody wrote it
		}
	}
	c.within(step(key), func() {
		if c.inExtra() {
			c.namespace(key, va, vb)
			return
		}
		c.value(va, vb, f)
	})
}

// here reports whether a value was written in the object that has it.
func here(e *model.Effect) bool { return e != nil && e.Node.Written() && !e.Foreign }

// namespace compares the options of a namespace, be one of them absent.
func (c *comparer) namespace(name string, a, b *model.Effect) {
	guard := component.Nothing
	if d := c.Registry.Find(component.Scope(c.scope), name); d != nil {
		guard = d.Guards
	}
	if a != nil && b != nil {
		outer := c.guarding
		c.guarding = guard
		c.value(a, b, nil)
		c.guarding = outer
		return
	}
	v, why := guarded(guard, b != nil)
	if one := cmp.Or(a, b); one.Spec.Shape == config.ObjectShape && (guard == component.Nothing || opens(one.Spec)) {
		v, why = c.judgeOptions(a, b)
	}
	c.report(v, why, a, b)
}

// judgeOptions judges a namespace that has come or gone by what its options say, against what
// holds without them: their defaults, or what the method Without of their type returns.
func (c *comparer) judgeOptions(a, b *model.Effect) (Verdict, string) {
	spec := cmp.Or(a, b).Spec
	none := config.DefaultsOf(spec)
	if o, ok := none.Interface().(interface{ Without() any }); ok {
		none = reflect.ValueOf(o.Without())
	}
	without := model.Standing(spec, none)
	changes := c.aside(func() { c.value(cmp.Or(a, without), cmp.Or(b, without), nil) })
	for _, v := range []Verdict{Weakened, Strengthened} {
		if paths := pathsOf(changes, v, c.where()); paths != "" {
			return v, paths
		}
	}
	return Changed, ""
}

// aside returns the changes that comparing something finds, and notes none.
func (c *comparer) aside(compare func()) []Change {
	changes, inherited := c.changes, maps.Clone(c.inherited)
	c.changes = nil
	compare()
	found := c.changes
	c.changes, c.inherited = changes, inherited
	return found
}

// pathsOf lists the paths within another of changes with a verdict.
func pathsOf(changes []Change, v Verdict, within string) string {
	var paths []string
	for _, change := range changes {
		if change.Verdict == v {
			paths = append(paths, strings.TrimPrefix(strings.TrimPrefix(change.Path, within), "."))
		}
	}
	const most = 4
	if len(paths) > most {
		paths = append(paths[:most], fmt.Sprintf("%d more", len(paths)-most))
	}
	return strings.Join(paths, ", ")
}

// guarded judges that a namespace has come or gone.
func guarded(guard component.Guard, added bool) (Verdict, string) {
	what := ""
	switch guard {
	case component.Access:
		what = "it says who may ask"
	case component.Passage:
		what = "it stands in the way of somebody"
	default:
		return Changed, ""
	}
	if added {
		return Strengthened, what
	}
	return Weakened, what
}

// opens reports whether options list what they let through, so that their namespace opens
// what is closed without it.
func opens(s *config.Spec) bool {
	return slices.ContainsFunc(s.Fields, func(f config.Field) bool { return f.Strict == config.Fewer && f.Guards == config.GuardsOption })
}

// unknown compares what was written and means nothing that anybody knows.
func (c *comparer) unknown(a, b *model.Effect) {
	members := func(e *model.Effect) map[string]*config.Node {
		all := make(map[string]*config.Node)
		if e != nil {
			for _, m := range e.Unknown {
				all[m.Key] = m.Value
			}
		}
		return all
	}
	before, after := members(a), members(b)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		x, y := raw(before[key]), raw(after[key])
		if x != nil && y != nil && text(x) == text(y) {
			continue
		}
		c.within(step(key), func() {
			v, why := Changed, "nobody knows what it does"
			if c.inExtra() && c.Missing != nil && (x == nil || y == nil) {
				if absent := c.Missing(component.Scope(c.scope), key); absent != nil {
					v, why = guarded(absent.Guard, y != nil)
				}
			}
			c.report(v, why, x, y)
			if change := &c.changes[len(c.changes)-1]; slices.Contains(c.path, "extra_config") {
				change.Before, change.After = veiled(x), veiled(y)
				if x != nil && y != nil && change.Before == change.After {
					change.Why += "; what is hidden"
				}
			}
		})
	}
}

// inExtra reports whether the value that is compared is all the options of a namespace.
func (c *comparer) inExtra() bool {
	return len(c.path) > 1 && c.path[len(c.path)-2] == "extra_config"
}

// list compares lists of objects, and of anything: those of endpoints and the like by what
// people call them, others by what they are.
func (c *comparer) list(a, b *model.Effect) {
	as, bs := items(a), items(b)
	names := func(list []*model.Effect) []string {
		all, count := make([]string, len(list)), make(map[string]int)
		for i, e := range list {
			name := variable.ReplaceAllString(nameOf(e), "{}")
			if name == "" {
				name = text(expanded(e))
			}
			if count[name]++; count[name] > 1 {
				name += " #" + strconv.Itoa(count[name])
			}
			all[i] = name
		}
		return all
	}
	an, bn := names(as), names(bs)
	where := make(map[string]int, len(an))
	for i, name := range an {
		where[name] = i
	}
	partner := make([]int, len(bs)) // of b in a, -1 for none
	alike := func(*model.Effect) *model.Effect { return nil }
	taken := make([]bool, len(as))
	for j, name := range bn {
		partner[j] = -1
		if i, found := where[name]; found {
			partner[j], taken[i] = i, true
		}
	}
	var left []int
	for i := range as {
		if !taken[i] {
			left = append(left, i)
		}
	}
	spec := cmp.Or(a, b).Spec.Item
	subjects := spec != nil && (spec.Scope == "endpoint" || spec.Scope == "async_agent") && c.subject == "service"
	if !subjects { // something may have become something else
		for j := range bs {
			if partner[j] < 0 && len(left) > 0 {
				partner[j], left = left[0], left[1:]
				taken[partner[j]] = true
			}
		}
	}
	if subjects {
		free := make(map[string]*model.Effect)
		for _, i := range left {
			for _, key := range likenesses(as[i]) {
				free[key] = cmp.Or(free[key], as[i])
			}
		}
		alike = func(e *model.Effect) *model.Effect {
			for _, key := range likenesses(e) {
				if free[key] != nil {
					return free[key]
				}
			}
			return nil
		}
	}
	done := 0 // of as
	gone := func(until int) {
		for ; done < until; done++ {
			if !taken[done] {
				c.item(as[done], nil, nil, done, subjects)
			}
		}
	}
	for j, e := range bs {
		if i := partner[j]; i >= 0 {
			if subjects {
				gone(i)
			}
			c.item(as[i], e, nil, j, subjects)
		} else {
			c.item(nil, e, alike(e), j, subjects)
		}
	}
	gone(len(as))
	if !subjects && !slices.IsSorted(slices.DeleteFunc(partner, func(i int) bool { return i < 0 })) {
		c.report(Changed, "in another order", a, b)
		if change := &c.changes[len(c.changes)-1]; nameOf(bs[0]) != "" {
			change.Before, change.After = called(as), called(bs)
		}
	}
}

// called returns the names of objects.
func called(list []*model.Effect) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = nameOf(e)
	}
	return strings.Join(names, ", ")
}

// variable finds the variables of a path, whose names are no part of what clients ask for.
var variable = regexp.MustCompile(`\{[^{}]*\}`)

// item compares an item of a list, be one of them absent. One that is new may come in the
// place of one that is gone.
func (c *comparer) item(a, b, instead *model.Effect, index int, subject bool) {
	one := cmp.Or(b, a)
	name := nameOf(one)
	inNamespace := c.inExtra()
	compare := func() {
		if a != nil && b != nil {
			c.value(a, b, nil)
			return
		}
		v, why := Changed, ""
		if subject && a == nil && c.guarded && !c.access(b, component.InEndpoint) {
			why = "nothing says who may ask"
		}
		if c.guarding > component.Nothing && inNamespace {
			v, why = guarded(c.guarding, b != nil)
		}
		if o, ok := one.Go.Interface().(interface{ Removes() bool }); ok && o.Removes() {
			v, _ = guarded(component.Passage, b != nil)
			why = "it removes something"
		}
		if instead != nil {
			lost := c.aside(func() { c.value(instead, b, nil) })
			if paths := pathsOf(lost, Weakened, ""); paths != "" {
				v, why = Weakened, fmt.Sprintf("weaker than %s, which is gone from %v: %s", nameOf(instead), instead.Node.Pos, paths)
			}
		}
		c.report(v, why, a, b)
	}
	if !subject {
		step := "[" + strconv.Itoa(index) + "]"
		if name != "" {
			step = "[" + name + "]"
		}
		last := len(c.path) - 1
		was := c.path[last]
		c.path[last] += step
		compare()
		c.path[last] = was
		return
	}
	if one.Spec.Scope == "async_agent" {
		name = "agent " + name
	}
	was := c.subject
	path := c.path
	c.subject, c.path = name, nil
	compare()
	c.subject, c.path = was, path
}

// access reports whether something in the extra_config of an object says who may ask.
func (c *comparer) access(e *model.Effect, scope component.Scope) bool {
	for _, m := range e.Members {
		if m.Key != "extra_config" {
			continue
		}
		for _, m := range m.Value.Members {
			if d := c.Registry.Find(scope, m.Key); d != nil && d.Guards == component.Access {
				return true
			}
		}
		for _, m := range m.Value.Unknown {
			if c.Missing == nil {
				continue
			}
			if absent := c.Missing(scope, m.Key); absent != nil && absent.Guard == component.Access {
				return true
			}
		}
	}
	return false
}

// someAccess reports whether there are endpoints for which something says who may ask, unless
// that stands at the service.
func (c *comparer) someAccess(root *model.Effect) bool {
	if c.access(root, component.InService) {
		return false
	}
	return slices.ContainsFunc(root.Members, func(m model.EffectMember) bool {
		return m.Key == "endpoints" && slices.ContainsFunc(m.Value.Items, func(e *model.Effect) bool { return c.access(e, component.InEndpoint) })
	})
}

// likenesses returns the keys under which an endpoint is found by another that may come in its
// place, the surest first: of the same path, with the same backends, or with a path that
// differs in a segment.
func likenesses(e *model.Effect) []string {
	o, ok := e.Go.Addr().Interface().(*model.Endpoint)
	if !ok {
		return nil
	}
	path := strings.ToLower(strings.Trim(variable.ReplaceAllString(o.Endpoint, "{}"), "/"))
	keys := []string{"path " + path}
	var calls []string
	for _, b := range o.Backend {
		calls = append(calls, fmt.Sprint(b.Host, variable.ReplaceAllString(b.URLPattern, "{}")))
	}
	if slices.Sort(calls); len(calls) > 0 {
		keys = append(keys, "calls "+strings.Join(calls, " "))
	}
	if segments := strings.Split(path, "/"); len(segments) > 1 && len(segments) < 20 {
		for i := len(segments) - 1; i >= 0; i-- {
			but := slices.Clone(segments)
			but[i] = "?"
			keys = append(keys, "path "+strings.Join(but, "/"))
		}
	}
	return keys
}

// texts compares lists of scalars that are not the same.
func (c *comparer) texts(a, b *model.Effect, f *config.Field) {
	added, removed := missing(b, a, f), missing(a, b, f)
	if len(added) == 0 && len(removed) == 0 && a != nil && b != nil {
		if f == nil || f.Strict == "" && f.Key != "host" {
			c.report(Changed, "in another order", a, b)
		}
		return
	}
	v, why := judgeList(f, a, b, added, removed)
	if a != nil && b != nil && a.Node != nil && b.Node != nil {
		var words []string
		for _, w := range added {
			words = append(words, "+"+w)
		}
		for _, w := range removed {
			words = append(words, "-"+w)
		}
		why = strings.TrimSuffix(strings.Join(words, " ")+"; "+why, "; ")
	}
	c.report(v, why, a, b)
}

// missing returns the entries of a list, as people may see them, that another lacks.
func missing(in, other *model.Effect, f *config.Field) []string {
	entry := text
	if f != nil && f.Key == "input_headers" { // in which letter case does not count
		entry = func(e *model.Effect) string { return strings.ToLower(text(e)) }
	}
	count := make(map[string]int)
	for _, item := range items(other) {
		count[entry(item)]++
	}
	var list []string
	for _, item := range items(in) {
		if count[entry(item)]--; count[entry(item)] < 0 {
			list = append(list, shown(item))
		}
	}
	return list
}

func items(e *model.Effect) []*model.Effect {
	if e == nil {
		return nil
	}
	return e.Items
}

// nameOf returns what people call an object, and find it by in another file; "" for what has
// no name.
func nameOf(e *model.Effect) string {
	if e.Go.Kind() != reflect.Struct || !e.Go.CanAddr() {
		return ""
	}
	written := func(key, decoded string) string {
		n := e.Node.GetFold(key)
		if refers(n) {
			return n.Shown(decoded)
		}
		return decoded
	}
	switch o := e.Go.Addr().Interface().(type) {
	case *model.Endpoint:
		return written("method", string(o.Method)) + " " + written("endpoint", o.Endpoint)
	case *model.Backend:
		return written("method", o.Method) + " " + written("url_pattern", o.URLPattern)
	case *model.Agent:
		return written("name", o.Name)
	}
	return ""
}

// step writes a key as a step of a path.
func step(key string) string {
	if strings.ContainsAny(key, "./[] ") {
		return "[" + strconv.Quote(key) + "]"
	}
	return key
}

func isObject(e *model.Effect) bool {
	if e == nil {
		return false
	}
	switch e.Spec.Shape {
	case config.ObjectShape, config.MapShape:
		return true
	case config.AnyShape, config.CustomShape:
		return e.Node != nil && e.Node.Kind == config.Object
	}
	return false
}

func isList(e *model.Effect) bool {
	if e == nil {
		return false
	}
	switch e.Spec.Shape {
	case config.ListShape:
		return true
	case config.AnyShape, config.CustomShape:
		return e.Node != nil && e.Node.Kind == config.Array
	}
	return false
}

// scalars reports whether the items of a list are neither lists nor objects.
func scalars(e *model.Effect) bool {
	return e == nil || !slices.ContainsFunc(e.Items, func(item *model.Effect) bool {
		item = expanded(item)
		return isObject(item) || isList(item)
	})
}

// anySpec is what is known of a value that is kept as it was written.
var anySpec = config.SpecOf(reflect.TypeFor[config.Node]())

// raw returns a value as it was written, nil for none.
func raw(n *config.Node) *model.Effect {
	if n == nil {
		return nil
	}
	return &model.Effect{Spec: anySpec, Go: reflect.ValueOf(n), Node: n}
}

// expanded returns a value with its members and items, where it is kept as it was written.
func expanded(e *model.Effect) *model.Effect {
	if e == nil || e.Spec.Shape != config.AnyShape && e.Spec.Shape != config.CustomShape || !e.Node.Written() || e.Members != nil || e.Items != nil {
		return e
	}
	with := *e
	for _, item := range e.Node.Items {
		with.Items = append(with.Items, raw(item))
	}
	for _, m := range e.Node.Members {
		with.Members = append(with.Members, model.EffectMember{Key: m.Key, Value: raw(m.Value)})
	}
	return &with
}

// same reports whether two values mean the same that are neither lists nor objects.
func same(a, b *model.Effect) bool {
	if text(a) == text(b) {
		return true
	}
	return a.Spec.Shape == config.CustomShape && a.Spec == b.Spec && !refers(a.Node) && !refers(b.Node) &&
		reflect.DeepEqual(a.Go.Interface(), b.Go.Interface())
}

// text returns a text that is the same for values that are the same, secrets in clear: it is
// for comparing alone.
func text(e *model.Effect) string { return string(appendText(nil, e)) }

func appendText(dst []byte, e *model.Effect) []byte {
	if e == nil {
		return dst
	}
	e = expanded(e)
	if source, found := e.Node.Source(); found {
		return strconv.AppendQuote(append(dst, '$'), source)
	}
	switch {
	case isObject(e):
		members := slices.Clone(e.Members)
		slices.SortFunc(members, func(a, b model.EffectMember) int { return strings.Compare(a.Key, b.Key) })
		for _, m := range e.Unknown {
			members = append(members, model.EffectMember{Key: m.Key, Value: raw(m.Value)})
		}
		dst = append(dst, '{')
		for _, m := range members {
			if m.Nothing && !refers(m.Value.Node) {
				continue
			}
			dst = append(strconv.AppendQuote(dst, m.Key), ':')
			dst = append(appendText(dst, m.Value), ',')
		}
		return append(dst, '}')
	case isList(e):
		dst = append(dst, '[')
		for _, item := range e.Items {
			dst = append(appendText(dst, item), ',')
		}
		return append(dst, ']')
	case e.Spec.Shape == config.AnyShape || e.Spec.Shape == config.CustomShape:
		if e.Node.Written() {
			return append(dst, e.Node.JSON()...)
		}
	}
	plain, err := json.Marshal(e.Go.Interface())
	if err != nil {
		return fmt.Appendf(dst, "%v", e.Go.Interface())
	}
	return append(dst, plain...)
}

// longest is how much of a value is shown.
const longest = 120

// shown returns a value as people may see it, "" for none: a text without its quotes, of
// what is long the beginning.
func shown(e *model.Effect) string {
	if e == nil {
		return ""
	}
	masked := written(e).MaskedJSON()
	if size, ok := e.Go.Interface().(config.Size); ok && !refers(e.Node) {
		masked = []byte(sized(size))
	}
	var plain string
	if bytes.HasPrefix(masked, []byte(`"`)) && json.Unmarshal(masked, &plain) == nil && plain != "" && !strings.ContainsAny(plain, "\n\t") {
		masked = []byte(plain)
	}
	return cut(string(masked))
}

// written returns a value without the members that nobody wrote.
func written(e *model.Effect) *model.Effect {
	if !e.Node.Written() || e.Spec.Shape == config.AnyShape || e.Spec.Shape == config.CustomShape {
		return e
	}
	with := *e
	with.Members, with.Items = nil, nil
	for _, m := range e.Members {
		if m.Value.Node.Written() && !m.Value.Foreign {
			m.Value = written(m.Value)
			with.Members = append(with.Members, m)
		}
	}
	for _, item := range e.Items {
		with.Items = append(with.Items, written(item))
	}
	return &with
}

// sized writes a size as people do.
func sized(size config.Size) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if in := config.Size(1) << (30 - 10*i); size > 0 && size%in == 0 {
			return strconv.FormatInt(int64(size/in), 10) + unit
		}
	}
	return strconv.FormatInt(int64(size), 10)
}

// veiled returns what was written of which nobody knows what is a secret: the keys, and of
// the values nothing.
func veiled(e *model.Effect) string {
	if e == nil {
		return ""
	}
	var veil func(v any) any
	veil = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key := range v {
				v[key] = veil(v[key])
			}
			return v
		case []any:
			for i := range v {
				v[i] = veil(v[i])
			}
			return v
		}
		return "***"
	}
	var v any
	if json.Unmarshal(e.Node.JSON(), &v) != nil {
		return "***"
	}
	if text, ok := veil(v).(string); ok {
		return text
	}
	all, _ := json.Marshal(v)
	return cut(string(all))
}

// cut returns the beginning of what is long.
func cut(text string) string {
	if all := []rune(text); len(all) > longest {
		return string(all[:longest]) + "..."
	}
	return text
}
