package reliability

import (
	"net/http"
	"time"
)

// A kind is a behaviour of clients or backends.
type kind struct {
	name    string
	weight  int // how many of all requests are of this kind
	run     func(*soaker, uint64) string
	allowed []string // what may become of a request; the first must, now and then
	lax     []string // what also may with net/http
}

const (
	small, medium, large, huge = 300, 20_000, 200_000, 1_000_000

	// patience is how long one of the gateways waits for its clients to send
	// something. It waits twice as long for them to read.
	patience = 100 * time.Millisecond

	aborts  = "502 backend_aborted"
	invalid = "502 backend_invalid"
	late    = "504 timeout"
)

// An option makes an errand differ.
type option func(*errand)

func newErrand(door, do string, size int, options []option) errand {
	e := errand{door: door, order: order{do: do, size: size, part: "r"}}
	for _, o := range options {
		o(&e)
	}
	return e
}

// asIs asks for bytes that are passed on as they are.
func asIs(do string, size int, options ...option) errand {
	return newErrand("raw", do, size, options)
}

// object asks for an object made of parts.
func object(door string, parts int, do string, size int, options ...option) errand {
	return newErrand(door, do, size, append(options, func(e *errand) { e.parts = parts }))
}

func posting(sent int) option { return func(e *errand) { e.method, e.sent = http.MethodPost, sent } }

func asking(method string) option { return func(e *errand) { e.method = method } }

func at(door string) option { return func(e *errand) { e.door = door } }

func field(line string) option { return func(e *errand) { e.fields += line + "\r\n" } }

// inPieces sends the body in chunks.
func inPieces(e *errand) { e.chunked = true }

// old is HTTP/1.0.
func old(e *errand) { e.proto = "HTTP/1.0" }

func expecting(e *errand) { e.expects = true }

func encrypted(e *errand) { e.secure = true }

// fresh is a connection of the errand's own.
func fresh(e *errand) { e.fresh = true }

func halved(e *errand) { e.fresh, e.halved = true, true }

