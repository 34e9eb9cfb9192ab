package diff

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// judge says which of two values of a field is stricter, nil for one that is absent, and why
// where the values do not tell.
func judge(f *config.Field, a, b *model.Effect) (Verdict, string) {
	if f == nil || f.Strict == "" {
		return judgeAddress(a, b)
	}
	if f.Strict == config.Gone {
		none := func(e *model.Effect) bool { return e == nil || e.Go.IsZero() }
		switch {
		case none(a) && !none(b):
			return Weakened, ""
		case none(b) && !none(a):
			return Strengthened, ""
		}
		return Changed, ""
	}
	if f.Strict == config.There {
		switch {
		case a == nil:
			return Strengthened, ""
		case b == nil:
			return Weakened, ""
		}
		return Changed, ""
	}
	if a != nil && refers(a.Node) || b != nil && refers(b.Node) {
		return Changed, "" // by a value that nobody has looked up
	}
	x, okA := number(f, a)
	y, okB := number(f, b)
	if !okA || !okB {
		return Changed, ""
	}
	order := cmp.Compare(x, y) // positive: b is lower
	switch f.Strict {
	case config.Limit:
		switch {
		case x == 0 && y == 0:
			return Changed, "" // without a limit of its own in either
		case x == 0:
			return Strengthened, "there was no limit"
		case y == 0:
			return Weakened, "there is no limit"
		}
	case config.Lower:
		switch {
		case x < 0 && y >= 0:
			return Strengthened, "there was no bound"
		case y < 0 && x >= 0:
			return Weakened, "there is no bound"
		}
	case config.Higher, config.On:
		order = -order
	}
	switch {
	case order > 0:
		return Strengthened, ""
	case order < 0:
		return Weakened, ""
	}
	return Changed, ""
}

// number returns a value as a number: of a truth 0 or 1, of a text its place in the
// enumeration. What is absent is nothing.
func number(f *config.Field, e *model.Effect) (float64, bool) {
	if e == nil {
		return 0, f.Spec.Shape != config.TextShape
	}
	switch v := e.Go; v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return 1, true
		}
		return 0, true
	case reflect.String:
		i := slices.Index(f.Spec.Enum, v.String())
		return float64(i), i >= 0
	case reflect.Float32, reflect.Float64:
		return v.Float(), true
	default:
		switch {
		case v.CanInt():
			return float64(v.Int()), true
		case v.CanUint():
			return float64(v.Uint()), true
		}
	}
	return 0, false
}

// closed are the schemes of addresses that are asked over TLS.
var closed = []string{"https", "wss", "amqps", "rediss", "tls"}

// clear reports whether an address is asked in clear, if it says so.
func clear(e *model.Effect) (is, says bool) {
	if e == nil || e.Go.Kind() != reflect.String {
		return false, false
	}
	scheme, _, found := strings.Cut(strings.ToLower(e.Go.String()), "://")
	return !slices.Contains(closed, scheme), found && !strings.Contains(scheme, "$")
}

// judgeAddress says of two addresses whether TLS has come or gone.
func judgeAddress(a, b *model.Effect) (Verdict, string) {
	x, sayA := clear(a)
	y, sayB := clear(b)
	switch {
	case !sayA || !sayB || x == y:
		return Changed, ""
	case y:
		return Weakened, "without TLS"
	}
	return Strengthened, "with TLS"
}

// judgeHosts says of two lists of hosts whether some are asked in clear in one of them alone.
func judgeHosts(a, b *model.Effect) (Verdict, string) {
	some := func(e *model.Effect, inClear bool) bool {
		return slices.ContainsFunc(items(e), func(item *model.Effect) bool { is, says := clear(item); return says && is == inClear })
	}
	switch {
	case some(a, false) && !some(a, true) && some(b, true):
		return Weakened, "without TLS"
	case some(b, false) && !some(b, true) && some(a, true):
		return Strengthened, "with TLS"
	}
	return Changed, ""
}

