package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/audit"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/report"
)

func (a *app) auditCommand() *cobra.Command {
	var c auditing
	cmd := &cobra.Command{
		Use:   "audit [-c FILE]",
		Short: "Report what a right configuration leaves open or writes in an outdated way",
		Long: "Report what a right configuration leaves open, will be sorry for, or writes in an\n" +
			"outdated way: one line for each rule that fires, below it the places and the\n" +
			"remedy. Nothing is started and the network is not used. Namespaces that are not\n" +
			"supported yet are judged like all others.",
		Example: "  sluice audit -c gateway.json\n  sluice audit -c gateway.json -s CRITICAL,HIGH -i 2.1.2 --fail-on HIGH\n" +
			"  sluice audit -c gateway.json -f '{{ range .Recommendations }}{{ .Rule }} {{ .Message }}{{ \"\\n\" }}{{ end }}'",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.find(); err != nil {
				return err
			}
			return a.audit(cmd, c)
		},
	}
	flags := cmd.Flags()
	configFlags(cmd, &c.source)
	flags.Lookup("allow-unsupported").Usage = "accepted; what is not supported yet is always judged"
	flags.BoolVar(&c.skipFiles, "skip-files", false, "read no file that the configuration names: those of ${file:...} may be on another machine")
	flags.StringSliceVarP(&c.severities, "severity", "s", audit.Severities(), "`LIST` of the severities that count")
	flags.StringSliceVarP(&c.ignore, "ignore", "i", nil, "`LIST` of rules to ignore, such as 2.1.2,4.2.1")
	flags.StringVarP(&c.ignoreFile, "ignore-file", "I", "", "`FILE` of rules to ignore, one on each line, with the reason behind #")
	flags.StringVarP(&c.format, "format", "f", "text", "`FORM` of the report: text, json, sarif, github or a Go template")
	flags.StringVar(&c.failOn, "fail-on", audit.Low, "least `SEVERITY` of a finding with which the exit code is 1")
	return cmd
}

// auditFormats are those of the report that have a name.
var auditFormats = []string{"text", "json", "sarif", "github"}

// auditing holds the flags of the command.
type auditing struct {
	source
	severities, ignore         []string
	ignoreFile, format, failOn string
}

func (a *app) audit(cmd *cobra.Command, c auditing) error {
	if len(c.severities) == 0 { // which an unset variable of a script comes to
		return usage("no severity behind --severity, so that nothing would be judged; write %s", strings.Join(audit.Severities(), ", "))
	}
	for i, s := range c.severities {
		if c.severities[i] = strings.ToUpper(strings.TrimSpace(s)); !slices.Contains(audit.Severities(), c.severities[i]) {
			return usage("unknown severity %q; write %s", s, strings.Join(audit.Severities(), ", "))
		}
	}
	if c.failOn = strings.ToUpper(c.failOn); !slices.Contains(audit.Severities(), c.failOn) {
		return usage("unknown severity %q behind --fail-on; write one of %s", c.failOn, strings.Join(audit.Severities(), ", "))
	}
	for i, rule := range c.ignore {
		c.ignore[i] = strings.TrimSpace(rule)
		if err := audit.Known(c.ignore[i]); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	if c.ignoreFile != "" {
		text, err := config.ReadFile(c.ignoreFile)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		more, err := audit.ReadIgnored(c.ignoreFile, text)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		c.ignore = append(c.ignore, more...)
	}
	var form audit.Template
	switch {
	case slices.Contains(auditFormats, c.format):
	case strings.Contains(c.format, "{{"):
		var err error
		if form, err = audit.ParseTemplate(c.format, a.colored); err != nil {
			return &exitError{exitUsage, err}
		}
	default:
		return usage("unknown format %q; write %s or a template such as '{{ marshal . }}'", c.format, strings.Join(auditFormats, ", "))
	}
	d, problems := a.options(c.source).Load(cmd.Context(), func(string) {})
	if d != nil && !config.HasErrors(problems) {
		service, wrong := audit.Decode(d)
		if service != nil {
			return a.printAudit(audit.Run(service, audit.Options{Severities: c.severities, Ignore: c.ignore}), c, form)
		}
		problems = wrong
	}
	a.printProblems(problems)
	return &exitError{exitConfig, nil}
}

// usage is the error of a wrong command line.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func (a *app) printAudit(r *audit.Report, c auditing, form audit.Template) error {
	var err error
	switch c.format {
	case "json":
		err = a.writeJSON(r)
	case "sarif":
		err = a.writeJSON(report.SARIF(r.Problems(), Version, audit.Describe))
	case "github":
		err = failedOutput(report.GitHub(a.text(), r.Problems()))
	case "text":
		err = failedOutput(r.Shown(visibly).Text(a.stdout, visibly(c.file), a.colored))
	default:
		text, wrong := form.Execute(r.Shown(visibly))
		if wrong != nil {
			return &exitError{exitUsage, wrong}
		}
		_, err = a.stdout.Write(text)
		err = failedOutput(err)
	}
	if err != nil {
		return err
	}
	if r.Worst(c.failOn) {
		return &exitError{exitConfig, nil}
	}
	return nil
}

// visibly returns a text of others as one may print it.
func visibly(text string) string { return string(report.AppendVisible(nil, []byte(text))) }

// colored returns a severity in its colour, where standard output has colours.
func (a *app) colored(severity string) string {
	sequences := map[string]string{audit.Critical: "1;31", audit.High: "31", audit.Medium: "33", audit.Low: "36"}
	if t := terminalOf(a.stdout, os.Getenv); t != nil && t.Colour && sequences[severity] != "" {
		return "\x1b[" + sequences[severity] + "m" + severity + "\x1b[0m"
	}
	return severity
}
