package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// Options say where a cluster is and how it is connected to.
type Options struct {
	Brokers []string // host:port of some of its brokers, which tell of the others

	TLS   *tls.Config // nil is none
	TLSID string      // what TLS is made of: connections are shared by those for whom it is the same

	// Backoff and Retries are as [live.Options] has them.
	Backoff live.Backoff
	Retries int
}

// A Cluster is where connections lead.
type Cluster struct {
	o      Options
	site   *component.Site
	client string // what brokers know the gateway by
	dialer net.Dialer
}

// NewCluster returns the cluster. Connections are made by the settings of the service:
// dialer_timeout and its like.
func NewCluster(s *component.Site, o Options) *Cluster {
	t := s.Service().Transport
	return &Cluster{o: o, site: s, client: strings.ReplaceAll(s.Product(), "/", " "),
		dialer: net.Dialer{Timeout: cmp.Or(time.Duration(t.DialerTimeout), live.DefaultTimeout), KeepAlive: time.Duration(t.DialerKeepAlive), FallbackDelay: time.Duration(t.DialerFallbackDelay)}}
}

// key returns the id of what is kept, which is of this kind and shaped by o.
func (c *Cluster) key(kind string, o any) string {
	d := &c.dialer
	return kind + " " + queue.ID(strings.Join(c.o.Brokers, ","), c.o.TLSID, string(c.o.Backoff), strconv.Itoa(c.o.Retries), c.client,
		fmt.Sprint(d.Timeout, d.KeepAlive, d.FallbackDelay), fmt.Sprintf("%#v", o))
}

// options are those of a connection.
func (c *Cluster) options(what string) live.Options {
	return live.Options{Name: strings.TrimSpace("kafka://" + strings.Join(c.o.Brokers, ",") + " " + what), Backoff: c.o.Backoff, Retries: c.o.Retries}
}

// own returns the cluster for what outlives the generation.
func (c *Cluster) own() *Cluster {
	own := *c
	own.site = nil
	return &own
}

const (
	probe = 10 * time.Second // how often brokers are asked whether they are there, and how long the answer may take
	again = time.Second      // that first, while some are there and others are not
	blink = 50 * time.Millisecond
)

// A link is a client of a cluster, and watches whether there is any broker.
type link struct {
	*kgo.Client
	topics []string // which have to be there; none for those who publish

	ctx context.Context   // of the client, with the cause of its end
	end func(cause error) // ends it at once

	wake  chan struct{} // of size 1: a connection was lost or not made
	fatal chan error    // of size 1: it is of no use any more

	lost chan struct{} // closed when it has ended and everybody knows
	gone sync.WaitGroup
}

// open makes a client and waits until a broker answers (see ask). With an error there is
// nothing to be closed.
func (c *Cluster) open(ctx context.Context, l *link, more ...kgo.Opt) error {
	l.wake, l.fatal, l.lost = make(chan struct{}, 1), make(chan error, 1), make(chan struct{})
	l.ctx, l.end = context.WithCancelCause(context.Background())
	o := append([]kgo.Opt{
		kgo.WithContext(l.ctx), kgo.WithHooks(hooks{l}), kgo.SeedBrokers(c.o.Brokers...), kgo.ClientID(c.client), kgo.DisableClientMetrics(),
		kgo.AllowAutoTopicCreation(),               // if the cluster does
		kgo.MetadataMinAge(100 * time.Millisecond), // how long it takes to ask five times for a topic, which then is not there
		kgo.Dialer(c.dial), kgo.BrokerMaxReadBytes(answered), kgo.FetchMaxBytes(fetched),
	}, more...)
	if _, err := kgo.NewClient(o...); err != nil {
		l.end(err)
		return err
	}
	n, err := l.ask(ctx)
	if err == nil && n < len(c.o.Brokers) {
		err = l.UpdateSeedBrokers(c.o.Brokers[n]) // since the library asks those who say nothing over and over
	}
	if err != nil {
		l.close()
	}
	return err
}

