package component

import "net/netip"

// Router is what the router namespace tells the core. The zero value is what
// holds without it.
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

// RouterKey is where the router namespace offers its settings.
var RouterKey = NewKey[Router]("settings of the router")
