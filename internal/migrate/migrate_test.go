package migrate

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/model"
)

// plain is a file that has what every file has.
const plain = `version: 3
endpoints:
  - endpoint: /a
    backend: [{url_pattern: /a, host: ["http://a:8000"]}]
`

func parse(t *testing.T, text string) *config.Document {
	t.Helper()
	d, problems := config.Parse("krakend.yaml", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	return d
}

func ids() []string {
	var all []string
	for _, row := range manual.Differences() {
		all = append(all, row.ID)
	}
	return all
}

// TestRows keeps what speaks of rows to those that there are.
func TestRows(t *testing.T) {
	known := ids()
	for i, id := range known {
		if slices.Contains(known[:i], id) || id == "" {
			t.Errorf("%q is the anchor of two rows", id)
		}
	}
	for id := range Predicates {
		if !slices.Contains(known, id) {
			t.Errorf("a predicate is about %s, which is no row; if the beginning of the row has changed, change it here, too", id)
		}
	}
	for code, id := range rows {
		if !slices.Contains(known, id) {
			t.Errorf("problems of %s lead to %s, which is no row", code, id)
		}
	}
}

// TestPredicates has each hold somewhere, and none in a file that has nothing special.
func TestPredicates(t *testing.T) {
	text, err := os.ReadFile("testdata/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	whole := Run(parse(t, string(text)), nil, component.Default.Options)
	for id := range Predicates {
		i := slices.IndexFunc(whole.Differs, func(d Difference) bool { return d.Row == link(id) })
		if i < 0 {
			t.Errorf("%s holds nowhere", id)
			continue
		}
		for _, p := range whole.Differs[i].Places {
			if p.Line < 3 || p.Path == "" {
				t.Errorf("%s: %s is no place", id, p)
			}
		}
	}
	least := Run(parse(t, plain), nil, component.Default.Options)
	if len(least.Differs) > 0 || len(least.Everywhere) == 0 || !least.Starts {
		t.Errorf("a plain file: %+v", least.Differs)
	}
	if about := regexp.MustCompile("#(templates|specifications|a-request-that-cannot-be-sent)-"); slices.ContainsFunc(least.Everywhere, func(d Difference) bool { return about.MatchString(d.Row) }) {
		t.Errorf("a plain file has rows about what it does not use: %+v", least.Everywhere)
	}
	// Every row is told once, in one of the two ways, or by the check.
	for _, row := range manual.Differences() {
		n := 0
		for _, d := range slices.Concat(whole.Differs, whole.Everywhere) {
			if d.Row == link(row.ID) {
				n++
			}
		}
		if n > 1 {
			t.Errorf("%s is told %d times", row.ID, n)
		}
	}
}

func TestWords(t *testing.T) {
	tests := []struct{ where, places string }{
		{"`auto_ack` of `backend/amqp/consumer`", ""},
		{"`security/cors` with an empty `allow_origins`", `endpoints[0].extra_config["security/cors"].allow_origins`},
		{"`backend/lambda` with `no-op`", ""},
		{"behind `no-op`", "endpoints[0].output_encoding"},
		{"`cache_ttl` behind `security/*`", `endpoints[0].extra_config["security/cors"]`},
		{"`concurrent_calls`", ""},
		{"`Upgrade` of `nothing`", "everywhere"},
	}
	d := parse(t, `version: 3
endpoints:
  - endpoint: /a
    output_encoding: no-op
    cache_ttl: 1s
    backend: [{url_pattern: /, host: [a]}]
    extra_config: {security/cors: {allow_origins: []}, "@backend/lambda": {}}
`)
	s, _ := model.Resolve(d)
	doc := read(d, s)
	for _, tt := range tests {
		nodes, everywhere := doc.applies(manual.Difference{ID: "none", Where: tt.where})
		var got []string
		for _, n := range nodes {
			got = append(got, n.Path())
		}
		if everywhere {
			got = []string{"everywhere"}
		}
		if strings.Join(got, " ") != tt.places {
			t.Errorf("%s: %q, want %q", tt.where, got, tt.places)
		}
	}
}

// TestProblems sorts what the check has found.
func TestProblems(t *testing.T) {
	d := parse(t, plain)
	problem := func(path string, s config.Severity, code, text string) *config.Problem {
		return d.Root.ProblemAt(path, s, code, errors.New(text))
	}
	r := Run(d, []*config.Problem{
		problem("endpoints[0].method", config.Error, config.CodeUnknownValue, "must be GET; write GET"),
		problem("endpoints[0].extra_config.x", config.Error, config.CodeWrongType, "must be an object"),
		problem("endpoints[0].timeout", config.Warning, config.CodeWrongType, "must be a text"),
		problem("extra_config", config.Error, config.CodeUnsupported, "not supported yet"),
		problem("endpoints[0].extra_config", config.Error, config.CodeUnsupported, "not supported yet"),
		problem("name", config.Warning, config.CodeSuspicious, "often"),
		problem("host", config.Warning, config.CodeSuspicious, "often"),
		problem("timeout", config.Warning, config.CodeSuspicious, "often"),
		problem("version", config.Warning, config.CodeSuspicious, "often"),
		problem("endpoints", config.Warning, config.CodeSuspicious, "often"),
		problem("name", config.Note, config.CodeNote, "worth knowing"),
		problem("port", config.Warning, config.CodeSuspicious, "odd"),
	}, component.Default.Options)
	var text strings.Builder
	if err := r.Text(&text, "krakend.yaml", true, func(s string) string { return s }); err != nil {
		t.Fatal(err)
	}
	testx.Golden(t, "testdata/problems.txt", text.String())
}
