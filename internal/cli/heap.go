package cli

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// withRoom runs f, which is the start, and then gives back to the system what
// is free. Until the heap has reached 64 MB nothing is collected: most of it is
// the document and what was made of it, which all lives until the end of f, so
// that collections would read it again and again and free little.
//
// Giving back costs a collection and a few milliseconds more, which is why it
// is left out while requests are served.
func withRoom(f func()) {
	const percent = 1600 // of the 4 MB from which on the runtime collects
	usual := debug.SetGCPercent(percent)
	restore := sync.OnceFunc(func() { debug.SetGCPercent(usual) })
	runtime.AddCleanup(new([64]byte), func(struct{}) { restore() }, struct{}{}) // runs after the first collection
	f()
	restore()
	debug.FreeOSMemory()
}
