// Package spelling asks for protected paths in every spelling that some server
// understands, and looks at what the backend is sent.
//
// The matrix has four sides: spellings, policies on the protected path, what
// stands beside it, and engines. What counts is not the answer but the backend:
// its most willing reading of a path must never be the protected one, unless the
// request has passed the policy. Willing readers decode more than once, cut
// segments at semicolons and paths at what ends a text, take backslashes for
// slashes, ignore letter case, repeated slashes, and dots and blanks at the end
// of segments, and resolve dot segments.
package spelling
