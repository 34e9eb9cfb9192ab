package report

// Cells is how many columns a text takes.
var Cells = cellsOf
