// Package httpx joins the gateway to code that speaks net/http: SDKs that want an
// *http.Client, and native handlers. Beside the engines it is the only place that names
// that package.
//
// [Client] is an *http.Client over a connector, such as that of Site.Dial. What it calls
// has the settings, the proxies and the connections of the gateway; the default client
// and the default transport of net/http are never used. Redirects are not followed: an
// SDK that needs that sets CheckRedirect of the client to nil.
//
// [Handler] is a connector over an http.Handler. The answer streams from the first Flush
// on, or once it does not fit into a few kilobytes; one that is smaller arrives whole,
// with its length. A panic is a failure of the exchange, or, behind the beginning of the
// answer, a body that breaks off. Its Close belongs into an OnClose of the site that is
// registered behind that of what the handler uses, because closers run backwards.
//
// Trailers of answers pass in both.
//
// Neither is for the way of a request through the gateway itself: everything is copied
// into the types of net/http and back.
package httpx
