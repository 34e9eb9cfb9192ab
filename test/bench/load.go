package main

import (
	"bufio"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed c/load.c c/backend.c
var sources embed.FS

// compile builds one of the C programs in folder and returns its file.
func compile(name, folder string) (string, error) {
	text, err := sources.ReadFile("c/" + name + ".c")
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	cmd := exec.Command("gcc", "-O2", "-o", file, "-x", "c", "-")
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s.c with gcc: %w\n%s", name, err, out)
	}
	return file, nil
}

// A talk is a process that is spoken to line by line.
type talk struct {
	*process
	to    *os.File
	from  *os.File
	lines *bufio.Reader
}

// converse starts a program whose standard input and output it holds.
func converse(p program, folder string) (*talk, error) {
	stdin, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	from, stdout, err := os.Pipe()
	if err != nil {
		to.Close()
		return nil, err
	}
	defer stdout.Close()
	p.stdin, p.stdout = stdin, stdout
	t := &talk{to: to, from: from, lines: bufio.NewReader(from)}
	if t.process, err = start(p, folder); err != nil {
		to.Close()
		from.Close()
		return nil, err
	}
	return t, nil
}

// hear reads a line without its end, in time.
func (t *talk) hear(limit time.Duration) (string, error) {
	if err := t.from.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	line, err := t.lines.ReadString('\n')
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			<-t.done // its output has ended, and so will it: the log is complete then
		}
		return "", t.failed(err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func (t *talk) stop() {
	t.to.Close()
	t.process.stop()
	t.from.Close()
}

// A load is a generator with open connections.
type load struct{ *talk }

// target is what a load asks for.
type target struct {
	port        int
	connections int
	length      int      // of the body of every answer
	paths       []string // asked for in turn
}

// open starts a generator. When it returns, each connection has answered one
// request, one connection at a time.
func (r *rig) open(t target) (*load, error) {
	file := filepath.Join(r.folder, "paths")
	if err := os.WriteFile(file, []byte(strings.Join(t.paths, "\n")), 0o644); err != nil {
		return nil, err
	}
	conversation, err := converse(program{
		name: "load",
		argv: []string{r.generator, strconv.Itoa(t.port), strconv.Itoa(t.connections), strconv.Itoa(t.length), file},
		core: r.otherCore,
	}, r.folder)
	if err != nil {
		return nil, err
	}
	l := &load{conversation}
	if _, err := l.hear(patience); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

// A window is what the generator reports of one.
type window struct {
	Answers int     `json:"answers"`
	Seconds float64 `json:"seconds"` // until the last answer
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	CPU     float64 `json:"cpu_us"` // of the generator itself
}

// begin starts a window; rate is requests a second, 0 as many as go.
func (l *load) begin(d time.Duration, rate int) error {
	_, err := fmt.Fprintf(l.to, "%f %d\n", d.Seconds(), rate)
	return err
}

// end waits for the end of a window of length d.
func (l *load) end(d time.Duration) (window, error) {
	var w window
	line, err := l.hear(d + patience)
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		return w, fmt.Errorf("load: %q: %w", line, err)
	}
	return w, nil
}

// run is begin and end.
func (l *load) run(d time.Duration, rate int) (window, error) {
	if err := l.begin(d, rate); err != nil {
		return window{}, err
	}
	return l.end(d)
}
