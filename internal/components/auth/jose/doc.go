// Package jose is auth/validator: it lets a request to an endpoint pass only
// with a valid token, a signed JWT (RFC 7519) in the compact form of JWS (RFC
// 7515). The token is verified offline, with the keys of a JWK set; the
// provider of the tokens is asked for its keys and for nothing else.
//
// # Where the token comes from
//
// From the header auth_header_name, after "Bearer " in any letter case or
// without a scheme. Only when that header is absent or empty, from the cookie
// cookie_key. A request that has the token more than once at one of the two places is
// refused, whatever the tokens are: in two lines of the header, one with underscores
// for its hyphens among them, or in two cookies of one name, as any server might read
// the names. One would be verified, and a backend might believe the other.
//
// A token in the header beside a cookie is no such request: browsers send a cookie
// whether it is needed or not. The header counts, good or bad, and the cookie is not
// looked at; backends that get it, as input_headers lets Cookie through, must not take
// it for a token that was verified.
//
// # What is checked, in this order
//
//  1. The token is in compact form, strictly: no padding, no other spelling of
//     the same bytes, no member twice in header or claims, no crit.
//  2. Its alg is the configured one. No key is looked for otherwise.
//  3. A key has the token's id, by key_identify_strategy, and its type, alg,
//     use and key_ops allow it to verify. Keys, addresses and certificates
//     inside the token are not looked at.
//  4. The signature.
//  5. exp, nbf and iat, which are numbers, with leeway; iss, a text, and aud, one
//     or a list of them, whether they are configured or not.
//  6. Expressions about the token, of validation/cel.
//  7. roles, then scopes.
//
// A request that fails is answered with 401 and an empty body, for roles and
// scopes with 403. When the keys cannot be had, nobody knows whether the token is
// good: that is 503, keys_unavailable. WWW-Authenticate says as much as RFC 6750 wants it to.
// Requests that pass carry their claims for the layers behind, as {JWT.x} in
// the URLs of backends, in expressions, and as headers by propagate_claims.
//
// A text that a header cannot carry as it is counts as missing: whoever reads the header
// takes blanks at its ends away, which makes "ann " the name of somebody else, and some
// end it at a control character or at a line break of Unicode.
//
// A propagated header replaces what the client sent under its name, whatever signs
// stand between its letters. Rate limits and scripts of the endpoint see it, and
// backends only if input_headers names it.
//
// # Keys
//
// A set comes from a file, read at the start, or from a URL. With cache it is
// downloaded in the background at the start and again when cache_duration is
// over; a renewal holds up no request, and while it fails the old keys count
// for as long again. A key id that is not in the set causes a download, because
// the provider may have a new key, but no more than two in 10 seconds.
// Endpoints with the same URL and the same settings share a set, and it
// survives reloads. Without cache every request downloads the set once, and ids that
// nobody knows cause two downloads in 10 seconds there, too.
//
// The log says how many keys there are, at the start or with the first download, that
// they cannot be had, and why, and that they are back: one line for each change,
// however many endpoints and requests it concerns.
//
// A key that is too short for its algorithm (RFC 7518, sections 3.2, 3.3 and 3.5) is
// refused or warned about, as behaviour.weak_keys says: in the dialect sluice a file
// with one stops the start, and one in a downloaded set verifies no token.
//
// A download has 5 seconds within the endpoint's timeout and 1 MiB. Its answer
// must have the status 200 and the type application/json or
// application/jwk-set+json. Redirects from https to http are not followed.
//
// # The service
//
// In the root, auth/validator holds shared_cache_duration: endpoints with
// cache and the same URL then share one set, whatever their own
// cache_duration. Keys never cross URLs.
//
// # Encrypted files
//
// With secret_url and cypher_key the file is encrypted in two steps, as KrakenD
// does it. The secret wraps a passphrase: cypher_key is the base64 of 24 bytes of
// nonce and a box of XSalsa20 and Poly1305. The passphrase encrypts the file with
// AES-256-GCM without additional data: 12 bytes of nonce, ciphertext, 16 bytes of
// tag. The key of that is the MD5 digest of the passphrase, as 32 hexadecimal
// digits.
package jose
