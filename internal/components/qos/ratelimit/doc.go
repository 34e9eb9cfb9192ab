// Package ratelimit is the namespaces qos/ratelimit/router and qos/ratelimit/proxy: how
// often an endpoint is asked, by all clients and by each, is limited by
// qos/ratelimit/router, and how often a backend is called by qos/ratelimit/proxy.
//
// All of them are token buckets: full at the start, one token for each
// request, refilled evenly and never above their capacity. A rate of 5 in
// every second with a capacity of 10 lets ten requests through at once and
// then one every 200 ms.
//
// On an endpoint the client's bucket is asked first, so that a client over its
// limit, answered with 429, spends nothing of what all clients share; when
// that is used up the answer is 503. Both carry Retry-After. A backend over
// its limit is not called and counts as failed.
//
// A client is who the strategy says: an address, the value of a header, be it Host,
// a path parameter, or whom an authenticator of the endpoint found, whichever of their
// credentials they have shown, and where. A request that does not say who it is has no bucket and gets
// 429, and one that says it twice, in two lines of the header or with underscores for
// its hyphens, gets 400: the limit would count by one line what a backend does for
// the other. A credential is one client in all its spellings: letter case of the scheme,
// blanks, a Bearer that is missing. Behind auth/validator the header that it reads, or
// Cookie, counts the token that was verified. A header with an address is believed only
// where the peer is a trusted proxy, as everywhere. The addresses of one IPv6 network are
// one client where behaviour.ipv6_prefix says so: of 64 bits in the dialect sluice.
//
// At most 262,144 buckets are kept for an endpoint, about 100 bytes each whatever
// clients call themselves; beyond that the client that is closest to a full bucket
// is forgotten. Nobody is forgiven a used-up bucket without using up most of the
// others.
//
// Counters live in this process: N gateways behind an even balancer let N
// times the rate through, so divide a total by N. They survive a reload as
// long as the endpoint and the figures stay the same.
package ratelimit
