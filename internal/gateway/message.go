package gateway

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/netip"
	"strings"
)

// A Message is a client's message of which every part is known: one that was copied from
// an engine, or one that no client has sent. Zero parts are empty.
type Message struct {
	Method, Path, RawQuery, Host, Proto string // as [Inbound] has them

	Secure bool
	TLS    *tls.ConnectionState // nil for none that is known
	Peer   netip.AddrPort
	Header Fields // grouped by name
	Body   []byte
}

// Inbound returns the message as an engine would offer it. Its strings and its body stay
// those of m.
func (m Message) Inbound() Inbound { return &message{m} }

type message struct{ m Message }

func (m *message) Method() string            { return m.m.Method }
func (m *message) Path() string              { return m.m.Path }
func (m *message) RawQuery() string          { return m.m.RawQuery }
func (m *message) Host() string              { return m.m.Host }
func (m *message) Proto() string             { return m.m.Proto }
func (m *message) Secure() bool              { return m.m.Secure }
func (m *message) TLS() *tls.ConnectionState { return m.m.TLS }
func (m *message) Peer() netip.AddrPort      { return m.m.Peer }
func (m *message) Header(name string) string { return m.m.Header.Get(name) }
func (m *message) Length() int64             { return int64(len(m.m.Body)) }

func (m *message) AppendHeaders(dst Fields) Fields { return append(dst, m.m.Header...) }

func (m *message) AppendHeader(dst Fields, name string) Fields {
	for _, f := range m.m.Header {
		if f.Name == name {
			dst = append(dst, f)
		}
	}
	return dst
}

func (m *message) Body() io.Reader {
	if len(m.m.Body) == 0 {
		return nil
	}
	return bytes.NewReader(m.m.Body)
}

// snapshot copies a message, all but its body.
func snapshot(in Inbound) Inbound {
	return Message{
		Method:   strings.Clone(in.Method()),
		Path:     strings.Clone(in.Path()),
		RawQuery: strings.Clone(in.RawQuery()),
		Host:     strings.Clone(in.Host()),
		Proto:    strings.Clone(in.Proto()),
		Secure:   in.Secure(),
		TLS:      TLSOf(in),
		Peer:     in.Peer(),
		Header:   cloneFields(nil, in.AppendHeaders(nil)),
	}.Inbound()
}
