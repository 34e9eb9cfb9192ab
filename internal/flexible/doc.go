// Package flexible makes a configuration of templates, settings and partials, and remembers
// where each character of it was written: what is wrong with the configuration is reported in
// the file that an engineer has to change.
//
// # From files to a document
//
// [FromEnviron] reads the variables that switch templates on, which flags may complete.
// [Parts.Load] reads the files, executes the base template, parses what it prints and gives
// every value its place: a [config.Document] like any other. Blocks {"$ref": "file"} are
// replaced by what the file holds, which is a template, too, where the settings come from a
// file of their own (FC_CONFIG).
//
// # Places
//
// Package text/template writes each text of a template, and what each action prints, in one
// piece. A marker in front of every action tells which one comes, see tracer; so a rendering
// is a list of pieces. The text of a template or of a partial is mapped byte by byte. What an
// action prints is mapped to the action, and to the value of the settings that it was made
// from: maps, lists and texts of the settings are known by their addresses, so that a value is
// followed through variables, range, with and sub-templates. A value that cannot be followed,
// such as a number behind a function, has the place of the action.
//
// # Undefined values
//
// To print a value that is not there is an error, and so is to have a function make something
// of it, or range go through it; to ask for one (if, with, default, functions that return true
// or false, a range with an else) is not; see [Undefined]. A value that is not there may be
// carried, too: into a variable, a sub-template, a list or an object. There the same holds.
//
// # Secrets
//
// What env and file return, and what is made of it, is masked like what a reference
// ${env:NAME} inserts: in problems, dumps and logs, and by [Rendering.Masked].
//
// # Bounds
//
// A rendering has 64 MiB and 20 million actions at most, templates call each other 1,000 deep, a
// function makes lists and texts of a million entries, 10,000 blocks are included, and folders
// hold 10,000 files.
//
// Source: text/template of Go and Masterminds/sprig v3 for the language.
package flexible
