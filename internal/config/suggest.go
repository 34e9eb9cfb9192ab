package config

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Suggest returns the known word that was probably meant by word. It is the
// one at the smallest Damerau-Levenshtein distance; of several the first.
// Letter case and the difference between max_size, max-size and maxSize do not
// count. The distance may be a third of the word, and 3 at most. Words above 256 bytes are
// like no other.
//
// Source: Damerau (1964), in the variant that edits no substring twice.
func Suggest(word string, known []string) (string, bool) {
	const longest = 256
	plain := plainWord(word)
	length := utf8.RuneCountInString(plain)
	limit := min(3, max(1, length/3))
	best, found := "", false
	for _, k := range known {
		if k == word || len(k) > longest || len(word) > longest {
			continue // nobody reads what is so long
		}
		other := plainWord(k)
		if more := utf8.RuneCountInString(other) - length; more > limit || -more > limit {
			continue // whatever the letters are
		}
		if d := distance(plain, other); d <= limit && d < length {
			best, found = k, true
			limit = d - 1
		}
	}
	return best, found
}

// abbreviated returns the known word that begins with word, in any letter case, if
// there is one only; or that word begins with.
func abbreviated(word string, known []string) (found string, ok bool) {
	const short = 3
	for _, k := range known {
		long, prefix := strings.ToLower(k), strings.ToLower(word)
		if len(long) < len(prefix) {
			long, prefix = prefix, long
		}
		if len(prefix) < short || !strings.HasPrefix(long, prefix) {
			continue
		}
		if found != "" {
			return "", false
		}
		found = k
	}
	return found, found != ""
}

// Near reports whether a word is a spelling of a name, or a near miss of one:
// whether the two are equal without letter case, punctuation and blanks, or one
// edit apart where the name has four letters or more. Of a shorter name only two
// neighbours may be swapped, because its other neighbours are words of their own.
func Near(word, name string) bool {
	w, n := Letters(word), Letters(name)
	if w == n {
		return n != ""
	}
	if len(w) > len(n)+utf8.UTFMax || distance(w, n) > 1 {
		return false
	}
	return len([]rune(n)) > 3 || len([]rune(w)) == len([]rune(n)) && sameLetters(w, n)
}

// SameName reports whether two words are one name in different spellings.
func SameName(a, b string) bool { return Letters(a) == Letters(b) && Letters(a) != "" }

// Letters returns the letters and digits of a word, in lower case.
func Letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// sameLetters reports whether two words have the same letters in any order.
func sameLetters(a, b string) bool {
	for _, r := range a {
		if strings.Count(a, string(r)) != strings.Count(b, string(r)) {
			return false
		}
	}
	return true
}

func plainWord(s string) string { return unjoined.Replace(strings.ToLower(s)) }

// unjoined takes away what joins the parts of a name.
var unjoined = strings.NewReplacer("_", "", "-", "")

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that lead from a to b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(s); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(t)]
}
