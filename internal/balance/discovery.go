package balance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	defaultTTL    = 30 * time.Second
	minTTL        = time.Second
	lookupTimeout = 5 * time.Second
)

// DiscoveryOptions are the settings of a discovery. The zero value is ready
// for use.
type DiscoveryOptions struct {
	Options

	Resolver Resolver      // DNS(nil) if nil
	TTL      time.Duration // between lookups; below 1s means 30s
}

// A Discovery keeps sets of hosts in step with the SRV records of one name. It
// is safe for concurrent use.
type Discovery struct {
	name    string
	options DiscoveryOptions

	mu      sync.Mutex
	sets    map[string]*Set // by scheme
	records []SRV           // of the last good answer
	failing bool
	told    []*Report // of the users, in the order in which they came

	users sync.Mutex // held while they come and go
	count int
	stop  context.CancelFunc
	done  chan struct{} // closed when the refreshing goroutine has ended
}

// A Report is told when lookups of a name begin to fail, with the cause, and when
// they work again, with a nil error. It is never called twice at once for one name.
type Report func(name string, err error)

// NewDiscovery returns a discovery of name, which has not looked anything up.
// It returns ErrNoHost for an empty name.
func NewDiscovery(name string, o DiscoveryOptions) (*Discovery, error) {
	if name == "" {
		return nil, ErrNoHost
	}
	if o.Resolver == nil {
		o.Resolver = DNS(nil)
	}
	if o.TTL < minTTL {
		o.TTL = defaultTTL
	}
	return &Discovery{name: name, options: o, sets: map[string]*Set{}}, nil
}

// Hosts returns the set of the hosts under a scheme, such as "http". It is the
// same set at every call and has no hosts before the first answer.
func (d *Discovery) Hosts(scheme string) *Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sets[scheme]
	if s == nil {
		s = newSet(d.options.Options)
		d.sets[scheme] = s
		d.fill(scheme, s)
	}
	return s
}

// Start looks the name up and then goes on in the background, every TTL, and
// every second as long as there was no answer at all. A lookup that fails is
// reported and leaves the hosts as they were. Start returns after the first
// lookup, or when ctx ends; ctx does not limit the time after that.
//
// Those who start it after the first wait for its lookup and join what is running.
// The last one that has not stopped is told of failures, such as the newest
// configuration that serves: the logs of others may have ended.
//
// Stop is called once. The last one ends what Start began, and waits for the
// goroutine. The hosts stay.
func (d *Discovery) Start(ctx context.Context, to Report) (stop func()) {
	d.users.Lock()
	defer d.users.Unlock()
	d.mu.Lock()
	d.told = append(d.told, &to)
	d.mu.Unlock()
	stop = func() { d.leave(&to) }
	if d.count++; d.count > 1 {
		return stop
	}
	d.lookup(ctx)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	d.stop, d.done = cancel, done
	go func() {
		defer close(done)
		d.refresh(running)
	}()
	return stop
}

// leave ends the use of who is told by to.
func (d *Discovery) leave(to *Report) {
	d.users.Lock()
	defer d.users.Unlock()
	d.mu.Lock()
	d.told = slices.DeleteFunc(d.told, func(r *Report) bool { return r == to })
	d.mu.Unlock()
	if d.count--; d.count > 0 {
		return
	}
	d.stop()
	<-d.done
}

// refresh looks up until ctx ends.
func (d *Discovery) refresh(ctx context.Context) {
	timer := time.NewTimer(d.wait())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			d.lookup(ctx)
			timer.Reset(d.wait())
		}
	}
}

// wait returns the time to the next lookup.
func (d *Discovery) wait() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.records) == 0 {
		return minTTL
	}
	return d.options.TTL
}

// lookup asks once and exchanges the hosts of every set.
func (d *Discovery) lookup(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	records, err := d.options.Resolver(limited, d.name)
	if ctx.Err() != nil {
		return // given up, which says nothing about the name
	}
	if usable := len(Addresses("", records)) > 0; usable {
		err = nil
	} else if err == nil {
		err = errors.New("no usable record")
	}
	if err != nil {
		err = fmt.Errorf("srv records of %s: %w", d.name, err)
	}

	d.mu.Lock()
	changed := d.failing != (err != nil)
	d.failing = err != nil
	if err == nil {
		d.records = records
		for scheme, s := range d.sets {
			d.fill(scheme, s)
		}
	}
	var to Report
	if n := len(d.told); n > 0 { // or the last one is leaving
		to = *d.told[n-1]
	}
	d.mu.Unlock()
	if changed && to != nil {
		to(d.name, err)
	}
}

// fill gives s the hosts of the last good answer. The lock is held.
func (d *Discovery) fill(scheme string, s *Set) {
	if addresses := Addresses(scheme, d.records); len(addresses) > 0 {
		s.replace(addresses)
	}
}
