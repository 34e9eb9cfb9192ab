package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// A request is what explain --send asks.
type request struct {
	method, target string
	headers        []string // Name: value
	data           string   // the body, or @ and the name of a file
}

// send makes the request within the command and prints what happened.
func (a *app) send(ctx context.Context, o runtime.Options, r request) error {
	in, err := r.message()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	status := 0
	problems, err := runtime.New(o).Try(ctx, in, func(gen *plan.Generation, x *gateway.Exchange, failure error) {
		status = x.Response.Status
		var text strings.Builder
		printSent(&text, in, x, failure)
		io.WriteString(a.stdout, gen.Mask(text.String()))
	})
	if errors.Is(err, runtime.ErrConfig) {
		a.print(problems)
		return &exitError{exitConfig, nil}
	}
	if err != nil {
		return &exitError{exitConfig, err}
	}
	if status >= 500 {
		return &exitError{exitConfig, fmt.Errorf("the answer is %d", status)}
	}
	return nil
}

// message returns the request as an engine would offer it.
func (r request) message() (gateway.Inbound, error) {
	m := gateway.Message{Method: r.method, Host: "localhost", Proto: "HTTP/1.1", Peer: netip.AddrPortFrom(netip.IPv6Loopback(), 0)}
	m.Path, m.RawQuery, _ = strings.Cut(r.target, "?")
	for _, line := range r.headers {
		name, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !found || !gateway.Token(name) {
			return nil, fmt.Errorf("%q is no header; write \"Name: value\"", line)
		}
		if strings.EqualFold(name, "Host") {
			m.Host = value
			continue
		}
		m.Header.Add(gateway.Canonical(name), value)
	}
	slices.SortStableFunc(m.Header, func(a, b gateway.Field) int { return cmp.Compare(a.Name, b.Name) })
	m.Body = []byte(r.data)
	if name, isFile := strings.CutPrefix(r.data, "@"); isFile {
		var err error
		if m.Body, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return m.Inbound(), nil
}

// maxShown bounds how much of an answer's body is printed.
const maxShown = 64 << 10

// printSent prints the answer, the waterfall of what happened, and the origin of the
// members of the answer.
func printSent(w io.Writer, in gateway.Inbound, x *gateway.Exchange, failure error) {
	r, record := &x.Response, x.Record
	var payload bytes.Buffer
	_, broken := r.Body.WriteTo(&limited{&payload, maxShown})
	fmt.Fprintf(w, "%s %s: %d after %v", in.Method(), cmp.Or(x.Path, in.Path()), r.Status, round(record.Since()))
	if x.Endpoint != "" {
		fmt.Fprintf(w, ", by %s", x.Endpoint)
	}
	fmt.Fprintln(w)
	for _, err := range []error{failure, r.Missing, broken} {
		if err != nil && !errors.Is(err, errShown) {
			fmt.Fprintf(w, "  %v\n", err)
		}
	}

	fmt.Fprintln(w, "\nWhat happened, by when it began:")
	spans := record.Spans()
	slices.SortStableFunc(spans, func(a, b gateway.Span) int { return cmp.Compare(a.Began, b.Began) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range spans {
		row := fmt.Sprintf("  +%v\t%v\t%s\t%s\t%s\t%s", round(s.Began), round(s.Took), s.Plan, where(s), way(s), outcome(s))
		fmt.Fprintln(t, strings.TrimRight(row, "\t"))
	}
	t.Flush()

	if members := record.Members(); len(members) > 0 {
		fmt.Fprintln(w, "\nWhere the members of the answer come from:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, m := range members {
			fmt.Fprintf(t, "  %s\t%s\n", m.Name, m.From)
		}
		t.Flush()
	}

	fmt.Fprintf(w, "\nThe answer:\n  %d\n", r.Status)
	for _, f := range r.Header {
		fmt.Fprintf(w, "  %s: %s\n", f.Name, f.Value)
	}
	switch {
	case payload.Len() == 0:
	case !utf8.Valid(payload.Bytes()):
		fmt.Fprintf(w, "\n  (%d bytes that are no text)\n", payload.Len())
	default:
		fmt.Fprintf(w, "\n  %s\n", strings.ReplaceAll(strings.TrimRight(payload.String(), "\n"), "\n", "\n  "))
	}
	if errors.Is(broken, errShown) {
		fmt.Fprintln(w, "  ... and more")
	}
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
