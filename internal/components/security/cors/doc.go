// Package cors is the namespace security/cors: it tells browsers which pages of other
// origins may read the answers of this gateway.
//
// A browser asks before it sends anything unusual. That question, the
// preflight, is OPTIONS with Access-Control-Request-Method; it is answered
// here, for any path and before any other policy, because a preflight carries
// no credentials. An accepted one names what is allowed; a refused one gets
// the same status with nothing but Vary, and the browser draws its conclusion.
//
// Every other request passes. When its origin is allowed, the answer says so,
// whatever became of it: a page may read a 401 or a 404 as well. A foreign
// origin is not blocked, since CORS protects the readers of browsers and not
// the gateway; its answer just carries no permission.
//
// The permissions of this component are the only ones that leave the gateway.
// Those a backend sent through a no-op endpoint are removed: two values of one
// header make browsers refuse both, and a backend must not allow what the
// gateway does not.
//
// Source: the CORS protocol of the Fetch standard, section 3.3, and RFC 1918
// requests of the Private Network Access draft. The decisions are those of
// rs/cors v1.11, which the tests use as their oracle.
package cors
