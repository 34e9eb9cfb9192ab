// Package routing holds the settings of a service that are about routing and that more
// than one reads: the core, and components that log, limit or pass on what a proxy in front
// tells of clients.
//
// They are offered under [Key] by the component that reads the options, and are the zero
// [Router] where nobody does. Options are as people write them, with lists that may be
// absent or empty, switches that turn things off and numbers for switches; a Router is what
// holds, with false and nil for what is usual.
package routing
