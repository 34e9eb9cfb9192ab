// Package place names endpoints and backends in words that survive a reload.
//
// What counts requests or failures is kept from one configuration to the next
// by such a name, together with the options that shaped it. The name is the
// one an operator would use, so that inserting an endpoint above does not make
// the counters of all others start again.
package place
