package gateway

import "context"

// A Handler answers the exchanges that somebody brings in, an engine from clients or
// a [Source].
type Handler interface {
	// Do fills x.Response. For the server of an engine an error says that no answer
	// can be given any more: it aborts the connection, or the stream of HTTP/2, so
	// that the client notices. A source is told of every failure.
	Connector

	// Done ends an exchange that Do was called with, even if Do panicked: sent is
	// what the client got, and err is why that is not the whole answer, nil if
	// it is. A client that left is [CodeClientGone], an exchange that was cut at the
	// stop [CodeShutdown], an answer that took longer than it might [CodeTimeout]. The
	// handler releases x before it returns; x.In and everything obtained from it die
	// then.
	Done(x *Exchange, sent Sent, err error)
}

// Sent is what a client got of an answer: what was handed to the system for it
// without an error.
type Sent struct {
	Status int   // of the answer whose header went out, whole; 0 if none did, whatever x.Response says
	Bytes  int64 // of the body, or through the tunnel
}

// A Source brings exchanges in that no client sends: the messages of a queue, for
// instance.
type Source interface {
	// Run takes what is there to be taken, one exchange for each, and gives it to h:
	// Do, then the acknowledgement that is due, which is known from the error and from
	// Response.Complete, then Done. When ctx ends it takes nothing more, finishes what
	// it took, and returns. An error is why it ended before that; nobody calls it again.
	//
	// The context of Do is not ctx, which ends while exchanges are still to be
	// finished: [context.WithoutCancel] keeps its values.
	Run(ctx context.Context, h Handler) error
}
