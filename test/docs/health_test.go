package docs

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", "-c", name, "-p", "0")
	var out bytes.Buffer
	cmd.Stdout = &out
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, port := bufio.NewScanner(pipe), regexp.MustCompile(`serving.*?:(\d+)`)
	var m []string
	for m == nil && lines.Scan() {
		m = port.FindStringSubmatch(lines.Text())
	}
	drained := make(chan struct{})
	go func() { io.Copy(io.Discard, pipe); close(drained) }()
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if m == nil {
		t.Fatal("the gateway does not start")
	}
	res, err := http.Get("http://127.0.0.1:" + m[1] + "/__ready")
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
