package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
)

// An Exchange is one request and its answer. It belongs to one goroutine at a
// time.
//
// Exchanges come from [Acquire] and go back with Release. Everything reachable
// from an exchange, strings and byte slices included, dies with its release;
// what outlives it is copied.
type Exchange struct {
	In       Inbound    // what the client asks, as stages may have changed it; see [Exchange.Edit]
	Request  Request    // what the next hop will receive
	Response Response   // what the previous hop will receive
	Identity *Identity  // who asked, once authenticated
	Parent   *Exchange  // nil for the client's own exchange
	Client   netip.Addr // address of the client, as far as proxies are believed
	Endpoint string     // pattern of the endpoint, once routed; for logs and metrics

	Path    string   // that was routed, escaped: what the client sent, or what became of it; "" before
	Params  []string // path parameters, decoded, by index in the pattern
	Raw     []string // the same as the client sent them; nil when nothing in the path is escaped
	Rest    string   // what a wildcard matched: escaped, without a slash at its start
	Results []Result // answers of earlier calls, in a sequence

	Started time.Time // when it began to arrive, or the engine handed it over
	Until   time.Time // when an answer that streams must have been sent; zero for no limit
	Pin     Pin       // what is held for its sake, nil for nothing; Release lets go of it at the end
	Err     error     // why the answer is a failure, for observers; nil for a good one

	Record *Record // of those who look at what happens; nil as a rule

	// Personal says that backends see credentials of the client, so that a cache must
	// not keep the answer for others. The core sets it on the exchange of an endpoint alone;
	// components say s.Personal at their site.
	Personal bool

	trace     trace
	replied   bool
	taken     bool // the body of In is somebody's
	handed    bool // the request went to a pipe
	ownParams bool // Params is of x alone
	children  []*Exchange
	slots     []any
	onRelease []func()
	turn      *turn     // that runs, nil if none can run again
	inline    [8]string // room for Params
}

// A Pin is something that must live as long as an exchange, and is told what went wrong
// when that was released.
type Pin interface{ Release(err error) }

// An End is a pin that keeps what it is told.
type End struct{ Err error }

// Release keeps the error.
func (e *End) Release(err error) { e.Err = err }

// Request is what travels towards the backend.
type Request struct {
	Method string
	Scheme string // "http" or "https"

	// Host is the authority as the configuration writes it; behind a redirect elsewhere
	// in lower case, with a port if not the default.
	Host string

	Path     string   // escaped, begins with "/"
	RawQuery string   // as it will be sent, without "?"
	Query    Fields   // the client's parameters that were let through, decoded
	Pairs    []string // the same as they are sent on, by index; nil once a stage has changed Query
	Header   Fields
	Body     body.Body // of a stream, reads end with the exchange: whoever makes it sees to that
	Unpack   bool      // the answer comes unpacked, whether it was sent so or in gzip

	// Contested is set for calls that run against each other, of which the first good
	// answer cancels the others: the end of the context is likely, and noticed at once.
	Contested bool

	// Idempotent is that the request may be sent twice whatever its method, as what asks and
	// changes nothing by POST; see [Request.Repeatable].
	Idempotent bool

	// Attempt is what is known of the host that is called, as its client has found.
	Attempt Attempt

	// Others is how many hosts are left to be asked if no connection to this one
	// can be made. They share the time that is left for making one.
	Others int

	// Timing is filled by the engine that makes the call, for whoever wants to know; nil
	// as a rule. It must be empty, and outlive the body of the answer.
	Timing *Timing

	// Session is the connection that the call is made on; nil for any that there is.
	Session *Session

	// Hops is how many redirects of the backend were followed to get here, and
	// Foreign whether one of them has led to an origin that is not the backend's, for
	// which its credentials are not meant.
	Hops    int
	Foreign bool

	// Through says that the answer goes to the client as it comes, and with it what
	// is in front of it and behind it: early hints, see [Hinter], and trailers.
	Through bool

	// Upgrade lists the protocols that the backend is asked to switch to, one
	// after the other with ", " between them, each as the client wrote it; ""
	// asks for none (RFC 9110, section 7.8), and so does a request with a body.
	Upgrade string
}

