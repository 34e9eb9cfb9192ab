package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// TestShow hides what is a secret by its key, by its word or by its form, wherever it
// stands, and shows what is around it.
func TestShow(t *testing.T) {
	type login struct {
		Name     string            `json:"name"`
		Password string            `json:"password" secret:"true"`
		Codes    []string          `json:"codes" secret:"true"`
		MaxToken int               `json:"max_token"`
		Hosts    []string          `json:"hosts"`
		More     map[string]string `json:"more"`
		Inner    *struct {
			Pin string `json:"pin" secret:"true"`
		} `json:"inner"`
	}
	tests := []struct {
		file, text string
		line, col  int32
		want       string // "" stands for no such line
	}{
		{"a.json", `{"name": "ada", "password": "hunter2", "max_token": 3}`, 1, 17, `{"name": "ada", |"password": ***, "max_token": 3}`},
		{"a.json", `{"name": "ada", "password": "hunter2", "max_token": 3}`, 1, 29, `{"name": "ada", "password": |***, "max_token": 3}`},
		{"a.json", `{"name": "ada", "password": "hunter2", "max_token": 3}`, 1, 32, `{"name": "ada", "password": |***, "max_token": 3}`},
		{"a.json", `{"name": "ada", "password": "hunter2", "max_token": 3}`, 1, 53, `{"name": "ada", "password": ***, "max_token": |3}`},
		{"a.json", "{\"codes\": [\n\"hunter2\",\n  \"hunter3\"], \"name\": \"x\"}", 2, 1, `|***,`},
		{"a.json", "{\"codes\": [\n\"hunter2\",\n  \"hunter3\"], \"name\": \"x\"}", 3, 15, `  ***], |"name": "x"}`},
		{"a.json", `{"password": "hunter2", "password": "hunter3", "name": "x"}`, 1, 48, `{"password": ***, "password": ***, |"name": "x"}`},
		{"a.json", `{"inner": {"pin": "hunter2"}, "inner": {"pin": "hunter3"}, "name": "x"}`, 1, 60, `{"inner": ***"pin": ***}, "inner": {"pin": ***}, |"name": "x"}`},
		{"a.json", `{"more": {"api_key": "hunter2", "b": "c"}, "name": 1}`, 1, 44, `{"more": {"api_key": ***, "b": "c"}, |"name": 1}`},
		{"a.json", `{"unheard": {"client_secret": "hunter2"}, "name": 1}`, 1, 43, `{"unheard": {"client_secret": ***}, |"name": 1}`},
		{"a.json", `{"hosts": ["http://me:hunter2@a", "http://b?token=hunter3&x=1"], "name": 1}`, 1, 66, `{"hosts": [***, "http://b?token=***&x=1"], |"name": 1}`},
		{"a.yaml", "password: |\n  hunter2\n  hunter3\n\nname: x", 2, 3, `|***`},
		{"a.yaml", "password: |\n  hunter2\n  hunter3\n\nname: x", 5, 1, `|name: x`},
		{"a.yaml", "name: &x hunter2\npassword: *x", 1, 1, `|name: ***`},
		{"a.yaml", "max_token: 1 # password: hunter2", 1, 1, `|max_token: 1 # password: ***`},
		{"a.yaml", "{password: hunter2, name: x}", 1, 1, `|{password: ***, name: x}`},
		{"a.toml", "password = \"\"\"\nhunter2\n\"\"\"\nname = \"x\"", 2, 1, `|***`},
		{"a.toml", "password = 'hunter2' # hunter3\nname = \"x\"", 1, 1, `|password = ***`},
		// What is no document, or a part of one.
		{"a.json", "{\"password\": \"hunter2\",\n}", 1, 1, `|{"password": "***`},
		{"a.json", "{\"password\" \"hunter2\"}", 1, 13, `{"password" |"***`},
		{"a.json", "{\"private_key\":\n\"hunter2\"\n\"name\": 1", 2, 1, `|***`},
		{"a.json", "{\"private_key\":\n\"hunter2\"\n\"name\": 1", 3, 9, `"name": |1`},
		{"a.yaml", "private_key: |\n  -----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\nname: x", 3, 1, `|***`},
		{"a.yaml", "x:\n- MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\nname x", 2, 1, `|- ***`},
		{"a.tmpl", `"az": "{{ .x }}", "url": "http://me:hunter2@b/c"`, 1, 19, `"az": "{{ .x }}", |"url": "http://***@b/c"`},
		{"a.tmpl", `"API_KEY": "hunter2"`, 1, 1, `|"API_KEY": "***`},
		// Places that are not there.
		{"a.json", "{}", 2, 1, ""},
		{"a.json", "{}", 1, 4, ""},
		{"a.json", "{}", 0, 0, ""},
		{"a.json", "{}", 1, 3, "{}|"},
		{"a.json", "", 1, 1, "|"},
	}
	for _, tt := range tests {
		s := config.Show(tt.file, []byte(tt.text), config.SpecOf(reflect.TypeFor[login]()), func(string, string) *config.Spec { return nil })
		before, behind, _, _, found := s.Around(config.Pos{File: tt.file, Line: tt.line, Col: tt.col}, 100)
		got := before + "|" + behind
		if !found {
			got = ""
		}
		if got != tt.want || strings.Contains(got, "hunter") {
			t.Errorf("%s %q at %d:%d: %q, want %q", tt.file, tt.text, tt.line, tt.col, got, tt.want)
		}
	}
}
