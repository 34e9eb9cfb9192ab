// Package jwk holds the keys that tokens are verified with: sets of JSON Web
// Keys (RFC 7517) from a file or a URL, and the algorithms of RFC 7518 and RFC
// 8037 that they serve.
//
//	set, err := jwk.Parse(data, jwk.ByID)
//	keys, err := set.Find(ctx, "2026-05")
//	ok := keys[0].Verify("RS256", signed, signature)
//
// A [Set] does not change. A [Remote] is the set behind a URL: it downloads
// and renews it, and keeps clients with invented key ids away from the
// provider. Keys are ready when a set was parsed: finding one decodes nothing.
//
// The keys of a package user are public or symmetric. Of a private key in a
// set, only the public half is kept. The package verifies; it neither signs
// nor reads tokens.
package jwk
