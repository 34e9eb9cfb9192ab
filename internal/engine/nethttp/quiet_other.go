//go:build !unix

package nethttp

import "net"

// A quiet connection is none here: the system cannot be asked.
type quiet struct{ net.Conn }

func hush(conn net.Conn) net.Conn { return conn }

func (*quiet) still() bool { return true }
