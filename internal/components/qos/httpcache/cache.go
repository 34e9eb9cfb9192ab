package httpcache

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A cache answers calls from its store and fills it with what they bring.
type cache struct {
	store  *store
	origin string // names the hosts in keys; "" when requests say which
	clock  component.Clock
	reads  func(status int) bool // whether somebody reads the body of such an answer
	calls  gateway.Slot[*call]
}

// Enter answers from the store, or prepares to store what comes.
func (c *cache) Enter(_ context.Context, x *gateway.Exchange) error {
	if safe(x.Request.Method) && passes(&x.Request) {
		return nil
	}
	k := newCall(x, c.origin)
	k.asked = c.clock()
	if safe(k.method) && !k.rules.noStore {
		if e := c.store.get(k.key, &k.request, k.asked); e != nil {
			if e.fresh(k.asked, k.rules) {
				e.answer(x, k.asked)
				x.Reply()
				k.release()
				return nil
			}
			k.stale = e
		}
	}
	if k.rules.onlyIfCached {
		k.release()
		return &gateway.Error{Status: 504, Code: codeNotCached, Public: "not in the cache"}
	}
	if k.stale != nil {
		k.asks = k.stale.askRenewal(&x.Request.Header)
	}
	c.calls.Set(x, k)
	return nil
}

// Leave stores what came, renews what was stored, or lets it stand in for a
// failure.
func (c *cache) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	k, _ := c.calls.Get(x)
	if k == nil {
		return err
	}
	c.calls.Set(x, nil) // there may be another attempt
	defer k.release()
	if !safe(k.method) {
		// Whether it went well or not: the backend may have changed.
		c.store.clear(k.key)
		return err
	}
	now := c.clock()
	r := &x.Response
	switch {
	case err != nil && x.Request.Attempt == gateway.Unreached && x.Request.Others > 0:
		return err // the next host may answer
	case err != nil || r.Status >= 500:
		if k.stale != nil && k.stale.excuses(now, k.rules) {
			k.stale.answer(x, now)
			return nil
		}
		return err
	case r.Status == 304 && k.asks:
		e, lasting := k.stale.renewed(&k.request, r.Header, k.asked, now)
		if lasting {
			c.store.put(string(k.key), e, k.stale, now)
		} else {
			c.store.drop(k.key, k.stale)
		}
		e.answer(x, now)
		return nil
	}
	if e := newEntry(&k.request, r.Status, r.Header, k.asked, now); e != nil {
		c.save(x, k, e, now)
	} else if k.stale != nil {
		c.store.drop(k.key, k.stale)
	}
	return nil
}

// maxUnread is the largest body that is read for the store alone: that of a failure
// which nobody else looks at.
const maxUnread = 64 << 10

// save stores the answer, at once or as soon as its body was read.
func (c *cache) save(x *gateway.Exchange, k *call, e *entry, now time.Time) {
	b := &x.Response.Body
	limit := c.store.entryLimit()
	if size := b.Size(); b.Form() == body.Stream && size > 0 && size <= min(limit, maxUnread) && !c.reads(x.Response.Status) {
		if _, err := b.Bytes(0); err != nil {
			return // what broke off is not stored; whoever looks at the body finds that
		}
	}
	switch {
	case k.method == "HEAD" || b.Form() == body.Empty:
		c.store.put(string(k.key), e, k.stale, now)
	case b.Size() > limit:
		c.store.drop(k.key, k.stale)
	case b.Form() == body.Raw:
		raw, err := b.Bytes(limit)
		if err == nil {
			e.body = bytes.Clone(raw)
			c.store.put(string(k.key), e, k.stale, now)
		}
	case b.Form() == body.Stream:
		size, key, old := b.Size(), string(k.key), k.stale // the call does not live as long as the stream
		*b = body.FromStream(&recorder{
			ReadCloser: b.Reader(),
			size:       size,
			limit:      limit,
			keep: func(content []byte) {
				e.body = content
				c.store.put(key, e, old, c.clock())
			},
		}, size)
	}
}

// A recorder keeps what is read of a stream, so that a body that streams is
// stored without delay and one that breaks off is not stored.
type recorder struct {
	io.ReadCloser
	size  int64 // of the stream; -1 when unknown
	limit int64 // bytes that are kept at most
	read  []byte
	keep  func([]byte) // gets the whole body once; nil when there is nothing to keep
}

// Read reads on and keeps the bytes.
func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.keep == nil {
		return n, err
	}
	if int64(len(r.read)+n) > r.limit || err != nil && err != io.EOF {
		r.keep, r.read = nil, nil
		return n, err
	}
	if r.read == nil && r.size > 0 {
		r.read = make([]byte, 0, r.size)
	}
	r.read = append(r.read, p[:n]...)
	whole := int64(len(r.read)) == r.size
	if whole || err == io.EOF && r.size < 0 {
		r.keep(r.read)
		r.keep = nil
	}
	return n, err
}

// answer fills the response of x from the entry, which x then borrows.
func (e *entry) answer(x *gateway.Exchange, now time.Time) {
	r := &x.Response
	r.Body.Close()
	r.Status = e.status
	r.Header = append(r.Header[:0], e.header...)
	r.Header.Add("Age", strconv.FormatInt(int64(e.ageAt(now)/time.Second), 10))
	r.Body, r.Trailer = body.FromBytes(e.body), nil // which it does not keep (RFC 9111, section 3)
}

// askRenewal adds the validators of the entry to a request and reports whether
// there are any.
//
// Source: RFC 9111, section 4.3.1.
func (e *entry) askRenewal(h *gateway.Fields) bool {
	if tag := e.header.Get("Etag"); tag != "" {
		h.Set("If-None-Match", tag)
	}
	if modified := e.header.Get("Last-Modified"); modified != "" {
		h.Set("If-Modified-Since", modified)
	}
	return e.validatable()
}
