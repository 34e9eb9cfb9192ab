package flexible

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unsafe"

	"github.com/sluice-gateway/sluice/internal/config"
)

const (
	largest = 64 << 20   // bytes that may be rendered
	most    = 20_000_000 // actions that may be executed
	deep    = 1_000      // templates that may call each other
)

// A piece is a run of rendered bytes of one origin. It ends where the next one begins.
type piece struct {
	start  int32
	offset int32        // in from: of its first byte
	linear bool         // byte by byte; else all of it was written by the action there
	from   *text        // template or partial
	value  *config.Node // of the settings, that the action has printed; nil if it is not known
}

// An insertion is what of a piece must not be shown.
type insertion struct {
	values  []string
	skipped bool // a file that was not read is among them
}

// A tracer writes down what templates print, and where each byte of it comes from.
//
// Package text/template writes the text of a node in one piece, which is known by the address
// of its first byte, and what an action prints in another one. In front of each action stands
// a marker: an action that calls the tracer, says which one comes, and hands over what the
// operands of that are looked up in.
type tracer struct {
	files   map[string]*text // templates by name
	texts   map[*byte]spot   // text nodes by their first byte
	actions []action
	funcs   template.FuncMap
	known   known

	undefined Undefined
	secrets

	// Of one rendering.
	ctx      context.Context
	steps    int
	depth    int
	loops    []loop
	out      []byte
	pieces   []piece
	inserted map[int]insertion
	warnings []*config.Problem
	warned   map[config.Pos]bool

	// Of the action that the last marker has announced.
	now      spot
	value    *config.Node
	number   string    // the only operand, if that is a number of the settings, as it was written
	included *text     // what include has read last
	asked    insertion // what env and file have returned
	unset    string    // the variable that env has not found
	missed   *absent   // what a function that may ask of it was handed

	// What is not there, and was not printed yet.
	variables map[string]*absent // by their names
	passing   *absent            // to the template that comes
	passed    []*absent          // to the templates that are executed, the innermost last
}

func newTracer(u Undefined) tracer {
	if u == "" {
		u = UndefinedError
	}
	k := make(known)
	return tracer{
		files: make(map[string]*text), texts: make(map[*byte]spot), known: k, undefined: u,
		secrets: secrets{texts: make(map[string]bool), holders: make(map[unsafe.Pointer]bool), known: k},
	}
}

// begin forgets the last rendering.
func (t *tracer) begin(ctx context.Context) {
	t.ctx, t.steps, t.depth, t.loops, t.out, t.pieces, t.inserted, t.warnings, t.warned = ctx, 0, 0, nil, nil, nil, make(map[int]insertion), nil, make(map[config.Pos]bool)
	t.missed, t.variables, t.passing, t.passed = nil, make(map[string]*absent), nil, nil
}

// A spot is an offset in a template.
type spot struct {
	in     *text
	offset int
}

func (s spot) at() config.Pos {
	if s.in == nil {
		return config.Pos{}
	}
	return s.in.at(s.offset)
}

// An action is what a marker announces. Those that print nothing have no operands.
type action struct {
	spot
	operands []operand
	ranges   bool     // over its only operand
	alone    bool     // it prints its only operand as it is
	declares []string // variables, instead of printing
	calls    bool     // a template, instead of printing
}

// An operand is a value that is looked up in what a marker hands over.
type operand struct {
	in    int    // the number of the argument
	root  string // the argument: the dot, or a variable
	steps []step
	text  string
	use   use
}

// A use is what becomes of a value.
type use int

const (
	printed use = iota // or made into something: it has to be there
	asked              // whether it is there
	carried            // into a variable, a template, a list: what is there asks, or prints
)

// A step is a name, or the value of another operand, as index has it.
type step struct {
	name  string
	value *operand
}

// The names of the functions that markers call.
const (
	marker  = "__mark"
	enterer = "__enter"
	leaver  = "__leave"
	taker   = "__item"
	ender   = "__done"
)

// instrument notes the texts of a template and puts markers into it.
func (t *tracer) instrument(tmpl *template.Template) error {
	if err := t.list(t.files[tmpl.ParseName], tmpl.Root); err != nil {
		return err
	}
	first, err := call(enterer, nil)
	if err != nil {
		return err
	}
	last, err := call(leaver, nil)
	if err != nil {
		return err
	}
	tmpl.Root.Nodes = slices.Concat([]parse.Node{first}, tmpl.Root.Nodes, []parse.Node{last})
	return nil
}

