package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

const (
	// longestDial ends attempts to connect that have no limit of their own
	// once every call that waited for them is long over.
	longestDial = 30 * time.Second

	// A connection of HTTP/2 carries many calls, so one that is dead without
	// anybody having said so would fail them for minutes.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second

	maxHeader = 1 << 20 // bytes of the header of an answer
)

// client is an [engine.Client] on http.Transport.
type client struct {
	settings  model.Transport
	tls       *tls.Config
	transport *http.Transport
	prior     *http.Transport                  // of calls by prior knowledge; nil where there are none
	upgrades  *http.Transport                  // of calls that ask for another protocol
	proxy     func(*url.URL) (*url.URL, error) // nil when there is none

	doubts atomic.Int64 // streams of HTTP/2 that ended as [client.doubt] says
}

// NewClient returns a client with connections of its own.
func NewClient(t model.Transport, s *tls.Config) engine.Client {
	c := &client{settings: t, tls: s, proxy: proxyFor(t.Proxy)}
	c.transport, c.upgrades = c.newTransport(t, s), c.newTransport(t, s)
	c.transport.Protocols.SetHTTP2(true)
	c.speakHTTP2(c.transport)
	if t.H2C {
		c.prior = c.newPrior(t)
	}
	c.upgrades.DisableKeepAlives = true // each call gets a connection of its own
	return c
}

// speakHTTP2 prepares a transport for HTTP/2.
func (c *client) speakHTTP2(t *http.Transport) {
	//lint:ignore SA1019 the CountError of HTTP2Config is not asked about streams of clients, as of Go 1.26
	streams, err := http2.ConfigureTransports(t)
	if err != nil {
		panic(err) // another version of HTTP/2 was registered, which nobody does
	}
	//lint:ignore SA1019 as above
	streams.CountError = c.doubt
}

// doubt counts the streams that a backend has reset with PROTOCOL_ERROR. The transport
// takes such a stream for one that was not processed, and sends it again whatever its
// method is; but nothing says so (RFC 9113, section 8.7).
func (c *client) doubt(kind string) {
	if kind == "recv_rststream_PROTOCOL_ERROR" {
		c.doubts.Add(1)
	}
}

// newTransport returns a transport for HTTP/1.1.
func (c *client) newTransport(t model.Transport, s *tls.Config) *http.Transport {
	if s != nil {
		s = s.Clone() // the transport adds its protocols
	}
	dialer := &net.Dialer{
		Timeout:       time.Duration(t.DialerTimeout),
		KeepAlive:     time.Duration(t.DialerKeepAlive),
		FallbackDelay: time.Duration(t.DialerFallbackDelay),
	}
	if dialer.Timeout == 0 {
		dialer.Timeout = longestDial
	}
	transport := &http.Transport{
		DialContext:            dial(dialer),
		TLSClientConfig:        s,
		TLSHandshakeTimeout:    engine.HandshakeTimeout,
		DisableKeepAlives:      t.DisableKeepAlives,
		DisableCompression:     true, // whoever made the request knows what to ask for
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           t.MaxIdleConnections,
		MaxIdleConnsPerHost:    t.MaxIdleConnectionsPerHost,
		IdleConnTimeout:        time.Duration(t.IdleConnectionTimeout),
		ResponseHeaderTimeout:  time.Duration(t.ResponseHeaderTimeout),
		ExpectContinueTimeout:  time.Duration(t.ExpectContinueTimeout),
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: engine.StreamWindow, SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if t.MaxIdleConnectionsPerHost == 0 {
		transport.MaxIdleConnsPerHost = model.DefaultIdlePerHost
	}
	transport.Protocols.SetHTTP1(true)
	if c.proxy != nil {
		transport.Proxy = func(r *http.Request) (*url.URL, error) { return c.proxy(r.URL) }
	}
	return transport
}

// callKey is the key of the call in contexts: the transport makes a connection beside the
// call, without its deadline.
type callKey struct{}

// dialBy returns when the connection of a call must have been made; zero for no limit.
func dialBy(ctx context.Context) time.Time {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.dialBy
	}
	return time.Time{}
}

// dial marks failures as calls that reached nobody. The mark tells such a
// failure from the trouble of an earlier connection that was idle too long,
// for which the transport made the failed one.
func dial(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := *d
		d.Deadline = dialBy(ctx)
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", gateway.ErrUnreached, err)
		}
		return hush(conn), nil
	}
}

