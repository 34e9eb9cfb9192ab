package report

import (
	"encoding/xml"
	"io"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A testSuite is what runners of tests write, as far as those agree who read it.
type testSuite struct {
	XMLName  xml.Name   `xml:"testsuite"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Line    int32    `xml:"line,attr,omitempty"`
	Failure *failure `xml:"failure"`
	Output  string   `xml:"system-out,omitempty"`
}

type failure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report on the configuration of a file as that of a runner of tests: a
// test for each problem, which an error fails, and one that passes if there is none.
//
// Source: the format of Ant's JUnit task, as Jenkins and GitLab read it.
func JUnit(w io.Writer, file string, problems []*config.Problem) error {
	s := testSuite{Name: "sluice check"}
	for _, p := range problems {
		c := testCase{Name: message(p), Class: p.Code, File: p.At.File, Line: p.At.Line}
		if p.Severity == config.Error {
			s.Failures++
			c.Failure = &failure{Type: p.Code, Message: p.Err.Error(), Text: Line(p)}
		} else {
			c.Output = Line(p)
		}
		s.Cases = append(s.Cases, c)
	}
	if s.Failures == 0 {
		s.Cases = append(s.Cases, testCase{Name: file + " can be used", Class: "check", File: file})
	}
	s.Tests = len(s.Cases)
	text, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"testsuites"`
		Suite   testSuite
	}{Suite: s}, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}
