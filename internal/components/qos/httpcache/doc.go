// Package httpcache is the namespace qos/http-cache: it keeps answers of a
// backend in memory and gives them again while they are fresh.
//
// It is a shared cache as RFC 9111 describes it: one store serves all clients.
// Freshness is the backend's word, s-maxage before max-age before Expires; the
// gateway guesses none. CDN-Cache-Control speaks to caches of this kind alone: where
// an answer has it, and it is a dictionary to the letter, Cache-Control and Expires
// do not count. A stale answer with a validator (ETag, Last-Modified)
// is asked for again with If-None-Match and If-Modified-Since, and a 304
// renews it.
//
// # What is stored
//
// Answers to GET and HEAD with status 200, 203, 301, 404 or 410 that are fresh
// or have a validator, whose body arrived whole and is no larger than max_size
// and 8 MiB. The key is the method, the URL and the host that the client asked for,
// which backends get as X-Forwarded-Host; everything else is for Vary to name. Up to
// 32 variants of a key are kept, and an answer replaces the one that the same
// request fields select; a further one takes the place of the variant that was used
// least recently, as a further answer does in a store that is full. A Vary of more
// than 64 names counts as *, which is never stored, and a request of more than 256
// header lines goes by the store. Stored answers that have been stale for ten minutes are
// dropped, unless stale-if-error asks for more; whatever cannot be used is
// never stored.
//
// # Whose answers are never given to others
//
//   - private and no-store answers are not stored.
//   - If the call carries Authorization or Cookie, its answer is stored only
//     when it says public. (RFC 9111 names Authorization only; cookies that
//     are let through identify users just as well.)
//   - If the client was authenticated by the gateway, every header of the call
//     that could tell one user from another counts as named by Vary: claims
//     are passed to backends in headers of any name.
//   - An answer with Set-Cookie is stored only when it says public, and then
//     without the cookie: it belongs to the client whose call fetched it.
//   - Credentials that the gateway adds itself are those of the gateway, whoever
//     asks: they keep nothing from being stored.
//
// A host that is made of values of the request is part of the key, and so is one that
// a redirect has led to. Calls that are no HTTP are not cached; a warning says so.
//
// # What clients may ask for
//
// The request directives no-cache, no-store, max-age, min-fresh, max-stale,
// only-if-cached and stale-if-error count only if input_headers lets
// Cache-Control through. Requests with Range, a body or conditions of their
// own pass by the store. Any method other than GET, HEAD, OPTIONS and TRACE
// removes what is stored of the URL that the backend gets, by whatever host clients
// have asked for it.
//
// Compatibility: KrakenD stores failures and private answers, ignores
// s-maxage, compares directives with letter case, and gives the answer for one
// Authorization to the next. Here none of that happens.
//
// Sources: RFC 9111 (HTTP caching), RFC 9213 (targeted cache control), RFC 9651
// (structured fields), RFC 5861 (stale-if-error), RFC 9110 (validators, dates).
package httpcache
