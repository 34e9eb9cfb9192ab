// Package budget bounds what a request may cost the gateway, in statements and
// in memory. It builds the gateway so that it counts how often each of its
// statements is executed, sends it requests and answers that are cheap to make
// and may be dear to read, of 10 kB and of 900 kB, and wants the counts to grow
// as the bytes do. Statements are counted and not seconds, so that the verdict
// is the same on every machine.
package budget