func (t *tracer) list(file *text, lists ...*parse.ListNode) error {
	for _, l := range lists {
		if l == nil {
			continue
		}
		nodes := make([]parse.Node, 0, 2*len(l.Nodes))
		for _, n := range l.Nodes {
			marked, err := t.node(file, n)
			if err != nil {
				return err
			}
			nodes = append(nodes, marked...)
		}
		l.Nodes = nodes
	}
	return nil
}

// node returns a node with the markers around it.
func (t *tracer) node(file *text, n parse.Node) (marked []parse.Node, err error) {
	own := action{spot: spot{file, int(n.Position())}}
	var arguments []string
	switch n := n.(type) {
	case *parse.TextNode:
		if len(n.Text) > 0 {
			t.texts[&n.Text[0]] = own.spot
		}
		return []parse.Node{n}, nil
	case *parse.ActionNode:
		own.declares = variables(n.Pipe)
		if own.declares == nil {
			arguments = t.read(&own, n.Pipe, printed)
		} else {
			arguments = t.read(&own, n.Pipe, carried)
		}
	case *parse.IfNode:
		own.declares = variables(n.Pipe)
		err = t.list(file, n.List, n.ElseList)
	case *parse.WithNode:
		own.declares = variables(n.Pipe)
		err = t.list(file, n.List, n.ElseList)
	case *parse.RangeNode:
		if err = t.list(file, n.List, n.ElseList); err != nil {
			return nil, err
		}
		return t.loop(own, n)
	case *parse.TemplateNode:
		own.calls = true
		if n.Pipe != nil {
			arguments = t.read(&own, n.Pipe, carried)
		}
	default: // a comment, break, continue
		return []parse.Node{n}, nil
	}
	if err != nil {
		return nil, err
	}
	mark, err := call(marker+" "+strconv.Itoa(len(t.actions)), arguments)
	if err != nil {
		return nil, &fault{own.at(), fmt.Errorf("the action cannot be traced: %w", err)}
	}
	t.actions = append(t.actions, own)
	return []parse.Node{mark, n}, nil
}

// loop returns a range with the markers around it: one in front, one at each item, one behind.
func (t *tracer) loop(own action, n *parse.RangeNode) ([]parse.Node, error) {
	of := printed
	if n.ElseList != nil {
		of = asked
	}
	own.declares = variables(n.Pipe)
	arguments := t.read(&own, n.Pipe, of)
	own.ranges, own.alone = own.alone, false
	mark, err := call(marker+" "+strconv.Itoa(len(t.actions)), arguments)
	if err != nil || !own.ranges {
		t.actions = append(t.actions, own)
		return []parse.Node{mark, n}, err
	}
	item, err := call(taker, nil)
	if err != nil {
		return nil, err
	}
	done, err := call(ender, nil)
	if err != nil {
		return nil, err
	}
	t.actions = append(t.actions, own)
	n.List.Nodes = slices.Concat([]parse.Node{item}, n.List.Nodes)
	return []parse.Node{mark, n, done}, nil
}

// call returns an action that calls a function with the dot, or variables.
func call(function string, arguments []string) (parse.Node, error) {
	var declared strings.Builder
	for _, text := range arguments {
		if text != "." && text != "$" {
			declared.WriteString("{{" + text + ":=0}}")
		}
	}
	tree := parse.New("")
	tree.Mode = parse.SkipFuncCheck
	tree, err := tree.Parse(declared.String()+"{{"+function+" "+strings.Join(arguments, " ")+"}}", "", "", map[string]*parse.Tree{})
	if err != nil {
		return nil, err
	}
	return tree.Root.Nodes[len(tree.Root.Nodes)-1], nil
}

// variables are the names of those that a pipeline declares or sets.
func variables(p *parse.PipeNode) (names []string) {
	for _, v := range p.Decl {
		names = append(names, v.Ident[0])
	}
	return names
}

// read fills in the operands of an action, of whose result something becomes, and returns what
// they are looked up in: the dot, and variables.
func (t *tracer) read(a *action, p *parse.PipeNode, of use) (arguments []string) {
	r := operandReader{}
	a.alone = r.pipe(p) != nil
	var pipe func(*parse.PipeNode, use)
	pipe = func(p *parse.PipeNode, of use) {
		uses := make([]use, len(p.Cmds)) // of what each command results in
		for i := len(p.Cmds) - 1; i >= 0; i-- {
			uses[i] = of
			of = t.uses(p.Cmds[i], of)
		}
		for i, c := range p.Cmds {
			if o := r.command(c); o != nil {
				o.use = uses[i]
				a.operands = append(a.operands, *o)
				continue
			}
			of := t.uses(c, uses[i])
			for _, n := range c.Args {
				if o := r.node(n); o != nil {
					o.use = of
					a.operands = append(a.operands, *o)
				} else if nested, ok := n.(*parse.PipeNode); ok {
					pipe(nested, of)
				}
			}
		}
	}
	pipe(p, of)
	return r.arguments
}

