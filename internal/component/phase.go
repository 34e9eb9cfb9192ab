package component

// Who runs before whom is written here and nowhere else. Stages enter in the
// order of their phases and leave in the opposite order; within a phase the
// namespaces are sorted by name. Each scope has a type of its own, so that a
// stage cannot be put into a plan where it does not belong.

// A ServicePhase is a place in the plan that every request runs through before
// it is routed.
type ServicePhase uint8

// The phases of the service plan. ServiceRender and ServiceOwn belong to the core.
// Outside of the first stages see answers only, with status, header and bytes as the
// client gets them; inside of it a failure is an error. In the second health and the
// other paths of the gateway itself are answered, before the phases that protect
// endpoints.
const (
	ServiceObserve ServicePhase = iota
	ServiceCORS
	ServicePlugin
	ServiceRender
	ServiceOwn
	ServiceSecure
	ServiceLimit
	ServiceScript
	ServiceBot
)

// An EndpointPhase is a place in the plan of an endpoint, in front of its pipe: who
// asks, whether they may and how often. It acts on the client's message.
type EndpointPhase uint8

// The phases of an endpoint in front of its pipe. EndpointSelect and EndpointEncode belong to the
// core. Before the first there is only the client's message, which stages read, and
// change by [gateway.Exchange.Edit]; it makes the request of what input_headers and
// the like let through, which the stages behind it see. Outside of the second stages
// see the answer as bytes for the client, inside of it as data.
const (
	EndpointObserve EndpointPhase = iota
	EndpointAdmit
	EndpointAuthenticate
	EndpointAuthorize
	EndpointScript
	EndpointLimit
	EndpointSelect
	EndpointEncode
)

// A PipePhase is a place in a pipe: the part of an endpoint behind its door, which makes
// an answer of a request, as data. Pipes that have no door, such as a workflow within a
// backend, have the same phases.
type PipePhase uint8

// The phases of a pipe, in the numbers behind those of an endpoint.
const (
	PipeIntake PipePhase = iota + PipePhase(EndpointEncode) + 1
	PipeScript
	PipeCheck
	PipeValidate
	PipeStatic
	PipeTransform
	PipePlugin
	PipeFlatmap
)

// A BackendPhase is a place in the plan of a backend.
type BackendPhase uint8

// The phases of a backend plan. BackendAddress and BackendShape belong to the
// core: before the first the request has no path yet; outside of the second
// stages see the answer as data, inside of it as the bytes of the backend.
//
// From BackendAttempt on stages are the wire plan of a backend that is called by
// HTTP: it runs for each attempt at a host and for each redirect that is followed.
// The request has the whole URL that is called, base path included, and its header
// is again what the phases before have made of it; the answer comes unpacked.
// BackendCredential and BackendSign are left out once a redirect has led to another
// origin. A backend that is not called by HTTP has no wire plan.
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
	BackendAttempt
	BackendRewrite
	BackendCache
	BackendCredential
	BackendSign
)

// OnWire reports whether the phase is one of the wire plan.
func (p BackendPhase) OnWire() bool { return p >= BackendAttempt }

var (
	serviceNames  = []string{"observe", "cors", "plugin", "render", "own", "secure", "limit", "script", "bot"}
	endpointNames = []string{
		"observe", "admit", "authenticate", "authorize", "script", "limit", "select", "encode", "intake", "script-proxy",
		"check", "validate", "static", "transform", "plugin", "flatmap",
	}
	backendNames = []string{
		"address", "adapt", "plugin", "observe", "breaker", "limit", "script",
		"check", "shape", "status", "attempt", "rewrite", "cache", "credential", "sign",
	}
)

// String returns the name of the phase, as explanations print it.
func (p ServicePhase) String() string { return serviceNames[p] }

// String returns the name of the phase, as explanations print it.
func (p EndpointPhase) String() string { return endpointNames[p] }

// String returns the name of the phase, as explanations print it.
func (p PipePhase) String() string { return endpointNames[p] }

// String returns the name of the phase, as explanations print it.
func (p BackendPhase) String() string { return backendNames[p] }
