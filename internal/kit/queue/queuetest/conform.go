package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A Network is between a driver and its broker, such as a [testx.Proxy].
type Network interface {
	Cut()             // ends all connections
	Stop()            // and refuses others, until Restart
	Restart()         //
	Hold()            // keeps back what the broker says, until Resume
	Resume()          //
	Connections() int // how many there are
}

// A Stand is a broker for a driver: a queue that is empty, and a topic that leads there.
type Stand struct {
	Network
	Ends               *Ends  // of a gateway that has opened nothing
	Host, Topic, Queue string // the halves of the addresses
	Server             string // the option; "" where Ends know it
	Name               string // how the log calls the broker first; "" for one without a log

	// Forgets is that the broker does so when a message is sent: what was lost with a
	// connection does not come again.
	Forgets bool

	// Polls is that each call is one of its own: nothing is lost with a connection, and none
	// has to be there.
	Polls bool

	// Expire shows messages again that were sent and not ended, of which an acknowledgement
	// may be too late then, where the broker does so by the clock; nil where it notices a
	// connection that is lost.
	Expire func()

	// Uncounted is that nobody tells how often a message was delivered.
	Uncounted bool

	// Filled is that a message without a body is refused, as a mistake of the client.
	Filled bool
}

// Conform holds a driver against what package queue says of drivers. Stand returns a new one,
// whose queue no other has.
func Conform(t *testing.T, stand func(t *testing.T) *Stand) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s *Stand)
	}{
		{"messages are what they were", messages},
		{"what is given back comes again", givenBack},
		{"who waits gets a message of his own", waiting},
		{"time is over", late},
		{"the broker goes and comes back", away},
		{"a connection is lost with a delivery", lost},
		{"generations follow each other", generations},
		{"many messages, and connections that are cut", many},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, stand(t)) })
	}
}

// address returns that of the topic or the queue.
func (s *Stand) address(t testing.TB, rest string) *queue.Address {
	t.Helper()
	a := s.Ends.Address(t, s.Host, rest)
	a.Server = s.Server
	return a
}

// open opens both ends.
func (s *Stand) open(t testing.TB) (queue.Publisher, queue.Subscriber) {
	t.Helper()
	return s.Ends.Publisher(t, s.address(t, s.Topic)), s.Ends.Subscriber(t, s.address(t, s.Queue))
}

// ready opens both ends and waits until messages go through.
func (s *Stand) ready(t testing.TB) (queue.Publisher, queue.Subscriber) {
	t.Helper()
	p, sub := s.open(t)
	Ready(t, p)
	Ready(t, sub)
	return p, sub
}

// publish publishes a body, which has to be taken.
func publish(t testing.TB, p queue.Publisher, body string) {
	t.Helper()
	if err := p.Publish(Within(t, time.Minute), &queue.Message{Body: []byte(body)}); err != nil {
		t.Fatalf("publishing %q: %v", body, err)
	}
}

// take returns the next delivery, which has to come.
func (s *Stand) take(t testing.TB, sub queue.Subscriber) queue.Delivery {
	t.Helper()
	got := make(chan queue.Delivery, 1)
	var failed error
	go func() {
		d, err := sub.Receive(Within(t, time.Minute))
		failed = err
		got <- d
	}()
	s.await(t, func() (int, error) {
		if len(got) == 0 {
			return 0, errors.New("nothing has come")
		}
		return 1, nil
	})
	d := <-got
	if failed != nil {
		t.Fatalf("receiving: %v", failed)
	}
	return d
}

// await waits until f returns nil, and how many messages have come. What was sent to somebody
// who has gone is shown again when none comes for a while, and less and less often, so that
// the acknowledgements of others are in time.
func (s *Stand) await(t testing.TB, f func() (come int, err error)) {
	t.Helper()
	last, same, most := 0, 0, 200
	testx.Await(t, func() error {
		come, err := f()
		if same++; come != last {
			last, same = come, 0
		}
		if err != nil && same == most && s.Expire != nil {
			s.Expire()
			same, most = 0, 2*most
		}
		return err
	})
}

// ack ends a delivery.
func ack(t testing.TB, d queue.Delivery) {
	t.Helper()
	if err := d.Ack(Within(t, time.Minute)); err != nil {
		t.Errorf("acknowledging %q: %v", d.Message().Body, err)
	}
}

