package manual

// A difference is something that we do differently on purpose.
type difference struct{ where, theirs, ours, why string }

// differences are those that hold in the krakend dialect too; what the dialects
// differ in is printed by sluice check --explain-dialect.
var differences = []difference{
	{"merging", "the answer that arrives last wins a collision", "the backend declared last wins", "one request, one answer: ten thousand identical requests give one body"},
	{"mapping", "renames run in random order", "simultaneous; swaps and chains work, identity does nothing", "random results serve nobody"},
	{"JSON text", "keys sorted, `<>&` escaped", "members keep the order, the escapes and the number text of the backend", "equal as JSON, and no tree is needed"},
	{"unknown enumeration values, methods of endpoints such as HEAD and OPTIONS among them", "ignored, mostly read as json; the endpoint is left out", "error at start, with the nearest value", "a typo must not choose the behaviour"},
	{"unknown namespaces, and known ones where they do nothing", "ignored", "error at start", "an endpoint whose protection is misspelt or misplaced would be public"},
	{"what cannot be meant, such as a brace that is not closed, a whole URL as `url_pattern`, `${NAME}` in a text", "silent", "a warning; an error for `check --lint`", "a door that leads nowhere is found before clients find it"},
	{"repeated slashes and dot segments in the path of an endpoint", "a path that nobody reaches", "slashes are served once, with a warning; a dot segment is warned about", "requests are cleaned before they are matched"},
	{"`$${`", "text", "`${`, in every value", "references need a way to be written as text"},
	{"`security/cors` with an empty `allow_origins`", "every origin is allowed", "error at start", "an empty list must not allow everything"},
	{"wrong types in components", "the component is skipped", "error at start with the place", "nothing fails open"},
	{"several writes under a non-GET endpoint", "allowed by the newest release, route dropped by v2.3", "error at start unless `proxy.allow_multiple_writes`", "a gateway cannot undo the first write when the second fails"},
	{"no host, only shadow backends", "start, then 500", "error at start", "it can never work"},
	{"duplicate endpoints, several variable names at one place", "crash", "clean error; several names work", "a message, not a stack trace"},
	{"placeholder values", "inserted as text, then parsed as a URL", "escaped for their place; `.` and `..` are refused", "parameter injection and path traversal"},
	{"missing `{respN_…}` or `{JWT.…}`", "the internal template text reaches the service", "that backend fails without a call", "nothing internal leaks, nothing unintended is asked for"},
	{"client address", "any client may choose it", "forwarding headers count from trusted proxies only; by default private, loopback and link-local peers", "spoofing defeats every limit by address"},
	{"request bodies", "sent chunked, shared at random between GET backends", "known length kept, every backend has its copy", "many services refuse chunked uploads"},
	{"bodies that break off", "forwarded as complete", "aborted on both sides", "the receiver must notice"},
	{"`Upgrade`", "no tunnels; WebSocket by the namespace `websocket` (Enterprise)", "ignored, unless the endpoint lists the protocol in `proxy.upgrade`: then a tunnel to its backend; never HTTP or TLS", "a tunnel that nobody asked for leads past all policies"},
	{"hop-by-hop header fields", "passed on with `*`", "never cross the gateway, nor what Connection names, nor their spellings with underscores", "RFC 9110, section 7.6.1"},
	{"balancing", "random on several cores", "round robin on any number of cores; dead hosts are passed over and retried", "as documented; one dead host fails no request"},
	{"`qos/http-cache`", "stores private answers, ignores Authorization", "RFC 9111, never one user's answer for another", "data protection"},
	{"the key of `qos/http-cache`", "method and URL; one variant for each", "the host that the client asks for as well; up to 32 variants", "backends learn the host and may answer with links to it: one client must not place an answer for the host of another"},
	{"`qos/http-cache` without limits", "the store grows without end", "256 MiB unless `max_size` says otherwise; the answer that was used least recently goes first", "queries and names of hosts are the client's to invent"},
	{"one limit of `qos/http-cache`", "`max_items` without `max_size`, and the reverse, is no limit", "each is a limit by itself, with a note", "a limit that is written is meant"},
	{"error texts", "name internal hosts and addresses", "the same leading text without them", "nothing internal leaks"},
	{"rate limits", "twice the capacity passes after a pause", "never more than the capacity", "a bucket holds what it holds"},
	{"`yaml` output", "numbers are quoted", "plain numbers", "a number is a number"},
	{"`negotiate`", "q-values ignored", "honoured", "RFC 9110, section 12.5.1"},
	{"logs", "`[GIN]` access lines; without `telemetry/logging` the application log at DEBUG on standard output", "one access line in a format that can be chosen; the application log at INFO on standard error; the module of log lines is SLUICE", "results and diagnostics have streams of their own"},
	{"`/__debug/`", "logs header values, query and body", "logs method, path and the names of the headers", "they may be secrets"},
	{"a decoded answer shorter than announced", "a success once its JSON is complete", "a failed backend", "what breaks off is not the whole answer"},
	{"server timeouts", "none unless they are set", "`read_header_timeout` 10 s, no more than `read_timeout`; `idle_timeout` 120 s, or `read_timeout`; an explicit `0s` lifts them", "a client that stalls must not hold a connection for ever"},
	{"hosts with user information", "sent as Basic authentication where hosts are not sanitised", "error at start", "a password in a URL ends up in logs"},
	{"`null` under `extra_config`", "ignored", "a warning; an error where the namespace protects or is unknown", "a block that was emptied out is no way to switch a policy off"},
	{"SIGHUP", "ends the process", "reloads the configuration", "no restart, no dropped request"},
	{"exit codes", "0 even if the port is taken", "1 configuration, 2 usage, 3 run time", "supervisors look at them"},
	{"own paths", "`/__health`", "`/__ready` and `/__live` too, unless an endpoint takes them", "probes for orchestrators"},
	{"`router.disable_gzip: false`", "answers are compressed (Enterprise)", "a warning: answers are never compressed", "compression belongs in front; existing community files rely on plain answers"},
	{"token without `exp`", "accepted for ever", "the same, with a note at start; `require_exp` refuses it", "opt-in, as files rely on it"},
}
