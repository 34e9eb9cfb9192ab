package migrate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Verdict is how the answers of two gateways compare.
type Verdict string

// The verdicts.
const (
	Identical Verdict = "identical" // of JSON: with the same values
	Better    Verdict = "better"    // ours is what a client wants, theirs is not
	Differs   Verdict = "differs"
	Varies    Verdict = "varies" // nothing differs but what is another each time
	NotAsked  Verdict = "not asked"
)

// A Comparison is what became of a request.
type Comparison struct {
	Request     string   `json:"request"` // GET /users/1
	Endpoint    string   `json:"endpoint,omitempty"`
	Verdict     Verdict  `json:"verdict"`
	Because     string   `json:"because,omitempty"`
	Row         string   `json:"row,omitempty"`
	Differences []string `json:"differences,omitempty"` // the same each time
	Varies      []string `json:"varies,omitempty"`      // where an answer is another each time
}

// Against sends the requests to both gateways, theirs first, and tells the comparison of each at
// once. The error is that theirs cannot be reached, or that of ctx.
func Against(ctx context.Context, theirs, ours *e2e.Runner, askings []Asking, tell func(Comparison)) error {
	for _, asking := range askings {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := Comparison{Request: asking.Request.Method + " " + asking.Request.Target}
		if e := asking.Endpoint; e != nil {
			c.Endpoint = string(e.Method) + " " + e.Node.Masked("endpoint", e.Endpoint)[0]
		}
		if asking.Not != "" {
			c.Verdict, c.Because = NotAsked, asking.Not
			tell(c)
			continue
		}
		want, err := theirs.Ask(ctx, asking.Request)
		if err != nil && e2e.Unreached(err) {
			return fmt.Errorf("the gateway to compare with: %w", err)
		}
		got, failed := ours.Ask(ctx, asking.Request)
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		again := func() (outcome, outcome) {
			if asking.Request.Method != "GET" && asking.Request.Method != "HEAD" {
				return outcome{got, failed}, outcome{want, err} // it may change something
			}
			var o, t outcome
			t.Answer, t.err = theirs.Ask(ctx, asking.Request)
			o.Answer, o.err = ours.Ask(ctx, asking.Request)
			return o, t
		}
		compare(&c, asking.Endpoint, ours, outcome{got, failed}, outcome{want, err}, again)
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		tell(c)
	}
	return nil
}

// An outcome is an answer, or why there is none.
type outcome struct {
	*e2e.Answer
	err error
}

// compare fills in what two outcomes have in common. again asks both once more: what either
// answers differently then is no difference between the two.
func compare(c *Comparison, e *model.Endpoint, r *e2e.Runner, ours, theirs outcome, again func() (ours, theirs outcome)) {
	switch {
	case ours.err != nil && theirs.err != nil:
		c.Verdict, c.Because = Identical, "neither answers"
		return
	case ours.err != nil:
		c.Verdict = Differs
		c.Differences = []string{"no answer, KrakenD answers " + strconv.Itoa(theirs.Status) + ": " + ours.err.Error()}
		return
	case theirs.err != nil:
		c.Verdict, c.Because = Better, fmt.Sprintf("answers %d where KrakenD does not: %v", ours.Status, theirs.err)
		if ours.Status >= 500 {
			c.Verdict = Differs
		}
		return
	}
	got, want := [2]*e2e.Answer{ours.Answer, ours.Answer}, [2]*e2e.Answer{theirs.Answer, theirs.Answer}
	if c.Differences, _ = unlike(r, got, want); len(c.Differences) == 0 {
		c.Verdict = Identical
		if !bytes.Equal(ours.Body, theirs.Body) {
			c.Because, c.Row = "as JSON; the order of members, escapes or digits are not", link("json-text")
		}
		return
	}
	nextOurs, nextTheirs := again()
	got[1], want[1] = next(ours, nextOurs), next(theirs, nextTheirs)
	if c.Differences, c.Varies = unlike(r, got, want); len(c.Differences) == 0 {
		c.Verdict = Varies
		_, own := unlike(r, got, got)
		_, other := unlike(r, want, want)
		switch {
		case len(own) > 0 && len(other) > 0:
			c.Because = "both answer differently each time, as a backend may"
		case len(own) > 0:
			c.Because = "answers differently each time, and KrakenD does not; look at what varies"
		default:
			c.Because = "KrakenD itself answers differently each time"
			if merges(e) {
				c.Because, c.Row = c.Because+"; if it is the order of arrival, ours is always that of declaration", link("merging")
			}
		}
		return
	}
	c.Verdict = Differs
	both := func(p func(ours, theirs *e2e.Answer) bool) bool { return p(got[0], want[0]) && p(got[1], want[1]) }
	complete := func(a *e2e.Answer) string {
		return a.Header.Get("X-Krakend-Completed") + a.Header.Get("X-Sluice-Completed")
	}
	switch {
	case both(func(ours, theirs *e2e.Answer) bool { return theirs.Status >= 500 && ours.Status < 400 }):
		c.Verdict, c.Because = Better, "answers where KrakenD fails"
	case both(func(ours, theirs *e2e.Answer) bool {
		return theirs.Status == ours.Status && complete(theirs) == "false" && complete(ours) == "true"
	}):
		c.Verdict, c.Because = Better, "whole where that of KrakenD is not"
	case ours.Status == 429 || theirs.Status == 429 || ours.Status == 503 && theirs.Status < 500 && limited(e):
		c.Because, c.Row = "a limit, which keeps to its capacity", link("rate-limits")
	case theirs.Status == 401 && ours.Status == 503:
		c.Because, c.Row = "the keys of the validator are not to be had", link("keys-of-auth-validator-that-cannot-be-had")
	case theirs.Status >= 500 && ours.Status >= 500 && theirs.Status != ours.Status:
		c.Because = "the status tells the cause: behaviour.error_status, which sluice check --explain-dialect prints"
	case theirs.Status == ours.Status && ours.Status >= 400:
		c.Because, c.Row = "the text of an error", link("error-texts")
	case theirs.Status == ours.Status && merges(e):
		c.Because, c.Row = "several backends may have the same members, and the one declared last wins", link("merging")
	default:
		c.Because = "no row of " + manual.CompatibilityPage + " is known to be about it; look at the differences"
	}
}

