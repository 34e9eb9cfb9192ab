package archtest

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// soundsSecret matches the names of keys that are secrets more often than not.
var soundsSecret = regexp.MustCompile(`(?i)pass(word|wd|phrase)?$|secret|token|credential|auth$|(^|_|-)keys?$|dsn$|connection_string`)

// TestSecrets has whoever reads a text at a key that sounds like a secret say whether it is
// one, by the tag secret: what is one is masked wherever a configuration is shown.
func TestSecrets(t *testing.T) {
	seen := make(map[*config.Spec]bool)
	var walk func(s *config.Spec)
	walk = func(s *config.Spec) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		walk(s.Item)
		for _, f := range s.Fields {
			if soundsSecret.MatchString(f.Key) && f.Spec.HoldsTexts() && f.Secret == "" {
				t.Errorf(`%s.%s: is %q a secret? write the tag secret:"true", or secret:"false" if it may be shown`, f.Owner, f.Name, f.Key)
			}
			walk(f.Spec)
		}
	}
	walk(model.Root())
	for _, d := range component.Default.All() {
		if d.Options != nil {
			walk(config.SpecOf(d.Options))
		}
	}
	if !seen[config.SpecOf(reflect.TypeFor[model.Backend]())] {
		t.Error("nobody has looked at backends")
	}
}
