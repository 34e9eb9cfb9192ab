package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The credentials that count.
const (
	Key    = "AKIDEXAMPLE"
	Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	Region = "eu-west-1"
)

// Environment returns variables with the credentials, as Getenv of a site has them.
func Environment(name string) string {
	switch name {
	case "AWS_ACCESS_KEY_ID":
		return Key
	case "AWS_SECRET_ACCESS_KEY":
		return Secret
	case "AWS_REGION":
		return Region
	}
	return ""
}

// A Server stands in for one service of AWS.
type Server struct {
	URL string

	service string
	handler http.Handler
	calls   atomic.Int64 // with a right signature
	wrong   atomic.Int64 // with another one
	conns   atomic.Int64 // that were made

	mu sync.Mutex
	s  *httptest.Server // nil while it is down
}

// New starts a server of the service, such as lambda, that h answers for. H gets the
// bodies as they were sent.
func New(t testing.TB, service string, h http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{service: service, handler: h}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.URL = "http://" + l.Addr().String()
	s.serve(l)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) serve(l net.Listener) {
	server := &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(s.check),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.conns.Add(1)
			}
		},
	}}
	server.Start()
	s.mu.Lock()
	s.s = server
	s.mu.Unlock()
}

// Stop kills the server: connections are cut, and new ones refused.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.s
	s.s = nil
	s.mu.Unlock()
	if server != nil {
		server.Listener.Close()
		server.CloseClientConnections()
		server.Close()
	}
}

// Cut cuts the connections that there are.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s != nil {
		s.s.CloseClientConnections()
	}
}

// Start lets a server that was stopped listen at the same address again.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	s.serve(l)
}

// Calls returns how many requests were signed rightly, Wrong how many were not, and
// Connections how many connections were made.
func (s *Server) Calls() int64       { return s.calls.Load() }
func (s *Server) Wrong() int64       { return s.wrong.Load() }
func (s *Server) Connections() int64 { return s.conns.Load() }

// check refuses what is not signed.
func (s *Server) check(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // nobody is there
	}
	if err := verify(r, body, s.service); err != nil {
		s.wrong.Add(1)
		w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":%q}`, err.Error()+"\n\nThe Canonical String for this request should have been\n'secret-token'")
		return
	}
	s.calls.Add(1)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.handler.ServeHTTP(w, r)
}

// verify recomputes the signature of a request (AWS General Reference, "Signature Version 4
// signing process").
func verify(r *http.Request, body []byte, service string) error {
	rest, found := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !found {
		return fmt.Errorf("missing authentication token")
	}
	parts := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[0] != Key || scope[2] != Region || scope[3] != service || scope[4] != "aws4_request" {
		return fmt.Errorf("the security token included in the request is invalid")
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.IsSorted(names) {
		return fmt.Errorf("the host is not signed")
	}
	var canonical strings.Builder
	path := r.URL.EscapedPath()
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = escape(segment)
	}
	query := strings.Split(r.URL.RawQuery, "&")
	slices.Sort(query)
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, strings.Join(segments, "/"), strings.Join(query, "&"))
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	hash := sha256.Sum256(body)
	fmt.Fprintf(&canonical, "\n%s\n%s", parts["SignedHeaders"], hex.EncodeToString(hash[:]))
	whole := sha256.Sum256([]byte(canonical.String()))
	date := r.Header.Get("X-Amz-Date")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, strings.Join(scope[1:], "/"), hex.EncodeToString(whole[:])}, "\n")
	key := []byte("AWS4" + Secret)
	for _, part := range scope[1:] {
		key = sum(key, part)
	}
	if got := hex.EncodeToString(sum(key, text)); got != parts["Signature"] || !strings.HasPrefix(date, scope[1]) {
		return fmt.Errorf("the request signature we calculated does not match the signature you provided")
	}
	return nil
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escape escapes a segment of a path that is escaped already once more, as all services but
// S3 want it.
func escape(segment string) string {
	return strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
}
