package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// MockPort is where KrakenD's suite expects the API that [NewMock] is.
const MockPort = 8081

// maxEcho is how much of a body the mock sends back.
const maxEcho = 1 << 20

// NewMock returns the API that KrakenD's suite expects behind the gateway. Below /delayed/ it
// takes that long. What begins like one of these paths is answered as well:
//
//	/param_forwarding/   what it was asked: path, query and header, with ?dump_body=1 the body, and two cookies
//	/delayed/            the same, late
//	/collection/         a list of ten objects
//	/xml                 a user, in XML
//	/redirect/           a redirect to /param_forwarding/ with the status of ?status=
//	/jwk/symmetric       the key that the suite signs its tokens with
//	/health              that it is there
//
// Compatibility: but for the last two, a request without an X-Forwarded-For of this machine
// is answered by 400, so that a gateway which does not say who asks is noticed. Header fields are
// sent back as the server has read them, without Host and X-Forwarded-For; and without the
// Content-Length of a body, because some gateways send one in chunks.
func NewMock(delay time.Duration) http.Handler {
	mux := http.NewServeMux()
	forwarded := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if ip := net.ParseIP(r.Header.Get("X-Forwarded-For")); !ip.IsLoopback() {
				http.Error(w, "X-Forwarded-For does not name a client on this machine", http.StatusBadRequest)
				return
			}
			h(w, r)
		})
	}
	forwarded("/param_forwarding/", echo)
	forwarded("/delayed/", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(delay):
			echo(w, r)
		case <-r.Context().Done():
		}
	})
	forwarded("/collection/", func(w http.ResponseWriter, r *http.Request) {
		items := make([]map[string]any, 10)
		for i := range items {
			items[i] = map[string]any{"i": i, "path": r.URL.Path}
		}
		sendJSON(w, items)
	})
	forwarded("/xml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml; charset=utf-8")
		io.WriteString(w, user)
	})
	forwarded("/redirect/", func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusMovedPermanently
		if text := r.URL.Query().Get("status"); text != "" {
			var err error
			if status, err = strconv.Atoi(text); err != nil || status < 300 || status > 399 {
				http.Error(w, "status is none of a redirect", http.StatusBadRequest)
				return
			}
		}
		to := *r.URL
		to.Path = "/param_forwarding/"
		http.Redirect(w, r, to.String(), status)
	})
	mux.HandleFunc("/jwk/symmetric", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, keys) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, map[string]any{"status": "ok"}) })
	return mux
}

// user is the answer of /xml, whose values the suite knows.
const user = `<?xml version="1.0" encoding="UTF-8"?>
<user type="admin"><name>Elliot</name><social><facebook>https://facebook.com</facebook>` +
	`<twitter>https://twitter.com</twitter><youtube>https://youtube.com</youtube></social></user>
`

// keys is the key set of /jwk/symmetric: the published key that the tokens of the suite are
// signed with. It protects nothing.
var keys = map[string]any{"keys": []map[string]any{
	{"kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg", "kid": "sim1"},
	{"kty": "oct", "alg": "HS256", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", "kid": "sim2"},
}}

// echo answers what was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	header := r.Header.Clone()
	header.Del("X-Forwarded-For")
	if r.ContentLength > 0 {
		header.Del("Content-Length")
	}
	answer := map[string]any{"foo": 42, "headers": header, "path": r.URL.Path, "query": query}
	if query.Get("dump_body") == "1" {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEcho))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		answer["body"] = string(text)
	}
	w.Header().Add("Set-Cookie", "test1=test1")
	w.Header().Add("Set-Cookie", "test2=test2")
	sendJSON(w, answer)
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // fails if the gateway is gone
}

// ServeMock serves [NewMock] from l until ctx is done.
func ServeMock(ctx context.Context, l net.Listener, delay time.Duration) error {
	server := &http.Server{Handler: NewMock(delay), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- server.Close() })
	err := server.Serve(l)
	if stop() {
		return err // of the listener
	}
	return <-closed
}
