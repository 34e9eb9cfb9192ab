package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run does what the arguments ask, in the repository that it is started in.
func run(args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "new":
		if len(args) < 3 {
			return fmt.Errorf("write make new C=family/name SCOPE=backend; behind SCOPE= stand %s, several in quotation marks", shapes())
		}
		s, err := newSkeleton(".", args[1], args[2:])
		if err != nil {
			return err
		}
		return s.write(os.Stdout, ".")
	case "component":
		if len(args) != 2 || args[1] == "" {
			return fmt.Errorf("write make component C=family/name")
		}
		return check(".", args[1])
	case "imports":
		return writeImports(".")
	}
	return fmt.Errorf("unknown command %q; write new, component or imports", args[0])
}
