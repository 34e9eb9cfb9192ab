// Package peer is the plain way to write an aggregating gateway in Go: the
// server and the client of net/http, a goroutine for each backend, answers
// decoded by encoding/json into maps with UseNumber, cut and merged there, and
// encoded again. What no-op passes through goes through httputil.ReverseProxy.
//
// It reads the endpoints of the configuration that the gateway is measured
// with, and does what they say, so that both give equal answers; it has none of
// the rest: no deadlines, no policies, no error documents. It exists to be
// measured against.
package peer
