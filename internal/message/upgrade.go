package message

import (
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Websocket is the protocol of RFC 6455.
const Websocket = "websocket"

// handshake are the fields without which a client cannot open a WebSocket (RFC
// 6455, section 4.1).
var handshake = []string{"Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version"}

// An Upgrade lists the protocols, in lower case, that a client of the endpoint
// may switch to.
type Upgrade []string

// offer puts the protocols that the client asks for and may have into the
// request, in the client's order and each once, with the fields that the
// handshake of WebSocket needs. Whatever else it asks for is ignored, as RFC
// 9110, section 7.8, wants it.
func (u Upgrade) offer(x *gateway.Exchange) {
	in, ok := x.In.(gateway.Upgrader)
	if !ok || !in.Upgrades() || x.In.Method() != "GET" { // HEAD finds the endpoint, too
		return
	}
	var room [2]gateway.Field
	var offered []string
	for _, line := range x.In.AppendHeader(room[:0], "Upgrade") {
		for name := range strings.SplitSeq(line.Value, ",") {
			name = strings.Trim(name, " \t")
			if slices.Contains(u, strings.ToLower(name)) && !slices.ContainsFunc(offered, sameName(name)) {
				offered = append(offered, name)
			}
		}
	}
	x.Request.Upgrade = strings.Join(offered, ", ")
	if slices.ContainsFunc(offered, sameName(Websocket)) {
		shake(x)
	}
}

func sameName(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

// shake adds the fields of the handshake, unless the endpoint has let them
// through already or Connection names them.
func shake(x *gateway.Exchange) {
	var fields gateway.Fields
	for _, name := range handshake {
		if !x.Request.Header.Has(name) {
			fields = x.In.AppendHeader(fields, name)
		}
	}
	x.Request.Header = append(x.Request.Header, withoutNamed(fields, x.In, func(string) bool { return false })...)
}
