//go:build !slim

package awsx

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/httpx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// An Account is what clients of services are made of.
type Account struct {
	Config aws.Config

	// Endpoint is the base URL that the options name. Clients set it themselves, because
	// they find another one in the environment; nil leaves it to that.
	Endpoint *string

	// ID is another one for another account, and tells nothing of it.
	ID string
}

// What credentials may take that are fetched: a connection, each call, all of it.
const (
	connecting = 2 * time.Second
	calling    = 5 * time.Second
	fetching   = 15 * time.Second
)

// longestKeys is how many bytes an answer with credentials has at most.
const longestKeys = 1 << 20

// anywhere is the region of what stands in for AWS, unless somebody says another one.
const anywhere = "us-east-1"

// ErrRegion is that nobody says where a service is.
var ErrRegion = errors.New("nobody says in which region the service is; write it, such as eu-west-1, or set the variable AWS_REGION")

var regions = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// CheckRegion returns what is wrong with the name of a region.
func CheckRegion(name string) error {
	if !regions.MatchString(name) {
		return errors.New("it is no name of a region; write one such as eu-west-1")
	}
	return nil
}

// CheckEndpoint returns what is wrong with a base URL, of which the error shows nothing: a
// password may stand there.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(text, "@?# ") {
		return errors.New("it is no base URL of what stands in for AWS; write one such as http://localhost:4566, or remove it")
	}
	if _, err := component.HTTPHosts.Read(text); err != nil {
		return fmt.Errorf("it is no base URL of what stands in for AWS, %w; write one such as http://localhost:4566", err)
	}
	return nil
}

// endpoints are variables that hold base URLs, which the SDK reads by itself.
var endpoints = []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_SQS"}

// Open reads the environment and the shared files, and calls nobody. Region and endpoint are
// those of the options, "" where they leave that to the environment: the region is that of
// the shared files at last, and [ErrRegion] the error if nobody has one, but for an endpoint
// of one's own. Equal calls return the same, over reloads, too.
//
// Where the configuration is judged for another machine nothing is read.
func Open(s *component.Site, t model.Transport, region, endpoint string) (*Account, error) {
	if s.Elsewhere() {
		return &Account{Config: aws.Config{Region: cmp.Or(region, anywhere), Credentials: aws.AnonymousCredentials{}}, ID: "elsewhere"}, nil
	}
	e, err := readEnvironment(s)
	if err != nil {
		return nil, err
	}
	if e.bundle != "" {
		trust := model.ClientTLS{TLSLimits: model.TLSLimits{MinVersion: "TLS12"}} // which no options stand for
		if t.ClientTLS != nil {
			trust = *t.ClientTLS
		}
		trust.CACerts = append(slices.Clip(trust.CACerts), e.bundle)
		t.ClientTLS = &trust
	}
	calls, err := s.Dial(t)
	if err != nil {
		return nil, err
	}
	brief := t
	brief.DialerTimeout = config.Duration(connecting)
	fetches, err := s.Dial(brief)
	if err != nil {
		return nil, err
	}
	region = cmp.Or(region, e.region)
	id := e.id(t, region, endpoint)
	return component.Keep(s, "account "+id, func() (*Account, func(), error) {
		a, err := e.open(calls, fetches, region, endpoint)
		if err != nil {
			return nil, nil, err
		}
		a.ID = id
		return a, nil, nil
	})
}

// An environment is what the SDK reads of it, as far as the site knows it.
type environment struct {
	region, profile      string
	key, secret, session string
	files                [2]string // config and credentials; "" for those of the home directory
	contents             [2][]byte
	bundle               string // file of authorities; "" for none
}

func readEnvironment(s *component.Site) (*environment, error) {
	e := &environment{
		region:  cmp.Or(s.Getenv("AWS_REGION"), s.Getenv("AWS_DEFAULT_REGION")),
		profile: cmp.Or(s.Getenv("AWS_PROFILE"), s.Getenv("AWS_DEFAULT_PROFILE")),
		key:     cmp.Or(s.Getenv("AWS_ACCESS_KEY_ID"), s.Getenv("AWS_ACCESS_KEY")),
		secret:  cmp.Or(s.Getenv("AWS_SECRET_ACCESS_KEY"), s.Getenv("AWS_SECRET_KEY")),
		session: s.Getenv("AWS_SESSION_TOKEN"),
		files:   [2]string{s.Getenv("AWS_CONFIG_FILE"), s.Getenv("AWS_SHARED_CREDENTIALS_FILE")},
		bundle:  os.Getenv("AWS_CA_BUNDLE"), // as the SDK has it, whatever the site says
	}
	for _, text := range []string{e.key, e.secret, e.session} { // which a header takes, or a signature
		if strings.ContainsAny(text, "\r\n") {
			return nil, errors.New("a variable with credentials of AWS has a line end in it; remove that where it is set")
		}
	}
	if e.region != "" {
		if err := CheckRegion(e.region); err != nil {
			return nil, fmt.Errorf("the variable AWS_REGION: %w", err)
		}
	}
	for _, name := range endpoints {
		if text := s.Getenv(name); text != "" {
			if err := CheckEndpoint(text); err != nil {
				return nil, fmt.Errorf("the variable %s: %w", name, err)
			}
		}
	}
	for i, name := range []string{sdk.DefaultSharedConfigFilename(), sdk.DefaultSharedCredentialsFilename()} {
		text, err := s.ReadFile(cmp.Or(e.files[i], name)) // so that it is watched
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("a shared file of AWS: %w", err)
		}
		e.contents[i] = text
	}
	return e, nil
}

