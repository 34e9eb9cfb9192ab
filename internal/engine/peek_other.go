//go:build !unix

package engine

// Readable reports that nothing is known. A connection that was closed fails its
// next call, which is then repeated if it may be.
func Readable(uintptr) (readable, bytes bool) { return false, false }
