// Package wire reads and frames messages of HTTP/1.1 (RFC 9112), for the
// server and the client of the fast engine alike. It knows no sockets, no
// deadlines and no policy.
//
// A message is read in three steps. [Reader.Head] finds the end of a head in
// what has arrived and returns it as one string. [RequestHead.Parse] or
// [ResponseHead.Parse] cuts it up: every name and value is a part of that
// string, so a head costs one allocation. A [Body] then reads what follows, as
// the head framed it.
//
//	for {
//		head, err := r.Head(limits)
//		if err != nil {
//			return err // malformed
//		}
//		if head != "" {
//			break
//		}
//		if err := r.Fill(); err != nil {
//			return err // of the connection
//		}
//	}
//	err = message.Parse(head)
//	body.Reset(&r, message.Length, message.Chunked)
//
// # What is refused
//
// Two parties that read the same bytes differently let an attacker put a
// request between them, so nothing of a request is repaired here: one that is not
// what the grammar says is refused, and the connection with it. That goes for
// what others forgive: line ends without a carriage return, folded lines,
// white space before a colon, a length beside a transfer coding, a length that
// is given twice, even the same, a transfer coding other than chunked or in
// HTTP/1.0, and white space after the size of a chunk. Of the versions of HTTP
// only 1.0 and 1.1 are read: 1.2 and up may frame messages in ways that nobody
// has defined yet.
//
// What nobody can read in two ways is taken as clients send it: line ends before
// a request line, and bytes above US-ASCII in a target, which come out escaped.
//
// # What is repaired
//
// An answer comes from a backend that the operator has chosen, and goes on framed
// anew. What is untidy in it and has one meaning only is repaired: lines that end
// in a line feed alone, folded fields, white space before a colon and behind the
// size of a chunk, and a length that is given twice, the same. The rest is
// refused as in requests.
//
// Names of fields come out in canonical form. An underscore in a name is a
// letter like others and never stands for a hyphen.
package wire
