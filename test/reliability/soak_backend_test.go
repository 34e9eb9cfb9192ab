package reliability

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// An order is what a request of the soak asks of a backend. It is the path of
// the request, on both sides of the gateway.
type order struct {
	id   uint64
	do   string // what the backend does, one of the cases of obey
	size int    // of the answer, or of the padding in it
	sent int    // bytes of the request body
	part string // of the answer: r for bytes as they are, 0 and up for JSON
}

// path is the order as the client gives it.
func (o order) path() string { return fmt.Sprintf("/%d/%s/%d/%d", o.id, o.do, o.size, o.sent) }

// orderOf reads an order as the backend gets it.
func orderOf(path string) (order, error) {
	words := strings.Split(path, "/")
	if len(words) != 6 {
		return order{}, fmt.Errorf("the backend is asked for %s", path)
	}
	id, err := strconv.ParseUint(words[1], 10, 64)
	size, sizeErr := strconv.Atoi(words[3])
	sent, sentErr := strconv.Atoi(words[4])
	return order{id, words[2], size, sent, words[5]}, errors.Join(err, sizeErr, sentErr)
}

// mark is a text that no other order has.
func (o order) mark() string { return fmt.Sprintf("%016x", o.id*0x9e3779b97f4a7c15) }

// text returns n bytes that no other order has.
func (o order) text(n int) []byte { return bytes.Repeat([]byte(o.mark()), n/16+1)[:n] }

// object is the JSON that answers part of an order.
func (o order) object(part string) string {
	return `{"k` + part + `":{"id":"` + o.mark() + `","n":` + part + `,"pad":"` + string(o.text(o.size)) + `"},"drop` + part + `":[1,2,3]}`
}

// A mirror compares what is written to it with the text of an order.
type mirror struct {
	mark  string
	n     int
	wrong bool
}

func (m *mirror) Write(p []byte) (int, error) {
	whole := len(p)
	for len(p) > 0 {
		at := m.n % 16
		k := min(len(p), 16-at)
		m.wrong = m.wrong || string(p[:k]) != m.mark[at:at+k]
		m.n, p = m.n+k, p[k:]
	}
	return whole, nil
}

// A soakBackend answers orders.
type soakBackend struct {
	leaves   int // after how many answers it closes a connection; 0 for never
	complain func(string)
}

// serve answers the orders of one connection.
func (b *soakBackend) serve(c *conn) {
	for n := 1; ; n++ {
		r, err := http.ReadRequest(c.r)
		if err != nil {
			return
		}
		o, err := orderOf(r.URL.Path)
		if err != nil {
			b.complain(err.Error())
			return
		}
		if o.do == "early" {
			c.Write(b.answer(o))
		}
		if !b.read(o, r.Body) {
			return
		}
		if o.do != "early" && !b.obey(o, c) {
			return
		}
		if n == b.leaves {
			c.Close()
			return
		}
	}
}

// read reads the body of a request and reports whether it came to an end. Then
// it must be all of it, and that of its client.
func (b *soakBackend) read(o order, body io.Reader) bool {
	m := &mirror{mark: o.mark()}
	_, err := io.Copy(m, body)
	if m.wrong {
		b.complain(fmt.Sprintf("%+v: the body is that of another request", o))
	}
	if err == nil && m.n != o.sent {
		b.complain(fmt.Sprintf("%+v: a body of %d bytes ends like a whole one", o, m.n))
	}
	return err == nil
}

// body is what an order is answered with.
func (o order) body() []byte {
	if o.part == "r" {
		return o.text(o.size)
	}
	return []byte(o.object(o.part))
}

// head is the header of an answer up to what says where it ends.
func (o order) head() string {
	kind := "application/json"
	if o.part == "r" {
		kind = "application/octet-stream"
	}
	return "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\nX-Id: " + o.mark() + "\r\n"
}

// answer is a message with body.
func (b *soakBackend) answer(o order, fields ...string) []byte {
	return frame(o, o.body(), fields...)
}

// frame makes a message of known length.
func frame(o order, body []byte, fields ...string) []byte {
	text := []byte(o.head() + lines(fields) + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	return append(text, body...)
}

// obey does what an order says and reports whether the connection goes on.
func (b *soakBackend) obey(o order, c *conn) (again bool) {
	switch o.do {
	case "answer":
		c.Write(b.answer(o))
		return true
	case "head":
		io.WriteString(c, o.head()+"Content-Length: 1000\r\n\r\n")
		return true
	case "chunks":
		b.chunks(o, c)
		return true
	case "trickle":
		text := b.answer(o)
		for i := range 8 {
			c.Write(text[i*len(text)/8 : (i+1)*len(text)/8])
			time.Sleep(time.Millisecond)
		}
		return true
	case "hints":
		c.Write(append([]byte("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"), b.answer(o)...))
		return true
	case "gzip":
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		w.Write(o.body())
		w.Close()
		c.Write(frame(o, packed.Bytes(), "Content-Encoding: gzip"))
		return true
	case "more":
		c.Write(append(b.answer(o), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"...))
		return true
	case "ends":
		c.Write(append([]byte(o.head()+"\r\n"), o.body()...))
	case "last":
		c.Write(b.answer(o, "Connection: close"))
	case "halves":
		c.Write(b.answer(o))
		c.Conn.(*net.TCPConn).CloseWrite()
		return false
	case "resets":
		c.reset()
	case "resets-head":
		io.WriteString(c, o.head())
		c.reset()
	case "resets-body", "closes-body", "hangs-body":
		text := b.answer(o)
		c.Write(text[:len(text)-o.size/2])
		switch o.do {
		case "resets-body":
			runtime.Gosched() // a reset overtakes what was not read
			c.reset()
		case "hangs-body":
			b.hang(o, c)
		}
	case "hangs":
		b.hang(o, c)
	case "endless":
		b.endless(o, c)
	default:
		b.complain("the backend cannot " + o.do)
	}
	c.Close()
	return false
}

// chunks answers in three chunks and, as clients ask for it or not, a trailer.
func (b *soakBackend) chunks(o order, c *conn) {
	text, end := []byte(o.head()+"Transfer-Encoding: chunked\r\n\r\n"), "0\r\n\r\n"
	if o.id%2 == 0 {
		end = "0\r\nX-Sum: 1\r\n\r\n"
	}
	body := o.body()
	for i := range 3 {
		piece := body[i*len(body)/3 : (i+1)*len(body)/3]
		text = append(fmt.Appendf(text, "%x\r\n", len(piece)), piece...)
		text = append(text, "\r\n"...)
		if i == 0 {
			c.Write(text)
			text = nil
		}
	}
	c.Write(append(text, end...))
}

// hang waits for the gateway to give the call up.
func (b *soakBackend) hang(o order, c *conn) {
	c.SetReadDeadline(time.Now().Add(2 * soon))
	if _, err := c.r.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
		b.complain(fmt.Sprintf("%+v: the call outlives its time or its client", o))
	}
}

// endless answers without an end.
func (b *soakBackend) endless(o order, c *conn) {
	c.SetWriteDeadline(time.Now().Add(2 * soon))
	_, err := io.WriteString(c, o.head()+"\r\n")
	for text := o.text(64 << 10); err == nil; {
		_, err = c.Write(text)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.complain(fmt.Sprintf("%+v: the call outlives the limit for writing", o))
	}
}
