package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
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
