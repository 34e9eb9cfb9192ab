package component

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Port is an address on which the gateway listens beside that of the service.
type Port struct {
	Name    string // what it is for, in words
	Address string // host and port, spelt in one way; without a host it is every address of the machine
	By      gateway.Connector
	At      config.Pos
}

// Serve lets c answer what clients ask at another address: host and port, or a port
// behind a colon for all addresses of the machine. It is opened at the start
// and stays open over reloads; one that is taken keeps the generation from going live.
//
// Clients speak HTTP without TLS there, and c looks at the message, x.In: x.Request is
// empty. It has a minute, the answer included; slow clients are cut off. Observers are
// not told of what happens there.
//
// An error, which is one of the build and relative to the address, says that this is no
// address or that another port has it, or the service.
func (s *ServiceSite) Serve(name, address string, c gateway.Connector) error {
	p := Port{Name: name, By: c}
	var err error
	if p.Address, err = spelt(address); err != nil {
		return err
	}
	if s.node != nil {
		p.At = s.node.Pos
	}
	if svc := s.env.Service; svc.Port > 0 && p.Meets(net.JoinHostPort(svc.ListenIP, strconv.Itoa(svc.Port))) {
		var place config.Pos
		if n := svc.Node.GetFold("port"); n != nil {
			place = n.Pos
		}
		return fmt.Errorf("%s is where the endpoints are served, by the key port%s; choose another port for one of the two", address, at(place))
	}
	for _, other := range s.env.Ports {
		if p.Meets(other.Address) {
			return fmt.Errorf("%s is taken by %s%s; choose another port for one of the two", address, other.Name, at(other.At))
		}
	}
	s.env.Ports = append(s.env.Ports, p)
	return nil
}

// Meets reports whether only one can be open of the port and one at another address. A 0
// stands for any that is free, so that two of them meet only if their hosts are the same:
// the ports of a gateway are told apart by their addresses.
func (p *Port) Meets(address string) bool {
	address, err := spelt(address)
	one, other := strings.LastIndexByte(p.Address, ':'), strings.LastIndexByte(address, ':')
	return err == nil && (p.Address == address || p.Address[one:] == address[other:] && (one == 0 || other == 0) && p.Address[one:] != ":0")
}

// spelt returns an address of a listener in the one way in which all are spelt.
func spelt(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is no address; write host:port, or :port for all addresses of the machine", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("%q is no port; write a number up to 65535", port)
	}
	host = gateway.Lower(host)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
		if ip.Unmap().IsUnspecified() {
			host = "" // as it is for the Go library, all of both families
		}
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}
