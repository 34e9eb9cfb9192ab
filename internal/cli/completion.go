package cli

import (
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-gateway/sluice/internal/audit"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// bashScript completes in bash by what the program says, without the package that cobra's
// needs, which small systems have not.
//
//go:embed completion.bash
var bashScript string

// shells are those that have completion.
var shells = []string{"bash", "zsh", "fish"}

func (a *app) completionCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash | zsh | fish",
		Short: "Print the script with which a shell completes commands, flags and their values",
		Long: "Print the script with which a shell completes commands, flags and their values:\n" +
			"formats, files with the right endings, the endpoints of a configuration, the codes\n" +
			"of problems.",
		Example: "  source <(sluice completion bash)                                      # in ~/.bashrc\n" +
			"  source <(sluice completion zsh)                                       # in ~/.zshrc, behind compinit\n" +
			"  sluice completion fish > ~/.config/fish/completions/sluice.fish",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return fmt.Errorf("no such shell; write one of %s", strings.Join(shells, ", "))
			}
			return nil
		},
		ValidArgs: shells,
		RunE: func(_ *cobra.Command, args []string) error {
			var err error
			switch args[0] {
			case "bash":
				_, err = io.WriteString(a.stdout, bashScript)
			case "zsh":
				err = root.GenZshCompletion(a.stdout)
			case "fish":
				err = root.GenFishCompletion(a.stdout, true)
			}
			return failedOutput(err)
		},
	}
}

// words are the values of flags that have a few, by the names of command and flag; of flags
// that are the same everywhere by their own. Those of a FORM are in its usage.
func words() map[string][]string {
	return map[string][]string{
		"undefined":      {"error", "zero", "invalid"},
		"audit severity": audit.Severities(),
		"audit fail-on":  audit.Severities(),
		"audit ignore":   ruleIDs(),
		"diff fail-on":   {"any", "changed", "weakened", "never"},
	}
}

// formsOf returns the words that the usage of a flag lists behind its colon: a, b or c.
func formsOf(usage string) []string {
	_, list, _ := strings.Cut(usage, ": ")
	return slices.DeleteFunc(strings.Split(strings.ReplaceAll(list, " or ", ", "), ", "), func(word string) bool {
		return word == "" || strings.Contains(word, " ") // such as a template
	})
}

// ruleIDs returns the rules of audits.
func ruleIDs() []string {
	var ids []string
	for _, r := range audit.Rules {
		ids = append(ids, r.ID+"\t"+r.Message)
	}
	return ids
}

// documents are the endings of configurations.
var documents = []string{"yaml", "yml", "json", "toml", "tmpl"}

// complete says what each flag and each command takes, for the shells. What a flag is called
// in its usage says whether it takes a file or a folder.
func (a *app) complete(root *cobra.Command) {
	known := words()
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			var some cobra.CompletionFunc = cobra.NoFileCompletions
			values, found := known[cmd.Name()+" "+f.Name]
			if !found {
				values, found = known[f.Name]
			}
			name, usage := pflag.UnquoteUsage(f)
			if name == "FORM" {
				values, found = formsOf(usage), true
			}
			switch {
			case found:
				some = cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
			case f.Name == "config":
				some = cobra.FixedCompletions(documents, cobra.ShellCompDirectiveFilterFileExt)
			case name == "DIR":
				some = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
			case name == "FILE" || name == "PROGRAM":
				some = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
			}
			_ = cmd.RegisterFlagCompletionFunc(f.Name, some) // the flag exists, and once
		})
		switch cmd.Name() {
		case "explain":
			cmd.ValidArgsFunction = a.endpoints
		case "init":
			cmd.ValidArgsFunction = cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
		case "man":
			cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		case "diff", "migrate":
			cmd.ValidArgsFunction = cobra.FixedCompletions(documents, cobra.ShellCompDirectiveFilterFileExt)
		case "e2e", "test-plugin": // files
		case "completion":
		default:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// topics completes what there is help for.
func topics(root *cobra.Command) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var list []string
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, c := range root.Commands() {
			if c.IsAvailableCommand() {
				list = append(list, c.Name()+"\t"+c.Short)
			}
		}
		for _, c := range config.Codes {
			list = append(list, c.Code+"\t"+c.Meaning)
		}
		return append(list, "codes\tList the codes of problems"), cobra.ShellCompDirectiveNoFileComp
	}
}

// endpoints completes the methods and paths of a configuration, if it can be used.
func (a *app) endpoints(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	from := source{without: true, skipFiles: true, peeks: true}
	from.file, _ = cmd.Flags().GetString("config")
	if from.find() != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	o := a.options(from)
	o.Log = slog.DiscardHandler
	gen, _ := runtime.New(o).Compile(cmd.Context())
	if gen == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	for _, e := range gen.Service.Endpoints {
		path := e.Node.Masked("endpoint", e.Endpoint)[0]
		switch method := string(e.Method); {
		case len(args) == 0:
			list = append(list, path+"\t"+method)
			if method != "GET" {
				list = append(list, method)
			}
		case strings.EqualFold(args[0], method):
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), cobra.ShellCompDirectiveNoFileComp
}
