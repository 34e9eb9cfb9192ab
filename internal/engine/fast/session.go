package fast

import (
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A session is the connection of a [gateway.Session], which is no host's.
type session struct {
	client *Client
	origin origin
	link   *link // nil while a call has it, and when it is gone
	over   bool
}

// Close ends the connection, or lets the call that has it do so.
func (s *session) Close() error {
	s.over = true
	if l := s.link; l != nil {
		s.link = nil
		l.close()
	}
	return nil
}

// keep takes the connection back from a call, if it can be used, and reports whether it did.
func (s *session) keep(l *link, usable bool) bool {
	if usable = usable && !s.over; usable {
		l.rest(time.Now(), false)
		s.link = l
	}
	s.over = !usable
	return usable
}

// resume gives k the connection of its session, or makes the first one. The error is that
// of the call.
func (k *call) resume(g *gateway.Session) error {
	c, q := k.host.client, &k.x.Request
	kept, err := g.Bound()
	if err != nil {
		return engine.SessionOver(k.ctx)
	}
	if kept == nil {
		k.session = &session{client: c, origin: origin{strings.Clone(q.Scheme), strings.Clone(q.Host)}}
		if err := k.dial(); err != nil {
			return engine.Failure(k.ctx, err, false)
		}
		g.Bind(k.session)
		return nil
	}
	s, ours := kept.(*session)
	if !ours || s.client != c || s.origin != (origin{q.Scheme, q.Host}) || s.over || s.link == nil || s.link.spoiled() {
		g.Close() // whatever it was, it carries no more calls
		return engine.SessionOver(k.ctx)
	}
	l := s.link
	s.link, k.session, k.reused, l.taken = nil, s, true, time.Now()
	k.watch.Ready(true)
	k.host.start(k, l)
	return nil
}
