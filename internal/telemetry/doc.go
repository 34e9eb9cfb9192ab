// Package telemetry is the contract between the runner and whoever watches it.
//
// The runner calls each [Observer] once for every exchange, after the last
// byte of the answer was written. Observers see, they do not act: an exchange
// is the same whether it is watched or not.
package telemetry
