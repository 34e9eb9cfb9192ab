package config_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestFormatsAgree(t *testing.T) {
	load := func(ext string) *config.Document {
		d, ps := config.Load(t.Context(), "testdata/gateway."+ext, config.LoadOptions{})
		if d == nil || len(ps) > 0 {
			t.Fatal(ps)
		}
		return d
	}
	want := load("json").Root
	for _, ext := range []string{"yaml", "toml"} {
		got := load(ext).Root
		if !reflect.DeepEqual(got.Value(), want.Value()) {
			t.Errorf("%s: got\n%s\nwant\n%s", ext, got.JSON(), want.JSON())
		}
		if string(got.JSON()) != string(want.JSON()) {
			t.Errorf("%s: member order differs: got\n%s\nwant\n%s", ext, got.JSON(), want.JSON())
		}
	}
}

// TestPlaces lists path, place and value of every node, for each format.
func TestPlaces(t *testing.T) {
	for _, ext := range []string{"json", "yaml", "toml"} {
		t.Run(ext, func(t *testing.T) {
			d, _ := config.Load(t.Context(), "testdata/gateway."+ext, config.LoadOptions{})
			var b strings.Builder
			var walk func(n *config.Node)
			walk = func(n *config.Node) {
				fmt.Fprintf(&b, "%d:%d %s = %s", n.Pos.Line, n.Pos.Col, n.Path(), n.Kind)
				if n.Text != "" {
					fmt.Fprintf(&b, " %s", n.Text)
				}
				b.WriteByte('\n')
				for _, item := range n.Items {
					walk(item)
				}
				for _, m := range n.Members {
					walk(m.Value)
				}
			}
			walk(d.Root)
			testx.Golden(t, filepath.Join("testdata", "places-"+ext+".txt"), b.String())
		})
	}
}

func TestLoad(t *testing.T) {
	files := map[string]string{
		"a.json": `{"a":1}`, "a": `{"a":1}`, "a.conf": `{"a":1}`, "a.YML": "a: 1", "a.yaml": "a: 1", "a.toml": "a = 1",
		"bom.json": "\ufeff{\"a\":1}", "bom.yaml": "\ufeffa: 1", "bom.toml": "\ufeffa = 1",
		"a.hcl": "a = 1", "a.properties": "a=1", "a.props": "a=1", "a.prop": "a=1", "broken.json": "{",
	}
	o := config.LoadOptions{ReadFile: func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}}
	tests := []struct{ file, want string }{
		{"a.json", ""}, {"a", ""}, {"a.conf", ""}, {"a.YML", ""}, {"a.yaml", ""}, {"a.toml", ""},
		{"bom.json", ""}, {"bom.yaml", ""}, {"bom.toml", ""},
		{"a.hcl", "error: a.hcl: format not supported: .hcl; write JSON, YAML (.yaml, .yml) or TOML (.toml)\n"},
		{"a.properties", "error: a.properties: format not supported: .properties; write JSON, YAML (.yaml, .yml) or TOML (.toml)\n"},
		{"a.props", "error: a.props: format not supported: .props; write JSON, YAML (.yaml, .yml) or TOML (.toml)\n"},
		{"a.prop", "error: a.prop: format not supported: .prop; write JSON, YAML (.yaml, .yml) or TOML (.toml)\n"},
		{"none.json", "error: none.json: cannot read the file: file does not exist\n"},
		{"broken.json", "error: broken.json:1:2: expected a key in double quotes, got the end of the file\n"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			d, ps := config.Load(t.Context(), tt.file, o)
			if got := config.Format(ps); got != tt.want {
				t.Errorf("got %swant %s", got, tt.want)
			}
			if tt.want == "" && (d.Root.Get("a").Text != "1" || d.File != tt.file) {
				t.Errorf("got %s of %s", d.Root.JSON(), d.File)
			}
			if tt.want != "" && d != nil {
				t.Errorf("got a document: %s", d.Root.JSON())
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if d, ps := config.Load(ctx, "a.json", o); d != nil || len(ps) != 1 || !errors.Is(ps[0], context.Canceled) {
			t.Errorf("got %v, %v", d, ps)
		}
	})
	t.Run("from disk", func(t *testing.T) {
		_, ps := config.Load(t.Context(), "testdata/none.json", config.LoadOptions{})
		if len(ps) != 1 || ps[0].Code != config.CodeUnreadable || !errors.Is(ps[0], fs.ErrNotExist) {
			t.Errorf("got %v", ps)
		}
	})
}

