//go:build !slim

package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
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

// A letter is a message as it is sent.
type letter struct {
	body       string
	attributes gateway.Fields
}

// write makes a letter of a message. The errors are those of a message that AWS would refuse:
// it is the client who has sent what it is made of.
func (p *publisher) write(m *queue.Message) (*letter, error) {
	if len(m.Body) == 0 {
		return nil, &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the request has no body", Err: errors.New("AWS takes no message without a body")}
	}
	l := &letter{attributes: make(gateway.Fields, 0, len(m.Attributes)+1)}
	for _, f := range m.Attributes {
		if value := legible(f.Value); value != "" && attribute(f.Name) && f.Name != encoded {
			l.attributes.Add(f.Name, value)
		}
	}
	if plain(m.Body) {
		l.body = string(m.Body)
	} else {
		l.attributes.Add(encoded, "true")
		l.body = base64.StdEncoding.EncodeToString(m.Body)
	}
	size := len(l.body)
	for _, f := range l.attributes {
		size += len(f.Name) + len("String") + len(f.Value)
	}
	switch n := len(l.attributes); {
	case size > p.fits:
		return nil, gateway.TooLarge("what AWS takes in a message", int64(p.fits))
	case p.most > 0 && n > p.most:
		return nil, &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the request has too many headers", Err: fmt.Errorf("they would be %d attributes, and a message of SQS has %d at most", n, p.most)}
	}
	return l, nil
}

// names are those of attributes (API reference of SQS and of SNS, MessageAttributeValue).
var names = regexp.MustCompile(`^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$`)

// attribute reports whether an attribute may have the name.
func attribute(name string) bool {
	lower := strings.ToLower(name)
	return len(name) <= 256 && names.MatchString(name) && !strings.HasPrefix(lower, "aws.") && !strings.HasPrefix(lower, "amazon.")
}

// legible returns what of a text AWS takes.
func legible(value string) string {
	if plain([]byte(value)) {
		return value
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !plain(utf8.AppendRune(nil, r)) {
			return -1
		}
		return r
	}, value)
}

func (l *link) sendSQS(ctx context.Context, m *letter) error {
	attributes := make(map[string]types.MessageAttributeValue, len(m.attributes))
	for _, f := range m.attributes {
		attributes[f.Name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(f.Value)}
	}
	_, err := l.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &l.name, MessageBody: &m.body, MessageAttributes: attributes}, onceSQS)
	return err
}

func (l *link) sendSNS(ctx context.Context, m *letter) error {
	attributes := make(map[string]snstypes.MessageAttributeValue, len(m.attributes))
	for _, f := range m.attributes {
		attributes[f.Name] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(f.Value)}
	}
	_, err := l.topics.Publish(ctx, &sns.PublishInput{TopicArn: &l.name, Message: &m.body, MessageAttributes: attributes}, onceSNS)
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
