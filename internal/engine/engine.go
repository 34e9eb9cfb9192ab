package engine

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// An Engine is a server and a client that belong together.
type Engine struct {
	Name      string // as the configuration calls it
	NewServer func(Settings) Server
	NewClient NewClient
}

// Settings configure a server. They are fixed for its life.
type Settings struct {
	ReadTimeout       time.Duration               // whole request; 0 is no limit
	ReadHeaderTimeout time.Duration               // header of a request; 0 is ReadTimeout
	WriteTimeout      time.Duration               // answer, counted from the end of the request's header; 0 is no limit
	StallTimeout      time.Duration               // of an answer of which the client takes nothing; 0 is no limit
	IdleTimeout       time.Duration               // between two requests; 0 is ReadTimeout
	MaxHeaderBytes    int                         // request line and header; 0 is 1 MB
	TLS               *tls.Config                 // nil serves plain HTTP
	H2C               bool                        // accept HTTP/2 by prior knowledge without TLS
	ErrorLog          func(msg string, err error) // what clients did wrong, and panics of the handler, one line each; nil discards it
}

// A Server serves clients.
//
// What a server owes every answer, whatever engine:
//
//   - The body is sent as it comes: bytes that were read are on their way to
//     the client before the next read that may block. The header of server-sent
//     events, and of messages of gRPC, does not wait for the first of them.
//   - A body of known size is announced with Content-Length and is never
//     shorter; a body that breaks off aborts the connection. A client that was
//     told no size and reads to the end of the connection, as HTTP/1.0 does,
//     finds it reset.
//   - Fields of x.Response.Header that are [gateway.PerHop] are not sent; the server
//     makes its own. Neither are names that are no token and values that are
//     not [ValidValue], so that nothing can be smuggled into the header.
//   - HEAD, 204 and 304 carry no body, and 205 an empty one (RFC 9110, section
//     15.3.6). The length that the answer to HEAD announces is the size of the
//     body, which is not read.
//   - A body without a Content-Type gets one by the look of its first bytes
//     (WHATWG MIME Sniffing), unless it has a Content-Encoding. There is a
//     Date, and no Server of ours.
//   - A status that is not between 200 and 999 is a failure of the handler:
//     the connection is aborted. So is 101, unless the client's message is a
//     [gateway.Upgrader] that upgrades and the body is a [gateway.Tunnel]; the
//     connection then carries whatever either side sends, first what the client
//     sent behind its header, until both have closed it. No timeout of requests
//     and answers counts for it; without traffic it ends after IdleTimeout.
//   - Trailers, see [Trailers], follow a body to clients of HTTP/1.1 that say that they
//     take them, if it is chunked, and to all of HTTP/2; not one that has broken off.
//     They are not announced. Those of a request are read, bounded and dropped: nobody
//     who is asked before the body has come could judge them.
//   - Its messages are a [gateway.Hinter].
//   - The context of Do ends when the client is gone, which [gateway.HasLeft] may know before.
//
// And every request:
//
//   - The message is a [gateway.Secured], and nothing is made of the state of TLS
//     until somebody asks.
//   - Its target has a path, or is the asterisk of OPTIONS; CONNECT is refused
//     with 400. The host of an absolute target is the host, whatever Host says
//     (RFC 9112, section 3.2.2); in HTTP/2 a Host beside another authority is
//     refused.
//   - Line ends before a request line are skipped, up to a few.
//   - What has two readings is refused before the handler learns of it, in
//     HTTP/2 as in HTTP/1: the rules are those of package fast/wire.
//   - A body that breaks off ends in an error that is not io.EOF.
//   - The client is told to continue (100) when the body is read for the first
//     time, if it waits for that.
//   - The answer does not wait for a body that nobody reads.
type Server interface {
	// Serve accepts connections from l until Shutdown or a failure of l, and
	// returns nil after Shutdown. It is called once.
	Serve(l net.Listener, h gateway.Handler) error

	// Shutdown stops accepting, waits for the exchanges in flight, tunnels among
	// them, until ctx is done, then cuts those that are left and returns the error of ctx.
	// Exchanges that were cut end with [gateway.CodeShutdown].
	// As long as there are any but tunnels, connections of HTTP/1 that were open before get
	// one more answer each, so that whoever asks for it learns that the gateway is draining.
	// Those that wait for a request then are closed when none is expected any more, by
	// [Patience], and nothing has arrived; heads that have begun have a second to end, as [AwaitLast] has it.
	// What is on its way when such a connection is closed is lost, as HTTP/1.1 has it:
	// clients send that again if it may be sent twice (RFC 9112, sections 9.3.1 and 9.5).
	Shutdown(ctx context.Context) error
}

