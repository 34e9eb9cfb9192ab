package tlsx

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Client returns the settings for backends. Without options, c being nil,
// backends speak TLS 1.2 or 1.3 and are vouched for by the system's
// authorities.
//
// The files are read once, now. The error joins everything that is wrong, each
// at its key relative to c.
//
// Compatibility: options, even empty ones, raise the oldest version to
// TLS 1.3 unless they name another.
func Client(c *model.ClientTLS) (*tls.Config, error) {
	if c == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	s := &tls.Config{InsecureSkipVerify: c.AllowInsecureConnections}
	errs := []error{limit(s, &c.TLSLimits)}
	for i, pair := range c.ClientCerts {
		at := index("client_certs", i)
		errs = append(errs, add(s, pair.Certificate, at+".certificate", pair.PrivateKey, at+".private_key", c.SkipFiles))
	}
	authorities, err := pool(c.CACerts, c.DisableSystemCAPool, c.SkipFiles)
	s.RootCAs = authorities
	errs = append(errs, err)
	if c.DisableSystemCAPool && len(c.CACerts) == 0 && !c.AllowInsecureConnections {
		errs = append(errs, config.At("ca_certs", errors.New("no authority vouches for backends, so none could be called; list the files of the authorities")))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// ClientWarnings returns what is allowed in the options and probably not
// meant, each at its key relative to c. Options that are nil give none.
func ClientWarnings(c *model.ClientTLS) []error {
	if c == nil {
		return nil
	}
	warnings := limitWarnings(&c.TLSLimits)
	if c.AllowInsecureConnections {
		warnings = append(warnings, config.At("allow_insecure_connections",
			errors.New("whoever answers is believed to be the backend; list its authority in ca_certs instead")))
	}
	if c.MinVersion == "" {
		warnings = append(warnings, config.At("min_version",
			fmt.Errorf("%s is the oldest version unless it is named, so backends that speak TLS 1.2 only cannot be called; write TLS12 to allow them", newest)))
	}
	return warnings
}
