package amqp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
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
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestMany: RabbitMQ is killed and started again in the middle of 10,000 messages each way.
// Each message that was sent without an error is in the queue. Of those in another queue each
// is received, more than once only if it says so.
func TestMany(t *testing.T) {
	const n, workers = 10_000, 20
	s := amqptest.Start(t)
	s.Queue(t, "many", "many")
	e := newEnds(t, s.URL)
	p := e.publisher(t, amqp.Publishing{Topology: exchange("many"), Persistent: true, Mandatory: true})
	sub := e.subscriber(t, amqp.Subscribing{Topology: durable("read")})
	queuetest.Ready(t, p)
	queuetest.Ready(t, sub)
	stock := make([]client.Publishing, n)
	for i := range stock {
		stock[i] = client.Publishing{Body: fmt.Append(nil, i), DeliveryMode: client.Persistent}
	}
	fill(t, s.Channel(t), "read", stock)

	var mu sync.Mutex
	seen, again := make(map[string]int), 0
	half := make(chan bool, 1)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				all := len(seen) == n
				if len(seen) >= n/2 {
					select {
					case half <- true:
					default:
					}
				}
				mu.Unlock()
				if all {
					return
				}
				d, err := sub.Receive(queuetest.Within(t, 100*time.Millisecond))
				if err != nil {
					if queuetest.Code(err) == gateway.CodeBackendAway {
						sub.Wait(queuetest.Within(t, time.Minute))
					}
					continue
				}
				mu.Lock()
				body := string(d.Message().Body)
				if seen[body]++; seen[body] > 1 {
					again++
					if d.Message().Redelivered == 0 {
						t.Errorf("%s comes again and does not say so", body)
					}
				}
				mu.Unlock()
				d.Ack(t.Context()) // of which nobody may hear: then it comes again
			}
		})
	}
	taken := queuetest.Many(n, func(i int) bool {
		err := p.Send(queuetest.Within(t, time.Minute), &amqp.Message{Body: fmt.Append(nil, i), Key: "k"})
		if queuetest.Code(err) == gateway.CodeBackendAway {
			p.Wait(queuetest.Within(t, time.Minute))
		}
		return err == nil
	}, func(i int) {
		if i != n/2 {
			return
		}
		<-half
		s.Kill()
		wg.Go(func() {
			if err := s.Revive(); err != nil {
				t.Error(err)
			}
		})
	})
	wg.Wait()
	got := make(map[string]bool)
	ch := s.Channel(t)
	for {
		d, ok, err := ch.Get("many", true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got[string(d.Body)] = true
	}
	lost := 0
	for i := range taken {
		if !got[fmt.Sprint(i)] {
			lost++
		}
	}
	if lost > 0 || len(taken) == n || len(taken) < n/2 {
		t.Errorf("%d of %d were taken, %d of those are nowhere", len(taken), n, lost)
	}
	if len(seen) != n {
		t.Errorf("%d were received, want %d", len(seen), n)
	}
	t.Logf("%d taken, %d came again", len(taken), again)
}

// fill publishes messages to a queue and waits for all of them.
func fill(t *testing.T, ch *client.Channel, queue string, ms []client.Publishing) {
	t.Helper()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	var words []*client.DeferredConfirmation
	for _, m := range ms {
		word, err := ch.PublishWithDeferredConfirm("", queue, false, false, m)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, word)
	}
	for _, word := range words {
		if !word.Wait() {
			t.Fatal("not confirmed")
		}
	}
}

// TestBlocked: a broker that is short of memory takes no messages, of which publishers hear at
// once; consumers go on.
func TestBlocked(t *testing.T) {
	s := amqptest.Start(t)
	e := newEnds(t, s.URL)
	p := e.publisher(t, amqp.Publishing{Topology: exchange("blocked"), Persistent: true})
	sub := e.subscriber(t, amqp.Subscribing{Topology: durable("blocked")})
	queuetest.Ready(t, p)
	queuetest.Ready(t, sub)
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err != nil {
		t.Fatal(err)
	}
	s.Alarm(t, true)
	defer s.Alarm(t, false)
	testx.Await(t, func() error {
		if err := p.Send(queuetest.Within(t, 20*time.Millisecond), &amqp.Message{Body: make([]byte, 1<<20)}); queuetest.Code(err) != gateway.CodeBackendAway {
			return err
		}
		return nil
	})
	if text, ok := p.Health(); text != "blocked" || ok {
		t.Errorf("health %q, %t", text, ok)
	}
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err == nil {
		err = d.Ack(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
	s.Alarm(t, false)
	queuetest.Ready(t, p)
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err != nil {
		t.Error(err)
	}
	testx.Await(t, func() error {
		log := e.Log.String()
		if strings.Count(log, "broker takes no messages, calls fail until it does") != 1 || strings.Count(log, "broker takes messages again") != 1 {
			return fmt.Errorf("the log has %s", log)
		}
		return nil
	})
}

// TestTLS: amqps asks who is there, by client_tls of the service.
func TestTLS(t *testing.T) {
	s := amqptest.Start(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"queue.internal"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				up, err := net.Dial("tcp", s.Address)
				if err != nil {
					return
				}
				defer up.Close()
				wg.Go(func() { io.Copy(up, c); up.Close() })
				io.Copy(c, up)
			})
		}
	})
	t.Cleanup(func() { l.Close(); s.Cut(); wg.Wait() })
	url := "amqps://guest:guest@" + l.Addr().String()
	for _, tt := range []struct {
		query string
		o     *model.ClientTLS
		fails string
	}{
		{"?server_name_indication=queue.internal", &model.ClientTLS{CACerts: []string{file}}, ""},
		{"", &model.ClientTLS{CACerts: []string{file}}, "certificate"},
		{"?server_name_indication=queue.internal", nil, "unknown authority"},
		{"", &model.ClientTLS{AllowInsecureConnections: true}, ""},
	} {
		e := newEnds(t, url+tt.query)
		e.Env.Service.ClientTLS = tt.o
		p := e.publisher(t, amqp.Publishing{Topology: exchange("tls")})
		testx.Await(t, func() error {
			text, ok := p.Health()
			if log := e.Log.String(); ok != (tt.fails == "") || tt.fails != "" && !strings.Contains(log, tt.fails) {
				return errors.New(text + " " + log)
			}
			return nil
		})
	}
}