// id returns a text that is another one for another account.
func (e *environment) id(t model.Transport, region, endpoint string) string {
	h := sha256.New()
	json.NewEncoder(h).Encode([]any{t, t.Proxy, region, endpoint, e.profile, e.key, e.secret, e.session, e.files, e.contents, e.bundle}) // which is data
	return hex.EncodeToString(h.Sum(nil))
}

// open makes the account, whose services are called by the one connector and whose credentials
// are fetched by the other.
func (e *environment) open(calls, fetches gateway.Connector, region, endpoint string) (*Account, error) {
	fetcher := httpx.Client(fetches)
	fetcher.Timeout = calling
	read := []func(*sdk.LoadOptions) error{
		sdk.WithRegion(region),
		sdk.WithSharedConfigProfile(e.profile),
		sdk.WithLogger(logging.Nop{}),
		sdk.WithAPIOptions([]func(*middleware.Stack) error{Bounded(longestKeys)}),
		sdk.WithDefaultsMode(aws.DefaultsModeLegacy), // the other way to it is a call
	}
	if e.bundle == "" { // else the SDK insists on a client of its own, which trusts these authorities
		read = append(read, sdk.WithHTTPClient(fetcher))
	}
	if e.files[0] != "" {
		read = append(read, sdk.WithSharedConfigFiles([]string{e.files[0]}))
	}
	if e.files[1] != "" {
		read = append(read, sdk.WithSharedCredentialsFiles([]string{e.files[1]}))
	}
	if e.key != "" && e.secret != "" {
		read = append(read, sdk.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(e.key, e.secret, e.session)))
	}
	c, err := sdk.LoadDefaultConfig(context.Background(), read...)
	if err != nil {
		return nil, fmt.Errorf("the configuration of AWS: %s", line(err.Error()))
	}
	c.HTTPClient, c.APIOptions = httpx.Client(calls), nil // what a service may answer, its client knows
	c.Credentials = &keys{c.Credentials}
	if c.BaseEndpoint != nil {
		if err := CheckEndpoint(*c.BaseEndpoint); err != nil { // of a shared file
			return nil, fmt.Errorf("the endpoint_url of AWS: %w", err)
		}
	}
	a := &Account{}
	if endpoint != "" {
		a.Endpoint = &endpoint
	}
	switch {
	case c.Region != "":
		if err := CheckRegion(c.Region); err != nil {
			return nil, fmt.Errorf("the region: %w", err)
		}
	case c.BaseEndpoint != nil || endpoint != "":
		c.Region = anywhere
	default:
		return nil, ErrRegion
	}
	a.Config = c
	return a, nil
}

// keys are credentials, with errors of the gateway.
type keys struct{ of aws.CredentialsProvider }

// Retrieve returns the credentials, fetching them if need be. Several that want them wait
// for one that fetches, each as long as it may.
func (k *keys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	limited, cancel := context.WithTimeout(bare{ctx}, fetching)
	defer cancel()
	c, err := k.of.Retrieve(limited)
	if err != nil && ctx.Err() == nil {
		return c, gateway.Away(fmt.Errorf("the credentials of AWS cannot be had; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role: %s", safe(err)))
	}
	return c, err
}

// safe returns what may be told of why credentials cannot be had: not what a process has written
// which was to write them.
func safe(err error) string {
	text, _, cut := strings.Cut(line(err.Error()), "process output:")
	if cut {
		return text + "what credential_process writes"
	}
	return text
}

// bare is a context without values: they are of a request, and the fetching outlives it.
type bare struct{ context.Context }

// Value returns nil.
func (bare) Value(any) any { return nil }

// A Refusal is that a service of AWS answered with a failure.
type Refusal struct {
	Status  int    // 300 at least
	Code    string // such as AccessDeniedException
	Message string // of one line
}

// Error returns the answer in a line.
func (r *Refusal) Error() string {
	return fmt.Sprintf("AWS answered %d %s: %s", r.Status, r.Code, r.Message)
}

// longest is how much of a message is kept. What is behind its first line may quote the
// request that was signed, with its token.
const longest = 512

// Failed returns the error of a call as one of the gateway. One whose Err is a [*Refusal] is
// an answer of AWS, with code backend_status and no status of its own.
func Failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*gateway.Error](err); ok {
		return e
	}
	if res, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok && res.HTTPStatusCode() >= 300 {
		r := &Refusal{Status: res.HTTPStatusCode(), Code: "without a code", Message: "no message"}
		if api, ok := errors.AsType[interface {
			error
			ErrorCode() string
			ErrorMessage() string
		}](err); ok {
			r.Code, r.Message = line(api.ErrorCode()), line(api.ErrorMessage())
		}
		return &gateway.Error{Code: gateway.CodeBackendStatus, Public: fmt.Sprintf("invalid status code %d", r.Status), Err: r}
	}
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "the answer is none of AWS", Err: errors.New(line(err.Error()))}
}

// line returns what stands in the first line of a text.
func line(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.ToValidUTF8(text[:min(len(text), longest)], "")
}
