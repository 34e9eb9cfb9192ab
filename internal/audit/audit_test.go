package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/report"
)

// section begins a configuration of testdata/rules.txtar.
var section = regexp.MustCompile(`(?m)^-- (\S+) (fires|not)(: .*)? --\n`)

// agents is how the table asks for some.
var agents = regexp.MustCompile(`\[\*(\d+)\]`)

func audit(t *testing.T, text string, o Options) *Report {
	t.Helper()
	d, problems := config.Parse("gateway.yaml", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	s, problems := Decode(d)
	if s == nil {
		t.Fatalf("%s\n%s", config.Format(problems), text)
	}
	return Run(s, o)
}

// TestRules has every rule fire, at the lines that say so, and not fire.
func TestRules(t *testing.T) {
	table, err := os.ReadFile("testdata/rules.txtar")
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	begins := section.FindAllSubmatchIndex(table, -1)
	for i, b := range begins {
		end := len(table)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		id, kind, text := string(table[b[2]:b[3]]), string(table[b[4]:b[5]]), string(table[b[1]:end])
		title := strings.TrimSpace(string(table[b[0]:b[1]]))
		count[id+" "+kind]++
		text = agents.ReplaceAllStringFunc(text, func(stars string) string {
			n, _ := strconv.Atoi(agents.FindStringSubmatch(stars)[1])
			list := make([]string, n)
			for i := range list {
				list[i] = fmt.Sprintf("{name: a%d, consumer: {topic: t}, backend: [{url_pattern: /, host: [a]}], extra_config: {async/amqp: {}}}", i)
			}
			return "[" + strings.Join(list, ", ") + "]"
		})
		var want []int
		for n, line := range strings.Split(text, "\n") {
			switch {
			case strings.Contains(line, "# here, the next line"):
				want = append(want, n+2)
			case strings.HasSuffix(line, "# here"):
				want = append(want, n+1)
			}
		}
		if (len(want) > 0) != (kind == "fires") {
			t.Errorf("%s: %d lines are marked", title, len(want))
		}
		var got []int
		for _, f := range audit(t, text, Options{}).Recommendations {
			if f.Rule != id {
				continue
			}
			for _, p := range f.Places {
				got = append(got, p.Line)
				if d, _ := config.Parse("gateway.yaml", []byte(text)); report.At(locate(t, d.Root, p.Path), p.Name) != p {
					t.Errorf("%s: %s is not where %s stands", title, p, p.Path)
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: places in lines %v, want %v", title, got, want)
		}
	}
	for _, r := range Rules {
		for _, kind := range []string{"fires", "not"} {
			if count[r.ID+" "+kind] == 0 {
				t.Errorf("no configuration for %s %s", r.ID, kind)
			}
			delete(count, r.ID+" "+kind)
		}
	}
	for left := range count {
		t.Errorf("%s is no rule", left)
	}
}

func locate(t *testing.T, root *config.Node, path string) *config.Node {
	t.Helper()
	n, rest := root.Locate(config.SplitPath(path))
	if len(rest) > 0 {
		t.Fatalf("%s leads nowhere", path)
	}
	return n
}

// TestTable holds the identifiers and severities against the contract, which the incumbent's
// users have in their ignore files.
func TestTable(t *testing.T) {
	const want = "1.1.1 H 1.1.2 M 1.2.1 H 2.1.1 H 2.1.2 H 2.1.3 C 2.1.7 H 2.1.8 H 2.1.9 L 2.2.1 M 2.2.2 H 2.2.3 H 2.2.4 H 2.2.5 L 2.3.1 M " +
		"3.1.1 L 3.1.2 H 3.1.3 H 3.3.1 L 3.3.2 M 3.3.3 H 3.3.4 C 4.1.1 M 4.1.2 M 4.1.3 H 4.2.1 M 4.3.1 M 5.1.1 L 5.1.2 L 5.1.3 L 5.1.4 L 5.1.5 M " +
		"5.1.6 M 5.1.7 M 5.2.1 C 5.2.2 L 5.2.3 L 6.1.1 L 7.1.1 H 7.1.2 H 7.1.3 H 7.1.4 H 7.1.5 H 7.1.6 H 7.1.7 H 7.1.8 H 7.1.9 H " +
		"7.2.1 H 7.2.2 H 7.2.3 H 7.2.4 H 7.3.1 M"
	var got []string
	for _, r := range Rules {
		got = append(got, r.ID, r.Severity[:1])
		if (r.find == nil) == (r.cover == nil) || r.Message == "" || r.Remedy == "" || strings.HasSuffix(r.Message, ".") {
			t.Errorf("%s is not whole", r.ID)
		}
	}
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// coverage is a configuration in which some have what others lack.
func coverage() string {
	var b strings.Builder
	b.WriteString("version: 3\nhost: [a]\nendpoints:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - endpoint: /%d\n    backend: [{url_pattern: /}]\n", i)
		if i < 2 {
			b.WriteString("    extra_config: {auth/validator: {jwk_url: a}, security/cors: {}, qos/ratelimit/router: {max_rate: 1}}\n")
		}
	}
	return b.String()
}

func TestCoverage(t *testing.T) {
	r := audit(t, coverage(), Options{})
	var got []string
	for _, c := range r.Stats.Coverage {
		got = append(got, c.Rule+" "+c.Message)
		if len(c.Places) != c.Without || c.Places[0].Path != "endpoints[2]" || c.Places[0].Name != "GET /2" || c.Places[0].Line != 10 {
			t.Errorf("%s: places %v", c.Message, c.Places)
		}
	}
	want := []string{"1.2.1 8 of 10 endpoints have no validator", "2.2.2 8 of 10 endpoints have no CORS", "3.1.2 8 of 10 endpoints have no rate limit"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// What is ignored is not told either.
	r = audit(t, coverage(), Options{Severities: []string{High}, Ignore: []string{"1.2.1", "2.2.2"}})
	if len(r.Stats.Coverage) != 1 || !slices.Equal(r.Stats.Ignored, []string{"1.2.1", "2.2.2"}) {
		t.Errorf("with rules that are ignored: %+v", r.Stats)
	}
	for _, f := range r.Recommendations {
		if f.Severity != High {
			t.Errorf("%s is %s", f.Rule, f.Severity)
		}
	}
}

// TestOutput holds what people and programs read.
func TestOutput(t *testing.T) {
	r := audit(t, coverage(), Options{Ignore: []string{"4.2.1"}, Severities: []string{High, Low}})
	var text strings.Builder
	if err := r.Text(&text, "gateway.yaml", func(s string) string { return s }); err != nil {
		t.Fatal(err)
	}
	testx.Golden(t, "testdata/text.txt", text.String())
	for name, v := range map[string]any{"report.json": r, "sarif.json": report.SARIF(r.Problems(), "1.0", Describe)} {
		out, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		testx.Golden(t, "testdata/"+name, string(out)+"\n")
	}
}

func TestTemplate(t *testing.T) {
	r := audit(t, "version: 3\nname: a\n", Options{Severities: []string{High}})
	paint := func(s string) string { return "<" + s + ">" }
	tests := []struct{ template, want, err string }{
		{"{{ range .Recommendations }}{{ .Rule }} {{ colored .Severity }} {{ .Message }};{{ len .Places }} {{ end }}", "2.1.2 <HIGH> clients are served without TLS;1 ", ""},
		{"{{ marshal (index .Recommendations 0).Places }}", `[{"file":"gateway.yaml","line":1,"column":1,"path":""}]`, ""},
		{"{{ .Stats.Endpoints }} {{ (index .Recommendations 0).Remedy }}", "0 add tls with keys, or ignore this rule where a balancer in front ends TLS", ""},
		{"{{ if eq (index .Recommendations 0).Severity `HIGH` }}yes{{ end }}", "yes", ""},
		{"{{ nothing }}", "", `line 1 of the template: function "nothing" not defined`},
		{"\n{{ if }}", "", "line 2 of the template: missing value for if"},
		{"a\n  {{ .Nothing }}", "", "line 2, byte 5 of the template: <.Nothing>: can't evaluate field Nothing in type Report"},
	}
	for _, tt := range tests {
		form, err := ParseTemplate(tt.template, paint)
		var got []byte
		if err == nil {
			got, err = form.Execute(r)
		}
		if string(got) != tt.want || fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
			t.Errorf("%q: %q, %v; want %q, %q", tt.template, got, err, tt.want, tt.err)
		}
	}
}

// TestSecrets shows nothing of what comes from elsewhere.
func TestSecrets(t *testing.T) {
	t.Setenv("AUDIT_PATH", "hidden")
	d, problems := config.Parse("gateway.yaml", []byte("version: 3\nendpoints: [{endpoint: \"/${env:AUDIT_PATH}/*\", backend: [{url_pattern: /, host: [a]}]}]\n"))
	problems = append(problems, d.ExpandReferences(config.LoadOptions{Environ: []string{"AUDIT_PATH=hidden"}})...)
	s, more := Decode(d)
	if s == nil || config.HasErrors(append(problems, more...)) {
		t.Fatal(config.Format(append(problems, more...)))
	}
	text, err := json.Marshal(Run(s, Options{}))
	if err != nil || strings.Contains(string(text), "hidden") || !strings.Contains(string(text), "GET /${env:AUDIT_PATH}/*") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestHostile reads what nobody means, without an end of its own or a crash.
func TestHostile(t *testing.T) {
	deep := strings.Repeat(`{"url_pattern":"/","extra_config":{"workflow":{"endpoint":"/i","backend":[`, 300) + `{"url_pattern":"/","input_headers":["*"]}` + strings.Repeat(`]}}}`, 300)
	odd := []string{`null`, `true`, `"a"`, `1`, `[]`, `[null]`, `{}`, `[[{}]]`, `{"name":{}}`, `{"name":[null,1,{}]}`, `{"exporters":[1]}`, `{"exporters":{"otlp":{"a":1},"prometheus":[null,1]}}`,
		`{"server":[1]}`, `{"server":{"services":[null,{"methods":[null,1,{"backend":[null,1]}]}]}}`, `{"tiers":[null,1,{"ratelimit":[1]}]}`, `{"client_tls":null,"tls":[1,{"allow_insecure_connections":true}]}`,
		`{"endpoint":1,"backend":"x"}`, `{"backend":[{"extra_config":[1]}]}`}
	documents := []string{`{"version":3,"endpoints":[{"endpoint":"/","backend":[` + deep + `]}]}`}
	names := []string{"proxy", "workflow", "grpc", "router"}
	for name := range effects {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, v := range odd {
		var members []string
		for _, name := range append(names, "auth/basic", "plugin/http-server", "plugin/http-client", "backend/graphql", "redis") {
			members = append(members, strconv.Quote(name)+":"+v)
		}
		extra := `"extra_config":{` + strings.Join(members, ",") + `}`
		documents = append(documents, `{"version":3,`+extra+`,"endpoints":[{"endpoint":"/",`+extra+`,"backend":[{"url_pattern":"/","host":["a"],`+extra+`}]}]}`)
	}
	for _, text := range documents {
		d, problems := config.Parse("gateway.json", []byte(text))
		if config.HasErrors(problems) {
			t.Fatal(config.Format(problems))
		}
		s, problems := Decode(d)
		if s == nil {
			t.Fatalf("%s\n%.200q", config.Format(problems), text)
		}
		first, err := json.Marshal(Run(s, Options{}))
		again, _ := json.Marshal(Run(s, Options{}))
		if err != nil || string(first) != string(again) {
			t.Errorf("%.200q: %v, or two reports", text, err)
		}
	}
}

// TestRefused has no findings about what cannot be decoded.
func TestRefused(t *testing.T) {
	for _, text := range []string{`[]`, `{"version":2}`, `{"version":3,"timeout":"soon"}`, `{"version":3,"endpoints":[{"endpoint":"/a","backend":[{"host":{}}]}]}`} {
		d, _ := config.Parse("gateway.json", []byte(text))
		if s, problems := Decode(d); s != nil || !config.HasErrors(problems) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

func TestReadIgnored(t *testing.T) {
	got, err := ReadIgnored("audit.txt", []byte("# why\r\n1.2.1\n\n  2.1.2 # TLS ends in front\n"))
	if err != nil || !slices.Equal(got, []string{"1.2.1", "2.1.2"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for text, want := range map[string]string{
		"\n1.2.3 # x\n": `audit.txt:2: there is no rule "1.2.3"; did you mean 1.2.1?`,
		"2.1":           `audit.txt:1: there is no rule "2.1"; did you mean 2.1.1?`,
		"all\n":         `audit.txt:1: there is no rule "all"; write one such as 1.2.1`,
	} {
		if _, err := ReadIgnored("audit.txt", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
