// Package pathlint tells what is written in place of paths into answers: the paths of
// allow, deny, target, mapping and flatmap_filter, in the notations of others.
//
//	if d := pathlint.Doubt("$.user.password"); d != nil {
//		// d.Why is "it is JSONPath", d.Remedy("") is `write "user.password"`
//	}
//
// It is for configurations while they are loaded, and not for requests: what paths mean
// there is in package jsonspan.
package pathlint
