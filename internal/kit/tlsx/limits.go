package tlsx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// newest is the version that stands for an empty one, at both ends.
const newest model.TLSVersion = "TLS13"

// versions maps the names of a configuration. SSL 3.0 is a name only: it is
// never spoken, and as the oldest version it stands for TLS 1.0.
var versions = map[model.TLSVersion]uint16{
	"SSL3.0": tls.VersionTLS10 - 1,
	"TLS10":  tls.VersionTLS10,
	"TLS11":  tls.VersionTLS11,
	"TLS12":  tls.VersionTLS12,
	"TLS13":  tls.VersionTLS13,
}

// defaultSuites are the suites of TLS 1.2 that keep past traffic secret when a
// key is lost and authenticate what they encrypt.
var defaultSuites = []uint16{49199, 49195, 49200, 49196, 52392, 52393}

// curves are the groups that a configuration may name.
var curves = []tls.CurveID{
	tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519,
	tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
}

// limit puts the limits into s. The error joins what is wrong with them.
func limit(s *tls.Config, l *model.TLSLimits) error {
	var errs []error
	var err error
	if s.MinVersion, err = version(l.MinVersion, "min_version"); err != nil {
		errs = append(errs, err)
	}
	if s.MaxVersion, err = version(l.MaxVersion, "max_version"); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		errs = append(errs, checkRange(s, l))
	}
	for i, id := range l.CipherSuites {
		if suite(id) == nil {
			errs = append(errs, config.At(index("cipher_suites", i), fmt.Errorf("no cipher suite has the number %d; write one of %s", id, suiteList())))
		}
	}
	for i, id := range l.CurvePreferences {
		if !slices.Contains(curves, tls.CurveID(id)) {
			errs = append(errs, config.At(index("curve_preferences", i), fmt.Errorf("no curve has the number %d; write one of %s", id, curveList())))
		}
		s.CurvePreferences = append(s.CurvePreferences, tls.CurveID(id))
	}
	s.CipherSuites = effectiveSuites(l)
	return errors.Join(errs...)
}

// version returns the number of a version; none at all stands for the newest.
func version(v model.TLSVersion, key string) (uint16, error) {
	if v == "" {
		v = newest
	}
	if n, known := versions[v]; known {
		return n, nil
	}
	return 0, config.At(key, fmt.Errorf("%q is no version of TLS; write one of %s", v, strings.Join(v.Enum(), ", ")))
}

// checkRange reports a range of versions in which no handshake could succeed.
func checkRange(s *tls.Config, l *model.TLSLimits) error {
	switch {
	case s.MaxVersion < tls.VersionTLS10:
		return config.At("max_version", fmt.Errorf("%s is broken and not spoken; write TLS12 or TLS13", l.MaxVersion))
	case s.MaxVersion < s.MinVersion && l.MinVersion == "":
		return config.At("max_version", fmt.Errorf("%s is older than min_version, which is %s unless it is named; set min_version too", l.MaxVersion, newest))
	case s.MaxVersion < s.MinVersion:
		return config.At("max_version", fmt.Errorf("the newest version %s is older than min_version %s; raise the one or lower the other", l.MaxVersion, l.MinVersion))
	case !spoken(s.MaxVersion, effectiveSuites(l)):
		return config.At("cipher_suites", fmt.Errorf("no suite can be used with %s, so no handshake could succeed; add one that can, such as 49171 or 49161", l.MaxVersion))
	}
	return nil
}

// effectiveSuites returns the suites that count.
func effectiveSuites(l *model.TLSLimits) []uint16 {
	if len(l.CipherSuites) == 0 {
		return defaultSuites
	}
	return l.CipherSuites
}

// spoken reports whether one of the suites can be used with the version. The
// suites of TLS 1.3 are not configurable and always there.
func spoken(version uint16, suites []uint16) bool {
	return version == tls.VersionTLS13 || slices.ContainsFunc(suites, func(id uint16) bool {
		s := suite(id)
		return s != nil && slices.Contains(s.SupportedVersions, version)
	})
}

// limitWarnings returns what is allowed in the limits and probably not meant.
// Limits with an unknown version give none: they are an error.
func limitWarnings(l *model.TLSLimits) []error {
	var warnings []error
	oldest, err := version(l.MinVersion, "min_version")
	latest, latestErr := version(l.MaxVersion, "max_version")
	if err != nil || latestErr != nil {
		return nil
	}
	if oldest < tls.VersionTLS12 {
		warnings = append(warnings, config.At("min_version", errors.New("TLS 1.0 and 1.1 are broken (RFC 8996), and SSL 3.0 is not spoken at all; write TLS12 or TLS13")))
	}
	for v := max(oldest, tls.VersionTLS10); v < latest; v++ {
		if !spoken(v, effectiveSuites(l)) {
			warnings = append(warnings, config.At("cipher_suites", fmt.Errorf("no suite can be used with %s, so handshakes with it fail; add one that can, or raise min_version", tls.VersionName(v))))
		}
	}
	if len(l.CipherSuites) > 0 && oldest == tls.VersionTLS13 {
		warnings = append(warnings, config.At("cipher_suites", errors.New("the suites of TLS 1.3 are not configurable and older versions are not spoken, so the list has no effect; remove it, or write TLS12 in min_version")))
	}
	for i, id := range l.CipherSuites {
		if s := suite(id); s != nil && s.Insecure {
			warnings = append(warnings, config.At(index("cipher_suites", i), fmt.Errorf("%d (%s) is weak; remove it once no peer needs it", id, s.Name)))
		}
	}
	return warnings
}

// suite returns the cipher suite with a number, nil if there is none.
func suite(id uint16) *tls.CipherSuite {
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			if s.ID == id {
				return s
			}
		}
	}
	return nil
}

// suiteList lists the suites that are not weak.
func suiteList() string {
	var names []string
	for _, s := range tls.CipherSuites() {
		names = append(names, fmt.Sprintf("%d (%s)", s.ID, s.Name))
	}
	return strings.Join(names, ", ")
}

// curveList lists the curves.
func curveList() string {
	var names []string
	for _, c := range curves {
		names = append(names, fmt.Sprintf("%d (%s)", uint16(c), c))
	}
	return strings.Join(names, ", ")
}
