package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Driver leads to one kind of broker.
type Driver struct {
	// Scheme is that of its addresses, in lower case, without "://".
	Scheme string

	// Host judges what a host has behind the scheme, and says what to write instead. Nil
	// takes any. What has an "@" never gets there.
	Host func(after string) error

	// Publisher and Subscriber open an address; the comment of the package says how. Nil
	// is what the broker cannot do, and Instead what is to be written then, such as "write
	// awssqs://".
	Publisher  func(s *component.Site, a *Address) (Publisher, error)
	Subscriber func(s *component.Site, a *Address) (Subscriber, error)
	Instead    string

	// Judge reports what else of a backend does not go with publishing there. Nil reports
	// nothing.
	Judge func(s *component.BackendSite, a *Address)

	// Envelope is that there is an old form of its messages, which [Address.Envelope] asks
	// for.
	Envelope bool
}

// schemes are those that configurations know, whether their drivers are in this build or
// not.
var schemes = []string{"awssns", "awssqs", "azuresb", "gcppubsub", "kafka", "nats", "rabbit"}

var drivers = make(map[string]*Driver)

// Register adds a driver. It is called from init, and panics on a second one of a scheme.
func Register(d Driver) {
	if drivers[d.Scheme] != nil {
		panic("two drivers have the scheme " + d.Scheme)
	}
	drivers[d.Scheme] = &d
}

// Judge reports what of a backend that publishes to the address does not go with it.
func (a *Address) Judge(s *component.BackendSite) {
	if a.driver.Judge != nil {
		a.driver.Judge(s, a)
	}
}

// A Role is what an address is opened for.
type Role uint8

// The roles.
const (
	Publishing Role = iota
	Subscribing
)

// ReadHost returns the Read of [component.Hosts] for addresses of brokers: what it takes
// begins with the scheme of a driver that does what the role wants.
func ReadHost(r Role) func(text string) (string, error) {
	return func(text string) (string, error) {
		d, after, err := find(text)
		if err != nil {
			return "", err
		}
		switch {
		case r == Publishing && d.Publisher == nil:
			return "", fmt.Errorf("nobody can publish to %s://; %s", d.Scheme, d.Instead)
		case r == Subscribing && d.Subscriber == nil:
			return "", fmt.Errorf("nobody can subscribe to %s://; %s", d.Scheme, d.Instead)
		case strings.Contains(after, "@"):
			return "", errors.New("it holds user information; credentials stand in the environment")
		case d.Host != nil:
			if err := d.Host(after); err != nil {
				return "", err
			}
		}
		return text, nil
	}
}

// find returns the driver of a text that begins with a scheme, and what is behind that.
func find(text string) (d *Driver, after string, err error) {
	scheme, after, found := strings.Cut(text, "://")
	if !found {
		return nil, "", fmt.Errorf("it has no scheme; the schemes are %s", list(schemes))
	}
	scheme = gateway.Lower(scheme)
	if d = drivers[scheme]; d != nil {
		return d, after, nil
	}
	switch {
	case slices.Contains(schemes, scheme):
		return nil, "", fmt.Errorf("this build leaves %s:// out; use the full build, which is made without the tag slim", scheme)
	case scheme == "amqp" || scheme == "amqps":
		return nil, "", errors.New("the scheme of RabbitMQ is rabbit:// here, and its address, amqp:// and the rest, stands in RABBIT_SERVER_URL or in the option server; write rabbit://")
	}
	return nil, "", fmt.Errorf("the scheme is none of %s", list(schemes))
}

// list joins schemes as they are written.
func list(schemes []string) string {
	return strings.Join(schemes, "://, ") + "://"
}

// OpenPublisher opens the address for publishing. The error is one of the build.
func OpenPublisher(s *component.Site, a *Address) (Publisher, error) {
	if a.driver.Publisher == nil {
		return nil, a.placed(fmt.Errorf("nobody can publish to %s://; %s", a.Scheme, a.driver.Instead))
	}
	p, err := a.driver.Publisher(s, a)
	if err != nil {
		return nil, a.placed(err)
	}
	return p, nil
}

// OpenSubscriber opens the address for subscribing. The error is one of the build.
func OpenSubscriber(s *component.Site, a *Address) (Subscriber, error) {
	if a.driver.Subscriber == nil {
		return nil, a.placed(fmt.Errorf("nobody can subscribe to %s://; %s", a.Scheme, a.driver.Instead))
	}
	sub, err := a.driver.Subscriber(s, a)
	if err != nil {
		return nil, a.placed(err)
	}
	return sub, nil
}

// Attend starts l with the generation of the site and leaves it with that. A reload waits a
// moment for the first attempt to connect. Health paths
// tell of it under the name, which is one of all sites, and the gateway is not ready without
// it if it is critical. The error is one of the build.
func Attend(s *component.Site, name string, critical bool, l Lasting) error {
	var leave func()
	s.OnStart(func(context.Context) error {
		leave = l.Start(s.Log())
		return nil
	})
	s.OnClose(func(context.Context) error {
		leave()
		return nil
	})
	s.Await(l.Tried)
	return s.Health(name, critical, l.Health)
}

// environmental is an error about the surroundings.
type environmental struct{ error }

func (e environmental) Unwrap() error { return e.error }

// Environment marks an error about variables, credentials and the like, which stand
// nowhere in the configuration.
func Environment(err error) error { return environmental{err} }

// placed returns an error of a driver as one of the build.
func (a *Address) placed(err error) error {
	if e, ok := errors.AsType[environmental](err); ok {
		return e.error
	}
	return config.At(a.key, err)
}
