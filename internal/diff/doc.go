// Package diff says what is different between two configurations, for whoever reviews a
// change: not which lines, but which endpoints, backends, hosts, limits and policies, and
// whether a protection is weaker or stronger than it was.
//
// [Read] decodes a side and fills in its defaults, so that order and format, comments, old
// names of namespaces and defaults that are written out make no difference, and every key
// that has an effect does: [model.Service.Effect] says which those are. A key of which nobody
// says what it does makes a difference, too. References are compared as they are written;
// no variable and no file is looked up, so that a review needs no secrets.
//
// [Compare] pairs endpoints by method and path, agents by name, backends by method and
// url_pattern, and options by key. What an endpoint takes from the root is told at the root.
// Which of two values is stricter is said where the key is declared, by the tag stricter of
// its field (package config), and of a whole namespace by what it guards: nothing here knows a
// component. Where nobody can say, a change is just that.
//
// The package neither checks nor compiles: a file that [Read] takes may have mistakes that
// check reports.
package diff
