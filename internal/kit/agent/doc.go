// Package agent is what all drivers of agents have in common: it takes the messages of a
// subscriber of package queue, hands them to the pipe of the agent, and ends each delivery by
// what became of it.
//
//	sub, err := broker.Subscriber(s.Name(), ...)
//	return agent.Take(s, sub, agent.Options{RetryDelay: time.Second})
//
// The subscriber is started when the agent begins to take, and not before: a generation that
// is looked at, or tried with one request, takes nothing from a queue.
//
// What must last is kept as long as neither the subscriber nor what [Options] and the agent say
// of it change: the workers that are busy, the rate, messages that rest before they are given
// back, and how often each was delivered. Two generations that have it in common take beside
// each other, so that a reload makes no gap, and together no more than one of them might.
package agent
