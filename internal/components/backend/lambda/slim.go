//go:build slim

package lambda

import (
	"errors"

	"github.com/sluice-gateway/sluice/internal/component"
)

// build refuses what this build cannot do.
func build(*component.BackendSite, Options) error {
	return errors.New("this build leaves AWS out; use the full build, which is made without the tag slim")
}
