// Command sluice is an API gateway: it serves the endpoints that one
// configuration file declares. Run it without arguments for help.
package main

import (
	"os"

	"github.com/sluice-gateway/sluice/internal/cli"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
)

func main() { os.Exit(cli.Main(os.Args[1:], fast.Engine, nethttp.Engine)) }
