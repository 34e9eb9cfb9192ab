// Package change tells changes from events, so that a failure is said once and not
// for each request that meets it.
package change
