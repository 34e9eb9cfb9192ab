package framing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// An outcome is what must become of the bytes of a client.
type outcome struct {
	verdict verdict
	body    string   // of the request, as the backend sees it
	sees    []string // fields that the backend sees
	never   []string // names of fields that it does not see
	hides   string   // role of another request that the bytes mean
	tail    tail
}

type verdict uint8

const (
	refuses  verdict = iota // an error or nothing, then the end of the connection
	passes                  // the backend sees the request, and the one after it
	declines                // an error that says that nobody serves this; the connection may go on
	byItself                // the gateway answers for itself, and the connection goes on
)

var refused, declined, answered = outcome{}, outcome{verdict: declines}, outcome{verdict: byItself}

// passed is the outcome of bytes that mean a request with this body.
func passed(body string) outcome { return outcome{verdict: passes, body: body} }

func (o outcome) with(fields ...string) outcome   { o.sees = fields; return o }
func (o outcome) without(names ...string) outcome { o.never = names; return o }

// then says that the bytes mean another request, after the first one.
func (o outcome) then(role string) outcome { o.hides = role; return o }

// A tail is what becomes of the next request.
type tail uint8

const (
	answer  tail = iota // it is one
	end                 // the connection ends before it
	refusal             // it cannot be told from the rest, which is refused
)

func (o outcome) followedBy(t tail) outcome { o.tail = t; return o }

// A requestCase is a message of a client. These words are replaced in text:
//
//	PATH    the path of the request
//	HIDDEN  another whole request, with the role hidden
//	HLEN    the length of that
//	HHEX    the same as the size of a chunk
//
// 1HLEN, 2HLEN and 7HLEN are the lengths with what stands in front of it:
// the last chunk, 20000 and 70000 bytes.
//
// Unless the case is alone, the next request follows, which asks for the end of
// the connection.
type requestCase struct {
	name  string
	text  string
	want  outcome
	alone bool // nothing follows, and the client ends its half
	shape bool // one of the malformed shapes that no fast engine may accept
}

// get and post are requests with these fields.
func get(fields ...string) string { return head("GET PATH HTTP/1.1", fields) }

func post(body string, fields ...string) string { return head("POST PATH HTTP/1.1", fields) + body }

func head(start string, fields []string) string {
	return strings.Join(append([]string{start, "Host: h"}, fields...), "\r\n") + "\r\n\r\n"
}

// bare is a request whose Host is among the fields, if anywhere.
func bare(start string, fields ...string) string {
	return strings.Join(append([]string{start}, fields...), "\r\n") + "\r\n\r\n"
}

const (
	chunkedCoding = "Transfer-Encoding: chunked"
	hello         = "5\r\nhello\r\n0\r\n\r\n"
)

// chunks is a request with this chunked body.
func chunks(body string) string { return post(body, chunkedCoding) }

var requestCases = slices.Concat(lengthCases, codingCases, chunkCases, headCases, fieldCases, targetCases, limitCases)

var lengthCases = []requestCase{
	{name: "no body", text: get(), want: passed("")},
	{name: "a length", text: post("hello", "Content-Length: 5"), want: passed("hello")},
	{name: "length 0", text: post("", "Content-Length: 0"), want: passed("")},
	{name: "no length is no body", text: post(""), want: passed("")},
	{name: "a request after the other is one", text: get() + "HIDDEN", want: passed("").then("hidden")},
	{name: "a request in a body is none", text: post("HIDDEN", "Content-Length: HLEN"), want: passed("HIDDEN")},
	{name: "a request in the body of GET is none", text: get("Content-Length: HLEN") + "HIDDEN", want: passed("HIDDEN")},
	{name: "a body larger than the buffer", text: post(strings.Repeat("x", 20000)+"HIDDEN", "Content-Length: 2HLEN"), want: passed(strings.Repeat("x", 20000) + "HIDDEN")},
	{name: "the letter case of names", text: post("HIDDEN", "cOnTeNt-LeNgTh: HLEN"), want: passed("HIDDEN")},
	{name: "tabs around a length", text: post("hello", "Content-Length:\t5\t"), want: passed("hello")},
	{name: "spaces around a length", text: post("hello", "Content-Length:   5  "), want: passed("hello")},
	{name: "no space before a length", text: post("hello", "Content-Length:5"), want: passed("hello")},
	{name: "leading zeros of a length", text: post("hello", "Content-Length: 0005"), want: passed("hello")},
	{name: "two equal lengths", text: post("hello", "Content-Length: 5", "Content-Length: 5"), want: refused},
	{name: "two lengths, 0 first", text: post("HIDDEN", "Content-Length: 0", "Content-Length: HLEN"), want: refused, shape: true},
	{name: "two lengths, 0 last", text: post("HIDDEN", "Content-Length: HLEN", "Content-Length: 0"), want: refused},
	{name: "two lengths in different letter case", text: post("HIDDEN", "Content-Length: 0", "content-length: HLEN"), want: refused},
	{name: "length 0, 0", text: post("", "Content-Length: 0, 0"), want: refused, shape: true},
	{name: "length 5, 0", text: post("hello", "Content-Length: 5, 0"), want: refused},
	{name: "length +0", text: post("", "Content-Length: +0"), want: refused, shape: true},
	{name: "length +5", text: post("hello", "Content-Length: +5"), want: refused},
	{name: "length -1", text: post("", "Content-Length: -1"), want: refused, shape: true},
	{name: "length -0", text: post("", "Content-Length: -0"), want: refused},
	{name: "length 2^63", text: post("", "Content-Length: 9223372036854775808"), want: refused},
	{name: "length 2^64", text: post("", "Content-Length: 18446744073709551616"), want: refused, shape: true},
	{name: "length 2^64+5", text: post("hello", "Content-Length: 18446744073709551621"), want: refused},
	{name: "a hexadecimal length", text: post("hello", "Content-Length: 0x5"), want: refused},
	{name: "a length with a hexadecimal digit", text: post("hello", "Content-Length: A"), want: refused},
	{name: "a length with an underscore", text: post("hello", "Content-Length: 0_5"), want: refused},
	{name: "a length with a fraction", text: post("hello", "Content-Length: 5.0"), want: refused},
	{name: "a length with an exponent", text: post("hello", "Content-Length: 5e0"), want: refused},
	{name: "a length with a space", text: post("hello", "Content-Length: 0 5"), want: refused},
	{name: "an empty length", text: post("HIDDEN", "Content-Length:"), want: refused},
	{name: "a length of spaces", text: post("HIDDEN", "Content-Length:  "), want: refused},
	{name: "a length after a vertical tab", text: post("hello", "Content-Length: \v5"), want: refused},
	{name: "a length after a no-break space", text: post("hello", "Content-Length: \xa05"), want: refused},
	{name: "a length in other digits", text: post("hello", "Content-Length: \u0665"), want: refused},
	{name: "a body that breaks off", text: post("hel", "Content-Length: 5"), want: refused, alone: true},
	{name: "a length that Connection names", text: post("HIDDEN", "Connection: Content-Length", "Content-Length: HLEN"), want: passed("HIDDEN")},
}

