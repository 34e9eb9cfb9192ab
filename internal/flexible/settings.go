package flexible

import (
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"github.com/sluice-gateway/sluice/internal/config"
)

// known has the values of the settings by their addresses.
type known map[unsafe.Pointer]*config.Node

// value returns a value as templates get it, which is as encoding/json reads it: numbers are
// float64.
func (k known) value(n *config.Node) (any, *config.Problem) {
	var v any
	switch n.Kind {
	case config.Object:
		m := make(map[string]any, len(n.Members))
		for _, member := range n.Members {
			inner, problem := k.value(member.Value)
			if problem != nil {
				return nil, problem
			}
			m[member.Key] = inner
		}
		v = m
	case config.Array:
		list := make([]any, len(n.Items), max(1, len(n.Items))) // an empty one has an address, too
		for i, item := range n.Items {
			inner, problem := k.value(item)
			if problem != nil {
				return nil, problem
			}
			list[i] = inner
		}
		v = list
	case config.String:
		v = strings.Clone(n.Text)
	case config.Number:
		f, err := strconv.ParseFloat(n.Text, 64)
		if err == nil && !exact(n.Text, f) {
			err = errors.New("a template cannot hold the number without loss; write it as a text")
		}
		if err != nil {
			return nil, n.Problem(config.Error, config.CodeOutOfRange, err)
		}
		return f, nil
	case config.Bool:
		return n.Text == "true", nil
	default:
		return nil, nil
	}
	if p := identity(v); p != nil {
		k[p] = n
	}
	return v, nil
}

// exact reports whether a number is what it was written as: integers lose digits above 2^53.
func exact(text string, f float64) bool {
	return strings.ContainsAny(text, ".eE") || text == "-0" || strconv.FormatFloat(f, 'f', -1, 64) == text
}