// ask returns as soon as any broker answers and tells of no topic of the link that it is not
// there or may not be read, and which of the seeds and the others behind them it is. All are
// asked at a time, so that one that says nothing does not hide the others. A topic that the
// cluster makes when it is asked for is there soon.
func (l *link) ask(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	brokers := slices.Concat(l.SeedBrokers(), l.DiscoveredBrokers())
	type answer struct {
		n   int
		err error
	}
	answers := make(chan answer, len(brokers))
	for i, b := range brokers {
		asked.Go(func() {
			q := kmsg.NewPtrMetadataRequest() // which belongs to the library
			q.AllowAutoTopicCreation = true
			q.Topics = make([]kmsg.MetadataRequestTopic, 0, len(l.topics))
			for _, name := range l.topics {
				t := kmsg.NewMetadataRequestTopic()
				t.Topic = kmsg.StringPtr(name)
				q.Topics = append(q.Topics, t)
			}
			told, err := q.RequestWith(ctx, b)
			if err == nil {
				err = missing(told)
			} else if dialed, ok := errors.AsType[*net.OpError](err); ok && dialed.Op == "dial" {
				err = dialed // around which the library says it again
			}
			answers <- answer{i, err}
		})
	}
	for range brokers {
		a := <-answers
		if a.err == nil {
			return a.n, nil
		}
		err = a.err
	}
	return 0, err
}

// missing returns the error of a topic.
func missing(told *kmsg.MetadataResponse) error {
	for _, t := range told.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && t.Topic != nil {
			return fmt.Errorf("the topic %q: %w", *t.Topic, err)
		}
	}
	return nil
}

// dial connects to a broker.
func (c *Cluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.o.TLS == nil {
		return c.dialer.DialContext(ctx, network, address)
	}
	settings := c.o.TLS.Clone()
	if settings.ServerName == "" {
		settings.ServerName, _, _ = net.SplitHostPort(address)
	}
	return (&tls.Dialer{NetDialer: &c.dialer, Config: settings}).DialContext(ctx, network, address)
}

// watch calls lost when no broker can be reached, until the client is closed.
func (l *link) watch(lost func(cause error)) {
	l.gone.Go(func() {
		t := time.NewTimer(probe)
		defer t.Stop()
		for {
			var cause error
			select {
			case <-l.ctx.Done():
				return
			case cause = <-l.fatal:
			case <-l.wake:
				cause = l.reach()
			case <-t.C:
				cause = l.reach()
			}
			if l.ctx.Err() != nil {
				return
			}
			if cause != nil {
				l.end(cause) // and nothing of it happens behind this
				lost(cause)  // before anybody learns it from here and asks for the next one
				close(l.lost)
				return
			}
			select {
			case <-l.wake: // as of a broker that was asked before another, and is away
				t.Reset(again)
			default:
				t.Reset(probe)
			}
		}
	})
}

// reach asks for a broker, several times: connections that were lost, such as when a proxy
// is restarted, fail a question each.
func (l *link) reach() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, probe)
	defer cancel()
	for range 3 {
		if _, err = l.ask(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(blink):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

var errLeft = errors.New("the gateway has closed the connection")

// close ends the client at once; everything that waits for it fails.
func (l *link) close() {
	l.end(errLeft)
	l.CloseAllowingRebalance()
	l.gone.Wait()
	select {
	case <-l.lost:
	default:
		close(l.lost)
	}
}

// A hook is told of connections.
type hooks struct{ *link }

// OnNewClient takes the client before anything is called that needs it.
func (h hooks) OnNewClient(c *kgo.Client) { h.Client = c }

// OnBrokerConnect notes that a connection was not made.
func (h hooks) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.nudge()
	}
}

// OnBrokerDisconnect notes that a connection has ended.
func (h hooks) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { h.nudge() }

// OnGroupManageError notes that the session of a group was lost: for good if the cluster says
// so.
func (h hooks) OnGroupManageError(err error) {
	if e, ok := errors.AsType[*kerr.Error](err); ok && denied(e) {
		h.fail(err)
		return
	}
	h.nudge()
}

func (l *link) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) fail(err error) {
	select {
	case l.fatal <- err:
	default:
	}
}

// denied reports whether a group may not be joined, or its topics not be read, whatever is
// tried.
func denied(e *kerr.Error) bool {
	switch e {
	case kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed,
		kerr.InconsistentGroupProtocol, kerr.InvalidGroupID, kerr.InvalidSessionTimeout, kerr.GroupMaxSizeReached, kerr.InvalidTopicException:
		return true
	}
	return false
}
