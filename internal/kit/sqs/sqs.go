//go:build !slim

package sqs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/awsx"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "awssqs", Publisher: openQueue, Subscriber: openSubscriber, Judge: judgeSQS})
	queue.Register(queue.Driver{Scheme: "awssns", Publisher: openTopic, Judge: judgeSNS, Instead: "subscribe a queue to the topic and write awssqs://"})
}

// The longest messages, in bytes as they are sent, with their attributes, and how many of
// those a message of SQS has at most (quotas of SQS and SNS).
const (
	longestSQS     = 1 << 20
	longestSNS     = 256 << 10
	mostAttributes = 10
)

// longestName is the length of the longest name of a topic, in bytes; within the expression it
// would cost 250 kB.
const longestName = 256

// fifo is at the end of the names of queues and topics that keep messages in order.
const fifo = ".fifo"

var (
	topic      = regexp.MustCompile(`^/?(arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:([a-zA-Z0-9_-]+(?:\.fifo)?))$`)
	queueURL   = regexp.MustCompile(`^([a-zA-Z0-9.-]+)(?::[0-9]+)?(?:/[a-zA-Z0-9_-]+)+(?:\.fifo)?$`)
	queueHosts = regexp.MustCompile(`^(?:[a-z0-9-]+\.)*sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$`)
	ofAWS      = regexp.MustCompile(`\.amazonaws\.com(\.cn)?$`)
)

// errFIFO is that of what takes no message without a group.
var errFIFO = errors.New("it is a FIFO one, which takes messages with a group alone, and those of clients have none; write one that is not")

// account opens that of an address whose region may stand in the address itself.
func account(s *component.Site, a *queue.Address, own string, waits bool) (*awsx.Account, string, error) {
	region := own
	if a.Query.Has("region") {
		region = a.Query.Get("region")
		if err := awsx.CheckRegion(region); err != nil {
			return nil, "", fmt.Errorf("the parameter region: %w", err)
		}
	}
	if a.Server != "" {
		if err := awsx.CheckEndpoint(a.Server); err != nil {
			return nil, "", queue.Environment(config.At("server", err))
		}
	}
	_, secure, err := a.TLS()
	if err != nil {
		return nil, "", queue.Environment(err)
	}
	t := s.Service().Transport
	if a.ClientTLS != nil {
		t.ClientTLS = a.ClientTLS
	}
	if waits { // for messages, as long as AWS does
		t.ResponseHeaderTimeout = 0
	}
	to, err := awsx.Open(s, t, region, a.Server)
	switch {
	case errors.Is(err, awsx.ErrRegion):
		return nil, "", errors.New("nobody says in which region it is; write ?region=eu-west-1, or set the variable AWS_REGION")
	case err != nil:
		return nil, "", queue.Environment(err)
	}
	return to, queue.ID(to.ID, secure, a.Path, a.Retry()), nil
}

// The longest answers, in bytes: SQS gives ten messages at once, whose text JSON makes longer, and
// SNS none.
const (
	longestAnswer = 32 << 20
	longestWord   = 1 << 20
)

func queues(to *awsx.Account) *sqs.Client {
	return sqs.NewFromConfig(to.Config, func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, awsx.Bounded(longestAnswer))
		if to.Endpoint != nil {
			o.BaseEndpoint = to.Endpoint
		}
	})
}

func topics(to *awsx.Account) *sns.Client {
	return sns.NewFromConfig(to.Config, func(o *sns.Options) {
		o.APIOptions = append(o.APIOptions, awsx.Bounded(longestWord))
		if to.Endpoint != nil {
			o.BaseEndpoint = to.Endpoint
		}
	})
}

