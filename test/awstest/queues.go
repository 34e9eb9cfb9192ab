package awstest

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Names that [Queues] answer to: any queue and topic, by these beginnings.
const (
	QueueHost = "sqs.eu-west-1.amazonaws.com/123456789012"
	TopicARN  = "arn:aws:sns:eu-west-1:123456789012:"
)

// A Message is one of a queue or a topic.
type Message struct {
	Body       string
	Attributes map[string]string
	Group      string
	Received   int // how often

	receipt string // while somebody has it
}

// Queues stand in for SQS (JSON 1.0) and SNS (query protocol). Queues and topics are there
// when they are named, but for those whose name ends in "missing". A message that was received
// stays unseen until it is shown again, or [Queues.Expire].
type Queues struct {
	SQS, SNS *Server

	mu      sync.Mutex
	changed chan struct{} // closed when a message can be seen
	queues  map[string][]*Message
	topics  map[string][]*Message
	letters string // RedrivePolicy
	denied  map[string]int
	deleted bool
	n       int
}

// NewQueues starts both.
func NewQueues(t testing.TB) *Queues {
	q := &Queues{changed: make(chan struct{}), queues: make(map[string][]*Message), topics: make(map[string][]*Message), denied: make(map[string]int)}
	q.SQS = New(t, "sqs", q.serveSQS)
	q.SNS = New(t, "sns", q.serveSNS)
	return q
}

// Deny lets an action, such as SendMessage, be answered with a status, with garbage if that is
// 200; 0 ends that.
func (q *Queues) Deny(action string, status int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.denied[action] = status
}

// Delete deletes all queues and topics for good.
func (q *Queues) Delete() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deleted = true
}

// DeadLetters gives queues a policy for what is received too often.
func (q *Queues) DeadLetters() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.letters = `{"maxReceiveCount":3,"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead"}`
}

// Put adds a message to a queue.
func (q *Queues) Put(queue string, m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queues[queue] = append(q.queues[queue], &m)
	q.show()
}

// Queue returns the messages of a queue, those that somebody has among them.
func (q *Queues) Queue(name string) []Message { return q.list(q.queues, name) }

// Topic returns the messages of a topic.
func (q *Queues) Topic(name string) []Message { return q.list(q.topics, name) }

func (q *Queues) list(from map[string][]*Message, name string) []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Message
	for _, m := range from[name] {
		out = append(out, *m)
	}
	return out
}

// Expire shows the messages again that somebody has.
func (q *Queues) Expire(queue string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.queues[queue] {
		m.receipt = ""
	}
	q.show()
}

// show wakes those who wait. The caller holds the lock.
func (q *Queues) show() {
	close(q.changed)
	q.changed = make(chan struct{})
}

type attribute struct{ DataType, StringValue string }

// A call is what the actions of SQS have.
type call struct {
	QueueUrl, MessageBody, MessageGroupId, ReceiptHandle    string
	MessageAttributes                                       map[string]attribute
	MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amzn-Query-Error", code+";Sender")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"no"}`, code)
}

func (q *Queues) serveSQS(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		refuse(w, 400, "InvalidRequest")
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	name := c.QueueUrl[strings.LastIndexByte(c.QueueUrl, '/')+1:]
	q.mu.Lock()
	denied, letters, deleted := q.denied[action], q.letters, q.deleted
	q.mu.Unlock()
	switch {
	case denied == 200:
		io.WriteString(w, "garbage")
		return
	case denied != 0:
		refuse(w, denied, "AccessDeniedException")
		return
	case strings.HasSuffix(name, "missing"), deleted:
		refuse(w, 400, "QueueDoesNotExist")
		return
	}
	var answer any = struct{}{}
	switch action {
	case "GetQueueAttributes":
		if letters != "" {
			answer = map[string]any{"Attributes": map[string]string{"RedrivePolicy": letters}}
		}
	case "SendMessage":
		if c.MessageBody == "" || len(c.MessageAttributes) > 10 || strings.HasSuffix(name, ".fifo") != (c.MessageGroupId != "") {
			refuse(w, 400, "InvalidParameterValue")
			return
		}
		m := Message{Body: c.MessageBody, Attributes: make(map[string]string), Group: c.MessageGroupId}
		for name, a := range c.MessageAttributes {
			if a.StringValue == "" || a.DataType != "String" {
				refuse(w, 400, "InvalidParameterValue")
				return
			}
			m.Attributes[name] = a.StringValue
		}
		q.Put(name, m)
		answer = map[string]string{"MessageId": "1", "MD5OfMessageBody": digest(c.MessageBody)}
	case "ReceiveMessage":
		answer = map[string]any{"Messages": q.receive(r, name, c)}
	case "DeleteMessage", "ChangeMessageVisibility":
		if !q.settle(name, c, action == "DeleteMessage") {
			refuse(w, 400, "ReceiptHandleIsInvalid")
			return
		}
	default:
		refuse(w, 400, "InvalidAction")
		return
	}
	json.NewEncoder(w).Encode(answer)
}

