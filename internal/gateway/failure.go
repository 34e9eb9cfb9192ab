package gateway

import (
	"cmp"
	"slices"
)

// A Failure is what clients are told of the failures that have one code.
type Failure struct {
	Code   string
	Class  Class  // from which the status follows, in the dialect sluice
	Status int    // that errors of this code have in place of it; 0 for none
	Others string // other statuses, and when; for the manual
	Detail string // what problem documents say: a sentence that tells nothing of the cause
}

// Answered returns the status of answers, where statuses follow causes.
func (f *Failure) Answered() int { return cmp.Or(f.Status, f.Class.Status()) }

// coreFailures lists the failures of the core that have a code.
var coreFailures = []Failure{
	{CodeBadRequest, Bad, 0, "", "The request cannot be served as it is: something in its address, its header or its body is not right."},
	{CodeNotFound, Bad, 404, "", "Nothing is served at this path."},
	{CodeNotAllowed, Bad, 405, "", "This path is not served by this method."},
	{CodeTooLarge, Bad, 413, "", "The body of the request is too large."},
	{CodeClientGone, Gone, 0, "", "The client left before the answer was whole."},
	{CodeSuperseded, Gone, 0, "", "Another call was answered sooner."},
	{CodeShutdown, Gone, 0, "", "The gateway stopped before the answer was whole."},
	{CodeInternal, Internal, 0, "", "The gateway failed. The fault is not in the request."},
	{CodeMissingValue, Internal, 0, "", "A value that the answer depends on is missing."},
	{"not_supported", Unsupported, 0, "", "This is not supported by the gateway yet."},
	{CodeBackendStatus, Refused, 0, "that of the service with `return_error_code`", "A service behind the gateway answered with a failure."},
	{CodeBackendUnreachable, Unreachable, 0, "", "A service behind the gateway cannot be reached."},
	{CodeBackendAway, Unavailable, 0, "", "A service behind the gateway is away."},
	{CodeBackendAborted, Invalid, 0, "", "A service behind the gateway broke off its answer."},
	{CodeBackendInvalid, Invalid, 0, "", "A service behind the gateway gave an answer that cannot be used."},
	{CodeBackendTooLarge, Invalid, 0, "", "A service behind the gateway gave an answer that is too large."},
	{CodeRedirects, Invalid, 0, "", "A service behind the gateway redirects in circles."},
	{CodeNoHost, Unavailable, 0, "", "No service behind the gateway is there for this."},
	{CodeTimeout, Timeout, 0, "408 for a body of a request that does not arrive", "The time for this was over before it was done."},
	{"request_loop", Bad, 508, "", "The request has passed too many gateways; it seems to go round in circles."},
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
	slices.SortFunc(all, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Answered(), b.Answered()), cmp.Compare(a.Code, b.Code))
	})
	return all
}
