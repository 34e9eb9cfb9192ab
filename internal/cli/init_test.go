package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// TestInitAnswers types what init says, and does what the second answer says.
func TestInitAnswers(t *testing.T) {
	t.Chdir(t.TempDir())
	said := invoke(t, "init")
	var p *process
	answers := make(map[string]map[string]any)
	ask := func(path string) (answer map[string]any) {
		t.Helper()
		if status, text := p.get(t, path); status != 200 || json.Unmarshal([]byte(text), &answer) != nil {
			t.Errorf("%s: %d %s", path, status, text)
		}
		return answer
	}
	for line := range strings.Lines(said.stdout) {
		typed, isCommand := strings.CutPrefix(strings.TrimSpace(line), "sluice ")
		path, isCurl := strings.CutPrefix(strings.TrimSpace(line), "curl http://localhost:8080")
		switch {
		case isCommand:
			p = serveCommand(t, append(strings.Fields(typed), "-p", "0")...)
		case isCurl:
			answers[path] = ask(path)
		}
	}
	if len(answers) != 2 || answers["/hello"]["message"] != "Hello from your gateway" {
		t.Fatalf("%s\n%v", said.stdout, answers)
	}
	const second = "/v1/products"
	note, _ := answers[second]["note"].(string)
	if !strings.Contains(note, "into sluice.yaml, where it says HERE") {
		t.Errorf("the second answer is %v", answers[second])
	}

	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"products":["Kettle"],"margin":0.4}`)
	}))
	defer service.Close()
	text, err := os.ReadFile("sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "Hello from your gateway", "Good morning", 1)
	parts := strings.Split(changed, "# HERE")
	for i := 1; i < len(parts); i++ { // the line behind each
		lines := strings.SplitN(parts[i], "\n", 3)
		lines[1] = "        host: [" + service.URL + "]"
		parts[i] = strings.Join(lines, "\n")
	}
	changed = strings.Join(parts, "# HERE")
	if err := os.WriteFile("sluice.yaml", []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service answers", func() bool { return ask(second)["products"] != nil })
	if answer := ask(second); answer["note"] != nil || answer["margin"] != nil || answer["marketing"] == nil {
		t.Errorf("the service is there, and the answer is %v", answer)
	}
	if answer := ask("/hello"); answer["message"] != "Good morning" {
		t.Errorf("the message is changed, and the answer is %v", answer)
	}
}
