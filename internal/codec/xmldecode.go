package codec

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// DecodeXML returns the document b as an object with the root element as its
// only key; the package comment has the rules. With collection the whole
// object stands under "collection".
//
// A document that is empty, cut off, not well-formed, followed by a second
// root element or text, nested too deeply, or not written in the charset that
// it names, or contentType, which is that of the message, is an error. So is one whose
// object takes more than limit bytes of memory, about, if that is not 0:
// [ErrTooLarge]. Work and memory are linear in the length of b.
func DecodeXML(b []byte, contentType string, collection bool, limit int64) (map[string]any, error) {
	text, err := markup(b, contentType)
	if err != nil {
		return nil, fmt.Errorf("xml: %w", err)
	}
	tree, err := readDocument(xml.NewDecoder(bytes.NewReader(text)), newBudget(limit))
	if err != nil {
		return nil, fmt.Errorf("xml: %w", err)
	}
	if collection {
		tree = map[string]any{collectionKey: tree}
	}
	return tree, nil
}

// An element is one whose end has not been read yet.
type element struct {
	name    string
	members map[string]any // attributes and children; nil if there are none
	text    []byte         // without white space in front
}

// readDocument reads d to its end. The stack of open elements is a slice, so
// that depth costs memory but no call stack.
func readDocument(d *xml.Decoder, left budget) (map[string]any, error) {
	var (
		root map[string]any
		open []element
	)
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errors.New("second root element")
			}
			if len(open) == maxDepth {
				return nil, fmt.Errorf("more than %d levels", maxDepth)
			}
			cost := costOfNode + costOfMember*len(t.Attr)
			if n := len(open); n > 0 && open[n-1].members == nil {
				cost += costOfObject // which its parent becomes
			}
			if len(t.Attr) > 0 {
				cost += costOfObject
			}
			if err := left.spend(cost); err != nil {
				return nil, err
			}
			open = append(open, element{name: t.Name.Local, members: attributes(t.Attr)})
		case xml.EndElement:
			e := &open[len(open)-1]
			open = open[:len(open)-1]
			if len(open) == 0 {
				root = map[string]any{e.name: e.value()}
			} else {
				open[len(open)-1].add(e.name, e.value())
			}
		case xml.CharData:
			if len(open) == 0 {
				if len(bytes.Trim(t, xmlSpace)) > 0 {
					return nil, errors.New("text outside of the root element")
				}
				continue
			}
			e := &open[len(open)-1]
			if len(e.text) == 0 {
				t = bytes.TrimLeft(t, xmlSpace)
			}
			e.text = append(e.text, t...)
		}
	}
	if root == nil {
		return nil, errors.New("no root element")
	}
	return root, nil
}

// attributes returns attrs as members, nil if there are none.
func attributes(attrs []xml.Attr) map[string]any {
	if len(attrs) == 0 {
		return nil
	}
	members := make(map[string]any, len(attrs))
	for _, a := range attrs {
		if a.Name.Space != "" {
			members["-"+a.Name.Local] = a.Value
		}
	}
	for _, a := range attrs {
		if a.Name.Space == "" {
			members["-"+a.Name.Local] = a.Value
		}
	}
	return members
}

// add puts a child, which is a string or an object, among the members.
func (e *element) add(name string, v any) {
	if e.members == nil {
		e.members = make(map[string]any)
	}
	switch former := e.members[name].(type) {
	case nil:
		e.members[name] = v
	case []any:
		e.members[name] = append(former, v)
	default:
		e.members[name] = []any{former, v}
	}
}

// value returns what the finished element stands for.
func (e *element) value() any {
	text := string(bytes.TrimRight(e.text, xmlSpace))
	if e.members == nil {
		return text
	}
	if text != "" {
		e.members["#text"] = text
	}
	return e.members
}
