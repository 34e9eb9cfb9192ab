// Package sitetest builds components in tests as the gateway builds them, without a
// connection. There are two doors.
//
// Service, Endpoint and Backend build one component at one site out of its options, as
// JSON or YAML. What it placed and what it reports can be looked at, and an exchange runs
// through its stages:
//
//	s := sitetest.Backend(t, "qos/pause", `wait: 2s`)
//	err := sitetest.Run(t.Context(), t, s, testx.Request{Path: "/users/7"}.Exchange(t), nil)
//
// A [Gateway] is for more than that: other surroundings, several components, what they
// keep over a reload, a clock that the test moves. What components of the service have
// placed is in its Env: Sources, Ports, Health, Observers. [Gateway.Reload] begins the next
// generation, [Provide] stands in for who offers a value, and Finish of the site of the
// service runs what waits for the end of the building. The connector of a backend is in
// Call of its site.
//
// Compile makes a generation of a whole configuration, whose backends a function answers,
// and Ask asks it what a client would:
//
//	g := sitetest.New(t)
//	g.Answer = sitetest.JSON(`{"id":7}`)
//	answer := sitetest.Ask(t, g.Compile(t, document), testx.Request{Path: "/users/7"})
//
// Deliver hands a message to the pipe of one of Sources(), whose Run a test may call with it:
// a context that ends is the stop, and a reload is another Compile of the same Gateway, whose
// source finds what was kept. That the runtime runs one of the two at a time, and waits for
// it, is tested there.
//
// Both replace references: ${env:NAME} by what t.Setenv has set, ${file:NAME} by a file of the
// folder of the test. Both know the components that the test imports, as a rule the one that
// it belongs to, and those that it registers by component.Register from an init of its own,
// in place of others.
//
// How components meet, and what goes over connections, is for the transcripts of
// test/conformance.
//
// It is imported by tests only.
package sitetest