// Timing is where the time of a call by HTTP goes. What has not happened, or not yet, is
// zero. It is complete when the body of the answer has been read or closed, and belongs
// to the goroutine of the call until then.
type Timing struct {
	Began time.Time // when the engine got the call

	// How long it took to look a name up, to connect, and to shake hands for TLS. They
	// are zero on a connection that was there, be it that another call has made it.
	Lookup, Connect, Handshake time.Duration

	Connected time.Duration // since Began: when there was a connection to send on
	FirstByte time.Duration // since Began: when the first byte of an answer came, be it an interim one
	End       time.Duration // since Began: when the body had come, or the call was over otherwise

	Reused bool // the connection has carried other calls before
}

// An Attempt is what became of a call to one host.
type Attempt uint8

// What may become of one. Unmade stands also for a call that a stage has answered.
const (
	Unmade Attempt = iota
	Reached
	Unreached // nobody got anything of the request
)

// Repeatable reports whether the request may be sent a second time although a
// backend may have got the first: its method is safe, whoever made it says so, or a field
// says that the backend tells one from the other (RFC 9110, section 9.2.2). Whether its body is
// still there is another question.
//
// PUT and DELETE are idempotent only if nobody writes between the two attempts,
// so they are not repeated.
func (r *Request) Repeatable() bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return r.Idempotent || r.Header.Has("Idempotency-Key") || r.Header.Has("X-Idempotency-Key")
}

// Response is what travels back.
type Response struct {
	Status   int
	Header   Fields
	Body     body.Body
	Complete bool // nothing is missing from the answer
	Final    bool // the data in it is as it is meant: not to be shaped, and an answer even if it is empty
	Failed   bool // a backend is missing from it, not even described

	// Receipt is the status of an answer that has no data, such as that a message was
	// taken; 0 for every other answer. See [Response.Acknowledge].
	Receipt int

	// Trailer holds fields that come behind the body (RFC 9110, section 6.5). Whoever
	// makes the body appends them before its end is read; what is there then is sent, as
	// far as the client takes it and [MayTrail] allows it. Nil stands for a body
	// that brings none.
	Trailer *Fields

	// Mark says which headers of the gateway the answer gets when it is rendered.
	Mark Mark

	// Untyped is set where the engine must not guess a Content-Type that is missing.
	Untyped bool

	// Missing is why backends are missing from the answer, for observers.
	Missing error

	// Upgrade is the protocol that the backend has switched to, one of those
	// that it was asked for: the status is 101, and the stream of the body is a
	// [Tunnel]. It is "" for every other answer.
	Upgrade string
}

// Take moves the answer of a call into r: every field of it, so that none is forgotten.
// The fields and trailers that r has stay in front; from has no body afterwards.
func (r *Response) Take(from *Response) {
	header := append(r.Header, from.Header...)
	switch {
	case r.Trailer == nil:
	case from.Trailer == nil:
		from.Trailer = r.Trailer
	default: // whoever makes the body adds to what from has
		*from.Trailer = append(*r.Trailer, *from.Trailer...)
	}
	*r = *from
	r.Header, from.Body = header, body.Body{}
}

// Acknowledge makes an answer that is complete and has no data. Where no data comes to
// it, of another backend or of a stage, it is the answer of the endpoint, with the status and
// the text null, or no body where the status has none; of several backends that acknowledge
// the last one's, if all have answered. Nothing of it is shaped or grouped.
func (r *Response) Acknowledge(status int) {
	r.Body.Close()
	r.Body, _ = body.NewObject()
	r.Status, r.Receipt, r.Complete, r.Final = status, status, true, true
}

