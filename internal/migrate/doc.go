// Package migrate tells what becomes of a configuration of KrakenD: what has to be changed
// before the gateway starts, what is not built yet, what is done differently, and what works
// as before.
//
// It judges nothing itself. What stops the start, or is told with a warning, is what the check
// has found; a problem leads to the row of the compatibility page that is about its kind. What
// the check has no reason to speak of, since it is right and only done differently, are the
// other rows: those with a predicate ([Predicates]) where it holds; those that name namespaces,
// keys or encodings where these are written; and the rest once, since they hold for every file.
//
// [Against] asks two gateways the same, and says of each answer whether it is identical, better, or
// differs and why. It makes no request by itself that may change something.
package migrate