var codingCases = []requestCase{
	{name: "a chunked body", text: chunks(hello), want: passed("hello")},
	{name: "a request in a chunk is none", text: chunks("HHEX\r\nHIDDEN\r\n0\r\n\r\n"), want: passed("HIDDEN")},
	{name: "a chunked body of GET", text: get(chunkedCoding) + "HHEX\r\nHIDDEN\r\n0\r\n\r\n", want: passed("HIDDEN")},
	{name: "Chunked", text: post(hello, "Transfer-Encoding: Chunked"), want: passed("hello")},
	{name: "CHUNKED", text: post(hello, "transfer-encoding: CHUNKED"), want: passed("hello")},
	{name: "length before coding", text: post("0\r\n\r\nHIDDEN", "Content-Length: 1HLEN", chunkedCoding), want: refused, shape: true},
	{name: "coding before length", text: post("0\r\n\r\nHIDDEN", chunkedCoding, "Content-Length: 1HLEN"), want: refused},
	{name: "length 0 and coding", text: post("HHEX\r\nHIDDEN\r\n0\r\n\r\n", "Content-Length: 0", chunkedCoding), want: refused},
	{name: "chunked twice", text: post(hello, chunkedCoding, chunkedCoding), want: refused, shape: true},
	{name: "chunked, chunked", text: post(hello, "Transfer-Encoding: chunked, chunked"), want: refused},
	{name: "x, chunked", text: post(hello, "Transfer-Encoding: x, chunked"), want: refused, shape: true},
	{name: "gzip, chunked", text: post(hello, "Transfer-Encoding: gzip, chunked"), want: refused},
	{name: "chunked, identity", text: post(hello, "Transfer-Encoding: chunked, identity"), want: refused},
	{name: "chunked and identity", text: post(hello, chunkedCoding, "Transfer-Encoding: identity"), want: refused},
	{name: "identity and chunked", text: post(hello, "Transfer-Encoding: identity", chunkedCoding), want: refused},
	{name: "identity", text: post("", "Transfer-Encoding: identity", "Content-Length: 0"), want: refused, shape: true},
	{name: "identity with a body", text: post("HIDDEN", "Transfer-Encoding: identity", "Content-Length: HLEN"), want: refused},
	{name: "an empty coding", text: post("HIDDEN", "Transfer-Encoding:", "Content-Length: HLEN"), want: refused},
	{name: "an unknown coding", text: post("HIDDEN", "Transfer-Encoding: xchunked", "Content-Length: HLEN"), want: refused},
	{name: "chunked with a comma", text: post(hello, "Transfer-Encoding: chunked,"), want: refused},
	{name: "chunked after a comma", text: post(hello, "Transfer-Encoding: ,chunked"), want: refused},
	{name: "chunked with a parameter", text: post(hello, "Transfer-Encoding: chunked;q=1"), want: refused},
	{name: "chunked in quotes", text: post(hello, `Transfer-Encoding: "chunked"`), want: refused},
	{name: "a vertical tab before chunked", text: post(hello, "Transfer-Encoding: \vchunked"), want: refused, shape: true},
	{name: "a form feed after chunked", text: post(hello, "Transfer-Encoding: chunked\f"), want: refused},
	{name: "a tab before chunked", text: post(hello, "Transfer-Encoding:\tchunked"), want: passed("hello")},
	{name: "a no-break space before chunked", text: post(hello, "Transfer-Encoding: \xa0chunked"), want: refused},
	{name: "chunked folded onto the next line", text: post(hello, "Transfer-Encoding:\r\n chunked"), want: refused},
	{name: "chunked hidden behind a bare CR", text: post("0\r\n\r\nHIDDEN", "Content-Length: 1HLEN", "X-A: b\rTransfer-Encoding: chunked"), want: refused},
	{name: "chunked hidden behind a bare LF", text: post("0\r\n\r\nHIDDEN", "Content-Length: 1HLEN", "X-A: b\nTransfer-Encoding: chunked"), want: refused},
	{name: "a space before the colon of the coding", text: post("0\r\n\r\nHIDDEN", "Content-Length: 1HLEN", "Transfer-Encoding : chunked"), want: refused},
	{name: "a letter that folds to k", text: post(hello, "Transfer-Encoding: chun\u212aed"), want: refused},
	{name: "coding in HTTP/1.0", text: bare("POST PATH HTTP/1.0", "Host: h", chunkedCoding) + hello, want: refused, shape: true},
	{name: "coding in HTTP/1.0 that keeps the connection", text: bare("POST PATH HTTP/1.0", "Host: h", "Connection: keep-alive", chunkedCoding) + "0\r\n\r\nHIDDEN", want: refused},
	{name: "a coding that Connection names", text: post("HHEX\r\nHIDDEN\r\n0\r\n\r\n", "Connection: Transfer-Encoding", chunkedCoding), want: passed("HIDDEN")},
	{name: "Transfer_Encoding is no coding", text: post("HIDDEN", "Transfer_Encoding: chunked", "Content-Length: HLEN"), want: passed("HIDDEN").without("Transfer_Encoding")},
	{name: "Content_Length is no length", text: post("HIDDEN", "Content_Length: 0", "Content-Length: HLEN"), want: passed("HIDDEN").without("Content_Length")},
}

