//go:build !slim

package azuresb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/httpx"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

const (
	variable     = "SERVICEBUS_CONNECTION_STRING"
	hostVariable = "AZURE_SERVICEBUS_HOSTNAME"
	example      = "shop.servicebus.windows.net"
)

// A namespace is where Service Bus is, and who calls.
type namespace struct {
	host    string // as the client names it: with a port if it has one
	address string // host and port
	tls     *tls.Config
	text    string // the connection string; "" for an identity
	who     azcore.TokenCredential
	id      string // another one for others
}

// where returns the namespace of an address. It reads variables, and calls nobody.
func where(s *component.Site, a *queue.Address) (*namespace, error) {
	n := new(namespace)
	text, host := s.Getenv(variable), s.Getenv(hostVariable)
	plain := false
	var err error
	switch {
	case a.Server != "":
		n.host = a.Server
		if n.address, err = readHost(a.Server, "5671"); err != nil {
			return nil, queue.Environment(config.At("server", err))
		}
		if name, _, _ := net.SplitHostPort(n.address); !strings.ContainsAny(name, ".:") && name != "localhost" {
			s.Mistake("server", errors.New("it is the first part of a name; write it whole, such as "+name+".servicebus.windows.net"))
		}
	case text != "":
		n.text = text
		if n.host, plain, err = readConnectionString(text); err != nil {
			return nil, queue.Environment(fmt.Errorf("the variable %s: %w", variable, err))
		}
		port := "5671"
		if plain {
			port = "5672"
		}
		if n.address, err = readHost(n.host, port); err != nil {
			return nil, queue.Environment(fmt.Errorf("the variable %s: %w", variable, errConnectionString))
		}
	case host != "":
		n.host = host
		if n.address, err = readHost(host, "5671"); err != nil {
			return nil, queue.Environment(fmt.Errorf("the variable %s: %w", hostVariable, err))
		}
	case s.Elsewhere():
		n.host, n.address = example, example+":5671"
	default:
		return nil, queue.Environment(fmt.Errorf("nobody says where the broker is; set the variable %s, or %s, such as %s, or write \"server\"", variable, hostVariable, example))
	}
	secure, secureID, err := a.TLS()
	if err != nil {
		return nil, err
	}
	if !plain {
		if n.tls = secure.Clone(); n.tls.ServerName == "" {
			n.tls.ServerName, _, _ = net.SplitHostPort(n.address)
		}
	}
	if n.text == "" && !s.Elsewhere() {
		t := s.Service().Transport
		if a.ClientTLS != nil {
			t.ClientTLS = a.ClientTLS
		}
		calls, err := s.Dial(t)
		if err != nil {
			return nil, queue.Environment(err)
		}
		if n.who, err = identity(calls); err != nil {
			return nil, queue.Environment(fmt.Errorf("the identity of Azure: %w", said(err)))
		}
	}
	n.id = queue.ID(n.host, n.text, strconv.FormatBool(plain), secureID, a.Retry())
	return n, nil
}

// readHost returns host and port of a name.
func readHost(text, port string) (string, error) {
	host := text
	if strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			host = ""
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@;=?# ") {
		return "", errors.New("it is no name of a namespace; write one such as " + example + ", and a connection string into " + variable)
	}
	return net.JoinHostPort(host, port), nil
}

var errConnectionString = errors.New("it is no connection string; write Endpoint=sb://" + example + "/;SharedAccessKeyName=NAME;SharedAccessKey=KEY, as the portal shows it")

// readConnectionString returns the host that a connection string names, and whether it is of an
// emulator, which is called in plain text. The error shows nothing of it.
func readConnectionString(text string) (host string, plain bool, err error) {
	parts := make(map[string]string)
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		if !found {
			return "", false, errConnectionString
		}
		parts[strings.ToLower(name)] = value
	}
	host, found := strings.CutPrefix(parts["endpoint"], "sb://")
	key := parts["sharedaccesskeyname"] != "" && parts["sharedaccesskey"] != ""
	if !found || !key && parts["sharedaccesssignature"] == "" {
		return "", false, errConnectionString
	}
	if emulator := parts["usedevelopmentemulator"]; emulator != "" {
		if plain, err = strconv.ParseBool(emulator); err != nil {
			return "", false, errConnectionString
		}
	}
	return strings.TrimSuffix(host, "/"), plain, nil
}

// identity returns who the process is: the application that variables name, a workload of
// Kubernetes, the identity of the machine, the first of these that there is. Tokens are
// fetched by the client.
func identity(calls gateway.Connector) (azcore.TokenCredential, error) {
	o := policy.ClientOptions{Transport: httpx.Client(calls)}
	var chain []azcore.TokenCredential
	if c, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o}); err == nil {
		chain = append(chain, c)
	}
	if c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o}); err == nil {
		chain = append(chain, c)
	}
	c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	if err != nil {
		return nil, err
	}
	of, err := azidentity.NewChainedTokenCredential(append(chain, c), nil)
	if err != nil {
		return nil, err
	}
	return credential{of}, nil
}

// A credential is an identity whose failures are an errIdentity.
type credential struct{ of azcore.TokenCredential }

// GetToken returns a token, fetching it if need be.
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.of.GetToken(ctx, o)
	if err != nil && ctx.Err() == nil {
		err = errIdentity{tried(err.Error())}
	}
	return t, err
}

// tried returns which identities there were, and the first line of what each says: answers, which
// the library quotes whole, stand behind it.
func tried(text string) string {
	first, rest, _ := strings.Cut(text, "\n")
	for l := range strings.Lines(rest) {
		if l, found := strings.CutPrefix(l, "\t"); found && !strings.HasPrefix(l, "\t") {
			first += " " + strings.TrimSpace(l)
		}
	}
	return first
}

// errIdentity is that nobody says who we are, in a line. The library gives up.
type errIdentity struct{ text string }

func (e errIdentity) Error() string { return "the identity of Azure cannot be had: " + e.text }
func (errIdentity) NonRetriable()   {}
