package config

import (
	"regexp"
	"slices"
	"strings"
)

// Hide marks what stands at keys that are secrets, see [IsSecret] and [IsAddress], so that it is masked like
// what a reference has inserted, however it is written. The document is a value of root;
// options gives the options of a namespace of a scope, nil if it is unknown. It comes
// before anything is said of the values.
func (d *Document) Hide(root *Spec, options Options) {
	var walk func(n *Node, s *Spec)
	walk = func(n *Node, s *Spec) {
		if s = s.of(n); s == nil || len(n.Items) == 0 && len(n.Members) == 0 {
			return
		}
		for _, item := range n.Items {
			walk(item, s.Item)
		}
		for _, m := range n.Members {
			if !s.Extra(m.Key) {
				switch s.secrecyAt(m.Key) {
				case IsSecret:
					d.hide(m.Value)
				case IsAddress:
					d.hideUsers(m.Value)
				}
				walk(m.Value, s.member(m.Key))
				continue
			}
			for _, inner := range m.Value.Members {
				if o := options(s.Scope, inner.Key); o != nil {
					walk(inner.Value, o)
				} else {
					d.hideUnknown(inner.Value, inner.Key)
				}
			}
		}
	}
	walk(d.Root, root)
}

// soundsHidden is a key that may be that of a secret, where no field says so.
var soundsHidden = regexp.MustCompile(`(?i)pass|pwd|secret|token|credential|signature|bearer|private|salt|dsn|authorization|cookie|key$|^(?:keys|auth|sig|pin)$`)

// namesPlace is a key that says where a secret is, or how it is called.
var namesPlace = regexp.MustCompile(`(?i)(?:ur[il]|path|file|name|header|type|ttl)$`)

// hideUnknown marks the texts in the options of a namespace that this build does not have, at
// keys that may be those of secrets. Users of an authentication have passwords, and Martian
// sets headers.
func (d *Document) hideUnknown(n *Node, namespace string) {
	namespace = strings.ToLower(namespace)
	auth, martian := strings.Contains(namespace, "auth"), strings.Contains(namespace, "martian")
	var walk func(n *Node, hidden bool)
	walk = func(n *Node, hidden bool) {
		if hidden && n.Kind == String {
			d.hide(n)
		}
		for _, item := range n.Items {
			walk(item, hidden)
		}
		for _, m := range n.Members {
			key := strings.ToLower(m.Key)
			walk(m.Value, soundsHidden.MatchString(key) && !namesPlace.MatchString(key) || auth && (key == "users" || hidden && m.Value.Kind == String && n.Get("key") == nil) ||
				martian && slices.Contains([]string{"value", "values", "body"}, key))
		}
	}
	walk(n, false)
}

// secrecyAt returns what is said of a key of an object, be it misspelt or written as it was
// called before.
func (s *Spec) secrecyAt(key string) Secrecy {
	f := s.fieldOf(key)
	if f == nil && s.Rest != nil && s.Rest.Secret == IsSecret {
		return IsSecret
	}
	hides := func(f Field) bool { return f.Secret == IsSecret || f.Secret == IsAddress }
	if !slices.ContainsFunc(s.Fields, hides) {
		return ""
	}
	if f == nil {
		if i := slices.IndexFunc(s.Fields, func(f Field) bool { return hides(f) && strings.EqualFold(f.Was, key) }); i >= 0 {
			return s.Fields[i].Secret
		}
		if near, found := Suggest(key, s.Known()); found {
			f = s.fieldOf(near)
		}
	}
	if f == nil {
		return ""
	}
	return f.Secret
}

// hideUsers marks a list of addresses in which a user stands without a scheme that would tell
// where, and what may be a password in it.
func (d *Document) hideUsers(n *Node) {
	if n.Kind != String || n.hides == byKey {
		return
	}
	for address := range strings.SplitSeq(n.Text, ",") {
		address = strings.TrimSpace(address)
		at := strings.LastIndexByte(address, '@')
		if at < 0 || schemeEnd(address) > 0 {
			continue
		}
		n.conceal()
		for user := address[:at]; user != ""; _, user, _ = strings.Cut(user, ":") {
			d.inserted = append(d.inserted, insertion{path: n.Path(), value: user, spoken: true})
		}
	}
}

// conceal marks a text as a secret; what stands beside its references is one, too.
func (n *Node) conceal() {
	if n.written != nil {
		n.written.secret = true
		return
	}
	n.hides = byKey
}

// hide marks the texts of a value, and what stands there in place of one.
func (d *Document) hide(n *Node) {
	switch n.Kind {
	case String, Number:
		if n.hides == byKey || n.Text == "" {
			return // an empty text tells nothing
		}
		n.conceal()
		d.inserted = append(d.inserted, insertion{path: n.Path(), value: n.Text, spoken: true})
	}
	for _, item := range n.Items {
		d.hide(item)
	}
	for _, m := range n.Members {
		d.hide(m.Value)
	}
}
