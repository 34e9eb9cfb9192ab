// Package cel is the namespace validation/cel: it lets an exchange go on only while
// conditions hold that are written in the Common Expression Language, on the request, its
// token or the answer.
//
// The options are a list of expressions. All of them must be true; the first
// that is not ends the exchange. When an expression is evaluated follows from
// the variables it uses:
//
//	JWT                    once the token is verified
//	resp_*, also with req_*  after the answer
//	anything else          before the answer
//
// A condition on a token that does not hold is answered with 401, and any other makes
// the exchange, or that backend, fail. In the dialect sluice the status is 403 for
// conditions on tokens and requests and 502 for those on answers; each condition can
// have its own.
//
// The last line includes expressions of now alone, such as opening hours, and
// constants. Within each of the three, expressions are numbered from 0 in the
// order of the list, and failures name the number.
//
// # Variables
//
//	now                    text, RFC 3339 with milliseconds
//	req_method, req_path   of the client at an endpoint, of the call at a backend;
//	                       the path is the one that was routed, decoded, with
//	                       repeated slashes as one; see below
//	req_params             texts by name; the first letter of a name is in upper case
//	req_headers            lists of texts by canonical name, such as X-Api-Key, of the
//	                       headers let through
//	req_querystring        lists of texts by name, of the parameters let through
//	resp_completed         whether no backend is missing
//	resp_metadata_status   with no-op; otherwise 0
//	resp_metadata_headers  with no-op; otherwise empty
//	resp_data              the answer
//	JWT                    the claims; numbers are doubles
//
// In a sequence, the backends after the first find values of earlier answers
// in req_params, as Resp0_id or, deeper, req_params['Resp0_user.id'].
//
// Compatibility: the numbers of resp_data are texts, so that int(resp_data.id)
// == 7 and resp_data.id == '7' hold. Beyond that, a text that is a number
// compares with numbers as one: resp_data.id == 7 and resp_data.id > 5 hold as
// well.
//
// # Nothing fails open
//
// An expression that does not compile, uses an unknown variable or is empty
// keeps the gateway from starting, and so does JWT where no token is verified.
// At run time an error, such as a missing member, and a result that is no
// boolean count as false.
//
// # What cannot be meant
//
// An expression that can be evaluated and never does what it seems to do is reported.
// It is an error in both dialects if it lets pass what it seems to forbid:
// !('x-admin' in req_headers), where names begin with capitals; req_method != 'get';
// an expression with variables that is true whatever they are. Otherwise it is a
// mistake, which the dialect sluice takes for an error: a constant, such as true; a
// name or a method that is never there, so that everything is refused; a header or a
// parameter of the query that is not let through.
//
// # One reading of a header
//
// Many servers make variables of headers, in which X_Admin is X-Admin. A condition that
// looks at one of the two does not hold for a request that has the other, where that is
// let through: what it judges would not be what the backend reads. In loops over
// req_headers, a name with underscores counts under the one with hyphens as well.
//
// # What a service makes of a path
//
// Services decode a path twice, cut a segment at its semicolon, take a backslash for a
// slash, a ligature for its letters, or ignore letter case and what stands at the end of a
// segment. So a condition on req_path has to hold for what the most willing of them reads,
// too: for !req_path.startsWith('/v1/admin'), the paths /v1/ADMIN, /v1/;/admin and
// /v1/%2561dmin are /v1/admin. Letter case is that of the texts that the path is compared
// with, so that others may be in upper case. A semicolon, a blank or a slash at the end of
// one of these texts says that the author has thought of it, as a letter beyond ASCII does
// anywhere in one: then it is read as it stands.
//
// # What a condition may cost
//
// Every condition has a limit, cost_limit. What it costs at least and at most is
// estimated at the start: one that cannot keep the limit is refused, one that cannot
// pass it runs as it is, and any other is watched and counts as false when it passes
// it, as it does at the deadline of the exchange. Headers count with the size that
// max_header_bytes allows.
//
// Patterns of matches() are written out in the expression, or made of constants:
// whoever chooses a pattern chooses what it costs, and some cost seconds and hundreds
// of megabytes. dynamic_patterns allows others, within bounds of their own.
//
// Source: the CEL language definition, cel-spec v0.2, as implemented by
// cel.dev/cel-go.
package cel
