package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/jsonschema"
)

// maxDepth is how deep cases may follow each other.
const maxDepth = 16

// A Case is a request and what its answer should be.
type Case struct {
	Name string
	At   config.Pos // of the request
	Next []*Case    // to be run behind it

	spec   specification
	schema *jsonschema.Schema // nil for none
	secret []string           // texts that reports must not show
}

// A specification is a case as it is written.
type specification struct {
	Node *config.Node `json:"-"`

	// Name is what reports call the case, instead of the name of its file.
	Name string `json:"name"`

	// Error is that no answer is expected: the request has to fail, whatever the text says.
	Error string `json:"error"`

	// In is the request.
	In input `json:"in" check:"required"`

	// Out is what the answer should be.
	Out output `json:"out"`

	// Next are cases that are run behind this one, if it went well.
	Next []*config.Node `json:"next"`
}

type input struct {
	Node *config.Node `json:"-"`

	// URL is the whole address.
	URL string `json:"url" check:"required,url" example:"\"http://localhost:8080/products\""`

	// Method is the method of the request, GET if it is not set.
	Method string `json:"method" check:"token" example:"\"POST\""`

	// Header is a text for each field of the request. Host names another host than that of the URL.
	Header map[string]string `json:"header"`

	// Body is what is sent: a text as it is, anything else as JSON.
	Body *config.Node `json:"body"`
}

type output struct {
	Node *config.Node `json:"-"`

	// StatusCode is the status.
	StatusCode int `json:"status_code" check:"min=100,max=999" example:"200"`

	// Header is the list of the values of each field; [""] is a field that is absent.
	Header map[string][]string `json:"header"`

	// Body is a text, or a value of JSON.
	Body *config.Node `json:"body"`

	// Schema is a JSON Schema of the body, and takes its place.
	Schema *config.Node `json:"schema" check:"object"`
}

// extensions are those of the files that are specifications.
var extensions = []string{".json", ".yaml", ".yml"}

// Read returns the cases of files and folders, in their order. Environ is what ${env:NAME} may
// name. Cases with an Error among the problems must not be run.
func Read(ctx context.Context, names, environ []string) ([]*Case, []*config.Problem) {
	var cases []*Case
	var problems []*config.Problem
	known := make(map[string]*Case)
	for _, name := range names {
		files, err := filesOf(name)
		if err != nil {
			problems = append(problems, &config.Problem{At: config.Pos{File: name}, Code: config.CodeUnreadable, Err: err})
			continue
		}
		for _, file := range files {
			d, ps := config.Load(ctx, file, config.LoadOptions{Environ: environ})
			if d != nil {
				r := reader{secret: secrets(nil, d.Root)}
				c := r.read(d.Root, "", strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), 0)
				unread := ps
				for _, p := range r.problems { // what could not be read is not looked at a second time
					if !slices.ContainsFunc(unread, func(u *config.Problem) bool { return u.Path == p.Path && u.Severity == config.Error }) {
						ps = append(ps, p)
					}
				}
				if other := known[c.Name]; other != nil {
					ps = append(ps, d.Root.Problem(config.Error, config.CodeInvalid,
						fmt.Errorf("the case of %s is called %q as well; rename one of the two files, or give one a name", other.At.File, c.Name)))
				}
				known[c.Name] = c
				cases = append(cases, c)
			}
			config.Sort(ps)
			// What has no effect was meant to have one.
			problems = append(problems, config.Strict(ps, config.CodeUnknownField, config.CodeDuplicateKey)...)
		}
	}
	if len(cases) == 0 && len(problems) == 0 {
		problems = append(problems, &config.Problem{At: config.Pos{File: strings.Join(names, ", ")}, Code: config.CodeRequired,
			Err: errors.New("no specification; write one in a file that ends in .json, .yaml or .yml")})
	}
	return cases, problems
}

// filesOf returns a file, or those of a folder.
func filesOf(name string) ([]string, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file or folder; name the specifications, or the folder that they are in")
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name) // in the order of their names
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	return files, nil
}

