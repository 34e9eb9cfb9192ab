package jose

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/jwk"
)

// keys is where the keys of an endpoint are found by their id.
type keys interface {
	Find(ctx context.Context, id string) ([]*jwk.Key, error)
}

// openKeys returns the keys that the options name.
func openKeys(s *component.EndpointSite, o Options) (keys, error) {
	roots, err := authorities(s, o.JWKLocalCA)
	err = config.At("jwk_local_ca", err)
	if o.JWKLocalPath == "" {
		if err != nil {
			return nil, err
		}
		return openRemote(s, o, roots)
	}
	set, setErr := readSet(s, o)
	if errors.Is(setErr, config.ErrSkipped) {
		return new(jwk.Set), err // nothing will be verified
	}
	if err = errors.Join(err, setErr); err != nil {
		return nil, err
	}
	for _, err := range set.Skipped() {
		s.Warn("jwk_local_path", fmt.Errorf("a key is left out: %w", err))
	}
	if !set.Any(func(k *jwk.Key) bool { return k.Fits(o.Alg) }) {
		s.Mistake("jwk_local_path", fmt.Errorf("no key of the file can verify %s, so every request is refused", o.Alg))
	}
	if weak := set.Weak(o.Alg); weak != nil {
		err := fmt.Errorf("%w, so it can be guessed; use a longer one", weak[0])
		if refusesWeak(s) {
			return nil, config.At("jwk_local_path", err)
		}
		s.Warn("jwk_local_path", err)
	}
	log := s.Log()
	s.OnStart(func(ctx context.Context) error {
		log.InfoContext(ctx, "key set loaded", "file", o.JWKLocalPath, "keys", set.Len())
		return nil
	})
	return set, nil
}

// refusesWeak reports whether keys that are too short are refused.
func refusesWeak(s *component.EndpointSite) bool { return s.Service().Behaviour.WeakKeys == "error" }

// readSet returns the set in the local file.
func readSet(s *component.EndpointSite, o Options) (*jwk.Set, error) {
	data, err := s.ReadFile(o.JWKLocalPath)
	if err != nil {
		return nil, config.At("jwk_local_path", err)
	}
	if o.SecretURL != "" {
		key, err := o.dataKey()
		if err != nil {
			return nil, err
		}
		if data, err = key.Open(data); err != nil {
			return nil, config.At("jwk_local_path", fmt.Errorf("%s: %w", o.JWKLocalPath, err))
		}
	}
	set, err := jwk.Parse(data, o.KeyIdentifyStrategy)
	if err != nil {
		return nil, config.At("jwk_local_path", fmt.Errorf("%s: %w", o.JWKLocalPath, err))
	}
	return set, nil
}

// authorities returns the PEM text of a file of certificates, nil without a
// file.
func authorities(s *component.EndpointSite, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := s.ReadFile(file)
	if errors.Is(err, config.ErrSkipped) {
		return nil, nil // nothing will be fetched
	}
	if err != nil {
		return nil, err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate; write PEM", file)
	}
	return pem, nil
}

// openRemote returns the set behind the URL: the one that the generation
// before or another endpoint has opened, if nothing is different.
func openRemote(s *component.EndpointSite, o Options, roots []byte) (keys, error) {
	ro := jwk.RemoteOptions{
		URL:      o.JWKURL,
		By:       o.KeyIdentifyStrategy,
		Header:   gateway.Fields{{Name: "User-Agent", Value: s.Product()}, {Name: "Accept", Value: "application/json, application/jwk-set+json"}},
		Lifetime: lifetime(s, o),
		Clock:    s.Clock(),
	}
	if d := time.Duration(o.FailedJWKKeyCooldown); d >= time.Second {
		ro.Cooldown = d
	}
	id, err := json.Marshal([]any{
		ro.URL, ro.By, ro.Lifetime, ro.Cooldown, o.DisableJWKSecurity, o.JWKFingerprints, o.CipherSuites, sha256.Sum256(roots),
	})
	if err != nil {
		return nil, err
	}
	remote, err := component.Keep(&s.Site, string(id), func() (*jwk.Remote, func(), error) {
		t := s.Service().Transport
		t.ClientTLS = nil
		secure, err := clientTLS(o, roots)
		if err != nil {
			return nil, nil, err
		}
		if ro.Connector, err = s.DialTLS(t, secure); err != nil {
			return nil, nil, err
		}
		r := jwk.NewRemote(ro)
		return r, r.Close, nil
	})
	if err != nil {
		return nil, err
	}
	l := listen(s, o)
	s.OnStart(func(context.Context) error {
		remote.Attach(l)
		remote.Preload()
		return nil
	})
	s.OnClose(func(context.Context) error {
		remote.Detach(l)
		return nil
	})
	return remote, nil
}

