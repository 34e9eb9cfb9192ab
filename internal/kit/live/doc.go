// Package live keeps connections to peers that are no HTTP services: brokers, queues,
// buses. Whoever calls finds the connection there, or hears at once that it is away;
// no call waits for one to be made, and who has time, such as a source, does so by Wait.
package live