// uses says what becomes of the arguments of a command whose result is used.
func (t *tracer) uses(c *parse.CommandNode, result use) use {
	name, isCall := c.Args[0].(*parse.IdentifierNode)
	switch {
	case !isCall:
		return printed
	case t.asks(name.Ident):
		return asked
	case carrying[name.Ident]:
		return result
	}
	return printed
}

// asks reports whether a function may be handed what is not there, to find that out. All that
// return true or false may.
func (t *tracer) asks(function string) bool {
	f := t.funcs[function]
	return asking[function] || f != nil && reflect.TypeOf(f).Out(0).Kind() == reflect.Bool
}

var (
	asking   = set(`default coalesce ternary dig and or not eq ne lt le gt ge kindOf typeOf`)
	carrying = set(`dict list tuple set append prepend push mustAppend mustPrepend mustPush`)
)

// An operandReader reads the operands of an action.
type operandReader struct{ arguments []string }

// argument returns the number of the dot, or of a variable.
func (r *operandReader) argument(text string) int {
	if i := slices.Index(r.arguments, text); i >= 0 {
		return i
	}
	r.arguments = append(r.arguments, text)
	return len(r.arguments) - 1
}

// node returns the operand that a node is, nil if it is none.
func (r *operandReader) node(n parse.Node) *operand {
	switch n := n.(type) {
	case *parse.DotNode:
		return &operand{in: r.argument("."), root: ".", text: "."}
	case *parse.FieldNode:
		return &operand{in: r.argument("."), root: ".", steps: steps(n.Ident), text: n.String()}
	case *parse.VariableNode:
		return &operand{in: r.argument(n.Ident[0]), root: n.Ident[0], steps: steps(n.Ident[1:]), text: n.String()}
	case *parse.ChainNode:
		if o := r.node(n.Node); o != nil {
			return &operand{in: o.in, root: o.root, steps: append(o.steps, steps(n.Field)...), text: n.String()}
		}
	case *parse.PipeNode:
		return r.pipe(n)
	}
	return nil
}

func (r *operandReader) pipe(p *parse.PipeNode) *operand {
	if len(p.Cmds) != 1 {
		return nil
	}
	return r.command(p.Cmds[0])
}

// command returns the operand that a command is: one alone, or what index and get take out of
// one.
func (r *operandReader) command(c *parse.CommandNode) *operand {
	if len(c.Args) == 1 {
		return r.node(c.Args[0])
	}
	name, isCall := c.Args[0].(*parse.IdentifierNode)
	if !isCall || name.Ident != "index" && name.Ident != "get" {
		return nil
	}
	o := r.node(c.Args[1])
	if o == nil {
		return nil
	}
	for _, n := range c.Args[2:] {
		switch n := n.(type) {
		case *parse.StringNode:
			o.steps = append(o.steps, step{name: n.Text})
		case *parse.NumberNode:
			o.steps = append(o.steps, step{name: n.Text})
		default:
			key := r.node(n)
			if key == nil {
				return nil
			}
			o.steps = append(o.steps, step{value: key})
		}
	}
	o.text = "(" + c.String() + ")"
	return o
}

func steps(names []string) []step {
	all := make([]step, len(names))
	for i, name := range names {
		all[i].name = name
	}
	return all
}