// kinds are what the soak is mixed of. Where the end of a connection and a
// message cross on their way, either may be what the client sees; everywhere
// else there is one answer. net/http uses a connection again before it has seen
// that more has come on it than was asked for, so that the next call may get it,
// and the call after that the answer to the next.
var kinds = []kind{
	// Everybody does as they should.
	{"small", 200, asIs("answer", small).run, []string{"200"}, nil},
	{"medium", 60, asIs("answer", medium).run, []string{"200"}, nil},
	{"large", 15, asIs("answer", large).run, []string{"200"}, nil},
	{"object", 60, object("one", 1, "answer", small).run, []string{"200"}, nil},
	{"large object", 5, object("one", 1, "answer", large).run, []string{"200"}, nil},
	{"filter", 30, object("cut", 1, "answer", medium).run, []string{"200"}, nil},
	{"merge of two", 60, object("two", 2, "answer", small).run, []string{"200"}, nil},
	{"merge of four", 25, object("four", 4, "answer", small).run, []string{"200"}, nil},
	{"merge of four, large", 8, object("four", 4, "answer", medium).run, []string{"200"}, nil},
	{"POST", 50, asIs("answer", small, posting(small)).run, []string{"200"}, nil},
	{"POST, chunked", 25, asIs("answer", small, posting(small), inPieces).run, []string{"200"}, nil},
	{"POST, large", 10, asIs("answer", small, posting(100_000)).run, []string{"200"}, nil},
	{"POST, large and chunked", 10, asIs("answer", small, posting(100_000), inPieces).run, []string{"200"}, nil},
	{"POST to a decoding endpoint", 20, object("one", 1, "answer", small, posting(small)).run, []string{"200"}, nil},
	{"POST to a decoding endpoint, large", 5, object("one", 1, "answer", small, posting(100_000), inPieces).run, []string{"200"}, nil},
	{"POST that expects to be told", 10, asIs("answer", small, posting(small), expecting).run, []string{"200"}, nil},
	{"HEAD", 10, asIs("answer", medium, asking("HEAD")).run, []string{"200"}, nil},
	{"a backend asked with HEAD", 10, asIs("head", 0, at("headed")).run, []string{"200"}, nil},
	{"pipelined", 15, alone(toCalm, pipelines(asIs("answer", small), asIs("answer", medium, posting(medium)), object("two", 2, "answer", small), asIs("chunks", small))), []string{"200"}, nil},
	{"a connection for one request", 20, asIs("answer", small, field("Connection: close")).run, []string{"200"}, nil},
	{"HTTP/1.0", 15, asIs("answer", small, old).run, []string{"200"}, nil},
	{"HTTP/1.0 that goes on", 10, asIs("answer", small, old, field("Connection: keep-alive")).run, []string{"200"}, nil},
	{"HTTP/1.0 and chunks", 5, asIs("chunks", small, old).run, []string{"200"}, nil},
	{"TLS", 50, asIs("answer", small, encrypted).run, []string{"200"}, nil},
	{"TLS, large", 5, asIs("answer", large, encrypted).run, []string{"200"}, nil},
	{"TLS, POST", 10, asIs("answer", small, encrypted, posting(medium), inPieces).run, []string{"200"}, nil},
	{"TLS, merge", 10, object("two", 2, "answer", small, encrypted).run, []string{"200"}, nil},
	{"TLS, a handshake each", 4, asIs("answer", small, encrypted, fresh).run, []string{"200"}, nil},
	{"HTTP/2", 15, asIs("answer", medium).asks(http2, 0), []string{"200"}, nil},
	{"chunked answer", 30, asIs("chunks", small).run, []string{"200"}, nil},
	{"chunked answer, large", 5, asIs("chunks", large).run, []string{"200"}, nil},
	{"chunked object", 10, object("one", 1, "chunks", medium).run, []string{"200"}, nil},
	{"answer that the connection ends", 10, asIs("ends", medium).run, []string{"200"}, nil},
	{"object that the connection ends", 10, object("one", 1, "ends", small).run, []string{"200"}, nil},
	{"packed object", 10, object("two", 2, "gzip", medium).run, []string{"200"}, nil},
	{"interim answer", 5, asIs("hints", small).run, []string{"200"}, nil},
	{"trickle", 5, asIs("trickle", medium).run, []string{"200"}, nil},
	{"trickle into a merge", 5, object("two", 2, "trickle", small).run, []string{"200"}, nil},

	// Backends end connections between answers.
	{"backend says goodbye", 15, asIs("last", small).run, []string{"200"}, nil},
	{"backend leaves", 30, asIs("answer", small, at("leaving")).run, []string{"200"}, nil},
	{"backend leaves, merge", 10, object("leavingtwo", 2, "answer", small).run, []string{"200"}, nil},
	{"backend leaves, POST", 5, asIs("answer", small, at("leaving"), posting(small)).run, []string{"200", aborts}, nil},
	{"backend half-closes", 15, asIs("halves", small, at("leaving")).run, []string{"200"}, nil},

	// Backends misbehave.
	{"backend answers early", 5, asIs("early", small, posting(100_000), fresh).run, []string{"200"}, nil},
	{"backend sends more", 10, asIs("more", small, at("evil")).run, []string{"200"}, []string{foreign}},
	{"backend sends more, large", 5, asIs("more", large, at("evil")).run, []string{"200"}, []string{foreign}},
	{"backend sends more, object", 5, object("evilone", 1, "more", small).run, []string{"200"}, []string{foreign, invalid}},
	{"backend sent more before", 10, asIs("answer", small, at("evil")).run, []string{"200"}, []string{foreign}},
	{"backend resets", 10, asIs("resets", small).run, []string{aborts}, nil},
	{"backend resets, object", 5, object("one", 1, "resets", small).run, []string{aborts}, nil},
	{"backend resets, merge", 10, object("two", 2, "resets", small).run, []string{partial}, nil},
	{"backend resets in the head", 5, asIs("resets-head", small).run, []string{aborts}, nil},
	{"backend resets in the body", 10, asIs("resets-body", medium).run, []string{cutOff, nothing, aborts}, nil},
	{"backend closes in the body", 10, asIs("closes-body", medium).run, []string{cutOff}, nil},
	{"backend closes in the body, HTTP/1.0", 3, asIs("closes-body", medium, old).run, []string{cutOff, nothing}, nil},
	{"backend closes in the body, object", 5, object("one", 1, "closes-body", medium).run, []string{aborts}, nil},
	{"backend closes in the body, merge", 5, object("four", 4, "closes-body", small).run, []string{partial}, nil},
	{"backend hangs", 5, asIs("hangs", small, at("lateraw")).run, []string{late}, nil},
	{"backend hangs, POST", 3, asIs("hangs", small, at("lateraw"), posting(medium), fresh).run, []string{late}, nil},
	{"backend hangs, merge", 5, object("latetwo", 2, "hangs", small).run, []string{partial, late}, nil},
	{"backend hangs in the body", 5, asIs("hangs-body", medium, at("lateraw")).run, []string{cutOff, nothing, late}, nil},

	// Clients misbehave.
	{"malformed", 15, alone(toCalm, nonsense), []string{"400", "400 bad_request", "501", "505"}, nil},
	{"client half-closes", 10, asIs("answer", small, halved).run, []string{"200", nothing}, nil},
	{"client half-closes, merge", 5, object("four", 4, "answer", small, halved).run, []string{"200", partial, nothing}, nil},
	{"client half-closes, POST", 5, asIs("answer", small, halved, posting(medium)).run, []string{"200", nothing}, nil},
	{"client half-closes, TLS", 2, asIs("answer", small, halved, encrypted).run, []string{"200", nothing}, nil},
	{"client half-closes, backend hangs", 3, object("all", 3, "hangs", small, halved).run, []string{nothing}, nil},
	{"client leaves in the head", 10, alone(toCalm, asIs("answer", small).leaves(false)), []string{left}, nil},
	{"client leaves in the body", 10, alone(toCalm, asIs("answer", small, posting(medium)).leaves(false)), []string{left}, nil},
	{"client leaves in a chunk", 5, alone(toCalm, asIs("answer", small, posting(medium), inPieces).leaves(false)), []string{left}, nil},
	{"client leaves in the body, decoding endpoint", 5, alone(toCalm, object("one", 1, "answer", small, posting(medium)).leaves(false)), []string{left}, nil},
	{"client leaves, backend works", 10, alone(toCalm, asIs("hangs", small).leaves(true)), []string{left}, nil},
	{"client leaves, three backends work", 10, alone(toCalm, object("all", 3, "hangs", small).leaves(true)), []string{left}, nil},
	{"client leaves, backend answers", 10, alone(toCalm, object("four", 4, "answer", small).leaves(true)), []string{left}, nil},
	{"client leaves in a large answer", 5, alone(toCalm, asIs("answer", huge).leavesReading), []string{left}, nil},
	{"client leaves in a chunked answer", 3, alone(toCalm, asIs("chunks", huge).leavesReading), []string{left}, nil},
	{"client leaves, TLS", 2, alone(toSecure, asIs("answer", small).leaves(false)), []string{left}, nil},
	{"client leaves in a large answer, TLS", 2, alone(toSecure, asIs("answer", huge).leavesReading), []string{left}, nil},
	{"client leaves in the handshake", 2, alone(toSecure, plainly("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")), []string{left}, nil},
	{"client is plain where TLS is spoken", 2, alone(toSecure, plainly("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), []string{left}, nil},
	{"client gives up", 5, object("all", 3, "hangs", small).asks(http1, 20*time.Millisecond), []string{left}, nil},
	{"client gives up, HTTP/2", 5, object("all", 3, "hangs", small).asks(http2, 20*time.Millisecond), []string{left}, nil},
	{"client stalls in the head", 4, alone(toHasty, asIs("answer", small).stalls), []string{nothing, "400", "408"}, nil},
	{"client stalls in the body", 4, alone(toHasty, asIs("answer", small, posting(medium)).stalls), []string{"408 timeout", nothing}, nil},
	{"client stalls in the body, decoding endpoint", 2, alone(toHasty, object("one", 1, "answer", small, posting(medium)).stalls), []string{"408 timeout", nothing}, nil},
	{"client idles", 3, alone(toHasty, asIs("answer", small).idles), []string{"200", nothing}, nil},
	{"client is deaf", 1, alone(toHasty, asIs("endless", small).isDeaf), []string{cutOff}, nil},
}
