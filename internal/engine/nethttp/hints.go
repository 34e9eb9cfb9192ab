package nethttp

import (
	"errors"
	"net/http"
	"net/textproto"
	"sync"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// hints are what a backend says before its answer, on their way to the client. They come
// from the goroutine that reads a connection, which may carry other calls and must not
// wait for this client: another hands them on, from the first of them to the answer.
type hints struct {
	to gateway.Hinter

	mu    sync.Mutex
	over  bool                // the call has its answer
	size  int                 // bytes of all interim answers
	queue chan gateway.Fields // nil before the first
	sent  chan struct{}       // closed when the queue is empty and over
}

// add takes an interim answer. All together are as large as a header may be; then the call
// fails.
func (h *hints) add(status int, fields textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	h.size += len("HTTP/1.1 103 Early Hints\r\n\r\n")
	for name, values := range fields {
		for _, v := range values {
			h.size += len(name) + len(": \r\n") + len(v)
		}
	}
	if h.size > maxHeader {
		return errors.New("the interim answers are too large")
	}
	if status != http.StatusEarlyHints || tidy(http.Header(fields)) != nil {
		return nil
	}
	if h.queue == nil {
		h.queue, h.sent = make(chan gateway.Fields, engine.MaxHints), make(chan struct{})
		go h.run()
	}
	select {
	case h.queue <- appendFields(nil, http.Header(fields)).EndToEnd():
	default: // the server would drop it
	}
	return nil
}

func (h *hints) run() {
	defer close(h.sent)
	for fields := range h.queue {
		h.to.Hint(fields)
	}
}

// end waits until what has come is sent; the answer is next.
func (h *hints) end() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	if h.queue != nil {
		close(h.queue)
		<-h.sent
	}
}
