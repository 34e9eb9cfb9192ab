package migrate

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestCompare has a pair of answers for each verdict and each reason.
func TestCompare(t *testing.T) {
	s := service(t, `version: 3
host: [a]
endpoints:
  - {endpoint: /one, backend: [{url_pattern: /}]}
  - {endpoint: /two, backend: [{url_pattern: /}, {url_pattern: /}]}
  - {endpoint: /limit, backend: [{url_pattern: /, extra_config: {qos/ratelimit/proxy: {max_rate: 1}}}]}
`)
	one, two, limit := s.Endpoints[0], s.Endpoints[1], s.Endpoints[2]
	answer := func(status int, body, completed string) outcome {
		a := &e2e.Answer{Status: status, Header: make(http.Header), Body: []byte(body)}
		if completed != "" {
			a.Header.Set("X-Krakend-Completed", completed)
		}
		return outcome{Answer: a}
	}
	none := outcome{err: errors.New("it broke off")}
	tests := []struct {
		name         string
		e            *model.Endpoint
		ours, theirs outcome
		again        outcome
		verdict      Verdict
		because, row string // because is the beginning
	}{
		{"to the byte", one, answer(200, "a", ""), answer(200, "a", ""), none, Identical, "", ""},
		{"as JSON", one, answer(200, `{"a":1,"b":2}`, ""), answer(200, `{"b":2,"a":1.0}`, ""), none, Identical, "as JSON", "json-text"},
		{"none of both", one, none, none, none, Identical, "neither answers", ""},
		{"none of ours", one, none, answer(200, "a", ""), none, Differs, "", ""},
		{"none of theirs", one, answer(200, "a", ""), none, none, Better, "answers 200 where KrakenD does not: it broke off", ""},
		{"none of theirs, and an error", one, answer(502, "", ""), none, none, Differs, "answers 502 where", ""},
		{"theirs fails", one, answer(200, "a", ""), answer(500, "", ""), answer(500, "", ""), Better, "answers where KrakenD fails", ""},
		{"theirs is incomplete", two, answer(200, `{"a":1}`, "true"), answer(200, `{}`, "false"), answer(200, `{}`, "false"), Better, "whole where", ""},
		{"theirs varies", one, answer(200, "a", ""), answer(200, "b", ""), answer(200, "c", ""), Varies, "KrakenD itself", ""},
		{"theirs varies by merging", two, answer(200, "a", ""), answer(200, "b", ""), answer(200, "a", ""), Varies, "KrakenD itself", "merging"},
		{"a limit", one, answer(429, "", ""), answer(200, "a", ""), answer(200, "a", ""), Differs, "a limit", "rate-limits"},
		{"a limit of a backend", limit, answer(503, "", ""), answer(200, "a", ""), answer(200, "a", ""), Differs, "a limit", "rate-limits"},
		{"keys", one, answer(503, "", ""), answer(401, "", ""), answer(401, "", ""), Differs, "the keys", "keys-of-auth-validator-that-cannot-be-had"},
		{"causes", one, answer(502, "", ""), answer(500, "", ""), answer(500, "", ""), Differs, "the status tells the cause", ""},
		{"texts of errors", one, answer(404, "a", ""), answer(404, "b", ""), answer(404, "b", ""), Differs, "the text of an error", "error-texts"},
		{"merged", two, answer(200, `{"a":1}`, ""), answer(200, `{"a":2}`, ""), answer(200, `{"a":2}`, ""), Differs, "several backends", "merging"},
		{"unknown", one, answer(200, `{"a":1}`, ""), answer(200, `{"a":2}`, ""), answer(200, `{"a":2}`, ""), Differs, "no row of", ""},
		{"no endpoint", nil, answer(503, "", ""), answer(200, "", ""), answer(200, "", ""), Differs, "no row of", ""},
	}
	known := ids()
	for _, tt := range tests {
		var c Comparison
		compare(&c, tt.e, &e2e.Runner{}, tt.ours, tt.theirs, func() (*e2e.Answer, error) { return tt.again.Answer, tt.again.err })
		row := ""
		if tt.row != "" {
			row = link(tt.row)
		}
		if c.Verdict != tt.verdict || !strings.HasPrefix(c.Because, tt.because) || (c.Because == "") != (tt.because == "") || c.Row != row {
			t.Errorf("%s: %+v, want %s, %q and %q", tt.name, c, tt.verdict, tt.because, row)
		}
		if c.Verdict == Differs && len(c.Differences) == 0 && tt.theirs.err == nil {
			t.Errorf("%s: no difference is told", tt.name)
		}
		if tt.row != "" && !strings.Contains(" "+strings.Join(known, " ")+" ", " "+tt.row+" ") {
			t.Errorf("%s is no row", tt.row)
		}
	}
}
