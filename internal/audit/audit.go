package audit

import (
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/report"
)

// The severities, the worst first.
const (
	Critical = "CRITICAL"
	High     = "HIGH"
	Medium   = "MEDIUM"
	Low      = "LOW"
)

// Severities lists them, the worst first.
func Severities() []string { return []string{Critical, High, Medium, Low} }

// A Rule is one thing that an audit looks for. It has either find or a cover.
type Rule struct {
	ID       string
	Severity string
	Message  string // what is wrong, without a period
	Remedy   string // what to do about it

	find  func(*document) []report.Place
	cover *cover
}

// A cover is what a rule about something that is missing looks for: it fires where
// all lack it.
type cover struct {
	units, thing string // endpoints, validator
	atRoot       bool   // it would be written at the root, so that is the place of the finding
	of           func(*document) (all, without []report.Place)
}

// A Finding is a rule that fires, with all places.
type Finding struct {
	Rule     string         `json:"rule"`
	Severity string         `json:"severity"`
	Message  string         `json:"message"`
	Remedy   string         `json:"remedy"`
	Places   []report.Place `json:"places"`
}

// Coverage is how many of those have something that should have it, where some have it.
type Coverage struct {
	Rule    string         `json:"rule"`
	Message string         `json:"message"` // 12 of 100 endpoints have no validator
	Without int            `json:"without"`
	Of      int            `json:"of"`
	Places  []report.Place `json:"places"` // of those without
}

// Stats are numbers about the configuration.
type Stats struct {
	Endpoints int            `json:"endpoints"`
	Backends  int            `json:"backends"`
	Agents    int            `json:"agents"`
	Findings  map[string]int `json:"findings"` // by severity, those without any too
	Ignored   []string       `json:"ignored"`  // rules, in the order of the table
	Coverage  []Coverage     `json:"coverage"`
}

// A Report is what an audit has found, in the order of the table.
type Report struct {
	Recommendations []Finding `json:"recommendations"`
	Stats           Stats     `json:"stats"`
}

// Options say which rules count.
type Options struct {
	Severities []string // nil is all
	Ignore     []string // ids of rules
}

// Decode returns the service that a document means, or the problems for which it means
// none. That an endpoint has no backend is none of these: it is a rule.
func Decode(d *config.Document) (*model.Service, []*config.Problem) {
	s, problems := model.Resolve(d)
	problems = slices.DeleteFunc(problems, func(p *config.Problem) bool {
		return p.Severity != config.Error || p.Code == config.CodeNoBackend
	})
	if len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

// Run audits a service of Decode.
func Run(s *model.Service, o Options) *Report {
	d := newDocument(s)
	found := &Report{Recommendations: []Finding{}, Stats: Stats{
		Endpoints: len(d.endpoints), Backends: len(d.backends), Agents: len(d.agents),
		Findings: make(map[string]int), Ignored: []string{}, Coverage: []Coverage{},
	}}
	for _, severity := range Severities() {
		found.Stats.Findings[severity] = 0
	}
	for i := range Rules {
		r := &Rules[i]
		if slices.Contains(o.Ignore, r.ID) {
			found.Stats.Ignored = append(found.Stats.Ignored, r.ID)
			continue
		}
		if o.Severities != nil && !slices.Contains(o.Severities, r.Severity) {
			continue
		}
		if places := r.places(d, &found.Stats); len(places) > 0 {
			slices.SortStableFunc(places, report.InOrder)
			found.Stats.Findings[r.Severity]++
			found.Recommendations = append(found.Recommendations, Finding{r.ID, r.Severity, r.Message, r.Remedy, places})
		}
	}
	return found
}

// places returns where the rule fires. What some have and others lack goes to the stats.
func (r *Rule) places(d *document, stats *Stats) []report.Place {
	if r.cover == nil {
		return r.find(d)
	}
	all, without := r.cover.of(d)
	switch {
	case len(without) == 0:
		return nil
	case len(without) < len(all):
		stats.Coverage = append(stats.Coverage, Coverage{
			Rule: r.ID, Message: r.cover.message(len(without), len(all)), Without: len(without), Of: len(all), Places: without,
		})
		return nil
	case r.cover.atRoot:
		return []report.Place{d.extra()}
	}
	return without
}

// Worst reports whether there is a finding of a severity, or of a worse one.
func (r *Report) Worst(severity string) bool {
	for _, s := range Severities() {
		if r.Stats.Findings[s] > 0 {
			return true
		}
		if s == severity {
			break
		}
	}
	return false
}

// Find returns a rule by its id, or the id of the one that was probably meant, "" if
// there is none.
func Find(id string) (rule *Rule, near string) {
	ids := make([]string, len(Rules))
	for i := range Rules {
		if Rules[i].ID == id {
			return &Rules[i], ""
		}
		ids[i] = Rules[i].ID
	}
	// Ids are short and alike: the one with the longest beginning in common is nearest.
	best := 0
	for _, known := range ids {
		n := 0
		for n < len(id) && n < len(known) && id[n] == known[n] {
			n++
		}
		if n > best && n > strings.IndexByte(known, '.') {
			best, near = n, known
		}
	}
	return nil, near
}
