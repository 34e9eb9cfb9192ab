//go:build !slim

package gcppubsub

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A service is Pub/Sub, for one topic or subscription. It is a live.Peer.
type service struct {
	*account
	name  string // such as projects/shop/topics/orders
	topic bool   // else it is a subscription

	most int // messages that one call asks for
	lazy bool
}

// A link is a connection to Pub/Sub, whose topic or subscription was there.
type link struct {
	*service
	*queue.Poller // which asks for nothing of a topic
	conn          *grpc.ClientConn
	topics        pubsubpb.PublisherClient
	subscriptions pubsubpb.SubscriberClient
	route         string
	fits          int  // how many messages one call asks for now; of ask
	letters       bool // the subscription had dead letters when somebody looked who might
}

const (
	probe  = 5 * time.Minute // when a connection with a call to which nothing comes is asked; servers take no more
	moment = time.Second     // how long following a server to another connection may take, and how far clocks are apart
)

// Dial connects and looks at the topic or the subscription. Who may use it and not look at it
// is refused the answer, which is one.
func (s *service) Dial(ctx context.Context, lost func(error)) (*link, error) {
	o := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(s.product), grpc.WithIdleTimeout(0), grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: probe}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(longestAnswer)),
	}
	if s.tls != nil {
		tokens, err := s.tokens(ctx)
		if err != nil {
			return nil, err
		}
		o = append(o, grpc.WithTransportCredentials(credentials.NewTLS(s.tls.Clone())), grpc.WithPerRPCCredentials(tokens))
	}
	conn, err := grpc.NewClient("dns:///"+s.target, o...)
	if err != nil {
		return nil, err
	}
	l := &link{service: s, fits: s.most, conn: conn, topics: pubsubpb.NewPublisherClient(conn), subscriptions: pubsubpb.NewSubscriberClient(conn)}
	l.route = "subscription=" + url.QueryEscape(s.name)
	if s.topic {
		l.route = "topic=" + url.QueryEscape(s.name)
	}
	if err := l.look(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	l.Poller = queue.NewPoller(s.most, pulling, lost, l.ask)
	l.Leaves = true
	l.Go(l.watch)
	return l, nil
}

// look asks for what there is.
func (l *link) look(ctx context.Context) error {
	var err error
	if l.topic {
		_, err = l.topics.GetTopic(l.routed(ctx), &pubsubpb.GetTopicRequest{Topic: l.name})
	} else {
		var there *pubsubpb.Subscription
		if there, err = l.subscriptions.GetSubscription(l.routed(ctx), &pubsubpb.GetSubscriptionRequest{Subscription: l.name}); err == nil {
			l.letters = there.DeadLetterPolicy != nil
		}
	}
	if err == nil || status.Code(err) == codes.PermissionDenied {
		return nil
	}
	return said(err)
}

// watch notices that the connection is lost. A server that asks for another one is followed.
func (l *link) watch(ctx context.Context) {
	for l.conn.WaitForStateChange(ctx, connectivity.Ready) {
		l.conn.Connect()
		if !l.follow(ctx) {
			break
		}
	}
	if ctx.Err() == nil {
		l.Lose(errors.New("the connection was lost"))
	}
}

// follow reports whether there is a connection again.
func (l *link) follow(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	for {
		switch s := l.conn.GetState(); {
		case s == connectivity.Ready:
			return true
		case s == connectivity.TransientFailure || s == connectivity.Shutdown || !l.conn.WaitForStateChange(ctx, s):
			return false
		}
	}
}

// Close ends the connection.
func (s *service) Close(_ context.Context, l *link) {
	l.Poller.Close()
	l.conn.Close()
}

// routed returns a context for calls, by which Google knows where they belong (AIP-4222).
func (l *link) routed(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-goog-request-params", l.route)
}

// failed returns the failure of a call. From is whom it was sent to, nobody if it was not, and
// sent is that it may have brought a message there. What is not there any more, and who is not
// known any more, loses the connection, so that the next one says why it is not made.
func (l *link) failed(ctx context.Context, err error, from *peer.Peer, sent bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cause := said(err)
	switch code := status.Code(err); code {
	case codes.DeadlineExceeded:
		if until, limited := ctx.Deadline(); limited && time.Until(until) < moment {
			return context.DeadlineExceeded // which the server has noticed sooner
		}
	case codes.NotFound, codes.Unauthenticated:
		l.Lose(cause)
		fallthrough
	case codes.InvalidArgument, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted:
		switch {
		case from.Addr == nil:
		case sent:
			return queue.Refused(cause)
		default:
			return queue.Unserved(cause)
		}
	}
	if sent && from.Addr != nil {
		return queue.Lost(cause)
	}
	return gateway.Away(cause)
}

// said returns what a call has failed for, in a line.
func said(err error) error {
	s := status.Convert(err)
	text := s.Message()
	if _, within, wrapped := strings.Cut(text, `desc = "transport: Error while dialing: `); wrapped { // by the library
		text = strings.TrimSuffix(within, `"`)
	}
	return &failure{s.Code(), queue.Line(text)}
}

// A failure is what Pub/Sub has said, or the library.
type failure struct {
	code codes.Code
	text string // of one line
}

func (f *failure) Error() string { return fmt.Sprintf("Pub/Sub: %s: %s", f.code, f.text) }

// denied returns the failure of a call if the next one has it as well: Pub/Sub does not let us, or
// is in trouble.
func denied(err error) error {
	if f, ok := errors.AsType[*failure](err); ok && (f.code == codes.PermissionDenied || f.code == codes.Unavailable || f.code == codes.Internal) {
		return f
	}
	return nil
}
