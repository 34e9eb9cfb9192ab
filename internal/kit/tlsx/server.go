package tlsx

import (
	"crypto/tls"
	"errors"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Server returns the settings for clients: certificates chosen by the name
// that the client asks for, the first one as the fallback, HTTP/2 by ALPN,
// and a demand for client certificates where the options have one. c is not
// nil; whether it is disabled is for the caller to look at.
//
// The files are read once, now. The error joins everything that is wrong, each
// at its key relative to c.
//
// Only ca_certs and the system's authorities vouch for clients. The
// certificates of the server itself never do.
func Server(c *model.ServerTLS) (*tls.Config, error) {
	s := &tls.Config{NextProtos: []string{"h2", "http/1.1", "http/1.0"}}
	errs := []error{limit(s, &c.TLSLimits), offersHTTP2(s, &c.TLSLimits)}
	for i, pair := range c.Keys {
		at := index("keys", i)
		errs = append(errs, add(s, pair.PublicKey, at+".public_key", pair.PrivateKey, at+".private_key", c.SkipFiles))
	}
	if len(c.Keys) == 0 || c.PublicKey != "" || c.PrivateKey != "" {
		errs = append(errs, add(s, c.PublicKey, "public_key", c.PrivateKey, "private_key", c.SkipFiles))
	}
	authorities, err := pool(c.CACerts, c.DisableSystemCAPool, c.SkipFiles)
	errs = append(errs, err)
	if c.EnableMTLS {
		s.ClientAuth, s.ClientCAs = tls.RequireAndVerifyClientCert, authorities
		if c.DisableSystemCAPool && len(c.CACerts) == 0 {
			errs = append(errs, config.At("ca_certs", errors.New("no authority vouches for clients, so none could connect; list the files of the authorities")))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// ServerWarnings returns what is allowed in the options and probably not
// meant, each at its key relative to c.
func ServerWarnings(c *model.ServerTLS) []error {
	warnings := limitWarnings(&c.TLSLimits)
	if c.EnableMTLS && len(c.CACerts) > 0 && !c.DisableSystemCAPool {
		warnings = append(warnings, config.At("ca_certs",
			errors.New("any certificate of a public authority is let in beside those of these authorities; set disable_system_ca_pool")))
	}
	return warnings
}

// ServerMistakes returns what protects nothing although it is there to, each at its
// key relative to c.
func ServerMistakes(c *model.ServerTLS) []error {
	switch {
	case c.EnableMTLS && len(c.CACerts) == 0 && !c.DisableSystemCAPool: // else it is an error
		return []error{config.At("enable_mtls",
			errors.New("without ca_certs any certificate of a public authority is let in; list your authorities and set disable_system_ca_pool"))}
	case !c.EnableMTLS && len(c.CACerts) > 0:
		return []error{config.At("ca_certs", errors.New("clients are not asked for certificates; set enable_mtls"))}
	}
	return nil
}

// offersHTTP2 reports a list of suites that HTTP/2 cannot be spoken with
// (RFC 9113, section 9.2.2).
func offersHTTP2(s *tls.Config, l *model.TLSLimits) error {
	if len(l.CipherSuites) == 0 || s.MinVersion == tls.VersionTLS13 {
		return nil
	}
	for _, id := range l.CipherSuites {
		if id == tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || id == tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 {
			return nil
		}
	}
	return config.At("cipher_suites", errors.New("HTTP/2 needs 49199 (RSA) or 49195 (ECDSA); add the one for your certificate"))
}
