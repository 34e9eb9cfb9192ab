package reliability

import (
	"bufio"
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// live is an endpoint at /live whose clients may switch to websocket, on the
// engine $2.
const live = `"engine":"$2","endpoints":[{"endpoint":"/live","output_encoding":"no-op","timeout":"5s",
	"extra_config":{"proxy":{"upgrade":["websocket"]}},"backend":[{"url_pattern":"/inside","host":["$1"]}]}]`

// eachEngine runs f with the name of every engine.
func eachEngine(t *testing.T, f func(t *testing.T, engine string)) {
	for _, e := range engines() {
		t.Run(e.Name, func(t *testing.T) { f(t, e.Name) })
	}
}

// key and accept are the example of RFC 6455, section 1.3.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// opening is the handshake of a client of WebSocket.
const opening = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
	key + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"

// Operations of frames (RFC 6455, section 5.2).
const (
	textFrame  = 1
	closeFrame = 8
	pingFrame  = 9
	pongFrame  = 10
)

// webFrame returns a frame of WebSocket. The text is masked if it comes from a
// client.
func webFrame(operation byte, text string, masked bool) string {
	head := []byte{0x80 | operation, 0}
	switch n := len(text); {
	case n < 126:
		head[1] = byte(n)
	case n < 1<<16:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	if !masked {
		return string(head) + text
	}
	head[1] |= 0x80
	mask := []byte{1, 2, 3, 4}
	head = append(head, mask...)
	for i := range len(text) {
		head = append(head, text[i]^mask[i%4])
	}
	return string(head)
}

// readFrame reads a frame.
func readFrame(r *bufio.Reader) (operation byte, text string, masked bool, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, "", false, err
	}
	masked = head[1]&0x80 != 0
	size := uint64(head[1] & 0x7f)
	if long := map[uint64]int{126: 2, 127: 8}[size]; long > 0 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[8-long:]); err != nil {
			return 0, "", false, err
		}
		size = binary.BigEndian.Uint64(b[:])
	}
	var mask [4]byte
	if masked {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, "", false, err
		}
	}
	p := make([]byte, size)
	_, err = io.ReadFull(r, p)
	for i := range p {
		p[i] ^= mask[i%4]
	}
	return head[0] & 0xf, string(p), masked, err
}

// shakes answers the handshake of a client, and reports whether it is one.
func (c *conn) shakes() bool {
	if !c.request() {
		return false
	}
	h := c.peer.last().Header
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") || h.Get("Connection") != "Upgrade" || h.Get("Sec-WebSocket-Version") != "13" {
		io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")
		return false
	}
	sum := sha1.Sum([]byte(h.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]), h.Get("Sec-WebSocket-Protocol"))
	return err == nil
}

// echoes is a peer of WebSocket that sends every text back and answers pings,
// until it is told to close.
func echoes(c *conn) {
	if !c.shakes() {
		return
	}
	io.WriteString(c, webFrame(textFrame, "welcome", false))
	for {
		operation, text, masked, err := readFrame(c.r)
		if err != nil || !masked {
			return
		}
		switch operation {
		case pingFrame:
			operation = pongFrame
		case closeFrame:
			io.WriteString(c, webFrame(closeFrame, text, false))
			c.Close()
			return
		}
		if _, err := io.WriteString(c, webFrame(operation, text, false)); err != nil {
			return
		}
	}
}

// opens reads the answer to a handshake and the first frame.
func (c *caller) opens() {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if h := res.Header; res.StatusCode != 101 || !strings.EqualFold(h.Get("Connection"), "upgrade") || h.Get("Upgrade") != "websocket" ||
		h.Get("Sec-WebSocket-Accept") != accept || h.Get("Sec-WebSocket-Protocol") != "chat" {
		c.t.Fatalf("%s %v, want a WebSocket", res.Status, h)
	}
	c.wantFrame(textFrame, "welcome")
}

func (c *caller) wantFrame(operation byte, text string) {
	c.t.Helper()
	op, got, masked, err := readFrame(c.r)
	if op != operation || got != text || masked || err != nil {
		c.t.Fatalf("frame %d of %d bytes, %v, masked %t; want %d with %d bytes", op, len(got), err, masked, operation, len(text))
	}
}

//go:embed upgrade_test.go
var thisFile string

// An outcomes component observes all exchanges.
type outcomes chan telemetry.Outcome

func (o outcomes) Observe(_ *gateway.Exchange, out telemetry.Outcome) { o <- out }

type noOptions struct{}

// registry returns all components and one that observes for o.
func (o outcomes) registry() *component.Registry {
	return with(component.Service(component.Info{
		Namespace: "test/outcomes", Summary: "Observes.", Source: thisFile, Implicit: component.InService,
	}, func(s *component.ServiceSite, _ noOptions) error {
		s.Observer(o)
		return nil
	}))
}