// AddTrailer adds a field that comes behind the body, to those that the body may bring.
// The name is canonical.
func (r *Response) AddTrailer(name, value string) {
	if r.Trailer == nil {
		r.Trailer = new(Fields)
	}
	r.Trailer.Add(name, value)
}

// A Mark is which headers of the gateway an answer has.
type Mark uint8

// Marks, each of which has what those before it have.
const (
	Unmarked       Mark = iota // none, as of redirects and refusals in front of an endpoint
	MarkProduct                // the one that names the gateway
	MarkIncomplete             // and the one that says whether it is complete: it is not
	MarkComplete               // and it is
)

// Identity is who asked, as established by an authenticator. Claims are in memory of
// their own, which a shadow shares; the rest may be in that of the exchange.
type Identity struct {
	Name   string         // of who asks, for logs and limits; "" if the credential names nobody
	Roles  []string       // that the credential gives
	By     string         // namespace of the authenticator
	Claims map[string]any // nil, bool, string, json.Number, []any, map[string]any

	Verified string // of the credential, what was verified: the same for all its spellings, another for another one of the same client
	Header   string // canonical name of the header that holds credentials, which counts as Verified; "" where none does
	Cookie   bool   // a cookie may hold them otherwise
}

// A Result is the answer of an earlier call of a sequence; its Body is nil if that call
// had no answer.
type Result struct {
	Body *body.Body
}

var pool = sync.Pool{New: func() any { return new(Exchange) }}

// Acquire returns an empty exchange for a message.
func Acquire(in Inbound) *Exchange {
	x := pool.Get().(*Exchange)
	x.In = in
	x.Params = x.inline[:0]
	return x
}

// Child returns an exchange for one call on behalf of x. It sees the same
// client, identity and parameters; its request is empty but for the method.
// The child is released with x.
func (x *Exchange) Child() *Exchange {
	c := pool.Get().(*Exchange)
	c.In, c.Parent = x.In, x
	c.Identity, c.Client, c.Endpoint = x.Identity, x.Client, x.Endpoint
	c.Path, c.Params, c.Raw, c.Rest, c.Results = x.Path, x.Params, x.Raw, x.Rest, x.Results
	c.Request.Method, c.Record = x.Request.Method, x.Record
	x.children = append(x.children, c)
	return c
}

// SetParam gives the parameter at index i another value, for x and what is asked on its
// behalf from then on. Siblings keep theirs.
func (x *Exchange) SetParam(i int, value string) {
	if x.Parent != nil && !x.ownParams {
		x.Params = append(x.inline[:0], x.Params...)
	}
	x.ownParams = true
	x.Params[i] = value
	if i < len(x.Raw) { // as nobody has sent it
		x.Raw = append([]string(nil), x.Raw...)
		x.Raw[i] = ""
	}
}

// OnRelease runs f when the exchange is released. Functions run in the
// opposite order.
func (x *Exchange) OnRelease(f func()) { x.onRelease = append(x.onRelease, f) }

// Release takes the exchange and its children back. Neither they nor anything
// reachable from them may be used afterwards. If streams or functions panic, everything else
// is done all the same, and the pin is told; without one the panic goes on.
func (x *Exchange) Release() {
	pin := x.Pin
	switch err := x.release(); {
	case pin != nil:
		pin.Release(err)
	case err != nil:
		panic(err)
	}
}

// release is Release without the pin.
func (x *Exchange) release() error {
	err := x.end()
	if e, ok := x.In.(*Edited); ok && x.Parent == nil {
		e.release()
	}
	clear(x.slots)
	clear(x.Request.Query)
	clear(x.Request.Pairs)
	clear(x.Request.Header)
	clear(x.Response.Header)
	children, slots, onRelease := x.children, x.slots[:0], x.onRelease
	query, pairs, header, answered := x.Request.Query[:0], x.Request.Pairs[:0], x.Request.Header[:0], x.Response.Header[:0]
	*x = Exchange{} // a composite of what is kept would be made beside x and copied
	x.children, x.slots, x.onRelease = children, slots, onRelease
	x.Request.Query, x.Request.Pairs, x.Request.Header, x.Response.Header = query, pairs, header, answered
	pool.Put(x)
	return err
}

