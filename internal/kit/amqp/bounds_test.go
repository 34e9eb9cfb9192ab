package amqp_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestTexts: whatever a client writes into a message is sent or refused, and the connection is
// the same afterwards.
func TestTexts(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "texts", "texts")
	fields := func(name, value string) gateway.Fields { return gateway.Fields{{Name: name, Value: value}} }
	for _, lists := range []bool{false, true} {
		p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("texts"), Lists: lists, Mandatory: true})
		queuetest.Ready(t, p)
		before, err := p.Get()
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			m      amqp.Message
			status int // 0 is sent
		}{
			{amqp.Message{ReplyTo: "amq.rabbitmq.reply-to"}, 400},
			{amqp.Message{ReplyTo: "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAy.Sw=="}, 400},
			{amqp.Message{ReplyTo: "amq.gen-x"}, 0},
			{amqp.Message{ReplyTo: "\x00\xff\r\n"}, 0},
			{amqp.Message{Key: "amq.rabbitmq.reply-to"}, 0},
			{amqp.Message{Key: "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAy.Sw=="}, 0},
			{amqp.Message{Key: "\x00\xff\r\n"}, 0},
			{amqp.Message{Key: "*.#"}, 0},
			{amqp.Message{Key: strings.Repeat(".", 255)}, 0},
			{amqp.Message{ID: "\x00\xff\r\n", Type: "\x00\xff"}, 0},
			{amqp.Message{Priority: 255}, 0},
			{amqp.Message{Expiration: "-1"}, 400},
			{amqp.Message{Expiration: "+1"}, 400},
			{amqp.Message{Expiration: " 1"}, 400},
			{amqp.Message{Expiration: "1e3"}, 400},
			{amqp.Message{Expiration: "4294967296"}, 400},
			{amqp.Message{Expiration: "4294967295"}, 0},
			{amqp.Message{Header: fields("CC", "elsewhere")}, 400},
			{amqp.Message{Header: fields("BCC", "elsewhere")}, 400},
			{amqp.Message{Header: fields("Cc", "elsewhere")}, 0},
			{amqp.Message{Header: fields("cc", "elsewhere")}, 0},
			{amqp.Message{Header: fields("x-delay", "soon")}, 0},
			{amqp.Message{Header: fields("x-death", "soon")}, 0},
			{amqp.Message{Header: fields("x-match", "all")}, 0},
			{amqp.Message{Header: fields("x-delivery-count", "-1")}, 0},
			{amqp.Message{Header: fields("x-received-from", "me")}, 0},
			{amqp.Message{Header: fields("timestamp_in_ms", "x")}, 0},
			{amqp.Message{Header: fields("", "")}, 0},
			{amqp.Message{Header: fields("\x00\xff", "\x00\xff\r\n")}, 0},
		} {
			err := p.Send(queuetest.Within(t, time.Minute), &tt.m)
			if tt.status == 0 && err != nil || tt.status != 0 && (err == nil || gateway.AsError(err).Status != tt.status) {
				t.Errorf("%+q: %v, want %d", tt.m, err, tt.status)
			}
			if tt.status == 0 && tt.m.Expiration == "" {
				if d := take(); d == nil {
					t.Errorf("%+q: it is not there", tt.m)
				}
			}
			if now, err := p.Get(); now != before || err != nil {
				t.Fatalf("%+q has ended the connection: %v", tt.m, err)
			}
		}
		for take() != nil {
		}
	}
}

