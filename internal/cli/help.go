package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/report"
)

// helpCommand explains a command, as that of cobra does, or a code of a problem. A topic
// that is neither is a wrong command line.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | CODE | codes]",
		Short: "Explain a command, or the code of a problem",
		Long: "Explain a command, or the code of a problem that check has found: what it means,\n" +
			"why it matters, what to do, and a configuration with it and one without. codes lists\nall of them.",
		Example:           "  sluice help check\n  sluice help unknown-field",
		ValidArgsFunction: topics(root),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if args[0] == "codes" {
					return a.listCodes()
				}
				if e, known := manual.Explain(args[0]); known {
					_, err := io.WriteString(a.text(), explanation(args[0], e))
					return failedOutput(err)
				}
			}
			cmd, rest, err := root.Find(args)
			switch {
			case err != nil:
				return err
			case cmd == root && len(rest) > 0:
				return unknownTopic(root, rest[0])
			case len(rest) > 0:
				return fmt.Errorf("unexpected argument %q; write one COMMAND or CODE", rest[0])
			}
			cmd.InitDefaultHelpFlag()
			cmd.InitDefaultVersionFlag()
			return cmd.Help()
		},
	}
}

// listCodes prints all codes with their meaning.
func (a *app) listCodes() error {
	w := tabwriter.NewWriter(a.text(), 0, 0, 2, ' ', 0)
	for _, c := range config.Codes {
		fmt.Fprintf(w, "%s\t%s\n", c.Code, c.Meaning)
	}
	return failedOutput(w.Flush())
}

// noCommand is the check that nothing is left of a command line whose first word is no
// command. The usual mistakes are a letter, and a file where its command belongs.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near, found := config.Suggest(args[0], commands(root)); found {
		return fmt.Errorf("unknown command %q; did you mean %q?", args[0], near)
	}
	if isFile(args[0]) {
		return fmt.Errorf("unknown command %q; to serve what this file says write sluice run -c %[1]s", args[0])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// commands returns the names of all commands.
func commands(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		names = append(append(names, c.Name()), c.Aliases...)
	}
	return names
}

// unknownTopic says that there is no help for a word, and for which there is.
func unknownTopic(root *cobra.Command, topic string) error {
	known := commands(root)
	for _, c := range config.Codes {
		known = append(known, c.Code)
	}
	if near, found := config.Suggest(topic, known); found {
		return fmt.Errorf("unknown command or code %q; did you mean %q?", topic, near)
	}
	return fmt.Errorf("unknown command or code %q; sluice help codes lists the codes", topic)
}

// flagError is the error of a flag, with the name of the one that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); !cmd.HasParent() && len(args) > 0 { // the flag is one of the command that was meant
		return noCommand(cmd, args)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near, found := config.Suggest(unknown.GetSpecifiedName(), known); found {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// explanation is what help says of a code.
func explanation(code string, e manual.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", code, meaningOf(code))
	for _, text := range []string{e.Why, "What to do: " + e.Cure} {
		b.WriteByte('\n')
		wrap(&b, text, 80)
	}
	showExample(&b, "Wrong", e.Wrong)
	showExample(&b, "Right", e.Right)
	return b.String()
}

// meaningOf returns what a code says in a sentence.
func meaningOf(code string) string {
	for _, c := range config.Codes {
		if c.Code == code {
			return c.Meaning
		}
	}
	return ""
}

// describe returns the properties of the rule that a code is in SARIF.
func describe(code string) map[string]any {
	rule := report.Meaning(code)
	if e, known := manual.Explain(code); known {
		rule["fullDescription"] = map[string]any{"text": e.Why}
		rule["help"] = map[string]any{"text": e.Cure}
	}
	return rule
}

// showExample writes an example, with a margin.
func showExample(b *strings.Builder, title string, e manual.Example) {
	fmt.Fprintf(b, "\n%s, %s:\n\n", title, e.Name())
	for _, line := range e.Lines() {
		b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	}
}

// wrap writes a text in lines of a width.
func wrap(b *strings.Builder, text string, width int) {
	col := 0
	for _, word := range strings.Fields(text) {
		switch {
		case col == 0:
		case col+1+len(word) > width:
			b.WriteByte('\n')
			col = 0
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	b.WriteByte('\n')
}
