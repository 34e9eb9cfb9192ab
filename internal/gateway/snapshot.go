package gateway

import (
	"crypto/tls"
	"io"
	"net/netip"
	"strings"
)

// A copied is an Inbound that has left its engine.
type copied struct {
	method, path, query, host, proto string
	secure                           bool
	tls                              *tls.ConnectionState
	peer                             netip.AddrPort
	header                           Fields
}

// snapshot copies a message, all but its body.
func snapshot(in Inbound) Inbound {
	return &copied{
		method: strings.Clone(in.Method()),
		path:   strings.Clone(in.Path()),
		query:  strings.Clone(in.RawQuery()),
		host:   strings.Clone(in.Host()),
		proto:  strings.Clone(in.Proto()),
		secure: in.Secure(),
		tls:    TLSOf(in),
		peer:   in.Peer(),
		header: cloneFields(nil, in.AppendHeaders(nil)),
	}
}

func (c *copied) Method() string            { return c.method }
func (c *copied) Path() string              { return c.path }
func (c *copied) RawQuery() string          { return c.query }
func (c *copied) Host() string              { return c.host }
func (c *copied) Proto() string             { return c.proto }
func (c *copied) Secure() bool              { return c.secure }
func (c *copied) TLS() *tls.ConnectionState { return c.tls }
func (c *copied) Peer() netip.AddrPort      { return c.peer }
func (c *copied) Header(name string) string { return c.header.Get(name) }
func (c *copied) Body() io.Reader           { return nil }
func (c *copied) Length() int64             { return 0 }

func (c *copied) AppendHeaders(dst Fields) Fields { return append(dst, c.header...) }

func (c *copied) AppendHeader(dst Fields, name string) Fields {
	for _, f := range c.header {
		if f.Name == name {
			dst = append(dst, f)
		}
	}
	return dst
}
