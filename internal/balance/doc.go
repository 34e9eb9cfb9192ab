// Package balance chooses the host of each backend call.
//
// A [Set] is a list of hosts with what is known about their health. A
// [Balancer] takes turns through a set; every backend has its own, and several
// may share one set. [NewStatic] makes a set of the hosts of a configuration,
// a [Discovery] keeps sets in step with DNS SRV records.
//
// # Strategies
//
//	round-robin   each turn of the list in order, the default
//	random        an independent choice for each call
//
// In both, a host that is listed n times gets n times the share of one that is
// listed once. Its turns are spread evenly over the round, so a list of
// [a a a b] is called a, a, b, a.
//
// # Health
//
// A call whose connection could not be made is reported with [Host.Fail], any
// other with [Host.OK]. A failed host is passed over for a pause of 100 ms,
// which doubles up to 5 s while the failures go on, give or take a fifth. When
// the pause is over one call is let through as a probe; its success makes the
// host as good as new. If every host is paused, the one that failed longest
// ago is chosen all the same: a list with hosts always has an answer. A single
// host is used without looking at its health.
//
// The package makes no connections and knows no protocol. What follows a
// failure, such as a try on the next host, is up to the caller.
//
// Source: SRV records and their weights are those of RFC 2782.
package balance
