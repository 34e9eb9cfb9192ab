package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// patience is how long a process may take to start, to answer and to stop.
const patience = 30 * time.Second

// A process is a program that bench started, with its children.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // the file of its standard error
	done chan struct{}
	err  error // how it ended, once done is closed
}

// A program is how to start a process.
type program struct {
	name   string
	argv   []string
	env    []string // added to the environment
	core   string   // where it runs; "" is anywhere
	stdin  io.Reader
	stdout io.Writer // nil discards it
}

// start starts a program; what it writes to standard error goes to a file in
// folder.
func start(p program, folder string) (*process, error) {
	argv := p.argv
	if p.core != "" {
		argv = append([]string{"taskset", "-c", p.core}, argv...)
	}
	q := &process{name: p.name, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	q.log = filepath.Join(folder, p.name+".log")
	log, err := os.Create(q.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	q.cmd.Stdin, q.cmd.Stdout, q.cmd.Stderr = p.stdin, p.stdout, log
	q.cmd.Env = append(os.Environ(), p.env...)
	// An interrupt of the terminal is for bench alone, which stops its processes.
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := q.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	go func() {
		q.err = q.cmd.Wait()
		close(q.done)
	}()
	return q, nil
}

// failed describes why the process is of no use, with the end of its log.
func (p *process) failed(why error) error {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s: %w; its log is lost: %w", p.name, why, err)
	}
	const enough = 2000
	if len(log) > enough {
		log = log[len(log)-enough:]
	}
	if log = bytes.TrimSpace(log); len(log) == 0 {
		return fmt.Errorf("%s: %w", p.name, why)
	}
	return fmt.Errorf("%s: %w; its log:\n%s", p.name, why, log)
}

// stop asks the process to end, makes it end if it does not, and waits.
func (p *process) stop() {
	tree := p.tree()
	p.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended, which is what is wanted
	select {
	case <-p.done:
		return
	case <-time.After(5 * time.Second):
	}
	for _, pid := range tree {
		syscall.Kill(pid, syscall.SIGKILL) // as above
	}
	<-p.done
}

// tree lists the process and its descendants.
func (p *process) tree() []int {
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i])) // the pattern is right
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended
			}
			for field := range strings.FieldsSeq(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// cpu returns the processor time of the tree, user and system.
func (p *process) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p.tree() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, p.failed(err)
		}
		d, err := parseStat(string(text))
		if err != nil {
			return 0, p.failed(err)
		}
		sum += d
	}
	return sum, nil
}

// parseStat reads user and system time from /proc/PID/stat.
//
// Source: proc(5), fields 14 and 15. The second field is the name of the
// program in parentheses, which may hold spaces and parentheses.
func parseStat(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat: %q has too few fields", text)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/stat: user time: %w", err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/stat: system time: %w", err)
	}
	return time.Duration(user+system) * tick, nil
}

// resident returns the resident memory of the tree in bytes. What processes of
// it share counts once for each of them.
func (p *process) resident() (int, error) {
	sum := 0
	for _, pid := range p.tree() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, p.failed(err)
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return 0, p.failed(fmt.Errorf("/proc/%d/statm: %q has too few fields", pid, text))
		}
		pages, err := strconv.Atoi(fields[1])
		if err != nil {
			return 0, p.failed(err)
		}
		sum += pages * os.Getpagesize()
	}
	return sum, nil
}

// cores returns the first two processors that bench may use, or "" twice if
// there are no two.
func cores() (first, second string) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return firstTwo(strings.TrimSpace(list))
		}
	}
	return "", ""
}

// firstTwo reads a list of processors, as in "0-3,8".
func firstTwo(list string) (first, second string) {
	var found []string
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		found = append(found, from)
		if low, err := strconv.Atoi(from); isRange && err == nil && from != to {
			found = append(found, strconv.Itoa(low+1))
		}
	}
	if len(found) < 2 {
		return "", ""
	}
	return found[0], found[1]
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
