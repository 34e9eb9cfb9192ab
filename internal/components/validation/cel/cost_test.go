package cel

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// object writes the options of one condition.
func object(t testing.TB, expr string, members string) string {
	t.Helper()
	quoted, err := json.Marshal(expr)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`[{"check_expr":%s%s}]`, quoted, members)
}

// TestPatternsAreWritten refuses patterns that somebody else chooses.
func TestPatternsAreWritten(t *testing.T) {
	written := []string{
		"req_path.matches('^/users/')",
		"matches(req_path, '^/users/')",
		"req_path.matches('^/' + 'users/')",
		"['^/a', '^/users/'].exists(p, req_path.matches(p))",
		"req_headers['X-Role'].all(v, v.matches('^[a-z]+$'))",
		"[['^/users/'], ['x']].exists(l, l.exists(p, req_path.matches(p)))",
	}
	for _, expr := range written {
		p := fixture{validator: true}.build(t, list(expr))
		if len(p.problems) > 0 {
			t.Errorf("%s: %v, want no problem", expr, p.problems)
			continue
		}
		if err := p.run(t.Context(), exchange(t, false)); err != nil {
			t.Errorf("%s: %v, want it to hold", expr, err)
		}
	}
	dynamic := map[string]string{
		"'/users/7'.matches(req_headers['X-Role'][0])":          "column 41",
		"matches('a', req_querystring.q[0])":                    "column 31",
		"req_path.matches('^/' + req_params.Id_user)":           "column 23",
		"req_headers['X-Many'].exists(p, req_path.matches(p))":  "column 50",
		"JWT.sub.matches(JWT.o.a)":                              "column 22",
		"resp_data.text.matches(resp_data.word)":                "column 33",
		"req_path.matches(req_method == 'GET' ? 'a' : 'b')":     "column 38",
		"[req_path].exists(x, ['a'].exists(y, 'z'.matches(x)))": "column 50",
		"['a'].exists(y, [req_path].exists(y, 'z'.matches(y)))": "column 50",
		"{'a': 'b'.matches(now)}['a']":                          "column 19",
		"[true, 'b'.matches(now)][1]":                           "column 20",
	}
	for expr, column := range dynamic {
		p := fixture{validator: true}.build(t, list("now != ''", expr))
		if len(p.problems) != 1 || p.problems[0].Path != "[1].check_expr" || p.problems[0].Severity != config.Error ||
			!strings.Contains(p.problems[0].Err.Error(), column+": the pattern of matches()") || !strings.Contains(p.problems[0].Err.Error(), "dynamic_patterns") {
			t.Errorf("%s: %v, want an error at %s", expr, p.problems, column)
		}
		if p := (fixture{validator: true}).build(t, object(t, expr, `,"dynamic_patterns":true`)); config.HasErrors(p.problems) {
			t.Errorf("%s, allowed: %v", expr, p.problems)
		}
	}
}

// TestDynamicPatternsAreBounded lets patterns of clients cost little, and refuses
// those that would cost more.
func TestDynamicPatternsAreBounded(t *testing.T) {
	const expr = "req_headers['X-Text'][0].matches(req_headers['X-Pattern'][0])"
	p := fixture{}.build(t, object(t, expr, `,"dynamic_patterns":true,"cost_limit":1000000000`))
	tests := []struct {
		pattern, text string
		cause         string // of the refusal; "" if it holds
	}{
		{"^a+$", "aaa", ""},
		{"^b+$", "aaa", "not true"},
		{"(", "aaa", "cannot be read"},
		{`\pL{3}`, "aaa", ""},
		{"(((a{0,30}){0,30}){0,30})", "aaa", "cannot be read"},
		{`(\pL{30}){30}`, "aaa", "too large"},
		{strings.Repeat("a?", 501), "aaa", "1002 bytes"},
		{strings.Repeat("(a|b)?", 150), strings.Repeat("a", 100_000), "too large"},
		{"a{1000}", strings.Repeat("a", 1000), ""},
	}
	for _, tt := range tests {
		x := testx.Request{Header: gateway.Fields{{Name: "X-Text", Value: tt.text}, {Name: "X-Pattern", Value: tt.pattern}}}.Exchange(t)
		err := p.run(t.Context(), x)
		if (err == nil) != (tt.cause == "") || err != nil && !strings.Contains(err.Error(), tt.cause) {
			t.Errorf("%.40q in a text of %d bytes: %.200v, want %q", tt.pattern, len(tt.text), err, tt.cause)
		}
	}
}

