// Package message makes one message of another: the request of a backend of that of a
// client, and the answer for the client of what backends say. These are the steps that
// belong to the core and to no component.
//
//	select   which headers and parameters of the client go on ([Selected])
//	address  the URL and the header of the request of one backend ([Address])
//	shape    an answer as data: decoded, filtered, renamed, grouped ([Shape])
//	encode   data as bytes for the client ([Encode])
//	render   a failure as an answer ([Rendering])
//
// Which clients are believed what they say of themselves (X-Forwarded-For and its kin),
// which fields belong to a connection, and which speak of credentials is decided here as
// well, once for all of them.
package message
