// Package router is the namespace router: it sets how the gateway behaves in front of all
// endpoints, which is how paths are matched, what the answers of the gateway's own paths
// and of failures look like, whose word is believed about the address of a client, and
// which requests the access log leaves out.
//
// # Client address
//
// The header of a proxy is believed only when the proxy itself is trusted.
// Without trusted_proxies these are the private, loopback and link-local
// ranges: a balancer in front of the gateway keeps working, and a client on
// the internet cannot choose its address. forwarded_by_client_ip: false
// believes nobody, and an empty trusted_proxies has the same effect.
//
// Compatibility: KrakenD believes every peer unless forwarded_by_client_ip is
// false, ignores proxies that it cannot parse, and drops the whole namespace
// when one value has the wrong type. Here each of them is an error at start.
package router