// mark is what markers call: an action comes.
func (t *tracer) mark(number int, arguments ...any) (string, error) {
	a := &t.actions[number]
	t.now, t.value, t.number, t.included, t.asked, t.unset = a.spot, nil, "", nil, insertion{}, ""
	t.missed, t.passing = nil, nil
	if t.steps++; t.steps > most {
		return "", &fault{a.at(), fmt.Errorf("the templates execute more than %d actions; do less, or render several files", most)}
	}
	if err := t.ctx.Err(); err != nil {
		return "", &fault{a.at(), err}
	}
	for _, name := range a.declares {
		delete(t.variables, name)
	}
	if a.ranges {
		_, n, missing := t.find(&a.operands[0], arguments)
		if missing != nil && (missing.keyless != "" || a.operands[0].use == printed) {
			return "", &fault{a.at(), missing.err(a.operands[0].text, "default list")}
		}
		t.loops = append(t.loops, loop{items: itemsOf(n), at: -1})
		return "", nil
	}
	traced := 0
	for i := range a.operands {
		o := &a.operands[i]
		v, n, missing := t.find(o, arguments)
		if n == nil && len(o.steps) == 0 {
			n = t.item(v)
		}
		if missing != nil {
			switch {
			case o.use == printed || missing.keyless != "":
				return "", &fault{a.at(), missing.err(o.text, `default "..."`)}
			case a.alone && a.calls:
				t.passing = missing
			case a.alone && len(a.declares) == 1:
				t.variables[a.declares[0]] = missing
			case o.use == asked:
				t.missed = missing
			}
		}
		if n != nil {
			t.value = n
			traced++
		}
	}
	switch {
	case traced != 1: // or nobody knows which one is wrong
		t.value = nil
	case !a.alone || a.calls || a.declares != nil:
	case t.value.Kind == config.Number:
		t.number = t.value.Text
	case t.value.Kind == config.Object || t.value.Kind == config.Array: // which would be printed as Go has it
		o := a.operands[0].text
		return "", &fault{t.value.Pos, fmt.Errorf("%s is an %s, and printed as a text; write {{ marshal %s }}, or a text here (printed at %v)", o, t.value.Kind, o, a.at())}
	}
	return "", nil
}

// A loop is a range over a value of the settings.
type loop struct {
	items []*config.Node // in their order; none if the value is not known
	at    int
}

// itemsOf returns the items of a list, or the members of an object by their keys, as range
// goes through them.
func itemsOf(n *config.Node) []*config.Node {
	if n == nil || n.Kind != config.Object {
		if n != nil {
			return n.Items
		}
		return nil
	}
	members := slices.SortedFunc(slices.Values(n.Members), func(a, b config.Member) int { return strings.Compare(a.Key, b.Key) })
	items := make([]*config.Node, len(members))
	for i, m := range members {
		items[i] = m.Value
	}
	return items
}

// next is called where a range takes an item, and done where it ends.
func (t *tracer) next() string {
	t.loops[len(t.loops)-1].at++
	return ""
}

func (t *tracer) done() string {
	t.loops = t.loops[:len(t.loops)-1]
	return ""
}

// item returns the item of a range that a number is, or true or false, which have no address
// that they are known by; nil if it is none.
func (t *tracer) item(v any) *config.Node {
	for i := len(t.loops) - 1; i >= 0; i-- {
		l := &t.loops[i]
		if l.at < 0 || l.at >= len(l.items) {
			continue
		}
		switch n := l.items[l.at]; v := v.(type) {
		case float64:
			if f, err := strconv.ParseFloat(n.Text, 64); n.Kind == config.Number && err == nil && f == v {
				return n
			}
		case bool:
			if n.Kind == config.Bool && (n.Text == "true") == v {
				return n
			}
		}
	}
	return nil
}

// enter is called where a template begins, and leave where it ends.
func (t *tracer) enter() (string, error) {
	if t.depth++; t.depth > deep {
		return "", &fault{t.now.at(), fmt.Errorf("the templates call each other more than %d deep; let one of them stop", deep)}
	}
	t.passed, t.passing = append(t.passed, t.passing), nil
	return "", nil
}

func (t *tracer) leave() string {
	t.depth--
	t.passed = t.passed[:len(t.passed)-1]
	return ""
}

// An absent is a value that is not there, because one of its steps leads nowhere.
type absent struct {
	text string // what leads to it
	name string // the step
	in   map[string]any
	last bool

	keyless string // the type of Go of what it is asked of, if that has no keys
}

// err says that what a text leads to is not there. A function stands for it.
func (m *absent) err(text, function string) error {
	if m.keyless != "" {
		return fmt.Errorf("%s of %s is asked of %s, which has no keys", m.name, m.text, kind(m.keyless))
	}
	what := m.text
	if !m.last {
		what = m.name + " of " + what
	}
	if text != m.text {
		what = text + " is not defined, since " + what + " is not"
	} else {
		what += " is not defined"
	}
	return fmt.Errorf("%s; %s", what, near(m.name, sortedKeys(m.in),
		fmt.Sprintf("write it into the settings, or say what stands for it: {{ %s %s }}", function, text)))
}

