//go:build !slim

package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// encoded is the attribute of a body in Base64.
const encoded = "base64encoded"

// plain reports whether AWS takes the body as a text: characters of XML 1.0, section 2.2.
func plain(body []byte) bool {
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n <= 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
		i += n
	}
	return true
}

// outgoing returns the body and the attributes of a message as they are sent.
func outgoing(m *queue.Message, attribute func(name, value string)) string {
	for _, f := range m.Attributes {
		if value := strings.ToValidUTF8(f.Value, ""); value != "" && f.Name != encoded {
			attribute(f.Name, value)
		}
	}
	if plain(m.Body) {
		return string(m.Body)
	}
	attribute(encoded, "true")
	return base64.StdEncoding.EncodeToString(m.Body)
}

func (l *link) sendSQS(ctx context.Context, m *queue.Message) error {
	attributes := make(map[string]types.MessageAttributeValue, len(m.Attributes)+1)
	body := outgoing(m, func(name, value string) {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	})
	_, err := l.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &l.name, MessageBody: &body, MessageAttributes: attributes, MessageGroupId: text(m.Key)}, onceSQS)
	return err
}

func (l *link) sendSNS(ctx context.Context, m *queue.Message) error {
	attributes := make(map[string]snstypes.MessageAttributeValue, len(m.Attributes)+1)
	body := outgoing(m, func(name, value string) {
		attributes[name] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	})
	_, err := l.topics.Publish(ctx, &sns.PublishInput{TopicArn: &l.name, Message: &body, MessageAttributes: attributes, MessageGroupId: text(m.Key)}, onceSNS)
	return err
}

// incoming makes a message of one of SQS. Raw is that none is unwrapped.
func incoming(from *types.Message, raw bool) queue.Message {
	var m queue.Message
	body := aws.ToString(from.Body)
	base := false
	add := func(name, value string) {
		if name == encoded {
			base = base || value == "true"
			return
		}
		m.Attributes.Add(name, value)
	}
	for name, v := range from.MessageAttributes {
		if v.StringValue != nil {
			add(name, *v.StringValue)
		}
	}
	if n, ok := unwrap(body, raw); ok {
		body = n.Message
		for name, v := range n.MessageAttributes {
			if v.Type == "String" && !m.Attributes.Has(name) {
				add(name, v.Value)
			}
		}
	}
	slices.SortFunc(m.Attributes, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	m.Body = []byte(body)
	if base {
		if b, err := base64.StdEncoding.DecodeString(body); err == nil {
			m.Body = b
		}
	}
	if n, err := strconv.Atoi(from.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil && n > 1 {
		m.Redelivered = n - 1
	}
	m.Key = from.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
	return m
}

// A notification is what SNS makes of a message for a queue, unless that wants it raw
// (developer guide of SNS, "Parsing Amazon SNS message formats").
type notification struct {
	Type, TopicArn    string
	Message           string
	MessageAttributes map[string]struct{ Type, Value string }
}

// unwrap returns the notification in a body, if there is one.
func unwrap(body string, raw bool) (n notification, ok bool) {
	if raw || !strings.HasPrefix(strings.TrimSpace(body), "{") || !strings.Contains(body, `"TopicArn"`) {
		return n, false
	}
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return n, false
	}
	return n, n.Type == "Notification" && topic.MatchString(n.TopicArn)
}
