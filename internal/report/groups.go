package report

// Groups returns items in groups that have the same key, in the order of the first of each.
func Groups[T any, K comparable](items []T, key func(T) K) [][]T {
	var groups [][]T
	index := make(map[K]int)
	for _, item := range items {
		k := key(item)
		i, known := index[k]
		if !known {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], item)
	}
	return groups
}
