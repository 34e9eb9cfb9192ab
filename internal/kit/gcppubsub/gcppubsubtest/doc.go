// Package gcppubsubtest is Pub/Sub for tests: the fake of Google's own library, which is called
// over TCP through a proxy that the test can cut, hold and stop.
//
// It is imported by tests only.
package gcppubsubtest
