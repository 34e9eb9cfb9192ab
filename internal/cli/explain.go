package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/route"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) explainCommand() *cobra.Command {
	var from source
	var sends bool
	var format string
	var asked request
	cmd := &cobra.Command{
		Use:   "explain [-c FILE] [METHOD] PATH | NAME",
		Short: "Say which endpoint answers a request, why, and what its plan does",
		Long: "Say which endpoint answers a request, why, and what its plan does: every step\n" +
			"in its order, with the line of the configuration that put it there; or, for the\n" +
			"NAME of what takes messages from a queue, what becomes of them. PATH may be a\n" +
			"whole URL. Where no endpoint answers, those are shown that may be meant. Nothing is\n" +
			"sent anywhere. With --send the request is made within the command, the calls of\n" +
			"backends and shadows included, and what happened is printed: each step and call\n" +
			"with its time, where the members of the answer come from, and the answer as a\n" +
			"client gets it.",
		Example: "  sluice explain -c gateway.json /v1/products\n  sluice explain -c gateway.json POST '/orders/7?express=1'\n" +
			"  sluice explain -c gateway.json --send -H 'Accept-Language: de' https://shop.example.com/v1/products",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("no path; write the one to explain, such as /v1/products")
			case len(args) > 2:
				return fmt.Errorf("unexpected argument %q; write [METHOD] PATH", args[2])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := from.find(); err != nil {
				return err
			}
			if format != "text" && format != "json" {
				return &exitError{exitUsage, fmt.Errorf("unknown format %q; write text or json", format)}
			}
			method, target := "GET", args[len(args)-1]
			switch {
			case len(args) == 2:
				method = strings.ToUpper(args[0])
			case cmd.Flags().Changed("data"):
				method = "POST"
			}
			target, path, isPath, err := pathOf(method, target)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			named := !isPath
			if named {
				path = target
			}
			noPath := &exitError{exitUsage, fmt.Errorf("%q is no path; a path begins with a slash, and no source has this name%s", path, meant(path))}
			if named && sends {
				return &exitError{exitUsage, fmt.Errorf("%q is no path, and the request of a client alone can be sent; a path begins with a slash, and the NAME of a source is explained without --send%s", path, meant(path))}
			}
			if named && len(args) == 2 {
				return &exitError{exitUsage, fmt.Errorf("%q is no path; a path begins with a slash%s", path, meant(path))}
			}
			o := a.options(from)
			o.Log = slog.DiscardHandler
			if sends {
				asked.method, asked.target = method, target
				return a.send(cmd.Context(), o, asked, format)
			}
			if asked.data != "" || len(asked.headers) > 0 {
				return &exitError{exitUsage, errors.New("--header and --data belong to a request that is made; add --send")}
			}
			g := runtime.New(o)
			gen, problems := g.Compile(cmd.Context())
			if gen == nil {
				a.print(problems)
				return &exitError{exitConfig, nil}
			}
			if named {
				p, found := gen.ExplainPipe(path)
				if !found {
					return noPath
				}
				if format == "json" {
					return a.writeJSON(jsonPipe(p))
				}
				fmt.Fprintf(a.text(), "Pipe %s, %s, timeout %v:\n", p.Name, p.At, p.Timeout)
				for line := range strings.Lines(p.Takes) {
					fmt.Fprint(a.text(), "  ", line)
				}
				printPipe(a.text(), "  ", &p)
				return nil
			}
			e := gen.Explain(method, path)
			if engine := g.EngineFor(gen.Service); format == "json" {
				if err := a.writeJSON(jsonExplanation(method, target, engine, e)); err != nil {
					return err
				}
			} else {
				printExplanation(a.text(), method, target, engine, e)
			}
			if !e.Answered() {
				text := "no endpoint answers " + method + " " + target
				if len(e.First) > 0 {
					text += " as it is sent; --send shows what becomes of it"
				}
				return &exitError{exitConfig, errors.New(text)}
			}
			return nil
		},
	}
	configFlags(cmd, &from)
	flags := cmd.Flags()
	flags.StringVar(&format, "format", "text", "`FORM` of what is printed: text or json")
	flags.BoolVar(&sends, "send", false, "make the request, and print what happened")
	flags.StringArrayVarP(&asked.headers, "header", "H", nil, "a `HEADER` of the request, \"Name: value\"; may be repeated")
	flags.StringVar(&asked.data, "data", "", "the `BODY` of the request, or @ and the name of a file; @- is standard input; without METHOD it is sent by POST")
	return cmd
}

