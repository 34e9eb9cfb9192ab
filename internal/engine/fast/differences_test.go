package fast

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestDifferences holds what the documentation of nethttp says about answers that it
// reads in another way than we do. Nothing else may be in its list.
func TestDifferences(t *testing.T) {
	const refused = "refused"
	const chunks = "7\r\n{\"a\":1}\r\n0\r\n\r\n"
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
	tests := []struct{ name, answer, ours, standard string }{
		{"a length beside chunked", okHead + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, refused, `200 {"a":1} []`},
		{"chunked before a length", okHead + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + chunks, refused, `200 {"a":1} []`},
		{"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, refused, "200 " + chunks + " []"},
		{"a space before a colon, which both repair", okHead + "X-A : b\r\nContent-Length: 5\r\n\r\nhello", "200 hello [{X-A b}]", "200 hello [{X-A b}]"},
		{"a space before the colon of a length", okHead + "Content-Length : 5\r\n\r\nhello", "200 hello []", refused},
		{"a space within a name, which both refuse", okHead + "X A: b\r\nContent-Length: 5\r\n\r\nhello", refused, refused},
		{"a control character in the reason, which both refuse", "HTTP/1.1 200 O\x01K\r\nContent-Length: 5\r\n\r\nhello", refused, refused},
		{"status 099, which both refuse", "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello", refused, refused},
		{"status +20, which both refuse", "HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\nhello", refused, refused},
		{"a value of 2,000 lines, which both take", okHead + "X-A: b" + strings.Repeat("\r\n c", 2000) + "\r\nContent-Length: 5\r\n\r\nhello", "200 hello [{X-A b" + strings.Repeat(" c", 2000) + "}]", "200 hello [{X-A b" + strings.Repeat(" c", 2000) + "}]"},
		{"100 interim answers, which both take", strings.Repeat(hint, 100) + okHead + "Content-Length: 5\r\n\r\nhello", "200 hello []", "200 hello []"},
		{"interim answers of more than 1 MB, which both refuse", strings.Repeat(hint, 30_000) + okHead + "Content-Length: 5\r\n\r\nhello", refused, refused},
		{"five interim answers of 1 MB in all, which both refuse", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 300_000)+"\r\n\r\n", 5) + okHead + "Content-Length: 5\r\n\r\nhello", refused, refused},
		{"chunked with a space before the colon", okHead + "Transfer-Encoding : chunked\r\n\r\n" + chunks, `200 {"a":1} []`, refused},
		{"a folded length", okHead + "Content-Length:\r\n 5\r\n\r\nhello", refused, "200 hello []"},
		{"a folded coding", okHead + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks, refused, `200 {"a":1} []`},
		{"two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", refused, "200 hello []"},
		{"a space before an extension", okHead + "Transfer-Encoding: chunked\r\n\r\n5 ;a\r\nhello\r\n0\r\n\r\n", "200 hello []", refused},
		{"an announcement of a trailer that would frame", okHead + "Trailer: Content-Length, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 hello []", refused},
		{"a folded trailer, which both unfold", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n", "200 hello [] [{X-A b c}]", "200 hello [] [{X-A b c}]"},
		{"a trailer that ends in a line feed", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\nX-B: c\r\n\r\n", refused, "200 hello [] [{X-A b} {X-B c}]"},
		{"trailers of 5 KB", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n", "200 hello [] " + fmt.Sprintf("%.20v", gateway.Fields{{Name: "A", Value: strings.Repeat("b", 5000)}}), refused},
		{"a trailer that frames, which both drop", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "200 hello []", "200 hello []"},
		{"a folded trailer that frames, which both drop", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\nContent-Length: 5\r\n 6\r\n\r\n", "200 hello [] [{X-A b}]", "200 hello [] [{X-A b}]"},
		{"a trailer of many lines, which both unfold", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A:\r\n b\r\n \t\r\n\tc \r\n \r\n\r\n", "200 hello [] [{X-A b c}]", "200 hello [] [{X-A b  c}]"},
		{"a fold of no trailer, which both refuse", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n X-A: b\r\n\r\n", refused, refused},
		{"204 with a length beside chunked, which both take", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "204  []", "204  []"},
		{"304 with a length beside chunked, which both take", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "304  []", "304  []"},
		{"103 with a length beside chunked, which both take", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + okHead + "Content-Length: 5\r\n\r\nhello", "200 hello []", "200 hello []"},
		{"304 with chunked in HTTP/1.0, which both take", "HTTP/1.0 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304  []", "304  []"},
		{"a control character in a trailer, which both refuse", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\x01\r\n\r\n", refused, refused},
		{"Pragma alone", okHead + "Pragma: no-cache\r\nContent-Length: 5\r\n\r\nhello", "200 hello [{Pragma no-cache}]", "200 hello [{Cache-Control no-cache} {Pragma no-cache}]"},
		{"a field that Connection names beside close", okHead + "Connection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\nhello", "200 hello []", "200 hello [{X-Hop 1}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(w *wireEnd) {
				w.request()
				w.send(tt.answer)
			})
			for _, client := range []struct {
				name string
				engine.Client
				want string
			}{
				{"fast", newClient(t, model.Transport{}, nil), tt.ours},
				{"nethttp", nethttp.NewClient(model.Transport{}, nil), tt.standard},
			} {
				x := newCall(t, "GET", s.addr, body.Body{})
				got := refused
				if client.Do(t.Context(), x) == nil {
					if text, err := x.Response.Body.Bytes(0); err == nil {
						got = fmt.Sprintf("%d %s %v", x.Response.Status, text, x.Response.Header)
						if r := x.Response.Trailer; r != nil && len(*r) > 0 {
							got += fmt.Sprintf(" %.20v", *r)
						}
					}
				}
				client.Close()
				if got != client.want {
					t.Errorf("%s: %q, want %q", client.name, got, client.want)
				}
			}
		})
	}
}