// proxyFor returns what chooses the forward proxy for a URL: always the given
// one, or what the environment says now. It returns nil if there never is one.
func proxyFor(address string) func(*url.URL) (*url.URL, error) {
	if address == "" {
		env := httpproxy.FromEnvironment()
		if env.HTTPProxy == "" && env.HTTPSProxy == "" {
			return nil
		}
		return env.ProxyFunc()
	}
	u, err := url.Parse(address)
	if err == nil && u.Host == "" {
		err = errors.New("the proxy has no host")
	}
	return func(*url.URL) (*url.URL, error) { return u, err }
}

// Close closes idle connections.
func (c *client) Close() {
	c.transport.CloseIdleConnections()
	if c.prior != nil {
		c.prior.CloseIdleConnections()
	}
}

// Do makes the call.
func (c *client) Do(ctx context.Context, x *gateway.Exchange) error {
	once := !x.Request.Repeatable()
	call := &call{client: c, once: once, transport: c.transport, watch: engine.Watch(&x.Request)}
	if c.prior != nil && x.Request.Scheme == "http" {
		call.transport = c.prior
	}
	if g := x.Request.Session; g != nil {
		var err error
		if call.transport, err = c.session(g); err != nil {
			return engine.SessionOver(ctx)
		}
	}
	r, err := call.request(ctx, x, c.proxy)
	if err != nil {
		call.end()
		return err
	}
	res, err := call.roundTrip(&x.Request, r)
	call.hints.end()
	call.body.settle()
	if err == nil {
		err = call.answer(res, &x.Response)
	}
	if err == nil {
		return nil
	}
	call.end()
	if call.stopped.Load() {
		err = errDoubt
	}
	if call.stage.Load() == late {
		err = tooLate(x.Request.Host)
	}
	if cause := call.body.failure(); cause != nil && ctx.Err() == nil {
		return gateway.BodyError(cause)
	}
	if errors.Is(err, gateway.ErrSessionOver) {
		x.Request.Session.Close()
		return engine.SessionOver(ctx)
	}
	return engine.Failure(ctx, err, call.stage.Load() == reached && !errors.Is(err, gateway.ErrUnreached))
}

// roundTrip calls the transport. It asks once more where that has lost the answer.
func (c *call) roundTrip(q *gateway.Request, r *http.Request) (*http.Response, error) {
	if r.Header["Upgrade"] != nil && q.Session == nil {
		return c.client.upgrades.RoundTrip(r)
	}
	res, err := c.transport.RoundTrip(r)
	if lost(err) && c.body.stream == nil && q.Repeatable() {
		if r.Body != nil {
			r.Body, _ = c.body.again() // which is always possible from memory
		}
		res, err = c.transport.RoundTrip(r)
	}
	return res, err
}

// lost reports whether the transport has lost an answer without a body: it puts
// the connection among the idle ones before it hands the answer over, and another
// that comes to them closes it there where max_idle_connections is reached.
func lost(err error) bool {
	return err != nil && strings.Contains(err.Error(), "putIdleConn: too many idle connections")
}

// A call is what one request needs besides the values of net/http: allocated
// at once, and not pooled, because goroutines of the transport may hold parts
// of it when the call is over. It is also the body of the answer.
type call struct {
	url       url.URL
	body      requestStream
	trace     httptrace.ClientTrace
	client    *client
	watch     *engine.Stopwatch // nil if nobody wants to know
	transport *http.Transport
	once      bool               // a backend that may have got the request must not get it twice
	stage     atomic.Int32       // waiting, reached or late
	streams   bool               // the connection speaks HTTP/2
	doubts    int64              // of the client when the request was sent
	cancel    context.CancelFunc // ends the call without the client's having left; nil for most
	stopped   atomic.Bool        // by that, in doubt
	values    [12]string         // room for the values of the header
	dialBy    time.Time          // when a connection must have been made; zero for no limit
	timer     *time.Timer        // until then, where more is needed for one than to dial; nil for most
	hints     hints
	res       *http.Response
	trailer   gateway.Fields // of res, once its body has ended

	ahead       *[32 << 10]byte // what was read of the body of the answer before anybody asked; nil for nothing
	taken, have int             // of that
	behind      error           // and what came behind it
}

// The stages of a call.
const (
	waiting int32 = iota // for a connection
	reached              // it has one
	late                 // it has given up waiting
)

