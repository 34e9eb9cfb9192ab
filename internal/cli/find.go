package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// looked are the names of configurations that commands find by themselves, in the working
// directory, by rank: a file of ours goes before one that is kept for another gateway.
var looked = [][]string{
	{"sluice.yaml", "sluice.yml", "sluice.json", "sluice.toml"},
	{"krakend.json", "krakend.yaml", "krakend.yml", "krakend.toml"},
}

// find fills in the file where -c does not name one: that of the first rank that has any.
// Two of a rank are an error, because either of them may be the one that somebody has changed.
func (s *source) find() error {
	if s.file != "" {
		return nil
	}
	for _, rank := range looked {
		var there []string
		for _, name := range rank {
			if isFile(name) {
				there = append(there, name)
			}
		}
		switch len(there) {
		case 0:
		case 1:
			s.file = there[0]
			return nil
		default:
			return &exitError{exitUsage, fmt.Errorf("%s are both in this folder; name one of them by -c FILE", strings.Join(there, " and "))}
		}
	}
	var names []string
	for _, rank := range looked {
		names = append(names, strings.Join(rank, ", "))
	}
	return &exitError{exitUsage, errors.New("no configuration file: there is none of " + strings.Join(names, ", ") +
		" in this folder; write -c FILE, or 'sluice init' for one to begin with")}
}

// isFile reports whether there is a file of a name, be it a link that leads nowhere: whoever
// reads it says so.
func isFile(name string) bool {
	info, err := os.Stat(name)
	if err != nil {
		_, err = os.Lstat(name)
		return err == nil
	}
	return !info.IsDir()
}
