// Package spool writes lines to a stream that may be slow, stuck or gone
// without making anybody wait for it.
//
// Lines go into a bounded buffer that one goroutine empties. What does not fit is
// dropped and counted; when lines flow again, a line in their midst says how many
// are missing. It is not for results, which must arrive whole or fail.
package spool
