package runtime

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/change"
)

// A listener says when no connection can be accepted any more, as when the system
// has no file left for one, and when that has passed. The engine tries again.
type listener struct {
	net.Listener
	g     *Gateway
	state change.State
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if errors.Is(err, net.ErrClosed) {
		return conn, err
	}
	if l.state.Is(err != nil, time.Now) {
		if err != nil {
			l.g.Logger().Error("connections cannot be accepted, trying again", "error", err, "address", l.Addr().String())
		} else {
			l.g.Logger().Info("connections are accepted again", "address", l.Addr().String())
		}
	}
	return conn, err
}
