package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Broker is where connections lead.
type Broker struct {
	// Backoff, Retries and Grave are as [live.Options] has them.
	Backoff live.Backoff
	Retries int
	Grave   bool

	site    *component.Site
	address string // as if it were without TLS
	at      string // name and port
	public  string // without secrets
	id      string // of the connections' settings, secrets among them
	dialer  net.Dialer
	tls     *tls.Config // nil for none
	config  client.Config
}

// parameters are what may stand in the query of an address.
var parameters = []string{"auth_mechanism", "channel_max", "connection_timeout", "heartbeat", "server_name_indication"}

// files are those that RabbitMQ knows beside; they are for TLS.
var files = []string{"cacertfile", "certfile", "keyfile", "verify", "fail_if_no_peer_cert", "depth", "password"}

const form = "write amqp://user:password@name:5672/vhost, with % escaped as %25 and the like"

// parse takes an address apart. The error shows nothing of it, which may hold secrets.
func parse(text string) (a client.URI, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return a, errors.New("it is no address of a broker; " + form)
	case u.Fragment != "" || strings.Contains(u.EscapedPath()+u.RawQuery, "@"):
		// of a password, as a rule
		return a, errors.New("it holds an @ or a # where none can stand; write / ? # @ in a password as %2F %3F %23 %40")
	case u.Scheme != "amqp" && u.Scheme != "amqps":
		return a, errors.New("the scheme of a broker is amqp or amqps; " + form)
	case u.Hostname() == "":
		return a, errors.New("the name of the broker is missing; " + form)
	case strings.Contains(strings.TrimPrefix(u.EscapedPath(), "/"), "/"):
		return a, errors.New("behind the port stands one name, that of the virtual host; write a slash in it as %2F")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, errors.New("the parameters behind the ? cannot be read; write name=value with & between them")
	}
	for name, values := range query {
		switch {
		case slices.Contains(files, name):
			return a, fmt.Errorf("the parameter %q has no place here; what concerns TLS stands in client_tls", name)
		case !slices.Contains(parameters, name):
			if near, found := config.Suggest(name, parameters); found {
				return a, errors.New("a parameter is unknown; did you mean " + near + "?")
			}
			return a, errors.New("a parameter is unknown, or a part of a password; there are " + strings.Join(parameters, ", ") + ", and a ? in a password is written as %3F")
		case len(values) > 1 && name != "auth_mechanism":
			return a, fmt.Errorf("the parameter %q occurs twice; keep one", name)
		}
	}
	for _, m := range query["auth_mechanism"] {
		if !slices.Contains([]string{"plain", "amqplain", "external"}, strings.ToLower(m)) {
			return a, errors.New("auth_mechanism is plain, amqplain or external")
		}
	}
	if a, err = client.ParseURI(text); err != nil {
		return a, errors.New("a number among the port and the parameters is none, or too large; " + form)
	}
	return a, nil
}

// Check says what is wrong with the address of a broker, without secrets.
func Check(address string) error {
	_, err := parse(address)
	return err
}

// public returns the address without what is secret in it.
func public(a client.URI) string {
	return a.Scheme + "://" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) + "/" + strings.TrimPrefix(url.PathEscape(a.Vhost), "%2F")
}

// NewBroker reads the address of a broker. Connections are made by the settings of the
// service: dialer_timeout and its like, and for amqps what the options say at client_tls, or
// with nil the root. The error is one of the build, and shows no secret.
func NewBroker(s *component.Site, address string, o *model.ClientTLS) (*Broker, error) {
	a, err := parse(address)
	if err != nil {
		return nil, err
	}
	t := s.Service().Transport
	_, rest, _ := strings.Cut(address, ":")
	b := &Broker{site: s, address: "amqp:" + rest, at: net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), public: public(a)}
	b.dialer = net.Dialer{Timeout: time.Duration(t.DialerTimeout), KeepAlive: time.Duration(t.DialerKeepAlive), FallbackDelay: time.Duration(t.DialerFallbackDelay)}
	product, version, _ := strings.Cut(s.Product(), "/")
	b.config.Properties = client.Table{"product": product, "version": version, "connection_name": s.Product()}
	parts := []string{address, s.Product(), fmt.Sprint(t.DialerTimeout, t.DialerKeepAlive, t.DialerFallbackDelay)}
	switch {
	case a.Scheme == "amqps":
		settings, id, err := queue.TLS(s, o)
		if err != nil {
			return nil, err
		}
		settings.ServerName = a.Host
		if a.ServerName != "" {
			settings.ServerName = a.ServerName
		}
		b.tls = settings
		parts = append(parts, id)
	case o != nil:
		return nil, config.At("client_tls", errors.New("the address is one without TLS; write amqps:// there"))
	}
	b.id = queue.ID(parts...)
	return b, nil
}

// String returns the address without secrets.
func (b *Broker) String() string { return b.public }

// key returns the id of what is kept, which is of this kind and shaped by o.
func (b *Broker) key(kind string, o ...any) string {
	return kind + " " + queue.ID(b.id, string(b.Backoff), strconv.Itoa(b.Retries), strconv.FormatBool(b.Grave), fmt.Sprintf("%#v", o))
}

