package azuresbtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// The key that counts.
const (
	KeyName = "gateway"
	Key     = "c2VjcmV0LW9mLXRoZS1uYW1lc3BhY2U="
)

// Largest is how many bytes a message may have, with all that is around its body.
const Largest = 256 << 10

// A Message is one of a topic.
type Message struct {
	Body        []byte
	ContentType string
	Session     string
	Properties  map[string]any // of texts, numbers and the like
	Count       uint32         // how often it was delivered before
}

// A Server stands in for a namespace.
type Server struct {
	*testx.Proxy

	secure *tls.Config
	bearer string // a token of another kind that counts
	wg     sync.WaitGroup

	mu      sync.Mutex
	topics  map[string][]Message
	queues  map[string]*queue // by address, such as orders/Subscriptions/shipping
	conns   map[*conn]bool
	refusal symbol // of what is sent; "" for none
}

// A queue is a subscription.
type queue struct {
	topic    string
	messages []Message
	dead     []Message
}

// Options are those of a server.
type Options struct {
	TLS    *tls.Config // nil is in plain text, as that of an emulator
	Bearer string      // a token of Entra ID that counts beside the key
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{secure: o.TLS, bearer: o.Bearer, topics: make(map[string][]Message), queues: make(map[string]*queue), conns: make(map[*conn]bool)}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if s.secure != nil {
				c = tls.Server(c, s.secure)
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	s.Proxy = testx.NewProxy(t, l.Addr().String())
	return s
}

// ConnectionString returns one with the key.
func (s *Server) ConnectionString() string {
	_, port, _ := net.SplitHostPort(s.Address)
	text := fmt.Sprintf("Endpoint=sb://localhost:%s;SharedAccessKeyName=%s;SharedAccessKey=%s", port, KeyName, Key)
	if s.secure == nil {
		text += ";UseDevelopmentEmulator=true"
	}
	return text
}

// Topic makes a topic with subscriptions.
func (s *Server) Topic(name string, subscriptions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[name] = nil
	for _, sub := range subscriptions {
		s.queues[address(name, sub)] = &queue{topic: name}
	}
}

// Delete deletes a topic with its subscriptions.
func (s *Server) Delete(topic string) {
	s.mu.Lock()
	delete(s.topics, topic)
	maps.DeleteFunc(s.queues, func(_ string, q *queue) bool { return q.topic == topic })
	s.mu.Unlock()
	s.Detach("amqp:not-found")
}

func address(topic, subscription string) string { return topic + "/Subscriptions/" + subscription }

// Put publishes a message to a topic.
func (s *Server) Put(topic string, m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(topic, m)
}

// Messages returns those that were ever published to a topic.
func (s *Server) Messages(topic string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.topics[topic])
}

// Queue returns the messages of a subscription that nobody holds, and Dead its dead letters.
func (s *Server) Queue(topic, subscription string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queues[address(topic, subscription)].messages)
}

// Dead returns the dead letters of a subscription.
func (s *Server) Dead(topic, subscription string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queues[address(topic, subscription)].dead)
}

// Held returns how many messages connections hold.
func (s *Server) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		for _, ss := range c.sessions {
			n += len(ss.held)
		}
	}
	return n
}

// Refuse lets messages that are sent be rejected for a condition, such as
// amqp:resource-limit-exceeded; "" ends that.
func (s *Server) Refuse(condition string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = symbol(condition)
}

// Detach ends the links that there are, for a condition, as the service does now and then.
func (s *Server) Detach(condition string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		for _, ss := range c.sessions {
			for h, l := range ss.links {
				if !strings.HasPrefix(l.address, "$") {
					c.send(ss.ch, performative{detach, []any{h, true, failure(symbol(condition))}}, nil)
					delete(ss.links, h)
				}
			}
		}
	}
}

// End ends the connections that there are, for a condition, as the service does with those
// that nobody has used for a while.
func (s *Server) End(condition string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.send(0, performative{closing, []any{failure(symbol(condition))}}, nil)
	}
}

