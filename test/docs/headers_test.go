package docs

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestHTTP makes the exchanges that the pages show in four blocks: what a client sends,
// what the service gets, what it answers, and what the client gets, byte for byte.
func TestHTTP(t *testing.T) {
	for _, p := range pages(t) {
		configuration := ""
		var shown []block
		for _, b := range p.blocks {
			switch {
			case b.configuration():
				configuration = b.text
			case b.language == "http":
				shown = append(shown, b)
			}
			if len(shown) < 4 {
				continue
			}
			reached, got := exchange(t, configuration, shown[0].text, shown[2].text)
			for i, really := range map[int]string{1: reached, 3: got} {
				if really != shown[i].text {
					t.Errorf("%s:%d: shows\n%s\nreally is\n%s", p.name, shown[i].line, shown[i].text, really)
				}
			}
			shown = nil
		}
		if len(shown) > 0 {
			t.Errorf("%s:%d: an exchange has four blocks", p.name, shown[0].line)
		}
	}
}

// aHost is the host of a configuration with one.
var aHost = regexp.MustCompile(`"host": \["http://([^"]*)"\]`)

// exchange sends a request to a gateway with the configuration whose service gives the
// answer. It returns what the service and what the client has got.
func exchange(t *testing.T, configuration, request, answer string) (reached, got string) {
	t.Helper()
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	seen := make(chan string, 1)
	go func() {
		conn, err := service.Accept()
		if err != nil {
			close(seen)
			return
		}
		defer conn.Close()
		seen <- readMessage(bufio.NewReader(conn))
		io.WriteString(conn, onWire(answer))
	}()
	host := aHost.FindStringSubmatch(configuration)
	if host == nil {
		t.Fatal("no host in the configuration of an exchange")
	}
	name := filepath.Join(t.TempDir(), "gateway.json")
	write(t, name, []byte(strings.Replace(configuration, host[1], service.Addr().String(), 1)))
	client, err := net.Dial("tcp", startGateway(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(client, onWire(request)); err != nil {
		t.Fatal(err)
	}
	got = readMessage(bufio.NewReader(client))
	got = regexp.MustCompile(`X-Request-Id: [0-9a-f]{32}\n`).ReplaceAllString(got, "X-Request-Id: 00000000000000000000000000000000\n")
	got = regexp.MustCompile(`Date: .*\n`).ReplaceAllString(got, "Date: Thu, 01 Jan 1970 00:00:00 GMT\n")
	service.Close() // so that the channel is closed where no call came
	return strings.ReplaceAll(<-seen, service.Addr().String(), host[1]), got
}

// onWire returns a message as it is sent: the lines of its head end in CRLF, and the body
// has no line end behind it.
func onWire(shown string) string {
	head, body, _ := strings.Cut(shown, "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + strings.TrimSuffix(body, "\n")
}

// readMessage reads a message and returns it as a page shows it.
func readMessage(r *bufio.Reader) string {
	var shown strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if name, value, _ := strings.Cut(line, ": "); name == "Content-Length" {
			length, _ = strconv.Atoi(value)
		}
		shown.WriteString(line + "\n")
		if line == "" || err != nil {
			break
		}
	}
	if length > 0 {
		body := make([]byte, length)
		io.ReadFull(r, body)
		shown.WriteString(string(body) + "\n")
	}
	return shown.String()
}