// options are those of a connection for what people know by name.
func (b *Broker) options(name string) live.Options {
	return live.Options{Name: b.public + " " + name, Backoff: b.Backoff, Retries: b.Retries, Grave: b.Grave}
}

// A session is a connection with its channel.
type session struct {
	raw   net.Conn // below TLS
	guard *guard
	conn  *client.Connection
	ch    *client.Channel
	stop  func() bool // lets the connection outlive the attempt
	lost  chan struct{}
	cause error // why, before lost is closed
}

// dial connects and opens a channel. Limit is that of the bodies that are received; 0 is none.
// Until stop is called the end of ctx ends both, and the caller ends them if there is an
// error behind.
func (b *Broker) dial(ctx context.Context, limit int64) (*session, error) {
	s := &session{lost: make(chan struct{})}
	c := b.config
	c.Properties = client.Table{}
	for name, value := range b.config.Properties {
		c.Properties[name] = value
	}
	c.Dial = func(network, _ string) (net.Conn, error) {
		nc, err := b.dialer.DialContext(ctx, network, b.at)
		if err != nil {
			return nil, err
		}
		s.raw, s.stop = nc, context.AfterFunc(ctx, func() { nc.Close() })
		if b.tls != nil {
			over := tls.Client(nc, b.tls.Clone())
			if err := over.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			nc = over
		}
		s.guard = newGuard(nc, limit)
		return s.guard, nil
	}
	var err error
	if s.conn, err = client.DialConfig(b.address, c); err == nil {
		if s.ch, err = s.conn.Channel(); err == nil {
			return s, nil
		}
	}
	if s.raw != nil {
		s.stop()
		s.raw.Close()
	}
	if err = s.blame(err); ctx.Err() != nil {
		if _, guess := errors.AsType[*client.Error](err); guess { // of what the broker would have said
			err = errors.New("the broker does not answer")
		}
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return nil, err
}

// blame returns why the connection is of no use, where the library says err.
func (s *session) blame(err error) error {
	if s.guard != nil {
		if why := s.guard.why(); why != nil {
			return why
		}
	}
	return err
}

// farewell is how long the broker may take to say goodbye, for which nobody needs it.
const farewell = time.Second

// end closes the connection, and waits for what ends with it. It is back once ctx is done or
// farewell is over, whatever broker and library do.
func (s *session) end(ctx context.Context, rest func()) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.raw.Close() })
	over := make(chan struct{})
	go func() {
		var err error
		defer gateway.Recover("", &err)
		defer close(over)
		defer stop()
		s.conn.Close() // nobody is left who would be told
		rest()
	}()
	select {
	case <-over:
		return
	case <-ctx.Done():
	}
	last := time.NewTimer(farewell) // which a closed socket does not need
	defer last.Stop()
	select {
	case <-over:
	case <-last.C:
	}
}

// lose notes that the connection is of no use any more.
func (s *session) lose(cause error, lost func(error)) {
	if cause = s.blame(cause); cause == nil {
		cause = errEnded
	}
	s.cause = cause
	lost(cause) // before anybody learns it from here and asks for the next one
	close(s.lost)
}

var errEnded = errors.New("the connection has ended")

// patience is how long the word of the broker may take where nobody says so.
const patience = 30 * time.Second

// A Topology is what is declared when a connection is made. What has no name is not.
type Topology struct {
	Exchange string // of the type topic
	Queue    string
	Keys     []string // by which the queue is bound to the exchange

	Durable   bool // both survive a restart of the broker
	Delete    bool // both go with their last user
	Exclusive bool // the queue is for this connection alone, and the exchange takes no messages of publishers
	NoWait    bool // the broker does not answer, and ends the channel if it does not agree

	// DeadLetters is the exchange that gets what the queue drops; "" is none.
	DeadLetters string
}

// differs says what to do where the error of a declaration is that the thing exists and is another.
func differs(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.PreconditionFailed {
		return fmt.Errorf("%w; write the options that it was made with, or remove it from the broker", err)
	}
	return err
}

// declare makes it so.
func (t Topology) declare(ch *client.Channel) error {
	if t.Exchange != "" {
		if err := ch.ExchangeDeclare(t.Exchange, client.ExchangeTopic, t.Durable, t.Delete, t.Exclusive, t.NoWait, nil); err != nil {
			return differs(fmt.Errorf("declaring the exchange %q: %w", t.Exchange, err))
		}
	}
	if t.Queue == "" {
		return nil
	}
	var args client.Table
	if t.DeadLetters != "" {
		args = client.Table{"x-dead-letter-exchange": t.DeadLetters}
	}
	if _, err := ch.QueueDeclare(t.Queue, t.Durable, t.Delete, t.Exclusive, t.NoWait, args); err != nil {
		return differs(fmt.Errorf("declaring the queue %q: %w", t.Queue, err))
	}
	for _, key := range t.Keys {
		if err := ch.QueueBind(t.Queue, key, t.Exchange, t.NoWait, nil); err != nil {
			return fmt.Errorf("binding the queue %q by %q: %w", t.Queue, key, err)
		}
	}
	return nil
}
