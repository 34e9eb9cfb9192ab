package framing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// A message is a request or an answer as it came.
type message struct {
	start  string
	fields []string // "Name: value"
	body   string
}

// errMalformed says that bytes are no message of HTTP/1.1 in its strictest
// reading.
var errMalformed = errors.New("malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// all returns the values of a field.
func (m *message) all(name string) []string {
	var values []string
	for _, f := range m.fields {
		if n, v, _ := strings.Cut(f, ": "); strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

// get returns the value of a field, "" if there is none.
func (m *message) get(name string) string { return strings.Join(m.all(name), ", ") }

// target returns what a request asks for.
func (m *message) target() string {
	_, rest, _ := strings.Cut(m.start, " ")
	target, _, _ := strings.Cut(rest, " ")
	return target
}

// status returns that of an answer, 0 if it has none.
func (m *message) status() int {
	_, rest, _ := strings.Cut(m.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return n
}

// readLine reads a line that ends in CR LF and has no control characters.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	if err != nil {
		if text != "" && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok {
		return "", malformed("a line without CR: %q", text)
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", malformed("a control character: %q", line)
		}
	}
	return line, nil
}

// readHead reads a start line and fields. The error is io.EOF only if not a
// single byte came.
func readHead(r *bufio.Reader) (*message, error) {
	start, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if start == "" || start[0] == ' ' {
		return nil, malformed("no start line: %q", start)
	}
	m := &message{start: start}
	for {
		line, err := readLine(r)
		switch {
		case err == io.EOF:
			return m, io.ErrUnexpectedEOF
		case err != nil:
			return m, err
		case line == "":
			return m, nil
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || textproto.TrimString(name) != name || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") {
			return m, malformed("no field: %q", line)
		}
		m.fields = append(m.fields, line)
	}
}

// readBody reads the body that the head announces. Without an announcement
// there is none, or it lasts to the end.
func (m *message) readBody(r *bufio.Reader, toEnd bool) error {
	lengths, codings := m.all("Content-Length"), m.all("Transfer-Encoding")
	switch {
	case len(lengths) > 1 || len(codings) > 1 || len(lengths) == 1 && len(codings) == 1:
		return malformed("framed twice: %q", m.fields)
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return malformed("transfer coding %q", codings[0])
		}
		return m.readChunks(r)
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 31)
		if err != nil {
			return malformed("length %q", lengths[0])
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(r, p); err != nil {
			return io.ErrUnexpectedEOF
		}
		m.body = string(p)
	case toEnd:
		p, err := io.ReadAll(r)
		m.body = string(p)
		return err
	}
	return nil
}

func (m *message) readChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return short(err)
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return malformed("size of a chunk %q", line)
		}
		p := make([]byte, size)
		if _, err := io.ReadFull(r, p); err != nil {
			return short(err)
		}
		m.body += string(p)
		if line, err = readLine(r); err != nil {
			return short(err)
		}
		if line != "" {
			return malformed("a chunk is followed by %q", line)
		}
		if size == 0 {
			return nil
		}
	}
}

// short makes the end of the connection within a message one that is not
// orderly.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readRequestHead reads the head of a request, which has exactly one Host.
func readRequestHead(r *bufio.Reader) (*message, error) {
	m, err := readHead(r)
	if err != nil {
		return m, err
	}
	words := strings.Split(m.start, " ")
	if len(words) != 3 || words[0] == "" || words[1] == "" || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" {
		return m, malformed("request line %q", m.start)
	}
	if n := len(m.all("Host")); n != 1 {
		return m, malformed("%d times Host", n)
	}
	return m, nil
}

// readAnswer reads an answer and skips the interim ones before it.
func readAnswer(r *bufio.Reader) (*message, error) {
	for {
		m, err := readHead(r)
		if err != nil {
			return m, err
		}
		words := strings.SplitN(m.start, " ", 3)
		if len(words) < 2 || words[0] != "HTTP/1.1" && words[0] != "HTTP/1.0" || m.status() < 100 || m.status() > 999 {
			return m, malformed("status line %q", m.start)
		}
		switch status := m.status(); {
		case status < 200:
			continue
		case status == 204 || status == 304:
			return m, nil
		}
		return m, m.readBody(r, true)
	}
}
