package brokers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// An example is a configuration of docs/backends.md and what of it can be tried.
type example struct {
	// with makes the servers that the configuration names, and returns what the names
	// stand for, in pairs.
	with        func(t *testing.T) []string
	environment map[string]string
	asked       []asked
	then        func(t *testing.T, r *running) // what else can be tried; may be nil
}

// asked is a request, such as "POST /orders {}", and the beginning of what is answered: the
// status and the body.
type asked struct{ request, want string }

// examples are those of the page, by the heading that they stand under.
var examples = map[string]example{
	"HTTP": {
		with: func(t *testing.T) []string {
			return []string{
				"people-01.internal:8000", backend(t, map[string]string{"GET /v1/people/7": `{"id":7,"name":"Ada","mail":"ada@example.com"}`, "GET /v1/people/8": "<html>"}),
				"people-02.internal:8000", testx.UnusedAddress(t),
			}
		},
		asked: []asked{
			{"GET /users/7", `200 {"name":"Ada","mail":"ada@example.com"}`},
			{"GET /users/8", "502 "},
			{"GET /users/9", "502 "},
		},
	},
	"Publish and subscribe": {
		with: func(t *testing.T) []string {
			return []string{"queue.internal:4222", natstest.Start(t, natstest.Options{}).Address}
		},
		asked: published("/orders"),
	},
	"Kafka": {
		with: func(t *testing.T) []string {
			return []string{"a.queue.internal:9092,b.queue.internal:9092", kafkatest.Start(t, []string{"orders"}).Address}
		},
		asked: published("/orders"),
	},
	"RabbitMQ": {
		with: func(t *testing.T) []string {
			s := amqptest.Start(t)
			s.Queue(t, "orders", "shipping")
			return []string{"amqp://queue.internal:5672/shop", s.URL}
		},
		asked: published("/orders"),
	},
	"RabbitMQ with all it has": {
		with: func(t *testing.T) []string {
			return []string{"amqp://queue.internal:5672/shop", amqptest.Start(t).URL}
		},
		asked: published("/orders/eu"),
	},
	"GraphQL": {
		with: func(t *testing.T) []string {
			return []string{"catalogue.internal:4000", backend(t, map[string]string{
				`POST /graphql {"query":"query User($id: ID!) { user(id: $id) { name mail } }","variables":{"id":"7"}}`:                                                      `{"data":{"user":{"name":"Ada","mail":"ada@example.com"}}}`,
				`POST /graphql {"query":"query User($id: ID!) { user(id: $id) { name mail } }","variables":{"id":"8"}}`:                                                      `{"errors":[{"message":"no"}]}`,
				`POST /graphql {"query":"mutation Review($stars: Int!, $text: String) { review(stars: $stars, text: $text) { id } }","variables":{"text":"good","stars":3}}`: `{"data":{"review":{"id":1}}}`,
			})}
		},
		asked: []asked{
			{"GET /users/7", `200 {"name":"Ada","mail":"ada@example.com"}`},
			{"GET /users/8", "502 "},
			{`POST /users/7/reviews {"text":"good"}`, `200 {"id":1}`},
		},
	},
}

// backend returns the address of a service that gives answers to requests, as they begin with
// method, path and body, and otherwise a failure.
func backend(t *testing.T, answers map[string]string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer, found := answers[strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body))]
		w.Header().Set("Content-Type", "application/json")
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// published is that an order is published at a path and then read.
func published(path string) []asked {
	return []asked{{"POST " + path + ` {"id":1}`, "200 null"}, {"GET /orders/next", `200 {"id":1}`}}
}

// TestPage makes the requests of each example of docs/backends.md.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/backends.md")
	if err != nil {
		t.Fatal(err)
	}
	heading, found := "", make(map[string]string)
	var block []string
	open := false
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case line == "```yaml":
			block, open = nil, true
		case open && line == "```":
			if found[heading] != "" {
				t.Errorf("there are two configurations under %q; this test knows one", heading)
			}
			found[heading], open = strings.Join(block, "\n"), false
		case open:
			block = append(block, line)
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	for heading := range found {
		if examples[heading].with == nil {
			t.Errorf("nobody tries the configuration under %q; write it among the examples", heading)
		}
	}
	for heading, e := range examples {
		t.Run(heading, func(t *testing.T) {
			if found[heading] == "" {
				t.Fatal("there is no configuration under this heading")
			}
			r := start(t, fast.Engine, e.environment, strings.NewReplacer(e.with(t)...).Replace(found[heading]))
			await(t, func() error { // brokers are connected to in the background
				if _, text := r.ask("GET", "/__health", ""); strings.Contains(text, `"connecting"`) {
					return errors.New(text)
				}
				return nil
			})
			for _, a := range e.asked {
				words := append(strings.SplitN(a.request, " ", 3), "")
				status, text := r.ask(words[0], words[1], words[2])
				if got := fmt.Sprint(status, " ", text); !strings.HasPrefix(got, a.want) {
					t.Errorf("%s: %.200s, want %s", a.request, got, a.want)
				}
			}
			if e.then != nil {
				e.then(t, r)
			}
		})
	}
}
