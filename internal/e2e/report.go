package e2e

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Report is the results of a run, in its order.
type Report []Result

// Count returns how many results have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for i := range r {
		if r[i].Outcome == o {
			n++
		}
	}
	return n
}

// Summary says in one line what became of the cases.
func (r Report) Summary() string {
	text := fmt.Sprintf("%d cases: %d ok", len(r), r.Count(OK))
	if len(r) == 1 {
		text = strings.Replace(text, "cases", "case", 1)
	}
	for _, o := range []Outcome{Failed, NotRun} {
		if n := r.Count(o); n > 0 {
			text += fmt.Sprintf(", %d %s", n, o)
		}
	}
	return text
}

// Text returns a result as people read it: a line, and one for each difference.
func (r Result) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Name, r.Outcome)
	if r.Outcome == Failed {
		fmt.Fprintf(&b, "  %s\n", r.At)
		for _, line := range r.lines() {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(line, "\n", "\n    "))
		}
	}
	return b.String()
}

// lines returns what is not as it should be.
func (r Result) lines() []string {
	var lines []string
	for _, d := range r.Differences {
		lines = append(lines, d.String())
	}
	if r.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", r.More))
	}
	if r.Answer != "" {
		lines = append(lines, "the body is "+r.Answer)
	}
	return lines
}

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	type difference struct {
		Where string `json:"where"`
		Got   string `json:"got"`
		Want  string `json:"want,omitempty"`
	}
	type result struct {
		Name        string       `json:"name"`
		File        string       `json:"file"`
		Line        int          `json:"line"`
		Outcome     Outcome      `json:"outcome"`
		Seconds     float64      `json:"seconds"`
		Differences []difference `json:"differences,omitempty"`
		More        int          `json:"more,omitempty"`
		Answer      string       `json:"answer,omitempty"`
	}
	all := struct {
		OK     int      `json:"ok"`
		Failed int      `json:"failed"`
		NotRun int      `json:"not_run"`
		Cases  []result `json:"cases"`
	}{r.Count(OK), r.Count(Failed), r.Count(NotRun), make([]result, len(r))}
	for i, c := range r {
		one := result{Name: c.Name, File: c.At.File, Line: int(c.At.Line), Outcome: c.Outcome, Seconds: seconds(c.Took), More: c.More, Answer: c.Answer}
		for _, d := range c.Differences {
			one.Differences = append(one.Differences, difference(d))
		}
		all.Cases[i] = one
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(all)
}

// seconds returns a time in milliseconds that are whole.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// WriteJUnit writes the report in the form that servers of continuous integration read.
//
// Source: the schema of Apache Ant's task JUnitReport, with file and line as pytest has them.
func (r Report) WriteJUnit(w io.Writer) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	type skipped struct {
		Message string `xml:"message,attr"`
	}
	type testcase struct {
		Name      string   `xml:"name,attr"`
		Classname string   `xml:"classname,attr"`
		File      string   `xml:"file,attr"`
		Line      int      `xml:"line,attr"`
		Time      string   `xml:"time,attr"`
		Failure   *failure `xml:"failure"`
		Skipped   *skipped `xml:"skipped"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	all := suite{Name: "sluice e2e", Tests: len(r), Failures: r.Count(Failed), Skipped: r.Count(NotRun)}
	var took time.Duration
	for _, c := range r {
		took += c.Took
		one := testcase{Name: c.Name, Classname: "e2e", File: c.At.File, Line: int(c.At.Line), Time: fmt.Sprintf("%.3f", seconds(c.Took))}
		switch lines := c.lines(); c.Outcome {
		case Failed:
			one.Failure = &failure{Message: lines[0], Type: "difference", Text: strings.Join(lines, "\n")}
		case NotRun:
			one.Skipped = &skipped{"a case before it failed, or the run was stopped"}
		}
		all.Cases = append(all.Cases, one)
	}
	all.Time = fmt.Sprintf("%.3f", seconds(took))
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
