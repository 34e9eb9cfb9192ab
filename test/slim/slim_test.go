package slim

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

const program = "github.com/sluice-gateway/sluice/cmd/sluice"

// heavy are beginnings of what a slim build leaves out.
var heavy = []string{"cloud.google.com/go/", "github.com/Azure/", "github.com/aws/", "github.com/twmb/franz-go", "google.golang.org/grpc"}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	text, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLibraries: the full build has what is heavy, and a slim one has nothing of it.
func TestLibraries(t *testing.T) {
	full := strings.Fields(goTool(t, "list", "-deps", program))
	slim := strings.Fields(goTool(t, "list", "-deps", "-tags", "slim", program))
	for _, library := range heavy {
		is := func(path string) bool { return strings.HasPrefix(path, library) }
		if !slices.ContainsFunc(full, is) {
			t.Errorf("the full build has nothing of %s", library)
		}
		if i := slices.IndexFunc(slim, is); i >= 0 {
			t.Errorf("the slim build has %s", slim[i])
		}
	}
}

// TestRefuses: what is left out is an error where it stands, whoever asks, and everything
// else is as it was.
func TestRefuses(t *testing.T) {
	if testx.Race {
		t.Skip("the gateway is a process of its own, which the race detector does not see")
	}
	folder := t.TempDir()
	sluice := filepath.Join(folder, "sluice")
	goTool(t, "build", "-tags", "slim", "-o", sluice, program)
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.Command(sluice, args...)
		cmd.Dir = folder
		text, _ := cmd.CombinedOutput()
		return string(text), cmd.ProcessState.ExitCode()
	}
	write(t, filepath.Join(folder, "refused.yaml"), `version: 3
dialect: sluice
endpoints:
  - endpoint: /function
    backend:
      - url_pattern: /
        extra_config:
          backend/lambda:
            function_name: f
  - endpoint: /queue
    backend:
      - url_pattern: /
        host: ["awssqs://sqs.eu-west-1.amazonaws.com/123456789012"]
        extra_config:
          backend/pubsub/subscriber:
            subscription_url: /orders
`)
	for _, args := range [][]string{{"check"}, {"run", "-p", "0"}, {"explain"}} {
		args := append(args, "-c", "refused.yaml")
		if args[0] == "explain" {
			args = append(args, "/function")
		}
		text, code := run(args...)
		for _, want := range []string{
			`refused.yaml:9:13: endpoints[0].backend[0].extra_config["backend/lambda"]: this build leaves AWS out; use the full build, which is made without the tag slim`,
			`refused.yaml:13:16: endpoints[1].backend[0].host[0]: host "awssqs://sqs.eu-west-1.amazonaws.com/123456789012" not valid for backend/pubsub/subscriber: invalid host: this build leaves awssqs:// out; use the full build, which is made without the tag slim` + "\n",
		} {
			if code != 1 || !strings.Contains(text, want) {
				t.Errorf("%q: exit code %d\n%s\nwant\n%s", args, code, text, want)
			}
		}
	}
	write(t, filepath.Join(folder, "served.yaml"), `version: 3
dialect: sluice
endpoints:
  - endpoint: /queue
    backend:
      - url_pattern: /
        host: ["nats://"]
        extra_config:
          backend/pubsub/subscriber:
            subscription_url: orders
            server: nats://queue.internal:4222
`)
	if text, _ := run("check", "--lint", "-c", "served.yaml"); text != "served.yaml: Syntax OK!\n" {
		t.Errorf("what is not left out: %s", text)
	}
	if text, _ := run("version"); !strings.Contains(text, "\ntags slim\n") {
		t.Errorf("the version does not say it: %s", text)
	}
}
