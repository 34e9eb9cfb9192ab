package archtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// testModules are the modules that only tests use: oracles, leaks, properties. Tests
// stand beside the code that they know from inside, so their modules stand in go.mod
// beside those of the program.
var testModules = []string{
	"github.com/go-json-experiment/json",
	"github.com/graphql-go/graphql",
	"github.com/miekg/dns",
	"github.com/nats-io/nats-server/v2",
	"github.com/rs/cors",
	"github.com/twmb/franz-go/pkg/kfake",
	"go.uber.org/goleak",
	"pgregory.net/rapid",
}

// TestModules keeps what only tests use out of the program, and what the program uses
// out of the list above.
func TestModules(t *testing.T) {
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(run("mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(run("list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/sluice")))
	for _, required := range mod.Require {
		if required.Indirect {
			continue
		}
		switch inProgram, inTests := slices.Contains(linked, required.Path), slices.Contains(testModules, required.Path); {
		case inProgram && inTests:
			t.Errorf("%s is for tests, and the program uses it", required.Path)
		case !inProgram && !inTests:
			t.Errorf("the program does not use %s; add it to the modules for tests, or remove it", required.Path)
		}
	}
}
