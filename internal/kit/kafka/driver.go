package kafka

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "kafka", Host: checkHost, Publisher: openPublisher, Subscriber: openSubscriber, Judge: judge})
}

const (
	variable = "KAFKA_BROKERS"
	example  = "a.queue.internal:9092,b.queue.internal:9092"
)

// brokers takes a list of addresses apart, host:port with commas between them, and tls://
// in front of each or of none. A port that is missing is 9092.
func brokers(text string) (addresses []string, secure bool, err error) {
	for i, part := range strings.Split(text, ",") {
		address, found := strings.CutPrefix(strings.TrimSpace(part), "tls://")
		switch {
		case i > 0 && found != secure:
			return nil, false, errors.New("tls:// stands in front of each broker or of none")
		case strings.Contains(address, "://"), strings.ContainsAny(address, "/@ "), address == "":
			return nil, false, errors.New("a broker is a name and a port, with commas between several; write " + example)
		}
		secure = found
		host, port, err := net.SplitHostPort(address)
		if err != nil && !strings.Contains(address, ":") {
			host, port, err = address, "9092", nil
		}
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
			return nil, false, errors.New("a broker is a name and a port, with commas between several; write " + example)
		}
		addresses = append(addresses, net.JoinHostPort(host, port))
	}
	return addresses, secure, nil
}

// where returns the cluster of an address.
func where(s *component.Site, a *queue.Address) (*Cluster, error) {
	text, err := a.Broker(variable, example, func(text string) error { _, _, err := brokers(text); return err })
	if err != nil {
		return nil, err
	}
	o := Options{Backoff: a.Backoff, Retries: a.Retries}
	var secure bool
	if o.Brokers, secure, err = brokers(text); err != nil {
		return nil, err
	}
	if secure || a.ClientTLS != nil {
		if o.TLS, o.TLSID, err = a.TLS(); err != nil {
			return nil, err
		}
	}
	return NewCluster(s, o), nil
}

// openPublisher publishes to a topic.
func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	err := errors.Join(checkTopic(a.Path), a.Only([]string{"key_name"}, nil))
	if a.Query.Has("key_name") && a.Query.Get("key_name") == "" {
		err = errors.Join(err, errors.New("key_name is the name of a header; write one, or remove it"))
	}
	if err != nil {
		return nil, err
	}
	c, err := where(s, a)
	if err != nil {
		return nil, err
	}
	p, err := c.Publisher(Publishing{Topic: a.Path, KeyName: a.Query.Get("key_name")})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// judge reports a key that no record has, because the header of clients that it is does not get
// so far.
func judge(s *component.BackendSite, a *queue.Address) {
	name := gateway.Canonical(a.Query.Get("key_name"))
	e := s.Endpoint()
	if name == "" || e.Outer() != nil || slices.Contains([]string{"User-Agent", "X-Forwarded-For", "X-Forwarded-Host"}, name) {
		return
	}
	passes := func(list []string) bool {
		return slices.ContainsFunc(list, func(h string) bool { return h == "*" || gateway.Canonical(h) == name })
	}
	list, own := e.Config().InputHeaders, s.Config().InputHeaders
	if len(list) == 0 && name == "Content-Type" {
		return // which passes by itself
	}
	if !passes(list) || len(own) > 0 && !passes(own) {
		s.Mistake("topic_url", fmt.Errorf("key_name is the header %s, which input_headers does not let through, so that no record has a key; add it there", name))
	}
}

// openSubscriber reads topics as a member of a group.
func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	err := a.Only([]string{"offset"}, []string{"topic"})
	o := Subscribing{Group: a.Path, Topics: a.Query["topic"]}
	if len(o.Topics) == 0 {
		err = errors.Join(err, errors.New("no topic is named; write the group and its topics, such as shipping?topic=orders"))
	}
	for i, topic := range o.Topics {
		if slices.Contains(o.Topics[:i], topic) {
			err = errors.Join(err, fmt.Errorf("the topic %q occurs twice; keep one", topic))
		}
		err = errors.Join(err, checkTopic(topic))
	}
	switch offset := a.Query.Get("offset"); {
	case offset == "oldest":
		o.Oldest = true
	case offset != "newest" && a.Query.Has("offset"):
		err = errors.Join(err, errors.New("the offset is oldest or newest"))
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(o.Topics)
	c, err := where(s, a)
	if err != nil {
		return nil, err
	}
	sub, err := c.Subscriber(o)
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// checkTopic says what is wrong with the name of a topic.
//
// Source: Kafka, org.apache.kafka.common.internals.Topic.
func checkTopic(name string) error {
	legal := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)
	}
	switch {
	case name == "" || name == "." || name == ".." || len(name) > 249:
		return errors.New("the name of a topic has 1 to 249 letters, and . and .. are none")
	case strings.ContainsFunc(name, func(c rune) bool { return !legal(c) }):
		return errors.New("the name of a topic is made of ASCII letters, digits, dots, underscores and dashes")
	}
	return nil
}

// checkHost says what is wrong behind the scheme of a host: a part of a name may stand there,
// and no address of a broker.
func checkHost(after string) error {
	if strings.ContainsAny(after, ":/,") {
		return errors.New("the addresses of the brokers stand in " + variable + " or in the option server; write kafka:// alone")
	}
	return nil
}
