package gateway

import (
	"cmp"
	"slices"
)

// A Failure is what clients are told of the failures that have one code.
type Failure struct {
	Code   string
	Status int    // in the dialect sluice, unless the error has one of its own
	Others string // other statuses, and when; for the manual
	Detail string // what problem documents say: a sentence that tells nothing of the cause
}

// coreFailures lists the failures of the core that have a code.
var coreFailures = []Failure{
	{CodeBadRequest, 400, "", "The request cannot be served as it is: something in its address, its header or its body is not right."},
	{CodeNotFound, 404, "", "Nothing is served at this path."},
	{CodeNotAllowed, 405, "", "This path is not served by this method."},
	{CodeTooLarge, 413, "", "The body of the request is too large."},
	{CodeClientGone, 499, "", "The client left before the answer was whole."},
	{CodeShutdown, 499, "", "The gateway stopped before the answer was whole."},
	{CodeInternal, 500, "", "The gateway failed. The fault is not in the request."},
	{CodeMissingValue, 500, "", "A value that the answer depends on is missing."},
	{"not_supported", 501, "", "This is not supported by the gateway yet."},
	{CodeBackendStatus, 502, "that of the service with `return_error_code`", "A service behind the gateway answered with a failure."},
	{CodeBackendUnreachable, 502, "", "A service behind the gateway cannot be reached."},
	{CodeBackendAborted, 502, "", "A service behind the gateway broke off its answer."},
	{CodeBackendInvalid, 502, "", "A service behind the gateway gave an answer that cannot be used."},
	{CodeBackendTooLarge, 502, "", "A service behind the gateway gave an answer that is too large."},
	{CodeRedirects, 502, "", "A service behind the gateway redirects in circles."},
	{CodeNoHost, 503, "", "No service behind the gateway is there for this."},
	{CodeTimeout, 504, "408 for a body of a request that does not arrive", "The time for this was over before it was done."},
	{"request_loop", 508, "", "The request has passed too many gateways; it seems to go round in circles."},
}

// failures are all failures by their code: those of the core, and what components have
// declared.
var failures = byCode(coreFailures)

func byCode(list []Failure) map[string]*Failure {
	all := make(map[string]*Failure, len(list))
	for i := range list {
		all[list[i].Code] = &list[i]
	}
	return all
}

// DeclareFailures adds the failures of a component, once for each of its declarations. It
// is called from init, and panics on a code that stands for something else: codes are
// stable, and what clients rely on.
func DeclareFailures(list ...Failure) {
	for i := range list {
		f := &list[i]
		if other := failures[f.Code]; other != nil && *other != *f {
			panic("two failures have the code " + f.Code)
		}
		failures[f.Code] = f
	}
}

// Failures returns all failures that have a code, by status and code.
func Failures() []Failure {
	var all []Failure
	for _, f := range failures {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Failure) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code)) })
	return all
}

// FailureOf returns what clients are told of a failure. A code that nobody declares is
// a fault of ours.
func FailureOf(code string) *Failure {
	if f := failures[code]; f != nil {
		return f
	}
	return failures[CodeInternal]
}