// find returns the value that an operand is, and the one of the settings, nil if it is none
// of these, or what is missing, if that matters.
func (t *tracer) find(o *operand, arguments []any) (any, *config.Node, *absent) {
	if t.undefined != UndefinedError {
		v, n, missing := t.known.follow(o, arguments)
		if missing != nil && missing.keyless == "" {
			missing = nil
		}
		return v, n, missing
	}
	if v := arguments[o.in]; v == nil || v == "" {
		missing := t.variables[o.root]
		if missing == nil && v == nil && (o.root == "." || o.root == "$") && len(t.passed) > 0 {
			missing = t.passed[len(t.passed)-1]
		}
		if missing != nil {
			return nil, nil, missing
		}
	}
	return t.known.follow(o, arguments)
}

// follow returns the value that an operand is, and the one of the settings, nil if it is none
// of these, or what is missing.
func (k known) follow(o *operand, arguments []any) (v any, n *config.Node, missing *absent) {
	v = arguments[o.in]
	n = k[identity(v)]
	for i, s := range o.steps {
		name := s.name
		if s.value != nil {
			key, _, missing := k.follow(s.value, arguments)
			if missing != nil {
				return nil, nil, missing
			}
			name = fmt.Sprint(key)
		}
		last := i == len(o.steps)-1
		var next any
		switch in := v.(type) {
		case nil:
			return nil, nil, &absent{text: o.text, name: name, last: last}
		case map[string]any:
			value, found := in[name]
			if !found || value == nil && k[identity(in)] == nil { // null is a value of settings only
				return nil, nil, &absent{text: o.text, name: name, in: in, last: last}
			}
			next = value
		case []any:
			at, err := strconv.Atoi(name)
			if err != nil {
				return nil, nil, &absent{text: o.text, name: name, keyless: fmt.Sprintf("%T", v)}
			}
			if at < 0 || at >= len(in) {
				return nil, nil, nil // package text/template says so
			}
			next = in[at]
		case string, float64, bool:
			return nil, nil, &absent{text: o.text, name: name, keyless: fmt.Sprintf("%T", v)}
		default:
			return nil, nil, nil
		}
		if known := k[identity(next)]; known != nil {
			n = known
		} else {
			n = child(n, name)
		}
		v = next
	}
	return v, n, nil
}

// child returns a member or an item of a value, nil if there is none.
func child(n *config.Node, name string) *config.Node {
	if k, err := strconv.Atoi(name); err == nil && n != nil && k < len(n.Items) && k >= 0 {
		return n.Items[k]
	}
	return n.Get(name)
}

// identity returns the address of a map, a list or a text, nil of anything else.
func identity(v any) unsafe.Pointer {
	switch v := v.(type) {
	case map[string]any:
		return reflect.ValueOf(v).UnsafePointer()
	case []any:
		return unsafe.Pointer(unsafe.SliceData(v))
	case string:
		return unsafe.Pointer(unsafe.StringData(v))
	}
	return nil
}

// errNoValue is the error of an action that prints nothing known.
var errNoValue = errors.New(`the value is not defined; write it into the settings, or say what stands for it: {{ default "..." .name }}`)

// noValue is what package text/template prints for a value that is not there.
const noValue = "<no value>"

// Write is what package text/template calls once for each text and each action.
func (t *tracer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		if t.unset != "" {
			t.warn(fmt.Errorf("the variable %s is not set, and nothing is printed; set it, or say what stands for it: {{ env %q | default \"...\" }}", t.unset, t.unset))
		}
		return 0, nil
	}
	if len(t.out)+len(p) > largest {
		return 0, &fault{t.now.at(), fmt.Errorf("the templates print more than %d MiB; render less, or several files", largest>>20)}
	}
	own := piece{start: int32(len(t.out)), from: t.now.in, offset: int32(t.now.offset), value: t.value}
	if s, ok := t.texts[&p[0]]; ok {
		own = piece{start: own.start, from: s.in, offset: int32(s.offset), linear: true}
		t.pieces, t.out = append(t.pieces, own), append(t.out, p...)
		return len(p), nil
	}
	printed := p
	switch {
	case string(p) == noValue && t.undefined == UndefinedError:
		return 0, &fault{t.now.at(), errNoValue}
	case string(p) == noValue && t.undefined == UndefinedZero:
		return len(p), nil
	case t.number != "":
		printed = []byte(t.number) // a million is 1e+06 otherwise
	case t.included != nil && t.included.data == string(p):
		own = piece{start: own.start, from: t.included, linear: true}
	}
	found := t.asked
	if own.value == nil || own.value.Text != string(printed) { // as it stands in the settings
		found.values = append(found.values, t.secrets.in(string(printed))...)
	}
	if found.values != nil {
		t.inserted[len(t.pieces)] = found
	}
	t.pieces, t.out = append(t.pieces, own), append(t.out, printed...)
	return len(p), nil
}
