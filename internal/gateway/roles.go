package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
)

// A Connector answers an exchange: it reads x.Request and fills x.Response.
//
// An answer of bytes is decoded by what the backend says of it, and has a Status: 0 says
// that there is no answer, and fails as 404 does. One of data is shaped likewise, target, filters and all, unless
// it is Final; whoever makes data says whether it is Complete, and needs no Status.
//
// Do returns promptly once ctx is done: whoever calls several connectors waits
// for all of them, and their memory is taken back as soon as they return.
type Connector interface {
	Do(ctx context.Context, x *Exchange) error
}

// ConnectorFunc is a function as a [Connector].
type ConnectorFunc func(ctx context.Context, x *Exchange) error

// Do calls f.
func (f ConnectorFunc) Do(ctx context.Context, x *Exchange) error { return f(ctx, x) }

// A Beginner is a [Connector] that can send now and collect later, so that
// several calls wait for their answers at the same time on one goroutine.
type Beginner interface {
	Connector

	// Begin does what Do begins with and waits for nobody: at best it sends the
	// request of x. Without a Pending nothing was done, and the call is for Do.
	// With one, sent reports whether nothing is left to wait for but the answer; if
	// more is, whoever makes other calls finishes this one on a goroutine of its own.
	Begin(ctx context.Context, x *Exchange) (p Pending, sent bool)
}

// A Pending is a call that was begun and must be finished.
type Pending interface {
	// Finish does what is left of Do, under the context that the call was begun
	// with. It is called once, and the Pending is not used afterwards.
	Finish() error
}

// A Stage acts on the way in. It may end the way in with x.Reply.
type Stage interface {
	Enter(ctx context.Context, x *Exchange) error
}

// StageFunc is a function as a [Stage] without a way out.
type StageFunc func(ctx context.Context, x *Exchange) error

// Enter calls f.
func (f StageFunc) Enter(ctx context.Context, x *Exchange) error { return f(ctx, x) }

// A Leaver also acts on the way out. It sees the error so far and returns the
// error from there on: the same, another, or nil if it made an answer of it.
type Leaver interface {
	Leave(ctx context.Context, x *Exchange, err error) error
}

// LeaveOnly is the way in of a [Stage] that acts on the way out only, which embeds it.
type LeaveOnly struct{}

// Enter does nothing.
func (LeaveOnly) Enter(context.Context, *Exchange) error { return nil }

// LeaveFunc is a function as a [Stage] that acts on the way out only.
type LeaveFunc func(ctx context.Context, x *Exchange, err error) error

// Enter does nothing.
func (LeaveFunc) Enter(context.Context, *Exchange) error { return nil }

// Leave calls f.
func (f LeaveFunc) Leave(ctx context.Context, x *Exchange, err error) error { return f(ctx, x, err) }

// Inbound is the engine's view of the client's message. It has more methods
// than an interface of ours usually has because it is the whole boundary
// between engines and everything else.
//
// What a client has sent of a target comes as it is, but for bytes above US-ASCII:
// they come escaped. Path is "*" for OPTIONS only.
//
// All strings stay valid as long as the exchange; nothing else of an Inbound
// may be kept. Methods other than Body are safe for concurrent use.
type Inbound interface {
	Method() string                              // as sent, never empty
	Path() string                                // as sent: escaped, begins with "/", no query; or "*", the server itself
	RawQuery() string                            // as sent, without "?"
	Host() string                                // the authority the client used
	Proto() string                               // "HTTP/1.1", "HTTP/2.0"
	Secure() bool                                // whether the client came over TLS
	Peer() netip.AddrPort                        // the other end of the connection
	Header(name string) string                   // first value of a canonical name, or ""
	AppendHeader(dst Fields, name string) Fields // all values of one name
	AppendHeaders(dst Fields) Fields             // everything, grouped by name
	Body() io.Reader                             // usable once; nil when there is none
	Length() int64                               // of the body; -1 when unknown
}

// An Upgrader is an [Inbound] whose connection can become a tunnel.
type Upgrader interface {
	// Upgrades reports whether the client asks for another protocol in a way
	// that can be granted (RFC 9110, section 7.8): in HTTP/1.1, with upgrade in
	// Connection, and without a body. The field Upgrade names the protocols.
	Upgrades() bool
}

// A Secured is an [Inbound] that can tell of the TLS of its connection.
type Secured interface {
	// TLS returns the state of TLS between the client, or the proxy in front of us, and
	// us: version, cipher suite, protocol, the name that was asked for, certificates.
	// It is nil for a plain connection, whatever a proxy says of its own. An identity
	// is what VerifiedChains holds; PeerCertificates alone are what somebody has sent.
	//
	// The state is read-only and may be kept. Nothing is made of it until somebody asks,
	// as [Detach] does.
	TLS() *tls.ConnectionState
}

// TLSOf returns what a message tells of the TLS of its connection; nil for nothing.
func TLSOf(in Inbound) *tls.ConnectionState {
	if s, ok := in.(Secured); ok {
		return s.TLS()
	}
	return nil
}

// A Watched is an [Inbound] that knows of its client sooner than the context of the exchange.
type Watched interface {
	// Left reports whether the client has left. It asks the system, and is called before
	// what cannot be taken back is done for the client, as long as the exchange has no answer.
	Left() bool
}

// HasLeft reports whether the client of a message is known to have left, though the context may
// not have ended yet; false for a message that has none.
func HasLeft(in Inbound) bool {
	w, ok := in.(Watched)
	return ok && w.Left()
}

// A Hinter is an [Inbound] whose client can be told something before its answer.
type Hinter interface {
	// Hint sends the fields in an interim answer 103, Early Hints (RFC 8297). It sends
	// nothing to a client of HTTP/1.0 or to one that has asked to be told to continue,
	// and only the first few hints of an exchange. It may wait for the client to take
	// them, as the answer does. It keeps nothing of the fields, and is called by one
	// goroutine at a time, as long as the exchange has no answer.
	Hint(header Fields)
}

// A Tunnel is a connection to a backend that has switched protocols. Bytes that
// came behind the answer are the first to be read.
//
// One goroutine may read while another writes. Close is safe for concurrent
// use, ends both, and may be called more than once.
type Tunnel interface {
	io.ReadWriteCloser

	// CloseWrite says that nothing more is written; reading goes on. A
	// connection that cannot say so returns an error.
	CloseWrite() error
}
