//go:build !slim

package azuresb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A service is Service Bus, for one topic or subscription. It is a live.Peer.
type service struct {
	*namespace
	topic        string
	subscription string // "" for a topic

	most int // messages that one call asks for
	wait time.Duration
}

// A link is a connection to Service Bus, whose topic or subscription was there.
type link struct {
	*queue.Poller // which asks for nothing of a topic
	client        *azservicebus.Client
	sender        *azservicebus.Sender
	receiver      *azservicebus.Receiver

	busy atomic.Int32 // calls that use it

	mu      sync.Mutex
	dialled bool     // or being dialled
	conn    net.Conn // nil until there is one
	lost    bool
}

// begin notes that a call uses the link, until end is called. If the library has closed the
// connection meanwhile, it is lost then: for what the call has failed with, if it has.
func (l *link) begin() (end func()) {
	l.busy.Add(1)
	return func() {
		l.busy.Add(-1)
		l.mu.Lock()
		lost := l.lost
		l.mu.Unlock()
		if lost {
			l.Lose(errAnnounced)
		}
	}
}

// Dial connects, shows who we are, and looks at the topic or the subscription.
func (s *service) Dial(ctx context.Context, lost func(error)) (*link, error) {
	l := new(link)
	l.Poller = queue.NewPoller(s.most, s.wait, lost, l.ask)
	l.Leaves = true // what comes behind the end of a call is released by the library
	o := &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: -1},
		NewWebSocketConn: func(ctx context.Context, _ azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
			return l.dial(ctx, s.namespace)
		},
	}
	err := s.open(l, o)
	if err == nil {
		if err = s.look(ctx, l); err != nil {
			s.Close(ctx, l)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, said(err)
	}
	return l, nil
}

// open makes the client. It calls nobody.
func (s *service) open(l *link, o *azservicebus.ClientOptions) (err error) {
	if s.text != "" {
		l.client, err = azservicebus.NewClientFromConnectionString(s.text, o)
	} else {
		l.client, err = azservicebus.NewClient(s.host, s.who, o)
	}
	if err != nil {
		return err
	}
	if s.subscription == "" {
		l.sender, err = l.client.NewSender(s.topic, nil)
	} else {
		l.receiver, err = l.client.NewReceiverForSubscription(s.topic, s.subscription, nil)
	}
	return err
}

// look makes the link to the topic or the subscription, by asking what does not change it.
func (s *service) look(ctx context.Context, l *link) error {
	if l.sender != nil {
		_, err := l.sender.NewMessageBatch(ctx, nil)
		return err
	}
	_, err := l.receiver.PeekMessages(ctx, 1, nil)
	return err
}

// errOnce is the end of a client that wants to connect again. The library gives up.
type errOnce struct{}

func (errOnce) Error() string { return "the connection was lost" }
func (errOnce) NonRetriable() {}

// dial makes the one connection of the link.
func (l *link) dial(ctx context.Context, n *namespace) (net.Conn, error) {
	l.mu.Lock()
	again := l.dialled || l.lost
	l.dialled = true
	l.mu.Unlock()
	if again {
		return nil, errOnce{}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", n.address)
	if err != nil {
		return nil, err
	}
	if n.tls != nil {
		t := tls.Client(c, n.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = &watched{c, l}
	return l.conn, nil
}

// watched is a connection whose end is noticed: that which reading shows, and that which the
// service has announced, upon which the library closes it.
type watched struct {
	net.Conn
	l *link
}

// Read reads on.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil && !errors.Is(err, net.ErrClosed) { // which Close tells
		w.l.end()
		w.l.Lose(fmt.Errorf("the connection was lost: %w", err))
	}
	return n, err
}

var errAnnounced = errors.New("the service has ended the connection")

// Close closes the connection. The service ends those that nobody has used for a while. A call
// that uses it knows better why it is closed.
func (w *watched) Close() error {
	w.l.end()
	if w.l.busy.Load() == 0 {
		w.l.Lose(live.Rested{Cause: errAnnounced})
	}
	return w.Conn.Close()
}

// end notes that the connection has ended.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

// Close ends the connection, politely if it was not lost.
func (s *service) Close(ctx context.Context, l *link) {
	l.Poller.Close()
	l.mu.Lock()
	conn, lost := l.conn, l.lost
	l.mu.Unlock()
	if conn != nil { // who does not answer does not hold us up
		if lost {
			conn.Close()
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
	}
	l.client.Close(ctx) // whose failure is that of a connection that has ended
}

// failed returns the failure of a call; sent is that it may have brought a message there. The
// connection is of no use any more if the call has lost the link, as the library keeps using it
// for most of the conditions that there are, or if it may not be used.
func (l *link) failed(ctx context.Context, err error, sent bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, azservicebus.ErrMessageTooLarge) {
		return gateway.TooLarge("what Service Bus takes in a message", 0)
	}
	cause := said(err)
	_, ofLink := errors.AsType[*amqp.LinkError](err)
	_, ofConn := errors.AsType[*amqp.ConnError](err)
	_, ofSession := errors.AsType[*amqp.SessionError](err)
	_, nobody := errors.AsType[errIdentity](err)
	gone := ofLink || ofConn || ofSession
	_, answered := errors.AsType[*amqp.Error](err)
	answered = answered && !gone
	if e, ok := errors.AsType[*azservicebus.Error](err); ok { // which does not tell what is in it
		answered = e.Code == azservicebus.CodeUnauthorizedAccess || e.Code == azservicebus.CodeNotFound || e.Code == azservicebus.CodeLockLost
		gone = e.Code != azservicebus.CodeLockLost
	}
	if gone || nobody {
		l.Lose(cause)
	}
	switch {
	case answered && sent:
		return queue.Refused(cause)
	case answered:
		return queue.Unserved(cause)
	case sent && !nobody:
		return queue.Lost(cause)
	}
	return gateway.Away(cause)
}

// said returns what a call has failed for, in a line without secrets.
func said(err error) error {
	if e, ok := errors.AsType[errIdentity](err); ok {
		return e
	}
	text := err.Error()
	if e, ok := errors.AsType[*azservicebus.Error](err); ok {
		text = strings.TrimPrefix(text, "("+string(e.Code)+"): ")
	}
	if e, ok := errors.AsType[*amqp.Error](err); ok {
		text = "the service bus says: " + string(e.Condition) + ": " + e.Description
	}
	if text = queue.Line(text); strings.Contains(text, "SharedAccess") { // of a token or a connection string that somebody quotes
		text = "it is about the key of the connection string"
	}
	return errors.New(text)
}
