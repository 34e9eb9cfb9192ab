//go:build !slim

package gcppubsub

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/httpx"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

const (
	google        = "pubsub.googleapis.com:443"
	scope         = "https://www.googleapis.com/auth/pubsub"
	emulator      = "PUBSUB_EMULATOR_HOST"
	fileVariable  = "GOOGLE_APPLICATION_CREDENTIALS"
	serverExample = "write localhost:8085 for what stands in for Pub/Sub, or https://europe-west1-pubsub.googleapis.com for an endpoint of Google"
)

// An account is where Pub/Sub is, and who asks.
type account struct {
	target  string
	product string
	tls     *tls.Config       // nil for what stands in for Pub/Sub, which wants no credentials either
	calls   gateway.Connector // which fetches tokens
	file    []byte            // of credentials; nil for those of the machine
	id      string            // another one for others

	mu      sync.Mutex
	finding *finding // nil if nobody has wanted them, or they were not to be had
}

// where returns whom an address leads to. It reads variables and files, and calls nobody.
func where(s *component.Site, a *queue.Address) (*account, error) {
	at := &account{target: google, product: s.Product()}
	secure, secureID, err := a.TLS()
	if err != nil {
		return nil, err
	}
	at.tls = secure
	switch text := s.Getenv(emulator); {
	case a.Server != "":
		var plain bool
		if at.target, plain, err = readServer(a.Server); err != nil {
			return nil, queue.Environment(config.At("server", err))
		}
		if plain {
			at.tls = nil
		}
	case text != "":
		if at.target, _, err = readServer(text); err != nil || strings.HasPrefix(text, "https://") {
			return nil, queue.Environment(fmt.Errorf("the variable %s: it is no host and port; write localhost:8085", emulator))
		}
		at.tls = nil
	}
	if at.tls != nil && !s.Elsewhere() {
		t := s.Service().Transport
		if a.ClientTLS != nil {
			t.ClientTLS = a.ClientTLS
		}
		calls, err := s.Dial(t)
		if err != nil {
			return nil, queue.Environment(err)
		}
		at.calls = calls
		if err := at.read(s); err != nil {
			return nil, queue.Environment(err)
		}
	}
	at.id = queue.ID(at.target, at.product, secureID, strconv.FormatBool(at.tls == nil), string(at.file), a.Retry())
	return at, nil
}

// readServer returns host and port, and whether that is what stands in for Pub/Sub.
func readServer(text string) (target string, plain bool, err error) {
	rest, secure := strings.CutPrefix(text, "https://")
	if secure {
		rest = strings.TrimSuffix(rest, "/")
		if !strings.Contains(rest, ":") {
			rest += ":443"
		}
	}
	host, port, err := net.SplitHostPort(rest)
	if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@?# ") {
		return "", false, errors.New("it is no address; " + serverExample)
	}
	return rest, !secure, nil
}

// wellKnown returns the name of the file that gcloud writes, "" if there can be none.
func wellKnown(s *component.Site) string {
	const name = "application_default_credentials.json"
	if dir := s.Getenv("CLOUDSDK_CONFIG"); dir != "" {
		return filepath.Join(dir, name)
	}
	if runtime.GOOS == "windows" {
		return filepath.Join(s.Getenv("APPDATA"), "gcloud", name)
	}
	home := s.Getenv("HOME")
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".config", "gcloud", name)
}

// read reads the file of credentials, if there is one, and judges it.
func (at *account) read(s *component.Site) error {
	name := s.Getenv(fileVariable)
	if strings.ContainsAny(name, "{\n") { // which an error would quote
		return fmt.Errorf("the variable %s: it holds credentials; write them into a file, and the name of that here", fileVariable)
	}
	file := cmp.Or(name, wellKnown(s))
	if file == "" {
		return nil
	}
	text, err := s.ReadFile(file) // so that it is watched
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		at.file = text
		_, err = at.open()
	}
	if err != nil && name != "" {
		return fmt.Errorf("the variable %s: %w", fileVariable, err)
	}
	if err != nil {
		return fmt.Errorf("the credentials of gcloud: %w", err)
	}
	return nil
}

// open makes credentials of the file, or finds those of the machine, for which it may ask
// around, a few seconds at most.
func (at *account) open() (*auth.Credentials, error) {
	o := &credentials.DetectOptions{Scopes: []string{scope}, UseSelfSignedJWT: true, Client: httpx.Client(at.calls)}
	if at.file == nil {
		return detect(o)
	}
	var kind struct{ Type credentials.CredType }
	if err := json.Unmarshal(at.file, &kind); err != nil || kind.Type == "" {
		return nil, errors.New("the file is none of credentials; Google gives one to an account of a service")
	}
	c, err := credentials.NewCredentialsFromJSON(kind.Type, at.file, o)
	if err != nil {
		return nil, errors.New(queue.Line(err.Error()))
	}
	return c, nil
}

// detect finds the credentials of the machine, for which the library may ask around.
var detect = credentials.DetectDefault

// tokens returns the credentials for a connection. The library knows of no context while it asks
// around, so that it does so beside, once at a time.
func (at *account) tokens(ctx context.Context) (grpccredentials.PerRPCCredentials, error) {
	at.mu.Lock()
	f := at.finding
	if f == nil {
		f = &finding{over: make(chan struct{})}
		at.finding = f
		go f.find(at.open)
	}
	at.mu.Unlock()
	select {
	case <-f.over:
	case <-ctx.Done():
		return nil, fmt.Errorf("the credentials of Google cannot be had: %w", ctx.Err())
	}
	if f.err != nil {
		at.mu.Lock()
		if at.finding == f {
			at.finding = nil // so that the next one tries again
		}
		at.mu.Unlock()
		return nil, fmt.Errorf("the credentials of Google cannot be had: %s", queue.Line(f.err.Error()))
	}
	return tokens{f.found}, nil
}

// A finding is a search for credentials.
type finding struct {
	over  chan struct{} // closed when it is
	found *auth.Credentials
	err   error
}

// find searches. A panic of the library is a failure of it.
func (f *finding) find(open func() (*auth.Credentials, error)) {
	defer close(f.over)
	defer gateway.Recover("", &f.err)
	f.found, f.err = open()
}

// tokens are credentials as gRPC wants them.
type tokens struct{ of *auth.Credentials }

// GetRequestMetadata returns what a call shows, fetching it if need be.
func (t tokens) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := t.of.Token(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, gateway.Away(fmt.Errorf("the credentials of Google cannot be had: %s", queue.Line(err.Error())))
	}
	md := map[string]string{"authorization": cmp.Or(token.Type, "Bearer") + " " + token.Value}
	if project, err := t.of.QuotaProjectID(ctx); err == nil && project != "" {
		md["x-goog-user-project"] = project
	}
	return md, nil
}

// RequireTransportSecurity is true: tokens go over TLS alone.
func (tokens) RequireTransportSecurity() bool { return true }
