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

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/gateway"
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
	problems, err := runtime.New(o).Try(ctx, in, func(gen *compile.Generation, x *gateway.Exchange, failure error) {
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
	var rows []row
	for _, s := range record.Spans() {
		rows = append(append(rows, rowOf(s)), laps(s)...)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.began, b.began) })
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(t, "  +%v\t%v\t%s\t%s\t%s\t%s\n", round(r.began), round(r.took), r.plan, r.step, r.way, r.outcome)
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}

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
