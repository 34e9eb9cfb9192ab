package tlsx

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/sluice-gateway/sluice/internal/config"
)

// add reads a certificate chain and its key and appends them to s. The keys
// say where the names of the files were configured. With skip they are not read.
func add(s *tls.Config, public, publicAt, private, privateAt string, skip bool) error {
	chain, err := read("public key", public, skip)
	key, keyErr := read("private key", private, skip)
	if err != nil || keyErr != nil {
		return errors.Join(config.At(publicAt, err), config.At(privateAt, keyErr))
	}
	if skip {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return config.At(publicAt, fmt.Errorf("certificate %s with key %s: %w", public, private, err))
	}
	s.Certificates = append(s.Certificates, pair)
	return nil
}

// read returns the contents of a file, with skip nothing; what says what it should
// hold.
func read(what, name string, skip bool) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("%s not defined; write the path of a PEM file", what)
	}
	if skip {
		return nil, nil
	}
	data, err := config.ReadFile(name)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if err != nil {
		return nil, fmt.Errorf("file %s: %w; write the path of a PEM file", name, err)
	}
	return data, nil
}

// pool returns the authorities in the files, together with those of the system
// unless they are disabled. Without files and with the system's authorities it
// returns nil, which crypto/tls understands as those.
func pool(files []string, disableSystem, skip bool) (*x509.CertPool, error) {
	if len(files) == 0 && !disableSystem {
		return nil, nil
	}
	authorities := x509.NewCertPool()
	var errs []error
	if !disableSystem {
		system, err := x509.SystemCertPool()
		if err != nil {
			errs = append(errs, config.At("disable_system_ca_pool", fmt.Errorf("the system's authorities: %w; set it to use ca_certs only", err)))
		} else {
			authorities = system
		}
	}
	for i, name := range files {
		errs = append(errs, config.At(index("ca_certs", i), addAuthorities(authorities, name, skip)))
	}
	return authorities, errors.Join(errs...)
}

// addAuthorities adds every certificate of a file. A file without one is an
// error, and so is one with a certificate that cannot be decoded.
func addAuthorities(to *x509.CertPool, name string, skip bool) error {
	data, err := read("authority", name, skip)
	if err != nil || skip {
		return err
	}
	found := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found++
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("file %s: certificate %d: %w", name, found, err)
		}
		to.AddCert(c)
	}
	if found == 0 {
		return fmt.Errorf("file %s: no certificate in PEM form; write the path of a file that holds one", name)
	}
	return nil
}

// index returns the path of an element of a list.
func index(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
