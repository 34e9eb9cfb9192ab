package compile_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// judged is a component that refuses each of its words.
var judged = component.NewRegistry(component.Endpoint(component.Info{Namespace: "test/judged"}, func(s *component.EndpointSite, o struct {
	Words []string `json:"words"`
}) error {
	errs := make([]error, len(o.Words))
	for i, word := range o.Words {
		errs[i] = config.At(fmt.Sprintf("words[%d]", i), fmt.Errorf("%q is none; write another", word))
	}
	return errors.Join(errs...)
}))

// TestEnough bounds what a small file may cost whose aliases multiply what is wrong in it.
func TestEnough(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector takes memory of its own")
	}
	const times, budget = 400, 160 << 20 // bytes that are allocated; the worst is measured at 110 MB
	again := func(what string, n int) string { return strings.TrimSuffix(strings.Repeat(what+", ", n), ", ") }
	for _, tt := range []struct{ name, root, endpoint string }{
		{"what a component refuses", "host: [http://a.test]", "backend: &b [{url_pattern: /}], extra_config: &e {test/judged: {words: [" + again("no", 300) + "]}}"},
		{"what cannot be decoded", "host: [http://a.test]", "backend: &b [{url_pattern: /}], extra_config: &e {}, input_headers: &h [" + again("{}", 300) + "]"},
		{"what nobody knows", "", "extra_config: &e {}, backend: &b [" + again("{url_pattern: /, hots: [a]}", 80) + "]"},
		{"hosts that are none", "", "extra_config: &e {}, backend: &b [{url_pattern: /, host: [" + again("a b", 300) + "]}]"},
	} {
		var b strings.Builder
		b.WriteString("version: 3\ndialect: sluice\n" + tt.root + "\nendpoints:\n- {endpoint: /first, " + tt.endpoint + "}\n")
		for i := range times {
			fmt.Fprintf(&b, "- {endpoint: /a%d, backend: *b, extra_config: *e", i)
			if strings.Contains(tt.endpoint, "&h") {
				b.WriteString(", input_headers: *h")
			}
			b.WriteString("}\n")
		}
		text := []byte(b.String())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, problems := config.Parse("aliases.yaml", text)
		if d == nil {
			t.Fatalf("%s: %s", tt.name, config.Format(problems))
		}
		_, problems = compile.Compile(d, compile.Options{Registry: judged, Env: &component.Env{
			Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
			Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return inMemory("{}"), nil },
		}})
		runtime.ReadMemStats(&after)
		taken := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d bytes of YAML, %d problems, %d KB", tt.name, len(text), len(problems), taken>>10)
		if len(problems) != config.Enough+1 || !strings.HasPrefix(problems[0].Err.Error(), "nobody looks for more") {
			t.Errorf("%s: %d problems, the first is %v", tt.name, len(problems), problems[0])
		}
		if taken > budget {
			t.Errorf("%s: %d bytes are allocated, the budget is %d", tt.name, taken, budget)
		}
	}
}