// meant says what to write where somebody has left out the beginning of a path or of a URL,
// "" for what looks like neither.
func meant(asked string) string {
	first, _, more := strings.Cut(asked, "/")
	switch {
	case !more:
		return ""
	case strings.ContainsAny(first, ".:"):
		return fmt.Sprintf("; write %q", "http://"+asked)
	}
	return fmt.Sprintf("; write %q", "/"+asked)
}

func printExplanation(w io.Writer, method, target, engine string, e compile.Explanation) {
	fmt.Fprintf(w, "%s %s: %s\nEngine: %s\n", method, target, e.Outcome, engine)
	if len(e.First) > 0 {
		fmt.Fprintf(w, "In front of that: %s, which may answer or ask for something else; --send shows it\n", strings.Join(e.First, ", "))
	}
	if len(e.Candidates) > 0 {
		fmt.Fprintln(w, "\nRoutes that were compared:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, c := range e.Candidates {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Method, c.Pattern, c.Why)
		}
		t.Flush()
	}
	printNear(w, e.Near)
	fmt.Fprintln(w, "\nService plan:")
	printSteps(w, "  ", e.Service)
	if e.Endpoint == nil {
		return
	}
	fmt.Fprintf(w, "\nEndpoint plan, %s, timeout %v:\n", e.Endpoint.At, e.Endpoint.Timeout)
	printPipe(w, "  ", &e.Endpoint.PipePlan)
}

// printNear prints the routes that may be meant.
func printNear(w io.Writer, near []route.Neighbour) {
	if len(near) == 0 {
		return
	}
	fmt.Fprintln(w, "\nRoutes that are near:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range near {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", n.Method, n.Pattern, n.Why)
	}
	t.Flush()
}

// printPipe prints what stands below the title of a pipe: what it does, its backends,
// and the pipes in them.
func printPipe(w io.Writer, indent string, p *compile.PipePlan) {
	printSteps(w, indent, p.Steps)
	fmt.Fprintf(w, "%scalls: %s\n", indent, p.Calls)
	for i, b := range p.Backends {
		fmt.Fprintf(w, "\n%sBackend %d, %s: %s %s", indent, i, b.At, b.Method, b.Pattern)
		if b.By != "" {
			fmt.Fprintf(w, ", by %s", b.By)
		}
		if b.Calls > 1 {
			fmt.Fprintf(w, ", %d calls at once, the first good one wins", b.Calls)
		}
		if b.Shadow {
			fmt.Fprint(w, ", a shadow: nobody waits for its answer")
		}
		fmt.Fprintln(w)
		printSteps(w, indent+"  ", b.Steps)
		for _, inner := range b.Pipes {
			fmt.Fprintf(w, "\n%s  Pipe %s, %s, timeout %v:\n", indent, inner.Name, inner.At, inner.Timeout)
			printPipe(w, indent+"    ", &inner)
		}
		if b.Asks != "" {
			fmt.Fprintf(w, "%s  %s\n", indent, b.Asks)
		}
		if len(b.Pipes) == 0 && len(b.Hosts) > 0 && (b.Asks == "" || b.By == "") {
			fmt.Fprintf(w, "%s  hosts: %s\n", indent, strings.Join(b.Hosts, ", "))
		}
	}
}

func printSteps(w io.Writer, indent string, steps []compile.Step) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		way := "in"
		if s.Out {
			way = "in and out"
		}
		at := "core"
		if s.At != (config.Pos{}) {
			at = s.At.String()
		}
		fmt.Fprintf(t, "%s%s\t%s\t%s\t%s\n", indent, s.Phase, s.Name, way, at)
	}
	t.Flush()
}
