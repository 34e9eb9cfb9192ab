// Package all is the import list of the components that the gateway is built
// with. A slim build is another such list.
package all
