// Package component is what a feature needs to join the gateway.
//
// A feature is one folder below components. It declares, from init, a
// namespace with a typed options struct for each scope it serves:
//
//	func init() { component.Register(component.Backend(info, build)) }
//
//	func build(s *component.BackendSite, o Options) error {
//		s.Stage(component.BackendBreaker, newBreaker(o, s.Clock()))
//		return nil
//	}
//
// The options type is the only specification: strict decoding, lint, the JSON
// Schema and the manual are read from it. Build gets a site, the place where
// the feature is attached, and the methods of that site are all it can do: a
// service policy cannot install the connector of a backend, because that does
// not compile. Build does nothing slow; what must start, starts in OnStart.
//
// What a component shares with others goes through a [Key] or a package below
// kit, never through another component.
package component