// publish hands a message on. The caller holds the lock.
func (s *Server) publish(topic string, m Message) {
	s.topics[topic] = append(s.topics[topic], m)
	for _, q := range s.queues {
		if q.topic == topic {
			q.messages = append(q.messages, m)
		}
	}
	s.pump()
}

// pump delivers as much as there is credit for. The caller holds the lock.
func (s *Server) pump() {
	for c := range s.conns {
		for _, ss := range c.sessions {
			for _, l := range ss.links {
				for q := s.queues[l.address]; q != nil && l.sends && l.credit > 0 && len(q.messages) > 0; {
					m := q.messages[0]
					q.messages = q.messages[1:]
					c.deliver(ss, l, m, q)
				}
			}
		}
	}
}

// Codes of performatives and states (part 2, section 2.7; part 3, section 3.4; part 5).
const (
	open        = 0x10
	begin       = 0x11
	attach      = 0x12
	flow        = 0x13
	transfer    = 0x14
	disposition = 0x15
	detach      = 0x16
	end         = 0x17
	closing     = 0x18
	mechanisms  = 0x40
	outcome     = 0x44

	accepted = 0x24
	rejected = 0x25
	released = 0x26
	modified = 0x27
)

// failure is an error of AMQP.
func failure(condition symbol) described {
	return described{0x1d, []any{condition, "the stand-in says so"}}
}

// A conn is a connection. All but reading is done with the server's lock held.
type conn struct {
	s        *Server
	c        net.Conn
	frame    uint32 // the largest that the client takes
	claims   map[string]bool
	sessions map[uint16]*session
}

type session struct {
	ch    uint16
	next  uint32 // delivery-id
	links map[uint32]*link
	held  map[uint32]*holding
}

type holding struct {
	m Message
	q *queue
}

// A link, by the handle of the client, which is ours, too.
type link struct {
	handle  uint32
	address string
	sends   bool   // we do
	credit  uint32 // that is left to us
	count   uint32 // delivery-count
	partial []byte
	id      uint32 // of the delivery that is partial
}

const window = 1 << 30

