//go:build !unix

package fast

// readable reports that nothing is known. A link that was closed fails its
// next call, which is then repeated if it may be.
func readable(uintptr) bool { return false }
