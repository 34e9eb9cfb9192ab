package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/migrate"
)

// migrated uses what works, what works differently, what is not built and what is refused.
const migrated = `{
  "version": 3,
  "name": "shop",
  "extra_config": { "server/virtualhost": { "hosts": ["a"] } },
  "endpoints": [
    {
      "endpoint": "/users/{id}",
      "timeout": "800ms",
      "backend": [
        { "url_pattern": "/users/{id}", "host": ["http://users:8000"], "concurrent": 3 },
        { "url_pattern": "/orders?user={id}", "host": ["http://orders:8000"], "group": "orders" }
      ],
      "extra_config": {
        "github.com/devopsfaith/krakend-ratelimit/juju/router": { "max_rate": 5 }
      }
    },
    {
      "endpoint": "/both",
      "method": "POST",
      "backend": [
        { "url_pattern": "/a", "host": ["http://users:8000"] },
        { "url_pattern": "/b", "host": ["http://users:8000"] }
      ]
    }
  ]
}
`

func TestMigrate(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "krakend.json", migrated)
	got := invoke(t, "migrate", "krakend.json")
	if got.code != 1 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	before, everywhere, _ := strings.Cut(got.stdout, "Done differently for every")
	before = strings.TrimSuffix(before, "\n")
	testx.Golden(t, filepath.Join(testdata, "migrate.txt"), before)
	if brief := invoke(t, "migrate", "krakend.json", "--brief"); brief != (result{1, before, ""}) {
		t.Errorf("--brief: %+v", brief)
	}
	if !strings.Contains(everywhere, "\n  JSON text: members keep the order") {
		t.Errorf("what holds for every file: %q", everywhere)
	}
	for _, args := range [][]string{{"migrate"}, {"migrate", "-c", "krakend.json"}, {"migrate", "--skip-files", "krakend.json"}} {
		if again := invoke(t, args...); again != got {
			t.Errorf("%q: %+v", args, again)
		}
	}
	inJSON := invoke(t, "migrate", "krakend.json", "--format", "json")
	var r migrate.Report
	if err := json.Unmarshal([]byte(inJSON.stdout), &r); err != nil || inJSON.code != 1 || r.Starts || len(r.Change) != 1 || len(r.Unsupported) != 1 || r.Endpoints != 2 {
		t.Errorf("json: %+v, %v", inJSON, err)
	}
	write(t, "plain.json", clean)
	if got := invoke(t, "migrate", "plain.json"); got.code != 0 || !strings.HasPrefix(got.stdout, "plain.json: starts; 0 to change first, 0 not supported yet, 0 done differently, ") {
		t.Errorf("a plain file: %+v", got)
	}
	wrong := []struct {
		args string
		code int
		want string
	}{
		{"migrate a.json b.json", 2, `unexpected argument "b.json"; write one FILE`},
		{"migrate a.json -c b.json", 2, `unexpected argument "a.json" beside -c; write one FILE`},
		{"migrate plain.json --format xml", 2, `unknown format "xml"; write text or json`},
		{"migrate missing.json", 1, "missing.json: cannot read the file: no such file or directory"},
	}
	for _, tt := range wrong {
		if got := invoke(t, strings.Fields(tt.args)...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%s: %+v, want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
}