// TestCostLimit ends what costs more than it may, with loops and without, and
// refuses at the start what cannot cost less.
func TestCostLimit(t *testing.T) {
	const loop = "req_headers['X-List'].all(v, v != 'x')"
	const search = "!req_headers['X-List'][0].contains('needle in a haystack that is not there')"
	few := gateway.Fields{{Name: "X-List", Value: "a"}}
	var lines, long gateway.Fields
	for range 100 {
		lines.Add("X-List", "a")
	}
	long.Add("X-List", strings.Repeat("n", 10_000))
	tests := []struct {
		name, expr, limit string
		header            gateway.Fields
		holds             bool
	}{
		{"a short loop", loop, "100", few, true},
		{"a long loop", loop, "100", lines, false},
		{"a long loop with more", loop, "1000", lines, true},
		{"a long loop by default", loop, "", lines, true},
		{"a short text", search, "100", few, true},
		{"a long text", search, "100", long, false},
		{"a long text with more", search, "100000", long, true},
		{"a long text by default", search, "", long, true},
	}
	for _, tt := range tests {
		members := ""
		if tt.limit != "" {
			members = `,"cost_limit":` + tt.limit
		}
		p := fixture{}.build(t, object(t, tt.expr, members))
		if len(p.problems) > 0 {
			t.Fatalf("%s: %v", tt.name, p.problems)
		}
		err := p.run(t.Context(), testx.Request{Header: tt.header}.Exchange(t))
		if (err == nil) != tt.holds || err != nil && !strings.Contains(err.Error(), "cost limit") {
			t.Errorf("%s: error %v, want it to hold: %v", tt.name, err, tt.holds)
		}
	}
	for expr, limit := range map[string]int{loop: 1, "timestamp(now).getDayOfWeek() in [1, 2, 3, 4, 5]": 10} {
		p := fixture{}.build(t, object(t, expr, fmt.Sprintf(`,"cost_limit":%d`, limit)))
		if len(p.problems) != 1 || p.problems[0].Path != "[0].check_expr" || !strings.Contains(p.problems[0].Err.Error(), "raise cost_limit") {
			t.Errorf("%s within %d: %v, want an error at the start", expr, limit, p.problems)
		}
	}
}

// TestStatus gives each condition the status of its dialect, or its own.
func TestStatus(t *testing.T) {
	tests := []struct {
		expr, own       string
		krakend, sluice int
	}{
		{"req_method == 'X'", "", 0, 403},
		{"req_headers['X-None'][0] == 'a'", "", 0, 403},
		{"false", "", 0, 403},
		{"JWT.sub == 'nobody'", "", 401, 403},
		{"resp_completed == false", "", 0, 502},
		{"req_method == 'X'", `,"status":451`, 451, 451},
		{"req_headers['X-None'][0] == 'a'", `,"status":418`, 418, 418},
		{"JWT.sub == 'nobody'", `,"status":404`, 404, 404},
		{"resp_completed == false", `,"status":500`, 500, 500},
	}
	for _, tt := range tests {
		for dialect, want := range map[model.ErrorStatus]int{"500": tt.krakend, "by_cause": tt.sluice} {
			p := fixture{validator: true, errorStatus: dialect, now: time.Now()}.build(t, object(t, tt.expr, tt.own))
			err := gateway.AsError(p.run(t.Context(), exchange(t, false)))
			if err == nil {
				t.Errorf("%s%s holds", tt.expr, tt.own)
				continue
			}
			status := err.Status
			if dialect == "by_cause" {
				status = err.ByCause()
			}
			if status != want || err.Code != "cel_rejected" {
				t.Errorf("%s%s, error_status %s: %v, want %d", tt.expr, tt.own, dialect, err, want)
			}
			if secret := strings.HasPrefix(tt.expr, "JWT"); (err.Public == "") != secret {
				t.Errorf("%s: clients read %q", tt.expr, err.Public)
			}
		}
	}
	for _, status := range []string{"200", "399", "600"} {
		if p := (fixture{}).build(t, object(t, "true", `,"status":`+status)); len(p.problems) != 1 || p.problems[0].Path != "[0].status" {
			t.Errorf("status %s: %v, want an error", status, p.problems)
		}
	}
}
