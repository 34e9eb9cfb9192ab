package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// concealed are options with secrets.
type concealed struct {
	Password string            `json:"password" was:"login_phrase" secret:"true"`
	Tokens   []string          `json:"tokens" secret:"true" check:"min=2"`
	Headers  map[string]string `json:"headers" secret:"true"`
	Key      string            `json:"key" secret:"false"`
	Server   string            `json:"server" secret:"address"`
	Users    []concealed       `json:"users"`
	Fields   concealedFields   `json:"fields"`
}

// concealedFields are options of which all are secrets but one.
type concealedFields struct {
	Name   string            `json:"name"`
	Others map[string]string `json:"*" secret:"true"`
}

// concealing is the root of a configuration with an extra_config.
type concealing struct {
	ExtraConfig map[string]*Node `json:"extra_config"`
}

func (concealing) Scope() string { return "service" }

// TestHide masks what is a secret by nature in dumps, in messages and in the log, wherever
// it stands and whatever is wrong with it. It stays of the type that it is written in.
func TestHide(t *testing.T) {
	const plain = "hunter2-secret"
	tests := []struct {
		options, shown string
		says           string // a problem of decoding; "" for none
	}{
		{`{"password":"hunter2-secret"}`, `{"password":"***"}`, ""},
		{`{"PASSWORD":"hunter2-secret"}`, `{"PASSWORD":"***"}`, `unknown key "PASSWORD"`},
		{`{"pasword":"hunter2-secret"}`, `{"pasword":"***"}`, `did you mean "password"?`},
		{`{"password":["hunter2-secret"]}`, `{"password":["***"]}`, `must be a text, got a list; write "text"`},
		{`{"password":{"a":"hunter2-secret"}}`, `{"password":{"a":"***"}}`, `must be a text, got an object; write "text"`},
		{`{"password":4711081547}`, `{"password":"***"}`, "must be a text, got a secret number; write it in quotes"},
		{`{"tokens":["hunter2-secret","${env:T}"]}`, `{"tokens":["***","${env:T}"]}`, ""},
		{`{"tokens":["hunter2-secret"]}`, `{"tokens":["***"]}`, "must have at least 2 entries, has 1"},
		{`{"tokens":"hunter2-secret"}`, `{"tokens":"***"}`, `must be a list of texts, got a secret text; write ["a", "b"]`},
		{`{"headers":{"X-Key":"hunter2-secret"}}`, `{"headers":{"X-Key":"***"}}`, ""},
		{`{"users":[{"password":"hunter2-secret"}]}`, `{"users":[{"password":"***"}]}`, ""},
		{`{"users":{"password":"hunter2-secret"}}`, `{"users":{"password":"***"}}`, "must be a list of objects, got an object"},
		{`{"login_phrase":"hunter2-secret"}`, `{"login_phrase":"***"}`, `unknown key "login_phrase"`},
		{`{"fields":{"name":"a","nmae":"hunter2-secret"}}`, `{"fields":{"name":"a","nmae":"***"}}`, ""},
		{`{"server":"u:hunter2-secret@h:1"}`, `{"server":"***"}`, ""},
		{`{"server":"hunter2-secret@h:1, nats://u:other@h:2"}`, `{"server":"***"}`, ""},
		{`{"server":"nats://h:1,u:hunter2-secret@h:2"}`, `{"server":"***"}`, ""},
		{`{"server":"u:hunter2-secret@${env:T}"}`, `{"server":"***${env:T}"}`, ""},
		{`{"serverr":"u:hunter2-secret@h:1"}`, `{"serverr":"***"}`, `did you mean "server"?`},
		{`{"key":"X-Key","@password":"x"}`, `{"key":"X-Key","@password":"***"}`, ""},
	}
	for _, tt := range tests {
		d, problems := Parse("f.json", []byte(`{"extra_config":{"known":`+tt.options+`}}`))
		if problems = append(problems, d.ExpandReferences(LoadOptions{Environ: []string{"T=another-secret"}})...); len(problems) > 0 {
			t.Fatal(Format(problems))
		}
		d.Hide(SpecOf(reflect.TypeFor[concealing]()), func(_, namespace string) *Spec {
			if namespace != "known" {
				return nil
			}
			return SpecOf(reflect.TypeFor[concealed]())
		})
		n := d.Root.Get("extra_config").Get("known")
		if got := string(n.MaskedJSON()); got != tt.shown {
			t.Errorf("%s: shown as %s, want %s", tt.options, got, tt.shown)
		}
		problems = Decode(n, new(concealed))
		if got := Format(problems); (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) || strings.Contains(got, plain) || strings.Contains(got, "4711081547") {
			t.Errorf("%s: says %q, want %q", tt.options, got, tt.says)
		}
		said := &Problem{Err: errors.New("cannot log in with hunter2-secret")}
		if d.Mask([]*Problem{said}); strings.Contains(tt.options, plain) && said.Err.Error() != "cannot log in with ***" {
			t.Errorf("%s: a problem elsewhere says %v", tt.options, said.Err)
		}
		if mask := d.Masker(); strings.Contains(tt.options, plain) && mask("GET /hunter2-secret") != "GET /***" {
			t.Errorf("%s: the log tells it", tt.options)
		}
	}
}

// TestSecretTag lets nobody believe that what is no text is masked.
func TestSecretTag(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"a number": reflect.TypeFor[struct {
			N int `json:"n" secret:"true"`
		}](),
		"an object": reflect.TypeFor[struct {
			O struct{} `json:"o" secret:"true"`
		}](),
		"another spelling": reflect.TypeFor[struct {
			S string `json:"s" secret:"yes"`
		}](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it may be", name)
				}
			}()
			SpecOf(typ)
		}()
	}
}

// TestStricterTag lets nobody say of a value what cannot be said of it.
func TestStricterTag(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"a limit of a text": reflect.TypeFor[struct {
			S string `json:"s" stricter:"limit"`
		}](),
		"a number that is true": reflect.TypeFor[struct {
			N int `json:"n" stricter:"true"`
		}](),
		"fewer of one": reflect.TypeFor[struct {
			S string `json:"s" stricter:"fewer"`
		}](),
		"another word": reflect.TypeFor[struct {
			N int `json:"n" stricter:"less"`
		}](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it may be", name)
				}
			}()
			SpecOf(typ)
		}()
	}
}
