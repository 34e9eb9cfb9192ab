package amqp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// Publishing says where a publisher publishes to.
type Publishing struct {
	Topology Topology // whose exchange it is
	Existing bool     // nothing is declared; that the exchange is there is looked at

	Mandatory  bool // what gets to no queue is refused
	Immediate  bool // so is what nobody waits for; RabbitMQ does not know that, and ends the connection
	Persistent bool // messages survive a restart of the broker in durable queues
	Lists      bool // headers are lists of texts, else texts
}

// returnable reports whether messages may come back.
func (o *Publishing) returnable() bool { return o.Mandatory || o.Immediate }

// A Message is what is published. It belongs to the caller.
type Message struct {
	Body       []byte
	Key        string // the routing key
	Header     gateway.Fields
	Type       string // of the content
	Expiration string // milliseconds; "" is none
	ReplyTo    string
	ID         string
	Priority   uint8
	Time       time.Time // zero is none
}

// A Publisher publishes to an exchange. It is a [queue.Publisher].
type Publisher struct {
	*live.Conn[*sender]
	o Publishing
}

// Publisher opens a publisher. The error is one of the build.
func (b *Broker) Publisher(o Publishing) (*Publisher, error) {
	return component.Keep(b.site, b.key("publisher", o), func() (*Publisher, func(), error) {
		own := *b
		own.site = nil
		peer := &publication{Broker: &own, Publishing: o}
		c := live.New(b.options("exchange "+o.Topology.Exchange), peer)
		peer.say = c.Say
		return &Publisher{c, o}, c.Close, nil
	})
}

// A publication is the live.Peer of a publisher.
type publication struct {
	*Broker
	Publishing

	// The broker ends the channel of all who publish when a message is longer than it allows,
	// and says then how long one may be. That is so until a connection ends for another
	// reason: the broker may be another one by then.
	limit atomic.Int64 // 0 is not known

	say   func(write func(*slog.Logger))
	alarm change.State // what was said of it
}

// tell writes a line if it is news that the broker takes no messages, for a reason, or that it
// does; "" is the latter.
func (p *publication) tell(why string) {
	if !p.alarm.Is(why != "", time.Now) {
		return
	}
	p.say(func(log *slog.Logger) {
		if why != "" {
			log.Warn("broker takes no messages, calls fail until it does", "peer", p.options("exchange "+p.Topology.Exchange).Name, "cause", why)
		} else {
			log.Info("broker takes messages again", "peer", p.options("exchange "+p.Topology.Exchange).Name)
		}
	})
}

// most is how many messages may wait for the broker's word.
const most = 1 << 16

// A sender is a connection that messages go by.
type sender struct {
	*session
	*publication
	outbox  chan *letter
	settle  chan struct{} // received from when what has come back before is noted
	blocked atomic.Pointer[string]
	wg      sync.WaitGroup
	closing chan struct{}

	open []*letter // that may wait for the broker's word, oldest first; of the one who writes

	name string // of what has made the messages
	last uint64 // number of a letter that may come back; of the one who writes

	mu  sync.Mutex
	due map[string]*letter // those that may, by what their AppId says
}

// A letter is a message on its way.
type letter struct {
	key  string
	out  client.Publishing
	sent chan struct{} // closed when word and err are there
	word *client.DeferredConfirmation
	err  error

	app  string
	back string // why it has come back
}

// Dial connects, declares and asks for confirms.
func (p *publication) Dial(ctx context.Context, lost func(cause error)) (*sender, error) {
	s, err := p.dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := p.prepare(s.ch); err != nil {
		s.end(ctx, func() {})
		return nil, s.blame(err)
	}
	l := &sender{session: s, publication: p, outbox: make(chan *letter), settle: make(chan struct{}),
		closing: make(chan struct{}), due: make(map[string]*letter)}
	l.name, _ = p.config.Properties["product"].(string)
	closes := s.ch.NotifyClose(make(chan *client.Error, 1))
	returns := s.ch.NotifyReturn(make(chan client.Return))
	blocks := s.conn.NotifyBlocked(make(chan client.Blocking))
	l.wg.Go(func() { l.listen(returns, blocks, closes, lost) })
	l.wg.Go(l.write)
	return l, nil
}

func (p *publication) prepare(ch *client.Channel) error {
	switch name := p.Topology.Exchange; {
	case !p.Existing:
		if err := p.Topology.declare(ch); err != nil {
			return err
		}
	case name != "":
		if err := ch.ExchangeDeclarePassive(name, client.ExchangeTopic, false, false, false, false, nil); err != nil {
			return fmt.Errorf("looking for the exchange %q: %w", name, err)
		}
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("asking for confirms: %w", err)
	}
	return nil
}

// Close ends the connection. Whoever waits for the broker's word is told that there is none.
func (p *publication) Close(ctx context.Context, l *sender) {
	close(l.closing)
	l.end(ctx, l.wg.Wait)
}

