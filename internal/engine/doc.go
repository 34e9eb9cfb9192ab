// Package engine is the contract between HTTP libraries and the gateway.
//
// A [Server] turns bytes from clients into exchanges and exchanges into bytes;
// a [Client] does the same towards backends. Implementations live in the
// packages below this one, which alone name the types of an HTTP library, beside
// kit/httpx for code of others that speaks net/http. All of them pass the suite in
// package enginetest: what one engine can do, every engine can do, or the configuration
// that wants it is refused.
package engine
