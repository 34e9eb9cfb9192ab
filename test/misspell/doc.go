// Package misspell measures how many mistakes the check of a configuration
// finds. It takes thirty configurations of different shapes and the samples of the
// components, which together use every key that works, makes one mistake at a time in
// their texts, and looks for an error on the line of the mistake.
package misspell