// readQueue returns the URL of a queue, and the region that it tells, "" for none.
func readQueue(a *queue.Address) (name, region string, err error) {
	m := queueURL.FindStringSubmatch(a.Path)
	if m == nil {
		return "", "", errors.New("it is no queue; write awssqs:// with its URL, without https://, as in awssqs://sqs.eu-west-1.amazonaws.com/123456789012/orders")
	}
	host := strings.ToLower(m[1])
	if strings.Contains(host, "amazonaws") && !ofAWS.MatchString(host) {
		return "", "", errors.New("its host looks like one of AWS and is none; write that of the queue, such as sqs.eu-west-1.amazonaws.com")
	}
	if m := queueHosts.FindStringSubmatch(host); m != nil {
		region = m[1]
		if _, path, _ := strings.Cut(a.Path, "/"); !strings.Contains(path, "/") {
			return "", "", errors.New("it names an account alone, or its two halves lack a slash between them; write the account and the queue, as in 123456789012/orders")
		}
	}
	return "https://" + a.Path, region, nil
}

// A publisher publishes to a queue or a topic.
type publisher struct {
	*live.Conn[*link]
	fits int // bytes
	most int // attributes; 0 is no limit
	send func(l *link, ctx context.Context, m *letter) error
}

func openQueue(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	name, own, err := readQueue(a)
	if err == nil && strings.HasSuffix(name, fifo) {
		err = errFIFO
	}
	if err = errors.Join(err, a.Only([]string{"region"}, nil)); err != nil {
		return nil, err
	}
	to, id, err := account(s, a, own, false)
	if err != nil {
		return nil, err
	}
	return component.Keep(s, "queue "+id, func() (*publisher, func(), error) {
		c := live.New(a.Live(a.String()), &peer{queues: queues(to), name: name})
		return &publisher{c, longestSQS, mostAttributes, (*link).sendSQS}, c.Close, nil
	})
}

func openTopic(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	m := topic.FindStringSubmatch(a.Path)
	if m == nil || len(m[3]) > longestName {
		return nil, errors.New("it is no topic; write awssns:/// with its ARN, as in awssns:///arn:aws:sns:eu-west-1:123456789012:orders")
	}
	if strings.HasSuffix(m[1], fifo) {
		return nil, errFIFO
	}
	if err := a.Only([]string{"region"}, nil); err != nil {
		return nil, err
	}
	to, id, err := account(s, a, m[2], false)
	if err != nil {
		return nil, err
	}
	return component.Keep(s, "topic "+id, func() (*publisher, func(), error) {
		c := live.New(a.Live(a.String()), &peer{topics: topics(to), name: m[1]})
		return &publisher{c, longestSNS, 0, (*link).sendSNS}, c.Close, nil
	})
}

// Publish sends the message and waits for the word of AWS.
func (p *publisher) Publish(ctx context.Context, m *queue.Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	out, err := p.write(m)
	if err != nil {
		return err
	}
	ctx, cancel := queue.Bounded(ctx)
	defer cancel()
	if err := p.send(l, ctx, out); err != nil {
		err = l.failed(ctx, err, true)
		if cause := denied(err); cause != nil {
			p.Served(cause)
		}
		return err
	}
	p.Served(nil)
	return nil
}

// mostWait is how long AWS waits for messages at most.
const mostWait = 20 * time.Second

// readWait returns what the parameter waittime says.
func readWait(a *queue.Address) (time.Duration, error) {
	if !a.Query.Has("waittime") {
		return mostWait, nil
	}
	d, err := time.ParseDuration(a.Query.Get("waittime"))
	if err != nil || d < 0 || d > mostWait || d%time.Second != 0 {
		return 0, errors.New("the parameter waittime is whole seconds, 20s at most; write one such as 20s")
	}
	return d, nil
}

func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	name, own, err := readQueue(a)
	wait, wrong := readWait(a)
	raw, wrongRaw := a.Flag("raw")
	if err = errors.Join(err, wrong, wrongRaw, a.Only([]string{"region", "waittime", "raw"}, nil)); err != nil {
		return nil, err
	}
	to, id, err := account(s, a, own, true)
	if err != nil {
		return nil, err
	}
	// The queue shares its messages out, whoever reads it, so those who read it share this.
	return component.Keep(s, fmt.Sprint("subscription ", id, " ", wait, " ", raw), func() (*subscriber, func(), error) {
		c := live.New(a.Live(a.String()), &peer{queues: queues(to), name: name, wait: wait, raw: raw})
		return &subscriber{c}, c.Close, nil
	})
}
