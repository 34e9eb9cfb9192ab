package all // made by make generate of the folders that there are

import (
	_ "github.com/sluice-gateway/sluice/internal/components/async/amqp"
	_ "github.com/sluice-gateway/sluice/internal/components/auth/jose"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/amqp"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/graphql"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/httpbackend"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/lambda"
	_ "github.com/sluice-gateway/sluice/internal/components/backend/pubsub"
	_ "github.com/sluice-gateway/sluice/internal/components/proxy"
	_ "github.com/sluice-gateway/sluice/internal/components/qos/circuitbreaker"
	_ "github.com/sluice-gateway/sluice/internal/components/qos/httpcache"
	_ "github.com/sluice-gateway/sluice/internal/components/qos/ratelimit"
	_ "github.com/sluice-gateway/sluice/internal/components/router"
	_ "github.com/sluice-gateway/sluice/internal/components/security/cors"
	_ "github.com/sluice-gateway/sluice/internal/components/telemetry/logging"
	_ "github.com/sluice-gateway/sluice/internal/components/validation/cel"
)
