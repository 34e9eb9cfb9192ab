package reliability

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestReadyWhileDraining shows what the gateway says of itself while a request is
// still in flight after it was asked to stop: to whoever has a connection, that
// it is not ready, and to others nothing.
func TestReadyWhileDraining(t *testing.T) {
	noLeaks(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		fmt.Fprint(w, `{"a":1}`)
	})
	g := start(t, fill(`{`+quiet+`"timeout":"1m","endpoints":[{"endpoint":"/slow","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, url))
	probe, slow := newClient(t), newClient(t)
	if status, text, err := get(probe, g.url+"/__ready"); status != 200 {
		t.Fatalf("before: %d %q %v", status, text, err)
	}
	type answer struct {
		status int
		text   string
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		status, text, err := get(slow, g.url+"/slow")
		answers <- answer{status, text, err}
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop() }()
	for end := time.Now().Add(soon); ; time.Sleep(time.Millisecond) { // until it has begun
		if _, _, err := get(newClient(t), g.url+"/__live"); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("new connections are accepted")
		}
	}
	if status, text, err := get(probe, g.url+"/__ready"); status != 503 || text != `{"status":"draining"}` {
		t.Errorf("while draining: %d %q %v, want 503", status, text, err)
	}
	close(leave)
	if a := <-answers; a.status != 200 || a.text != `{"a":1}` {
		t.Errorf("the request in flight: %d %q %v", a.status, a.text, a.err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}
