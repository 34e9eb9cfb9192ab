package httpbackend

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Options configures backend/http.
type Options struct {
	// ReturnErrorCode answers the client with the status of a failed backend.
	// It counts for the only backend of an endpoint and for the first backend
	// of a sequence.
	ReturnErrorCode bool `json:"return_error_code" stricter:"false"`

	// ReturnErrorDetails puts status, body and Content-Type of a failed backend
	// into the answer, under the key error_ followed by this text. It wins over
	// return_error_code.
	ReturnErrorDetails *string `json:"return_error_details" stricter:"gone"`
}

// ClientOptions configures backend/http/client.
type ClientOptions struct {
	// ClientTLS configures TLS towards this backend, in the place of client_tls
	// at the root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// NoRedirect hands redirects of the backend back instead of following
	// them: to the client with encoding no-op, otherwise the backend fails. Those
	// that are followed may lead anywhere; behaviour.redirect_credentials says how far
	// what may be a credential goes along.
	NoRedirect bool `json:"no_redirect"`

	// ProxyAddress is the forward proxy that calls go through, with scheme
	// (http, https or socks5) and port. Without it the environment decides.
	ProxyAddress string `json:"proxy_address"`

	// SendBodyOnRedirect follows redirects of status 307 and 308 with the
	// method and the body of the request. Without it such a redirect of a
	// request with a body is not followed.
	SendBodyOnRedirect bool `json:"send_body_on_redirect"`

	// UseH2C calls hosts that begin with http:// by HTTP/2 without TLS, which they
	// must speak without being asked (prior knowledge; RFC 9113, section 3.3). One
	// that does not is treated as a host that cannot be reached, and the log says
	// so. Calls share a connection. With https:// HTTP/2 is negotiated, with this
	// option and without. Requests that switch protocols go out in HTTP/1.1. It does not
	// pass a forward proxy.
	UseH2C bool `json:"use_h2c"`
}

// Validate reports a proxy that is no address, or that HTTP/2 without TLS cannot pass.
func (o ClientOptions) Validate() error {
	if o.ProxyAddress == "" {
		return nil
	}
	// The text may hold a password, so that no message repeats it.
	u, err := url.Parse(o.ProxyAddress)
	switch {
	case err != nil || u.Hostname() == "":
		err = errors.New("is not an address; write scheme, host and port, such as http://proxy.example.com:3128")
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		err = fmt.Errorf("scheme %q is not supported; write http, https or socks5", u.Scheme)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		err = errors.New("has more than scheme, host and port; remove the rest")
	case o.UseH2C:
		return config.At("use_h2c", errors.New("HTTP/2 without TLS does not pass a forward proxy; remove use_h2c or proxy_address"))
	}
	return config.At("proxy_address", err)
}
