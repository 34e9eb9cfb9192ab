// Package cli is the command line: it reads arguments, calls the runtime and
// prints. Results go to standard output, diagnostics to standard error, and
// the exit code says what happened:
//
//	0  success, or a stop that was asked for
//	1  the configuration has errors, or findings under --lint or of audit; explain finds no
//	   endpoint, or with --send no answer that ends well; a case of e2e is not as it should
//	   be; diff finds a difference
//	2  the command line is wrong
//	3  something failed at run time, such as a port that is taken
package cli
