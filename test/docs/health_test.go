package docs

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReady: an agent whose broker is away is told of as docs/operating.md says.
func TestReady(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile("`(\\{\"status\":\"unavailable\".*?\\})`").FindSubmatch(page)
	if want == nil {
		t.Fatal("operating.md does not show what /__ready answers")
	}
	name := filepath.Join(t.TempDir(), "agent.yaml")
	write(t, name, []byte(`
version: 3
dialect: sluice
async_agent:
  - name: orders
    consumer: {topic: "#"}
    backend: [{url_pattern: /orders, method: POST, host: ["http://127.0.0.1:1"]}]
    extra_config:
      async/amqp: {host: "amqp://127.0.0.1:1/", exchange: shop, name: orders, critical: true, max_deliveries: 3}
endpoints: [{endpoint: /x, backend: [{url_pattern: /x, host: ["http://127.0.0.1:1"]}]}]
`))
	res, err := http.Get("http://" + startGateway(t, name) + "/__ready")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 503 || strings.TrimSpace(string(got)) != string(want[1]) {
		t.Errorf("operating.md shows %s, and it is %d %.200q", want[1], res.StatusCode, got)
	}
}
