//go:build !unix

package cli

import "os"

// columns takes every file for none of a terminal.
func columns(*os.File) (width int, isTerminal bool) { return 0, false }
