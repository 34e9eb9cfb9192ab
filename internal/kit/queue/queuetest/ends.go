package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// Ends open publishers and subscribers as components of a gateway do.
type Ends struct {
	*sitetest.Gateway
	n int
}

// NewEnds returns those of a gateway that finds these variables in its environment.
func NewEnds(t testing.TB, environment map[string]string) *Ends {
	e := &Ends{Gateway: sitetest.New(t)}
	e.Env.Getenv = func(name string) string { return environment[name] }
	return e
}

// Address returns an address, which is that of a site of its own.
func (e *Ends) Address(t testing.TB, host, rest string) *queue.Address {
	t.Helper()
	e.n++
	a, err := queue.NewAddress(&e.EndpointSite().Site, fmt.Sprint("site ", e.n), "url", host, rest)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Publisher opens a publisher, which is attended to until the test ends.
func (e *Ends) Publisher(t testing.TB, a *queue.Address) queue.Publisher {
	t.Helper()
	p, err := queue.OpenPublisher(&e.EndpointSite().Site, a)
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, p)
	return p
}

// Subscriber opens a subscriber, which is attended to until the test ends.
func (e *Ends) Subscriber(t testing.TB, a *queue.Address) queue.Subscriber {
	t.Helper()
	s, err := queue.OpenSubscriber(&e.EndpointSite().Site, a)
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, s)
	return s
}

// Attend starts l, until the test ends.
func (e *Ends) Attend(t testing.TB, l queue.Lasting) {
	t.Helper()
	t.Cleanup(l.Start(e.Env.Log.Logger()))
}

// Within returns a context that ends after a while.
func Within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// Ready waits until messages go through.
func Ready(t testing.TB, l queue.Lasting) {
	t.Helper()
	testx.Await(t, func() error {
		if text, ok := l.Health(); !ok {
			return errors.New(text)
		}
		return nil
	})
}

// Away waits until it is known that they do not.
func Away(t testing.TB, l queue.Lasting) {
	t.Helper()
	testx.Await(t, func() error {
		if text, ok := l.Health(); ok {
			return errors.New(text)
		}
		return nil
	})
}

// Code returns the code of a failure, "" for none.
func Code(err error) string {
	if err == nil {
		return ""
	}
	return gateway.AsError(err).Code
}
