package config

import "strings"

// Suggest returns the known word that was probably meant by word. It is the
// one at the smallest Damerau-Levenshtein distance; of several the first.
// Letter case and the difference between max_size, max-size and maxSize do not
// count. The distance may be a third of the word, and 3 at most.
//
// Source: Damerau (1964), in the variant that edits no substring twice.
func Suggest(word string, known []string) (string, bool) {
	plain := plainWord(word)
	length := len([]rune(plain))
	limit := min(3, max(1, length/3))
	best, found := "", false
	for _, k := range known {
		if k == word {
			continue
		}
		if d := distance(plain, plainWord(k)); d <= limit && d < length {
			best, found = k, true
			limit = d - 1
		}
	}
	return best, found
}

func plainWord(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

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
