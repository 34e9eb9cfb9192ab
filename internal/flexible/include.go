package flexible

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// mostIncluded is how many blocks may be included.
const mostIncluded = 10_000

// An includer replaces objects of the form {"$ref": "file"} by what the file holds.
type includer struct {
	key      string // $ref
	render   func(context.Context, File) (*Rendering, []*config.Problem)
	read     func(name string) ([]byte, error)
	open     []string // what is being included, the outermost first
	included int
}

// include replaces the references in a value of a document whose file is in a folder. The
// paths of the problems are relative to the document.
func (i *includer) include(ctx context.Context, d *config.Document, n *config.Node, folder string) (problems []*config.Problem) {
	if ref := n.Get(i.key); ref != nil && ref.Kind == config.String && names(ref.Text) {
		if k := slices.IndexFunc(n.Members, func(m config.Member) bool { return m.Key != i.key && !m.Comment() }); k >= 0 {
			other := n.Members[k]
			p := n.Problem(config.Error, config.CodeTemplate, fmt.Errorf("%q stands beside %s, which replaces the whole object; write it into the file that is named", other.Key, i.key))
			p.At = other.KeyPos
			return []*config.Problem{p}
		}
		return i.replace(ctx, d, n, ref, folder)
	}
	for _, item := range n.Items {
		problems = append(problems, i.include(ctx, d, item, folder)...)
	}
	for _, m := range n.Members {
		problems = append(problems, i.include(ctx, d, m.Value, folder)...)
	}
	return problems
}

// names reports whether a reference names a file. Those within a document, and to other
// machines, are of schemas of JSON.
func names(ref string) bool {
	return ref != "" && ref[0] != '#' && !strings.Contains(ref, "://")
}

// replace puts what a reference names in place of n.
func (i *includer) replace(ctx context.Context, d *config.Document, n, ref *config.Node, folder string) []*config.Problem {
	fail := func(err error) []*config.Problem {
		p := ref.Problem(config.Error, config.CodeTemplate, err)
		return []*config.Problem{p}
	}
	name, pointer, _ := strings.Cut(ref.Text, "#")
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	own := name + "#" + pointer
	if slices.Contains(i.open, own) {
		return fail(fmt.Errorf("%s includes itself: %s; remove one of the references", name, strings.Join(append(i.open, own), ", ")))
	}
	if i.included++; i.included > mostIncluded {
		return fail(fmt.Errorf("more than %d blocks are included; include larger ones", mostIncluded))
	}
	data, err := i.read(name)
	if err != nil {
		return fail(fmt.Errorf("the file %s cannot be read: %w; names begin in the folder of the file that holds %s", name, cause(err), i.key))
	}
	rendering, problems := i.render(ctx, File{name, data})
	if rendering == nil {
		return problems
	}
	inner, more := rendering.Parse(extension(name))
	problems = append(problems, more...)
	if inner == nil {
		return problems
	}
	value, err := point(inner.Root, pointer)
	if err != nil {
		return fail(err)
	}
	i.open = append(i.open, own)
	problems = append(problems, i.include(ctx, inner, value, filepath.Dir(name))...)
	i.open = i.open[:len(i.open)-1]
	d.Adopt(n, inner, value)
	n.Under(problems)
	return problems
}

// point returns the value that a pointer leads to.
//
// Source: RFC 6901, section 6.
func point(n *config.Node, pointer string) (*config.Node, error) {
	pointer, err := url.PathUnescape(pointer)
	if err != nil || pointer != "" && pointer[0] != '/' {
		return nil, errors.New("what follows # is no pointer; write file.json#/key/0")
	}
	if pointer == "" {
		return n, nil
	}
	for _, step := range strings.Split(pointer[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		next := n.Get(step)
		if n.Kind == config.Array {
			if k, err := strconv.ParseUint(step, 10, 31); err == nil && int(k) < len(n.Items) {
				next = n.Items[k]
			}
		}
		if next == nil {
			var keys []string
			for _, m := range n.Members {
				keys = append(keys, m.Key)
			}
			return nil, fmt.Errorf("%q is not in the file; %s", step, near(step, keys, "write a pointer such as #/key/0"))
		}
		n = next
	}
	return n, nil
}