// listen returns what writes into the log how a key set fares: one line for each
// change of its state, and one when it begins to hold keys that are too short.
func listen(s *component.EndpointSite, o Options) *jwk.Listener {
	log, told, refused := s.Log(), "", refusesWeak(s)
	set, endpoint := public(o.JWKURL), s.Name()
	return &jwk.Listener{
		Changed: func(c jwk.Change) {
			switch {
			case c.To == jwk.Missing:
				log.Error("key set cannot be had, requests get 503", "url", set, "cause", c.Cause)
			case c.To == jwk.Aging:
				log.Warn("key set cannot be had, the keys from before still count", "url", set, "cause", c.Cause)
			case c.From == jwk.Unasked:
				log.Info("key set loaded", "url", set, "keys", c.Keys)
			default:
				log.Info("key set is back", "url", set, "keys", c.Keys)
			}
		},
		Loaded: func(k *jwk.Set) {
			text := ""
			if weak := errors.Join(k.Weak(o.Alg)...); weak != nil {
				text = weak.Error()
			}
			if text != "" && text != told {
				log.Warn("key set holds keys that are too short", "url", set, "endpoint", endpoint, "refused", refused, "cause", text)
			}
			told = text
		},
	}
}

// public returns an address without what may be secret in it.
func public(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// lifetime returns how long downloaded keys are kept.
func lifetime(s *component.EndpointSite, o Options) time.Duration {
	if !o.Cache {
		return 0
	}
	if shared, ok := component.Use(&s.Site, sharedCache); ok {
		return shared
	}
	return cmp.Or(o.CacheDuration, defaultCacheDuration).Duration()
}

// defaultSuites are the suites of TLS 1.2 when the options name none.
var defaultSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// clientTLS returns the TLS configuration towards the provider.
func clientTLS(o Options, roots []byte) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       defaultSuites,
		InsecureSkipVerify: o.DisableJWKSecurity,
	}
	if len(o.CipherSuites) > 0 {
		c.CipherSuites = o.CipherSuites
	}
	if roots != nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("certificates of the system: %w", err)
		}
		pool.AppendCertsFromPEM(roots)
		c.RootCAs = pool
	}
	if len(o.JWKFingerprints) > 0 {
		pins := make([][]byte, len(o.JWKFingerprints))
		for i, pin := range o.JWKFingerprints {
			digest, err := decodePin(pin)
			if err != nil {
				return nil, err
			}
			pins[i] = digest
		}
		c.VerifyConnection = func(state tls.ConnectionState) error { return checkPins(pins, state) }
	}
	return c, nil
}

// errPin refuses a connection none of whose certificates is pinned.
var errPin = errors.New("no certificate of the chain is pinned in jwk_fingerprints")

// checkPins reports whether one certificate of the chain is pinned. Where
// chains are not verified, the links between the certificates are checked
// here: a certificate that did not sign the one before it proves nothing,
// because anyone can send it along.
func checkPins(pins [][]byte, state tls.ConnectionState) error {
	pinned := func(c *x509.Certificate) bool {
		digest := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		return slices.ContainsFunc(pins, func(pin []byte) bool { return bytes.Equal(pin, digest[:]) })
	}
	for _, chain := range state.VerifiedChains {
		if slices.ContainsFunc(chain, pinned) {
			return nil
		}
	}
	if len(state.VerifiedChains) > 0 {
		return errPin
	}
	for i, c := range state.PeerCertificates {
		if i > 0 && state.PeerCertificates[i-1].CheckSignatureFrom(c) != nil {
			break
		}
		if pinned(c) {
			return nil
		}
	}
	return errPin
}
