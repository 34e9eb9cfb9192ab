// Package fetch gets one document by HTTP, for components that need something
// of the world that is no backend: a key set, an introspection, a list.
//
//	d, err := fetch.Get(ctx, connector, "https://idp.example/jwks", fetch.Options{Limit: 1 << 20, Redirects: 5})
//
// It speaks through a [gateway.Connector], so that TLS, proxies and timeouts
// are those of the connector, and no HTTP library is named. It follows
// redirects, but never from https to http, unpacks gzip, and stops reading at
// a limit. It is not for calls on behalf of a client: nothing of a client's
// message is sent, and nothing is streamed.
package fetch
