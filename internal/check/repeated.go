package check

import (
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// repeated says why a key that occurs twice must not go unnoticed; nil for one that
// protects nothing.
func (g *guard) repeated(r *config.Repeated) error {
	if r.Merged {
		return g.hidden(r)
	}
	if !g.grave(r) {
		return nil
	}
	return fmt.Errorf("the key %q occurs twice, and what stands at %s would not count; write it once, with all that both say", r.Key, r.Dropped.Pos)
}

// grave reports whether one of the two values protects, or what is around them does.
func (g *guard) grave(r *config.Repeated) bool {
	if config.IsComment(r.Key) || (config.Member{Key: r.Key, Value: r.Kept}).Comment() && (config.Member{Key: r.Key, Value: r.Dropped}).Comment() {
		return false
	}
	guarded := g.find(r.Key) >= 0 || len(g.options[config.Letters(r.Key)]) > 0
	for n := r.Kept; ; {
		owner, key := n.Owner()
		if owner == nil {
			break
		}
		if config.IsComment(key) {
			return false
		}
		switch _, above := owner.Owner(); {
		case config.Near(above, "extra_config"):
			guarded = guarded || n == r.Kept || g.protects(key)
		case g.find(above) >= 0:
			guarded = true
		}
		n = owner
	}
	_, named := g.namespace(r.Key)
	return guarded || named || g.holds(r.Kept) != "" || g.holds(r.Dropped) != ""
}

// hidden says that a member takes a protection of a merged object away; nil if it does
// not. Whoever writes a policy anew means that; whoever writes others beside it may take
// << for an addition to all that there is.
func (g *guard) hidden(r *config.Repeated) error {
	if config.IsComment(r.Key) {
		return nil
	}
	lost := ""
	if r.Dropped.Kind == config.Object {
		lost = g.lost(r.Dropped, r.Kept)
	} else if g.isFilter(config.Member{Key: r.Key, Value: r.Dropped}) {
		lost = r.Key
	}
	if lost == "" {
		return nil
	}
	return fmt.Errorf("the key %q hides all that the merged object has there, at %s, and %s would not count; write it here as well, or << with the object that has it", r.Key, r.Dropped.Pos, lost)
}

// lost returns what protects in an object of which another one has taken the place, and
// is not there; "" for nothing.
func (g *guard) lost(dropped, kept *config.Node) string {
	for _, m := range dropped.Members {
		if m.Comment() || m.Value.Kind == config.Null {
			continue
		}
		var own *config.Node
		for _, k := range kept.Members {
			if config.SameName(k.Key, m.Key) {
				own = k.Value
			}
		}
		if own != nil && own.Kind != config.Null {
			if own.Kind == config.Object && m.Value.Kind == config.Object {
				if found := g.lost(m.Value, own); found != "" {
					return found
				}
			}
			continue
		}
		if _, named := g.namespaces[config.Letters(m.Key)]; named && g.letsPass(m.Key) && (strings.Contains(m.Key, "/") || g.holds(m.Value) != "") {
			return m.Key
		}
		if m.Value.Kind != config.Object && g.find(m.Key) >= 0 || g.isFilter(m) || g.isOption(m.Key) {
			return m.Key
		}
		if m.Value.Kind == config.Object {
			if found := g.lost(m.Value, new(config.Node)); found != "" {
				return found
			}
		}
	}
	return ""
}
