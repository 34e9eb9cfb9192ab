package routing

import (
	"net/netip"

	"github.com/sluice-gateway/sluice/internal/component"
)

// Router is what the options of the service about routing come to: how paths are
// matched, how failures look, whose word about clients counts. The zero value is what
// holds without any.
type Router struct {
	ErrorMessages      bool           // failed answers carry their text
	ErrorBody          map[int][]byte // JSON by status: 404 and 405
	AutoOptions        bool
	NoMethodNotAllowed bool
	NoTrailingSlash    bool
	NoFixedPath        bool
	RemoveExtraSlash   bool
	NoPathDecoding     bool
	NoHealth           bool
	HealthPath         string // "" stands for /__health
	HideVersion        bool
	SkipLogPaths       []string
	NoAccessLog        bool
	IgnoreForwarded    bool           // believe no forwarding header
	TrustedProxies     []netip.Prefix // nil stands for private, loopback and link-local
	RemoteHeaders      []string       // nil stands for X-Forwarded-For and X-Real-Ip
	AppEngine          bool
	ForwardTrace       bool  // backends are told the trace of a request
	MaxPayload         int64 // bytes of a request body; 0 is no limit
	DecompressGzip     bool
	UseH2C             bool
}

// Key is where the settings are offered, by the component that reads them.
var Key = component.NewKey[Router]("settings of the router")
