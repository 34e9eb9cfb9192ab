package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A request is what explain --send asks.
type request struct {
	method, target string   // a path, or a whole URL
	headers        []string // Name: value
	data           string   // the body, or @ and the name of a file
}

// message returns the request as an engine would offer it, or why none would. It waits
// for the body no longer than ctx lasts.
func (r request) message(ctx context.Context) (gateway.Inbound, error) {
	payload := []byte(r.data)
	if name, isFile := strings.CutPrefix(r.data, "@"); isFile {
		var err error
		if name == "-" {
			name = "the standard input"
			payload, err = config.ReadInput(ctx)
		} else {
			payload, err = config.ReadDocument(ctx, name)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped before %s was read", name)
		} else if err != nil {
			return nil, err
		}
	}
	h, err := r.head(len(payload))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(h.Fields, func(a, b gateway.Field) int { return cmp.Compare(a.Name, b.Name) })
	return gateway.Message{
		Secure: overTLS(r.target),
		Method: h.Method, Path: h.Path, RawQuery: h.Query, Host: h.Authority, Proto: "HTTP/1.1", Header: h.Fields, Body: payload,
		Peer: netip.AddrPortFrom(netip.IPv6Loopback(), 0),
	}.Inbound(), nil
}

// overTLS reports whether a target is a URL that is asked for over TLS.
func overTLS(target string) bool {
	scheme, _, found := strings.Cut(target, "://")
	return found && strings.EqualFold(scheme, "https")
}

// pathOf returns the path and the query of what a command line asks for, a path or a whole
// URL, as a client sends them, and whether it is one of the two. A fragment stays with
// clients (RFC 9110, section 4.2.5).
func pathOf(method, asked string) (target, path string, ok bool, err error) {
	target, _, _ = strings.Cut(asked, "#")
	if strings.HasPrefix(target, "/") {
		return target, target, true, nil
	}
	if !strings.Contains(target, "://") {
		return asked, "", false, nil
	}
	cut, err := wire.CutTarget(method, target)
	if err != nil {
		return target, "", true, fmt.Errorf("%q is no URL that a gateway is asked for, %w; write http://name/path, or the path alone", asked, err)
	}
	if path = cut.Path; cut.Query != "" {
		path += "?" + cut.Query
	}
	return target, path, true, nil
}

// head reads the request as engines do, for a body of the given size. What a client could
// not send as one request is an error, and so is what engines refuse.
func (r request) head(size int) (*wire.RequestHead, error) {
	lines := []string{r.method + " " + r.target + " HTTP/1.1"}
	host := false
	for _, line := range r.headers {
		name, _, found := strings.Cut(line, ":")
		if !found || !gateway.Token(name) {
			return nil, fmt.Errorf("%q is no header; write \"Name: value\"", line)
		}
		host = host || strings.EqualFold(name, "Host")
		lines = append(lines, line)
	}
	if !host {
		lines = append(lines, "Host: localhost")
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			return nil, fmt.Errorf("%q has a line break; write one line", line)
		}
	}
	text := strings.Join(lines, "\r\n") + "\r\n\r\n"
	h := new(wire.RequestHead)
	_, err := wire.CutTarget(r.method, r.target) // which a blank would end below
	if err == nil {
		_, _, err = wire.ScanHead([]byte(text), 0, wire.Limits{Fields: wire.MaxFields})
	}
	if err == nil {
		err = h.Parse(text)
	}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return nil, fmt.Errorf("no engine serves this request, the answer is %d: %s", e.Status, e.Reason)
	}
	if h.Chunked || h.Length != 0 && h.Length != int64(size) {
		return nil, errors.New("the body is framed by what --data says; leave Content-Length and Transfer-Encoding out")
	}
	return h, nil
}
