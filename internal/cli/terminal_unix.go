//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// columns returns how wide a terminal is, 0 if it does not say so, and whether a file is
// one.
func columns(f *os.File) (width int, isTerminal bool) {
	conn, err := f.SyscallConn() // f.Fd would change how it is written to
	if err != nil {
		return 0, false
	}
	err = conn.Control(func(fd uintptr) {
		if size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			width, isTerminal = int(size.Col), true
		}
	})
	return width, isTerminal && err == nil
}
