// Package docs holds the documentation to its word: every configuration in it is
// right, every command answers what is shown, and the example of a component
// compiles and works.
package docs
