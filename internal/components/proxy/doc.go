// Package proxy is the namespace proxy: it says how the calls of an endpoint follow each
// other, which of them nobody waits for, and what is made of their answers.
//
// # Endpoints
//
//   - sequential calls the backends one after the other, each with the answers
//     of those before it; sequential_propagated_params hands values of these
//     answers to the stages of later backends.
//   - allow_multiple_writes lifts the rule that an endpoint changes one service
//     at most, in its last call.
//   - upgrade lets clients switch to the protocols that it names, websocket for
//     instance, if the backend agrees. The handshake passes all policies of the
//     endpoint; what comes after it is a tunnel, of which the gateway sees only
//     that bytes pass. With websocket, the Sec-WebSocket-* fields of a handshake
//     reach the backend whatever input_headers say.
//   - flatmap_filter rearranges the merged answer. It runs on partial answers
//     too: a path that leads nowhere changes nothing. With one backend, and
//     with no-op output, it does nothing, which is a mistake.
//   - static puts fixed members over the answer, or makes an answer of them
//     when there is none. Members replace those of the same name, on the first
//     level only. An answer that consists of fixed members alone has status
//     200 and is not complete.
//   - max_payload and decompress_gzip limit and unpack the body of the
//     client's request before anything uses it. They take the place of the
//     options of the namespace router, which hold for endpoints without them;
//     for that reason the component is built for every endpoint. Within a pipe
//     that stands elsewhere they are about the request that comes there, and the
//     namespace router has no say.
//
// # Backends
//
//   - shadow makes a call whose answer nobody waits for, no more than shadow_limit of
//     them at once.
//   - flatmap_filter rearranges the answer, after target and before group, in
//     the place of allow, deny and mapping. An empty list does not activate it.
//
// # Static strategies
//
// "always" adds the members to every answer; "success" to those where no
// backend failed; "complete" to complete ones; "errored" where a backend
// failed; "incomplete" to those that are missing or not complete. The last two
// differ for answers in which a failed backend reports its details (namespace
// backend/http): such an answer is incomplete, but not errored.
//
// Compatibility: numbers in static data keep their text, where KrakenD passes
// them through floating point, and static data is ignored with no-op output,
// where KrakenD mixes it into the raw answer.
package proxy
