package reliability

import (
	"io"
	"strings"
	"testing"
	"time"
)

// TestClientStopsReading ends an answer that streams at the endpoint's timeout,
// although nothing but the client is slow, and so does not hold up a stop. What
// such a client asks next on another connection is answered.
func TestClientStopsReading(t *testing.T) {
	noLeaks(t)
	eachEngine(t, func(t *testing.T, engine string) {
		for _, head := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
			piece := strings.Repeat("x", 1<<16)
			p := newPeer(t, func(c *conn) {
				for c.request() {
					io.WriteString(c, head)
					for {
						text := piece
						if strings.Contains(head, "chunked") {
							text = "10000\r\n" + piece + "\r\n"
						}
						if _, err := io.WriteString(c, text); err != nil {
							return
						}
					}
				}
			})
			g := start(t, fill(`{"engine":"$2",`+quiet+`"timeout":"300ms","endpoints":[{"endpoint":"/x","output_encoding":"no-op","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url(), engine))
			c := call(t, g)
			c.SetReadBuffer(4 << 10)
			c.say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
			time.Sleep(100 * time.Millisecond) // the request is in flight
			stopsSoon(t, g, "a client that does not read", c)
			p.waitOpen(0)
			c.Close()
		}
	})
}

// TestHalfHead does not wait for the rest of a request head when it stops. The
// standard library's server gives new connections five seconds for that.
func TestHalfHead(t *testing.T) {
	noLeaks(t)
	g := start(t, `{"engine":"fast","read_header_timeout":"0s",`+quiet+`"endpoints":[]}`)
	first, second := call(t, g), call(t, g)
	first.say("GET /x HT")
	second.say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	second.hear()
	second.say("GET /x HT")
	time.Sleep(50 * time.Millisecond) // they have arrived
	stopsSoon(t, g, "half a head", first, second)
}

// stopsSoon stops the gateway, which no client may hold up. If one does, the
// connections of all are closed, so that the gateway ends.
func stopsSoon(t *testing.T, g *running, who string, clients ...*caller) {
	t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(soon):
		t.Errorf("%s holds up the stop", who)
		for _, c := range clients {
			c.Close()
		}
		<-stopped
	}
}
