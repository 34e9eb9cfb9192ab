// Package awsx is what the gateway knows of AWS: whose credentials sign its calls, in which
// region a service is, and what the errors of the SDK mean.
//
// The chain of credentials is that of the SDK: variables of the environment, the shared
// files with their profiles, a web identity, the role of a container, that of an instance.
// Building reads the environment and the files and calls nobody: credentials that have to
// be fetched are fetched for the first call that wants them, which waits no longer than it
// may take, and are kept over reloads until they end. The options hold no credentials.
//
//	a, err := awsx.Open(&s.Site, *s.Transport(), o.Region, o.Endpoint)
//	client, err := component.Keep(&s.Site, "client "+a.ID, func() (*sqs.Client, func(), error) {
//		return sqs.NewFromConfig(a.Config, func(to *sqs.Options) {
//			if a.Endpoint != nil {
//				to.BaseEndpoint = a.Endpoint
//			}
//		}), nil, nil
//	})
//
// Calls go over the connections of the gateway, with its settings of TLS and its forward
// proxies. [Failed] makes an error of the gateway of one of the SDK.
//
// The SDK is left out of a slim build, and this package with it.
package awsx
