package framing

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// upgradable has the endpoint below /n from which clients may switch to
// websocket, and one below /d from which they may not.
func upgradable(backend string) string {
	return fmt.Sprintf(`{%s,"endpoints":[
		{"endpoint":"/n/{role}/{id}","output_encoding":"no-op","input_headers":["*"],"extra_config":{"proxy":{"upgrade":["websocket"]}},
			"backend":[{"url_pattern":"/n/{role}/{id}","host":["http://%[2]s"]}]},
		{"endpoint":"/d/{role}/{id}","output_encoding":"no-op","input_headers":["*"],
			"backend":[{"url_pattern":"/d/{role}/{id}","host":["http://%[2]s"]}]}]}`, options, backend)
}

// An upgradeCase is a request for another protocol that does not end in a
// tunnel: whatever comes behind it is a request, also if somebody in front
// believes that it is not.
type upgradeCase struct {
	name   string
	text   string // of the client, with the words of requestCase
	answer string // of the backend; "" is a good one
	hides  bool   // text holds another request
	status int    // for the client
	sees   []string
	never  []string
}

const (
	wantsWebSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	wantsOld       = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	switching      = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
)

var upgradeCases = []upgradeCase{
	{name: "the backend answers 200", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 200,
		sees: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"}},
	{name: "the backend answers 426 to the version", text: get(wantsOld) + "HIDDEN", hides: true, status: 426,
		answer: "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno",
		sees:   []string{"Upgrade: websocket", "Sec-WebSocket-Version: 777"}},
	{name: "the backend answers 400 in chunks", text: get(wantsOld) + "HIDDEN", hides: true, status: 400,
		answer: "HTTP/1.1 400 Bad Request\r\n" + chunkedCoding + "\r\n\r\n" + hello},
	{name: "the backend switches to something else", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 502, answer: switching + "Upgrade: h2c\r\n\r\n" + poison},
	{name: "the backend switches to more", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 502, answer: switching + "Upgrade: websocket, h2c\r\n\r\n" + poison},
	{name: "the backend switches without saying to what", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 502, answer: switching + "\r\n" + poison},
	{name: "the backend switches unasked", text: get() + "HIDDEN", hides: true, status: 502, answer: switching + "Upgrade: websocket\r\n\r\n" + poison},
	{name: "the backend switches although Connection did not ask", text: get("Upgrade: websocket") + "HIDDEN", hides: true, status: 502,
		answer: switching + "Upgrade: websocket\r\n\r\n" + poison, never: []string{"Upgrade", "Connection"}},
	{name: "h2c", text: get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA") + "HIDDEN", hides: true, status: 200,
		never: []string{"Upgrade", "Connection", "HTTP2-Settings"}},
	{name: "h2c beside what is allowed", text: get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c, websocket", "Upgrade: TLS/1.3", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA") + "HIDDEN",
		hides: true, status: 200, sees: []string{"Upgrade: websocket"}, never: []string{"HTTP2-Settings"}},
	{name: "a name that only begins so", text: get("Connection: Upgrade", "Upgrade: websocket2, websocket/13") + "HIDDEN", hides: true, status: 200, never: []string{"Upgrade", "Connection"}},
	{name: "a body", text: get(wantsWebSocket, "Content-Length: HLEN") + "HIDDEN", status: 200, never: []string{"Upgrade", "Connection"}},
	{name: "a chunked body", text: get(wantsWebSocket, chunkedCoding) + "HHEX\r\nHIDDEN\r\n0\r\n\r\n", status: 200, never: []string{"Upgrade", "Connection"}},
}

// TestUpgrades sends every case to every engine.
func TestUpgrades(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		b := newBackend(t)
		addr, saw := start(t, e, upgradable(b.addr))
		for i, c := range upgradeCases {
			t.Run(c.name, func(t *testing.T) { c.run(t, b, addr, saw, "n", fmt.Sprintf("n%d", i)) })
		}
	})
}

// TestUpgradesElsewhere sends what could switch to an endpoint from which nobody
// may.
func TestUpgradesElsewhere(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		b := newBackend(t)
		addr, saw := start(t, e, upgradable(b.addr))
		for i, c := range []upgradeCase{
			{name: "websocket", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 200, never: []string{"Upgrade", "Connection"}},
			{name: "h2c", text: get("Connection: Upgrade", "Upgrade: h2c") + "HIDDEN", hides: true, status: 200, never: []string{"Upgrade", "Connection"}},
			{name: "the backend switches all the same", text: get(wantsWebSocket) + "HIDDEN", hides: true, status: 502,
				answer: switching + "Upgrade: websocket\r\n\r\n" + poison, never: []string{"Upgrade", "Connection"}},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(t, b, addr, saw, "d", fmt.Sprintf("d%d", i)) })
		}
	})
}

func (c *upgradeCase) run(t *testing.T, b *backend, addr string, saw *journal, kind, id string) {
	if c.answer != "" {
		b.scripts.Store(fmt.Sprintf("/%s/a/%s", kind, id), script{answer: func(conn net.Conn) bool {
			io.WriteString(conn, c.answer) // as far as it is wanted
			return true
		}})
	}
	text := (&requestCase{text: c.text}).message(kind, id)
	answers, end := converse(t, addr, text, len(text), false)
	var statuses []int
	for _, a := range answers {
		statuses = append(statuses, a.status())
	}
	want, roled := []int{c.status, 200}, "a next"
	if c.hides {
		want, roled = []int{c.status, 200, 200}, "a hidden next"
	}
	if !slices.Equal(statuses, want) || end != closed {
		t.Errorf("answers %v, the connection %s; want %v, and the end", statuses, end, want)
	}
	for _, a := range answers {
		if strings.Contains(a.body, "poison") || len(a.all("Upgrade")) > 0 {
			t.Errorf("the client got %s %q with %q", a.start, a.fields, a.body)
		}
	}
	seen := b.saw.of(id)
	if got := roles(seen); got != roled {
		t.Errorf("the backend saw %q, want %q", got, roled)
	}
	if got := roles(saw.of(id)); got != roled {
		t.Errorf("the gateway saw %q, want %q", got, roled)
	}
	if len(seen) > 0 {
		outcome{sees: c.sees, never: c.never}.compare(t, seen[0], seen[0].body)
	}
}

// TestTunnelIsOpaque sends what looks like a request through a tunnel, and what
// looks like an answer back.
func TestTunnelIsOpaque(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		b := newBackend(t)
		addr, saw := start(t, e, upgradable(b.addr))
		hidden := fill("HIDDEN", "n", "t")
		got := make(chan string, 1)
		b.scripts.Store("/n/a/t", script{answer: func(conn net.Conn) bool {
			io.WriteString(conn, switching+"Upgrade: websocket\r\n\r\n"+poison) // the client finds out if it failed
			p := make([]byte, len(hidden))
			n, _ := io.ReadFull(conn, p)
			got <- string(p[:n])
			return false
		}})
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, fill(get(wantsWebSocket), "n", "t")+hidden)
		text, err := io.ReadAll(conn)
		head, back, _ := strings.Cut(string(text), "\r\n\r\n")
		if err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") || back != poison {
			t.Errorf("the client got %q, %v; want 101 and the bytes of the backend", text, err)
		}
		if through := <-got; through != hidden {
			t.Errorf("the backend got %q, want %q", through, hidden)
		}
		if got := roles(saw.of("t")); got != "a" {
			t.Errorf("the gateway saw %q, want one request", got)
		}
	})
}
