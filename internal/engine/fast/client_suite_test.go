package fast

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine/enginetest"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
)

// TestClient runs the suite of all engines with the client of this one. Its
// server is tested with it elsewhere.
func TestClient(t *testing.T) {
	enginetest.Run(t, enginetest.Engine{NewServer: nethttp.NewServer, NewClient: NewClient})
}
