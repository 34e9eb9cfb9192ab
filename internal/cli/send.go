package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/route"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// send makes the request within the command and prints what happened.
func (a *app) send(ctx context.Context, o runtime.Options, r request, format string) error {
	in, err := r.message(ctx)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	var got taken
	var unwritten error
	var lost bool // no endpoint has the path
	problems, err := runtime.New(o).Try(ctx, in, got.take, func(gen *compile.Generation, x *gateway.Exchange, failure error) {
		var near []route.Neighbour
		if x.Endpoint == "" && (got.status == 404 || got.status == 405) {
			e := gen.Explain(x.In.Method(), cmp.Or(x.Path, x.In.Path()))
			near, lost = e.Near, !e.Answered()
		}
		if format == "json" {
			unwritten = a.writeJSON(jsonSent(x, &got, failure, near, gen.Mask))
			return
		}
		var text strings.Builder
		printSent(&text, x, &got, failure, near, gen.Mask)
		io.WriteString(a.text(), gen.Mask(text.String()))
	})
	if errors.Is(err, runtime.ErrConfig) {
		a.print(problems)
		return &exitError{exitConfig, nil}
	}
	if unwritten != nil {
		return unwritten
	}
	switch {
	case err != nil:
	case ctx.Err() != nil:
		err = errors.New("stopped before everything had ended")
	case got.broken != nil:
		err = errors.New("the answer broke off")
	case lost:
		err = fmt.Errorf("no endpoint answers %s %s", r.method, r.target)
	case got.status >= 500:
		err = fmt.Errorf("the answer is %d", got.status)
	}
	if err != nil {
		return &exitError{exitConfig, err}
	}
	return nil
}

// maxShown bounds how much of an answer's body is printed.
const maxShown = 64 << 10

// taken is what a client gets of an answer.
type taken struct {
	status  int
	payload bytes.Buffer
	more    bool  // than is shown
	broken  error // why the body has no end
	took    time.Duration
}

// take takes an answer, without the body that servers do not send.
func (t *taken) take(x *gateway.Exchange) {
	t.status = x.Response.Status
	if !bare(x.In.Method(), t.status) {
		_, err := x.Response.Body.WriteTo(&limited{&t.payload, maxShown})
		if t.more = errors.Is(err, errShown); !t.more {
			t.broken = err
		}
		for t.more && cut(t.payload.Bytes()) {
			t.payload.Truncate(t.payload.Len() - 1)
		}
	}
	t.took = x.Record.Since()
}

// cut reports whether p ends within a character.
func cut(p []byte) bool {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if last := p[len(p)-n:]; utf8.RuneStart(last[0]) {
			return !utf8.FullRune(last)
		}
	}
	return false
}

// bare reports whether an answer has no body, or an empty one: RFC 9110, sections 9.3.2,
// 15.3.5, 15.3.6 and 15.4.5.
func bare(method string, status int) bool {
	return method == "HEAD" || status == 204 || status == 205 || status == 304
}

// printSent prints the answer, the waterfall of what happened, and the origin of the
// members of the answer. In columns mask is used before they are laid out.
func printSent(w io.Writer, x *gateway.Exchange, got *taken, failure error, near []route.Neighbour, mask func(string) string) {
	r, record := &x.Response, x.Record
	fmt.Fprintf(w, "%s %s: %d after %v", x.In.Method(), cmp.Or(x.Path, x.In.Path()), got.status, round(got.took))
	if x.Endpoint != "" {
		fmt.Fprintf(w, ", by %s", x.Endpoint)
	}
	if got.broken != nil {
		fmt.Fprint(w, ", broken off")
	}
	fmt.Fprintln(w)
	for _, err := range []error{failure, r.Missing, got.broken} {
		printError(w, "", err)
	}
	spans := record.Spans()
	for _, s := range spans {
		if s.Step == "shadow" && s.Phase == "" {
			printError(w, s.Plan+", a shadow: ", s.Err)
		}
	}

	fmt.Fprintln(w, "\nWhat happened, by when it began:")
	var rows []row
	for _, s := range spans {
		rows = append(append(rows, rowOf(s)), laps(s)...)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.began, b.began) })
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(t, "  +%v\t%v\t%s\t%s\t%s\t%s\n", round(r.began), round(r.took), mask(r.plan), mask(r.step), r.way, mask(r.outcome))
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}

	if members := record.Members(); len(members) > 0 {
		fmt.Fprintln(w, "\nWhere the members of the answer come from:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, m := range members {
			fmt.Fprintf(t, "  %s\t%s\n", mask(m.Name), mask(m.From))
		}
		t.Flush()
	}

	printNear(w, near)
	fmt.Fprintf(w, "\nThe answer:\n  %d\n", got.status)
	for _, f := range r.Header {
		if engine.Sendable(f) {
			fmt.Fprintf(w, "  %s: %s\n", f.Name, f.Value)
		}
	}
	switch payload := got.payload.Bytes(); {
	case len(payload) == 0:
	case !utf8.Valid(payload):
		fmt.Fprintf(w, "\n  (%d bytes that are no text)\n", len(payload))
	default:
		text := strings.ReplaceAll(string(payload), "\r\n", "\n")
		fmt.Fprintf(w, "\n  %s\n", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  "))
	}
	if got.more {
		fmt.Fprintln(w, "  ... and more")
	}
}

