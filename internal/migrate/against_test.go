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
		again        outcome // of theirs
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
		compare(&c, tt.e, &e2e.Runner{}, tt.ours, tt.theirs, func() (outcome, outcome) { return tt.ours, tt.again })
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

// TestCompareWhatVaries keeps what is the same each time apart from what is not: parts that
// vary hide no difference beside them.
func TestCompareWhatVaries(t *testing.T) {
	s := service(t, "version: 3\nhost: [a]\nendpoints: [{endpoint: /one, backend: [{url_pattern: /}]}]\n")
	answer := func(status int, body string, header ...string) outcome {
		a := &e2e.Answer{Status: status, Header: make(http.Header), Body: []byte(body)}
		for i := 0; i < len(header); i += 2 {
			a.Header.Set(header[i], header[i+1])
		}
		return outcome{Answer: a}
	}
	tests := []struct {
		name          string
		ours, theirs  [2]outcome
		verdict       Verdict
		because       string // the beginning
		differ, other string // other is what varies
	}{
		{"a status beside a body that changes",
			[2]outcome{answer(200, `{"t":1}`), answer(200, `{"t":2}`)}, [2]outcome{answer(403, "id 1"), answer(403, "id 2")},
			Differs, "no row", `status: 200, KrakenD 403|body: {"t":1}, KrakenD id 1`, ""},
		{"a status beside texts that change",
			[2]outcome{answer(200, "a"), answer(200, "a")}, [2]outcome{answer(403, "id 1"), answer(403, "id 2")},
			Differs, "no row", "status: 200, KrakenD 403", "body"},
		{"a field beside a body that changes",
			[2]outcome{answer(200, `{"t":1}`), answer(200, `{"t":2}`)}, [2]outcome{answer(200, `{"t":3}`, "Cache-Control", "no-store"), answer(200, `{"t":4}`, "Cache-Control", "no-store")},
			Differs, "no row", `header Cache-Control: [], KrakenD ["no-store"]`, "body t"},
		{"a field that is missing, and changes where it is there",
			[2]outcome{answer(302, ""), answer(302, "")}, [2]outcome{answer(302, "", "Location", "/1"), answer(302, "", "Location", "/2")},
			Differs, "no row", `header Location: [], KrakenD ["/1"]`, ""},
		{"members beside one that changes",
			[2]outcome{answer(200, `{"id":1,"in":{"a":1,"t":[1,2]}}`), answer(200, `{"id":2,"in":{"a":1.0,"t":[1,3]}}`)},
			[2]outcome{answer(200, `{"in":{"t":[2,2],"a":2}}`), answer(200, `{"in":{"t":[2,2,1],"a":2}}`)},
			Differs, "no row", "body id: 1, KrakenD none|body in.a: 1, KrakenD 2|body in.t[0]: 1, KrakenD 2", "body in.t[1]|body in.t[2]"},
		{"what both change",
			[2]outcome{answer(200, `{"a":1,"t":1}`), answer(200, `{"a":1,"t":2}`)}, [2]outcome{answer(200, `{"a":1,"t":3}`), answer(200, `{"a":1,"t":4}`)},
			Varies, "both answer differently", "", "body t"},
		{"what ours alone changes",
			[2]outcome{answer(200, `{"t":1}`), answer(200, `{"t":2}`)}, [2]outcome{answer(200, `{"t":3}`), answer(200, `{"t":3}`)},
			Varies, "answers differently each time, and KrakenD does not", "", "body t"},
		{"a status that changes hides no member",
			[2]outcome{answer(200, `{"a":1}`), answer(200, `{"a":1}`)}, [2]outcome{answer(500, `{"a":2}`), answer(200, `{"a":2}`)},
			Differs, "no row", "body a: 1, KrakenD 2", "status"},
		{"a limit that is met by the second request",
			[2]outcome{answer(200, `{"a":1}`), answer(429, "")}, [2]outcome{answer(200, `{"a":2}`), answer(429, "")},
			Differs, "no row", "body a: 1, KrakenD 2", ""},
	}
	for _, tt := range tests {
		var c Comparison
		compare(&c, s.Endpoints[0], &e2e.Runner{}, tt.ours[0], tt.theirs[0], func() (outcome, outcome) { return tt.ours[1], tt.theirs[1] })
		if c.Verdict != tt.verdict || !strings.HasPrefix(c.Because, tt.because) || strings.Join(c.Differences, "|") != tt.differ || strings.Join(c.Varies, "|") != tt.other {
			t.Errorf("%s: %+v, want %s, %q, %q and %q", tt.name, c, tt.verdict, tt.because, tt.differ, tt.other)
		}
	}
}