var chunkCases = []requestCase{
	{name: "several chunks", text: chunks("1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"), want: passed("hello")},
	{name: "no chunks", text: chunks("0\r\n\r\n"), want: passed("")},
	{name: "a size in upper case", text: chunks("A\r\n0123456789\r\n0\r\n\r\n"), want: passed("0123456789")},
	{name: "a size in lower case", text: chunks("a\r\n0123456789\r\n0\r\n\r\n"), want: passed("0123456789")},
	{name: "leading zeros of a size", text: chunks("0005\r\nhello\r\n000\r\n\r\n"), want: passed("hello")},
	{name: "size 0x0", text: chunks("0x0\r\n\r\n"), want: refused, shape: true},
	{name: "size 0x5", text: chunks("0x5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a space after a size", text: chunks("0 \r\n\r\n"), want: refused, shape: true},
	{name: "a tab after a size", text: chunks("5\t\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a space before a size", text: chunks(" 5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "size +5", text: chunks("+5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "size -5", text: chunks("-5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "an empty size", text: chunks("\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size that is none", text: chunks("g\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size with an underscore", text: chunks("0_5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size of 2^63", text: chunks("8000000000000000\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size of 2^64", text: chunks("10000000000000000\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size of 2^64+5", text: chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a size of 2^32+5", text: chunks("100000005\r\nhello\r\n0\r\n\r\n"), want: refused, alone: true},
	{name: "a size of a hundred zeros", text: chunks(strings.Repeat("0", 100) + "5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a decimal size read as hexadecimal", text: chunks("10\r\n0123456789\r\n0\r\n\r\n"), want: refused},
	{name: "an extension", text: chunks("5;a=b\r\nhello\r\n0;c\r\n\r\n"), want: passed("hello")},
	{name: "an extension with LF", text: chunks("0;a\nb\r\n\r\n"), want: refused, shape: true},
	{name: "an extension that hides a request behind LF", text: chunks("5;\nhello\r\n0\r\n\r\nHIDDEN"), want: refused},
	{name: "an extension with CR", text: chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "an extension with NUL", text: chunks("5;a\x00b\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "an extension with a space", text: chunks("5 ;a\r\nhello\r\n0\r\n\r\n"), want: passed("hello")},
	{name: "an extension behind a space", text: chunks("5; a = \"b c\"\r\nhello\r\n0;d\r\n\r\n"), want: passed("hello")},
	{name: "an extension without a name", text: chunks("5;\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "an extension without a semicolon", text: chunks("5,a\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "an extension that never ends", text: chunks("5;" + strings.Repeat("a", 20000) + "\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "many extensions", text: chunks(strings.Repeat("1;"+strings.Repeat("a", 100)+"\r\nx\r\n", 500) + "0\r\n\r\n"), want: refused},
	{name: "LF for CR LF", text: chunks("1\na\n0\n\n"), want: refused, shape: true},
	{name: "LF after a size", text: chunks("5\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "LF after a chunk", text: chunks("5\r\nhello\n0\r\n\r\n"), want: refused},
	{name: "LF after the last size", text: chunks("5\r\nhello\r\n0\n\r\n"), want: refused},
	{name: "LF at the end", text: chunks("5\r\nhello\r\n0\r\n\n"), want: refused},
	{name: "CR after a size", text: chunks("5\rhello\r\n0\r\n\r\n"), want: refused},
	{name: "two CR after a size", text: chunks("5\r\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a chunk longer than its size", text: chunks("1\r\nabc\r\n0\r\n\r\n"), want: refused, shape: true},
	{name: "a chunk longer by a line", text: chunks("5\r\nhelloXX0\r\n\r\nHIDDEN"), want: refused},
	{name: "a chunk shorter than its size", text: chunks("9\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "no last chunk", text: chunks("5\r\nhello\r\n"), want: refused, alone: true},
	{name: "no empty line at the end", text: chunks("5\r\nhello\r\n0\r\n"), want: refused, alone: true},
	{name: "a request in place of the empty line", text: chunks("0\r\nHIDDEN"), want: refused},
	{name: "a chunk after the last one", text: chunks("0\r\n5\r\nhello\r\n0\r\n\r\n"), want: refused},
	{name: "a trailer", text: chunks("5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), want: passed("hello").without("X-A")},
	{name: "an announced trailer", text: post("0\r\nX-A: b\r\n\r\n", chunkedCoding, "Trailer: X-A"), want: passed("").without("X-A", "Trailer")},
	{name: "a trailer with a length", text: chunks("0\r\nContent-Length: HLEN\r\n\r\nHIDDEN"), want: refused},
	{name: "a trailer with a coding", text: chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), want: refused},
	{name: "a trailer with a Host", text: chunks("0\r\nHost: evil\r\n\r\n"), want: refused},
	{name: "a trailer with a credential", text: chunks("0\r\nAuthorization: evil\r\n\r\n"), want: refused},
	{name: "a trailer with an address", text: chunks("0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"), want: refused},
	{name: "an announced trailer with a length", text: post("0\r\nContent-Length: 5\r\n\r\n", chunkedCoding, "Trailer: Content-Length"), want: refused},
	{name: "a trailer without a colon", text: chunks("0\r\nX-A\r\n\r\n"), want: refused},
	{name: "a trailer with a space before the colon", text: chunks("0\r\nX-A : b\r\n\r\n"), want: refused},
	{name: "a folded trailer", text: chunks("0\r\nX-A: b\r\n c\r\n\r\n"), want: refused},
	{name: "a trailer with LF", text: chunks("0\r\nX-A: b\nHIDDEN"), want: refused},
	{name: "trailers without end", text: chunks("0\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 40) + "\r\n"), want: refused},
}

var headCases = []requestCase{
	{name: "LF for CR LF in the head", text: "GET PATH HTTP/1.1\nHost: h\n\n", want: refused, shape: true},
	{name: "LF after the request line", text: "GET PATH HTTP/1.1\nHost: h\r\n\r\n", want: refused},
	{name: "LF after a field", text: "GET PATH HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n", want: refused},
	{name: "LF for the empty line", text: "GET PATH HTTP/1.1\r\nHost: h\r\n\n", want: refused},
	{name: "CR for CR LF in the head", text: "GET PATH HTTP/1.1\rHost: h\r\r", want: refused},
	{name: "CR in a value", text: get("X-A: a\rX-B: c"), want: refused, shape: true},
	{name: "CR CR LF after a field", text: "GET PATH HTTP/1.1\r\nHost: h\r\r\n\r\n", want: refused},
	{name: "CR CR LF for the empty line", text: "GET PATH HTTP/1.1\r\nHost: h\r\n\r\r\n", want: refused},
	{name: "a folded field", text: get("X-A: b\r\n c"), want: refused, shape: true},
	{name: "a field folded with a tab", text: get("X-A: b\r\n\tc"), want: refused},
	{name: "a folded field that looks like a length", text: post("HIDDEN", "X-A: b\r\n Content-Length: 0", "Content-Length: HLEN"), want: refused},
	{name: "a space before the first field", text: bare("GET PATH HTTP/1.1", " X-A: b", "Host: h"), want: refused, shape: true},
	{name: "a space before Host", text: bare("GET PATH HTTP/1.1", " Host: h"), want: refused},
	{name: "a space before the request line", text: " " + get(), want: refused},
	{name: "an empty line before the request", text: "\r\n" + get(), want: passed("")},
	{name: "LF before the request", text: "\n" + get(), want: passed("")},
	{name: "line ends before the request", text: "\r\n\n\r\n" + get(), want: passed("")},
	{name: "line ends between requests", text: get() + "\r\nHIDDEN\n", want: passed("").then("hidden")},
	{name: "a line end behind a body", text: post("hello", "Content-Length: 5") + "\r\n", want: passed("hello")},
	{name: "too many line ends before the request", text: strings.Repeat("\r\n", 100) + get(), want: refused},
	{name: "a space before the colon", text: get("X-A : b"), want: refused, shape: true},
	{name: "a tab before the colon", text: get("X-A\t: b"), want: refused},
	{name: "a space before the colon of a length", text: post("", "Content-Length : 0"), want: refused, shape: true},
	{name: "a space before the colon of Host", text: bare("GET PATH HTTP/1.1", "Host : h"), want: refused},
	{name: "a field without a colon", text: get("XA"), want: refused, shape: true},
	{name: "a length without a colon", text: post("HIDDEN", "Content-Length HLEN"), want: refused},
	{name: "a field without a name", text: get(": x"), want: refused, shape: true},
	{name: "a colon alone", text: get(":"), want: refused},
	{name: "NUL in a value", text: get("X-A: a\x00b"), want: refused, shape: true},
	{name: "NUL in a name", text: get("X\x00A: b"), want: refused},
	{name: "NUL in the target", text: bare("GET PATH\x00 HTTP/1.1", "Host: h"), want: refused},
	{name: "NUL before the request", text: "\x00" + get(), want: refused},
	{name: "a control character in a value", text: get("X-A: a\x01b"), want: refused},
	{name: "a backspace in a value", text: get("X-A: a\bb"), want: refused},
	{name: "DEL in a value", text: get("X-A: a\x7fb"), want: refused},
	{name: "an escape character in a name", text: get("X\x1bA: b"), want: refused},
	{name: "a tab in a value", text: get("X-A: a\tb"), want: passed("").with("X-A: a\tb")},
	{name: "other letters in a value", text: get("X-A: gr\xfc\xdfe"), want: passed("").with("X-A: gr\xfc\xdfe")},
	{name: "other letters in a name", text: get("X-\xfc: b"), want: refused},
	{name: "a name in quotes", text: get(`"X-A": b`), want: refused},
	{name: "a name with a slash", text: get("X/A: b"), want: refused},
	{name: "a name with brackets", text: get("X[A]: b"), want: refused},
	{name: "a name with a semicolon", text: get("Content-Length;: 5"), want: refused},
	{name: "an empty value", text: get("X-A:"), want: passed("")},
	{name: "no fields and no end", text: "GET PATH HTTP/1.1\r\n", want: refused, alone: true},
	{name: "a head that breaks off", text: "GET PATH HTTP/1.1\r\nHost: h\r\nX-A: b", want: refused, alone: true},
	{name: "HTTP/0.9", text: "GET PATH\r\n", want: refused},
	{name: "HTTP/1.0", text: bare("GET PATH HTTP/1.0", "Host: h", "Connection: keep-alive"), want: passed("")},
	{name: "HTTP/1.0 with a request behind it", text: bare("GET PATH HTTP/1.0", "Host: h") + "HIDDEN", want: passed("").followedBy(end)},
	{name: "HTTP/1.2", text: bare("GET PATH HTTP/1.2", "Host: h"), want: refused},
	{name: "HTTP/2.0", text: bare("GET PATH HTTP/2.0", "Host: h"), want: refused},
	{name: "HTTP/11", text: bare("GET PATH HTTP/11", "Host: h"), want: refused, shape: true},
	{name: "HTTP/1.10", text: bare("GET PATH HTTP/1.10", "Host: h"), want: refused},
	{name: "HTTP/01.1", text: bare("GET PATH HTTP/01.1", "Host: h"), want: refused},
	{name: "HTTP/+1.1", text: bare("GET PATH HTTP/+1.1", "Host: h"), want: refused},
	{name: "HTTP 1.1", text: bare("GET PATH HTTP 1.1", "Host: h"), want: refused},
	{name: "http/1.1", text: bare("GET PATH http/1.1", "Host: h"), want: refused},
	{name: "a space after the version", text: bare("GET PATH HTTP/1.1 ", "Host: h"), want: refused},
	{name: "a method with a parenthesis", text: bare("G(T PATH HTTP/1.1", "Host: h"), want: refused, shape: true},
	{name: "a method with a colon", text: bare("GET: PATH HTTP/1.1", "Host: h"), want: refused},
	{name: "a method with a tab", text: bare("GET\tPATH HTTP/1.1", "Host: h"), want: refused},
	{name: "no method", text: bare(" PATH HTTP/1.1", "Host: h"), want: refused},
	{name: "a method in lower case", text: bare("get PATH HTTP/1.1", "Host: h"), want: declined},
	{name: "a method nobody serves", text: bare("FROBNICATE PATH HTTP/1.1", "Host: h"), want: declined},
	{name: "the body of a method nobody serves", text: bare("FROBNICATE PATH HTTP/1.1", "Host: h", "Content-Length: HLEN") + "HIDDEN", want: declined},
	{name: "the chunked body of a method nobody serves", text: bare("FROBNICATE PATH HTTP/1.1", "Host: h", chunkedCoding) + "HHEX\r\nHIDDEN\r\n0\r\n\r\n", want: declined},
	{name: "the preface of HTTP/2", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: refused},
	{name: "a handshake of TLS", text: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", want: refused, alone: true},
}

var fieldCases = []requestCase{
	{name: "two Host", text: bare("GET PATH HTTP/1.1", "Host: a", "Host: b"), want: refused, shape: true},
	{name: "two equal Host", text: bare("GET PATH HTTP/1.1", "Host: a", "Host: a"), want: refused},
	{name: "two Host in different letter case", text: bare("GET PATH HTTP/1.1", "Host: a", "hOsT: b"), want: refused},
	{name: "no Host", text: bare("GET PATH HTTP/1.1"), want: refused, shape: true},
	{name: "no Host in HTTP/1.0", text: bare("GET PATH HTTP/1.0", "Connection: keep-alive"), want: passed("")},
	{name: "a Host with a space and a slash", text: bare("GET PATH HTTP/1.1", "Host: a b/c"), want: refused, shape: true},
	{name: "a Host with a comma and a space", text: bare("GET PATH HTTP/1.1", "Host: a, b"), want: refused},
	{name: "a Host with a user", text: bare("GET PATH HTTP/1.1", "Host: a@b"), want: refused},
	{name: "a Host with a path", text: bare("GET PATH HTTP/1.1", "Host: a/b"), want: refused},
	{name: "a Host with a question mark", text: bare("GET PATH HTTP/1.1", "Host: a?b"), want: refused},
	{name: "a Host with a port that is none", text: bare("GET PATH HTTP/1.1", "Host: a:b"), want: refused},
	{name: "a Host with a port too large", text: bare("GET PATH HTTP/1.1", "Host: a:65536"), want: refused},
	{name: "a Host with two ports", text: bare("GET PATH HTTP/1.1", "Host: a:1:2"), want: refused},
	{name: "a Host with a bracket", text: bare("GET PATH HTTP/1.1", "Host: [::1"), want: refused},
	{name: "a Host with other letters", text: bare("GET PATH HTTP/1.1", "Host: \xfc"), want: refused},
	{name: "an address as Host", text: bare("GET PATH HTTP/1.1", "Host: [::1]:80"), want: passed("").with("X-Forwarded-Host: [::1]:80")},
	{name: "an empty Host", text: bare("GET PATH HTTP/1.1", "Host:"), want: refused},
	{name: "Connection names Host", text: get("Connection: Host"), want: passed("").with("X-Forwarded-Host: h")},
	{name: "Connection names X-Forwarded-For", text: get("Connection: X-Forwarded-For"), want: passed("").with("X-Forwarded-For: 127.0.0.1")},
	{name: "Connection names X-Forwarded-Host", text: get("Connection: x-forwarded-host"), want: passed("").with("X-Forwarded-Host: h")},
	{name: "Connection names User-Agent", text: get("Connection: User-Agent"), want: passed("").with("User-Agent: " + product)},
	{name: "Connection names a credential", text: get("Connection: Authorization", "Authorization: secret"), want: passed("").without("Authorization")},
	{name: "Connection names two fields on two lines", text: get("Connection: X-A", "X-A: 1", "Connection: x-b", "X-B: 2"), want: passed("").without("X-A", "X-B")},
	{name: "Connection with empty members", text: get("Connection: ,, X-A ,", "X-A: 1"), want: passed("").without("X-A")},
	{name: "a forged X-Forwarded-Host", text: get("X-Forwarded-Host: evil"), want: passed("").with("X-Forwarded-Host: h")},
	{name: "X_Forwarded_For is no X-Forwarded-For", text: get("X_Forwarded_For: 1.2.3.4"), want: passed("").with("X-Forwarded-For: 127.0.0.1").without("X_Forwarded_For")},
	{name: "X_Forwarded_Host is no X-Forwarded-Host", text: get("X_Forwarded_Host: evil"), want: passed("").with("X-Forwarded-Host: h").without("X_Forwarded_Host")},
	{name: "hop-by-hop fields", text: get("Keep-Alive: 5", "TE: gzip", "Proxy-Connection: close", "Proxy-Authorization: x"), want: passed("").without("Keep-Alive", "TE", "Proxy-Connection", "Proxy-Authorization", "Connection")},
	{name: "an upgrade to h2c", text: get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), want: passed("").without("Upgrade", "HTTP2-Settings", "Connection")},
	{name: "an upgrade to h2c that hides a request", text: get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA") + "HIDDEN", want: passed("").without("Upgrade", "HTTP2-Settings").then("hidden")},
	{name: "an upgrade to h2c with a body", text: post("HIDDEN", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "Content-Length: HLEN"), want: passed("HIDDEN").without("Upgrade", "HTTP2-Settings")},
	{name: "an upgrade to websocket that nobody offers", text: get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"), want: passed("").without("Upgrade", "Connection")},
	{name: "an expectation", text: post("hello", "Expect: 100-continue", "Content-Length: 5"), want: passed("hello").without("Expect")},
	{name: "an expectation without a body", text: get("Expect: 100-continue"), want: passed("").without("Expect")},
	{name: "an expectation that is none", text: post("HIDDEN", "Expect: y 100-continue", "Content-Length: HLEN"), want: refused},
	{name: "an expectation twice", text: post("HIDDEN", "Expect: 100-continue", "Expect: x", "Content-Length: HLEN"), want: refused},
	{name: "an empty expectation", text: post("HIDDEN", "Expect:", "Content-Length: HLEN"), want: refused},
	{name: "the body of an expectation that nobody meets", text: bare("FROBNICATE PATH HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: HLEN") + "HIDDEN", want: declined},
}

var targetCases = []requestCase{
	{name: "a query", text: bare("GET PATH?a=b HTTP/1.1", "Host: h"), want: passed("")},
	{name: "a query with a request", text: bare("GET PATH?a=%20HTTP/1.1%0d%0aHost:%20evil HTTP/1.1", "Host: h"), want: passed("")},
	{name: "a path with CR LF in escapes", text: bare("GET PATH%0d%0aX-A:%20b HTTP/1.1", "Host: h"), want: passed("").without("X-A")},
	{name: "a space in the target", text: bare("GET PATH b HTTP/1.1", "Host: h"), want: refused, shape: true},
	{name: "two spaces before the target", text: bare("GET  PATH HTTP/1.1", "Host: h"), want: refused, shape: true},
	{name: "two spaces after the target", text: bare("GET PATH  HTTP/1.1", "Host: h"), want: refused},
	{name: "a tab in the target", text: bare("GET PATH\tb HTTP/1.1", "Host: h"), want: refused},
	{name: "a version in the target", text: bare("GET PATH HTTP/1.1 HTTP/1.1", "Host: h"), want: refused},
	{name: "other letters in the target", text: bare("GET PATH?\xfc HTTP/1.1", "Host: h"), want: passed("")},
	{name: "bytes above ASCII", text: bare("GET PATH?gr\xc3\xbc=\xff HTTP/1.1", "Host: h"), want: passed("")},
	{name: "a fragment", text: bare("GET PATH#a HTTP/1.1", "Host: h"), want: refused},
	{name: "an escape that is none", text: bare("GET PATH?a=1&b=%zz HTTP/1.1", "Host: h"), want: passed("")},
	{name: "an escape in the path that is none", text: bare("GET /%zzPATH HTTP/1.1", "Host: h"), want: refused},
	{name: "an absolute target", text: bare("GET http://hPATH HTTP/1.1", "Host: h"), want: passed("").with("X-Forwarded-Host: h")},
	{name: "an absolute target with another host", text: bare("GET http://otherPATH HTTP/1.1", "Host: h"), want: passed("").with("X-Forwarded-Host: other")},
	{name: "an absolute target without Host", text: bare("GET http://hPATH HTTP/1.1"), want: refused},
	{name: "an absolute target with a user", text: bare("GET http://evil@hPATH HTTP/1.1", "Host: h"), want: refused},
	{name: "an absolute target without a host", text: bare("GET http://PATH HTTP/1.1", "Host: h"), want: refused},
	{name: "an absolute target of another scheme", text: bare("GET ftp://hPATH HTTP/1.1", "Host: h"), want: refused},
	{name: "a target without a slash", text: bare("GET nPATH HTTP/1.1", "Host: h"), want: refused},
	{name: "an authority as target", text: bare("GET h:80 HTTP/1.1", "Host: h"), want: refused},
	{name: "an asterisk", text: bare("OPTIONS * HTTP/1.1", "Host: h"), want: answered},
	{name: "an asterisk with a body", text: bare("OPTIONS * HTTP/1.1", "Host: h", "Content-Length: HLEN") + "HIDDEN", want: answered},
	{name: "an asterisk for GET", text: bare("GET * HTTP/1.1", "Host: h"), want: refused},
	{name: "CONNECT", text: bare("CONNECT h:80 HTTP/1.1", "Host: h"), want: refused},
	{name: "CONNECT with a body", text: bare("CONNECT h:80 HTTP/1.1", "Host: h", "Content-Length: HLEN") + "HIDDEN", want: refused},
	{name: "CONNECT with a path", text: bare("CONNECT PATH HTTP/1.1", "Host: h", "Content-Length: HLEN") + "HIDDEN", want: refused},
	{name: "two slashes", text: bare("GET //PATH HTTP/1.1", "Host: h"), want: declined},
	{name: "a backslash that is a slash to others", text: bare(`GET PATH\..\b HTTP/1.1`, "Host: h"), want: declined},
	{name: "a backslash", text: bare(`GET PATH\b HTTP/1.1`, "Host: h"), want: passed("")},
	{name: "dots in the path", text: bare("GET /x/../PATH HTTP/1.1", "Host: h"), want: declined},
}

var limitCases = []requestCase{
	{name: "a long request line", text: bare("GET PATH?a="+strings.Repeat("a", 30000)+" HTTP/1.1", "Host: h"), want: refused},
	{name: "a long method", text: bare(strings.Repeat("G", 30000)+" PATH HTTP/1.1", "Host: h"), want: refused},
	{name: "a long value", text: get("X-A: " + strings.Repeat("a", 30000)), want: refused},
	{name: "a long name", text: get(strings.Repeat("a", 30000) + ": b"), want: refused},
	{name: "many fields", text: get(strings.Repeat("X-A: b\r\n", 4000) + "X-B: c"), want: refused},
	{name: "a head that never ends", text: "GET PATH HTTP/1.1\r\nHost: h\r\nX-A: " + strings.Repeat("a", 100000), want: refused, alone: true},
	{name: "a body of known size that is too large", text: post("HIDDEN"+strings.Repeat("x", 70000), "Content-Length: 7HLEN"), want: declined},
	{name: "a chunked body that is too large", text: chunks(strings.Repeat("4000\r\n"+strings.Repeat("x", 16384)+"\r\n", 8) + "HHEX\r\nHIDDEN\r\n0\r\n\r\n"), want: declined},
}

// fill replaces the words in a text of a case.
func fill(text, kind, id string) string {
	hidden := fmt.Sprintf("GET /%s/hidden/%s HTTP/1.1\r\nHost: h\r\n\r\n", kind, id)
	return strings.NewReplacer(
		"PATH", fmt.Sprintf("/%s/a/%s", kind, id),
		"HIDDEN", hidden,
		"1HLEN", fmt.Sprint(len("0\r\n\r\n")+len(hidden)),
		"7HLEN", fmt.Sprint(70000+len(hidden)),
		"2HLEN", fmt.Sprint(20000+len(hidden)),
		"HLEN", fmt.Sprint(len(hidden)),
		"HHEX", fmt.Sprintf("%x", len(hidden)),
	).Replace(text)
}

// message returns what is sent for a case.
func (c *requestCase) message(kind, id string) string {
	text := fill(c.text, kind, id)
	if !c.alone {
		text += fmt.Sprintf("GET /%s/next/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", kind, id)
	}
	return text
}

// TestRequests sends every case to every engine.
func TestRequests(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		t.Parallel()
		b := newBackend(t)
		addr, _ := start(t, e, configuration(b.addr))
		for _, kind := range kinds {
			for i, c := range requestCases {
				t.Run(kind+"/"+c.name, func(t *testing.T) {
					id := fmt.Sprintf("%s%d", kind, i)
					text := c.message(kind, id)
					answers, end := converse(t, addr, text, len(text), c.alone)
					c.want.check(t, b.saw.of(id), answers, end, kind, id)
				})
			}
		}
	})
}

// TestRequestsInPieces sends every case that is small byte by byte, which may
// not make a difference.
func TestRequestsInPieces(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		t.Parallel()
		b := newBackend(t)
		addr, _ := start(t, e, configuration(b.addr))
		for i, c := range requestCases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				id := fmt.Sprint(i)
				text := c.message("n", id)
				if len(text) > 1000 {
					t.Skip("not small")
				}
				answers, end := converse(t, addr, text, 1, c.alone)
				c.want.check(t, b.saw.of(id), answers, end, "n", id)
			})
		}
	})
}

// check compares what the backend saw and what the client got.
func (o outcome) check(t *testing.T, seen, answers []*message, end, kind, id string) {
	t.Helper()
	var statuses []int
	for _, a := range answers {
		statuses = append(statuses, a.status())
	}
	var want string
	switch o.verdict {
	case refuses:
		if len(answers) > 1 || len(answers) == 1 && statuses[0] < 400 {
			t.Errorf("answers %v, want one error or none", statuses)
		}
	case declines:
		if len(answers) == 0 || statuses[0] < 300 {
			t.Errorf("answers %v, want an error or a redirection", statuses)
		}
		if len(answers) > 1 {
			want = "next"
		}
	case byItself:
		want = "next"
		if !slices.Equal(statuses, []int{200, 200}) || answers[0].body != "" || answers[0].get("Allow") == "" {
			t.Errorf("answers %v, want one of the gateway and one of the backend", statuses)
		}
	case passes:
		want = strings.TrimSpace("a " + o.hides)
		switch n := len(answers) - 1; {
		case o.tail == answer:
			want += " next"
		case o.tail == refusal && n > 0 && statuses[n] >= 400:
			answers = answers[:n]
		}
		wanted := strings.Fields(want)
		if len(answers) != len(wanted) {
			t.Errorf("answers %v, want those to %s", statuses, want)
		}
		for i, a := range answers {
			if i < len(wanted) && (a.status() != 200 || !strings.HasPrefix(a.body, answerOf(fmt.Sprintf("/%s/%s/%s", kind, wanted[i], id)))) {
				t.Errorf("answer %d to %s: %s %q", i+1, wanted[i], a.start, a.body)
			}
		}
		if len(seen) > 0 {
			o.compare(t, seen[0], fill(o.body, kind, id))
		}
	}
	if got := roles(seen); got != want {
		t.Errorf("the backend saw %q, want %q", got, want)
	}
	if end == halved && (o.verdict == refuses && len(answers) == 0 || o.tail == refusal) {
		end = closed // a client that goes on sending may lose a part of the refusal
	}
	if end != closed {
		t.Errorf("the connection %s after answers %v, want its end", end, statuses)
	}
}

// compare checks the request that the backend saw.
func (o outcome) compare(t *testing.T, m *message, body string) {
	t.Helper()
	if m.body != body {
		t.Errorf("the backend saw the body %.200q, want %.200q", m.body, body)
	}
	for _, field := range o.sees {
		if name, value, _ := strings.Cut(field, ": "); m.get(name) != value {
			t.Errorf("the backend saw %q, want %s", m.fields, field)
		}
	}
	for _, name := range o.never {
		if len(m.all(name)) > 0 {
			t.Errorf("the backend saw %q, never %s", m.fields, name)
		}
	}
}

// TestShapes counts the shapes that a measurement of proxies is made of, and
// that every engine of our own must refuse.
func TestShapes(t *testing.T) {
	shapes := 0
	for _, c := range requestCases {
		if !c.shape {
			continue
		}
		shapes++
		if c.want.verdict != refuses {
			t.Errorf("%s: a malformed shape may not be accepted", c.name)
		}
	}
	if shapes != 32 {
		t.Errorf("%d shapes, want 32", shapes)
	}
}
