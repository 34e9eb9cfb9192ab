// Package tlsx turns the TLS options of a configuration into settings of
// crypto/tls: [Server] for connections of clients, [Client] for connections to
// backends.
//
// Nothing is skipped: a file that cannot be read or holds no certificate, a
// cipher suite or a curve that does not exist, and a range of versions in
// which no handshake could succeed are errors that name the key, the file and
// what to write instead. What is allowed and probably not meant is told by
// [ServerWarnings], [ServerMistakes] and [ClientWarnings].
//
// The package reads files and returns settings. It does not watch the files:
// whoever wants new certificates calls again and swaps the settings, which are
// complete or not returned at all.
package tlsx
