// Package e2e tests a gateway from outside: it reads specifications, sends the request of
// each, and says what of the answer is not as it should be.
//
// # Specifications
//
// A specification is a file, JSON or YAML, with one case. [Read] takes files and folders;
// of a folder it takes the files with the extensions .json, .yaml and .yml in the order of their
// names, and not those of folders within it. The name of a case is that of its file without the
// extension, or its own. Keys that begin with @, $, _ or # are comments. ${env:NAME} and
// ${file:PATH} stand for what they name, as in configurations; reports mask it.
//
// What is wrong with a file is a [config.Problem] with its place, and nothing is sent then. Files
// of KrakenD's runner are read as they are. It lets pass what never did what it seems to:
// keys without a meaning, and a case without a status, which no answer fits.
//
// # Answers
//
// [Runner.Run] makes the requests one after the other, by the standard library's client, which
// shares nothing with the gateway. A case follows another one (next) if that went well.
//
//   - The status is always compared.
//   - Of the header those fields are compared that the case names, each as the whole list of
//     its values. [""] is a field that is absent, or empty.
//   - A body that is a text is compared as it is. If both it and the answer are objects or lists
//     of JSON, their members may be in any order, unless Exact is set. Any other value is compared
//     as JSON: numbers by their value, whatever their digits.
//   - A schema takes the place of the body.
//
// The client unpacks gzip. Unless the case names an Accept-Encoding it asks for gzip itself,
// and the fields Content-Encoding and Content-Length are absent then, as if there had been
// none. It says that it is Go-http-client/1.1, which existing specifications have in the echoes
// of their backends.
//
// Everything has a limit: the time of a case, the size of an answer (32 MiB, unpacked), how
// deep cases follow each other (16), and how much of a difference is told.
//
// # Backends
//
// [NewMock] is the API that specifications of KrakenD's own suite expect behind the gateway.
package e2e
