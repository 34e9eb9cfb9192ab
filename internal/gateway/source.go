package gateway

import "context"

// A Handler answers the exchanges that an engine brings in from clients.
type Handler interface {
	// Do fills x.Response. An error says that no answer can be given any more: the engine
	// aborts the connection, or the stream of HTTP/2, so that the client notices.
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

// A Source brings messages in that no client sends: those of a queue, for instance.
type Source interface {
	// Run takes what is there to be taken, one message after the other or many at once,
	// and gives each to take. When ctx ends it takes nothing more, finishes what it took,
	// and returns. It connects again by itself, after a pause: nobody calls it a second
	// time, and an error is why it ended before ctx did.
	//
	// Take answers a message and returns when that is done: nil stands for a whole
	// answer, any error for none or for one of which something is missing, so that the
	// message may be acknowledged or has to be given back. It is safe for concurrent
	// use, and does not end with ctx. All of the message goes to the backends as it is,
	// as if an endpoint let everything through. Zero parts of it are empty; without a
	// method it is a POST, without a path one to the name of the source behind a slash.
	// Names of headers may be spelt anyhow. Nothing of it may change before take returns,
	// and nothing is kept then.
	Run(ctx context.Context, take func(Message) error) error
}