// empty checks that no message is there: the next that is published is the next that comes.
func empty(t testing.TB, p queue.Publisher, s queue.Subscriber) {
	t.Helper()
	const last = "the last"
	testx.Await(t, func() error { return p.Publish(Within(t, time.Minute), &queue.Message{Body: []byte(last)}) })
	testx.Await(t, func() error {
		d, err := s.Receive(Within(t, time.Minute))
		if err != nil {
			return err
		}
		if text := string(d.Message().Body); text != last {
			t.Errorf("%.40q is there", text)
		}
		ack(t, d)
		return nil
	})
}

// messages: bodies and attributes are what was published, whatever becomes of the memory.
func messages(t *testing.T, s *Stand) {
	p, sub := s.ready(t)
	for _, m := range []queue.Message{
		{Body: []byte(`{"id":1}`), Attributes: gateway.Fields{{Name: "X-Path", Value: "a b/c%2F"}, {Name: "X-B", Value: "2"}}},
		{Body: []byte("\x00\xff")},
		{},
		{Body: bytes.Repeat([]byte("x"), 100_000)},
	} {
		want := bytes.Clone(m.Body)
		if s.Filled && len(want) == 0 {
			if err := p.Publish(Within(t, time.Minute), &m); Code(err) != gateway.CodeBadRequest {
				t.Errorf("publishing nothing: %v", err)
			}
			continue
		}
		if err := p.Publish(Within(t, time.Minute), &m); err != nil {
			t.Fatal(err)
		}
		clear(m.Body)
		d := s.take(t, sub)
		got := d.Message()
		if !bytes.Equal(got.Body, want) || len(got.Attributes) != len(m.Attributes) || got.Redelivered != 0 {
			t.Errorf("received %.40q, %v, redelivered %d; want %.40q, %v", got.Body, got.Attributes, got.Redelivered, want, m.Attributes)
		}
		for _, f := range m.Attributes {
			if got.Attributes.Get(f.Name) != f.Value {
				t.Errorf("received %v, want %v", got.Attributes, m.Attributes)
			}
		}
		ack(t, d)
	}
	empty(t, p, sub)
}

// givenBack: what is given back comes again, and says so; what is dropped does not. A delivery
// ends once.
func givenBack(t *testing.T, s *Stand) {
	p, sub := s.ready(t)
	publish(t, p, "a")
	for i := range 3 {
		d := s.take(t, sub)
		least := min(i, 1)
		if s.Uncounted {
			least = 0
		}
		if m := d.Message(); string(m.Body) != "a" || m.Redelivered < least || m.Redelivered > i {
			t.Errorf("delivery %d: %.40q, redelivered %d", i, m.Body, m.Redelivered)
		}
		if err := d.Nack(Within(t, time.Minute), i < 2); err != nil {
			t.Errorf("giving back: %v", err)
		}
		d.Nack(Within(t, time.Minute), true) // is an error, or nothing
	}
	empty(t, p, sub)
}

// watched is a context that tells when somebody begins to wait for its end.
type watched struct {
	context.Context
	waits func()
}

// Done returns what is closed at the end.
func (c watched) Done() <-chan struct{} {
	c.waits()
	return c.Context.Done()
}

// waiting: who leaves takes none along, and each of several who wait gets a message.
func waiting(t *testing.T, s *Stand) {
	p, sub := s.ready(t)
	ctx, leave := context.WithCancel(t.Context())
	var wg, come sync.WaitGroup
	for range 10 {
		come.Add(1)
		wg.Go(func() {
			if d, err := sub.Receive(watched{ctx, sync.OnceFunc(come.Done)}); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v, %v", d, err)
			}
		})
	}
	come.Wait()
	leave()
	wg.Wait()
	const n = 3
	got := make(chan string, n)
	for range n {
		wg.Go(func() {
			d, err := sub.Receive(Within(t, time.Minute))
			if err != nil {
				got <- err.Error()
				return
			}
			ack(t, d)
			got <- string(d.Message().Body)
		})
	}
	for i := range n {
		publish(t, p, fmt.Sprint(i))
	}
	s.await(t, func() (int, error) {
		if come := len(got); come < n {
			return come, fmt.Errorf("%d of %d have come", come, n)
		}
		return n, nil
	})
	wg.Wait()
	seen := make(map[string]bool)
	for range n {
		seen[<-got] = true
	}
	if len(seen) != n || !seen["0"] {
		t.Errorf("%d who waited got %v", n, seen)
	}
	empty(t, p, sub)
}

