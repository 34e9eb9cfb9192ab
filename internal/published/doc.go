// Package published knows every configuration key that KrakenD ever published:
// its scope, type, default, bounds, and since when. The facts are data, in
// keys.json; they serve the compatibility page, its tests, and the sentence
// that refuses a namespace which is known and not built yet.
package published