func (s *Server) serve(nc net.Conn) {
	c := &conn{s: s, c: nc, frame: 512, claims: make(map[string]bool), sessions: make(map[uint16]*session)}
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	defer func() {
		nc.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		for _, ss := range c.sessions {
			c.giveUp(ss)
		}
		s.pump()
	}()
	if err := c.greet(); err != nil {
		return
	}
	over := make(chan struct{})
	defer close(over)
	s.wg.Go(func() { c.beat(over) })
	for {
		ch, p, payload, err := c.read()
		if err != nil {
			return
		}
		s.mu.Lock()
		err = c.take(ch, p, payload)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// beat sends empty frames, which keep the connection up (part 2, section 2.4.5).
func (c *conn) beat(over <-chan struct{}) {
	every := time.NewTicker(20 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			c.s.mu.Lock()
			c.c.Write([]byte{0, 0, 0, 8, 2, 0, 0, 0})
			c.s.mu.Unlock()
		case <-over:
			return
		}
	}
}

// giveUp puts back what a session holds.
func (c *conn) giveUp(ss *session) {
	for _, h := range ss.held {
		h.m.Count++
		h.q.messages = append([]Message{h.m}, h.q.messages...)
	}
	ss.held = nil
}

// greet does what stands in front of the frames: SASL, then AMQP itself.
func (c *conn) greet() error {
	for _, header := range []string{"AMQP\x03\x01\x00\x00", "AMQP\x00\x01\x00\x00"} {
		var got [8]byte
		if _, err := io.ReadFull(c.c, got[:]); err != nil {
			return err
		}
		if string(got[:]) != header {
			io.WriteString(c.c, header)
			return errors.New("another protocol")
		}
		if _, err := io.WriteString(c.c, header); err != nil {
			return err
		}
		if header[4] != 3 {
			return nil
		}
		if err := c.write(1, 0, performative{mechanisms, []any{symbol("ANONYMOUS")}}, nil); err != nil {
			return err
		}
		if _, p, _, err := c.read(); err != nil || p.at(0) != symbol("ANONYMOUS") {
			return errors.New("another mechanism")
		}
		if err := c.write(1, 0, performative{outcome, []any{uint8(0)}}, nil); err != nil {
			return err
		}
	}
	return nil
}

// read reads a frame that is not empty.
func (c *conn) read() (ch uint16, p performative, payload []byte, err error) {
	for {
		var head [8]byte
		if _, err = io.ReadFull(c.c, head[:]); err != nil {
			return 0, p, nil, err
		}
		size := binary.BigEndian.Uint32(head[:])
		if size < 8 || size > 1<<20 || head[4] != 2 {
			return 0, p, nil, errors.New("a frame of an odd size")
		}
		body := make([]byte, size-8)
		if _, err = io.ReadFull(c.c, body); err != nil {
			return 0, p, nil, err
		}
		if len(body) == 0 {
			continue
		}
		v, rest, err := parse(body)
		if err != nil {
			return 0, p, nil, err
		}
		d, ok := v.(described)
		list, isList := d.value.([]any)
		if !ok || !isList {
			return 0, p, nil, errors.New("a frame that says nothing")
		}
		return binary.BigEndian.Uint16(head[6:]), performative{d.code, list}, rest, nil
	}
}

// send writes a frame of AMQP. A connection that cannot be written to is read to its end.
func (c *conn) send(ch uint16, p performative, payload []byte) { c.write(0, ch, p, payload) }

func (c *conn) write(kind byte, ch uint16, p performative, payload []byte) error {
	b := []byte{0, 0, 0, 0, 2, kind, byte(ch >> 8), byte(ch)}
	b = append(put(b, described{p.code, p.fields}), payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	_, err := c.c.Write(b)
	return err
}

// take does what a frame says.
func (c *conn) take(ch uint16, p performative, payload []byte) error {
	ss := c.sessions[ch]
	switch p.code {
	case open:
		if c.frame = p.number(2); c.frame == 0 {
			c.frame = 1 << 16
		}
		c.send(0, performative{open, []any{"stand-in", nil, uint32(1 << 16), uint16(65535)}}, nil)
		return nil
	case closing:
		c.send(0, performative{closing, nil}, nil)
		return io.EOF
	case begin:
		c.sessions[ch] = &session{ch: ch, links: make(map[uint32]*link), held: make(map[uint32]*holding)}
		c.send(ch, performative{begin, []any{ch, uint32(0), uint32(window), uint32(window), uint32(4096)}}, nil)
		return nil
	}
	if ss == nil {
		return errors.New("a frame of no session")
	}
	switch p.code {
	case end:
		c.giveUp(ss)
		delete(c.sessions, ch)
		c.send(ch, performative{end, nil}, nil)
		c.s.pump()
	case attach:
		c.attach(ss, p)
	case detach:
		if ss.links[p.number(0)] != nil {
			delete(ss.links, p.number(0))
			c.send(ch, performative{detach, []any{p.number(0), true}}, nil)
		}
	case flow:
		c.flow(ss, p)
	case transfer:
		return c.transfer(ss, p, payload)
	case disposition:
		c.settle(ss, p)
	}
	return nil
}

// attach makes a link, or refuses it by one without an end.
func (c *conn) attach(ss *session, p performative) {
	l := &link{handle: p.number(1), sends: p.is(2)}
	from, to := p.at(5), p.at(6)
	l.address = p.address(6)
	if l.sends {
		l.address = p.address(5)
	}
	entity := strings.TrimSuffix(l.address, "/$management")
	_, isTopic := c.s.topics[entity]
	var wrong symbol
	switch {
	case l.address == "$cbs":
	case !isTopic && c.s.queues[entity] == nil:
		wrong = "amqp:not-found"
	case !c.claims[strings.ToLower(entity)]:
		wrong = "amqp:unauthorized-access"
	}
	if wrong != "" {
		from, to = nil, nil
	}
	c.send(ss.ch, performative{attach, []any{p.text(0), l.handle, !l.sends, p.at(3), p.at(4), from, to, nil, nil, uint32(0), uint64(Largest)}}, nil)
	if wrong != "" {
		c.send(ss.ch, performative{detach, []any{l.handle, true, failure(wrong)}}, nil)
		return
	}
	ss.links[l.handle] = l
	if !l.sends {
		c.credit(ss, l)
	}
}

// credits is how many messages a client may send ahead.
const credits = 1000

func (c *conn) credit(ss *session, l *link) {
	c.send(ss.ch, performative{flow, []any{uint32(0), uint32(window), ss.next, uint32(window), l.handle, l.count, uint32(credits)}}, nil)
}

// flow takes credit.
func (c *conn) flow(ss *session, p performative) {
	handle, ok := p.at(4).(uint32)
	l := ss.links[handle]
	if !ok || l == nil || !l.sends {
		return
	}
	l.credit = p.number(5) + p.number(6) - l.count
	c.s.pump()
	if p.is(8) { // drain
		l.count += l.credit
		l.credit = 0
		c.send(ss.ch, performative{flow, []any{uint32(0), uint32(window), ss.next, uint32(window), l.handle, l.count, uint32(0), nil, true}}, nil)
	}
}

// transfer takes a message, or a part of one.
func (c *conn) transfer(ss *session, p performative, payload []byte) error {
	l := ss.links[p.number(0)]
	if l == nil {
		return nil // it was detached
	}
	if l.sends {
		return errors.New("a message against the link")
	}
	if id, ok := p.at(1).(uint32); ok {
		l.id = id
	}
	if l.partial = append(l.partial, payload...); p.is(5) {
		return nil
	}
	whole := l.partial
	l.partial = nil
	l.count++
	if l.count%(credits/2) == 0 {
		c.credit(ss, l)
	}
	var m Message
	var id any // message-id
	var value any
	properties := pairs(nil)
	for rest := whole; len(rest) > 0; {
		v, after, err := parse(rest)
		if err != nil {
			return err
		}
		rest = after
		switch d, _ := v.(described); d.code {
		case 0x73:
			list := performative{fields: fieldsOf(v)}
			id = list.at(0)
			kind, _ := list.at(6).(symbol)
			m.ContentType, m.Session = string(kind), list.text(10)
		case 0x74:
			properties, _ = d.value.(pairs)
		case 0x75:
			body, _ := d.value.([]byte)
			m.Body = append(m.Body, body...)
		case 0x77:
			value = d.value
		}
	}
	state := described{accepted, []any(nil)}
	switch {
	case l.address == "$cbs":
		c.answer(ss, l.address, id, c.claim(properties, value))
	case strings.HasSuffix(l.address, "/$management"):
		status := int32(501)
		if properties.get("operation") == "com.microsoft:peek-message" {
			status = 204
		}
		c.answer(ss, l.address, id, status)
	case c.s.refusal != "":
		state = described{rejected, []any{failure(c.s.refusal)}}
	case len(whole) > Largest:
		state = described{rejected, []any{failure("amqp:link:message-size-exceeded")}}
	default:
		m.Properties = make(map[string]any)
		for i := 0; i+1 < len(properties); i += 2 {
			m.Properties[fmt.Sprint(properties[i])] = properties[i+1]
		}
		c.s.publish(l.address, m)
	}
	if !p.is(4) {
		c.send(ss.ch, performative{disposition, []any{true, l.id, l.id, true, state}}, nil)
	}
	return nil
}

// claim notes that the client may use an entity, if its token is right.
func (c *conn) claim(properties pairs, value any) (status int32) {
	audience, _ := properties.get("name").(string)
	token, _ := value.(string)
	u, err := url.Parse(audience)
	if err != nil || properties.get("operation") != "put-token" {
		return 400
	}
	switch properties.get("type") {
	case "servicebus.windows.net:sastoken":
		if !signed(token, audience) {
			return 401
		}
	case "jwt":
		if c.s.bearer == "" || token != c.s.bearer {
			return 401
		}
	default:
		return 400
	}
	c.claims[strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/$management"))] = true
	return 202
}

// signed recomputes the signature of a token ("Service Bus access control with Shared Access
// Signatures").
func signed(token, audience string) bool {
	rest, found := strings.CutPrefix(token, "SharedAccessSignature ")
	parts := make(map[string]string)
	for part := range strings.SplitSeq(rest, "&") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	h := hmac.New(sha256.New, []byte(Key))
	io.WriteString(h, parts["sr"]+"\n"+parts["se"])
	sr, err := url.QueryUnescape(parts["sr"])
	signature, err2 := url.QueryUnescape(parts["sig"])
	return found && err == nil && err2 == nil && parts["skn"] == KeyName && strings.EqualFold(sr, audience) &&
		signature == base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// answer sends an answer to a request at an address, on the link of the same session.
func (c *conn) answer(ss *session, address string, id any, status int32) {
	for _, l := range ss.links {
		if l.sends && l.address == address {
			payload := put(nil, described{0x73, []any{nil, nil, nil, nil, nil, id}})
			payload = put(payload, described{0x74, pairs{"status-code", status, "status-description", "so it is"}})
			payload = put(payload, described{0x77, nil})
			c.send(ss.ch, performative{transfer, []any{l.handle, ss.next, []byte{1}, uint32(0), true}}, payload)
			ss.next++
			l.count++
			l.credit--
		}
	}
}

// deliver sends a message, in several frames if it is large.
func (c *conn) deliver(ss *session, l *link, m Message, q *queue) {
	properties := pairs{}
	for name, value := range m.Properties {
		properties = append(properties, name, value)
	}
	kind, group := any(nil), any(nil)
	if m.ContentType != "" {
		kind = symbol(m.ContentType)
	}
	if m.Session != "" {
		group = m.Session
	}
	payload := put(nil, described{0x70, []any{true, uint8(4), nil, nil, m.Count}})
	payload = put(payload, described{0x72, pairs{symbol("x-opt-sequence-number"), int64(1), symbol("x-opt-locked-until"), millis(time.Now().Add(time.Minute).UnixMilli())}})
	payload = put(payload, described{0x73, []any{"id", nil, nil, nil, nil, nil, kind, nil, nil, nil, group}})
	payload = put(payload, described{0x74, properties})
	payload = put(payload, described{0x75, m.Body})
	tag := make([]byte, 16) // a lock token is one of 16 bytes
	binary.BigEndian.PutUint32(tag, ss.next)
	id := ss.next
	ss.next++
	l.count++
	l.credit--
	ss.held[id] = &holding{m, q}
	fields := []any{l.handle, id, tag, uint32(0), false, false}
	for most := int(c.frame) - 128; len(payload) > most; {
		fields[5] = true
		c.send(ss.ch, performative{transfer, fields}, payload[:most])
		payload = payload[most:]
		fields = []any{l.handle, nil, nil, nil, false, false}
	}
	fields[5] = false
	c.send(ss.ch, performative{transfer, fields}, payload)
}

// settle does with deliveries what the client says, and says that it is done.
func (c *conn) settle(ss *session, p performative) {
	first, last := p.number(1), p.number(1)
	if n, ok := p.at(2).(uint32); ok {
		last = n
	}
	state, _ := p.at(4).(described)
	for id := first; id <= last; id++ {
		h := ss.held[id]
		if h == nil {
			continue
		}
		delete(ss.held, id)
		switch state.code {
		case rejected: // whose error is not told back
			p.fields[4] = described{rejected, []any(nil)}
			h.q.dead = append(h.q.dead, h.m)
		case released, modified:
			h.m.Count++
			h.q.messages = append([]Message{h.m}, h.q.messages...)
		}
	}
	if !p.is(3) {
		c.send(ss.ch, performative{disposition, []any{false, first, last, true, p.at(4)}}, nil)
	}
	c.s.pump()
}
