package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const setPrefix = "SLUICE_SET__"

// ApplyEnv lets variables of the environment override values of the document.
// environ holds entries of the form KEY=VALUE; of equal keys the last counts.
//
//   - KRAKEND_<KEY> and SLUICE_<KEY> set the key of the root whose name is
//     <KEY> in lower case, whether or not the file has it; SLUICE_ wins. keys
//     are those of the root; what [Spec.Settable] says of them counts. Other
//     variables and empty ones are ignored, but for a word about those whose name
//     is nearly that of a key.
//   - SLUICE_SET__a__b__c=value sets a nested key. A part matches a key that
//     differs only in letter case or has other punctuation where the part has
//     underscores: qos_ratelimit_router stands for qos/ratelimit/router. A
//     number is an index of a list; the number of its items appends. Objects
//     that are missing are created, with keys as the variable spells them. A
//     value that is valid JSON is read as such, any other is a text; an empty
//     one is an error, because who sets nothing may have lost what was meant.
//
// The place of such a value is "environment:KRAKEND_PORT". References in it are
// not expanded. A root that is no object is left alone.
//
// Compatibility: KRAKEND_EXTRA_CONFIG and the like are errors. A port of the
// form tcp://... is ignored with a warning; Kubernetes sets one for a service
// that is called krakend or sluice.
func (d *Document) ApplyEnv(environ []string, keys *Spec) []*Problem {
	if d.Root == nil || d.Root.Kind != Object {
		return nil
	}
	values := make(map[string]string, len(environ))
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	var problems []*Problem
	for _, name := range overrides(values) {
		at, value := Pos{File: "environment:" + name}, values[name]
		if path, nested := strings.CutPrefix(name, setPrefix); nested {
			if value == "" {
				first, _, _ := strings.Cut(path, "__")
				problems = append(problems, &Problem{Path: strings.ToLower(first), At: at, Code: CodeInvalid,
					Err: errors.New(`the variable is empty; unset it, or write "" with the quotation marks for an empty text`)})
				continue
			}
			problems = append(problems, d.set(strings.Split(path, "__"), environmentValue(at, value), at)...)
			continue
		}
		prefix, key, _ := strings.Cut(name, "_")
		key = strings.ToLower(key)
		settable, ok := keys.Settable(key)
		ok = ok && prefix == strings.ToUpper(prefix)
		switch {
		case value == "":
		case !ok:
			if p := nearVariable(name, value, keys); p != nil {
				d.found = append(d.found, p)
				problems = append(problems, p)
			}
		case key == "port" && strings.HasPrefix(value, "tcp://"):
			problems = append(problems, &Problem{Path: key, At: at, Severity: Warning, Code: CodeIgnored,
				Err: errors.New("this looks like a service link of Kubernetes and is ignored; set enableServiceLinks: false, or write a number")})
		case !settable:
			problems = append(problems, &Problem{Path: key, At: at, Code: CodeWrongType,
				Err: fmt.Errorf("the key %q cannot be set by a variable of this name; unset it, or set keys below it by %s%s__<path>", key, setPrefix, key)})
		default:
			d.Root.setMember(key, &Node{Kind: String, Pos: at, Text: value, outside: true})
		}
	}
	return problems
}

// nearVariable reports a variable that overrides nothing and was meant to, by its
// name; nil for any other. Kubernetes sets some for services, with addresses in them.
func nearVariable(name, value string, keys *Spec) *Problem {
	prefix, rest, _ := strings.Cut(name, "_")
	prefix += "_"
	if strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") {
		return nil
	}
	mistake := func(key, meant string) *Problem {
		return &Problem{Path: key, At: Pos{File: "environment:" + name}, Severity: Warning, Code: CodeMistake,
			Err: fmt.Errorf("the variable sets nothing; did you mean %s?", meant)}
	}
	if set, path, found := strings.Cut(rest, "_"); found && strings.EqualFold(set, "set") {
		path = strings.TrimPrefix(path, "_")
		key, _, _ := strings.Cut(path, "__")
		return mistake(strings.ToLower(key), setPrefix+path)
	}
	for _, key := range keys.Known() {
		same := SameName(rest, key)
		if same || Near(rest, key) && (len(key) > 4 || sameLetters(Letters(rest), Letters(key))) || Letters(rest) == Letters(key)+"s" {
			return mistake(key, strings.ToUpper(prefix)+variableName(key))
		}
	}
	return nil
}

