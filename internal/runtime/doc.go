// Package runtime keeps a gateway running: it makes generations of the
// configuration, swaps them, and starts and stops the server.
//
// The live generation stands behind one atomic pointer. A request pins the
// generation it begins with and releases it when its last byte is written; a
// generation that was replaced is closed when its last request has ended.
//
// What else brings exchanges in follows the live generation. Its sources run while the
// gateway serves, one generation's at a time, and hold it as long as they run. Ports stay
// open over reloads, and whoever is live answers there.
//
// Stopping retires the live generation in the same way. Clients and sources drain beside
// each other, and everything has one end, max_shutdown_wait_time after the listener was
// closed: what is in flight then is cut, and has a moment to notice.
package runtime
