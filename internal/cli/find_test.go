package cli

import (
	"os"
	"strings"
	"testing"
)

// TestFind finds the configuration of a folder, ours before one that is kept for another
// gateway, and does not choose between two.
func TestFind(t *testing.T) {
	tests := []struct {
		name, there string
		want        string // that is taken, or what is said
		code        int
	}{
		{"ours", "sluice.yaml", "sluice.yaml", 0},
		{"in another format", "sluice.toml", "sluice.toml", 0},
		{"theirs", "krakend.json", "krakend.json", 0},
		{"ours first", "krakend.json krakend.yaml sluice.yml", "sluice.yml", 0},
		{"two of ours", "sluice.json sluice.yaml krakend.json", "sluice.yaml and sluice.json are both in this folder; name one of them by -c FILE", 2},
		{"two of theirs", "krakend.json krakend.yml", "krakend.json and krakend.yml are both in this folder", 2},
		{"neither", "gateway.json", "no configuration file: there is none of sluice.yaml, ", 2},
		{"a folder", "sluice.yaml/ krakend.json", "krakend.json", 0},
		{"a link that leads nowhere", "sluice.yaml@ krakend.json", "sluice.yaml: cannot read the file: no such file", 1},
	}
	minimals := map[string]string{
		"json": minimal,
		"yaml": "version: 3\nendpoints: [{endpoint: /x, backend: [{url_pattern: /x, host: [\"http://x\"]}]}]\n",
		"toml": "version = 3\n[[endpoints]]\nendpoint = \"/x\"\n[[endpoints.backend]]\nurl_pattern = \"/x\"\nhost = [\"http://x\"]\n",
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name := range strings.FieldsSeq(tt.there) {
				switch {
				case strings.HasSuffix(name, "/"):
					if err := os.Mkdir(name, 0o755); err != nil {
						t.Fatal(err)
					}
				case strings.HasSuffix(name, "@"):
					if err := os.Symlink("nowhere", strings.TrimSuffix(name, "@")); err != nil {
						t.Fatal(err)
					}
				default:
					_, ext, _ := strings.Cut(strings.ReplaceAll(name, "yml", "yaml"), ".")
					write(t, name, minimals[ext])
				}
			}
			if tt.code != 0 {
				for _, args := range [][]string{{"check"}, {"explain", "/x"}, {"run", "-p", "0"}} {
					if got := invoke(t, args...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
						t.Errorf("%q: %+v, want %d and %q", args, got, tt.code, tt.want)
					}
				}
				return
			}
			if got, want := invoke(t, "check"), tt.want+": Syntax OK!\n"; got != (result{0, want, ""}) {
				t.Errorf("check: %+v, want %q", got, want)
			}
			if got := invoke(t, "explain", "/x"); got.code != 0 || !strings.Contains(got.stdout, ", "+tt.want+":") {
				t.Errorf("explain: %+v, want %q", got, tt.want)
			}
		})
	}
}

// TestFindServes says in the line of the start which file was found.
func TestFindServes(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "krakend.json", quiet)
	p := serveCommand(t, "run", "-p", "0")
	if line := " file=krakend.json "; !strings.Contains(p.log(), line) {
		t.Errorf("no %q in the log:\n%s", line, p.log())
	}
}
