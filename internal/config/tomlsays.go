package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// tomlWords has what the library says, and what we say instead; $1 is the name in it, and
// %q the character that stands at the place.
var tomlWords = []struct {
	theirs *regexp.Regexp
	ours   string
}{
	{regexp.MustCompile(`^expected newline but got`), "the value ends in front of this, which belongs to nothing; begin a line for the next key, or put the whole value in quotes"},
	{regexp.MustCompile(`^expected ']' to close table name`), "the name of the table is not closed; write ] behind it, or put a name with other characters in quotes"},
	{regexp.MustCompile(`^expected ']]' to close array table name`), "the name of the table is not closed; write ]] behind it, or put a name with other characters in quotes"},
	{regexp.MustCompile(`^expected '=' after key`), "the line has no value; write key = value, or [name] for a table"},
	{regexp.MustCompile(`^expected value`), "a value is missing here; write it"},
	{regexp.MustCompile(`^(expected key but|invalid character at start of key)`), "a key is missing here; write letters, digits, - and _, or put one with other characters in quotes"},
	{regexp.MustCompile(`^unexpected character .* at start of value`), "a value cannot begin with %q; put a text in quotes"},
	{regexp.MustCompile(`^strings must be quoted`), "a text stands in quotes; write them"},
	{regexp.MustCompile(`nested more than the maximum`), "lists and objects are nested too deep; write fewer levels"},
	{regexp.MustCompile(`^expected keyword`), "this is neither true nor false; put a text in quotes"},
	{regexp.MustCompile(`^array is incomplete`), `a list is not closed; write "]" where it ends`},
	{regexp.MustCompile(`^inline table is incomplete`), `an object is not closed; write "}" where it ends`},
	{regexp.MustCompile(`^expected ',' or ']' after array value`), `a comma or "]" is missing here; write it`},
	{regexp.MustCompile(`^expected ',' or '}' after inline table`), `a comma or "}" is missing here; write it`},
	{regexp.MustCompile(`^unexpected comma in inline table`), "a key is missing in front of the comma; write it, or remove the comma"},
	{regexp.MustCompile(`^integers cannot have leading zeroes`), "a number does not begin with 0; write it without, or put a text in quotes"},
	{regexp.MustCompile(`number is too large to fit`), "the number is too large; write one of at most 9223372036854775807"},
	{regexp.MustCompile(`digits? between underscores|^expected number after sign|^sign is not allowed|radix prefix|^decimal point must|^exponent must|^unable to parse float|^expected digit|^expected "`),
		"this is no number; write one such as 42 or 1.5, or put a text in quotes"},
	{regexp.MustCompile(`invalid UTF-8`), "the text holds bytes that are not UTF-8; save the file as UTF-8"},
	{regexp.MustCompile(`control characters|^carriage returns`), `the control character %U must not stand here; remove it, or write it as \uXXXX in double quotes`},
	{regexp.MustCompile(`^unterminated|cannot have new lines`), "the text has no closing quote; write it where the text ends, or three quotes on both sides of a text of several lines"},
	{regexp.MustCompile(`not terminated by`), "the text has no closing quotes; write three where it ends"},
	{regexp.MustCompile(`^too many quotes`), "the text ends with more quotes than can be told apart; write a backslash in front of those that are part of it"},
	{regexp.MustCompile(`^need a character after|^invalid escape character`), `the character behind the backslash means nothing in a text in double quotes; write \\ for a backslash, or put the text in single quotes`},
	{regexp.MustCompile(`unicode escape sequence|valid unicode code point`), `the escape names no character; write four hexadecimal digits behind \u, eight behind \U`},
	{regexp.MustCompile(`date|time|hour|minutes|seconds|fraction point|expected a : separator`), "this is no date or time; write one such as 2006-01-02T15:04:05Z, or put a text in quotes"},
	{regexp.MustCompile(`^table (.+) already exists as an array of tables`), "$1 is a list of tables already, [[$1]]; write [[$1]] for another item of it"},
	{regexp.MustCompile(`^table (.+) already exists`), "the table $1 is written twice; put what both hold under one [$1]"},
	{regexp.MustCompile(`^key (.+) (?:should be a table|already exists as a value)`), "the key $1 has a value already that is no table; rename one of the two"},
	{regexp.MustCompile(`^key (.+) already exists as a .+, but should be an array table`), "the key $1 has a value already that is no list of tables; rename one of the two"},
	{regexp.MustCompile(`^key (.+) is already defined`), "the key $1 is written twice; keep one of the two"},
}

// ended is what is said of the end of the text, with the place of its last byte.
var ended = regexp.MustCompile(`end of input|is incomplete|^unterminated`)

// tomlSays returns in our words what the library has found at an offset, and where it has to
// be mended.
func tomlSays(theirs string, data []byte, at int) (string, int) {
	for _, w := range tomlWords {
		m := w.theirs.FindStringSubmatchIndex(theirs)
		if m == nil {
			continue
		}
		if ended.MatchString(theirs) {
			at = len(bytes.TrimRight(data, " \t\r\n"))
		}
		switch {
		case strings.Contains(w.ours, "%"):
			r, _ := utf8.DecodeRune(data[at:])
			return fmt.Sprintf(w.ours, r), at
		case strings.Contains(theirs, "not terminated by"): // the last ones have opened it
			at = max(bytes.LastIndex(data, []byte(`"""`)), bytes.LastIndex(data, []byte(`'''`)), 0)
		}
		return string(w.theirs.ExpandString(nil, w.ours, theirs, m)), at
	}
	return "this is no TOML; look at what stands here and in front of it, and put texts in quotes", at
}
