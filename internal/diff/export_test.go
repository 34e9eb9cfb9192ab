package diff

// ReadAnyway is Read for options that contradict each other.
var ReadAnyway = read
