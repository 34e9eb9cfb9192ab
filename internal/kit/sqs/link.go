//go:build !slim

package sqs

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/awsx"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A peer is a queue or a topic. It is a live.Peer.
type peer struct {
	queues *sqs.Client // nil for a topic
	topics *sns.Client // nil for a queue
	name   string      // the URL of the queue, the ARN of the topic
	wait   time.Duration
	raw    bool
}

// A link is a queue or a topic that was there when somebody looked.
type link struct {
	*peer
	*queue.Poller // which asks for nothing of a topic
}

// Dial looks whether the queue or the topic is there, and the credentials are. Who may use
// it and not look at it is refused the answer, which is one.
func (p *peer) Dial(ctx context.Context, lost func(error)) (*link, error) {
	l := &link{peer: p}
	var err error
	if p.topics != nil {
		_, err = p.topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &p.name}, onceSNS)
	} else {
		_, err = p.letters(ctx)
	}
	if err != nil {
		err = awsx.Failed(ctx, err)
		if r, refused := errors.AsType[*awsx.Refusal](err); !refused || !unseen(r) {
			return nil, gateway.Reason(err)
		}
	}
	l.Poller = queue.NewPoller(most, p.wait, lost, l.ask)
	return l, nil
}

// letters reports whether the queue has dead letters, as it is now.
func (p *peer) letters(ctx context.Context) (bool, error) {
	const policy = types.QueueAttributeNameRedrivePolicy
	out, err := p.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &p.name, AttributeNames: []types.QueueAttributeName{policy}}, onceSQS)
	return err == nil && out.Attributes[string(policy)] != "", err
}

// unseen reports whether a refusal says that one may not look.
func unseen(r *awsx.Refusal) bool {
	return r.Code == "AccessDenied" || r.Code == "AccessDeniedException" || r.Code == "AuthorizationError" || r.Code == "AuthorizationErrorException"
}

// Close ends what receives.
func (p *peer) Close(_ context.Context, l *link) { l.Poller.Close() }

// over reports whether a refusal says that the queue or the topic is not there any more, or that
// nobody knows who we are. Dial is refused that, too, and says so.
func over(r *awsx.Refusal) bool {
	switch r.Code {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound", "NotFoundException",
		"InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException",
		"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken":
		return true
	}
	return false
}

// denied returns the failure of a call if the next one has it as well: AWS does not let us, or is
// in trouble.
func denied(err error) error {
	if r, refused := errors.AsType[*awsx.Refusal](err); refused && (unseen(r) || r.Status >= 500) {
		return r
	}
	return nil
}

// failed returns the failure of a call; sent is that it may have brought a message there. An
// answer that cannot be read, is too large, or comes too late, says nothing of other calls; one that does not
// come, because its connection has ended, does until somebody has looked.
func (l *link) failed(ctx context.Context, err error, sent bool) error {
	err = awsx.Failed(ctx, err)
	e, ok := errors.AsType[*gateway.Error](err)
	if !ok {
		return err // the time is over
	}
	r, refused := errors.AsType[*awsx.Refusal](err)
	unreached := errors.Is(e, gateway.ErrUnreached)
	cause := gateway.Reason(e)
	if unreached || e.Code == gateway.CodeBackendAborted || refused && over(r) {
		l.Lose(cause)
	}
	switch {
	case refused && sent && r.Status >= 500:
		return queue.Lost(r)
	case refused && sent:
		return queue.Refused(r)
	case refused:
		return queue.Unserved(r)
	case sent && !unreached:
		return queue.Lost(cause)
	case e.Code == gateway.CodeBackendInvalid, e.Code == gateway.CodeBackendTooLarge:
		return e
	}
	return gateway.Away(cause)
}

// onceSQS and onceSNS let a call be made once: whoever calls knows what became of it.
func onceSQS(o *sqs.Options) { o.RetryMaxAttempts = 1 }

func onceSNS(o *sns.Options) { o.RetryMaxAttempts = 1 }
