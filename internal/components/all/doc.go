// Package all is the import list of the components that the gateway is built
// with. In a slim build those that need a heavy library refuse their options.
package all
