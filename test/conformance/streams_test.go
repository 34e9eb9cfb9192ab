package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// versions returns a transport for HTTP/1.1, or for HTTP/2 without TLS.
func versions(two bool) *http.Transport {
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetHTTP1(!two)
	transport.Protocols.SetUnencryptedHTTP2(two)
	return transport
}

// sums answers each message of a stream, as gRPC frames them, with the sum of its bytes
// when it has come, and says behind the last how many there were.
func sums(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Te") != "trailers" {
		http.Error(w, "no TE", http.StatusBadRequest)
		return
	}
	conn := http.NewResponseController(w)
	conn.EnableFullDuplex() // of HTTP/2 it is a property
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(200)
	conn.Flush()
	n := 0
	for ; ; n++ {
		text, err := readFrame(r.Body)
		if err != nil {
			break
		}
		sum := 0
		for _, c := range text {
			sum += int(c)
		}
		w.Write(frame(fmt.Sprint(sum)))
		conn.Flush()
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	w.Header().Set(http.TrailerPrefix+"Grpc-Message", fmt.Sprintf("%d messages", n))
}

func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...)
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	text := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, text)
	return text, err
}

// TestStreams talks to a service as gRPC does, a message and its answer in turn, in every
// pairing of HTTP/1.1 and HTTP/2: the status of the call comes behind the last message.
func TestStreams(t *testing.T) {
	server := &http.Server{Handler: http.HandlerFunc(sums), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()
	for _, e := range []engine.Engine{fast.Engine, nethttp.Engine} {
		for _, backendTwo := range []bool{false, true} {
			s := &stage{engine: e, latches: new(latches)}
			s.start(t, "gateway.json", fmt.Sprintf(`{"version": 3, "use_h2c": true, "endpoints": [{
				"endpoint": "/sums.Sums/Sum", "method": "POST", "output_encoding": "no-op", "input_headers": ["Content-Type"],
				"backend": [{"host": ["http://%s"], "url_pattern": "/sums.Sums/Sum", "method": "POST", "encoding": "no-op",
					"extra_config": {"backend/http/client": {"use_h2c": %t}}}]}]}`, l.Addr(), backendTwo), nil)
			if s.started != nil {
				t.Fatal(s.started, s.problems)
			}
			for _, clientTwo := range []bool{false, true} {
				name := fmt.Sprintf("%s, HTTP/2 of the client %t, of the backend %t", e.Name, clientTwo, backendTwo)
				if got, err := sumUp(t, s.address, versions(clientTwo)); got != "97 195 294 status 0, 3 messages" || err != nil {
					t.Errorf("%s: %s, %v", name, got, err)
				}
			}
			s.stop()
		}
	}
}

// sumUp sends three messages, each when the one before was answered.
func sumUp(t *testing.T, address string, transport *http.Transport) (string, error) {
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	messages, out := io.Pipe()
	defer out.Close()
	q, err := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/sums.Sums/Sum", messages)
	if err != nil {
		return "", err
	}
	q.Header.Set("Te", "trailers")
	q.Header.Set("Content-Type", "application/grpc")
	res, err := transport.RoundTrip(q)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var all strings.Builder
	for _, text := range []string{"a", "ab", "abc"} {
		out.Write(frame(text)) // or the read fails
		sum, err := readFrame(res.Body)
		if err != nil {
			return all.String(), err
		}
		fmt.Fprintf(&all, "%s ", sum)
	}
	out.Close()
	rest, err := io.ReadAll(res.Body)
	fmt.Fprintf(&all, "%sstatus %s, %s", rest, res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message"))
	return all.String(), err
}

// around is a stage that says something in front of the answer and behind it.
type around struct{}

func (around) Enter(_ context.Context, x *gateway.Exchange) error {
	x.Edit().SetHeader("X-Seen", "1")
	x.In.(gateway.Hinter).Hint(gateway.Fields{{Name: "Link", Value: "</a.css>"}})
	return nil
}

func (around) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	x.Response.AddTrailer("Server-Timing", "db;dur=53")
	return err
}

// TestAroundByAStage: stages of a merge hint, and add trailers, which HTTP/1.1 has no place
// for behind a length.
func TestAroundByAStage(t *testing.T) {
	build := func(s *component.EndpointSite, _ struct{}) error {
		s.Guard(component.EndpointAdmit, around{})
		return nil
	}
	for _, e := range []engine.Engine{fast.Engine, nethttp.Engine} {
		s := &stage{engine: e, latches: new(latches), registry: component.NewRegistry(component.Endpoint(component.Info{Namespace: "test/around"}, build))}
		s.latches.expand = strings.NewReplacer().Replace
		b := newBackend(t, s.latches)
		b.script["GET *"] = message{first: "200", body: `{"a": 1}`, fields: []field{{"Content-Type", "application/json"}}}
		s.start(t, "gateway.json", fmt.Sprintf(`{"version": 3, "use_h2c": true, "endpoints": [{"endpoint": "/x", "extra_config": {"test/around": {}},
			"backend": [{"host": [%q], "url_pattern": "/x"}, {"host": [%q], "url_pattern": "/x", "group": "g"}]}]}`, b.address, b.address), nil)
		if s.started != nil {
			t.Fatal(s.started, s.problems)
		}
		for _, two := range []bool{false, true} {
			var hints []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(status, " ", h.Get("Link")))
				return nil
			}})
			q, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.address+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Te", "trailers")
			transport := versions(two)
			res, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			transport.CloseIdleConnections()
			trailer := ""
			if two {
				trailer = "db;dur=53"
			}
			if string(text) != `{"a":1,"g":{"a":1}}` || err != nil || fmt.Sprint(hints) != "[103 </a.css>]" || res.Trailer.Get("Server-Timing") != trailer {
				t.Errorf("%s, HTTP/2 %t: %q %v, hints %q, trailers %v", e.Name, two, text, err, hints, res.Trailer)
			}
		}
		s.stop()
	}
}
