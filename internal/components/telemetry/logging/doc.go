// Package logging is the namespace telemetry/logging: it says where the log of the gateway
// goes, how its lines look, and which lines tell of requests and of calls to backends.
//
// There are two streams. The application log holds what operators can act on;
// the access log holds one line for each request, written to standard output
// whatever the level, unless the namespace router turns it off.
//
// # Without the namespace
//
// The component runs all the same: the application log goes to standard error
// from level INFO on, as in
//
//	2026/11/22 21:10:24 WARNING breaker opened component=qos/circuit-breaker errors=5
//
// and the access log to standard output in its default format.
//
// # Application log
//
// format chooses the lines: "default" has a prefix, time, level and message,
// in colours if the output is a terminal; "logstash" is one JSON object for
// each line; "custom" takes custom_format with the variables
//
//	%{time} %{time:layout}     the layout is one of Go's package time
//	%{level} %{level:.3s}      DEBUG, INFO, WARNING, ERROR, CRITICAL; cut to three letters
//	%{message}                 the text, followed by its facts as key=value
//	%{id} %{pid}               number of the line, number of the process
//	%{program} %{module}       sluice, SLUICE
//	%{color} %{color:bold} %{color:reset}
//
// Lines for the system log read "LEVEL > message" and have the severity of the
// message. If the system log cannot be reached, they go to standard error.
//
// # Access log and backend lines
//
// access_log_format is "default", "httpdCommon", "httpdCombined", "json", or
// "custom" with access_log_custom_format. The key backend, here or in a
// backend, writes a line for each call to a backend; with log_with_level the
// lines go to the application log, without it to standard output. Both kinds
// of line share their variables:
//
//	%{prefix}                   the prefix of the options
//	%{time} %{time:layout}      when the request came, the call began
//	%{statusCode}               %{statusCode:d} is 0 when there is none
//	%{latency}                  with a unit, such as 6.412ms
//	%{latencyMs} %{latencyUs} %{latencyNs}
//	%{clientIP} %{method} %{path} %{host} %{scheme} %{proto}
//	%{query} %{uri}             the query; path and query
//	%{tls.version} %{tls.cipher}  of the client's connection, such as TLS 1.3
//	%{tls.client}               the common name in the certificate of the client, if one
//	                            was verified
//	%{header.X}                 a field of the request; in backend lines as the backend got it
//	%{identity}                 the name of an authenticated client: the claim sub of a token
//	%{jwt.claim}                a claim of an authenticated client
//	%{bytes}                    of the body that was sent to the client
//	%{requestID}                the ID of the request, which its answer and problems carry
//	%{error}                    why the answer failed, for operators; "broken off: " begins
//	                            what befell an answer whose status had been sent
//
// What has no value is written as access_log_missing_key_marker or no_value.
// Whatever clients send is escaped as in JSON, control characters too, so that
// nobody can forge lines, and a format that looks like JSON is JSON. Query
// strings are only written where %{query} or %{uri} asks for them, because
// they carry secrets. Texts longer than 8 KiB are cut and end in "...". Writing
// a line does not allocate.
//
// # Readers that are slow, stuck or gone
//
// Nobody waits for a log. Lines that are not read in time are dropped and counted;
// when lines flow again one of them, in the format of its neighbours, tells how many
// are missing. That holds for the system log, too.
//
// Compatibility: KrakenD writes colours and unescaped text everywhere, prints
// query strings in the access log, and crashes on an unknown variable, which is
// an error at start here.
package logging
