// Command scaffold helps those who write components: make new, make component and the
// first part of make generate.
//
//	scaffold new qos/pause backend        writes the skeleton of a component: stages at
//	                                      scopes, or a connector, pipe, source or port
//	scaffold component qos/pause          runs all that concerns one component
//	scaffold imports                      writes the import list of all components
//
// A skeleton compiles and passes its tests. Everything in it that somebody has to write
// has the word SKELETON in front; a test of internal/archtest lists those places, so that
// it cannot be taken for a component.
package main
