package gateway

// A Failure is what clients are told of the failures that have one code.
type Failure struct {
	Code   string
	Status int    // in the dialect sluice, unless the error has one of its own
	Others string // other statuses, and when; for the manual
	Detail string // what problem documents say: a sentence that tells nothing of the cause
}

// Failures lists the failures that have a code, those of components too: it is what
// clients may rely on, and what they may know. Codes are stable.
var Failures = []Failure{
	{CodeBadRequest, 400, "", "The request cannot be served as it is: something in its address, its header or its body is not right."},
	{"token_missing", 401, "", "Nobody is served here without a token."},
	{"token_invalid", 401, "", "The token is not accepted."},
	{"role_missing", 403, "", "The token is good, and its roles are not enough for this."},
	{"scope_missing", 403, "", "The token is good, and its scopes are not enough for this."},
	{"cel_rejected", 403, "502 for answers, or as `status` says", "A condition of this endpoint is not met."},
	{CodeNotFound, 404, "", "Nothing is served at this path."},
	{CodeNotAllowed, 405, "", "This path is not served by this method."},
	{CodeTooLarge, 413, "", "The body of the request is too large."},
	{"rate_limit", 503, "429 for a client over its own limit", "There are too many requests; try again later."},
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
	{"keys_unavailable", 503, "", "The keys that tokens are checked with cannot be had; try again later."},
	{CodeNoHost, 503, "", "No service behind the gateway is there for this."},
	{"breaker_open", 503, "", "A service behind the gateway failed too often and is not called for a while; try again later."},
	{CodeTimeout, 504, "408 for a body of a request that does not arrive", "The time for this was over before it was done."},
	{"not_cached", 504, "", "Only an answer from the cache was asked for, and there is none."},
	{"request_loop", 508, "", "The request has passed too many gateways; it seems to go round in circles."},
}

// failures are those of Failures by their code.
var failures = func() map[string]*Failure {
	byCode := make(map[string]*Failure, len(Failures))
	for i := range Failures {
		byCode[Failures[i].Code] = &Failures[i]
	}
	return byCode
}()

// FailureOf returns what clients are told of a failure. A code that nobody lists is
// a fault of ours.
func FailureOf(code string) *Failure {
	if f := failures[code]; f != nil {
		return f
	}
	return failures[CodeInternal]
}
