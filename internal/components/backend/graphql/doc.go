// Package graphql is the namespace backend/graphql: it sends an operation of GraphQL in place
// of the request, so that clients of REST get answers of a server of GraphQL.
//
// The document stands in the configuration, and clients choose the values of its variables
// alone. With type query these come from the configuration, where a placeholder such as
// "{id}" stands for a value of the URL; with type mutation they are the body of the client, a
// JSON object, and the configuration fills in what that lacks. A variable that is a placeholder
// for a header or a query parameter, as in "{input_query_strings.page}", and nothing else, is
// left out if the client has not sent that and the operation can do without it, because its type may be null or
// it has a default; otherwise the answer is 400. A body that is empty is an
// object without members, and one that is no object is answered with 400. Of members with
// one name the last counts; numbers keep their digits.
//
// Clients who merely pass queries on need no namespace.
//
// # What is sent
//
// By POST, a body {"query": ..., "operationName": ..., "variables": {...}}, without what is
// empty; by GET, parameters of these names behind those of url_pattern and
// input_query_strings. Parameters of the client that a server may read as one of the three
// stay behind, by either method: some servers believe the URL more than the body, and the
// document would be the client's. So do those by which servers find a document that they have:
// extensions, documentId, doc_id and queryId, and id and hash unless input_query_strings names
// them. The Content-Type is application/json, by GET,
// too, without which some servers take a request for one that a browser was made to send. Where
// the answer is decoded, Accept is the same. What the client says of its own body, such as
// Content-Encoding, stays behind.
//
// The call is one by HTTP like others: hosts are balanced, breakers, limits, conditions and
// signatures act as they do elsewhere, and the answer is shaped by target, allow, mapping and
// group. target: data is what most backends want. A write is what changes something: a
// mutation is one and a query is none, however they are sent.
//
// # Errors
//
// Servers answer with 200 and errors where a call of REST would have a status. Such an answer
// is one like others, unless errors_as_failure makes the backend fail if there are errors, in
// a list or not, and no data. An answer with data, be it a part, is always one. The log has the code of the first
// error (extensions.code); clients get its message only with router.return_error_msg.
//
// # What is judged at the start
//
// The document is read when the gateway starts. What every server refuses is a mistake, which
// the dialect sluice takes for an error: a document that does not parse, an operation that it
// does not hold, variables that are not declared or not used, a fragment that is missing, a
// variable that must have a value and never has one. Of the types of the server nobody knows
// here.
//
// # Caches
//
// qos/http-cache keeps answers to GET alone, and a warning says so where an operation is sent
// by POST. By GET each document with its values is a URL, and kept as such if the server
// allows it; with errors_as_failure an answer that fails is not.
//
// # Redirects
//
// A redirect with 301, 302 or 303 is followed by GET, and without the operation if that
// was sent by POST: the server refuses it. Write the address that it leads to.
//
// Compatibility: KrakenD sends no query by GET, and a plain request where the type is unknown
// or the file cannot be read, which stops the start here.
//
// Source: GraphQL over HTTP (draft of the GraphQL Foundation); the GraphQL specification,
// October 2021.
package graphql