// late: a broker that says nothing costs no more than the time of the request.
func late(t *testing.T, s *Stand) {
	p, sub := s.ready(t)
	s.Hold()
	if err := p.Publish(Within(t, 20*time.Millisecond), &queue.Message{Body: []byte("a")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publishing to a broker that is silent: %v", err)
	}
	s.Resume()
	testx.Await(t, func() error { return p.Publish(Within(t, time.Minute), &queue.Message{Body: []byte("b")}) })
	for body := ""; body != "b"; { // the one before may be there or not
		d := s.take(t, sub)
		ack(t, d)
		body = string(d.Message().Body)
	}
	for {
		d, err := sub.Receive(Within(t, 20*time.Millisecond))
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("nothing is there: %v", err)
			}
			break
		}
		ack(t, d)
	}
}

// away: a broker that is not there is told of at once, at the start and later, and found
// again.
func away(t *testing.T, s *Stand) {
	s.Stop()
	p, sub := s.open(t)
	gone := func(when string, err error) {
		t.Helper()
		if Code(err) != gateway.CodeBackendAway {
			t.Errorf("%s: %v", when, err)
		}
	}
	gone("publishing at the start", p.Publish(t.Context(), new(queue.Message)))
	_, err := sub.Receive(t.Context())
	gone("receiving at the start", err)
	if text, ok := sub.Health(); ok {
		t.Errorf("health at the start: %s", text)
	}
	s.Restart()
	if err := sub.Wait(Within(t, time.Minute)); err != nil {
		t.Error(err)
	}
	for range 2 {
		Ready(t, p)
		Ready(t, sub)
		waits := make(chan error, 1)
		go func() { _, err := sub.Receive(context.Background()); waits <- err }()
		testx.Await(t, func() error { // it may wait, or come when the broker is away
			s.Stop()
			select {
			case err := <-waits:
				gone("who waited", err)
				return nil
			default:
				return errors.New("who waited is not told")
			}
		})
		testx.Await(t, func() error {
			if err := p.Publish(Within(t, time.Minute), &queue.Message{Body: []byte("a")}); Code(err) != gateway.CodeBackendAway {
				return fmt.Errorf("publishing: %w", err)
			}
			return nil
		})
		Away(t, p)
		s.Restart()
	}
	Ready(t, p)
	Ready(t, sub)
	publish(t, p, "back")
	d := s.take(t, sub)
	ack(t, d)
	if string(d.Message().Body) != "back" {
		t.Errorf("received %.40q", d.Message().Body)
	}
	testx.Await(t, func() error { return s.told("peer is away", "peer is back") })
}

// told returns nil if each of the lines is in the log, and names the broker.
func (s *Stand) told(lines ...string) error {
	if s.Name == "" {
		return nil
	}
	log := s.Ends.Log.String()
	for _, line := range lines {
		if !slices.ContainsFunc(strings.Split(log, "\n"), func(text string) bool {
			return strings.Contains(text, line) && strings.Contains(strings.ReplaceAll(text, `"`, ""), "peer="+s.Name)
		}) {
			return fmt.Errorf("nobody says %q of %s:\n%.2000s", line, s.Name, log)
		}
	}
	return nil
}

// lost: a message that was received and not ended comes again when its connection is lost, and
// says so.
func lost(t *testing.T, s *Stand) {
	p, sub := s.ready(t)
	publish(t, p, "a")
	d := s.take(t, sub)
	if s.Polls {
		s.Cut()
		if d.Ack(Within(t, time.Minute)) != nil {
			s.Expire()
			Ready(t, sub)
			ack(t, s.take(t, sub))
		}
		empty(t, p, sub)
		return
	}
	void, knows := d.(interface{ Void() bool })
	if knows && void.Void() {
		t.Error("a delivery is void before its connection is lost")
	}
	s.Stop()
	Away(t, sub)
	if knows {
		testx.Await(t, func() error {
			if !void.Void() {
				return errors.New("a delivery outlives its connection")
			}
			return nil
		})
	}
	if err := d.Ack(Within(t, time.Minute)); err == nil && !s.Forgets {
		t.Error("an acknowledgement that nobody hears")
	}
	s.Restart()
	Ready(t, sub)
	if !s.Forgets {
		d := s.take(t, sub)
		if m := d.Message(); string(m.Body) != "a" || m.Redelivered == 0 {
			t.Errorf("received %.40q, redelivered %d", m.Body, m.Redelivered)
		}
		ack(t, d)
	}
	empty(t, p, sub)
}

