// Package route finds the endpoint of a request by its method and path.
//
// A [Builder] takes patterns and their values, and Build freezes them into a
// [Table], which any number of goroutines may search at once. There is one
// tree of path segments for each method; children of a node sit in a map, so a
// search costs the length of the path and not the number of endpoints.
//
// # Patterns
//
//	/a/b             literal segments, compared with the decoded request path
//	/a/{id}          a variable: one non-empty segment
//	/file.{ext}      a word: a variable that ends its segment (disable_rest)
//	/v1/{svc}/*      a wildcard: everything below the prefix, and the prefix
//
// At one place a literal goes before a word, the word with the longer text
// before its variable goes first, and a plain variable comes last. A choice
// that leads nowhere is taken back, so /a/{x}/d is found beside /a/b/c. Any
// pattern without a wildcard goes before any with one; among wildcards, the
// one with more segments before the star wins.
//
// The characters : ? % & and the blank are literal text in patterns. Since
// patterns are compared with the decoded path, /q?b=1 serves requests for
// /q%3Fb=1 only.
//
// # Decoding
//
// Table.Find takes the path as it is on the wire. An escaped slash separates
// segments as a plain one does, so /u/a%2Fb has three of them. Variable values
// are decoded once. What a wildcard takes keeps its escapes; its dot segments
// are resolved, and a path whose dots climb out of the prefix is not served
// by that wildcard.
//
// # Other readings
//
// A server behind the gateway may understand more spellings of a path than the
// gateway: decode it again and again, cut segments at a semicolon and the path at
// a semicolon, NUL, ? or #, split it at backslashes or not at escaped slashes,
// ignore letter case, the width of characters, repeated slashes, and blanks and
// dots at the end of a segment. A path that one of these readings turns into
// another route is not served by a variable or a wildcard, so that no one steps
// around the policies of that route: it is redirected to where a client is sent
// from wrong letter case and untidy slashes, and not found otherwise. Routes that
// fit the path as it is written have lost by the rules above and do not count, and
// a route without variables always serves its own path.
//
// Routes of one method are compared, HEAD being GET where it has none of its own.
// What one method has says nothing of another; see [Table.Covering].
//
// By the same token, values and what a wildcard takes hold no piece that a server
// may take for a dot segment, whatever its spelling.
//
// # Not here
//
// The package knows neither HTTP statuses nor headers: its caller turns
// outcomes into answers and adds the query string to a redirect.
//
// Source: path segments, dot segments and escapes are those of RFC 3986,
// sections 2.1, 3.3 and 5.2.4.
package route