// listen takes what the broker says by itself, until the connection has ended. What comes
// back it has noted before it takes anything else: a return is in front of the confirm of
// its message.
func (l *sender) listen(returns <-chan client.Return, blocks <-chan client.Blocking, closes <-chan *client.Error, lost func(error)) {
	for returns != nil || blocks != nil {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				if l.blocked.Load() != nil {
					l.alarm.Is(false, time.Now) // of the next connection it is news
				}
				e := <-closes // which was said before
				l.limit.Store(maxSize(e))
				switch {
				case e == nil:
					l.lose(nil, lost)
				case e.Code == client.AccessRefused || l.limit.Load() > 0: // because of a message
					l.lose(e, func(cause error) { lost(live.Provoked{Cause: cause}) })
				default:
					l.lose(e, lost)
				}
				continue
			}
			l.returned(&r)
		case b, ok := <-blocks:
			switch {
			case !ok:
				blocks = nil
			case b.Active:
				l.blocked.Store(&b.Reason)
				l.tell(cmp.Or(b.Reason, "no reason"))
			default:
				l.blocked.Store(nil)
				l.tell("")
			}
		case l.settle <- struct{}{}:
		}
	}
}

// write publishes letters, one after the other.
func (l *sender) write() {
	for {
		select {
		case m := <-l.outbox:
			l.publish(m)
			close(m.sent)
		case <-l.closing:
			return
		case <-l.lost:
			return
		}
	}
}

// beyond is how RabbitMQ says that a message is too long.
var beyond = regexp.MustCompile(`message size \d+ (?:is )?larger than (?:configured )?max size (\d+)`)

// maxSize returns how long a message may be, if a longer one was the reason for the end.
func maxSize(e *client.Error) int64 {
	if e == nil || e.Code != client.PreconditionFailed {
		return 0
	}
	if m := beyond.FindStringSubmatch(e.Reason); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64) // 0 if it is none
		return n
	}
	return 0
}

// fits returns the failure of a body that is known to be too long.
func (p *publication) fits(body []byte) error {
	if n := p.limit.Load(); n > 0 && int64(len(body)) > n {
		return &gateway.Error{Status: 413, Code: gateway.CodeTooLarge, Public: "the request body is too large",
			Err: fmt.Errorf("the message has %d bytes, and the max_message_size of the broker is %d", len(body), n)}
	}
	return nil
}

var errFull = fmt.Errorf("the broker has not confirmed %d messages", most)

func (l *sender) publish(m *letter) {
	l.clear()
	if len(l.open) >= most {
		m.err = gateway.Away(errFull)
		return
	}
	if l.returnable() {
		l.last++
		m.app = l.name + "#" + strconv.FormatUint(l.last, 10)
		m.out.AppId = m.app
		l.mu.Lock()
		l.due[m.app] = m
		l.mu.Unlock()
	}
	var err error
	m.word, err = l.ch.PublishWithDeferredConfirm(l.Topology.Exchange, m.key, l.Mandatory, l.Immediate, m.out)
	m.out = client.Publishing{}
	switch {
	case errors.Is(err, client.ErrClosed): // and not all of it was sent
		m.err = gateway.Away(errEnded)
	case err != nil:
		m.err = queue.Lost(err)
	default:
		l.open = append(l.open, m)
		return
	}
	l.forget(m)
}

// clear forgets the oldest letters of which the broker has said what became of them.
func (l *sender) clear() {
	n := 0
	for n < len(l.open) && l.open[n].settled() {
		n++
	}
	if n == 0 {
		return
	}
	if l.returnable() {
		l.note()
	}
	for _, m := range l.open[:n] {
		l.forget(m)
	}
	l.open = l.open[n:]
}

// note waits until it is noted what had come back before.
func (l *sender) note() {
	select {
	case <-l.settle:
	case <-l.lost:
	}
}

// settled reports whether the broker has said what became of a letter.
func (m *letter) settled() bool {
	select {
	case <-m.word.Done():
		return true
	default:
		return false
	}
}

// returned notes that a letter has come back, which the broker shows with its properties.
func (l *sender) returned(r *client.Return) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.due[r.AppId]; m != nil {
		m.back = fmt.Sprintf("%d %s", r.ReplyCode, r.ReplyText)
	}
}

// forget is for a letter that cannot come back any more.
func (l *sender) forget(m *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.due, m.app)
}

// Health is the state of the connection; one that the broker has blocked takes nothing.
func (p *Publisher) Health() (text string, ok bool) {
	text, ok = p.Conn.Health()
	if ok { // who asks for one that has failed wants it tried again
		if l, err := p.Get(); err == nil && l.blocked.Load() != nil {
			return "blocked", false
		}
	}
	return text, ok
}

