package diff

// Anyway is Of for options that contradict each other.
var Anyway = of
