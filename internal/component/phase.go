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
	ServiceObserve ServicePhase = iota // around everything: spans and what else watches the whole exchange
	ServiceCORS                        // answers of which browsers decide who reads them, failures included
	ServicePlugin                      // what stands in front of the gateway, its own paths included: handlers of others
	ServiceRender                      // of the core: a failure becomes an answer
	ServiceOwn                         // of the core: health and the like
	ServiceRewrite                     // another path or host for endpoints: it leads to none of the gateway's own paths
	ServiceSecure                      // which requests get to endpoints at all: by host, address, TLS
	ServiceLimit                       // how often all may ask together
	ServiceScript                      // scripts over all endpoints
	ServiceBot                         // who is no person, by what it says of itself; the last in front of the router
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
	EndpointObserve      EndpointPhase = iota // around the endpoint: spans and the like, whatever refuses the request
	EndpointAdmit                             // what is refused whoever asks: addresses, agents, messages of a wrong kind
	EndpointAuthenticate                      // who asks: fills x.Identity, here and nowhere else
	EndpointAuthorize                         // whether that one may, and what backends are told of it
	EndpointScript                            // scripts that see the client's message
	EndpointLimit                             // how often, counted when it is known who asks
	EndpointSelect                            // of the core: makes x.Request
	EndpointEncode                            // of the core: makes bytes of the answer
)

// A PipePhase is a place in a pipe: the part of an endpoint behind its door, which makes
// an answer of a request, as data. Pipes that have no door, such as a workflow within a
// backend, have the same phases.
type PipePhase uint8

// The phases of a pipe, in the numbers behind those of an endpoint.
const (
	PipeIntake    PipePhase = iota + PipePhase(EndpointEncode) + 1 // the body as it came: its size, its packing
	PipeScript                                                     // scripts (script-proxy): they see the request first, and the answer last that is data
	PipeCheck                                                      // conditions on the request, and on the whole answer
	PipeValidate                                                   // the form of bodies, such as a schema
	PipeStatic                                                     // fixed members of the answer
	PipeTransform                                                  // another request, or another answer, made by a template or a query
	PipePlugin                                                     // modifiers of others
	PipeFlatmap                                                    // rearranges the merged answer before anybody else sees it
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
// origin; behaviour.redirect_credentials says which one is: in the dialect krakend another
// port, and a name below that of the host, are not, and a host that the backend lists never
// is. Who is stricter looks at Hops, and keeps the first Host in a slot, which lasts. A field
// of the client that a credential replaces is taken out at BackendRewrite, which always runs.
// A backend that is not called by HTTP has no wire plan: what has stages there is an error on
// it if it guards something, and else a mistake.
const (
	BackendAddress    BackendPhase = iota // of the core: makes method, path and query
	BackendAdapt                          // makes the request what the service wants, such as a body of its kind
	BackendPlugin                         // modifiers of others
	BackendObserve                        // around the call, with its retries: logs, spans
	BackendBreaker                        // makes no call where calls fail
	BackendLimit                          // how often the service is called
	BackendScript                         // scripts, with the answer as data
	BackendCheck                          // conditions on the request and on the answer
	BackendShape                          // of the core: makes data of the answer
	BackendStatus                         // what statuses mean, with the answer as bytes
	BackendAttempt                        // around each attempt: its span, its time
	BackendRewrite                        // the request as it goes to this URL, and the answer as it comes
	BackendCache                          // answers without calling; what is stored is what came
	BackendCredential                     // what the gateway shows of itself: tokens, keys
	BackendSign                           // signs what is sent; engines add fields of framing only, and may send it again on another connection
)

// OnWire reports whether the phase is one of the wire plan.
func (p BackendPhase) OnWire() bool { return p >= BackendAttempt }

var (
	serviceNames  = []string{"observe", "cors", "plugin", "render", "own", "rewrite", "secure", "limit", "script", "bot"}
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