// A Client speaks HTTP to backends: it sends x.Request and fills x.Response
// with status, header and a body that streams.
//
// What a client owes every call:
//
//   - Path and query go out byte for byte. The Host is x.Request.Host, never a
//     field; fields that are [gateway.PerHop] are not sent, and no field is added but
//     those that frame the body, and TE. A path, query, method or field that cannot be
//     sent unchanged is refused with [gateway.CodeBadRequest].
//   - An error wraps [gateway.ErrUnreached] if and only if no connection was
//     made, so that nothing of the request can have reached anyone. The body
//     of the request is then unread, and the call may be made again.
//   - x.Request.Body is read, never closed. A stream is not closed either. A call whose
//     ctx ends, or whose backend gives up, does not wait for a read of it that blocks,
//     which may outlive the call.
//   - Redirects, compression and statuses are left to the caller.
//   - A body of known size travels with Content-Length, another one chunked;
//     POST, PUT and PATCH without a body say so with Content-Length: 0. A
//     request body that breaks off aborts the call.
//   - A response body that breaks off ends in an error that is not io.EOF.
//   - The answers to HEAD, 204 and 304 have no body. If the one to HEAD
//     announces a length, its body is [body.Unsent] of that size.
//   - Fields of the answer that are [gateway.PerHop], and those its Connection names,
//     are removed. The others are sorted by name, values of one name in order.
//   - Trailers are appended to x.Response.Trailer before the end of the body is read,
//     without those that [gateway.MayTrail] keeps out. It is nil where none can come.
//     Trailers that are no fields, too many or too large break the body off.
//   - Interim answers (1xx) are dropped; more than 1 MB of them fails the call. With
//     x.Request.Through an answer 103 is handed to x.In first, if that is a
//     [gateway.Hinter]; and where the client takes trailers TE asks for them, but for
//     calls with Upgrade.
//   - Where the settings say H2C, what has the scheme http is called by HTTP/2 without
//     being asked whether it speaks that (RFC 9113, section 3.3). A backend that does
//     not show it first has got nothing of any request, and was not reached. Calls with
//     Upgrade go out in HTTP/1.1 all the same.
//   - x.Request.Upgrade goes out with Connection: Upgrade, in HTTP/1.1, on a
//     connection that is new, so that it is never sent twice; with a body it
//     does not. An answer 101 that
//     names one of its protocols becomes a [gateway.Tunnel], for which ctx does
//     not count any more; any other 101 fails the call with
//     [gateway.CodeBackendInvalid].
//   - A call with x.Request.Session is made on the connection of that, over HTTP/1.1, and
//     is never made again on another one: if it is gone the error wraps
//     [gateway.ErrSessionOver]. An answer that switches protocols takes it away.
//   - Where x.Request.Timing is set it is filled until the body has ended; a [Stopwatch]
//     does that. Nobody else pays for it.
//   - Closing the body of the response, or the end of ctx, frees the
//     connection.
//   - Errors are made by [Failure]: of type *[gateway.Error], with a Public text
//     that names no host and no address.
type Client interface {
	gateway.Connector

	// Close closes idle connections.
	Close()
}

// NewClient makes a client from settings. Engines provide one. The TLS
// settings stay the caller's; nil stands for those of the Go library. A proxy
// that is no URL fails every call as one that reached nobody.
type NewClient func(model.Transport, *tls.Config) Client
