// Package yamlx helps the two readers of YAML, that of configurations and that
// of answers, over what the library does not take.
package yamlx
