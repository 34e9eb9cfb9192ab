// Package live keeps connections to peers that are no HTTP services: brokers, queues,
// buses. Whoever calls finds the connection there, or hears at once that it is away;
// nobody waits for one to be made.
package live