// TestReturnedEqual: of messages that differ in a header alone each is told what became of it,
// however many are under way.
func TestReturnedEqual(t *testing.T) {
	const n = 4000
	s := amqptest.Start(t)
	ch := s.Channel(t)
	err := ch.ExchangeDeclare("equal", client.ExchangeHeaders, true, false, false, false, nil)
	if err == nil {
		_, err = ch.QueueDeclare("equal", true, false, false, false, nil)
	}
	if err == nil {
		err = ch.QueueBind("equal", "", "equal", false, client.Table{"x-match": "all", "X-T": "1"})
	}
	if err != nil {
		t.Fatal(err)
	}
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("equal"), Existing: true, Mandatory: true, Persistent: true})
	queuetest.Ready(t, p)
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrong := make(map[string]int)
	for worker := range 16 {
		wg.Go(func() {
			for i := range n / 16 {
				to, want := "1", ""
				if (worker+i)%2 == 1 {
					to, want = "0", gateway.CodeBackendStatus
				}
				err := p.Send(queuetest.Within(t, time.Minute), &amqp.Message{Header: gateway.Fields{{Name: "X-T", Value: to}}})
				if queuetest.Code(err) != want || want != "" && !strings.Contains(err.Error(), "312 NO_ROUTE") {
					mu.Lock()
					wrong[fmt.Sprintf("%s: %v", to, err)]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if count := s.Count(t, "equal"); len(wrong) > 0 || count != n/2 {
		t.Errorf("%d are in the queue, want %d; wrong were %v", count, n/2, wrong)
	}
}

// TestMaxSize: of a message that is larger than the broker takes those who publish beside it
// hear once at most, until the broker takes more.
func TestMaxSize(t *testing.T) {
	const limit = 100_000
	s := amqptest.Start(t)
	s.Queue(t, "size", "size")
	s.MaxSize(t, limit)
	defer s.MaxSize(t, amqptest.DefaultMaxSize)
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("size"), Persistent: true})
	queuetest.Ready(t, p)
	send := func(size int) error {
		return p.Send(queuetest.Within(t, time.Minute), &amqp.Message{Body: make([]byte, size)})
	}
	if err := send(limit); err != nil {
		t.Fatal(err)
	}
	tooLarge := func() {
		t.Helper()
		if e := gateway.AsError(send(limit + 1)); e.Status != 413 || e.Code != gateway.CodeTooLarge {
			t.Errorf("what is too large: %v", e)
		}
	}
	tooLarge()
	queuetest.Ready(t, p)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := send(1000); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		tooLarge()
	}
	wg.Wait()
	if err := send(limit); err != nil {
		t.Error(err)
	}
	s.MaxSize(t, 2*limit)
	s.Cut()
	testx.Await(t, func() error { return send(limit + 1) })
	if n := s.Count(t, "size"); n != 403 {
		t.Errorf("%d messages are there, want 403", n)
	}
}

// TestUnfit: a message that is larger than it may be, or has a header that nobody reads, is
// received as one that is not there, as often as it is given back, until it is dropped; those
// beside it are received by the same connection.
func TestUnfit(t *testing.T) {
	const limit = 1 << 19
	s := amqptest.Start(t)
	for _, ahead := range []int{0, 2} {
		name := fmt.Sprint("unfit-", ahead)
		dead := name + "-dead"
		s.Queue(t, dead, dead)
		e := newEnds(t, s.URL)
		o := amqp.Subscribing{Topology: durable(name), Limit: limit, Prefetch: ahead}
		o.Topology.DeadLetters = dead
		sub := e.subscriber(t, o)
		queuetest.Ready(t, sub)
		ch := s.Channel(t)
		_, err := ch.QueueDeclare(name+"-first", true, false, false, false, client.Table{"x-message-ttl": int32(0), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
		if err != nil {
			t.Fatal(err)
		}
		wide, deep := make(client.Table), client.Table{}
		for i := range 8193 {
			wide[fmt.Sprint(i)] = nil
		}
		for range 40 {
			deep = client.Table{"deeper": deep}
		}
		s.Put(t, name, client.Publishing{Body: make([]byte, 2*limit)}, client.Publishing{Body: make([]byte, limit)},
			client.Publishing{Headers: wide}, client.Publishing{Body: []byte("a")}, client.Publishing{Headers: deep, Body: []byte("b")})
		s.Put(t, name+"-first", client.Publishing{Headers: client.Table{"long": strings.Repeat("x", 131_000)}}) // to which its death is added
		testx.Await(t, func() error {
			if n := s.Count(t, name) + ahead; n != 6 {
				return fmt.Errorf("%d messages", n)
			}
			return nil
		})
		connection, err := sub.Get()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		again := 0
		for len(got) < 6 {
			d, err := sub.Receive(queuetest.Within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			switch m := d.Message(); {
			case m.Fault == nil:
				got = append(got, fmt.Sprint(len(m.Body)))
				err = d.Ack(t.Context())
			case len(m.Body) > 0:
				t.Errorf("%s: it has %d bytes of what is not there", name, len(m.Body))
			case m.Redelivered == 0:
				err = d.Nack(t.Context(), true)
				again++
			default:
				got = append(got, queuetest.Code(m.Fault))
				err = d.Nack(t.Context(), false)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(got)
		if want := "[1 524288 backend_invalid backend_invalid backend_invalid backend_too_large]"; fmt.Sprint(got) != want {
			t.Errorf("%s: received %v, want %s", name, got, want)
		}
		testx.Await(t, func() error {
			if n, left := s.Count(t, dead), s.Count(t, name); n != 4 || left != 0 || again != 4 {
				return fmt.Errorf("%s: %d among the dead letters, %d left, %d came again", name, n, left, again)
			}
			return nil
		})
		if now, err := sub.Get(); now != connection || err != nil {
			t.Errorf("%s: the connection was lost, %v:\n%s", name, err, e.Log.String())
		}
	}
}
