package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages of all commands into a folder",
		Long:    "Write the manual pages of all commands into a folder, which is made if it is not\nthere: sluice.1, sluice-run.1 and so on.",
		Example: "  sluice man /usr/local/share/man/man1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("no folder; write the DIR that the pages go to")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failedOutput(err)
			}
			pages := []*cobra.Command{root}
			for _, c := range root.Commands() {
				if !c.Hidden {
					pages = append(pages, c)
				}
			}
			for _, c := range pages {
				name := filepath.Join(args[0], pageOf(c)+".1")
				if err := os.WriteFile(name, []byte(manPage(c)), 0o644); err != nil {
					return failedOutput(err)
				}
			}
			fmt.Fprintf(a.text(), "wrote %d pages; try: man %s\n", len(pages), filepath.Join(args[0], "sluice.1"))
			return nil
		},
	}
}

// pageOf returns the name of the page of a command.
func pageOf(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage returns the page of a command.
//
// Source: man(7).
func manPage(c *cobra.Command) string {
	var b strings.Builder
	page := pageOf(c)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"Sluice %s\" \"Sluice\"\n", strings.ToUpper(roff(page)), roff(Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(page), roff(strings.ToLower(c.Short[:1])+c.Short[1:]))
	b.WriteString(".SH SYNOPSIS\n")
	line := c.UseLine()
	if !c.HasParent() {
		line = "sluice COMMAND [flags]"
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(line, "sluice "), " ")
	fmt.Fprintf(&b, ".B sluice %s\n%s\n", roff(name), roff(rest))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s.\n", roff(strings.TrimSuffix(strings.ReplaceAll(cmp.Or(c.Long, c.Short), "\n", " "), ".")))
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, ".PP\nAnother name of the command is %s.\n", roff(strings.Join(c.Aliases, ", ")))
	}
	if !c.HasParent() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(sub.Name()), roff(sub.Short))
			}
		}
	}
	b.WriteString(".SH OPTIONS\n")
	c.InitDefaultHelpFlag()
	flags := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		head := "\\fB" + roff("--"+f.Name) + "\\fR"
		if f.Shorthand != "" {
			head = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + head
		}
		if value != "" && value != "count" {
			head += " \\fI" + roff(value) + "\\fR"
		}
		fmt.Fprintf(&b, ".TP\n%s\n%s.\n", head, roff(strings.TrimSuffix(usage, ".")))
	}
	c.LocalFlags().VisitAll(flags)
	c.InheritedFlags().VisitAll(flags)
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n")
		for line := range strings.Lines(c.Example) {
			b.WriteString(roff(strings.TrimSpace(line)) + "\n")
		}
		b.WriteString(".fi\n")
	}
	b.WriteString(".SH EXIT STATUS\n")
	writeTerms(&b, exitCodes)
	if !c.HasParent() || c.Flags().Lookup("config") != nil {
		b.WriteString(".SH ENVIRONMENT\n")
		writeTerms(&b, environment)
		b.WriteString(".SH FILES\n")
		writeTerms(&b, []described{{strings.Join(slices.Concat(looked...), ", "), "the configuration, where \\-c names none: the first that is in the working directory"}})
	}
	b.WriteString(".SH SEE ALSO\n")
	var others []string
	if c.HasParent() {
		others = append(others, "sluice")
	} else {
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				others = append(others, pageOf(sub))
			}
		}
	}
	for i, other := range others {
		end := ",\n"
		if i == len(others)-1 {
			end = "\n"
		}
		fmt.Fprintf(&b, ".BR %s (1)%s", roff(other), end)
	}
	return b.String()
}

// A described is a term and what a page says of it.
type described struct{ term, text string }

// writeTerms writes a list of terms. The texts are roff already.
func writeTerms(b *strings.Builder, terms []described) {
	for _, d := range terms {
		fmt.Fprintf(b, ".TP\n.B %s\n%s.\n", roff(d.term), d.text)
	}
}

var exitCodes = []described{
	{"0", "success, or a stop that was asked for"},
	{"1", "the configuration has errors, or there are findings"},
	{"2", "the command line is wrong"},
	{"3", "something failed at run time, such as a port that is taken"},
}

// environment are the variables that commands with a configuration read.
var environment = []described{
	{"SLUICE_KEY, KRAKEND_KEY", "a key of the root of the configuration, such as SLUICE_PORT; the first wins over the second, and both over the file"},
	{"SLUICE_SET__KEY__KEY", "a key further down, such as SLUICE_SET__extra_config__router__hide_version_header"},
	{"FC_ENABLE, FC_SETTINGS, FC_PARTIALS, FC_TEMPLATES, FC_OUT, FC_UNDEFINED, FC_CONFIG", "the configuration is a template, and these say of which parts it is made"},
	{"HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "the proxy for calls of backends"},
	{"GOMEMLIMIT, GOMAXPROCS", "the memory to stay below, and how many processors to use"},
	{"NO_COLOR, CLICOLOR_FORCE, COLUMNS", "no colours, colours where the output is no terminal, and its width"},
}

// roff returns a text as it is written in a page: hyphens that people copy, backslashes, and
// what would be an instruction at the beginning of a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