// Publish sends a message of package queue.
func (p *Publisher) Publish(ctx context.Context, m *queue.Message) error {
	return p.Send(ctx, &Message{Body: m.Body, Key: m.Key, Header: m.Attributes, Type: m.Attributes.Get("Content-Type")})
}

// Send returns nil when the broker has confirmed the message. The errors are those of
// [queue.Publisher].
func (p *Publisher) Send(ctx context.Context, m *Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	if why := l.blocked.Load(); why != nil {
		return gateway.Away(fmt.Errorf("the broker takes no messages now: %s", *why))
	}
	letter, err := l.seal(m)
	if err != nil {
		return err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	select {
	case l.outbox <- letter:
	case <-l.lost:
		return gateway.Away(l.cause)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-letter.sent: // as it always is, once the socket takes it
	case <-ctx.Done():
		return ctx.Err()
	}
	if letter.err != nil {
		return letter.err
	}
	select {
	case <-letter.word.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	switch {
	case !letter.word.Acked() && !l.ch.IsClosed():
		return queue.Refused(errors.New("it says nack"))
	case !letter.word.Acked():
		<-l.lost // which is being said
		if err := l.fits(m.Body); err != nil {
			return err
		}
		return queue.Lost(l.cause)
	case l.returnable():
		l.note()
		l.mu.Lock()
		back := letter.back
		l.mu.Unlock()
		if back != "" {
			return queue.Refused(errors.New("it has come back: " + back))
		}
	}
	return nil
}

// short is how long texts may be that have a length of one byte in a frame.
const short = 255

// direct begins the addresses of RabbitMQ's direct reply-to, which a channel must listen to
// that sends one.
const direct = "amq.rabbitmq.reply-to"

// judge returns the failure of a message that the broker would answer with the end of the
// channel, or that goes where nobody has sent it.
func (m *Message) judge() error {
	bad := func(public string, cause error) error {
		return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: public, Err: cause}
	}
	for _, s := range []struct{ name, text string }{
		{"routing key", m.Key}, {"type", m.Type}, {"expiration", m.Expiration}, {"address for replies", m.ReplyTo}, {"ID", m.ID},
	} {
		if len(s.text) > short {
			return bad("the "+s.name+" of the message is too long", fmt.Errorf("the %s has %d bytes, and %d fit in", s.name, len(s.text), short))
		}
	}
	if _, err := strconv.ParseUint(m.Expiration, 10, 32); err != nil && m.Expiration != "" {
		return bad("the expiration is no number of milliseconds", errors.New("the expiration is no number of milliseconds"))
	}
	if strings.HasPrefix(m.ReplyTo, direct) {
		return bad("the address for replies is one of the broker's own", errors.New("the address for replies begins with "+direct))
	}
	for _, f := range m.Header {
		if f.Name == "CC" || f.Name == "BCC" { // which are more routing keys
			return bad("a header of the message is one of the broker's own", errors.New("the name of a header is "+f.Name))
		}
	}
	return nil
}

// seal makes a copy of a message, if it can be sent.
func (l *sender) seal(m *Message) (*letter, error) {
	if err := m.judge(); err != nil {
		return nil, err
	}
	if err := l.fits(m.Body); err != nil {
		return nil, err
	}
	size := len(m.Type) + len(m.Expiration) + len(m.ReplyTo) + len(m.ID) + len(l.name) + 96
	header := make(client.Table, len(m.Header))
	for _, f := range m.Header {
		size += len(f.Name) + len(f.Value) + 16
		if len(f.Name) > short {
			return nil, tooMuch(fmt.Errorf("a name of a header has %d bytes, and %d fit in", len(f.Name), short))
		}
		before, again := header[f.Name]
		switch {
		case l.Lists && again:
			header[f.Name] = append(before.([]any), strings.Clone(f.Value))
		case l.Lists:
			header[strings.Clone(f.Name)] = []any{strings.Clone(f.Value)}
		case !again:
			header[strings.Clone(f.Name)] = strings.Clone(f.Value)
		}
	}
	if limit := l.conn.Config.FrameSize - 8; limit > 0 && size > limit {
		return nil, tooMuch(fmt.Errorf("the headers have %d bytes, and %d fit into a frame of the broker", size, limit))
	}
	out := client.Publishing{
		Headers: header, ContentType: strings.Clone(m.Type), DeliveryMode: client.Transient, Priority: m.Priority,
		ReplyTo: strings.Clone(m.ReplyTo), Expiration: strings.Clone(m.Expiration), MessageId: strings.Clone(m.ID),
		Timestamp: m.Time, Body: bytes.Clone(m.Body),
	}
	if l.Persistent {
		out.DeliveryMode = client.Persistent
	}
	return &letter{key: strings.Clone(m.Key), out: out, sent: make(chan struct{})}, nil
}

// tooMuch is the failure of a header that no frame holds.
func tooMuch(err error) error {
	return &gateway.Error{Status: 431, Code: gateway.CodeBadRequest, Public: "the header is too large for a message", Err: err}
}