// printError prints an error, if it is one, each of its lines by itself.
func printError(w io.Writer, about string, err error) {
	if err != nil {
		fmt.Fprintf(w, "  %s%s\n", about, strings.ReplaceAll(gateway.WithSaid(err), "\n", "\n  "))
	}
}

// A row is a line of the waterfall.
type row struct {
	began, took              time.Duration
	plan, step, way, outcome string
}

func rowOf(s gateway.Span) row { return row{s.Began, s.Took, s.Plan, where(s), way(s), outcome(s)} }

// laps returns what a call consists of: how it came to its connection, and how long the
// answer took to begin and to end. For other spans that is nothing.
func laps(s gateway.Span) (rows []row) {
	c := s.Call
	if c == nil || c.Connected == 0 {
		return nil // nobody was reached, which the span says
	}
	at := s.Began
	lap := func(name string, took time.Duration) {
		if took > 0 {
			rows = append(rows, row{began: at, took: took, plan: s.Plan, step: "- " + name})
		}
		at += took
	}
	switch made := c.Lookup + c.Connect + c.Handshake; {
	case made > 0:
		at += c.Connected - made
	case c.Reused:
		lap("connection, used before", c.Connected)
	default:
		lap("connection, made for others", c.Connected)
	}
	lap("lookup", c.Lookup)
	lap("connect", c.Connect)
	lap("TLS handshake", c.Handshake)
	if c.FirstByte > 0 {
		lap("first byte", c.FirstByte-c.Connected)
		lap("body", c.End-c.FirstByte)
	}
	return rows
}

// where names a step by its phase and its namespace.
func where(s gateway.Span) string {
	if s.Phase == "" || s.Phase == s.Step {
		return s.Step
	}
	return s.Phase + " " + s.Step
}

func way(s gateway.Span) string {
	switch {
	case s.Phase == "":
		return ""
	case s.Out:
		return "out"
	}
	return "in"
}

// outcome says what came of a step, where that is worth a word.
func outcome(s gateway.Span) string {
	var words []string
	if s.Replied {
		words = append(words, "answers")
	}
	switch {
	case s.Phase == "" && s.Err == nil:
		if s.Status != 0 {
			words = append(words, fmt.Sprint(s.Status))
		}
		words = append(words, s.After.String())
	case s.Phase != "" && s.Before != s.After:
		words = append(words, fmt.Sprintf("%s to %s", s.Before, s.After))
	}
	if s.Err != nil {
		words = append(words, "fails: "+gateway.AsError(s.Err).Code)
	}
	if s.Place != "" {
		words = append(words, s.Place)
	}
	return strings.Join(words, ", ")
}

// round returns a time in the digits that mean something.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

// errShown ends the reading of a body of which enough is shown.
var errShown = errors.New("enough is shown")

// A limited writer takes so many bytes.
type limited struct {
	io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if written, err := l.Writer.Write(p[:n]); err != nil || n == len(p) {
		return written, err
	}
	return n, errShown
}