// request makes the request of net/http. The error is a *[gateway.Error].
func (c *call) request(ctx context.Context, x *gateway.Exchange, proxy func(*url.URL) (*url.URL, error)) (*http.Request, error) {
	q := &x.Request
	if !engine.ValidRequest(q) {
		return nil, engine.Unsendable("its method, path, query or a field holds what would end it")
	}
	c.url = url.URL{Scheme: q.Scheme, Host: q.Host, RawQuery: q.RawQuery}
	if err := c.path(q, proxy); err != nil {
		return nil, err
	}
	if q.Body.Size() != 0 {
		q.Upgrade = "" // a body would be in its way
	}
	if c.trace.GotConn = c.connected; c.watch != nil {
		c.time()
	}
	if in, ok := x.In.(gateway.Hinter); ok && q.Through {
		c.hints.to, c.trace.Got1xxResponse = in, c.hints.add
	}
	ctx = c.limit(ctx, q, proxy != nil)
	r := (&http.Request{
		Method: q.Method,
		URL:    &c.url,
		Header: c.header(q),
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(httptrace.WithClientTrace(ctx, &c.trace))
	if q.Through && q.Upgrade == "" && engine.WantsTrailers(x.In) {
		r.Header["Te"] = trailers
	}
	if q.Idempotent && !q.Header.Has("X-Idempotency-Key") {
		r.Header["X-Idempotency-Key"] = nil // is not sent, and lets net/http repeat the request
	}
	return r, c.load(r, &q.Body)
}

// limit returns the context of the call, which ends when there is no connection in time. A
// connection that has to shake hands is not ready when it is there, and one to a proxy.
func (c *call) limit(ctx context.Context, q *gateway.Request, proxied bool) context.Context {
	if c.dialBy = engine.DialBy(ctx, q); !c.dialBy.IsZero() {
		ctx = context.WithValue(ctx, callKey{}, c)
	}
	if q.Scheme != "https" && !c.prior() && !proxied {
		return ctx
	}
	if !c.dialBy.IsZero() || c.once && q.Body.Size() == 0 {
		ctx, c.cancel = context.WithCancel(ctx)
	}
	if !c.dialBy.IsZero() {
		c.timer = time.AfterFunc(time.Until(c.dialBy), c.giveUp)
	}
	return ctx
}

// load gives r its body. The error is a *[gateway.Error].
func (c *call) load(r *http.Request, b *body.Body) error {
	switch r.ContentLength = b.Size(); {
	case r.ContentLength == 0:
		return nil
	case b.Form() == body.Stream:
		stream := b.Reader()
		*b = body.FromStream(stream, r.ContentLength) // ours to read, not to close
		c.body.stream, c.body.left = stream, r.ContentLength
	default:
		raw, err := b.Bytes(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		c.body.raw, r.ContentLength = raw, int64(len(raw))
	}
	r.Body, r.GetBody = &c.body, c.again
	return nil
}

// trailers are the values of TE to a backend whose client takes trailers.
var trailers = []string{"trailers"}

var errDoubt = errors.New("the stream was reset, and nothing says that it was not processed")

// again returns the body for another attempt of the transport.
func (c *call) again() (io.ReadCloser, error) {
	if c.doubtful() {
		return nil, errDoubt
	}
	return c.body.again()
}

// doubtful reports whether the transport may be about to repeat a request that the
// backend may have processed. It may be the stream of another call that was reset: it
// does not say which.
func (c *call) doubtful() bool { return c.once && c.streams && c.client.doubts.Load() != c.doubts }

// end ends the call.
func (c *call) end() {
	c.watch.End()
	c.body.end()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.cancel != nil {
		c.cancel()
	}
}

// giveUp ends a call for which no connection was made in time. The connection may yet be
// made, for others.
func (c *call) giveUp() {
	if c.stage.CompareAndSwap(waiting, late) {
		c.cancel()
	}
}

// connected notes that somebody is at the other end. A connection that has been
// used before and on which something has arrived that nobody asked for is closed:
// net/http would take it for the answer, or see it a moment too late. It makes
// another.
//
// On HTTP/2 it is called again for another attempt, which must not be made if the
// first is in doubt. A request with a body has asked for that before.
func (c *call) connected(info httptrace.GotConnInfo) {
	c.watch.Ready(info.Reused)
	_, prior := info.Conn.(*shared) // which one that switches protocols is not
	streams := prior || speaksHTTP2(info.Conn)
	if !c.stage.CompareAndSwap(waiting, reached) {
		switch {
		case c.stage.Load() == late: // nothing must be sent
			if !streams {
				socket(info.Conn).Close() // for what writes to it does not ask whether the call goes on
			}
			c.cancel()
			return
		case c.doubtful() && c.cancel != nil:
			c.stopped.Store(true)
			c.cancel()
			return
		}
	}
	if c.streams = streams; streams {
		c.doubts = c.client.doubts.Load()
		c.body.keep()
		return
	}
	below := socket(info.Conn)
	if p, ok := below.(*paced); ok {
		p.used.Store(true)
		below = p.Conn
	}
	if q, ok := below.(*quiet); ok {
		c.body.carry(q)
		if info.Reused && !q.still() {
			socket(info.Conn).Close()
		}
	}
}

// time lets the watch take the times of the transport.
func (c *call) time() {
	c.trace.DNSStart = func(httptrace.DNSStartInfo) { c.watch.Start(engine.Lookup) }
	c.trace.DNSDone = func(httptrace.DNSDoneInfo) { c.watch.Stop(engine.Lookup) }
	c.trace.ConnectStart = func(string, string) { c.watch.Start(engine.Connect) }
	c.trace.ConnectDone = func(_, _ string, err error) {
		if err == nil {
			c.watch.Stop(engine.Connect)
		}
	}
	c.trace.TLSHandshakeStart = func() { c.watch.Start(engine.Handshake) }
	c.trace.TLSHandshakeDone = func(_ tls.ConnectionState, err error) {
		if err == nil {
			c.watch.Stop(engine.Handshake)
		}
	}
	c.trace.GotFirstResponseByte = c.watch.Hear
}

// socket returns the connection below TLS. To close that waits for nobody; TLS would say
// goodbye to a peer that may not read.
func socket(conn net.Conn) net.Conn {
	for {
		encrypted, ok := conn.(*tls.Conn)
		if !ok {
			return conn
		}
		conn = encrypted.NetConn()
	}
}

// speaksHTTP2 reports whether a connection carries streams.
func speaksHTTP2(conn net.Conn) bool {
	encrypted, ok := conn.(*tls.Conn)
	return ok && encrypted.ConnectionState().NegotiatedProtocol == "h2"
}

// carriesAny reports whether a proxy carries bytes of any protocol.
func carriesAny(via *url.URL) bool { return via.Scheme == "socks5" || via.Scheme == "socks5h" }

// path puts the path into the URL such that it goes out as it is. Opaque does
// that for every path but one that begins with two slashes, which net/http
// takes for an authority. Towards a proxy the target is absolute, and net/http
// leaves that to whoever uses Opaque.
func (c *call) path(q *gateway.Request, proxy func(*url.URL) (*url.URL, error)) error {
	if proxy != nil && q.Scheme == "http" {
		if via, err := proxy(&c.url); err == nil && via != nil && !carriesAny(via) {
			c.url.Opaque = "//" + q.Host + q.Path
			return nil
		}
	}
	if !strings.HasPrefix(q.Path, "//") {
		c.url.Opaque = q.Path
		return nil
	}
	decoded, err := url.PathUnescape(q.Path)
	c.url.Path, c.url.RawPath = decoded, q.Path
	if err != nil || c.url.EscapedPath() != q.Path {
		return engine.Unsendable("its path begins with two slashes and holds what would be escaped")
	}
	return nil
}

// header returns the fields that may be sent. The values share one array.
func (c *call) header(q *gateway.Request) http.Header {
	fields := q.Header
	h := make(http.Header, len(fields)+1)
	values := c.values[:0]
	if len(fields) > len(c.values) {
		values = make([]string, 0, len(fields))
	}
	for _, f := range fields {
		if gateway.PerHop(f.Name) || f.Name == "Host" {
			continue
		}
		if earlier, repeated := h[f.Name]; repeated {
			h[f.Name] = append(earlier, f.Value)
			continue
		}
		values = append(values, f.Value)
		h[f.Name] = values[len(values)-1 : len(values) : len(values)]
	}
	if _, named := h["User-Agent"]; !named {
		h["User-Agent"] = nil // or net/http sends its own
	}
	if q.Upgrade != "" {
		h["Connection"], h["Upgrade"] = upgrading, []string{q.Upgrade}
	}
	return h
}

// answer fills the response with the head of res and a body that streams.
func (c *call) answer(res *http.Response, to *gateway.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return c.tunnel(res, to)
	}
	if count(res.Header) > wire.MaxFields {
		c.leave(res)
		return errors.New("too many fields")
	}
	if !c.speaks(res) {
		c.leave(res)
		return errors.New("a version of HTTP other than 1.0 and 1.1")
	}
	if err := odd(res); err != nil {
		c.leave(res)
		return err
	}
	to.Status = res.StatusCode
	to.Header = appendFields(to.Header[:0], res.Header).EndToEnd()
	to.Body.Close()
	to.Trailer = nil
	switch {
	case res.Request.Method == http.MethodHead && res.ContentLength > 0:
		to.Body = body.FromStream(body.Unsent, res.ContentLength)
	case res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified:
		// Over HTTP/2 the transport takes a length that they have for that of a body.
	case res.Body != http.NoBody && (res.ContentLength != 0 || res.ProtoMajor == 2):
		c.res = res
		to.Body = body.FromStream(c, res.ContentLength)
		c.watch.Tell()
		if res.ProtoMajor == 2 || res.ContentLength < 0 {
			to.Trailer = &c.trailer
		}
		return nil
	}
	c.leave(res)
	c.end()
	return nil
}

// leave gives up what is left of res.
func (c *call) leave(res *http.Response) {
	c.body.end()     // or the transport would wait for who reads it
	res.Body.Close() // an error says that the call is over
}

// speaks reports whether the version of an answer is one that the connection is
// for: HTTP/2 has no version in its answers.
func (c *call) speaks(res *http.Response) bool {
	switch {
	case res.ProtoMajor == 1:
		return res.ProtoMinor <= 1
	case res.ProtoMajor == 2:
		return c.prior() || res.TLS != nil && res.TLS.NegotiatedProtocol == "h2"
	}
	return false
}

// odd tells what package wire refuses in the head of an answer and net/http takes.
func odd(res *http.Response) error {
	if res.StatusCode < 100 || res.StatusCode > 999 {
		return errors.New("no status")
	}
	if !engine.ValidValue(res.Status) {
		return errors.New("a control character in the head")
	}
	return tidy(res.Header)
}

// tidy removes white space before colons, which net/http takes for a part of the name
// and servers of old send. It refuses that where such a name frames the message, for then
// net/http has read another one, and white space within a name.
func tidy(h http.Header) error {
	for name, values := range h {
		clean := strings.TrimRight(name, " \t")
		if strings.ContainsAny(clean, " \t") {
			return errors.New("white space within the name of a field")
		}
		if len(clean) == len(name) {
			continue
		}
		clean = gateway.Canonical(clean)
		if clean == "Content-Length" || clean == "Transfer-Encoding" || clean == "Connection" {
			return errors.New("white space before the colon of a field that frames the message")
		}
		delete(h, name)
		h[clean] = append(h[clean], values...)
	}
	return nil
}

// Begin waits for the first byte of the body, as [body.Body.Begin] says. What is there
// without waiting the transport does not tell.
func (c *call) Begin(wait bool) error {
	if !wait || c.ahead != nil || c.behind != nil {
		return nil
	}
	c.ahead = buffers.Get().(*[32 << 10]byte)
	for c.have == 0 && c.behind == nil {
		c.have, c.behind = c.read(c.ahead[:])
	}
	if c.have > 0 || c.behind == io.EOF {
		return nil
	}
	return c.behind
}

// Read reads the body of the answer.
func (c *call) Read(p []byte) (int, error) {
	switch {
	case c.taken < c.have:
		n := copy(p, c.ahead[c.taken:c.have])
		c.taken += n
		return n, nil
	case c.behind != nil:
		return 0, c.behind
	}
	c.drop()
	return c.read(p)
}

// drop gives up the memory for what was read ahead.
func (c *call) drop() {
	if c.ahead != nil {
		buffers.Put(c.ahead)
		c.ahead, c.taken, c.have = nil, 0, 0
	}
}

func (c *call) read(p []byte) (int, error) {
	n, err := c.res.Body.Read(p)
	if err != nil {
		c.watch.End()
	}
	if err == io.EOF && len(c.res.Trailer) > 0 {
		err = c.trail()
	}
	if err != nil && err != io.EOF {
		err = engine.BrokenAnswer(c.res.Request.Context(), err, c.res.Request.URL.Host)
	}
	return n, err
}

// trail keeps the fields behind the body, which has ended. The error is io.EOF, or says
// what is wrong with them.
func (c *call) trail() error {
	h := c.res.Trailer
	c.res.Trailer = nil
	if err := tidy(h); err != nil {
		return err
	}
	size, n := 0, count(h)
	for name, values := range h {
		for i, v := range values {
			values[i] = strings.TrimRight(v, " \t") // behind an empty folded line
			if !gateway.Token(name) || !engine.ValidValue(v) {
				return errors.New("a trailer that is no field")
			}
			size += len(name) + len(": \r\n") + len(v)
		}
		if !gateway.MayTrail(name) {
			delete(h, name)
		}
	}
	if size > wire.MaxTrailer || n > wire.MaxFields {
		return errors.New("the trailers are too large")
	}
	c.trailer = appendSorted(c.trailer, h)
	return io.EOF
}

// Close ends the call.
func (c *call) Close() error {
	c.leave(c.res)
	c.end()
	c.drop()
	return nil
}
