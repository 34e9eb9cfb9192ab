package cli

import (
	"os"
	"strings"
	"testing"
)

// TestHiddenEverywhere puts secrets where this build has no options for, into settings, and
// into keys, and finds them in no output.
func TestHiddenEverywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	endpoint := `{"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:1"], "url_pattern": "/"%s}]%s}`
	config := func(inner, outer string) string {
		e := strings.Replace(strings.Replace(endpoint, "%s", inner, 1), "%s", outer, 1)
		return `{"version": 3, "endpoints": [` + e + `]}`
	}
	for name, of := range map[string]func(secret string) string{
		"basic": func(s string) string {
			return config("", `, "extra_config": {"auth/basic": {"users": {"admin": "`+s+`"}}}`)
		},
		"api keys": func(s string) string {
			return config("", `, "extra_config": {"auth/api-keys": {"keys": [{"key": "`+s+`", "roles": ["admin"]}]}}`)
		},
		"martian": func(s string) string {
			return config(`, "extra_config": {"modifier/martian": {"header.Modifier": {"scope": ["request"], "name": "Authorization", "value": "Bearer `+s+`"}}}`, "")
		},
		"plugin": func(s string) string { return config("", `, "extra_config": {"example.com/plugin": {"dsn": "`+s+`"}}`) },
	} {
		for _, file := range []string{"one.json", "two.json"} {
			text := of("OLDSECRET17")
			if file == "two.json" {
				text = of("NEWSECRET18")
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"check", "-c", "one.json"}, {"check", "-c", "one.json", "--allow-unsupported", "-ddd"}, {"audit", "-c", "one.json"}, {"migrate", "-c", "one.json"},
			{"diff", "one.json", "two.json"}, {"diff", "--format", "json", "one.json", "two.json"}, {"diff", "--format", "markdown", "one.json", "two.json"},
		} {
			got := invoke(t, args...)
			if all := got.stdout + got.stderr; all == "" || strings.Contains(all, "SECRET1") {
				t.Errorf("%s: %v: got %s", name, args, all)
			}
		}
	}
}

// TestHiddenRendered masks what templates make of a configuration that is wrong as of one
// that is right, and a key that comes from the environment.
func TestHiddenRendered(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PW", "S3cretKey1234")
	put := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("s", 0o700); err != nil {
		t.Fatal(err)
	}
	put("s/s.json", `{"client": "open-sesame-17"}`)
	const base = `{"version": 3, "endpoints": [{"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:1"], "url_pattern": "/", "extra_config": {"auth/client-credentials": {
 "client_id": "a", "token_url": "http://127.0.0.1:1/t", "client_secret": "{{ .s.client }}"}}}]}]MORE}`
	for more, code := range map[string]int{"": 0, `, "port": "x"`: 1, `, "version": 4`: 1, `,`: 1, `, "extra_config": {"{{ env "PW" }}": {}}`: 1} {
		put("base.tmpl", strings.Replace(base, "MORE", more, 1))
		got := invoke(t, "check", "--rendered", "--allow-unsupported", "--settings", "s", "-c", "base.tmpl")
		if all := got.stdout + got.stderr; got.code != code || strings.Contains(all, "sesame") || strings.Contains(all, "S3cret") || more != "," && !strings.Contains(all, "http://127.0.0.1:1/t") || !strings.Contains(got.stdout, "***") {
			t.Errorf("%s: %d, %s", more, got.code, all)
		}
	}
	put("base.tmpl", strings.Replace(base, "MORE", "", 1))
	for _, args := range [][]string{{"__complete", "explain", "-c", "base.tmpl", ""}, {"diff", "base.tmpl", "base.tmpl"}} {
		t.Setenv("FC_ENABLE", "1")
		t.Setenv("FC_SETTINGS", "s")
		t.Setenv("FC_OUT", "kept.json")
		invoke(t, args...)
		if _, err := os.Stat("kept.json"); err == nil {
			t.Errorf("%v writes what was rendered", args)
		}
	}
	if got := invoke(t, "check", "--allow-unsupported", "-c", "base.tmpl"); got.code != 0 {
		t.Errorf("check: %+v", got)
	}
	if _, err := os.Stat("kept.json"); err != nil {
		t.Error("check does not keep what was rendered: ", err)
	}
}

// TestEmptyFlags takes a flag whose variable is not set for a wrong command line.
func TestEmptyFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("krakend.json", []byte(`{"version": 3, "endpoints": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"-c", "-s", "--settings", "--partials", "--templates", "--rendered-to", "--undefined", "--flexible"} {
		if got := invoke(t, "check", flag, ""); got.code != exitUsage || !strings.Contains(got.stderr, "it is empty") {
			t.Errorf("%s: %+v", flag, got)
		}
	}
}

// TestTemplatesInTheFolder says what variables and files do, or do not do, to a configuration
// without templates.
func TestTemplatesInTheFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	put := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("krakend.json", `{"version": 3, "endpoints": []}`)
	for variable, want := range map[string]string{
		"FC_SETTINGS": "FC_SETTINGS has no effect", "FC_OUT": "FC_OUT has no effect", "FC_UNDEFINED": "FC_UNDEFINED has no effect",
		"FC_ENABEL": "FC_ENABEL is not read; did you mean FC_ENABLE?", "FC_SETTING": "FC_SETTING is not read; did you mean FC_SETTINGS?", "FC_BARCELONA": "",
	} {
		t.Setenv(variable, "1")
		if got := invoke(t, "check"); got.code != 0 || !strings.Contains(got.stderr, want) || want == "" && strings.Contains(got.stderr, variable) {
			t.Errorf("%s: %+v", variable, got)
		}
		os.Unsetenv(variable)
	}
	put("flexible_config.json", `{"out": "out.json"}`)
	if got := invoke(t, "check"); got.code != 0 {
		t.Errorf("with the file: %+v", got)
	}
	if _, err := os.Stat("out.json"); err == nil {
		t.Error("check writes a file that nobody has asked for")
	}
	put("krakend.json", `{"version": 3, "endpoints": [], "name": "{{ .x }}"}`)
	if got := invoke(t, "check"); got.code != 1 || !strings.Contains(got.stderr, "flexible_config.json: the configuration is read as a template, because") {
		t.Errorf("with the file and an error: %+v", got)
	}
}