// end ends what belongs to the exchange, each part once. Behind a panic it goes on with
// what is left.
func (x *Exchange) end() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.Join(err, Panicked(v), x.end())
		}
	}()
	for _, c := range x.children {
		if failed := c.release(); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	clear(x.children)
	x.children = x.children[:0]
	x.Request.Body.Close()
	x.Response.Body.Close()
	for n := len(x.onRelease); n > 0; n = len(x.onRelease) {
		f := x.onRelease[n-1]
		x.onRelease[n-1], x.onRelease = nil, x.onRelease[:n-1]
		f()
	}
	return err
}

// Reply ends the way in: the answer is in x.Response and no further stage or
// connector is asked. Stages entered so far still leave.
func (x *Exchange) Reply() { x.replied = true }

// Replied reports whether the way in of the plan that runs has ended.
func (x *Exchange) Replied() bool { return x.replied }

// Proceed undoes Reply. Whoever runs a plan calls it where the way in has ended, so that
// the plans around that one go on.
func (x *Exchange) Proceed() { x.replied = false }

// A Slot is typed state of one stage on each exchange. The zero Slot is not
// usable; sites hand slots out.
type Slot[T any] struct{ index int }

// SlotAt returns the slot with the given index. Indices are dealt out by the
// site that owns the plan; no two stages of a plan share one.
func SlotAt[T any](index int) Slot[T] { return Slot[T]{index} }

// Get returns the state and whether it was set on this exchange.
func (s Slot[T]) Get(x *Exchange) (T, bool) {
	if s.index < len(x.slots) {
		v, ok := x.slots[s.index].(T)
		return v, ok
	}
	var zero T
	return zero, false
}

// Set stores the state for the rest of the exchange.
func (s Slot[T]) Set(x *Exchange, v T) {
	for len(x.slots) <= s.index {
		x.slots = append(x.slots, nil)
	}
	x.slots[s.index] = v
}

// Detach returns an exchange that asks what x asks and outlives it: the
// client's message without its body, and the request with the header and the
// parameters that were let through. Whoever looks at x looks at it, too. It has no parent;
// its owner releases it.
func Detach(x *Exchange) *Exchange {
	c := Acquire(snapshot(x.In))
	c.Client, c.Endpoint = x.Client, strings.Clone(x.Endpoint)
	c.Path, c.Rest = strings.Clone(x.Path), strings.Clone(x.Rest)
	c.trace, c.Record = x.client().trace, x.Record
	if x.Identity != nil {
		id := *x.Identity
		id.Name, id.Verified = strings.Clone(id.Name), strings.Clone(id.Verified)
		id.Roles = slices.Clone(id.Roles)
		for i := range id.Roles {
			id.Roles[i] = strings.Clone(id.Roles[i])
		}
		c.Identity = &id
	}
	for _, p := range x.Params {
		c.Params = append(c.Params, strings.Clone(p))
	}
	for _, p := range x.Raw {
		c.Raw = append(c.Raw, strings.Clone(p))
	}
	c.Request.Method = strings.Clone(x.Request.Method)
	c.Request.Query = cloneFields(c.Request.Query, x.Request.Query)
	for _, p := range x.Request.Pairs {
		c.Request.Pairs = append(c.Request.Pairs, strings.Clone(p))
	}
	c.Request.Header = cloneFields(c.Request.Header, x.Request.Header)
	return c
}

func cloneFields(dst, src Fields) Fields {
	for _, f := range src {
		dst.Add(strings.Clone(f.Name), strings.Clone(f.Value))
	}
	return dst
}