// covers reports whether an entry of a list stands for another, too: * for all, a * in it for
// anything, a network for those within it, a path for what is below.
func covers(key string, wide, narrow *model.Effect) bool {
	if wide.Go.Kind() != reflect.String || narrow.Go.Kind() != reflect.String {
		return text(wide) == text(narrow)
	}
	x, y := wide.Go.String(), narrow.Go.String()
	if key == "input_headers" || key == "remote_ip_headers" || key == "allow_origins" {
		x, y = strings.ToLower(x), strings.ToLower(y)
	}
	if x == y || y == "" || x == "*" {
		return true
	}
	if key == "allow" || key == "deny" {
		return strings.HasPrefix(y, x+".")
	}
	if p, ok := network(x); ok {
		q, ok := network(y)
		return ok && p.Bits() <= q.Bits() && p.Contains(q.Addr())
	}
	head, tail, found := strings.Cut(x, "*")
	return found && len(y) >= len(head)+len(tail) && strings.HasPrefix(y, head) && strings.HasSuffix(y, tail)
}

// network returns a network, or an address as one.
func network(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// beyond reports whether a list has an entry that no entry of another stands for.
func beyond(f *config.Field, e, other *model.Effect) bool {
	return slices.ContainsFunc(items(e), func(item *model.Effect) bool {
		return item.Go.Kind() != reflect.String && !slices.ContainsFunc(items(other), func(o *model.Effect) bool { return text(o) == text(item) }) ||
			item.Go.Kind() == reflect.String && item.Go.String() != "" && !slices.ContainsFunc(items(other), func(o *model.Effect) bool { return covers(f.Key, o, item) })
	})
}

// judgeList says which of two lists is stricter that differ by what was added and removed.
func judgeList(f *config.Field, a, b *model.Effect, added, removed []string) (Verdict, string) {
	const all = "*"
	if f == nil {
		return Changed, ""
	}
	if f.Key == "host" {
		return judgeHosts(a, b)
	}
	none := func(e *model.Effect) bool { return len(items(e)) == 0 }
	switch f.Strict {
	case config.Only:
		switch {
		case none(a):
			return Strengthened, "none restricts nothing"
		case none(b):
			return Weakened, "none restricts nothing"
		}
		fallthrough
	case config.Fewer:
		switch {
		case slices.Contains(added, all):
			return Weakened, "* is everything"
		case slices.Contains(removed, all):
			return Strengthened, "* is everything"
		case refersTo(added) || refersTo(removed):
			if len(added) > 0 && len(removed) > 0 {
				return Changed, ""
			}
		}
		switch {
		case beyond(f, b, a):
			return Weakened, ""
		case beyond(f, a, b):
			return Strengthened, ""
		}
	case config.More:
		switch {
		case beyond(f, a, b):
			return Weakened, ""
		case beyond(f, b, a):
			return Strengthened, ""
		}
	case config.There:
		switch {
		case none(a):
			return Strengthened, ""
		case none(b):
			return Weakened, ""
		}
	}
	return Changed, ""
}

// refersTo reports whether there is a reference among entries, of which nobody knows what it
// stands for.
func refersTo(entries []string) bool {
	return slices.ContainsFunc(entries, func(e string) bool { return strings.Contains(e, "${") })
}

// filters compares what allow and deny of a backend leave of an answer, where one side has the
// one and the other the other: deny counts only without allow. It reports which of the two
// are told by then.
func (c *comparer) filters(a, b *model.Effect) (deny, allow bool) {
	if a == nil || b == nil || a.Spec.Scope != "backend" {
		return false, false
	}
	of := func(e *model.Effect) (allow, deny *model.Effect) {
		for _, m := range e.Members {
			switch m.Key {
			case "allow":
				allow = m.Value
			case "deny":
				deny = m.Value
			}
		}
		return allow, deny
	}
	allowA, denyA := of(a)
	allowB, denyB := of(b)
	byAllow, was := len(items(allowB)) > 0, len(items(allowA)) > 0
	if byAllow == was {
		if was && text(denyA) != text(denyB) {
			c.within("deny", func() { c.report(Changed, "it counts only without allow", denyA, denyB) })
		}
		return was, false
	}
	if len(items(denyA)) == 0 && !was || len(items(denyB)) == 0 && was {
		return false, false
	}
	if was {
		c.within("allow", func() { c.report(Weakened, "deny counts now: "+shown(denyB), allowA, allowB) })
		return true, true
	}
	shows := slices.ContainsFunc(items(allowB), func(path *model.Effect) bool {
		return slices.ContainsFunc(items(denyA), func(hidden *model.Effect) bool { return covers("deny", path, hidden) || covers("deny", hidden, path) })
	})
	v, why := Strengthened, ""
	if shows {
		v, why = Weakened, "deny counts only without allow: "+shown(denyA)
	}
	c.within("allow", func() { c.report(v, why, allowA, allowB) })
	return true, true
}
