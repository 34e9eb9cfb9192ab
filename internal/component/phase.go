package component

// Who runs before whom is written here and nowhere else. Stages enter in the
// order of their phases and leave in the opposite order; within a phase the
// namespaces are sorted by name. Each scope has a type of its own, so that a
// stage cannot be put into a plan where it does not belong.

// A ServicePhase is a place in the plan that every request runs through before
// it is routed.
type ServicePhase uint8

// The phases of the service plan. ServiceOwn belongs to the core: health and
// the other paths of the gateway itself are answered there, before the phases
// that protect endpoints.
const (
	ServiceObserve ServicePhase = iota
	ServiceCORS
	ServiceOwn
	ServicePlugin
	ServiceSecure
	ServiceLimit
	ServiceScript
	ServiceBot
)

// An EndpointPhase is a place in the plan of an endpoint.
type EndpointPhase uint8

// The phases of an endpoint plan. EndpointEncode belongs to the core: outside
// of it stages see the answer as bytes for the client, inside of it as data.
const (
	EndpointObserve EndpointPhase = iota
	EndpointAdmit
	EndpointAuthenticate
	EndpointAuthorize
	EndpointScript
	EndpointLimit
	EndpointEncode
	EndpointScriptProxy
	EndpointCheck
	EndpointValidate
	EndpointStatic
	EndpointTransform
	EndpointPlugin
	EndpointFlatmap
)

// A BackendPhase is a place in the plan of a backend.
type BackendPhase uint8

// The phases of a backend plan. BackendAddress and BackendShape belong to the
// core: before the first the request has no path yet; outside of the second
// stages see the answer as data, inside of it as the bytes of the backend.
const (
	BackendAddress BackendPhase = iota
	BackendAdapt
	BackendPlugin
	BackendObserve
	BackendBreaker
	BackendLimit
	BackendScript
	BackendCheck
	BackendShape
	BackendStatus
	BackendRewrite
	BackendCache
	BackendCredential
)

var (
	serviceNames  = []string{"observe", "cors", "own", "plugin", "secure", "limit", "script", "bot"}
	endpointNames = []string{
		"observe", "admit", "authenticate", "authorize", "script", "limit", "encode", "script-proxy",
		"check", "validate", "static", "transform", "plugin", "flatmap",
	}
	backendNames = []string{
		"address", "adapt", "plugin", "observe", "breaker", "limit", "script",
		"check", "shape", "status", "rewrite", "cache", "credential",
	}
)

// String returns the name of the phase, as explanations print it.
func (p ServicePhase) String() string { return serviceNames[p] }

// String returns the name of the phase, as explanations print it.
func (p EndpointPhase) String() string { return endpointNames[p] }

// String returns the name of the phase, as explanations print it.
func (p BackendPhase) String() string { return backendNames[p] }