// overrides returns the names of variables that may override something, in the
// order in which they apply: KRAKEND_, SLUICE_, SLUICE_SET__; each by name.
func overrides(values map[string]string) []string {
	var groups [3][]string
	for name := range values {
		switch {
		case strings.HasPrefix(name, setPrefix):
			groups[2] = append(groups[2], name)
		case hasPrefixFold(name, "SLUICE_"):
			groups[1] = append(groups[1], name)
		case hasPrefixFold(name, "KRAKEND_"):
			groups[0] = append(groups[0], name)
		}
	}
	for _, g := range groups {
		slices.Sort(g)
	}
	return slices.Concat(groups[:]...)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// environmentValue reads the value of a nested override. All of it has the
// place of the variable.
func environmentValue(at Pos, text string) *Node {
	if !json.Valid([]byte(text)) {
		return &Node{Kind: String, Pos: at, Text: text, outside: true}
	}
	n, _ := parseJSON(at.File, text)
	var place func(n *Node)
	place = func(n *Node) {
		n.Pos, n.outside = at, true
		for _, item := range n.Items {
			place(item)
		}
		for i := range n.Members {
			n.Members[i].KeyPos = at
			place(n.Members[i].Value)
		}
	}
	place(n)
	return n
}

// set puts value at the end of path, relative to the root.
func (d *Document) set(path []string, value *Node, at Pos) []*Problem {
	n := d.Root
	for i, part := range path {
		last := i == len(path)-1
		fail := func(format string, args ...any) []*Problem {
			p := n.Problem(Error, CodeWrongType, fmt.Errorf(format, args...))
			p.At = at
			return []*Problem{p}
		}
		switch n.Kind {
		case Null:
			// An absent value; it becomes the object that the path goes through.
			n.Kind, n.Pos = Object, at
		case Array:
			index, err := strconv.ParseUint(part, 10, 31)
			if err != nil || int(index) > len(n.Items) {
				return fail("%q is no index of a list of %d; write a number from 0 to %d", part, len(n.Items), len(n.Items))
			}
			if int(index) == len(n.Items) {
				n.adopt(&Node{Pos: at})
			}
			n = n.Items[index]
			if last {
				p := lost(n, value)
				n.replace(value)
				return p
			}
			continue
		case Object:
		default:
			return fail("%q is no key here, because the value is %s; remove the variable", part, n.describe())
		}
		if part == "" {
			return fail("the variable has an empty part; write %sa__b", setPrefix)
		}
		key := n.matchKey(part)
		if last {
			p := lost(n.GetFold(key), value)
			n.setMember(key, value)
			return p
		}
		next := n.Get(key)
		if next == nil {
			next = &Node{Kind: Object, Pos: at}
			n.adoptMember(key, at, next)
		}
		n = next
	}
	return nil
}

// lost warns of what a value takes the place of, if that is more than one value: the
// members of objects that it does not have, and the entries of lists that it empties.
// They may be what protects.
func lost(old, value *Node) []*Problem {
	var gone []string
	var compare func(old, value *Node, path string)
	compare = func(old, value *Node, path string) {
		switch {
		case old.Kind == Object:
			for _, m := range old.Members {
				if m.Comment() || m.Value.Kind == Null {
					continue
				}
				inner := joinPath(path, m.Key)
				var now *Node
				if value.Kind == Object {
					now = value.GetFold(m.Key)
				}
				if now == nil {
					gone = append(gone, inner)
				} else {
					compare(m.Value, now, inner)
				}
			}
		case old.Kind != Array:
		case len(value.Items) == 0 && len(old.Items) > 0 && (value.Kind == Array || value.Kind == Null):
			gone = append(gone, strings.TrimSuffix("the entries of "+path, " of "))
		default:
			for i, item := range old.Items {
				switch inner := fmt.Sprintf("%s[%d]", path, i); {
				case item.Kind != Object:
				case i >= len(value.Items):
					gone = append(gone, inner)
				default:
					compare(item, value.Items[i], inner)
				}
			}
		}
	}
	if old == nil {
		return nil
	}
	compare(old, value, "")
	if len(gone) == 0 {
		return nil
	}
	const most = 8
	more := ""
	if len(gone) > most {
		gone, more = gone[:most], fmt.Sprintf(" and %d more", len(gone)-most)
	}
	p := old.Problem(Warning, CodeSuspicious, fmt.Errorf(
		"takes away what the file has here: %s%s; write what shall stay into the value as well, or set the keys below it one by one", strings.Join(gone, ", "), more))
	p.At = value.Pos
	return []*Problem{p}
}

// setMember puts value at a key of any letter case.
func (n *Node) setMember(key string, value *Node) {
	if old := n.GetFold(key); old != nil {
		n.Members[old.index].KeyPos = value.Pos
		old.replace(value)
		return
	}
	n.adoptMember(key, value.Pos, value)
}

// matchKey returns the key of n that a part of a variable's name stands for,
// and the part itself when there is none.
func (n *Node) matchKey(part string) string {
	if v := n.GetFold(part); v != nil {
		return n.Members[v.index].Key
	}
	want := variableName(part)
	for _, m := range n.Members {
		if variableName(m.Key) == want {
			return m.Key
		}
	}
	return part
}

// variableName spells a key as the name of a variable can.
func variableName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}
