package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal, which is as wide as asked for.
func openTerminal(t *testing.T, columns uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestRealTerminal runs the program on a terminal.
func TestRealTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "faulty.yaml", faulty["faulty.yaml"])
	tests := []struct {
		columns        uint16
		env            string
		colour, source bool
	}{
		{80, "TERM=xterm", true, true},
		{50, "TERM=xterm", true, true},
		{0, "TERM=xterm", true, true}, // it does not say
		{80, "NO_COLOR=1", false, true},
		{80, "TERM=dumb", false, true},
	}
	for _, tt := range tests {
		ours, theirs := openTerminal(t, tt.columns)
		cmd := exec.Command(program, "check", "-c", "faulty.yaml")
		cmd.Env = []string{tt.env}
		cmd.Stderr = theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		text, _ := io.ReadAll(ours) // ends with an error when nobody has the other end
		if err := cmd.Wait(); err == nil {
			t.Error("no error")
		}
		got := string(text)
		if strings.Contains(got, "\x1b[") != tt.colour || strings.Contains(got, "^") != tt.source || !strings.Contains(got, "9 errors") {
			t.Errorf("%d columns, %s: %q", tt.columns, tt.env, got)
		}
		width := int(tt.columns)
		if width == 0 {
			width = 80
		}
		if tt.colour {
			continue
		}
		for line := range strings.Lines(got) {
			if len(strings.TrimRight(line, "\r\n")) > width && strings.Contains(line, " | ") {
				t.Errorf("%q is wider than %d", line, width)
			}
		}
	}
}

// TestShells types into shells on a terminal, as somebody does who lets them complete.
func TestShells(t *testing.T) {
	onPath(t)
	for _, tt := range []struct{ shell, setup string }{
		{"bash --norc --noprofile -i", "source <(sluice completion bash)"},
		{"zsh -f -i", "autoload -U compinit; compinit -u -D; source <(sluice completion zsh)"},
	} {
		t.Run(strings.Fields(tt.shell)[0], func(t *testing.T) {
			args := strings.Fields(tt.shell)
			needs(t, args[0])
			t.Chdir(t.TempDir())
			ours, theirs := openTerminal(t, 200)
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "TERM=dumb", "HOME="+t.TempDir(), "PS1=$ ", "HISTFILE=")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			var mu sync.Mutex
			var seen strings.Builder
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				b := make([]byte, 4096)
				for {
					n, err := ours.Read(b)
					mu.Lock()
					seen.Write(b[:n])
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
			sees := func(what string) {
				t.Helper()
				eventually(t, what, func() bool {
					mu.Lock()
					defer mu.Unlock()
					return strings.Contains(seen.String(), what)
				})
			}
			io.WriteString(ours, tt.setup+"; echo rea''dy\n")
			sees("ready\r\n")
			io.WriteString(ours, "sluice vers\t\n")
			sees("sluice " + Version + "\r\ngo ")
			io.WriteString(ours, "exit\n")
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			<-ended
		})
	}
}
