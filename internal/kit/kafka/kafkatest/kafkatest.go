package kafkatest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A Cluster is a broker behind a proxy, which it names as its own address.
type Cluster struct {
	*testx.Proxy
	*kfake.Cluster
	direct string
}

// Start runs a cluster of one broker until the test ends. It has topics of three partitions
// each, and makes no others unless an option says so.
func Start(t testing.TB, topics []string, o ...kfake.Opt) *Cluster {
	t.Helper()
	c := new(Cluster)
	listen := func(network, address string) (net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		c.direct = l.Addr().String()
		c.Proxy = testx.NewProxy(t, c.direct)
		at, err := net.ResolveTCPAddr("tcp", c.Address)
		return listener{l, at}, err
	}
	o = append([]kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(listen), kfake.SeedTopics(3, topics...)}, o...)
	var err error
	if c.Cluster, err = kfake.NewCluster(o...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cluster.Close)
	return c
}

// A listener says that it is where the proxy is.
type listener struct {
	net.Listener
	at net.Addr
}

// Addr returns the address of the proxy.
func (l listener) Addr() net.Addr { return l.at }

// Client returns a client that does not go through the proxy.
func (c *Cluster) Client(t testing.TB, o ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.direct), kgo.DisableClientMetrics(), kgo.ProducerLinger(0),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.direct)
		}),
	}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// Put produces records to a topic.
func Put(t testing.TB, cl *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// Records returns what is in a topic, in order of partitions and offsets.
func (c *Cluster) Records(t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	n := int64(0)
	for _, p := range c.PartitionInfos(topic) {
		n += p.HighWatermark - p.LogStartOffset
	}
	cl := c.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	var records []*kgo.Record
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for int64(len(records)) < n && ctx.Err() == nil {
		records = append(records, cl.PollFetches(ctx).Records()...)
	}
	if ctx.Err() != nil {
		t.Fatalf("%d records of %d", len(records), n)
	}
	return records
}