// next returns the answer to hold beside a first one: the first where there is no other, or
// where a limit has been met by then.
func next(first, second outcome) *e2e.Answer {
	if second.err != nil || second.Status == 429 {
		return first.Answer
	}
	return second.Answer
}

// compared are the fields of a header that clients act on.
var compared = []string{"Content-Type", "Cache-Control", "Location", "Www-Authenticate", "Access-Control-Allow-Origin", "X-Krakend-Completed"}

// unlike returns in words what differs between two gateways however often they are asked, two
// answers of each, and where either of them varies.
func unlike(r *e2e.Runner, ours, theirs [2]*e2e.Answer) (differ, vary []string) {
	switch got, want := ours[0].Status, theirs[0].Status; {
	case got != ours[1].Status || want != theirs[1].Status:
		vary = append(vary, "status")
	case got != want:
		differ = append(differ, fmt.Sprintf("status: %d, KrakenD %d", got, want))
	}
	for _, name := range compared {
		field := func(a *e2e.Answer) []string {
			values := a.Header[textproto.CanonicalMIMEHeaderKey(name)]
			if name == "Content-Type" {
				values = types(values)
			}
			return values
		}
		got, want := field(ours[0]), field(theirs[0])
		others := [2][]string{field(ours[1]), field(theirs[1])}
		missing := len(got)+len(others[0]) == 0 && len(want) > 0 && len(others[1]) > 0 || // at one, each time
			len(want)+len(others[1]) == 0 && len(got) > 0 && len(others[0]) > 0
		switch {
		case !missing && (!slices.Equal(got, others[0]) || !slices.Equal(want, others[1])):
			vary = append(vary, "header "+name)
		case !slices.Equal(got, want):
			differ = append(differ, fmt.Sprintf("header %s: %q, KrakenD %q", name, got, want))
		}
	}
	bodies := func(as [2]*e2e.Answer) [2][]byte { return [2][]byte{as[0].Body, as[1].Body} }
	differences, varies := r.Compare(bodies(ours), bodies(theirs))
	for _, d := range differences {
		differ = append(differ, fmt.Sprintf("%s: %s, KrakenD %s", d.Where, d.Got, d.Want))
	}
	return differ, append(vary, varies...)
}

// types returns media types without their parameters.
func types(values []string) []string {
	var all []string
	for _, v := range values {
		if t, _, err := mime.ParseMediaType(v); err == nil {
			v = t
		}
		all = append(all, v)
	}
	return all
}

// merges reports whether the answer of an endpoint is made of several.
func merges(e *model.Endpoint) bool {
	return e != nil && len(e.Backend) > 1
}

// limited reports whether an endpoint, or one of its backends, has a rate limit.
func limited(e *model.Endpoint) bool {
	if e == nil {
		return false
	}
	limits := []string{"qos/ratelimit/router", "qos/ratelimit/router/redis", "qos/ratelimit/tiered", "qos/ratelimit/proxy"}
	has := func(n *config.Node) bool {
		return slices.ContainsFunc(limits, func(name string) bool { return len(optionsOf(n, name)) > 0 })
	}
	return has(e.Node) || slices.ContainsFunc(e.Backend, func(b *model.Backend) bool { return b != nil && b.Node != nil && has(b.Node) })
}

// shownDifferences is how many of a comparison a text tells.
const shownDifferences = 5

// Text writes a comparison for people. shown makes texts of others fit for a terminal.
func (c Comparison) Text(w io.Writer, shown func(string) string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %s", c.Verdict, shown(c.Request))
	if c.Endpoint != "" && c.Endpoint != c.Request {
		fmt.Fprintf(&b, " (%s)", shown(c.Endpoint))
	}
	b.WriteByte('\n')
	if c.Because != "" {
		fmt.Fprintf(&b, "           %s\n", shown(c.Because))
	}
	for _, d := range c.Differences[:min(len(c.Differences), shownDifferences)] {
		fmt.Fprintf(&b, "           %s\n", shown(d))
	}
	if more := len(c.Differences) - shownDifferences; more > 0 {
		fmt.Fprintf(&b, "           and %d more; --format json lists all\n", more)
	}
	if n := len(c.Varies); n > 0 {
		fmt.Fprintf(&b, "           not compared, since it varies: %s", shown(strings.Join(c.Varies[:min(n, shownDifferences)], ", ")))
		if more := n - shownDifferences; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
		b.WriteByte('\n')
	}
	if c.Row != "" {
		fmt.Fprintf(&b, "           %s\n", c.Row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary counts comparisons by their verdicts.
func Summary(cs []Comparison) string {
	var parts []string
	for _, v := range []Verdict{Identical, Better, Differs, Varies, NotAsked} {
		n := 0
		for _, c := range cs {
			if c.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}