// secrets appends the texts that stand in n and must not be shown, and the words of them, since
// a token seldom comes alone.
func secrets(dst []string, n *config.Node) []string {
	const word = 6
	if n.Secret() && n.Text != "" {
		dst = append(dst, n.Text)
		for _, w := range strings.Fields(n.Text) {
			if len(w) >= word {
				dst = append(dst, w)
			}
		}
	}
	for _, item := range n.Items {
		dst = secrets(dst, item)
	}
	for _, m := range n.Members {
		dst = secrets(dst, m.Value)
	}
	return dst
}

// A reader reads the cases of a file.
type reader struct {
	secret   []string
	problems []*config.Problem
}

func (r *reader) report(n *config.Node, severity config.Severity, code string, err error) {
	r.problems = append(r.problems, n.Problem(severity, code, err))
}

// read reads a case that stands so deep in others, and is called name unless it says something
// else. What its name begins with are the names of the others.
func (r *reader) read(n *config.Node, others, name string, depth int) *Case {
	c := &Case{At: n.Pos, secret: r.secret}
	problems := config.Decode(n, &c.spec)
	r.problems = append(r.problems, problems...)
	s := &c.spec
	c.Name = others + cmp.Or(s.Name, name)
	if config.HasErrors(problems) {
		return c
	}
	c.At = s.In.Node.Pos
	r.header(members(s.In.Node, "header"))
	switch {
	case s.Error != "":
		if s.Out.Node != nil {
			r.report(s.Out.Node, config.Error, config.CodeInvalid, errors.New("there is no answer where an error is expected; leave out away, or error"))
		}
	case s.Out.Node == nil:
		r.report(n, config.Error, config.CodeRequired, errors.New(`out is missing; write "out": {"status_code": 200}`))
	case !s.Out.Node.Get("status_code").Written():
		r.report(s.Out.Node, config.Error, config.CodeRequired, errors.New(`status_code is missing, which is always compared; write "status_code": 200`))
	}
	for _, m := range members(s.Out.Node, "header") {
		if !token.MatchString(m.Key) {
			r.report(m.Value, config.Error, config.CodeInvalid, fmt.Errorf("%q is no name of a header; write one such as Content-Type", m.Key))
		} else if len(m.Value.Items) == 0 {
			r.report(m.Value, config.Error, config.CodeInvalid, errors.New(`no value, and no list of values is empty; write [""] for a header that is absent`))
		}
	}
	if s.Out.Schema.Written() {
		var err error
		if c.schema, err = jsonschema.Compile(s.Out.Schema.Value()); err != nil {
			r.report(s.Out.Schema, config.Error, config.CodeInvalid, fmt.Errorf("no JSON Schema: %w", err))
		}
	}
	if len(s.Next) > 0 && depth == maxDepth {
		r.report(s.Next[0], config.Error, config.CodeOutOfRange, fmt.Errorf("cases follow each other %d deep at most; write further ones in a list beside each other", maxDepth))
		return c
	}
	for i, next := range s.Next {
		c.Next = append(c.Next, r.read(next, c.Name+" > ", strconv.Itoa(i+1), depth+1))
	}
	return c
}

var token = regexp.MustCompile(config.TokenPattern)

// header looks at the header of a request.
func (r *reader) header(fields []config.Member) {
	for _, m := range fields {
		switch {
		case !token.MatchString(m.Key):
			r.report(m.Value, config.Error, config.CodeInvalid, fmt.Errorf("%q is no name of a header; write one such as Accept", m.Key))
		case strings.ContainsFunc(m.Value.Text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			r.report(m.Value, config.Error, config.CodeInvalid, errors.New("a header cannot hold line ends and the like; write one line"))
		case strings.EqualFold(m.Key, "Content-Length"), strings.EqualFold(m.Key, "Transfer-Encoding"), strings.EqualFold(m.Key, "Trailer"):
			r.report(m.Value, config.Warning, config.CodeIgnored, fmt.Errorf("%s is not sent as it is written: the body frames itself; leave it out", m.Key))
		}
	}
}

// members returns those of the object at a key.
func members(n *config.Node, key string) []config.Member {
	if n = n.Get(key); n == nil {
		return nil
	}
	return n.Members
}