// TestWebSocket speaks WebSocket through the gateway.
func TestWebSocket(t *testing.T) {
	noLeaks(t)
	eachEngine(t, func(t *testing.T, engine string) {
		p := newPeer(t, echoes)
		seen := make(outcomes, 10)
		g := startWith(t, fill(`{`+quiet+live+`}`, p.url(), engine), seen.registry())
		c := call(t, g)
		c.say("%s", opening+webFrame(textFrame, "early", true))
		c.opens()
		c.wantFrame(textFrame, "early")
		long := strings.Repeat("0123456789", 30_000)
		for _, text := range []string{"", "hello", long} {
			c.say("%s", webFrame(textFrame, text, true))
			c.wantFrame(textFrame, text)
		}
		c.say("%s", webFrame(pingFrame, "p", true))
		c.wantFrame(pongFrame, "p")
		c.say("%s", webFrame(closeFrame, "", true))
		c.wantFrame(closeFrame, "")
		if !c.ended() {
			t.Error("the connection is open")
		}
		c.Close()
		o := <-seen
		written := int64(len("..welcome..early....hello" + ".........." + long + "..p..")) // frames and their heads
		if o.Status != 101 || o.Written != written || o.Err != nil {
			t.Errorf("observed %+v, want 101 with %d bytes", o, written)
		}
		h := p.last().Header
		for name, want := range map[string]string{"Sec-Websocket-Key": key, "Sec-Websocket-Protocol": "chat", "Upgrade": "websocket", "Connection": "Upgrade", "Accept-Encoding": ""} {
			if got := h.Get(name); got != want {
				t.Errorf("the backend got %s: %q, want %q", name, got, want)
			}
		}
	})
}

// TestTunnelSurvivesReload goes on with the configuration that a tunnel began
// with, and ends that after it.
func TestTunnelSurvivesReload(t *testing.T) {
	noLeaks(t)
	eachEngine(t, func(t *testing.T, engine string) {
		p := newPeer(t, echoes)
		g := start(t, fill(`{`+quiet+live+`}`, p.url(), engine))
		c := call(t, g)
		c.say("%s", opening)
		c.opens()
		empty := fill(`{`+quiet+`"engine":"$1","endpoints":[]}`, engine)
		g.config.Store(&empty)
		if problems, err := g.Load(t.Context()); err != nil {
			t.Fatal(err, problems)
		}
		late := call(t, g)
		late.say("%s", opening)
		if got := late.hear(); got.status != 404 {
			t.Errorf("a new handshake: %d %v, want 404", got.status, got.err)
		}
		c.say("%s", webFrame(textFrame, "still", true))
		c.wantFrame(textFrame, "still")
		c.Close()
		p.waitOpen(0)
	})
}

// TestTunnelShutdown shows what a stop does to tunnels.
func TestTunnelShutdown(t *testing.T) {
	noLeaks(t)
	tests := []struct {
		name, wait string
		ends       bool // the client ends the tunnel once the stop has begun
	}{
		{"no limit, and a tunnel that ends", "0s", true},
		{"a limit, and a tunnel that ends in time", "1h", true},
		{"a limit, and a tunnel that does not end", "80ms", false},
	}
	eachEngine(t, func(t *testing.T, engine string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := newPeer(t, echoes)
				g := start(t, fill(`{`+quiet+`"max_shutdown_wait_time":"`+tt.wait+`",`+live+`}`, p.url(), engine))
				idle := call(t, g)
				idle.say("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
				if got := idle.hear(); got.status != 404 {
					t.Fatalf("%d %v", got.status, got.err)
				}
				c := call(t, g)
				c.say("%s", opening)
				c.opens()
				stopped := make(chan error, 1)
				go func() { stopped <- g.Stop() }()
				if !idle.ended() {
					t.Error("an idle connection outlives the stop")
				}
				if tt.ends {
					c.say("%s", webFrame(textFrame, "still", true))
					c.wantFrame(textFrame, "still")
					c.say("%s", webFrame(closeFrame, "", true))
					c.wantFrame(closeFrame, "")
				}
				if !c.ended() {
					t.Error("the tunnel is open")
				}
				c.Close()
				if err := <-stopped; tt.ends != (err == nil) || !tt.ends && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("stopped with %v", err)
				}
				p.waitOpen(0)
			})
		}
	})
}

// TestTunnelsEnd ends many tunnels at once, each in one of all ways, and looks
// for what is left of them.
func TestTunnelsEnd(t *testing.T) {
	noLeaks(t)
	ways := []func(c *caller, say func(string)){
		func(c *caller, _ func(string)) { c.Close() },
		func(c *caller, _ func(string)) { c.SetLinger(0); c.Close() },
		func(c *caller, _ func(string)) { c.CloseWrite() },
		func(_ *caller, say func(string)) { say("close") },
		func(_ *caller, say func(string)) { say("reset") },
		func(_ *caller, say func(string)) { say("half") },
		func(c *caller, say func(string)) { say("reset"); c.Close() },
		func(c *caller, say func(string)) { say("half"); c.CloseWrite() },
	}
	eachEngine(t, func(t *testing.T, engine string) {
		p := newPeer(t, func(c *conn) {
			if !c.shakes() {
				return
			}
			io.WriteString(c, webFrame(textFrame, "welcome", false))
			for {
				_, text, _, err := readFrame(c.r)
				switch {
				case err != nil, text == "close":
					c.Close()
					return
				case text == "reset":
					c.reset()
					return
				case text == "half":
					c.Conn.(interface{ CloseWrite() error }).CloseWrite()
				}
			}
		})
		g := start(t, fill(`{`+quiet+live+`}`, p.url(), engine))
		tunnels := 40 * len(ways)
		if testing.Short() {
			tunnels = 4 * len(ways)
		}
		complaint := load(tunnels, 16, func(i int) string {
			c := call(t, g)
			c.say("%s", opening)
			res, err := http.ReadResponse(c.r, nil)
			if err != nil || res.StatusCode != 101 {
				return fmt.Sprintf("tunnel %d: %+v, %v", i, res, err)
			}
			ways[i%len(ways)](c, func(text string) { c.say("%s", webFrame(textFrame, text, true)) })
			io.Copy(io.Discard, c.r) // until the gateway closes its half
			c.Close()
			return ""
		})
		if complaint != "" {
			t.Error(complaint)
		}
		p.waitOpen(0)
	})
}
