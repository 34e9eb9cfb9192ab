//go:build !slim

package awsx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// surroundings returns a gateway whose environment has nothing but these variables, which
// the SDK sees as well.
func surroundings(t *testing.T, variables map[string]string) *sitetest.Gateway {
	t.Helper()
	for _, v := range os.Environ() { // of whoever runs the test
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	dir := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range variables {
		t.Setenv(name, value)
	}
	g := sitetest.New(t)
	client := fast.Engine.NewClient(model.Transport{}, nil)
	t.Cleanup(func() { client.Close() })
	g.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) { return client, nil }
	return g
}

func open(t *testing.T, g *sitetest.Gateway, region string) *Account {
	t.Helper()
	a, err := Open(&g.EndpointSite().Site, model.Transport{}, region, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve stands in for whoever hands out credentials: the endpoint of a container, the
// metadata of an instance, STS.
func serve(t *testing.T, h http.HandlerFunc) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

const credentialsJSON = `{"Code": "Success", "AccessKeyId": "KEY", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2099-01-01T00:00:00Z"}`

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestChain: credentials come from wherever AWS has them, nobody is asked for them before
// they are wanted, and once is enough.
func TestChain(t *testing.T) {
	container, containerCalls := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, credentialsJSON)
	})
	instance, instanceCalls := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/api/token"):
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
			fmt.Fprint(w, "session")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			fmt.Fprint(w, "role")
		default:
			fmt.Fprint(w, credentialsJSON)
		}
	})
	sts, stsCalls := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
			<AccessKeyId>KEY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
			</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`)
	})
	tests := []struct {
		name      string
		variables map[string]string
		calls     *atomic.Int64
	}{
		{"environment", map[string]string{"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}, nil},
		{"shared file", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file(t, "credentials", "[default]\naws_access_key_id=OTHER\naws_secret_access_key=x\n[mine]\naws_access_key_id=KEY\naws_secret_access_key=secret\naws_session_token=token\n"), "AWS_PROFILE": "mine"}, nil},
		{"container", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container}, containerCalls},
		{"instance", map[string]string{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance}, instanceCalls},
		{"web identity", map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "token", "jwt"), "AWS_ENDPOINT_URL_STS": sts}, stsCalls},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := surroundings(t, tt.variables)
			a := open(t, g, "eu-west-1")
			if tt.calls != nil && tt.calls.Load() != 0 {
				t.Error("somebody is called before credentials are wanted")
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					c, err := a.Config.Credentials.Retrieve(t.Context())
					if err != nil || c.AccessKeyID != "KEY" || c.SecretAccessKey != "secret" || c.SessionToken != "token" {
						t.Errorf("got %s, %v", c.AccessKeyID, err)
					}
				})
			}
			wg.Wait()
			before := int64(0)
			if tt.calls != nil {
				before = tt.calls.Load()
			}
			old := g.Reload(t)
			b := open(t, g, "eu-west-1")
			if err := old.Release(); err != nil {
				t.Error(err)
			}
			if _, err := b.Config.Credentials.Retrieve(t.Context()); err != nil || a != b {
				t.Errorf("behind a reload: %v, the same: %t", err, a == b)
			}
			if tt.calls != nil && (tt.calls.Load() != before || before > 3) {
				t.Errorf("%d calls, and %d before the reload", tt.calls.Load(), before)
			}
		})
	}
}

// TestNone: credentials that nobody has are a failure of the call, at once.
func TestNone(t *testing.T) {
	a := open(t, surroundings(t, nil), "eu-west-1")
	_, err := a.Config.Credentials.Retrieve(t.Context())
	if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.CodeBackendAway || !strings.Contains(err.Error(), "credentials of AWS cannot be had; set AWS_ACCESS_KEY_ID") {
		t.Errorf("got %v", err)
	}
}

// TestUntold: why credentials cannot be had is told without what was signed, and without what was
// to be credentials.
func TestUntold(t *testing.T) {
	sts, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:hidden'</Message></Error></ErrorResponse>")
	})
	role := file(t, "config", "[default]\nrole_arn=arn:aws:iam::123456789012:role/r\nsource_profile=s\n[profile s]\naws_access_key_id=KEY\naws_secret_access_key=hidden\naws_session_token=hidden\n")
	process := file(t, "config", "[default]\ncredential_process=echo hidden\n")
	for want, variables := range map[string]map[string]string{
		"SignatureDoesNotMatch: The signature does not match.": {"AWS_CONFIG_FILE": role, "AWS_ENDPOINT_URL_STS": sts},
		"parse failed of what credential_process writes":       {"AWS_CONFIG_FILE": process},
	} {
		a := open(t, surroundings(t, variables), "eu-west-1")
		_, err := a.Config.Credentials.Retrieve(t.Context())
		if got := fmt.Sprint(Failed(t.Context(), err)); err == nil || !strings.Contains(got, want) || strings.Contains(got, "hidden") || strings.Contains(got, "\n") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTooLarge: who hands out credentials makes the gateway hold a part of what he says.
func TestTooLarge(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat(" ", longestKeys), credentialsJSON)
	})
	a := open(t, surroundings(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}), "eu-west-1")
	if _, err := a.Config.Credentials.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestSlow: whoever waits for credentials waits no longer than he may, and they are there
// for the next.
func TestSlow(t *testing.T) {
	release := make(chan struct{})
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, credentialsJSON)
	})
	a := open(t, surroundings(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}), "eu-west-1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Config.Credentials.Retrieve(ctx); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
	close(release)
	if c, err := a.Config.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "KEY" {
		t.Errorf("got %v", err)
	}
}

// TestRegion: who says where a service is.
func TestRegion(t *testing.T) {
	shared := file(t, "config", "[default]\nregion=eu-north-1\n")
	tests := []struct {
		variables                      map[string]string
		region, endpoint, want, failed string
	}{
		{nil, "eu-west-1", "", "eu-west-1", ""},
		{map[string]string{"AWS_REGION": "eu-west-2"}, "", "", "eu-west-2", ""},
		{map[string]string{"AWS_REGION": "eu-west-2"}, "eu-west-1", "", "eu-west-1", ""},
		{map[string]string{"AWS_DEFAULT_REGION": "eu-west-3"}, "", "", "eu-west-3", ""},
		{map[string]string{"AWS_CONFIG_FILE": shared}, "", "", "eu-north-1", ""},
		{nil, "", "http://localhost:4566", "us-east-1", ""},
		{map[string]string{"AWS_ENDPOINT_URL": "http://localhost:4566"}, "", "", "us-east-1", ""},
		{nil, "", "", "", "nobody says in which region"},
		{map[string]string{"AWS_REGION": "a/b"}, "", "", "", "the variable AWS_REGION: it is no name of a region"},
		{map[string]string{"AWS_SESSION_TOKEN": "hidden\n"}, "eu-west-1", "", "", "has a line end in it"},
		{map[string]string{"AWS_PROFILE": "nobody"}, "eu-west-1", "", "", "nobody"},
		{map[string]string{"AWS_CONFIG_FILE": t.TempDir()}, "eu-west-1", "", "", "a shared file of AWS"},
	}
	for _, tt := range tests {
		t.Run("", func(t *testing.T) {
			g := surroundings(t, tt.variables)
			a, err := Open(&g.EndpointSite().Site, model.Transport{}, tt.region, tt.endpoint)
			switch {
			case tt.failed != "":
				if err == nil || !strings.Contains(err.Error(), tt.failed) {
					t.Errorf("%v: got %v, want %s", tt.variables, err, tt.failed)
				}
			case err != nil || a.Config.Region != tt.want:
				t.Errorf("%v: got %v, want %s", tt.variables, err, tt.want)
			}
		})
	}
}

// TestChanged: another file, other credentials.
func TestChanged(t *testing.T) {
	const text = "[default]\naws_access_key_id=%s\naws_secret_access_key=x\n"
	name := file(t, "credentials", fmt.Sprintf(text, "ONE"))
	g := surroundings(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": name})
	var read []string
	g.Env.Reads = func(name string) { read = append(read, name) }
	one := open(t, g, "eu-west-1")
	if err := os.WriteFile(name, fmt.Appendf(nil, text, "TWO"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := open(t, g, "eu-west-1")
	c, err := two.Config.Credentials.Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "TWO" || one.ID == two.ID || !strings.Contains(strings.Join(read, " "), name) {
		t.Errorf("got %s, %v; read were %v", c.AccessKeyID, err, read)
	}
}

// TestElsewhere: for another machine nothing is read.
func TestElsewhere(t *testing.T) {
	g := surroundings(t, map[string]string{"AWS_CONFIG_FILE": t.TempDir(), "AWS_REGION": "a/b"})
	g.Env.SkipFiles = true
	open(t, g, "")
}

// TestFailed: what is told of an answer of AWS has no line but the first.
func TestFailed(t *testing.T) {
	if got := line("a\nsecret"); got != "a" {
		t.Errorf("got %q", got)
	}
	if got := line(strings.Repeat("ä", longest)); len(got) != longest {
		t.Errorf("%d bytes", len(got))
	}
	err := Failed(t.Context(), errors.New("oh\nsecret"))
	if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.CodeBackendInvalid || e.Public == "" || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
