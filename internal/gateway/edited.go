package gateway

import (
	"crypto/tls"
	"io"
	"slices"
	"sync"
)

// An Edited is the client's message as stages have changed it: an [Inbound] over the
// engine's. Whoever comes later sees the changes as if the client had sent them, and
// what the endpoint lets through is chosen among them. Fields that are set pass where
// they are named even if a client's would not, but for those that only the gateway and
// its engine write.
//
// Changes are made before the calls of an endpoint begin. What they are made of stays
// valid as long as the exchange.
type Edited struct {
	Inbound // as the engine has it

	method, path, query, host string
	header                    Fields
	wrote                     []string // names of the fields that were set
	body                      io.Reader
	length                    int64
}

var editedPool = sync.Pool{New: func() any { return new(Edited) }}

// Edit lets the client's message be changed: x.In is what it returns from then on.
func (x *Exchange) Edit() *Edited {
	if e, ok := x.In.(*Edited); ok {
		return e
	}
	e := editedPool.Get().(*Edited)
	in := x.In
	e.Inbound = in
	e.method, e.path, e.query, e.host = in.Method(), in.Path(), in.RawQuery(), in.Host()
	e.header = in.AppendHeaders(e.header)
	e.body, e.length = in.Body(), in.Length()
	x.In = e
	return e
}

// Wrote reports whether a stage has set a field of the client's message, whose name is
// canonical.
func (x *Exchange) Wrote(name string) bool {
	e, ok := x.In.(*Edited)
	return ok && e.Wrote(name)
}

// Sent returns the client's message as the engine has it, whatever stages have made
// of it since.
func (x *Exchange) Sent() Inbound {
	if e, ok := x.In.(*Edited); ok {
		return e.Inbound
	}
	return x.In
}

// clone returns a message that changes by itself.
func (e *Edited) clone() *Edited {
	c := *e
	c.header, c.wrote = slices.Clone(e.header), slices.Clone(e.wrote)
	return &c
}

// release takes the memory back.
func (e *Edited) release() {
	clear(e.header)
	clear(e.wrote)
	*e = Edited{header: e.header[:0], wrote: e.wrote[:0]}
	editedPool.Put(e)
}

// SetMethod replaces the method.
func (e *Edited) SetMethod(method string) { e.method = method }

// SetPath replaces the path, which is escaped and begins with a slash. Endpoints are
// found by it if that has not happened yet. Where the router redirects it to the spelling
// that is served, clients are told that of the new path: whoever hides paths from them
// writes them as the endpoint does.
func (e *Edited) SetPath(path string) { e.path = path }

// SetRawQuery replaces the query, which comes without a question mark.
func (e *Edited) SetRawQuery(query string) { e.query = query }

// SetHost replaces the authority that was asked for.
func (e *Edited) SetHost(host string) { e.host = host }

// SetHeader replaces the field by one line for each value. Of what a server behind us
// might take for the same field nothing is left, either. The name has any letter case.
func (e *Edited) SetHeader(name string, values ...string) {
	name = Canonical(name)
	e.DelHeader(name)
	for _, v := range values {
		e.header.Add(name, v)
	}
	if !e.Wrote(name) {
		e.wrote = append(e.wrote, name)
	}
}

// DelHeader removes the field, whose name has any letter case, and what a server behind
// us might take for it.
func (e *Edited) DelHeader(name string) {
	e.header = slices.DeleteFunc(e.header, func(f Field) bool { return Alike(f.Name, name) })
}

// SetBody replaces the body; length is its size in bytes, -1 if that is not known. A read
// that waits is left alone when the time for it is over: whoever makes r ends it when the
// exchange is released, at the latest, as engines do.
func (e *Edited) SetBody(r io.Reader, length int64) { e.body, e.length = r, length }

// Wrote reports whether a stage has set the field, whose name is canonical.
func (e *Edited) Wrote(name string) bool { return slices.Contains(e.wrote, name) }

// Method returns the method.
func (e *Edited) Method() string { return e.method }

// Path returns the path.
func (e *Edited) Path() string { return e.path }

// RawQuery returns the query.
func (e *Edited) RawQuery() string { return e.query }

// Host returns the authority that is asked for.
func (e *Edited) Host() string { return e.host }

// Header returns the first value of a canonical name, or "".
func (e *Edited) Header(name string) string { return e.header.Get(name) }

// AppendHeader appends all fields of one name.
func (e *Edited) AppendHeader(dst Fields, name string) Fields {
	for _, f := range e.header {
		if f.Name == name {
			dst = append(dst, f)
		}
	}
	return dst
}

// AppendHeaders appends all fields.
func (e *Edited) AppendHeaders(dst Fields) Fields { return append(dst, e.header...) }

// Body returns the body, nil if there is none.
func (e *Edited) Body() io.Reader { return e.body }

// Length returns the size of the body, -1 if it is not known.
func (e *Edited) Length() int64 { return e.length }

// TLS returns the state of the client's TLS; see [Secured].
func (e *Edited) TLS() *tls.ConnectionState { return TLSOf(e.Inbound) }

// Left reports whether the client has left; see [Watched].
func (e *Edited) Left() bool { return HasLeft(e.Inbound) }

// Hint tells the client something before its answer; see [Hinter].
func (e *Edited) Hint(header Fields) {
	if in, ok := e.Inbound.(Hinter); ok {
		in.Hint(header)
	}
}

// Upgrades reports whether the client asks for another protocol; see [Upgrader].
func (e *Edited) Upgrades() bool {
	in, ok := e.Inbound.(Upgrader)
	return ok && in.Upgrades()
}