// generations: a reload keeps connections, who waits, and deliveries that have not ended; the
// last end lets go of all.
func generations(t *testing.T, s *Stand) {
	e := s.Ends
	open := func() (queue.Publisher, queue.Subscriber) {
		site := &e.EndpointSite().Site
		address := func(rest string) *queue.Address {
			a, err := queue.NewAddress(site, "site", "url", s.Host, rest)
			if err != nil {
				t.Fatal(err)
			}
			a.Server = s.Server
			return a
		}
		p, err := queue.OpenPublisher(site, address(s.Topic))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := queue.OpenSubscriber(site, address(s.Queue))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(queue.Attend(site, "p", false, p), queue.Attend(site, "s", false, sub)); err != nil {
			t.Fatal(err)
		}
		e.Start(t)
		return p, sub
	}
	p, sub := open()
	Ready(t, p)
	Ready(t, sub)
	publish(t, p, "held")
	held := s.take(t, sub)
	got := make(chan string)
	go func() {
		defer close(got)
		for range 2 {
			d, err := sub.Receive(Within(t, time.Minute))
			if err != nil {
				got <- err.Error()
				return
			}
			ack(t, d)
			got <- string(d.Message().Body)
		}
	}()
	publish(t, p, "before")
	if text := <-got; text != "before" {
		t.Errorf("got %s in front of the reload", text)
	}
	connections := s.Connections()
	before := e.Env
	e.Reload(t)
	p2, sub2 := open()
	if err := errors.Join(before.Close(t.Context()), before.Release()); err != nil {
		t.Fatal(err)
	}
	if n := s.Connections(); sub2 != sub || n != connections && !s.Polls {
		t.Errorf("%d connections behind the reload, %d before; the same subscriber: %t", n, connections, sub2 == sub)
	}
	publish(t, p2, "behind")
	if text := <-got; text != "behind" {
		t.Errorf("got %s behind the reload", text)
	}
	<-got
	ack(t, held)
	end := func() {
		if err := errors.Join(e.Env.Close(t.Context()), e.Env.Release()); err != nil {
			t.Fatal(err)
		}
	}
	end()
	if err := p.Publish(t.Context(), &queue.Message{Body: []byte("a")}); Code(err) != gateway.CodeBackendAway {
		t.Errorf("publishing behind the end: %v", err)
	}
	if _, err := sub.Receive(t.Context()); Code(err) != gateway.CodeBackendAway {
		t.Errorf("receiving behind the end: %v", err)
	}
	e.Reload(t)
	p, sub = open()
	Ready(t, p)
	Ready(t, sub)
	empty(t, p, sub)
	end()
	if !s.Polls {
		testx.Await(t, func() error {
			if n := s.Connections(); n != 0 {
				return fmt.Errorf("%d connections behind the end", n)
			}
			return nil
		})
	}
}

// many: each message that was published without an error is received, unless the broker forgets.
func many(t *testing.T, s *Stand) {
	const n = 2000
	p, sub := s.ready(t)
	var mu sync.Mutex
	seen := make(map[string]bool)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				d, err := sub.Receive(ctx)
				if err != nil {
					sub.Wait(ctx)
					continue
				}
				mu.Lock()
				seen[string(d.Message().Body)] = true
				mu.Unlock()
				d.Ack(Within(t, time.Minute)) // of which nobody may hear: then it comes again
			}
		})
	}
	taken := Many(n, func(i int) bool {
		err := p.Publish(Within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i)})
		if Code(err) == gateway.CodeBackendAway {
			Ready(t, p)
		}
		return err == nil
	}, func(i int) {
		if i%500 == 250 {
			s.Cut()
		}
	})
	if len(taken) < n/2 {
		t.Errorf("%d were taken of %d", len(taken), n)
	}
	if !s.Forgets {
		s.await(t, func() (int, error) {
			mu.Lock()
			defer mu.Unlock()
			for i := range taken {
				if !seen[fmt.Sprint(i)] {
					return len(seen), fmt.Errorf("message %d was taken and has not come; %d have", i, len(seen))
				}
			}
			return len(seen), nil
		})
	}
	stop()
	readers.Wait()
}

// Many sends n messages, several at a time, and returns those of which send says that they are
// taken. In front of each, at is called, by one goroutine.
func Many(n int, send func(i int) bool, at func(i int)) (taken map[int]bool) {
	taken = make(map[int]bool)
	var mu sync.Mutex
	next := make(chan int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for i := range next {
				if send(i) {
					mu.Lock()
					taken[i] = true
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		at(i)
		next <- i
	}
	close(next)
	wg.Wait()
	return taken
}
