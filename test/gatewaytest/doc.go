// Package gatewaytest runs whole gateways over connections, for tests that look at them from
// outside:
//
//	g := gatewaytest.Start(t, gatewaytest.Options(text, fast.Engine))
//	res, err := http.Get("http://" + g.Address + "/users/7")
//
// They have the components that the test imports, as a rule components/all. What needs no
// connection is for internal/sitetest.
//
// It is imported by tests only.
package gatewaytest