func digest(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// receive waits for messages that can be seen.
func (q *Queues) receive(r *http.Request, queue string, c call) []map[string]any {
	over := time.After(time.Duration(c.WaitTimeSeconds) * time.Second)
	for {
		q.mu.Lock()
		var out []map[string]any
		for _, m := range q.queues[queue] {
			if m.receipt != "" || len(out) == max(c.MaxNumberOfMessages, 1) {
				continue
			}
			q.n++
			m.receipt = fmt.Sprint("receipt ", q.n)
			m.Received++
			attributes := make(map[string]attribute)
			for name, value := range m.Attributes {
				attributes[name] = attribute{"String", value}
			}
			system := map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.Received)}
			if m.Group != "" {
				system["MessageGroupId"] = m.Group
			}
			out = append(out, map[string]any{"MessageId": "1", "ReceiptHandle": m.receipt, "Body": m.Body, "MD5OfBody": digest(m.Body), "Attributes": system, "MessageAttributes": attributes})
		}
		changed := q.changed
		q.mu.Unlock()
		if len(out) > 0 {
			return out
		}
		select {
		case <-changed:
		case <-over:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// settle deletes a message or shows it again.
func (q *Queues) settle(queue string, c call, deleted bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.queues[queue], func(m *Message) bool { return m.receipt != "" && m.receipt == c.ReceiptHandle })
	switch {
	case i < 0:
		return false
	case deleted:
		q.queues[queue] = slices.Delete(q.queues[queue], i, i+1)
	case c.VisibilityTimeout == 0:
		q.queues[queue][i].receipt = ""
		q.show()
	}
	return true
}

func (q *Queues) serveSNS(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(text))
	action, arn := form.Get("Action"), form.Get("TopicArn")
	q.mu.Lock()
	denied, deleted := q.denied[action], q.deleted
	q.mu.Unlock()
	status, code := 0, ""
	switch {
	case err != nil:
		status, code = 400, "InvalidParameter"
	case denied != 0:
		status, code = denied, "AuthorizationError"
	case !strings.HasPrefix(arn, TopicARN), strings.HasSuffix(arn, "missing"), deleted:
		status, code = 404, "NotFound"
	case action != "Publish" && action != "GetTopicAttributes":
		status, code = 400, "InvalidAction"
	}
	w.Header().Set("Content-Type", "text/xml")
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code)
		return
	}
	if action == "Publish" {
		m := Message{Body: form.Get("Message"), Attributes: make(map[string]string), Group: form.Get("MessageGroupId")}
		for i := 1; form.Has(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)); i++ {
			m.Attributes[form.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i))] = form.Get(fmt.Sprintf("MessageAttributes.entry.%d.Value.StringValue", i))
		}
		name := strings.TrimPrefix(arn, TopicARN)
		q.mu.Lock()
		q.topics[name] = append(q.topics[name], &m)
		q.mu.Unlock()
	}
	fmt.Fprintf(w, `<%[1]sResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><%[1]sResult>`, action)
	if action == "Publish" {
		fmt.Fprint(w, `<MessageId>1</MessageId>`)
	}
	fmt.Fprintf(w, `</%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action)
}

// Notification returns the body that a queue gets of a message of a topic, unless it wants
// it raw.
func Notification(topic string, m Message) string {
	attributes := make(map[string]map[string]string)
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		attributes[name] = map[string]string{"Type": "String", "Value": m.Attributes[name]}
	}
	text, _ := json.Marshal(map[string]any{"Type": "Notification", "MessageId": "1", "TopicArn": TopicARN + topic, "Message": m.Body, "MessageAttributes": attributes}) // of texts
	return string(text)
}
