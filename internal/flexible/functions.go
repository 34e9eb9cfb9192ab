package flexible

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/sluice-gateway/sluice/internal/config"
)

// functions makes those that templates may call.
func (t *tracer) functions(s Sources) {
	environ := make(map[string]string, len(s.Environ))
	for _, variable := range s.Environ {
		name, value, _ := strings.Cut(variable, "=")
		environ[name] = value
	}
	insert := func(value string, skipped bool) string {
		if value != "" {
			t.secrets.add(value)
			t.asked.values = append(t.asked.values, value)
			t.asked.skipped = t.asked.skipped || skipped
		}
		return value
	}
	variable := func(name string) string {
		value, found := environ[name]
		if !found {
			t.unset = name
		}
		return insert(value, false)
	}
	partials := make(map[string]*text)

	t.funcs = sprig.TxtFuncMap()
	if s.Offline {
		t.funcs["getHostByName"] = func(string) string { return "192.0.2.1" } // RFC 5737
	}
	for name := range changing {
		t.funcs[name] = around(t.funcs[name], func([]reflect.Value) { t.warn(changes(name)) }, nil)
	}
	for name, numbers := range counted {
		t.funcs[name] = around(t.funcs[name], func(in []reflect.Value) { limit(in, numbers) }, nil)
	}
	// Those of package text/template that make texts are followed like all others.
	maps.Copy(t.funcs, template.FuncMap{"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper})
	// Those of Sprig are in another order each time.
	t.funcs["keys"] = func(objects ...map[string]any) []string {
		var all []string
		for _, o := range objects {
			all = append(all, sortedKeys(o)...)
		}
		return all
	}
	t.funcs["values"] = func(object map[string]any) []any {
		all := make([]any, 0, len(object))
		for _, key := range sortedKeys(object) {
			all = append(all, object[key])
		}
		return all
	}
	t.funcs["env"] = variable
	t.funcs["expandenv"] = func(s string) string { return os.Expand(s, variable) }
	t.funcs["marshal"] = func(v any) (string, error) {
		data, err := json.Marshal(v)
		return string(data), err
	}
	t.funcs["include"] = func(name string) (string, error) {
		p := partials[name]
		if p == nil {
			f, err := s.Partial(name)
			if errors.Is(err, fs.ErrNotExist) && t.undefined != UndefinedError {
				t.warn(fmt.Errorf("%w; nothing stands in its place", err))
				return "", nil
			}
			if err != nil {
				return "", err
			}
			p = newText(f.Name, string(f.Data))
			partials[name] = p
		}
		t.included = p
		return p.data, nil
	}
	t.funcs["file"] = func(name string) (string, error) {
		if s.Skipped {
			return insert("skipped", true), nil
		}
		data, err := s.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("the file %s cannot be read: %w", name, cause(err))
		}
		return insert(strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), false), nil
	}
	for name, f := range t.funcs {
		if !t.asks(name) && !carrying[name] {
			f = around(f, func(in []reflect.Value) { t.refuse(in) }, nil)
		}
		t.funcs[name] = t.secrets.follow(f)
	}
	t.funcs[marker], t.funcs[enterer], t.funcs[leaver], t.funcs[taker], t.funcs[ender] = t.mark, t.enter, t.leave, t.next, t.done
}

// refuse panics if a function is handed what a question for something that is not there has
// found: nothing.
func (t *tracer) refuse(in []reflect.Value) {
	if t.missed == nil {
		return
	}
	for _, v := range in {
		if v.Kind() == reflect.Slice && v.Type() == reflect.TypeFor[[]any]() {
			for _, argument := range v.Interface().([]any) {
				if argument == nil {
					panic(t.missed.err(t.missed.text, `default "..."`))
				}
			}
		} else if v.Kind() == reflect.Interface && v.IsNil() {
			panic(t.missed.err(t.missed.text, `default "..."`))
		}
	}
}

// changing are the functions that return something else each time, or on another machine:
// a reload changes what they make.
var changing = set(`now ago uuidv4 randBytes randAlphaNum randAlpha randAscii randNumeric randInt shuffle
	getHostByName genPrivateKey genCA genCAWithKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey
	bcrypt htpasswd encryptAES`)

// counted are the functions that make as much as their first arguments say, so many of them.
var counted = map[string]int{
	"until": 1, "untilStep": 3, "seq": 1, "repeat": 1, "indent": 1, "nindent": 1, "randBytes": 1,
	"randAlphaNum": 1, "randAlpha": 1, "randAscii": 1, "randNumeric": 1,
}

// around returns a function that does something else before and after it; either may be nil.
// Package text/template makes an error of a panic with one.
func around(f any, before func(in []reflect.Value), after func(in []reflect.Value, out reflect.Value)) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(in []reflect.Value) (out []reflect.Value) {
		if before != nil {
			before(in)
		}
		if v.Type().IsVariadic() {
			out = v.CallSlice(in)
		} else {
			out = v.Call(in)
		}
		if after != nil {
			after(in, out[0])
		}
		return out
	}).Interface()
}

// limit panics if the function makes more than anybody needs: its first arguments are numbers,
// behind one of which a text may be that is as often in the result.
func limit(in []reflect.Value, numbers int) {
	const enough = 1_000_000
	for _, v := range in[:numbers] {
		switch {
		case v.Kind() == reflect.Slice: // the rest of the arguments
			for i := range v.Len() {
				limit([]reflect.Value{v.Index(i)}, 1)
			}
		case v.Int() > enough || v.Int() < -enough:
			panic(fmt.Errorf("%d is too much; write a number up to %d", v.Int(), enough))
		}
	}
	if len(in) > numbers && in[numbers].Kind() == reflect.String && in[0].Int() > 0 && in[numbers].Len() > largest/int(in[0].Int()) {
		panic(fmt.Errorf("the text would have more than %d MiB; make less of it", largest>>20))
	}
}

// changes says that a function returns something else next time.
func changes(name string) error {
	if name == "getHostByName" {
		return fmt.Errorf("%s asks the network while the configuration is read, and finds something else on another machine; write the name, which is resolved for each connection", name)
	}
	return fmt.Errorf("%s returns something else at each reload; write the value into the settings if it shall stay", name)
}

// warn warns of the action that is executed, once where that is in a loop.
func (t *tracer) warn(err error) {
	at := t.now.at()
	if !t.warned[at] {
		t.warned[at] = true
		t.warnings = append(t.warnings, &config.Problem{At: at, Severity: config.Warning, Code: config.CodeSuspicious, Err: err})
	}
}

func set(names string) map[string]bool {
	all := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		all[name] = true
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
