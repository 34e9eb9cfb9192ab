// Package watch tells when files change. It watches their folders, because
// editors and orchestrators replace files instead of writing them, and it
// waits for a moment of quiet, because they do so in several steps.
package watch
