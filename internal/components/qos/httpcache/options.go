package httpcache

import "github.com/sluice-gateway/sluice/internal/config"

// Options configures qos/http-cache.
type Options struct {
	// Shared uses one store for all backends that say so and have the same
	// limits. Otherwise each backend has its own.
	Shared bool `json:"shared"`

	// MaxItems limits the number of stored answers; absent, it is not limited.
	// The answer that was used least recently goes first. Variants of one URL
	// count one each, and there are 32 of them at most.
	MaxItems int `json:"max_items" check:"min=1"`

	// MaxSize limits the memory of stored answers, in bytes; absent, it is 256 MiB.
	// The answer that was used least recently goes first.
	MaxSize config.Size `json:"max_size" check:"min=1024"`
}
