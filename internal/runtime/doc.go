// Package runtime keeps a gateway running: it makes generations of the
// configuration, swaps them, and starts and stops the server.
//
// The live generation stands behind one atomic pointer. A request pins the
// generation it begins with and releases it when its last byte is written; a
// generation that was replaced is closed when its last request has ended.
// Stopping retires the live generation in the same way.
package runtime
