// Package httpbackend is the namespaces backend/http and backend/http/client: how calls by
// HTTP are made is set by backend/http/client, and backend/http sets what becomes of a
// status that is no answer.
//
// # backend/http
//
// A status other than 200 and 201 (in the dialect sluice: other than 2xx)
// makes a backend fail, and the client learns nothing of it. Two options
// change that:
//
//   - return_error_code answers the client with the status of the backend. It
//     counts where one backend decides about the answer: the only backend of
//     the endpoint that is no shadow, or the first of a sequence. With
//     router.return_error_msg the client gets the words and the Content-Type
//     of the backend as well, otherwise an empty body.
//   - return_error_details puts status, body and Content-Type of the backend
//     under error_<alias> into the answer, which then has status 200 and is
//     not complete. It works with any number of backends. The filters of the
//     backend (target, allow, deny, mapping, group) do not touch it.
//
// Details win over the code. Neither concerns failures without a status:
// connections that break, answers that cannot be decoded, deadlines. With
// encoding no-op every status reaches the client as it is, and both have no
// effect; nor have they where a broker or a function that answers with data is called.
//
// Compatibility: an alias that is empty disables both options, with a warning;
// one that is no text does so in KrakenD, and is an error at start here.
//
// # backend/http/client
//
// The options take the place of those of the service, for this backend only:
// TLS settings, a forward proxy, what is done with redirects, and whether HTTP/2 is
// spoken without TLS. Backends with equal settings share their connections.
//
// A backend that is not called by HTTP connects by options of its namespace, and one of
// backend/lambda by client_tls and proxy_address of this one. What has no effect there is an
// error.
package httpbackend