func TestReferences(t *testing.T) {
	o := config.LoadOptions{
		Environ: []string{"USER=bob", "PASS=s3cret", "PORT=9000", "EMPTY=", "NESTED=${env:USER}"},
		ReadFile: func(name string) ([]byte, error) {
			if name == "/run/key" {
				return []byte("line one\nline two\r\n"), nil
			}
			return nil, fs.ErrNotExist
		},
	}
	tests := []struct {
		in, want string
		secret   bool
		problem  string
	}{
		{in: "plain", want: "plain"},
		{in: "${env:USER}", want: "bob", secret: true},
		{in: "http://${env:USER}:${env:PASS}@h", want: "http://bob:s3cret@h", secret: true},
		{in: "${env:EMPTY}", want: "", secret: true},
		{in: "${env:NESTED}", want: "${env:USER}", secret: true},
		{in: "${file:/run/key}", want: "line one\nline two", secret: true},
		{in: "$${env:USER}", want: "${env:USER}"},
		{in: "a$${env:USER}-${env:USER}", want: "a${env:USER}-bob", secret: true},
		{in: "${other:x} ${x} ${", want: "${other:x} ${x} ${"},
		{in: "${${env:USER}", want: "${bob", secret: true},
		{in: "${env:NONE}", secret: true, problem: "the variable NONE of ${env:NONE} is not set; set it before the start"},
		{in: "${file:/none}", secret: true, problem: "the file of ${file:/none} cannot be read: file does not exist"},
		{in: "${env:USER", want: "${env:USER", problem: "the reference ${env: has no closing brace; write ${env:...}, or $${ for a plain ${"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			d, _ := config.Parse("f.json", []byte("{\n \"@doc\": \"${env:NONE}\",\n \"list\": [\""+tt.in+"\"]}"))
			ps := d.ExpandReferences(o)
			n := d.Root.Get("list").Items[0]
			if n.Text != tt.want || n.Secret() != tt.secret {
				t.Errorf("got %q, secret %v; want %q, %v", n.Text, n.Secret(), tt.want, tt.secret)
			}
			want := ""
			if tt.problem != "" {
				want = "error: f.json:3:11: list[0]: " + tt.problem + "\n"
			}
			if got := config.Format(ps); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
}

// TestSecretsStayHidden states that no message and no masked output shows what
// a reference stands for.
func TestSecretsStayHidden(t *testing.T) {
	type options struct {
		Bool   bool            `json:"bool"`
		Int    int             `json:"int"`
		Float  float64         `json:"float"`
		Length config.Duration `json:"length"`
		Size   config.Size     `json:"size"`
		Colour colour          `json:"colour"`
		List   []string        `json:"list" check:"url"`
		Object struct{}        `json:"object"`
		URL    string          `json:"url" check:"url"`
	}
	var b strings.Builder
	for _, key := range config.SpecOf(reflect.TypeFor[options]()).Known() {
		fmt.Fprintf(&b, "%s: ${env:S}\n", key)
	}
	d, _ := config.Parse("f.yaml", []byte(b.String()))
	d.ExpandReferences(config.LoadOptions{Environ: []string{"S=hunter2"}})
	for _, decode := range []func(*config.Node, *options) []*config.Problem{config.Decode[options], config.DecodeLoose[options]} {
		ps := decode(d.Root, new(options))
		if len(ps) != 10 { // two for the list, which is none
			t.Errorf("%d problems, want one for each key and two for the list:\n%s", len(ps), config.Format(ps))
		}
		if text := config.Format(ps); strings.Contains(text, "hunter2") {
			t.Errorf("a message shows the secret:\n%s", text)
		}
	}
	if text := string(d.Root.MaskedJSON()); strings.Contains(text, "hunter2") || !strings.Contains(text, `"url":"${env:S}"`) {
		t.Errorf("masked: %s", text)
	}
	if text := string(d.Root.JSON()); !strings.Contains(text, "hunter2") {
		t.Errorf("in clear: %s", text)
	}
}

// TestSecretsInErrors masks the secrets of a value and of its entries in errors
// that repeat them, and in texts that were read from them.
func TestSecretsInErrors(t *testing.T) {
	d, _ := config.Parse("f.yaml", []byte(`{plain: a, Text: "${env:S}", list: [b, "${env:S}"], object: {key: "${env:S}"}}`))
	d.ExpandReferences(config.LoadOptions{Environ: []string{"S=hunter\"2"}})
	cause := errors.New("cause")
	for _, key := range []string{"Text", "list", "list[1]", "object", "object.key"} {
		for _, format := range []string{"%s is wrong: %w", "%q is wrong: %w"} {
			p := d.Root.ProblemAt(key, config.Error, config.CodeInvalid, fmt.Errorf(format, `hunter"2`, cause))
			if text := p.Error(); strings.Contains(text, "hunter") || !strings.Contains(text, "***") {
				t.Errorf("%s, %s: %s", key, format, text)
			}
			if !errors.Is(p, cause) {
				t.Errorf("%s: the cause is lost: %v", key, p)
			}
		}
	}
	tests := []struct {
		key   string
		texts []string
		want  []string
	}{
		{"plain", []string{"a"}, []string{"a"}},
		{"text", []string{`hunter"2`}, []string{"${env:S}"}},
		{"list", []string{"http://b", `http://hunter"2`}, []string{"http://b", "${env:S}"}},
		{"absent", []string{"default"}, []string{"default"}},
	}
	for _, tt := range tests {
		if got := d.Root.Masked(tt.key, tt.texts...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Masked(%q, %q) = %q, want %q", tt.key, tt.texts, got, tt.want)
		}
	}
}

// TestShown shows references as they were written, and nothing of the secrets beside them.
func TestShown(t *testing.T) {
	tests := []struct{ written, want string }{
		{"${env:S}", "${env:S}"},
		{"http://${env:S}:8000", "http://${env:S}:8000"},
		{"${file:s.txt}", "${file:s.txt}"},
		{"a${env:S}b${file:s.txt}c", "a${env:S}b${file:s.txt}c"},
		{"$${env:X} ${env:S} ${X}", "$${env:X} ${env:S} ${X}"},
		{"http://user:plain-word@${env:S}", "http://***@${env:S}"},
		{"http://user:${env:S}@host", "http://***@host"},
		{"http://${env:S}:${env:S}@host/", "http://${env:S}:${env:S}@host/"},
		{"/x?token=plain-word&a=${env:S}", "/x?token=***&a=${env:S}"},
		{"/x?token=${env:S}", "/x?token=${env:S}"},
		{"/x?token=${env:S}plain", "/x?token=***"},
	}
	for _, tt := range tests {
		d, _ := config.Parse("f.json", []byte(`{"text": "`+tt.written+`"}`))
		if ps := d.ExpandReferences(config.LoadOptions{Environ: []string{"S=hunter2"}, ReadFile: func(string) ([]byte, error) { return []byte("hunter2"), nil }}); ps != nil {
			t.Fatal(config.Format(ps))
		}
		if got := d.Root.Masked("text", "whatever it was decoded to")[0]; got != tt.want {
			t.Errorf("%s: shown as %s, want %s", tt.written, got, tt.want)
		}
		if got, want := string(d.Root.MaskedJSON()), `{"text":"`+tt.want+`"}`; got != want {
			t.Errorf("%s: shown as %s, want %s", tt.written, got, want)
		}
	}
}
