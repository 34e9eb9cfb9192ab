// Package audit judges a configuration that is right: what it leaves open, what
// it will be sorry for, and what it writes in an outdated way.
//
// [Rules] is the table, with the identifiers and severities of the incumbent. A
// rule is one meaning: it looks at the decoded document, so that old names, letter
// case, durations and what is inherited are settled, and it returns every place
// where the meaning holds. Namespaces are judged by what is written in them,
// whether or not this build has the component: a file that sluice check refuses
// for a namespace that is not built yet can be audited. What cannot be decoded
// at all is a configuration error and no finding.
//
// # What counts
//
// A rule about something that should not be there fires where it is written. A
// rule about something that is missing asks for an effect: a limit of zero, a
// validator without keys, a namespace under a name that begins with @ and an
// exporter that is switched off protect nobody, and are as good as absent.
//
// Rules about something that is missing fire when it is missing everywhere. Where some
// have it and others do not, [Stats] tells the coverage, which is no finding: not
// every endpoint needs a token.
//
// # Bounds
//
// Rules walk through nodes that [config.Parse] has read and bounded, and run no
// parser of their own. Pipes within pipes are followed thirty-two deep.
//
// Sources: the table of the incumbent's audit command, whose semantics are those
// of github.com/krakend/krakend-audit; OASIS SARIF 2.1.0.
package audit
